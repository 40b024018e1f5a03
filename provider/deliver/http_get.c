// SPDX-License-Identifier: MIT
/* One get: the loop that asks, waits, and takes what comes. http.c has the overview. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "deliver/http.h"
#include "util/cause.h"
#include "util/opts.h"

#define MS INT64_C(1000000)

/* How often progress is told where nothing comes. */
enum { TICK_MS = 100 };

static void give_up(struct devrx_http *h, int err)
{
	if (!h->get->err)
		h->get->err = err;
}

static int check_get(const struct devrx_http_request *get,
		     const struct devrx_http *h)
{
	const char *wrong = NULL;
	uint64_t end;

	if (get->reserved)
		wrong = "a reserved member is not zero";
	else if (get->to && get->keep)
		wrong = "there are both a memory and a function to keep bytes";
	else if (get->to == h->area)
		wrong = "bytes are to go to the receiver's own memory";
	else if (__builtin_add_overflow(get->first, get->len, &end) ||
		 end == DEVRX_HTTP_UNKNOWN)
		wrong = "no resource has so many bytes";
	return wrong ? drx_fail(get->cause, -EINVAL, "opts-invalid", NULL, "%s",
				wrong) :
		       0;
}

/* Where to ask may have changed: then names are looked up, and nobody asks there. */
static int settle_origin(struct devrx_http *h)
{
	struct drx_get *get = h->get;
	int err;

	if (h->addresses.nr && drx_url_same_origin(&h->origin, &get->url))
		return 0;
	err = drx_resolve(&h->addresses, &get->url, &get->cause);
	if (err) {
		h->addresses.nr = 0;
		return err;
	}
	h->address = 0;
	h->origin = get->url;
	h->nr_origin++;
	return 0;
}

/* Until it is known what there is, one asks; and one who gets all of it at once. */
static unsigned int connections_wanted(const struct devrx_http *h)
{
	const struct drx_get *get = h->get;

	return get->resource.known && !get->whole && !get->look ?
		       h->opts.connections :
		       1;
}

static bool has_work(const struct drx_plan *plan)
{
	return plan->nr_back || plan->next < plan->end;
}

/* Ask on connections that are free, and make some where there are too few. */
static void assign(struct devrx_http *h)
{
	struct drx_get *get = h->get;
	const int64_t now = drx_http_now();
	unsigned int i, active = 0, wanted = connections_wanted(h);
	struct drx_range range;
	struct drx_http_conn *conn;
	int err;

	for (i = 0; i < h->opts.connections; i++) {
		conn = &h->conns[i];
		if (conn->state == DRX_HTTP_CONN_IDLE &&
		    conn->origin != h->nr_origin)
			drx_http_conn_drop(h, conn);
		active += conn->state == DRX_HTTP_CONN_BUSY ||
			  conn->state == DRX_HTTP_CONN_CONNECTING;
	}
	if (now < get->retry_ns)
		return;
	for (i = 0; i < h->opts.connections && active < wanted; i++) {
		conn = &h->conns[i];
		if (conn->state != DRX_HTTP_CONN_IDLE || get->err)
			continue;
		if (!drx_plan_take(&get->plan,
				   get->look ? 1 : h->opts.request_len, &range))
			return;
		active++;
		drx_http_conn_ask(h, conn, &range);
	}
	/* Each of those that connect will find something to ask for. */
	for (i = 0; i < h->opts.connections && active < wanted; i++) {
		conn = &h->conns[i];
		if (conn->state != DRX_HTTP_CONN_CLOSED || get->err)
			continue;
		if (!has_work(&get->plan))
			return;
		active++;
		err = drx_http_conn_open(h, conn);
		if (err)
			give_up(h, err);
	}
}

/* Give up what is late. Return when to look again, at the latest. */
static int64_t check_times(struct devrx_http *h)
{
	struct drx_get *get = h->get;
	const int64_t now = drx_http_now();
	/* While nobody looked, in a slow progress() say, nobody was silent. */
	const int64_t away = now - get->looked_ns;
	int64_t next = now + TICK_MS * MS, deadline;
	struct devrx_cause cause;
	struct drx_http_conn *conn;
	unsigned int i;

	for (i = 0; i < h->opts.connections && !get->err; i++) {
		conn = &h->conns[i];
		if (conn->state != DRX_HTTP_CONN_BUSY &&
		    conn->state != DRX_HTTP_CONN_CONNECTING)
			continue;
		conn->until_ns += away;
		if (now < conn->until_ns) {
			if (conn->until_ns < next)
				next = conn->until_ns;
			continue;
		}
		if (conn->state == DRX_HTTP_CONN_CONNECTING)
			h->address = (h->address + 1) % h->addresses.nr;
		(void)drx_fail(
			&cause, -ETIMEDOUT,
			conn->state == DRX_HTTP_CONN_BUSY ? "http-silent" :
							    "http-connect",
			NULL, "%s %s for %u ms", h->origin.authority,
			conn->state == DRX_HTTP_CONN_BUSY ? "sent nothing" :
							    "did not answer",
			conn->state == DRX_HTTP_CONN_BUSY ?
				h->opts.idle_timeout_ms :
				h->opts.connect_timeout_ms);
		drx_http_conn_failed(h, conn, -ETIMEDOUT, &cause);
	}
	if (get->opts->deadline_ms) {
		deadline = get->started_ns + get->opts->deadline_ms * MS;
		if (now >= deadline)
			give_up(h, drx_fail(&get->cause, -ETIMEDOUT,
					    "http-deadline", NULL,
					    "%u ms have passed; the last that "
					    "went wrong: %.200s",
					    get->opts->deadline_ms,
					    get->last_err ? get->last.text :
							    "nothing"));
		if (deadline < next)
			next = deadline;
	}
	if (now < get->retry_ns && get->retry_ns < next)
		next = get->retry_ns;
	return next;
}

/* Is any being connected? @fds gets them, and @ret which. */
static unsigned int connecting(struct devrx_http *h, struct pollfd *fds,
			       struct drx_http_conn **ret)
{
	unsigned int i, nr = 0;

	for (i = 0; i < h->opts.connections; i++) {
		if (h->conns[i].state != DRX_HTTP_CONN_CONNECTING)
			continue;
		fds[nr].fd = h->conns[i].fd;
		fds[nr].events = POLLOUT;
		fds[nr].revents = 0;
		ret[nr++] = &h->conns[i];
	}
	return nr;
}

/*
 * Wait for fragments until @until. While somebody connects, or there is no connection,
 * the wait is poll()'s, with the receiver as one of many. Return their number.
 */
static int wait_for(struct devrx_http *h, int64_t until)
{
	struct pollfd fds[DEVRX_HTTP_CONNECTIONS_MAX + 1];
	struct drx_http_conn *conns[DEVRX_HTTP_CONNECTIONS_MAX];
	const unsigned int nr = connecting(h, fds, conns);
	int64_t left = until - drx_http_now();
	unsigned int i;
	int n;

	if (left < 0)
		left = 0;
	n = devrx_receiver_wait(h->rx, h->frags, DRX_HTTP_FRAGMENTS,
				nr ? 0 : left);
	if (n > 0 || (n < 0 && n != -ENOTCONN && n != -EINTR && n != -ENOBUFS))
		return n;
	if (!nr && n != -ENOTCONN)
		return 0;
	fds[nr].fd = n == -ENOTCONN ? -1 : h->rx_fd;
	fds[nr].events = POLLIN;
	(void)poll(fds, nr + 1, (int)((left + MS - 1) / MS));
	for (i = 0; i < nr; i++)
		if (fds[i].revents)
			drx_http_conn_connected(h, conns[i]);
	return 0;
}

static void tell_progress(struct devrx_http *h)
{
	struct drx_get *get = h->get;
	const uint64_t end = get->plan.end;

	if (get->err || !get->opts->progress)
		return;
	if (get->opts->progress(
		    get->opts->arg, get->result.done,
		    end == DEVRX_HTTP_UNKNOWN ? 0 : end - get->opts->first))
		give_up(h, drx_fail(&get->cause, -ECANCELED, "http-canceled",
				    NULL, "the caller wants no more"));
}

static void step(struct devrx_http *h)
{
	struct drx_get *get = h->get;
	struct devrx_cause why = { 0 };
	int64_t until;
	int n, err;

	err = settle_origin(h);
	if (err) {
		give_up(h, err);
		return;
	}
	assign(h);
	until = check_times(h);
	if (get->err || drx_plan_is_done(&get->plan))
		return;
	n = wait_for(h, until);
	get->looked_ns = drx_http_now();
	if (n < 0) {
		(void)devrx_receiver_cause(h->rx, &why);
		give_up(h,
			drx_fail(&get->cause, n, "http-receiver", NULL,
				 "the receiver: %s: %.200s",
				 why.id[0] ? why.id : strerror(-n), why.text));
		return;
	}
	if (n)
		drx_http_take(h, (unsigned int)n);
	tell_progress(h);
}

/* Nothing is owed any more, and no bytes are on their way into @to. */
static void finish(struct devrx_http *h)
{
	struct devrx_gather_info info = { .size = sizeof(info) };
	struct drx_get *get = h->get;
	unsigned int i;

	for (i = 0; i < h->opts.connections; i++)
		if (h->conns[i].state != DRX_HTTP_CONN_IDLE)
			drx_http_conn_drop(h, &h->conns[i]);
	if (h->gather) {
		(void)devrx_gather_info(h->gather, &info);
		memcpy(get->result.gathered_by, info.by, sizeof(info.by));
	}
	(void)drx_batch_finish(h);
	if (!h->opts.stream || get->err)
		drx_batch_close(h);
	memcpy(get->result.etag, get->resource.etag, sizeof(get->result.etag));
	memcpy(get->result.modified, get->resource.modified,
	       sizeof(get->result.modified));
	drx_url_print(get->result.url, &get->url);
	if (get->look)
		get->result.done = 0;
	else if (!get->err)
		get->result.done = get->plan.end > get->opts->first ?
					   get->plan.end - get->opts->first :
					   0;
}

/* What is known before the first byte; and what @to wants. */
static int begin(struct devrx_http *h, const char *url)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	struct drx_get *get = h->get;
	const struct devrx_http_request *opts = get->opts;
	unsigned int i;
	int err;

	err = check_get(opts, h);
	if (err)
		return err;
	err = drx_url_parse(&get->url, url, opts->cause);
	if (err)
		return err;
	get->asked = get->url;
	get->look = !opts->to && !opts->keep;
	get->room = UINT64_MAX;
	get->resource.total = get->result.total = DEVRX_HTTP_UNKNOWN;
	get->plan.next = opts->first;
	get->plan.end =
		opts->len ? opts->first + opts->len : DEVRX_HTTP_UNKNOWN;
	get->started_ns = get->looked_ns = drx_http_now();
	for (i = 0; i < h->opts.connections; i++)
		h->conns[i].counted = false;
	if (!opts->to) {
		drx_batch_close(h);
		return 0;
	}
	(void)devrx_memory_info(opts->to, &info);
	get->room = opts->to_offset < info.len ? info.len - opts->to_offset : 0;
	return drx_batch_open(h, opts->cause);
}

int devrx_http_get(struct devrx_http *h, const char *url,
		   const struct devrx_http_request *opts,
		   struct devrx_http_result *result)
{
	struct drx_get get = { .result.size = sizeof(get.result) };
	struct devrx_http_request own;
	int err;

	if (!h || !url || !opts ||
	    drx_opts_get(&own, sizeof(own), opts, sizeof(own)))
		return -EINVAL;
	get.opts = &own;
	h->get = &get;
	/* The same each time, but in a child. */
	h->rx_fd = devrx_receiver_fd(h->rx);
	if (h->rx_fd < 0) {
		err = h->rx_fd == -EPERM ?
			      drx_fail(own.cause, -EPERM, "forked", NULL,
				       "the receiver belongs to the process "
				       "that this one was forked from") :
			      drx_fail_os(own.cause, h->rx_fd,
					  "devrx_receiver_fd");
	} else {
		err = begin(h, url);
		if (!err) {
			while (!get.err && !drx_plan_is_done(&get.plan))
				step(h);
			finish(h);
			err = get.err;
			if (err && own.cause)
				*own.cause = get.cause;
		}
	}
	h->get = NULL;
	if (result)
		(void)drx_info_put(result, &get.result, sizeof(get.result),
				   sizeof(get.result));
	return err;
}
