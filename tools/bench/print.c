// SPDX-License-Identifier: MIT
/* devrx bench: progress, the table, the JSON object. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "report.h"

#define GB 1e9
#define MIB 1048576.0

void bench_print_list(void)
{
	for (unsigned int i = 0; i < bench_nr_ways; i++)
		printf("%-22s %s%s\n", bench_ways[i]->name,
		       bench_ways[i]->summary,
		       bench_ways[i]->flags & BENCH_WAY_NIC ? " (--nic)" : "");
}

void bench_print_progress(const struct bench_row *row, unsigned int done,
			  unsigned int all)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (row)
		fprintf(stderr, "\r[%u of %u] %s, %u connection(s)\033[K", done,
			all, row->way->name, row->connections);
	else
		fputs("\r\033[K", stderr);
}

/* The round that took the least time. */
static const struct bench_row *best_round(const struct bench_result *result,
					  unsigned int first)
{
	const struct bench_row *best = &result->rows[first], *row;

	for (unsigned int i = 0; i < result->nr_rows; i++) {
		row = &result->rows[i];
		if (row->way == best->way && !row->skipped[0] &&
		    row->connections == best->connections &&
		    row->seconds < best->seconds)
			best = row;
	}
	return best;
}

static void print_number(double value, int decimals)
{
	if (value < 0)
		printf(" %9s", "?");
	else
		printf(" %9.*f", decimals, value);
}

static void print_row(const struct bench_row *row)
{
	const double gb = (double)row->bytes / GB;

	printf("%-22s %5u", row->way->name, row->connections);
	print_number((double)row->bytes * 8 / GB / row->seconds, 2);
	print_number(row->process_user / gb, 3);
	print_number(row->process_system / gb, 3);
	print_number(row->softirq / gb, 3);
	print_number(row->system / gb, 3);
	print_number(row->events / ((double)row->bytes / MIB), 2);
	print_number(row->syscalls < 0 ?
			     -1 :
			     row->syscalls /
				     ((double)row->syscalls_bytes / MIB),
		     2);
	putchar('\n');
}

void bench_print_table(const struct bench_opts *opts,
		       const struct bench_result *result)
{
	const struct bench_row *row;

	printf("%-22s %5s %9s %9s %9s %9s %9s %9s %9s\n", "", "", "",
	       "CPU s/GB:", "", "", "", "per MiB:", "");
	printf("%-22s %5s %9s %9s %9s %9s %9s %9s %9s\n", "way", "conns",
	       "Gbit/s", "user", "kernel", "softirq", "others", "events",
	       "syscalls");
	for (unsigned int i = 0; i < result->nr_rows; i++) {
		row = &result->rows[i];
		if (row->round == 0 && !row->skipped[0])
			print_row(best_round(result, i));
	}
	printf("user, kernel: of the receiving process; others: the kernel for "
	       "everybody else%s.\nThe fastest of %u round(s) each.\n",
	       opts->listen ? "" : ", the sender, which is on this machine",
	       opts->rounds);
	for (unsigned int i = 0; i < result->nr_rows; i++) {
		row = &result->rows[i];
		if (row->skipped[0])
			printf("skipped     %s: %s\n", row->way->name,
			       row->skipped);
	}
}

static void json_per(struct json *j, const char *key, double value)
{
	if (value < 0)
		json_null(j, key);
	else
		json_seconds(j, key, value);
}

static void json_known(struct json *j, const char *key, int64_t value)
{
	if (value < 0)
		json_null(j, key);
	else
		json_u64(j, key, (uint64_t)value);
}

static void json_row(struct json *j, const struct bench_row *row)
{
	const double gb = (double)row->bytes / GB;
	const double mib = (double)row->bytes / MIB;

	json_open(j, NULL, '{');
	json_str(j, "name", row->way->name);
	json_u64(j, "connections", row->connections);
	if (row->skipped[0]) {
		json_str(j, "skipped", row->skipped);
		json_close(j, '}');
		return;
	}
	json_u64(j, "round", row->round);
	json_str(j, "memory", row->memory);
	json_u64(j, "bytes", row->bytes);
	json_seconds(j, "seconds", row->seconds);
	json_u64(j, "ns", (uint64_t)(row->seconds * 1e9 + 0.5));
	json_seconds(j, "gbit_per_s",
		     (double)row->bytes * 8 / GB / row->seconds);
	json_open(j, "cpu_s_per_gb", '{');
	json_seconds(j, "process_user", row->process_user / gb);
	json_seconds(j, "process_system", row->process_system / gb);
	json_seconds(j, "softirq", row->softirq / gb);
	json_seconds(j, "system", row->system / gb);
	json_close(j, '}');
	json_per(j, "events_per_mib", row->events / mib);
	json_per(j, "acks_per_mib", row->acks / mib);
	json_per(j, "syscalls_per_mib",
		 row->syscalls < 0 ?
			 -1 :
			 row->syscalls / ((double)row->syscalls_bytes / MIB));
	json_known(j, "nic_copy_ns", row->copy_ns);
	json_known(j, "nic_placed_bytes", row->placed_bytes);
	json_known(j, "idle_calls", row->idle_calls);
	json_close(j, '}');
}

int bench_print_json(const struct bench_opts *opts, const char *sender,
		     const struct bench_result *result)
{
	struct devrx_features features = { .size = sizeof(features) };
	struct json j;

	json_begin(&j);
	json_str(&j, "version", devrx_version());
	if (!devrx_features_probe(&features, NULL))
		json_str(&j, "kernel", features.release);
	json_str(&j, "nic", opts->nic);
	json_str(&j, "sender", sender);
	json_open(&j, "rows", '[');
	for (unsigned int i = 0; i < result->nr_rows; i++)
		json_row(&j, &result->rows[i]);
	json_close(&j, ']');
	if (result->exit_code)
		json_cause(&j, &result->cause, result->err);
	json_u64(&j, "exit", (uint64_t)result->exit_code);
	return json_print(&j, "bench");
}
