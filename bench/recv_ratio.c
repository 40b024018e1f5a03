// SPDX-License-Identifier: MIT
/*
 * Tier recv against a plain loop of recv() and a copy, over TCP on loopback.
 *
 *	recv_ratio [MIB [CHUNK]]
 *
 * One thread sends MIB (default 1024) once for each side and round; this one
 * receives. The plain loop is the shortest that leaves the bytes where tier recv
 * does: recv() of up to CHUNK bytes (default 65536) into one buffer, and a copy
 * into the memory's next chunk. Both sides in turn, five rounds; what is printed
 * for each side is its best. A ratio above 1 means that tier recv was faster.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <devrx/devrx.h>

#define MEMORY_LEN (64u << 20)
#define SEND_LEN (256u << 10)
#define ROUNDS 5
#define BATCH 64

struct stream {
	int fds[2]; /* receiver's end, sender's end */
	uint64_t len;
	pthread_t sender;
};

struct result {
	double seconds;
	double cpu; /* of the receiving thread */
};

static void fail(const char *what, int err)
{
	fprintf(stderr, "recv_ratio: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void *send_all(void *arg)
{
	struct stream *s = arg;
	uint64_t left = s->len;
	char *buf = calloc(1, SEND_LEN);
	ssize_t nr;

	while (buf && left) {
		nr = send(s->fds[1], buf, left < SEND_LEN ? left : SEND_LEN,
			  MSG_NOSIGNAL);
		if (nr <= 0)
			break;
		left -= (uint64_t)nr;
	}
	free(buf);
	(void)shutdown(s->fds[1], SHUT_WR);
	return NULL;
}

static void start(struct stream *s)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	s->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || s->fds[1] < 0 ||
	    bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) ||
	    connect(s->fds[1], (struct sockaddr *)&addr, len))
		fail("connecting", -errno);
	s->fds[0] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (s->fds[0] < 0)
		fail("accepting", -errno);
	(void)close(fd);
	if (pthread_create(&s->sender, NULL, send_all, s))
		fail("starting the sender", -EAGAIN);
}

static void finish(struct stream *s)
{
	(void)pthread_join(s->sender, NULL);
	(void)close(s->fds[0]);
	(void)close(s->fds[1]);
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Receive all of @s; how many bytes came. */
static uint64_t plain(struct devrx_memory *mem, const struct stream *s,
		      uint32_t chunk)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	uint64_t got = 0, off = 0;
	ssize_t nr;
	char *buf;

	(void)devrx_memory_info(mem, &info);
	buf = malloc(chunk);
	if (!buf)
		fail("allocating", -ENOMEM);
	while ((nr = recv(s->fds[0], buf, chunk, 0)) > 0) {
		memcpy((char *)info.host_addr + off, buf, (size_t)nr);
		got += (uint64_t)nr;
		off += chunk;
		if (off == info.len)
			off = 0;
	}
	free(buf);
	return got;
}

static uint64_t tier_recv(struct devrx_receiver *rx, const struct stream *s)
{
	struct devrx_fragment frags[BATCH];
	uint64_t got = 0;
	int n;

	n = devrx_receiver_add(rx, s->fds[0], 0);
	if (n)
		fail("adding", n);
	while ((n = devrx_receiver_wait(rx, frags, BATCH, -1)) > 0) {
		for (int i = 0; i < n; i++)
			got += frags[i].length;
		if (devrx_receiver_release(rx, frags, (unsigned int)n))
			fail("releasing", -ESTALE);
	}
	if (n != -ENOTCONN)
		fail("waiting", n);
	return got;
}

static struct result measure(struct devrx_memory *mem,
			     struct devrx_receiver *rx, uint64_t len,
			     uint32_t chunk)
{
	struct stream s = { .len = len };
	struct result r;
	uint64_t got;

	start(&s);
	r.seconds = seconds(CLOCK_MONOTONIC);
	r.cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	got = rx ? tier_recv(rx, &s) : plain(mem, &s, chunk);
	r.cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - r.cpu;
	r.seconds = seconds(CLOCK_MONOTONIC) - r.seconds;
	finish(&s);
	if (got != len)
		fail("receiving", -EPROTO);
	return r;
}

static void keep_best(struct result *best, struct result r)
{
	if (!best->seconds || r.seconds < best->seconds)
		best->seconds = r.seconds;
	if (!best->cpu || r.cpu < best->cpu)
		best->cpu = r.cpu;
}

static void print(const char *name, const struct result *r, double mib)
{
	printf("%-14s %8.3f s %9.1f MiB/s %8.3f s of CPU\n", name, r->seconds,
	       mib / r->seconds, r->cpu);
}

int main(int argc, char **argv)
{
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct result best_recv = { 0 }, best_plain = { 0 };
	uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 1024;
	struct devrx_receiver *rx;
	struct devrx_memory *mem;
	int err;

	ro.chunk_len = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 65536;
	if (argc > 3 || !mib || !ro.chunk_len) {
		fprintf(stderr, "usage: recv_ratio [MIB [CHUNK]]\n");
		return 2;
	}
	mo.kind = "host";
	mo.len = MEMORY_LEN;
	err = devrx_memory_alloc(&mem, &mo);
	if (err)
		fail("allocating", err);
	ro.tier = DEVRX_TIER_RECV;
	err = devrx_receiver_open(&rx, mem, NULL, &ro);
	if (err)
		fail("opening the receiver", err);

	/* What happens once (pages, caches, TCP's buffers) for both alike. */
	(void)measure(mem, NULL, 64u << 20, ro.chunk_len);
	(void)measure(mem, rx, 64u << 20, ro.chunk_len);
	for (int i = 0; i < ROUNDS; i++) {
		keep_best(&best_plain,
			  measure(mem, NULL, mib << 20, ro.chunk_len));
		keep_best(&best_recv,
			  measure(mem, rx, mib << 20, ro.chunk_len));
	}
	print("recv and copy", &best_plain, (double)mib);
	print("tier recv", &best_recv, (double)mib);
	printf("ratio %.3f in time, %.3f in the receiving thread's CPU\n",
	       best_plain.seconds / best_recv.seconds,
	       best_plain.cpu / best_recv.cpu);
	err = devrx_receiver_close(rx, 0);
	if (err)
		fail("closing", err);
	return -devrx_memory_free(mem);
}
