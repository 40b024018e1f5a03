/* SPDX-License-Identifier: MIT */
/* The first NVIDIA GPU of this machine, with the kernels loaded. */
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include <string>
#include <vector>

#include "gpu/cuda_driver.h"
#include "kernels/check.h"

class Gpu : public kernels::Device
{
      public:
	/* 0, or the exit code: 77 with a sentence where there is no GPU. */
	int open();

	uint64_t put(const void *bytes, size_t len, unsigned misalign) override;
	void get(uint64_t addr, void *bytes, size_t len) override;
	std::string launch(kernels::Kernel kernel,
			   const devrx_kernel_args &args,
			   unsigned blocks) override;
	void clear() override;

	/* Start only, on as many blocks as the device runs at once. */
	void start(kernels::Kernel kernel, const devrx_kernel_args &args);
	/* Ends the program when it fails: there is nothing to go on with. */
	void must(CUresult rc, const char *what);

	CudaDriver cu;
	std::string name, pci;
	int driver = 0, major = 0, minor = 0, sms = 0, writes_ordering = 0;
	bool dmabuf = false; /* the driver and the kernel can export them */
	CUfunction consume, consume_batch; /* of consumer.cu */

      private:
	CUfunction functions[kernels::NR];
	int blocks[kernels::NR];
	std::vector<CUdeviceptr> all;
};

/* "ok NAME", or why not and "not ok NAME"; whether it failed. */
int result_of(const std::string &name, const std::string &error);

/*
 * The parts, in kernels.cc, export.cc and ring_gpu.cc: 0, or 1 where something
 * failed. Without @everything: what tools that slow the GPU down can bear.
 */
int check_kernels(Gpu &gpu, bool everything);
int check_export(Gpu &gpu);
int check_ring(Gpu &gpu, bool everything);

/* Records per second that this core hands to the GPU, the median of 5 runs. */
double ring_rate(Gpu &gpu);

/*
 * Figures to stdout, and as JSON to @json unless that is NULL. 0, or 3 where a
 * limit was missed. A wrong result ends the program with 1.
 */
int bench(Gpu &gpu, const char *json);

/* Print what sample @name does for the stream in the file @path: 0, 1 or 2. */
int print_sample(const char *name, const char *path);

#endif
