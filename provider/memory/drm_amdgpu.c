// SPDX-License-Identifier: MIT
/*
 * A buffer in the memory of an amdgpu card, by libdrm_amdgpu, which is loaded when
 * such a card is asked for. A dumb buffer would be of at most 4 GiB, and laid out
 * for a display.
 *
 * The render node does it: on a card node the kernel wants the display server's
 * consent. The buffer asks for VRAM without asking that the CPU reaches it, so all
 * of VRAM will do. As for dumb buffers, only the dmabuf stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <amdgpu.h>
#include <amdgpu_drm.h>

#include "memory/drm_dl.h"
#include "util/cause.h"

struct amdgpu {
	void *lib;
	int (*device_initialize)(int fd, uint32_t *major, uint32_t *minor,
				 amdgpu_device_handle *ret);
	int (*device_deinitialize)(amdgpu_device_handle dev);
	int (*query_heap_info)(amdgpu_device_handle dev, uint32_t heap,
			       uint32_t flags, struct amdgpu_heap_info *ret);
	int (*bo_alloc)(amdgpu_device_handle dev,
			struct amdgpu_bo_alloc_request *req,
			amdgpu_bo_handle *ret);
	int (*bo_export)(amdgpu_bo_handle bo, enum amdgpu_bo_handle_type type,
			 uint32_t *ret);
	int (*bo_free)(amdgpu_bo_handle bo);
};

#define ENTRY(name)                                                            \
	{                                                                      \
		"amdgpu_" #name, offsetof(struct amdgpu, name)                 \
	}

static const struct drx_drm_entry entries[] = {
	ENTRY(device_initialize), ENTRY(device_deinitialize),
	ENTRY(query_heap_info),	  ENTRY(bo_alloc),
	ENTRY(bo_export),	  ENTRY(bo_free),
};

static const struct drx_drm_library library = {
	"libdrm_amdgpu.so.1",
	"apt install libdrm-amdgpu1",
	entries,
	sizeof(entries) / sizeof(entries[0]),
};

/* Open the render node of the card that is open as @card. */
static int open_render(const struct drx_drm *drm, int card, int *ret,
		       struct devrx_cause *cause)
{
	drmDevicePtr dev = NULL;
	int err;

	err = drm->GetDevice2(card, 0, &dev);
	if (err)
		return drx_fail_os(cause, err, "drmGetDevice2");
	if (!(dev->available_nodes & 1 << DRM_NODE_RENDER)) {
		err = drx_fail(cause, -ENODEV, "drm-no-device",
			       "ls -l /dev/dri",
			       "the amdgpu card has no render node");
		goto out_free;
	}
	*ret = open(dev->nodes[DRM_NODE_RENDER], O_RDWR | O_CLOEXEC);
	if (*ret >= 0)
		goto out_free;
	if (errno == EACCES || errno == EPERM)
		err = drx_fail(cause, -EACCES, "drm-access",
			       "ls -l /dev/dri  # then join the node's group, "
			       "usually render",
			       "no permission to open %.64s",
			       dev->nodes[DRM_NODE_RENDER]);
	else
		err = drx_fail_os(cause, -errno, dev->nodes[DRM_NODE_RENDER]);
out_free:
	drm->FreeDevice(&dev);
	return err;
}

static int alloc_and_export(const struct amdgpu *amd, amdgpu_device_handle dev,
			    uint64_t len, int *ret, struct devrx_cause *cause)
{
	struct amdgpu_bo_alloc_request req = {
		.alloc_size = len,
		.preferred_heap = AMDGPU_GEM_DOMAIN_VRAM,
	};
	struct amdgpu_heap_info heap = { 0 };
	amdgpu_bo_handle bo;
	uint32_t fd;
	int err;

	err = amd->query_heap_info(dev, AMDGPU_GEM_DOMAIN_VRAM, 0, &heap);
	if (err)
		return drx_fail_os(cause, err, "amdgpu_query_heap_info");
	if (len > heap.max_allocation)
		return drx_fail(cause, -EFBIG, "drm-limit", NULL,
				"%" PRIu64 " bytes were asked for; the amdgpu "
				"card allocates at most %" PRIu64 " at once",
				len, heap.max_allocation);
	err = amd->bo_alloc(dev, &req, &bo);
	if (err)
		return drx_fail_os(cause, err, "amdgpu_bo_alloc");
	err = amd->bo_export(bo, amdgpu_bo_handle_type_dma_buf_fd, &fd);
	(void)amd->bo_free(bo);
	if (err)
		return drx_fail_os(cause, err, "amdgpu_bo_export");
	*ret = (int)fd;
	return 0;
}

int drx_amdgpu_dmabuf(const struct drx_drm *drm, int card, uint64_t len,
		      int *ret, struct devrx_cause *cause)
{
	amdgpu_device_handle dev;
	uint32_t major, minor;
	struct amdgpu amd;
	int err, fd = -1;

	err = drx_drm_load_library(&library, &amd, &amd.lib, cause);
	if (err)
		return err;
	err = open_render(drm, card, &fd, cause);
	if (err)
		goto out_unload;
	err = amd.device_initialize(fd, &major, &minor, &dev);
	if (err) {
		err = drx_fail_os(cause, err, "amdgpu_device_initialize");
		goto out_close;
	}
	err = alloc_and_export(&amd, dev, len, ret, cause);
	(void)amd.device_deinitialize(dev);
out_close:
	(void)close(fd);
out_unload:
	drx_drm_unload_library(amd.lib);
	return err;
}
