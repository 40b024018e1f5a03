// SPDX-License-Identifier: MIT
/*
 * kernel/cuda compiled for the CPU, against the reference, byte by byte. What
 * it cannot show: a GPU's memory model, its speed, its compiler. See
 * tests/gpu for those.
 */
#include <algorithm>
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>

#include "kernel/reference/reference.h"
#include "kernels/check.h"
#include "kernels/cuda_on_cpu.h"

/* The bins are emptied again and again, as after gigabytes. */
#define DRX_HISTOGRAM_TILES 2
#include "kernel/cuda/kernels.cu"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at))
#endif

namespace
{

class CudaOnCpu : public kernels::Device
{
      public:
	~CudaOnCpu() override
	{
		clear();
	}

	uint64_t put(const void *bytes, size_t len, unsigned misalign) override
	{
		void *at;

		/* No byte more, so that ASAN sees a step too far. */
		if (posix_memalign(&at, 256, misalign + len))
			abort();
		if (len)
			memcpy((char *)at + misalign, bytes, len);
		ASAN_POISON_MEMORY_REGION(at, misalign & ~7u);
		all.push_back(at);
		return (uint64_t)at + misalign;
	}

	void get(uint64_t addr, void *bytes, size_t len) override
	{
		memcpy(bytes, (void *)addr, len);
	}

	std::string launch(kernels::Kernel kernel,
			   const devrx_kernel_args &args,
			   unsigned blocks) override
	{
		static void (*const functions[])(devrx_kernel_args) = {
			devrx_gather,	 devrx_crc32c, devrx_sum,
			devrx_histogram, devrx_cast,
		};

		cuda_on_cpu::launch(blocks, DEVRX_KERNEL_BLOCK,
				    [=] { functions[kernel](args); });
		return "";
	}

	void clear() override
	{
		for (void *at : all) {
			ASAN_UNPOISON_MEMORY_REGION(at, 256);
			free(at);
		}
		all.clear();
	}

      private:
	std::vector<void *> all;
};

class CudaSourceOnCpu : public testing::TestWithParam<kernels::Stream>
{
};

TEST_P(CudaSourceOnCpu, EqualsTheReference)
{
	const kernels::Setup setups[] = {
		{ 0, 0, 1 },
		{ 1, 0, 3 },
		{ 8, 4, 2 },
		{ 13, 7, 1 },
	};
	CudaOnCpu device;

	for (const kernels::Setup &setup : setups)
		ASSERT_EQ(kernels::check_all(device, GetParam(), setup), "")
			<< "CUDA source compiled for the CPU; source at "
			<< setup.source_misalign << ", result at "
			<< setup.out_misalign << ", blocks " << setup.blocks;
}

INSTANTIATE_TEST_SUITE_P(Kernels, CudaSourceOnCpu,
			 testing::ValuesIn(kernels::streams()),
			 [](const auto &i) { return i.param.name; });

class CudaCastOnCpu : public testing::TestWithParam<unsigned>
{
};

TEST_P(CudaCastOnCpu, OfEveryNumberEqualsTheReference)
{
	const kernels::Stream s = kernels::numbers(GetParam());
	CudaOnCpu device;

	for (uint32_t to = DEVRX_NUMBER_BF16; to <= DEVRX_NUMBER_F32; to++)
		for (const kernels::Affine &a : kernels::affine)
			ASSERT_EQ(kernels::check_cast(device, s, { 0, 0, 1 },
						      GetParam(), to, a.scale,
						      a.bias),
				  "");
}

INSTANTIATE_TEST_SUITE_P(Kernels, CudaCastOnCpu, testing::Range(0u, 5u));

/* Streams of gigabytes take too long here; what their length changes does not. */
TEST(CudaCrcOnCpu, MovesByMoreThanPowersRepeat)
{
	const uint64_t distances[] = {
		0,	    1,
		0x7ffffffe, 0x7fffffff,
		0x80000000, 0x17fffffff5ull,
		1ull << 44, (1ull << 62) + 77,
	};
	static drx_crc32c_shared shared;

	for (uint64_t distance : distances) {
		cuda_on_cpu::launch(1, DEVRX_KERNEL_BLOCK, [=] {
			drx_crc32c_power(&shared, distance);
		});
		for (unsigned w = 0; w < DRX_WARPS; w++)
			EXPECT_EQ(shared.factor[w],
				  drx_ref_crc32c_combine(DRX_CRC32C_ONE, 0,
							 distance))
				<< distance;
	}
}

} // namespace
