/* SPDX-License-Identifier: MIT */
/*
 * Framing: where messages begin and end in a stream whose bytes are in a memory.
 *
 *	devrx_framing_create(&framing, mem, &opts);
 *	...
 *	devrx_framing_push(framing, &frag);
 *	while ((rc = devrx_framing_next(framing, &piece)) > 0)
 *		... piece.offset, piece.length: bytes of message piece.message,
 *		    at piece.position in its body ...
 *	devrx_receiver_release(rx, &frag, 1);
 *
 * A body is never looked at: it is a list of pieces, each a part of one fragment,
 * in order, without gaps. Read to the host are only the bytes that frame it: the
 * prefix of a length, the head of an HTTP response, the lines between its chunks;
 * by devrx_memory_read(), some bytes at a time. What frames is in no piece.
 *
 * One framing is for one connection, and knows nothing of its receiver: it may be
 * anybody's fragments, from any thread, one call at a time. The memory is the one
 * they are in (of several, area 0 of its receiver; others are refused).
 */
#ifndef DEVRX_FRAMING_H
#define DEVRX_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>
#include <devrx/memory.h>
#include <devrx/receiver.h>

#ifdef __cplusplus
extern "C" {
#endif

struct devrx_framing;

enum devrx_framing_kind {
	/* Messages of opts.len bytes each. */
	DEVRX_FRAMING_FIXED = 1,
	/* Each message behind its length, of opts.prefix bytes. */
	DEVRX_FRAMING_PREFIXED = 2,
	/* Responses of HTTP/1.1 and 1.0: a body by Content-Length, in chunks, or to
	 * the end of the connection. */
	DEVRX_FRAMING_HTTP = 3,
};

/* The prefix is big-endian; otherwise little-endian. */
#define DEVRX_FRAMING_F_BIG_ENDIAN (1u << 0)

/**
 * struct devrx_framing_opts - how messages are framed
 * @size: sizeof(struct devrx_framing_opts), set by DEVRX_FRAMING_OPTS_INIT
 * @kind: enum devrx_framing_kind
 * @prefix: bytes of a prefix: 4 or 8; else 0
 * @len: FIXED: bytes of each message, not 0. PREFIXED: the longest message that is
 *      taken, 0 for any. HTTP: 0
 * @head_max: HTTP: bytes of the longest head that is taken, 0 for 16384
 * @flags: DEVRX_FRAMING_F_*
 * @cause: filled in on failure, of devrx_framing_create() only; may be NULL
 *
 * Since: 0.1
 */
struct devrx_framing_opts {
	size_t size;
	uint32_t kind;
	uint32_t prefix;
	uint64_t len;
	uint32_t head_max;
	uint32_t flags;
	struct devrx_cause *cause;
};

#define DEVRX_FRAMING_OPTS_INIT                                                \
	{                                                                      \
		sizeof(struct devrx_framing_opts), 0, 0, 0, 0, 0, NULL         \
	}

/* The first piece of its message; the last one. One piece may be both; where a
 * message is empty, or its end is known late, its last piece has no bytes. */
#define DEVRX_PIECE_FIRST (1u << 0)
#define DEVRX_PIECE_LAST (1u << 1)

/**
 * struct devrx_piece - bytes of one message's body that lie in one piece
 * @offset: where they start in the memory, bytes
 * @position: where they start in the message's body, bytes from 0
 * @message: which message of its connection, from 0
 * @length: bytes
 * @flags: DEVRX_PIECE_*
 *
 * Since: 0.1
 */
struct devrx_piece {
	uint64_t offset;
	uint64_t position;
	uint64_t message;
	uint32_t length;
	uint32_t flags;
};

/* No Content-Length; no Content-Range, or no total in it. */
#define DEVRX_HTTP_UNKNOWN UINT64_MAX

/* The body is in chunks; the connection ends with it. */
#define DEVRX_HTTP_HEAD_CHUNKED (1u << 0)
#define DEVRX_HTTP_HEAD_CLOSE (1u << 1)
/* The body is encoded (gzip, ...): Content-Encoding is not identity. */
#define DEVRX_HTTP_HEAD_ENCODED (1u << 2)

/**
 * struct devrx_http_head - the head of a response
 * @size: sizeof(struct devrx_http_head), set by the caller before the call
 * @status: 200, 206, 404, ...
 * @flags: DEVRX_HTTP_HEAD_*
 * @length: Content-Length, or DEVRX_HTTP_UNKNOWN
 * @range_first, @range_last: the bytes that Content-Range names, both included, or
 *      DEVRX_HTTP_UNKNOWN
 * @range_total: the resource's length as Content-Range has it, or
 *      DEVRX_HTTP_UNKNOWN
 * @retry_after: seconds, by Retry-After; 0 without, or where it is a date
 * @reserved: 0
 * @reason: the status line's words, cut to fit
 * @etag: ETag with its quotes, W/ included; empty without, and where it is longer
 * @modified: Last-Modified; empty without
 * @location: Location; empty without, and where it is longer
 *
 * Since: 0.1
 */
struct devrx_http_head {
	size_t size;
	uint32_t status;
	uint32_t flags;
	uint64_t length;
	uint64_t range_first;
	uint64_t range_last;
	uint64_t range_total;
	uint32_t retry_after;
	uint32_t reserved;
	char reason[64];
	char etag[128];
	char modified[64];
	char location[2048];
};

/**
 * devrx_framing_create - begin at the start of a connection's stream
 * @ret: new framing on success, untouched on error
 * @mem: the memory that its fragments are in; borrowed until
 *       devrx_framing_destroy()
 * @opts: how its messages are framed; borrowed for the call
 *
 * Return: 0 or
 *   -EINVAL      opts-invalid: an argument is NULL, a size is wrong, a kind, a
 *                prefix or a flag is unknown, or one is set that the kind has not;
 *   -EOPNOTSUPP  http-not-built: this library has no llhttp, and HTTP was asked for;
 *   -ENOMEM      out-of-memory.
 * Since: 0.1
 */
DEVRX_API int devrx_framing_create(struct devrx_framing **ret,
				   struct devrx_memory *mem,
				   const struct devrx_framing_opts *opts);

/**
 * devrx_framing_destroy - end it
 * @framing: the framing, taken; NULL is allowed
 *
 * Since: 0.1
 */
DEVRX_API void devrx_framing_destroy(struct devrx_framing *framing);

/**
 * devrx_framing_push - the stream's next fragment
 * @framing: the framing
 * @frag: the fragment, copied; its bytes stay in the memory until
 *        devrx_framing_next() has returned 0. It is a connection's own: not with
 *        LOST or EVENT
 *
 * Return: 0; -EBUSY: devrx_framing_next() has not yet returned 0 for the one before;
 *   -EINVAL: it is not the one that comes next in its stream, or is in another
 *   memory than @framing's, or has LOST or EVENT.
 * Since: 0.1
 */
DEVRX_API int devrx_framing_push(struct devrx_framing *framing,
				 const struct devrx_fragment *frag);

/**
 * devrx_framing_next - the next piece in the fragment that was pushed
 * @framing: the framing
 * @ret: the piece
 *
 * A fragment with EOF or ERROR ends the stream: where that is in the middle of a
 * message, and not what ends it, the message is cut, and this is an error. So is all
 * that cannot be understood, and it stays one: there is no way to find the next
 * message.
 *
 * Return: 1: a piece; 0: there is none left in this fragment; or
 *   -EBADMSG     framing-malformed: this is not HTTP, or not HTTP in one way only
 *                (two lengths, a chunk's size that is none, a head that ends
 *                nowhere), or the response is one of those that have no end here:
 *                101, 1xx after 1xx without end;
 *   -EMSGSIZE    framing-too-long: a message longer than opts.len, a head longer
 *                than opts.head_max, a chunk's line longer than 4096;
 *   -EPIPE       framing-cut: the stream ended in the middle of a message;
 *   others       what devrx_memory_read() returned.
 * Since: 0.1
 */
DEVRX_API int devrx_framing_next(struct devrx_framing *framing,
				 struct devrx_piece *ret);

/**
 * devrx_framing_head - the head of the response that is under way
 * @framing: a framing of kind HTTP
 * @ret: filled in up to @ret->size bytes
 *
 * There is one from the response's first piece on, until the one after it.
 *
 * Return: 0; -EINVAL: the kind is another one, or @ret->size is smaller than in
 *   version 0.1; -ENODATA: no response has begun.
 * Since: 0.1
 */
DEVRX_API int devrx_framing_head(const struct devrx_framing *framing,
				 struct devrx_http_head *ret);

/**
 * devrx_framing_no_body - the next response will have none
 * @framing: a framing of kind HTTP
 *
 * For the response to HEAD, which has the length of a body and not the body. It
 * counts for the one that comes next, 1xx aside.
 *
 * Return: 0; -EINVAL: the kind is another one.
 * Since: 0.1
 */
DEVRX_API int devrx_framing_no_body(struct devrx_framing *framing);

/**
 * devrx_framing_cause - why devrx_framing_next() failed
 * @framing: the framing
 * @ret: filled in
 *
 * Return: 0, or -ENODATA where it has not.
 * Since: 0.1
 */
DEVRX_API int devrx_framing_cause(const struct devrx_framing *framing,
				  struct devrx_cause *ret);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_FRAMING_H */
