// SPDX-License-Identifier: MIT
/*
 * Releases that wait for a device; the lists are in fences.h.
 *
 * A fence is only ever asked, never waited for. Its acquire (or that of the
 * caller's function) pairs with the device's release of what it wrote when it
 * was done, and the chunk is shown to the kernel by a release after that ((B)
 * in refill.h): so the NIC overwrites no byte that the device still reads.
 */
#include "zcrx/fences.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

#define ERRNO_MAX 4095

int drx_fences_init(struct drx_fences *f, uint32_t nr)
{
	/* Zero pages until they are used. */
	f->waiting = calloc((size_t)nr + 1, sizeof(*f->waiting));
	f->groups = calloc((size_t)nr + 1, sizeof(*f->groups));
	if (f->waiting && f->groups)
		return 0;
	drx_fences_fini(f);
	return -ENOMEM;
}

void drx_fences_fini(struct drx_fences *f)
{
	free(f->waiting);
	free(f->groups);
	f->waiting = NULL;
	f->groups = NULL;
}

void drx_fences_replace(struct drx_fences *f, const struct drx_fences *larger,
			uint32_t nr)
{
	memcpy(larger->waiting, f->waiting,
	       ((size_t)nr + 1) * sizeof(*f->waiting));
	memcpy(larger->groups, f->groups,
	       ((size_t)nr + 1) * sizeof(*f->groups));
	drx_fences_fini(f);
	f->waiting = larger->waiting;
	f->groups = larger->groups;
}

static bool fence_valid(const struct devrx_fence *fence)
{
	const uintptr_t word = (uintptr_t)fence->timeline;

	if (fence->reserved)
		return false;
	switch (fence->kind) {
	case DEVRX_FENCE_U32:
		return word && word % sizeof(uint32_t) == 0;
	case DEVRX_FENCE_U64:
		return word && word % sizeof(uint64_t) == 0;
	case DEVRX_FENCE_POLL:
		return fence->poll;
	default:
		return false;
	}
}

/* 0: passed; -EAGAIN: not yet; else the device has failed. */
static int fence_ask(const struct devrx_fence *fence)
{
	uint32_t word;
	bool passed;
	int err;

	switch (fence->kind) {
	case DEVRX_FENCE_U32:
		word = __atomic_load_n((const uint32_t *)fence->timeline,
				       __ATOMIC_ACQUIRE);
		passed = (int32_t)(word - (uint32_t)fence->value) >= 0;
		return passed ? 0 : -EAGAIN;
	case DEVRX_FENCE_U64:
		passed = __atomic_load_n((const uint64_t *)fence->timeline,
					 __ATOMIC_ACQUIRE) >= fence->value;
		return passed ? 0 : -EAGAIN;
	default:
		err = fence->poll(fence->object);
		return err > 0 || err < -ERRNO_MAX ? -EIO : err;
	}
}

/* Put the group at @first behind the others of its timeline. */
static void enqueue(struct drx_fences *f, uint32_t first)
{
	struct drx_group *group = &f->groups[first];
	struct drx_group *head;
	uint32_t lane;

	group->next = 0;
	for (lane = group->fence.timeline ? f->lanes : 0; lane;
	     lane = head->next_lane) {
		head = &f->groups[lane];
		if (head->fence.timeline != group->fence.timeline)
			continue;
		f->groups[head->lane_last].next = first;
		head->lane_last = first;
		return;
	}
	group->lane_last = first;
	group->next_lane = f->lanes;
	f->lanes = first;
}

int devrx_receiver_release_after(struct devrx_receiver *rx,
				 const struct devrx_fragment *frags,
				 unsigned int n,
				 const struct devrx_fence *fence)
{
	struct drx_waiting *const waiting = rx->fences.waiting;
	struct drx_slot *const slots = rx->slots.slot;
	const uint64_t mask = rx->slots.mask;
	uint32_t first, last = 0, nr = 0;
	uint64_t bad = 0;
	unsigned int i;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (!fence || !fence_valid(fence))
		return -EINVAL;
	waiting[0].next = 0; /* no slot: the list begins here */
	for (i = 0; i < n; i++) {
		const struct devrx_fragment *frag = &frags[i];
		const uint32_t idx = (uint32_t)(frag->token & mask);
		struct drx_waiting *w;

		if (__builtin_expect(slots[idx].token != frag->token, 0)) {
			bad += frag->token != 0;
			continue;
		}
		slots[idx].token = drx_slot_expired(frag->token);
		w = &waiting[idx];
		w->user = frag->user;
		w->position = frag->position;
		w->length = frag->length;
		waiting[last].next = idx;
		last = idx;
		nr++;
	}
	rx->stats.bad_releases += bad;
	if (nr) {
		waiting[last].next = 0;
		first = waiting[0].next;
		rx->fences.groups[first].fence = *fence;
		rx->fences.groups[first].nr = nr;
		rx->fences.groups[first].last = last;
		enqueue(&rx->fences, first);
		rx->fences.nr += nr;
	}
	return bad ? -ESTALE : 0;
}

/* The device is done with the group at @first. */
static void pass(struct devrx_receiver *rx, uint32_t first)
{
	const struct drx_waiting *waiting = rx->fences.waiting;
	const uint32_t nr = rx->fences.groups[first].nr;
	struct drx_slot *slots = rx->slots.slot;
	uint32_t idx = first, left = nr;

	rx->fences.nr -= nr;
	rx->stats.released += nr;
	while (left) {
		struct drx_slot **top = rx->slots.free + rx->slots.nr_free;
		struct drx_zcrx_rqe *rqe;
		uint32_t run = 0, i;

		if (!rx->slots_are_chunks && !rx->recover.on)
			run = drx_refill_run(&rx->ifq.rq, left, &rqe);
		for (i = 0; i < run; i++) {
			rqe[i].off = slots[idx].chunk;
			top[i] = &slots[idx];
			idx = waiting[idx].next;
		}
		rx->slots.nr_free += run;
		drx_refill_queued(&rx->ifq.rq, run);
		left -= run;
		if (!run) { /* the ring is full, or another tier's */
			drx_release_slot(rx, &slots[idx]);
			idx = waiting[idx].next;
			left--;
		}
	}
}

/* The device has failed: keep the group's slots until that is told. */
static __attribute__((noinline, cold)) void lose(struct devrx_receiver *rx,
						 uint32_t first, int error)
{
	struct drx_fences *f = &rx->fences;
	const uint32_t nr = f->groups[first].nr;
	uint32_t idx;

	for (idx = first; idx; idx = f->waiting[idx].next)
		f->waiting[idx].error = error;
	if (f->nr_lost)
		f->waiting[f->lost_last].next = first;
	else
		f->lost = first;
	f->lost_last = f->groups[first].last;
	f->nr_lost += nr;
	f->nr -= nr;
	rx->stats.lost += nr;
	rx->has_cause = true;
	(void)drx_fail(&rx->cause, 0, "device-lost", NULL,
		       "a fence failed: %s; what the device was to do with the "
		       "%u fragments behind it is not done",
		       strerror(-error), nr);
}

void drx_fences_poll(struct devrx_receiver *rx)
{
	struct drx_fences *f = &rx->fences;
	const uint64_t before = rx->stats.released;
	uint32_t *link = &f->lanes;

	drx_release_parked(rx);
	while (*link) {
		const uint32_t first = *link;
		struct drx_group *group = &f->groups[first];
		int err = fence_ask(&group->fence);

		if (err == -EAGAIN) {
			link = &group->next_lane;
			continue;
		}
		if (group->next) {
			struct drx_group *next = &f->groups[group->next];

			next->next_lane = group->next_lane;
			next->lane_last = group->lane_last;
			*link = group->next;
		} else {
			*link = group->next_lane;
		}
		if (err)
			lose(rx, first, err);
		else
			pass(rx, first);
	}
	drx_release_publish(rx);
	if (rx->starved.head != DRX_NONE && rx->stats.released != before)
		drx_conns_unstarve(rx);
}

unsigned int drx_fences_tell_lost(struct devrx_receiver *rx,
				  struct devrx_fragment *frags, unsigned int n)
{
	struct drx_fences *f = &rx->fences;
	unsigned int i;

	for (i = 0; i < n && f->nr_lost; i++, f->nr_lost--) {
		struct drx_slot *slot = &rx->slots.slot[f->lost];
		struct drx_waiting *w = &f->waiting[f->lost];

		frags[i] = (struct devrx_fragment){
			.offset = drx_place_of(rx, slot),
			.position = w->position,
			.user = w->user,
			.length = w->length,
			.flags = DEVRX_FRAGMENT_LOST,
			.error = (int16_t)w->error,
		};
		f->lost = w->next;
		drx_release_slot(rx, slot);
	}
	drx_release_publish(rx);
	if (rx->starved.head != DRX_NONE && i)
		drx_conns_unstarve(rx);
	return i;
}

int devrx_receiver_poll_fences(struct devrx_receiver *rx)
{
	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	drx_share_lock(rx);
	drx_fences_poll(rx);
	drx_share_unlock(rx);
	return (int)rx->fences.nr;
}
