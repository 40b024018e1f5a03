/* SPDX-License-Identifier: MIT */
/* Reservations as devrx_queue_reserve() makes and ends them. */
#ifndef DRX_RESERVATIONS_H
#define DRX_RESERVATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/queue.h>

#include "nic/journal.h"
#include "nic/look.h"

struct drx_reservation {
	bool made; /* there is something to end */
	uint32_t pid; /* whose it is to end, also where nobody owns it */
	uint32_t ifindex;
	uint64_t netns;
	int guard; /* or -1 */
	struct drx_owner owner;
};

/* Options as the caller gave them, checked. 0 or -EINVAL (opts-invalid). */
int drx_queue_opts_get(struct devrx_queue_opts *ret,
		       const struct devrx_queue_opts *opts);

/*
 * Make the NIC that was looked at ready; @ret_queue is the queue that it is. 0, or an
 * errno of devrx_queue_reserve()'s with the cause, and nothing has changed.
 */
int drx_reservation_make(struct drx_reservation *ret, uint32_t *ret_queue,
			 const struct drx_look *look,
			 const struct devrx_queue_opts *opts);
/* 0, or -EINPROGRESS where something is left for later. */
int drx_reservation_end(struct drx_reservation *res);

#endif /* DRX_RESERVATIONS_H */
