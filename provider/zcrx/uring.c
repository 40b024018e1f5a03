// SPDX-License-Identifier: MIT
/* The system calls of the ring, as liburing makes them. */
#include <errno.h>
#include <sys/socket.h>

#include "zcrx/uring.h"

/* Linux 6.12; not in every C library's headers. */
#ifndef MSG_SOCK_DEVMEM
#define MSG_SOCK_DEVMEM 0x2000000
#endif

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

/*
 * With MSG_SOCK_DEVMEM the kernel reads what is linear of a packet whose rest is
 * in an area, too, and tells of it in a control message, which needs room (linux/
 * net/ipv4/tcp.c, tcp_recvmsg_dmabuf()).
 */
static int kernel_drain(int sockfd, void *buf, size_t len)
{
	char control[4096];
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t ret = recvmsg(sockfd, &msg, MSG_SOCK_DEVMEM | MSG_DONTWAIT);

	return ret < 0 ? -errno : (int)ret;
}

const struct drx_uring_ops drx_uring_kernel = {
	.setup = kernel_setup,
	.exit = io_uring_queue_exit,
	.enter = kernel_enter,
	.reg = kernel_reg,
	.drain = kernel_drain,
};

/* io_uring_register(2) of a ring tells at most so many opcodes. */
#define PROBE_OPS 256u

bool drx_uring_has_opcode(const struct drx_uring_ops *ops,
			  struct io_uring *ring, int opcode)
{
	union {
		struct io_uring_probe probe;
		char room[sizeof(struct io_uring_probe) +
			  PROBE_OPS * sizeof(struct io_uring_probe_op)];
	} u = { 0 };

	return ops->reg(ring, IORING_REGISTER_PROBE, &u.probe, PROBE_OPS) >=
		       0 &&
	       io_uring_opcode_supported(&u.probe, opcode);
}
