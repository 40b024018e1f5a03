// SPDX-License-Identifier: MIT
/*
 * Kind "udmabuf": a memfd's pages, made a dmabuf by /dev/udmabuf.
 *
 * The invariant: the memfd can never shrink (F_SEAL_SHRINK, which the kernel
 * demands), so the mapping of it stays valid as long as the memory, and no
 * access ends in SIGBUS. The mapping is the memfd's and not the dmabuf's: its
 * pages are ordinary ones, which other parts of the kernel can pin.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <linux/udmabuf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/host.h"
#include "memory/kinds.h"
#include "util/cause.h"

/* Linux 6.3; our oldest headers lack it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define NODE "/dev/udmabuf"
#define SIZE_LIMIT "/sys/module/udmabuf/parameters/size_limit_mb"

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
		return drx_fail(cause, -ENOENT, "udmabuf-missing",
				"modprobe udmabuf",
				"there is no " NODE ": the kernel lacks "
				"CONFIG_UDMABUF or has not loaded it");
	case EACCES:
	case EPERM:
		return drx_fail(cause, -EACCES, "udmabuf-access",
				"ls -l " NODE "  # then join its group, or "
				"use sudo",
				"no permission to open " NODE);
	default:
		return drx_fail_os(cause, -errno, "open " NODE);
	}
}

/* The kernel says no more than EINVAL to a length above its limit. */
static int check_limit(uint64_t len, struct devrx_cause *cause)
{
	char text[32] = "", next[96];
	uint64_t limit;
	char *end;
	long mib;
	ssize_t nr;
	int fd;

	fd = open(SIZE_LIMIT, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* then the kernel has the last word */
	nr = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (nr <= 0)
		return 0;
	mib = strtol(text, &end, 10);
	if (end == text || mib < 0)
		return 0;
	limit = (uint64_t)mib << 20;
	if (len <= limit)
		return 0;
	(void)snprintf(next, sizeof(next), "echo %" PRIu64 " > " SIZE_LIMIT,
		       (len + (1 << 20) - 1) >> 20);
	return drx_fail(cause, -EFBIG, "udmabuf-limit", next,
			"%" PRIu64 " bytes were asked for, udmabuf makes at "
			"most %" PRIu64 " (size_limit_mb is %ld)",
			len, limit, mib);
}

/* A sealed memfd of @len bytes, or a negative errno with the cause. */
static int make_memfd(uint64_t len, uint32_t opts_flags,
		      struct devrx_cause *cause)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	bool huge = opts_flags & DEVRX_MEMORY_F_HUGETLB;
	int fd, err;

	if (huge)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	/* Kernels before 6.3 do not know that a memfd may not be executed. */
	fd = memfd_create("devrx", flags | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("devrx", flags);
	if (fd < 0 && huge)
		return drx_fail_hugetlb(cause, -errno, "memfd_create", len);
	if (fd < 0)
		return drx_fail_os(cause, -errno, "memfd_create");

	if (ftruncate(fd, (off_t)len)) {
		err = drx_fail_os(cause, -errno, "ftruncate");
		goto err_close_fd;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		err = drx_fail_os(cause, -errno, "fcntl(F_ADD_SEALS)");
		goto err_close_fd;
	}
	return fd;

err_close_fd:
	(void)close(fd);
	return err;
}

static int udmabuf_probe(struct devrx_cause *cause)
{
	int fd = open_node(cause);

	if (fd < 0)
		return fd;
	(void)close(fd);
	return 0;
}

static int udmabuf_alloc(const struct devrx_memory_opts *opts,
			 struct devrx_backing *ret, struct devrx_cause *cause)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC };
	int node, memfd, dmabuf, err;
	uint64_t len;
	void *addr;

	err = drx_no_device(opts, cause);
	if (err)
		return err;
	err = drx_round_len(opts, &len, cause);
	if (err)
		return err;

	node = open_node(cause);
	if (node < 0)
		return node;
	err = check_limit(len, cause);
	if (err)
		goto err_close_node;

	memfd = make_memfd(len, opts->flags, cause);
	if (memfd < 0) {
		err = memfd;
		goto err_close_node;
	}

	/* Before the ioctl: the mapping is what reserves huge pages. */
	err = drx_map(len, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, &addr);
	if (err) {
		if (opts->flags & DEVRX_MEMORY_F_HUGETLB)
			err = drx_fail_hugetlb(cause, err, "mmap", len);
		else
			err = drx_fail_os(cause, err, "mmap");
		goto err_close_memfd;
	}

	/*
	 * Huge pages have to be in the memfd by now. Left to the ioctl they are
	 * taken out of the pool's reserve by a path of its own (linux/mm/memfd.c,
	 * memfd_alloc_folio(); 7.3), which finds nothing there once the reserve's
	 * count has gone astray: ENOMEM, with all pages free.
	 */
	if (opts->flags & DEVRX_MEMORY_F_HUGETLB &&
	    madvise(addr, len, MADV_POPULATE_WRITE)) {
		err = drx_fail_hugetlb(cause, -errno, "madvise", len);
		goto err_unmap;
	}

	create.memfd = (uint32_t)memfd;
	create.size = len;
	dmabuf = ioctl(node, UDMABUF_CREATE, &create);
	if (dmabuf < 0) {
		err = drx_fail_os(cause, -errno, "ioctl(UDMABUF_CREATE)");
		goto err_unmap;
	}
	(void)close(memfd);
	(void)close(node);

	ret->len = len;
	ret->host_addr = addr;
	ret->priv = addr;
	ret->dmabuf_fd = dmabuf;
	ret->placement = DEVRX_PLACEMENT_HOST;
	(void)snprintf(ret->proof, sizeof(ret->proof),
		       "memfd pages, which are host memory");
	return 0;

err_unmap:
	(void)munmap(addr, len);
err_close_memfd:
	(void)close(memfd);
err_close_node:
	(void)close(node);
	return err;
}

const struct devrx_provider drx_udmabuf_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "udmabuf",
	.summary = "a dmabuf of host memory, with huge pages where asked for",
	.probe = udmabuf_probe,
	.alloc = udmabuf_alloc,
	.free = drx_dmabuf_free,
	.read = drx_dmabuf_read,
	.write = drx_dmabuf_write,
};
