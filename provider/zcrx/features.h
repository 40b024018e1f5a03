/* SPDX-License-Identifier: MIT */
/* What the probe concludes, apart from how it asks. */
#ifndef DRX_FEATURES_H
#define DRX_FEATURES_H

#include <devrx/features.h>

#include "zcrx/uapi_zcrx.h"

/*
 * The largest area that works on Linux @major.@minor.@patch. No query tells:
 * through 7.1 the limit was 1 GiB; on all of 7.2 and on 7.3.0 and 7.3.1 the
 * offsets in completions wrap at 4 GiB (a 32-bit shift, fixed by "io_uring/
 * zcrx: fix buffer offsets in areas above 4GB", 7.3.2); since then 1 TiB.
 */
uint64_t drx_max_area_len(unsigned int major, unsigned int minor,
			  unsigned int patch);

/*
 * The flags that follow from the answers: @opcode or @zcrx is NULL where the
 * kernel does not know that query.
 */
uint32_t drx_feature_flags(const struct drx_query_opcode *opcode,
			   const struct drx_query_zcrx *zcrx);

#endif /* DRX_FEATURES_H */
