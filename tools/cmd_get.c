// SPDX-License-Identifier: MIT
/*
 * devrx get: a URL into a memory.
 *
 * The bytes land in one memory, the receiver's area, and the device gathers them into
 * another, as long as the resource. How long that is the server is asked first, so
 * the receiver stands before its destination does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "get.h"
#include "listen.h"
#include "recv.h"
#include "report.h"
#include "verbs.h"

#define BLOCK_LEN (1u << 20)

static int open_area(struct get_run *run, struct devrx_cause *cause)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;

	mo.kind = run->opts->memory;
	mo.device = run->opts->device;
	mo.len = run->opts->area_len;
	mo.cause = cause;
	return devrx_memory_alloc(&run->area, &mo);
}

/* Where the rules of the NIC are to lead from, and its queue. */
static int open_queue(struct get_run *run, struct devrx_cause *cause)
{
	const struct get_opts *opts = run->opts;
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	int rc;

	if (!opts->nic)
		return 0;
	rc = devrx_http_ports(run->ports, opts->connections, cause);
	if (rc)
		return rc;
	if (!opts->as_is) {
		qo.flags = DEVRX_QUEUE_F_CONFIGURE;
		qo.ports = run->ports;
		qo.nr_ports = opts->connections;
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

static int open_http(struct get_run *run, struct devrx_cause *cause)
{
	const struct get_opts *opts = run->opts;
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_http_opts ho = DEVRX_HTTP_OPTS_INIT;
	int rc;

	ro.tier = opts->tier;
	ro.cause = cause;
	rc = devrx_receiver_open(&run->receiver, run->area, run->queue, &ro);
	if (rc)
		return rc;
	run->info.size = sizeof(run->info);
	(void)devrx_receiver_info(run->receiver, &run->info);
	ho.connections = opts->connections;
	ho.retries = opts->retries;
	ho.request_len = opts->request_len;
	ho.idle_timeout_ms = opts->idle * 1000;
	ho.headers = opts->headers;
	if (opts->nic) {
		ho.ports = run->ports;
		ho.nr_ports = opts->connections;
	}
	ho.cause = cause;
	return devrx_http_open(&run->http, run->receiver, run->area, &ho);
}

/* As the area, on the same device. */
static int open_destination(struct get_run *run, uint64_t len,
			    struct devrx_cause *cause)
{
	struct devrx_vulkan_device vk = { .size = sizeof(vk) };
	struct devrx_vulkan_handles h = { .size = sizeof(h) };
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	int rc;

	mo.len = len ? len : 1;
	mo.cause = cause;
	if (!devrx_vulkan_handles(run->area, &h)) {
		vk.instance = h.instance;
		vk.physical_device = h.physical_device;
		vk.device = h.device;
		vk.queue = h.queue;
		vk.queue_family = h.queue_family;
		vk.get_instance_proc_addr = h.get_instance_proc_addr;
		rc = devrx_vulkan_alloc(&run->to, &vk, &mo);
	} else {
		mo.kind = run->opts->memory;
		mo.device = run->opts->device;
		rc = devrx_memory_alloc(&run->to, &mo);
	}
	if (rc)
		return rc;
	run->to_info.size = sizeof(run->to_info);
	return devrx_memory_info(run->to, &run->to_info);
}

static int progress(void *arg, uint64_t done, uint64_t len)
{
	struct get_run *run = arg;

	get_print_progress(run, done, len);
	return recv_signal();
}

/* Ask how long it is, then fetch it. */
static int fetch(struct get_run *run, struct devrx_cause *cause)
{
	const struct get_opts *opts = run->opts;
	struct devrx_http_request get = DEVRX_HTTP_REQUEST_INIT;
	uint64_t len = opts->len;
	int rc;

	run->result.size = sizeof(run->result);
	get.first = opts->first;
	get.len = opts->len;
	get.deadline_ms = opts->deadline * 1000;
	get.progress = progress;
	get.arg = run;
	get.cause = cause;
	run->start_ns = now_ns();
	if (!len) {
		rc = devrx_http_get(run->http, opts->url, &get, &run->result);
		if (rc)
			return rc;
		len = run->result.total == DEVRX_HTTP_UNKNOWN ?
			      opts->room :
			      run->result.total - opts->first;
	}
	rc = open_destination(run, len, cause);
	if (rc)
		return rc;
	get.to = run->to;
	rc = devrx_http_get(run->http, opts->url, &get, &run->result);
	run->end_ns = now_ns();
	return rc;
}

/* Digest and file, from where the bytes are. */
static int put_out(struct get_run *run, struct devrx_cause *cause)
{
	const unsigned char *host = run->to_info.host_addr;
	unsigned char *block = NULL;
	uint64_t at, nr;
	int rc = 0;

	if (!run->opts->sink.digest && !run->opts->sink.out)
		return 0;
	if (!host) {
		block = malloc(BLOCK_LEN);
		if (!block) {
			cause_set(cause, "out-of-memory", NULL,
				  "out of memory");
			return EXIT_ENVIRONMENT;
		}
	}
	for (at = 0; at < run->result.done && !rc; at += nr) {
		nr = run->result.done - at;
		nr = nr < BLOCK_LEN ? nr : BLOCK_LEN;
		if (block && devrx_memory_read(run->to, at, block, nr)) {
			cause_set(cause, "memory-unreadable", NULL,
				  "the bytes are in the memory, and cannot be "
				  "read from there");
			rc = EXIT_ENVIRONMENT;
			break;
		}
		rc = sink_put(&run->sink, block ? block : host + at, nr, cause);
		if (!rc)
			rc = sink_flush(&run->sink, cause);
	}
	free(block);
	return rc ? rc : sink_commit(&run->sink, cause);
}

static int run_all(struct get_run *run)
{
	struct devrx_cause cause = { 0 };
	int rc;

	run->sink_open = true;
	rc = sink_open(&run->sink, &run->opts->sink, 0, 1, &cause);
	if (rc) {
		get_fail(run, rc, run->sink.err, &cause);
		return rc;
	}
	rc = open_area(run, &cause);
	if (!rc)
		rc = open_queue(run, &cause);
	if (!rc)
		rc = open_http(run, &cause);
	if (rc) {
		get_fail(run, EXIT_ENVIRONMENT, rc, &cause);
		return rc;
	}
	rc = fetch(run, &cause);
	get_clear_progress(run);
	if (recv_signal())
		run->exit_code = 128 + recv_signal();
	if (rc) {
		get_fail(run, EXIT_TRANSFER, rc, &cause);
		return rc;
	}
	rc = put_out(run, &cause);
	if (rc)
		get_fail(run, rc, run->sink.err, &cause);
	return rc;
}

static void teardown(struct get_run *run)
{
	run->stats.size = sizeof(run->stats);
	if (run->receiver)
		(void)devrx_receiver_stats(run->receiver, &run->stats);
	devrx_http_close(run->http);
	(void)devrx_receiver_close(run->receiver, DEVRX_CLOSE_F_ABANDON);
	if (run->sink_open)
		sink_drop(&run->sink);
	if (devrx_queue_restore(run->queue)) {
		struct devrx_cause cause;
		char next[64];

		snprintf(next, sizeof(next), "devrx restore %s",
			 run->opts->nic);
		cause_set(&cause, "undo-refused", next,
			  "what was changed of NIC %s could not all be undone",
			  run->opts->nic);
		get_fail(run, EXIT_ENVIRONMENT, -EIO, &cause);
	}
	/* Before the area, whose device it is on. */
	(void)devrx_memory_free(run->to);
	(void)devrx_memory_free(run->area);
}

int cmd_get(int argc, char **argv)
{
	struct get_opts opts = {
		.queue = DEVRX_QUEUE_LAST,
		.connections = 4,
		.room = 256u << 20,
	};
	struct get_run run = { .opts = &opts };
	int rc = get_parse(argc, argv, &opts);

	if (rc > 0)
		return rc;
	if (rc < 0) {
		fputs(get_help, stdout);
		return report_flush("get");
	}
	recv_catch_signals();
	rc = run_all(&run);
	if (!rc)
		get_print_summary(&run);
	teardown(&run);
	rc = opts.json ? get_print_json(&run) : report_flush("get");
	if (rc > run.exit_code)
		run.exit_code = rc;
	return run.exit_code;
}
