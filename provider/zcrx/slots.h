/* SPDX-License-Identifier: MIT */
/*
 * Fragments that are out, each in a slot; its token is the key to it.
 *
 * A token is a slot's index (24 bits) and its generation (40 bits). Releasing a
 * fragment moves its slot to the next generation, so that the token never
 * opens it again: a double or stale release is an error. Generations start at
 * a random number per receiver, so a token of another receiver fits with a
 * chance of 2^-40. Index 0 is never used: whatever the generation, no token is
 * 0, which marks a fragment with nothing to release. While a slot is not out,
 * its own word has the index of the slot behind it: nothing that a caller could
 * pass, guessed or corrupted, opens it.
 *
 * What goes back to the kernel is the slot's own record of the chunk, never a
 * number from the caller's hands.
 */
#ifndef DRX_SLOTS_H
#define DRX_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRX_SLOT_INDEX_BITS 24
#define DRX_SLOT_INDEX_MASK ((UINT64_C(1) << DRX_SLOT_INDEX_BITS) - 1)
#define DRX_SLOT_GENERATION (UINT64_C(1) << DRX_SLOT_INDEX_BITS)
#define DRX_SLOT_IDLE UINT64_C(1)

/*
 * @token: of the fragment that is out; or of the next one, with DRX_SLOT_IDLE
 * @chunk: what to hand to the refill ring
 * @user_data: of the receive that it came from; zcrx only
 */
struct drx_slot {
	uint64_t token;
	uint64_t chunk;
	uint64_t user_data;
	uint64_t pad; /* from index to address is one shift */
};

/*
 * @slot: a power of two of them, 1 to nr in use
 * @mask: that power of two less 1: any token finds some slot, so the comparison
 *	of the whole token is the only check
 * @free: stack of free slots, the last used on top: it is the one most likely
 *	in the cache
 * @nr_free: free ones; the others are out, or parked
 * @nr_parked: released by the user while the refill ring had no room; they
 *	fill the same array from its end
 */
struct drx_slots {
	struct drx_slot *slot;
	uint64_t mask;
	struct drx_slot **free;
	uint32_t nr_free;
	uint32_t nr;
	uint32_t nr_parked;
};

/* Room for @nr fragments (less than 2^23). 0, -ENOMEM, or -errno of getrandom. */
int drx_slots_init(struct drx_slots *s, uint32_t nr);
void drx_slots_fini(struct drx_slots *s);

/* @larger, fresh from drx_slots_init() and with no fewer, takes the place of @s. */
void drx_slots_replace(struct drx_slots *s, const struct drx_slots *larger);

/* Put @chunk into a free slot; from now on the token that is returned opens it. */
static inline uint64_t drx_slot_fill(struct drx_slot *slot, uint64_t chunk)
{
	slot->chunk = chunk;
	return slot->token -= DRX_SLOT_IDLE;
}

/* Take a free slot for @chunk; the caller has seen that nr_free is not 0. */
static inline uint64_t drx_slot_take(struct drx_slots *s, uint64_t chunk)
{
	return drx_slot_fill(s->free[--s->nr_free], chunk);
}

/* The slot that @token opens, or NULL. */
static inline struct drx_slot *drx_slot_find(struct drx_slots *s,
					     uint64_t token)
{
	struct drx_slot *slot = &s->slot[token & s->mask];

	return __builtin_expect(slot->token == token, 1) ? slot : NULL;
}

/* Is @slot, of index @idx, out? */
static inline bool drx_slot_is_out(const struct drx_slot *slot, uint32_t idx)
{
	return (slot->token & DRX_SLOT_INDEX_MASK) == idx;
}

/* What a slot's word becomes when the fragment of @token is released. */
static inline uint64_t drx_slot_expired(uint64_t token)
{
	return token + DRX_SLOT_GENERATION + DRX_SLOT_IDLE;
}

/* From now on the slot's token is stale. */
static inline void drx_slot_expire(struct drx_slot *slot)
{
	slot->token = drx_slot_expired(slot->token);
}

static inline void drx_slot_free(struct drx_slots *s, struct drx_slot *slot)
{
	s->free[s->nr_free++] = slot;
}

/*
 * Keep an expired slot until the refill ring has room. Parked and free slots
 * are never more than nr together, so one array serves both from its two ends.
 */
static inline void drx_slot_park(struct drx_slots *s, struct drx_slot *slot)
{
	s->free[s->nr - ++s->nr_parked] = slot;
}

/* A parked slot, or NULL. */
static inline struct drx_slot *drx_slot_parked(struct drx_slots *s)
{
	if (!s->nr_parked)
		return NULL;
	return s->free[s->nr - s->nr_parked];
}

static inline void drx_slot_unpark(struct drx_slots *s, struct drx_slot *slot)
{
	s->nr_parked--;
	drx_slot_free(s, slot);
}

#endif /* DRX_SLOTS_H */
