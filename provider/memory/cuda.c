// SPDX-License-Identifier: MIT
/*
 * Kind "cuda": memory of an NVIDIA GPU, by the CUDA driver API.
 *
 *   cuda_dl.c        the driver's entry points, found at run time
 *   cuda_error.c     what its results mean
 *   cuda_device.c    which device, and whose context
 *   cuda_alloc.c     memory of our own
 *   cuda_register.c  memory of the caller's, and the calls of devrx/cuda.h
 *   cuda_export.c    the dmabuf, and the proof of where it is
 *   cuda_upload.c    copies into it in the background
 *   cuda_gather.c    copies from one to the other, by a kernel
 *
 * Copies run on a stream of the memory's own that does not wait for the default
 * one: there a kernel of the caller's may be running that never ends until
 * it has seen what we are about to read.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "memory/cuda_memory.h"
#include "memory/host.h"
#include "memory/kinds.h"
#include "util/cause.h"

static int cuda_probe(struct devrx_cause *cause)
{
	struct drx_cuda cu;
	int dev, err;

	err = drx_cuda_load(&cu, cause);
	if (err)
		return err;
	err = drx_cuda_find_device(&cu, "0", &dev, cause);
	if (!err)
		err = drx_cuda_check_device(&cu, dev, cause);
	drx_cuda_unload(&cu);
	return err;
}

int drx_cuda_open(struct drx_cuda_memory **ret, const char *name,
		  struct devrx_cause *cause)
{
	struct drx_cuda_memory *m = calloc(1, sizeof(*m));
	int dev = -1, err;

	if (!m)
		return drx_fail_os(cause, -ENOMEM, "calloc");
	err = drx_cuda_load(&m->cu, cause);
	if (err)
		goto err_free;
	if (name)
		err = drx_cuda_find_device(&m->cu, name, &dev, cause);
	if (!err)
		err = drx_cuda_get_context(m, dev, cause);
	if (err)
		goto err_unload;
	*ret = m;
	return 0;

err_unload:
	drx_cuda_unload(&m->cu);
err_free:
	free(m);
	return err;
}

void drx_cuda_close(struct drx_cuda_memory *m)
{
	drx_cuda_put_context(m);
	drx_cuda_unload(&m->cu);
	free(m);
}

/* What read, write, flush and check need to know. */
static int settle(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	int options = 0, result;

	result = m->cu.StreamCreate(&m->stream, DRX_CU_STREAM_NON_BLOCKING);
	if (result)
		return drx_cuda_fail(&m->cu, cause, result, "cuStreamCreate");
	if (m->cu.PointerGetAttribute(&m->buffer_id, DRX_CU_POINTER_BUFFER_ID,
				      m->addr))
		m->buffer_id = 0;
	/* What cannot be asked is not ordered, and cannot be flushed. */
	if (m->cu.DeviceGetAttribute(&m->writes_ordering,
				     DRX_CU_ATTR_WRITES_ORDERING, m->dev))
		m->writes_ordering = 0;
	if (!m->cu.DeviceGetAttribute(&options,
				      DRX_CU_ATTR_FLUSH_WRITES_OPTIONS, m->dev))
		m->can_flush = options & DRX_CU_FLUSH_OPTION_HOST;
	return 0;
}

int drx_cuda_finish(struct drx_cuda_memory *m, struct devrx_backing *ret,
		    struct devrx_cause *cause)
{
	int err;

	(void)m->cu.DeviceGetName(m->name, sizeof(m->name), m->dev);
	m->name[sizeof(m->name) - 1] = '\0';
	err = drx_cuda_export(m, ret, cause);
	if (err)
		return err;
	err = settle(m, cause);
	if (err) {
		(void)close(ret->dmabuf_fd);
		ret->dmabuf_fd = -1;
		return err;
	}
	ret->priv = m;
	return 0;
}

/* Allocate one way and export; on error nothing stays. */
static int try_way(struct drx_cuda_memory *m, int way,
		   struct devrx_backing *ret, struct devrx_cause *cause)
{
	int err;

	m->way = way;
	err = drx_cuda_get_memory(m, cause);
	if (err)
		return err;
	err = drx_cuda_finish(m, ret, cause);
	if (err)
		drx_cuda_put_memory(m);
	return err;
}

/* With the context current. */
static int allocate(struct drx_cuda_memory *m, struct devrx_backing *ret,
		    struct devrx_cause *cause)
{
	struct devrx_cause second;
	int vmm = 0, err;

	err = drx_cuda_check_device(&m->cu, m->dev, cause);
	if (err)
		return err;
	err = try_way(m, DRX_CUDA_MEMALLOC, ret, cause);
	/* Only a refusal to export is another way's business. */
	if (err != -EINVAL && err != -EOPNOTSUPP)
		return err;
	if (m->cu.DeviceGetAttribute(&vmm, DRX_CU_ATTR_RDMA_WITH_VMM, m->dev) ||
	    !vmm)
		return err;
	/* Where both fail the first reason is the one to mend. */
	return try_way(m, DRX_CUDA_VMM, ret, &second) ? err : 0;
}

static int cuda_alloc(const struct devrx_memory_opts *opts,
		      struct devrx_backing *ret, struct devrx_cause *cause)
{
	struct drx_cuda_memory *m;
	uint64_t len;
	int result, err;

	if (opts->flags & DEVRX_MEMORY_F_HUGETLB)
		return drx_fail(cause, -EOPNOTSUPP, "hugetlb-unsupported", NULL,
				"cuda has no huge pages to choose: it always "
				"allocates whole 2 MiB");
	err = drx_round_len(opts, &len, cause);
	if (err)
		return err;
	err = drx_cuda_open(&m, opts->device, cause);
	if (err)
		return err;
	/* No overflow: drx_round_len() ends at PTRDIFF_MAX. */
	m->len = (len + DRX_CUDA_UNIT - 1) / DRX_CUDA_UNIT * DRX_CUDA_UNIT;
	result = drx_cuda_enter(m);
	if (result) {
		err = drx_cuda_fail(&m->cu, cause, result, "cuCtxPushCurrent");
	} else {
		err = allocate(m, ret, cause);
		drx_cuda_leave(m);
	}
	if (err)
		drx_cuda_close(m);
	return err;
}

void drx_cuda_free(struct devrx_backing *backing)
{
	struct drx_cuda_memory *m = backing->priv;

	(void)close(backing->dmabuf_fd);
	/* Where the context has gone, what was in it has gone with it. */
	if (!drx_cuda_enter(m)) {
		(void)m->cu.StreamDestroy(m->stream);
		drx_cuda_put_memory(m);
		drx_cuda_leave(m);
	}
	drx_cuda_close(m);
}

int drx_cuda_still_there(struct drx_cuda_memory *m)
{
	uint64_t id = 0;
	int result;

	if (!m->buffer_id)
		return 0;
	result = m->cu.PointerGetAttribute(&id, DRX_CU_POINTER_BUFFER_ID,
					   m->addr);
	/* An address that is nobody's is an invalid value to CUDA. */
	if (result == DRX_CU_INVALID_VALUE || (!result && id != m->buffer_id))
		return DRX_CU_FREED;
	return result;
}

/* With the context current: copy, and wait for the copy only. */
static int copy(struct drx_cuda_memory *m, uint64_t off, void *out,
		const void *in, size_t len)
{
	int result = drx_cuda_still_there(m);

	if (result)
		return result;
	if (out)
		result = m->cu.MemcpyDtoHAsync(out, m->addr + off, len,
					       m->stream);
	else
		result = m->cu.MemcpyHtoDAsync(m->addr + off, in, len,
					       m->stream);
	return result ? result : m->cu.StreamSynchronize(m->stream);
}

static int enter_and_copy(struct drx_cuda_memory *m, uint64_t off, void *out,
			  const void *in, size_t len)
{
	int result = drx_cuda_enter(m);

	if (!result) {
		result = copy(m, off, out, in, len);
		drx_cuda_leave(m);
	}
	return drx_cuda_errno(result);
}

int drx_cuda_read(struct devrx_backing *backing, uint64_t off, void *buf,
		  size_t len)
{
	return enter_and_copy(backing->priv, off, buf, NULL, len);
}

int drx_cuda_write(struct devrx_backing *backing, uint64_t off, const void *buf,
		   size_t len)
{
	return enter_and_copy(backing->priv, off, NULL, buf, len);
}

const struct devrx_provider drx_cuda_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "cuda",
	.summary = "an NVIDIA GPU's memory; device is its index, UUID or PCI "
		   "address",
	.probe = cuda_probe,
	.alloc = cuda_alloc,
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
