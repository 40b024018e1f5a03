// SPDX-License-Identifier: MIT
/*
 * Ends that the kernel does not tell of.
 *
 * A receive that is woken for data and a reset at once takes the data, goes back
 * to waiting, and is not woken again: only for an orderly end does it look whether
 * that was all (linux/io_uring/zcrx.c, io_zcrx_tcp_recvmsg(); io_poll_check_events()
 * in poll.c asks nobody again). So when nothing has come for a while, and now and
 * then where others keep the receiver busy, poll() is asked about the sockets, and
 * the receive of one that is hung up is cancelled: the next one says what the end
 * is.
 */
#include <errno.h>
#include <poll.h>

#include "zcrx/clock.h"
#include "zcrx/receiver.h"

/* Sockets that one call asks about, and one look at most. */
#define BATCH 64u
#define LOOK_MAX 1024u

static bool is_waiting(const struct drx_conn *conn)
{
	return conn->state == DRX_CONN_ARMED && !conn->nudged &&
	       !conn->pausing && !conn->orphaned && !conn->removed;
}

/* The next ones that wait, behind the cursor; how many. */
static unsigned int gather(struct devrx_receiver *rx, uint32_t *left,
			   struct drx_conn *conns[BATCH],
			   struct pollfd fds[BATCH])
{
	struct drx_hangups *h = &rx->hangups;
	unsigned int n = 0;

	for (; *left && n < BATCH; --*left) {
		struct drx_conn *conn = &rx->conns[h->cursor++ & rx->conn_mask];

		if (!is_waiting(conn))
			continue;
		conns[n] = conn;
		fds[n++] = (struct pollfd){ .fd = conn->fd };
	}
	return n;
}

bool drx_hangups_look(struct devrx_receiver *rx)
{
	struct drx_hangups *h = &rx->hangups;
	struct drx_conn *conns[BATCH];
	struct pollfd fds[BATCH];
	uint32_t left = rx->nr_conns < LOOK_MAX ? rx->nr_conns : LOOK_MAX;
	bool some = false;
	unsigned int n, i;
	int64_t now;

	if (!rx->stats.connections || h->nap_ns == INT64_MAX)
		return false;
	now = drx_now_ns();
	if (now < h->next_ns)
		return false;
	h->next_ns = now + h->nap_ns;
	while ((n = gather(rx, &left, conns, fds))) {
		if (poll(fds, n, 0) <= 0)
			continue;
		for (i = 0; i < n; i++) {
			/* POLLERR may be no more than an error queue that
			 * nobody reads. */
			if (!(fds[i].revents & POLLHUP) ||
			    drx_conn_cancel(rx, conns[i]))
				continue;
			conns[i]->nudged = true;
			some = true;
		}
	}
	return some;
}

void drx_hangups_cancelled(struct devrx_receiver *rx, uint64_t user_data,
			   int res)
{
	struct drx_conn *conn = drx_conn_of(rx, user_data & ~DRX_UD_CANCEL);

	/* While a receive is at work, the kernel does not find it. */
	if (conn && res == -ENOENT)
		conn->nudged = false;
}
