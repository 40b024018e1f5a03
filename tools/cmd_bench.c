// SPDX-License-Identifier: MIT
/*
 * devrx bench: the same bytes, received in several ways (bench/way.h), in one run.
 *
 * Each measurement is its own: memory, queue binding and connections are made for it
 * and taken down after it. Before the clock starts the connections have carried
 * enough for their windows to be open and all memory to have been touched; after it
 * has stopped some bytes more are received, of which the system calls are counted.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/count.h"
#include "bench/sender.h"
#include "listen.h"
#include "recv.h"
#include "report.h"
#include "verbs.h"

#define WARM_LEN (16ull << 20)
#define WARM_CONNECTION_LEN (2ull << 20)
#define SYSCALLS_LEN (64ull << 20)

struct bench {
	struct bench_opts opts;
	struct bench_peer peer;
	struct devrx_queue *queue;
	struct devrx_queue_info queue_info;
	pid_t sender; /* of our own, or 0 */
	struct bench_result result;
};

static int fail(struct bench *b, int exit_code, int err,
		const struct devrx_cause *cause)
{
	bench_print_progress(NULL, 0, 0);
	report_cause("bench", cause, err);
	b->result.exit_code = recv_signal() ? 128 + recv_signal() : exit_code;
	b->result.err = err;
	b->result.cause = *cause;
	return err ? err : -EIO;
}

static int open_queue(struct bench *b, struct devrx_cause *cause)
{
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	const uint16_t port = listen_port(b->peer.listen_fd);
	int err;

	if (!b->opts.nic)
		return 0;
	if (!b->opts.as_is) {
		qo.flags = DEVRX_QUEUE_F_CONFIGURE;
		qo.ports = &port;
		qo.nr_ports = 1;
		qo.guard = "/proc/self/exe";
	}
	qo.ifname = b->opts.nic;
	qo.index = b->opts.queue;
	qo.cause = cause;
	err = devrx_queue_reserve(&b->queue, &qo);
	if (err)
		return err;
	b->queue_info.size = sizeof(b->queue_info);
	return devrx_queue_info(b->queue, &b->queue_info);
}

/* Of 2 MiB pages where there are some: chunks above a page need contiguous memory. */
static int open_memory(const struct bench *b, struct bench_run *run)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	int err;

	mo.kind = run->way->flags & BENCH_WAY_HOST ? "host" : b->opts.memory;
	mo.len = b->opts.area_len;
	mo.cause = &run->cause;
	if (strcmp(mo.kind, "host") != 0)
		mo.device = b->opts.device;
	err = -EOPNOTSUPP;
	if (!strcmp(mo.kind, "udmabuf") || !strcmp(mo.kind, "host")) {
		mo.flags = DEVRX_MEMORY_F_HUGETLB;
		err = devrx_memory_alloc(&run->memory, &mo);
	}
	mo.flags = 0;
	if (err) {
		memset(&run->cause, 0, sizeof(run->cause));
		err = devrx_memory_alloc(&run->memory, &mo);
	}
	if (err)
		return err;
	run->info.size = sizeof(run->info);
	err = devrx_memory_info(run->memory, &run->info);
	if (!err && run->info.host_addr)
		memset(run->info.host_addr, 0, run->info.len);
	return err;
}

/* Why this way cannot be had here, or NULL. */
static const char *unfit(const struct bench *b, const struct bench_run *run)
{
	if (run->way->flags & BENCH_WAY_NIC && !b->queue)
		return "it needs a NIC: --nic";
	if (run->way->flags & BENCH_WAY_DMABUF && run->info.dmabuf_fd < 0)
		return "this kind of memory has no dmabuf";
	if (run->way->flags & BENCH_WAY_MAPPED && !run->info.host_addr)
		return "the CPU cannot write this kind of memory";
	return NULL;
}

/* @bytes more, of all connections together. */
static int transfer(struct bench *b, struct bench_run *run, uint64_t each)
{
	int err = bench_peer_start(&b->peer, each, &run->cause);

	return err ? err : run->way->receive(run, each * run->nr_fds);
}

static int measure(struct bench *b, struct bench_run *run,
		   struct bench_row *row)
{
	const uint64_t each = (b->opts.bytes + run->nr_fds - 1) / run->nr_fds;
	const uint64_t warm = WARM_LEN / run->nr_fds > WARM_CONNECTION_LEN ?
				      WARM_LEN / run->nr_fds :
				      WARM_CONNECTION_LEN;
	const double tick = bench_tick_seconds();
	struct bench_count from, to;
	uint64_t events, acks;
	int err, fd;

	err = transfer(b, run, warm);
	if (err)
		return err;
	events = run->events;
	acks = bench_segments_out(run->fds, run->nr_fds);
	bench_count_begin(&from, b->opts.nic);
	err = transfer(b, run, each);
	bench_count_end(&to, b->opts.nic);
	if (err)
		return err;
	row->bytes = each * run->nr_fds;
	row->acks = (double)(bench_segments_out(run->fds, run->nr_fds) - acks);
	row->seconds = (double)(to.ns - from.ns) / 1e9;
	row->events = (double)(run->events - events);
	row->process_user = (double)(to.user_us - from.user_us) / 1e6;
	row->process_system = (double)(to.system_us - from.system_us) / 1e6;
	row->softirq = (double)(to.ticks_irq - from.ticks_irq) * tick;
	row->system = (double)(to.ticks_system - from.ticks_system) * tick -
		      row->process_system;
	if (row->system < 0)
		row->system = 0;
	row->idle_calls =
		to.idle_calls < 0 ? -1 : to.idle_calls - from.idle_calls;
	row->copy_ns = to.copy_ns < 0 ? -1 : to.copy_ns - from.copy_ns;
	row->placed_bytes =
		to.placed_bytes < 0 ? -1 : to.placed_bytes - from.placed_bytes;

	row->syscalls_bytes =
		row->bytes < SYSCALLS_LEN ? row->bytes : SYSCALLS_LEN;
	row->syscalls_bytes -= row->syscalls_bytes % run->nr_fds;
	fd = bench_syscalls_begin();
	err = transfer(b, run, row->syscalls_bytes / run->nr_fds);
	row->syscalls = (double)bench_syscalls_end(fd);
	if (row->syscalls > 0)
		row->syscalls -= 1; /* the word to the sender */
	return err;
}

/* All of one measurement: 0, 1 where this way is skipped, or a negative errno. */
static int run_row(struct bench *b, struct bench_row *row)
{
	struct bench_run run = { .way = row->way,
				 .queue = b->queue,
				 .queue_info = b->queue_info };
	const char *why;
	unsigned int i;
	bool skip = true;
	int err = open_memory(b, &run);

	why = err ? NULL : unfit(b, &run);
	if (why) {
		snprintf(row->skipped, sizeof(row->skipped), "%s", why);
		err = 1;
	}
	if (!err) {
		snprintf(row->memory, sizeof(row->memory), "%s", run.info.kind);
		err = row->way->open(&run);
	}
	if (!err) {
		skip = false;
		err = bench_peer_connect(&b->peer, run.fds, row->connections,
					 &run.cause);
	}
	if (!err)
		run.nr_fds = row->connections;
	for (i = 0; !err && i < run.nr_fds; i++)
		err = row->way->add(&run, i);
	if (!err)
		err = measure(b, &run, row);
	if (!err)
		err = bench_peer_disconnect(&b->peer, &run.cause);
	if (!why)
		row->way->close(&run);
	for (i = 0; i < run.nr_fds; i++)
		close(run.fds[i]);
	(void)devrx_memory_free(run.memory);
	if (err < 0 && skip && !recv_signal()) {
		snprintf(row->skipped, sizeof(row->skipped), "%s",
			 run.cause.text[0] ? run.cause.text : strerror(-err));
		err = 1;
	}
	if (err < 0)
		return fail(b, EXIT_TRANSFER, err, &run.cause);
	return err;
}

static bool was_skipped(const struct bench_result *result,
			const struct bench_way *way)
{
	for (unsigned int i = 0; i < result->nr_rows; i++)
		if (result->rows[i].way == way && result->rows[i].skipped[0])
			return true;
	return false;
}

/* Rounds outside, so that what else a machine does meets every way alike. */
static void run_all(struct bench *b)
{
	struct bench_result *result = &b->result;
	unsigned int nr = 0, all;
	struct bench_row *row;

	for (unsigned int w = 0; w < bench_nr_ways; w++)
		nr += b->opts.ways[w];
	all = nr * b->opts.nr_connections * b->opts.rounds;
	result->rows = calloc(all ? all : 1, sizeof(*row));
	if (!result->rows) {
		(void)fail(b, EXIT_ENVIRONMENT, -ENOMEM, &result->cause);
		return;
	}
	for (unsigned int i = 0; i < b->opts.rounds; i++) {
		for (unsigned int c = 0; c < b->opts.nr_connections; c++) {
			for (unsigned int w = 0; w < bench_nr_ways; w++) {
				if (!b->opts.ways[w] ||
				    was_skipped(result, bench_ways[w]))
					continue;
				row = &result->rows[result->nr_rows];
				row->way = bench_ways[w];
				row->connections = b->opts.connections[c];
				row->round = i;
				bench_print_progress(row, result->nr_rows + 1,
						     all);
				if (run_row(b, row) < 0)
					return;
				result->nr_rows++;
			}
		}
	}
	bench_print_progress(NULL, 0, 0);
}

/* Over loopback, a process of our own. */
static int start_sender(struct bench *b)
{
	char port[16];

	snprintf(port, sizeof(port), "%u", listen_port(b->peer.listen_fd));
	b->sender = fork();
	if (b->sender < 0)
		return -errno;
	if (b->sender)
		return 0;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* A signal from the keyboard is for both, and the receiver says so. */
	(void)signal(SIGINT, SIG_IGN);
	bench_peer_close(&b->peer);
	(void)freopen("/dev/null", "w", stderr);
	_exit(bench_send("127.0.0.1", port, 10000));
}

static int setup(struct bench *b)
{
	char endpoint[ENDPOINT_LEN];
	struct devrx_cause cause = { 0 };
	int err;

	err = bench_peer_bind(&b->peer,
			      b->opts.listen ? b->opts.host : "127.0.0.1",
			      b->opts.listen ? b->opts.port : "0", &cause);
	if (!err)
		err = open_queue(b, &cause);
	if (!err) {
		if (b->opts.rcvbuf)
			(void)setsockopt(b->peer.listen_fd, SOL_SOCKET,
					 SO_RCVBUF, &b->opts.rcvbuf,
					 sizeof(b->opts.rcvbuf));
		err = listen_start(b->peer.listen_fd, endpoint, &cause);
	}
	if (err)
		return fail(b, EXIT_ENVIRONMENT, err, &cause);
	if (b->opts.listen)
		fprintf(stderr,
			"devrx bench: ready on %s; on the other machine: devrx "
			"bench --send HOST:%u\n",
			endpoint, listen_port(b->peer.listen_fd));
	else
		err = start_sender(b);
	if (!err)
		err = bench_peer_accept(&b->peer, &cause);
	return err ? fail(b, EXIT_TRANSFER, err, &cause) : 0;
}

static void teardown(struct bench *b)
{
	bench_peer_close(&b->peer);
	if (b->sender > 0)
		(void)waitpid(b->sender, NULL, 0);
	if (b->queue && devrx_queue_restore(b->queue)) {
		struct devrx_cause cause;
		char next[64];

		snprintf(next, sizeof(next), "devrx restore %s", b->opts.nic);
		cause_set(&cause, "undo-refused", next,
			  "what was changed of NIC %s could not all be undone",
			  b->opts.nic);
		(void)fail(b, EXIT_ENVIRONMENT, -EIO, &cause);
	}
}

int cmd_bench(int argc, char **argv)
{
	struct bench b = {
		.opts = { .queue = DEVRX_QUEUE_LAST,
			  .area_len = 64u << 20,
			  .bytes = 1u << 30,
			  .connections = { 1 },
			  .nr_connections = 1,
			  .rounds = 3 },
	};
	int rc;

	memset(b.opts.ways, 1, sizeof(b.opts.ways));
	rc = bench_parse(argc, argv, &b.opts);
	if (rc > 0)
		return rc;
	if (rc < 0 || b.opts.list) {
		if (rc < 0)
			fputs(bench_help, stdout);
		else
			bench_print_list();
		return report_flush("bench");
	}
	recv_catch_signals();
	if (b.opts.send)
		return bench_send(b.opts.host, b.opts.port, 60000);
	if (!setup(&b))
		run_all(&b);
	teardown(&b);
	if (b.result.nr_rows && !b.opts.json)
		bench_print_table(&b.opts, &b.result);
	rc = b.opts.json ? bench_print_json(&b.opts, b.peer.from, &b.result) :
			   report_flush("bench");
	free(b.result.rows);
	return rc > b.result.exit_code ? rc : b.result.exit_code;
}
