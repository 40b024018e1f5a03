/* SPDX-License-Identifier: MIT */
/*
 * The system calls of the ring, behind a table.
 *
 * Everything above this table is plain memory: completions, submissions and
 * the refill ring are words that two parties write. A test that fills them
 * itself therefore runs the very code that runs against the kernel.
 */
#ifndef DRX_URING_H
#define DRX_URING_H

#include <stdbool.h>
#include <liburing.h>

/*
 * @setup: create the ring and map it, hidden from children (madvise
 *	DONTFORK): a child that inherits the mapping keeps the queue taken
 * @exit: undo setup
 * @enter: submit what is queued and, with @wait, sleep until a completion is
 *	there or @ts has passed (NULL: no limit). 0 or more: entered; -ETIME,
 *	-EINTR or another negative errno
 * @reg: io_uring_register(2) on the ring
 * @drain: read what a socket has in kernel memory, without waiting: bytes, 0 for
 *	the end of the stream; -EAGAIN, -ENODEV or -EFAULT where a receive of the
 *	ring has to go on; or another negative errno
 */
struct drx_uring_ops {
	int (*setup)(struct io_uring *ring, unsigned int entries,
		     struct io_uring_params *params);
	void (*exit)(struct io_uring *ring);
	int (*enter)(struct io_uring *ring, bool wait,
		     struct __kernel_timespec *ts);
	int (*reg)(struct io_uring *ring, unsigned int opcode, void *arg,
		   unsigned int nr_args);
	int (*drain)(int sockfd, void *buf, size_t len);
};

/* The kernel's. */
extern const struct drx_uring_ops drx_uring_kernel;

/* Has the kernel of @ring the request @opcode? */
bool drx_uring_has_opcode(const struct drx_uring_ops *ops,
			  struct io_uring *ring, int opcode);

#endif /* DRX_URING_H */
