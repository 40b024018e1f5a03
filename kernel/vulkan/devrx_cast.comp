#version 460
/* SPDX-License-Identifier: MIT */
/* Numbers of one type to another, times scale, plus bias. */
#extension GL_GOOGLE_include_directive : require
#define WORDS 4
#include "stream.glsl"
#include "float.glsl"

uint convert(uint bits)
{
	uint value = bits; /* F32 */

	if (args.from == U8 || args.from == U16)
		value = f32_from_uint(bits);
	else if (args.from == BF16)
		value = bits << 16;
	else if (args.from == F16)
		value = f32_from_f16(bits);
	value = f32_add(f32_multiply(value, args.scale),
			args.bias);
	if (args.to == F16)
		return f16_from_f32(value);
	if (args.to == BF16)
		return bf16_from_f32(value);
	return value;
}

void main()
{
	if (args.nr_records == 0u)
		return;

	const uint size = args.from == U8 ? 1u : args.from == F32 ? 4u : 2u;
	const uint whole = (1u << size) - 1u;
	const uint tile = LANES * UNIT;
	Part part = part_of(0ul, tile);

	for (uint64_t pos = part.first; pos < part.last; pos += tile) {
		uint64_t at = pos + lane() * UNIT;
		uint unit[WORDS];
		uint mask, half_word = 0u, half_mask = 0u;

		fetch(at, unit, mask);
		for (uint i = 0u; i < UNIT / size; i++) {
			uint byte = i * size;
			uint64_t number = at / size + i;
			bool there = (mask >> byte & whole) == whole;
			uint bits = unit[byte / 4u] >> 8u * (byte % 4u);

			bits = convert(size == 4u ? bits :
				    bits & (1u << 8u * size) - 1u);
			if (args.to == F32) {
				store(args.result + number * 4ul, bits,
				      there ? 0xffffffffu : 0u);
			} else if ((i & 1u) == 0u) {
				half_word = bits;
				half_mask = there ? 0xffffu : 0u;
			} else {
				store(args.result + number * 2ul - 2ul,
				      half_word | bits << 16,
				      half_mask | (there ? 0xffff0000u : 0u));
			}
		}
	}
}
