// SPDX-License-Identifier: MIT
/*
 * The CUDA driver, found when it is needed: nothing is linked.
 *
 * Each entry point is asked for in the version whose signature cuda_api.h has, so
 * a newer driver cannot hand out a changed one. A driver older than 11.3 has no
 * cuGetProcAddress; there the name of the exported symbol says the version.
 *
 * Each memory has a table of its own, so nothing here is global. The driver
 * itself stays loaded: it has threads and exit handlers of its own, and does not
 * take being unloaded.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "memory/cuda_memory.h"
#include "util/cause.h"

#define LIBRARY "libcuda.so.1"

/* "cu" + NAME + SUFFIX is the symbol; VERSION is CUDA's, 11070 for 11.7. */
#define ENTRY(name, suffix, version)                                           \
	{                                                                      \
		"cu" #name, "cu" #name suffix, version,                        \
			offsetof(struct drx_cuda, name)                        \
	}

static const struct entry {
	const char *name;
	const char *symbol;
	int version;
	size_t offset;
} entries[] = {
	ENTRY(Init, "", 2000),
	ENTRY(DriverGetVersion, "", 2020),
	ENTRY(GetErrorName, "", 6000),
	ENTRY(DeviceGetCount, "", 2000),
	ENTRY(DeviceGet, "", 2000),
	ENTRY(DeviceGetByPCIBusId, "", 4010),
	ENTRY(DeviceGetPCIBusId, "", 4010),
	ENTRY(DeviceGetName, "", 2000),
	ENTRY(DeviceGetUuid, "_v2", 11040),
	ENTRY(DeviceGetAttribute, "", 2000),
	ENTRY(DevicePrimaryCtxRetain, "", 7000),
	ENTRY(DevicePrimaryCtxRelease, "_v2", 11000),
	ENTRY(DevicePrimaryCtxGetState, "", 7000),
	ENTRY(CtxGetCurrent, "", 4000),
	ENTRY(CtxPushCurrent, "_v2", 4000),
	ENTRY(CtxPopCurrent, "_v2", 4000),
	ENTRY(CtxGetDevice, "", 2000),
	ENTRY(MemAlloc, "_v2", 3020),
	ENTRY(MemFree, "_v2", 3020),
	ENTRY(MemGetAddressRange, "_v2", 3020),
	ENTRY(MemGetAllocationGranularity, "", 10020),
	ENTRY(MemCreate, "", 10020),
	ENTRY(MemRelease, "", 10020),
	ENTRY(MemAddressReserve, "", 10020),
	ENTRY(MemAddressFree, "", 10020),
	ENTRY(MemMap, "", 10020),
	ENTRY(MemUnmap, "", 10020),
	ENTRY(MemSetAccess, "", 10020),
	ENTRY(PointerGetAttribute, "", 4000),
	ENTRY(StreamCreate, "", 2000),
	ENTRY(StreamDestroy, "_v2", 4000),
	ENTRY(StreamSynchronize, "", 2000),
	ENTRY(MemcpyDtoHAsync, "_v2", 3020),
	ENTRY(MemcpyHtoDAsync, "_v2", 3020),
	ENTRY(MemcpyDtoDAsync, "_v2", 3020),
	ENTRY(ModuleLoadData, "", 2000),
	ENTRY(ModuleUnload, "", 2000),
	ENTRY(ModuleGetFunction, "", 2000),
	ENTRY(LaunchKernel, "", 4000),
	ENTRY(MemGetHandleForAddressRange, "", 11070),
	ENTRY(FlushGPUDirectRDMAWrites, "", 11030),
	ENTRY(EventQuery, "", 2000),
	ENTRY(EventCreate, "", 2000),
	ENTRY(EventDestroy, "_v2", 4000),
	ENTRY(EventRecord, "", 2000),
	ENTRY(EventSynchronize, "", 2000),
	ENTRY(MemHostRegister, "_v2", 6050),
	ENTRY(MemHostUnregister, "", 4000),
	ENTRY(ThreadExchangeStreamCaptureMode, "", 10010),
};

typedef int (*get_proc)(const char *name, void **ret, int version,
			uint64_t flags);

/* Function pointers and void pointers are the same to dlsym(), not to C. */
static void *find(const struct drx_cuda *cu, const struct entry *entry)
{
	void *found = dlsym(cu->lib, "cuGetProcAddress");
	get_proc get;

	if (!found)
		return dlsym(cu->lib, entry->symbol);
	memcpy(&get, &found, sizeof(get));
	found = NULL;
	if (get(entry->name, &found, entry->version, 0))
		return NULL;
	return found;
}

static int resolve(struct drx_cuda *cu, struct devrx_cause *cause)
{
	int version = 0;
	size_t i;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		void *found = find(cu, &entries[i]);

		if (!found) {
			if (cu->DriverGetVersion)
				(void)cu->DriverGetVersion(&version);
			return drx_fail(cause, -EOPNOTSUPP, "cuda-driver-old",
					"nvidia-smi  # then install a driver "
					"for CUDA 11.7 or newer",
					"the CUDA driver has no %s, which came "
					"with CUDA %d.%d; this one is for "
					"%d.%d",
					entries[i].name,
					entries[i].version / 1000,
					entries[i].version % 1000 / 10,
					version / 1000, version % 1000 / 10);
		}
		memcpy((char *)cu + entries[i].offset, &found, sizeof(found));
	}
	return 0;
}

/* cuInit() says "no device" where it may not open the node. */
static int fail_init(const struct drx_cuda *cu, struct devrx_cause *cause,
		     int result)
{
	int fd = open("/dev/nvidiactl", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		(void)close(fd);
	else if (errno == EACCES || errno == EPERM)
		return drx_fail(cause, -EACCES, "cuda-access",
				"ls -l /dev/nvidia*  # in a container: give it "
				"the GPU",
				"no permission to open /dev/nvidiactl");
	return drx_cuda_fail(cu, cause, result, "cuInit");
}

int drx_cuda_load(struct drx_cuda *cu, struct devrx_cause *cause)
{
	const char *why;
	int result, err;

	memset(cu, 0, sizeof(*cu));
	cu->lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!cu->lib) {
		why = dlerror();
		return drx_fail(cause, -ENOENT, "cuda-missing",
				"nvidia-smi  # then install NVIDIA's driver; "
				"in a container: give it the GPU",
				"there is no CUDA driver: %.160s",
				why ? why : LIBRARY);
	}
	err = resolve(cu, cause);
	if (err)
		goto err_unload;
	result = cu->Init(0);
	if (result) {
		err = fail_init(cu, cause, result);
		goto err_unload;
	}
	return 0;

err_unload:
	drx_cuda_unload(cu);
	return err;
}

void drx_cuda_unload(struct drx_cuda *cu)
{
	(void)dlclose(cu->lib);
	cu->lib = NULL;
}
