/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR MIT) */
/*
 * /dev/devrx_vram: software device memory, for testing what is made for a GPU.
 *
 * DEVRX_VRAM_IOC_ALLOC gives a dmabuf that no CPU can map: mmap() of it and
 * DMA_BUF_IOCTL_SYNC on it fail with EOPNOTSUPP, a vmap in the kernel with
 * EINVAL. Devices attach to it as to any other; the other calls here stand for
 * the copy engine of the GPU that owns it. docs/vram.md has a line for each.
 *
 * Everywhere: flags and reserved members that are not named below must be 0,
 * else EINVAL. A dmabuf_fd that is no descriptor is EBADF, one that is not from
 * this device EINVAL. No struct changes its size; a new need is a new number.
 */
#ifndef DEVRX_VRAM_UAPI_H
#define DEVRX_VRAM_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * How a buffer lies in memory. It is cut into pieces of one size, and the
 * scatter list has one entry for each; no piece is followed by the one that
 * lies behind it physically, so nothing can be joined. The length is a multiple
 * of the piece.
 */
enum devrx_vram_layout {
	DEVRX_VRAM_LAYOUT_PAGE = 0,	/* single pages */
	DEVRX_VRAM_LAYOUT_64K = 1,	/* pieces of 64 KiB */
	DEVRX_VRAM_LAYOUT_1M = 2,	/* pieces of 1 MiB */
	DEVRX_VRAM_LAYOUT_BLOCK = 3,	/* one piece, up to 2 GiB */
};

/* Put the pieces into a random order, the same for the same seed. */
#define DEVRX_VRAM_F_SHUFFLE	(1u << 0)
/* Get half of the pieces, then fail with ENOMEM. */
#define DEVRX_VRAM_F_FAIL_ALLOC	(1u << 1)

/**
 * struct devrx_vram_alloc - allocate memory and export it
 * @len: bytes, not 0
 * @seed: for DEVRX_VRAM_F_SHUFFLE, else 0
 * @layout: enum devrx_vram_layout
 * @flags: DEVRX_VRAM_F_*
 * @attach_errno: not 0: each device that attaches is refused with it (1 to 511)
 * @map_errno: not 0: each mapping fails with it (1 to 511)
 * @dmabuf_fd: out: the dmabuf, close-on-exec; the memory lives as long as it
 * @reserved: 0
 *
 * The memory is zeroed. Errors: EINVAL (a member), ENOMEM (the device's memory
 * is used up, or the machine's), EMFILE, ENFILE, what the fault says.
 */
struct devrx_vram_alloc {
	__u64 len;
	__u64 seed;
	__u32 layout;
	__u32 flags;
	__u32 attach_errno;
	__u32 map_errno;
	__s32 dmabuf_fd;
	__u32 reserved[3];
};

/**
 * struct devrx_vram_copy - copy between the memory and the caller
 * @offset: in the dmabuf, in bytes
 * @len: bytes; 0 is allowed
 * @addr: the caller's memory
 * @dmabuf_fd: which dmabuf
 * @flags: 0
 * @reserved: 0
 *
 * Errors: ERANGE (outside the dmabuf), ENODEV (revoked), EFAULT and EINTR (what
 * came before is copied).
 */
struct devrx_vram_copy {
	__u64 offset;
	__u64 len;
	__u64 addr;
	__s32 dmabuf_fd;
	__u32 flags;
	__u64 reserved;
};

/**
 * struct devrx_vram_fill - repeat a word over a range
 * @offset: in the dmabuf, in bytes
 * @len: bytes; 0 is allowed
 * @dmabuf_fd: which dmabuf
 * @flags: 0
 * @value: byte i of the range becomes byte i % 4 of it, lowest first
 * @reserved: 0
 *
 * Errors: as for struct devrx_vram_copy, without EFAULT.
 */
struct devrx_vram_fill {
	__u64 offset;
	__u64 len;
	__s32 dmabuf_fd;
	__u32 flags;
	__u32 value;
	__u32 reserved;
};

/**
 * struct devrx_vram_revoke - take the memory away from its user
 * @dmabuf_fd: which dmabuf
 * @flags: 0
 *
 * From the return on copies, fills, attaching and mapping fail with ENODEV, for
 * ever. What a device has mapped it keeps until it unmaps it.
 */
struct devrx_vram_revoke {
	__s32 dmabuf_fd;
	__u32 flags;
};

#define DEVRX_VRAM_INFO_REVOKED	(1u << 0)

/**
 * struct devrx_vram_info - what a buffer is
 * @dmabuf_fd: in: which dmabuf; all other members must be 0
 * @flags: DEVRX_VRAM_INFO_*
 * @len: bytes
 * @piece_len: bytes of each piece
 * @pieces: how many there are
 * @neighbours: pieces that are followed by the one that lies behind them; 0
 *	but after a shuffle
 * @layout: enum devrx_vram_layout
 * @attached: devices attached now
 * @mapped: mappings now
 * @reserved: 0
 */
struct devrx_vram_info {
	__s32 dmabuf_fd;
	__u32 flags;
	__u64 len;
	__u64 piece_len;
	__u32 pieces;
	__u32 neighbours;
	__u32 layout;
	__u32 attached;
	__u32 mapped;
	__u32 reserved[5];
};

#define DEVRX_VRAM_IOC_ALLOC	_IOWR(0xde, 0x40, struct devrx_vram_alloc)
#define DEVRX_VRAM_IOC_READ	_IOW(0xde, 0x41, struct devrx_vram_copy)
#define DEVRX_VRAM_IOC_WRITE	_IOW(0xde, 0x42, struct devrx_vram_copy)
#define DEVRX_VRAM_IOC_FILL	_IOW(0xde, 0x43, struct devrx_vram_fill)
#define DEVRX_VRAM_IOC_REVOKE	_IOW(0xde, 0x44, struct devrx_vram_revoke)
#define DEVRX_VRAM_IOC_INFO	_IOWR(0xde, 0x45, struct devrx_vram_info)

#endif /* DEVRX_VRAM_UAPI_H */
