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
struct epoll_event;
struct devrx_receiver;
struct io_uring_cqe;

/*
 * @fd: the program's set, or -1; then the rest means nothing
 * @events: the program's array, of
 * @nr: entries; the kernel's while
 * @armed: the kernel was asked
 * @has_result: the answer is to be delivered:
 * @result: entries that were filled, or a negative errno, which is the last
 * @ending: the program has taken the set off
 */
struct drx_epoll {
	int fd;
	struct epoll_event *events;
	uint32_t nr;
	int result;
	bool armed;
	bool has_result;
	bool ending;
};

/*
 * @watch: the NIC; its descriptor is -1 without one
 * @armed: the kernel was asked to poll that
 * @tell: DEVRX_RECEIVER_F_EVENTS: what is seen is delivered
 * @told_link: what was delivered last of its state
 * @told_downs: ... and its count then
 * @pending: something is to be delivered
 * @area_empty: the kernel has said that the area had no chunk for the NIC, and
 *	says it once only, until it is asked to again
 * @area_given: fragments that had been given back then
 * @told_empty: times that were delivered
 * @epoll: a program's epoll set
 */
struct drx_events {
	struct drx_watch watch;
	bool armed;
	bool tell;
	bool pending;
	uint32_t told_link;
	uint64_t told_downs;
	bool area_empty;
	uint64_t area_given;
	uint64_t told_empty;
	struct drx_epoll epoll;
};

void drx_events_init(struct devrx_receiver *rx);
/* Can anything come that is no connection's? */
bool drx_events_wanted(const struct devrx_receiver *rx);
/* The receiver's NIC, from now on; @watch is taken. */
void drx_events_watch(struct devrx_receiver *rx, const struct drx_watch *watch);
void drx_events_fini(struct devrx_receiver *rx);
/* Is the kernel to be asked for something that it is not asked for yet? */
bool drx_events_unarmed(const struct devrx_receiver *rx);
/* Ask it. */
void drx_events_arm(struct devrx_receiver *rx);
/* A completion of what was asked. */
void drx_events_reap(struct devrx_receiver *rx, uint64_t user_data, int res);
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

/* There is another area. */
void drx_events_area_added(struct devrx_receiver *rx);
/* Have the kernel say anew when the area is empty, if something was given back
 * since it was. */
void drx_events_arm_area(struct devrx_receiver *rx);

/* epoll.c; the same, and it is asked for as long as there is a set */
bool drx_epoll_unarmed(const struct devrx_receiver *rx);
void drx_epoll_arm(struct devrx_receiver *rx);
void drx_epoll_reap(struct devrx_receiver *rx, int res);
unsigned int drx_epoll_deliver(struct devrx_receiver *rx,
			       struct devrx_fragment *frag);

#endif /* DRX_EVENTS_H */
