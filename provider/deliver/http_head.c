// SPDX-License-Identifier: MIT
/*
 * The head of an HTTP response, by llhttp, which is strict unless told otherwise: it
 * refuses two lengths, a length beside chunks, and lines that end in another way than
 * CR LF. What follows the head llhttp never sees.
 */
#include "deliver/http_head.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <llhttp.h>

struct parse {
	struct devrx_http_head *ret;
	bool complete;
	bool ranged; /* there was a Content-Range */
	const char *why;
	size_t name_len, value_len;
	char name[32];
	char value[sizeof(((struct devrx_http_head *)NULL)->location)];
};

static struct parse *parse_of(llhttp_t *parser)
{
	return parser->data;
}

/* Append what fits; one byte is kept for the end. */
static void append(char *to, size_t size, size_t *used, const char *at,
		   size_t len)
{
	const size_t room = *used < size - 1 ? size - 1 - *used : 0;

	memcpy(to + (room ? *used : 0), at, len < room ? len : room);
	*used += len;
	to[*used < size - 1 ? *used : size - 1] = '\0';
}

static int on_status(llhttp_t *parser, const char *at, size_t len)
{
	struct devrx_http_head *head = parse_of(parser)->ret;
	size_t used = strlen(head->reason);

	append(head->reason, sizeof(head->reason), &used, at, len);
	return 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *p = parse_of(parser);

	append(p->name, sizeof(p->name), &p->name_len, at, len);
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *p = parse_of(parser);

	append(p->value, sizeof(p->value), &p->value_len, at, len);
	return 0;
}

/* Digits at *@at, at least one; *@at goes behind them. */
static bool get_number(const char **at, uint64_t *ret)
{
	const char *c = *at;
	uint64_t n = 0;

	for (; *c >= '0' && *c <= '9'; c++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned int)(*c - '0'), &n))
			return false;
	if (c == *at)
		return false;
	*at = c;
	*ret = n;
	return true;
}

/* "bytes 0-9/100", "bytes 0-9/ *", "bytes * /100" (RFC 9110, 14.4). */
static bool get_range(struct devrx_http_head *head, const char *value)
{
	uint64_t first = 0, last = 0, total = DEVRX_HTTP_UNKNOWN;
	bool any = false;

	if (strncasecmp(value, "bytes ", 6))
		return false;
	value += 6;
	if (*value == '*') {
		any = true;
		value++;
	} else if (!get_number(&value, &first) || *value++ != '-' ||
		   !get_number(&value, &last)) {
		return false;
	}
	if (*value++ != '/')
		return false;
	if (*value == '*')
		value++;
	else if (!get_number(&value, &total))
		return false;
	if (*value)
		return false;
	head->range_total = total;
	if (any)
		return total != DEVRX_HTTP_UNKNOWN;
	if (first > last || (total != DEVRX_HTTP_UNKNOWN && last >= total))
		return false;
	head->range_first = first;
	head->range_last = last;
	return true;
}

/* A value that is of use whole or not at all. */
static void keep(char *to, size_t size, const struct parse *p)
{
	to[0] = '\0';
	if (p->value_len < size)
		memcpy(to, p->value, p->value_len + 1);
}

static int on_value_complete(llhttp_t *parser)
{
	struct parse *p = parse_of(parser);
	struct devrx_http_head *head = p->ret;
	const char *at = p->value;
	uint64_t seconds;

	if (!strcasecmp(p->name, "content-range")) {
		if (p->ranged || p->value_len >= sizeof(p->value) ||
		    !get_range(head, p->value)) {
			p->why = "its Content-Range is none";
			return -1;
		}
		p->ranged = true;
	} else if (!strcasecmp(p->name, "content-encoding")) {
		if (p->value_len && strcasecmp(p->value, "identity"))
			head->flags |= DEVRX_HTTP_HEAD_ENCODED;
	} else if (!strcasecmp(p->name, "etag")) {
		keep(head->etag, sizeof(head->etag), p);
	} else if (!strcasecmp(p->name, "last-modified")) {
		keep(head->modified, sizeof(head->modified), p);
	} else if (!strcasecmp(p->name, "location")) {
		keep(head->location, sizeof(head->location), p);
	} else if (!strcasecmp(p->name, "retry-after")) {
		if (get_number(&at, &seconds) && !*at)
			head->retry_after =
				seconds < 86400 ? (uint32_t)seconds : 86400;
	}
	p->name_len = p->value_len = 0;
	p->name[0] = p->value[0] = '\0';
	return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
	struct parse *p = parse_of(parser);
	struct devrx_http_head *head = p->ret;

	p->complete = true;
	head->status = parser->status_code;
	if (parser->flags & F_CHUNKED)
		head->flags |= DEVRX_HTTP_HEAD_CHUNKED;
	else if (parser->flags & F_CONTENT_LENGTH)
		head->length = parser->content_length;
	else if (parser->flags & F_TRANSFER_ENCODING)
		p->why = "its transfer coding is not chunked";
	if (!llhttp_should_keep_alive(parser))
		head->flags |= DEVRX_HTTP_HEAD_CLOSE;
	return p->why ? -1 : HPE_PAUSED;
}

bool drx_http_built(void)
{
	return true;
}

int drx_http_head_parse(struct devrx_http_head *ret, const char *buf,
			size_t len, const char **why)
{
	struct parse p = { .ret = ret };
	llhttp_settings_t settings;
	llhttp_t parser;

	memset(ret, 0, sizeof(*ret));
	ret->size = sizeof(*ret);
	ret->length = ret->range_first = ret->range_last = ret->range_total =
		DEVRX_HTTP_UNKNOWN;
	llhttp_settings_init(&settings);
	settings.on_status = on_status;
	settings.on_header_field = on_name;
	settings.on_header_value = on_value;
	settings.on_header_value_complete = on_value_complete;
	settings.on_headers_complete = on_headers_complete;
	llhttp_init(&parser, HTTP_RESPONSE, &settings);
	parser.data = &p;
	if (llhttp_execute(&parser, buf, len) == HPE_PAUSED && p.complete &&
	    llhttp_get_error_pos(&parser) == buf + len)
		return 0;
	*why = p.why ? p.why : llhttp_get_error_reason(&parser);
	if (!*why || !**why)
		*why = "its head ends elsewhere than it says";
	return -EBADMSG;
}
