// SPDX-License-Identifier: MIT
/* Fragments that are out: allocation of the slots. The rules are in slots.h. */
#include "zcrx/slots.h"

#include <errno.h>
#include <stdlib.h>
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

void drx_slots_fini(struct drx_slots *s)
{
	free(s->slot);
	free(s->free);
	s->slot = NULL;
	s->free = NULL;
}
