/* SPDX-License-Identifier: MIT */
/* Gather, sum and histogram: what is done to bytes one by one. */
#include "kernel/reference/reference.h"

void drx_ref_gather(const struct devrx_desc *records, uint32_t nr,
		    const uint8_t *source, uint8_t *out, uint64_t out_pos)
{
	for (uint32_t i = 0; i < nr; i++)
		for (uint32_t j = 0; j < records[i].length; j++)
			out[records[i].destination - out_pos + j] =
				source[(uint64_t)records[i].source + j];
}

uint64_t drx_ref_sum(const struct devrx_desc *records, uint32_t nr,
		     const uint8_t *source)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < nr; i++)
		for (uint32_t j = 0; j < records[i].length; j++)
			sum += source[(uint64_t)records[i].source + j];
	return sum;
}

void drx_ref_histogram(const struct devrx_desc *records, uint32_t nr,
		       const uint8_t *source, uint64_t bins[256])
{
	for (uint32_t i = 0; i < nr; i++)
		for (uint32_t j = 0; j < records[i].length; j++)
			bins[source[(uint64_t)records[i].source + j]]++;
}
