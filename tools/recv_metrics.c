// SPDX-License-Identifier: MIT
/*
 * devrx recv --metrics: the counters as Prometheus text, once a second.
 *
 * A file for node_exporter's textfile collector, which reads it at any time: so it
 * is written beside its place and renamed into it, and is always a whole one. Each
 * sample says where peers connect, which no two receivers of a machine share.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "recv.h"
#include "report.h"

#define EVERY_NS INT64_C(1000000000)

#define STAT(member) offsetof(struct devrx_receiver_stats, member)
static const struct metric {
	const char *name;
	const char *type;
	const char *help;
	size_t offset;
} metrics[] = {
	{ "received_bytes_total", "counter", "Bytes delivered.", STAT(bytes) },
	/* Ahead of those that are delivered, where the kernel counts them. */
	{ "copied_bytes_total", "counter", "Bytes that a CPU copied.",
	  STAT(bytes_copied) },
	{ "fragments_total", "counter", "Fragments delivered.",
	  STAT(fragments) },
	{ "fragments_released_total", "counter", "Fragments given back.",
	  STAT(released) },
	{ "fragments_lost_total", "counter",
	  "Fragments behind a fence that failed.", STAT(lost) },
	{ "fragments_out", "gauge", "Fragments delivered and not given back.",
	  STAT(fragments_out) },
	{ "fragments_fenced", "gauge", "Of them, those behind a fence.",
	  STAT(fragments_fenced) },
	{ "connections", "gauge", "Connections that are open.",
	  STAT(connections) },
	{ "connections_total", "counter", "Connections ever added.",
	  STAT(connections_total) },
	{ "waits_total", "counter", "Calls of devrx_receiver_wait().",
	  STAT(waits) },
	{ "enters_total", "counter", "System calls io_uring_enter(2).",
	  STAT(enters) },
	{ "overflows_total", "counter",
	  "Receives that a full completion queue ended.", STAT(overflows) },
	{ "starved_total", "counter", "Receives that a lack of chunks ended.",
	  STAT(starved) },
	{ "refill_flushes_total", "counter",
	  "Times a full refill ring was emptied by a system call.",
	  STAT(refill_flushes) },
	{ "bad_releases_total", "counter", "Releases that were refused.",
	  STAT(bad_releases) },
	{ "drains_total", "counter",
	  "Receives that ended at payload around the queue.", STAT(drains) },
	{ "drained_bytes_total", "counter",
	  "Bytes around the queue that were fetched out of sockets.",
	  STAT(bytes_drained) },
	{ "unrecovered_connections_total", "counter",
	  "Connections that ended because their payload could not be had.",
	  STAT(unrecovered) },
	{ "stalls_total", "counter",
	  "Times a connection was paused for what is held.", STAT(stalls) },
	{ "paused_connections", "gauge", "Connections that are paused.",
	  STAT(paused) },
	{ "limited_receive_buffers_total", "counter",
	  "Connections whose receive buffers were limited.",
	  STAT(rcvbufs_limited) },
	{ "area_short_total", "counter",
	  "Times the area was too small for the NIC's ring and the sockets.",
	  STAT(area_short) },
	{ "area_empty_total", "counter",
	  "Times the NIC found no free chunk and began to drop.",
	  STAT(area_empty) },
	{ "uploads_total", "counter",
	  "Batches copied into the memory in the background.", STAT(uploads) },
	{ "written_bytes_total", "counter",
	  "Bytes written to files by the receiver's ring.",
	  STAT(bytes_written) },
};

/* A label's value, with what would end it escaped. */
static void label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void head(FILE *out, const char *name, const char *type,
		 const char *help)
{
	fprintf(out, "# HELP devrx_%s %s\n# TYPE devrx_%s %s\n", name, help,
		name, type);
}

static void sample(FILE *out, const struct recv_run *run, const char *name)
{
	fprintf(out, "devrx_%s{", name);
	label(out, "listen", run->endpoint);
	fputs("} ", out);
}

static void put(FILE *out, const struct recv_run *run, const char *name,
		const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	sample(out, run, name);
	fprintf(out, "%" PRIu64 "\n", value);
}

/* What the receiver is, as labels. */
static void put_info(FILE *out, const struct recv_run *run)
{
	char queue[16] = "";

	if (run->opts->nic)
		snprintf(queue, sizeof(queue), "%u", run->queue_info.index);
	head(out, "info", "gauge", "What receives; always 1.");
	fputs("devrx_info{", out);
	label(out, "listen", run->endpoint);
	fputc(',', out);
	label(out, "version", devrx_version());
	fputc(',', out);
	label(out, "tier", devrx_tier_name(run->info.tier));
	fputc(',', out);
	label(out, "memory", run->memory_info.kind);
	fputc(',', out);
	label(out, "placement",
	      devrx_placement_name(run->memory_info.placement));
	fputc(',', out);
	label(out, "nic", run->opts->nic ? run->queue_info.ifname : "");
	fputc(',', out);
	label(out, "queue", queue);
	fputs("} 1\n", out);
}

/* The NIC's own word, of all its queues and since it is there. */
static void put_drops(FILE *out, const struct recv_run *run)
{
	static const struct {
		const char *file, *name, *help;
	} counters[] = {
		{ "rx_dropped", "nic_rx_dropped_total",
		  "Packets that the NIC or the kernel dropped." },
		{ "rx_missed_errors", "nic_rx_missed_total",
		  "Packets that the NIC had no room for." },
	};
	unsigned long long value;
	char path[128];
	FILE *in;

	if (!run->opts->nic)
		return;
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s",
			 run->queue_info.ifname, counters[i].file);
		in = fopen(path, "re");
		if (!in)
			continue; /* it has gone */
		if (fscanf(in, "%llu", &value) == 1)
			put(out, run, counters[i].name, "counter",
			    counters[i].help, value);
		(void)fclose(in);
	}
}

static void put_all(FILE *out, const struct recv_run *run)
{
	const struct devrx_receiver_stats *stats = &run->stats;
	const char *at = (const char *)stats;

	put_info(out, run);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		uint64_t value;

		memcpy(&value, at + metrics[i].offset, sizeof(value));
		put(out, run, metrics[i].name, metrics[i].type, metrics[i].help,
		    value);
	}
	head(out, "stall_seconds_total", "counter",
	     "Time in which at least one connection was paused.");
	sample(out, run, "stall_seconds_total");
	fprintf(out, "%.9f\n", (double)stats->stall_ns / 1e9);
	put(out, run, "memory_bytes", "gauge", "Length of the memory.",
	    run->memory_info.len);
	put(out, run, "chunk_bytes", "gauge", "Length of its chunks.",
	    run->info.chunk_len);
	put(out, run, "chunks", "gauge", "Chunks that are used.",
	    run->info.nr_chunks);
	put_drops(out, run);
}

/* 0, or a negative errno; then what was in the place is there still. */
static int write_file(struct recv_run *run)
{
	const char *path = run->opts->metrics;
	char *temp;
	FILE *out;
	int err = 0, fd;

	if (asprintf(&temp, "%s.%d.tmp", path, (int)getpid()) < 0)
		return -ENOMEM;
	out = fopen(temp, "we");
	if (!out) {
		err = -errno;
		free(temp);
		return err;
	}
	put_all(out, run);
	fd = fileno(out);
	if (ferror(out) || fflush(out) || fd < 0)
		err = errno ? -errno : -EIO;
	if (fclose(out) && !err)
		err = -errno;
	if (!err && rename(temp, path))
		err = -errno;
	if (err)
		(void)unlink(temp);
	free(temp);
	return err;
}

int recv_metrics_write(struct recv_run *run, struct devrx_cause *cause)
{
	int err;

	if (!run->opts->metrics)
		return 0;
	run->stats.size = sizeof(run->stats);
	(void)devrx_receiver_stats(run->receiver, &run->stats);
	err = write_file(run);
	if (err)
		cause_set(cause, "output",
			  "check that the directory exists and is writable",
			  "cannot write the metrics to %s: %s",
			  run->opts->metrics, strerror(-err));
	return err;
}

void recv_metrics_tick(struct recv_run *run, int64_t now)
{
	struct devrx_cause cause;
	int err;

	if (!run->opts->metrics || now - run->metrics_ns < EVERY_NS)
		return;
	run->metrics_ns = now;
	err = recv_metrics_write(run, &cause);
	/* Bytes go on; it is said once. */
	if (err && !run->metrics_failed) {
		recv_clear_progress(run);
		report_cause("recv", &cause, err);
	}
	run->metrics_failed = err;
}
