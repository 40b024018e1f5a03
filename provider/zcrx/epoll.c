// SPDX-License-Identifier: MIT
/*
 * A program's own epoll set, reaped in the same wait: IORING_OP_EPOLL_WAIT.
 *
 *	off -> armed -> has a result -> delivered -> armed, ... -> its last, off
 *
 * While it is armed the kernel writes to the caller's array, in io_uring_enter()
 * only. So it is armed by a call that waits and by none that has delivered, and
 * between the two the array is the caller's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

static int take_off(struct devrx_receiver *rx)
{
	struct drx_epoll *epoll = &rx->events.epoll;
	struct io_uring_sqe *sqe;

	if (epoll->fd < 0)
		return -ENOENT;
	if (epoll->ending)
		return 0;
	if (epoll->armed) {
		sqe = drx_next_sqe(rx);
		if (!sqe)
			return -EBUSY;
		io_uring_prep_cancel64(sqe, DRX_UD_EPOLL, 0);
		sqe->user_data = DRX_UD_IGNORE;
	} else if (!epoll->has_result) {
		epoll->result = -ECANCELED;
		epoll->has_result = true;
		rx->events.pending = true;
	}
	epoll->ending = true;
	return 0;
}

int devrx_receiver_epoll(struct devrx_receiver *rx, int epfd,
			 struct epoll_event *events, unsigned int n)
{
	struct drx_epoll *epoll = &rx->events.epoll;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (epfd < 0)
		return take_off(rx);
	if (!events || !n || n > INT_MAX / sizeof(*events))
		return -EINVAL;
	if (fcntl(epfd, F_GETFL) < 0)
		return -EBADF;
	if (epoll->fd >= 0)
		return -EEXIST;
	if (!drx_uring_has_opcode(rx->ops, &rx->ring,
				  (int)DRX_IORING_OP_EPOLL_WAIT)) {
		rx->has_cause = true;
		return drx_fail(&rx->cause, -EOPNOTSUPP, "epoll-missing",
				"poll devrx_receiver_fd() in the epoll set",
				"the kernel has no IORING_OP_EPOLL_WAIT "
				"(Linux 6.15)");
	}
	*epoll = (struct drx_epoll){ .fd = epfd, .events = events, .nr = n };
	return 0;
}

bool drx_epoll_unarmed(const struct devrx_receiver *rx)
{
	const struct drx_epoll *epoll = &rx->events.epoll;

	return epoll->fd >= 0 && !epoll->armed && !epoll->has_result;
}

void drx_epoll_arm(struct devrx_receiver *rx)
{
	struct drx_epoll *epoll = &rx->events.epoll;
	struct io_uring_sqe *sqe;

	if (!drx_epoll_unarmed(rx))
		return;
	sqe = drx_next_sqe(rx);
	if (!sqe)
		return; /* the next wait tries again */
	io_uring_prep_rw((int)DRX_IORING_OP_EPOLL_WAIT, sqe, epoll->fd,
			 epoll->events, epoll->nr, 0);
	sqe->user_data = DRX_UD_EPOLL;
	epoll->armed = true;
}

void drx_epoll_reap(struct devrx_receiver *rx, int res)
{
	struct drx_epoll *epoll = &rx->events.epoll;

	if (!epoll->armed)
		return;
	epoll->armed = false;
	epoll->result = res;
	epoll->has_result = true;
	rx->events.pending = true;
}

unsigned int drx_epoll_deliver(struct devrx_receiver *rx,
			       struct devrx_fragment *frag)
{
	struct drx_epoll *epoll = &rx->events.epoll;

	*frag = (struct devrx_fragment){
		.position = epoll->result > 0 ? (uint64_t)epoll->result : 0,
		.user = DEVRX_EVENT_EPOLL,
		.flags = DEVRX_FRAGMENT_EVENT,
		.error = (int16_t)(epoll->result < 0 ? epoll->result : 0),
	};
	epoll->has_result = false;
	if (epoll->result < 0) {
		epoll->fd = -1;
	} else if (epoll->ending) {
		epoll->result = -ECANCELED;
		epoll->has_result = true;
	}
	return 1;
}
