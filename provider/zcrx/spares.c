// SPDX-License-Identifier: MIT
/* Places that are ours: kept, written to, given back. The idea is in recover.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/memory.h"
#include "zcrx/receiver.h"

/* With a backlog: as many as make a good batch of what one wait delivers. */
#define SPARES_MAX 64u
/* Without one: a little, of a memory that has plenty. */
#define RESERVE_MAX 16u
#define RESERVE_PART 128u
#define TIMEOUT_MS_DEFAULT 2000u

static uint32_t slot_index(const struct devrx_receiver *rx,
			   const struct drx_slot *slot)
{
	return (uint32_t)(slot - rx->slots.slot);
}

static uint32_t reserve_for(const struct devrx_receiver *rx)
{
	uint64_t nr = rx->info.nr_chunks < rx->slots.nr ? rx->info.nr_chunks :
							  rx->slots.nr;

	nr /= RESERVE_PART;
	return nr < RESERVE_MAX ? (uint32_t)nr : RESERVE_MAX;
}

struct drx_place *drx_places_new(uint32_t nr)
{
	/* Zero pages until they are used. */
	return calloc((size_t)nr + 1, sizeof(struct drx_place));
}

void drx_places_replace(struct drx_recover *r, struct drx_place *larger,
			uint32_t nr)
{
	memcpy(larger, r->places, ((size_t)nr + 1) * sizeof(*larger));
	free(r->places);
	r->places = larger;
}

int drx_recover_init(struct devrx_receiver *rx, uint32_t timeout_ms)
{
	struct drx_recover *r = &rx->recover;
	const struct devrx_provider *provider;
	struct devrx_backing *backing;

	if (rx->info.tier != DEVRX_TIER_ZCRX_DEVICE)
		return 0;
	provider = drx_memory_provider(rx->mem, &backing);
	if (!provider->read || !provider->write)
		return 0;
	r->places = drx_places_new(rx->slots.nr);
	if (!r->places)
		return -ENOMEM;
	r->provider = provider;
	r->timeout_ns = (timeout_ms ? timeout_ms : TIMEOUT_MS_DEFAULT) *
			INT64_C(1000000);
	r->reserve = reserve_for(rx);
	r->on = r->reserve;
	return 0;
}

void drx_recover_fini(struct devrx_receiver *rx)
{
	struct drx_backlog *b, *next;

	for (b = rx->recover.first; b; b = next) {
		next = b->next;
		free(b->buf);
		free(b);
	}
	free(rx->recover.places);
}

static uint32_t wanted(const struct drx_recover *r)
{
	return r->first ? SPARES_MAX : r->reserve;
}

bool drx_recover_wants(const struct devrx_receiver *rx)
{
	return rx->recover.nr_spares < wanted(&rx->recover);
}

void drx_recover_add(struct devrx_receiver *rx, struct drx_slot *slot,
		     uint32_t len)
{
	struct drx_recover *r = &rx->recover;
	const uint32_t idx = slot_index(rx, slot);

	r->places[idx] = (struct drx_place){ .len = len, .next = r->spare };
	r->spare = idx;
	r->nr_spares++;
}

static uint32_t spare_pop(struct drx_recover *r)
{
	const uint32_t idx = r->spare;

	r->spare = r->places[idx].next;
	r->nr_spares--;
	return idx;
}

/* @frag is out, and its place ours once it is back. */
static void note(struct devrx_receiver *rx, const struct devrx_fragment *frag)
{
	struct drx_place *place =
		&rx->recover.places[frag->token & rx->slots.mask];

	place->token = frag->token;
	place->len = frag->length;
	rx->recover.nr_out++;
}

bool drx_recover_keep(struct devrx_receiver *rx, struct drx_slot *slot)
{
	struct drx_recover *r = &rx->recover;
	struct drx_place *place = &r->places[slot_index(rx, slot)];

	/* 0 is no slot's. */
	if (drx_slot_expired(place->token) != slot->token)
		return false;
	if (r->nr_out)
		r->nr_out--;
	drx_recover_add(rx, slot, place->len);
	drx_recover_settle(rx); /* where it is one too many, it goes at once */
	return true;
}

void drx_recover_settle(struct devrx_receiver *rx)
{
	struct drx_recover *r = &rx->recover;
	const bool some = r->nr_spares > wanted(r);

	while (r->nr_spares > wanted(r))
		drx_release_slot(rx, &rx->slots.slot[spare_pop(r)]);
	if (some)
		drx_release_publish(rx);
	r->on = r->first || r->nr_spares < r->reserve;
	if (!r->on)
		r->nr_out = 0;
}

/* The next piece of @b, as long as the topmost spare; 1, or 0 where it got
 * lost. */
static unsigned int deliver_one(struct devrx_receiver *rx,
				struct drx_backlog *b,
				struct devrx_fragment *frag)
{
	struct drx_recover *r = &rx->recover;
	struct drx_place *place = &r->places[r->spare];
	struct drx_slot *slot = &rx->slots.slot[r->spare];
	const uint64_t at = drx_place_of(rx, slot);
	const uint32_t len =
		place->len < b->len ? place->len : (uint32_t)b->len;
	struct drx_conn *conn = &rx->conns[b->conn];
	int err;

	err = r->provider->write(drx_areas_backing(rx, at),
				 at & ~DRX_ZCRX_AREA_MASK, b->buf + b->start,
				 len);
	if (err) {
		drx_recover_write_failed(rx, b, err);
		return 0;
	}
	(void)spare_pop(r);
	slot->user_data = conn->user_data;
	*frag = (struct devrx_fragment){
		.offset = at,
		.position = conn->position,
		.user = conn->user,
		.token = drx_slot_fill(slot, slot->chunk),
		.length = len,
		.flags = DEVRX_FRAGMENT_COPIED,
	};
	/* The place stays as long as it was. */
	place->token = frag->token;
	r->nr_out++;
	conn->position += len;
	rx->stats.bytes += len;
	rx->stats.bytes_copied += len;
	rx->stats.fragments++;
	drx_recover_delivered(rx, b, len);
	return 1;
}

unsigned int drx_recover_deliver(struct devrx_receiver *rx,
				 struct devrx_fragment *frags, unsigned int n)
{
	struct drx_recover *r = &rx->recover;
	unsigned int got = 0;

	while (got < n && r->first && r->spare)
		got += deliver_one(rx, r->first, &frags[got]);
	return got;
}

unsigned int drx_recover_reaped(struct devrx_receiver *rx,
				struct devrx_fragment *frags, unsigned int got,
				unsigned int n)
{
	unsigned int i;

	for (i = 0; i < got; i++)
		if (!(frags[i].flags & DEVRX_FRAGMENT_COPIED))
			note(rx, &frags[i]);
	return got + drx_recover_deliver(rx, frags + got, n - got);
}

int drx_recover_release(struct devrx_receiver *rx,
			const struct devrx_fragment *frags, unsigned int n)
{
	uint64_t released = 0, bad = 0;
	struct drx_slot *slot;
	unsigned int i;

	for (i = 0; i < n; i++) {
		slot = drx_slot_find(&rx->slots, frags[i].token);
		if (!slot) {
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
	if (rx->starved.head != DRX_NONE && released)
		drx_conns_unstarve(rx);
	return bad ? -ESTALE : 0;
}
