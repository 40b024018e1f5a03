/* SPDX-License-Identifier: MIT */
/*
 * F32 arithmetic in integers, rounded to nearest even, with subnormals. What a
 * device's own multiply and add do is not enough: Vulkan leaves the rounding
 * mode to the device, and lavapipe, for one, takes subnormals for 0.
 */
#define NAN 0x7fc00000u
#define INFINITY 0x7f800000u

/* a >> n; what is shifted out leaves a 1 in the last place. */
uint shift_right(uint a, int n)
{
	if (n <= 0)
		return a;
	if (n > 31)
		return a != 0u ? 1u : 0u;
	return a >> n | ((a << (32 - n)) != 0u ? 1u : 0u);
}

/* m * 2^(exponent - 157), m < 2^31, and at 2^30 or above unless exponent is 1
 * or less. */
uint pack(uint sign, int exponent, uint m)
{
	uint rest;

	if (exponent < 1) {
		m = shift_right(m, 1 - exponent);
		exponent = 1;
	}
	if (exponent > 254)
		return sign | INFINITY;
	rest = m & 127u;
	m >>= 7;
	if (rest > 64u || (rest == 64u && (m & 1u) != 0u))
		m++;
	/* The leading 1 of a normal number counts the exponent up; a carry too. */
	return sign | (uint(exponent - 1) << 23) + m;
}

/* The fraction with its leading 1 at bit 30; exponent as in pack(). */
uint unpack(uint a, out int exponent)
{
	uint m = a & 0x7fffffu;
	int up;

	exponent = int(a >> 23 & 255u);
	if (exponent != 0)
		return (m | 0x800000u) << 7;
	exponent = 1;
	if (m == 0u)
		return 0u;
	up = 23 - findMSB(m);
	exponent -= up;
	return m << (7 + up);
}

uint f32_multiply(uint a, uint b)
{
	uint sign = (a ^ b) & 0x80000000u;
	uint x = a & 0x7fffffffu, y = b & 0x7fffffffu, high, low;
	int ex, ey;

	if (x > INFINITY || y > INFINITY)
		return NAN;
	if (x == INFINITY || y == INFINITY)
		return x == 0u || y == 0u ? NAN : sign | INFINITY;
	if (x == 0u || y == 0u)
		return sign;
	x = unpack(x, ex);
	y = unpack(y, ey);
	umulExtended(x, y << 1, high, low); /* the leading 1 at bit 29 or 30 */
	if (high >> 30 == 0u) {
		high = high << 1 | low >> 31;
		low <<= 1;
		ex--;
	}
	if (low != 0u)
		high |= 1u;
	return pack(sign, ex + ey - 126, high);
}

uint f32_add(uint a, uint b)
{
	uint x, y, sign;
	int ex, ey;

	if ((a & 0x7fffffffu) < (b & 0x7fffffffu)) {
		x = a;
		a = b;
		b = x;
	}
	/* a is the larger one, and the sum has its sign. */
	sign = a & 0x80000000u;
	if ((a & 0x7fffffffu) > INFINITY)
		return NAN;
	if ((a & 0x7fffffffu) == INFINITY)
		return (b ^ a) == 0x80000000u ? NAN : a;
	x = unpack(a & 0x7fffffffu, ex);
	y = unpack(b & 0x7fffffffu, ey);
	if (x == 0u)
		return a & b; /* zeros: negative only if both are */
	y = shift_right(y, ex - ey);
	if (((a ^ b) & 0x80000000u) == 0u) {
		x += y;
		if (x >> 31 != 0u) {
			x = shift_right(x, 1);
			ex++;
		}
	} else {
		x -= y;
		if (x == 0u)
			return 0u;
		ey = 30 - findMSB(x);
		x <<= ey;
		ex -= ey;
	}
	return pack(sign, ex, x);
}

/* An integer below 2^24. */
uint f32_from_uint(uint value)
{
	int msb = findMSB(value);

	return value == 0u ? 0u : pack(0u, 127 + msb, value << (30 - msb));
}

uint f32_from_f16(uint bits)
{
	uint sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
	int msb = findMSB(magnitude);

	if (magnitude >= 0x7c00u)
		return sign | (magnitude << 13) + (224u << 23);
	if (magnitude >= 0x400u)
		return sign | (magnitude << 13) + (112u << 23);
	if (magnitude == 0u)
		return sign;
	return pack(sign, 103 + msb, magnitude << (30 - msb)); /* * 2^-24 */
}

uint f16_from_f32(uint bits)
{
	uint sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu, m;
	int shift = 13;

	if (magnitude > INFINITY)
		return 0x7e00u;
	if (magnitude >= 143u << 23) /* 2^16 */
		return sign | 0x7c00u;
	if (magnitude < 102u << 23) /* 2^-25, half of the least subnormal */
		return sign;
	m = magnitude - (112u << 23);
	if (magnitude < 113u << 23) { /* 2^-14 */
		shift = 126 - int(magnitude >> 23);
		m = magnitude & 0x7fffffu | 0x800000u;
	}
	return sign | m + (1u << (shift - 1)) - 1u + (m >> shift & 1u) >> shift;
}

uint bf16_from_f32(uint bits)
{
	if ((bits & 0x7fffffffu) > INFINITY)
		return 0x7fc0u;
	return bits + 0x7fffu + (bits >> 16 & 1u) >> 16;
}
