/* SPDX-License-Identifier: MIT */
/*
 * The test pattern of "devrx send --pattern" and "devrx recv --verify".
 *
 * A stream is a sequence of 8-byte little-endian words; word i of the stream
 * (bytes 8i to 8i + 7) is splitmix64(seed + i). A byte depends on seed and
 * position only, so that any piece can be made or checked by itself.
 */
#ifndef DEVRX_TOOLS_PATTERN_H
#define DEVRX_TOOLS_PATTERN_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t pattern_word(uint64_t seed, uint64_t idx)
{
	uint64_t z = seed + idx + UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return htole64(z ^ (z >> 31));
}

static inline uint8_t pattern_byte(uint64_t seed, uint64_t pos)
{
	uint64_t word = pattern_word(seed, pos / 8);

	return ((const uint8_t *)&word)[pos % 8];
}

/* Fill @len bytes of @buf with what stands at stream position @pos. */
static inline void pattern_fill(uint64_t seed, uint64_t pos, void *buf,
				size_t len)
{
	uint8_t *p = buf;
	size_t i = 0;

	while (i < len) {
		uint64_t word = pattern_word(seed, (pos + i) / 8);
		size_t skip = (size_t)((pos + i) % 8);
		size_t n = 8 - skip < len - i ? 8 - skip : len - i;

		memcpy(p + i, (const uint8_t *)&word + skip, n);
		i += n;
	}
}

/* The first byte of @buf that differs from the pattern, @len if none does. */
static inline size_t pattern_check(uint64_t seed, uint64_t pos, const void *buf,
				   size_t len)
{
	const uint8_t *p = buf;
	size_t i = 0;

	while (i < len) {
		uint64_t want = pattern_word(seed, (pos + i) / 8);
		size_t skip = (size_t)((pos + i) % 8);
		size_t n = 8 - skip < len - i ? 8 - skip : len - i;

		if (memcmp(p + i, (const uint8_t *)&want + skip, n)) {
			while (p[i] == pattern_byte(seed, pos + i))
				i++;
			return i;
		}
		i += n;
	}
	return len;
}

#endif /* DEVRX_TOOLS_PATTERN_H */
