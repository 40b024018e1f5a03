/* SPDX-License-Identifier: MIT */
/*
 * Staging: a zcrx area of our own in front of a memory that cannot be one, or
 * shall not be.
 *
 * What lands in the area is written into the memory by its provider (upload.h)
 * before it is told of, and the area's chunk goes back to the kernel at once: no
 * fragment that is out holds any. Where the memory has no free chunk left,
 * completions stay in the queue, and behind them the area and the sockets fill
 * up.
 */
#ifndef DRX_STAGE_H
#define DRX_STAGE_H

#include <stdint.h>

#include <liburing.h>

#include "zcrx/area.h"

struct devrx_receiver;

/* Of a slot: its fragment owes the kernel nothing. No area has this token. */
#define DRX_NO_CHUNK UINT64_MAX

/*
 * @mem: host memory; NULL where the receiver's own memory is the area
 * @base: its bytes
 */
struct drx_stage {
	struct devrx_memory *mem;
	const unsigned char *base;
};

/* How long an area goes before a memory of @len bytes, on @tier. */
uint64_t drx_stage_len(uint64_t len, uint32_t chunk_len, uint32_t tier);

/* Allocate what @area is to be; 0, or an errno with the cause. */
int drx_stage_init(struct drx_stage *ret, struct drx_area *area,
		   struct devrx_cause *cause);
/* After the ring is gone, or in a child. */
void drx_stage_fini(struct drx_stage *stage);

/*
 * Move @n fragments from the area into the memory. @cqe are their completions,
 * of 32 bytes each. Return how many are left at @frags: a connection whose bytes
 * could not be written has ended, and what came for it is dropped.
 */
uint32_t drx_stage_move(struct devrx_receiver *rx,
			const struct io_uring_cqe *cqe,
			struct devrx_fragment *frags, uint32_t n);

#endif /* DRX_STAGE_H */
