// SPDX-License-Identifier: MIT
/*
 * devrx recv --out: fragments are written by the receiver's own ring, from where they
 * lie, and given back when the file has them.
 *
 * With O_DIRECT where the file takes it and the fragments are whole pages at whole
 * pages of the file, so that no page of it is written both ways: then nothing copies
 * them. What the ring does not take at the moment is written at once.
 */
#include <errno.h>
#include <string.h>

#include "recv.h"
#include "report.h"

/* From the fragment @first on, those of its connection that go the same way and are
 * not @taken yet: one piece of the stream. How many are in @ret. */
static unsigned int gather(const struct recv_run *run,
			   const struct devrx_fragment *frags, unsigned int n,
			   unsigned int first, bool *taken, bool *direct,
			   struct devrx_fragment *ret)
{
	const struct recv_connection *conn =
		&run->connections[frags[first].user];
	const char *host = run->memory_info.host_addr;
	unsigned int nr = 0;

	for (unsigned int i = first; i < n && nr < RECV_WRITE_FRAGMENTS; i++) {
		const struct devrx_fragment *f = &frags[i];
		bool whole;

		if (taken[i] || f->user != frags[first].user || !f->length ||
		    f->flags & DEVRX_FRAGMENT_EVENT)
			continue;
		whole = host && sink_direct(&conn->sink, host + f->offset,
					    f->position, f->length);
		if (!nr)
			*direct = whole;
		else if (whole != *direct)
			break;
		taken[i] = true;
		ret[nr++] = *f;
	}
	return nr;
}

static struct recv_write *free_write(struct recv_run *run)
{
	for (unsigned int i = 0; i < RECV_WRITES; i++)
		if (!run->writes[i].nr)
			return &run->writes[i];
	return NULL;
}

/* Write @nr fragments now, with the CPU. */
static void write_now(struct recv_run *run, const struct devrx_fragment *frags,
		      unsigned int nr)
{
	struct recv_connection *conn = &run->connections[frags->user];
	struct devrx_cause cause;
	int rc = 0;

	for (unsigned int i = 0; i < nr && !rc; i++)
		rc = recv_each_block(run, &frags[i], sink_write_at, conn,
				     &cause);
	if (rc) {
		recv_fail_connection(run, (unsigned int)frags->user, rc,
				     conn->sink.err, &cause);
		return;
	}
	for (unsigned int i = 0; i < nr; i++)
		run->bytes_written += frags[i].length;
}

/* Hand @nr fragments to the ring; how many it took. */
static unsigned int start(struct recv_run *run,
			  const struct devrx_fragment *frags, unsigned int nr,
			  bool direct)
{
	struct recv_connection *conn = &run->connections[frags->user];
	struct recv_write *w = free_write(run);
	int n;

	if (!w)
		return 0;
	n = devrx_receiver_write(run->receiver,
				 direct ? conn->sink.direct_fd : conn->sink.fd,
				 frags->position, frags, nr,
				 (uint64_t)(w - run->writes));
	if (n < 0)
		return 0; /* whatever it is, the CPU tries next */
	memcpy(w->frags, frags, (unsigned int)n * sizeof(*frags));
	w->nr = (unsigned int)n;
	w->direct = direct;
	conn->writes++;
	return w->nr;
}

/* ... until all are with the ring, or written. What is written goes to @rest. */
static unsigned int write_all(struct recv_run *run,
			      const struct devrx_fragment *frags,
			      unsigned int nr, bool direct,
			      struct devrx_fragment *rest)
{
	unsigned int n = 0;

	while (n < nr) {
		const unsigned int took = start(run, frags + n, nr - n, direct);

		if (!took)
			break;
		n += took;
	}
	if (n == nr)
		return 0;
	write_now(run, frags + n, nr - n);
	memcpy(rest, frags + n, (nr - n) * sizeof(*rest));
	return nr - n;
}

unsigned int recv_write_batch(struct recv_run *run,
			      const struct devrx_fragment *frags,
			      unsigned int n, struct devrx_fragment *rest)
{
	struct devrx_fragment some[RECV_WRITE_FRAGMENTS];
	bool taken[RECV_BATCH] = { false }, direct = false;
	const struct recv_connection *conn;
	unsigned int nr_rest = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (taken[i])
			continue;
		if (frags[i].flags & DEVRX_FRAGMENT_EVENT || !frags[i].length)
			continue;
		conn = &run->connections[frags[i].user];
		if (conn->failed || !sink_is_file(&conn->sink)) {
			rest[nr_rest++] = frags[i];
			continue;
		}
		const unsigned int nr =
			gather(run, frags, n, i, taken, &direct, some);

		nr_rest += write_all(run, some, nr, direct, rest + nr_rest);
	}
	return nr_rest;
}

/* A file system may open with O_DIRECT and refuse all the same. */
static bool refused(const struct recv_write *w, int err)
{
	return w->direct &&
	       (err == -EINVAL || err == -EFAULT || err == -EOPNOTSUPP);
}

unsigned int recv_write_done(struct recv_run *run,
			     const struct devrx_fragment *event)
{
	struct recv_write *w = &run->writes[event->position];
	const unsigned int idx = (unsigned int)w->frags->user;
	struct recv_connection *conn = &run->connections[idx];
	struct devrx_fragment frags[RECV_WRITE_FRAGMENTS];
	const unsigned int nr = w->nr;
	struct devrx_cause cause;
	int rc;

	conn->writes--;
	w->nr = 0;
	if (!event->error) {
		run->bytes_written += event->length;
		run->bytes_ring += event->length;
		run->bytes_direct += w->direct ? event->length : 0;
		return idx;
	}
	memcpy(frags, w->frags, nr * sizeof(*frags));
	if (refused(w, event->error) && !conn->failed) {
		struct devrx_fragment rest[RECV_WRITE_FRAGMENTS];
		unsigned int n;

		sink_no_direct(&conn->sink);
		n = write_all(run, frags, nr, false, rest);
		(void)devrx_receiver_release(run->receiver, rest, n);
		return idx;
	}
	if (!conn->failed) {
		rc = sink_failed(&conn->sink, event->error, frags->position,
				 &cause);
		recv_fail_connection(run, idx, rc, event->error, &cause);
	}
	(void)devrx_receiver_release(run->receiver, frags, nr);
	return idx;
}
