/* SPDX-License-Identifier: MIT */
/*
 * One run of "devrx recv", shared by its files: recv_args.c reads the options;
 * cmd_recv.c builds everything up and takes it down; recv_loop.c accepts and
 * receives, recv_write.c writes files; recv_report.c says what happened, recv_metrics.c what goes on.
 */
#ifndef DEVRX_TOOLS_RECV_H
#define DEVRX_TOOLS_RECV_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/devrx.h>

#include "args.h"
#include "crc32c.h"
#include "listen.h"
#include "sink.h"

#define RECV_MAX_CONNECTIONS 16384
/* Fragments of one wait. */
#define RECV_BATCH CRC32C_BATCH
/* Writes of the receiver's ring: as many as it has, and fragments of one. */
#define RECV_WRITES 64
#define RECV_WRITE_FRAGMENTS 64

struct recv_opts {
	const char *nic; /* NULL: tier recv */
	const char *memory;
	const char *device;
	char host[ARG_HOST_LEN];
	char port[ARG_PORT_LEN];
	uint64_t len; /* of the memory, bytes */
	uint32_t queue; /* or DEVRX_QUEUE_LAST */
	bool queue_given;
	bool as_is; /* the NIC is not changed */
	uint32_t memory_flags;
	uint32_t tier;
	uint32_t chunk_len;
	uint32_t receiver_flags;
	uint32_t cq_entries;
	unsigned int connections;
	unsigned int timeout; /* seconds, 0 for none */
	struct sink_opts sink;
	const char *metrics; /* a file, or NULL */
	bool crc32c;
	bool json;
	bool quiet;
};

struct recv_connection {
	int fd; /* -1 before it came and after it ended */
	bool failed;
	bool last; /* its last fragment came, and */
	int error; /* ... said so */
	unsigned int writes; /* of its file, under way */
	uint64_t bytes;
	char peer[ENDPOINT_LEN];
	struct sink sink;
};

/* A write under way. */
struct recv_write {
	unsigned int nr; /* fragments, 0 for none */
	bool direct;
	struct devrx_fragment frags[RECV_WRITE_FRAGMENTS];
};

/* Something that went wrong, for the JSON object. */
struct recv_failure {
	int connection; /* -1: none in particular */
	int err;
	struct devrx_cause cause;
};

struct recv_run {
	const struct recv_opts *opts;
	struct devrx_features features;
	struct devrx_memory *memory;
	struct devrx_memory_info memory_info;
	struct crc32c *crc32c; /* NULL unless asked for */
	char crc32c_hex[9]; /* of a stream that is complete */
	char crc32c_by[CRC32C_NAME_LEN];
	struct devrx_queue *queue;
	struct devrx_queue_info queue_info;
	struct devrx_receiver *receiver;
	struct devrx_receiver_info info;
	struct devrx_receiver_stats stats;
	struct recv_connection *connections;
	unsigned int nr_open_sinks;
	unsigned int nr_accepted;
	unsigned int nr_ended;
	bool nic_gone;
	int listen_fd;
	char endpoint[ENDPOINT_LEN];
	void *bounce; /* for memory that the CPU cannot map */
	uint64_t bytes;
	uint64_t bytes_copied; /* in fragments that say so */
	uint64_t bytes_written; /* to --out, and of them */
	uint64_t bytes_ring; /* ... by the receiver's ring, and of those */
	uint64_t bytes_direct; /* ... past the page cache */
	struct recv_write writes[RECV_WRITES];
	int64_t start_ns; /* first connection */
	int64_t end_ns; /* last fragment */
	int64_t progress_ns; /* when the progress line was last written */
	bool progress_shown;
	int64_t metrics_ns; /* ... and the metrics */
	bool metrics_failed;
	struct recv_failure *failures;
	unsigned int nr_failures;
	int exit_code;
};

extern const char recv_help[];

/* 0, an exit code after an error, or -1 where help was asked for. */
int recv_parse(int argc, char **argv, struct recv_opts *opts);

/*
 * Note and print a failure; @idx is its connection or -1. The most serious
 * exit code wins: output, then environment, then transfer.
 */
void recv_fail(struct recv_run *run, int exit_code, int idx, int err,
	       const struct devrx_cause *cause);

/* SIGINT, SIGTERM and SIGHUP ask for an orderly end; a second one kills. */
void recv_catch_signals(void);
int recv_signal(void);

/* Accept and receive until all connections have ended, or something stops. */
void recv_loop(struct recv_run *run);

/* @idx has failed; its file is dropped when no write is under way. */
void recv_fail_connection(struct recv_run *run, unsigned int idx, int exit_code,
			  int err, struct devrx_cause *why);
/* Hand each block of a fragment's bytes to @use, with its place in the stream: 0, or
 * an exit code. */
int recv_each_block(struct recv_run *run, const struct devrx_fragment *f,
		    int (*use)(struct sink *s, const void *buf, size_t len,
			       uint64_t position, struct devrx_cause *cause),
		    struct recv_connection *conn, struct devrx_cause *cause);

/* Write what has bytes of @n fragments. In @rest is what can be given back now: how
 * many; the others are when recv_write_done() is told. */
unsigned int recv_write_batch(struct recv_run *run,
			      const struct devrx_fragment *frags,
			      unsigned int n, struct devrx_fragment *rest);
/* DEVRX_EVENT_WRITTEN; of which connection. */
unsigned int recv_write_done(struct recv_run *run,
			     const struct devrx_fragment *event);

/* --metrics: write the file; 0, or a negative errno with the cause. */
int recv_metrics_write(struct recv_run *run, struct devrx_cause *cause);
/* The same when it is time to. */
void recv_metrics_tick(struct recv_run *run, int64_t now);

void recv_print_ready(const struct recv_run *run);
void recv_print_progress(struct recv_run *run, int64_t now);
void recv_clear_progress(struct recv_run *run);
void recv_print_summary(struct recv_run *run);
int recv_print_json(const struct recv_run *run);

#endif /* DEVRX_TOOLS_RECV_H */
