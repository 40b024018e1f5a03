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
#include <time.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

#define NS_PER_S INT64_C(1000000000)

int drx_receiver_forked(struct devrx_receiver *rx)
{
	rx->has_cause = true;
	return drx_fail(&rx->cause, -EPERM, "forked",
			"open a receiver in the child",
			"the receiver belongs to the process that opened it, "
			"and this is a child of it");
}

/* The connection that @user_data names, or NULL where it ended before. */
static inline struct drx_conn *conn_of(struct devrx_receiver *rx,
				       uint64_t user_data)
{
	uint32_t idx = (uint32_t)user_data;

	if (__builtin_expect(idx >= rx->nr_conns, 0))
		return NULL;
	if (__builtin_expect(rx->conns[idx].generation != user_data >> 32, 0))
		return NULL;
	return &rx->conns[idx];
}

/*
 * A completion that is no ordinary piece of data: the end of a receive, data
 * of a connection that was given up, a place outside the memory. False where
 * it has to stay in the queue until a slot is free.
 */
static __attribute__((noinline, cold)) bool
reap_other(struct devrx_receiver *rx, const struct io_uring_cqe *cqe,
	   uint64_t off)
{
	struct drx_conn *conn = conn_of(rx, cqe->user_data);
	bool data = cqe->res > 0 && cqe->flags & IORING_CQE_F_MORE;
	bool inside = off + (uint32_t)cqe->res <= rx->area_len;

	if (cqe->user_data & DRX_UD_IGNORE)
		return true;
	if (data && !conn && inside)
		return drx_release_chunk(rx, off | rx->ifq.area_token);
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

/*
 * Turn completions into at most @n fragments. Two loops are made of it, for
 * the two layouts: CQE32, where each completion is 32 bytes, and CQE_MIXED,
 * where data takes two places, other completions one, and a filler stands
 * where data would wrap around the end.
 */
static inline __attribute__((always_inline)) unsigned int
reap(struct devrx_receiver *rx, struct devrx_fragment *frags, unsigned int n,
     const bool mixed)
{
	uint32_t tail = __atomic_load_n(rx->cq_ktail, __ATOMIC_ACQUIRE); /* C */
	uint32_t head = *rx->cq_khead; /* nobody else writes it */
	struct devrx_fragment *frag = frags;
	uint64_t bytes = 0;

	while (head != tail && frag != frags + n) {
		const struct io_uring_cqe *cqe =
			&rx->cqes[(head & rx->cq_mask) << (mixed ? 0 : 1)];
		const uint32_t flags = cqe->flags;
		const uint32_t len = (uint32_t)cqe->res;
		struct drx_conn *conn;
		uint64_t off;

		if (mixed && !(flags & DRX_IORING_CQE_F_32)) {
			if (!(flags & DRX_IORING_CQE_F_SKIP))
				(void)reap_other(rx, cqe, 0);
			head++;
			continue;
		}
		off = ((const struct drx_zcrx_cqe *)(cqe + 1))->off &
		      ~DRX_ZCRX_AREA_MASK;
		conn = conn_of(rx, cqe->user_data);
		/* Only data has F_MORE: a result with it is never negative. */
		if (__builtin_expect(!(flags & IORING_CQE_F_MORE) || !conn ||
					     off + len > rx->area_len,
				     0)) {
			if (!reap_other(rx, cqe, off))
				break;
			head += mixed ? 2 : 1;
			continue;
		}
		if (__builtin_expect(!rx->slots.nr_free, 0))
			break;

		frag->offset = off;
		frag->position = conn->position;
		frag->user = conn->user;
		frag->token =
			drx_slot_take(&rx->slots, off | rx->ifq.area_token);
		frag->length = len;
		frag->flags = 0;
		frag->error = 0;
		frag++;
		conn->position += len;
		bytes += len;
		head += mixed ? 2 : 1;
	}
	__atomic_store_n(rx->cq_khead, head, __ATOMIC_RELEASE); /* D */
	rx->stats.bytes += bytes;
	rx->stats.fragments += (uint64_t)(frag - frags);
	return (unsigned int)(frag - frags);
}

/* The last fragments of connections that have ended. */
static unsigned int deliver_endings(struct devrx_receiver *rx,
				    struct devrx_fragment *frags,
				    unsigned int n)
{
	struct drx_conn *conn;
	unsigned int i;

	for (i = 0; i < n && (conn = drx_conn_pop(rx, &rx->ending)); i++) {
		frags[i] = (struct devrx_fragment){
			.position = conn->position,
			.user = conn->user,
			.flags = conn->error ? DEVRX_FRAGMENT_ERROR :
					       DEVRX_FRAGMENT_EOF,
			.error = conn->error,
		};
		drx_conn_free(rx, conn);
	}
	return i;
}

/* All that can be had without the kernel. */
static inline unsigned int collect(struct devrx_receiver *rx,
				   struct devrx_fragment *frags, unsigned int n)
{
	unsigned int got;

	got = rx->cqe_mixed ? reap(rx, frags, n, true) :
			      reap(rx, frags, n, false);
	if (__builtin_expect(rx->ending.head != DRX_NONE, 0))
		got += deliver_endings(rx, frags + got, n - got);
	return got;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/*
 * Enter the kernel once, for at most until @deadline (negative: no limit, 0:
 * without waiting). 0, or -ETIME, -EINTR, or what the kernel says. The kernel
 * works only when entered, so a deadline that has passed is no reason not to:
 * a caller with a tiny timeout would never get anything.
 */
static int enter(struct devrx_receiver *rx, int64_t deadline)
{
	struct __kernel_timespec ts, *limit = NULL;
	bool late = false;
	int64_t left;
	int err;

	if (deadline > 0) {
		left = deadline - now_ns();
		late = left <= 0;
		if (late)
			left = 0;
		ts.tv_sec = left / NS_PER_S;
		ts.tv_nsec = left % NS_PER_S;
		limit = &ts;
	}
	rx->stats.enters++;
	err = rx->ops->enter(&rx->ring, deadline && !late, limit);
	/* Busy: completions overflowed and must be taken first, which the
	 * caller does next in any case. */
	if (err == -EBUSY || err == -EAGAIN)
		err = 0;
	if (err >= 0 && late)
		return -ETIME;
	return err < 0 ? err : 0;
}

static __attribute__((noinline)) int wait_slow(struct devrx_receiver *rx,
					       struct devrx_fragment *frags,
					       unsigned int n,
					       int64_t timeout_ns)
{
	int64_t deadline = timeout_ns;
	unsigned int got;
	int err;

	/* A deadline later than the clock can tell is none. */
	if (timeout_ns > 0 &&
	    __builtin_add_overflow(now_ns(), timeout_ns, &deadline))
		deadline = -1;
	for (;;) {
		drx_release_parked(rx);
		if (!rx->slots.nr_free)
			return -ENOBUFS;
		if (!rx->stats.connections)
			return -ENOTCONN;
		drx_conns_arm(rx);
		err = enter(rx, deadline);
		got = collect(rx, frags, n);
		if (got)
			return (int)got;
		if (err == -ETIME || (!err && !timeout_ns))
			return 0;
		if (err)
			return err;
	}
}

int devrx_receiver_wait(struct devrx_receiver *rx, struct devrx_fragment *frags,
			unsigned int n, int64_t timeout_ns)
{
	unsigned int got;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (!n)
		return -EINVAL;
	rx->stats.waits++;
	got = collect(rx, frags, n);
	if (got)
		return (int)got;
	return wait_slow(rx, frags, n, timeout_ns);
}
