/* SPDX-License-Identifier: MIT */
/* devrx bench: what was asked for, and what came out. */
#ifndef DEVRX_TOOLS_BENCH_BENCH_H
#define DEVRX_TOOLS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "bench/way.h"

#define BENCH_COUNTS_MAX 16

struct bench_opts {
	const char *send; /* be the sender for whoever measures there */
	const char *listen; /* NULL: a sender of our own, over loopback */
	char host[ARG_HOST_LEN];
	char port[ARG_PORT_LEN];
	const char *nic;
	uint32_t queue;
	bool as_is;
	const char *memory;
	const char *device;
	uint64_t area_len;
	uint64_t bytes;
	int rcvbuf; /* 0: as the kernel has it */
	unsigned int connections[BENCH_COUNTS_MAX];
	unsigned int nr_connections;
	bool ways[64]; /* by place in bench_ways */
	unsigned int rounds;
	bool list;
	bool json;
};

/* One way, one number of connections, one round. */
struct bench_row {
	const struct bench_way *way;
	unsigned int connections;
	unsigned int round;
	uint64_t bytes;
	double seconds;
	double process_user, process_system; /* CPU seconds */
	double softirq, system; /* of the machine; the latter without ours */
	double events;
	double acks; /* segments that the receiver sent */
	double syscalls; /* of so many bytes; below 0: not known */
	uint64_t syscalls_bytes;
	int64_t idle_calls, copy_ns, placed_bytes; /* struct bench_count */
	char memory[16];
	char skipped[sizeof(
		((struct devrx_cause *)0)
			->text)]; /* why nothing was measured, or "" */
};

struct bench_result {
	struct bench_row *rows;
	unsigned int nr_rows;
	int exit_code;
	int err;
	struct devrx_cause cause;
};

extern const char bench_help[];

/* 0, an exit code after an error, or -1 where help was asked for. */
int bench_parse(int argc, char **argv, struct bench_opts *opts);

void bench_print_list(void);
void bench_print_progress(const struct bench_row *row, unsigned int done,
			  unsigned int all);
void bench_print_table(const struct bench_opts *opts,
		       const struct bench_result *result);
int bench_print_json(const struct bench_opts *opts, const char *sender,
		     const struct bench_result *result);

#endif /* DEVRX_TOOLS_BENCH_BENCH_H */
