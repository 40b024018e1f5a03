// SPDX-License-Identifier: MIT
/* Fragments that are out: allocation of the slots. The rules are in slots.h. */
#include "zcrx/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int drx_slots_init(struct drx_slots *s, uint32_t nr)
{
	uint64_t generation;
	uint32_t i;

	if (getrandom(&generation, sizeof(generation), 0) !=
	    (ssize_t)sizeof(generation))
		return -errno;
	/* Index 0, and the one behind the last, are spare. */
	for (s->mask = 1; s->mask < (uint64_t)nr + 1; s->mask = 2 * s->mask + 1)
		continue;
	s->slot = calloc(s->mask + 1, sizeof(*s->slot));
	s->free = malloc(nr * sizeof(*s->free));
	if (!s->slot || !s->free) {
		drx_slots_fini(s);
		return -ENOMEM;
	}
	s->slot[0].token = DRX_SLOT_IDLE;
	for (i = 0; i < nr; i++) {
		s->slot[i + 1].token = (generation & ~DRX_SLOT_INDEX_MASK) +
				       (i + 1) + DRX_SLOT_IDLE;
		s->free[i] = &s->slot[nr - i];
	}
	s->nr = nr;
	s->nr_free = nr;
	s->nr_parked = 0;
	return 0;
}

/* The old free ones stay on top of the stack: they are in the cache. */
void drx_slots_replace(struct drx_slots *s, const struct drx_slots *larger)
{
	struct drx_slots to = *larger;
	const uint32_t more = to.nr - s->nr;
	uint32_t i;

	memcpy(to.slot, s->slot, ((size_t)s->nr + 1) * sizeof(*to.slot));
	for (i = 0; i < more; i++)
		to.free[i] = &to.slot[to.nr - i];
	for (i = 0; i < s->nr_free; i++)
		to.free[more + i] = to.slot + (s->free[i] - s->slot);
	for (i = 1; i <= s->nr_parked; i++)
		to.free[to.nr - i] = to.slot + (s->free[s->nr - i] - s->slot);
	to.nr_free = more + s->nr_free;
	to.nr_parked = s->nr_parked;
	drx_slots_fini(s);
	*s = to;
}

void drx_slots_fini(struct drx_slots *s)
{
	free(s->slot);
	free(s->free);
	s->slot = NULL;
	s->free = NULL;
}
