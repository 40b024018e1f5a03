// SPDX-License-Identifier: MIT
/*
 * What a response means. The rule: no byte is taken of which the response does not
 * say where in the resource it belongs, or which may be of another state of the
 * resource than those that were taken before.
 */
#include "deliver/http_judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/cause.h"

static struct drx_judgement verdict(enum drx_verdict verdict, int err)
{
	const struct drx_judgement j = { .verdict = verdict, .err = err };

	return j;
}

static struct drx_judgement by_status(const struct devrx_http_head *head,
				      struct devrx_cause *cause)
{
	const char *next = NULL;
	bool again = false;
	int err = -EPROTO;

	switch (head->status) {
	case 401:
	case 403:
	case 407:
		err = -EACCES;
		break;
	case 404:
	case 410:
		err = -ENOENT;
		break;
	case 408:
	case 425:
	case 429:
		err = -EREMOTEIO;
		again = true;
		break;
	default:
		if (head->status >= 500) {
			err = -EREMOTEIO;
			again = head->status != 501 && head->status != 505;
		}
	}
	(void)drx_fail(cause, err, "http-status", next,
		       "the server says %" PRIu32 "%s%s", head->status,
		       head->reason[0] ? " " : "", head->reason);
	return verdict(again ? DRX_VERDICT_RETRY : DRX_VERDICT_FAIL, err);
}

/* Is what @head says of the resource what is known of it? */
static bool same(const struct devrx_http_head *head, uint64_t total,
		 const struct drx_resource *known)
{
	if (total != DEVRX_HTTP_UNKNOWN && known->total != DEVRX_HTTP_UNKNOWN &&
	    total != known->total)
		return false;
	/* What one of two servers behind one name leaves out is no change. */
	if (head->etag[0] && known->etag[0])
		return !strcmp(head->etag, known->etag);
	if (head->modified[0] && known->modified[0])
		return !strcmp(head->modified, known->modified);
	return true;
}

static struct drx_judgement take(const struct devrx_http_head *head,
				 uint64_t base, uint64_t limit, uint64_t total,
				 struct drx_resource *resource,
				 struct devrx_cause *cause)
{
	struct drx_judgement j = verdict(DRX_VERDICT_TAKE, 0);

	if (resource->known && !same(head, total, resource))
		return verdict(DRX_VERDICT_FAIL,
			       drx_fail(cause, -ESTALE, "http-changed", NULL,
					"the resource changed while it was "
					"fetched: its ETag, Last-Modified or "
					"length is another one now"));
	if (!resource->known)
		resource->total = DEVRX_HTTP_UNKNOWN;
	resource->known = true;
	if (resource->total == DEVRX_HTTP_UNKNOWN)
		resource->total = total;
	if (!resource->etag[0])
		memcpy(resource->etag, head->etag, sizeof(resource->etag));
	if (!resource->modified[0])
		memcpy(resource->modified, head->modified,
		       sizeof(resource->modified));
	j.base = base;
	j.limit = limit;
	return j;
}

static struct drx_judgement partial(const struct devrx_http_head *head,
				    const struct drx_range *range,
				    struct drx_resource *resource,
				    struct devrx_cause *cause)
{
	const uint64_t len = head->range_last - head->range_first + 1;

	if (head->range_first == DEVRX_HTTP_UNKNOWN)
		return verdict(DRX_VERDICT_FAIL,
			       drx_fail(cause, -EPROTO, "http-range", NULL,
					"the response has a part, and does not "
					"say which"));
	if (head->range_first != range->first || head->range_last >= range->end)
		return verdict(DRX_VERDICT_FAIL,
			       drx_fail(cause, -EPROTO, "http-range", NULL,
					"bytes %" PRIu64 " to %" PRIu64
					" were asked for, and the response has "
					"%" PRIu64 " to %" PRIu64,
					range->first, range->end - 1,
					head->range_first, head->range_last));
	if (head->range_total == DEVRX_HTTP_UNKNOWN &&
	    (!resource->known || resource->total == DEVRX_HTTP_UNKNOWN))
		return verdict(DRX_VERDICT_FAIL,
			       drx_fail(cause, -EPROTO, "http-range", NULL,
					"the response does not say how long "
					"the resource is"));
	if (head->length != DEVRX_HTTP_UNKNOWN && head->length != len)
		return verdict(DRX_VERDICT_FAIL,
			       drx_fail(cause, -EPROTO, "http-length", NULL,
					"the response has %" PRIu64
					" bytes, and says that they are "
					"%" PRIu64 " to %" PRIu64,
					head->length, head->range_first,
					head->range_last));
	return take(head, head->range_first, head->range_last + 1,
		    head->range_total, resource, cause);
}

struct drx_judgement drx_http_judge(const struct devrx_http_head *head,
				    const struct drx_range *range,
				    struct drx_resource *resource,
				    struct devrx_cause *cause)
{
	struct drx_judgement j;

	switch (head->status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		if (head->location[0])
			return verdict(DRX_VERDICT_REDIRECT, 0);
		return verdict(DRX_VERDICT_FAIL,
			       drx_fail(cause, -ELOOP, "http-redirects", NULL,
					"the server says %" PRIu32
					", and not where to",
					head->status));
	case 416:
		if (head->range_total == DEVRX_HTTP_UNKNOWN)
			break;
		if (!range->first && !head->range_total && !resource->known)
			return verdict(DRX_VERDICT_EMPTY, 0);
		return verdict(DRX_VERDICT_FAIL,
			       drx_fail(cause, -ERANGE, "http-range", NULL,
					"byte %" PRIu64 " was asked for, and "
					"the resource has %" PRIu64,
					range->first, head->range_total));
	default:
		break;
	}
	if (head->status != 200 && head->status != 206)
		return by_status(head, cause);
	if (head->flags & DEVRX_HTTP_HEAD_ENCODED)
		return verdict(DRX_VERDICT_FAIL,
			       drx_fail(cause, -EPROTO, "http-encoded", NULL,
					"the response is compressed, although "
					"nobody asked for that"));
	if (head->status == 206)
		return partial(head, range, resource, cause);
	j = take(head, 0, head->length, head->length, resource, cause);
	j.whole = true;
	return j;
}

bool drx_resource_is_strong(const struct drx_resource *resource)
{
	return resource->etag[0] && strncmp(resource->etag, "W/", 2) != 0;
}
