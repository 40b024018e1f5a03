// SPDX-License-Identifier: MIT
/* The side of a benchmark that receives, and its talk with the sender (sender.h). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/sender.h"
#include "listen.h"
#include "recv.h"
#include "report.h"

/* A sender that says nothing for so long has gone. */
#define ANSWER_MS 30000
#define PORT_TRIES 16u

static int lost(struct devrx_cause *cause, int err)
{
	if (recv_signal()) {
		cause_set(cause, "interrupted", NULL, "ended by signal %d (%s)",
			  recv_signal(), strsignal(recv_signal()));
		return -EINTR;
	}
	cause_set(cause, "bench-peer", "devrx bench --send HOST:PORT there",
		  "the sender has gone or does not answer: %s",
		  err ? strerror(-err) : "the connection was closed");
	return err ? err : -ECONNRESET;
}

/* Until @fd is readable; -EINTR after a signal, -ETIMEDOUT. @ms < 0: no limit. */
static int await(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int rc = poll(&pfd, 1, ms);

	if (rc < 0)
		return -errno;
	return rc ? 0 : -ETIMEDOUT;
}

/* Both ports, once. */
static int bind_both(struct bench_peer *peer, const char *host,
		     const char *port, struct devrx_cause *cause)
{
	char talk_port[16];
	int rc = listen_bind(host, port, cause);

	if (rc < 0)
		return rc;
	peer->listen_fd = rc;
	snprintf(talk_port, sizeof(talk_port), "%u", listen_port(rc) + 1u);
	rc = listen_bind(host, talk_port, cause);
	if (rc >= 0) {
		peer->talk_listen_fd = rc;
		return 0;
	}
	close(peer->listen_fd);
	peer->listen_fd = -1;
	return rc;
}

int bench_peer_bind(struct bench_peer *peer, const char *host, const char *port,
		    struct devrx_cause *cause)
{
	/* Of a port that the kernel chooses the next one may be taken. */
	unsigned int tries = strcmp(port, "0") ? 1 : PORT_TRIES;
	char unused[ENDPOINT_LEN];
	int rc;

	peer->listen_fd = peer->talk_fd = peer->talk_listen_fd = -1;
	do {
		rc = bind_both(peer, host, port, cause);
	} while (rc && --tries);
	return rc ? rc : listen_start(peer->talk_listen_fd, unused, cause);
}

int bench_peer_accept(struct bench_peer *peer, struct devrx_cause *cause)
{
	const int on = 1;
	int rc;

	while (peer->talk_fd < 0) {
		rc = await(peer->talk_listen_fd, -1);
		if (!rc)
			rc = listen_accept(peer->talk_listen_fd, peer->from);
		if (rc >= 0)
			peer->talk_fd = rc;
		else if (recv_signal() || rc != -EAGAIN)
			return lost(cause, rc);
	}
	/* A word goes out at once, whatever the last one's acknowledgement does. */
	(void)setsockopt(peer->talk_fd, IPPROTO_TCP, TCP_NODELAY, &on,
			 sizeof(on));
	return 0;
}

/* Say something; 0 or a negative errno. */
__attribute__((format(printf, 3, 4))) static int
say(struct bench_peer *peer, struct devrx_cause *cause, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(peer->line, sizeof(peer->line), fmt, args);
	va_end(args);
	if (send(peer->talk_fd, peer->line, (size_t)n, MSG_NOSIGNAL) != n)
		return lost(cause, -errno);
	return 0;
}

/* The answer to it: a line with 0 or a negative errno of the sender's. */
static int answer(struct bench_peer *peer, struct devrx_cause *cause)
{
	size_t len = 0;
	ssize_t n;
	int rc;

	do {
		rc = await(peer->talk_fd, ANSWER_MS);
		if (rc)
			return lost(cause, rc);
		n = recv(peer->talk_fd, peer->line + len,
			 sizeof(peer->line) - 1 - len, 0);
		if (n <= 0)
			return lost(cause, n ? -errno : 0);
		len += (size_t)n;
		peer->line[len] = '\0';
	} while (!strchr(peer->line, '\n') && len < sizeof(peer->line) - 1);
	rc = atoi(peer->line);
	if (!rc && !strcmp(peer->line, "0\n"))
		return 0;
	return lost(cause, rc < 0 ? rc : -EPROTO);
}

int bench_peer_connect(struct bench_peer *peer, int *fds, unsigned int nr,
		       struct devrx_cause *cause)
{
	char from[ENDPOINT_LEN];
	unsigned int i = 0;
	int rc;

	rc = say(peer, cause, "connect %u\n", nr);
	while (!rc && i < nr) {
		rc = await(peer->listen_fd, ANSWER_MS);
		if (!rc)
			rc = listen_accept(peer->listen_fd, from);
		if (rc >= 0) {
			fds[i++] = rc;
			rc = 0;
		} else if (rc == -EAGAIN && !recv_signal()) {
			rc = 0;
		} else {
			rc = lost(cause, rc);
		}
	}
	if (!rc)
		rc = answer(peer, cause);
	while (rc && i)
		close(fds[--i]);
	return rc;
}

int bench_peer_start(struct bench_peer *peer, uint64_t bytes,
		     struct devrx_cause *cause)
{
	return say(peer, cause, "send %" PRIu64 "\n", bytes);
}

int bench_peer_disconnect(struct bench_peer *peer, struct devrx_cause *cause)
{
	int rc = say(peer, cause, "close\n");

	return rc ? rc : answer(peer, cause);
}

void bench_peer_close(struct bench_peer *peer)
{
	if (peer->talk_fd >= 0)
		close(peer->talk_fd);
	if (peer->talk_listen_fd >= 0)
		close(peer->talk_listen_fd);
	if (peer->listen_fd >= 0)
		close(peer->listen_fd);
}
