// SPDX-License-Identifier: MIT
/*
 * Where messages begin and end: fragments in, pieces out.
 *
 * The invariant: the bytes of the current fragment before @at are behind us, those
 * from it on are untouched. A step consumes framing or hands out a piece, and when
 * nothing is left to consume it is the next fragment's turn. So how a stream was cut
 * into fragments shows in where pieces end, and in nothing else.
 */
#include "deliver/framing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/http_head.h"
#include "util/cause.h"
#include "util/opts.h"

enum {
	HEAD_MAX = 16384,
	/* What is read of a head at a time: most are shorter. */
	HEAD_READ = 1024,
	/* Interim responses that one request may have. */
	INTERIM_MAX = 16,
};

#define END_OF(type, member)                                                   \
	(offsetof(type, member) + sizeof(((type *)NULL)->member))
_Static_assert(END_OF(struct devrx_framing_opts, cause) ==
		       sizeof(struct devrx_framing_opts),
	       "public structs have no tail padding");
_Static_assert(END_OF(struct devrx_http_head, location) ==
		       sizeof(struct devrx_http_head),
	       "public structs have no tail padding");

static int check_opts(const struct devrx_framing_opts *opts)
{
	const bool prefixed = opts->kind == DEVRX_FRAMING_PREFIXED;
	const bool http = opts->kind == DEVRX_FRAMING_HTTP;
	const char *wrong = NULL;

	if (opts->kind < DEVRX_FRAMING_FIXED || opts->kind > DEVRX_FRAMING_HTTP)
		wrong = "the kind is none of enum devrx_framing_kind";
	else if (opts->flags & ~(prefixed ? DEVRX_FRAMING_F_BIG_ENDIAN : 0))
		wrong = "a flag is unknown, or not for this kind";
	else if (prefixed ? opts->prefix != 4 && opts->prefix != 8 :
			    opts->prefix)
		wrong = "a prefix has 4 or 8 bytes, and other kinds have none";
	else if (opts->kind == DEVRX_FRAMING_FIXED ? !opts->len :
						     http && opts->len)
		wrong = "messages of fixed length have one, HTTP has not";
	else if (opts->head_max && !http)
		wrong = "only HTTP has a head";
	if (wrong)
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"%s", wrong);
	if (http && !drx_http_built())
		return drx_fail(opts->cause, -EOPNOTSUPP, "http-not-built",
				NULL,
				"this library was built without llhttp, and so "
				"without HTTP");
	return 0;
}

int devrx_framing_create(struct devrx_framing **ret, struct devrx_memory *mem,
			 const struct devrx_framing_opts *opts)
{
	struct devrx_framing_opts own;
	struct devrx_framing *f;
	int err;

	if (!ret || !mem || !opts ||
	    drx_opts_get(&own, sizeof(own), opts, sizeof(own)))
		return -EINVAL;
	err = check_opts(&own);
	if (err)
		return err;
	if (own.kind == DEVRX_FRAMING_HTTP && !own.head_max)
		own.head_max = HEAD_MAX;
	f = calloc(1, sizeof(*f) + own.head_max);
	if (!f)
		return drx_fail_os(own.cause, -ENOMEM, "calloc");
	f->mem = mem;
	f->opts = own;
	f->opts.cause = NULL;
	*ret = f;
	return 0;
}

void devrx_framing_destroy(struct devrx_framing *framing)
{
	free(framing);
}

int devrx_framing_push(struct devrx_framing *f,
		       const struct devrx_fragment *frag)
{
	if (f->pushed)
		return -EBUSY;
	if (frag->flags & (DEVRX_FRAGMENT_LOST | DEVRX_FRAGMENT_EVENT) ||
	    devrx_fragment_area(frag) || frag->position != f->position ||
	    f->ended)
		return -EINVAL;
	f->frag = *frag;
	f->at = 0;
	f->pushed = true;
	return 0;
}

static int fail_read(struct devrx_framing *f, int err)
{
	return drx_fail_os(&f->cause, err, "devrx_memory_read");
}

static int fail_malformed(struct devrx_framing *f, const char *why)
{
	return drx_fail(&f->cause, -EBADMSG, "framing-malformed", NULL,
			"message %" PRIu64 ": what came is not HTTP/1.1: %s",
			f->message, why);
}

static uint32_t left_in_fragment(const struct devrx_framing *f)
{
	return f->frag.length - f->at;
}

/* Copy @len of the fragment's next bytes to the host, and leave them where they are. */
static int look(struct devrx_framing *f, void *buf, uint32_t len)
{
	return devrx_memory_read(f->mem, f->frag.offset + f->at, buf, len);
}

/* Begin the body of a message whose length is known. */
static void begin_body(struct devrx_framing *f, enum drx_framing_state state,
		       uint64_t len)
{
	f->state = state;
	f->left = len;
	f->body = 0;
	f->first = true;
}

static int get_prefix(struct devrx_framing *f)
{
	const uint32_t width = f->opts.prefix;
	uint32_t nr = width - f->head_len, i;
	uint64_t len = 0;
	int err;

	nr = nr < left_in_fragment(f) ? nr : left_in_fragment(f);
	err = look(f, f->prefix + f->head_len, nr);
	if (err)
		return fail_read(f, err);
	f->at += nr;
	f->head_len += nr;
	if (f->head_len < width)
		return 0;
	for (i = 0; i < width; i++)
		len |= (uint64_t)f->prefix[i]
		       << 8 * (f->opts.flags & DEVRX_FRAMING_F_BIG_ENDIAN ?
				       width - 1 - i :
				       i);
	if (f->opts.len && len > f->opts.len)
		return drx_fail(&f->cause, -EMSGSIZE, "framing-too-long", NULL,
				"message %" PRIu64 " has %" PRIu64
				" bytes, of which %" PRIu64 " are taken",
				f->message, len, f->opts.len);
	begin_body(f, DRX_FRAMING_BODY, len);
	return 0;
}

/* The head is whole: what comes behind it? */
static int begin_response(struct devrx_framing *f)
{
	struct devrx_http_head *head = &f->http;
	const char *why;
	int err;

	err = drx_http_head_parse(head, f->head, f->head_len, &why);
	if (err)
		return fail_malformed(f, why);
	f->head_len = 0;
	if (head->status == 101)
		return fail_malformed(f, "the server switches to another "
					 "protocol, which nobody asked for");
	if (head->status < 200) {
		if (++f->interim > INTERIM_MAX)
			return fail_malformed(f, "one interim response after "
						 "the other");
		return 0;
	}
	f->interim = 0;
	f->have_head = true;
	if (f->no_body || head->status == 204 || head->status == 304) {
		begin_body(f, DRX_FRAMING_BODY, 0);
	} else if (head->flags & DEVRX_HTTP_HEAD_CHUNKED) {
		memset(&f->chunked, 0, sizeof(f->chunked));
		begin_body(f, DRX_FRAMING_CHUNKED, 0);
	} else if (head->length != DEVRX_HTTP_UNKNOWN) {
		begin_body(f, DRX_FRAMING_BODY, head->length);
	} else {
		begin_body(f, DRX_FRAMING_TO_END, 0);
	}
	f->no_body = false;
	return 0;
}

static int get_head(struct devrx_framing *f)
{
	static const char start[] = "HTTP/1.";
	uint32_t room = f->opts.head_max - f->head_len;
	uint32_t from = f->head_len > 3 ? f->head_len - 3 : 0;
	uint32_t nr = left_in_fragment(f);
	const char *end;
	int err;

	if (!room)
		return drx_fail(&f->cause, -EMSGSIZE, "framing-too-long", NULL,
				"message %" PRIu64 " has a head of more than "
				"%" PRIu32 " bytes",
				f->message, f->opts.head_max);
	nr = nr < room ? nr : room;
	nr = nr < HEAD_READ ? nr : HEAD_READ;
	err = look(f, f->head + f->head_len, nr);
	if (err)
		return fail_read(f, err);
	f->have_head = false;
	end = memmem(f->head + from, f->head_len + nr - from, "\r\n\r\n", 4);
	if (end)
		nr = (uint32_t)(end + 4 - f->head) - f->head_len;
	f->at += nr;
	f->head_len += nr;
	/* Not to wait for the end of what has begun wrong: a TLS alert, say. */
	if (memcmp(f->head, start,
		   f->head_len < sizeof(start) - 1 ? f->head_len :
						     sizeof(start) - 1))
		return fail_malformed(f, "it does not begin with HTTP/1");
	return end ? begin_response(f) : 0;
}

/* Hand out @len of the fragment's bytes. */
static int hand_out(struct devrx_framing *f, struct devrx_piece *ret,
		    uint64_t len, bool last)
{
	ret->offset = f->frag.offset + f->at;
	ret->position = f->body;
	ret->message = f->message;
	ret->length = (uint32_t)len;
	ret->flags = (f->first ? DEVRX_PIECE_FIRST : 0) |
		     (last ? DEVRX_PIECE_LAST : 0);
	f->first = false;
	f->at += (uint32_t)len;
	f->body += len;
	if (last) {
		f->message++;
		f->head_len = 0;
		f->state = DRX_FRAMING_HEAD;
	}
	return 1;
}

static int get_body(struct devrx_framing *f, struct devrx_piece *ret)
{
	uint64_t len = left_in_fragment(f);

	if (len > f->left)
		len = f->left;
	if (!len && f->left)
		return 0;
	f->left -= len;
	return hand_out(f, ret, len, !f->left);
}

static int get_chunks(struct devrx_framing *f, struct devrx_piece *ret)
{
	struct drx_chunked *c = &f->chunked;
	char buf[64];
	size_t nr, used;
	int err;

	if (c->state == DRX_CHUNKED_DONE)
		return hand_out(f, ret, 0, true);
	if (!left_in_fragment(f))
		return 0;
	if (c->state == DRX_CHUNKED_DATA) {
		nr = left_in_fragment(f) < c->left ? left_in_fragment(f) :
						     c->left;
		drx_chunked_skip(c, nr);
		return hand_out(f, ret, nr, false);
	}
	nr = drx_chunked_want(c);
	nr = nr < sizeof(buf) ? nr : sizeof(buf);
	nr = nr < left_in_fragment(f) ? nr : left_in_fragment(f);
	err = look(f, buf, (uint32_t)nr);
	if (err)
		return fail_read(f, err);
	err = drx_chunked_feed(c, buf, nr, &used);
	f->at += (uint32_t)used;
	if (err == -EMSGSIZE)
		return drx_fail(&f->cause, err, "framing-too-long", NULL,
				"message %" PRIu64 " has a line of more than "
				"%d bytes between its chunks",
				f->message, DRX_CHUNKED_LINE_MAX);
	return err ? fail_malformed(f, "its chunks are none") : 0;
}

/* One step: 1 with a piece, 0 without, or what is wrong. */
static int step(struct devrx_framing *f, struct devrx_piece *ret)
{
	switch (f->state) {
	case DRX_FRAMING_HEAD:
		if (!left_in_fragment(f))
			return 0;
		if (f->opts.kind == DEVRX_FRAMING_HTTP)
			return get_head(f);
		if (f->opts.kind == DEVRX_FRAMING_PREFIXED)
			return get_prefix(f);
		begin_body(f, DRX_FRAMING_BODY, f->opts.len);
		return 0;
	case DRX_FRAMING_BODY:
		return get_body(f, ret);
	case DRX_FRAMING_CHUNKED:
		return get_chunks(f, ret);
	default:
		return left_in_fragment(f) ?
			       hand_out(f, ret, left_in_fragment(f), false) :
			       0;
	}
}

/* The fragment is used up: is it the stream's last one, and may it be? */
static int end_of_fragment(struct devrx_framing *f, struct devrx_piece *ret)
{
	const bool eof = f->frag.flags & DEVRX_FRAGMENT_EOF;

	f->position += f->frag.length;
	f->pushed = false;
	if (!eof && !(f->frag.flags & DEVRX_FRAGMENT_ERROR))
		return 0;
	f->ended = true;
	if (f->state == DRX_FRAMING_HEAD && !f->head_len)
		return 0;
	if (f->state == DRX_FRAMING_TO_END && eof)
		return hand_out(f, ret, 0, true);
	return drx_fail(&f->cause, -EPIPE, "framing-cut", NULL,
			"the connection ended %s message %" PRIu64 ", %" PRIu64
			" bytes into its body",
			f->state == DRX_FRAMING_HEAD ? "before" : "in",
			f->message, f->state == DRX_FRAMING_HEAD ? 0 : f->body);
}

int devrx_framing_next(struct devrx_framing *f, struct devrx_piece *ret)
{
	enum drx_framing_state state;
	uint32_t at;
	int rc;

	if (f->err)
		return f->err;
	if (!f->pushed)
		return 0;
	do {
		at = f->at;
		state = f->state;
		rc = step(f, ret);
	} while (!rc && (at != f->at || state != f->state));
	if (!rc)
		rc = end_of_fragment(f, ret);
	if (rc < 0)
		f->err = rc;
	return rc;
}

bool drx_framing_is_between(const struct devrx_framing *f)
{
	return !f->pushed && f->state == DRX_FRAMING_HEAD && !f->head_len;
}

int devrx_framing_head(const struct devrx_framing *f,
		       struct devrx_http_head *ret)
{
	if (f->opts.kind != DEVRX_FRAMING_HTTP)
		return -EINVAL;
	if (!f->have_head)
		return -ENODATA;
	return drx_info_put(ret, &f->http, sizeof(f->http), sizeof(f->http));
}

int devrx_framing_no_body(struct devrx_framing *f)
{
	if (f->opts.kind != DEVRX_FRAMING_HTTP)
		return -EINVAL;
	f->no_body = true;
	return 0;
}

int devrx_framing_cause(const struct devrx_framing *f, struct devrx_cause *ret)
{
	if (!f->err)
		return -ENODATA;
	*ret = f->cause;
	return 0;
}
