/* SPDX-License-Identifier: MIT */
/*
 * How often each value of a byte occurs. Each warp counts in bins of its own,
 * so that warps do not wait for each other where all bytes are the same.
 */
#include "kernel/cuda/stream.cuh"

#define DRX_HISTOGRAM_ROWS 2
/* Bins have 32 bits: they are emptied before a warp has counted 2^30 bytes. */
#ifndef DRX_HISTOGRAM_TILES
#define DRX_HISTOGRAM_TILES (1u << 20)
#endif

extern "C" __global__ void __launch_bounds__(DEVRX_KERNEL_BLOCK)
	devrx_histogram(struct devrx_kernel_args args)
{
	const unsigned tile = DRX_HISTOGRAM_ROWS * DRX_LANES * sizeof(drx_u16);
	__shared__ unsigned bins[DRX_WARPS][256];
	unsigned *mine = bins[drx_warp()];
	struct drx_part part;
	uint64_t pos, rounds;

	if (!args.nr_records)
		return;
	part = drx_part_of(&args, 0, tile);
	pos = part.first;
	/* The same for all warps of the grid, or they would not meet below. */
	rounds = (part.end / tile - part.begin / tile) /
			 ((uint64_t)gridDim.x * DRX_WARPS) /
			 DRX_HISTOGRAM_TILES +
		 1;
	while (rounds--) {
		for (unsigned i = drx_lane(); i < 256; i += DRX_LANES)
			mine[i] = 0;
		__syncwarp();
		for (unsigned n = 0; n < DRX_HISTOGRAM_TILES && pos < part.last;
		     n++, pos += tile) {
			drx_u16 units[DRX_HISTOGRAM_ROWS];
			uint32_t masks[DRX_HISTOGRAM_ROWS];

			drx_fetch_tile<drx_u16, DRX_HISTOGRAM_ROWS>(
				&part.cursor,
				pos + drx_lane() * sizeof(drx_u16), units,
				masks);
			for (int r = 0; r < DRX_HISTOGRAM_ROWS; r++) {
				for (unsigned i = 0; i < 16; i++) {
					const unsigned byte =
						(i < 8 ? units[r].x >> 8 * i :
							 units[r].y >>
								 8 * (i - 8)) &
						0xff;

					if (masks[r] >> i & 1)
						atomicAdd(&mine[byte], 1u);
				}
			}
		}
		__syncthreads();
		for (unsigned i = threadIdx.x; i < 256;
		     i += DEVRX_KERNEL_BLOCK) {
			unsigned long long sum = 0;

			for (unsigned w = 0; w < DRX_WARPS; w++)
				sum += bins[w][i];
			if (sum)
				atomicAdd((unsigned long long *)args.out + i,
					  sum);
		}
		__syncthreads();
	}
}
