#version 460
/* SPDX-License-Identifier: MIT */
/* How often each value of a byte occurs. Each warp counts in its own bins. */
#extension GL_GOOGLE_include_directive : require
#define WORDS 4
#include "stream.glsl"

/* Bins have 32 bits: they are emptied before a warp has counted 2^30 bytes. */
layout(constant_id = 0) const uint TILES = 1u << 21;

shared uint bins[WARPS][256];

void main()
{
	if (args.nr_records == 0u)
		return;

	const uint tile = LANES * UNIT;
	Part part = part_of(0ul, tile);
	uint64_t pos = part.first;
	/* The same for the whole dispatch, or warps would not meet below. */
	uint64_t rounds = (part.end / tile - part.begin / tile) /
			  (uint64_t(gl_NumWorkGroups.x) * WARPS) / TILES + 1ul;

	for (; rounds != 0ul; rounds--) {
		for (uint i = lane(); i < 256u; i += LANES)
			bins[warp()][i] = 0u;
		barrier();
		for (uint n = 0u; n < TILES && pos < part.last; n++, pos += tile) {
			uint unit[WORDS];
			uint mask;

			fetch(pos + lane() * UNIT, unit, mask);
			for (int i = 0; i < 16; i++)
				if ((mask >> i & 1u) != 0u)
					atomicAdd(bins[warp()][unit[i / 4] >> 8 * (i % 4) & 255u],
						  1u);
		}
		barrier();
		for (uint i = gl_LocalInvocationID.x; i < 256u; i += BLOCK) {
			uint64_t sum = 0ul;

			for (uint w = 0u; w < WARPS; w++)
				sum += bins[w][i];
			add_to(args.result + 8ul * i, sum);
		}
		barrier();
	}
}
