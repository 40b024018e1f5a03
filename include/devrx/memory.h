/* SPDX-License-Identifier: MIT */
/*
 * Memory that a NIC can write into: allocate it, import it, look at it.
 *
 * A memory is one contiguous range of offsets, 0 to len. Where it has a dmabuf
 * the memory is exactly that dmabuf, because zcrx registers whole dmabufs only
 * (linux/io_uring/zcrx.c, io_import_dmabuf: the scatter list's length must
 * equal the area's).
 *
 * Threads: calls on one memory may come from any thread, one at a time. The
 * bytes themselves are not locked: a NIC writes them whenever it pleases.
 *
 * Fork: a child has no part in a memory, and the mapping behind host_addr is
 * not in it. devrx_memory_read() and _write() return -EPERM there, and
 * devrx_memory_free() drops the child's copy without touching the parent's.
 */
#ifndef DEVRX_MEMORY_H
#define DEVRX_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct devrx_memory;
struct devrx_provider;

/*
 * Where memory really is. Only something that proves it makes it more than
 * UNKNOWN; the proof is in struct devrx_memory_info.
 */
enum devrx_placement {
	DEVRX_PLACEMENT_UNKNOWN = 0,
	DEVRX_PLACEMENT_HOST = 1,
	DEVRX_PLACEMENT_DEVICE = 2,
};

/* Back the memory with 2 MiB huge pages (kinds "host" and "udmabuf"). */
#define DEVRX_MEMORY_F_HUGETLB (1u << 0)

/**
 * struct devrx_memory_opts - what to allocate or import
 * @size: sizeof(struct devrx_memory_opts), set by DEVRX_MEMORY_OPTS_INIT
 * @kind: provider's name: "host", "udmabuf", "dmaheap", "cuda", "vulkan", "drm",
 *      "vram"; borrowed for the call
 * @provider: a provider of your own (see devrx/provider.h) instead of @kind;
 *      borrowed, must outlive the memory; NULL otherwise
 * @device: which device of that kind; for "dmaheap" the heap's name, for "cuda"
 *      the index "0", the UUID "GPU-..." or the PCI address "0000:3b:00.0", for
 *      "vulkan" the same with Vulkan's index and UUID, for "drm" the node "card1"
 *      or its path, the driver "vgem" or the PCI address, for "vram" the layout
 *      "page", "64k", "1m" or "block"; NULL for the default ("system", see
 *      devrx/cuda.h, the first Vulkan device that is no CPU or else the first, see
 *      devrx/drm.h, "64k"), and for kinds that have no devices; borrowed for the
 *      call
 * @len: bytes; rounded up to what the kind needs (the page size, 2 MiB with
 *      hugetlb and with "cuda", the layout's piece with "vram"). For
 *      devrx_memory_import() 0 or exactly the dmabuf's length
 * @placement: enum devrx_placement that must be proved, or
 *      DEVRX_PLACEMENT_UNKNOWN for any
 * @flags: DEVRX_MEMORY_F_*; unknown bits are refused
 * @cause: filled in on failure; may be NULL
 *
 * Since: 0.1
 */
struct devrx_memory_opts {
	size_t size;
	const char *kind;
	const struct devrx_provider *provider;
	const char *device;
	uint64_t len;
	uint32_t placement;
	uint32_t flags;
	struct devrx_cause *cause;
};

#define DEVRX_MEMORY_OPTS_INIT                                                 \
	{                                                                      \
		sizeof(struct devrx_memory_opts), NULL, NULL, NULL, 0, 0, 0,   \
			NULL                                                   \
	}

/**
 * struct devrx_memory_info - what a memory turned out to be
 * @size: sizeof(struct devrx_memory_info), set by the caller before the call
 * @kind: the provider's name; valid as long as the provider
 * @len: bytes
 * @device_addr: address for the device that owns it, 0 if there is none
 * @host_addr: CPU mapping, or NULL where the CPU cannot reach it; borrowed.
 *      Where there is a dmabuf, bracket what you do there with
 *      DMA_BUF_IOCTL_SYNC on it (devrx_memory_read() does); on machines whose
 *      caches are coherent with DMA, such as amd64, nothing depends on it
 * @dmabuf_fd: the dmabuf, or -1; borrowed: dup it to keep it
 * @placement: enum devrx_placement
 * @proof: how the placement was proved, or why it is unknown
 *
 * Since: 0.1
 */
struct devrx_memory_info {
	size_t size;
	const char *kind;
	uint64_t len;
	uint64_t device_addr;
	void *host_addr;
	int32_t dmabuf_fd;
	uint32_t placement;
	char proof[128];
};

/**
 * devrx_memory_alloc - allocate memory that a NIC can be given
 * @ret: new memory on success, untouched on error; free with
 *       devrx_memory_free()
 * @opts: what to allocate; borrowed for the call
 *
 * Context: may sleep.
 * Return: 0 or
 *   -EINVAL      opts-invalid: @opts NULL or of a wrong size, a flag or
 *                placement unknown, neither kind nor provider, or both, a
 *                device for a kind that has none, a provider of a wrong size
 *                or without one of its required members;
 *                kind-unknown: no provider of that name;
 *                memory-len: length zero, or too large to round up;
 *   -EOPNOTSUPP  hugetlb-unsupported: the kind, or this kernel, has no huge
 *                pages of 2 MiB;
 *                placement-unproved: the placement that was required could
 *                not be proved (nothing stays allocated);
 *                cuda-dmabuf-unsupported, cuda-closed-modules,
 *                cuda-rdma-unsupported: the GPU's memory cannot be had as a
 *                dmabuf, and why; cuda-driver-old: its driver lacks a call;
 *                vulkan-no-export: the device exports no dmabufs;
 *                vulkan-unsupported: it lacks what devrx/vulkan.h lists;
 *                vulkan-not-built: this library has no Vulkan;
 *                drm-no-dumb, drm-no-export: the card's driver makes no such
 *                buffer, or no dmabuf of it; drm-not-built: this library has no
 *                libdrm;
 *   -ENOENT      udmabuf-missing, heap-missing, vram-missing: the kernel or
 *                this machine does not have the device node;
 *                cuda-missing: no driver of CUDA's; vulkan-missing: no loader of
 *                Vulkan's; drm-missing: no card node; drm-library-missing: no
 *                libdrm.so.2, or for an amdgpu card no libdrm_amdgpu.so.1;
 *   -EACCES      udmabuf-access, heap-access, vram-access, cuda-access,
 *                vulkan-access, drm-access: no permission on the node;
 *   -ENODEV      cuda-no-device, vulkan-no-device: no GPU, or none of the name in
 *                @device; drm-no-device: no card of that name, driver or address;
 *   -EFBIG       udmabuf-limit: above /sys/module/udmabuf/parameters/
 *                size_limit_mb (64 through Linux 7.2);
 *                cuda-bar1: above what the GPU shows to other devices;
 *                vulkan-limit: above what it allocates at once;
 *                drm-limit: above 4 GiB less 4 KiB, or above what an
 *                amdgpu card allocates at once;
 *   -ENOMEM      out-of-memory, hugetlb-exhausted: no memory, no huge pages;
 *   -EPROTO      backing-invalid: a provider of your own gave something that
 *                is no memory: not whole pages, less than asked for, not the
 *                whole dmabuf, or a result above 0;
 *   -ESTALE, -EIO  cuda-context-destroyed, cuda-device-lost: see devrx/cuda.h;
 *                vulkan-device-lost: see devrx/vulkan.h;
 *   -EMFILE, -ENFILE, other errnos of the device: os-error, cuda-error or
 *                vulkan-error, with the call's name in the text; what a provider
 *                of your own returns, with its cause, or os-error where it gave
 *                none.
 * Since: 0.1
 */
DEVRX_API int devrx_memory_alloc(struct devrx_memory **ret,
				 const struct devrx_memory_opts *opts);

/**
 * devrx_memory_import - use somebody else's dmabuf
 * @ret: new memory on success, untouched on error; free with
 *       devrx_memory_free()
 * @dmabuf_fd: borrowed; devrx keeps a duplicate, the caller closes its own
 * @opts: @len, @placement, @flags (none yet) and @cause count; NULL for any
 *        dmabuf. The kind becomes "import"
 *
 * The placement is what the exporter's name proves: udmabuf, the system heap and
 * devrx_vram are host memory by construction; of any other exporter it is
 * unknown.
 *
 * Context: may sleep.
 * Return: 0 or
 *   -EINVAL      opts-invalid (as above); not-a-dmabuf: the fd is something
 *                else; dmabuf-partial: @opts->len is not the whole dmabuf;
 *   -EBADF       not-a-dmabuf: not an open fd;
 *   -EOPNOTSUPP  placement-unproved;
 *   -EPROTO      backing-invalid: the dmabuf is not whole pages;
 *   -EMFILE, -ENOMEM  os-error, out-of-memory.
 * Since: 0.1
 */
DEVRX_API int devrx_memory_import(struct devrx_memory **ret, int dmabuf_fd,
				  const struct devrx_memory_opts *opts);

/**
 * devrx_memory_info - what this memory is and where
 * @mem: the memory
 * @ret: filled in up to @ret->size bytes
 *
 * Return: 0, or -EINVAL where @ret->size is smaller than in version 0.1.
 * Since: 0.1
 */
DEVRX_API int devrx_memory_info(const struct devrx_memory *mem,
				struct devrx_memory_info *ret);

/**
 * devrx_memory_read - copy bytes out to host memory
 * @mem: the memory
 * @off: offset in bytes
 * @buf: destination, @len bytes; borrowed
 * @len: bytes; 0 is allowed
 *
 * For a look at a header, not for bulk data: the copy is synchronous.
 *
 * Return: 0; -EPERM in a forked child; -ERANGE where @off + @len is outside the
 *   memory; -EOPNOTSUPP where it cannot be read from the host; what the
 *   provider or the dmabuf's exporter says (kind "cuda": -ESTALE where what was
 *   there has gone, -EIO where the device failed; kind "vulkan": -EIO likewise).
 * Since: 0.1
 */
DEVRX_API int devrx_memory_read(struct devrx_memory *mem, uint64_t off,
				void *buf, size_t len);

/**
 * devrx_memory_write - copy bytes in from host memory
 *
 * The mirror image of devrx_memory_read(), with the same errors.
 * Since: 0.1
 */
DEVRX_API int devrx_memory_write(struct devrx_memory *mem, uint64_t off,
				 const void *buf, size_t len);

/**
 * devrx_memory_free - give memory back
 * @mem: the memory, taken on success; NULL is allowed
 *
 * A kernel that still has the dmabuf registered keeps the pages until it lets
 * go of them; that is harmless and no reason to wait.
 *
 * Return: 0, or -EBUSY while a receiver is open on it: nothing is freed, close
 *   the receiver first. In a forked child always 0.
 * Since: 0.1
 */
DEVRX_API int devrx_memory_free(struct devrx_memory *mem);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_MEMORY_H */
