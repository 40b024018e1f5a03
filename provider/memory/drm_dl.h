/* SPDX-License-Identifier: MIT */
/* libdrm and its drivers' libraries, found when they are needed. */
#ifndef DRX_DRM_DL_H
#define DRX_DRM_DL_H

#include <stddef.h>
#include <stdint.h>

#include <xf86drm.h>

#include <devrx/error.h>

/* A call, and where in a table its address goes. */
struct drx_drm_entry {
	const char *symbol;
	size_t offset;
};

struct drx_drm_library {
	const char *name;
	const char *next; /* the command that installs it */
	const struct drx_drm_entry *entries;
	size_t nr_entries;
};

/*
 * Load @library and fill @table. 0 with what drx_drm_unload_library() wants in
 * @ret, or a negative errno with the cause.
 */
int drx_drm_load_library(const struct drx_drm_library *library, void *table,
			 void **ret, struct devrx_cause *cause);
void drx_drm_unload_library(void *lib);

/* libdrm: each member is its name in xf86drm.h less the "drm". */
struct drx_drm {
	void *lib;
	drmVersionPtr (*GetVersion)(int fd);
	void (*FreeVersion)(drmVersionPtr version);
	int (*GetDevice2)(int fd, uint32_t flags, drmDevicePtr *ret);
	void (*FreeDevice)(drmDevicePtr *device);
	int (*Ioctl)(int fd, unsigned long request, void *arg);
	int (*PrimeHandleToFD)(int fd, uint32_t handle, uint32_t flags,
			       int *ret);
};

/*
 * Load libdrm. 0, or a negative errno with the cause. @drm is to be handed to
 * drx_drm_unload() where this succeeded.
 */
int drx_drm_load(struct drx_drm *drm, struct devrx_cause *cause);
void drx_drm_unload(struct drx_drm *drm);

/*
 * drm_amdgpu.c: @len bytes in the memory of the amdgpu card that is open as @card,
 * as a dmabuf. 0, or a negative errno with the cause.
 */
int drx_amdgpu_dmabuf(const struct drx_drm *drm, int card, uint64_t len,
		      int *ret, struct devrx_cause *cause);

#endif /* DRX_DRM_DL_H */
