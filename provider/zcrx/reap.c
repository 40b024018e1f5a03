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
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

/* Where the bytes are: with several areas their number is in the upper bits. */
static inline uint64_t place_of(const struct io_uring_cqe *cqe,
				const struct drx_areas *areas)
{
	const uint64_t off = ((const struct drx_zcrx_cqe *)(cqe + 1))->off;

	return areas ? off : off & ~DRX_ZCRX_AREA_MASK;
}

static inline bool inside(uint64_t place, uint32_t len, uint64_t area_len,
			  const struct drx_areas *areas)
{
	return areas ? drx_areas_inside(areas, place, len) :
		       place + len <= area_len;
}

/*
 * Turn data completions, at most @max, into fragments, up to the first
 * completion that is something else. All are in one piece: both layouts have 32
 * bytes for data. What is used in each round is in locals: through @rx the
 * compiler would have to load it anew after each store.
 *
 * Of two completions side by side in memory, the first one is data if it has
 * F_MORE, and then its result is never negative. A short completion of a mixed
 * queue never has it.
 */
static inline __attribute__((always_inline)) uint32_t
reap_run_in(struct devrx_receiver *rx, const struct io_uring_cqe *cqe,
	    struct devrx_fragment *frag, uint32_t max,
	    const struct drx_areas *areas, const uint64_t area_token)
{
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
		const uint64_t off = place_of(cqe, areas);
		const uint32_t len = (uint32_t)cqe->res;

		if (__builtin_expect(!(cqe->flags & IORING_CQE_F_MORE) ||
					     conn->user_data != user_data ||
					     !inside(off, len, area_len, areas),
				     0))
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

static __attribute__((noinline)) uint32_t
reap_run(struct devrx_receiver *rx, const struct io_uring_cqe *cqe,
	 struct devrx_fragment *frag, uint32_t max)
{
	return reap_run_in(rx, cqe, frag, max, NULL, 0);
}

/* Several areas, or a kernel that gives the only one another token than 0, as none
 * does so far. */
static __attribute__((noinline)) uint32_t
reap_run_any(struct devrx_receiver *rx, const struct io_uring_cqe *cqe,
	     struct devrx_fragment *frag, uint32_t max)
{
	return reap_run_in(rx, cqe, frag, max, rx->areas, rx->ifq.area_token);
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
	uint64_t off = data ? place_of(cqe, rx->areas) : 0;
	bool is_inside = data && inside(off, (uint32_t)cqe->res, rx->area_len,
					rx->areas);

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
	if (is_inside && conn && conn->state == DRX_CONN_ARMED && conn->steals)
		return drx_recover_steal(rx, conn, off, (uint32_t)cqe->res);
	if (is_inside) /* of a connection that is there, but no slot is free */
		return !conn && drx_release_chunk(rx, off | rx->ifq.area_token);
	/* Not armed: its end was told before, and is on a list already. */
	if (!conn || conn->state != DRX_CONN_ARMED)
		return true;
	if (data) {
		rx->has_cause = true;
		(void)drx_fail(&rx->cause, 0, "bad-completion", NULL,
			       "the kernel told of %d bytes at offset %" PRIu64
			       ", which no memory of the receiver has",
			       cqe->res, off);
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

		run = min3(there >> mixed, n - got, rx->slots.nr_free);
		run = __builtin_expect(rx->areas || rx->ifq.area_token, 0) ?
			      reap_run_any(rx, cqe, frags + got, run) :
			      reap_run(rx, cqe, frags + got, run);
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

unsigned int drx_reap(struct devrx_receiver *rx, struct devrx_fragment *frags,
		      unsigned int n)
{
	return drx_is_recv(rx) ? drx_recv_reap(rx, frags, n) :
				 reap(rx, frags, n);
}
