/* SPDX-License-Identifier: MIT */
/*
 * Fragments that wait behind a fence: released by the caller, not yet by the
 * device.
 *
 * What one devrx_receiver_release_after() hands in is a group: a list of slots
 * and their fence. Groups of one timeline stand in a lane, in the order of the
 * calls; only the first of a lane is asked, since those behind it cannot have
 * passed before it. Lanes do not wait for one another: the device may need the
 * chunks that one gives back to get on with the other.
 *
 * All lists go by slot index, and 0, which no slot has, ends them. A group is
 * kept at the index of its first slot, so there is always room for it.
 */
#ifndef DRX_FENCES_H
#define DRX_FENCES_H

#include <assert.h>
#include <stdint.h>

#include <devrx/fence.h>

/*
 * One for each slot: what is told of its fragment if it is lost.
 * @next: slot of the same group, or on the list of lost ones
 */
struct drx_waiting {
	uint64_t user;
	uint64_t position;
	uint32_t length;
	uint32_t next;
	int32_t error;
	uint32_t pad; /* from index to address is one shift */
};
static_assert(sizeof(struct drx_waiting) == 32, "a power of two");

/*
 * @nr: slots in it
 * @last: the last of them
 * @next: the group behind it in its lane
 * @next_lane, @lane_last: of a lane's first group only
 */
struct drx_group {
	struct devrx_fence fence;
	uint32_t nr;
	uint32_t last;
	uint32_t next;
	uint32_t next_lane;
	uint32_t lane_last;
	uint32_t pad;
};

/*
 * @lanes: first group of the first lane
 * @nr: slots that wait
 * @lost: slots whose device failed, until devrx_receiver_wait() has told
 * @nr_lost: of them
 */
struct drx_fences {
	struct drx_waiting *waiting;
	struct drx_group *groups;
	uint32_t lanes;
	uint32_t nr;
	uint32_t lost;
	uint32_t lost_last;
	uint32_t nr_lost;
};

/* Room for slots 1 to @nr. 0 or -ENOMEM. */
int drx_fences_init(struct drx_fences *f, uint32_t nr);
void drx_fences_fini(struct drx_fences *f);
/* @larger, fresh from drx_fences_init(), takes the place of @f with @nr slots. */
void drx_fences_replace(struct drx_fences *f, const struct drx_fences *larger,
			uint32_t nr);

/* Give back what has passed. */
void drx_fences_poll(struct devrx_receiver *rx);
/* Tell of lost fragments, at most @n, and give them back; how many. */
unsigned int drx_fences_tell_lost(struct devrx_receiver *rx,
				  struct devrx_fragment *frags, unsigned int n);

#endif /* DRX_FENCES_H */
