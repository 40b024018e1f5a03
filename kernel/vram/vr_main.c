// SPDX-License-Identifier: GPL-2.0
/*
 * The device node: each ioctl's arguments are checked here, before anything is
 * done.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "vram.h"

static unsigned int size_mib;
module_param(size_mib, uint, 0444);
MODULE_PARM_DESC(size_mib, "MiB of memory that the device has (default: half of the machine's)");

u64 vr_capacity;

static int vr_check_alloc(const struct devrx_vram_alloc *args)
{
	u64 piece = vr_piece_len(args->layout, args->len);

	if (!piece || !args->len || args->len % PAGE_SIZE || args->len % piece)
		return -EINVAL;
	if (args->layout == DEVRX_VRAM_LAYOUT_BLOCK && args->len > SZ_2G)
		return -EINVAL;
	if (args->flags & ~(DEVRX_VRAM_F_SHUFFLE | DEVRX_VRAM_F_FAIL_ALLOC))
		return -EINVAL;
	if (args->seed && !(args->flags & DEVRX_VRAM_F_SHUFFLE))
		return -EINVAL;
	if (args->attach_errno >= VR_ERRNO_END ||
	    args->map_errno >= VR_ERRNO_END)
		return -EINVAL;
	if (memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;
	/* More than there can be, and more pieces than there are numbers for. */
	if (args->len > vr_capacity || args->len / piece > INT_MAX)
		return -ENOMEM;
	return 0;
}

static int vr_ioctl_alloc(struct devrx_vram_alloc __user *user)
{
	struct devrx_vram_alloc args;
	struct dma_buf *dmabuf;
	struct vr_buffer *buf;
	int err, fd;

	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	err = vr_check_alloc(&args);
	if (err)
		return err;

	buf = vr_buffer_alloc(&args);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	dmabuf = vr_dmabuf_export(buf);
	if (IS_ERR(dmabuf)) {
		vr_buffer_free(buf);
		return PTR_ERR(dmabuf);
	}

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		err = fd;
		goto err_put_dmabuf;
	}
	if (put_user(fd, &user->dmabuf_fd)) {
		err = -EFAULT;
		goto err_put_fd;
	}
	/* Last: from here on it is the caller's. */
	fd_install(fd, dmabuf->file);
	return 0;

err_put_fd:
	put_unused_fd(fd);
err_put_dmabuf:
	dma_buf_put(dmabuf);
	return err;
}

static int vr_ioctl_copy(const struct devrx_vram_copy __user *user, bool out)
{
	struct devrx_vram_copy args;
	struct dma_buf *dmabuf;
	int err;

	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved)
		return -EINVAL;

	dmabuf = vr_dmabuf_get(args.dmabuf_fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (out)
		err = vr_copy_out(dmabuf->priv, args.offset,
				  u64_to_user_ptr(args.addr), args.len);
	else
		err = vr_copy_in(dmabuf->priv, args.offset,
				 u64_to_user_ptr(args.addr), args.len);
	dma_buf_put(dmabuf);
	return err;
}

static int vr_ioctl_fill(const struct devrx_vram_fill __user *user)
{
	struct devrx_vram_fill args;
	struct dma_buf *dmabuf;
	int err;

	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved)
		return -EINVAL;

	dmabuf = vr_dmabuf_get(args.dmabuf_fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	err = vr_fill(dmabuf->priv, args.offset, args.len, args.value);
	dma_buf_put(dmabuf);
	return err;
}

static int vr_ioctl_revoke(const struct devrx_vram_revoke __user *user)
{
	struct devrx_vram_revoke args;
	struct dma_buf *dmabuf;
	int err;

	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	if (args.flags)
		return -EINVAL;

	dmabuf = vr_dmabuf_get(args.dmabuf_fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	err = vr_revoke(dmabuf->priv);
	dma_buf_put(dmabuf);
	return err;
}

static int vr_ioctl_info(struct devrx_vram_info __user *user)
{
	struct devrx_vram_info info;
	struct dma_buf *dmabuf;
	struct vr_buffer *buf;

	if (copy_from_user(&info, user, sizeof(info)))
		return -EFAULT;
	if (memchr_inv(&info.flags, 0,
		       sizeof(info) - offsetof(struct devrx_vram_info, flags)))
		return -EINVAL;

	dmabuf = vr_dmabuf_get(info.dmabuf_fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buf = dmabuf->priv;
	info.flags = READ_ONCE(buf->revoked) ? DEVRX_VRAM_INFO_REVOKED : 0;
	info.len = buf->len;
	info.piece_len = buf->piece_len;
	info.pieces = buf->nr_pieces;
	info.neighbours = vr_buffer_neighbours(buf);
	info.layout = buf->layout;
	info.attached = atomic_read(&buf->attached);
	info.mapped = atomic_read(&buf->mapped);
	dma_buf_put(dmabuf);

	return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : 0;
}

static long vr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case DEVRX_VRAM_IOC_ALLOC:
		return vr_ioctl_alloc(user);
	case DEVRX_VRAM_IOC_READ:
		return vr_ioctl_copy(user, true);
	case DEVRX_VRAM_IOC_WRITE:
		return vr_ioctl_copy(user, false);
	case DEVRX_VRAM_IOC_FILL:
		return vr_ioctl_fill(user);
	case DEVRX_VRAM_IOC_REVOKE:
		return vr_ioctl_revoke(user);
	case DEVRX_VRAM_IOC_INFO:
		return vr_ioctl_info(user);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations vr_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= vr_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice vr_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= VR_NAME,
	.fops	= &vr_fops,
};

/* No member moves and no padding appears, whatever compiles it. */
static_assert(sizeof(struct devrx_vram_alloc) == 48);
static_assert(sizeof(struct devrx_vram_copy) == 40);
static_assert(sizeof(struct devrx_vram_fill) == 32);
static_assert(sizeof(struct devrx_vram_revoke) == 8);
static_assert(sizeof(struct devrx_vram_info) == 64);

static int __init vr_init(void)
{
	int err;

	vr_capacity = size_mib ? (u64)size_mib * SZ_1M :
				 (u64)totalram_pages() * PAGE_SIZE / 2;
	vr_debugfs_init();
	err = misc_register(&vr_misc);
	if (err)
		vr_debugfs_exit();
	return err;
}

static void __exit vr_exit(void)
{
	misc_deregister(&vr_misc);
	vr_debugfs_exit();
}

module_init(vr_init);
module_exit(vr_exit);

MODULE_DESCRIPTION("Software device memory: dmabufs that the CPU cannot map");
MODULE_AUTHOR("The devrx authors");
MODULE_LICENSE("GPL");
