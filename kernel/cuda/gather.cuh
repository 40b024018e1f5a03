/* SPDX-License-Identifier: MIT */
/*
 * Fragments to a contiguous buffer. Positions are addresses of the buffer, so
 * stores are aligned whatever the buffer's address is; loads are shifted.
 */
#include "kernel/cuda/stream.cuh"

#define DRX_GATHER_ROWS 4

/* Only the bytes in @mask: what lies beside them is not ours. */
__device__ inline void drx_store(uint64_t addr, drx_u16 unit, uint32_t mask)
{
	if (mask == 0xffff) {
		*(drx_u16 *)addr = unit;
		return;
	}
	for (unsigned i = 0; i < 16; i++)
		if (mask >> i & 1)
			((unsigned char *)addr)[i] =
				(i < 8 ? unit.x >> 8 * i :
					 unit.y >> 8 * (i - 8)) &
				0xff;
}

/* Four loads of 16 bytes in flight for each thread; at 62 registers (sm_90) an
 * SM has 1024 threads, and so 64 KiB under way. */
extern "C" __global__ void __launch_bounds__(DEVRX_KERNEL_BLOCK)
	devrx_gather(struct devrx_kernel_args args)
{
	const unsigned tile = DRX_GATHER_ROWS * DRX_LANES * sizeof(drx_u16);
	struct drx_part part;

	if (!args.nr_records)
		return;
	part = drx_part_of(&args, args.out, tile);
	for (uint64_t pos = part.first; pos < part.last; pos += tile) {
		const uint64_t at = pos + drx_lane() * sizeof(drx_u16);
		drx_u16 units[DRX_GATHER_ROWS];
		uint32_t masks[DRX_GATHER_ROWS];

		drx_fetch_tile<drx_u16, DRX_GATHER_ROWS>(&part.cursor, at,
							 units, masks);
#pragma unroll
		for (int i = 0; i < DRX_GATHER_ROWS; i++)
			drx_store(at + i * DRX_LANES * sizeof(drx_u16),
				  units[i], masks[i]);
	}
}
