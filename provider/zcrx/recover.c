// SPDX-License-Identifier: MIT
/* Payload in kernel memory: fetched, put behind what is there already, or given
 * up. The idea is in recover.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cause.h"
#include "zcrx/clock.h"
#include "zcrx/receiver.h"

/* Fetched at once. */
#define PIECE (UINT32_C(64) << 10)
/* With spares: more than goes out with the next waits need not be here. Also what
 * is fetched until the caller has its turn, since a fast peer keeps up. */
#define BACKLOG_ENOUGH (UINT32_C(256) << 10)
/* Without: somebody may set the flow rule yet, and then a piece can be stolen. */
#define BACKLOG_MAX (UINT32_C(4) << 20)
/* Times in a row that a receive ends at payload which is not to be had. */
#define EMPTY_ROUNDS_MAX 2

static size_t backlog_len(const struct drx_conn *conn)
{
	return conn->backlog ? conn->backlog->len : 0;
}

static void backlog_drop(struct devrx_receiver *rx, struct drx_conn *conn)
{
	struct drx_backlog *b = conn->backlog, **link = &rx->recover.first;

	while (*link != b)
		link = &(*link)->next;
	*link = b->next;
	conn->backlog = NULL;
	free(b->buf);
	free(b);
	drx_recover_settle(rx);
}

static void backlog_last(struct devrx_receiver *rx, struct drx_backlog *b)
{
	struct drx_backlog **link = &rx->recover.first;

	while (*link)
		link = &(*link)->next;
	*link = b;
	b->next = NULL;
}

static struct drx_backlog *backlog_new(struct devrx_receiver *rx,
				       struct drx_conn *conn)
{
	struct drx_backlog *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->conn = (uint32_t)(conn - rx->conns);
	conn->backlog = b;
	backlog_last(rx, b);
	drx_recover_settle(rx);
	return b;
}

/* Room for @len bytes more behind the backlog of @conn, or NULL. What is written
 * there counts once it was added. */
static unsigned char *backlog_room(struct devrx_receiver *rx,
				   struct drx_conn *conn, size_t len)
{
	struct drx_backlog *b = conn->backlog;
	size_t size;
	unsigned char *buf;

	if (!b) {
		b = backlog_new(rx, conn);
		if (!b)
			return NULL;
	}
	if (b->start && b->start + b->len + len > b->size) {
		memmove(b->buf, b->buf + b->start, b->len);
		b->start = 0;
	}
	if (b->len + len > b->size) {
		size = b->size ? b->size : PIECE;
		while (size < b->len + len)
			size *= 2;
		buf = realloc(b->buf, size);
		if (!buf)
			return NULL;
		b->buf = buf;
		b->size = size;
	}
	return b->buf + b->start + b->len;
}

static void backlog_add(struct drx_conn *conn, size_t len)
{
	conn->backlog->len += len;
	conn->backlog->since = drx_now_ns();
	conn->backlog->late = false;
}

/* There is no backlog without bytes. */
static void backlog_tidy(struct devrx_receiver *rx, struct drx_conn *conn)
{
	if (conn->backlog && !conn->backlog->len)
		backlog_drop(rx, conn);
}

/* -- ends ------------------------------------------------------------------ */

static void cause_not_in_area(struct devrx_receiver *rx, size_t lost)
{
	char next[64];

	(void)snprintf(next, sizeof(next), "ethtool -n %s; ethtool -S %s",
		       rx->ifname, rx->ifname);
	rx->has_cause = true;
	if (!rx->recover.provider)
		(void)drx_fail(&rx->cause, 0, "payload-not-in-area", next,
			       "payload of a connection lies in kernel memory, "
			       "not in the dmabuf, which the host cannot read "
			       "and write: it came around the flow rule of the "
			       "queue, or %s did not split it from its header",
			       rx->ifname);
	else
		(void)drx_fail(&rx->cause, 0, "payload-not-in-area", next,
			       "%zu bytes of a connection came around the flow "
			       "rule of the queue, or %s did not split them "
			       "from their headers, and the queue brought "
			       "nothing whose place they could take",
			       lost, rx->ifname);
}

/* The connection ends with the cause that is set, its backlog lost. */
static void give_up(struct devrx_receiver *rx, struct drx_conn *conn, int err)
{
	backlog_drop(rx, conn);
	if (conn->state == DRX_CONN_ARMED) {
		drx_conn_abort(rx, conn, err);
	} else {
		drx_conn_leave(rx, conn);
		drx_conn_end(rx, conn, err);
	}
}

void drx_recover_write_failed(struct devrx_receiver *rx, struct drx_backlog *b,
			      int err)
{
	rx->has_cause = true;
	err = drx_copy_failed(&rx->cause, err, "writing into",
			      rx->recover.provider->name);
	give_up(rx, &rx->conns[b->conn], err);
}

void drx_recover_end(struct devrx_receiver *rx, struct drx_conn *conn,
		     int error)
{
	struct drx_backlog *b = conn->backlog;

	b->ended = true;
	b->error = (int16_t)error;
	if (error && error != -ECANCELED)
		b->cause = rx->cause; /* it says why */
	drx_conn_enter(rx, conn, DRX_CONN_LAST);
}

void drx_recover_delivered(struct devrx_receiver *rx, struct drx_backlog *b,
			   uint32_t len)
{
	struct drx_conn *conn = &rx->conns[b->conn];
	const bool ended = b->ended;
	const int error = b->error;

	b->start += len;
	b->len -= len;
	if (b->len) { /* the next one's turn */
		b->since = drx_now_ns();
		b->late = false;
		rx->recover.first = b->next;
		backlog_last(rx, b);
		return;
	}
	if (b->cause.id[0])
		rx->cause = b->cause;
	backlog_drop(rx, conn);
	if (ended)
		drx_conn_end(rx, conn, error);
}

int64_t drx_recover_wait(struct devrx_receiver *rx, int64_t end)
{
	struct drx_recover *r = &rx->recover;
	struct drx_backlog *b;
	int64_t due;
	bool wait;

	for (b = r->first; b; b = b->next) {
		due = b->since + r->timeout_ns;
		/* Where something can become a spare, or must be released
		 * before the connection goes on, it is the caller's turn. */
		wait = r->nr_out || rx->conns[b->conn].state == DRX_CONN_PAUSED;
		b->late = !wait && drx_now_ns() >= due;
		if (b->late)
			end = 0;
		else if (!wait && (end < 0 || due < end))
			end = due;
	}
	return end;
}

bool drx_recover_expire(struct devrx_receiver *rx)
{
	struct drx_backlog *b, *next;
	bool some = false;

	for (b = rx->recover.first; b; b = next) {
		next = b->next;
		if (!b->late)
			continue;
		rx->stats.unrecovered++;
		cause_not_in_area(rx, b->len);
		give_up(rx, &rx->conns[b->conn], -EBADMSG);
		some = true;
	}
	return some;
}

/* -- bytes come ------------------------------------------------------------- */

/* As much as the kernel has of it; 0, or why it has no more; 1 where it may
 * have. */
static int fetch(struct devrx_receiver *rx, struct drx_conn *conn)
{
	const size_t before = backlog_len(conn);
	unsigned char *buf;
	int res = 1;

	while (backlog_len(conn) <
		       (rx->recover.nr_spares ? BACKLOG_ENOUGH : BACKLOG_MAX) &&
	       backlog_len(conn) - before < BACKLOG_ENOUGH) {
		buf = backlog_room(rx, conn, PIECE);
		if (!buf)
			return -ENOMEM;
		res = rx->ops->drain(conn->fd, buf, PIECE);
		if (res <= 0)
			return res;
		backlog_add(conn, (size_t)res);
		rx->stats.bytes_drained += (uint64_t)res;
		res = 1;
	}
	return res;
}

/* The layouts that neither a receive nor recvmsg() gets over: linear payload
 * within what GRO merged or TCP coalesced. */
static void end_inexact(struct devrx_receiver *rx, struct drx_conn *conn)
{
	char next[64];

	(void)snprintf(next, sizeof(next),
		       "ethtool -K %s gro off; ethtool -S %s", rx->ifname,
		       rx->ifname);
	rx->has_cause = true;
	rx->stats.unrecovered++;
	(void)drx_fail(&rx->cause, 0, "header-split-inexact", next,
		       "%s left payload of a connection with the headers, in "
		       "a way in which the kernel gives it to nobody: its "
		       "header split must be exact",
		       rx->ifname);
	drx_conn_end(rx, conn, -EBADMSG);
}

/* Nothing more was there. Try again, but not for ever at one place. */
static void again(struct devrx_receiver *rx, struct drx_conn *conn)
{
	const uint64_t position = conn->position + backlog_len(conn);

	if (position != conn->empty_bytes) {
		conn->empty_bytes = position;
		conn->empty_rounds = 0;
	}
	if (++conn->empty_rounds < EMPTY_ROUNDS_MAX)
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	else
		end_inexact(rx, conn);
}

void drx_recover_drain(struct devrx_receiver *rx, struct drx_conn *conn)
{
	const size_t before = backlog_len(conn);
	size_t after;
	int res;

	if (!rx->recover.provider) {
		rx->stats.unrecovered++;
		cause_not_in_area(rx, 0);
		drx_conn_end(rx, conn, -EBADMSG);
		return;
	}
	rx->stats.drains++;
	res = fetch(rx, conn);
	after = backlog_len(conn);
	backlog_tidy(rx, conn);
	if (res == -EAGAIN || res == -ENODEV || res == -EFAULT) {
		if (after == before)
			again(rx, conn);
		else
			drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	} else if (res <= 0) {
		if (res) {
			rx->has_cause = true;
			(void)drx_fail_os(&rx->cause, res,
					  "receiving a connection");
		}
		drx_conn_end(rx, conn, res);
	} else if (rx->recover.nr_spares || after < BACKLOG_MAX) {
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	} else if (rx->recover.nr_out) {
		drx_conn_enter(rx, conn, DRX_CONN_STARVED);
	} else {
		rx->stats.unrecovered++;
		cause_not_in_area(rx, after);
		backlog_drop(rx, conn);
		drx_conn_end(rx, conn, -EBADMSG);
	}
}

/* What was to be stolen is lost; all before it is delivered. */
static bool steal_failed(struct devrx_receiver *rx, struct drx_conn *conn,
			 uint64_t chunk, int err)
{
	rx->has_cause = true;
	backlog_tidy(rx, conn);
	drx_conn_abort(rx, conn, err);
	return drx_release_chunk(rx, chunk);
}

bool drx_recover_steal(struct devrx_receiver *rx, struct drx_conn *conn,
		       uint64_t off, uint32_t len)
{
	struct drx_recover *r = &rx->recover;
	const uint64_t chunk = off | rx->ifq.area_token;
	unsigned char *buf = backlog_room(rx, conn, len);
	struct drx_slot *slot;
	int err;

	if (!buf) {
		err = drx_fail_os(&rx->cause, -ENOMEM,
				  "receiving a connection");
		return steal_failed(rx, conn, chunk, err);
	}
	err = r->provider->read(drx_areas_backing(rx, off),
				off & ~DRX_ZCRX_AREA_MASK, buf, len);
	if (err) {
		err = drx_copy_failed(&rx->cause, err, "reading",
				      r->provider->name);
		return steal_failed(rx, conn, chunk, err);
	}
	if (drx_recover_wants(rx) && rx->slots.nr_free) {
		slot = rx->slots.free[--rx->slots.nr_free];
		slot->chunk = chunk;
		drx_recover_add(rx, slot, len);
	} else if (!drx_release_chunk(rx, chunk)) {
		backlog_tidy(rx, conn);
		return false;
	}
	backlog_add(conn, len);
	conn->stolen += len;
	return true;
}
