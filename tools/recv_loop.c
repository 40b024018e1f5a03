// SPDX-License-Identifier: MIT
/*
 * devrx recv, the loop: accept without waiting, receive, use, release.
 *
 * While connections are missing a wait is short and the listening socket is
 * looked at in between; nothing else ever blocks. A fragment's bytes are
 * hashed, checked and written before its batch is released.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probes.h"
#include "recv.h"
#include "report.h"

#define BATCH RECV_BATCH
#define BOUNCE_LEN (64u << 10)
#define NOBODY UINT_MAX
#define MS INT64_C(1000000)
/* How long a new connection may wait to be accepted under load. */
#define ACCEPT_NS (5 * MS)
/* Bounds each wait, so that a signal just before it is not slept through. */
#define WAIT_NS (100 * MS)

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

void recv_catch_signals(void)
{
	/* SA_RESETHAND: the second one has its default action, and kills. */
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = (int)SA_RESETHAND };
	struct sigaction old;

	caught = 0;
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	/* nohup(1) asks for this one to be ignored. */
	(void)sigaction(SIGHUP, NULL, &old);
	if (old.sa_handler != SIG_IGN)
		(void)sigaction(SIGHUP, &action, NULL);
}

int recv_signal(void)
{
	return caught;
}

/* After its last fragment and its last write: the file gets its name, or goes. */
static void settle_connection(struct recv_run *run,
			      struct recv_connection *conn)
{
	const unsigned int idx = (unsigned int)(conn - run->connections);
	struct devrx_cause cause = { 0 };
	int rc;

	if (!conn->last || conn->writes)
		return;
	conn->last = false;
	if (!conn->failed) {
		rc = sink_commit(&conn->sink, &cause);
		if (rc)
			recv_fail_connection(run, idx, rc, conn->sink.err,
					     &cause);
	}
	if (conn->failed)
		sink_drop(&conn->sink);
	PROBE3(recv__connection__end, idx, conn->bytes, conn->error);
	run->nr_ended++;
}

void recv_fail_connection(struct recv_run *run, unsigned int idx, int exit_code,
			  int err, struct devrx_cause *why)
{
	struct recv_connection *conn = &run->connections[idx];
	struct devrx_cause cause;

	conn->failed = true;
	/* The ring may still have its descriptor. */
	if (!conn->writes)
		sink_drop(&conn->sink);
	cause_set(&cause, why->id, why->next, "connection %u from %s: %s", idx,
		  conn->peer, why->text[0] ? why->text : strerror(-err));
	recv_fail(run, exit_code, (int)idx, err, &cause);
}

static void connection_error(struct recv_run *run, unsigned int idx, int err)
{
	unsigned long long bytes = run->connections[idx].bytes;
	struct devrx_cause cause;

	switch (err) {
	case -ECONNRESET:
		cause_set(
			&cause, "peer-reset",
			"look at the sender's messages, then start both again",
			"the peer reset it after %llu bytes", bytes);
		break;
	case -ETIMEDOUT:
		cause_set(&cause, "peer-timeout",
			  "ping the peer, then start both again",
			  "the peer went silent after %llu bytes", bytes);
		break;
	default:
		if (devrx_receiver_cause(run->receiver, &cause))
			cause_set(&cause, "os-error", NULL,
				  "it failed after %llu bytes: %s", bytes,
				  strerror(-err));
	}
	recv_fail_connection(run, idx, EXIT_TRANSFER, err, &cause);
}

int recv_each_block(struct recv_run *run, const struct devrx_fragment *f,
		    int (*use)(struct sink *s, const void *buf, size_t len,
			       uint64_t position, struct devrx_cause *cause),
		    struct recv_connection *conn, struct devrx_cause *cause)
{
	const char *host = run->memory_info.host_addr;
	uint32_t done = 0;
	int rc = 0;

	if (host)
		return use(&conn->sink, host + f->offset, f->length,
			   f->position, cause);
	while (!rc && done < f->length) {
		uint32_t n = f->length - done;

		if (n > BOUNCE_LEN)
			n = BOUNCE_LEN;
		rc = devrx_memory_read(run->memory, f->offset + done,
				       run->bounce, n);
		if (rc) {
			conn->sink.err = rc;
			cause_set(cause, "memory-read", NULL,
				  "memory of kind %s cannot be read: %s",
				  run->memory_info.kind, strerror(-rc));
			return EXIT_ENVIRONMENT;
		}
		rc = use(&conn->sink, run->bounce, n, f->position + done,
			 cause);
		done += n;
	}
	return rc;
}

/* A block for a sink whose file is written by the ring, or that has none. */
static int check_block(struct sink *s, const void *buf, size_t len,
		       uint64_t position, struct devrx_cause *cause)
{
	(void)position;
	return sink_check(s, buf, len, cause);
}

/* A block for any other; the next one may take the buffer. */
static int put_block(struct sink *s, const void *buf, size_t len,
		     uint64_t position, struct devrx_cause *cause)
{
	int rc;

	(void)position;
	rc = sink_put(s, buf, len, cause);
	return rc ? rc : sink_flush(s, cause);
}

/* Are files written by the receiver's ring? Not while a device reads the fragments:
 * when they go back is its affair. */
static bool ring_writes(const struct recv_run *run,
			const struct recv_connection *conn)
{
	return !run->crc32c && sink_is_file(&conn->sink);
}

/* The bytes of a fragment into its connection's sink. */
static int use_bytes(struct recv_run *run, struct recv_connection *conn,
		     const struct devrx_fragment *f, struct devrx_cause *cause)
{
	const struct sink_opts *sink = &run->opts->sink;
	const char *host = run->memory_info.host_addr;
	int rc;

	if (ring_writes(run, conn))
		return sink->digest || sink->verify ?
			       recv_each_block(run, f, check_block, conn,
					       cause) :
			       0;
	rc = host ? sink_put(&conn->sink, host + f->offset, f->length, cause) :
		    recv_each_block(run, f, put_block, conn, cause);
	if (!rc && sink->out)
		run->bytes_written += f->length;
	return rc;
}

static bool sinks_used(const struct recv_run *run)
{
	const struct sink_opts *sink = &run->opts->sink;

	return sink->out || sink->digest || sink->verify;
}

static void use_fragment(struct recv_run *run, const struct devrx_fragment *f)
{
	struct recv_connection *conn = &run->connections[f->user];
	unsigned int idx = (unsigned int)f->user;
	struct devrx_cause cause = { 0 };
	int rc = 0;

	if (f->length && f->position != conn->bytes && !conn->failed) {
		cause_set(&cause, "stream-gap", "report this as a bug",
			  "byte %llu of the stream came where %llu was due",
			  (unsigned long long)f->position,
			  (unsigned long long)conn->bytes);
		recv_fail_connection(run, idx, EXIT_TRANSFER, -EPROTO, &cause);
	}
	conn->bytes += f->length;
	run->bytes += f->length;
	if (f->flags & DEVRX_FRAGMENT_COPIED)
		run->bytes_copied += f->length;
	if (f->length && !conn->failed && sinks_used(run))
		rc = use_bytes(run, conn, f, &cause);
	if (rc)
		recv_fail_connection(run, idx, rc, conn->sink.err, &cause);
	if ((f->flags & DEVRX_FRAGMENT_ERROR) && !conn->failed)
		connection_error(run, idx, f->error);
	if (f->flags & (DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR)) {
		close(conn->fd);
		conn->fd = -1;
		conn->last = true;
		conn->error = f->error;
	}
}

static void receiver_error(struct recv_run *run, const char *what, int err)
{
	struct devrx_cause cause;

	if (devrx_receiver_cause(run->receiver, &cause) || !cause.text[0])
		cause_set(&cause, "os-error", NULL, "%s: %s", what,
			  strerror(-err));
	recv_fail(run, EXIT_TRANSFER, -1, err, &cause);
}

/* Give a batch back: now, or when the device has read it. */
static bool release_batch(struct recv_run *run,
			  const struct devrx_fragment *frags, unsigned int n)
{
	struct devrx_fence fence;
	int rc;

	if (run->crc32c) {
		fence = crc32c_fence(run->crc32c);
		rc = devrx_receiver_release_after(run->receiver, frags, n,
						  &fence);
	} else {
		rc = devrx_receiver_release(run->receiver, frags, n);
	}
	if (rc)
		receiver_error(run, "fragments could not be given back", rc);
	return !rc;
}

/* The device reads the batch while the CPU does; false where it has failed. */
static bool start_device(struct recv_run *run,
			 const struct devrx_fragment *frags, unsigned int n)
{
	struct devrx_cause cause = { 0 };
	int rc;

	for (unsigned int i = 0; i < n; i++) {
		if (frags[i].flags & DEVRX_FRAGMENT_LOST) {
			receiver_error(run, "the device failed",
				       frags[i].error);
			return false;
		}
	}
	rc = crc32c_submit(run->crc32c, run->receiver, frags, n, &cause);
	if (rc)
		recv_fail(run, EXIT_ENVIRONMENT, -1, rc, &cause);
	return !rc;
}

/* What is said of the NIC; its connections tell of their ends themselves. */
static void on_nic_event(struct recv_run *run,
			 const struct devrx_fragment *event)
{
	const bool up = event->user == DEVRX_EVENT_LINK_UP;

	if (event->user == DEVRX_EVENT_NIC_GONE)
		run->nic_gone = true;
	if ((!up && event->user != DEVRX_EVENT_LINK_DOWN) || run->opts->quiet)
		return;
	recv_clear_progress(run);
	fprintf(stderr, "devrx recv: %s is %s\n", run->opts->nic,
		up ? "up" : "down");
}

/* Nobody can come any more. */
static void nic_gone(struct recv_run *run)
{
	struct devrx_cause cause;

	cause_set(&cause, "nic-missing", "ip -brief link",
		  "%s has gone: %u of %u connections ended", run->opts->nic,
		  run->nr_ended, run->opts->connections);
	recv_fail(run, EXIT_TRANSFER, -1, -ENODEV, &cause);
}

/* Use and release what came; false where the loop has to end. */
static bool use_batch(struct recv_run *run, const struct devrx_fragment *frags,
		      unsigned int n)
{
	struct recv_connection *conn;
	struct devrx_fragment rest[BATCH];
	unsigned int of[BATCH]; /* whose it is */
	struct devrx_cause cause;
	unsigned int nr_rest;
	bool released;
	int rc;

	if (run->crc32c && !start_device(run, frags, n))
		return false;
	for (unsigned int i = 0; i < n; i++) {
		of[i] = NOBODY;
		if (frags[i].flags & DEVRX_FRAGMENT_EVENT) {
			if (frags[i].user == DEVRX_EVENT_WRITTEN)
				of[i] = recv_write_done(run, &frags[i]);
			else
				on_nic_event(run, &frags[i]);
			continue;
		}
		of[i] = (unsigned int)frags[i].user;
		use_fragment(run, &frags[i]);
	}
	for (unsigned int i = 0; i < n && sinks_used(run); i++) {
		if (frags[i].flags & DEVRX_FRAGMENT_EVENT)
			continue;
		conn = &run->connections[frags[i].user];
		rc = sink_flush(&conn->sink, &cause);
		if (rc && !conn->failed)
			recv_fail_connection(run, (unsigned int)frags[i].user,
					     rc, conn->sink.err, &cause);
	}
	PROBE2(recv__fragments, n, run->bytes);
	if (run->opts->sink.out && !run->crc32c) {
		nr_rest = recv_write_batch(run, frags, n, rest);
		released = release_batch(run, rest, nr_rest);
	} else {
		released = release_batch(run, frags, n);
	}
	/* Only now: an earlier write may have ended beside the last bytes. */
	for (unsigned int i = 0; i < n; i++)
		if (of[i] != NOBODY)
			settle_connection(run, &run->connections[of[i]]);
	run->end_ns = now_ns();
	/* Wrong bytes end their connection only; a full disk ends all. */
	return released && run->exit_code <= EXIT_TRANSFER;
}

/* Take all connections that have come; false where the loop has to end. */
static bool accept_new(struct recv_run *run)
{
	struct recv_connection *conn;
	struct devrx_cause cause;
	int fd, rc;

	while (run->nr_accepted < run->opts->connections) {
		conn = &run->connections[run->nr_accepted];
		fd = listen_accept(run->listen_fd, conn->peer);
		if (fd == -EAGAIN)
			return true;
		rc = fd < 0 ? fd :
			      devrx_receiver_add(run->receiver, fd,
						 run->nr_accepted);
		if (rc < 0) {
			if (fd >= 0)
				close(fd);
			cause_set(&cause, "accept",
				  rc == -EMFILE ? "ulimit -n" : NULL,
				  "connection %u cannot be taken: %s",
				  run->nr_accepted, strerror(-rc));
			recv_fail(run, EXIT_ENVIRONMENT, -1, rc, &cause);
			return false;
		}
		conn->fd = fd;
		PROBE1(recv__connection__begin, run->nr_accepted);
		if (!run->nr_accepted)
			run->start_ns = now_ns();
		run->nr_accepted++;
	}
	/* Nobody else is wanted: later peers are refused, not left hanging. */
	close(run->listen_fd);
	run->listen_fd = -1;
	return true;
}

/* Fragments, 0 after a while, or a negative errno. */
static int wait_some(struct recv_run *run, struct devrx_fragment *frags,
		     unsigned int batch)
{
	struct pollfd pfd = { .fd = run->listen_fd, .events = POLLIN };
	int rc;

	if (run->nr_accepted == run->nr_ended) {
		(void)poll(&pfd, 1, WAIT_NS / MS);
		/* Events come without connections, too. */
		rc = devrx_receiver_wait(run->receiver, frags, batch, 0);
		return rc == -EINTR || rc == -ENOTCONN ? 0 : rc;
	}
	rc = devrx_receiver_wait(run->receiver, frags, batch,
				 run->listen_fd < 0 ? WAIT_NS : 10 * MS);
	return rc == -EINTR ? 0 : rc;
}

/* No connection and no byte for too long? */
static bool timed_out(struct recv_run *run, int64_t last_ns, int64_t now)
{
	const struct recv_opts *opts = run->opts;
	struct devrx_cause cause;

	if (!opts->timeout || now - last_ns < opts->timeout * 1000 * MS)
		return false;
	cause_set(&cause, "timeout",
		  run->nr_accepted < opts->connections ?
			  "start the sender, or give a longer --timeout" :
		  opts->nic ? "look at the NIC's drop counters: ip -s link" :
			      "look at the sender",
		  "nothing came for %u s: %u of %u connections accepted, %u "
		  "ended, %llu bytes",
		  opts->timeout, run->nr_accepted, opts->connections,
		  run->nr_ended, (unsigned long long)run->bytes);
	recv_fail(run, EXIT_TRANSFER, -1, -ETIMEDOUT, &cause);
	return true;
}

static void interrupted(struct recv_run *run)
{
	struct devrx_cause cause;

	cause_set(&cause, "interrupted", NULL,
		  "ended by signal %d (%s) after %llu bytes", recv_signal(),
		  strsignal(recv_signal()), (unsigned long long)run->bytes);
	recv_fail(run, 128 + recv_signal(), -1, -EINTR, &cause);
}

void recv_loop(struct recv_run *run)
{
	struct devrx_fragment frags[BATCH];
	unsigned int batch = BATCH, seen = 0;
	int64_t last_ns = now_ns(), accept_ns = 0, now;
	int n = 0;

	/* In a small memory a batch must not be what starves the NIC. */
	if (run->info.nr_chunks / 8 < batch)
		batch = (unsigned int)(run->info.nr_chunks / 8) + 1;
	while (run->nr_ended < run->opts->connections) {
		now = now_ns();
		if (run->listen_fd >= 0 && (n == 0 || now >= accept_ns)) {
			if (!accept_new(run))
				return;
			accept_ns = now + ACCEPT_NS;
		}
		n = wait_some(run, frags, batch);
		if (n < 0) {
			receiver_error(run, "receiving failed", n);
			return;
		}
		if (n > 0 && !use_batch(run, frags, (unsigned int)n))
			return;
		if (run->nic_gone && run->nr_accepted == run->nr_ended &&
		    run->nr_ended < run->opts->connections) {
			nic_gone(run);
			return;
		}
		if (recv_signal()) {
			interrupted(run);
			return;
		}
		now = now_ns();
		if (n > 0 || run->nr_accepted != seen)
			last_ns = now;
		seen = run->nr_accepted;
		if (timed_out(run, last_ns, now))
			return;
		recv_print_progress(run, now);
		recv_metrics_tick(run, now);
	}
}
