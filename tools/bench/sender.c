// SPDX-License-Identifier: MIT
/*
 * The side of a benchmark that sends (sender.h). One thread writes to all connections
 * in turn, pieces of 1 MiB, so that it costs the same for each way to receive.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/sender.h"
#include "bench/way.h"
#include "listen.h"
#include "recv.h"
#include "report.h"

#define PIECE (1u << 20)

struct sender {
	const char *host, *port;
	int fds[BENCH_CONNECTIONS_MAX];
	unsigned int nr;
	char *from;
};

static void close_all(struct sender *s)
{
	for (unsigned int i = 0; i < s->nr; i++)
		close(s->fds[i]);
	s->nr = 0;
}

/* It blocks from now on; and the end of what is sent waits for no acknowledgement. */
static void settle(int fd)
{
	const int on = 1;

	(void)fcntl(fd, F_SETFL, 0);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The commands; 0 or a negative errno. */
static int connect_all(struct sender *s, uint64_t nr)
{
	struct devrx_cause cause;
	int fd;

	close_all(s);
	if (!nr || nr > BENCH_CONNECTIONS_MAX)
		return -EINVAL;
	while (s->nr < nr) {
		fd = listen_connect(s->host, s->port, 10000, &cause);
		if (fd < 0)
			return fd;
		settle(fd);
		s->fds[s->nr++] = fd;
	}
	return 0;
}

static int send_all(struct sender *s, uint64_t bytes)
{
	uint64_t n, done;
	ssize_t sent;

	for (; bytes; bytes -= n) {
		n = bytes < PIECE ? bytes : PIECE;
		for (unsigned int i = 0; i < s->nr; i++) {
			for (done = 0; done < n; done += (uint64_t)sent) {
				sent = send(s->fds[i], s->from + done, n - done,
					    MSG_NOSIGNAL);
				if (sent <= 0)
					return -errno;
			}
		}
	}
	return 0;
}

static int obey(struct sender *s, const char *line, FILE *answers)
{
	uint64_t n;
	int err = -EPROTO;

	if (sscanf(line, "connect %" SCNu64, &n) == 1) {
		err = connect_all(s, n);
	} else if (sscanf(line, "send %" SCNu64, &n) == 1) {
		/* No answer: that would cost something meanwhile. */
		return send_all(s, n);
	} else if (!strcmp(line, "close\n")) {
		close_all(s);
		err = 0;
	}
	if (fprintf(answers, "%d\n", err) < 0 || fflush(answers))
		return -EPIPE;
	return err;
}

int bench_send(const char *host, const char *port, unsigned int patience_ms)
{
	struct sender s = { .host = host, .port = port };
	struct devrx_cause cause = { 0 };
	char talk_port[16], line[64];
	FILE *in = NULL, *out = NULL;
	int fd, err = 0, rc = 0;

	snprintf(talk_port, sizeof(talk_port), "%d", atoi(port) + 1);
	s.from = mmap(NULL, PIECE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s.from == MAP_FAILED) {
		report_cause("bench", &cause, -errno);
		return EXIT_ENVIRONMENT;
	}
	fd = listen_connect(host, talk_port, patience_ms, &cause);
	if (fd >= 0) {
		settle(fd);
		in = fdopen(fd, "r");
		out = fdopen(dup(fd), "w");
	}
	if (!in || !out) {
		report_cause("bench", &cause, fd < 0 ? fd : -errno);
		rc = EXIT_TRANSFER;
	}
	while (!rc && !err && fgets(line, sizeof(line), in))
		err = obey(&s, line, out);
	if (recv_signal()) {
		rc = 128 + recv_signal();
	} else if (err) {
		cause_set(&cause, "os-error", "look at the receiver's messages",
			  "sending ended: %s", strerror(-err));
		report_cause("bench", &cause, err);
		rc = EXIT_TRANSFER;
	}
	if (in)
		(void)fclose(in);
	if (out)
		(void)fclose(out);
	close_all(&s);
	(void)munmap(s.from, PIECE);
	return rc;
}
