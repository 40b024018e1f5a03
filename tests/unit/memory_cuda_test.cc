// SPDX-License-Identifier: MIT
/*
 * Kind "cuda" on a fake driver: what is allocated, how it is exported, and which
 * context it is in. A fake is not a GPU: how a real driver answers is not shown
 * here.
 */
#include "memory_cuda_support.h"

#include <cstring>
#include <vector>

using namespace memory_support;

namespace
{

/* ---- What is got ---- */

TEST_F(Cuda, IsOneDmabufOfWhole2MiBAndNoHostAddress)
{
	Memory mem = Alloc(nullptr, Unit + 1);
	ASSERT_TRUE(mem);
	const struct devrx_memory_info info = Info(mem.get());

	EXPECT_STREQ(info.kind, "cuda");
	EXPECT_EQ(info.len, 2 * Unit);
	EXPECT_NE(info.device_addr, 0u);
	EXPECT_EQ(info.device_addr % PageLen(), 0u);
	EXPECT_EQ(info.host_addr, nullptr);
	EXPECT_EQ(lseek(info.dmabuf_fd, 0, SEEK_END), off_t(info.len));
	EXPECT_EQ(fake.count("cuMemAlloc"), 1);
	EXPECT_EQ(fake.count("cuMemCreate"), 0);
}

TEST_F(Cuda, DescriptorIsClosedByExecWhateverTheDriverDid)
{
	fake.script("backing=memfd cloexec=0");
	Memory mem = Alloc();
	ASSERT_TRUE(mem);

	EXPECT_EQ(fcntl(Info(mem.get()).dmabuf_fd, F_GETFD), FD_CLOEXEC);
}

/* The name of what exported it is no name of NVIDIA's. */
TEST_F(Cuda, FakeIsNeverCalledDeviceMemory)
{
	Memory mem = Alloc();
	ASSERT_TRUE(mem);

	EXPECT_NE(Info(mem.get()).placement, uint32_t(DEVRX_PLACEMENT_DEVICE));
	EXPECT_NE(strstr(Info(mem.get()).proof, "devrx fake GPU 0"), nullptr)
		<< Info(mem.get()).proof;

	devrx_memory_opts opts = Opts();
	opts.placement = DEVRX_PLACEMENT_DEVICE;
	ExpectRefused(opts, -EOPNOTSUPP, "placement-unproved");
}

TEST_F(Cuda, WhatIsWrittenIsRead)
{
	Memory mem = Alloc();
	ASSERT_TRUE(mem);
	std::vector<char> out(4321, 'o'), in(4323, 'x');

	ASSERT_EQ(devrx_memory_write(mem.get(), 776, in.data(), in.size()), 0);
	in.assign(in.size(), 0);
	ASSERT_EQ(devrx_memory_write(mem.get(), 777, out.data(), out.size()),
		  0);
	ASSERT_EQ(devrx_memory_read(mem.get(), 776, in.data(), in.size()), 0);
	EXPECT_EQ(in.front(), 'x');
	EXPECT_EQ(memcmp(&in[1], out.data(), out.size()), 0);
	EXPECT_EQ(in.back(), 'x');
	EXPECT_EQ(devrx_memory_read(mem.get(), Unit, in.data(), 1), -ERANGE);
	EXPECT_EQ(devrx_memory_read(mem.get(), Unit - 1, in.data(), 1), 0);
}

/* ---- Whose context ---- */

TEST_F(Cuda, WithoutAContextItIsDeviceZerosPrimaryOne)
{
	Memory mem = Alloc();
	ASSERT_TRUE(mem);

	EXPECT_EQ(fake.count("contexts"), 1);
	EXPECT_EQ(fake.count("cuDevicePrimaryCtxRetain"), 1);
	mem.reset();
	EXPECT_EQ(fake.count("cuDevicePrimaryCtxRelease"), 1);
	EXPECT_EQ(fake.count("contexts"), 0);
}

TEST_F(Cuda, TheCallersContextIsUsedAndStaysCurrent)
{
	void *const mine = Context(1);
	Memory mem = Alloc();
	ASSERT_TRUE(mem);
	void *now = nullptr;
	int ordinal = -1;
	char byte = 0;

	EXPECT_EQ(fake.count("contexts"), 1);
	EXPECT_EQ(fake.count("cuDevicePrimaryCtxRetain"), 0);
	EXPECT_EQ(fake.PointerGetAttribute(&ordinal,
					   DRX_CU_POINTER_DEVICE_ORDINAL,
					   Info(mem.get()).device_addr),
		  0);
	EXPECT_EQ(ordinal, 1);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), 0);
	EXPECT_EQ(fake.CtxGetCurrent(&now), 0);
	EXPECT_EQ(now, mine);
}

/* What the runtime and the frameworks on it use. */
TEST_F(Cuda, ACallersPrimaryContextIsHeldToo)
{
	void *primary = nullptr, *popped = nullptr;

	ASSERT_EQ(fake.Init(0), 0);
	ASSERT_EQ(fake.PrimaryRetain(&primary, 1), 0);
	ASSERT_EQ(fake.CtxPushCurrent(primary), 0);
	Memory mem = Alloc();
	ASSERT_EQ(fake.CtxPopCurrent(&popped), 0);
	ASSERT_EQ(fake.PrimaryRelease(1), 0);

	char byte = 0;
	ASSERT_TRUE(mem);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), 0);
	mem.reset();
	EXPECT_EQ(fake.count("contexts"), 0);
}

struct NameCase {
	const char *name;
	const char *device;
	int ordinal; /* -1: there is none */
};

const NameCase names[] = {
	{ "Index", "1", 1 },
	{ "Uuid", "GPU-fafafafa-fafa-fafa-fafa-fafafafafa01", 1 },
	{ "UuidInCapitals", "GPU-FAFAFAFA-FAFA-FAFA-FAFA-FAFAFAFAFA00", 0 },
	{ "MigUuid", "MIG-fafafafa-fafa-fafa-fafa-fafafafafa01", 1 },
	{ "PciAddress", "fa4e:01:00.0", 1 },
	{ "IndexPastTheLast", "2", -1 },
	{ "IndexNegative", "-1", -1 },
	{ "IndexWithMore", "1x", -1 },
	{ "IndexBeyondLong", "99999999999999999999", -1 },
	{ "Empty", "", -1 },
	{ "UuidOfNobody", "GPU-fafafafa-fafa-fafa-fafa-fafafafafa09", -1 },
	{ "UuidTooShort", "GPU-fafafafa-fafa-fafa-fafa-fafafafafa0", -1 },
	{ "UuidTooLong", "GPU-fafafafa-fafa-fafa-fafa-fafafafafa011", -1 },
	{ "UuidNotHex", "GPU-fafafafa-fafa-fafa-fafa-fafafafafa0g", -1 },
	{ "PciAddressOfNobody", "fa4e:07:00.0", -1 },
	{ "Word", "nvidia", -1 },
};

class CudaName : public Cuda, public testing::WithParamInterface<NameCase>
{
};

TEST_P(CudaName, NamesOneDeviceOrNone)
{
	int ordinal = -1;

	/* On another device: a name counts for more than the current context. */
	(void)Context(GetParam().ordinal ? 0 : 1);
	if (GetParam().ordinal < 0) {
		devrx_memory_opts opts = Opts();

		opts.device = GetParam().device;
		ExpectRefused(opts, -ENODEV, "cuda-no-device");
		EXPECT_NE(strstr(cause.text, GetParam().device), nullptr);
		return;
	}
	Memory mem = Alloc(GetParam().device);
	ASSERT_TRUE(mem);
	EXPECT_EQ(fake.PointerGetAttribute(&ordinal,
					   DRX_CU_POINTER_DEVICE_ORDINAL,
					   Info(mem.get()).device_addr),
		  0);
	EXPECT_EQ(ordinal, GetParam().ordinal);
}

INSTANTIATE_TEST_SUITE_P(All, CudaName, testing::ValuesIn(names),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* ---- The export, and the second way to allocate ---- */

/*
 * Not by the flag for the PCIe mapping: with a coherent link that would be had,
 * and then no NIC attach but one beside the GPU.
 */
TEST_F(Cuda, ExportIsOnceAndByTheDefaultMapping)
{
	fake.script("backing=memfd attr100=1 pcie=999");
	Memory mem = Alloc();

	EXPECT_TRUE(mem);
	EXPECT_EQ(fake.count("cuMemGetHandleForAddressRange"), 1);
}

TEST_F(Cuda, VirtualMemoryCallsWhereCuMemAllocCannotBeExported)
{
	fake.script("backing=memfd shift=512");
	Memory mem = Alloc(nullptr, 3 * Unit);
	ASSERT_TRUE(mem);
	std::vector<char> out(100, 'o'), in(100);

	EXPECT_EQ(fake.count("cuMemCreate"), 1);
	EXPECT_EQ(fake.count("allocations"), 1);
	EXPECT_EQ(fake.count("handles"), 0);
	EXPECT_EQ(Info(mem.get()).device_addr % Unit, 0u);
	EXPECT_EQ(Info(mem.get()).len, 3 * Unit);
	EXPECT_NE(strstr(Info(mem.get()).proof, "cuMemCreate"), nullptr);
	EXPECT_EQ(devrx_memory_write(mem.get(), 5, out.data(), out.size()), 0);
	EXPECT_EQ(devrx_memory_read(mem.get(), 5, in.data(), in.size()), 0);
	EXPECT_EQ(in, out);
	mem.reset();
	EXPECT_EQ(fake.count("cuMemAddressFree"), 1);
}

TEST_F(Cuda, SecondWayIsNotForOtherErrors)
{
	fake.script("backing=memfd cuMemAlloc=2");
	ExpectRefused(Opts(), -ENOMEM, "out-of-memory");
	EXPECT_EQ(fake.count("cuMemCreate"), 0);
}

} // namespace
