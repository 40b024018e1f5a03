/* SPDX-License-Identifier: MIT */
/*
 * Numbers of one type to another, times scale, plus bias: a loader's
 * normalisation. Four at a time, so that loads and stores of a warp are
 * adjacent; a number that fragments cut is in a unit put together from bytes.
 */
#include "kernel/cuda/stream.cuh"

#define DRX_CAST_ROWS 4

__device__ inline uint32_t drx_get(drx_u4 four, unsigned i)
{
	return four >> 8 * i & 0xff;
}

__device__ inline uint32_t drx_get(drx_u8 four, unsigned i)
{
	return four >> 16 * i & 0xffff;
}

__device__ inline uint32_t drx_get(drx_u16 four, unsigned i)
{
	return (i < 2 ? four.x : four.y) >> 32 * (i % 2) & 0xffffffff;
}

__device__ inline void drx_set(drx_u8 *four, unsigned i, uint32_t bits)
{
	*four |= (drx_u8)bits << 16 * i;
}

__device__ inline void drx_set(drx_u16 *four, unsigned i, uint32_t bits)
{
	if (i < 2)
		four->x |= (drx_u8)bits << 32 * i;
	else
		four->y |= (drx_u8)bits << 32 * (i - 2);
}

__device__ inline float drx_from_f16(uint32_t bits)
{
	const uint32_t sign = (bits & 0x8000) << 16, magnitude = bits & 0x7fff;
	uint32_t exact;

	if (magnitude < 0x400) /* magnitude * 2^-24 */
		exact = __float_as_uint(
			__fmul_rn((float)magnitude, 5.9604644775390625e-8f));
	else
		exact = (magnitude << 13) +
			(magnitude < 0x7c00 ? 112u << 23 : 224u << 23);
	return __uint_as_float(sign | exact);
}

/* Of anything but NaN, to nearest even. */
__device__ inline uint32_t drx_to_f16(uint32_t bits)
{
	const uint32_t sign = bits >> 16 & 0x8000,
		       magnitude = bits & 0x7fffffff;
	uint32_t fraction, shift;

	if (magnitude >= 143u << 23) /* 2^16 */
		return sign | 0x7c00;
	if (magnitude >= 113u << 23) /* 2^-14; rounding may carry up to it */
		return sign | (magnitude - (112u << 23) + 0xfff +
			       (magnitude >> 13 & 1)) >>
				      13;
	if (magnitude < 102u << 23) /* 2^-25, half of the least subnormal */
		return sign;
	shift = 126 - (magnitude >> 23);
	fraction = (magnitude & 0x7fffff) | 0x800000;
	return sign |
	       (fraction + (1u << (shift - 1)) - 1 + (fraction >> shift & 1)) >>
		       shift;
}

/* Types are the same for all threads, so a switch costs next to nothing. */
__device__ inline float drx_number(uint32_t bits, uint32_t type)
{
	switch (type) {
	case DEVRX_NUMBER_BF16:
		return __uint_as_float(bits << 16);
	case DEVRX_NUMBER_F16:
		return drx_from_f16(bits);
	case DEVRX_NUMBER_F32:
		return __uint_as_float(bits);
	}
	return (float)bits;
}

__device__ inline uint32_t drx_bits(float value, uint32_t type)
{
	const uint32_t bits = __float_as_uint(value);
	const bool nan = (bits & 0x7fffffff) > 0x7f800000;

	switch (type) {
	case DEVRX_NUMBER_BF16:
		return nan ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
	case DEVRX_NUMBER_F16:
		return nan ? 0x7e00 : drx_to_f16(bits);
	}
	return nan ? 0x7fc00000 : bits;
}

/* Of four results, those whose bytes are all there. */
template <class BITS, class FOUR>
__device__ inline void drx_store_four(uint64_t addr, const uint32_t *results,
				      uint32_t mask, unsigned size)
{
	const uint32_t whole = (1u << size) - 1;
	FOUR out = FOUR();

	if (mask == (1u << 4 * size) - 1) {
#pragma unroll
		for (unsigned i = 0; i < 4; i++)
			drx_set(&out, i, results[i]);
		*(FOUR *)addr = out;
		return;
	}
#pragma unroll
	for (unsigned i = 0; i < 4; i++)
		if ((mask >> size * i & whole) == whole)
			((BITS *)addr)[i] = (BITS)results[i];
}

/* FOUR: four numbers as they lie in the stream. */
template <class FOUR>
__device__ inline void drx_cast_four(const struct devrx_kernel_args *args,
				     uint64_t pos, FOUR in, uint32_t mask)
{
	const unsigned size = sizeof(FOUR) / 4;
	uint32_t results[4];

	/* The intrinsics are never fused. */
#pragma unroll
	for (unsigned i = 0; i < 4; i++)
		results[i] =
			drx_bits(__fadd_rn(__fmul_rn(drx_number(drx_get(in, i),
								args->from),
						     args->scale),
					   args->bias),
				 args->to);
	if (args->to == DEVRX_NUMBER_F32)
		drx_store_four<uint32_t, drx_u16>(args->out + pos / size * 4,
						  results, mask, size);
	else
		drx_store_four<uint16_t, drx_u8>(args->out + pos / size * 2,
						 results, mask, size);
}

template <class FOUR>
__device__ inline void drx_cast(const struct devrx_kernel_args *args)
{
	const unsigned row = DRX_LANES * sizeof(FOUR);
	const unsigned tile = DRX_CAST_ROWS * row;
	struct drx_part part = drx_part_of(args, 0, tile);

	for (uint64_t pos = part.first; pos < part.last; pos += tile) {
		const uint64_t at = pos + drx_lane() * sizeof(FOUR);
		uint32_t masks[DRX_CAST_ROWS];
		FOUR units[DRX_CAST_ROWS];

		drx_fetch_tile<FOUR, DRX_CAST_ROWS>(&part.cursor, at, units,
						    masks);
#pragma unroll
		for (int i = 0; i < DRX_CAST_ROWS; i++)
			drx_cast_four<FOUR>(args, at + i * row, units[i],
					    masks[i]);
	}
}

extern "C" __global__ void __launch_bounds__(DEVRX_KERNEL_BLOCK)
	devrx_cast(struct devrx_kernel_args args)
{
	if (!args.nr_records)
		return;
	if (args.from == DEVRX_NUMBER_U8)
		drx_cast<drx_u4>(&args);
	else if (args.from == DEVRX_NUMBER_F32)
		drx_cast<drx_u16>(&args);
	else
		drx_cast<drx_u8>(&args);
}
