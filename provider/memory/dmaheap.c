// SPDX-License-Identifier: MIT
/*
 * Kind "dmaheap": a dmabuf from one of the kernel's heaps, /dev/dma_heap/NAME.
 *
 * The invariant: only the heap "system" is called host memory. That one takes
 * its pages from the page allocator by construction; what another heap gives
 * out is for its driver to know.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/dma-heap.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/host.h"
#include "memory/kinds.h"
#include "util/cause.h"

#define HEAPS "/dev/dma_heap"
#define DEFAULT_HEAP "system"

/* An open descriptor of the heap, or a negative errno with the cause. */
static int open_heap(const char *name, struct devrx_cause *cause)
{
	char path[sizeof(HEAPS) + NAME_MAX + 2];
	int fd = -1;

	/* A name is a name, not a way to any other file of this machine. */
	if (!name[0] || strchr(name, '/') || name[0] == '.' ||
	    strlen(name) > NAME_MAX) {
		errno = ENOENT;
	} else {
		(void)snprintf(path, sizeof(path), HEAPS "/%s", name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return drx_fail(cause, -ENOENT, "heap-missing", "ls " HEAPS,
				"there is no heap \"%.64s\" in " HEAPS, name);
	case EACCES:
	case EPERM:
		return drx_fail(cause, -EACCES, "heap-access",
				"ls -l " HEAPS "  # then join the group, or "
				"use sudo",
				"no permission to open the heap \"%.64s\"",
				name);
	default:
		return drx_fail_os(cause, -errno, "open " HEAPS);
	}
}

static int dmaheap_probe(struct devrx_cause *cause)
{
	int fd = open_heap(DEFAULT_HEAP, cause);

	if (fd < 0)
		return fd;
	(void)close(fd);
	return 0;
}

static int dmaheap_alloc(const struct devrx_memory_opts *opts,
			 struct devrx_backing *ret, struct devrx_cause *cause)
{
	const char *name = opts->device ? opts->device : DEFAULT_HEAP;
	struct dma_heap_allocation_data data = {
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct devrx_backing got = { .dmabuf_fd = -1 };
	int heap, err;

	if (opts->flags & DEVRX_MEMORY_F_HUGETLB)
		return drx_fail(cause, -EOPNOTSUPP, "hugetlb-unsupported", NULL,
				"a heap chooses its own page sizes; huge pages "
				"cannot be asked for");
	err = drx_round_len(opts, &got.len, cause);
	if (err)
		return err;

	heap = open_heap(name, cause);
	if (heap < 0)
		return heap;
	data.len = got.len;
	if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data)) {
		err = drx_fail_os(cause, -errno, "ioctl(DMA_HEAP_IOCTL_ALLOC)");
		goto err_close_heap;
	}
	got.dmabuf_fd = (int32_t)data.fd;
	err = drx_dmabuf_map(&got);
	if (err) {
		err = drx_fail_os(cause, err, "mmap");
		goto err_close_dmabuf;
	}
	(void)close(heap);

	if (!strcmp(name, "system")) {
		got.placement = DEVRX_PLACEMENT_HOST;
		(void)snprintf(got.proof, sizeof(got.proof),
			       "system heap pages, which are host memory");
	} else {
		(void)snprintf(
			got.proof, sizeof(got.proof),
			"heap \"%.64s\" does not say where its memory is",
			name);
	}
	*ret = got;
	return 0;

err_close_dmabuf:
	(void)close(got.dmabuf_fd);
err_close_heap:
	(void)close(heap);
	return err;
}

const struct devrx_provider drx_dmaheap_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "dmaheap",
	.summary = "a dmabuf from a kernel heap; device is the heap's name",
	.probe = dmaheap_probe,
	.alloc = dmaheap_alloc,
	.free = drx_dmabuf_free,
	.read = drx_dmabuf_read,
	.write = drx_dmabuf_write,
};
