// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/devrx_vram: faults for every buffer, and what happened.
 *
 *	fail_alloc	each allocation fails with this errno; 0: off
 *	fail_attach	each device that attaches is refused with this errno
 *	fail_map	each mapping fails with this errno
 *	vmap		write a dmabuf's descriptor: map it for the kernel, as
 *			an importer would, and unmap it; the write's result is
 *			the exporter's
 *	stats		a name and a number in each line
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/seq_file.h>

#include "vram.h"

atomic64_t vr_stats[VR_NR_STATS];

static const char *const vr_stat_names[VR_NR_STATS] = {
	[VR_BUFFERS]		= "buffers",
	[VR_BYTES]		= "bytes",
	[VR_ATTACHED]		= "attached",
	[VR_MAPPED]		= "mapped",
	[VR_READ_BYTES]		= "read_bytes",
	[VR_WRITTEN_BYTES]	= "written_bytes",
	[VR_FILLED_BYTES]	= "filled_bytes",
	[VR_REFUSED_MMAP]	= "refused_mmap",
	[VR_REFUSED_CPU_ACCESS]	= "refused_cpu_access",
	[VR_INJECTED]		= "injected_faults",
};

static const char *const vr_fault_names[VR_NR_FAULTS] = {
	[VR_FAULT_ALLOC]	= "fail_alloc",
	[VR_FAULT_ATTACH]	= "fail_attach",
	[VR_FAULT_MAP]		= "fail_map",
};

static u32 vr_faults[VR_NR_FAULTS];
static struct dentry *vr_dir;

/**
 * vr_fault() - shall this fail?
 * @fault:	what is about to be done
 * @chosen:	the buffer's own fault, an errno or 0; it wins
 *
 * Return: 0 or a negative errno.
 */
int vr_fault(enum vr_fault fault, u32 chosen)
{
	u32 err = chosen ?: READ_ONCE(vr_faults[fault]);

	if (err)
		vr_stat_add(VR_INJECTED, 1);
	return -(int)err;
}

static int vr_fault_get(void *data, u64 *value)
{
	*value = READ_ONCE(*(u32 *)data);
	return 0;
}

static int vr_fault_set(void *data, u64 value)
{
	if (value >= VR_ERRNO_END)
		return -EINVAL;
	WRITE_ONCE(*(u32 *)data, value);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(vr_fault_fops, vr_fault_get, vr_fault_set, "%llu\n");

static int vr_vmap_set(void *data, u64 fd)
{
	struct dma_buf *dmabuf;
	struct iosys_map map;
	int err;

	if (fd > INT_MAX)
		return -EBADF;
	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	err = dma_buf_vmap_unlocked(dmabuf, &map);
	if (!err)
		dma_buf_vunmap_unlocked(dmabuf, &map);
	dma_buf_put(dmabuf);
	return err;
}

DEFINE_DEBUGFS_ATTRIBUTE(vr_vmap_fops, NULL, vr_vmap_set, "%llu\n");

static int vr_stats_show(struct seq_file *seq, void *unused)
{
	unsigned int i;

	for (i = 0; i < VR_NR_STATS; i++)
		seq_printf(seq, "%s %lld\n", vr_stat_names[i],
			   atomic64_read(&vr_stats[i]));
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(vr_stats);

void vr_debugfs_init(void)
{
	unsigned int i;

	vr_dir = debugfs_create_dir(VR_NAME, NULL);
	for (i = 0; i < VR_NR_FAULTS; i++)
		debugfs_create_file_unsafe(vr_fault_names[i], 0600, vr_dir,
					   &vr_faults[i], &vr_fault_fops);
	debugfs_create_file_unsafe("vmap", 0200, vr_dir, NULL, &vr_vmap_fops);
	debugfs_create_file("stats", 0400, vr_dir, NULL, &vr_stats_fops);
}

void vr_debugfs_exit(void)
{
	debugfs_remove(vr_dir);
}
