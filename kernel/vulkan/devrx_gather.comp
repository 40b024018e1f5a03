#version 460
/* SPDX-License-Identifier: MIT */
/* Fragments to a contiguous buffer. Positions are addresses of the buffer. */
#extension GL_GOOGLE_include_directive : require
#define WORDS 4
#include "stream.glsl"

/* The bytes of four bits, as the bits of a word. */
uint spread(uint mask)
{
	return (mask & 1u) * 0xffu | (mask >> 1 & 1u) * 0xff00u |
	       (mask >> 2 & 1u) * 0xff0000u | (mask >> 3 & 1u) * 0xff000000u;
}

void main()
{
	if (args.nr_records == 0u)
		return;

	const uint tile = LANES * UNIT;
	Part part = part_of(args.result, tile);

	for (uint64_t pos = part.first; pos < part.last; pos += tile) {
		uint64_t at = pos + lane() * UNIT;
		uint unit[WORDS];
		uint mask;

		fetch(at, unit, mask);
		for (int i = 0; i < WORDS; i++)
			store(at + 4ul * i, unit[i], spread(mask >> 4 * i));
	}
}
