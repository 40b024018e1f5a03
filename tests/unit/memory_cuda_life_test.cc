// SPDX-License-Identifier: MIT
/*
 * Kind "cuda" on a fake driver, after the allocation: what breaks under it, write
 * ordering, threads, a fork.
 */
#include "memory_cuda_support.h"

#include <cstring>
#include <thread>
#include <vector>

using namespace memory_support;

namespace
{

TEST_F(Cuda, ContextDestroyedUnderIt)
{
	void *const mine = Context(0);
	Memory mem = Alloc();
	ASSERT_TRUE(mem);
	char byte = 0;

	ASSERT_EQ(fake.CtxDestroy(mine), 0);
	ForgetContext();
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -ESTALE);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, &byte, 1), -ESTALE);
	EXPECT_EQ(devrx_cuda_flush_writes(mem.get()), -ESTALE);
	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), -ESTALE);
	EXPECT_STREQ(cause.id, "cuda-context-destroyed");
}

TEST_F(Cuda, DeviceResetUnderIt)
{
	Memory mem = Alloc();
	ASSERT_TRUE(mem);

	ASSERT_EQ(fake.PrimaryReset(0), 0);
	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), -ESTALE);
	EXPECT_STREQ(cause.id, "cuda-context-destroyed");
}

TEST_F(Cuda, DeviceLostUnderIt)
{
	Memory mem = Alloc();
	ASSERT_TRUE(mem);
	char byte = 0;

	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), 0);
	fake.add("lost@1=719");
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -EIO);
	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), -EIO);
	EXPECT_STREQ(cause.id, "cuda-device-lost");
	EXPECT_NE(strstr(cause.text, "719"), nullptr);
	mem.reset();
	fake.script("");
}

/* The error of a kernel that ran is told by the next wait. */
TEST_F(Cuda, DeviceLostIsFoundByTheCheckItself)
{
	Memory mem = Alloc();
	ASSERT_TRUE(mem);

	fake.add("cuStreamSynchronize=700");
	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), -EIO);
	EXPECT_STREQ(cause.id, "cuda-device-lost");
}

struct OrderCase {
	const char *name;
	const char *script;
	int want;
	long flushes;
};

const OrderCase orders[] = {
	{ "Unordered", "attr118=0 attr117=1", 0, 1 },
	{ "OrderedForItsOwner", "attr118=100 attr117=1", 0, 0 },
	{ "OrderedForAll", "attr118=200 attr117=0", 0, 0 },
	{ "NeitherOrderedNorFlushed", "attr118=0 attr117=2", -EOPNOTSUPP, 0 },
	{ "NothingKnown", "attr118=-1 attr117=-1", -EOPNOTSUPP, 0 },
	{ "FlushFails", "cuFlushGPUDirectRDMAWrites=719", -EIO, 1 },
};

class CudaOrder : public Cuda, public testing::WithParamInterface<OrderCase>
{
};

TEST_P(CudaOrder, IsFlushedWhereTheDeviceDoesNotOrder)
{
	const std::string script =
		std::string("backing=memfd ") + GetParam().script;

	fake.script(script.c_str());
	Memory mem = Alloc();
	ASSERT_TRUE(mem);
	EXPECT_EQ(devrx_cuda_flush_writes(mem.get()), GetParam().want);
	EXPECT_EQ(fake.count("cuFlushGPUDirectRDMAWrites"), GetParam().flushes);
}

INSTANTIATE_TEST_SUITE_P(All, CudaOrder, testing::ValuesIn(orders),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(Cuda, OtherMemoryIsNotCudas)
{
	devrx_memory_opts opts = Good("host", nullptr);
	devrx_memory *raw = nullptr;

	ASSERT_EQ(devrx_memory_alloc(&raw, &opts), 0);
	Memory mem(raw);
	EXPECT_EQ(devrx_cuda_flush_writes(raw), -EINVAL);
	EXPECT_EQ(devrx_cuda_check(raw, &cause), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
}

TEST_F(Cuda, ForkedChildIsRefusedAndFreesNothing)
{
	Memory mem = Alloc();
	ASSERT_TRUE(mem);

	Outcome out = InChild([&](Outcome &o) {
		o.rc = devrx_cuda_check(mem.get(), &o.cause);
		o.extra = devrx_memory_free(mem.get());
	});
	EXPECT_EQ(out.rc, -EPERM);
	EXPECT_STREQ(out.cause.id, "opts-invalid");
	EXPECT_EQ(out.extra, 0);
	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), 0);
}

/* Threads share the driver and nothing of ours. */
TEST_F(Cuda, ThreadsAllocateReadAndFreeAtOnce)
{
	std::vector<std::thread> threads;
	std::vector<int> errors(4);

	for (size_t t = 0; t < errors.size(); t++)
		threads.emplace_back([t, &errors] {
			for (int i = 0; i < 20 && !errors[t]; i++) {
				devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
				devrx_memory *mem = nullptr;
				char byte = char(t), back = 0;

				opts.kind = "cuda";
				opts.device = t % 2 ? "0" : "1";
				opts.len = 1;
				errors[t] = devrx_memory_alloc(&mem, &opts);
				if (errors[t])
					break;
				(void)devrx_memory_write(mem, 9, &byte, 1);
				(void)devrx_memory_read(mem, 9, &back, 1);
				errors[t] = back != byte;
				(void)devrx_memory_free(mem);
			}
		});
	for (std::thread &thread : threads)
		thread.join();
	EXPECT_EQ(errors, std::vector<int>(errors.size(), 0));
}

TEST_F(Cuda, ProbeMakesNoContext)
{
	const devrx_provider *cuda = devrx_provider_find("cuda");

	EXPECT_EQ(cuda->probe(&cause), 0) << cause.text;
	EXPECT_EQ(fake.count("cuDevicePrimaryCtxRetain"), 0);
	EXPECT_EQ(devrx_provider_at(0), cuda);
	fake.script("attr124=0");
	EXPECT_EQ(cuda->probe(&cause), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "cuda-dmabuf-unsupported");
	EXPECT_EQ(cuda->probe(nullptr), -EOPNOTSUPP);
}

} // namespace
