/* SPDX-License-Identifier: MIT */
/*
 * The few calls of the CUDA driver that the GPU tests make, found at run time:
 * the program builds and starts without CUDA.
 */
#ifndef GPU_CUDA_DRIVER_H
#define GPU_CUDA_DRIVER_H

#include <cstddef>
#include <cstdint>
#include <dlfcn.h>
#include <string>

/* From here names and numbers are CUDA's. */
typedef int CUresult;
typedef int CUdevice;
typedef uint64_t CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;

enum {
	CUDA_ERROR_NO_DEVICE = 100,
	CUDA_ERROR_NOT_READY = 600,
	CU_STREAM_NON_BLOCKING = 1,
	CU_EVENT_DISABLE_TIMING = 2,
	CU_MEMHOSTALLOC_DEVICEMAP = 2,
	CU_MEM_ATTACH_GLOBAL = 1,
	CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
	CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
	CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
	CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING = 118,
	CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED = 124,
};

struct CudaDriver {
	CUresult (*cuInit)(unsigned);
	CUresult (*cuDriverGetVersion)(int *);
	CUresult (*cuGetErrorName)(CUresult, const char **);
	CUresult (*cuDeviceGet)(CUdevice *, int);
	CUresult (*cuDeviceGetName)(char *, int, CUdevice);
	CUresult (*cuDeviceGetAttribute)(int *, int, CUdevice);
	CUresult (*cuDeviceGetPCIBusId)(char *, int, CUdevice);
	CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *, CUdevice);
	CUresult (*cuCtxSetCurrent)(CUcontext);
	CUresult (*cuCtxSynchronize)(void);
	CUresult (*cuModuleLoadData)(CUmodule *, const void *);
	CUresult (*cuModuleGetFunction)(CUfunction *, CUmodule, const char *);
	CUresult (*cuOccupancyMaxActiveBlocksPerMultiprocessor)(int *,
								CUfunction, int,
								size_t);
	CUresult (*cuMemGetInfo)(size_t *, size_t *);
	CUresult (*cuMemAlloc)(CUdeviceptr *, size_t);
	CUresult (*cuMemFree)(CUdeviceptr);
	CUresult (*cuMemAllocManaged)(CUdeviceptr *, size_t, unsigned);
	CUresult (*cuMemHostAlloc)(void **, size_t, unsigned);
	CUresult (*cuMemHostGetDevicePointer)(CUdeviceptr *, void *, unsigned);
	CUresult (*cuMemFreeHost)(void *);
	CUresult (*cuMemsetD8)(CUdeviceptr, unsigned char, size_t);
	CUresult (*cuMemcpyHtoD)(CUdeviceptr, const void *, size_t);
	CUresult (*cuMemcpyDtoH)(void *, CUdeviceptr, size_t);
	CUresult (*cuMemcpyDtoDAsync)(CUdeviceptr, CUdeviceptr, size_t,
				      CUstream);
	CUresult (*cuLaunchKernel)(CUfunction, unsigned, unsigned, unsigned,
				   unsigned, unsigned, unsigned, unsigned,
				   CUstream, void **, void **);
	CUresult (*cuEventCreate)(CUevent *, unsigned);
	CUresult (*cuEventRecord)(CUevent, CUstream);
	CUresult (*cuEventSynchronize)(CUevent);
	CUresult (*cuEventElapsedTime)(float *, CUevent, CUevent);
	CUresult (*cuEventQuery)(CUevent);
	CUresult (*cuEventDestroy)(CUevent);
	CUresult (*cuStreamCreate)(CUstream *, unsigned);
	CUresult (*cuStreamSynchronize)(CUstream);
	/* Not in each driver that runs the rest: may be null. */
	CUresult (*cuStreamWriteValue32)(CUstream, CUdeviceptr, uint32_t,
					 unsigned);

	/* What is missing, or nothing. */
	std::string open()
	{
		void *so = dlopen("libcuda.so.1", RTLD_NOW);
		std::string missing;
		auto find = [&](auto *to, const char *name) {
			*(void **)to = dlsym(so, name);
			if (!*to && missing.empty())
				missing = std::string("libcuda.so.1 has no ") +
					  name;
		};

		if (!so)
			return std::string("no NVIDIA driver: ") + dlerror();
#define FIND(name) find(&name, #name)
		FIND(cuInit);
		FIND(cuDriverGetVersion);
		FIND(cuGetErrorName);
		FIND(cuDeviceGet);
		FIND(cuDeviceGetName);
		FIND(cuDeviceGetAttribute);
		FIND(cuDeviceGetPCIBusId);
		FIND(cuMemAllocManaged);
		FIND(cuMemHostAlloc);
		FIND(cuMemFreeHost);
		FIND(cuDevicePrimaryCtxRetain);
		FIND(cuCtxSetCurrent);
		FIND(cuCtxSynchronize);
		FIND(cuModuleLoadData);
		FIND(cuModuleGetFunction);
		FIND(cuOccupancyMaxActiveBlocksPerMultiprocessor);
		FIND(cuLaunchKernel);
		FIND(cuEventCreate);
		FIND(cuEventRecord);
		FIND(cuEventSynchronize);
		FIND(cuEventElapsedTime);
		FIND(cuEventQuery);
		FIND(cuStreamCreate);
		FIND(cuStreamSynchronize);
#undef FIND
		find(&cuMemGetInfo, "cuMemGetInfo_v2");
		find(&cuMemHostGetDevicePointer,
		     "cuMemHostGetDevicePointer_v2");
		find(&cuEventDestroy, "cuEventDestroy_v2");
		*(void **)&cuStreamWriteValue32 =
			dlsym(so, "cuStreamWriteValue32_v2");
		find(&cuMemAlloc, "cuMemAlloc_v2");
		find(&cuMemFree, "cuMemFree_v2");
		find(&cuMemsetD8, "cuMemsetD8_v2");
		find(&cuMemcpyHtoD, "cuMemcpyHtoD_v2");
		find(&cuMemcpyDtoH, "cuMemcpyDtoH_v2");
		find(&cuMemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2");
		return missing;
	}
};

#endif
