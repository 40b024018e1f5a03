/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets of the command: bind, listen, accept without waiting, connect.
 *
 * Binding and listening are two steps, because the port is checked before the
 * NIC is touched, and the first peer must not connect before it is ready.
 */
#ifndef DEVRX_TOOLS_LISTEN_H
#define DEVRX_TOOLS_LISTEN_H

#include <stdint.h>

struct devrx_cause;

/* "[ADDR]:PORT" with a scope, or "ADDR:PORT". */
#define ENDPOINT_LEN 80

/*
 * Bind to @host and @port; "" is every address, IPv6 and IPv4. Returns the
 * socket (non-blocking, close-on-exec) or a negative errno with @cause.
 */
int listen_bind(const char *host, const char *port, struct devrx_cause *cause);

/* The port that it is bound to, or 0. */
uint16_t listen_port(int fd);

/* Let peers connect; @ret is where, as it is bound. 0 or a negative errno. */
int listen_start(int fd, char ret[static ENDPOINT_LEN],
		 struct devrx_cause *cause);

/*
 * Keep @connections sockets from filling an area of @area_len bytes; call it
 * before listen_start(), accepted sockets inherit it.
 */
void listen_limit_buffers(int fd, uint64_t area_len, unsigned int connections);

/*
 * The next connection, blocking, with its peer; -EAGAIN where there is none.
 */
int listen_accept(int fd, char ret_peer[static ENDPOINT_LEN]);

/*
 * Connect, trying again while nobody listens, until @deadline_ms after now.
 * Returns a non-blocking socket or a negative errno with @cause.
 */
int listen_connect(const char *host, const char *port, unsigned int deadline_ms,
		   struct devrx_cause *cause);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t now_ns(void);

#endif /* DEVRX_TOOLS_LISTEN_H */
