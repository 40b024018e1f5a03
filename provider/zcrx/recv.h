/* SPDX-License-Identifier: MIT */
/*
 * Tier recv: multishot receives into buffers that the kernel is given in
 * advance.
 *
 * The buffer ring is in shared memory, with one producer, us, and one consumer,
 * the kernel. The kernel tells in completions, not in a word of its own, what it
 * has taken:
 *
 *	producer (us)				consumer (kernel)
 *	store entries				load.acquire tail	(B)
 *	store.release tail		(A)	load entries
 *
 * (A) pairs with (B), the smp_load_acquire() in io_ring_buffer_select(),
 * linux/io_uring/kbuf.c: the kernel sees no entry before it is written, and
 * writes into no buffer before what was read from it was read. No entry is
 * overwritten while the kernel reads it: a buffer is in the ring once, which has
 * an entry for each, and it comes back into it only after the completion, whose
 * acquire is (C) in wait.c.
 *
 * Where the CPU can write the memory at any time, the buffers are its chunks.
 * Elsewhere they are a few of our own, and the provider writes on (upload.h).
 */
#ifndef DRX_RECV_H
#define DRX_RECV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zcrx/area.h"
#include "zcrx/uring.h"

/* The kernel's limit for entries of a buffer ring. */
#define DRX_RECV_CHUNKS_MAX 32768u

struct drx_slot;

/*
 * @ring: NULL where the tier is not recv
 * @base: the first buffer
 * @nr: buffers
 * @shift: from their index to their offset
 * @mask: of @ring's entries
 * @tail: our copy, ahead of the shared word until drx_recv_publish()
 * @bounce_len: bytes at @base, 0 where the buffers are the memory's chunks
 */
struct drx_recv {
	struct io_uring_buf_ring *ring;
	unsigned char *base;
	uint32_t nr;
	uint32_t shift;
	uint16_t mask;
	uint16_t tail;
	size_t ring_len;
	size_t bounce_len;
};

/* Queue one buffer; there is always room. */
static inline void drx_recv_put(struct drx_recv *recv, uint32_t bid)
{
	struct io_uring_buf *buf = &recv->ring->bufs[recv->tail++ & recv->mask];

	/* Not its last member: in the first entry that is the tail. */
	buf->addr = (uintptr_t)recv->base + ((uint64_t)bid << recv->shift);
	buf->len = UINT32_C(1) << recv->shift;
	buf->bid = (uint16_t)bid;
}

/*
 * Show the kernel all that was queued. Once before it is entered is enough: with
 * IORING_SETUP_DEFER_TASKRUN it takes buffers nowhere else.
 */
static inline void drx_recv_publish(struct drx_recv *recv)
{
	__atomic_store_n(&recv->ring->tail, recv->tail,
			 __ATOMIC_RELEASE); /* A */
}

/* recv_open.c */
/*
 * Work out chunks and path for @mem, or fail with the cause: opts-invalid,
 * chunk-len, chunk-refused. Where the CPU can write the memory at any time,
 * ret->reg.addr is where.
 */
int drx_recv_plan(struct drx_area *ret, struct devrx_memory *mem,
		  const struct devrx_memory_info *info,
		  const struct devrx_receiver_opts *opts);
/* Register the buffers with @ring, all of them the kernel's; 0, or an errno with
 * the cause and @ret untouched. */
int drx_recv_register(struct drx_recv *ret, struct io_uring *ring,
		      const struct drx_uring_ops *ops,
		      const struct drx_area *area, struct devrx_cause *cause);
/* Unmap what register mapped; after the ring is gone. */
void drx_recv_fini(struct drx_recv *recv);

/* Chunks that are used: all whole ones, up to the limit. */
static inline uint64_t drx_recv_chunks(const struct drx_area *area)
{
	const uint64_t nr = area->reg.len / area->chunk_len;

	return nr < DRX_RECV_CHUNKS_MAX ? nr : DRX_RECV_CHUNKS_MAX;
}

/* recv.c */
/* Completions become at most @n fragments; what was given back is published. */
unsigned int drx_recv_reap(struct devrx_receiver *rx,
			   struct devrx_fragment *frags, unsigned int n);
/* Give an expired slot's chunk back, to be published by the next reap. */
void drx_recv_give_back(struct devrx_receiver *rx, struct drx_slot *slot);

#endif /* DRX_RECV_H */
