// SPDX-License-Identifier: GPL-2.0
/*
 * The dmabuf: devices may attach and map, CPUs may not.
 *
 * There is no vmap operation, because the core warns when one fails; without
 * one it refuses with -EINVAL. mmap and CPU access have an operation each, to
 * be counted and to fail with an errno of their own.
 *
 * A mapping skips the CPU's caches, which are not involved, and is not made for
 * a device that would need bounce buffers: those are the CPU's.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "vram.h"

static int vr_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct vr_buffer *buf = dmabuf->priv;
	int err;

	if (READ_ONCE(buf->revoked))
		return -ENODEV;
	err = vr_fault(VR_FAULT_ATTACH, buf->attach_errno);
	if (err)
		return err;
	if (dma_addressing_limited(attach->dev))
		return -EOPNOTSUPP;

	atomic_inc(&buf->attached);
	vr_stat_add(VR_ATTACHED, 1);
	return 0;
}

static void vr_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct vr_buffer *buf = dmabuf->priv;

	atomic_dec(&buf->attached);
	vr_stat_add(VR_ATTACHED, -1);
}

static struct sg_table *vr_map(struct dma_buf_attachment *attach,
			       enum dma_data_direction dir)
{
	struct vr_buffer *buf = attach->dmabuf->priv;
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i;
	int err;

	if (READ_ONCE(buf->revoked))
		return ERR_PTR(-ENODEV);
	err = vr_fault(VR_FAULT_MAP, buf->map_errno);
	if (err)
		return ERR_PTR(err);

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table(sgt, buf->nr_pieces, GFP_KERNEL);
	if (err)
		goto err_free_sgt;

	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, buf->pieces[i], buf->piece_len, 0);

	err = dma_map_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (err)
		goto err_free_table;

	atomic_inc(&buf->mapped);
	vr_stat_add(VR_MAPPED, 1);
	return sgt;

err_free_table:
	sg_free_table(sgt);
err_free_sgt:
	kfree(sgt);
	return ERR_PTR(err);
}

static void vr_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		     enum dma_data_direction dir)
{
	struct vr_buffer *buf = attach->dmabuf->priv;

	dma_unmap_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
	atomic_dec(&buf->mapped);
	vr_stat_add(VR_MAPPED, -1);
}

static void vr_release(struct dma_buf *dmabuf)
{
	vr_buffer_free(dmabuf->priv);
}

static int vr_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	vr_stat_add(VR_REFUSED_MMAP, 1);
	return -EOPNOTSUPP;
}

static int vr_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	vr_stat_add(VR_REFUSED_CPU_ACCESS, 1);
	return -EOPNOTSUPP;
}

static const struct dma_buf_ops vr_dmabuf_ops = {
	.attach			= vr_attach,
	.detach			= vr_detach,
	.map_dma_buf		= vr_map,
	.unmap_dma_buf		= vr_unmap,
	.release		= vr_release,
	.mmap			= vr_mmap,
	.begin_cpu_access	= vr_cpu_access,
	.end_cpu_access		= vr_cpu_access,
};

/**
 * vr_dmabuf_export() - make a buffer a dmabuf
 * @buf:	the buffer, taken on success
 *
 * The dmabuf keeps the module, so that it cannot be unloaded before.
 *
 * Return: the dmabuf, or an ERR_PTR().
 */
struct dma_buf *vr_dmabuf_export(struct vr_buffer *buf)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	info.ops = &vr_dmabuf_ops;
	info.size = buf->len;
	info.flags = O_RDWR;
	info.priv = buf;
	return dma_buf_export(&info);
}

/**
 * vr_dmabuf_get() - a dmabuf of ours by its descriptor
 * @fd:		the descriptor
 *
 * Return: the dmabuf, for dma_buf_put(), whose priv is a struct vr_buffer;
 * -EBADF where @fd is not open, -EINVAL where it is something else.
 */
struct dma_buf *vr_dmabuf_get(int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	if (!IS_ERR(dmabuf) && dmabuf->ops != &vr_dmabuf_ops) {
		dma_buf_put(dmabuf);
		return ERR_PTR(-EINVAL);
	}
	return dmabuf;
}

MODULE_IMPORT_NS("DMA_BUF");
