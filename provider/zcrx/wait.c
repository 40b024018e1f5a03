// SPDX-License-Identifier: MIT
/*
 * Completions become fragments.
 *
 * The completion queue is a ring in shared memory with one producer, the
 * kernel, and one consumer, us:
 *
 *	producer (kernel)			consumer (us)
 *	load.acquire head leaves room	(A)	load.acquire tail	(C)
 *	store completions			load completions
 *	store.release tail		(B)	store.release head	(D)
 *
 * (B) pairs with (C): no completion is read before it is written; it also
 * carries the payload, which the NIC wrote before the kernel posted it. (D)
 * pairs with (A): no completion is overwritten while it is still read.
 *
 * New completions appear only inside io_uring_enter() (IORING_SETUP_
 * DEFER_TASKRUN), so the queue is emptied first and the kernel entered only
 * when there is nothing left in it.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "util/cause.h"
#include "zcrx/clock.h"
#include "zcrx/receiver.h"

/* A device that passes a fence wakes nobody: while fences are pending, a wait
 * looks at them after this time, and ever less often while nothing happens. */
#define FENCE_NAP_NS INT64_C(32000)
#define FENCE_NAP_MAX_NS INT64_C(1024000)

static inline uint64_t offset_of(const struct io_uring_cqe *cqe)
{
	return ((const struct drx_zcrx_cqe *)(cqe + 1))->off &
	       ~DRX_ZCRX_AREA_MASK;
}

/*
 * Of two completions side by side in memory, is the first one data of @conn?
 * Only data has F_MORE, and its result is never negative. A short completion of
 * a mixed queue never has it.
 */
static inline bool is_data(const struct io_uring_cqe *cqe,
			   const struct drx_conn *conn, uint64_t area_len)
{
	return cqe->flags & IORING_CQE_F_MORE &&
	       conn->user_data == cqe->user_data &&
	       offset_of(cqe) + (uint32_t)cqe->res <= area_len;
}

/*
 * Turn data completions, at most @max, into fragments, up to the first
 * completion that is something else. All are in one piece: both layouts have 32
 * bytes for data. What is used in each round is in locals: through @rx the
 * compiler would have to load it anew after each store.
 */
static __attribute__((noinline)) uint32_t
reap_run(struct devrx_receiver *rx, const struct io_uring_cqe *cqe,
	 struct devrx_fragment *frag, uint32_t max)
{
	const uint64_t area_token = rx->ifq.area_token;
	const uint64_t conn_mask = rx->conn_mask;
	const uint64_t area_len = rx->area_len;
	struct drx_slot **top = rx->slots.free + rx->slots.nr_free;
	struct drx_conn *conns = rx->conns;
	uint64_t bytes = 0;
	uint32_t n, flags;

	memcpy(&flags, rx->frag_flags, sizeof(flags));

#pragma GCC unroll 4
	for (n = 0; n < max; n++, frag++, cqe += 2) {
		const uint64_t user_data = cqe->user_data;
		struct drx_conn *conn = &conns[user_data & conn_mask];
		struct drx_slot *slot = top[-1];
		const uint64_t off = offset_of(cqe);
		const uint32_t len = (uint32_t)cqe->res;

		if (__builtin_expect(!is_data(cqe, conn, area_len), 0))
			break;
		frag->offset = off;
		frag->position = conn->position;
		frag->user = conn->user;
		slot->user_data = user_data;
		frag->token = drx_slot_fill(slot, off | area_token);
		top--;
		frag->length = len;
		/* flags and error in one store, which the compiler misses. */
		memcpy(&frag->flags, &flags, sizeof(flags));
		conn->position += len;
		bytes += len;
	}
	rx->slots.nr_free -= n;
	rx->stats.bytes += bytes;
	rx->stats.fragments += n;
	return n;
}

/*
 * A completion that is no ordinary piece of data: the end of a receive, data
 * of a connection that was given up, a place outside the memory. False where
 * it has to stay in the queue until a slot is free.
 */
static __attribute__((noinline, cold)) bool
reap_other(struct devrx_receiver *rx, const struct io_uring_cqe *cqe, bool wide)
{
	struct drx_conn *conn = drx_conn_of(rx, cqe->user_data & ~DRX_UD_STEAL);
	bool data = wide && cqe->res > 0 && cqe->flags & IORING_CQE_F_MORE;
	uint64_t off = data ? offset_of(cqe) : 0;
	bool inside = data && off + (uint32_t)cqe->res <= rx->area_len;

	if (cqe->flags & DRX_IORING_CQE_F_SKIP)
		return true;
	if (cqe->user_data & DRX_UD_IGNORE) {
		if (cqe->user_data & DRX_UD_STEAL) {
			drx_flow_cancelled(rx, cqe->user_data, cqe->res);
			drx_events_cancelled(rx, cqe->user_data, cqe->res);
			drx_hangups_cancelled(rx, cqe->user_data, cqe->res);
		} else {
			drx_events_reap(rx, cqe->user_data, cqe->res);
		}
		return true;
	}
	if (inside && conn && conn->state == DRX_CONN_ARMED && conn->steals)
		return drx_recover_steal(rx, conn, off, (uint32_t)cqe->res);
	if (inside) /* of a connection that is there, but no slot is free */
		return !conn && drx_release_chunk(rx, off | rx->ifq.area_token);
	/* Not armed: its end was told before, and is on a list already. */
	if (!conn || conn->state != DRX_CONN_ARMED)
		return true;
	if (data) {
		rx->has_cause = true;
		(void)drx_fail(&rx->cause, 0, "bad-completion", NULL,
			       "the kernel told of %d bytes at offset %llu of "
			       "a memory of %llu",
			       cqe->res, (unsigned long long)off,
			       (unsigned long long)rx->area_len);
		drx_conn_abort(rx, conn, -EPROTO);
		return true;
	}
	drx_conn_ended(rx, conn, cqe->res);
	return true;
}

static inline uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

/*
 * Turn completions into at most @n fragments. In a queue of CQE32 each has 32
 * bytes. In one of CQE_MIXED data takes two places, anything else one, and a
 * filler stands where data would wrap around the end.
 */
static unsigned int reap(struct devrx_receiver *rx,
			 struct devrx_fragment *frags, unsigned int n)
{
	const uint32_t tail =
		__atomic_load_n(rx->cq_ktail, __ATOMIC_ACQUIRE); /* C */
	const unsigned int mixed = rx->cqe_mixed;
	uint32_t head = *rx->cq_khead; /* nobody else writes it */
	unsigned int got = 0;

	while (head != tail && got != n) {
		const uint32_t first = head & rx->cq_mask;
		const uint32_t room = rx->cq_mask + 1 - first;
		const uint32_t there = tail - head < room ? tail - head : room;
		const struct io_uring_cqe *cqe = &rx->cqes[first << !mixed];
		unsigned int run;
		bool wide;

		run = reap_run(rx, cqe, frags + got,
			       min3(there >> mixed, n - got,
				    rx->slots.nr_free));
		if (__builtin_expect(run != 0, 1)) {
			head += run << mixed;
			if (__builtin_expect(rx->stage.mem != NULL, 0))
				run = drx_stage_move(rx, cqe, frags + got, run);
			got += run;
			continue;
		}
		wide = !mixed || cqe->flags & DRX_IORING_CQE_F_32;
		if (!reap_other(rx, cqe, wide))
			break;
		head += mixed && wide ? 2 : 1;
	}
	__atomic_store_n(rx->cq_khead, head, __ATOMIC_RELEASE); /* D */
	return got;
}

__attribute__((noinline)) unsigned int drx_reap(struct devrx_receiver *rx,
						struct devrx_fragment *frags,
						unsigned int n)
{
	return drx_is_recv(rx) ? drx_recv_reap(rx, frags, n) :
				 reap(rx, frags, n);
}

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
		got += drx_is_recv(rx) ?
			       drx_recv_reap(rx, frags + got, n - got) :
			       reap(rx, frags + got, n - got);
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
		if (!rx->stats.connections && rx->events.epoll.fd < 0)
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
		if (stuck && !fenced && !copying)
			return nothing_but_events(rx, frags, n, -ENOBUFS);
		end = fenced && deadline ? nap_end(deadline, &nap) : deadline;
		if (__builtin_expect(rx->recover.first != NULL, 0))
			end = drx_recover_wait(rx, end);
		tell = rx->flow.tell && !fenced;
		if (tell || copying)
			end = 0; /* unless something comes at once */
		orphans = false;
		if (stuck) {
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
