/* SPDX-License-Identifier: MIT */
/*
 * A device, a stream, and devrx's kernels: what any program has that computes with
 * CUDA, and that has nothing to do with receiving.
 */
#ifndef CUDA_DEVICE_H
#define CUDA_DEVICE_H

#include <stdbool.h>

#include <cuda.h>

#include <devrx/error.h>
#include <devrx/kernels.h>

struct cuda {
	CUdevice device;
	CUcontext context;
	CUstream stream;
	CUmodule module;
	unsigned int blocks; /* of a launch: enough to fill the device */
};

/* Did @call fail? Then say so. */
bool cuda_failed(CUresult result, const char *call);

/*
 * Device 0's primary context, current from now on, as a program on the CUDA
 * runtime has it; a stream; and the kernels in @image, devrx_kernels.fatbin.
 * cuda_close() in any case. 0 or a negative errno.
 */
int cuda_open(struct cuda *cu, const char *image);
void cuda_close(struct cuda *cu);

/* Start one of devrx's kernels on the stream. 0 or a negative errno. */
int cuda_launch(const struct cuda *cu, const char *kernel,
		const struct devrx_kernel_args *args);

/* The exit code for @rc, and the reason on stderr. */
int cuda_exit(const char *program, int rc, const struct devrx_cause *cause);

#endif
