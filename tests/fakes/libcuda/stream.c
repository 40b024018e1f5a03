// SPDX-License-Identifier: MIT
/*
 * What the device has to do: streams, events, and one queue of work.
 *
 * Work is done as late as a device may, so that who does not wait for it sees it:
 * when somebody synchronises with it, or asks for the "late"th time whether an
 * event behind it has passed. One queue for all streams is an order that a device
 * may choose, too. There is no thread: what is done is done inside such a call.
 */
#include "stream.h"

#include <stdlib.h>

#include "mapping.h"

struct stream {
	struct stream *next;
	struct fake_context *ctx;
};

struct event {
	struct event *next;
	struct fake_context *ctx;
	uint64_t at; /* passes with this work; 0: was never recorded */
	int asked;
};

static struct stream *streams;
static struct event *events;
static struct fake_work *queue, **queue_end = &queue;
static uint64_t nr_queued, nr_done;

static struct stream *find_stream(const void *handle)
{
	struct stream *s = streams;

	while (s && s != handle)
		s = s->next;
	return s;
}

static struct event *find_event(const void *handle)
{
	struct event *e = events;

	while (e && e != handle)
		e = e->next;
	return e;
}

int fake_stream(const void *handle, struct fake_context **ret)
{
	int result = fake_current(ret);
	const struct stream *s;

	if (result || !handle) /* the context's own */
		return result;
	s = find_stream(handle);
	return s && s->ctx == *ret ? 0 : DRX_CU_INVALID_HANDLE;
}

void fake_queue(struct fake_work *work, struct fake_context *ctx,
		const void *stream)
{
	work->next = NULL;
	work->ctx = ctx;
	work->stream = stream;
	work->nr = ++nr_queued;
	*queue_end = work;
	queue_end = &work->next;
}

static struct fake_work *take_first(void)
{
	struct fake_work *work = queue;

	queue = work->next;
	if (!queue)
		queue_end = &queue;
	return work;
}

static int run_until(uint64_t nr)
{
	while (queue && queue->nr <= nr && !fake_lost()) {
		struct fake_work *work = take_first();

		nr_done = work->nr;
		work->run(work);
		free(work);
	}
	/* What was done may have been the device's end. */
	return fake_lost();
}

int fake_finish(const void *stream)
{
	const struct fake_work *work;
	uint64_t last = 0;

	for (work = queue; work; work = work->next) {
		if (work->stream == stream)
			last = work->nr;
	}
	return run_until(last);
}

int fake_finish_all(void)
{
	return run_until(nr_queued);
}

/* A context's end: its work is never done. */
void fake_streams_gone(const struct fake_context *ctx)
{
	struct fake_work **work = &queue;
	struct stream **s = &streams;
	struct event **e = &events;

	while (*work) {
		struct fake_work *one = *work;

		if (!ctx || one->ctx == ctx) {
			*work = one->next;
			free(one);
		} else {
			work = &one->next;
		}
	}
	queue_end = work;
	while (*s) {
		struct stream *one = *s;

		if (!ctx || one->ctx == ctx) {
			*s = one->next;
			free(one);
		} else {
			s = &one->next;
		}
	}
	while (*e) {
		struct event *one = *e;

		if (!ctx || one->ctx == ctx) {
			*e = one->next;
			free(one);
		} else {
			e = &one->next;
		}
	}
}

long fake_count_streams(void)
{
	const struct stream *s;
	long nr = 0;

	for (s = streams; s; s = s->next)
		nr++;
	return nr;
}

long fake_count_events(void)
{
	const struct event *e;
	long nr = 0;

	for (e = events; e; e = e->next)
		nr++;
	return nr;
}

FAKE_API int cuStreamCreate(void **ret, unsigned int flags)
{
	struct fake_context *ctx;
	struct stream *s;
	int result;

	BEGIN("cuStreamCreate");
	result = fake_current(&ctx);
	if (!result && flags != DRX_CU_STREAM_NON_BLOCKING)
		result = DRX_CU_INVALID_VALUE;
	if (result)
		return fake_end(result);
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->ctx = ctx;
	s->next = streams;
	streams = s;
	*ret = s;
	return fake_end(0);
}

/* What is queued on it is done all the same. */
FAKE_API int cuStreamDestroy_v2(void *stream)
{
	struct stream **link = &streams;

	BEGIN("cuStreamDestroy");
	if (!find_stream(stream))
		return fake_end(DRX_CU_INVALID_HANDLE);
	while (*link != stream)
		link = &(*link)->next;
	*link = (*link)->next;
	free(stream);
	return fake_end(0);
}

FAKE_API int cuStreamSynchronize(void *stream)
{
	struct fake_context *ctx;
	int result;

	BEGIN("cuStreamSynchronize");
	result = fake_stream(stream, &ctx);
	return fake_end(result ? result : fake_finish(stream));
}

FAKE_API int cuCtxSynchronize(void)
{
	struct fake_context *ctx;
	int result;

	BEGIN("cuCtxSynchronize");
	result = fake_current(&ctx);
	return fake_end(result ? result : fake_finish_all());
}

FAKE_API int cuEventCreate(void **ret, unsigned int flags)
{
	struct fake_context *ctx;
	struct event *e;
	int result;

	(void)flags;
	BEGIN("cuEventCreate");
	result = fake_current(&ctx);
	if (result)
		return fake_end(result);
	e = calloc(1, sizeof(*e));
	if (!e)
		abort();
	e->ctx = ctx;
	e->next = events;
	events = e;
	*ret = e;
	return fake_end(0);
}

FAKE_API int cuEventDestroy_v2(void *event)
{
	struct event **link = &events;

	BEGIN("cuEventDestroy");
	if (!find_event(event))
		return fake_end(DRX_CU_INVALID_HANDLE);
	while (*link != event)
		link = &(*link)->next;
	*link = (*link)->next;
	free(event);
	return fake_end(0);
}

static void pass(struct fake_work *work)
{
	(void)work;
}

FAKE_API int cuEventRecord(void *event, void *stream)
{
	struct event *e;
	struct fake_context *ctx;
	struct fake_work *work;
	int result;

	BEGIN("cuEventRecord");
	result = fake_stream(stream, &ctx);
	e = find_event(event);
	if (!result && (!e || e->ctx != ctx))
		result = DRX_CU_INVALID_HANDLE;
	if (result)
		return fake_end(result);
	work = calloc(1, sizeof(*work));
	if (!work)
		abort();
	work->run = pass;
	fake_queue(work, ctx, stream);
	e->at = work->nr;
	e->asked = 0;
	return fake_end(0);
}

/* As CUDA's manual has it: allowed to a thread that is "relaxed", or has no
 * capture beside it, which is what the script says. */
static int capture_mode(int *mode)
{
	static _Thread_local int current;
	const int before = current;

	if (mode) {
		current = *mode;
		*mode = before;
	}
	return before;
}

FAKE_API int cuThreadExchangeStreamCaptureMode(int *mode)
{
	BEGIN("cuThreadExchangeStreamCaptureMode");
	if (*mode < 0 || *mode > DRX_CU_CAPTURE_RELAXED)
		return fake_end(DRX_CU_INVALID_VALUE);
	(void)capture_mode(mode);
	return fake_end(0);
}

FAKE_API int cuEventQuery(void *event)
{
	struct fake_context *ctx;
	struct event *e;
	int result;

	BEGIN("cuEventQuery");
	result = fake_current(&ctx);
	e = find_event(event);
	if (!result && !e)
		result = DRX_CU_INVALID_HANDLE;
	if (!result && fake_set.capturing &&
	    capture_mode(NULL) != DRX_CU_CAPTURE_RELAXED)
		result = DRX_CU_STREAM_CAPTURE_UNSUPPORTED;
	if (result || e->at <= nr_done)
		return fake_end(result);
	if (++e->asked < fake_set.late)
		return fake_end(DRX_CU_NOT_READY);
	return fake_end(run_until(e->at));
}

FAKE_API int cuEventSynchronize(void *event)
{
	struct event *e;

	BEGIN("cuEventSynchronize");
	e = find_event(event);
	return fake_end(e ? run_until(e->at) : DRX_CU_INVALID_HANDLE);
}
