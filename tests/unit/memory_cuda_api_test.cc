// SPDX-License-Identifier: MIT
/*
 * Our mirror of the CUDA driver API is what cuda.h says, where that is installed.
 * Building this is the test; without the header it tells that it did nothing.
 */
#include <gtest/gtest.h>

#include "memory/cuda_api.h"

#if __has_include(<cudaTypedefs.h>)

#include <cstddef>
#include <cudaTypedefs.h>
#include <type_traits>

namespace
{

#define SAME(ours, theirs)                                                     \
	static_assert(static_cast<long>(ours) == static_cast<long>(theirs),    \
		      #ours " is " #theirs)

SAME(DRX_CU_SUCCESS, CUDA_SUCCESS);
SAME(DRX_CU_INVALID_VALUE, CUDA_ERROR_INVALID_VALUE);
SAME(DRX_CU_OUT_OF_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
SAME(DRX_CU_NOT_INITIALIZED, CUDA_ERROR_NOT_INITIALIZED);
SAME(DRX_CU_DEINITIALIZED, CUDA_ERROR_DEINITIALIZED);
SAME(DRX_CU_STUB_LIBRARY, CUDA_ERROR_STUB_LIBRARY);
SAME(DRX_CU_DEVICE_UNAVAILABLE, CUDA_ERROR_DEVICE_UNAVAILABLE);
SAME(DRX_CU_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
SAME(DRX_CU_INVALID_DEVICE, CUDA_ERROR_INVALID_DEVICE);
SAME(DRX_CU_INVALID_CONTEXT, CUDA_ERROR_INVALID_CONTEXT);
SAME(DRX_CU_ECC_UNCORRECTABLE, CUDA_ERROR_ECC_UNCORRECTABLE);
SAME(DRX_CU_NVLINK_UNCORRECTABLE, CUDA_ERROR_NVLINK_UNCORRECTABLE);
SAME(DRX_CU_OPERATING_SYSTEM, CUDA_ERROR_OPERATING_SYSTEM);
SAME(DRX_CU_INVALID_HANDLE, CUDA_ERROR_INVALID_HANDLE);
SAME(DRX_CU_NOT_FOUND, CUDA_ERROR_NOT_FOUND);
SAME(DRX_CU_NOT_READY, CUDA_ERROR_NOT_READY);
SAME(DRX_CU_ILLEGAL_ADDRESS, CUDA_ERROR_ILLEGAL_ADDRESS);
SAME(DRX_CU_LAUNCH_TIMEOUT, CUDA_ERROR_LAUNCH_TIMEOUT);
SAME(DRX_CU_CONTEXT_IS_DESTROYED, CUDA_ERROR_CONTEXT_IS_DESTROYED);
SAME(DRX_CU_ASSERT, CUDA_ERROR_ASSERT);
SAME(DRX_CU_HARDWARE_STACK_ERROR, CUDA_ERROR_HARDWARE_STACK_ERROR);
SAME(DRX_CU_ILLEGAL_INSTRUCTION, CUDA_ERROR_ILLEGAL_INSTRUCTION);
SAME(DRX_CU_MISALIGNED_ADDRESS, CUDA_ERROR_MISALIGNED_ADDRESS);
SAME(DRX_CU_INVALID_ADDRESS_SPACE, CUDA_ERROR_INVALID_ADDRESS_SPACE);
SAME(DRX_CU_INVALID_PC, CUDA_ERROR_INVALID_PC);
SAME(DRX_CU_LAUNCH_FAILED, CUDA_ERROR_LAUNCH_FAILED);
SAME(DRX_CU_NOT_PERMITTED, CUDA_ERROR_NOT_PERMITTED);
SAME(DRX_CU_NOT_SUPPORTED, CUDA_ERROR_NOT_SUPPORTED);
SAME(DRX_CU_SYSTEM_NOT_READY, CUDA_ERROR_SYSTEM_NOT_READY);
SAME(DRX_CU_SYSTEM_DRIVER_MISMATCH, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
SAME(DRX_CU_COMPAT_NOT_SUPPORTED_ON_DEVICE,
     CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE);
SAME(DRX_CU_STREAM_CAPTURE_UNSUPPORTED, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
SAME(DRX_CU_EXTERNAL_DEVICE, CUDA_ERROR_EXTERNAL_DEVICE);
SAME(DRX_CU_UNKNOWN, CUDA_ERROR_UNKNOWN);
SAME(DRX_CU_ATTR_HOST_PAGE_TABLES,
     CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES);
SAME(DRX_CU_ATTR_RDMA_WITH_VMM,
     CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED);
SAME(DRX_CU_ATTR_RDMA, CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED);
SAME(DRX_CU_ATTR_FLUSH_WRITES_OPTIONS,
     CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS);
SAME(DRX_CU_ATTR_WRITES_ORDERING,
     CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING);
SAME(DRX_CU_ATTR_DMA_BUF, CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED);
SAME(DRX_CU_POINTER_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
SAME(DRX_CU_POINTER_BUFFER_ID, CU_POINTER_ATTRIBUTE_BUFFER_ID);
SAME(DRX_CU_POINTER_IS_MANAGED, CU_POINTER_ATTRIBUTE_IS_MANAGED);
SAME(DRX_CU_POINTER_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
SAME(DRX_CU_MEMORYTYPE_HOST, CU_MEMORYTYPE_HOST);
SAME(DRX_CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_DEVICE);
SAME(DRX_CU_FLUSH_OPTION_HOST, CU_FLUSH_GPU_DIRECT_RDMA_WRITES_OPTION_HOST);
SAME(DRX_CU_WRITES_ORDERING_OWNER, CU_GPU_DIRECT_RDMA_WRITES_ORDERING_OWNER);
SAME(DRX_CU_FLUSH_TARGET_CURRENT_CTX,
     CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX);
SAME(DRX_CU_FLUSH_TO_OWNER, CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER);
SAME(DRX_CU_ALLOCATION_PINNED, CU_MEM_ALLOCATION_TYPE_PINNED);
SAME(DRX_CU_LOCATION_DEVICE, CU_MEM_LOCATION_TYPE_DEVICE);
SAME(DRX_CU_ACCESS_READWRITE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
SAME(DRX_CU_GRANULARITY_MINIMUM, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
SAME(DRX_CU_STREAM_NON_BLOCKING, CU_STREAM_NON_BLOCKING);
SAME(DRX_CU_CAPTURE_RELAXED, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME(DRX_CU_EVENT_DISABLE_TIMING, CU_EVENT_DISABLE_TIMING);
#if CUDA_VERSION >= 11070
SAME(DRX_CU_RANGE_DMA_BUF_FD, CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD);
#endif
#if CUDA_VERSION >= 12080
SAME(DRX_CU_CONTAINED, CUDA_ERROR_CONTAINED);
#endif

SAME(sizeof(drx_cu_prop), sizeof(CUmemAllocationProp));
SAME(offsetof(drx_cu_prop, location), offsetof(CUmemAllocationProp, location));
SAME(offsetof(drx_cu_prop, win32),
     offsetof(CUmemAllocationProp, win32HandleMetaData));
SAME(offsetof(drx_cu_prop, flags.rdma_capable),
     offsetof(CUmemAllocationProp, allocFlags.gpuDirectRDMACapable));
SAME(offsetof(drx_cu_prop, flags.usage),
     offsetof(CUmemAllocationProp, allocFlags.usage));
SAME(sizeof(drx_cu_access), sizeof(CUmemAccessDesc));
SAME(offsetof(drx_cu_access, flags), offsetof(CUmemAccessDesc, flags));
SAME(sizeof(CUdeviceptr), sizeof(uint64_t));
SAME(sizeof(CUmemGenericAllocationHandle), sizeof(uint64_t));
SAME(sizeof(CUdevice), sizeof(int));
SAME(sizeof(CUresult), sizeof(int));
SAME(sizeof(CUuuid), 16);

/* An int for an enum, a void pointer for a handle: the same to the ABI. */
template <typename A, typename B> constexpr bool passed_alike()
{
	if constexpr (std::is_pointer_v<A>)
		return std::is_pointer_v<B>;
	else
		return !std::is_pointer_v<B> && sizeof(A) == sizeof(B);
}

template <typename F, typename G> struct Alike : std::false_type {
};
template <typename A, typename... As, typename B, typename... Bs>
struct Alike<A (*)(As...), B (*)(Bs...)> {
	static constexpr bool count = sizeof...(As) == sizeof...(Bs);
	template <bool same> static constexpr bool check()
	{
		if constexpr (same)
			return passed_alike<A, B>() &&
			       (passed_alike<As, Bs>() && ...);
		else
			return false;
	}
	static constexpr bool value = check<count>();
};

/* Each entry point against the signature of the version that we ask for. */
#define CALL(name, version)                                                    \
	static_assert(Alike<decltype(drx_cuda::name),                          \
			    PFN_cu##name##_v##version>::value,                 \
		      "cu" #name)

CALL(Init, 2000);
CALL(DriverGetVersion, 2020);
CALL(GetErrorName, 6000);
CALL(DeviceGetCount, 2000);
CALL(DeviceGet, 2000);
CALL(DeviceGetByPCIBusId, 4010);
CALL(DeviceGetPCIBusId, 4010);
CALL(DeviceGetName, 2000);
CALL(DeviceGetUuid, 11040);
CALL(DeviceGetAttribute, 2000);
CALL(DevicePrimaryCtxRetain, 7000);
CALL(DevicePrimaryCtxRelease, 11000);
CALL(DevicePrimaryCtxGetState, 7000);
CALL(CtxGetCurrent, 4000);
CALL(CtxPushCurrent, 4000);
CALL(CtxPopCurrent, 4000);
CALL(CtxGetDevice, 2000);
CALL(MemAlloc, 3020);
CALL(MemFree, 3020);
CALL(MemGetAddressRange, 3020);
CALL(MemGetAllocationGranularity, 10020);
CALL(MemCreate, 10020);
CALL(MemRelease, 10020);
CALL(MemAddressReserve, 10020);
CALL(MemAddressFree, 10020);
CALL(MemMap, 10020);
CALL(MemUnmap, 10020);
CALL(MemSetAccess, 10020);
CALL(PointerGetAttribute, 4000);
CALL(StreamCreate, 2000);
CALL(StreamDestroy, 4000);
CALL(StreamSynchronize, 2000);
CALL(MemcpyDtoHAsync, 3020);
CALL(MemcpyHtoDAsync, 3020);
CALL(MemcpyDtoDAsync, 3020);
CALL(ModuleLoadData, 2000);
CALL(ModuleUnload, 2000);
CALL(ModuleGetFunction, 2000);
CALL(LaunchKernel, 4000);
CALL(MemGetHandleForAddressRange, 11070);
CALL(FlushGPUDirectRDMAWrites, 11030);
CALL(EventQuery, 2000);
CALL(EventCreate, 2000);
CALL(EventDestroy, 4000);
CALL(EventRecord, 2000);
CALL(EventSynchronize, 2000);
CALL(MemHostRegister, 6050);
CALL(MemHostUnregister, 4000);
CALL(ThreadExchangeStreamCaptureMode, 10010);

TEST(MemoryCudaApi, IsWhatTheToolkitSays)
{
	/* It was compiled. */
	EXPECT_GE(CUDA_VERSION, 11030);
}

} // namespace

#else

TEST(MemoryCudaApi, IsWhatTheToolkitSays)
{
	GTEST_SKIP() << "cuda.h of the CUDA toolkit is not installed";
}

#endif
