// SPDX-License-Identifier: MIT
/* Streams: what they carry, how they are cut, and where the pieces lie. */
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "kernels/check.h"

namespace kernels
{

namespace
{

std::mt19937 random_numbers(2009);

unsigned below(unsigned limit)
{
	return random_numbers() % limit;
}

struct Cut {
	const char *name;
	uint64_t begin; /* of the stream */
	unsigned len;
	std::function<unsigned()> next; /* length of the next fragment */
	unsigned align; /* of the fragments in memory */
	bool holes;
};

/* Pieces in memory in any order, some next to each other, some apart. */
Stream cut(const Cut &how)
{
	Stream s;
	std::vector<size_t> order;
	uint64_t pos = how.begin, left = how.len;
	size_t at = 0;

	s.name = how.name;
	s.holes = how.holes;
	while (left) {
		const uint32_t len =
			(uint32_t)std::min<uint64_t>(how.next(), left);

		s.records.push_back({ 0, len, pos });
		pos += len;
		left -= len;
		if (how.holes)
			pos += below(40);
	}
	order.resize(s.records.size());
	std::iota(order.begin(), order.end(), 0);
	std::shuffle(order.begin(), order.end(), random_numbers);
	for (size_t i : order) {
		at += below(2) * below(20);
		at = (at + how.align - 1) / how.align * how.align;
		s.records[i].source = (uint32_t)at;
		at += s.records[i].length;
	}
	s.source.resize(at);
	for (uint8_t &byte : s.source)
		byte = (uint8_t)random_numbers();
	return s;
}

std::function<unsigned()> always(unsigned len)
{
	return [len] { return len; };
}

std::function<unsigned()> up_to(unsigned len)
{
	return [len] { return below(len + 1); };
}

unsigned anything()
{
	static const std::function<unsigned()> some[] = {
		always(0), up_to(3), up_to(20), up_to(200), up_to(3000),
	};

	return some[below(5)]();
}

} // namespace

std::vector<Stream> streams()
{
	const uint64_t G4 = 1ull << 32;
	std::vector<Stream> all;
	const Cut cuts[] = {
		{ "OneFragment", 0, 20000, always(20000), 1, false },
		{ "OneFragmentLate", 12345, 20000, always(20000), 1, false },
		{ "OneByte", 0, 1, always(1), 1, false },
		{ "OneByteBefore4G", G4 - 1, 1, always(1), 1, false },
		{ "ThreeBytes", 2, 3, always(3), 1, false },
		{ "AllOfOneByte", 3, 2500, always(1), 1, false },
		{ "UpToThreeBytes", 1, 3000, up_to(3), 1, false },
		{ "ManyEmpty", 7, 1500, [] { return below(6) == 5; }, 1,
		  false },
		{ "Pages", 0, 65536, always(4096), 4096, false },
		{ "PagesShifted", 1000, 60001, always(4096), 4096, false },
		{ "Segments", 66, 40000, always(1448), 2, false },
		{ "OddSegments", 5, 30000, always(1447), 1, false },
		{ "Anything", 0, 30000, anything, 1, false },
		{ "AnythingAcross4G", G4 - 9999, 30000, anything, 1, false },
		{ "AnythingFarOut", (1ull << 45) + 77, 30000, anything, 1,
		  false },
		{ "HolesAcross4G", G4 - 3001, 20000, up_to(300), 1, true },
		{ "HolesTiny", 9, 3000, up_to(9), 1, true },
	};
	Stream s;

	random_numbers.seed(2009);
	s.name = "NoRecord";
	s.holes = false;
	all.push_back(s);
	s.name = "OnlyEmpty";
	s.records = { { 0, 0, 42 }, { 0, 0, 42 }, { 0, 0, 42 } };
	all.push_back(s);
	for (const Cut &c : cuts)
		all.push_back(cut(c));

	/* Empty ones in front and at the end as well. */
	s = cut({ "EmptyAround", 31, 5000, anything, 1, false });
	s.records.insert(s.records.begin(), 2, { 0, 0, s.begin() });
	s.records.insert(s.records.end(), 2, { 0, 0, s.end() });
	all.push_back(s);
	/* The same bytes more than once: sources may overlap. */
	s = cut({ "SameSource", 0, 20000, always(1000), 1, false });
	for (devrx_desc &record : s.records)
		record.source = 3;
	all.push_back(s);
	/* The sum's and the histogram's largest steps. */
	s = cut({ "AllOnes", 0, 40000, up_to(5000), 1, false });
	std::fill(s.source.begin(), s.source.end(), 0xff);
	all.push_back(s);
	return all;
}

Stream numbers(uint32_t type)
{
	Stream s;
	auto put = [&s](uint32_t bits, int size) {
		for (; size; size--, bits >>= 8)
			s.source.push_back((uint8_t)bits);
	};

	s.name = "Numbers";
	s.holes = false;
	if (type == DEVRX_NUMBER_U8) {
		for (uint32_t i = 0; i < 256; i++)
			put(i, 1);
	} else if (type != DEVRX_NUMBER_F32) {
		for (uint32_t i = 0; i < 65536; i++)
			put(i, 2);
	} else {
		/* Around every place at which F16, BF16 and sums round. */
		for (uint32_t high = 0; high < 512; high++) {
			for (uint32_t bit = 0; bit < 23; bit++)
				for (uint32_t d = 0; d < 3; d++)
					put((high << 23) + (1u << bit) + d - 1,
					    4);
			for (int i = 0; i < 60; i++)
				put(high << 23 | (random_numbers() & 0x7fffff),
				    4);
		}
	}
	s.records = { { 0, (uint32_t)s.source.size(), 0 } };
	return s;
}

const std::vector<Affine> affine = {
	{ 1.0f, 0.0f },
	{ 1.0f, -0.0f },
	{ -1.0f, 0.0f },
	{ 1 / 255.0f, 0.0f },
	{ 1 / (255.0f * 0.229f), -0.485f / 0.229f }, /* a loader's */
	{ 2.0f, -255.0f },
	{ 0.0f, -0.0f },
	{ -0.0f, 1.5f },
	{ 1.0f, 65504.0f },
	{ 0x1p-14f, 0x1p-24f },
	{ 0x1.000002p-100f, 0.0f },
	{ 0x1.fffffep-127f, 0x1p-149f },
	{ 0x1p-126f, -0x1p-126f },
	{ 0x1.fffffep127f, 0.0f },
	{ 0x1.5a5a5ap60f, -0x1.234568p70f },
	{ 3.1415927f, -2.7182817f },
	{ std::numeric_limits<float>::infinity(), 1.0f },
	{ 1.0f, -std::numeric_limits<float>::infinity() },
	{ std::nanf(""), 0.0f },
	{ 1.0f, std::nanf("") },
};

} // namespace kernels
