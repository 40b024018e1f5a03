/* SPDX-License-Identifier: MIT */
/* One memory as a zcrx area: what must hold, and the registration's words. */
#ifndef DRX_AREA_H
#define DRX_AREA_H

#include <devrx/features.h>
#include <devrx/memory.h>
#include <devrx/receiver.h>

#include "zcrx/uapi_zcrx.h"

/*
 * @reg: as the kernel wants it
 * @tier: what this memory makes of the queue
 * @chunk_len: bytes
 * @reason: why this tier and no other
 */
struct drx_area {
	struct drx_zcrx_area_reg reg;
	uint32_t tier;
	uint32_t chunk_len;
	char reason[192];
};

/*
 * Work out the area for @info under @opts on a kernel with @features, or fail
 * with the cause: zcrx-missing, no-dmabuf-area, tier-unavailable, chunk-len,
 * chunk-unsupported, area-too-large.
 */
int drx_area_plan(struct drx_area *ret, const struct devrx_memory_info *info,
		  const struct devrx_receiver_opts *opts,
		  const struct devrx_features *features,
		  struct devrx_cause *cause);

#endif /* DRX_AREA_H */
