/* SPDX-License-Identifier: MIT */
/* What a response means for the request that it answers. Pure. */
#ifndef DRX_HTTP_JUDGE_H
#define DRX_HTTP_JUDGE_H

#include <stdbool.h>

#include <devrx/framing.h>

#include "deliver/http_plan.h"

/* What is known of a resource from responses so far. */
struct drx_resource {
	bool known; /* one of them had bytes */
	uint64_t total; /* or DEVRX_HTTP_UNKNOWN */
	char etag[128];
	char modified[64];
};

enum drx_verdict {
	DRX_VERDICT_TAKE, /* its body has bytes from @base on */
	DRX_VERDICT_EMPTY, /* the resource has no bytes */
	DRX_VERDICT_REDIRECT, /* ask at its location */
	DRX_VERDICT_RETRY, /* ask again later; @err is for when that was in vain */
	DRX_VERDICT_FAIL, /* @err, and the cause is filled in */
};

struct drx_judgement {
	enum drx_verdict verdict;
	int err;
	uint64_t base; /* position in the resource of the body's first byte */
	uint64_t limit; /* that of its end, or DEVRX_HTTP_UNKNOWN */
	bool whole; /* the server has no ranges: it is all of the resource */
};

/*
 * Judge @head, which answers a request for @range (whose end may lie beyond the
 * resource's). Where bytes are to be taken @resource learns from it. @cause is filled
 * in with RETRY and FAIL.
 */
struct drx_judgement drx_http_judge(const struct devrx_http_head *head,
				    const struct drx_range *range,
				    struct drx_resource *resource,
				    struct devrx_cause *cause);

/* May the resource's other bytes be asked for one by one, and still be those of
 * one state of it? "W/" says that they may not. */
bool drx_resource_is_strong(const struct drx_resource *resource);

#endif /* DRX_HTTP_JUDGE_H */
