// SPDX-License-Identifier: MIT
/*
 * Which memory may be given to PCI devices only. The exporter's name comes from
 * /proc, so each case runs in a child with a /proc of its own that says it.
 */
#include "memory_support.h"

#include <cstring>

extern "C" {
#include "memory/memory.h"
}

using namespace memory_support;

namespace
{

int Probe(devrx_cause *)
{
	return 0;
}

/* A memfd in a dmabuf's place. */
int AllocMemfd(const devrx_memory_opts *opts, devrx_backing *ret, devrx_cause *)
{
	const int fd = memfd_create("dmabuf", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, static_cast<off_t>(opts->len)))
		return -errno;
	ret->len = opts->len;
	ret->dmabuf_fd = fd;
	return 0;
}

int AllocHost(const devrx_memory_opts *opts, devrx_backing *ret, devrx_cause *)
{
	ret->len = opts->len;
	return 0;
}

void Free(devrx_backing *backing)
{
	if (backing->dmabuf_fd >= 0)
		close(backing->dmabuf_fd);
}

struct PciCase {
	const char *name;
	const char *kind;
	bool dmabuf;
	const char *fdinfo; /* nullptr: /proc has none */
	bool want;
};

const PciCase cases[] = {
	{ "Nvidia", "own", true, "pos:\t0\nexp_name:\tnv_dmabuf\n", true },
	{ "NvidiaOfKindCuda", "cuda", true, "pos:\t0\nexp_name:\tnv_dmabuf\n",
	  true },
	/* The fake driver's memory is this, and goes to a software NIC. */
	{ "VramOfKindCuda", "cuda", true, "pos:\t0\nexp_name:\tdevrx_vram\n",
	  false },
	{ "Drm", "own", true, "pos:\t0\nexp_name:\tdrm\n", false },
	{ "NvidiaInTheBuffersNameOnly", "own", true,
	  "pos:\t0\nexp_name:\tudmabuf\nname:\tx\nexp_name:\tnv_dmabuf\n",
	  false },
	{ "LongerName", "own", true, "pos:\t0\nexp_name:\tnv_dmabuf2\n",
	  false },
	{ "NobodySays", "own", true, nullptr, false },
	{ "NobodySaysAndCudaMadeIt", "cuda", true, nullptr, true },
	{ "NotADmabufsText", "cuda", true, "pos:\t0\n", true },
	{ "NoDmabuf", "cuda", false, nullptr, false },
};

class MemoryPci : public testing::TestWithParam<PciCase>
{
};

TEST_P(MemoryPci, OnlyNvidiasWantsIt)
{
	const PciCase &c = GetParam();
	const Outcome out = InChild([&](Outcome &o) {
		devrx_provider provider = {};
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = nullptr;

		provider.size = sizeof(provider);
		provider.name = c.kind;
		provider.probe = Probe;
		provider.alloc = c.dmabuf ? AllocMemfd : AllocHost;
		provider.free = Free;
		opts.provider = &provider;
		opts.len = 1 << 20;
		o.rc = devrx_memory_alloc(&mem, &opts);
		if (o.rc || !PrivateDev(o))
			return;
		if (mount("none", "/proc", "tmpfs", 0, "mode=755") ||
		    mkdir("/proc/thread-self", 0755) ||
		    mkdir("/proc/thread-self/fdinfo", 0755) ||
		    (c.fdinfo &&
		     !WriteFile(("/proc/thread-self/fdinfo/" +
				 std::to_string(Info(mem).dmabuf_fd))
					.c_str(),
				c.fdinfo))) {
			CannotDo(o, "a private /proc");
			return;
		}
		o.extra = drx_memory_wants_pci(mem);
		devrx_memory_free(mem);
	});

	ASSERT_EQ(out.rc, 0);
	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.extra, c.want);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryPci, testing::ValuesIn(cases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} // namespace
