// SPDX-License-Identifier: MIT
/*
 * Receive buffers against the area.
 *
 * What waits in a socket waits in chunks of the area. A quarter of what the
 * NIC's ring leaves is for all sockets together, each an equal part; a buffer
 * that may be larger, now or after it has grown by itself, is set to that part.
 * Buffers are made to fit again when there are a quarter more connections, or
 * fewer than half: for each connection that comes, that is a few calls at most.
 *
 * A window that was promised is not taken back. So a buffer that is lowered while
 * the peer sends may once be too small for what is under way.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zcrx/receiver.h"

/* Below this a connection only crawls: what packets cost beside their bytes is
 * counted, too. */
#define RCVBUF_MIN (UINT64_C(32) << 10)
/* Where the kernel does not tell. */
#define RCVBUF_MAX_DEFAULT (UINT32_C(32) << 20)

/* Linux 5.14, include/uapi/asm-generic/socket.h */
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#define RCVBUF_LOCK 2 /* SOCK_RCVBUF_LOCK: it does not grow by itself */

uint32_t drx_rcvbuf_max(void)
{
	int fd = open("/proc/sys/net/ipv4/tcp_rmem", O_RDONLY | O_CLOEXEC);
	char text[64], *at = text;
	unsigned long max = 0;
	ssize_t len;
	int i;

	if (fd < 0)
		return RCVBUF_MAX_DEFAULT;
	len = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (len <= 0)
		return RCVBUF_MAX_DEFAULT;
	text[len] = '\0';
	for (i = 0; i < 3; i++) /* minimum, default, maximum */
		max = strtoul(at, &at, 10);
	return max && max <= INT32_MAX ? (uint32_t)max : RCVBUF_MAX_DEFAULT;
}

static uint32_t get(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	/* What is no socket, or none of this kind, the kernel refuses later. */
	if (getsockopt(fd, SOL_SOCKET, name, &value, &len) || value < 0)
		return 0;
	return (uint32_t)value;
}

/* Bytes that the socket may come to hold. */
static uint32_t bound(const struct devrx_receiver *rx, int fd)
{
	uint32_t now = get(fd, SO_RCVBUF);

	if (!now || get(fd, SO_BUF_LOCK) & RCVBUF_LOCK ||
	    now >= rx->flow.rmem_max)
		return now;
	return rx->flow.rmem_max;
}

/* Each connection's part of what sockets may hold, in bytes. */
static uint64_t part(const struct drx_flow *flow)
{
	uint64_t all = ((uint64_t)flow->room << flow->shift) / 4;

	all /= flow->fit_for;
	return all < RCVBUF_MIN ? RCVBUF_MIN : all;
}

static void fit(struct devrx_receiver *rx, struct drx_conn *conn)
{
	const uint64_t most = part(&rx->flow);
	const uint32_t want =
		conn->rcvbuf_own < most ? conn->rcvbuf_own : (uint32_t)most;
	int half = (int)(want / 2); /* the kernel doubles it */

	if (want == conn->rcvbuf)
		return;
	if (want < conn->rcvbuf)
		rx->stats.rcvbufs_lowered++;
	/* Beyond net.core.rmem_max by those who may. */
	if (setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUFFORCE, &half,
		       sizeof(half)))
		(void)setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &half,
				 sizeof(half));
	rx->flow.sockets -= conn->rcvbuf;
	conn->rcvbuf = get(conn->fd, SO_RCVBUF);
	rx->flow.sockets += conn->rcvbuf;
}

static void fit_all(struct devrx_receiver *rx, uint32_t connections)
{
	uint32_t i;

	rx->flow.fit_for = connections;
	for (i = 0; i < rx->nr_conns; i++)
		if (rx->conns[i].state != DRX_CONN_FREE)
			fit(rx, &rx->conns[i]);
}

void drx_rcvbuf_add(struct devrx_receiver *rx, struct drx_conn *conn)
{
	const uint64_t nr = rx->stats.connections;

	if (!rx->flow.seen)
		return;
	conn->rcvbuf = bound(rx, conn->fd);
	conn->rcvbuf_own = conn->rcvbuf;
	rx->flow.sockets += conn->rcvbuf;
	rx->flow.dirty = true;
	if (nr > rx->flow.fit_for)
		fit_all(rx, (uint32_t)(nr + nr / 4));
	else
		fit(rx, conn);
}

void drx_rcvbuf_remove(struct devrx_receiver *rx, struct drx_conn *conn)
{
	const uint64_t nr = rx->stats.connections;

	if (!rx->flow.seen)
		return;
	rx->flow.sockets -= conn->rcvbuf;
	rx->flow.dirty = true;
	if (nr && nr < rx->flow.fit_for / 2)
		fit_all(rx, (uint32_t)(nr + nr / 4));
}
