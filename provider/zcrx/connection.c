// SPDX-License-Identifier: MIT
/*
 * A connection's life: added, armed, ended.
 *
 *	add -> TO_ARM -> ARMED -> ENDING -> its last fragment, free
 *	         ^         |
 *	         +---------+  a full completion queue, a signal: armed again
 *	         ^         v
 *	         +-- STARVED  a host area had no chunk: after the next release
 *	         +-- PAUSED   the caller holds much: after enough releases (flow.c)
 *
 * Payload in kernel memory makes it come back with a backlog, see recover.h. An
 * end behind one is LAST before it is ENDING.
 *
 * The lists, add and remove; what is between them is in arm.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

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

/* @idx: what the user_data of @conn names until it is used again. */
static void conn_new_generation(struct drx_conn *conn, uint32_t idx)
{
	uint64_t generation = (conn->user_data >> 32) + 1;

	conn->user_data = (generation & DRX_UD_GENERATION_MASK) << 32 | idx;
}

void drx_conn_push(struct devrx_receiver *rx, struct drx_conn_list *list,
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
		drx_conn_push(rx, &rx->to_arm, conn);
		break;
	case DRX_CONN_STARVED:
		drx_conn_push(rx, &rx->starved, conn);
		rx->nr_starved++;
		break;
	case DRX_CONN_ENDING:
		drx_conn_push(rx, &rx->ending, conn);
		break;
	case DRX_CONN_PAUSED:
		drx_conn_push(rx, &rx->paused, conn);
		drx_flow_pause(rx);
		break;
	case DRX_CONN_ARMED:
	case DRX_CONN_LAST:
	case DRX_CONN_FREE:
		break;
	}
}

void drx_conn_leave(struct devrx_receiver *rx, struct drx_conn *conn)
{
	if (conn->state == DRX_CONN_TO_ARM) {
		list_unlink(rx, &rx->to_arm, conn);
	} else if (conn->state == DRX_CONN_STARVED) {
		list_unlink(rx, &rx->starved, conn);
		rx->nr_starved--;
	} else if (conn->state == DRX_CONN_PAUSED) {
		list_unlink(rx, &rx->paused, conn);
		drx_flow_resume(rx);
	}
}

void drx_conn_end(struct devrx_receiver *rx, struct drx_conn *conn, int error)
{
	if (conn->backlog) {
		drx_recover_end(rx, conn, error);
		return;
	}
	conn->error = (int16_t)error;
	drx_conn_enter(rx, conn, DRX_CONN_ENDING);
}

void drx_conn_disown(struct devrx_receiver *rx, struct drx_conn *conn)
{
	conn_new_generation(conn, conn_index(rx, conn));
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

int drx_conns_grow(struct devrx_receiver *rx)
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

/*
 * zcrx refuses other sockets itself. On tier recv the kernel would go ahead, and
 * an empty datagram would look like an end. What is no socket it refuses.
 */
static bool is_stream(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
	       type == SOCK_STREAM;
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
	err = drx_conns_grow(rx);
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
	if (drx_is_recv(rx) && !is_stream(sockfd)) {
		rx->has_cause = true;
		(void)drx_fail_os(&rx->cause, -EPROTONOSUPPORT,
				  "receiving a connection");
		drx_conn_end(rx, conn, -EPROTONOSUPPORT);
	} else {
		drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	}
	rx->stats.connections++;
	rx->stats.connections_total++;
	drx_rcvbuf_add(rx, conn);
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
	case DRX_CONN_STARVED:
	case DRX_CONN_PAUSED:
		drx_conn_leave(rx, conn);
		drx_conn_end(rx, conn, -ECANCELED);
		break;
	case DRX_CONN_ARMED:
		if (drx_conn_cancel(rx, conn))
			return -EBUSY;
		break;
	case DRX_CONN_LAST: /* the end was faster */
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
	drx_rcvbuf_remove(rx, conn);
}

unsigned int drx_conns_last(struct devrx_receiver *rx,
			    struct devrx_fragment *frags, unsigned int n)
{
	struct drx_conn *conn;
	unsigned int i;

	for (i = 0; i < n && (conn = drx_conn_pop(rx, &rx->ending)); i++) {
		frags[i] = (struct devrx_fragment){
			.position = conn->position,
			.user = conn->user,
			.flags = conn->error ? DEVRX_FRAGMENT_ERROR :
					       DEVRX_FRAGMENT_EOF,
			.error = conn->error,
		};
		drx_conn_free(rx, conn);
	}
	return i;
}
