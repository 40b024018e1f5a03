// SPDX-License-Identifier: MIT
/*
 * A kind of memory of your own, from outside the devrx tree.
 *
 * Fill in a struct devrx_provider, hand it to devrx_memory_alloc() in
 * opts.provider, and everything that takes a memory takes yours. This one maps
 * a memfd: memory that another process can map too, registered with the NIC by
 * its address in this process.
 *
 *	cc own_provider.c $(pkg-config --cflags --libs libdevrx) && ./a.out
 */
#define _GNU_SOURCE
#include <devrx/devrx.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * A failing provider says why: an identifier for programs, a sentence for
 * people, and what to do where something can be done.
 */
static int fail(struct devrx_cause *cause, int err, const char *id,
		const char *text)
{
	if (!cause)
		return err;
	snprintf(cause->id, sizeof(cause->id), "%s", id);
	snprintf(cause->text, sizeof(cause->text), "%s: %s", text,
		 strerror(-err));
	cause->next[0] = '\0';
	return err;
}

/* Could memory be had now? Nothing may stay allocated. */
static int memfd_probe(struct devrx_cause *cause)
{
	int fd = memfd_create("own_provider", MFD_CLOEXEC);

	if (fd < 0)
		return fail(cause, -errno, "os-error", "memfd_create");
	close(fd);
	return 0;
}

static int memfd_alloc(const struct devrx_memory_opts *opts,
		       struct devrx_backing *ret, struct devrx_cause *cause)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t len;
	void *addr;
	int fd, err;

	/* Refuse what you do not have: ignoring it would be a silent lie. */
	if (opts->flags)
		return fail(cause, -EOPNOTSUPP, "hugetlb-unsupported",
			    "this kind has no flags");
	if (opts->len > INT64_MAX - page)
		return fail(cause, -EINVAL, "memory-len", "length too large");
	len = (opts->len + page - 1) / page * page;

	fd = memfd_create("own_provider", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return fail(cause, -errno, "os-error", "memfd_create");
	if (ftruncate(fd, (off_t)len)) {
		err = fail(cause, -errno, "os-error", "ftruncate");
		goto err_close_fd;
	}
	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED) {
		err = fail(cause, -errno, "os-error", "mmap");
		goto err_close_fd;
	}
	/* The mapping keeps the memory; nobody needs the descriptor. */
	close(fd);

	ret->len = len;
	ret->host_addr = addr;
	/* No dmabuf: dmabuf_fd stays -1, the address is what counts. */
	ret->placement = DEVRX_PLACEMENT_HOST;
	snprintf(ret->proof, sizeof(ret->proof),
		 "pages of a memfd, which are host memory");
	return 0;

err_close_fd:
	close(fd);
	return err;
}

static void memfd_free(struct devrx_backing *backing)
{
	munmap(backing->host_addr, backing->len);
}

/* The range is already checked. */
static int memfd_read(struct devrx_backing *backing, uint64_t off, void *buf,
		      size_t len)
{
	memcpy(buf, (const char *)backing->host_addr + off, len);
	return 0;
}

static int memfd_write(struct devrx_backing *backing, uint64_t off,
		       const void *buf, size_t len)
{
	memcpy((char *)backing->host_addr + off, buf, len);
	return 0;
}

static const struct devrx_provider memfd_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "memfd",
	.summary = "host memory that other processes can map",
	.probe = memfd_probe,
	.alloc = memfd_alloc,
	.free = memfd_free,
	.read = memfd_read,
	.write = memfd_write,
};

int main(void)
{
	static const char sent[] = "network bytes";
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory_info info = { .size = sizeof(info) };
	struct devrx_cause cause;
	struct devrx_memory *mem;
	char got[sizeof(sent)];
	int err;

	opts.provider = &memfd_provider;
	opts.len = 1000000;
	opts.placement = DEVRX_PLACEMENT_HOST; /* had with proof, or refused */
	opts.cause = &cause;
	err = devrx_memory_alloc(&mem, &opts);
	if (err) {
		fprintf(stderr, "%s: %s\n", cause.id, cause.text);
		return 1;
	}

	err = devrx_memory_info(mem, &info);
	if (!err)
		printf("kind %s: %llu bytes at %p, dmabuf %d, proof: %s\n",
		       info.kind, (unsigned long long)info.len, info.host_addr,
		       info.dmabuf_fd, info.proof);

	if (!err)
		err = devrx_memory_write(mem, 4090, sent, sizeof(sent));
	if (!err)
		err = devrx_memory_read(mem, 4090, got, sizeof(got));
	if (!err)
		printf("read back across a page: \"%s\"\n", got);

	/* On success the memory is taken; a bound one would say -EBUSY. */
	if (!err)
		err = devrx_memory_free(mem);
	if (err)
		fprintf(stderr, "failed: %s\n", strerror(-err));
	return err || strcmp(sent, got) ? 1 : 0;
}
