/* SPDX-License-Identifier: MIT */
/* What other rooms may ask of a queue beyond the public API. */
#ifndef DRX_NIC_H
#define DRX_NIC_H

#include <stdbool.h>

#include <devrx/queue.h>

/*
 * A queue object without a look at the NIC: the last step of
 * devrx_queue_reserve(), and for tests. NULL where memory is short.
 */
struct devrx_queue *drx_queue_new(uint32_t ifindex, uint32_t index);
/* Neither changes in a queue's life: from any thread. */
uint32_t drx_queue_ifindex(const struct devrx_queue *q);
uint32_t drx_queue_index(const struct devrx_queue *q);

/*
 * Bind @q to a receiver, so that it can be neither restored nor bound again.
 * Return 0, or -EBUSY with the cause "queue-bound".
 */
int drx_queue_bind(struct devrx_queue *q, struct devrx_cause *cause);
void drx_queue_unbind(struct devrx_queue *q);

/*
 * The checks of devrx_queue_reserve() once more, against the NIC as it is now:
 * 0 where nothing is wrong that netlink can see, else the errno with the cause
 * filled in. With @pci the NIC must be a PCI device (nic-not-pci).
 */
int drx_queue_check(const struct devrx_queue *q, bool pci,
		    struct devrx_cause *cause);

#endif /* DRX_NIC_H */
