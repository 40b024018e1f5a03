// SPDX-License-Identifier: MIT
/* devrx get: progress, the summary and the JSON object. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "get.h"
#include "listen.h"
#include "report.h"

#define PROGRESS_NS 100000000 /* at most ten lines in a second */
#define BAR_LEN 30

void get_fail(struct get_run *run, int exit_code, int err,
	      const struct devrx_cause *cause)
{
	get_clear_progress(run);
	report_cause("get", cause, err);
	if (exit_code > run->exit_code)
		run->exit_code = exit_code;
	if (!run->err) {
		run->err = err;
		run->cause = *cause;
	}
}

static double seconds(const struct get_run *run)
{
	const int64_t end = run->end_ns ? run->end_ns : now_ns();

	return run->start_ns ? (double)(end - run->start_ns) / 1e9 : 0;
}

static double rate(const struct get_run *run, uint64_t bytes)
{
	return seconds(run) > 0 ? (double)bytes / seconds(run) : 0;
}

void get_print_progress(struct get_run *run, uint64_t done, uint64_t len)
{
	const int64_t now = now_ns();
	char bytes[HUMAN_LEN], all[HUMAN_LEN], speed[HUMAN_LEN];
	char bar[BAR_LEN + 1];
	double left;

	if (run->opts->quiet || now - run->progress_ns < PROGRESS_NS ||
	    !isatty(STDERR_FILENO))
		return;
	run->progress_ns = now;
	run->progress_shown = true;
	human_bytes(bytes, (double)done);
	human_bytes(speed, rate(run, done));
	if (!len) {
		fprintf(stderr, "\r%s, %s/s\033[K", bytes, speed);
		return;
	}
	memset(bar, '.', BAR_LEN);
	memset(bar, '#', (size_t)(done * BAR_LEN / len));
	bar[BAR_LEN] = '\0';
	left = rate(run, done) > 0 ? (double)(len - done) / rate(run, done) : 0;
	fprintf(stderr,
		"\r[%s] %3" PRIu64 " %%  %s of %s, %s/s, %.0f s left\033[K",
		bar, done * 100 / len, bytes, human_bytes(all, (double)len),
		speed, left);
}

void get_clear_progress(struct get_run *run)
{
	if (run->progress_shown)
		fputs("\r\033[K", stderr);
	run->progress_shown = false;
}

/* Of what was received, heads included, that which somebody copied on its way. */
static uint64_t bytes_copied(const struct get_run *run)
{
	return run->stats.bytes_copied < run->stats.bytes ?
		       run->stats.bytes_copied :
		       run->stats.bytes;
}

void get_print_summary(struct get_run *run)
{
	char bytes[HUMAN_LEN], speed[HUMAN_LEN];

	run->stats.size = sizeof(run->stats);
	(void)devrx_receiver_stats(run->receiver, &run->stats);
	if (run->opts->quiet)
		return;
	printf("fetched     %s of %s\n",
	       human_bytes(bytes, (double)run->result.done), run->result.url);
	printf("into        %s, kind %s (placement %s: %s)\n",
	       placement_phrase(run->to_info.placement), run->to_info.kind,
	       devrx_placement_name(run->to_info.placement),
	       run->to_info.proof);
	printf("tier        %s%s%s\n", devrx_tier_name(run->info.tier),
	       run->info.reason[0] ? ": " : "", run->info.reason);
	printf("received    %" PRIu64 " bytes in %.3f s, %s/s, %" PRIu64
	       " of them copied on their way into the area\n",
	       run->result.done, seconds(run),
	       human_bytes(speed, rate(run, run->result.done)),
	       bytes_copied(run));
	printf("gathered    by %s\n", run->result.gathered_by);
	printf("requests    %u over %u connection%s, %u retried, %u "
	       "redirect%s%s\n",
	       run->result.requests, run->result.connections,
	       run->result.connections == 1 ? "" : "s", run->result.retries,
	       run->result.redirects, run->result.redirects == 1 ? "" : "s",
	       run->result.flags & DEVRX_HTTP_RESULT_RANGES ?
		       "" :
		       "; the server has no ranges");
	if (run->sink.hex[0])
		printf("sha256      %s\n", run->sink.hex);
}

int get_print_json(const struct get_run *run)
{
	const struct devrx_http_result *result = &run->result;
	struct json j;

	json_begin(&j);
	json_str(&j, "url", result->url[0] ? result->url : run->opts->url);
	json_str(&j, "tier",
		 run->info.tier ? devrx_tier_name(run->info.tier) : NULL);
	json_str(&j, "memory", run->opts->memory);
	json_str(&j, "placement",
		 run->to_info.kind ?
			 devrx_placement_name(run->to_info.placement) :
			 NULL);
	json_str(&j, "proof", run->to_info.kind ? run->to_info.proof : NULL);
	json_str(&j, "nic", run->opts->nic);
	json_u64(&j, "bytes", result->done);
	if (result->total && result->total != DEVRX_HTTP_UNKNOWN)
		json_u64(&j, "total", result->total);
	else
		json_null(&j, "total");
	json_u64(&j, "bytes_received", run->stats.bytes);
	json_u64(&j, "bytes_copied", bytes_copied(run));
	json_seconds(&j, "seconds", seconds(run));
	json_u64(&j, "status", result->status);
	json_bool(&j, "ranges", result->flags & DEVRX_HTTP_RESULT_RANGES);
	json_u64(&j, "requests", result->requests);
	json_u64(&j, "connections", result->connections);
	json_u64(&j, "retries", result->retries);
	json_u64(&j, "redirects", result->redirects);
	json_str(&j, "gathered_by",
		 result->gathered_by[0] ? result->gathered_by : NULL);
	json_str(&j, "etag", result->etag[0] ? result->etag : NULL);
	json_str(&j, "digest", run->sink.hex[0] ? run->sink.hex : NULL);
	json_open(&j, "errors", '[');
	if (run->err) {
		json_open(&j, NULL, '{');
		json_cause(&j, &run->cause, run->err);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_int(&j, "exit", run->exit_code);
	return json_print(&j, "get");
}
