// SPDX-License-Identifier: MIT
/*
 * An amdgpu card of kind "drm", on a fake libdrm and a fake libdrm_amdgpu: what is
 * asked of them, and each call that can fail. No line of it has met such a card.
 */
#include "memory_drm_support.h"

#include <cstring>

using namespace memory_support;

namespace
{

class DrmAmdgpu : public Drm
{
      protected:
	void SetUp() override
	{
		Drm::SetUp();
		ASSERT_TRUE(amdgpu.load(DEVRX_FAKE_AMDGPU_DIR
					"/libdrm_amdgpu.so.1"));
	}

	void TearDown() override
	{
		EXPECT_EQ(amdgpu.count("devrx_fake_amdgpu_count"), 0);
		Drm::TearDown();
	}

	/* The card is its own render node. */
	devrx_memory_opts Amdgpu(const std::string &more)
	{
		return Card("driver=amdgpu render=" + path + " " + more);
	}

	FakeDrm amdgpu;
};

TEST_F(DrmAmdgpu, IsMadeInVramAndMayMove)
{
	devrx_memory_opts opts = Amdgpu("create=38");
	devrx_memory *mem = nullptr;

	opts.len = 2 * PageLen() + 1;
	ASSERT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
	const Memory owned(mem);
	const struct devrx_memory_info info = Info(mem);

	EXPECT_STREQ(info.kind, "drm");
	EXPECT_EQ(info.len, 3 * PageLen());
	EXPECT_EQ(info.placement, uint32_t(DEVRX_PLACEMENT_UNKNOWN));
	EXPECT_STREQ(info.proof, "driver amdgpu: made in VRAM, and moved to "
				 "host memory when a NIC attaches that "
				 "cannot do PCI P2P");
	EXPECT_EQ(amdgpu.count("devrx_fake_amdgpu_count"), 0);
}

/* More than a dumb buffer can have is for the card to judge. */
TEST_F(DrmAmdgpu, IsNotLimitedToFourGiB)
{
	devrx_memory_opts opts = Amdgpu("largest=8388608");
	devrx_memory *mem = nullptr;

	opts.len = UINT64_C(5) << 30;
	ASSERT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
	const Memory owned(mem);
	EXPECT_EQ(Info(mem).len, UINT64_C(5) << 30);
}

struct FailCase {
	const char *name;
	const char *card;
	int want;
	const char *id;
	const char *text; /* that the cause has in it */
};

const FailCase fails[] = {
	{ "NoDevice", "device=19", -ENODEV, "os-error", "drmGetDevice2" },
	{ "NotInitialized", "init=13", -EACCES, "os-error",
	  "amdgpu_device_initialize" },
	{ "NoHeap", "heap=22", -EINVAL, "os-error", "amdgpu_query_heap_info" },
	{ "LongerThanTheHeapGives", "largest=3", -EFBIG, "drm-limit",
	  "at most 3072" },
	{ "NoMemory", "alloc=12", -ENOMEM, "out-of-memory", "amdgpu_bo_alloc" },
	{ "NoExport", "share=24", -EMFILE, "os-error", "amdgpu_bo_export" },
};

void PrintTo(const FailCase &c, std::ostream *out)
{
	*out << c.card;
}

class DrmAmdgpuFails : public DrmAmdgpu,
		       public testing::WithParamInterface<FailCase>
{
};

TEST_P(DrmAmdgpuFails, SaysWhyAndLeavesNothing)
{
	const FailCase &c = GetParam();

	ExpectRefused(Amdgpu(c.card), c.want, c.id);
	EXPECT_NE(strstr(cause.text, c.text), nullptr) << cause.text;
}

INSTANTIATE_TEST_SUITE_P(All, DrmAmdgpuFails, testing::ValuesIn(fails),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(DrmAmdgpu, WithoutARenderNode)
{
	ExpectRefused(Card("driver=amdgpu"), -ENODEV, "drm-no-device");
	EXPECT_NE(strstr(cause.text, "render node"), nullptr) << cause.text;
	ExpectRefused(Card("driver=amdgpu render=/nonexistent"), -ENOENT,
		      "os-error");
	EXPECT_NE(strstr(cause.text, "/nonexistent"), nullptr) << cause.text;
}

TEST_F(DrmAmdgpu, WithoutPermissionOnTheRenderNode)
{
	const std::string node = path + "-render";

	ASSERT_TRUE(WriteFile(node.c_str(), "driver=amdgpu"));
	ASSERT_EQ(chmod(node.c_str(), 0), 0);
	(void)Card("driver=amdgpu render=" + node);
	const Outcome out = InChild([&](Outcome &o) {
		devrx_memory_opts opts = Good("drm", &o.cause);
		devrx_memory *mem = Untouched();

		if (chmod(path.c_str(), 0666) || !ObeyFileModes(o))
			return;
		opts.device = path.c_str();
		o.rc = devrx_memory_alloc(&mem, &opts);
	});

	(void)unlink(node.c_str());
	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, -EACCES);
	EXPECT_STREQ(out.cause.id, "drm-access");
	EXPECT_NE(strstr(out.cause.text, "-render"), nullptr) << out.cause.text;
}

class DrmAmdgpuLibrary : public Drm
{
};

TEST_F(DrmAmdgpuLibrary, WithoutItsCallsIsMissing)
{
	FakeDrm old;

	ASSERT_TRUE(old.load(DEVRX_FAKE_AMDGPU_DIR "-old/libdrm_amdgpu.so.1"));
	ExpectRefused(Card("driver=amdgpu render=" + path), -ENOENT,
		      "drm-library-missing");
	EXPECT_NE(strstr(cause.text, "libdrm_amdgpu.so.1"), nullptr);
	EXPECT_NE(strstr(cause.next, "libdrm-amdgpu1"), nullptr);
}

} // namespace
