// SPDX-License-Identifier: MIT
/*
 * Into place: the bytes of one wait are gathered as one batch, and its fragments go
 * back behind that batch's fence.
 */
#include <errno.h>
#include <string.h>

#include "deliver/http.h"
#include "util/cause.h"

static void fail(struct devrx_http *h, int err)
{
	if (!h->get->err)
		h->get->err = drx_fail(&h->get->cause, err, "http-gather", NULL,
				       "the bytes cannot be brought into their "
				       "place: %s",
				       strerror(-err));
}

int drx_batch_open(struct devrx_http *h, struct devrx_cause *cause)
{
	struct devrx_gather_opts opts = DEVRX_GATHER_OPTS_INIT;
	struct devrx_memory *to = h->get->opts->to;
	int err;

	if (h->gather_to == to)
		return 0;
	drx_batch_close(h);
	opts.stream = h->opts.stream;
	opts.cause = cause;
	err = devrx_gather_open(&h->gather, to, h->area, &opts);
	if (!err)
		h->gather_to = to;
	return err;
}

/*
 * Begin a batch of all spans. There may be as many under way as there can be: some of
 * those are done by now, or soon.
 */
static int gather(struct devrx_http *h, struct devrx_fence *fence)
{
	int rc;

	rc = devrx_gather_copy(h->gather, h->spans, h->nr_spans, fence);
	if (rc != -EAGAIN)
		return rc;
	(void)devrx_receiver_poll_fences(h->rx);
	rc = devrx_gather_copy(h->gather, h->spans, h->nr_spans, fence);
	if (rc != -EAGAIN)
		return rc;
	(void)devrx_gather_wait(h->gather);
	(void)devrx_receiver_poll_fences(h->rx);
	return devrx_gather_copy(h->gather, h->spans, h->nr_spans, fence);
}

void drx_batch_add(struct devrx_http *h, uint64_t from, uint64_t at,
		   uint32_t len)
{
	const struct devrx_http_request *opts = h->get->opts;
	const uint64_t to = opts->to_offset + (at - opts->first);
	struct devrx_span *last;
	int rc;

	/* What lies together is one: chunks are often handed out in order. */
	if (h->nr_spans) {
		last = &h->spans[h->nr_spans - 1];
		if (last->from + last->length == from &&
		    last->to + last->length == to) {
			last->length += len;
			return;
		}
	}
	if (h->nr_spans == DEVRX_GATHER_SPANS) {
		/* In the middle of a fragment. It goes back behind the next batch,
		 * which there will be, and which is done after this one. */
		rc = gather(h, NULL);
		if (rc < 0)
			fail(h, rc);
		h->nr_spans = 0;
	}
	last = &h->spans[h->nr_spans++];
	last->from = from;
	last->to = to;
	last->length = len;
}

void drx_batch_flush(struct devrx_http *h)
{
	struct devrx_fence fence;
	int rc = 0;

	if (h->nr_spans)
		rc = gather(h, h->nr_frags ? &fence : NULL);
	if (rc < 0)
		fail(h, rc);
	if (rc > 0 && h->nr_frags)
		(void)devrx_receiver_release_after(h->rx, h->used, h->nr_frags,
						   &fence);
	else if (h->nr_frags)
		(void)devrx_receiver_release(h->rx, h->used, h->nr_frags);
	h->nr_spans = h->nr_frags = 0;
}

int drx_batch_finish(struct devrx_http *h)
{
	int err;

	if (!h->gather || h->opts.stream)
		return 0;
	err = devrx_gather_wait(h->gather);
	(void)devrx_receiver_poll_fences(h->rx);
	if (err)
		fail(h, err);
	return err;
}

void drx_batch_close(struct devrx_http *h)
{
	if (!h->gather)
		return;
	/* No fence may outlive it. */
	(void)devrx_gather_wait(h->gather);
	(void)devrx_receiver_poll_fences(h->rx);
	devrx_gather_close(h->gather);
	h->gather = NULL;
	h->gather_to = NULL;
}
