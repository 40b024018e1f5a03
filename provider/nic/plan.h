/* SPDX-License-Identifier: MIT */
/*
 * From a NIC as it is to one that a receiver can use: the fewest steps, in an
 * order that drivers take. Pure: no kernel, no file.
 */
#ifndef DRX_PLAN_H
#define DRX_PLAN_H

#include <stdint.h>

#include <devrx/error.h>

#include "nic/setup.h"
#include "nic/step.h"

/*
 * @index: the rx queue, or DEVRX_QUEUE_LAST: the last one that is free
 * @ports: TCP ports to steer to it, in host order
 * @taken: queues that others have reserved, of DRX_SETUP_QUEUES_MAX; or NULL
 */
struct drx_want {
	uint32_t index;
	const uint16_t *ports;
	uint32_t nr_ports;
	const bool *taken;
};

struct drx_plan {
	uint32_t queue;
	uint32_t nr;
	struct drx_step *steps;
};

/*
 * On success drx_plan_free() is due. 0;
 *   -ERANGE      queue-range: the NIC cannot have so many queues;
 *   -EBUSY       queue-taken: reserved by another, or none is free;
 *                port-steered: a rule of somebody else's leads a port elsewhere;
 *   -EOPNOTSUPP  nic-steering: no flow rules;
 *   -ENOMEM.
 */
int drx_plan_make(struct drx_plan *ret, const struct drx_setup *setup,
		  const struct drx_want *want, struct devrx_cause *cause);
void drx_plan_free(struct drx_plan *plan);

#endif /* DRX_PLAN_H */
