// SPDX-License-Identifier: MIT
/*
 * Uploads in the background: copies on the memory's own stream, out of pinned
 * host memory, with an event behind each batch.
 *
 * Pinning is for speed alone. Where it is refused, the driver first copies what
 * is to be copied to buffers of its own, and then in the background.
 */
#include <errno.h>
#include <stdlib.h>

#include "memory/cuda_memory.h"

/* With m->ctx current. */
static void events_destroy(struct drx_cuda_memory *m, unsigned int nr)
{
	while (nr)
		(void)m->cu.EventDestroy(m->uploads[--nr]);
	free(m->uploads);
	m->uploads = NULL;
	m->nr_uploads = 0;
}

static int events_create(struct drx_cuda_memory *m, unsigned int nr)
{
	unsigned int i;
	int result;

	m->uploads = calloc(nr, sizeof(*m->uploads));
	if (!m->uploads)
		return DRX_CU_OUT_OF_MEMORY;
	for (i = 0; i < nr; i++) {
		result = m->cu.EventCreate(&m->uploads[i],
					   DRX_CU_EVENT_DISABLE_TIMING);
		if (result) {
			events_destroy(m, i);
			return result;
		}
	}
	m->nr_uploads = nr;
	return 0;
}

int drx_cuda_upload_begin(struct devrx_backing *backing, const void *buf,
			  size_t len, unsigned int batches)
{
	struct drx_cuda_memory *m = backing->priv;
	void *addr = (void *)(uintptr_t)buf;
	int result = drx_cuda_enter(m);

	if (result)
		return drx_cuda_errno(result);
	result = events_create(m, batches);
	if (!result && !m->cu.MemHostRegister(addr, len, 0))
		m->pinned = addr;
	drx_cuda_leave(m);
	return drx_cuda_errno(result);
}

void drx_cuda_upload_end(struct devrx_backing *backing)
{
	struct drx_cuda_memory *m = backing->priv;

	/* Where the context has gone, what was in it has gone with it. */
	if (drx_cuda_enter(m)) {
		free(m->uploads);
		m->uploads = NULL;
		m->nr_uploads = 0;
		m->pinned = NULL;
		return;
	}
	/* Also what was given up. */
	(void)m->cu.StreamSynchronize(m->stream);
	if (m->pinned)
		(void)m->cu.MemHostUnregister(m->pinned);
	m->pinned = NULL;
	events_destroy(m, m->nr_uploads);
	drx_cuda_leave(m);
}

int drx_cuda_upload(struct devrx_backing *backing, uint64_t off,
		    const void *buf, size_t len)
{
	struct drx_cuda_memory *m = backing->priv;
	int result = drx_cuda_enter(m);

	if (result)
		return drx_cuda_errno(result);
	result = drx_cuda_still_there(m);
	if (!result)
		result = m->cu.MemcpyHtoDAsync(m->addr + off, buf, len,
					       m->stream);
	drx_cuda_leave(m);
	return drx_cuda_errno(result);
}

int drx_cuda_upload_mark(struct devrx_backing *backing, unsigned int batch)
{
	struct drx_cuda_memory *m = backing->priv;
	int result = drx_cuda_enter(m);

	if (result)
		return drx_cuda_errno(result);
	result = m->cu.EventRecord(m->uploads[batch], m->stream);
	if (result) /* nothing is to be at work then */
		(void)m->cu.StreamSynchronize(m->stream);
	drx_cuda_leave(m);
	return drx_cuda_errno(result);
}

int drx_cuda_upload_wait(struct devrx_backing *backing, unsigned int batch,
			 int wait)
{
	struct drx_cuda_memory *m = backing->priv;
	int result = drx_cuda_enter(m);

	if (result)
		return drx_cuda_errno(result);
	result = drx_cuda_ask(m, m->uploads[batch], wait);
	drx_cuda_leave(m);
	return drx_cuda_errno(result);
}
