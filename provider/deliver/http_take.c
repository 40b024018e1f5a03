// SPDX-License-Identifier: MIT
/*
 * What comes: fragments become pieces of responses, and those bytes of the resource.
 *
 * A response is judged once, at its first piece, before any byte of it is taken. Of
 * its body those bytes are taken that were asked for and are not there yet, each in
 * its turn: conn->at goes up and never back.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "deliver/framing.h"
#include "deliver/http.h"
#include "util/cause.h"

enum { PIECES = 256 };

/* The get ends, with what drx_fail() returned. */
static void give_up(struct devrx_http *h, int err)
{
	if (!h->get->err)
		h->get->err = err;
}

static void no_room(struct devrx_http *h, uint64_t need)
{
	struct drx_get *get = h->get;

	give_up(h, drx_fail(&get->cause, -ENOSPC, "http-no-room", NULL,
			    "%" PRIu64 " bytes or more are to come, and the "
			    "memory has room for %" PRIu64,
			    need, get->room));
}

/* The first bytes: how much will it be, and is there room? */
static void settle(struct devrx_http *h, struct drx_http_conn *conn)
{
	struct drx_get *get = h->get;
	const struct devrx_http_request *opts = get->opts;
	const uint64_t total = get->resource.total;
	uint64_t end = opts->len ? opts->first + opts->len : total;

	get->result.total = total;
	if (get->look)
		end = opts->first < total ? opts->first + 1 : total;
	if (total != DEVRX_HTTP_UNKNOWN && (end > total || opts->first > total))
		give_up(h, drx_fail(&get->cause, -ERANGE, "http-range", NULL,
				    "the resource has %" PRIu64
				    " bytes, and those from %" PRIu64
				    " on were asked for, up to %" PRIu64,
				    total, opts->first, end));
	else if (end != DEVRX_HTTP_UNKNOWN && end - opts->first > get->room)
		no_room(h, end - opts->first);
	else if (end != DEVRX_HTTP_UNKNOWN)
		drx_plan_settle(&get->plan, end, &conn->range);
}

/* Whole resources come on one connection, and are not continued but by chance. */
static void take_whole(struct devrx_http *h, struct drx_http_conn *conn,
		       bool same)
{
	struct drx_get *get = h->get;

	get->result.flags &= ~DEVRX_HTTP_RESULT_RANGES;
	if (get->whole && conn->at > get->opts->first && !same) {
		/* From the start, over what is there. */
		get->result.done = 0;
		conn->range.first = conn->at = get->opts->first;
		if (get->opts->keep)
			give_up(h, drx_fail(&get->cause, get->last_err,
					    "http-broken", NULL,
					    "the server has no ranges, and the "
					    "connection broke: %.200s",
					    get->last.text));
	}
	get->whole = true;
	drx_plan_extend(&get->plan, &conn->range);
}

/* The place that is to be asked instead. */
static void redirect(struct devrx_http *h, struct drx_http_conn *conn,
		     const char *location)
{
	struct drx_get *get = h->get;
	struct drx_url to;
	int err;

	err = drx_url_follow(&to, &get->url, location, &get->cause);
	if (err) {
		give_up(h, err);
		return;
	}
	if (get->result.redirects >= h->opts.redirects) {
		give_up(h, drx_fail(&get->cause, -ELOOP, "http-redirects", NULL,
				    "the server redirects for the %" PRIu32
				    "th time, now to %.160s",
				    get->result.redirects + 1, location));
		return;
	}
	get->result.redirects++;
	get->url = to;
	drx_http_conn_drop(h, conn);
}

/* Judge the response of which @conn has the head now. False: nothing is taken. */
static bool judge(struct devrx_http *h, struct drx_http_conn *conn)
{
	struct devrx_http_head head = { .size = sizeof(head) };
	struct drx_get *get = h->get;
	struct devrx_cause cause = { 0 };
	struct drx_judgement j;
	bool same;

	(void)devrx_framing_head(conn->framing, &head);
	conn->fresh = false;
	conn->close = head.flags & DEVRX_HTTP_HEAD_CLOSE;
	get->result.status = head.status;
	same = drx_resource_is_strong(&get->resource) &&
	       !strcmp(head.etag, get->resource.etag);
	j = drx_http_judge(&head, &conn->range, &get->resource, &cause);
	conn->answered = j.verdict == DRX_VERDICT_TAKE;
	conn->base = j.base;
	conn->limit = j.limit;
	switch (j.verdict) {
	case DRX_VERDICT_TAKE:
		if (j.whole)
			take_whole(h, conn, same);
		else
			get->result.flags |= DEVRX_HTTP_RESULT_RANGES;
		settle(h, conn);
		return !get->err;
	case DRX_VERDICT_EMPTY:
		get->result.total = 0;
		drx_plan_settle(&get->plan, 0, &conn->range);
		drx_http_conn_drop(h, conn);
		return false;
	case DRX_VERDICT_REDIRECT:
		redirect(h, conn, head.location);
		return false;
	case DRX_VERDICT_RETRY:
		conn->fresh = true; /* it did answer */
		drx_http_conn_failed(h, conn, j.err, &cause);
		if (head.retry_after)
			get->retry_ns = drx_http_now() +
					head.retry_after * INT64_C(1000000000);
		return false;
	default:
		get->cause = cause;
		give_up(h, j.err);
		return false;
	}
}

/* Of @piece, which ends at @end, that which is wanted; false where nothing is. */
static bool cut(struct drx_http_conn *conn, const struct devrx_piece *piece,
		uint64_t end, struct devrx_piece *ret)
{
	const uint64_t start = end - piece->length;
	const uint64_t first = start < conn->at ? conn->at : start;

	if (end > conn->range.end)
		end = conn->range.end;
	if (first >= end)
		return false;
	*ret = *piece;
	ret->offset += first - start;
	ret->position = first;
	ret->length = (uint32_t)(end - first);
	conn->at = end;
	return true;
}

/* The response is over, at @end of the resource: what has it brought? */
static void end_response(struct devrx_http *h, struct drx_http_conn *conn,
			 uint64_t end)
{
	struct drx_get *get = h->get;

	if (conn->limit != DEVRX_HTTP_UNKNOWN && end != conn->limit) {
		give_up(h, drx_fail(&get->cause, -EPROTO, "http-length", NULL,
				    "the response ends at byte %" PRIu64
				    ", and says that it goes up to %" PRIu64,
				    end, conn->limit));
		return;
	}
	if (get->whole && get->resource.total == DEVRX_HTTP_UNKNOWN) {
		/* In chunks, or to the end: now it is known. */
		get->resource.total = end;
		settle(h, conn);
	}
	drx_plan_return(&get->plan, &conn->range, conn->at);
	conn->state = DRX_HTTP_CONN_IDLE;
	if (conn->close)
		drx_http_conn_drop(h, conn);
}

/* Begin or go on with a response. False: no more of this fragment is wanted. */
static bool take_piece(struct devrx_http *h, struct drx_http_conn *conn,
		       const struct devrx_piece *piece, struct devrx_piece *ret,
		       unsigned int *nr)
{
	struct drx_get *get = h->get;
	uint64_t end;

	if (conn->state != DRX_HTTP_CONN_BUSY)
		return false;
	if (piece->flags & DEVRX_PIECE_FIRST && !judge(h, conn))
		return false;
	if (__builtin_add_overflow(conn->base, piece->position, &end) ||
	    __builtin_add_overflow(end, piece->length, &end) ||
	    end > conn->limit) {
		give_up(h, drx_fail(&get->cause, -EPROTO, "http-length", NULL,
				    "the response goes beyond byte %" PRIu64
				    ", where it says that it ends",
				    conn->limit));
		return false;
	}
	if (cut(conn, piece, end, ret)) {
		if (conn->at - get->opts->first > get->room) {
			no_room(h, conn->at - get->opts->first);
			return false;
		}
		get->failures = 0;
		get->result.done += ret->length;
		if (get->opts->to)
			drx_batch_add(h, ret->offset, ret->position,
				      ret->length);
		++*nr;
	}
	if (piece->flags & DEVRX_PIECE_LAST) {
		end_response(h, conn, end);
	} else if (conn->at >= conn->range.end) {
		/* More than was asked for: nobody waits for the rest of it. */
		drx_http_conn_drop(h, conn);
		return false;
	}
	return !get->err;
}

/* What the framing says about @conn's stream, which is at its end. */
static void bad_stream(struct devrx_http *h, struct drx_http_conn *conn,
		       int err, const struct devrx_fragment *frag)
{
	struct drx_get *get = h->get;
	struct devrx_cause why = { 0 }, cause;

	(void)devrx_framing_cause(conn->framing, &why);
	if (conn->state != DRX_HTTP_CONN_BUSY)
		return;
	if (err == -EPIPE) {
		if (frag->error)
			err = frag->error;
		(void)drx_fail(&cause, err, "http-broken", NULL, "%.200s%s%s",
			       why.text[0] ? why.text :
					     "the connection ended before the "
					     "response",
			       frag->error ? ": " : "",
			       frag->error ? strerror(-frag->error) : "");
		drx_http_conn_failed(h, conn, err, &cause);
		return;
	}
	if (err == -EBADMSG || err == -EMSGSIZE)
		err = -EPROTO;
	give_up(h, drx_fail(&get->cause, err, "http-response", NULL, "%.280s",
			    why.text));
}

/* Hand @nr pieces of @frag to the caller. True: it keeps the fragment. */
static bool keep(struct devrx_http *h, const struct devrx_fragment *frag,
		 const struct devrx_piece *pieces, unsigned int nr)
{
	struct drx_get *get = h->get;
	int rc;

	if (!get->opts->keep || !nr)
		return false;
	rc = get->opts->keep(get->opts->arg, frag, pieces, nr);
	if (rc < 0 && !get->err)
		get->err = drx_fail(&get->cause, rc, "http-canceled", NULL,
				    "the caller wants no more");
	return rc > 0;
}

static void take_fragment(struct devrx_http *h, struct drx_http_conn *conn,
			  const struct devrx_fragment *frag, int64_t now,
			  bool *kept)
{
	struct devrx_piece piece, pieces[PIECES];
	unsigned int nr = 0;
	int rc;

	conn->until_ns = now + h->opts.idle_timeout_ms * INT64_C(1000000);
	rc = devrx_framing_push(conn->framing, frag);
	while (!rc && (rc = devrx_framing_next(conn->framing, &piece)) > 0) {
		if (nr == PIECES) {
			/* Rather than keep it in parts. */
			if (h->get->opts->keep)
				give_up(h, drx_fail(&h->get->cause, -EMSGSIZE,
						    "http-response", NULL,
						    "a fragment has more than "
						    "%d pieces of the body",
						    PIECES));
			nr = 0;
		}
		rc = take_piece(h, conn, &piece, &pieces[nr], &nr) ? 0 : 1;
	}
	if (rc < 0 && !h->get->err)
		bad_stream(h, conn, rc, frag);
	if (conn->state == DRX_HTTP_CONN_BUSY && !h->get->err &&
	    frag->flags & (DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR))
		bad_stream(h, conn, -EPIPE, frag);
	/* Bytes that answer nothing. */
	if (conn->state == DRX_HTTP_CONN_IDLE &&
	    !drx_framing_is_between(conn->framing))
		drx_http_conn_drop(h, conn);
	*kept = keep(h, frag, pieces, nr);
}

void drx_http_take(struct devrx_http *h, unsigned int n)
{
	const int64_t now = drx_http_now();
	struct drx_get *get = h->get;
	struct drx_http_conn *conn;
	unsigned int i;
	bool kept;

	for (i = 0; i < n; i++) {
		const struct devrx_fragment *frag = &h->frags[i];

		if (frag->flags & DEVRX_FRAGMENT_EVENT)
			continue;
		if (frag->flags & DEVRX_FRAGMENT_LOST) {
			give_up(h, drx_fail(&get->cause, frag->error,
					    "http-gather", NULL,
					    "the device failed: %s",
					    strerror(-frag->error)));
			continue;
		}
		kept = false;
		conn = drx_http_conn_of(h, frag);
		if (conn && conn->state != DRX_HTTP_CONN_ENDING && !get->err)
			take_fragment(h, conn, frag, now, &kept);
		if (!kept && frag->token)
			h->used[h->nr_frags++] = *frag;
		if (conn &&
		    frag->flags & (DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR))
			drx_http_conn_ended(h, conn);
	}
	drx_batch_flush(h);
}
