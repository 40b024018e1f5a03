/* SPDX-License-Identifier: MIT */
/* What other rooms may ask of a memory beyond the public API. */
#ifndef DRX_MEMORY_H
#define DRX_MEMORY_H

#include <stdbool.h>

#include <devrx/memory.h>
#include <devrx/provider.h>

/*
 * Bind @mem to a receiver, so that it can be neither freed nor bound again.
 * Return 0, -EBUSY with the cause "memory-bound", or -EPERM with "forked" in a
 * child of the process that made it. May race with another thread's bind:
 * exactly one of them wins.
 */
int drx_memory_bind(struct devrx_memory *mem, struct devrx_cause *cause);
void drx_memory_unbind(struct devrx_memory *mem);

/*
 * May @mem be given to PCI devices only? Its exporter's name says so; where /proc
 * does not tell it, kind "cuda" counts as NVIDIA's.
 */
bool drx_memory_wants_pci(const struct devrx_memory *mem);

/*
 * May the CPU write at the memory's host address whenever it likes? Not where a
 * dmabuf's exporter wants to hear of each access, unless it holds nothing but
 * host memory.
 */
bool drx_memory_host_writable(const struct devrx_memory *mem);
/* The same for reading; it touches nothing. */
bool drx_memory_host_readable(const struct devrx_memory *mem);

/* Was @mem made by this process? */
bool drx_memory_is_ours(const struct devrx_memory *mem);

/* Where the CPU has it, or NULL; @len (may be NULL) gets its bytes. */
void *drx_memory_host(const struct devrx_memory *mem, uint64_t *len);

/* The memory's own provider and what it is to be called with; for ranges that
 * the caller has checked, in the process that made @mem. */
const struct devrx_provider *drx_memory_provider(struct devrx_memory *mem,
						 struct devrx_backing **ret);

/*
 * The backing of a memory of the kind whose vtable has @free. Return 0, -EINVAL
 * where it is of another kind, or -EPERM in a forked child.
 */
int drx_memory_backing(struct devrx_memory *mem,
		       void (*free)(struct devrx_backing *backing),
		       struct devrx_backing **ret);

#endif /* DRX_MEMORY_H */
