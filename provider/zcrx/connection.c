// SPDX-License-Identifier: MIT
/*
 * A connection's life: added, armed, ended.
 *
 *	add -> TO_ARM -> ARMED -> ENDING -> its last fragment, free
 *	         ^         |
 *	         +---------+  a full completion queue, a signal: armed again
 *	         ^         v
 *	         +-- STARVED  a host area had no chunk: after the next release
 *
 * A receive that ended in one of the ways that lose nothing is armed again;
 * any other end becomes the connection's one last fragment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

/* Rounds with an empty area and nothing out, before that is an error. */
#define EMPTY_ROUNDS_MAX 3

void drx_conn_list_init(struct drx_conn_list *list)
{
	list->head = DRX_NONE;
	list->tail = DRX_NONE;
}

static uint32_t conn_index(const struct devrx_receiver *rx,
			   const struct drx_conn *conn)
{
	return (uint32_t)(conn - rx->conns);
}

/* From now on completions for @conn are late ones. @idx: what its user_data
 * names until it is used again. */
static void conn_new_generation(struct drx_conn *conn, uint32_t idx)
{
	uint64_t generation = (conn->user_data >> 32) + 1;

	conn->user_data = (generation & DRX_UD_GENERATION_MASK) << 32 | idx;
}

static void list_push(struct devrx_receiver *rx, struct drx_conn_list *list,
		      struct drx_conn *conn)
{
	uint32_t idx = conn_index(rx, conn);

	conn->next = DRX_NONE;
	if (list->head == DRX_NONE)
		list->head = idx;
	else
		rx->conns[list->tail].next = idx;
	list->tail = idx;
}

struct drx_conn *drx_conn_pop(struct devrx_receiver *rx,
			      struct drx_conn_list *list)
{
	struct drx_conn *conn;

	if (list->head == DRX_NONE)
		return NULL;
	conn = &rx->conns[list->head];
	list->head = conn->next;
	return conn;
}

/* Take @conn out of the middle: as long as the list, for removals only. */
static void list_unlink(struct devrx_receiver *rx, struct drx_conn_list *list,
			struct drx_conn *conn)
{
	uint32_t idx = conn_index(rx, conn);
	uint32_t prev = DRX_NONE, at;

	for (at = list->head; at != idx; at = rx->conns[at].next)
		prev = at;
	if (prev == DRX_NONE)
		list->head = conn->next;
	else
		rx->conns[prev].next = conn->next;
	if (list->tail == idx)
		list->tail = prev;
}

void drx_conn_enter(struct devrx_receiver *rx, struct drx_conn *conn,
		    enum drx_conn_state state)
{
	conn->state = (uint8_t)state;
	switch (state) {
	case DRX_CONN_TO_ARM:
		list_push(rx, &rx->to_arm, conn);
		break;
	case DRX_CONN_STARVED:
		list_push(rx, &rx->starved, conn);
		rx->nr_starved++;
		break;
	case DRX_CONN_ENDING:
		list_push(rx, &rx->ending, conn);
		break;
	case DRX_CONN_ARMED:
	case DRX_CONN_FREE:
		break;
	}
}

static void conn_end(struct devrx_receiver *rx, struct drx_conn *conn,
		     int error)
{
	conn->error = (int16_t)error;
	drx_conn_enter(rx, conn, DRX_CONN_ENDING);
}

/* The kernel found payload that is not in the dmabuf and cannot copy it in. */
static void end_uncopyable(struct devrx_receiver *rx, struct drx_conn *conn)
{
	char next[64];

	(void)snprintf(next, sizeof(next), "ethtool -n %s; ethtool -S %s",
		       rx->ifname, rx->ifname);
	rx->has_cause = true;
	(void)drx_fail(&rx->cause, 0, "payload-not-in-area", next,
		       "payload of a connection lies in kernel memory, not in "
		       "the dmabuf: it came around the flow rule of the queue, "
		       "or %s did not split it from its header",
		       rx->ifname);
	conn_end(rx, conn, -EBADMSG);
}

/*
 * A host area had no chunk to copy into. With fragments out it is the caller's
 * turn to release some; with none out the NIC's ring or other sockets have
 * them all, and after a few rounds nothing will change.
 */
static void end_starved(struct devrx_receiver *rx, struct drx_conn *conn)
{
	rx->stats.starved++;
	if (rx->slots.nr_free + rx->slots.nr_parked < rx->slots.nr) {
		drx_conn_enter(rx, conn, DRX_CONN_STARVED);
		return;
	}
	(void)drx_refill_flush(rx);
	if (conn->position != conn->empty_position) {
		conn->empty_position = conn->position;
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
	conn_end(rx, conn, -ENOMEM);
}

void drx_conn_ended(struct devrx_receiver *rx, struct drx_conn *conn, int res)
{
	bool device = rx->info.tier == DEVRX_TIER_ZCRX_DEVICE;

	if (res == 0) {
		/* Receives are armed without a limit, so 0 is end of stream
		 * and never "limit reached", which looks the same. */
		conn_end(rx, conn, 0);
	} else if (conn->removed) {
		conn_end(rx, conn, -ECANCELED);
	} else if (res > 0) {
		rx->has_cause = true;
		(void)drx_fail(&rx->cause, 0, "bad-completion", NULL,
			       "the kernel ended a receive with data in its "
			       "last completion");
		conn_end(rx, conn, -EPROTO);
	} else if (res == -ENOSPC) {
		rx->stats.overflows++;
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	} else if (res == -EINTR) {
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	} else if (res == -ENOMEM && !device) {
		end_starved(rx, conn);
	} else if (device &&
		   (res == -ENOMEM ||
		    /* Linux 6.17 and older have this errno for both. */
		    (res == -EFAULT &&
		     !(rx->features.flags & DEVRX_FEATURE_FLUSH)))) {
		end_uncopyable(rx, conn);
	} else {
		(void)drx_fail_os(&rx->cause, res, "receiving a connection");
		rx->has_cause = true;
		conn_end(rx, conn, res);
	}
}

/* A submission; submits the full queue first where there is none free. */
static struct io_uring_sqe *next_sqe(struct devrx_receiver *rx)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&rx->ring);

	if (sqe)
		return sqe;
	rx->stats.enters++;
	(void)rx->ops->enter(&rx->ring, false, NULL);
	return io_uring_get_sqe(&rx->ring);
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
		sqe = next_sqe(rx);
		if (!sqe)
			return; /* the next wait tries again */
		conn = drx_conn_pop(rx, &rx->to_arm);
		io_uring_prep_rw((int)DRX_IORING_OP_RECV_ZC, sqe, conn->fd,
				 NULL, 0, 0);
		sqe->ioprio = IORING_RECV_MULTISHOT;
		/* The union's member is zcrx_ifq_idx, younger than liburing
		 * 2.9's headers. */
		sqe->file_index = rx->ifq.zcrx_id;
		sqe->user_data = conn->user_data;
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

/* Cancel an armed receive; its last completion still comes. */
static int cancel(struct devrx_receiver *rx, uint64_t user_data)
{
	struct io_uring_sqe *sqe = next_sqe(rx);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_cancel64(sqe, user_data, 0);
	sqe->user_data = DRX_UD_IGNORE;
	return 0;
}

void drx_conn_abort(struct devrx_receiver *rx, struct drx_conn *conn, int error)
{
	/* If the cancellation cannot be queued, late completions come: the
	 * new generation turns them away all the same. */
	(void)cancel(rx, conn->user_data);
	conn_new_generation(conn, conn_index(rx, conn));
	conn_end(rx, conn, error);
}

/* Room for @fd in the table of descriptors. */
static int grow_by_fd(struct devrx_receiver *rx, uint32_t fd)
{
	uint32_t nr = rx->nr_by_fd ? rx->nr_by_fd : 64;
	uint32_t *by_fd;

	while (nr <= fd)
		nr *= 2;
	if (nr == rx->nr_by_fd)
		return 0;
	by_fd = realloc(rx->by_fd, nr * sizeof(*by_fd));
	if (!by_fd)
		return -ENOMEM;
	memset(by_fd + rx->nr_by_fd, 0xff,
	       (nr - rx->nr_by_fd) * sizeof(*by_fd));
	rx->by_fd = by_fd;
	rx->nr_by_fd = nr;
	return 0;
}

/* At least one free connection. */
static int grow_conns(struct devrx_receiver *rx)
{
	uint32_t nr = rx->nr_conns ? 2 * rx->nr_conns : 16;
	struct drx_conn *conns;
	uint32_t i;

	if (rx->free_conn != DRX_NONE)
		return 0;
	conns = realloc(rx->conns, nr * sizeof(*conns));
	if (!conns)
		return -ENOMEM;
	for (i = rx->nr_conns; i < nr; i++) {
		memset(&conns[i], 0, sizeof(conns[i]));
		conns[i].user_data = i ^ 1;
		conns[i].next = i + 1 < nr ? i + 1 : DRX_NONE;
	}
	rx->free_conn = rx->nr_conns;
	rx->conns = conns;
	rx->nr_conns = nr;
	rx->conn_mask = nr - 1;
	return 0;
}

int devrx_receiver_add(struct devrx_receiver *rx, int sockfd, uint64_t user)
{
	struct drx_conn *conn;
	int flags, err;
	uint32_t fd;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	flags = sockfd < 0 ? -1 : fcntl(sockfd, F_GETFL);
	if (flags < 0)
		return -EBADF;
	if (flags & O_NONBLOCK) {
		rx->has_cause = true;
		return drx_fail(&rx->cause, -EINVAL, "socket-nonblocking",
				"fcntl(fd, F_SETFL, flags & ~O_NONBLOCK)",
				"the socket has O_NONBLOCK, which makes "
				"io_uring end a receive instead of waiting");
	}
	fd = (uint32_t)sockfd;
	err = grow_by_fd(rx, fd);
	if (err)
		return err;
	if (rx->by_fd[fd] != DRX_NONE)
		return -EEXIST;
	err = grow_conns(rx);
	if (err)
		return err;

	conn = &rx->conns[rx->free_conn];
	rx->by_fd[fd] = rx->free_conn;
	rx->free_conn = conn->next;
	*conn = (struct drx_conn){
		.user = user,
		.user_data = conn->user_data ^ 1,
		.fd = sockfd,
	};
	drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	rx->stats.connections++;
	rx->stats.connections_total++;
	return 0;
}

int devrx_receiver_remove(struct devrx_receiver *rx, int sockfd)
{
	struct drx_conn *conn;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (sockfd < 0 || (uint32_t)sockfd >= rx->nr_by_fd ||
	    rx->by_fd[sockfd] == DRX_NONE)
		return -ENOENT;
	conn = &rx->conns[rx->by_fd[sockfd]];
	if (conn->state == DRX_CONN_ENDING)
		return -ENOENT;
	if (conn->removed)
		return 0;

	switch ((enum drx_conn_state)conn->state) {
	case DRX_CONN_TO_ARM:
		list_unlink(rx, &rx->to_arm, conn);
		conn_end(rx, conn, -ECANCELED);
		break;
	case DRX_CONN_STARVED:
		list_unlink(rx, &rx->starved, conn);
		rx->nr_starved--;
		conn_end(rx, conn, -ECANCELED);
		break;
	case DRX_CONN_ARMED:
		if (cancel(rx, conn->user_data))
			return -EBUSY;
		break;
	case DRX_CONN_ENDING:
	case DRX_CONN_FREE:
		break;
	}
	conn->removed = true;
	return 0;
}

void drx_conn_free(struct devrx_receiver *rx, struct drx_conn *conn)
{
	rx->by_fd[conn->fd] = DRX_NONE;
	conn->state = DRX_CONN_FREE;
	conn_new_generation(conn, conn_index(rx, conn) ^ 1);
	conn->next = rx->free_conn;
	rx->free_conn = conn_index(rx, conn);
	rx->stats.connections--;
}
