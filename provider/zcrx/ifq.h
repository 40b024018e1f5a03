/* SPDX-License-Identifier: MIT */
/*
 * The interface queue: memory, queue and ring joined by one registration.
 *
 * There is no call that unregisters: the kernel lets go when the ring goes
 * (linux/io_uring/zcrx.c, io_unregister_zcrx).
 */
#ifndef DRX_IFQ_H
#define DRX_IFQ_H

#include "zcrx/area.h"
#include "zcrx/refill.h"
#include "zcrx/uring.h"

struct devrx_share;

/* Which queue of which NIC. */
struct drx_ifq_queue {
	uint32_t ifindex;
	uint32_t index;
	uint32_t ring; /* entries of the NIC's ring; 0: unknown */
	struct devrx_share *share; /* registered by another receiver; or NULL */
};

/*
 * @region: refill ring and copy statistics, shared with the kernel
 * @stats: in the region, or NULL where the kernel keeps none (before 7.2)
 * @area_token: belongs into the upper bits of each refill entry
 */
struct drx_ifq {
	void *region;
	size_t region_len;
	const struct drx_zcrx_stats *stats;
	uint64_t area_token;
	uint32_t zcrx_id;
	uint32_t chunk_len;
	struct drx_refill rq;
};

/*
 * Register @area on @queue, or without one and with no NIC, with @ring. While the queue belongs to somebody
 * else (-EEXIST: the kernel tears a closed receiver down in its own time) try
 * again, up to @timeout_ms. On an error @ret is untouched and nothing stays;
 * the errno is the kernel's, to be explained by the caller.
 */
int drx_ifq_register(struct drx_ifq *ret, struct io_uring *ring,
		     const struct drx_uring_ops *ops,
		     const struct drx_ifq_queue *queue,
		     const struct drx_area *area,
		     const struct devrx_features *features,
		     uint32_t timeout_ms);

/* Unmap the region; after the ring is gone. */
void drx_ifq_fini(struct drx_ifq *ifq);

/* Refill entries registered for @nr_chunks: a power of two. */
uint32_t drx_ifq_rq_entries(uint64_t nr_chunks);

#endif /* DRX_IFQ_H */
