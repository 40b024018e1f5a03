// SPDX-License-Identifier: MIT
/* The NIC's events, and the end of its connections; see events.h. */
#include "zcrx/events.h"

#include <errno.h>
#include <poll.h>

#include "zcrx/receiver.h"

void drx_events_init(struct devrx_receiver *rx)
{
	rx->events.watch.fd = -1;
	rx->events.epoll.fd = -1;
}

bool drx_events_wanted(const struct devrx_receiver *rx)
{
	return rx->events.tell || rx->events.epoll.fd >= 0 || rx->writes.nr;
}

void drx_events_watch(struct devrx_receiver *rx, const struct drx_watch *watch)
{
	rx->events.watch = *watch;
	rx->events.tell = rx->info.flags & DEVRX_RECEIVER_F_EVENTS;
	rx->events.told_link = watch->link;
	rx->events.told_downs = watch->downs;
}

void drx_events_fini(struct devrx_receiver *rx)
{
	if (rx->events.watch.fd >= 0)
		drx_watch_close(&rx->events.watch);
}

static bool watch_unarmed(const struct devrx_receiver *rx)
{
	const struct drx_events *events = &rx->events;

	return events->watch.fd >= 0 && !events->armed &&
	       events->watch.link != DRX_LINK_GONE;
}

bool drx_events_unarmed(const struct devrx_receiver *rx)
{
	return watch_unarmed(rx) || drx_epoll_unarmed(rx) ||
	       drx_writes_unarmed(rx);
}

void drx_events_arm(struct devrx_receiver *rx)
{
	struct drx_events *events = &rx->events;
	struct io_uring_sqe *sqe;

	if (events->area_empty)
		drx_events_arm_area(rx);
	drx_epoll_arm(rx);
	drx_writes_arm(rx);
	if (!watch_unarmed(rx))
		return;
	sqe = drx_next_sqe(rx);
	if (!sqe)
		return; /* the next wait tries again */
	io_uring_prep_poll_add(sqe, events->watch.fd, POLLIN);
	sqe->user_data = DRX_UD_WATCH;
	events->armed = true;
}

/*
 * Before that the next packet would make it say so again, and again. A kernel that
 * refuses says nothing any more: what is counted then is too little.
 */
void drx_events_arm_area(struct devrx_receiver *rx)
{
	struct drx_zcrx_ctrl ctrl = {
		.zcrx_id = rx->ifq.zcrx_id,
		.op = DRX_ZCRX_CTRL_ARM_EVENT,
		.u.zc_arm_event.event_type = DRX_ZCRX_EVENT_ALLOC_FAIL,
	};

	if (rx->stats.released + rx->stats.lost == rx->events.area_given)
		return;
	rx->events.area_empty = false;
	(void)rx->ops->reg(&rx->ring, DRX_IORING_REGISTER_ZCRX_CTRL, &ctrl, 0);
}

void drx_events_area_added(struct devrx_receiver *rx)
{
	rx->events.area_given = UINT64_MAX; /* as good as a release */
}

static void area_was_empty(struct devrx_receiver *rx)
{
	rx->stats.area_empty++;
	rx->events.area_empty = true;
	rx->events.area_given = rx->stats.released + rx->stats.lost;
	rx->events.pending |= rx->events.tell;
}

void drx_events_reap(struct devrx_receiver *rx, uint64_t user_data, int res)
{
	struct drx_events *events = &rx->events;

	if ((user_data & ~(uint64_t)UINT32_MAX) == DRX_UD_WRITE)
		drx_writes_reap(rx, (uint32_t)user_data, res);
	if (user_data == DRX_UD_AREA_EMPTY)
		area_was_empty(rx);
	if (user_data == DRX_UD_EPOLL)
		drx_epoll_reap(rx, res);
	if (user_data != DRX_UD_WATCH || events->watch.fd < 0)
		return;
	events->armed = false;
	drx_watch_read(&events->watch);
	events->pending |= events->tell;
}

static void tell(struct devrx_fragment *frag, enum devrx_event event, int error)
{
	*frag = (struct devrx_fragment){
		.user = event,
		.flags = DEVRX_FRAGMENT_EVENT,
		.error = (int16_t)error,
	};
}

/*
 * From what was told to what is: several changes in a row are told as one down
 * and, where it is up again, one up.
 */
static unsigned int tell_link(struct drx_events *events,
			      struct devrx_fragment *frags, unsigned int n)
{
	const struct drx_watch *watch = &events->watch;
	unsigned int got = 0;

	if (got < n && events->told_downs != watch->downs) {
		tell(&frags[got++], DEVRX_EVENT_LINK_DOWN, -ENETDOWN);
		events->told_downs = watch->downs;
		events->told_link = DRX_LINK_DOWN;
	}
	if (got < n && events->told_link != watch->link) {
		if (watch->link == DRX_LINK_UP)
			tell(&frags[got++], DEVRX_EVENT_LINK_UP, 0);
		else
			tell(&frags[got++], DEVRX_EVENT_NIC_GONE, -ENODEV);
		events->told_link = watch->link;
	}
	events->pending |= events->told_downs != watch->downs ||
			   events->told_link != watch->link;
	return got;
}

unsigned int drx_events_deliver(struct devrx_receiver *rx,
				struct devrx_fragment *frags, unsigned int n)
{
	struct drx_events *events = &rx->events;
	unsigned int got = 0;

	if (!n)
		return 0;
	events->pending = false;
	if (events->tell)
		got = tell_link(events, frags, n);
	if (events->tell && got < n &&
	    events->told_empty != rx->stats.area_empty) {
		tell(&frags[got++], DEVRX_EVENT_AREA_EMPTY, -ENOBUFS);
		events->told_empty = rx->stats.area_empty;
	}
	events->pending |=
		events->tell && events->told_empty != rx->stats.area_empty;
	if (got < n && events->epoll.has_result)
		got += drx_epoll_deliver(rx, frags + got);
	got += drx_writes_deliver(rx, frags + got, n - got);
	events->pending |= events->epoll.has_result || rx->writes.nr_to_tell;
	return got;
}

static bool is_orphan(const struct drx_conn *conn)
{
	return conn->state == DRX_CONN_ARMED && !conn->orphaned &&
	       !conn->pausing;
}

bool drx_events_orphans(const struct devrx_receiver *rx)
{
	uint32_t i;

	if (rx->events.watch.link != DRX_LINK_GONE)
		return false;
	for (i = 0; i < rx->nr_conns; i++)
		if (is_orphan(&rx->conns[i]))
			return true;
	return false;
}

void drx_events_cancelled(struct devrx_receiver *rx, uint64_t user_data,
			  int res)
{
	struct drx_conn *conn = drx_conn_of(rx, user_data & ~DRX_UD_CANCEL);

	/* While a receive is at work, the kernel does not find it. */
	if (conn && res == -ENOENT)
		conn->orphaned = false;
}

bool drx_events_end_orphans(struct devrx_receiver *rx)
{
	bool again = false;
	uint32_t i;

	/* The kernel does a limited amount at a time. */
	if (IO_URING_READ_ONCE(*rx->ring.sq.kflags) & IORING_SQ_TASKRUN)
		return true;
	for (i = 0; i < rx->nr_conns; i++) {
		struct drx_conn *conn = &rx->conns[i];

		if (!is_orphan(conn) || drx_conn_cancel(rx, conn))
			continue;
		conn->orphaned = true;
		again = true;
	}
	return again;
}
