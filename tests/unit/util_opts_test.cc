// SPDX-License-Identifier: MIT
/* provider/util/opts.c: structs of an older and of a newer caller. */
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include "util/opts.h"
}

namespace
{

/* One struct in its first release, today, and as a later caller knows it. */
struct First {
	size_t size;
	uint64_t a;
};
struct Own {
	size_t size;
	uint64_t a;
	uint64_t b;
};
struct Later {
	size_t size;
	uint64_t a;
	uint64_t b;
	uint64_t c;
	unsigned char tail[256];
};

struct Case {
	const char *name;
	size_t size; /* what the caller says */
	int odd; /* byte of the caller's struct that is set to 1, or -1 */
	int get; /* what drx_opts_get() returns */
	int put; /* what drx_info_put() returns */
};

constexpr uint64_t A = 0x1111111111111111;
constexpr uint64_t B = 0x2222222222222222;
constexpr uint64_t KEEP = 0x7777777777777777;

const Case cases[] = {
	{ "Zero", 0, -1, -EINVAL, -EINVAL },
	{ "OnlyTheSize", sizeof(size_t), -1, -EINVAL, -EINVAL },
	{ "OneByteShortOfTheFirst", sizeof(First) - 1, -1, -EINVAL, -EINVAL },
	{ "TheFirst", sizeof(First), -1, 0, 0 },
	{ "HalfAMember", sizeof(First) + 4, -1, 0, 0 },
	{ "OneByteShortOfOwn", sizeof(Own) - 1, -1, 0, 0 },
	{ "Own", sizeof(Own), -1, 0, 0 },
	{ "OwnWithGarbageBehind", sizeof(Own), sizeof(Own), 0, 0 },
	{ "OneZeroByteMore", sizeof(Own) + 1, -1, 0, 0 },
	{ "OneOddByteMore", sizeof(Own) + 1, sizeof(Own), -EINVAL, 0 },
	{ "LongZeroTail", sizeof(Later), -1, 0, 0 },
	{ "LongTailOddFirst", sizeof(Later), sizeof(Own), -EINVAL, 0 },
	{ "LongTailOddMiddle", sizeof(Later), sizeof(Own) + 100, -EINVAL, 0 },
	{ "LongTailOddLast", sizeof(Later), sizeof(Later) - 1, -EINVAL, 0 },
	{ "GarbageBehindALongTail", sizeof(Later) - 1, sizeof(Later) - 1, 0,
	  0 },
};

/* The member b where only the caller's first @size bytes count. */
uint64_t part_of_b(size_t size, uint64_t rest)
{
	const uint64_t b = B;

	if (size > sizeof(First))
		memcpy(&rest, &b,
		       size < sizeof(Own) ? size - sizeof(First) : sizeof(b));
	return rest;
}

class Sizes : public testing::TestWithParam<Case>
{
};

TEST_P(Sizes, OptsGet)
{
	const Case &c = GetParam();
	Later later = { c.size, A, B, 0, {} };
	Own own;

	if (c.odd >= 0)
		reinterpret_cast<unsigned char *>(&later)[c.odd] = 1;
	/* Nothing behind what may be read, so that ASAN sees a byte more. */
	size_t len = c.size < sizeof(c.size) ? sizeof(c.size) : c.size;
	if (c.odd >= 0 && len <= static_cast<size_t>(c.odd))
		len = static_cast<size_t>(c.odd) + 1;
	std::vector<char> opts(len);
	memcpy(opts.data(), &later, len);
	const std::vector<char> before = opts;

	memset(&own, 0xee, sizeof(own));
	EXPECT_EQ(drx_opts_get(&own, sizeof(own), opts.data(), sizeof(First)),
		  c.get);
	if (!c.get) {
		EXPECT_EQ(own.size, c.size);
		EXPECT_EQ(own.a, A);
		EXPECT_EQ(own.b, part_of_b(c.size, 0));
	}
	EXPECT_EQ(opts, before) << "the caller's changed";
}

TEST_P(Sizes, InfoPut)
{
	const Case &c = GetParam();
	const Own own = { sizeof(Own), A, B };
	Later ret;

	memset(&ret, 0x77, sizeof(ret));
	ret.size = c.size;
	EXPECT_EQ(drx_info_put(&ret, &own, sizeof(own), sizeof(First)), c.put);
	EXPECT_EQ(ret.size, c.size) << "the size is the caller's";
	EXPECT_EQ(ret.a, c.put ? KEEP : A);
	EXPECT_EQ(ret.b, c.put ? KEEP : part_of_b(c.size, KEEP));
	EXPECT_EQ(ret.c, KEEP) << "written beyond our own struct";
}

INSTANTIATE_TEST_SUITE_P(All, Sizes, testing::ValuesIn(cases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} // namespace
