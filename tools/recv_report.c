// SPDX-License-Identifier: MIT
/* devrx recv: the ready line, progress, the summary and the JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes.h"
#include "recv.h"
#include "report.h"

#define QUEUE_LEN 64
#define PROGRESS_NS 100000000 /* at most ten lines in a second */

void recv_fail(struct recv_run *run, int exit_code, int idx, int err,
	       const struct devrx_cause *cause)
{
	struct recv_failure *more;

	recv_clear_progress(run);
	report_cause("recv", cause, err);
	if (exit_code > run->exit_code)
		run->exit_code = exit_code;
	more = realloc(run->failures,
		       (run->nr_failures + 1) * sizeof(run->failures[0]));
	if (!more)
		return;
	run->failures = more;
	more[run->nr_failures].connection = idx;
	more[run->nr_failures].err = err;
	more[run->nr_failures].cause = *cause;
	run->nr_failures++;
}

/* ", queue N of NIC", or nothing where there is none. */
static const char *queue_text(const struct recv_run *run, char ret[QUEUE_LEN])
{
	ret[0] = '\0';
	if (run->opts->nic)
		snprintf(ret, QUEUE_LEN, ", queue %u of %s",
			 run->queue_info.index, run->queue_info.ifname);
	return ret;
}

void recv_print_ready(const struct recv_run *run)
{
	char len[HUMAN_LEN], queue[QUEUE_LEN];

	PROBE2(recv__ready, run->info.tier, run->info.chunk_len);
	fprintf(stderr,
		"devrx recv: ready on %s%s, tier %s, memory %s (%s), %s\n",
		run->endpoint, queue_text(run, queue),
		devrx_tier_name(run->info.tier), run->memory_info.kind,
		devrx_placement_name(run->memory_info.placement),
		human_bytes(len, (double)run->memory_info.len));
}

static double seconds(const struct recv_run *run)
{
	if (!run->start_ns || run->end_ns <= run->start_ns)
		return 0;
	return (double)(run->end_ns - run->start_ns) / 1e9;
}

static double rate(const struct recv_run *run)
{
	return seconds(run) > 0 ? (double)run->bytes / seconds(run) : 0;
}

void recv_print_progress(struct recv_run *run, int64_t now)
{
	char bytes[HUMAN_LEN], speed[HUMAN_LEN];

	if (run->opts->quiet || now - run->progress_ns < PROGRESS_NS ||
	    !isatty(STDERR_FILENO))
		return;
	run->progress_ns = now;
	run->progress_shown = true;
	fprintf(stderr, "\r%s, %s/s, %u of %u connections, %u ended\033[K",
		human_bytes(bytes, (double)run->bytes),
		human_bytes(speed, rate(run)), run->nr_accepted,
		run->opts->connections, run->nr_ended);
}

void recv_clear_progress(struct recv_run *run)
{
	if (run->progress_shown)
		fputs("\r\033[K", stderr);
	run->progress_shown = false;
}

/*
 * Copied bytes: none can be on zcrx-device, all are where fragments say so; else on
 * zcrx-host the kernel counts them, from Linux 7.2 on. -1 where nobody knows.
 */
static int64_t bytes_copied(const struct recv_run *run)
{
	uint64_t copied = run->bytes_copied;

	if (!run->info.tier)
		return 0;
	if (run->stats.bytes_copied > copied)
		copied = run->stats.bytes_copied;
	if (run->info.tier == DEVRX_TIER_ZCRX_HOST && !copied &&
	    !(run->features.flags & DEVRX_FEATURE_EVENTS))
		return -1;
	return (int64_t)(copied < run->bytes ? copied : run->bytes);
}

static void print_copies(const struct recv_run *run)
{
	int64_t copied = bytes_copied(run);
	uint64_t zero_copy = run->bytes - (uint64_t)copied;

	if (copied < 0) {
		puts("zero-copy   not counted by this kernel (Linux 7.2 does)");
		return;
	}
	printf("zero-copy   %llu bytes", (unsigned long long)zero_copy);
	if (run->bytes)
		printf(" (%.4g %%)",
		       100.0 * (double)zero_copy / (double)run->bytes);
	printf(", copied %lld bytes\n", (long long)copied);
}

static void print_output(const struct recv_run *run)
{
	const char *how = run->memory_info.host_addr ? "from where they lie" :
						       "as its provider reads";

	if (!run->opts->sink.out)
		return;
	printf("output      %llu bytes, %llu of them by the ring, %s, and %llu "
	       "past the page cache\n",
	       (unsigned long long)run->bytes_written,
	       (unsigned long long)run->bytes_ring, how,
	       (unsigned long long)run->bytes_direct);
}

static void print_connections(const struct recv_run *run)
{
	for (unsigned int i = 0; i < run->nr_accepted; i++) {
		const struct recv_connection *conn = &run->connections[i];

		if (conn->sink.hex[0])
			printf("sha256      %s  %s\n", conn->sink.hex,
			       conn->peer);
	}
	if (run->crc32c_hex[0])
		printf("crc32c      %s  by %s\n", run->crc32c_hex,
		       run->crc32c_by);
	if (run->opts->sink.verify && !run->exit_code)
		printf("verified    every byte is the pattern of seed %llu\n",
		       (unsigned long long)run->opts->sink.seed);
}

void recv_print_summary(struct recv_run *run)
{
	const struct devrx_memory_info *mem = &run->memory_info;
	char bytes[HUMAN_LEN], len[HUMAN_LEN], chunk[HUMAN_LEN];
	char queue[QUEUE_LEN];

	recv_clear_progress(run);
	if (run->opts->quiet)
		return;
	printf("landed      %s in %s%s\n",
	       human_bytes(bytes, (double)run->bytes),
	       placement_phrase(mem->placement), queue_text(run, queue));
	printf("kernel      Linux %s\n", run->features.release);
	printf("tier        %s%s%s\n", devrx_tier_name(run->info.tier),
	       run->info.reason[0] ? ": " : "", run->info.reason);
	printf("memory      %s, %s in chunks of %s\n", mem->kind,
	       human_bytes(len, (double)mem->len),
	       human_bytes(chunk, run->info.chunk_len));
	if (run->info.chunk_reason[0])
		printf("chunks      no longer: %s\n", run->info.chunk_reason);
	printf("placement   %s: %s\n", devrx_placement_name(mem->placement),
	       mem->proof);
	printf("received    %llu bytes from %u connection%s in %.3f s, %s/s\n",
	       (unsigned long long)run->bytes, run->nr_accepted,
	       run->nr_accepted == 1 ? "" : "s", seconds(run),
	       human_bytes(bytes, rate(run)));
	print_copies(run);
	printf("fragments   %llu, overflows %llu\n",
	       (unsigned long long)run->stats.fragments,
	       (unsigned long long)run->stats.overflows);
	print_output(run);
	print_connections(run);
}

static const char *digest(const struct recv_run *run, unsigned int idx)
{
	const char *hex = run->connections[idx].sink.hex;

	return hex[0] ? hex : NULL;
}

static void json_results(struct json *j, const struct recv_run *run)
{
	const struct recv_opts *opts = run->opts;
	int64_t copied = bytes_copied(run);

	json_u64(j, "bytes", run->bytes);
	if (copied < 0) {
		json_null(j, "bytes_zero_copy");
		json_null(j, "bytes_copied");
	} else {
		json_u64(j, "bytes_zero_copy", run->bytes - (uint64_t)copied);
		json_u64(j, "bytes_copied", (uint64_t)copied);
	}
	json_u64(j, "fragments", run->stats.fragments);
	json_u64(j, "connections", run->nr_accepted);
	json_seconds(j, "seconds", seconds(run));
	json_str(j, "digest",
		 opts->connections == 1 && run->connections ? digest(run, 0) :
							      NULL);
	json_open(j, "digests", '[');
	for (unsigned int i = 0; opts->sink.digest && i < run->nr_accepted; i++)
		json_str(j, NULL, digest(run, i));
	json_close(j, ']');
	json_str(j, "crc32c", run->crc32c_hex[0] ? run->crc32c_hex : NULL);
	json_str(j, "crc32c_by", run->crc32c_by[0] ? run->crc32c_by : NULL);
	if (opts->sink.verify)
		json_bool(j, "verified", !run->exit_code);
	else
		json_null(j, "verified");
	if (run->opts->sink.out) {
		json_u64(j, "bytes_written", run->bytes_written);
		json_u64(j, "bytes_written_ring", run->bytes_ring);
		json_u64(j, "bytes_written_direct", run->bytes_direct);
	} else {
		json_null(j, "bytes_written");
		json_null(j, "bytes_written_ring");
		json_null(j, "bytes_written_direct");
	}
	json_u64(j, "overflows", run->stats.overflows);
	json_u64(j, "starved", run->stats.starved);
}

int recv_print_json(const struct recv_run *run)
{
	bool have_memory = run->memory_info.kind;
	struct json j;

	json_begin(&j);
	json_str(&j, "kernel", run->features.release);
	json_str(&j, "tier",
		 run->info.tier ? devrx_tier_name(run->info.tier) : NULL);
	json_str(&j, "memory", run->opts->memory);
	json_str(&j, "placement",
		 have_memory ?
			 devrx_placement_name(run->memory_info.placement) :
			 NULL);
	json_str(&j, "proof", have_memory ? run->memory_info.proof : NULL);
	json_u64(&j, "memory_bytes", run->memory_info.len);
	json_u64(&j, "chunk", run->info.chunk_len);
	json_str(&j, "chunk_reason",
		 run->info.chunk_reason[0] ? run->info.chunk_reason : NULL);
	json_str(&j, "nic", run->opts->nic);
	if (run->queue_info.ifname[0])
		json_u64(&j, "queue", run->queue_info.index);
	else
		json_null(&j, "queue");
	json_results(&j, run);
	json_open(&j, "errors", '[');
	for (unsigned int i = 0; i < run->nr_failures; i++) {
		const struct recv_failure *f = &run->failures[i];

		json_open(&j, NULL, '{');
		if (f->connection >= 0)
			json_int(&j, "connection", f->connection);
		else
			json_null(&j, "connection");
		json_cause(&j, &f->cause, f->err);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_int(&j, "exit", run->exit_code);
	return json_print(&j, "recv");
}
