/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target is a function of some bytes, which aborts where a rule is broken.
 * Built by clang with -DDEVRX_LIBFUZZER it is libFuzzer's; otherwise
 * tests/unit/fuzz_test.cc calls it with what the fuzzer once found worth keeping.
 */
#ifndef DEVRX_TESTS_FUZZ_TARGET_H
#define DEVRX_TESTS_FUZZ_TARGET_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

void fuzz_http(const uint8_t *data, size_t len);
void fuzz_journal(const uint8_t *data, size_t len);
void fuzz_netlink(const uint8_t *data, size_t len);
void fuzz_options(const uint8_t *data, size_t len);
void fuzz_receiver(const uint8_t *data, size_t len);

#ifdef DEVRX_LIBFUZZER
#define FUZZ_TARGET(name)                                                      \
	extern "C" int LLVMFuzzerTestOneInput(const uint8_t *, size_t);        \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)            \
	{                                                                      \
		name(data, len);                                               \
		return 0;                                                      \
	}
#else
#define FUZZ_TARGET(name)
#endif

/* Not assert(): it is to hold in each build. */
#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
				__LINE__, #condition);                         \
			abort();                                               \
		}                                                              \
	} while (0)

/* What a target takes from its bytes, one after the other; zero at the end. */
class Input
{
      public:
	Input(const uint8_t *data, size_t len) : at_(data), end_(data + len)
	{
	}
	bool empty() const
	{
		return at_ == end_;
	}
	size_t left() const
	{
		return size_t(end_ - at_);
	}
	const uint8_t *rest() const
	{
		return at_;
	}
	template <typename T> T take()
	{
		T value = {};
		const size_t n = left() < sizeof(T) ? left() : sizeof(T);

		if (n)
			memcpy(&value, at_, n);
		at_ += n;
		return value;
	}

      private:
	const uint8_t *at_;
	const uint8_t *end_;
};

#endif /* DEVRX_TESTS_FUZZ_TARGET_H */
