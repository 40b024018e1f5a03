// SPDX-License-Identifier: MIT
/*
 * devrx recv: receive TCP connections into a memory.
 *
 * Everything is built in the order in which it is cheapest to fail: address
 * and output files first, then memory and queue; the NIC is touched last, and
 * peers can connect only when all of it stands. It is taken down in reverse
 * order on every path.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "recv.h"
#include "report.h"
#include "verbs.h"

#define BOUNCE_LEN (64u << 10)

/* A connection needs a descriptor, and its file two more. */
static void raise_descriptors(unsigned int connections)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) ||
	    limit.rlim_cur >= 3ul * connections + 64)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_sinks(struct recv_run *run)
{
	unsigned int total = run->opts->connections;
	struct devrx_cause cause;
	int rc;

	raise_descriptors(total);
	run->connections = calloc(total, sizeof(run->connections[0]));
	if (!run->connections) {
		cause_set(&cause, "out-of-memory", NULL, "out of memory");
		recv_fail(run, EXIT_ENVIRONMENT, -1, -ENOMEM, &cause);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < total; i++) {
		run->connections[i].fd = -1;
		run->nr_open_sinks = i + 1;
		rc = sink_open(&run->connections[i].sink, &run->opts->sink, i,
			       total, &cause);
		if (rc) {
			recv_fail(run, rc, -1, run->connections[i].sink.err,
				  &cause);
			return -EIO;
		}
	}
	return 0;
}

static int open_memory(struct recv_run *run, struct devrx_cause *cause)
{
	const struct recv_opts *opts = run->opts;
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	char asked[HUMAN_LEN], limit[HUMAN_LEN], next[64];
	uint64_t most = run->features.max_area_len;
	int rc;

	/* Said before gigabytes are allocated for nothing. */
	if (opts->nic && most && opts->len > most) {
		snprintf(next, sizeof(next), "devrx recv --size %s",
			 most >= 1ull << 32 ? "4G" : "1G");
		cause_set(cause, "area-too-large", next,
			  "--size %s: Linux %s takes areas of at most %s",
			  human_bytes(asked, (double)opts->len),
			  run->features.release,
			  human_bytes(limit, (double)most));
		return -EFBIG;
	}
	mo.kind = opts->memory;
	mo.device = opts->device;
	mo.len = opts->len;
	mo.flags = opts->memory_flags;
	mo.cause = cause;
	rc = devrx_memory_alloc(&run->memory, &mo);
	if (rc)
		return rc;
	run->memory_info.size = sizeof(run->memory_info);
	rc = devrx_memory_info(run->memory, &run->memory_info);
	if (!rc && opts->crc32c)
		rc = crc32c_open(&run->crc32c, run->memory, cause);
	if (rc || run->memory_info.host_addr)
		return rc;
	run->bounce = malloc(BOUNCE_LEN);
	return run->bounce ? 0 : -ENOMEM;
}

static int open_queue(struct recv_run *run, struct devrx_cause *cause)
{
	const struct recv_opts *opts = run->opts;
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	uint16_t port;
	int rc;

	if (!opts->nic)
		return 0;
	port = listen_port(run->listen_fd);
	if (!opts->as_is) {
		qo.flags = DEVRX_QUEUE_F_CONFIGURE;
		qo.ports = &port;
		qo.nr_ports = 1;
		qo.guard = "/proc/self/exe";
	}
	qo.ifname = opts->nic;
	qo.index = opts->queue;
	qo.cause = cause;
	rc = devrx_queue_reserve(&run->queue, &qo);
	if (rc)
		return rc;
	run->queue_info.size = sizeof(run->queue_info);
	return devrx_queue_info(run->queue, &run->queue_info);
}

static int open_receiver(struct recv_run *run, struct devrx_cause *cause)
{
	const struct recv_opts *opts = run->opts;
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	int rc;

	rc = open_queue(run, cause);
	if (rc)
		return rc;
	ro.tier = opts->tier;
	ro.chunk_len = opts->chunk_len;
	ro.cq_entries = opts->cq_entries;
	ro.flags = opts->receiver_flags;
	if (opts->nic)
		ro.flags |= DEVRX_RECEIVER_F_EVENTS;
	ro.cause = cause;
	rc = devrx_receiver_open(&run->receiver, run->memory, run->queue, &ro);
	if (rc)
		return rc;
	run->info.size = sizeof(run->info);
	return devrx_receiver_info(run->receiver, &run->info);
}

static int setup(struct recv_run *run)
{
	const struct recv_opts *opts = run->opts;
	struct devrx_cause cause = { 0 };
	int rc;

	run->features.size = sizeof(run->features);
	rc = devrx_features_probe(&run->features, &cause);
	if (!rc) {
		rc = listen_bind(opts->host, opts->port, &cause);
		run->listen_fd = rc;
	}
	if (rc >= 0) {
		if (open_sinks(run))
			return -1;
		rc = open_memory(run, &cause);
	}
	if (!rc)
		rc = open_receiver(run, &cause);
	if (!rc) {
		/* On tier recv what waits in a socket is not in the memory. */
		if (opts->nic)
			listen_limit_buffers(run->listen_fd,
					     run->memory_info.len,
					     opts->connections);
		rc = listen_start(run->listen_fd, run->endpoint, &cause);
	}
	if (rc) {
		recv_fail(run, EXIT_ENVIRONMENT, -1, rc, &cause);
		return rc;
	}
	rc = recv_metrics_write(run, &cause);
	if (rc)
		recv_fail(run, EXIT_OUTPUT, -1, rc, &cause);
	return rc;
}

/* The device's last word, before its memory goes. */
static void close_crc32c(struct recv_run *run)
{
	const struct recv_connection *conn = run->connections;
	struct devrx_cause cause = { 0 };
	uint32_t crc;
	int rc;

	if (!run->crc32c)
		return;
	snprintf(run->crc32c_by, sizeof(run->crc32c_by), "%s",
		 crc32c_device(run->crc32c));
	if (run->nr_ended && !conn->failed) {
		rc = crc32c_result(run->crc32c, &crc, &cause);
		if (rc)
			recv_fail(run, EXIT_ENVIRONMENT, 0, rc, &cause);
		else
			snprintf(run->crc32c_hex, sizeof(run->crc32c_hex),
				 "%08x", crc);
	}
	crc32c_close(run->crc32c);
}

static void close_queue(struct recv_run *run)
{
	char next[64];
	struct devrx_cause cause;
	int rc = devrx_queue_restore(run->queue);

	if (!rc)
		return;
	snprintf(next, sizeof(next), "devrx restore %s", run->opts->nic);
	cause_set(&cause, "undo-refused", next,
		  "what was changed of NIC %s could not all be undone",
		  run->opts->nic);
	recv_fail(run, EXIT_ENVIRONMENT, -1, rc, &cause);
}

static void teardown(struct recv_run *run)
{
	run->stats.size = sizeof(run->stats);
	if (run->receiver) {
		(void)devrx_receiver_stats(run->receiver, &run->stats);
		recv_metrics_tick(run, INT64_MAX); /* the last word */
	}
	if (run->listen_fd >= 0)
		close(run->listen_fd);
	close_crc32c(run);
	/* Nothing may write into the memory any more when it is freed. */
	(void)devrx_receiver_close(run->receiver, DEVRX_CLOSE_F_ABANDON);
	for (unsigned int i = 0; i < run->nr_open_sinks; i++) {
		if (run->connections[i].fd >= 0)
			close(run->connections[i].fd);
		sink_drop(&run->connections[i].sink);
	}
	close_queue(run);
	(void)devrx_memory_free(run->memory);
	free(run->bounce);
}

int cmd_recv(int argc, char **argv)
{
	struct recv_opts opts = {
		.port = "9000",
		.len = 64u << 20,
		.queue = DEVRX_QUEUE_LAST,
		.connections = 1,
	};
	struct recv_run run = { .opts = &opts, .listen_fd = -1 };
	int rc = recv_parse(argc, argv, &opts);

	if (rc > 0)
		return rc;
	if (rc < 0) {
		fputs(recv_help, stdout);
		return report_flush("recv");
	}
	recv_catch_signals();
	rc = setup(&run);
	if (!rc) {
		recv_print_ready(&run);
		recv_loop(&run);
	}
	teardown(&run);
	if (!rc)
		recv_print_summary(&run);
	rc = opts.json ? recv_print_json(&run) : report_flush("recv");
	if (rc > run.exit_code)
		run.exit_code = rc;
	free(run.connections);
	free(run.failures);
	return run.exit_code;
}
