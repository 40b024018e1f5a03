/* SPDX-License-Identifier: MIT */
/*
 * The part of the CUDA driver API that we call, mirrored, so that building needs
 * no toolkit. Values and layouts are those of cuda.h, which has kept them since
 * the release that brought them; where that header exists
 * tests/unit/memory_cuda_api_test.cc holds ours against it.
 *
 * CUDA's enums are ints here, its handles void pointers: the same to the ABI.
 */
#ifndef DRX_CUDA_API_H
#define DRX_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

/* enum cudaError_enum, those that we tell from others. */
enum {
	DRX_CU_SUCCESS = 0,
	DRX_CU_INVALID_VALUE = 1,
	DRX_CU_OUT_OF_MEMORY = 2,
	DRX_CU_NOT_INITIALIZED = 3,
	DRX_CU_DEINITIALIZED = 4,
	DRX_CU_STUB_LIBRARY = 34,
	DRX_CU_DEVICE_UNAVAILABLE = 46,
	DRX_CU_NO_DEVICE = 100,
	DRX_CU_INVALID_DEVICE = 101,
	DRX_CU_INVALID_CONTEXT = 201,
	DRX_CU_ECC_UNCORRECTABLE = 214,
	DRX_CU_NVLINK_UNCORRECTABLE = 220,
	DRX_CU_CONTAINED = 226,
	DRX_CU_OPERATING_SYSTEM = 304,
	DRX_CU_INVALID_HANDLE = 400,
	DRX_CU_NOT_FOUND = 500,
	DRX_CU_NOT_READY = 600,
	DRX_CU_ILLEGAL_ADDRESS = 700,
	DRX_CU_LAUNCH_TIMEOUT = 702,
	DRX_CU_CONTEXT_IS_DESTROYED = 709,
	DRX_CU_ASSERT = 710,
	DRX_CU_HARDWARE_STACK_ERROR = 714,
	DRX_CU_ILLEGAL_INSTRUCTION = 715,
	DRX_CU_MISALIGNED_ADDRESS = 716,
	DRX_CU_INVALID_ADDRESS_SPACE = 717,
	DRX_CU_INVALID_PC = 718,
	DRX_CU_LAUNCH_FAILED = 719,
	DRX_CU_NOT_PERMITTED = 800,
	DRX_CU_NOT_SUPPORTED = 801,
	DRX_CU_SYSTEM_NOT_READY = 802,
	DRX_CU_SYSTEM_DRIVER_MISMATCH = 803,
	DRX_CU_COMPAT_NOT_SUPPORTED_ON_DEVICE = 804,
	DRX_CU_STREAM_CAPTURE_UNSUPPORTED = 900,
	DRX_CU_EXTERNAL_DEVICE = 911,
	DRX_CU_UNKNOWN = 999,
};

/* enum CUdevice_attribute */
enum {
	/* Only where the CPU and the GPU share page tables, as on Grace. */
	DRX_CU_ATTR_HOST_PAGE_TABLES = 100,
	DRX_CU_ATTR_RDMA_WITH_VMM = 110,
	DRX_CU_ATTR_RDMA = 116,
	DRX_CU_ATTR_FLUSH_WRITES_OPTIONS = 117,
	DRX_CU_ATTR_WRITES_ORDERING = 118,
	DRX_CU_ATTR_DMA_BUF = 124,
};

/* enum CUpointer_attribute */
enum {
	DRX_CU_POINTER_MEMORY_TYPE = 2,
	DRX_CU_POINTER_BUFFER_ID = 7,
	DRX_CU_POINTER_IS_MANAGED = 8,
	DRX_CU_POINTER_DEVICE_ORDINAL = 9,
};

/* enum CUmemorytype */
enum { DRX_CU_MEMORYTYPE_HOST = 1, DRX_CU_MEMORYTYPE_DEVICE = 2 };

/* enum CUmemRangeHandleType (11.7) */
enum { DRX_CU_RANGE_DMA_BUF_FD = 1 };

/* enums CUflushGPUDirectRDMAWritesOptions, CUGPUDirectRDMAWritesOrdering,
 * CUflushGPUDirectRDMAWritesTarget and CUflushGPUDirectRDMAWritesScope */
enum {
	DRX_CU_FLUSH_OPTION_HOST = 1,
	DRX_CU_WRITES_ORDERING_OWNER = 100,
	DRX_CU_FLUSH_TARGET_CURRENT_CTX = 0,
	DRX_CU_FLUSH_TO_OWNER = 100,
};

/* enums CUmemAllocationType, CUmemLocationType, CUmemAccess_flags,
 * CUmemAllocationGranularity_flags, CUstream_flags, CUstreamCaptureMode
 * and CUevent_flags */
enum {
	DRX_CU_ALLOCATION_PINNED = 1,
	DRX_CU_LOCATION_DEVICE = 1,
	DRX_CU_ACCESS_READWRITE = 3,
	DRX_CU_GRANULARITY_MINIMUM = 0,
	DRX_CU_STREAM_NON_BLOCKING = 1,
	DRX_CU_CAPTURE_RELAXED = 2,
	DRX_CU_EVENT_DISABLE_TIMING = 2,
};

/* struct CUmemLocation_st */
struct drx_cu_location {
	int type;
	int id;
};

/* struct CUmemAllocationProp_st */
struct drx_cu_prop {
	int type;
	int handle_types;
	struct drx_cu_location location;
	void *win32;
	struct {
		unsigned char compression;
		unsigned char rdma_capable;
		unsigned short usage;
		unsigned char reserved[4];
	} flags;
};

/* struct CUmemAccessDesc_st */
struct drx_cu_access {
	struct drx_cu_location location;
	int flags;
};

/* The entry points; each member is its name in cuda.h less the "cu". */
struct drx_cuda {
	void *lib;
	int (*Init)(unsigned int flags);
	int (*DriverGetVersion)(int *ret);
	int (*GetErrorName)(int result, const char **ret);
	int (*DeviceGetCount)(int *ret);
	int (*DeviceGet)(int *ret, int idx);
	int (*DeviceGetByPCIBusId)(int *ret, const char *addr);
	int (*DeviceGetPCIBusId)(char *ret, int len, int dev);
	int (*DeviceGetName)(char *ret, int len, int dev);
	int (*DeviceGetUuid)(unsigned char ret[16], int dev);
	int (*DeviceGetAttribute)(int *ret, int attr, int dev);
	int (*DevicePrimaryCtxRetain)(void **ret, int dev);
	int (*DevicePrimaryCtxRelease)(int dev);
	int (*DevicePrimaryCtxGetState)(int dev, unsigned int *flags,
					int *active);
	int (*CtxGetCurrent)(void **ret);
	int (*CtxPushCurrent)(void *ctx);
	int (*CtxPopCurrent)(void **ret);
	int (*CtxGetDevice)(int *ret);
	int (*MemAlloc)(uint64_t *ret, size_t len);
	int (*MemFree)(uint64_t addr);
	int (*MemGetAddressRange)(uint64_t *base, size_t *len, uint64_t addr);
	int (*MemGetAllocationGranularity)(size_t *ret,
					   const struct drx_cu_prop *prop,
					   int option);
	int (*MemCreate)(uint64_t *ret, size_t len,
			 const struct drx_cu_prop *prop, uint64_t flags);
	int (*MemRelease)(uint64_t handle);
	int (*MemAddressReserve)(uint64_t *ret, size_t len, size_t alignment,
				 uint64_t addr, uint64_t flags);
	int (*MemAddressFree)(uint64_t addr, size_t len);
	int (*MemMap)(uint64_t addr, size_t len, size_t off, uint64_t handle,
		      uint64_t flags);
	int (*MemUnmap)(uint64_t addr, size_t len);
	int (*MemSetAccess)(uint64_t addr, size_t len,
			    const struct drx_cu_access *desc, size_t nr);
	int (*PointerGetAttribute)(void *ret, int attr, uint64_t addr);
	int (*StreamCreate)(void **ret, unsigned int flags);
	int (*StreamDestroy)(void *stream);
	int (*StreamSynchronize)(void *stream);
	int (*MemcpyDtoHAsync)(void *to, uint64_t from, size_t len,
			       void *stream);
	int (*MemcpyHtoDAsync)(uint64_t to, const void *from, size_t len,
			       void *stream);
	int (*MemcpyDtoDAsync)(uint64_t to, uint64_t from, size_t len,
			       void *stream);
	int (*ModuleLoadData)(void **ret, const void *image);
	int (*ModuleUnload)(void *module);
	int (*ModuleGetFunction)(const void **ret, void *module,
				 const char *name);
	int (*LaunchKernel)(const void *function, unsigned int gx,
			    unsigned int gy, unsigned int gz, unsigned int bx,
			    unsigned int by, unsigned int bz,
			    unsigned int shared, void *stream, void **params,
			    void **extra);
	int (*MemGetHandleForAddressRange)(void *ret, uint64_t addr, size_t len,
					   int type, uint64_t flags);
	int (*FlushGPUDirectRDMAWrites)(int target, int scope);
	int (*EventQuery)(void *event);
	int (*EventCreate)(void **ret, unsigned int flags);
	int (*EventDestroy)(void *event);
	int (*EventRecord)(void *event, void *stream);
	int (*EventSynchronize)(void *event);
	int (*MemHostRegister)(void *addr, size_t len, unsigned int flags);
	int (*MemHostUnregister)(void *addr);
	int (*ThreadExchangeStreamCaptureMode)(int *mode);
};

#endif /* DRX_CUDA_API_H */
