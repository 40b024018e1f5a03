/* SPDX-License-Identifier: MIT */
/*
 * The chunked coding (RFC 9112, 7.1), seen by its framing alone: feed it the lines,
 * and skip what it says is data. The lowest file of the room.
 */
#ifndef DRX_CHUNKED_H
#define DRX_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

enum drx_chunked_state {
	DRX_CHUNKED_SIZE, /* in the digits, the first one of which is missing */
	DRX_CHUNKED_DIGITS,
	DRX_CHUNKED_EXTENSION,
	DRX_CHUNKED_SIZE_LF,
	DRX_CHUNKED_DATA, /* left bytes of data come next */
	DRX_CHUNKED_DATA_CR,
	DRX_CHUNKED_DATA_LF,
	DRX_CHUNKED_TRAILER, /* at a line's start */
	DRX_CHUNKED_TRAILER_LINE,
	DRX_CHUNKED_TRAILER_LF,
	DRX_CHUNKED_END_LF,
	DRX_CHUNKED_DONE,
};

struct drx_chunked {
	enum drx_chunked_state state;
	uint32_t line; /* bytes of this line, or of all trailers together */
	uint64_t left; /* of the chunk's data */
};

/* The longest line, and the most of trailers. */
#define DRX_CHUNKED_LINE_MAX 4096

/*
 * Take of @len bytes at @buf what is framing; @used says how many that were. It
 * stops at data (state DATA) and behind the end (DONE). Return 0, -EBADMSG where it
 * is no chunked coding, -EMSGSIZE where a line is too long.
 */
int drx_chunked_feed(struct drx_chunked *c, const char *buf, size_t len,
		     size_t *used);

/* @len bytes of data, at most c->left of them, have gone by. */
void drx_chunked_skip(struct drx_chunked *c, uint64_t len);

/* How many bytes of framing are worth a look: never beyond what is data for sure. */
size_t drx_chunked_want(const struct drx_chunked *c);

#endif /* DRX_CHUNKED_H */
