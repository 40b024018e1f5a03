/* SPDX-License-Identifier: MIT */
/*
 * The two sides of a benchmark: the one that receives tells the other, over a
 * connection of their own, how many connections to open and how much to send.
 *
 * Data goes to a port, this talk to the next one: what arrives at the former is put
 * into device memory, where neither side could read a word.
 */
#ifndef DEVRX_TOOLS_BENCH_SENDER_H
#define DEVRX_TOOLS_BENCH_SENDER_H

#include <stdint.h>

#include <devrx/error.h>

/* Send as told to whoever measures at @host, @port; an exit code. */
int bench_send(const char *host, const char *port, unsigned int patience_ms);

/* The receiver's end of the talk. */
struct bench_peer {
	int listen_fd; /* data */
	int talk_listen_fd;
	int talk_fd; /* -1 before somebody has come */
	char line[128];
	char from[80];
};

/* Bind both ports; 0 or a negative errno with @cause. */
int bench_peer_bind(struct bench_peer *peer, const char *host, const char *port,
		    struct devrx_cause *cause);
/* Wait for a sender. */
int bench_peer_accept(struct bench_peer *peer, struct devrx_cause *cause);
/* Have @nr connections opened; @fds are blocking. */
int bench_peer_connect(struct bench_peer *peer, int *fds, unsigned int nr,
		       struct devrx_cause *cause);
/* Have @bytes sent on each of them; returns at once. */
int bench_peer_start(struct bench_peer *peer, uint64_t bytes,
		     struct devrx_cause *cause);
/* Have them closed, and wait for that. */
int bench_peer_disconnect(struct bench_peer *peer, struct devrx_cause *cause);
/* The sender ends, too. */
void bench_peer_close(struct bench_peer *peer);

#endif /* DEVRX_TOOLS_BENCH_SENDER_H */
