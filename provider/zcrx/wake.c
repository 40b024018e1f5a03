// SPDX-License-Identifier: MIT
/*
 * A descriptor for other people's loops.
 *
 * The ring's own descriptor will not do: with IORING_SETUP_DEFER_TASKRUN it is
 * readable while work is pending, but who sleeps in poll() is woken only when
 * completions are posted (__io_commit_cqring_flush(), linux/io_uring/io_uring.c),
 * which happens inside io_uring_enter(), so never. An eventfd that is registered
 * with the ring is signalled by the first work that is queued (io_req_local_work_
 * add()), and by completions.
 *
 * It is cleared before the kernel is entered and never after: what is signalled
 * from then on is not lost, and nothing that was signalled before is overlooked.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

int devrx_receiver_fd(struct devrx_receiver *rx)
{
	int fd, err;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (rx->wake_fd >= 0)
		return rx->wake_fd;
	/* Readable: what was queued before it was registered is not signalled. */
	fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		err = -errno;
	} else {
		err = rx->ops->reg(&rx->ring, IORING_REGISTER_EVENTFD, &fd, 1);
		if (err >= 0)
			return rx->wake_fd = fd;
		(void)close(fd);
	}
	rx->has_cause = true;
	return drx_fail_os(&rx->cause, err, "making a descriptor to poll");
}

void drx_wake_clear(const struct devrx_receiver *rx)
{
	uint64_t count;

	/* What is not readable is clear, too. */
	while (read(rx->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

void drx_wake_signal(const struct devrx_receiver *rx)
{
	const uint64_t one = 1;

	/* It cannot block: nobody counts that far. */
	while (write(rx->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/*
 * After a visit without a result: is there work that nothing will signal? The
 * kernel does a limited amount at a time, and a receive may be to be armed again.
 */
bool drx_wake_unfinished(const struct devrx_receiver *rx)
{
	return rx->to_arm.head != DRX_NONE || rx->flow.dirty ||
	       drx_events_unarmed(rx) ||
	       IO_URING_READ_ONCE(*rx->ring.sq.kflags) & IORING_SQ_TASKRUN;
}
