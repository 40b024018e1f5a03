// SPDX-License-Identifier: MIT
#include "gpu/gpu.h"

#include <cstdio>
#include <cstdlib>

/* Both images inside the program: one file to carry. */
asm(".section .rodata\n"
    ".balign 64\n"
    "devrx_kernels_fatbin:\n"
    ".incbin \"" DEVRX_TEST_FATBIN "\"\n"
    ".balign 64\n"
    "devrx_consumer_fatbin:\n"
    ".incbin \"" DEVRX_TEST_CONSUMER "\"\n"
    ".previous\n");
extern "C" const char devrx_kernels_fatbin[], devrx_consumer_fatbin[];

void Gpu::must(CUresult rc, const char *what)
{
	const char *error = "?";

	if (!rc)
		return;
	cu.cuGetErrorName(rc, &error);
	fprintf(stderr, "%s: %s\n", what, error);
	exit(1);
}

int Gpu::open()
{
	const std::string missing = cu.open();
	CUcontext context;
	CUmodule module, consumers;
	CUdevice device;
	char text[128];
	int value = 0;
	CUresult rc;

	if (!missing.empty()) {
		printf("skipped: this machine has no NVIDIA GPU that can be "
		       "used (%s)\n",
		       missing.c_str());
		return 77;
	}
	rc = cu.cuInit(0);
	if (rc == CUDA_ERROR_NO_DEVICE) {
		printf("skipped: this machine has an NVIDIA driver and no "
		       "GPU\n");
		return 77;
	}
	must(rc, "cuInit");
	must(cu.cuDeviceGet(&device, 0), "cuDeviceGet");
	must(cu.cuDeviceGetName(text, sizeof(text), device), "its name");
	name = text;
	must(cu.cuDeviceGetPCIBusId(text, sizeof(text), device), "its address");
	pci = text;
	/* A driver that does not know an attribute cannot do it. */
	dmabuf = !cu.cuDeviceGetAttribute(&value,
					  CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED,
					  device) &&
		 value;
	if (cu.cuDeviceGetAttribute(
		    &writes_ordering,
		    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING,
		    device))
		writes_ordering = 0;
	must(cu.cuDriverGetVersion(&driver), "cuDriverGetVersion");
	must(cu.cuDeviceGetAttribute(
		     &sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device),
	     "number of SMs");
	must(cu.cuDeviceGetAttribute(
		     &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
		     device),
	     "compute capability");
	must(cu.cuDeviceGetAttribute(
		     &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
		     device),
	     "compute capability");
	must(cu.cuDevicePrimaryCtxRetain(&context, device), "context");
	must(cu.cuCtxSetCurrent(context), "context");
	must(cu.cuModuleLoadData(&module, devrx_kernels_fatbin),
	     "loading the kernels");
	for (int k = 0; k < kernels::NR; k++) {
		must(cu.cuModuleGetFunction(&functions[k], module,
					    kernels::kernel_name[k]),
		     kernels::kernel_name[k]);
		must(cu.cuOccupancyMaxActiveBlocksPerMultiprocessor(
			     &blocks[k], functions[k], DEVRX_KERNEL_BLOCK, 0),
		     "occupancy");
		blocks[k] *= sms;
	}
	must(cu.cuModuleLoadData(&consumers, devrx_consumer_fatbin),
	     "loading the consumers");
	must(cu.cuModuleGetFunction(&consume, consumers, "devrx_test_consume"),
	     "devrx_test_consume");
	must(cu.cuModuleGetFunction(&consume_batch, consumers,
				    "devrx_test_consume_batch"),
	     "devrx_test_consume_batch");
	return 0;
}

/* No byte more than asked for, so that memcheck sees a step too far. */
uint64_t Gpu::put(const void *bytes, size_t len, unsigned misalign)
{
	CUdeviceptr at;

	must(cu.cuMemAlloc(&at, misalign + len + !len), "cuMemAlloc");
	all.push_back(at);
	if (len && bytes)
		must(cu.cuMemcpyHtoD(at + misalign, bytes, len),
		     "cuMemcpyHtoD");
	return at + misalign;
}

void Gpu::get(uint64_t addr, void *bytes, size_t len)
{
	must(cu.cuMemcpyDtoH(bytes, addr, len), "cuMemcpyDtoH");
}

std::string Gpu::launch(kernels::Kernel kernel, const devrx_kernel_args &args,
			unsigned nr)
{
	void *parameters[] = { (void *)&args };

	must(cu.cuLaunchKernel(functions[kernel], nr, 1, 1, DEVRX_KERNEL_BLOCK,
			       1, 1, 0, nullptr, parameters, nullptr),
	     kernels::kernel_name[kernel]);
	must(cu.cuCtxSynchronize(), kernels::kernel_name[kernel]);
	return "";
}

void Gpu::start(kernels::Kernel kernel, const devrx_kernel_args &args)
{
	void *parameters[] = { (void *)&args };

	must(cu.cuLaunchKernel(functions[kernel], blocks[kernel], 1, 1,
			       DEVRX_KERNEL_BLOCK, 1, 1, 0, nullptr, parameters,
			       nullptr),
	     kernels::kernel_name[kernel]);
}

void Gpu::clear()
{
	for (CUdeviceptr at : all)
		must(cu.cuMemFree(at), "cuMemFree");
	all.clear();
}
