// SPDX-License-Identifier: MIT
/*
 * The CPU reference of the device kernels: known answers, and that it does not
 * matter how a stream is cut.
 */
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "kernel/crc32c_powers.h"
#include "kernel/reference/reference.h"
#include "kernels/check.h"

namespace
{

struct Known {
	const char *name;
	std::string bytes;
	uint32_t crc;
};

std::string counting(int from, int step)
{
	std::string s;

	for (int i = 0; i < 32; i++, from += step)
		s += (char)from;
	return s;
}

/* The check value of the polynomial, and RFC 3720, B.4. */
const Known known[] = {
	{ "Nothing", "", 0 },
	{ "Check", "123456789", 0xe3069283 },
	{ "Zeros", std::string(32, '\0'), 0x8a9136aa },
	{ "Ones", std::string(32, '\xff'), 0x62a8ab43 },
	{ "Rising", counting(0, 1), 0x46dd794e },
	{ "Falling", counting(31, -1), 0x113fdb5c },
};

class KnownCrc : public testing::TestWithParam<Known>
{
};

TEST_P(KnownCrc, OfBytesAndOfTwoPieces)
{
	const std::string &s = GetParam().bytes;

	EXPECT_EQ(drx_ref_crc32c_bytes(0, s.data(), s.size()), GetParam().crc);
	for (size_t i = 0; i <= s.size(); i++) {
		const uint32_t a = drx_ref_crc32c_bytes(0, s.data(), i);
		const uint32_t b =
			drx_ref_crc32c_bytes(0, s.data() + i, s.size() - i);

		EXPECT_EQ(drx_ref_crc32c_combine(a, b, s.size() - i),
			  GetParam().crc);
	}
}

INSTANTIATE_TEST_SUITE_P(Reference, KnownCrc, testing::ValuesIn(known),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(Reference, PowersOfTheKernelsAreThoseOfThePolynomial)
{
	const uint32_t powers[] = { DRX_CRC32C_POWERS };

	ASSERT_EQ(sizeof(powers) / sizeof(powers[0]), 31u);
	/* With a second CRC of 0, combine() multiplies by x^(8 * length). */
	for (int i = 0; i < 31; i++)
		EXPECT_EQ(powers[i],
			  drx_ref_crc32c_combine(DRX_CRC32C_ONE, 0, 1ull << i));
	EXPECT_EQ(drx_ref_crc32c_combine(DRX_CRC32C_ONE, 0, 0x7fffffff),
		  DRX_CRC32C_ONE);
}

class Cut : public testing::TestWithParam<kernels::Stream>
{
};

TEST_P(Cut, MakesNoDifference)
{
	const kernels::Stream &s = GetParam();
	const size_t len = s.end() - s.begin();
	std::vector<uint8_t> whole(len + 1), again(len + 1);
	const devrx_desc one = { 0, (uint32_t)len, s.begin() };
	uint64_t bins[2][256] = {};

	drx_ref_gather(s.records.data(), s.records.size(), s.source.data(),
		       whole.data(), s.begin());
	drx_ref_gather(&one, 1, whole.data(), again.data(), s.begin());
	EXPECT_EQ(again, whole);
	EXPECT_EQ(drx_ref_crc32c(s.records.data(), s.records.size(),
				 s.source.data(), 0),
		  drx_ref_crc32c_bytes(0, whole.data(), len));
	EXPECT_EQ(drx_ref_sum(s.records.data(), s.records.size(),
			      s.source.data()),
		  drx_ref_sum(&one, 1, whole.data()));
	drx_ref_histogram(s.records.data(), s.records.size(), s.source.data(),
			  bins[0]);
	drx_ref_histogram(&one, 1, whole.data(), bins[1]);
	EXPECT_EQ(memcmp(bins[0], bins[1], sizeof(bins[0])), 0);

	for (uint32_t from = 0; from <= DEVRX_NUMBER_F32; from++) {
		const uint64_t first = s.begin() / drx_ref_number_size(from);
		std::vector<uint32_t> a(len + 2, 0xa5a5a5a5), b(a);

		drx_ref_cast(s.records.data(), s.records.size(),
			     s.source.data(), a.data(), first, from,
			     DEVRX_NUMBER_F32, 0.5f, 3);
		drx_ref_cast(&one, 1, whole.data(), b.data(), first, from,
			     DEVRX_NUMBER_F32, 0.5f, 3);
		EXPECT_EQ(a, b) << "from type " << from;
	}
}

/* A stream with holes is not one piece. */
std::vector<kernels::Stream> without_holes()
{
	std::vector<kernels::Stream> some;

	for (const kernels::Stream &s : kernels::streams())
		if (!s.holes)
			some.push_back(s);
	return some;
}

INSTANTIATE_TEST_SUITE_P(Reference, Cut, testing::ValuesIn(without_holes()),
			 [](const auto &i) { return i.param.name; });

struct One {
	const char *name;
	uint32_t from, bits, to, want;
	float scale, bias;
};

enum { U8, U16, BF16, F16, F32 };

const One ones[] = {
	{ "U8", U8, 255, F32, 0x3f800000, 1 / 255.0f, 0 },
	{ "U16", U16, 65535, F32, 0x477fff00, 1, 0 },
	{ "Bf16One", BF16, 0x3f80, F32, 0x3f800000, 1, 0 },
	{ "Bf16Subnormal", BF16, 1, F32, 0x00010000, 1, 0 },
	{ "F16One", F16, 0x3c00, F32, 0x3f800000, 1, 0 },
	{ "F16Least", F16, 1, F32, 0x33800000, 1, 0 },
	{ "F16Largest", F16, 0x7bff, F32, 0x477fe000, 1, 0 },
	{ "F16Infinity", F16, 0xfc00, F32, 0xff800000, 1, 0 },
	{ "F16NotANumber", F16, 0x7c01, F32, 0x7fc00000, 1, 0 },
	{ "F32NotANumber", F32, 0xff800001, F16, 0x7e00, 1, 0 },
	{ "F32NotANumberToBf16", F32, 0xffffffff, BF16, 0x7fc0, 1, 0 },
	{ "F32Subnormal", F32, 0x80000001, F32, 0x80000001, 1, -0.0f },
	{ "MinusZero", F32, 0x80000000, F32, 0x80000000, 1, -0.0f },
	{ "TieToEvenDown", F32, 0x3f801000, F16, 0x3c00, 1, 0 },
	{ "TieToEvenUp", F32, 0x3f803000, F16, 0x3c02, 1, 0 },
	{ "OverATie", F32, 0x3f801001, F16, 0x3c01, 1, 0 },
	{ "JustNoOverflow", F32, 0x477fefff, F16, 0x7bff, 1, 0 },
	{ "Overflow", F32, 0x477ff000, F16, 0x7c00, 1, 0 },
	{ "F16HalfOfTheLeast", F32, 0x33000000, F16, 0, 1, 0 },
	{ "F16OverHalfOfTheLeast", F32, 0x33000001, F16, 1, 1, 0 },
	{ "F16SubnormalCarries", F32, 0x387fffff, F16, 0x0400, 1, 0 },
	{ "Bf16TieToEvenDown", F32, 0x3f808000, BF16, 0x3f80, 1, 0 },
	{ "Bf16TieToEvenUp", F32, 0x3f818000, BF16, 0x3f82, 1, 0 },
	{ "Bf16Overflow", F32, 0x7f7fffff, BF16, 0x7f80, 1, 0 },
	/* (1 + 2^-12)^2 - 1 would be 2^-11 + 2^-24 if it were fused. */
	{ "TwoRoundings", F32, 0x3f800800, F32, 0x3a000000, 0x1.001p0f, -1 },
};

class Cast : public testing::TestWithParam<One>
{
};

TEST_P(Cast, GivesTheBits)
{
	const One &o = GetParam();

	EXPECT_EQ(drx_ref_cast_one(o.bits, o.from, o.to, o.scale, o.bias),
		  o.want);
}

INSTANTIATE_TEST_SUITE_P(Reference, Cast, testing::ValuesIn(ones),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* Three fragments and an empty one of 0, 1, 2 ... 9, told by hand. */
TEST(Reference, KnownAnswers)
{
	const uint8_t source[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	const devrx_desc records[] = {
		{ 5, 2, 101 }, { 0, 0, 103 }, { 1, 3, 103 }, { 5, 1, 106 }
	};
	const uint8_t bytes[] = { 0xaa, 5, 6, 1, 2, 3, 5, 0xaa };
	uint8_t out[] = { 0xaa, 0, 0, 0, 0, 0, 0, 0xaa };
	/* U16 at 102, 104: 0x0106, 0x0302; of 100 and 106 a byte is missing. */
	const float numbers[] = { -1, 262 * 2 + 1, 770 * 2 + 1, -1 };
	float cast[] = { -1, -1, -1, -1 };
	uint64_t bins[256] = {};

	drx_ref_gather(records, 4, source, out + 1, 101);
	EXPECT_EQ(memcmp(out, bytes, sizeof(out)), 0);
	EXPECT_EQ(drx_ref_sum(records, 4, source), 22u);
	drx_ref_histogram(records, 4, source, bins);
	for (uint64_t i = 0; i < 256; i++)
		EXPECT_EQ(bins[i], i == 5 ? 2u : i && i <= 6 && i != 4) << i;
	EXPECT_EQ(drx_ref_crc32c(records, 4, source, 0),
		  drx_ref_crc32c_bytes(0, bytes + 1, 6));
	drx_ref_cast(records, 4, source, cast, 50, U16, F32, 2, 1);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(cast[i], numbers[i]) << i;
}

TEST(Reference, EveryF16AndBf16ComesBack)
{
	for (uint32_t bits = 0; bits < 65536; bits++) {
		const bool no_f16 = (bits & 0x7fff) > 0x7c00;
		const bool no_bf16 = (bits & 0x7fff) > 0x7f80;

		ASSERT_EQ(drx_ref_cast_one(bits, F16, F16, 1, -0.0f),
			  no_f16 ? 0x7e00 : bits);
		ASSERT_EQ(drx_ref_cast_one(bits, BF16, BF16, 1, -0.0f),
			  no_bf16 ? 0x7fc0 : bits);
	}
}

} // namespace
