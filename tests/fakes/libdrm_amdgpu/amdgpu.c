// SPDX-License-Identifier: MIT
/*
 * A fake libdrm_amdgpu.so.1: the calls that devrx makes, on a card that is a file as
 * in tests/fakes/libdrm/drm.c. No amdgpu card is in it. Words of the card's text:
 *
 *   init=ERRNO, heap=ERRNO, alloc=ERRNO, share=ERRNO   what fails, in that order
 *   largest=KIB          what it allocates at once; 1 MiB without the word
 *
 * A buffer is a memfd. What a caller must not do is an abort(). Of one thread only.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <amdgpu.h>
#include <amdgpu_drm.h>

#include "libdrm/card.h"

#define FAKE_API __attribute__((visibility("default")))

struct amdgpu_device {
	int fd;
};

struct amdgpu_bo {
	int card, fd;
};

static int nr_out;

/* Devices and buffers that are out. */
FAKE_API int devrx_fake_amdgpu_count(void)
{
	return nr_out;
}

FAKE_API int amdgpu_device_initialize(int fd, uint32_t *major, uint32_t *minor,
				      amdgpu_device_handle *ret)
{
	amdgpu_device_handle dev;

	if (card_number(fd, "init"))
		return -card_number(fd, "init");
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		abort();
	dev->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	*major = 3;
	*minor = 64;
	*ret = dev;
	nr_out++;
	return 0;
}

FAKE_API int amdgpu_device_deinitialize(amdgpu_device_handle dev)
{
	(void)close(dev->fd);
	free(dev);
	nr_out--;
	return 0;
}

FAKE_API int amdgpu_query_heap_info(amdgpu_device_handle dev, uint32_t heap,
				    uint32_t flags,
				    struct amdgpu_heap_info *ret)
{
	const int kib = card_number(dev->fd, "largest");

	if (heap != AMDGPU_GEM_DOMAIN_VRAM || flags)
		abort();
	if (card_number(dev->fd, "heap"))
		return -card_number(dev->fd, "heap");
	ret->heap_size = UINT64_C(8) << 30;
	ret->heap_usage = 0;
	ret->max_allocation = (uint64_t)(kib ? kib : 1024) << 10;
	return 0;
}

FAKE_API int amdgpu_bo_alloc(amdgpu_device_handle dev,
			     struct amdgpu_bo_alloc_request *req,
			     amdgpu_bo_handle *ret)
{
	amdgpu_bo_handle bo;

	if (req->preferred_heap != AMDGPU_GEM_DOMAIN_VRAM ||
	    req->flags & AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED)
		abort();
	if (card_number(dev->fd, "alloc"))
		return -card_number(dev->fd, "alloc");
	bo = calloc(1, sizeof(*bo));
	if (!bo)
		abort();
	bo->card = dev->fd;
	bo->fd = memfd_create("fake amdgpu buffer", MFD_CLOEXEC);
	if (bo->fd < 0 || ftruncate(bo->fd, (off_t)req->alloc_size))
		abort();
	nr_out++;
	*ret = bo;
	return 0;
}

FAKE_API int amdgpu_bo_export(amdgpu_bo_handle bo,
			      enum amdgpu_bo_handle_type type, uint32_t *ret)
{
	int fd;

	if (type != amdgpu_bo_handle_type_dma_buf_fd)
		abort();
	if (card_number(bo->card, "share"))
		return -card_number(bo->card, "share");
	fd = fcntl(bo->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*ret = (uint32_t)fd;
	return 0;
}

FAKE_API int amdgpu_bo_free(amdgpu_bo_handle bo)
{
	(void)close(bo->fd);
	free(bo);
	nr_out--;
	return 0;
}
