/* SPDX-License-Identifier: MIT */
/*
 * More areas than one: a receiver that grows (Linux 7.3, ZCRX_CTRL_ADD_AREA).
 *
 * The kernel numbers areas as they come, the one of the registration being 0, and
 * a completion's offset has the number in its upper bits, as a refill entry has
 * (linux/io_uring/zcrx.c). So does a fragment's, from the first added area on; with
 * a single area these bits are masked, since before 7.3 nobody promised them.
 * An area is never taken away: it goes with the registration.
 */
#ifndef DRX_AREAS_H
#define DRX_AREAS_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/memory.h>
#include <devrx/receiver.h>

#include "zcrx/uapi_zcrx.h"

struct devrx_backing;

/*
 * @nr: areas
 * @len: bytes of each
 * @first_chunk: chunks of those before it
 * @mem: that of the receiver, and the caller's
 */
struct drx_areas {
	uint32_t nr;
	uint64_t len[DEVRX_AREAS_MAX];
	uint64_t first_chunk[DEVRX_AREAS_MAX];
	struct devrx_memory *mem[DEVRX_AREAS_MAX];
};

/* Are the @len bytes at @place, as a completion tells it, in an area? */
static inline bool drx_areas_inside(const struct drx_areas *areas,
				    uint64_t place, uint32_t len)
{
	const uint64_t area = place >> DRX_ZCRX_AREA_SHIFT;

	return area < areas->nr &&
	       (place & ~DRX_ZCRX_AREA_MASK) + len <= areas->len[area];
}

/* The chunk of @place, counted through all areas. */
uint64_t drx_areas_chunk(const struct devrx_receiver *rx, uint64_t place);
/* What to call the memory's provider with, for the bytes at @place. */
struct devrx_backing *drx_areas_backing(const struct devrx_receiver *rx,
					uint64_t place);
/* Give the added memories back. */
void drx_areas_fini(struct devrx_receiver *rx);

#endif /* DRX_AREAS_H */
