/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module share.
 *
 *	vr_main.c	the device node: ioctls and their checks
 *	vr_buffer.c	pages and layouts
 *	vr_dmabuf.c	the dmabuf: what devices may do and CPUs may not
 *	vr_copy.c	the copy engine
 *	vr_debugfs.c	faults and statistics
 */
#ifndef DEVRX_VRAM_H
#define DEVRX_VRAM_H

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/rwsem.h>
#include <linux/types.h>

#include "devrx_vram.h"

#define VR_NAME		"devrx_vram"

/* Numbers from here on are the kernel's own and not for user space. */
#define VR_ERRNO_END	512

/**
 * struct vr_buffer - the memory behind one dmabuf
 * @pieces:	first page of each piece, in the order of the offsets
 * @nr_pieces:	how many
 * @piece_len:	bytes of each
 * @len:	bytes of all of them
 * @layout:	enum devrx_vram_layout
 * @attach_errno: fault chosen with the allocation, or 0
 * @map_errno:	fault chosen with the allocation, or 0
 * @attached:	devices attached now
 * @mapped:	mappings now
 * @lock:	held for reading by a copy, for writing by the revocation, which
 *		therefore waits for the copies that run
 * @revoked:	written with @lock held; copies read it with @lock held, others
 *		at any time
 *
 * Everything above @attached stays as it was made.
 */
struct vr_buffer {
	struct page **pieces;
	unsigned int nr_pieces;
	u64 piece_len;
	u64 len;
	u32 layout;
	u32 attach_errno;
	u32 map_errno;

	atomic_t attached;
	atomic_t mapped;
	struct rw_semaphore lock;
	bool revoked;
};

/* Faults for all buffers, set in debugfs: an errno, or 0 for none. */
enum vr_fault {
	VR_FAULT_ALLOC,
	VR_FAULT_ATTACH,
	VR_FAULT_MAP,
	VR_NR_FAULTS
};

/* Counters in debugfs; each has a line in docs/vram.md. */
enum vr_stat {
	VR_BUFFERS,
	VR_BYTES,
	VR_ATTACHED,
	VR_MAPPED,
	VR_READ_BYTES,
	VR_WRITTEN_BYTES,
	VR_FILLED_BYTES,
	VR_REFUSED_MMAP,
	VR_REFUSED_CPU_ACCESS,
	VR_INJECTED,
	VR_NR_STATS
};

extern u64 vr_capacity;
extern atomic64_t vr_stats[VR_NR_STATS];

static inline void vr_stat_add(enum vr_stat stat, s64 n)
{
	atomic64_add(n, &vr_stats[stat]);
}

/* vr_buffer.c */
u64 vr_piece_len(u32 layout, u64 len);
struct vr_buffer *vr_buffer_alloc(const struct devrx_vram_alloc *args);
void vr_buffer_free(struct vr_buffer *buf);
unsigned int vr_buffer_neighbours(const struct vr_buffer *buf);

/* vr_dmabuf.c */
struct dma_buf *vr_dmabuf_export(struct vr_buffer *buf);
struct dma_buf *vr_dmabuf_get(int fd);

/* vr_copy.c */
int vr_copy_out(struct vr_buffer *buf, u64 off, void __user *to, u64 len);
int vr_copy_in(struct vr_buffer *buf, u64 off, const void __user *from,
	       u64 len);
int vr_fill(struct vr_buffer *buf, u64 off, u64 len, u32 value);
int vr_revoke(struct vr_buffer *buf);

/* vr_debugfs.c */
int vr_fault(enum vr_fault fault, u32 chosen);
void vr_debugfs_init(void);
void vr_debugfs_exit(void);

#endif /* DEVRX_VRAM_H */
