/* SPDX-License-Identifier: MIT */
/*
 * DRM memory: what kind "drm" adds to memory.h. No header of libdrm's is needed;
 * libdrm.so.2 is loaded when it is asked for.
 *
 * Kind "drm" makes a dumb buffer, on the card node that the device says, or on
 * the first by number whose driver makes and exports one. Its length is the
 * exported dmabuf's, at most 4 GiB less 4 KiB. The host can read and write it where
 * the driver lets a dmabuf be mapped.
 *
 * An amdgpu card gives a buffer in its VRAM instead, by libdrm_amdgpu.so.1 and the
 * card's render node, as long as the card allows. That was tested against a fake
 * of the library only, never with such a card.
 *
 * Placement: HOST for a dumb buffer of vgem or virtio-gpu, which are shmem pages
 * by construction (in a guest with virtio-gpu: the guest's pages); UNKNOWN for any
 * other driver: amdgpu and xe move a buffer to host memory without an error when a
 * NIC attaches, and bochs had its buffers in the card before it had them in shmem
 * pages. Never DEVICE: nothing in DRM proves it.
 *
 * A driver that makes and exports a buffer may still not let a NIC attach to it
 * (qxl does not). That shows when a receiver is opened, as attach-refused.
 *
 * A PRIME descriptor that you have already needs nothing of this header: it is a
 * dmabuf, see devrx_memory_import().
 */
#ifndef DEVRX_DRM_H
#define DEVRX_DRM_H

#include <stdint.h>

#include <devrx/error.h>
#include <devrx/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * devrx_drm_import - use a GEM buffer that you have a handle of
 * @ret: new memory of kind "import" on success, untouched on error; free it
 *       with devrx_memory_free()
 * @drm_fd: card or render node on which @handle is valid; borrowed for the call
 * @handle: GEM handle; borrowed for the call. The memory holds the buffer by
 *       its dmabuf, so you may close the handle after it
 * @opts: as for devrx_memory_import(); NULL for any buffer
 *
 * The placement is what the exporter's name proves, as for devrx_memory_import().
 * The driver's name would prove nothing: a handle may be of a buffer that was
 * imported from another driver.
 *
 * Context: may sleep.
 * Return: 0 or what devrx_memory_import() returns for the exported dmabuf, and
 *   -EINVAL      drm-handle: no such handle on @drm_fd;
 *   -EOPNOTSUPP  drm-no-export: the driver exports no dmabuf of it, or @drm_fd
 *                is no DRM node;
 *                drm-not-built: this libdevrx was built without libdrm's
 *                headers;
 *   -ENOENT      drm-library-missing: there is no libdrm.so.2;
 *   -EBADF, -EMFILE, other errnos of the driver: os-error.
 * Since: 0.1
 */
DEVRX_API int devrx_drm_import(struct devrx_memory **ret, int drm_fd,
			       uint32_t handle,
			       const struct devrx_memory_opts *opts);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_DRM_H */
