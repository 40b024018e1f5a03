/* SPDX-License-Identifier: MIT */
/*
 * The device ring: fragments as 16-byte records in memory that a host and a
 * device both see.
 *
 *	devrx_device_ring_create(&ring, addr, len, &opts);
 *	while ((n = devrx_receiver_wait(rx, frags, 64, -1)) > 0) {
 *		... flush, where the memory needs it (see push) ...
 *		n = devrx_device_ring_push(ring, frags, n, dests);
 *		devrx_device_ring_fence(ring, &fence);
 *		devrx_receiver_release_after(rx, frags, n, &fence);
 *	}
 *
 * One producer, the receiver's thread. On the other side either a kernel that
 * keeps running, polls tail and moves head (a persistent consumer: desc.h has
 * the orders); or launches, which get ranges of records from
 * devrx_device_ring_take() and after which head is moved: by the device's
 * queue with the fence's value (cuStreamWriteValue32()), or by the host with
 * devrx_device_ring_retire(). Not both on one ring.
 *
 * Ends of connections are not in the ring: EOF and ERROR come to the host,
 * which knows what they mean; devrx_device_ring_finish() ends the whole.
 *
 * Threads: push, fence, take, retire and finish come from one thread at a
 * time. A child after fork must leave the ring alone.
 */
#ifndef DEVRX_RING_H
#define DEVRX_RING_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/desc.h>
#include <devrx/error.h>
#include <devrx/fence.h>
#include <devrx/receiver.h>

#ifdef __cplusplus
extern "C" {
#endif

struct devrx_device_ring;

/* Bytes for a ring of @nr records. */
#define DEVRX_DEVICE_RING_LEN(nr)                                              \
	(sizeof(struct devrx_desc_ring) +                                      \
	 (size_t)(nr) * (sizeof(struct devrx_desc) + sizeof(uint32_t)))
/* What a ring may have at most. */
#define DEVRX_DEVICE_RING_NR_MAX (1u << 24)

/* The consumers read windows[] of desc.h: fragments beyond 4 GiB are allowed.
 * Without it they are refused, never cut short. */
#define DEVRX_DEVICE_RING_F_WINDOWS (1u << 0)

/**
 * struct devrx_device_ring_opts - how a ring is made
 * @size: sizeof(struct devrx_device_ring_opts), set by
 *      DEVRX_DEVICE_RING_OPTS_INIT
 * @flags: DEVRX_DEVICE_RING_F_*; unknown bits are refused
 * @reserved: 0
 * @cause: filled in on failure; may be NULL
 *
 * Since: 0.1
 */
struct devrx_device_ring_opts {
	size_t size;
	uint32_t flags;
	uint32_t reserved;
	struct devrx_cause *cause;
};

#define DEVRX_DEVICE_RING_OPTS_INIT                                            \
	{                                                                      \
		sizeof(struct devrx_device_ring_opts), 0, 0, NULL              \
	}

/**
 * devrx_device_ring_create - make a ring in the caller's memory
 * @ret: new ring on success, untouched on error; devrx_device_ring_destroy()
 * @addr: its start for the host, a multiple of 128; borrowed until the ring is
 *      destroyed and no consumer reads it any more. Ordinary cached memory that
 *      the device reaches coherently (cuMemHostAlloc() or
 *      cuMemHostRegister(); a Vulkan heap that is host visible, coherent and
 *      cached), not write-combined: head is read and 32-bit atomics are used
 * @len: bytes; the ring gets the largest power of two of records that fits
 *      (see DEVRX_DEVICE_RING_LEN), at most DEVRX_DEVICE_RING_NR_MAX
 * @opts: settings, or NULL for the defaults; borrowed for the call
 *
 * Return: 0; -EINVAL (cause "opts-invalid": the address is not aligned, the
 *   length has no room for one record, an unknown flag); -ENOMEM (cause
 *   "out-of-memory").
 * Since: 0.1
 */
DEVRX_API int
devrx_device_ring_create(struct devrx_device_ring **ret, void *addr, size_t len,
			 const struct devrx_device_ring_opts *opts);

/**
 * devrx_device_ring_destroy - forget a ring
 * @ring: the ring, taken; NULL is allowed
 *
 * The memory is the caller's and stays as it is, for a consumer that still
 * reads it.
 * Since: 0.1
 */
DEVRX_API void devrx_device_ring_destroy(struct devrx_device_ring *ring);

/**
 * devrx_device_ring_push - hand fragments to the device
 * @ring: the ring
 * @frags: fragments, in the order in which the consumer is to get them
 * @n: how many
 * @dests: where the bytes of each belong in the consumer's buffer (n numbers),
 *      or NULL for the fragment's position in its stream
 *
 * Those with token 0 (EOF, ERROR, LOST) count as taken and leave no record.
 * The records are visible to a running consumer when this returns.
 *
 * The payload too, as far as the host's memory model goes. But what a NIC wrote
 * into a GPU's memory may overtake nothing and still be invisible to a kernel
 * that is running: where the GPU says so (CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_
 * WRITES_ORDERING is NONE) flush after devrx_receiver_wait() and before this
 * (cuFlushGPUDirectRDMAWrites()). A launch made after this needs nothing.
 *
 * Cost: at most one look at head, one store of tail; no allocation, no lock,
 * no system call.
 *
 * Return: how many were taken, less than @n where the ring is full, or before a
 *   fragment that lies beyond 4 GiB in a ring without WINDOWS; if that is the
 *   first one, -ERANGE; -EPROTO where the consumer moved head to where no
 *   record was: nothing was taken; -EPIPE after devrx_device_ring_finish().
 * Since: 0.1
 */
DEVRX_API int devrx_device_ring_push(struct devrx_device_ring *ring,
				     const struct devrx_fragment *frags,
				     unsigned int n, const uint64_t *dests);

/**
 * devrx_device_ring_fence - passes when all that was pushed is consumed
 * @ring: the ring; its memory is borrowed until the fence passed
 * @ret: filled in; for devrx_receiver_release_after()
 *
 * Since: 0.1
 */
DEVRX_API void devrx_device_ring_fence(const struct devrx_device_ring *ring,
				       struct devrx_fence *ret);

/**
 * struct devrx_device_batch - records side by side, for one launch
 * @records: bytes from the ring's start to the first record
 * @windows: the same to its window's number
 * @base: with ONE_WINDOW where their window starts in the memory, bytes, to be
 *      added to the memory's address; else 0
 * @nr: records
 * @to: what head becomes when all of them are consumed
 *
 * Offsets, because the device sees the ring at an address of its own.
 * Since: 0.1
 */
struct devrx_device_batch {
	uint64_t records;
	uint64_t windows;
	uint64_t base;
	uint32_t nr;
	uint32_t to;
};

/* Only records of one window, for a kernel that reads no windows[]. */
#define DEVRX_DEVICE_TAKE_F_ONE_WINDOW (1u << 0)

/**
 * devrx_device_ring_take - the next records that no launch has
 * @ring: the ring
 * @max: at most so many
 * @flags: 0 or DEVRX_DEVICE_TAKE_F_ONE_WINDOW
 * @ret: filled in where there are some, else untouched
 *
 * At the ring's end a batch ends, too. Its records stay as they are until head
 * has passed them.
 *
 * Return: the number of records, 0 where there are none; -EINVAL: @max is 0,
 *   an unknown flag.
 * Since: 0.1
 */
DEVRX_API int devrx_device_ring_take(struct devrx_device_ring *ring,
				     uint32_t max, uint32_t flags,
				     struct devrx_device_batch *ret);

/**
 * devrx_device_ring_retire - launches are done, in their consumer's place
 * @ring: the ring
 * @to: of the last batch that is done, and all before it
 *
 * Return: 0; -EINVAL where @to is no place between head and what was taken;
 *   -EPROTO where somebody else moved head to where no record was.
 * Since: 0.1
 */
DEVRX_API int devrx_device_ring_retire(struct devrx_device_ring *ring,
				       uint32_t to);

/**
 * devrx_device_ring_finish - no more records will come
 *
 * A persistent consumer ends when it has seen this and the ring is empty.
 * Since: 0.1
 */
DEVRX_API void devrx_device_ring_finish(struct devrx_device_ring *ring);

/*
 * A consumer in C: what a kernel does, for the CPU and as its reference. Letters
 * as in desc.h.
 *
 *	head = 0;
 *	while ((n = devrx_desc_available(ring, head)) >= 0) {
 *		for (; n > 0; n--, head++)
 *			use(memory + devrx_desc_source(ring, head),
 *			    devrx_desc_at(ring, head));
 *		devrx_desc_consumed(ring, head);
 *	}
 */

/* How many records there are from @head on; 0 for none yet, -1 for never. */
static inline int devrx_desc_available(const struct devrx_desc_ring *ring,
				       uint32_t head)
{
	uint32_t finished =
		__atomic_load_n(&ring->finished, __ATOMIC_ACQUIRE); /* F */
	uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE); /* C */

	return tail == head && finished ? -1 : (int)(tail - head);
}

/* Record @idx. */
static inline const struct devrx_desc *
devrx_desc_at(const struct devrx_desc_ring *ring, uint32_t idx)
{
	return (const struct devrx_desc *)(const void *)((const char *)ring +
							 ring->records) +
	       (idx & (ring->nr - 1));
}

/* Where the bytes of record @idx start in the memory. */
static inline uint64_t devrx_desc_source(const struct devrx_desc_ring *ring,
					 uint32_t idx)
{
	const uint32_t *windows =
		(const uint32_t *)(const void *)((const char *)ring +
						 ring->windows);

	return (uint64_t)windows[idx & (ring->nr - 1)] << 32 |
	       devrx_desc_at(ring, idx)->source;
}

/* All before @head are consumed: neither they nor their bytes are read again. */
static inline void devrx_desc_consumed(struct devrx_desc_ring *ring,
				       uint32_t head)
{
	__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE); /* D */
}

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_RING_H */
