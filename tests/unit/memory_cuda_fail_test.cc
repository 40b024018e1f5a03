// SPDX-License-Identifier: MIT
/*
 * Kind "cuda" on a fake driver: each call that can fail, with its cause. Nothing is
 * left behind, and the caller's context is current.
 */
#include "memory_cuda_support.h"

using namespace memory_support;

namespace
{

struct FailCase {
	const char *name;
	const char *script;
	int want;
	const char *id;
};

const FailCase fails[] = {
	{ "DriverOlderThanTheExport", "version=11060", -EOPNOTSUPP,
	  "cuda-driver-old" },
	{ "DriverOfAnotherReleaseThanItsModules", "cuInit=803", -EOPNOTSUPP,
	  "cuda-driver-old" },
	{ "StubLibrary", "cuInit=34", -ENOENT, "cuda-missing" },
	{ "NoDevice", "devices=0", -ENODEV, "cuda-no-device" },
	{ "NoDeviceLater", "cuDeviceGetCount=100", -ENODEV, "cuda-no-device" },
	{ "CurrentContext", "cuCtxGetCurrent=201", -ESTALE,
	  "cuda-context-destroyed" },
	{ "DeviceForItself", "cuDevicePrimaryCtxRetain=46", -EBUSY,
	  "cuda-error" },
	{ "NoMemoryForAContext", "cuDevicePrimaryCtxRetain=2", -ENOMEM,
	  "out-of-memory" },
	{ "ContextGoneAtOnce", "cuCtxPushCurrent=709", -ESTALE,
	  "cuda-context-destroyed" },
	{ "NoDmabuf", "attr124=0", -EOPNOTSUPP, "cuda-dmabuf-unsupported" },
	{ "NoDmabufKnown", "attr124=-1", -EOPNOTSUPP,
	  "cuda-dmabuf-unsupported" },
	{ "NoRdma", "attr124=0 attr116=0", -EOPNOTSUPP,
	  "cuda-rdma-unsupported" },
	{ "NoMemory", "cuMemAlloc=2", -ENOMEM, "out-of-memory" },
	{ "LostWhenAllocating", "cuMemAlloc=719", -EIO, "cuda-device-lost" },
	{ "UnknownResult", "cuMemAlloc=12345", -EIO, "cuda-error" },
	{ "GraphCapture", "cuMemAlloc=900", -EBUSY, "cuda-error" },
	{ "ExportNotSupported", "attr110=0 cuMemGetHandleForAddressRange=801",
	  -EOPNOTSUPP, "cuda-dmabuf-unsupported" },
	{ "ExportInvalid", "attr110=0 cuMemGetHandleForAddressRange=1", -EINVAL,
	  "cuda-range" },
	{ "ExportNotSupportedEitherWay", "cuMemGetHandleForAddressRange=801",
	  -EOPNOTSUPP, "cuda-dmabuf-unsupported" },
	{ "ExportShortOfMemory", "cuMemGetHandleForAddressRange=2", -ENOMEM,
	  "out-of-memory" },
	{ "ExportLost", "cuMemGetHandleForAddressRange=999", -EIO,
	  "cuda-device-lost" },
	{ "NoStream", "cuStreamCreate=2", -ENOMEM, "out-of-memory" },
	/* The second way fails, and the first one's reason counts. */
	{ "Unaligned", "attr110=0 shift=512", -EINVAL, "cuda-unaligned" },
	{ "UnalignedThenNoGranularity",
	  "shift=512 cuMemGetAllocationGranularity=801", -EINVAL,
	  "cuda-unaligned" },
	{ "UnalignedThenNoCreate", "shift=512 cuMemCreate=2", -EINVAL,
	  "cuda-unaligned" },
	{ "UnalignedThenNoReserve", "shift=512 cuMemAddressReserve=2", -EINVAL,
	  "cuda-unaligned" },
	{ "UnalignedThenNoMap", "shift=512 cuMemMap=1", -EINVAL,
	  "cuda-unaligned" },
	{ "UnalignedThenNoAccess", "shift=512 cuMemSetAccess=1", -EINVAL,
	  "cuda-unaligned" },
	{ "UnalignedThenNoExport",
	  "shift=512 cuMemGetHandleForAddressRange=801", -EINVAL,
	  "cuda-unaligned" },
	{ "UnalignedThenNoStream", "shift=512 cuStreamCreate=2", -EINVAL,
	  "cuda-unaligned" },
};

class CudaFails : public Cuda, public testing::WithParamInterface<FailCase>
{
};

TEST_P(CudaFails, SaysWhyAndLeavesNothing)
{
	const std::string script =
		std::string("backing=memfd ") + GetParam().script;

	fake.script(script.c_str());
	ExpectRefused(Opts(), GetParam().want, GetParam().id);
	fake.script("");
}

TEST_P(CudaFails, LeavesTheCallersContextCurrent)
{
	void *const mine = Context(0);
	devrx_memory_opts opts = Opts();
	devrx_memory *mem = Untouched();
	void *now = nullptr;

	/* In the named device's primary context, so that there are two. */
	opts.device = "1";
	fake.add(GetParam().script);
	const int err = devrx_memory_alloc(&mem, &opts);
	/* All may fail but what only a thread without a context asks for. */
	if (err) {
		EXPECT_EQ(mem, Untouched());
	} else {
		EXPECT_STREQ(GetParam().name, "CurrentContext");
		EXPECT_EQ(devrx_memory_free(mem), 0);
	}
	/* The script may forbid to ask for it, not to pop it. */
	ASSERT_EQ(fake.CtxPopCurrent(&now), 0);
	EXPECT_EQ(now, mine);
	EXPECT_EQ(fake.count("contexts"), 1);
	EXPECT_EQ(fake.count("allocations"), 0);
	ForgetContext();
	fake.script("");
}

INSTANTIATE_TEST_SUITE_P(All, CudaFails, testing::ValuesIn(fails),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(Cuda, HasNoHugetlbAndNoLengthThatWraps)
{
	devrx_memory_opts opts = Opts();

	opts.flags = DEVRX_MEMORY_F_HUGETLB;
	ExpectRefused(opts, -EOPNOTSUPP, "hugetlb-unsupported");
	opts = Opts();
	opts.len = UINT64_MAX;
	ExpectRefused(opts, -EINVAL, "memory-len");
	EXPECT_EQ(fake.count("cuInit"), 0);
}

} // namespace
