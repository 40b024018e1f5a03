// SPDX-License-Identifier: MIT
/* The system calls of the ring, as liburing makes them. */
#include "zcrx/uring.h"

static int kernel_setup(struct io_uring *ring, unsigned int entries,
			struct io_uring_params *params)
{
	int err;

	err = io_uring_queue_init_params(entries, ring, params);
	if (err)
		return err;
	err = io_uring_ring_dontfork(ring);
	if (err)
		io_uring_queue_exit(ring);
	return err;
}

static int kernel_enter(struct io_uring *ring, bool wait,
			struct __kernel_timespec *ts)
{
	struct io_uring_cqe *cqe;

	if (wait)
		return io_uring_submit_and_wait_timeout(ring, &cqe, 1, ts,
							NULL);
	return io_uring_submit_and_get_events(ring);
}

static int kernel_reg(struct io_uring *ring, unsigned int opcode, void *arg,
		      unsigned int nr_args)
{
	return io_uring_register((unsigned int)ring->ring_fd, opcode, arg,
				 nr_args);
}

const struct drx_uring_ops drx_uring_kernel = {
	.setup = kernel_setup,
	.exit = io_uring_queue_exit,
	.enter = kernel_enter,
	.reg = kernel_reg,
};
