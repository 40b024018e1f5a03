// SPDX-License-Identifier: MIT
/*
 * Kind "vram": software device memory, a dmabuf of the module devrx_vram.
 *
 * The invariant: there is no mapping, here or anywhere. Every byte that the
 * host reads or writes goes through the device's copy engine, as it would have
 * to on a GPU, and so code that touches the memory by itself is found out.
 *
 * Yet it is host memory: the module takes its pages from the page allocator.
 * The placement says where pages are and not how they can be reached, so it is
 * HOST, and nothing that was shown on this kind can pass for a GPU.
 *
 * The device's descriptor is kept, because a program may give up the right to
 * open it again. A forked child's copy of it is closed by exec or exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/vram/devrx_vram.h"
#include "memory/host.h"
#include "memory/kinds.h"
#include "util/cause.h"

#define NODE "/dev/devrx_vram"
#define DEFAULT_LAYOUT "64k"
/* The entry of a scatter list has 32 bits for its length. */
#define BLOCK_MAX (UINT64_C(2) << 30)

/* What opts.device may say; unit 0 stands for whole pages. */
static const struct layout {
	const char *name;
	uint32_t layout;
	uint64_t unit;
} layouts[] = {
	{ "page", DEVRX_VRAM_LAYOUT_PAGE, 0 },
	{ "64k", DEVRX_VRAM_LAYOUT_64K, UINT64_C(64) << 10 },
	{ "1m", DEVRX_VRAM_LAYOUT_1M, UINT64_C(1) << 20 },
	{ "block", DEVRX_VRAM_LAYOUT_BLOCK, 0 },
};

/* An open descriptor of the node, or a negative errno with the cause. */
static int open_node(struct devrx_cause *cause)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return drx_fail(cause, -ENOENT, "vram-missing",
				"insmod devrx_vram.ko  # of kernel/vram",
				"there is no " NODE ": the module devrx_vram "
				"is not loaded");
	case EACCES:
	case EPERM:
		return drx_fail(cause, -EACCES, "vram-access",
				"ls -l " NODE "  # then use sudo, or change "
				"its group",
				"no permission to open " NODE);
	default:
		return drx_fail_os(cause, -errno, "open " NODE);
	}
}

static int vram_probe(struct devrx_cause *cause)
{
	int fd = open_node(cause);

	if (fd < 0)
		return fd;
	(void)close(fd);
	return 0;
}

static const struct layout *find_layout(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (!strcmp(layouts[i].name, name))
			return &layouts[i];
	}
	return NULL;
}

static int vram_alloc(const struct devrx_memory_opts *opts,
		      struct devrx_backing *ret, struct devrx_cause *cause)
{
	const char *name = opts->device ? opts->device : DEFAULT_LAYOUT;
	struct devrx_vram_alloc args = { 0 };
	const struct layout *layout;
	uint64_t len;
	int node, err;

	if (opts->flags & DEVRX_MEMORY_F_HUGETLB)
		return drx_fail(cause, -EOPNOTSUPP, "hugetlb-unsupported", NULL,
				"vram has no huge pages; its layout is chosen "
				"by the device: 1m, block");
	layout = find_layout(name);
	if (!layout)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"device \"%.64s\" was asked for; of vram it "
				"is a layout: page, 64k, 1m or block",
				name);
	err = drx_round_len(opts, &len, cause);
	if (err)
		return err;
	/* No overflow: drx_round_len() ends at PTRDIFF_MAX. */
	if (layout->unit)
		len = (len + layout->unit - 1) / layout->unit * layout->unit;

	if (layout->layout == DEVRX_VRAM_LAYOUT_BLOCK && len > BLOCK_MAX)
		return drx_fail(cause, -EINVAL, "memory-len", NULL,
				"%" PRIu64 " bytes were asked for in one "
				"block, which has at most %" PRIu64,
				len, BLOCK_MAX);

	node = open_node(cause);
	if (node < 0)
		return node;
	args.len = len;
	args.layout = layout->layout;
	if (ioctl(node, DEVRX_VRAM_IOC_ALLOC, &args)) {
		err = drx_fail_os(cause, -errno, "ioctl(DEVRX_VRAM_IOC_ALLOC)");
		(void)close(node);
		return err;
	}

	ret->len = len;
	ret->dmabuf_fd = args.dmabuf_fd;
	ret->priv = (void *)(intptr_t)node;
	ret->placement = DEVRX_PLACEMENT_HOST;
	(void)snprintf(ret->proof, sizeof(ret->proof),
		       "software device memory (devrx_vram): host pages that "
		       "the CPU cannot map");
	return 0;
}

static void vram_free(struct devrx_backing *backing)
{
	(void)close((int)(intptr_t)backing->priv);
	(void)close(backing->dmabuf_fd);
}

static int copy(const struct devrx_backing *backing, unsigned long request,
		uint64_t off, uintptr_t addr, size_t len)
{
	const struct devrx_vram_copy args = {
		.offset = off,
		.len = len,
		.addr = addr,
		.dmabuf_fd = backing->dmabuf_fd,
	};

	return ioctl((int)(intptr_t)backing->priv, request, &args) ? -errno : 0;
}

static int vram_read(struct devrx_backing *backing, uint64_t off, void *buf,
		     size_t len)
{
	return copy(backing, DEVRX_VRAM_IOC_READ, off, (uintptr_t)buf, len);
}

static int vram_write(struct devrx_backing *backing, uint64_t off,
		      const void *buf, size_t len)
{
	return copy(backing, DEVRX_VRAM_IOC_WRITE, off, (uintptr_t)buf, len);
}

const struct devrx_provider drx_vram_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "vram",
	.summary = "software device memory, for tests; device is its layout",
	.probe = vram_probe,
	.alloc = vram_alloc,
	.free = vram_free,
	.read = vram_read,
	.write = vram_write,
};
