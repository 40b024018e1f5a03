// SPDX-License-Identifier: MIT
/*
 * recv(2): of nothing (the floor), into the mapped memory, or into a buffer and then
 * a copy. One connection is waited for in recv() itself; several by epoll, and the
 * way that is named so always by epoll.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/way.h"
#include "recv.h"
#include "report.h"

struct state {
	char *buf;
	int epoll_fd;
	int nr_ready, next;
	struct epoll_event ready[BENCH_CONNECTIONS_MAX];
};

static bool by_epoll(const struct bench_run *run)
{
	return run->nr_fds > 1 || run->way == &bench_epoll_64k;
}

static int way_open(struct bench_run *run)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return bench_error(run, "calloc", -ENOMEM);
	run->state = s;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return bench_error(run, "epoll_create1", -errno);
	/* In pages of its own, as a reader of files would have it. */
	s->buf = run->way == &bench_floor ? malloc(1) :
					    aligned_alloc(4096, run->way->len);
	return s->buf ? 0 : bench_error(run, "aligned_alloc", -ENOMEM);
}

static int way_add(struct bench_run *run, unsigned int i)
{
	struct state *s = run->state;
	struct epoll_event event = { .events = EPOLLIN,
				     .data.fd = run->fds[i] };

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, run->fds[i], &event))
		return bench_error(run, "epoll_ctl", -errno);
	return 0;
}

/* The next connection to read from, or a negative errno. */
static int next_fd(struct bench_run *run, struct state *s)
{
	if (!by_epoll(run))
		return run->fds[0];
	if (s->next == s->nr_ready) {
		s->next = 0;
		s->nr_ready = epoll_wait(s->epoll_fd, s->ready,
					 BENCH_CONNECTIONS_MAX, -1);
		if (s->nr_ready < 0) {
			s->nr_ready = 0;
			return bench_error(run, "epoll_wait", -errno);
		}
	}
	return s->ready[s->next++].data.fd;
}

static int receive(struct bench_run *run, uint64_t bytes)
{
	const bool discard = run->way == &bench_floor;
	const bool mapped = run->way == &bench_recv_mapped;
	struct state *s = run->state;
	char *base = run->info.host_addr;
	ssize_t n = 0;
	size_t len;
	int fd, err;

	for (; bytes; bytes -= (uint64_t)n) {
		err = bench_interrupted(run);
		if (err)
			return err;
		fd = next_fd(run, s);
		if (fd < 0)
			return fd;
		len = run->way->len;
		if (mapped && len > run->info.len - run->at)
			len = (size_t)(run->info.len - run->at);
		n = recv(fd, mapped ? base + run->at : s->buf, len,
			 discard ? MSG_TRUNC : 0);
		if (n <= 0)
			return bench_error(run, "recv", n ? -errno : 0);
		run->events++;
		if (mapped) {
			run->at = (run->at + (uint64_t)n) % run->info.len;
		} else if (!discard) {
			err = bench_put(run, s->buf, (size_t)n);
			if (err)
				return err;
		}
	}
	return 0;
}

static void way_close(struct bench_run *run)
{
	struct state *s = run->state;

	if (!s)
		return;
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	free(s->buf);
	free(s);
}

#define WAY_RECV(length)                                                       \
	.len = (length), .open = way_open, .add = way_add, .receive = receive, \
	.close = way_close

const struct bench_way bench_floor = {
	.name = "floor",
	.summary = "receive and discard: sender and stack alone",
	WAY_RECV(64u << 20),
};

const struct bench_way bench_recv_mapped = {
	.name = "recv-mapped",
	.summary = "recv() of 1 MiB into the mapped memory",
	.flags = BENCH_WAY_MAPPED,
	WAY_RECV(1u << 20),
};

const struct bench_way bench_recv_1m = {
	.name = "recv-memcpy-1m",
	.summary = "recv() of 1 MiB, and a copy",
	WAY_RECV(1u << 20),
};

const struct bench_way bench_epoll_64k = {
	.name = "epoll-recv-memcpy-64k",
	.summary = "epoll, recv() of 64 KiB, and a copy",
	WAY_RECV(64u << 10),
};
