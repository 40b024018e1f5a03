// SPDX-License-Identifier: MIT
/*
 * Kind "vram" with the real module, where it is loaded. tests/vm has more: it
 * always is there.
 */
#include "memory_support.h"

#include <vector>

using namespace memory_support;

namespace
{

struct LayoutCase {
	const char *name;
	const char *device;
	uint64_t unit; /* 0: the page */
};

const LayoutCase layouts[] = {
	{ "Default", nullptr, 64 << 10 }, { "Page", "page", 0 },
	{ "Pieces64K", "64k", 64 << 10 }, { "Pieces1M", "1m", 1 << 20 },
	{ "Block", "block", 0 },
};

class MemoryVram : public testing::TestWithParam<LayoutCase>
{
};

TEST_P(MemoryVram, IsReadAndWrittenWithoutAMapping)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("vram", &cause);
	devrx_memory *mem = nullptr;

	if (devrx_provider_find("vram")->probe(&cause))
		GTEST_SKIP() << cause.text;
	const uint64_t unit = GetParam().unit ? GetParam().unit : PageLen();
	opts.device = GetParam().device;
	opts.len = 2 * unit + 1;
	opts.placement = DEVRX_PLACEMENT_HOST;
	ASSERT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
	Memory owned(mem);
	const struct devrx_memory_info info = Info(mem);

	EXPECT_STREQ(info.kind, "vram");
	EXPECT_EQ(info.len, 3 * unit);
	EXPECT_EQ(info.host_addr, nullptr);
	EXPECT_EQ(lseek(info.dmabuf_fd, 0, SEEK_END),
		  static_cast<off_t>(info.len));
	EXPECT_EQ(fcntl(info.dmabuf_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

	std::vector<char> out(4321, 'o'), in(4323, 'x');
	ASSERT_EQ(devrx_memory_write(mem, unit - 1234, out.data(), out.size()),
		  0);
	ASSERT_EQ(devrx_memory_read(mem, unit - 1235, in.data(), in.size()), 0);
	EXPECT_EQ(memcmp(&in[1], out.data(), out.size()), 0);
	EXPECT_EQ(in.front(), 0);
	EXPECT_EQ(in.back(), 0);
	EXPECT_EQ(devrx_memory_read(mem, info.len, in.data(), 1), -ERANGE);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryVram, testing::ValuesIn(layouts),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} // namespace
