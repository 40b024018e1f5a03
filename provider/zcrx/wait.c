// SPDX-License-Identifier: MIT
/*
 * Waiting: what is there is delivered, and only then is the kernel entered.
 *
 * New completions appear only inside io_uring_enter() (IORING_SETUP_
 * DEFER_TASKRUN), so the queue is emptied first (reap.c) and the kernel entered
 * only when there is nothing left in it.
 */
#include <errno.h>
#include <time.h>

#include "util/cause.h"
#include "zcrx/clock.h"
#include "zcrx/receiver.h"

/* A device that passes a fence wakes nobody: while fences are pending, a wait
 * looks at them after this time, and ever less often while nothing happens. */
#define FENCE_NAP_NS INT64_C(32000)
#define FENCE_NAP_MAX_NS INT64_C(1024000)

/* All that can be had without the kernel; with @wait what a device is copying,
 * too. */
static inline unsigned int collect(struct devrx_receiver *rx,
				   struct devrx_fragment *frags, unsigned int n,
				   bool wait)
{
	unsigned int got = 0;

	if (__builtin_expect(rx->recover.on, 0))
		got = drx_recover_deliver(rx, frags, n);
	if (__builtin_expect(rx->pipeline.batch != NULL, 0))
		got = drx_pipeline_collect(rx, frags, n, wait);
	else
		got += drx_reap(rx, frags + got, n - got);
	if (__builtin_expect(rx->recover.on, 0))
		got = drx_recover_reaped(rx, frags, got, n);
	if (__builtin_expect(rx->ending.head != DRX_NONE && !rx->pipeline.nr,
			     0))
		got += drx_conns_last(rx, frags + got, n - got);
	/* The kernel is not entered before a call has room for them. */
	if (__builtin_expect(rx->events.pending, 0))
		got += drx_events_deliver(rx, frags + got, n - got);
	return got;
}

/* Give back what devices are done with; what they lost is told before anything
 * else, so that nothing waits for its chunks. */
static unsigned int look_at_fences(struct devrx_receiver *rx,
				   struct devrx_fragment *frags, unsigned int n)
{
	drx_fences_poll(rx);
	return drx_fences_tell_lost(rx, frags, n);
}

/*
 * Enter the kernel once, for at most until @deadline (negative: no limit, 0:
 * without waiting), or where there are connections until it is time to look at
 * them. 0, or -ETIME, -EINTR, or what the kernel says. The kernel works only when
 * entered, so a deadline that has passed is no reason not to: a caller with a tiny
 * timeout would never get anything.
 */
static int enter(struct devrx_receiver *rx, int64_t deadline)
{
	struct __kernel_timespec ts, *limit = NULL;
	int64_t left = INT64_MAX;
	bool late = false;
	int err;

	if (deadline > 0) {
		left = deadline - drx_now_ns();
		late = left <= 0;
		if (late)
			left = 0;
	}
	rx->hangups.napping =
		deadline && rx->stats.connections && left > rx->hangups.nap_ns;
	if (rx->hangups.napping)
		left = rx->hangups.nap_ns;
	if (left != INT64_MAX) {
		ts.tv_sec = left / DRX_NS_PER_S;
		ts.tv_nsec = left % DRX_NS_PER_S;
		limit = &ts;
	}
	rx->stats.enters++;
	drx_share_unlock(rx);
	err = rx->ops->enter(&rx->ring, deadline && !late, limit);
	drx_share_lock(rx);
	/* Busy: completions overflowed and must be taken first, which the
	 * caller does next in any case. */
	if (err == -EBUSY || err == -EAGAIN)
		err = 0;
	if (err >= 0 && late)
		return -ETIME;
	return err < 0 ? err : 0;
}

/* When a wait until @deadline has to look at fences next. */
static int64_t nap_end(int64_t deadline, int64_t *nap)
{
	int64_t end = drx_now_ns() + *nap;

	if (*nap < FENCE_NAP_MAX_NS)
		*nap *= 2;
	return deadline > 0 && deadline < end ? deadline : end;
}

/*
 * Only a fence can let things go on, so the kernel has nothing to wait for; and
 * while completions cannot be taken it would not even wait. 0, -ETIME, -EINTR.
 */
static int sleep_until(struct devrx_receiver *rx, int64_t end)
{
	const struct timespec ts = { end / DRX_NS_PER_S, end % DRX_NS_PER_S };
	int err;

	drx_share_unlock(rx);
	err = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	drx_share_lock(rx);
	return err ? -err : -ETIME;
}

/* Connections have nothing that a wait could bring, which @err says; events may
 * come all the same. */
static int nothing_but_events(struct devrx_receiver *rx,
			      struct devrx_fragment *frags, unsigned int n,
			      int err)
{
	unsigned int got = 0;

	if (drx_events_wanted(rx)) {
		drx_events_arm(rx);
		(void)enter(rx, 0);
		got = collect(rx, frags, n, true);
	}
	if (got)
		return (int)got;
	return err == -ENOBUFS && rx->flow.nr_paused ? drx_flow_tell(rx) : err;
}

static __attribute__((noinline)) int wait_slow(struct devrx_receiver *rx,
					       struct devrx_fragment *frags,
					       unsigned int n,
					       int64_t timeout_ns)
{
	int64_t deadline = timeout_ns, nap = FENCE_NAP_NS, end;
	bool fenced, stuck, tell, orphans, copying;
	unsigned int got;
	int err;

	/* A deadline later than the clock can tell is none. */
	if (timeout_ns > 0 &&
	    __builtin_add_overflow(drx_now_ns(), timeout_ns, &deadline))
		deadline = -1;
	for (;;) {
		if (rx->wake_fd >= 0)
			drx_wake_clear(rx);
		drx_release_parked(rx);
		fenced = rx->fences.nr;
		copying = rx->pipeline.nr;
		if (!rx->slots.nr_free && !fenced && !copying)
			return nothing_but_events(rx, frags, n, -ENOBUFS);
		if (!rx->stats.connections && rx->events.epoll.fd < 0 &&
		    !rx->writes.nr)
			return nothing_but_events(rx, frags, n, -ENOTCONN);
		if (drx_flow_due(rx))
			drx_flow_look(rx);
		if (__builtin_expect(rx->stats.enters % DRX_HANGUP_VISITS == 0,
				     0))
			(void)drx_hangups_look(rx);
		stuck = !rx->slots.nr_free ||
			(rx->stats.connections &&
			 rx->nr_starved + rx->flow.nr_paused ==
				 rx->stats.connections);
		if (stuck && !fenced && !copying && !rx->writes.nr)
			return nothing_but_events(rx, frags, n, -ENOBUFS);
		end = fenced && deadline ? nap_end(deadline, &nap) : deadline;
		if (__builtin_expect(rx->recover.first != NULL, 0))
			end = drx_recover_wait(rx, end);
		tell = rx->flow.tell && !fenced;
		if (tell || copying)
			end = 0; /* unless something comes at once */
		orphans = false;
		if (stuck && !rx->writes.nr) {
			rx->hangups.napping = false;
			err = end ? sleep_until(rx, end) : 0;
			if (drx_events_wanted(rx)) {
				drx_events_arm(rx);
				(void)enter(rx, 0);
			}
		} else {
			drx_conns_arm(rx);
			drx_events_arm(rx);
			orphans = drx_events_orphans(rx);
			err = enter(rx, orphans ? 0 : end);
		}
		got = fenced ? look_at_fences(rx, frags, n) : 0;
		if (!got)
			got = collect(rx, frags, n, true);
		if (!got && !err && drx_recover_expire(rx))
			got = collect(rx, frags, n, true);
		if (got && rx->pipeline.nr && rx->wake_fd >= 0)
			drx_wake_signal(rx);
		if (got)
			return (int)got;
		if (tell && !err)
			return drx_flow_tell(rx);
		if (orphans && !err && drx_events_end_orphans(rx))
			continue;
		if ((err == -ETIME || (!err && !timeout_ns)) &&
		    drx_hangups_look(rx))
			continue;
		if (err == -ETIME && (end != deadline || rx->hangups.napping))
			continue; /* a nap is over, not the wait */
		if (!err && !timeout_ns && rx->wake_fd >= 0 &&
		    drx_wake_unfinished(rx))
			continue;
		if (err == -ETIME || (!err && !timeout_ns))
			return 0;
		if (err)
			return err;
	}
}

int devrx_receiver_wait(struct devrx_receiver *rx, struct devrx_fragment *frags,
			unsigned int n, int64_t timeout_ns)
{
	unsigned int nr;
	int got;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (!n)
		return -EINVAL;
	rx->stats.waits++;
	drx_share_lock(rx);
	nr = rx->fences.nr + rx->fences.nr_lost;
	if (__builtin_expect(nr != 0, 0))
		nr = look_at_fences(rx, frags, n);
	if (!nr)
		nr = collect(rx, frags, n, false);
	got = nr ? (int)nr : wait_slow(rx, frags, n, timeout_ns);
	drx_share_unlock(rx);
	return got;
}
