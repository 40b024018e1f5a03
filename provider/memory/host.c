// SPDX-License-Identifier: MIT
/*
 * Kind "host": anonymous pages of this process, registered by their address.
 *
 * The invariant: no mapping made here is in a forked child. Huge pages are
 * reserved when they are mapped, so a shortage is an error of the allocation
 * and not a SIGBUS later.
 */
#include "memory/host.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/kinds.h"
#include "util/cause.h"

int drx_round_len(const struct devrx_memory_opts *opts, uint64_t *ret,
		  struct devrx_cause *cause)
{
	uint64_t unit = opts->flags & DEVRX_MEMORY_F_HUGETLB ?
				DRX_HUGETLB_LEN :
				(uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t max = PTRDIFF_MAX / unit * unit;

	if (!opts->len || opts->len > max)
		return drx_fail(cause, -EINVAL, "memory-len", NULL,
				"%" PRIu64 " bytes are not between 1 and "
				"%" PRIu64,
				opts->len, max);
	*ret = (opts->len + unit - 1) / unit * unit;
	return 0;
}

int drx_no_device(const struct devrx_memory_opts *opts,
		  struct devrx_cause *cause)
{
	if (!opts->device)
		return 0;
	return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
			"device \"%.64s\" was asked for of a kind that has no "
			"devices",
			opts->device);
}

int drx_map(uint64_t len, int prot, int flags, int fd, void **ret)
{
	void *addr;
	int err;

	if (len > SIZE_MAX)
		return -ENOMEM;
	addr = mmap(NULL, len, prot, flags, fd, 0);
	if (addr == MAP_FAILED)
		return -errno;
	if (madvise(addr, len, MADV_DONTFORK)) {
		err = -errno;
		(void)munmap(addr, len);
		return err;
	}
	*ret = addr;
	return 0;
}

int drx_fail_hugetlb(struct devrx_cause *cause, int err, const char *call,
		     uint64_t len)
{
	uint64_t nr = len / DRX_HUGETLB_LEN;
	char next[64];

	switch (err) {
	case -ENOMEM:
		(void)snprintf(next, sizeof(next),
			       "sysctl vm.nr_hugepages=%" PRIu64, nr);
		return drx_fail(cause, err, "hugetlb-exhausted", next,
				"%s: %" PRIu64 " huge pages of 2 MiB were "
				"asked for and fewer are free (see "
				"/proc/meminfo)",
				call, nr);
	case -EINVAL:
	case -ENODEV:
	case -ENOENT:
	case -ENOSYS:
		return drx_fail(cause, -EOPNOTSUPP, "hugetlb-unsupported", NULL,
				"%s: this kernel has no huge pages of 2 MiB",
				call);
	default:
		return drx_fail_os(cause, err, call);
	}
}

static int host_probe(struct devrx_cause *cause)
{
	(void)cause;
	return 0;
}

static int host_alloc(const struct devrx_memory_opts *opts,
		      struct devrx_backing *ret, struct devrx_cause *cause)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uint64_t len = 0;
	void *addr = NULL;
	int err;

	err = drx_no_device(opts, cause);
	if (err)
		return err;
	err = drx_round_len(opts, &len, cause);
	if (err)
		return err;
	if (opts->flags & DEVRX_MEMORY_F_HUGETLB)
		flags |= MAP_HUGETLB | (int)MAP_HUGE_2MB;
	err = drx_map(len, PROT_READ | PROT_WRITE, flags, -1, &addr);
	if (err && opts->flags & DEVRX_MEMORY_F_HUGETLB)
		return drx_fail_hugetlb(cause, err, "mmap", len);
	if (err)
		return drx_fail_os(cause, err, "mmap");

	ret->len = len;
	ret->host_addr = addr;
	ret->placement = DEVRX_PLACEMENT_HOST;
	(void)snprintf(ret->proof, sizeof(ret->proof),
		       "anonymous pages of this process");
	return 0;
}

static void host_free(struct devrx_backing *backing)
{
	(void)munmap(backing->host_addr, backing->len);
}

static int host_read(struct devrx_backing *backing, uint64_t off, void *buf,
		     size_t len)
{
	memcpy(buf, (const char *)backing->host_addr + off, len);
	return 0;
}

static int host_write(struct devrx_backing *backing, uint64_t off,
		      const void *buf, size_t len)
{
	memcpy((char *)backing->host_addr + off, buf, len);
	return 0;
}

const struct devrx_provider drx_host_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "host",
	.summary = "anonymous host memory, with huge pages where asked for",
	.probe = host_probe,
	.alloc = host_alloc,
	.free = host_free,
	.read = host_read,
	.write = host_write,
};
