// SPDX-License-Identifier: MIT
/*
 * Consumers of the device ring: one that keeps running, one for launches. They
 * check what they consume. Letters as in devrx/desc.h.
 *
 * One thread polls and tells the block through a barrier; what it has acquired
 * at system scope the others have then, too. One thread releases, behind a
 * barrier, what all have read.
 */
#include <devrx/desc.h>

#include "gpu/consumer.h"

#ifdef __CUDACC__
#include <cuda/atomic>

__device__ inline uint32_t load_acquire(uint32_t *at)
{
	return cuda::atomic_ref<uint32_t, cuda::thread_scope_system>(*at).load(
		cuda::memory_order_acquire);
}

__device__ inline void store_release(uint32_t *at, uint32_t value)
{
	cuda::atomic_ref<uint32_t, cuda::thread_scope_system>(*at).store(
		value, cuda::memory_order_release);
}

__device__ inline uint64_t nanoseconds()
{
	uint64_t now;

	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
	return now;
}
#endif

#define FINISHED 0xffffffffu
#define GAVE_UP 0xfffffffeu

/* How many records there are behind @head, FINISHED, or GAVE_UP. */
__device__ inline uint32_t wait_for_records(struct devrx_desc_ring *ring,
					    uint32_t head, uint64_t timeout_ns)
{
	const uint64_t begin = nanoseconds();

	for (;;) {
		const uint32_t finished = load_acquire(&ring->finished); /* F */
		const uint32_t tail = load_acquire(&ring->tail); /* C */

		if (tail - head > ring->nr)
			return GAVE_UP; /* no producer of ours does that */
		if (tail != head)
			return tail - head;
		if (finished)
			return FINISHED;
		if (nanoseconds() - begin > timeout_ns)
			return GAVE_UP;
	}
}

/* One record and, where @memory is not 0, its bytes. */
__device__ inline bool is_right(const struct devrx_desc *at,
				const uint32_t *window, uint64_t base,
				uint64_t memory, uint64_t number)
{
	const ulonglong2 record = __ldcg((const ulonglong2 *)at);
	const uint32_t source = (uint32_t)record.x;
	const uint32_t length = (uint32_t)(record.x >> 32);
	const uint64_t offset =
		base + ((window ? (uint64_t)__ldcg(window) << 32 : 0) | source);

	if (record.y != number)
		return false;
	if (!memory)
		return length == consumer_length(number) &&
		       offset == consumer_offset(number, window || base);
	if (length != CONSUMER_SLOT)
		return false;
	for (unsigned i = 0; i < CONSUMER_SLOT / 8; i++)
		if (__ldcg((const unsigned long long *)(memory + offset) + i) !=
		    consumer_word(number, i))
			return false;
	return true;
}

__device__ inline void count_wrong(struct consumer_result *result,
				   uint64_t number)
{
	if (!atomicAdd(&result->wrong, 1ull))
		result->first_wrong = number;
}

/* A block that keeps running until the ring is finished and empty. */
extern "C" __global__ void __launch_bounds__(CONSUMER_THREADS)
	devrx_test_consume(struct consumer_args args)
{
	struct devrx_desc_ring *ring = (struct devrx_desc_ring *)args.ring;
	struct consumer_result *result = (struct consumer_result *)args.result;
	const struct devrx_desc *records =
		(const struct devrx_desc *)(args.ring + ring->records);
	const uint32_t *windows = (const uint32_t *)(args.ring + ring->windows);
	const bool read_windows = ring->flags & DEVRX_DESC_F_WINDOWS;
	const uint32_t mask = ring->nr - 1;
	__shared__ uint32_t available;
	uint64_t done = 0;

	for (;;) {
		if (!threadIdx.x)
			available = wait_for_records(ring, (uint32_t)done,
						     args.timeout_ns);
		__syncthreads();
		const uint32_t nr = available;

		if (nr == FINISHED || nr == GAVE_UP)
			break;
		for (uint32_t i = threadIdx.x; i < nr; i += CONSUMER_THREADS) {
			const uint32_t at = (uint32_t)(done + i) & mask;

			if (!is_right(&records[at],
				      read_windows ? &windows[at] : nullptr, 0,
				      args.memory, done + i))
				count_wrong(result, done + i);
		}
		done += nr;
		__syncthreads();
		if (!threadIdx.x)
			store_release(&ring->head, (uint32_t)done); /* D */
	}
	if (!threadIdx.x) {
		result->consumed = done;
		result->gave_up = available == GAVE_UP;
	}
}

/* The records that devrx_device_ring_take() gave to this launch. */
extern "C" __global__ void __launch_bounds__(CONSUMER_THREADS)
	devrx_test_consume_batch(struct consumer_args args)
{
	struct consumer_result *result = (struct consumer_result *)args.result;
	const struct devrx_desc *records =
		(const struct devrx_desc *)(args.ring + args.records);
	const uint32_t *windows = (const uint32_t *)(args.ring + args.windows);

	for (uint64_t i = blockIdx.x * CONSUMER_THREADS + threadIdx.x;
	     i < args.nr; i += (uint64_t)gridDim.x * CONSUMER_THREADS)
		if (!is_right(&records[i], args.base ? nullptr : &windows[i],
			      args.base, args.memory, args.first + i))
			count_wrong(result, args.first + i);
	if (!blockIdx.x && !threadIdx.x)
		atomicAdd(&result->consumed, (unsigned long long)args.nr);
}
