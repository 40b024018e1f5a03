/* SPDX-License-Identifier: MIT */
/* What other rooms may ask of a memory beyond the public API. */
#ifndef DRX_MEMORY_H
#define DRX_MEMORY_H

#include <devrx/memory.h>

/*
 * Bind @mem to a receiver, so that it can be neither freed nor bound again.
 * Return 0, -EBUSY with the cause "memory-bound", or -EPERM with "forked" in a
 * child of the process that made it. May race with another thread's bind:
 * exactly one of them wins.
 */
int drx_memory_bind(struct devrx_memory *mem, struct devrx_cause *cause);
void drx_memory_unbind(struct devrx_memory *mem);

#endif /* DRX_MEMORY_H */
