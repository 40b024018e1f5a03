// SPDX-License-Identifier: MIT
/*
 * Kind "drm": what is refused, on any machine, and dumb buffers of vgem where it
 * is loaded (in the VM it is).
 */
#include <devrx/drm.h>

#include "memory_support.h"

#include <string>
#include <vector>

using namespace memory_support;

namespace
{

bool Built()
{
	devrx_cause cause = {};

	(void)devrx_provider_find("drm")->probe(&cause);
	return strcmp(cause.id, "drm-not-built") != 0 &&
	       strcmp(cause.id, "drm-library-missing") != 0;
}

#define SKIP_UNLESS_BUILT()                                                    \
	do {                                                                   \
		if (!Built())                                                  \
			GTEST_SKIP() << "no libdrm: apt install libdrm-dev";   \
	} while (0)

struct RefusedCase {
	const char *name;
	const char *device;
	uint64_t len;
	uint32_t flags;
	int rc;
	const char *id;
};

const RefusedCase refused[] = {
	{ "NoSuchNode", "card63", 4096, 0, -ENODEV, "drm-no-device" },
	{ "NoSuchPath", "/nonexistent", 4096, 0, -ENODEV, "drm-no-device" },
	{ "NotOfDrm", "/dev/null", 4096, 0, -ENODEV, "drm-no-device" },
	{ "HasNoHugePages", nullptr, 4096, DEVRX_MEMORY_F_HUGETLB, -EOPNOTSUPP,
	  "hugetlb-unsupported" },
	{ "LenWrapsWhenRounded", nullptr, UINT64_MAX, 0, -EINVAL,
	  "memory-len" },
};

class DrmRefused : public testing::TestWithParam<RefusedCase>
{
};

TEST_P(DrmRefused, WithItsCause)
{
	const RefusedCase &c = GetParam();
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("drm", &cause);
	devrx_memory *mem = Untouched();
	const int fds = OpenFds();

	SKIP_UNLESS_BUILT();
	opts.device = c.device;
	opts.len = c.len;
	opts.flags = c.flags;
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), c.rc) << cause.text;
	EXPECT_STREQ(cause.id, c.id) << cause.text;
	EXPECT_EQ(mem, Untouched());
	EXPECT_EQ(OpenFds(), fds);
}

INSTANTIATE_TEST_SUITE_P(All, DrmRefused, testing::ValuesIn(refused),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(DrmDevice, NoCardsAtAllIsSaid)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("drm", &cause);
	devrx_memory *mem = Untouched();

	SKIP_UNLESS_BUILT();
	if (!access("/dev/dri", F_OK))
		GTEST_SKIP() << "this machine has cards";
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), -ENOENT);
	EXPECT_STREQ(cause.id, "drm-missing");
	opts.device = "vgem";
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), -ENODEV);
	EXPECT_STREQ(cause.id, "drm-no-device");
}

/* Nodes are made up: what is asked is only what open() and ioctl() say. */
TEST(DrmDevice, WithoutPermissionIsSaid)
{
	Outcome out = InChild([](Outcome &o) {
		devrx_memory_opts opts = Good("drm", &o.cause);
		devrx_memory *mem = Untouched();

		if (!Built()) {
			(void)snprintf(o.skip, sizeof(o.skip), "no libdrm");
			return;
		}
		if (!PrivateDev(o) || mkdir("/dev/dri", 0755) ||
		    !WriteFile("/dev/dri/card1", "") ||
		    chmod("/dev/dri/card1", 0) || !ObeyFileModes(o))
			return;
		o.rc = devrx_memory_alloc(&mem, &opts);
		opts.device = "card1";
		devrx_cause again = {};
		opts.cause = &again;
		o.extra = devrx_memory_alloc(&mem, &opts);
	});

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, -EACCES);
	EXPECT_EQ(out.extra, -EACCES);
	EXPECT_STREQ(out.cause.id, "drm-access");
}

TEST(DrmImport, RefusesWhatIsNoCard)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = Untouched();

	SKIP_UNLESS_BUILT();
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	opts.cause = &cause;
	EXPECT_EQ(devrx_drm_import(&mem, null, 1, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "drm-no-export");
	EXPECT_EQ(devrx_drm_import(&mem, -1, 1, &opts), -EBADF);
	EXPECT_STREQ(cause.id, "os-error");
	opts.flags = DEVRX_MEMORY_F_HUGETLB;
	EXPECT_EQ(devrx_drm_import(&mem, null, 1, &opts), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	EXPECT_EQ(devrx_drm_import(&mem, null, 1, nullptr), -EOPNOTSUPP);
	EXPECT_EQ(mem, Untouched());
	close(null);
}

TEST(DrmVgem, IsHostMemoryThatIsReadAndWritten)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("drm", &cause);
	devrx_memory *mem = nullptr;
	const int fds = OpenFds();

	opts.device = "vgem";
	opts.len = 5 * PageLen() + 1;
	opts.placement = DEVRX_PLACEMENT_HOST;
	const int rc = devrx_memory_alloc(&mem, &opts);
	if (rc == -ENODEV || !Built())
		GTEST_SKIP() << "no vgem card: modprobe vgem";
	ASSERT_EQ(rc, 0) << cause.text;
	/* The card is closed; the dmabuf holds the buffer. */
	EXPECT_EQ(OpenFds(), fds + 1);
	{
		Memory owned(mem);
		const struct devrx_memory_info info = Info(mem);
		std::vector<char> out(4321, 'o'), in(4321, 'x');

		EXPECT_STREQ(info.kind, "drm");
		EXPECT_EQ(info.len, 6 * PageLen());
		EXPECT_EQ(lseek(info.dmabuf_fd, 0, SEEK_END),
			  static_cast<off_t>(info.len));
		EXPECT_EQ(fcntl(info.dmabuf_fd, F_GETFD) & FD_CLOEXEC,
			  FD_CLOEXEC);
		EXPECT_NE(strstr(info.proof, "vgem"), nullptr) << info.proof;
		ASSERT_EQ(devrx_memory_write(mem, 1234, out.data(), out.size()),
			  0);
		ASSERT_EQ(devrx_memory_read(mem, 1234, in.data(), in.size()),
			  0);
		EXPECT_EQ(in, out);
	}
	EXPECT_EQ(OpenFds(), fds);

	opts.placement = DEVRX_PLACEMENT_DEVICE;
	mem = Untouched();
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "placement-unproved");
	EXPECT_EQ(mem, Untouched());
	EXPECT_EQ(OpenFds(), fds);
}

} // namespace
