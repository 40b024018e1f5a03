// SPDX-License-Identifier: MIT
/*
 * Receive buffers against the area.
 *
 * What waits in a socket waits in chunks of the area, and the kernel lets a receive
 * buffer grow by itself to many MiB. So the growth is limited: of what the NIC's
 * ring leaves a sixteenth is the first connection's, half of that the second one's,
 * a third the third one's: a third of it for a hundred. A buffer never gets
 * smaller than it is: a window that was promised is not taken back, and what comes
 * into a buffer too small for it is dropped. One that the user has set stays so.
 *
 * Where that does not fit, the sockets may fill the area up to the last chunk. They
 * seldom do, so it is said and not refused.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

#define UNIT_SHIFT 16
#define UNIT (UINT32_C(1) << UNIT_SHIFT)
/* Where the kernel does not tell: its own defaults, or what is safe. */
#define RMEM_MAX_DEFAULT (UINT32_C(32) << 20)
#define RCVBUF_MAX_DEFAULT (UINT32_C(208) << 10)

/* Linux 5.14, include/uapi/asm-generic/socket.h */
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#define RCVBUF_LOCK 2 /* SOCK_RCVBUF_LOCK: it does not grow by itself */

/* Number @nr of a file that has some. */
static uint32_t number_of(const char *path, int nr, uint32_t otherwise)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64], *at = text;
	unsigned long value = 0;
	ssize_t len;

	if (fd < 0)
		return otherwise;
	len = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (len <= 0)
		return otherwise;
	text[len] = '\0';
	for (; nr >= 0; nr--)
		value = strtoul(at, &at, 10);
	return value && value <= INT32_MAX ? (uint32_t)value : otherwise;
}

void drx_rcvbuf_init(struct drx_flow *flow)
{
	/* Minimum, default, maximum. IPv6 has the same. */
	flow->rmem_max =
		number_of("/proc/sys/net/ipv4/tcp_rmem", 2, RMEM_MAX_DEFAULT);
	flow->rcvbuf_max =
		number_of("/proc/sys/net/core/rmem_max", 0, RCVBUF_MAX_DEFAULT);
}

void drx_rcvbuf_check(struct devrx_receiver *rx)
{
	const struct drx_flow *flow = &rx->flow;
	const uint64_t sockets = drx_flow_sockets(flow);
	/* A quarter for the caller, and what is on the way. */
	const uint64_t rest = flow->room / 4 + flow->way;

	if (flow->ring + sockets + rest <= flow->nr_chunks)
		return;
	rx->stats.area_short++;
	rx->has_cause = true;
	(void)drx_fail(&rx->cause, 0, "area-short",
		       "give the memory more bytes, or the sockets a smaller "
		       "SO_RCVBUF",
		       "of %" PRIu64 " chunks of the area the NIC's ring may "
		       "take %" PRIu32 " and the receive buffers of the "
		       "sockets %" PRIu64 ", which leaves too few: the NIC may "
		       "drop packets",
		       flow->nr_chunks, flow->ring, sockets);
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

static bool set(int fd, int name, uint32_t value)
{
	const int arg = (int)value;

	return !setsockopt(fd, SOL_SOCKET, name, &arg, sizeof(arg));
}

/* Let the buffer of @fd, @now bytes, have @most bytes and grow no more. */
static void limit(const struct drx_flow *flow, int fd, uint32_t now,
		  uint32_t most)
{
	const uint32_t half = most / 2; /* the kernel doubles it */

	/* Beyond net.core.rmem_max by those who may. */
	if (most > now && set(fd, SO_RCVBUFFORCE, half))
		return;
	if (most > now && flow->rcvbuf_max > now / 2 &&
	    set(fd, SO_RCVBUF,
		half < flow->rcvbuf_max ? half : flow->rcvbuf_max))
		return;
	(void)set(fd, SO_BUF_LOCK, get(fd, SO_BUF_LOCK) | RCVBUF_LOCK);
}

/* Bytes that the socket may come to hold. */
static uint32_t fit(struct devrx_receiver *rx, int fd)
{
	const struct drx_flow *flow = &rx->flow;
	const uint32_t now = get(fd, SO_RCVBUF);
	uint64_t part;

	if (!now || get(fd, SO_BUF_LOCK) & RCVBUF_LOCK)
		return now;
	part = ((uint64_t)flow->room << flow->shift) / 16 /
	       rx->stats.connections;
	part = part > now ? part : now;
	if (part >= flow->rmem_max)
		return now > flow->rmem_max ? now : flow->rmem_max;
	limit(flow, fd, now, (uint32_t)part);
	rx->stats.rcvbufs_limited++;
	return get(fd, SO_RCVBUF);
}

void drx_rcvbuf_add(struct devrx_receiver *rx, struct drx_conn *conn)
{
	if (!rx->flow.seen)
		return;
	conn->rcvbuf = (uint16_t)((fit(rx, conn->fd) + (uint64_t)UNIT - 1) >>
				  UNIT_SHIFT);
	rx->flow.sockets += conn->rcvbuf;
	rx->flow.dirty = true;
	drx_rcvbuf_check(rx);
}

void drx_rcvbuf_remove(struct devrx_receiver *rx, struct drx_conn *conn)
{
	if (!rx->flow.seen)
		return;
	rx->flow.sockets -= conn->rcvbuf;
	rx->flow.dirty = true;
}
