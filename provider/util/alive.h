/* SPDX-License-Identifier: MIT */
/*
 * A word that is 1 in the process that made it and 0 in every child: what belongs to
 * one process asks it in one load, where getpid() would be a system call.
 */
#ifndef DRX_ALIVE_H
#define DRX_ALIVE_H

#include <stdbool.h>
#include <stdint.h>

/* NULL where there is no memory, or the kernel is older than 4.14. */
const uint32_t *drx_alive_new(void);
/* NULL is fine. In a child, too. */
void drx_alive_free(const uint32_t *alive);

static inline bool drx_alive(const uint32_t *alive)
{
	return __builtin_expect(*alive, 1);
}

#endif /* DRX_ALIVE_H */
