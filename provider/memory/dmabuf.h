/* SPDX-License-Identifier: MIT */
/* What every kind of memory that is a dmabuf has in common. */
#ifndef DRX_DMABUF_H
#define DRX_DMABUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <devrx/provider.h>

/* Is @fd a dmabuf? 0, -EINVAL where it is something else, -EBADF. */
int drx_dmabuf_check(int fd);

/* The whole length of the dmabuf @fd, in bytes. 0 or a negative errno. */
int drx_dmabuf_len(int fd, uint64_t *ret);

/*
 * The name that the exporting driver gave itself ("udmabuf"; "drm" for all of
 * DRM), cut to @size bytes. 0, or a negative errno where /proc does not say.
 */
int drx_dmabuf_exporter(int fd, char *ret, size_t size);

/* Can an exporter of that name hold nothing but host memory? */
bool drx_dmabuf_host_only(const char *exporter);

/* NVIDIA's, for memory of CUDA (kernel-open/nvidia/nv-dmabuf.c). */
#define DRX_DMABUF_NVIDIA "nv_dmabuf"

/*
 * Does an exporter of that name take whatever attaches for a PCI device, so that
 * the kernel crashes where it is none?
 */
bool drx_dmabuf_wants_pci(const char *exporter);

/*
 * Map backing->dmabuf_fd for the CPU where its exporter and its access mode
 * allow that; where they do not, host_addr stays NULL, which is no error.
 * priv becomes the address that may be written through, or NULL. Return 0 or
 * -ENOMEM.
 */
int drx_dmabuf_map(struct devrx_backing *backing);

/*
 * The vtable's read, write and free for a backing that is a dmabuf mapped at
 * host_addr and writable at priv. The copies return -EOPNOTSUPP where there is
 * no such mapping, else what the exporter says.
 */
int drx_dmabuf_read(struct devrx_backing *backing, uint64_t off, void *buf,
		    size_t len);
int drx_dmabuf_write(struct devrx_backing *backing, uint64_t off,
		     const void *buf, size_t len);
void drx_dmabuf_free(struct devrx_backing *backing);

#endif /* DRX_DMABUF_H */
