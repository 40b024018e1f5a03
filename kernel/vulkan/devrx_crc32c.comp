#version 460
/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C without tables in the loop; kernel/cuda/crc32c.cuh says how and why.
 *
 * What runs once per launch stays a loop: unrolled, it would double the time that
 * a driver takes to compile this.
 */
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define WORDS 1
#include "stream.glsl"
#include "../crc32c_powers.h"

#define ROWS 8

const uint powers[] = uint[](DRX_CRC32C_POWERS, DRX_CRC32C_ONE);

shared uint by_y[4][256]; /* each byte of a word times y */
shared uint value[BLOCK];
shared uint factor[BLOCK];

/* a * b modulo P; bit 31 is x^0. */
uint multiply(uint a, uint b)
{
	uint product = 0u;

	[[dont_unroll]] for (int bit = 31; bit >= 0; bit--) {
		product ^= (a >> bit & 1u) != 0u ? b : 0u;
		b = b >> 1 ^ ((b & 1u) != 0u ? DRX_CRC32C_POLY : 0u);
	}
	return product;
}

/* x^(8 * distance) modulo P for each warp, in the first of factor[]. */
void power(uint64_t distance)
{
	const uint t = gl_LocalInvocationID.x;
	uint mine;

	/* Powers of x begin again at 2^31 - 1, modulo which 2^31 is 1. Three times
	 * leave 31 bits of any 64; a division is slow to compile. */
	[[dont_unroll]] for (int i = 0; i < 3; i++)
		distance = (distance & 0x7ffffffful) + (distance >> 31);
	factor[t] = (uint(distance) >> lane() & 1u) != 0u ? powers[lane()] :
							    DRX_CRC32C_ONE;
	[[dont_unroll]] for (uint n = BLOCK / 2u; n >= WARPS; n /= 2u) {
		barrier();
		if (t < n)
			mine = multiply(factor[2u * t], factor[2u * t + 1u]);
		barrier();
		if (t < n)
			factor[t] = mine;
	}
	barrier();
}

/* The lanes' values to one for each warp, in the first of value[]. */
void join(uint mine)
{
	const uint t = gl_LocalInvocationID.x;
	uint level = 2u; /* x^32: neighbours are a word apart */

	value[t] = mine;
	[[dont_unroll]] for (uint n = BLOCK / 2u; n >= WARPS; n /= 2u) {
		barrier();
		if (t < n)
			mine = multiply(value[2u * t], powers[level]) ^
			       value[2u * t + 1u];
		barrier();
		if (t < n)
			value[t] = mine;
		level++;
	}
	barrier();
}

void main()
{
	const uint t = gl_LocalInvocationID.x;
	const uint tile = ROWS * LANES * UNIT;
	/* A uniform load of lavapipe (Mesa 26.2) happens in the branch that is not
	 * taken too, so it gets an address in either case. */
	uint before = load(args.before != 0ul ? args.before : args.result);
	uint state[32];
	uint sum;
	Part part;

	before = args.before != 0ul ? before : 0u;
	if (args.nr_records == 0u) {
		if (gl_GlobalInvocationID.x == 0u)
			atomicXor(Result(args.result).word, before);
		return;
	}
	for (int m = 0; m < 32; m++)
		state[m] = 0u;
	part = part_of(0ul, tile);
	for (uint64_t pos = part.first; pos < part.last; pos += tile) {
		[[unroll]] for (uint row = 0u; row < ROWS; row++) {
			uint top = state[31];
			uint word[WORDS];
			uint mask;

			fetch(pos + (row * LANES + lane()) * UNIT, word, mask);
			/* The taps of P, which is 0x1edc6f41. */
			[[unroll]] for (int m = 31; m > 0; m--)
				state[m] = (0x1edc6f41u >> m & 1u) != 0u ?
					   state[m - 1] ^ top : state[m - 1];
			state[0] = top ^ word[0];
		}
	}

	[[dont_unroll]] for (uint i = t; i < 4u * 256u; i += BLOCK)
		by_y[i >> 8][i & 255u] = multiply((i & 255u) << 8u * (i >> 8),
						  powers[7]); /* x^(8 * 128) */
	barrier();
	sum = state[31];
	[[dont_unroll]] for (int m = 30; m >= 0; m--)
		sum = by_y[0][sum & 255u] ^ by_y[1][sum >> 8 & 255u] ^
		      by_y[2][sum >> 16 & 255u] ^ by_y[3][sum >> 24] ^ state[m];
	join(sum);
	[[dont_unroll]] for (int once = 0; once < 2; once++) {
		/* From the warp's last position to the stream's end, and 4 bytes;
		 * then the whole stream, once in the launch. */
		power(once == 0 ? part.end + 4ul + 0x7ffffffful - part.last :
				  part.end - part.begin);
		if (once == 0 && t < WARPS)
			atomicXor(Result(args.result).word,
				  multiply(value[t], factor[t]));
		/* The register begins as the inverted CRC of what came before. */
		if (once == 1 && t == 0u)
			atomicXor(Result(args.result).word,
				  ~multiply(~before, factor[0]));
		if (gl_WorkGroupID.x != 0u)
			return;
		barrier();
	}
}
