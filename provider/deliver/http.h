/* SPDX-License-Identifier: MIT */
/* What the files of the HTTP client share; http.c has the overview. */
#ifndef DRX_HTTP_H
#define DRX_HTTP_H

#include <stdbool.h>

#include <devrx/gather.h>
#include <devrx/http.h>

#include "deliver/http_judge.h"
#include "deliver/http_plan.h"
#include "deliver/http_socket.h"
#include "deliver/http_url.h"

enum {
	DRX_HTTP_HEADERS_MAX = 4096,
	DRX_HTTP_FRAGMENTS = 64, /* of one devrx_receiver_wait() */
};

enum drx_http_conn_state {
	DRX_HTTP_CONN_CLOSED,
	DRX_HTTP_CONN_CONNECTING,
	DRX_HTTP_CONN_IDLE, /* nothing is owed on it */
	DRX_HTTP_CONN_BUSY, /* a response is */
	DRX_HTTP_CONN_ENDING, /* given up; its last fragment is still to come */
};

/* One connection, or the place for one. */
struct drx_http_conn {
	enum drx_http_conn_state state;
	int fd;
	unsigned int origin; /* h->nr_origin when it was made */
	uint32_t life; /* counts connections: a late fragment is of none */
	uint16_t port; /* local; 0: any */
	struct devrx_framing *framing;
	int64_t until_ns; /* CONNECTING, BUSY: then it is given up */
	/* BUSY */
	bool answered; /* the response's head was judged */
	bool counted; /* in result.connections of this get */
	bool fresh; /* no response came on it yet */
	bool close; /* it ends with this response */
	struct drx_range range;
	uint64_t at; /* the first of them that is not here */
	uint64_t base; /* position in the resource of the body's start */
	uint64_t limit; /* that of its end, or DEVRX_HTTP_UNKNOWN */
};

/* What is under way: one devrx_http_get(). */
struct drx_get {
	const struct devrx_http_request *opts;
	struct devrx_http_result result;
	struct drx_url asked; /* what the caller said */
	struct drx_url url; /* where redirects have led */
	struct drx_plan plan;
	struct drx_resource resource;
	bool look; /* nothing is to be fetched */
	bool whole; /* the server has no ranges */
	uint64_t room; /* for bytes from opts->first on */
	int64_t started_ns;
	int64_t looked_ns; /* when the last wait ended */
	int64_t retry_ns; /* no request before */
	unsigned int failures; /* in a row, without a byte */
	int err; /* it has failed */
	struct devrx_cause cause;
	struct devrx_cause last; /* why something was tried again */
	int last_err;
};

struct devrx_http {
	struct devrx_receiver *rx;
	struct devrx_memory *area;
	struct devrx_http_opts opts;
	struct drx_url origin; /* of the addresses, and of new connections */
	unsigned int nr_origin; /* counts them */
	struct drx_addresses addresses;
	unsigned int address; /* the one in use */
	int rx_fd;

	/* From the area into get->to. */
	struct devrx_gather *gather;
	struct devrx_memory *gather_to;

	struct drx_get *get;
	/* Of one batch: the bytes to gather, and what is to be released then. */
	unsigned int nr_spans, nr_frags;
	struct devrx_fragment frags[DRX_HTTP_FRAGMENTS];
	struct devrx_fragment used[DRX_HTTP_FRAGMENTS];
	struct devrx_span spans[DEVRX_GATHER_SPANS];

	struct drx_http_conn conns[DEVRX_HTTP_CONNECTIONS_MAX];
	char headers[DRX_HTTP_HEADERS_MAX + 1];
};

int64_t drx_http_now(void);

/* ---- http_conn.c: one connection's life ---- */

/* Begin a connection in @conn, which is CLOSED. */
int drx_http_conn_open(struct devrx_http *h, struct drx_http_conn *conn);
/* See what became of one that is CONNECTING. */
void drx_http_conn_connected(struct devrx_http *h, struct drx_http_conn *conn);
/* Give it up, whatever its state; a range that it has goes back. */
void drx_http_conn_drop(struct devrx_http *h, struct drx_http_conn *conn);
/* The receiver delivered its last fragment. */
void drx_http_conn_ended(struct devrx_http *h, struct drx_http_conn *conn);
/* Ask for @range on it; it is IDLE. */
void drx_http_conn_ask(struct devrx_http *h, struct drx_http_conn *conn,
		       const struct drx_range *range);
/* Which one a fragment is of, or NULL where that one is gone. */
struct drx_http_conn *drx_http_conn_of(struct devrx_http *h,
				       const struct devrx_fragment *frag);
/* Something went wrong on @conn, and may be mended: drop it, and try again later. */
void drx_http_conn_failed(struct devrx_http *h, struct drx_http_conn *conn,
			  int err, const struct devrx_cause *cause);

/* ---- http_take.c: what comes ---- */

/* All that a wait brought: into place, and released. */
void drx_http_take(struct devrx_http *h, unsigned int n);

/* ---- http_batch.c: into place ---- */

/* For get->opts->to. */
int drx_batch_open(struct devrx_http *h, struct devrx_cause *cause);
/* One piece at @from of the area belongs to @at of the resource. */
void drx_batch_add(struct devrx_http *h, uint64_t from, uint64_t at,
		   uint32_t len);
/* Gather what was added, and release the fragments used so far when that is done. */
void drx_batch_flush(struct devrx_http *h);
/* All of it is in its place, but with a stream. Return 0 or what the device said. */
int drx_batch_finish(struct devrx_http *h);
/* No gather any more. */
void drx_batch_close(struct devrx_http *h);

#endif /* DRX_HTTP_H */
