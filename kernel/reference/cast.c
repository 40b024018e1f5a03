/* SPDX-License-Identifier: MIT */
/*
 * Numbers. Built with -ffp-contract=off: a fused multiply-add rounds once,
 * where the contract rounds twice.
 */
#include <math.h>
#include <string.h>

#include "kernel/reference/reference.h"

unsigned drx_ref_number_size(uint32_t type)
{
	switch (type) {
	case DEVRX_NUMBER_U8:
		return 1;
	case DEVRX_NUMBER_F32:
		return 4;
	default:
		return 2;
	}
}

static float f32_of(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint32_t bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* Sign, 5 bits of exponent, 10 of fraction: as IEEE 754 defines it. */
static float f32_of_f16(uint32_t bits)
{
	const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
	float value;

	if (exponent == 31)
		value = fraction ? NAN : INFINITY;
	else if (exponent)
		value = ldexpf((float)(1024 + fraction), exponent - 25);
	else
		value = ldexpf((float)fraction, -24);
	return bits & 0x8000 ? -value : value;
}

/*
 * To the nearest value with so many bits of precision and an exponent not
 * below @min: scaled so that its last place is 1, rint() rounds to even, and
 * double holds all of it exactly.
 */
static double rounded(double value, int precision, int min)
{
	int exponent;

	frexp(value, &exponent);
	if (exponent < min)
		exponent = min;
	return ldexp(rint(ldexp(value, precision - exponent)),
		     exponent - precision);
}

static uint32_t f16_of(float value)
{
	const uint32_t sign = signbit(value) ? 0x8000 : 0;
	double r;
	int exponent;

	if (isnan(value))
		return 0x7e00;
	r = isinf(value) ? INFINITY : rounded(fabs((double)value), 11, -13);
	if (r >= 65536)
		return sign | 0x7c00;
	if (r < ldexp(1, -14))
		return sign | (uint32_t)ldexp(r, 24);
	frexp(r, &exponent); /* r = 0.1... * 2^exponent */
	return sign | ((uint32_t)(exponent + 14) << 10) |
	       ((uint32_t)ldexp(r, 11 - exponent) & 1023);
}

/* The upper half of an F32. */
static uint32_t bf16_of(float value)
{
	double r;

	if (isnan(value))
		return 0x7fc0;
	if (isinf(value))
		return bits_of(value) >> 16;
	r = rounded((double)value, 8, -125);
	/* What rounds up to 2^128 is no F32: the conversion is spelled out. */
	if (fabs(r) >= ldexp(1, 128))
		return r < 0 ? 0xff80 : 0x7f80;
	return bits_of((float)r) >> 16;
}

uint32_t drx_ref_cast_one(uint32_t bits, uint32_t from, uint32_t to,
			  float scale, float bias)
{
	float value = 0, product;

	switch (from) {
	case DEVRX_NUMBER_U8:
	case DEVRX_NUMBER_U16:
		value = (float)bits;
		break;
	case DEVRX_NUMBER_BF16:
		value = f32_of(bits << 16);
		break;
	case DEVRX_NUMBER_F16:
		value = f32_of_f16(bits);
		break;
	case DEVRX_NUMBER_F32:
		value = f32_of(bits);
		break;
	}
	product = value * scale;
	value = product + bias;
	if (to == DEVRX_NUMBER_F16)
		return f16_of(value);
	if (to == DEVRX_NUMBER_BF16)
		return bf16_of(value);
	return isnan(value) ? 0x7fc00000 : bits_of(value);
}

void drx_ref_cast(const struct devrx_desc *records, uint32_t nr,
		  const uint8_t *source, void *out, uint64_t out_number,
		  uint32_t from, uint32_t to, float scale, float bias)
{
	const unsigned in = drx_ref_number_size(from);
	const unsigned size = drx_ref_number_size(to);
	uint32_t bits = 0, result;
	uint64_t pos = 0;
	unsigned have = 0; /* bytes of the number at hand */

	for (uint32_t i = 0; i < nr; i++) {
		for (uint32_t j = 0; j < records[i].length; j++) {
			pos = records[i].destination + j;
			/* A number that began before the records did. */
			if (pos % in != have)
				continue;
			bits |= (uint32_t)source[(uint64_t)records[i].source + j]
				<< 8 * have;
			if (++have < in)
				continue;
			result = drx_ref_cast_one(bits, from, to, scale, bias);
			memcpy((uint8_t *)out + (pos / in - out_number) * size,
			       &result, size);
			bits = 0;
			have = 0;
		}
	}
}
