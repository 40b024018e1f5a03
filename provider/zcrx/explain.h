/* SPDX-License-Identifier: MIT */
/* Why the kernel refused a registration: from a bare errno to a cause. */
#ifndef DRX_EXPLAIN_H
#define DRX_EXPLAIN_H

#include <devrx/error.h>
#include <devrx/features.h>
#include <devrx/queue.h>

#include "zcrx/area.h"

/*
 * Explain @err of drx_ifq_register() and return it. @q is looked at again,
 * since it may have changed; NULL where there is none (tests).
 */
int drx_explain_register(int err, const struct devrx_queue *q,
			 const struct drx_area *area,
			 struct devrx_cause *cause);

/* The same for the ring's own set-up. */
int drx_explain_no_cap(struct devrx_cause *cause);
int drx_explain_setup(int err, struct devrx_cause *cause);

/* The same for tier recv: the ring's set-up, and a buffer ring of @len bytes. */
int drx_explain_recv_setup(int err, struct devrx_cause *cause);
int drx_explain_buffers(int err, uint64_t len, struct devrx_cause *cause);

#endif /* DRX_EXPLAIN_H */
