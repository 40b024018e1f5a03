/* SPDX-License-Identifier: MIT */
/* The device ring's producer: what it keeps to itself. */
#ifndef DRX_DELIVER_RING_H
#define DRX_DELIVER_RING_H

#include <stdbool.h>

#include <devrx/ring.h>

/*
 * @head: the shared word when last looked at: never ahead of it, so the room
 *	computed from it is never too much
 * @offset_max: the last place in the memory that a record may start at
 * @taken: behind the last record that a launch has
 */
struct devrx_device_ring {
	struct devrx_desc *records;
	uint32_t *windows;
	uint32_t tail;
	uint32_t head;
	uint32_t mask;
	uint64_t offset_max;
	struct devrx_desc_ring *shared;
	uint32_t taken;
	bool finished;
};

#endif /* DRX_DELIVER_RING_H */
