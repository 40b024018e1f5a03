// SPDX-License-Identifier: MIT
/*
 * One connection's life: CLOSED, CONNECTING, IDLE and BUSY in turns, and, where it is
 * given up before its last fragment came, ENDING. A descriptor is closed only when the
 * receiver has done with it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deliver/http.h"
#include "util/cause.h"

static unsigned int index_of(const struct devrx_http *h,
			     const struct drx_http_conn *conn)
{
	return (unsigned int)(conn - h->conns);
}

static int64_t after_ms(uint32_t ms)
{
	return drx_http_now() + (int64_t)ms * 1000000;
}

int drx_http_conn_open(struct devrx_http *h, struct drx_http_conn *conn)
{
	struct drx_get *get = h->get;

	conn->fd = drx_connect_begin(&h->addresses, h->address, conn->port,
				     &get->cause);
	if (conn->fd < 0)
		return conn->fd;
	conn->state = DRX_HTTP_CONN_CONNECTING;
	conn->origin = h->nr_origin;
	conn->until_ns = after_ms(h->opts.connect_timeout_ms);
	return 0;
}

/* It cannot be had: the next one is tried at another address. */
static void not_connected(struct devrx_http *h, struct drx_http_conn *conn,
			  int err)
{
	struct devrx_cause cause;

	(void)drx_fail(&cause, err, "http-connect", NULL,
		       "cannot connect to %s: %s", h->origin.authority,
		       strerror(-err));
	h->address = (h->address + 1) % h->addresses.nr;
	drx_http_conn_failed(h, conn, err, &cause);
}

void drx_http_conn_connected(struct devrx_http *h, struct drx_http_conn *conn)
{
	struct devrx_framing_opts opts = DEVRX_FRAMING_OPTS_INIT;
	struct drx_get *get = h->get;
	int err = drx_connect_end(conn->fd);

	if (err) {
		not_connected(h, conn, err);
		return;
	}
	opts.kind = DEVRX_FRAMING_HTTP;
	err = devrx_framing_create(&conn->framing, h->area, &opts);
	if (!err) {
		conn->life++;
		err = devrx_receiver_add(h->rx, conn->fd,
					 (uint64_t)conn->life << 8 |
						 index_of(h, conn));
	}
	if (err) {
		devrx_framing_destroy(conn->framing);
		conn->framing = NULL;
		drx_hang_up(conn->fd);
		conn->state = DRX_HTTP_CONN_CLOSED;
		if (!get->err)
			get->err = drx_fail_os(&get->cause, err,
					       "devrx_receiver_add");
		return;
	}
	conn->state = DRX_HTTP_CONN_IDLE;
	conn->fresh = true;
	conn->counted = false;
	get->result.connects++;
}

struct drx_http_conn *drx_http_conn_of(struct devrx_http *h,
				       const struct devrx_fragment *frag)
{
	const unsigned int idx = frag->user & 0xff;
	struct drx_http_conn *conn;

	if (idx >= h->opts.connections)
		return NULL;
	conn = &h->conns[idx];
	return conn->framing && conn->life == frag->user >> 8 ? conn : NULL;
}

static void give_back(struct devrx_http *h, struct drx_http_conn *conn)
{
	if (conn->state == DRX_HTTP_CONN_BUSY)
		drx_plan_return(&h->get->plan, &conn->range, conn->at);
}

static void close_fd(struct drx_http_conn *conn)
{
	devrx_framing_destroy(conn->framing);
	conn->framing = NULL;
	drx_hang_up(conn->fd);
	conn->state = DRX_HTTP_CONN_CLOSED;
}

void drx_http_conn_drop(struct devrx_http *h, struct drx_http_conn *conn)
{
	int err;

	if (conn->state == DRX_HTTP_CONN_CLOSED ||
	    conn->state == DRX_HTTP_CONN_ENDING)
		return;
	give_back(h, conn);
	if (conn->state == DRX_HTTP_CONN_CONNECTING) {
		close_fd(conn);
		return;
	}
	conn->state = DRX_HTTP_CONN_ENDING;
	/* Where the submission queue is full, its end is by the socket's. */
	err = devrx_receiver_remove(h->rx, conn->fd);
	if (err && err != -ENOENT)
		(void)shutdown(conn->fd, SHUT_RDWR);
}

void drx_http_conn_ended(struct devrx_http *h, struct drx_http_conn *conn)
{
	give_back(h, conn);
	close_fd(conn);
}

void drx_http_conn_failed(struct devrx_http *h, struct drx_http_conn *conn,
			  int err, const struct devrx_cause *cause)
{
	struct drx_get *get = h->get;
	/* A server may close a kept connection at any time: no fault of anybody's. */
	const bool stale = conn->state == DRX_HTTP_CONN_BUSY && !conn->fresh &&
			   !conn->answered;

	drx_http_conn_drop(h, conn);
	if (get->err)
		return;
	get->last = *cause;
	get->last_err = err;
	get->result.retries++;
	if (stale)
		return;
	if (++get->failures > h->opts.retries) {
		get->err = err;
		get->cause = *cause;
		return;
	}
	/* At once, after 100, 200, 400 ms, up to 3.2 s. */
	if (get->failures > 1)
		get->retry_ns = after_ms(
			50u << (get->failures < 7 ? get->failures - 1 : 6));
}

void drx_http_conn_ask(struct devrx_http *h, struct drx_http_conn *conn,
		       const struct drx_range *range)
{
	struct drx_get *get = h->get;
	const struct drx_resource *known = &get->resource;
	const bool strong = known->known && drx_resource_is_strong(known);
	char text[DEVRX_HTTP_URL_MAX + DRX_HTTP_HEADERS_MAX + 1024];
	struct devrx_cause cause;
	int len, err;

	conn->state = DRX_HTTP_CONN_BUSY;
	conn->answered = false;
	conn->close = false;
	conn->range = *range;
	conn->at = range->first;
	conn->until_ns = after_ms(h->opts.idle_timeout_ms);
	len = snprintf(text, sizeof(text),
		       "GET %s HTTP/1.1\r\n"
		       "Host: %s\r\n"
		       "User-Agent: devrx\r\n"
		       "Accept: */*\r\n"
		       "Accept-Encoding: identity\r\n"
		       "Range: bytes=%" PRIu64 "-%" PRIu64 "\r\n"
		       "%s%s%s"
		       "%s\r\n",
		       get->url.path, get->url.authority, range->first,
		       range->end - 1, strong ? "If-Range: " : "",
		       strong ? known->etag : "", strong ? "\r\n" : "",
		       get->result.redirects &&
				       !drx_url_same_origin(&get->url,
							    &get->asked) ?
			       "" :
			       h->headers);
	get->result.requests++;
	get->result.connections += !conn->counted;
	conn->counted = true;
	err = drx_send(conn->fd, text, (size_t)len);
	if (!err)
		return;
	(void)drx_fail(&cause, err, "http-broken", NULL,
		       "the request cannot be sent: %s", strerror(-err));
	drx_http_conn_failed(h, conn, err, &cause);
}
