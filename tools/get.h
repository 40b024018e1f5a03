/* SPDX-License-Identifier: MIT */
/*
 * One run of "devrx get", shared by its files: get_args.c reads the options;
 * cmd_get.c fetches; get_report.c says what happened.
 */
#ifndef DEVRX_TOOLS_GET_H
#define DEVRX_TOOLS_GET_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/devrx.h>

#include "args.h"
#include "sink.h"

#define GET_HEADERS_LEN 4097

struct get_opts {
	const char *url;
	const char *nic; /* NULL: tier recv */
	const char *memory;
	const char *device;
	uint32_t queue; /* or DEVRX_QUEUE_LAST */
	bool queue_given;
	bool as_is; /* the NIC is not changed */
	uint32_t tier;
	uint64_t area_len; /* of the receiver's memory */
	uint64_t room; /* for a resource of unknown length */
	uint64_t first, len; /* of the resource; len 0: all */
	uint64_t request_len;
	unsigned int connections;
	unsigned int retries;
	unsigned int deadline; /* seconds, 0 for none */
	unsigned int idle; /* seconds, 0 for the default */
	struct sink_opts sink;
	char headers[GET_HEADERS_LEN];
	bool json;
	bool quiet;
};

struct get_run {
	const struct get_opts *opts;
	uint16_t ports[DEVRX_HTTP_CONNECTIONS_MAX];
	struct devrx_memory *area;
	struct devrx_memory *to; /* where the bytes belong */
	struct devrx_memory_info to_info;
	struct devrx_queue *queue;
	struct devrx_queue_info queue_info;
	struct devrx_receiver *receiver;
	struct devrx_receiver_info info;
	struct devrx_receiver_stats stats;
	struct devrx_http *http;
	struct devrx_http_result result;
	struct sink sink;
	bool sink_open;
	int64_t start_ns;
	int64_t end_ns;
	int64_t progress_ns; /* when the progress line was last written */
	bool progress_shown;
	int err; /* of the first failure */
	struct devrx_cause cause;
	int exit_code;
};

extern const char get_help[];

/* 0, an exit code after an error, or -1 where help was asked for. */
int get_parse(int argc, char **argv, struct get_opts *opts);

/* Note and print a failure. */
void get_fail(struct get_run *run, int exit_code, int err,
	      const struct devrx_cause *cause);

void get_print_progress(struct get_run *run, uint64_t done, uint64_t len);
void get_clear_progress(struct get_run *run);
void get_print_summary(struct get_run *run);
int get_print_json(const struct get_run *run);

#endif /* DEVRX_TOOLS_GET_H */
