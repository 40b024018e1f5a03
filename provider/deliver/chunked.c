// SPDX-License-Identifier: MIT
/*
 * The chunked coding's framing, byte by byte.
 *
 * It is strict, because what two parties read in two ways is how one is made to
 * take data for framing: lines end in CR LF, a size has one to sixteen digits and
 * nothing before them, and no line has a bare CR or LF in it.
 */
#include "deliver/chunked.h"

#include <errno.h>
#include <stdbool.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Is @c allowed inside of an extension or a trailer? */
static bool text(char c)
{
	return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

/* One byte in the digits, or behind them. */
static int size_byte(struct drx_chunked *c, char byte)
{
	const int value = digit(byte);

	if (value >= 0) {
		if (c->left >> 60)
			return -EBADMSG;
		c->left = c->left << 4 | (unsigned int)value;
		c->state = DRX_CHUNKED_DIGITS;
		return 0;
	}
	if (c->state == DRX_CHUNKED_SIZE)
		return -EBADMSG;
	if (byte == '\r')
		c->state = DRX_CHUNKED_SIZE_LF;
	else if (byte == ';' || byte == ' ' || byte == '\t')
		c->state = DRX_CHUNKED_EXTENSION;
	else
		return -EBADMSG;
	return 0;
}

/* One byte in a line whose text is nobody's business; CR leads to @next. */
static int line_byte(struct drx_chunked *c, char byte,
		     enum drx_chunked_state next)
{
	if (byte == '\r')
		c->state = next;
	else if (!text(byte))
		return -EBADMSG;
	return 0;
}

/* One byte that has to be an LF. */
static int lf_byte(struct drx_chunked *c, char byte,
		   enum drx_chunked_state next)
{
	if (byte != '\n')
		return -EBADMSG;
	/* Trailers are one limit together. */
	if (c->state != DRX_CHUNKED_TRAILER_LF)
		c->line = 0;
	c->state = next;
	return 0;
}

static int feed_byte(struct drx_chunked *c, char byte)
{
	if (++c->line > DRX_CHUNKED_LINE_MAX)
		return -EMSGSIZE;
	switch (c->state) {
	case DRX_CHUNKED_SIZE:
	case DRX_CHUNKED_DIGITS:
		return size_byte(c, byte);
	case DRX_CHUNKED_EXTENSION:
		return line_byte(c, byte, DRX_CHUNKED_SIZE_LF);
	case DRX_CHUNKED_SIZE_LF:
		return lf_byte(c, byte,
			       c->left ? DRX_CHUNKED_DATA :
					 DRX_CHUNKED_TRAILER);
	case DRX_CHUNKED_DATA_CR:
		if (byte != '\r')
			return -EBADMSG;
		c->state = DRX_CHUNKED_DATA_LF;
		return 0;
	case DRX_CHUNKED_DATA_LF:
		return lf_byte(c, byte, DRX_CHUNKED_SIZE);
	case DRX_CHUNKED_TRAILER:
		if (byte == '\r') {
			c->state = DRX_CHUNKED_END_LF;
			return 0;
		}
		c->state = DRX_CHUNKED_TRAILER_LINE;
		return text(byte) ? 0 : -EBADMSG;
	case DRX_CHUNKED_TRAILER_LINE:
		return line_byte(c, byte, DRX_CHUNKED_TRAILER_LF);
	case DRX_CHUNKED_TRAILER_LF:
		return lf_byte(c, byte, DRX_CHUNKED_TRAILER);
	case DRX_CHUNKED_END_LF:
		return lf_byte(c, byte, DRX_CHUNKED_DONE);
	default:
		return -EBADMSG;
	}
}

int drx_chunked_feed(struct drx_chunked *c, const char *buf, size_t len,
		     size_t *used)
{
	int err = 0;

	for (*used = 0; *used < len && !err; ++*used) {
		if (c->state == DRX_CHUNKED_DATA ||
		    c->state == DRX_CHUNKED_DONE)
			break;
		err = feed_byte(c, buf[*used]);
	}
	return err;
}

void drx_chunked_skip(struct drx_chunked *c, uint64_t len)
{
	c->left -= len;
	if (!c->left)
		c->state = DRX_CHUNKED_DATA_CR;
}

size_t drx_chunked_want(const struct drx_chunked *c)
{
	switch (c->state) {
	case DRX_CHUNKED_DATA:
	case DRX_CHUNKED_DONE:
		return 0;
	case DRX_CHUNKED_DATA_CR:
		/* To the end of the next size, as servers write it. */
		return 16;
	case DRX_CHUNKED_EXTENSION:
	case DRX_CHUNKED_TRAILER_LINE:
		return 64;
	default:
		return 12;
	}
}
