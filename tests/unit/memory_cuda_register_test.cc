// SPDX-License-Identifier: MIT
/*
 * Memory of the caller's own as kind "cuda", on a fake driver: exactly the range,
 * never freed by us, and noticed when it has gone.
 */
#include "memory_cuda_support.h"

#include <cstring>
#include <thread>
#include <vector>

using namespace memory_support;

namespace
{

class CudaRegister : public Cuda
{
      protected:
	void SetUp() override
	{
		Cuda::SetUp();
		(void)Context(0);
		ASSERT_EQ(fake.MemAlloc(&tensor, 2 * Unit), 0);
	}

	uint64_t tensor = 0;
};

TEST_F(CudaRegister, IsTheRangeAndFreesTheDmabufOnly)
{
	{
		Memory mem = Register(tensor + 4096, 3 * 4096);
		ASSERT_TRUE(mem);
		const struct devrx_memory_info info = Info(mem.get());

		EXPECT_STREQ(info.kind, "cuda");
		EXPECT_EQ(info.device_addr, tensor + 4096);
		EXPECT_EQ(info.len, 3u * 4096);
		EXPECT_EQ(lseek(info.dmabuf_fd, 0, SEEK_END), 3 * 4096);
		EXPECT_NE(strstr(info.proof, "registered"), nullptr);
		EXPECT_EQ(fake.count("allocations"), 1);
	}
	EXPECT_EQ(fake.count("cuMemFree"), 0);
	EXPECT_EQ(fake.MemFree(tensor), 0);
}

/* A loader's thread, which has never made a context current. */
TEST_F(CudaRegister, ThreadNeedsNoContext)
{
	std::thread([&] {
		Memory mem = Register(tensor, 0);
		void *ctx = this;

		EXPECT_EQ(fake.CtxGetCurrent(&ctx), 0);
		EXPECT_EQ(ctx, nullptr);
		ExpectRegisterRefused(12345 * 4096, 4096, -EINVAL,
				      "cuda-not-device");
	}).join();
}

TEST_F(CudaRegister, LengthZeroIsWhatIsLeftOfTheAllocation)
{
	Memory mem = Register(tensor + 4096, 0);

	ASSERT_TRUE(mem);
	EXPECT_EQ(Info(mem.get()).len, 2 * Unit - 4096);
}

TEST_F(CudaRegister, BytesAreThoseOfTheRange)
{
	Memory all = Register(tensor, 0), part = Register(tensor + 4096, 4096);
	const char out[] = "written through the whole";
	char in[sizeof(out)] = "";

	ASSERT_TRUE(all && part);
	EXPECT_EQ(devrx_memory_write(all.get(), 4096 + 9, out, sizeof(out)), 0);
	EXPECT_EQ(devrx_memory_read(part.get(), 9, in, sizeof(in)), 0);
	EXPECT_STREQ(in, out);
}

TEST_F(CudaRegister, HalfPagesAreRefusedWithTheWholeOnesInThem)
{
	char want[64];

	ExpectRegisterRefused(tensor + 512, 3 * 4096, -EINVAL,
			      "cuda-unaligned");
	(void)snprintf(want, sizeof(want), "8192 bytes at 0x%llx",
		       (unsigned long long)tensor + 4096);
	EXPECT_NE(strstr(cause.text, want), nullptr) << cause.text;
	ExpectRegisterRefused(tensor, 4095, -EINVAL, "cuda-unaligned");
	ExpectRegisterRefused(tensor, 1, -EINVAL, "cuda-unaligned");
}

TEST_F(CudaRegister, RangeMustBeAllocated)
{
	ExpectRegisterRefused(tensor, 2 * Unit + 4096, -EINVAL, "cuda-range");
	ExpectRegisterRefused(tensor, UINT64_MAX - 4095, -EINVAL, "cuda-range");
	ExpectRegisterRefused(tensor + Unit, UINT64_MAX / 4096 * 4096, -EINVAL,
			      "cuda-range");
	/* Found out here: what a driver answers to it is its own affair. */
	EXPECT_EQ(fake.count("cuMemGetHandleForAddressRange"), 0);
}

TEST_F(CudaRegister, OnlyDeviceMemoryIsTaken)
{
	uint64_t managed = 0;
	void *host = nullptr;
	alignas(4096) static char plain[4096];

	ASSERT_EQ(fake.MemAllocManaged(&managed, Unit, 1), 0);
	ASSERT_EQ(fake.MemHostAlloc(&host, Unit, 0), 0);
	ExpectRegisterRefused(managed, Unit, -EINVAL, "cuda-not-device");
	EXPECT_NE(strstr(cause.text, "managed"), nullptr);
	ExpectRegisterRefused(reinterpret_cast<uintptr_t>(host), Unit, -EINVAL,
			      "cuda-not-device");
	EXPECT_NE(strstr(cause.text, "host memory"), nullptr);
	ExpectRegisterRefused(reinterpret_cast<uintptr_t>(plain), 4096, -EINVAL,
			      "cuda-not-device");
	ExpectRegisterRefused(0, 4096, -EINVAL, "cuda-not-device");
}

TEST_F(CudaRegister, DriverThatExportsNoPartSaysSo)
{
	fake.add("cuMemGetHandleForAddressRange=1");
	ExpectRegisterRefused(tensor, Unit, -EINVAL, "cuda-range");
}

TEST_F(CudaRegister, OptionsAreChecked)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = Untouched();

	opts.cause = &cause;
	opts.flags = DEVRX_MEMORY_F_HUGETLB;
	EXPECT_EQ(devrx_cuda_register(&mem, tensor, Unit, &opts), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	opts = DEVRX_MEMORY_OPTS_INIT;
	opts.cause = &cause;
	opts.device = "0";
	EXPECT_EQ(devrx_cuda_register(&mem, tensor, Unit, &opts), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	opts.device = nullptr;
	opts.placement = DEVRX_PLACEMENT_DEVICE;
	EXPECT_EQ(devrx_cuda_register(&mem, tensor, Unit, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "placement-unproved");
	EXPECT_EQ(mem, Untouched());
	ASSERT_EQ(devrx_cuda_register(&mem, tensor, Unit, nullptr), 0);
	EXPECT_EQ(devrx_memory_free(mem), 0);
}

/* A thread that has no context of the pointer's device gets the primary one. */
TEST_F(CudaRegister, PointerOfAnotherDeviceGoesToItsPrimaryContext)
{
	void *primary = nullptr, *popped = nullptr;
	uint64_t there = 0;

	ASSERT_EQ(fake.PrimaryRetain(&primary, 1), 0);
	ASSERT_EQ(fake.CtxPushCurrent(primary), 0);
	ASSERT_EQ(fake.MemAlloc(&there, Unit), 0);
	ASSERT_EQ(fake.CtxPopCurrent(&popped), 0);
	{
		Memory mem = Register(there, Unit);
		char byte = 0;

		ASSERT_TRUE(mem);
		EXPECT_NE(strstr(Info(mem.get()).proof, "GPU 1"), nullptr);
		/* The owner may let go of it: ours holds it. */
		EXPECT_EQ(fake.PrimaryRelease(1), 0);
		EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), 0);
	}
}

/* As a framework does that grows its memory in place. */
TEST_F(CudaRegister, RangeMayGoOverMappingsThatTouch)
{
	drx_cu_prop prop = {};
	uint64_t base = 0, piece[2];

	prop.type = DRX_CU_ALLOCATION_PINNED;
	prop.location.type = DRX_CU_LOCATION_DEVICE;
	prop.flags.rdma_capable = 1;
	ASSERT_EQ(fake.MemAddressReserve(&base, 4 * Unit, 0, 0, 0), 0);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(fake.MemCreate(&piece[i], Unit, &prop, 0), 0);
		ASSERT_EQ(fake.MemMap(base + unsigned(i) * Unit, Unit, 0,
				      piece[i], 0),
			  0);
		ASSERT_EQ(fake.MemRelease(piece[i]), 0);
	}
	{
		Memory mem = Register(base, 2 * Unit);
		std::vector<char> out(64, 'o'), in(64);

		ASSERT_TRUE(mem);
		EXPECT_EQ(Info(mem.get()).len, 2 * Unit);
		EXPECT_EQ(devrx_memory_write(mem.get(), Unit - 32, out.data(),
					     out.size()),
			  0);
		EXPECT_EQ(devrx_memory_read(mem.get(), Unit - 32, in.data(),
					    in.size()),
			  0);
		EXPECT_EQ(in, out);
	}
	/* The third piece is reserved and not mapped. */
	ExpectRegisterRefused(base, 3 * Unit, -EINVAL, "cuda-range");
	ASSERT_EQ(fake.MemUnmap(base, Unit), 0);
	ASSERT_EQ(fake.MemUnmap(base + Unit, Unit), 0);
	ASSERT_EQ(fake.MemAddressFree(base, 4 * Unit), 0);
}

TEST_F(CudaRegister, FreedUnderItIsStale)
{
	Memory mem = Register(tensor, Unit);
	char byte = 0;

	ASSERT_TRUE(mem);
	ASSERT_EQ(fake.MemFree(tensor), 0);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -ESTALE);
	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), -ESTALE);
	EXPECT_STREQ(cause.id, "cuda-memory-freed");
}

/* The address is somebody else's by now: its bytes are not ours to give. */
TEST_F(CudaRegister, FreedAndAllocatedAgainIsStale)
{
	Memory mem = Register(tensor, Unit);
	uint64_t again = 0;
	char byte = 0;

	ASSERT_TRUE(mem);
	ASSERT_EQ(fake.MemFree(tensor), 0);
	ASSERT_EQ(fake.MemAlloc(&again, 2 * Unit), 0);
	ASSERT_EQ(again, tensor);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -ESTALE);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, &byte, 1), -ESTALE);
	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), -ESTALE);
	EXPECT_STREQ(cause.id, "cuda-memory-freed");
}

} // namespace
