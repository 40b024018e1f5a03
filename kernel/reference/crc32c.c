/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C (Castagnoli): polynomial 0x1edc6f41, bits reflected, begun with and
 * inverted by all ones. The CRC of "123456789" is 0xe3069283.
 */
#include "kernel/reference/reference.h"

#define POLY 0x82f63b78u /* reflected: bit 31 is x^0 */

static uint32_t one_byte(uint32_t value)
{
	for (int bit = 0; bit < 8; bit++)
		value = (value >> 1) ^ (value & 1 ? POLY : 0);
	return value;
}

uint32_t drx_ref_crc32c_bytes(uint32_t before, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint32_t table[256], crc = ~before;

	for (uint32_t i = 0; i < 256; i++)
		table[i] = one_byte(i);
	while (len--)
		crc = (crc >> 8) ^ table[(crc ^ *at++) & 0xff];
	return ~crc;
}

uint32_t drx_ref_crc32c(const struct devrx_desc *records, uint32_t nr,
			const uint8_t *source, uint32_t before)
{
	for (uint32_t i = 0; i < nr; i++)
		before = drx_ref_crc32c_bytes(
			before, source + records[i].source, records[i].length);
	return before;
}

/* a * b modulo the polynomial. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (int bit = 31; bit >= 0; bit--) {
		if ((a >> bit) & 1)
			product ^= b;
		b = (b >> 1) ^ (b & 1 ? POLY : 0);
	}
	return product;
}

/* A byte more multiplies by x^8; the inversions of both pieces cancel. */
uint32_t drx_ref_crc32c_combine(uint32_t first, uint32_t second,
				uint64_t second_len)
{
	uint32_t power = 1u << 23; /* x^8, then its squares */

	for (; second_len; second_len >>= 1) {
		if (second_len & 1)
			first = multiply(first, power);
		power = multiply(power, power);
	}
	return first ^ second;
}
