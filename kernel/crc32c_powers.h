/* SPDX-License-Identifier: MIT */
/*
 * x^(8 * 2^i) modulo the polynomial of CRC-32C, bits reflected (bit 31 is x^0),
 * for C and for GLSL. A byte more in the stream multiplies by x^8, and
 * x^(2^31 - 1) is 1, so 31 of them make the power for any distance in bytes.
 * tests/unit/kernels_reference_test.cc computes them again.
 */
#ifndef DEVRX_CRC32C_POWERS_H
#define DEVRX_CRC32C_POWERS_H

#define DRX_CRC32C_POLY 0x82f63b78u
#define DRX_CRC32C_ONE 0x80000000u
/* clang-format off */
#define DRX_CRC32C_POWERS \
	0x00800000u, 0x00008000u, 0x82f63b78u, 0x6ea2d55cu, \
	0x18b8ea18u, 0x510ac59au, 0xb82be955u, 0xb8fdb1e7u, \
	0x88e56f72u, 0x74c360a4u, 0xe4172b16u, 0x0d65762au, \
	0x35d73a62u, 0x28461564u, 0xbf455269u, 0xe2ea32dcu, \
	0xfe7740e6u, 0xf946610bu, 0x3c204f8fu, 0x538586e3u, \
	0x59726915u, 0x734d5309u, 0xbc1ac763u, 0x7d0722ccu, \
	0xd289cabeu, 0xe94ca9bcu, 0x05b74f3fu, 0xa51e1f42u, \
	0x40000000u, 0x20000000u, 0x08000000u
/* clang-format on */

#endif
