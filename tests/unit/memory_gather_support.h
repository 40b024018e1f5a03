/* SPDX-License-Identifier: MIT */
/* Two memories with known bytes, a gather between them, and what is to come of it. */
#ifndef MEMORY_GATHER_SUPPORT_H
#define MEMORY_GATHER_SUPPORT_H

#include <devrx/gather.h>

#include <algorithm>
#include <random>
#include <vector>

#include "memory_support.h"

namespace memory_support
{

using Bytes = std::vector<unsigned char>;

inline Bytes noise(uint64_t len, unsigned seed)
{
	std::mt19937 random(seed);
	Bytes b(len);

	for (unsigned char &c : b)
		c = static_cast<unsigned char>(random());
	return b;
}

inline Memory make(const char *kind, uint64_t len,
		   const devrx_provider *provider = nullptr)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = nullptr;
	devrx_cause cause = {};

	opts.kind = provider ? nullptr : kind;
	opts.provider = provider;
	opts.len = len;
	opts.cause = &cause;
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
	return Memory(mem);
}

/* A gather, and what @to should be like. */
struct Rig {
	devrx_memory *to, *from;
	devrx_gather *gather = nullptr;
	devrx_cause cause = {};
	Bytes source, want;

	Rig(devrx_memory *to, devrx_memory *from) : to(to), from(from)
	{
		source = noise(Info(from).len, 1);
		want = noise(Info(to).len, 2);
		EXPECT_EQ(devrx_memory_write(from, 0, source.data(),
					     source.size()),
			  0);
		EXPECT_EQ(devrx_memory_write(to, 0, want.data(), want.size()),
			  0);
	}
	~Rig()
	{
		devrx_gather_close(gather);
	}
	int open(void *stream = nullptr)
	{
		devrx_gather_opts opts = DEVRX_GATHER_OPTS_INIT;

		opts.stream = stream;
		opts.cause = &cause;
		return devrx_gather_open(&gather, to, from, &opts);
	}
	struct devrx_gather_info info() const
	{
		struct devrx_gather_info info = {};

		info.size = sizeof(info);
		EXPECT_EQ(devrx_gather_info(gather, &info), 0);
		return info;
	}
	/* @n spans that do not overlap in @to, in any order; and done in @want. */
	std::vector<devrx_span> spans(unsigned n, unsigned seed)
	{
		std::mt19937 random(seed);
		std::vector<devrx_span> s;
		uint64_t at = random() % 1000;

		while (s.size() < n && at + 3000 < want.size()) {
			devrx_span span = {};

			span.to = at;
			span.length = random() % 3000;
			span.from = random() % (source.size() - 3000);
			at += span.length + (random() % 4 ? 0 : random() % 77);
			s.push_back(span);
			std::copy_n(source.begin() +
					    static_cast<long>(span.from),
				    span.length,
				    want.begin() + static_cast<long>(span.to));
		}
		std::shuffle(s.begin(), s.end(), random);
		return s;
	}
	void expect_there() const
	{
		Bytes got(want.size());

		EXPECT_EQ(devrx_memory_read(to, 0, got.data(), got.size()), 0);
		EXPECT_TRUE(got == want);
	}
};

} // namespace memory_support

#endif /* MEMORY_GATHER_SUPPORT_H */
