/* SPDX-License-Identifier: MIT */
/*
 * What the device kernels compute, for the CPU: the specification. As simple
 * as it can be; speed is not its business. devrx/kernels.h has the words.
 *
 * @source is where the records' source counts from; outputs that are indexed by
 * stream position get the position (or number) that their first element stands
 * for.
 */
#ifndef DEVRX_REFERENCE_H
#define DEVRX_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/desc.h>
#include <devrx/kernels.h>

#ifdef __cplusplus
extern "C" {
#endif

void drx_ref_gather(const struct devrx_desc *records, uint32_t nr,
		    const uint8_t *source, uint8_t *out, uint64_t out_pos);
uint64_t drx_ref_sum(const struct devrx_desc *records, uint32_t nr,
		     const uint8_t *source);
void drx_ref_histogram(const struct devrx_desc *records, uint32_t nr,
		       const uint8_t *source, uint64_t bins[256]);
/* @before: the CRC of what came before, 0 for nothing. */
uint32_t drx_ref_crc32c(const struct devrx_desc *records, uint32_t nr,
			const uint8_t *source, uint32_t before);
/* Of plain bytes, and of two pieces whose CRCs are known. */
uint32_t drx_ref_crc32c_bytes(uint32_t before, const void *bytes, size_t len);
uint32_t drx_ref_crc32c_combine(uint32_t first, uint32_t second,
				uint64_t second_len);

/* Bytes of a number. */
unsigned drx_ref_number_size(uint32_t type);
/* One number, as its bits in the low bytes. */
uint32_t drx_ref_cast_one(uint32_t bits, uint32_t from, uint32_t to,
			  float scale, float bias);
/* @out_number: the number that out[0] stands for. Records without holes. */
void drx_ref_cast(const struct devrx_desc *records, uint32_t nr,
		  const uint8_t *source, void *out, uint64_t out_number,
		  uint32_t from, uint32_t to, float scale, float bias);

#ifdef __cplusplus
}
#endif

#endif
