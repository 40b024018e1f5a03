// SPDX-License-Identifier: MIT
/*
 * devrx_memory_alloc(): what it refuses, and what the kind "host" gives. Each
 * bad case is right but for the one thing that its name says.
 */
#include "memory_support.h"

#include <vector>

using namespace memory_support;

namespace
{

struct RefusedCase {
	const char *name;
	const char *kind;
	void (*spoil)(devrx_memory_opts &opts);
	int want;
	const char *id;
};

const RefusedCase refused[] = {
	{ "NeitherKindNorProvider", "host",
	  [](devrx_memory_opts &o) { o.kind = nullptr; }, -EINVAL,
	  "opts-invalid" },
	{ "KindAndProvider", "host",
	  [](devrx_memory_opts &o) { o.provider = devrx_provider_at(0); },
	  -EINVAL, "opts-invalid" },
	{ "PlacementBeyondTheLast", "host",
	  [](devrx_memory_opts &o) { o.placement = 3; }, -EINVAL,
	  "opts-invalid" },
	{ "HostHasNoDevices", "host",
	  [](devrx_memory_opts &o) { o.device = "0"; }, -EINVAL,
	  "opts-invalid" },
	{ "UdmabufHasNoDevices", "udmabuf",
	  [](devrx_memory_opts &o) { o.device = "0"; }, -EINVAL,
	  "opts-invalid" },
	{ "NoSuchKind", "gpu", [](devrx_memory_opts &) {}, -EINVAL,
	  "kind-unknown" },
	{ "EmptyKind", "", [](devrx_memory_opts &) {}, -EINVAL,
	  "kind-unknown" },
	{ "ImportIsNoKind", "import", [](devrx_memory_opts &) {}, -EINVAL,
	  "kind-unknown" },
	{ "HostLenZero", "host", [](devrx_memory_opts &o) { o.len = 0; },
	  -EINVAL, "memory-len" },
	{ "HostLenWrapsWhenRounded", "host",
	  [](devrx_memory_opts &o) { o.len = UINT64_MAX; }, -EINVAL,
	  "memory-len" },
	{ "HostLenAboveAddressSpace", "host",
	  [](devrx_memory_opts &o) { o.len = INT64_MAX; }, -EINVAL,
	  "memory-len" },
	{ "HostHugetlbLenWrapsWhenRounded", "host",
	  [](devrx_memory_opts &o) {
		  o.flags = DEVRX_MEMORY_F_HUGETLB;
		  o.len = UINT64_MAX - (1 << 20);
	  },
	  -EINVAL, "memory-len" },
	{ "UdmabufLenWrapsWhenRounded", "udmabuf",
	  [](devrx_memory_opts &o) { o.len = UINT64_MAX; }, -EINVAL,
	  "memory-len" },
	{ "DmaheapLenWrapsWhenRounded", "dmaheap",
	  [](devrx_memory_opts &o) { o.len = UINT64_MAX; }, -EINVAL,
	  "memory-len" },
	{ "DmaheapHasNoHugetlb", "dmaheap",
	  [](devrx_memory_opts &o) { o.flags = DEVRX_MEMORY_F_HUGETLB; },
	  -EOPNOTSUPP, "hugetlb-unsupported" },
	{ "VramLenWrapsWhenRounded", "vram",
	  [](devrx_memory_opts &o) { o.len = UINT64_MAX; }, -EINVAL,
	  "memory-len" },
	{ "VramBlockAboveItsLimit", "vram",
	  [](devrx_memory_opts &o) {
		  o.device = "block";
		  o.len = (UINT64_C(2) << 30) + 1;
	  },
	  -EINVAL, "memory-len" },
	{ "VramHasNoSuchLayout", "vram",
	  [](devrx_memory_opts &o) { o.device = "2m"; }, -EINVAL,
	  "opts-invalid" },
	{ "VramHasNoHugetlb", "vram",
	  [](devrx_memory_opts &o) { o.flags = DEVRX_MEMORY_F_HUGETLB; },
	  -EOPNOTSUPP, "hugetlb-unsupported" },
	{ "HostIsNotDevice", "host",
	  [](devrx_memory_opts &o) { o.placement = DEVRX_PLACEMENT_DEVICE; },
	  -EOPNOTSUPP, "placement-unproved" },
	{ "HostMoreThanAddressSpace", "host",
	  [](devrx_memory_opts &o) { o.len = UINT64_C(1) << 56; }, -ENOMEM,
	  "out-of-memory" },
	{ "HostMoreHugePagesThanThereAre", "host",
	  [](devrx_memory_opts &o) {
		  o.flags = DEVRX_MEMORY_F_HUGETLB;
		  o.len = UINT64_C(1) << 42;
	  },
	  -ENOMEM, "hugetlb-exhausted" },
};

class MemoryAllocRefuses : public testing::TestWithParam<RefusedCase>
{
};

TEST_P(MemoryAllocRefuses, WithTheDocumentedErrnoAndCause)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good(GetParam().kind, &cause);

	GetParam().spoil(opts);
	ExpectRefused(opts, GetParam().want, GetParam().id);
}

TEST_P(MemoryAllocRefuses, WithoutAnybodyAskingForTheCause)
{
	devrx_memory_opts opts = Good(GetParam().kind, nullptr);

	GetParam().spoil(opts);
	ExpectRefused(opts, GetParam().want, GetParam().id);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryAllocRefuses, testing::ValuesIn(refused),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(MemoryAllocOpts, RefusesNull)
{
	devrx_memory *mem = Untouched();

	EXPECT_EQ(devrx_memory_alloc(&mem, nullptr), -EINVAL);
	EXPECT_EQ(mem, Untouched());
}

TEST(MemoryAllocOpts, RefusesEachUnknownFlag)
{
	for (int bit = 1; bit < 32; bit++) {
		devrx_cause cause = {};
		devrx_memory_opts opts = Good("host", &cause);

		opts.flags = 1u << bit;
		SCOPED_TRACE(bit);
		ExpectRefused(opts, -EINVAL, "opts-invalid");
	}
}

TEST(MemoryAllocOpts, RefusesAShortStructAndWritesNoCause)
{
	devrx_cause cause = {};

	for (size_t size : { size_t{ 0 }, size_t{ 1 }, sizeof(size_t),
			     sizeof(devrx_memory_opts) - 1 }) {
		devrx_memory_opts opts = Good("host", &cause);
		devrx_memory *mem = Untouched();

		opts.size = size;
		EXPECT_EQ(devrx_memory_alloc(&mem, &opts), -EINVAL) << size;
		EXPECT_EQ(mem, Untouched());
		EXPECT_STREQ(cause.id, "") << size;
	}
}

struct NewerOpts {
	devrx_memory_opts opts;
	unsigned char tail[24];
};

TEST(MemoryAllocOpts, TakesANewerStructWhoseTailIsZero)
{
	devrx_cause cause = {};
	NewerOpts newer = { Good("host", &cause), {} };
	devrx_memory *mem = nullptr;

	newer.opts.size = sizeof(newer);
	ASSERT_EQ(devrx_memory_alloc(&mem, &newer.opts), 0);
	Memory owned(mem);
}

TEST(MemoryAllocOpts, RefusesANewerStructWhoseTailAsksForSomething)
{
	devrx_cause cause = {};
	NewerOpts newer = { Good("host", &cause), {} };

	newer.opts.size = sizeof(newer);
	newer.tail[sizeof(newer.tail) - 1] = 1;
	ExpectRefused(newer.opts, -EINVAL, "opts-invalid");
}

TEST(MemoryAllocOpts, LeavesTheCauseAloneOnSuccess)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("host", &cause);
	devrx_memory *mem = nullptr;

	strcpy(cause.id, "mine");
	ASSERT_EQ(devrx_memory_alloc(&mem, &opts), 0);
	Memory owned(mem);
	EXPECT_STREQ(cause.id, "mine");
}

TEST(MemoryAllocCause, NamesTheNextStepForHugePages)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("host", &cause);

	opts.flags = DEVRX_MEMORY_F_HUGETLB;
	opts.len = UINT64_C(1) << 42;
	ExpectRefused(opts, -ENOMEM, "hugetlb-exhausted");
	EXPECT_STREQ(cause.next, "sysctl vm.nr_hugepages=2097152");
}

/* The whole heap is used up first, so that the object itself has no room. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool own_allocator = true;
#else
constexpr bool own_allocator = false;
#endif

void UseUpTheHeap()
{
	rlimit limit = { 1, 1 };

	(void)setrlimit(RLIMIT_AS, &limit);
	/* Every size that a free list may be kept for, large ones first. */
	for (size_t size = 1 << 20; size; size -= size > 4096 ? 4096 : 16) {
		void *volatile got;

		do {
			got = malloc(size);
		} while (got);
	}
}

TEST(MemoryAllocHeap, ExhaustedIsOutOfMemory)
{
	if (own_allocator)
		GTEST_SKIP() << "a sanitizer's allocator does not return NULL";
	Outcome out = InChild([](Outcome &o) {
		devrx_memory_opts opts = Good("host", &o.cause);
		devrx_memory *mem = nullptr;

		UseUpTheHeap();
		o.rc = devrx_memory_alloc(&mem, &opts);
	});
	EXPECT_EQ(out.rc, -ENOMEM);
	EXPECT_STREQ(out.cause.id, "out-of-memory");
}

TEST(MemoryImportHeap, ExhaustedIsOutOfMemory)
{
	if (own_allocator)
		GTEST_SKIP() << "a sanitizer's allocator does not return NULL";
	Outcome out = InChild([](Outcome &o) {
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = nullptr;

		opts.cause = &o.cause;
		UseUpTheHeap();
		o.rc = devrx_memory_import(&mem, STDERR_FILENO, &opts);
	});
	EXPECT_EQ(out.rc, -ENOMEM);
	EXPECT_STREQ(out.cause.id, "out-of-memory");
}

struct RoundCase {
	const char *name;
	uint64_t asked_pages;
	uint64_t asked_bytes;
	uint64_t want_pages;
};

const RoundCase rounds[] = {
	{ "OneByte", 0, 1, 1 },
	{ "OnePage", 1, 0, 1 },
	{ "OnePageAndAByte", 1, 1, 2 },
	{ "SixteenMegabytesLessAByte", 4095, 4095, 4096 },
};

class HostAlloc : public testing::TestWithParam<RoundCase>
{
};

TEST_P(HostAlloc, RoundsUpToPagesOfProvenHostMemory)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("host", &cause);
	devrx_memory *mem = nullptr;

	opts.len = GetParam().asked_pages * PageLen() + GetParam().asked_bytes;
	opts.placement = DEVRX_PLACEMENT_HOST;
	ASSERT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
	Memory owned(mem);

	struct devrx_memory_info info = Info(mem);
	EXPECT_STREQ(info.kind, "host");
	EXPECT_EQ(info.len, GetParam().want_pages * PageLen());
	EXPECT_EQ(info.device_addr, 0u);
	EXPECT_EQ(info.dmabuf_fd, -1);
	EXPECT_EQ(info.placement, DEVRX_PLACEMENT_HOST);
	EXPECT_STREQ(info.proof, "anonymous pages of this process");
	ASSERT_NE(info.host_addr, nullptr);
	EXPECT_EQ(reinterpret_cast<uintptr_t>(info.host_addr) % PageLen(), 0u);
	/* All of it is there, and writable. */
	memset(info.host_addr, 0xa5, info.len);
}

INSTANTIATE_TEST_SUITE_P(All, HostAlloc, testing::ValuesIn(rounds),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(HostAllocHugetlb, RoundsUpToTwoMegabytes)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("host", &cause);
	devrx_memory *mem = nullptr;

	opts.flags = DEVRX_MEMORY_F_HUGETLB;
	opts.len = (UINT64_C(2) << 20) + 1;
	int rc = devrx_memory_alloc(&mem, &opts);
	if (rc == -ENOMEM && !strcmp(cause.id, "hugetlb-exhausted"))
		GTEST_SKIP() << "no huge pages: sysctl vm.nr_hugepages=8";
	ASSERT_EQ(rc, 0) << cause.text;
	Memory owned(mem);
	EXPECT_EQ(Info(mem).len, UINT64_C(4) << 20);
	EXPECT_EQ(PageKiB(Info(mem).host_addr), 2048);
	memset(Info(mem).host_addr, 0xa5, UINT64_C(4) << 20);
}

TEST(MemoryProviders, AreFoundByNumberAndByName)
{
	std::vector<std::string> names;

	for (unsigned int i = 0; devrx_provider_at(i); i++) {
		const devrx_provider *provider = devrx_provider_at(i);

		names.push_back(provider->name);
		EXPECT_EQ(devrx_provider_find(provider->name), provider);
		EXPECT_EQ(provider->size, sizeof(*provider));
		EXPECT_NE(provider->probe, nullptr);
		EXPECT_NE(provider->alloc, nullptr);
		EXPECT_NE(provider->free, nullptr);
		EXPECT_STRNE(provider->summary, "");
	}
	EXPECT_EQ(names, (std::vector<std::string>{ "cuda", "vulkan", "udmabuf",
						    "dmaheap", "host", "drm",
						    "vram" }));
	EXPECT_EQ(devrx_provider_at(UINT32_MAX), nullptr);
	EXPECT_EQ(devrx_provider_find("gpu"), nullptr);
	EXPECT_EQ(devrx_provider_find(nullptr), nullptr);
}

/* The kind and the device node in the same state: both calls say the same. */
TEST(MemoryProviders, ProbeAgreesWithAlloc)
{
	for (unsigned int i = 0; devrx_provider_at(i); i++) {
		const devrx_provider *provider = devrx_provider_at(i);
		devrx_cause probed = {}, allocated = {};
		devrx_memory_opts opts = Good(provider->name, &allocated);
		devrx_memory *mem = nullptr;
		int fds = OpenFds();

		SCOPED_TRACE(provider->name);
		int rc = provider->probe(&probed);
		EXPECT_EQ(OpenFds(), fds);
		EXPECT_EQ(provider->probe(nullptr), rc);
		EXPECT_EQ(devrx_memory_alloc(&mem, &opts), rc);
		EXPECT_STREQ(probed.id, allocated.id);
		Memory owned(mem);
	}
}

} // namespace
