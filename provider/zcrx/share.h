/* SPDX-License-Identifier: MIT */
/*
 * What several receivers of one queue have in common.
 *
 * The refill ring has one producer (refill.h). Here several take turns: each has
 * its own struct drx_refill, whose tail is true only between drx_share_lock() and
 * drx_share_unlock(), which publishes all that was queued. The lock orders what
 * one of them wrote into the ring before what the next one writes.
 *
 * The provider's calls come one at a time for the same reason: they are made
 * inside the lock only.
 */
#ifndef DRX_SHARE_H
#define DRX_SHARE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include <devrx/share.h>

#include "zcrx/ifq.h"

/*
 * @lock: the refill ring's producers; also for @refs
 * @refs: receivers, and the caller's share
 * @fd: the registration, exported
 * @owner: process that it belongs to
 * @ifq: the first receiver's, whose region is given back at the end
 * @mem, @q: bound until then; @q is NULL in tests
 */
struct devrx_share {
	pthread_mutex_t lock;
	uint32_t refs;
	int fd;
	pid_t owner;
	struct drx_ifq ifq;
	struct devrx_memory *mem;
	struct devrx_queue *q;
	bool bound;
	uint32_t tier;
	uint32_t flags;
	struct devrx_features features;
	const struct drx_uring_ops *ops;
	char ifname[16];
};

/* Another one's registration for @rx's ring: 0, or an errno with the cause. */
int drx_share_import(struct devrx_receiver *rx, struct devrx_share *share,
		     struct devrx_cause *cause);
/* One reference less; @alive: not in a child. */
void drx_share_put(struct devrx_share *share, bool alive);

/* Where nothing is shared, nothing is done. */
void drx_share_enter(struct devrx_receiver *rx);
void drx_share_leave(struct devrx_receiver *rx);

#endif /* DRX_SHARE_H */
