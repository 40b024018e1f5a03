/* SPDX-License-Identifier: MIT */
/*
 * What a wait hears beside connections: the NIC going down, up and away, and what
 * a program's own epoll set has.
 *
 * Both are requests of the receiver's ring with a single answer: what it says is
 * kept here until a call can deliver it, and then the request is made again. That
 * is done in devrx_receiver_wait() and nowhere else, before the kernel is entered.
 */
#ifndef DRX_EVENTS_H
#define DRX_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "nic/watch.h"

struct devrx_fragment;
struct devrx_receiver;
struct io_uring_cqe;

/*
 * @watch: the NIC; its descriptor is -1 without one
 * @armed: the kernel was asked to poll that
 * @tell: DEVRX_RECEIVER_F_EVENTS: what is seen is delivered
 * @told_link: what was delivered last of its state
 * @told_downs: ... and its count then
 * @pending: something is to be delivered
 */
struct drx_events {
	struct drx_watch watch;
	bool armed;
	bool tell;
	bool pending;
	uint32_t told_link;
	uint64_t told_downs;
};

void drx_events_init(struct devrx_receiver *rx);
/* The receiver's NIC, from now on; @watch is taken. */
void drx_events_watch(struct devrx_receiver *rx, const struct drx_watch *watch);
void drx_events_fini(struct devrx_receiver *rx);
/* Is the kernel to be asked for something that it is not asked for yet? */
bool drx_events_unarmed(const struct devrx_receiver *rx);
/* Ask it. */
void drx_events_arm(struct devrx_receiver *rx);
/* A completion of what was asked. */
void drx_events_reap(struct devrx_receiver *rx, uint64_t user_data);
unsigned int drx_events_deliver(struct devrx_receiver *rx,
				struct devrx_fragment *frags, unsigned int n);
/*
 * With the NIC gone, what had come from it before is still to be received, and
 * after that nothing will. Are there connections of which that is not known?
 */
bool drx_events_orphans(const struct devrx_receiver *rx);
/* Nothing came of them: end their receives. True where there is to be another
 * visit to the kernel. */
bool drx_events_end_orphans(struct devrx_receiver *rx);
/* A cancellation, of @user_data with DRX_UD_CANCEL, was answered with @res. */
void drx_events_cancelled(struct devrx_receiver *rx, uint64_t user_data,
			  int res);

#endif /* DRX_EVENTS_H */
