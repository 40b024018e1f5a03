/* SPDX-License-Identifier: MIT */
/*
 * HTTP: the bytes of a URL into a memory, without a change to the server.
 *
 *	devrx_receiver_open(&rx, area, queue, NULL);
 *	devrx_http_open(&http, rx, area, &opts);
 *	get.to = tensor;
 *	devrx_http_get(http, "http://host/weights.safetensors", &get, &result);
 *	devrx_http_close(http);
 *
 * The resource is asked for in ranges, over several connections that are kept.
 * Payload lands in the receiver's memory as on any connection, and is gathered from
 * there into its place by the device (devrx/gather.h); only what frames it visits
 * the host (devrx/framing.h). It works on every tier: what the tier says of bytes
 * on their way into the receiver's memory is what there is to say here.
 *
 * What can go wrong on the way is mended where that is possible: a connection that
 * breaks, is closed early or goes silent is made anew and goes on where it was; a
 * server that says 429 or 5xx is asked again later; one that has no ranges is asked
 * for all of it. What cannot be mended is an error and never wrong data: each
 * response must name the range that was asked for, of a resource that has not
 * changed (its length; ETag or Last-Modified where the server gives one).
 *
 * HTTP/1.1 over TCP, without TLS, proxies and cookies: https is refused.
 *
 * Threads: all calls come from the thread that opened the receiver. While an
 * http is open the receiver is its alone: no other connections are added, and
 * devrx_receiver_wait() is not called.
 */
#ifndef DEVRX_HTTP_H
#define DEVRX_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>
#include <devrx/framing.h>
#include <devrx/memory.h>
#include <devrx/receiver.h>

#ifdef __cplusplus
extern "C" {
#endif

struct devrx_http;

/* The most connections of one http, and the longest URL with its end. */
#define DEVRX_HTTP_CONNECTIONS_MAX 64
#define DEVRX_HTTP_URL_MAX 2048

/**
 * struct devrx_http_opts - how to talk to servers
 * @size: sizeof(struct devrx_http_opts), set by DEVRX_HTTP_OPTS_INIT
 * @connections: to one server at a time, 0 for 4
 * @retries: how often in a row something may go wrong without a byte of progress,
 *      before it is an error; 0 for 4
 * @request_len: bytes that one request asks for, 0 for 8 MiB; at least 4096
 * @connect_timeout_ms: for one connection to stand, 0 for 10000
 * @idle_timeout_ms: for which a connection that owes bytes may be silent before it
 *      is given up and made anew, 0 for 30000
 * @redirects: that are followed for one URL, 0 for 8
 * @nr_ports: ports in @ports: none, or as many as connections
 * @ports: the local ports that connections are bound to, for a NIC whose rules lead
 *      those to the receiver's queue (devrx_queue_reserve() with the same ports);
 *      copied. NULL: the kernel chooses
 * @headers: further lines of each request, each with CR LF ("Authorization: Bearer
 *      ...\r\n"), copied; at most 4096 bytes. They go to where redirects lead only
 *      while that is the same host and port. NULL for none
 * @stream: kind "cuda": CUstream on which bytes are gathered, see devrx_http_get()
 * @cause: filled in on failure; may be NULL
 *
 * Since: 0.1
 */
struct devrx_http_opts {
	size_t size;
	uint32_t connections;
	uint32_t retries;
	uint64_t request_len;
	uint32_t connect_timeout_ms;
	uint32_t idle_timeout_ms;
	uint32_t redirects;
	uint32_t nr_ports;
	const uint16_t *ports;
	const char *headers;
	void *stream;
	struct devrx_cause *cause;
};

#define DEVRX_HTTP_OPTS_INIT                                                   \
	{                                                                      \
		sizeof(struct devrx_http_opts), 0, 0, 0, 0, 0, 0, 0, NULL,     \
			NULL, NULL, NULL                                       \
	}

/**
 * struct devrx_http_request - what to get, and where to
 * @size: sizeof(struct devrx_http_request), set by DEVRX_HTTP_REQUEST_INIT
 * @to: the memory that the bytes go to, another one than the receiver's; borrowed
 *      for the call, with a stream until the http's next call. NULL with @keep; NULL
 *      without @keep only looks: the result is filled in, and nothing is fetched
 * @to_offset: where in @to byte @first of the resource goes
 * @first: the first byte wanted
 * @len: bytes wanted, all of which must be there; 0 for all from @first on
 * @deadline_ms: for all of it, 0 for none
 * @reserved: 0
 * @progress: called after each batch with what has been begun of how much (0:
 *      not known yet), and at least about ten times a second; anything but 0 ends the
 *      call with -ECANCELED. May be NULL
 * @keep: instead of @to: called with each fragment that has bytes of the body, and
 *      with the pieces of it that are wanted, whose position is that in the
 *      resource, whose other members count within its connection. 0: the fragment is
 *      released; 1: it is the caller's to release, and its bytes stay; negative: the
 *      call ends with it. Each byte comes once, those of one connection in order
 * @arg: what they are called with
 * @cause: filled in on failure; may be NULL
 *
 * Since: 0.1
 */
struct devrx_http_request {
	size_t size;
	struct devrx_memory *to;
	uint64_t to_offset;
	uint64_t first;
	uint64_t len;
	uint32_t deadline_ms;
	uint32_t reserved;
	int (*progress)(void *arg, uint64_t done, uint64_t len);
	int (*keep)(void *arg, const struct devrx_fragment *frag,
		    const struct devrx_piece *pieces, unsigned int n);
	void *arg;
	struct devrx_cause *cause;
};

#define DEVRX_HTTP_REQUEST_INIT                                                \
	{                                                                      \
		sizeof(struct devrx_http_request), NULL, 0, 0, 0, 0, 0, NULL,  \
			NULL, NULL, NULL                                       \
	}

/* The server takes ranges. */
#define DEVRX_HTTP_RESULT_RANGES (1u << 0)

/**
 * struct devrx_http_result - what became of it; filled in on failure, too
 * @size: sizeof(struct devrx_http_result), set by the caller before the call
 * @total: the resource's length, or DEVRX_HTTP_UNKNOWN
 * @done: bytes in their place, in no order; all of them where the call returned 0
 * @status: of the last response that counted, 0 without one
 * @flags: DEVRX_HTTP_RESULT_*
 * @requests: sent
 * @retries: of them, because something had gone wrong
 * @connects: connections made
 * @redirects: followed
 * @connections: connections on which something was asked
 * @reserved: 0
 * @etag, @modified: as in struct devrx_http_head
 * @gathered_by: who brought the bytes into their place, in words, as in struct
 *      devrx_gather_info; empty without opts.to
 * @url: where it was found in the end
 *
 * Since: 0.1
 */
struct devrx_http_result {
	size_t size;
	uint64_t total;
	uint64_t done;
	uint32_t status;
	uint32_t flags;
	uint32_t requests;
	uint32_t retries;
	uint32_t connects;
	uint32_t redirects;
	uint32_t connections;
	uint32_t reserved;
	char etag[128];
	char modified[64];
	char gathered_by[64];
	char url[DEVRX_HTTP_URL_MAX];
};

/**
 * devrx_http_open - get ready to talk to servers
 * @ret: new http on success, untouched on error
 * @rx: the receiver, without connections; borrowed until devrx_http_close()
 * @area: the memory that @rx was opened with, and the only one it has; borrowed too
 * @opts: NULL for the defaults; borrowed for the call
 *
 * Return: 0 or
 *   -EINVAL      opts-invalid: an argument is NULL, a size is wrong, a number is
 *                above its limit, ports are not as many as connections, headers are
 *                too long or are no lines;
 *   -EOPNOTSUPP  http-not-built: this library has no llhttp;
 *   -EBUSY       @rx has connections, or several memories;
 *   -ENOMEM      out-of-memory.
 * Since: 0.1
 */
DEVRX_API int devrx_http_open(struct devrx_http **ret,
			      struct devrx_receiver *rx,
			      struct devrx_memory *area,
			      const struct devrx_http_opts *opts);

/**
 * devrx_http_get - a byte range of a URL into a memory
 * @http: the http
 * @url: "http://host[:port]/path?query", at most DEVRX_HTTP_URL_MAX - 1 bytes
 * @get: what, and where to; borrowed for the call
 * @result: filled in up to its size, on failure too; may be NULL
 *
 * Returns when it is all in its place. With opts.stream it returns when it is all on
 * its way: work that is put on that stream afterwards sees it; @get->to then belongs
 * to the http until its next call, and the stream's errors are the caller's to see.
 *
 * On failure @get->to holds some of the bytes, in no order, in the range that was
 * asked for; nothing outside of it has changed. Connections that are in order
 * stay open for the next call.
 *
 * Context: sleeps; looks up names (getaddrinfo()).
 * Return: 0, or with the cause's identifier
 *   -EINVAL      opts-invalid; http-url: it is no URL, is too long, or has a user's
 *                name in it;
 *   -EPROTONOSUPPORT  http-tls: an https URL, or a redirect to one;
 *   -EHOSTUNREACH  http-resolve: the name has no address;
 *   -ECONNREFUSED, -ETIMEDOUT, -ENETUNREACH, ...  http-connect: it cannot be
 *                connected to, and why;
 *   -ENOENT      http-status: 404 or 410;
 *   -EACCES      http-status: 401, 403 or 407;
 *   -EREMOTEIO   http-status: 408, 429 or 5xx, again and again;
 *   -EPROTO      http-status: any other that is of no use;
 *                http-response: the response is not HTTP/1.1, or its head or what
 *                is between its chunks is too long;
 *                http-range: it is of another range than was asked for, or does
 *                not say of how much; http-length: its lengths contradict each
 *                other; http-encoded: its body is compressed;
 *   -ELOOP       http-redirects: more redirects than opts.redirects, or one to nowhere;
 *   -ERANGE      http-range: the resource ends before what was asked for;
 *   -ENOSPC      http-no-room: @get->to ends before it;
 *   -ESTALE      http-changed: the resource changed meanwhile;
 *   -ECONNRESET, -EPIPE, ...  http-broken: connections broke again and again;
 *   -ETIMEDOUT   http-deadline: @get->deadline_ms have passed; http-silent: the
 *                server was silent, again and again;
 *   -ECANCELED   http-canceled: by @get->progress;
 *   -EADDRINUSE, -EACCES  http-port: one of opts.ports cannot be had;
 *   -EIO, ...    http-gather: the device failed; http-receiver: the receiver did,
 *                and its own cause is in the text;
 *   -EPERM       forked; -ENOMEM out-of-memory; what @get->keep returned.
 * Since: 0.1
 */
DEVRX_API int devrx_http_get(struct devrx_http *http, const char *url,
			     const struct devrx_http_request *get,
			     struct devrx_http_result *result);

/**
 * devrx_http_ports - local ports that are free now
 * @ret: array to fill
 * @n: how many, at most DEVRX_HTTP_CONNECTIONS_MAX
 * @cause: filled in on failure; may be NULL
 *
 * For opts.ports and the ports of a queue. They are free for IPv4 and, where there
 * is IPv6, for that; nothing keeps others from taking them before they are used.
 *
 * Return: 0; -EINVAL (@n); -EADDRINUSE, -EMFILE and others (cause "http-port").
 * Since: 0.1
 */
DEVRX_API int devrx_http_ports(uint16_t *ret, unsigned int n,
			       struct devrx_cause *cause);

/**
 * devrx_http_close - end it
 * @http: the http, taken; NULL is allowed
 *
 * Connections are closed, and the receiver has none any more.
 * Since: 0.1
 */
DEVRX_API void devrx_http_close(struct devrx_http *http);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_HTTP_H */
