// SPDX-License-Identifier: MIT
/*
 * Kind "vulkan": memory of a Vulkan device, or a dmabuf that one reads.
 *
 *   vulkan_dl.c      the loader's entry points, found at run time
 *   vulkan_error.c   what its results mean
 *   vulkan_select.c  which device
 *   vulkan_device.c  instance and device, ours or the caller's
 *   vulkan_alloc.c   the buffer and its dmabuf, exported or imported
 *   vulkan_place.c   where it really is
 *   vulkan_copy.c    who has the bytes; copies for the host
 *   vulkan_gather.c  copies from one to the other
 *   vulkan_calls.c   the calls of devrx/vulkan.h
 *   vulkan_none.c    instead of all these, where there is no header of Vulkan's
 *
 * A memory of devrx_memory_alloc() has a device to itself: nothing is shared that
 * two threads could meet in, and nothing is global.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/host.h"
#include "memory/kinds.h"
#include "memory/vulkan_memory.h"
#include "util/cause.h"

/* Let the CPU see it, where it can without moving anything. */
static int map(struct drx_vulkan_memory *m, struct devrx_backing *ret,
	       struct devrx_cause *cause)
{
	int err;

	m->cpu.len = ret->len;
	m->cpu.dmabuf_fd = ret->dmabuf_fd;
	/* A page of a GPU's that the host cannot see moves when it is touched. */
	if (!m->imported && !(m->flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT))
		return 0;
	err = drx_dmabuf_map(&m->cpu);
	if (err)
		return drx_fail_os(cause, err, "mmap");
	ret->host_addr = m->cpu.host_addr;
	return 0;
}

static void unmap(struct drx_vulkan_memory *m)
{
	if (m->cpu.host_addr)
		(void)munmap(m->cpu.host_addr, m->cpu.len);
}

int drx_vulkan_finish(struct drx_vulkan_memory *m, struct devrx_backing *ret,
		      struct devrx_cause *cause)
{
	char exporter[40];
	int err;

	err = m->imported ? drx_vulkan_get_import(m, ret, cause) :
			    drx_vulkan_get_memory(m, ret, cause);
	if (err)
		return err;
	err = map(m, ret, cause);
	if (!err)
		err = drx_vulkan_get_copies(m, cause);
	if (err) {
		drx_vulkan_put_copies(m);
		unmap(m);
		drx_vulkan_put_memory(m);
		/* What is imported is our caller's to close. */
		if (!m->imported) {
			(void)close(ret->dmabuf_fd);
			ret->dmabuf_fd = -1;
		}
		return err;
	}
	drx_vulkan_place(m,
			 drx_dmabuf_exporter(ret->dmabuf_fd, exporter,
					     sizeof(exporter)) ?
				 NULL :
				 exporter,
			 ret);
	ret->priv = m;
	return 0;
}

static int vulkan_alloc(const struct devrx_memory_opts *opts,
			struct devrx_backing *ret, struct devrx_cause *cause)
{
	struct drx_vulkan_memory *m;
	int err;

	if (opts->flags & DEVRX_MEMORY_F_HUGETLB)
		return drx_fail(cause, -EOPNOTSUPP, "hugetlb-unsupported", NULL,
				"vulkan has no huge pages to choose: the "
				"driver does");
	m = calloc(1, sizeof(*m));
	if (!m)
		return drx_fail_os(cause, -ENOMEM, "calloc");
	err = drx_round_len(opts, &m->len, cause);
	if (err)
		goto err_free;
	err = drx_vulkan_open(&m->dev, opts->device, DRX_VULKAN_EXPORT, cause);
	if (err)
		goto err_free;
	err = drx_vulkan_finish(m, ret, cause);
	if (err)
		goto err_close;
	return 0;

err_close:
	drx_vulkan_close(&m->dev);
err_free:
	free(m);
	return err;
}

void drx_vulkan_free(struct devrx_backing *backing)
{
	struct drx_vulkan_memory *m = backing->priv;

	drx_vulkan_put_copies(m);
	unmap(m);
	drx_vulkan_put_memory(m);
	(void)close(backing->dmabuf_fd);
	drx_vulkan_close(&m->dev);
	free(m);
}

const struct devrx_provider drx_vulkan_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "vulkan",
	.summary = "a Vulkan device's memory; device is its index, UUID or PCI "
		   "address",
	.probe = drx_vulkan_probe,
	.alloc = vulkan_alloc,
	.free = drx_vulkan_free,
	.read = drx_vulkan_read,
	.write = drx_vulkan_write,
	.gather_begin = drx_vulkan_gather_begin,
	.gather_end = drx_vulkan_gather_end,
	.gather = drx_vulkan_gather,
	.gather_wait = drx_vulkan_gather_wait,
};
