/* SPDX-License-Identifier: MIT */
/* One memory as a zcrx area: what must hold, and the registration's words. */
#ifndef DRX_AREA_H
#define DRX_AREA_H

#include <stdbool.h>

#include <devrx/features.h>
#include <devrx/memory.h>
#include <devrx/receiver.h>

#include "zcrx/uapi_zcrx.h"

/*
 * @reg: as the kernel wants it; with @staged an area of our own, its address
 *	still to come
 * @tier: what this memory makes of the queue
 * @chunk_len: bytes
 * @nr_chunks: of the memory, those that are used
 * @staged: the memory's provider writes on
 * @reason: why this tier and no other
 */
struct drx_area {
	struct drx_zcrx_area_reg reg;
	uint32_t tier;
	uint32_t chunk_len;
	uint64_t nr_chunks;
	bool staged;
	char reason[192];
};

/* Chunks of a memory that is written by its provider: a slot for each. */
#define DRX_AREA_STAGED_CHUNKS_MAX (UINT64_C(1) << 20)

/*
 * Work out the area for @info under @opts on a kernel with @features, or fail
 * with the cause: opts-invalid, zcrx-missing, nodev-missing, no-dmabuf-area,
 * tier-unavailable, chunk-len, chunk-refused, chunk-unsupported,
 * area-too-large. The best tier is the one that the memory suggests.
 */
int drx_area_plan(struct drx_area *ret, const struct devrx_memory_info *info,
		  const struct devrx_receiver_opts *opts,
		  const struct devrx_features *features,
		  struct devrx_cause *cause);

#endif /* DRX_AREA_H */
