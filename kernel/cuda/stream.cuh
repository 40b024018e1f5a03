/* SPDX-License-Identifier: MIT */
/*
 * A stream read by way of its records, a unit of 4, 8 or 16 bytes at a time.
 *
 * Units lie at multiples of their size in the stream. Each warp takes an equal
 * part of the stream, in tiles: ROWS rows, in each of them one unit per lane.
 * A lane works alone: it has a cursor, which only goes forward, and gets each
 * unit with the mask of the bytes that the records have. So whatever cuts the
 * stream, only the units at a cut are put together from bytes.
 *
 * Received memory and records are loaded by ld.global.cg: from L2, where the
 * writes of other devices arrive, not from L1 (an SM's own; it may keep what a
 * polling kernel has read from a chunk before the NIC filled it again), and
 * never through the non-coherent path. Nothing is read twice, so L1 would not
 * help. tests/unit/kernels_source_test.sh looks into the PTX.
 *
 * No load reaches beyond the fragment that it is for.
 */
#ifndef DEVRX_STREAM_CUH
#define DEVRX_STREAM_CUH

#include <stdint.h>

#include <devrx/desc.h>
#include <devrx/kernels.h>

#define DRX_LANES 32
#define DRX_WARPS (DEVRX_KERNEL_BLOCK / DRX_LANES)

/* The units; CUDA's names, because __ldcg() knows them. */
typedef unsigned int drx_u4;
typedef unsigned long long drx_u8;
typedef ulonglong2 drx_u16;

template <class T> __device__ inline T drx_load(uint64_t addr)
{
	return __ldcg((const T *)addr);
}

/* Bytes @shift.. of two units in a row, 0 < @shift < sizeof(unit). */
__device__ inline drx_u4 drx_join(drx_u4 a, drx_u4 b, unsigned shift)
{
	return __funnelshift_r(a, b, 8 * shift);
}

__device__ inline drx_u8 drx_join(drx_u8 a, drx_u8 b, unsigned shift)
{
	return a >> 8 * shift | b << (64 - 8 * shift);
}

__device__ inline drx_u16 drx_join(drx_u16 a, drx_u16 b, unsigned shift)
{
	drx_u16 joined;
	drx_u8 first = a.x, second = a.y, third = b.x;

	if (shift >= 8) {
		first = a.y;
		second = b.x;
		third = b.y;
	}
	shift &= 7;
	joined.x = shift ? drx_join(first, second, shift) : first;
	joined.y = shift ? drx_join(second, third, shift) : second;
	return joined;
}

__device__ inline void drx_put(drx_u4 *unit, unsigned i, drx_u4 byte)
{
	*unit |= byte << 8 * i;
}

__device__ inline void drx_put(drx_u8 *unit, unsigned i, drx_u8 byte)
{
	*unit |= byte << 8 * i;
}

__device__ inline void drx_put(drx_u16 *unit, unsigned i, drx_u8 byte)
{
	if (i < 8)
		unit->x |= byte << 8 * i;
	else
		unit->y |= byte << 8 * (i - 8);
}

/*
 * Where a lane is. Positions count from @bias, which lets gather count in
 * addresses.
 */
struct drx_cursor {
	uint64_t records, source, bias;
	uint32_t nr, at;
	uint64_t begin, end; /* positions of record @at */
	uint64_t src; /* address of its first byte */
	drx_u16 next; /* record @at + 1, or the last one */
};

__device__ inline uint64_t drx_begin_of(const struct drx_cursor *c, uint32_t i)
{
	return c->bias + drx_load<drx_u8>(c->records + 16ull * i + 8);
}

__device__ inline drx_u16 drx_record(const struct drx_cursor *c, uint32_t i)
{
	return drx_load<drx_u16>(c->records + 16ull * i);
}

/* To @record, which is at @i. The next one is on its way while the payload of this
 * one is worked on: going on then waits for no record. */
__device__ inline void drx_take(struct drx_cursor *c, uint32_t i,
				drx_u16 record)
{
	c->at = i;
	c->begin = c->bias + record.y;
	c->end = c->begin + (record.x >> 32);
	c->src = c->source + (uint32_t)record.x;
	c->next = drx_record(c, i + 1 < c->nr ? i + 1 : i);
}

__device__ inline void drx_go(struct drx_cursor *c, uint32_t i)
{
	drx_take(c, i, drx_record(c, i));
}

/* The last record from @at on that begins at @pos or before, else @at. */
__device__ inline void drx_find(struct drx_cursor *c, uint64_t pos)
{
	uint32_t low = c->at, high = c->nr;

	while (high - low > 1) {
		const uint32_t middle = low + (high - low) / 2;

		if (drx_begin_of(c, middle) <= pos)
			low = middle;
		else
			high = middle;
	}
	drx_go(c, low);
}

/* To the record of @pos, mostly this one or the next; in a hole, next to it. */
__device__ inline void drx_advance(struct drx_cursor *c, uint64_t pos)
{
	if (pos < c->end || c->at + 1 == c->nr)
		return;
	drx_take(c, c->at + 1, c->next);
	if (pos >= c->end)
		drx_find(c, pos);
}

/* The unit at @pos; in @mask a bit for each byte that the records have. */
template <class T>
__device__ inline T drx_fetch(struct drx_cursor *c, uint64_t pos,
			      uint32_t *mask)
{
	const unsigned size = sizeof(T);
	T unit = T();

	drx_advance(c, pos);
	*mask = (1u << size) - 1;
	if (pos >= c->begin && pos + size <= c->end) {
		const uint64_t addr = c->src + (pos - c->begin);
		const unsigned shift = addr % size;

		if (!shift)
			return drx_load<T>(addr);
		if (addr - shift >= c->src && pos - shift + 2 * size <= c->end)
			return drx_join(drx_load<T>(addr - shift),
					drx_load<T>(addr - shift + size),
					shift);
	}
	*mask = 0;
	for (unsigned i = 0; i < size; i++, pos++) {
		drx_advance(c, pos);
		if (pos < c->begin || pos >= c->end)
			continue;
		drx_put(&unit, i,
			drx_load<unsigned char>(c->src + (pos - c->begin)));
		*mask |= 1u << i;
	}
	return unit;
}

/*
 * A lane's units of a tile, @pos the first. All in one record, as nearly
 * always, their loads do not wait for each other.
 */
template <class T, int ROWS>
__device__ inline void drx_fetch_tile(struct drx_cursor *c, uint64_t pos,
				      T *units, uint32_t *masks)
{
	const unsigned size = sizeof(T), row = DRX_LANES * size;
	const uint64_t last = pos + (ROWS - 1) * row;

	drx_advance(c, pos);
	if (pos >= c->begin && last + size <= c->end) {
		const uint64_t addr = c->src + (pos - c->begin);
		const unsigned shift = addr % size;

		if (!shift) {
#pragma unroll
			for (int i = 0; i < ROWS; i++) {
				units[i] = drx_load<T>(addr + i * row);
				masks[i] = (1u << size) - 1;
			}
			return;
		}
		if (addr - shift >= c->src &&
		    last - shift + 2 * size <= c->end) {
			T more[ROWS];

#pragma unroll
			for (int i = 0; i < ROWS; i++) {
				units[i] = drx_load<T>(addr - shift + i * row);
				more[i] = drx_load<T>(addr - shift + size +
						      i * row);
			}
#pragma unroll
			for (int i = 0; i < ROWS; i++) {
				units[i] = drx_join(units[i], more[i], shift);
				masks[i] = (1u << size) - 1;
			}
			return;
		}
	}
	/* Rolled, for there is much code in it; units[] stays in registers. */
#pragma unroll 1
	for (int i = 0; i < ROWS; i++) {
		uint32_t mask;
		const T unit = drx_fetch<T>(c, pos + i * row, &mask);

#pragma unroll
		for (int j = 0; j < ROWS; j++) {
			units[j] = i == j ? unit : units[j];
			masks[j] = i == j ? mask : masks[j];
		}
	}
}

/* A warp's part of the stream, in positions, whole tiles; with its cursor. */
struct drx_part {
	struct drx_cursor cursor;
	uint64_t first, last;
	uint64_t begin, end; /* the stream's */
};

__device__ inline unsigned drx_lane(void)
{
	return threadIdx.x % DRX_LANES;
}

__device__ inline unsigned drx_warp(void)
{
	return threadIdx.x / DRX_LANES;
}

/* @args has at least one record. */
__device__ inline struct drx_part
drx_part_of(const struct devrx_kernel_args *args, uint64_t bias, unsigned tile)
{
	const uint64_t warps = (uint64_t)gridDim.x * DRX_WARPS;
	const uint64_t warp = (uint64_t)blockIdx.x * DRX_WARPS + drx_warp();
	uint64_t first, last, each;
	struct drx_part part;

	part.cursor.records = args->records;
	part.cursor.source = args->source;
	part.cursor.bias = bias;
	part.cursor.nr = args->nr_records;
	drx_go(&part.cursor, args->nr_records - 1);
	part.end = part.cursor.end;
	drx_go(&part.cursor, 0);
	part.begin = part.cursor.begin;

	first = part.begin / tile;
	last = (part.end + tile - 1) / tile;
	each = (last - first + warps - 1) / warps;
	part.first = first + warp * each;
	if (part.first > last)
		part.first = last;
	part.last = part.first + each;
	if (part.last > last)
		part.last = last;
	part.first *= tile;
	part.last *= tile;
	if (part.first < part.last)
		drx_find(&part.cursor, part.first);
	return part;
}

#endif
