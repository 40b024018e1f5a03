// SPDX-License-Identifier: MIT
/*
 * Gathering on the device: devrx_gather of devrx/kernels.h, one launch for a batch, on
 * a stream, with an event behind it.
 *
 * The kernel is built in as PTX, which the driver compiles for the GPU at hand, once.
 * Where the library was built without nvcc, each span is a copy of the driver's.
 *
 * A batch's records are in host memory until the stream has copied them to the
 * device: each batch has a place of its own on both sides.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <devrx/desc.h>
#include <devrx/gather.h>
#include <devrx/kernels.h>

#include "memory/cuda_memory.h"
#include "util/cause.h"

/* What the kernel copies in one go, with one block (kernel/cuda/gather.cuh). */
#define BLOCK_BYTES (16u << 10)
/* More do not fit on any GPU at a time. */
#define BLOCKS_MAX 2048u

struct drx_cuda_gather {
	struct drx_cuda_memory *to, *from;
	void *stream;
	bool own_stream;
	void *module;
	const void *kernel; /* NULL: by the driver's copies */
	unsigned int spans; /* of a batch, at most */
	struct devrx_desc *host; /* records, batch by batch */
	bool pinned;
	uint64_t records; /* the same on the device */
	unsigned int nr_events;
	void **events; /* of each batch */
};

static struct devrx_desc *records_of(const struct drx_cuda_gather *g,
				     unsigned int batch)
{
	return g->host + (size_t)batch * g->spans;
}

static int load_kernel(struct drx_cuda_gather *g, unsigned int batches)
{
	const size_t len = (size_t)batches * g->spans * sizeof(*g->host);
	const struct drx_cuda *cu = &g->to->cu;
	int result;

	if (!drx_cuda_gather_image())
		return 0;
	result = cu->ModuleLoadData(&g->module, drx_cuda_gather_image());
	if (!result)
		result = cu->ModuleGetFunction(&g->kernel, g->module,
					       "devrx_gather");
	if (!result)
		result = cu->MemAlloc(&g->records, len);
	if (result)
		return result;
	g->host = calloc(batches, g->spans * sizeof(*g->host));
	if (!g->host)
		return DRX_CU_OUT_OF_MEMORY;
	/* For speed alone. */
	g->pinned = !cu->MemHostRegister(g->host, len, 0);
	return 0;
}

static int make(struct drx_cuda_gather *g, unsigned int batches, void *stream)
{
	const struct drx_cuda *cu = &g->to->cu;
	int result = 0;

	g->events = calloc(batches, sizeof(*g->events));
	if (!g->events)
		return DRX_CU_OUT_OF_MEMORY;
	g->stream = stream;
	if (!stream) {
		result = cu->StreamCreate(&g->stream,
					  DRX_CU_STREAM_NON_BLOCKING);
		g->own_stream = !result;
	}
	while (!result && g->nr_events < batches) {
		result = cu->EventCreate(&g->events[g->nr_events],
					 DRX_CU_EVENT_DISABLE_TIMING);
		g->nr_events += !result;
	}
	return result ? result : load_kernel(g, batches);
}

/* With the context current. */
static void unmake(struct drx_cuda_gather *g)
{
	const struct drx_cuda *cu = &g->to->cu;

	if (g->own_stream)
		(void)cu->StreamSynchronize(g->stream);
	while (g->nr_events)
		(void)cu->EventDestroy(g->events[--g->nr_events]);
	if (g->pinned)
		(void)cu->MemHostUnregister(g->host);
	if (g->records)
		(void)cu->MemFree(g->records);
	if (g->module)
		(void)cu->ModuleUnload(g->module);
	if (g->own_stream)
		(void)cu->StreamDestroy(g->stream);
}

void drx_cuda_gather_end(void *state)
{
	struct drx_cuda_gather *g = state;

	/* Where the context has gone, what was in it has gone with it. */
	if (!drx_cuda_enter(g->to)) {
		unmake(g);
		drx_cuda_leave(g->to);
	}
	free(g->events);
	free(g->host);
	free(g);
}

int drx_cuda_gather_begin(struct devrx_backing *to, struct devrx_backing *from,
			  unsigned int batches, unsigned int spans,
			  void *stream, void **ret, char by[64],
			  struct devrx_cause *cause)
{
	struct drx_cuda_memory *m = to->priv, *other = from->priv;
	struct drx_cuda_gather *g;
	int result;

	if (m->ctx != other->ctx)
		return -EXDEV;
	g = calloc(1, sizeof(*g));
	if (!g)
		return drx_fail_os(cause, -ENOMEM, "calloc");
	g->to = m;
	g->from = other;
	g->spans = spans;
	result = drx_cuda_enter(m);
	if (!result) {
		result = make(g, batches, stream);
		drx_cuda_leave(m);
	}
	if (result) {
		drx_cuda_gather_end(g);
		return drx_cuda_fail(&m->cu, cause, result,
				     "making ready to gather");
	}
	(void)snprintf(by, 64, "%s, %.40s",
		       g->kernel ? "a CUDA kernel" : "CUDA's copies", m->name);
	*ret = g;
	return 0;
}

/* The kernel wants them as they lie in the destination; they are few (shell sort). */
static void sort(struct devrx_desc *r, unsigned int n)
{
	unsigned int gap, i, j;
	struct devrx_desc one;

	for (gap = n / 2; gap; gap /= 2)
		for (i = gap; i < n; i++) {
			one = r[i];
			for (j = i; j >= gap &&
				    r[j - gap].destination > one.destination;
			     j -= gap)
				r[j] = r[j - gap];
			r[j] = one;
		}
}

static int launch(struct drx_cuda_gather *g, unsigned int n, unsigned int batch,
		  uint64_t bytes)
{
	const uint64_t blocks = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	const uint64_t off =
		(uint64_t)batch * g->spans * sizeof(struct devrx_desc);
	const struct drx_cuda *cu = &g->to->cu;
	struct devrx_kernel_args args = {
		.records = g->records + off,
		.source = g->from->addr,
		.out = g->to->addr,
		.nr_records = n,
	};
	void *params[] = { &args };
	int result;

	sort(records_of(g, batch), n);
	result = cu->MemcpyHtoDAsync(g->records + off, records_of(g, batch),
				     n * sizeof(struct devrx_desc), g->stream);
	if (result)
		return result;
	return cu->LaunchKernel(
		g->kernel,
		blocks < BLOCKS_MAX ? (unsigned int)blocks : BLOCKS_MAX, 1, 1,
		DEVRX_KERNEL_BLOCK, 1, 1, 0, g->stream, params, NULL);
}

static int copy_all(struct drx_cuda_gather *g, const struct devrx_span *spans,
		    unsigned int n, unsigned int batch)
{
	const struct drx_cuda *cu = &g->to->cu;
	struct devrx_desc *records = records_of(g, batch);
	unsigned int i, nr = 0;
	uint64_t bytes = 0;
	int result = 0;

	for (i = 0; i < n && !result; i++) {
		/* A record reaches 4 GiB; what lies further the driver copies. */
		if (!g->kernel || spans[i].from > UINT32_MAX ||
		    spans[i].length > UINT32_MAX) {
			result = cu->MemcpyDtoDAsync(
				g->to->addr + spans[i].to,
				g->from->addr + spans[i].from, spans[i].length,
				g->stream);
			continue;
		}
		records[nr].source = (uint32_t)spans[i].from;
		records[nr].length = (uint32_t)spans[i].length;
		records[nr++].destination = spans[i].to;
		bytes += spans[i].length;
	}
	return result || !bytes ? result : launch(g, nr, batch, bytes);
}

int drx_cuda_gather(void *state, const struct devrx_span *spans, unsigned int n,
		    unsigned int batch)
{
	struct drx_cuda_gather *g = state;
	int result = drx_cuda_enter(g->to);

	if (result)
		return drx_cuda_errno(result);
	result = drx_cuda_still_there(g->to);
	if (!result)
		result = drx_cuda_still_there(g->from);
	if (!result)
		result = copy_all(g, spans, n, batch);
	if (!result)
		result = g->to->cu.EventRecord(g->events[batch], g->stream);
	if (result) /* nothing is to be at work then */
		(void)g->to->cu.StreamSynchronize(g->stream);
	drx_cuda_leave(g->to);
	return drx_cuda_errno(result);
}

int drx_cuda_gather_wait(void *state, unsigned int batch, int wait)
{
	struct drx_cuda_gather *g = state;
	int result = drx_cuda_enter(g->to);

	if (result)
		return drx_cuda_errno(result);
	result = drx_cuda_ask(g->to, g->events[batch], wait);
	drx_cuda_leave(g->to);
	return drx_cuda_errno(result);
}
