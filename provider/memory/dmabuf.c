// SPDX-License-Identifier: MIT
/*
 * A dmabuf as user space sees it: its length, its exporter, its bytes.
 *
 * The invariant: the CPU touches the bytes only between the two halves of
 * DMA_BUF_IOCTL_SYNC, which is where an exporter makes its caches agree with
 * the device's. Called by the kinds udmabuf, dmaheap and import; cuda and
 * import ask for the exporter.
 */
#include "memory/dmabuf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "memory/host.h"

int drx_dmabuf_check(int fd)
{
	struct statfs fs;

	/*
	 * All dmabufs and nothing else live on this file system, which cannot
	 * be mounted. A name such as "/dmabuf:" anybody can give to a file.
	 */
	if (fstatfs(fd, &fs))
		return errno == EBADF ? -EBADF : -EINVAL;
	return fs.f_type == DMA_BUF_MAGIC ? 0 : -EINVAL;
}

int drx_dmabuf_len(int fd, uint64_t *ret)
{
	off_t len = lseek(fd, 0, SEEK_END);

	if (len < 0)
		return -errno;
	*ret = (uint64_t)len;
	return 0;
}

int drx_dmabuf_exporter(int fd, char *ret, size_t size)
{
	static const char key[] = "\nexp_name:\t";
	char path[64], text[1024];
	char *name;
	ssize_t nr;
	int info, err;

	(void)snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -errno;
	nr = read(info, text, sizeof(text) - 1);
	err = -errno;
	(void)close(info);
	if (nr < 0)
		return err;
	text[nr] = '\0';

	/*
	 * The first such line is the kernel's. The buffer's own name, which
	 * anybody who holds it can set and which may contain newlines, follows
	 * it (linux/drivers/dma-buf/dma-buf.c, dma_buf_show_fdinfo()).
	 */
	name = strstr(text, key);
	if (!name)
		return -ENOENT;
	name += sizeof(key) - 1;
	name[strcspn(name, "\n")] = '\0';
	(void)snprintf(ret, size, "%s", name);
	return 0;
}

bool drx_dmabuf_host_only(const char *exporter)
{
	return !strcmp(exporter, "udmabuf") || !strcmp(exporter, "system") ||
	       !strcmp(exporter, "devrx_vram");
}

/* kernel-open/nvidia/nv-dmabuf.c: to_pci_dev(attachment->dev), unchecked. */
bool drx_dmabuf_wants_pci(const char *exporter)
{
	return !strcmp(exporter, DRX_DMABUF_NVIDIA);
}

int drx_dmabuf_map(struct devrx_backing *backing)
{
	int mode = fcntl(backing->dmabuf_fd, F_GETFL);
	bool writable = mode >= 0 && (mode & O_ACCMODE) == O_RDWR;
	int err;

	err = drx_map(backing->len,
		      writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
		      backing->dmabuf_fd, &backing->host_addr);
	if (err == -ENOMEM)
		return err;
	if (!err && writable)
		backing->priv = backing->host_addr;
	return 0;
}

static int sync_cpu(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	while (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync)) {
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return 0;
}

int drx_dmabuf_read(struct devrx_backing *backing, uint64_t off, void *buf,
		    size_t len)
{
	int err;

	if (!backing->host_addr)
		return -EOPNOTSUPP;
	err = sync_cpu(backing->dmabuf_fd,
		       DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	if (err)
		return err;
	memcpy(buf, (const char *)backing->host_addr + off, len);
	return sync_cpu(backing->dmabuf_fd,
			DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
}

int drx_dmabuf_write(struct devrx_backing *backing, uint64_t off,
		     const void *buf, size_t len)
{
	int err;

	if (!backing->priv)
		return -EOPNOTSUPP;
	err = sync_cpu(backing->dmabuf_fd,
		       DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	if (err)
		return err;
	memcpy((char *)backing->priv + off, buf, len);
	return sync_cpu(backing->dmabuf_fd,
			DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
}

void drx_dmabuf_free(struct devrx_backing *backing)
{
	if (backing->host_addr)
		(void)munmap(backing->host_addr, backing->len);
	(void)close(backing->dmabuf_fd);
}
