/* SPDX-License-Identifier: MIT */
/*
 * A test's hold on the fake CUDA driver (tests/fakes/libcuda), and the calls of
 * CUDA's that a test makes as the library's caller.
 *
 * Loading it by its path is enough: libdevrx then asks for "libcuda.so.1", and
 * the loader gives it what goes by that name already.
 */
#ifndef DEVRX_FAKES_FAKE_CUDA_H
#define DEVRX_FAKES_FAKE_CUDA_H

#include <cstdint>
#include <cstdlib>
#include <string>

#include <dlfcn.h>

#include "memory/cuda_api.h"

class FakeCuda
{
      public:
	/* False where it cannot be loaded; why() tells. */
	bool load(const std::string &path)
	{
		lib_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
		if (!lib_) {
			why_ = dlerror();
			return false;
		}
		find(&script, "devrx_fake_cuda_script");
		find(&add, "devrx_fake_cuda_add");
		find(&count, "devrx_fake_cuda_count");
		find(&Init, "cuInit");
		find(&CtxCreate, "cuCtxCreate_v2");
		find(&CtxDestroy, "cuCtxDestroy_v2");
		find(&CtxGetCurrent, "cuCtxGetCurrent");
		find(&CtxPopCurrent, "cuCtxPopCurrent_v2");
		find(&CtxPushCurrent, "cuCtxPushCurrent_v2");
		find(&PrimaryRetain, "cuDevicePrimaryCtxRetain");
		find(&PrimaryRelease, "cuDevicePrimaryCtxRelease_v2");
		find(&PrimaryReset, "cuDevicePrimaryCtxReset_v2");
		find(&MemAlloc, "cuMemAlloc_v2");
		find(&MemAllocManaged, "cuMemAllocManaged");
		find(&MemHostAlloc, "cuMemHostAlloc");
		find(&MemFree, "cuMemFree_v2");
		find(&MemCreate, "cuMemCreate");
		find(&MemRelease, "cuMemRelease");
		find(&MemAddressReserve, "cuMemAddressReserve");
		find(&MemAddressFree, "cuMemAddressFree");
		find(&MemMap, "cuMemMap");
		find(&MemUnmap, "cuMemUnmap");
		find(&PointerGetAttribute, "cuPointerGetAttribute");
		find(&StreamCreate, "cuStreamCreate");
		find(&StreamDestroy, "cuStreamDestroy_v2");
		find(&StreamSynchronize, "cuStreamSynchronize");
		find(&CtxSynchronize, "cuCtxSynchronize");
		find(&EventCreate, "cuEventCreate");
		find(&EventDestroy, "cuEventDestroy_v2");
		find(&EventRecord, "cuEventRecord");
		find(&EventQuery, "cuEventQuery");
		find(&EventSynchronize, "cuEventSynchronize");
		find(&MemFreeHost, "cuMemFreeHost");
		find(&MemcpyDtoH, "cuMemcpyDtoH_v2");
		find(&MemcpyHtoD, "cuMemcpyHtoD_v2");
		find(&MemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2");
		find(&MemsetD32Async, "cuMemsetD32Async");
		find(&ModuleLoadData, "cuModuleLoadData");
		find(&ModuleGetFunction, "cuModuleGetFunction");
		find(&LaunchKernel, "cuLaunchKernel");
		return true;
	}

	const std::string &why() const
	{
		return why_;
	}

	/* See tests/fakes/libcuda/script.c. */
	void (*script)(const char *);
	void (*add)(const char *);
	long (*count)(const char *);

	int (*Init)(unsigned int);
	int (*CtxCreate)(void **, unsigned int, int);
	int (*CtxDestroy)(void *);
	int (*CtxGetCurrent)(void **);
	int (*CtxPopCurrent)(void **);
	int (*CtxPushCurrent)(void *);
	int (*PrimaryRetain)(void **, int);
	int (*PrimaryRelease)(int);
	int (*PrimaryReset)(int);
	int (*MemAlloc)(uint64_t *, size_t);
	int (*MemAllocManaged)(uint64_t *, size_t, unsigned int);
	int (*MemHostAlloc)(void **, size_t, unsigned int);
	int (*MemFree)(uint64_t);
	int (*MemCreate)(uint64_t *, size_t, const drx_cu_prop *, uint64_t);
	int (*MemRelease)(uint64_t);
	int (*MemAddressReserve)(uint64_t *, size_t, size_t, uint64_t,
				 uint64_t);
	int (*MemAddressFree)(uint64_t, size_t);
	int (*MemMap)(uint64_t, size_t, size_t, uint64_t, uint64_t);
	int (*MemUnmap)(uint64_t, size_t);
	int (*PointerGetAttribute)(void *, int, uint64_t);
	int (*StreamCreate)(void **, unsigned int);
	int (*StreamDestroy)(void *);
	int (*StreamSynchronize)(void *);
	int (*CtxSynchronize)();
	int (*EventCreate)(void **, unsigned int);
	int (*EventDestroy)(void *);
	int (*EventRecord)(void *, void *);
	int (*EventQuery)(void *);
	int (*EventSynchronize)(void *);
	int (*MemFreeHost)(void *);
	int (*MemcpyDtoH)(void *, uint64_t, size_t);
	int (*MemcpyHtoD)(uint64_t, const void *, size_t);
	int (*MemcpyDtoHAsync)(void *, uint64_t, size_t, void *);
	int (*MemsetD32Async)(uint64_t, unsigned int, size_t, void *);
	int (*ModuleLoadData)(void **, const void *);
	int (*ModuleGetFunction)(void **, void *, const char *);
	int (*LaunchKernel)(void *, unsigned int, unsigned int, unsigned int,
			    unsigned int, unsigned int, unsigned int,
			    unsigned int, void *, void **, void **);

      private:
	template <typename T> void find(T *ret, const char *name)
	{
		*ret = reinterpret_cast<T>(dlsym(lib_, name));
		if (!*ret)
			abort();
	}

	void *lib_ = nullptr;
	std::string why_;
};

#endif /* DEVRX_FAKES_FAKE_CUDA_H */
