// SPDX-License-Identifier: MIT
/* A memory that is written by calls only, and a kernel with faults. */
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

#include "background.h"
#include "recv_support.h"

namespace recv_test
{

/* -- memory ---------------------------------------------------------------- */

Remote *remote;

static int remote_probe(struct devrx_cause *)
{
	return 0;
}

static bool map_remote; /* for the next one */

static int remote_alloc(const struct devrx_memory_opts *opts,
			struct devrx_backing *ret, struct devrx_cause *)
{
	const int fd = memfd_create("remote", MFD_CLOEXEC);

	remote = new Remote;
	remote->len = (opts->len + 4095) & ~UINT64_C(4095);
	EXPECT_EQ(ftruncate(fd, static_cast<off_t>(remote->len)), 0);
	remote->writable = static_cast<unsigned char *>(
		mmap(nullptr, remote->len, PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0));
	remote->bytes = static_cast<unsigned char *>(
		mmap(nullptr, remote->len, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(close(fd), 0);
	ret->len = remote->len;
	ret->host_addr = map_remote ? remote->bytes : nullptr;
	ret->priv = remote;
	return 0;
}

static void remote_free(struct devrx_backing *backing)
{
	Remote *r = static_cast<Remote *>(backing->priv);

	(void)munmap(r->bytes, r->len);
	(void)munmap(r->writable, r->len);
	delete r;
}

static int remote_read(struct devrx_backing *backing, uint64_t off, void *buf,
		       size_t len)
{
	memcpy(buf, static_cast<Remote *>(backing->priv)->bytes + off, len);
	return 0;
}

static int remote_write(struct devrx_backing *backing, uint64_t off,
			const void *buf, size_t len)
{
	Remote *r = static_cast<Remote *>(backing->priv);

	r->writes++;
	if (r->write_error)
		return r->write_error;
	memcpy(r->writable + off, buf, len);
	return 0;
}

struct devrx_memory *remote_memory(uint64_t len, bool writable, bool mapped)
{
	const struct devrx_provider provider = {
		sizeof(struct devrx_provider),
		"remote",
		"memory of a test",
		remote_probe,
		remote_alloc,
		remote_free,
		remote_read,
		writable ? remote_write : nullptr,
		nullptr,
		nullptr,
		nullptr,
		nullptr,
		nullptr,
		nullptr,
		nullptr,
		nullptr,
		nullptr,
	};
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = nullptr;

	map_remote = mapped;
	opts.provider = &provider;
	opts.len = len;
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0);
	return mem;
}

struct devrx_memory *background_memory(uint64_t len)
{
	struct devrx_provider provider = {};
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = nullptr;

	provider.size = sizeof(provider);
	provider.name = "remote";
	provider.summary = "memory of a test";
	provider.probe = remote_probe;
	provider.alloc = remote_alloc;
	provider.free = remote_free;
	provider.read = remote_read;
	provider.write = remote_write;
	background::add_to(&provider);
	map_remote = false;
	background::state.late = 3;
	opts.provider = &provider;
	opts.len = len;
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0);
	return mem;
}

struct devrx_memory *host_memory(uint64_t len)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = nullptr;

	opts.kind = "host";
	opts.len = len;
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0);
	return mem;
}

/* -- the kernel's calls ---------------------------------------------------- */

Faults faults;

static int faulty_setup(struct io_uring *ring, unsigned int entries,
			struct io_uring_params *params)
{
	if (faults.setup_error)
		return faults.setup_error;
	return drx_uring_kernel.setup(ring, entries, params);
}

static int faulty_enter(struct io_uring *ring, bool wait,
			struct __kernel_timespec *ts)
{
	const int ret = drx_uring_kernel.enter(ring, wait, ts);

	if (faults.after_enter)
		faults.after_enter(ring);
	return ret;
}

static int faulty_reg(struct io_uring *ring, unsigned int opcode, void *arg,
		      unsigned int nr_args)
{
	if (faults.reg_error)
		return faults.reg_error;
	return drx_uring_kernel.reg(ring, opcode, arg, nr_args);
}

static void faulty_exit(struct io_uring *ring)
{
	drx_uring_kernel.exit(ring);
}

const struct drx_uring_ops faulty = {
	faulty_setup, faulty_exit, faulty_enter, faulty_reg, nullptr,
};

} // namespace recv_test
