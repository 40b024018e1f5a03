/* SPDX-License-Identifier: MIT */
/* The sum of all bytes. */
#include "kernel/cuda/stream.cuh"

#define DRX_SUM_ROWS 4

/* The four bytes of each half of both words, added to @sum. */
__device__ inline unsigned drx_add_bytes(drx_u16 unit, unsigned sum)
{
	sum = __dp4a((unsigned)unit.x, 0x01010101u, sum);
	sum = __dp4a((unsigned)(unit.x >> 32), 0x01010101u, sum);
	sum = __dp4a((unsigned)unit.y, 0x01010101u, sum);
	return __dp4a((unsigned)(unit.y >> 32), 0x01010101u, sum);
}

extern "C" __global__ void __launch_bounds__(DEVRX_KERNEL_BLOCK)
	devrx_sum(struct devrx_kernel_args args)
{
	const unsigned tile = DRX_SUM_ROWS * DRX_LANES * sizeof(drx_u16);
	__shared__ unsigned long long sums[DEVRX_KERNEL_BLOCK];
	unsigned long long sum = 0;
	struct drx_part part;

	if (!args.nr_records)
		return;
	part = drx_part_of(&args, 0, tile);
	for (uint64_t pos = part.first; pos < part.last; pos += tile) {
		drx_u16 units[DRX_SUM_ROWS];
		uint32_t masks[DRX_SUM_ROWS]; /* absent bytes are 0 */
		unsigned some = 0;

		drx_fetch_tile<drx_u16, DRX_SUM_ROWS>(
			&part.cursor, pos + drx_lane() * sizeof(drx_u16), units,
			masks);
#pragma unroll
		for (int i = 0; i < DRX_SUM_ROWS; i++)
			some = drx_add_bytes(units[i], some);
		sum += some;
	}

	sums[threadIdx.x] = sum;
	for (unsigned half = DEVRX_KERNEL_BLOCK / 2; half; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half)
			sums[threadIdx.x] += sums[threadIdx.x + half];
	}
	if (!threadIdx.x)
		atomicAdd((unsigned long long *)args.out, sums[0]);
}
