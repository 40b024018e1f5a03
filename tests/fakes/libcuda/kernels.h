/* SPDX-License-Identifier: MIT */
/* The kernels that the fake has: their CUDA source, compiled for the CPU. */
#ifndef DEVRX_FAKE_CUDA_KERNELS_H
#define DEVRX_FAKE_CUDA_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FAKE_PARAMS_MAX = 5 };

struct fake_kernel {
	const char *name;
	unsigned int threads; /* of a block, built into it; 0: any number */
	size_t params[FAKE_PARAMS_MAX]; /* their sizes, 0 behind the last */
	/* Say to fake_open() what a launch may touch, what it only reads first;
	 * false where that has said so. */
	bool (*open)(void *const *params);
	void (*run)(unsigned int blocks, unsigned int threads,
		    void *const *params);
};

/* kernels.cc; NULL: there is none of that name. */
const struct fake_kernel *fake_kernel_named(const char *name);

/*
 * access.c: let a kernel read these bytes of the device's, or write them too;
 * false where not all are its context's. What is not opened crashes it.
 */
bool fake_open(uint64_t addr, size_t len, bool write);

#ifdef __cplusplus
}
#endif

#endif /* DEVRX_FAKE_CUDA_KERNELS_H */
