// SPDX-License-Identifier: MIT
/*
 * The fake CUDA driver as a device: its kernels against the reference, and what
 * it does to those who do not wait, or touch what is not theirs.
 */
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "fakes/fake_cuda.h"
#include "kernel/reference/reference.h"
#include "kernels/check.h"

namespace
{

class FakeGpu : public kernels::Device
{
      public:
	FakeGpu()
	{
		static const uint32_t image = 0xba55ed50;
		void *module = nullptr;

		if (!cu.load(DEVRX_FAKE_CUDA_DIR "/libcuda.so.1"))
			abort();
		cu.script("backing=memfd");
		must(cu.Init(0));
		must(cu.CtxCreate(&ctx, 0, 0));
		must(cu.StreamCreate(&stream, 1));
		must(cu.ModuleLoadData(&module, &image));
		for (int i = 0; i < kernels::NR; i++)
			must(cu.ModuleGetFunction(&functions[i], module,
						  kernels::kernel_name[i]));
	}

	~FakeGpu() override
	{
		cu.add("works");
		(void)cu.CtxDestroy(ctx);
		cu.script("");
	}

	uint64_t put(const void *bytes, size_t len, unsigned misalign) override
	{
		uint64_t at = 0;

		must(cu.MemAlloc(&at, misalign + len + !len));
		all.push_back(at);
		if (len)
			must(cu.MemcpyHtoD(at + misalign, bytes, len));
		return at + misalign;
	}

	void get(uint64_t addr, void *bytes, size_t len) override
	{
		must(cu.MemcpyDtoH(bytes, addr, len));
	}

	int start(kernels::Kernel kernel, const devrx_kernel_args &args,
		  unsigned blocks = 1)
	{
		devrx_kernel_args copy = args;
		void *params[] = { &copy };
		const int result = cu.LaunchKernel(functions[kernel], blocks, 1,
						   1, DEVRX_KERNEL_BLOCK, 1, 1,
						   0, stream, params, nullptr);

		memset(&copy, 0xff, sizeof(copy));
		return result;
	}

	std::string launch(kernels::Kernel kernel,
			   const devrx_kernel_args &args,
			   unsigned blocks) override
	{
		int result = start(kernel, args, blocks);

		if (!result)
			result = cu.StreamSynchronize(stream);
		return result ? "CUDA error " + std::to_string(result) : "";
	}

	void clear() override
	{
		for (uint64_t at : all)
			must(cu.MemFree(at));
		all.clear();
	}

	FakeCuda cu;
	void *ctx = nullptr;
	void *stream = nullptr;

      private:
	static void must(int result)
	{
		EXPECT_EQ(result, 0);
	}

	void *functions[kernels::NR] = {};
	std::vector<uint64_t> all;
};

class FakeCudaKernels : public testing::TestWithParam<kernels::Stream>
{
};

TEST_P(FakeCudaKernels, EqualTheReference)
{
	const kernels::Setup setups[] = { { 0, 0, 1 }, { 13, 7, 2 } };
	FakeGpu gpu;

	for (const kernels::Setup &setup : setups)
		ASSERT_EQ(kernels::check_all(gpu, GetParam(), setup), "")
			<< "source at " << setup.source_misalign
			<< ", result at " << setup.out_misalign;
}

INSTANTIATE_TEST_SUITE_P(Kernels, FakeCudaKernels,
			 testing::ValuesIn(kernels::streams()),
			 [](const auto &i) { return i.param.name; });

/* A sum of @len bytes of 1, over one record. */
class FakeCudaLaunch : public testing::Test
{
      protected:
	FakeCudaLaunch()
	{
		const devrx_desc record = { 0, len, 0 };
		const std::vector<uint8_t> ones(len, 1);
		const uint64_t zero = 0;

		args.source = gpu.put(ones.data(), len, 0);
		args.records = gpu.put(&record, sizeof(record), 0);
		args.out = gpu.put(&zero, sizeof(zero), 0);
		args.nr_records = 1;
	}

	uint64_t sum()
	{
		uint64_t ret = 0;

		gpu.get(args.out, &ret, sizeof(ret));
		return ret;
	}

	static constexpr uint32_t len = 10000;
	FakeGpu gpu;
	devrx_kernel_args args = {};
};

/* Who copies on another stream without waiting gets what was there before. */
TEST_F(FakeCudaLaunch, IsDoneWhenItIsWaitedFor)
{
	uint64_t got = 0;

	ASSERT_EQ(gpu.start(kernels::SUM, args), 0);
	EXPECT_EQ(sum(), 0u);
	ASSERT_EQ(gpu.cu.StreamSynchronize(gpu.stream), 0);
	EXPECT_EQ(sum(), len);
	/* A copy on its own stream comes after it. */
	ASSERT_EQ(gpu.start(kernels::SUM, args), 0);
	ASSERT_EQ(gpu.cu.MemcpyDtoHAsync(&got, args.out, 8, gpu.stream), 0);
	EXPECT_EQ(got, 2 * len);
	ASSERT_EQ(gpu.cu.MemsetD32Async(args.out, 7, 1, gpu.stream), 0);
	ASSERT_EQ(gpu.start(kernels::SUM, args), 0);
	ASSERT_EQ(gpu.cu.CtxSynchronize(), 0);
	EXPECT_EQ(sum(), len + 7);
}

/* The bytes are read then: one that was written meanwhile counts. */
TEST_F(FakeCudaLaunch, ReadsWhatIsThereWhenItRuns)
{
	const uint8_t more = 101;

	ASSERT_EQ(gpu.start(kernels::SUM, args), 0);
	ASSERT_EQ(gpu.cu.MemcpyHtoD(args.source + len - 1, &more, 1), 0);
	ASSERT_EQ(gpu.cu.StreamSynchronize(gpu.stream), 0);
	EXPECT_EQ(sum(), len + 100);
}

TEST_F(FakeCudaLaunch, RecordsMayBeTheHosts)
{
	void *host = nullptr;

	ASSERT_EQ(gpu.cu.MemHostAlloc(&host, 100, 0), 0);
	*static_cast<devrx_desc *>(host) = { 1, 3, 0 };
	args.records = reinterpret_cast<uint64_t>(host);
	EXPECT_EQ(gpu.launch(kernels::SUM, args, 1), "");
	EXPECT_EQ(sum(), 3u);
	EXPECT_EQ(gpu.cu.MemFreeHost(host), 0);
}

TEST_F(FakeCudaLaunch, NobodysAddressIsTheDevicesEnd)
{
	void *event = nullptr;

	ASSERT_EQ(gpu.cu.MemFree(args.source), 0);
	ASSERT_EQ(gpu.cu.EventCreate(&event, 0), 0);
	ASSERT_EQ(gpu.start(kernels::SUM, args), 0);
	ASSERT_EQ(gpu.cu.EventRecord(event, gpu.stream), 0);
	EXPECT_EQ(gpu.cu.EventQuery(event), 600);
	EXPECT_EQ(gpu.cu.EventQuery(event), 700);
	EXPECT_EQ(gpu.cu.StreamSynchronize(gpu.stream), 700);
	EXPECT_EQ(gpu.start(kernels::SUM, args), 700);
}

TEST_F(FakeCudaLaunch, OtherContextsMemoryIsNobodys)
{
	void *other = nullptr;

	ASSERT_EQ(gpu.cu.CtxCreate(&other, 0, 1), 0);
	const uint64_t out = gpu.put("12345678", 8, 0);

	ASSERT_EQ(gpu.cu.CtxPopCurrent(&other), 0);
	args.out = out;
	EXPECT_EQ(gpu.launch(kernels::SUM, args, 1), "CUDA error 700");
	gpu.cu.add("works");
	EXPECT_EQ(gpu.cu.CtxPushCurrent(other), 0);
	EXPECT_EQ(gpu.cu.CtxDestroy(other), 0);
}

/* The queue goes with its context, undone. */
TEST_F(FakeCudaLaunch, DestroyedContextsWorkIsNeverDone)
{
	void *other = nullptr, *event = nullptr;

	ASSERT_EQ(gpu.start(kernels::SUM, args), 0);
	ASSERT_EQ(gpu.cu.CtxCreate(&other, 0, 0), 0);
	ASSERT_EQ(gpu.cu.EventCreate(&event, 0), 0);
	ASSERT_EQ(gpu.cu.EventRecord(event, nullptr), 0);
	ASSERT_EQ(gpu.cu.CtxDestroy(other), 0);
	EXPECT_EQ(gpu.cu.EventQuery(event), 400);
	EXPECT_EQ(gpu.cu.count("events"), 0);
	ASSERT_EQ(gpu.cu.StreamSynchronize(gpu.stream), 0);
	EXPECT_EQ(sum(), len);
}

TEST_F(FakeCudaLaunch, CpuMayTouchNothingBeforeOrAfter)
{
	const auto *at = reinterpret_cast<volatile char *>(args.source);
	const auto *out = reinterpret_cast<volatile char *>(args.out);

	EXPECT_DEATH({ (void)*at; }, "");
	ASSERT_EQ(gpu.launch(kernels::SUM, args, 1), "");
	EXPECT_DEATH({ (void)*at; }, "");
	EXPECT_DEATH({ (void)*out; }, "");
}

TEST_F(FakeCudaLaunch, NoImageIsRefused)
{
	static const char text[] = "no fatbin";
	void *ret = nullptr, *function = nullptr;
	static const uint32_t image = 0xba55ed50;

	EXPECT_EQ(gpu.cu.ModuleLoadData(&ret, text), 200);
	EXPECT_EQ(ret, nullptr);
	ASSERT_EQ(gpu.cu.ModuleLoadData(&ret, &image), 0);
	EXPECT_EQ(gpu.cu.ModuleGetFunction(&function, ret, "devrx_nothing"),
		  500);
}

} // namespace
