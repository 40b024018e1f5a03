// SPDX-License-Identifier: MIT
/*
 * Fragments become refill entries.
 *
 * The kernel takes entries out of the refill ring when the NIC needs chunks; a
 * quiet NIC leaves the ring full. Then the kernel is asked to empty it (Linux
 * 6.19), and before that the slots are parked until there is room: nothing is
 * dropped either way.
 */
#include <errno.h>

#include "zcrx/receiver.h"

bool drx_refill_flush(struct devrx_receiver *rx)
{
	struct drx_zcrx_ctrl ctrl = {
		.zcrx_id = rx->ifq.zcrx_id,
		.op = DRX_ZCRX_CTRL_FLUSH_RQ,
	};

	if (!(rx->features.flags & DEVRX_FEATURE_FLUSH))
		return false;
	drx_refill_publish(&rx->ifq.rq);
	rx->stats.refill_flushes++;
	return !rx->ops->reg(&rx->ring, DRX_IORING_REGISTER_ZCRX_CTRL, &ctrl,
			     0);
}

void drx_release_parked(struct devrx_receiver *rx)
{
	struct drx_slot *slot = drx_slot_parked(&rx->slots);

	if (!slot)
		return;
	for (; slot; slot = drx_slot_parked(&rx->slots)) {
		if (!drx_refill_push(&rx->ifq.rq, slot->chunk))
			break;
		drx_slot_unpark(&rx->slots, slot);
	}
	drx_refill_publish(&rx->ifq.rq);
}

/* The refill ring is full: make room in it, or park the slot. */
static __attribute__((noinline, cold)) void
release_full(struct devrx_receiver *rx, struct drx_slot *slot)
{
	if (drx_refill_flush(rx) && drx_refill_push(&rx->ifq.rq, slot->chunk))
		drx_slot_free(&rx->slots, slot);
	else
		drx_slot_park(&rx->slots, slot);
}

void drx_release_slot(struct devrx_receiver *rx, struct drx_slot *slot)
{
	if (drx_is_recv(rx))
		drx_recv_give_back(rx, slot);
	else if (slot->chunk == DRX_NO_CHUNK)
		drx_slot_free(&rx->slots, slot);
	else if (rx->recover.on && drx_recover_keep(rx, slot))
		return;
	else if (__builtin_expect(drx_refill_push(&rx->ifq.rq, slot->chunk), 1))
		drx_slot_free(&rx->slots, slot);
	else
		release_full(rx, slot);
}

void drx_release_publish(struct devrx_receiver *rx)
{
	if (!drx_is_recv(rx)) /* drx_recv_reap() publishes there */
		drx_refill_publish(&rx->ifq.rq);
}

bool drx_release_chunk(struct devrx_receiver *rx, uint64_t chunk)
{
	struct drx_slot *slot;

	if (drx_refill_push(&rx->ifq.rq, chunk) ||
	    (drx_refill_flush(rx) && drx_refill_push(&rx->ifq.rq, chunk))) {
		drx_refill_publish(&rx->ifq.rq);
		return true;
	}
	if (!rx->slots.nr_free)
		return false;
	slot = drx_slot_find(&rx->slots, drx_slot_take(&rx->slots, chunk));
	drx_slot_expire(slot);
	drx_slot_park(&rx->slots, slot);
	return true;
}

/*
 * Release @n fragments into as many refill entries at @rqe, up to the first one
 * that is none. What is used in each round is in locals: through @rx the
 * compiler would have to load it anew after each store. Return how many.
 */
static __attribute__((noinline)) uint32_t
release_run(struct devrx_receiver *rx, const struct devrx_fragment *frags,
	    uint32_t n, struct drx_zcrx_rqe *rqe)
{
	struct drx_slots *s = &rx->slots;
	struct drx_slot *slots = s->slot;
	const uint64_t mask = s->mask;
	struct drx_slot **top = s->free + s->nr_free;
	uint32_t i;

#pragma GCC unroll 4
	for (i = 0; i < n; i++) {
		const uint64_t token = frags[i].token;
		struct drx_slot *slot = &slots[token & mask];

		if (__builtin_expect(slot->token != token, 0))
			break;
		rqe[i].off = slot->chunk;
		slot->token = drx_slot_expired(token);
		top[i] = slot;
	}
	s->nr_free += i;
	drx_refill_queued(&rx->ifq.rq, i);
	return i;
}

/* Where a slot is its fragment's chunk, and mostly nothing else goes back. */
static __attribute__((noinline)) int
release_each(struct devrx_receiver *rx, const struct devrx_fragment *frags,
	     unsigned int n)
{
	uint64_t released = 0, bad = 0;
	struct drx_slot *slot;
	unsigned int i;

	for (i = 0; i < n; i++) {
		slot = drx_slot_find(&rx->slots, frags[i].token);
		if (__builtin_expect(!slot, 0)) {
			bad += frags[i].token != 0;
			continue;
		}
		drx_slot_expire(slot);
		drx_release_slot(rx, slot);
		released++;
	}
	drx_release_publish(rx);
	rx->stats.released += released;
	rx->stats.bad_releases += bad;
	return bad ? -ESTALE : 0;
}

static inline int release(struct devrx_receiver *rx,
			  const struct devrx_fragment *frags, unsigned int n)
{
	const struct devrx_fragment *end = frags + n;
	uint64_t released = 0;
	uint64_t bad = 0;

	if (rx->slots_are_chunks)
		return release_each(rx, frags, n);
	drx_release_parked(rx);
	if (__builtin_expect(rx->recover.on, 0))
		return drx_recover_release(rx, frags, n);
	while (frags != end) {
		struct drx_zcrx_rqe *rqe;
		struct drx_slot *slot;
		uint32_t run;

		run = drx_refill_run(&rx->ifq.rq, (uint32_t)(end - frags),
				     &rqe);
		run = release_run(rx, frags, run, rqe);
		if (__builtin_expect(run != 0, 1)) {
			released += run;
			frags += run;
			continue;
		}
		slot = drx_slot_find(&rx->slots, frags->token);
		if (slot) {
			drx_slot_expire(slot);
			release_full(rx, slot);
			released++; /* the ring is full */
		} else {
			bad += frags->token != 0;
		}
		frags++;
	}
	drx_refill_publish(&rx->ifq.rq);
	rx->stats.released += released;
	rx->stats.bad_releases += bad;
	if (rx->starved.head != DRX_NONE && released)
		drx_conns_unstarve(rx);
	return bad ? -ESTALE : 0;
}

int devrx_receiver_release(struct devrx_receiver *rx,
			   const struct devrx_fragment *frags, unsigned int n)
{
	int err;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	drx_share_lock(rx);
	err = release(rx, frags, n);
	drx_share_unlock(rx);
	return err;
}
