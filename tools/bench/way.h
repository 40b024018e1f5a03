/* SPDX-License-Identifier: MIT */
/*
 * The ways to receive that devrx bench sets beside each other.
 *
 * Each takes what comes on all of its connections, in one thread, and leaves it in one
 * memory, but for the floor, which discards it. None looks at the bytes.
 */
#ifndef DEVRX_TOOLS_BENCH_WAY_H
#define DEVRX_TOOLS_BENCH_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <devrx/devrx.h>

#define BENCH_CONNECTIONS_MAX 64

/* What a way works on; of one run. */
struct bench_run {
	const struct bench_way *way;
	struct devrx_memory *memory;
	struct devrx_memory_info info;
	struct devrx_queue *queue; /* NULL without a NIC */
	struct devrx_queue_info queue_info;
	int fds[BENCH_CONNECTIONS_MAX]; /* blocking */
	unsigned int nr_fds;
	uint64_t at; /* where in the memory the next bytes go */
	uint64_t events; /* times that a way was told of bytes */
	void *state; /* of the way */
	struct devrx_cause cause; /* of a failure */
};

/* It binds the queue, and needs a NIC. */
#define BENCH_WAY_NIC (1u << 0)
/* It hands the queue the memory's dmabuf. */
#define BENCH_WAY_DMABUF (1u << 1)
/* The CPU must be able to write the memory. */
#define BENCH_WAY_MAPPED (1u << 2)
/* Its memory is anonymous memory of the host. */
#define BENCH_WAY_HOST (1u << 3)

/*
 * @open: before there are connections
 * @add: the connection @fds[i], at rest
 * @receive: until @bytes more have come, of all connections together
 * @close: after an error, too; connections are closed after it
 *
 * All but close return 0 or a negative errno, with the run's cause.
 */
struct bench_way {
	const char *name;
	const char *summary;
	uint32_t flags;
	uint32_t tier; /* of devrx */
	uint32_t len; /* of a chunk, or of a receive */
	int (*open)(struct bench_run *run);
	int (*add)(struct bench_run *run, unsigned int i);
	int (*receive)(struct bench_run *run, uint64_t bytes);
	void (*close)(struct bench_run *run);
};

extern const struct bench_way *const bench_ways[];
extern const unsigned int bench_nr_ways;

extern const struct bench_way bench_floor, bench_recv_mapped, bench_recv_1m,
	bench_epoll_64k, bench_multishot, bench_tcp_zerocopy, bench_devmem,
	bench_raw_4k, bench_device_4k, bench_device_16k, bench_device_64k,
	bench_host_4k, bench_recv;

/* Copy into the memory, behind what is there, round and round. */
int bench_put(struct bench_run *run, const void *buf, size_t len);

/* An errno of a call, as the run's cause; returns it. */
int bench_error(struct bench_run *run, const char *call, int err);

/* Returns -EINTR with a cause after a signal that asks for an end, and else 0. */
int bench_interrupted(struct bench_run *run);

#endif /* DEVRX_TOOLS_BENCH_WAY_H */
