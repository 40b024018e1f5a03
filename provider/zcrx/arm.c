// SPDX-License-Identifier: MIT
/*
 * Receives: armed, armed again, cancelled, ended.
 *
 * A receive that ended in one of the ways that lose nothing is armed again;
 * any other end becomes the connection's one last fragment.
 */
#include <errno.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

/* Rounds with an empty area and nothing out, before that is an error. */
#define EMPTY_ROUNDS_MAX 3

/*
 * A host area had no chunk to copy into. The kernel copies into chunks that it
 * has taken back, and it takes them back for the NIC's needs only, on zcrx-copy
 * never; unless told to. Then, with fragments out it is the caller's turn to
 * release some; with none out, or none that hold a chunk of the area, the NIC's
 * ring or other sockets have them all, and after a few rounds nothing will
 * change.
 */
static void end_starved(struct devrx_receiver *rx, struct drx_conn *conn)
{
	rx->stats.starved++;
	if (drx_refill_pending(&rx->ifq.rq) && drx_refill_flush(rx)) {
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
		return;
	}
	if (!rx->slots_are_chunks &&
	    rx->slots.nr_free + rx->slots.nr_parked < rx->slots.nr) {
		drx_conn_enter(rx, conn, DRX_CONN_STARVED);
		return;
	}
	/* While bytes come at all, chunks come back. */
	if (conn->empty_bytes != rx->stats.bytes) {
		conn->empty_bytes = rx->stats.bytes;
		conn->empty_rounds = 0;
	}
	if (++conn->empty_rounds < EMPTY_ROUNDS_MAX) {
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
		return;
	}
	rx->has_cause = true;
	(void)drx_fail(&rx->cause, 0, "area-exhausted",
		       "give the memory more bytes",
		       "the area has no free chunk although no fragment is "
		       "out: it is smaller than what the NIC's ring and the "
		       "sockets hold");
	drx_conn_end(rx, conn, -ENOMEM);
}

void drx_conn_ended(struct devrx_receiver *rx, struct drx_conn *conn, int res)
{
	bool host = rx->info.tier == DEVRX_TIER_ZCRX_HOST ||
		    rx->info.tier == DEVRX_TIER_ZCRX_COPY;
	bool device = rx->info.tier == DEVRX_TIER_ZCRX_DEVICE;

	/* It looks like the end of the stream. All others have no limit. */
	if (conn->steals && !res && conn->stolen == DRX_STEAL_LEN)
		res = -EINTR;
	conn->steals = false;
	if (res == 0) {
		drx_conn_end(rx, conn, 0);
	} else if (conn->removed) {
		drx_conn_end(rx, conn, -ECANCELED);
	} else if (conn->orphaned && res == -ECANCELED) {
		rx->has_cause = true;
		(void)drx_fail(&rx->cause, 0, "nic-missing", "ip -brief link",
			       "%s has gone", rx->ifname);
		drx_conn_end(rx, conn, -ENODEV);
	} else if (res > 0) {
		rx->has_cause = true;
		(void)drx_fail(&rx->cause, 0, "bad-completion", NULL,
			       "the kernel ended a receive with data in its "
			       "last completion");
		drx_conn_end(rx, conn, -EPROTO);
	} else if (drx_flow_ended(rx, conn, res)) {
		/* cancelled to be paused, and it is */
	} else if (conn->nudged && res == -ECANCELED) {
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	} else if (res == -ENOSPC) {
		rx->stats.overflows++;
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	} else if (res == -EINTR) {
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	} else if (res == -ENOMEM && host) {
		end_starved(rx, conn);
	} else if (res == -ENOBUFS && drx_is_recv(rx)) {
		/* There are no more slots than chunks. So if the kernel still
		 * has no buffer when all completions are seen, no slot is free
		 * either, and it is not entered before one is. */
		rx->stats.starved++;
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	} else if (device &&
		   (res == -ENOMEM ||
		    /* Linux 6.17 and older have this errno for both. */
		    (res == -EFAULT &&
		     !(rx->features.flags & DEVRX_FEATURE_FLUSH)))) {
		drx_recover_drain(rx, conn);
	} else {
		(void)drx_fail_os(&rx->cause, res, "receiving a connection");
		rx->has_cause = true;
		drx_conn_end(rx, conn, res);
	}
}

struct io_uring_sqe *drx_next_sqe(struct devrx_receiver *rx)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&rx->ring);

	if (sqe)
		return sqe;
	rx->stats.enters++;
	(void)rx->ops->enter(&rx->ring, false, NULL);
	return io_uring_get_sqe(&rx->ring);
}

static void prep(const struct devrx_receiver *rx, struct drx_conn *conn,
		 struct io_uring_sqe *sqe)
{
	conn->orphaned = false;
	conn->nudged = false;
	conn->steals = conn->backlog;
	conn->stolen = 0;
	if (drx_is_recv(rx)) {
		io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT; /* of group 0 */
	} else {
		io_uring_prep_rw((int)DRX_IORING_OP_RECV_ZC, sqe, conn->fd,
				 NULL, conn->steals ? DRX_STEAL_LEN : 0, 0);
		sqe->ioprio = IORING_RECV_MULTISHOT;
		/* The union's member is zcrx_ifq_idx, younger than liburing
		 * 2.9's headers. */
		sqe->file_index = rx->ifq.zcrx_id;
	}
	sqe->user_data = drx_conn_armed_ud(conn);
}

/*
 * While completions wait in the kernel's overflow list it posts no data and
 * ends every new receive with -ENOSPC, which makes that list longer (linux/
 * io_uring/io_uring.c, io_cqe_cache_refill()). More connections than the queue
 * has entries would go round for ever: so first the list, then new receives.
 */
void drx_conns_arm(struct devrx_receiver *rx)
{
	struct io_uring_sqe *sqe;
	struct drx_conn *conn;

	while (rx->to_arm.head != DRX_NONE &&
	       !io_uring_cq_has_overflow(&rx->ring)) {
		sqe = drx_next_sqe(rx);
		if (!sqe)
			return; /* the next wait tries again */
		conn = drx_conn_pop(rx, &rx->to_arm);
		prep(rx, conn, sqe);
		drx_conn_enter(rx, conn, DRX_CONN_ARMED);
	}
}

void drx_conns_unstarve(struct devrx_receiver *rx)
{
	struct drx_conn *conn;

	/* The kernel copies into chunks that it has taken back, and it takes
	 * them back for the NIC's needs only; unless told to. */
	(void)drx_refill_flush(rx);
	while ((conn = drx_conn_pop(rx, &rx->starved)))
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	rx->nr_starved = 0;
}

int drx_conn_cancel(struct devrx_receiver *rx, const struct drx_conn *conn)
{
	struct io_uring_sqe *sqe = drx_next_sqe(rx);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_cancel64(sqe, drx_conn_armed_ud(conn), 0);
	sqe->user_data = DRX_UD_CANCEL | conn->user_data;
	return 0;
}

void drx_conn_abort(struct devrx_receiver *rx, struct drx_conn *conn, int error)
{
	/* If the cancellation cannot be queued, late completions come: the
	 * new generation turns them away all the same. */
	(void)drx_conn_cancel(rx, conn);
	drx_conn_disown(rx, conn);
	drx_conn_end(rx, conn, error);
}
