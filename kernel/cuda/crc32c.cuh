/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C without tables in the loop.
 *
 * The stream is a polynomial over GF(2), and its CRC a remainder modulo P. A
 * lane reads every 32nd word, so it evaluates
 *	((w0 * y + w1) * y + w2) * y ...	with y = x^1024 modulo P.
 * Squaring is linear, so P(x)^1024 = P(x^1024), and that is 0 modulo P: y is a
 * zero of P as x is. So each of the 32 bit positions of the words is a stream
 * of its own, divided by P as x would be; 32 such divisions side by side are 32
 * registers, where one step is a rename and an XOR for each of the 17 taps of P:
 * no memory but the word itself. The stride can be any power of two bits; 32
 * words make loads of a warp adjacent.
 *
 * At the end register m stands for y^m: each lane sums up its 32, then lanes are
 * joined pairwise, each warp's sum is moved to its place, and all are XORed.
 * Zeros in front of a stream change nothing, so absent bytes may be 0.
 */
#include "kernel/crc32c_powers.h"
#include "kernel/cuda/stream.cuh"

#define DRX_CRC32C_ROWS 8 /* as many as drx_crc32c_steps() takes */

__constant__ uint32_t drx_crc32c_powers[32] = { DRX_CRC32C_POWERS,
						DRX_CRC32C_ONE };

struct drx_crc32c_shared {
	uint32_t by_y[4][256]; /* each byte of a word times y */
	uint32_t value[DEVRX_KERNEL_BLOCK], factor[DEVRX_KERNEL_BLOCK];
};

/* a * b modulo P; bit 31 is x^0. */
__device__ inline uint32_t drx_multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

#pragma unroll
	for (int bit = 31; bit >= 0; bit--) {
		product ^= a >> bit & 1 ? b : 0;
		b = (b >> 1) ^ (b & 1 ? DRX_CRC32C_POLY : 0);
	}
	return product;
}

/* Taps of P, in the order of the registers. */
#define DRX_CRC32C_TAPS 0x1edc6f41u

/* Which of 8 steps' tops are in register @m afterwards: step k adds its top to
 * the registers with taps, and what was there then is 7 - k further on. */
__device__ inline unsigned drx_crc32c_tops_of(int m)
{
	unsigned tops = 0;

#pragma unroll
	for (int k = 0; k < 8; k++)
		if (m >= 7 - k && DRX_CRC32C_TAPS >> (m - 7 + k) & 1)
			tops |= 1u << k;
	return tops;
}

/*
 * Eight steps of the 32 divisions at once. One by one they are an XOR for each tap
 * and word; but the eight tops are known beforehand, and the XORs of any four of them
 * are few and used by many registers: 56 three-way XORs instead of 110.
 */
__device__ inline void drx_crc32c_steps(uint32_t *state, const uint32_t *words)
{
	uint32_t top[8], low[16],
		high[16]; /* XORs of the first four, last four */

#pragma unroll
	for (int k = 0; k < 8; k++) {
		top[k] = state[31 - k];
#pragma unroll
		for (int before = 0; before < k; before++)
			if (DRX_CRC32C_TAPS >> (32 - k + before) & 1)
				top[k] ^= top[before];
	}
	low[0] = high[0] = 0;
#pragma unroll
	for (int set = 1; set < 16; set++) {
		const int first = set & 1 ? 0 : set & 2 ? 1 : set & 4 ? 2 : 3;

		low[set] = low[set & (set - 1)] ^ top[first];
		high[set] = high[set & (set - 1)] ^ top[4 + first];
	}
#pragma unroll
	for (int m = 31; m >= 0; m--) {
		const unsigned tops = drx_crc32c_tops_of(m);

		state[m] = (m < 8 ? words[7 - m] : state[m - 8]) ^
			   low[tops & 15] ^ high[tops >> 4];
	}
}

/*
 * x^(8 * distance) modulo P for each warp, in the first DRX_WARPS of
 * shared->factor. Lanes take a bit of the distance each. For the whole block.
 */
__device__ inline void drx_crc32c_power(struct drx_crc32c_shared *shared,
					uint64_t distance)
{
	const unsigned t = threadIdx.x;
	uint32_t factor;

	distance %= 0x7fffffff; /* where powers of x begin again */
	shared->factor[t] = distance >> drx_lane() & 1 ?
				    drx_crc32c_powers[drx_lane()] :
				    DRX_CRC32C_ONE;
	for (unsigned n = DEVRX_KERNEL_BLOCK / 2; n >= DRX_WARPS; n /= 2) {
		__syncthreads();
		if (t < n)
			factor = drx_multiply(shared->factor[2 * t],
					      shared->factor[2 * t + 1]);
		__syncthreads();
		if (t < n)
			shared->factor[t] = factor;
	}
	__syncthreads();
}

/* The lanes' values to one for each warp, in the first DRX_WARPS. */
__device__ inline void drx_crc32c_join(struct drx_crc32c_shared *shared,
				       uint32_t value)
{
	const unsigned t = threadIdx.x;
	unsigned level = 2; /* x^32: neighbours are a word apart */

	shared->value[t] = value;
	for (unsigned n = DEVRX_KERNEL_BLOCK / 2; n >= DRX_WARPS; n /= 2) {
		__syncthreads();
		if (t < n)
			value = drx_multiply(shared->value[2 * t],
					     drx_crc32c_powers[level]) ^
				shared->value[2 * t + 1];
		__syncthreads();
		if (t < n)
			shared->value[t] = value;
		level++;
	}
	__syncthreads();
}

/* The sum of state[m] * y^m. */
__device__ inline uint32_t
drx_crc32c_value(const struct drx_crc32c_shared *shared, const uint32_t *state)
{
	uint32_t value = state[31];

#pragma unroll
	for (int m = 30; m >= 0; m--)
		value = shared->by_y[0][value & 255] ^
			shared->by_y[1][value >> 8 & 255] ^
			shared->by_y[2][value >> 16 & 255] ^
			shared->by_y[3][value >> 24] ^ state[m];
	return value;
}

/* 3 blocks per SM: 85 registers, 32 of them the state, and 8 loads in flight for
 * each thread. With 4 blocks, and 64 registers, the state is spilled: 0.4 to 0.5 of
 * sum's rate on an H200, where this has 0.87. */
extern "C" __global__ void __launch_bounds__(DEVRX_KERNEL_BLOCK, 3)
	devrx_crc32c(struct devrx_kernel_args args)
{
	const unsigned tile = DRX_CRC32C_ROWS * DRX_LANES * sizeof(drx_u4);
	__shared__ struct drx_crc32c_shared shared;
	const unsigned t = threadIdx.x;
	uint32_t state[32] = { 0 }, before = 0;
	struct drx_part part;

	if (args.before)
		before = drx_load<drx_u4>(args.before);
	if (!args.nr_records) {
		if (!blockIdx.x && !t)
			atomicXor((unsigned *)args.out, before);
		return;
	}
	part = drx_part_of(&args, 0, tile);
	for (uint64_t pos = part.first; pos < part.last; pos += tile) {
		drx_u4 words[DRX_CRC32C_ROWS];
		uint32_t masks[DRX_CRC32C_ROWS];

		drx_fetch_tile<drx_u4, DRX_CRC32C_ROWS>(
			&part.cursor, pos + drx_lane() * sizeof(drx_u4), words,
			masks);
		drx_crc32c_steps(state, words);
	}

	for (unsigned i = t; i < 4 * 256; i += DEVRX_KERNEL_BLOCK)
		shared.by_y[i >> 8][i & 255] =
			drx_multiply((i & 255) << 8 * (i >> 8),
				     drx_crc32c_powers[7]); /* x^(8 * 128) */
	__syncthreads();
	drx_crc32c_join(&shared, drx_crc32c_value(&shared, state));
	/*
	 * From a warp's last position to the stream's end, which may lie
	 * before it; a remainder is the CRC of what is shifted by 4 bytes more.
	 */
	drx_crc32c_power(&shared, part.end + 4 + 0x7fffffff - part.last);
	if (t < DRX_WARPS)
		atomicXor((unsigned *)args.out,
			  drx_multiply(shared.value[t], shared.factor[t]));
	if (blockIdx.x)
		return;
	/* The register begins as the inverted CRC of what came before. */
	__syncthreads();
	drx_crc32c_power(&shared, part.end - part.begin);
	if (!t)
		atomicXor((unsigned *)args.out,
			  ~drx_multiply(~before, shared.factor[0]));
}
