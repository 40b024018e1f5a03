// SPDX-License-Identifier: MIT
/*
 * Kind "drm" on a fake libdrm, whose cards are files: each call that can fail, and
 * what a driver's name proves. Nothing is left behind.
 */
#include <devrx/drm.h>

#include "memory_drm_support.h"

#include <cstring>

using namespace memory_support;

namespace
{

struct FailCase {
	const char *name;
	const char *card;
	int want;
	const char *id;
	const char *text; /* that the cause has in it */
};

const FailCase fails[] = {
	{ "NoMemory", "driver=x create=12", -ENOMEM, "out-of-memory",
	  "driver x" },
	{ "NoRoomOnTheCard", "driver=x create=28", -ENOMEM, "out-of-memory",
	  "driver x" },
	{ "NoDumbBuffers", "driver=x create=38", -EOPNOTSUPP, "drm-no-dumb",
	  "driver x" },
	{ "NoSuchIoctl", "driver=x create=25", -EOPNOTSUPP, "drm-no-dumb",
	  "driver x" },
	{ "NotSupported", "driver=x create=95", -EOPNOTSUPP, "drm-no-dumb",
	  "driver x" },
	{ "ARenderNode", "driver=x create=13", -EOPNOTSUPP, "drm-no-dumb",
	  "driver x" },
	{ "NotOfThatShape", "driver=x create=22", -EOPNOTSUPP, "drm-no-dumb",
	  "driver x" },
	{ "CreateFails", "driver=x create=5", -EIO, "os-error",
	  "DRM_IOCTL_MODE_CREATE_DUMB" },
	{ "NoPrime", "driver=x export=38", -EOPNOTSUPP, "drm-no-export",
	  "handle 1" },
	{ "PrimeNotSupported", "driver=x export=95", -EOPNOTSUPP,
	  "drm-no-export", "handle 1" },
	{ "NoSuchPrimeIoctl", "driver=x export=25", -EOPNOTSUPP,
	  "drm-no-export", "handle 1" },
	{ "PrimeRefused", "driver=x export=22", -EOPNOTSUPP, "drm-no-export",
	  "handle 1" },
	{ "NoDescriptorForTheExport", "driver=x export=24", -EMFILE, "os-error",
	  "drmPrimeHandleToFD" },
	{ "NoLength", "driver=x as=pipe", -ESPIPE, "os-error", "lseek" },
	{ "NoDrmNode", "", -ENODEV, "drm-no-device", "is no card" },
};

void PrintTo(const FailCase &c, std::ostream *out)
{
	*out << c.card;
}

class DrmFails : public Drm, public testing::WithParamInterface<FailCase>
{
};

TEST_P(DrmFails, SaysWhyAndLeavesNothing)
{
	const FailCase &c = GetParam();
	devrx_memory_opts opts = Card(c.card);

	ExpectRefused(opts, c.want, c.id);
	EXPECT_NE(strstr(cause.text, c.text), nullptr) << cause.text;
	/* The same without anybody who wants to know. */
	opts.cause = nullptr;
	ExpectRefused(opts, c.want, "");
}

INSTANTIATE_TEST_SUITE_P(All, DrmFails, testing::ValuesIn(fails),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

struct PlaceCase {
	const char *driver;
	devrx_placement placement;
	const char *proof;
};

const PlaceCase places[] = {
	{ "vgem", DEVRX_PLACEMENT_HOST, "shmem pages" },
	{ "virtio_gpu", DEVRX_PLACEMENT_HOST, "shmem pages" },
	{ "bochs-drm", DEVRX_PLACEMENT_UNKNOWN, "older kernels" },
	{ "xe", DEVRX_PLACEMENT_UNKNOWN, "static attachment" },
	{ "vgem2", DEVRX_PLACEMENT_UNKNOWN, "static attachment" },
};

void PrintTo(const PlaceCase &c, std::ostream *out)
{
	*out << c.driver;
}

class DrmPlacement : public Drm, public testing::WithParamInterface<PlaceCase>
{
};

TEST_P(DrmPlacement, IsWhatTheDriverProves)
{
	const PlaceCase &c = GetParam();
	devrx_memory_opts opts = Card(std::string("driver=") + c.driver);
	devrx_memory *mem = nullptr;
	char byte = 'x';

	opts.len = 2 * PageLen() + 1;
	ASSERT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
	const Memory owned(mem);
	const struct devrx_memory_info info = Info(mem);

	EXPECT_EQ(info.placement, uint32_t(c.placement));
	EXPECT_NE(strstr(info.proof, c.proof), nullptr) << info.proof;
	EXPECT_NE(strstr(info.proof, c.driver), nullptr) << info.proof;
	EXPECT_EQ(info.len, 3 * PageLen());
	EXPECT_EQ(fake.count(), 0);
	EXPECT_EQ(devrx_memory_read(mem, info.len - 1, &byte, 1), -ENOTTY)
		<< "a memfd has no sync";
}

INSTANTIATE_TEST_SUITE_P(All, DrmPlacement, testing::ValuesIn(places));

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool needs_address_space = true;
#else
constexpr bool needs_address_space = false;
#endif

TEST_F(Drm, MappingWithoutAddressSpaceIsSaid)
{
	if (needs_address_space)
		GTEST_SKIP() << "a sanitizer needs address space of its own";
	const std::string card = "driver=vgem";
	devrx_memory_opts opts = Card(card);
	Outcome out = InChild([&](Outcome &o) {
		const rlimit limit = { UINT64_C(2) << 30, UINT64_C(2) << 30 };

		opts.len = UINT64_C(3) << 30;
		opts.cause = &o.cause;
		devrx_memory *mem = Untouched();
		const int fds = OpenFds();

		if (setrlimit(RLIMIT_AS, &limit)) {
			(void)CannotDo(o, "setrlimit(RLIMIT_AS)");
			return;
		}
		o.rc = devrx_memory_alloc(&mem, &opts);
		o.extra = OpenFds() - fds;
	});

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, -ENOMEM);
	EXPECT_STREQ(out.cause.id, "out-of-memory");
	EXPECT_NE(strstr(out.cause.text, "mmap"), nullptr) << out.cause.text;
	EXPECT_EQ(out.extra, 0);
}

TEST_F(Drm, LongerThanADumbBuffer)
{
	devrx_memory_opts opts = Card("driver=vgem");

	opts.len = UINT64_C(4) << 30;
	ExpectRefused(opts, -EFBIG, "drm-limit");
}

TEST_F(Drm, NodeThatCannotBeOpenedForAnotherReason)
{
	devrx_memory_opts opts = Good("drm", &cause);

	ASSERT_EQ(symlink(path.c_str(), path.c_str()), 0);
	opts.device = path.c_str();
	ExpectRefused(opts, -ELOOP, "os-error");
	EXPECT_NE(strstr(cause.text, path.c_str()), nullptr) << cause.text;
}

TEST_F(Drm, ImportOfAHandle)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = Untouched();

	(void)Card("driver=x");
	const int card = open(path.c_str(), O_RDWR | O_CLOEXEC);
	opts.cause = &cause;
	EXPECT_EQ(devrx_drm_import(&mem, card, 7, &opts), -EINVAL);
	EXPECT_STREQ(cause.id, "drm-handle");
	EXPECT_NE(strstr(cause.text, "handle 7"), nullptr) << cause.text;
	EXPECT_EQ(mem, Untouched());
	close(card);
}

TEST(DrmLibrary, WithoutItsCallsIsMissing)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = Untouched();
	devrx_cause cause = {};
	FakeDrm old;

	ASSERT_TRUE(old.load(DEVRX_FAKE_DRM_DIR "-old/libdrm.so.2"));
	ExpectRefused(Good("drm", &cause), -ENOENT, "drm-library-missing");
	EXPECT_NE(strstr(cause.text, "drmGetVersion"), nullptr) << cause.text;
	cause = {};
	EXPECT_EQ(devrx_provider_find("drm")->probe(&cause), -ENOENT);
	EXPECT_STREQ(cause.id, "drm-library-missing");
	cause = {};
	opts.cause = &cause;
	EXPECT_EQ(devrx_drm_import(&mem, 0, 1, &opts), -ENOENT);
	EXPECT_STREQ(cause.id, "drm-library-missing");
	EXPECT_EQ(mem, Untouched());
}

} // namespace
