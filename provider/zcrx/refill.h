/* SPDX-License-Identifier: MIT */
/*
 * The refill ring: chunks on their way back to the kernel.
 *
 * A ring in shared memory with one producer, us, and one consumer, the kernel.
 * Who writes which word:
 *
 *	tail	us		entries	us		head	the kernel
 *
 *	producer (us)				consumer (kernel)
 *	load.acquire head leaves room	(A)	load.acquire tail	(C)
 *	store entries				load entries
 *	store.release tail		(B)	store.release head	(D)
 *
 * (A) pairs with (D): no entry is overwritten while the kernel still reads it.
 * (B) pairs with (C): the kernel sees no entry before it is written. (C) and
 * (D) are smp_load_acquire() and smp_store_release() in io_zcrx_ring_refill()
 * and zcrx_parse_rq(), linux/io_uring/zcrx.c.
 *
 * Exactly one entry goes back per data completion: Linux 7.3 merges entries of
 * one chunk that stand next to each other and refuses the whole batch if it
 * holds more than were handed out (zcrx_put_refill_niov()).
 */
#ifndef DRX_REFILL_H
#define DRX_REFILL_H

#include <stdbool.h>
#include <stdint.h>

#include "zcrx/uapi_zcrx.h"

/*
 * @tail: our copy, ahead of the shared word until drx_refill_publish()
 * @head: the shared word when last looked at: never ahead of it, so the room
 *	computed from it is never too much
 */
struct drx_refill {
	struct drx_zcrx_rqe *rqes;
	uint32_t tail;
	uint32_t head;
	uint32_t mask;
	uint32_t nr;
	uint32_t *ktail;
	const uint32_t *khead;
};

/*
 * Queue one chunk; false where the ring is full. Costs no barrier while the
 * cached head leaves room. Of the entry only off is written: len is not read
 * by the kernel, and the pad is zero since the region was mapped.
 */
static inline bool drx_refill_push(struct drx_refill *rq, uint64_t off)
{
	if (rq->tail - rq->head == rq->nr) {
		rq->head = __atomic_load_n(rq->khead, __ATOMIC_ACQUIRE); /* A */
		if (rq->tail - rq->head == rq->nr)
			return false;
	}
	rq->rqes[rq->tail++ & rq->mask].off = off;
	return true;
}

/*
 * The next entries that stand side by side: at most @want of them, 0 where the
 * ring is full. The caller fills in off of the first n of them and then calls
 * drx_refill_queued(n).
 */
static inline uint32_t drx_refill_run(struct drx_refill *rq, uint32_t want,
				      struct drx_zcrx_rqe **ret)
{
	uint32_t first = rq->tail & rq->mask;
	uint32_t run = rq->nr - (rq->tail - rq->head);

	if (run < want) {
		rq->head = __atomic_load_n(rq->khead, __ATOMIC_ACQUIRE); /* A */
		run = rq->nr - (rq->tail - rq->head);
	}
	if (run > rq->nr - first)
		run = rq->nr - first;
	*ret = &rq->rqes[first];
	return run < want ? run : want;
}

static inline void drx_refill_queued(struct drx_refill *rq, uint32_t n)
{
	rq->tail += n;
}

/* Was anything published that the kernel has not taken yet? */
static inline bool drx_refill_pending(const struct drx_refill *rq)
{
	return *rq->ktail != __atomic_load_n(rq->khead, __ATOMIC_ACQUIRE);
}

/* Show the kernel all that was queued. One store for a whole batch. */
static inline void drx_refill_publish(struct drx_refill *rq)
{
	__atomic_store_n(rq->ktail, rq->tail, __ATOMIC_RELEASE); /* B */
}

#endif /* DRX_REFILL_H */
