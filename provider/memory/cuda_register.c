// SPDX-License-Identifier: MIT
/*
 * The calls of devrx/cuda.h: memory that the caller has from CUDA already, and
 * what holds for any memory of kind "cuda".
 *
 * The invariant of registered memory: it is exactly the caller's range, never a
 * byte of a neighbour in the same page, and freeing gives back the dmabuf only.
 */
#include <devrx/cuda.h>

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <unistd.h>

#include "memory/cuda_memory.h"
#include "memory/kinds.h"
#include "memory/memory.h"
#include "util/cause.h"

struct register_request {
	struct devrx_memory_opts opts;
	uint64_t addr;
	uint64_t len;
};

/* Refuse what is not device memory; say whose it is. */
static int check_pointer(struct drx_cuda_memory *m, int *dev,
			 struct devrx_cause *cause)
{
	unsigned int type = 0;
	int managed = 0, result;

	result = m->cu.PointerGetAttribute(&type, DRX_CU_POINTER_MEMORY_TYPE,
					   m->addr);
	if (result && result != DRX_CU_INVALID_VALUE)
		return drx_cuda_fail(&m->cu, cause, result,
				     "cuPointerGetAttribute");
	if (!result)
		(void)m->cu.PointerGetAttribute(
			&managed, DRX_CU_POINTER_IS_MANAGED, m->addr);
	if (result || type != DRX_CU_MEMORYTYPE_DEVICE || managed)
		return drx_fail(cause, -EINVAL, "cuda-not-device", NULL,
				"0x%" PRIx64 " is %s, not device memory",
				m->addr,
				result	? "no pointer of CUDA's" :
				managed ? "managed memory, which moves" :
					  "host memory");
	result = m->cu.PointerGetAttribute(dev, DRX_CU_POINTER_DEVICE_ORDINAL,
					   m->addr);
	if (result)
		return drx_cuda_fail(&m->cu, cause, result,
				     "cuPointerGetAttribute");
	return 0;
}

/*
 * Settle the length, and see that all of it is allocated. A range may cover
 * several allocations that touch: a framework that grows its memory in place
 * maps it piece by piece, and CUDA tells of one piece at a time.
 */
static int check_range(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	uint64_t base = 0, pos;
	size_t len = 0;

	if (m->len > UINT64_MAX - m->addr)
		goto err_range;
	if (!m->len) {
		if (m->cu.MemGetAddressRange(&base, &len, m->addr))
			goto err_range;
		m->len = base + len - m->addr;
	}
	for (pos = m->addr; pos < m->addr + m->len; pos = base + len) {
		if (m->cu.MemGetAddressRange(&base, &len, pos) ||
		    base + len <= pos)
			goto err_range;
	}
	return 0;

err_range:
	return drx_fail(cause, -EINVAL, "cuda-range", NULL,
			"%" PRIu64 " bytes at 0x%" PRIx64
			" are not all allocated",
			m->len, m->addr);
}

/* zcrx maps whole pages; say where they are in what was given. */
static int check_pages(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t start = (m->addr + page - 1) / page * page;
	uint64_t end = (m->addr + m->len) / page * page;

	if (start == m->addr && end == m->addr + m->len)
		return 0;
	if (start >= end)
		start = end = m->addr;
	return drx_fail(cause, -EINVAL, "cuda-unaligned", NULL,
			"%" PRIu64 " bytes at 0x%" PRIx64 " are not whole "
			"pages of %" PRIu64 "; those in it are %" PRIu64
			" bytes at 0x%" PRIx64,
			m->len, m->addr, page, end - start, start);
}

/* With the pointer's context current. */
static int register_range(struct drx_cuda_memory *m, struct devrx_backing *ret,
			  struct devrx_cause *cause)
{
	int err;

	err = drx_cuda_check_device(&m->cu, m->dev, cause);
	if (!err)
		err = check_range(m, cause);
	if (!err)
		err = check_pages(m, cause);
	return err ? err : drx_cuda_finish(m, ret, cause);
}

static int enter(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	int result = drx_cuda_enter(m);

	return result ? drx_cuda_fail(&m->cu, cause, result,
				      "cuCtxPushCurrent") :
			0;
}

/*
 * Stay in the caller's current context where it is on the pointer's device. The
 * pointer is asked about in a context too: the thread may have none.
 */
static int go_to_pointer(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	int dev, err;

	err = enter(m, cause);
	if (err)
		return err;
	err = check_pointer(m, &dev, cause);
	drx_cuda_leave(m);
	if (err || dev == m->dev)
		return err;
	drx_cuda_put_context(m);
	return drx_cuda_get_context(m, dev, cause);
}

static int register_alloc(const struct devrx_memory_opts *opts,
			  struct devrx_backing *ret, struct devrx_cause *cause)
{
	const struct register_request *req =
		(const void *)((const char *)opts -
			       offsetof(struct register_request, opts));
	struct drx_cuda_memory *m;
	int err;

	err = drx_cuda_open(&m, NULL, cause);
	if (err)
		return err;
	m->addr = req->addr;
	m->len = req->len;
	err = go_to_pointer(m, cause);
	if (!err)
		err = enter(m, cause);
	if (err)
		goto err_close;
	err = register_range(m, ret, cause);
	drx_cuda_leave(m);
	if (err)
		goto err_close;
	return 0;

err_close:
	drx_cuda_close(m);
	return err;
}

static const struct devrx_provider register_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "cuda",
	.summary = "CUDA memory of the caller's",
	.alloc = register_alloc,
	.free = drx_cuda_free,
	.read = drx_cuda_read,
	.write = drx_cuda_write,
	.upload_begin = drx_cuda_upload_begin,
	.upload_end = drx_cuda_upload_end,
	.upload = drx_cuda_upload,
	.upload_mark = drx_cuda_upload_mark,
	.upload_wait = drx_cuda_upload_wait,
	.gather_begin = drx_cuda_gather_begin,
	.gather_end = drx_cuda_gather_end,
	.gather = drx_cuda_gather,
	.gather_wait = drx_cuda_gather_wait,
};

int devrx_cuda_register(struct devrx_memory **ret, uint64_t device_ptr,
			uint64_t len, const struct devrx_memory_opts *opts)
{
	struct register_request req = {
		.opts = DEVRX_MEMORY_OPTS_INIT,
		.addr = device_ptr,
		.len = len,
	};
	int err;

	if (opts) {
		err = drx_memory_get_opts(&req.opts, opts);
		if (err)
			return err;
		err = drx_memory_check_opts(&req.opts, 0);
		if (err)
			return err;
		if (req.opts.device)
			return drx_fail(req.opts.cause, -EINVAL, "opts-invalid",
					NULL,
					"device \"%.64s\" was asked for; of "
					"memory that is there the pointer "
					"says it",
					req.opts.device);
	}
	/* The range has a length of its own; an area's is checked against it. */
	req.opts.len = len;
	return drx_memory_create(ret, &register_provider, &req.opts);
}

/* Our half of a memory. */
static int find(struct devrx_memory *mem, struct drx_cuda_memory **ret,
		struct devrx_cause *cause)
{
	struct devrx_backing *backing;
	int err;

	err = drx_memory_backing(mem, drx_cuda_free, &backing);
	if (err)
		return drx_fail(cause, err, "opts-invalid", NULL, "%s",
				err == -EPERM ? "the memory is another "
						"process's" :
						"the memory is not of kind "
						"cuda");
	*ret = backing->priv;
	return 0;
}

int devrx_cuda_check(struct devrx_memory *mem, struct devrx_cause *cause)
{
	struct drx_cuda_memory *m = NULL;
	int result, err;

	err = find(mem, &m, cause);
	if (err)
		return err;
	result = drx_cuda_enter(m);
	if (result)
		return drx_cuda_fail(&m->cu, cause, result, "cuCtxPushCurrent");
	result = drx_cuda_still_there(m);
	/* Our stream is idle: this waits for nothing, and tells what is broken. */
	if (!result)
		result = m->cu.StreamSynchronize(m->stream);
	drx_cuda_leave(m);
	if (result == DRX_CU_FREED)
		return drx_fail(cause, drx_cuda_errno(result),
				"cuda-memory-freed", NULL,
				"the %" PRIu64 " bytes at 0x%" PRIx64 " were "
				"freed while they were registered",
				m->len, m->addr);
	return result ? drx_cuda_fail(&m->cu, cause, result,
				      "devrx_cuda_check") :
			0;
}

int devrx_cuda_flush_writes(struct devrx_memory *mem)
{
	struct drx_cuda_memory *m = NULL;
	int result, err;

	err = find(mem, &m, NULL);
	if (err)
		return err;
	if (m->writes_ordering >= DRX_CU_WRITES_ORDERING_OWNER)
		return 0;
	if (!m->can_flush)
		return -EOPNOTSUPP;
	result = drx_cuda_enter(m);
	if (!result) {
		result = m->cu.FlushGPUDirectRDMAWrites(
			DRX_CU_FLUSH_TARGET_CURRENT_CTX, DRX_CU_FLUSH_TO_OWNER);
		drx_cuda_leave(m);
	}
	return drx_cuda_errno(result);
}

/*
 * While any thread captures a graph in the default mode, asking an event or
 * waiting for one is forbidden to all, and ends that capture with an error. A
 * thread that says "relaxed" for itself may.
 */
int drx_cuda_ask(const struct drx_cuda_memory *m, void *event, bool wait)
{
	int mode = DRX_CU_CAPTURE_RELAXED, result;

	result = m->cu.ThreadExchangeStreamCaptureMode(&mode);
	if (result)
		return result;
	result = wait ? m->cu.EventSynchronize(event) : m->cu.EventQuery(event);
	(void)m->cu.ThreadExchangeStreamCaptureMode(&mode);
	return result;
}

int devrx_cuda_event_poll(void *event)
{
	const struct devrx_cuda_event *e = event;
	struct drx_cuda_memory *m = NULL;
	int result, err;

	err = find(e->mem, &m, NULL);
	if (err)
		return err;
	result = drx_cuda_enter(m);
	if (!result) {
		result = drx_cuda_ask(m, e->event, false);
		drx_cuda_leave(m);
	}
	/* Only this one means "ask again". */
	if (result == DRX_CU_NOT_READY)
		return -EAGAIN;
	err = drx_cuda_errno(result);
	return err == -EAGAIN ? -EIO : err;
}
