// SPDX-License-Identifier: MIT
/*
 * The HTTP client: ranges of a URL, over several connections of one receiver, into
 * place.
 *
 *   http_url.c     a URL, and where a redirect leads to
 *   http_socket.c  addresses, connecting, sending
 *   http_head.c    a response's head (http_head_none.c: without llhttp)
 *   http_judge.c   what it means: may its bytes be taken, and where do they belong
 *   http_plan.c    which bytes are still to be asked for
 *   http_conn.c    one connection's life
 *   http_take.c    fragments to bytes of the resource
 *   http_batch.c   those into their place, and fragments back
 *   http_get.c     the loop around all these
 *
 * One request is out on a connection at a time. A connection that breaks gives its
 * range back, from the first byte on that is not here, and whoever is free next asks
 * for that. So each byte is taken from one response, and a byte is never taken of
 * which no response has said where it belongs.
 */
#include "deliver/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deliver/http_head.h"
#include "util/cause.h"
#include "util/opts.h"

#define END_OF(type, member)                                                   \
	(offsetof(type, member) + sizeof(((type *)NULL)->member))
_Static_assert(END_OF(struct devrx_http_opts, cause) ==
			       sizeof(struct devrx_http_opts) &&
		       END_OF(struct devrx_http_request, cause) ==
			       sizeof(struct devrx_http_request) &&
		       END_OF(struct devrx_http_result, url) ==
			       sizeof(struct devrx_http_result),
	       "public structs have no tail padding");

int64_t drx_http_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static uint32_t or_default(uint32_t value, uint32_t other)
{
	return value ? value : other;
}

/* Lines, each with CR LF, and nothing else. */
static bool are_lines(const char *headers)
{
	const size_t len = strlen(headers);
	size_t i;

	if (len > DRX_HTTP_HEADERS_MAX ||
	    (len && (len < 2 || strcmp(headers + len - 2, "\r\n") != 0)))
		return false;
	for (i = 0; i < len; i++) {
		/* No bare CR or LF, and no empty line, which would end the head. */
		if ((headers[i] == '\r') != (headers[i + 1] == '\n') &&
		    (headers[i] == '\r' || headers[i + 1] == '\n'))
			return false;
		if (headers[i] == '\n' && headers[i + 1] == '\r')
			return false;
	}
	return headers[0] != '\r' && headers[0] != '\n';
}

static int check_opts(const struct devrx_http_opts *opts)
{
	const char *wrong = NULL;

	if (opts->connections > DEVRX_HTTP_CONNECTIONS_MAX)
		wrong = "there are at most 64 connections";
	else if (opts->request_len && opts->request_len < 4096)
		wrong = "a request asks for at least 4096 bytes";
	else if (!opts->nr_ports != !opts->ports ||
		 (opts->nr_ports && opts->nr_ports != opts->connections))
		wrong = "there are to be as many ports as connections, or none";
	else if (opts->headers && opts->headers[0] && !are_lines(opts->headers))
		wrong = "headers are at most 4096 bytes of lines, each of "
			"which "
			"ends in CR LF";
	return wrong ? drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"%s", wrong) :
		       0;
}

int devrx_http_open(struct devrx_http **ret, struct devrx_receiver *rx,
		    struct devrx_memory *area,
		    const struct devrx_http_opts *opts)
{
	static const struct devrx_http_opts defaults = DEVRX_HTTP_OPTS_INIT;
	struct devrx_receiver_stats stats = { .size = sizeof(stats) };
	struct devrx_receiver_info info = { .size = sizeof(info) };
	struct devrx_http_opts own;
	struct devrx_http *h;
	unsigned int i;
	int err;

	if (drx_opts_get(&own, sizeof(own), opts ? opts : &defaults,
			 sizeof(own)))
		return -EINVAL;
	if (!ret || !rx || !area)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"a receiver and its memory are needed");
	err = check_opts(&own);
	if (err)
		return err;
	if (!drx_http_built())
		return drx_fail(own.cause, -EOPNOTSUPP, "http-not-built", NULL,
				"this library was built without llhttp, and so "
				"without HTTP");
	(void)devrx_receiver_stats(rx, &stats);
	(void)devrx_receiver_info(rx, &info);
	if (stats.connections || info.areas != 1)
		return drx_fail(own.cause, -EBUSY, "opts-invalid", NULL,
				"the receiver has connections already, or more "
				"than one memory");
	h = calloc(1, sizeof(*h));
	if (!h)
		return drx_fail_os(own.cause, -ENOMEM, "calloc");
	h->rx = rx;
	h->area = area;
	if (own.headers)
		memcpy(h->headers, own.headers, strlen(own.headers) + 1);
	own.connections = or_default(own.connections, 4);
	own.retries = or_default(own.retries, 4);
	own.redirects = or_default(own.redirects, 8);
	own.connect_timeout_ms = or_default(own.connect_timeout_ms, 10000);
	own.idle_timeout_ms = or_default(own.idle_timeout_ms, 30000);
	if (!own.request_len)
		own.request_len = UINT64_C(8) << 20;
	for (i = 0; i < own.nr_ports; i++)
		h->conns[i].port = own.ports[i];
	own.ports = NULL;
	own.headers = NULL;
	own.cause = NULL;
	h->opts = own;
	*ret = h;
	return 0;
}

/* Wait for the last fragments of those that were dropped. */
static void drain(struct devrx_http *h)
{
	const int64_t until = drx_http_now() + INT64_C(2000000000);
	struct drx_http_conn *conn;
	int n, i;

	do {
		n = devrx_receiver_wait(h->rx, h->frags, DRX_HTTP_FRAGMENTS,
					INT64_C(100000000));
		for (i = 0; i < n; i++) {
			conn = drx_http_conn_of(h, &h->frags[i]);
			if (conn && h->frags[i].flags & (DEVRX_FRAGMENT_EOF |
							 DEVRX_FRAGMENT_ERROR))
				drx_http_conn_ended(h, conn);
		}
		if (n > 0)
			(void)devrx_receiver_release(h->rx, h->frags,
						     (unsigned int)n);
	} while ((n >= 0 || n == -EINTR || n == -ENOBUFS) &&
		 drx_http_now() < until);
}

void devrx_http_close(struct devrx_http *h)
{
	struct drx_get none = { 0 };
	unsigned int i;

	if (!h)
		return;
	h->get = &none;
	drx_batch_close(h);
	for (i = 0; i < h->opts.connections; i++)
		drx_http_conn_drop(h, &h->conns[i]);
	drain(h);
	for (i = 0; i < h->opts.connections; i++)
		if (h->conns[i].state != DRX_HTTP_CONN_CLOSED)
			drx_http_conn_ended(h, &h->conns[i]);
	free(h);
}
