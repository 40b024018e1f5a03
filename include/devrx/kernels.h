/* SPDX-License-Identifier: MIT */
/*
 * Device kernels: what a GPU does with fragments where they lie.
 *
 * Five kernels, each once for CUDA and once for Vulkan, with the same results
 * to the byte:
 *
 *   devrx_gather     the fragments' bytes to a contiguous buffer
 *   devrx_crc32c     CRC-32C of the stream, in its order
 *   devrx_sum        sum of all bytes
 *   devrx_histogram  how often each value of a byte occurs
 *   devrx_cast       numbers of one type to another, times scale, plus bias
 *
 * CUDA: cuModuleLoad() of devrx_kernels.fatbin, cuModuleGetFunction() by the
 * names above, one parameter: the struct below, by value. Vulkan: a module for
 * each, devrx_gather.spv and so on, entry point "main", no descriptors; the
 * struct is the push constants. The device needs shaderInt64 and
 * bufferDeviceAddress, the buffers a device address.
 *
 * Launch any number of blocks (workgroups) of DEVRX_KERNEL_BLOCK threads, in
 * one dimension: each takes an equal part of the bytes, whatever the fragments
 * are. Enough to fill the device is best, more costs time. No shared memory is
 * asked for at launch.
 *
 * Records: struct devrx_desc, 16 bytes each, of one stream. @destination ascends,
 * and no record begins before the one before it has ended. Any byte may begin
 * or end a fragment; length 0 is fine. Between two records there may be a hole,
 * which counts as absent; crc32c and cast want none. No record is checked:
 * one that points outside of the memory is an access outside of the memory.
 *
 * Received memory is read past the caches that are not coherent, once. What
 * has to be visible before a launch, or for a kernel that polls, is the
 * contract of the memory's kind.
 */
#ifndef DEVRX_KERNELS_H
#define DEVRX_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Threads of a block. Built into the kernels. */
#define DEVRX_KERNEL_BLOCK 256

/**
 * enum devrx_number - types of numbers, all little-endian
 *
 * devrx_cast reads each and writes F32, F16 and BF16. The result is
 * x * scale + bias in F32: two operations, each rounded to nearest even, never
 * fused; then rounded to nearest even to the type written. Subnormals count,
 * overflow is infinity, and a result that is not a number is 0x7fc00000 as F32,
 * 0x7e00 as F16, 0x7fc0 as BF16.
 * Since: 0.1
 */
enum devrx_number {
	DEVRX_NUMBER_U8 = 0,
	DEVRX_NUMBER_U16 = 1,
	DEVRX_NUMBER_BF16 = 2,
	DEVRX_NUMBER_F16 = 3,
	DEVRX_NUMBER_F32 = 4
};

/**
 * struct devrx_kernel_args - the argument of each kernel
 * @records: device address of the records, a multiple of 16
 * @source: device address that the records' source counts from, any
 * @out: device address of the result:
 *      gather: of stream position 0, any;
 *      crc32c: uint32_t, 0 before the launch;
 *      sum: uint64_t, histogram: uint64_t[256]; what is there is added to;
 *      cast: of the number at stream position 0, a multiple of 16. Numbers of
 *      which the records have not every byte are not written
 * @before: crc32c: device address of the CRC (uint32_t) of what came before in
 *      the stream, or 0 where nothing did; a launch may read here what the
 *      launch before it wrote. Other kernels: 0
 * @nr_records: how many
 * @from: cast: enum devrx_number of the stream. Other kernels: 0
 * @to: cast: enum devrx_number of the result. Other kernels: 0
 * @scale: cast
 * @bias: cast
 * @reserved: 0
 * Since: 0.1
 */
struct devrx_kernel_args {
	uint64_t records;
	uint64_t source;
	uint64_t out;
	uint64_t before;
	uint32_t nr_records;
	uint32_t from;
	uint32_t to;
	float scale;
	float bias;
	uint32_t reserved;
};

#ifdef __cplusplus
}
#endif

#endif
