// SPDX-License-Identifier: MIT
/*
 * TCP_ZEROCOPY_RECEIVE: pages of the stack are mapped where they can be, what is left
 * is copied by the same call, and all of it is copied into the memory: for a device
 * that is the upload.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/way.h"

#define MAP_LEN (2u << 20)
/* What is left of a packet behind its whole pages, or of a short queue. */
#define COPY_LEN 16384

struct state {
	void *map[BENCH_CONNECTIONS_MAX];
	char *buf; /* for what cannot be mapped */
	int epoll_fd;
};

static int way_open(struct bench_run *run)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return bench_error(run, "calloc", -ENOMEM);
	run->state = s;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return bench_error(run, "epoll_create1", -errno);
	s->buf = aligned_alloc(4096, MAP_LEN);
	return s->buf ? 0 : bench_error(run, "aligned_alloc", -ENOMEM);
}

static int way_add(struct bench_run *run, unsigned int i)
{
	struct state *s = run->state;
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

	s->map[i] = mmap(NULL, MAP_LEN, PROT_READ, MAP_SHARED, run->fds[i], 0);
	if (s->map[i] == MAP_FAILED) {
		s->map[i] = NULL;
		return bench_error(run, "mmap of a socket", -errno);
	}
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, run->fds[i], &event))
		return bench_error(run, "epoll_ctl", -errno);
	return 0;
}

/*
 * What is there of one connection, and without a call of its own what cannot be mapped;
 * @left: bytes that are still there. Bytes, or a negative errno.
 */
static ssize_t take(struct bench_run *run, unsigned int i, uint32_t *left)
{
	struct state *s = run->state;
	struct tcp_zerocopy_receive zc = {
		.address = (uintptr_t)s->map[i],
		.length = MAP_LEN,
		.copybuf_address = (uintptr_t)s->buf,
		.copybuf_len = COPY_LEN,
	};
	socklen_t len = sizeof(zc);
	ssize_t n;
	int err = 0;

	if (getsockopt(run->fds[i], IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &zc,
		       &len))
		return bench_error(run, "TCP_ZEROCOPY_RECEIVE", -errno);
	if (zc.err || zc.copybuf_len < 0)
		return bench_error(run, "TCP_ZEROCOPY_RECEIVE",
				   zc.err ? zc.err : zc.copybuf_len);
	*left = zc.inq;
	n = (ssize_t)zc.length + zc.copybuf_len;
	if (zc.length)
		err = bench_put(run, s->map[i], zc.length);
	if (!err && zc.copybuf_len)
		err = bench_put(run, s->buf, (size_t)zc.copybuf_len);
	/* More than fits into the buffer: it has to be read. */
	if (!err && !n && zc.recv_skip_hint) {
		n = recv(run->fds[i], s->buf,
			 zc.recv_skip_hint < MAP_LEN ? zc.recv_skip_hint :
						       MAP_LEN,
			 MSG_DONTWAIT);
		if (n <= 0)
			return bench_error(run, "recv", n ? -errno : 0);
		err = bench_put(run, s->buf, (size_t)n);
	} else if (!err && !n && !zc.inq) {
		return bench_error(run, "TCP_ZEROCOPY_RECEIVE", 0);
	}
	run->events++;
	return err ? err : n;
}

static int receive(struct bench_run *run, uint64_t bytes)
{
	struct epoll_event ready[BENCH_CONNECTIONS_MAX];
	struct state *s = run->state;
	uint32_t left = 0;
	ssize_t n;
	int nr, err;

	while (bytes) {
		err = bench_interrupted(run);
		if (err)
			return err;
		nr = epoll_wait(s->epoll_fd, ready, BENCH_CONNECTIONS_MAX, -1);
		if (nr < 0)
			return bench_error(run, "epoll_wait", -errno);
		for (int i = 0; i < nr; i++) {
			do {
				n = take(run, ready[i].data.u32, &left);
				if (n < 0)
					return (int)n;
				bytes -= (uint64_t)n;
			} while (left && n);
		}
	}
	return 0;
}

static void way_close(struct bench_run *run)
{
	struct state *s = run->state;

	if (!s)
		return;
	for (unsigned int i = 0; i < BENCH_CONNECTIONS_MAX; i++)
		if (s->map[i])
			(void)munmap(s->map[i], MAP_LEN);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	free(s->buf);
	free(s);
}

const struct bench_way bench_tcp_zerocopy = {
	.name = "tcp-zerocopy-receive",
	.summary = "TCP_ZEROCOPY_RECEIVE, and a copy",
	.open = way_open,
	.add = way_add,
	.receive = receive,
	.close = way_close,
};
