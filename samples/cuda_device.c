// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cuda_device.h"

bool cuda_failed(CUresult result, const char *call)
{
	const char *name = "?";

	if (result == CUDA_SUCCESS)
		return false;
	(void)cuGetErrorName(result, &name);
	fprintf(stderr, "%s: %s\n", call, name);
	return true;
}

int cuda_open(struct cuda *cu, const char *image)
{
	int sms = 0;

	memset(cu, 0, sizeof(*cu));
	if (cuda_failed(cuInit(0), "cuInit") ||
	    cuda_failed(cuDeviceGet(&cu->device, 0), "cuDeviceGet") ||
	    cuda_failed(cuDeviceGetAttribute(
				&sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
				cu->device),
			"cuDeviceGetAttribute") ||
	    cuda_failed(cuDevicePrimaryCtxRetain(&cu->context, cu->device),
			"cuDevicePrimaryCtxRetain") ||
	    cuda_failed(cuCtxSetCurrent(cu->context), "cuCtxSetCurrent") ||
	    cuda_failed(cuStreamCreate(&cu->stream, CU_STREAM_NON_BLOCKING),
			"cuStreamCreate") ||
	    cuda_failed(cuModuleLoad(&cu->module, image), image))
		return -EIO;
	cu->blocks = (unsigned int)sms;
	return 0;
}

void cuda_close(struct cuda *cu)
{
	if (cu->module)
		(void)cuModuleUnload(cu->module);
	if (cu->stream)
		(void)cuStreamDestroy(cu->stream);
	if (cu->context)
		(void)cuDevicePrimaryCtxRelease(cu->device);
}

int cuda_launch(const struct cuda *cu, const char *kernel,
		const struct devrx_kernel_args *args)
{
	void *params[] = { (void *)(uintptr_t)args };
	CUfunction function;

	if (cuda_failed(cuModuleGetFunction(&function, cu->module, kernel),
			kernel) ||
	    cuda_failed(cuLaunchKernel(function, cu->blocks, 1, 1,
				       DEVRX_KERNEL_BLOCK, 1, 1, 0, cu->stream,
				       params, NULL),
			kernel))
		return -EIO;
	return 0;
}

int cuda_exit(const char *program, int rc, const struct devrx_cause *cause)
{
	if (rc)
		fprintf(stderr, "%s: %s\nnext: %s\n", program,
			cause->text[0] ? cause->text : strerror(-rc),
			cause->next);
	return rc ? 1 : 0;
}
