/* SPDX-License-Identifier: MIT */
/* A process that outlives its owner and then undoes what that has left. */
#ifndef DRX_GUARD_H
#define DRX_GUARD_H

#include <stdint.h>

#include <devrx/error.h>

#include "nic/journal.h"

/*
 * Start @program (NULL: "devrx" in PATH) as the guard of @owner on NIC @ifindex. It
 * ends when @ret_fd is closed after drx_guard_end(), else only after @owner. 0; an
 * errno with the cause guard-failed.
 */
int drx_guard_start(int *ret_fd, const char *program,
		    const struct drx_owner *owner, uint32_t ifindex,
		    struct devrx_cause *cause);
/* Not needed any more; @fd is closed. */
void drx_guard_end(int fd);

#endif /* DRX_GUARD_H */
