// SPDX-License-Identifier: MIT
/*
 * devrx send: an ordinary TCP sender of a file or a pattern.
 *
 * It knows nothing of zero-copy receive. Each connection carries all the
 * bytes; one loop serves them all. Until the last byte is acknowledged a
 * socket has a zero linger time, so that a sender that dies in between (by
 * kill -9 even) resets the connection: its peer must not take half a stream
 * for a whole one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listen.h"
#include "pattern.h"
#include "report.h"
#include "send.h"
#include "verbs.h"

/* How often to ask whether the peer has acknowledged everything. */
#define DRAIN_MS 10

struct send_run {
	struct send_opts opts;
	int file_fd;
	void *buf; /* one chunk of the pattern */
	struct pollfd *polls;
	uint64_t *sent;
	bool *done; /* written, waiting for the acknowledgement */
	unsigned int nr_open; /* still in work */
	uint64_t bytes;
	int64_t start_ns;
	int exit_code;
	int err;
	struct devrx_cause cause; /* of the first failure */
};

static void fail(struct send_run *run, int exit_code, int err,
		 const struct devrx_cause *cause)
{
	report_cause("send", cause, err);
	if (!run->exit_code) {
		run->exit_code = exit_code;
		run->err = err;
		run->cause = *cause;
	}
}

static int open_source(struct send_run *run, struct devrx_cause *cause)
{
	struct send_opts *opts = &run->opts;
	struct stat st;

	if (opts->pattern) {
		run->buf = malloc(opts->chunk);
		if (run->buf)
			return 0;
		cause_set(cause, "out-of-memory", NULL, "out of memory");
		return -ENOMEM;
	}
	run->file_fd = open(opts->file, O_RDONLY | O_CLOEXEC);
	if (run->file_fd < 0 || fstat(run->file_fd, &st) < 0) {
		int err = errno;

		cause_set(cause, "input", "check its name and permissions",
			  "cannot read %s: %s", opts->file, strerror(err));
		return -err;
	}
	if (!S_ISREG(st.st_mode)) {
		cause_set(cause, "input", "copy it into a file first",
			  "%s is not a regular file", opts->file);
		return -EINVAL;
	}
	opts->len = (uint64_t)st.st_size;
	return 0;
}

static void set_linger(int fd, bool reset)
{
	struct linger linger = { .l_onoff = reset, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static int connect_all(struct send_run *run, struct devrx_cause *cause)
{
	const struct send_opts *opts = &run->opts;
	unsigned int n = opts->connections;
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < n + 64ul) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	run->polls = calloc(n, sizeof(run->polls[0]));
	run->sent = calloc(n, sizeof(run->sent[0]));
	run->done = calloc(n, sizeof(run->done[0]));
	if (!run->polls || !run->sent || !run->done) {
		cause_set(cause, "out-of-memory", NULL, "out of memory");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < n; i++) {
		int fd = listen_connect(opts->host, opts->port,
					opts->connect_timeout * 1000, cause);

		if (fd < 0)
			return fd;
		set_linger(fd, true);
		run->polls[i].fd = fd;
		run->polls[i].events = POLLOUT;
		run->nr_open++;
	}
	return 0;
}

static void close_one(struct send_run *run, unsigned int i)
{
	close(run->polls[i].fd);
	run->polls[i].fd = -1;
	run->nr_open--;
}

static void fail_one(struct send_run *run, unsigned int i, int err)
{
	struct devrx_cause cause;

	if (err == ENODATA)
		cause_set(&cause, "input", "send it again when it is at rest",
			  "connection %u: %s became shorter after %llu bytes",
			  i, run->opts.file, (unsigned long long)run->sent[i]);
	else
		cause_set(&cause,
			  err == ECONNRESET || err == EPIPE ? "peer-reset" :
							      "os-error",
			  "look at the receiver's messages",
			  "connection %u ended after %llu of %llu bytes: %s", i,
			  (unsigned long long)run->sent[i],
			  (unsigned long long)run->opts.len, strerror(err));
	fail(run, EXIT_TRANSFER, -err, &cause);
	close_one(run, i);
}

/* One chunk: bytes sent or a negative errno. */
static ssize_t send_chunk(struct send_run *run, int fd, uint64_t at)
{
	const struct send_opts *opts = &run->opts;
	size_t n = opts->chunk;
	off_t off = (off_t)at;
	ssize_t rc;

	if (n > opts->len - at)
		n = (size_t)(opts->len - at);
	if (opts->pattern) {
		pattern_fill(opts->seed, at, run->buf, n);
		rc = send(fd, run->buf, n, MSG_NOSIGNAL);
	} else {
		rc = sendfile(fd, run->file_fd, &off, n);
		if (!rc && n)
			return -ENODATA;
	}
	return rc < 0 ? -errno : rc;
}

/* All is written: tell the peer, then wait until it has it. */
static void finish_writing(struct send_run *run, unsigned int i)
{
	(void)shutdown(run->polls[i].fd, SHUT_WR);
	run->polls[i].events = POLLIN;
	run->done[i] = true;
}

static void serve(struct send_run *run, unsigned int i)
{
	int fd = run->polls[i].fd;
	ssize_t rc;

	if (run->sent[i] < run->opts.len) {
		rc = send_chunk(run, fd, run->sent[i]);
		if (rc == -EAGAIN || rc == -EINTR)
			return;
		if (rc < 0) {
			fail_one(run, i, (int)-rc);
			return;
		}
		run->sent[i] += (uint64_t)rc;
		run->bytes += (uint64_t)rc;
	}
	if (run->sent[i] == run->opts.len)
		finish_writing(run, i);
}

/* Written: is it acknowledged, to the end of the stream? */
static void check_done(struct send_run *run, unsigned int i)
{
	int fd = run->polls[i].fd;
	socklen_t len = sizeof(int);
	int err = 0, unsent = 0;

	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		fail_one(run, i, err);
	} else if (ioctl(fd, SIOCOUTQ, &unsent) || !unsent) {
		set_linger(fd, false);
		close_one(run, i);
	} else if (run->polls[i].revents & POLLIN) {
		/* The peer's own bytes are none of ours; look again later. */
		run->polls[i].events = 0;
	}
}

static void send_all(struct send_run *run)
{
	unsigned int n = run->opts.connections;
	bool draining;

	while (run->nr_open) {
		draining = false;
		for (unsigned int i = 0; i < n; i++)
			draining |= run->done[i] && run->polls[i].fd >= 0;
		if (poll(run->polls, n, draining ? DRAIN_MS : -1) < 0 &&
		    errno != EINTR)
			break;
		for (unsigned int i = 0; i < n; i++) {
			if (run->polls[i].fd < 0)
				continue;
			if (run->done[i])
				check_done(run, i);
			else if (run->polls[i].revents)
				serve(run, i);
		}
	}
}

static void print_summary(const struct send_run *run, double seconds)
{
	char bytes[HUMAN_LEN], rate[HUMAN_LEN];

	printf("sent        %s (%llu bytes) over %u connection%s to %s in %.3f "
	       "s, %s/s\n",
	       human_bytes(bytes, (double)run->bytes),
	       (unsigned long long)run->bytes, run->opts.connections,
	       run->opts.connections == 1 ? "" : "s", run->opts.address,
	       seconds,
	       human_bytes(rate,
			   seconds > 0 ? (double)run->bytes / seconds : 0));
}

static int print_json(const struct send_run *run, double seconds)
{
	struct json j;

	json_begin(&j);
	json_str(&j, "to", run->opts.address);
	json_str(&j, "file", run->opts.file);
	if (run->opts.pattern)
		json_u64(&j, "pattern", run->opts.seed);
	else
		json_null(&j, "pattern");
	json_u64(&j, "bytes", run->bytes);
	json_u64(&j, "connections", run->opts.connections);
	json_seconds(&j, "seconds", seconds);
	json_open(&j, "errors", '[');
	if (run->exit_code) {
		json_open(&j, NULL, '{');
		json_cause(&j, &run->cause, run->err);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_int(&j, "exit", run->exit_code);
	return json_print(&j, "send");
}

static void release(struct send_run *run)
{
	for (unsigned int i = 0; run->polls && i < run->opts.connections; i++) {
		if (run->polls[i].fd > 0)
			close(run->polls[i].fd);
	}
	if (run->file_fd >= 0)
		close(run->file_fd);
	free(run->buf);
	free(run->polls);
	free(run->sent);
	free(run->done);
}

int cmd_send(int argc, char **argv)
{
	struct send_run run = { .file_fd = -1 };
	struct devrx_cause cause = { 0 };
	double seconds;
	int rc;

	run.opts.chunk = 256u << 10;
	run.opts.connections = 1;
	run.opts.connect_timeout = 10;
	rc = send_parse(argc, argv, &run.opts);
	if (rc > 0)
		return rc;
	if (rc < 0) {
		fputs(send_help, stdout);
		return report_flush("send");
	}
	rc = open_source(&run, &cause);
	if (rc) {
		fail(&run, EXIT_ENVIRONMENT, rc, &cause);
	} else {
		rc = connect_all(&run, &cause);
		if (rc)
			fail(&run, EXIT_TRANSFER, rc, &cause);
	}
	run.start_ns = now_ns();
	if (!rc)
		send_all(&run);
	seconds = (double)(now_ns() - run.start_ns) / 1e9;
	if (!run.exit_code)
		print_summary(&run, seconds);
	release(&run);
	rc = run.opts.json ? print_json(&run, seconds) : report_flush("send");
	return rc > run.exit_code ? rc : run.exit_code;
}
