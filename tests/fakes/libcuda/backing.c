// SPDX-License-Identifier: MIT
/*
 * What the fake's bytes are in: a dmabuf of kernel/vram, whole ones only; a memfd
 * of which udmabuf exports any pages; or a memfd alone, whose exports are other
 * memory of the right length, good for looking at the descriptor and no more.
 */
#include "backing.h"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake.h"
#include "kernel/vram/devrx_vram.h"

#define PIECE ((size_t)64 << 10)

struct store {
	int users;
	enum fake_backing kind;
	size_t len; /* as asked for */
	int node; /* of kernel/vram */
	int fd; /* its dmabuf, or the memfd */
	char *bytes; /* the memfd's */
};

static bool open_vram(struct store *store)
{
	struct devrx_vram_alloc args = {
		.len = (store->len + PIECE - 1) / PIECE * PIECE,
		.layout = DEVRX_VRAM_LAYOUT_64K,
	};

	store->node = open("/dev/devrx_vram", O_RDWR | O_CLOEXEC);
	if (store->node < 0)
		return false;
	if (ioctl(store->node, DEVRX_VRAM_IOC_ALLOC, &args)) {
		(void)close(store->node);
		return false;
	}
	store->fd = args.dmabuf_fd;
	store->kind = FAKE_VRAM;
	return true;
}

static bool open_memfd(struct store *store)
{
	const size_t len = (store->len + 4095) / 4096 * 4096;

	store->fd = memfd_create("devrx fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (store->fd < 0 || ftruncate(store->fd, (off_t)len) ||
	    fcntl(store->fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return false;
	store->bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			    store->fd, 0);
	store->kind = fake_set.backing			  ? fake_set.backing :
		      access("/dev/udmabuf", R_OK | W_OK) ? FAKE_MEMFD :
							    FAKE_UDMABUF;
	return store->bytes != MAP_FAILED;
}

struct store *store_new(size_t len)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->users = 1;
	store->len = len;
	store->node = store->fd = -1;
	if ((fake_set.backing == FAKE_AUTO || fake_set.backing == FAKE_VRAM) &&
	    open_vram(store))
		return store;
	if (fake_set.backing != FAKE_VRAM && open_memfd(store))
		return store;
	if (store->fd >= 0)
		(void)close(store->fd);
	free(store);
	return NULL;
}

void store_get(struct store *store)
{
	store->users++;
}

void store_put(struct store *store)
{
	if (--store->users)
		return;
	if (store->bytes)
		(void)munmap(store->bytes, (store->len + 4095) / 4096 * 4096);
	if (store->node >= 0)
		(void)close(store->node);
	(void)close(store->fd);
	free(store);
}

size_t store_len(const struct store *store)
{
	return store->len;
}

int store_copy(struct store *store, size_t off, void *buf, size_t len, bool in)
{
	const struct devrx_vram_copy args = {
		.offset = off,
		.len = len,
		.addr = (uintptr_t)buf,
		.dmabuf_fd = store->fd,
	};

	if (store->kind == FAKE_VRAM)
		return ioctl(store->node,
			     in ? DEVRX_VRAM_IOC_WRITE : DEVRX_VRAM_IOC_READ,
			     &args);
	if (in)
		memcpy(store->bytes + off, buf, len);
	else
		memcpy(buf, store->bytes + off, len);
	return 0;
}

static int udmabuf(const struct store *store, size_t off, size_t len)
{
	struct udmabuf_create args = {
		.memfd = (uint32_t)store->fd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.offset = off,
		.size = len,
	};
	int node, fd;

	node = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	fd = ioctl(node, UDMABUF_CREATE, &args);
	(void)close(node);
	return fd;
}

static int other_memfd(size_t len)
{
	int fd = memfd_create("devrx fake export", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)len)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

int store_export(struct store *store, size_t off, size_t len)
{
	switch (store->kind) {
	case FAKE_VRAM:
		if (off || lseek(store->fd, 0, SEEK_END) != (off_t)len)
			return -1;
		return fcntl(store->fd, F_DUPFD_CLOEXEC, 0);
	case FAKE_UDMABUF:
		return udmabuf(store, off, len);
	case FAKE_MEMFD:
		return other_memfd(len);
	default:
		return -1;
	}
}
