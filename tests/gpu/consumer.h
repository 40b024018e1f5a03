/* SPDX-License-Identifier: MIT */
/*
 * What a test kernel is told, what it tells back, and what records and bytes
 * it expects: for the host and the device, which compute it each by themselves.
 */
#ifndef GPU_CONSUMER_H
#define GPU_CONSUMER_H

#include <stdint.h>

#ifdef __CUDACC__
#define CONSUMER_FN __host__ __device__ inline
#else
#define CONSUMER_FN inline
#endif

#define CONSUMER_THREADS 256
/* Records repeat after so many, but for their destination, the number. */
#define CONSUMER_PERIOD 4096u
/* Bytes of a fragment whose payload is looked at. */
#define CONSUMER_SLOT 64u

/**
 * struct consumer_args - the argument of both kernels
 * @ring: device address of the ring
 * @memory: device address of the payload; 0: it is not looked at
 * @result: device address of a struct consumer_result
 * @timeout_ns: give up after so long without a record, or never without end
 * @first: batch: number of its first record
 * @records, @windows: batch: as in struct devrx_device_batch
 * @base: batch: the same
 * @nr: batch: records
 */
struct consumer_args {
	uint64_t ring, memory, result, timeout_ns;
	uint64_t first, records, windows, base;
	uint64_t nr;
};

/* All 0 before the launch. */
struct consumer_result {
	unsigned long long consumed;
	unsigned long long wrong; /* records or payloads that were not right */
	unsigned long long first_wrong; /* number of the one seen first */
	unsigned long long gave_up;
};

/* What numbers look like: splitmix64's last step. */
CONSUMER_FN uint64_t consumer_mix(uint64_t number)
{
	number = (number + 1) * 0x9e3779b97f4a7c15ull;
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ull;
	number = (number ^ number >> 27) * 0x94d049bb133111ebull;
	return number ^ number >> 31;
}

/* Where record @number lies in the memory, where nobody looks there. */
CONSUMER_FN uint64_t consumer_offset(uint64_t number, int windows)
{
	const uint64_t mix = consumer_mix(number % CONSUMER_PERIOD);

	return mix & (windows ? 0xffffffffffull : 0xffffffffull);
}

CONSUMER_FN uint32_t consumer_length(uint64_t number)
{
	return 1 + (uint32_t)(consumer_mix(number % CONSUMER_PERIOD) >> 44);
}

/* Word @i of record @number's payload. */
CONSUMER_FN uint64_t consumer_word(uint64_t number, unsigned i)
{
	return consumer_mix(number) + i;
}

#endif
