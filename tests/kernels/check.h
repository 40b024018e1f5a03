/* SPDX-License-Identifier: MIT */
/*
 * One kernel run against the CPU reference, on whatever runs kernels: CUDA
 * source on the CPU, Vulkan, a real GPU. Every byte of the result is compared,
 * and of 64 guard bytes on both sides.
 */
#ifndef KERNELS_CHECK_H
#define KERNELS_CHECK_H

#include <cstdint>
#include <string>
#include <vector>

#include <devrx/desc.h>
#include <devrx/kernels.h>

namespace kernels
{

enum Kernel { GATHER, CRC32C, SUM, HISTOGRAM, CAST, NR };
extern const char *const kernel_name[NR]; /* as in devrx/kernels.h */

/* Memory of a device, and launches there. */
class Device
{
      public:
	virtual ~Device() = default;
	/* Memory with these bytes; its address is @misalign modulo 256. */
	virtual uint64_t put(const void *bytes, size_t len,
			     unsigned misalign) = 0;
	virtual void get(uint64_t addr, void *bytes, size_t len) = 0;
	/* Run and wait. What went wrong, or nothing. */
	virtual std::string launch(Kernel kernel, const devrx_kernel_args &args,
				   unsigned blocks) = 0;
	/* Give back all that put() gave. */
	virtual void clear() = 0;
};

/* Received memory and the records of a stream in it. */
struct Stream {
	std::string name;
	std::vector<uint8_t> source;
	std::vector<devrx_desc> records;
	bool holes; /* not for crc32c and cast */

	uint64_t begin() const;
	uint64_t end() const;
};

/* Where things lie and how it is launched. */
struct Setup {
	unsigned source_misalign;
	unsigned out_misalign; /* gather only; others state an alignment */
	unsigned blocks;
};

/* Streams cut in every way that has a name, always the same ones. */
std::vector<Stream> streams();

/* What went wrong, or nothing. */
std::string check_gather(Device &device, const Stream &s, const Setup &setup);
std::string check_sum(Device &device, const Stream &s, const Setup &setup);
std::string check_histogram(Device &device, const Stream &s,
			    const Setup &setup);
/* As one launch, and as two of which the second goes on from the first. */
std::string check_crc32c(Device &device, const Stream &s, const Setup &setup);
std::string check_cast(Device &device, const Stream &s, const Setup &setup,
		       uint32_t from, uint32_t to, float scale, float bias);
/* All of them; cast from each type, to one at a time. */
std::string check_all(Device &device, const Stream &s, const Setup &setup);

/* Numbers of @type: every value, or of F32 each exponent with the fractions
 * that rounding cares about; as one stream. */
Stream numbers(uint32_t type);
struct Affine {
	float scale, bias;
};
/* Among them those that overflow, vanish, cancel, and are no numbers. */
extern const std::vector<Affine> affine;

} // namespace kernels

#endif
