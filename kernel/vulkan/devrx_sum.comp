#version 460
/* SPDX-License-Identifier: MIT */
/* The sum of all bytes. */
#extension GL_GOOGLE_include_directive : require
#define WORDS 4
#include "stream.glsl"

shared uint64_t sums[BLOCK];

void main()
{
	if (args.nr_records == 0u)
		return;

	const uint t = gl_LocalInvocationID.x;
	const uint tile = LANES * UNIT;
	Part part = part_of(0ul, tile);
	uint64_t sum = 0ul;

	for (uint64_t pos = part.first; pos < part.last; pos += tile) {
		uint some = 0u; /* two sums of 16 bits */
		uint unit[WORDS];
		uint mask; /* absent bytes are 0 */

		fetch(pos + lane() * UNIT, unit, mask);
		for (int i = 0; i < WORDS; i++)
			some += (unit[i] & 0xff00ffu) + (unit[i] >> 8 & 0xff00ffu);
		sum += (some & 0xffffu) + (some >> 16);
	}

	sums[t] = sum;
	for (uint n = BLOCK / 2u; n != 0u; n /= 2u) {
		barrier();
		if (t < n)
			sums[t] += sums[t + n];
	}
	if (t == 0u)
		add_to(args.result, sums[0]);
}
