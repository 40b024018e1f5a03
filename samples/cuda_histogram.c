// SPDX-License-Identifier: MIT
/*
 * One TCP connection into a GPU's memory, which counts there how often each value
 * of a byte occurs.
 *
 *	cuda_histogram NIC|- PORT devrx_kernels.fatbin
 *
 * Prints 256 lines: the value, and how often. cuda_receive.c is the receiver.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cuda_receive.h"

struct histogram {
	struct cuda cu;
	CUdeviceptr bins; /* 256 of 64 bits; launches add to them */
};

static int count(void *sample, const struct devrx_kernel_args *batch,
		 uint64_t end)
{
	const struct histogram *h = sample;
	struct devrx_kernel_args args = *batch;

	(void)end;
	args.out = h->bins;
	return cuda_launch(&h->cu, "devrx_histogram", &args);
}

static int run(struct histogram *h, char **argv, struct devrx_cause *cause)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = NULL;
	uint64_t bins[256];
	int rc;

	mo.kind = "cuda"; /* in the current context */
	mo.len = 16 << 20;
	mo.cause = cause;
	rc = devrx_memory_alloc(&mem, &mo);
	if (!rc)
		rc = cuda_receive(&h->cu, mem, argv[1], argv[2], count, h,
				  cause);
	if (!rc && cuda_failed(cuMemcpyDtoH(bins, h->bins, sizeof(bins)),
			       "cuMemcpyDtoH"))
		rc = -EIO;
	for (int i = 0; !rc && i < 256; i++)
		printf("%d %" PRIu64 "\n", i, bins[i]);
	devrx_memory_free(mem);
	return rc;
}

int main(int argc, char **argv)
{
	struct devrx_cause cause = { 0 };
	struct histogram h = { 0 };
	int rc;

	if (argc != 4) {
		fprintf(stderr, "usage: cuda_histogram NIC|- PORT "
				"devrx_kernels.fatbin\n");
		return 2;
	}
	rc = cuda_open(&h.cu, argv[3]);
	if (!rc &&
	    (cuda_failed(cuMemAlloc(&h.bins, 256 * sizeof(uint64_t)),
			 "cuMemAlloc") ||
	     cuda_failed(cuMemsetD32Async(h.bins, 0, 2 * 256, h.cu.stream),
			 "cuMemsetD32Async")))
		rc = -EIO;
	if (!rc)
		rc = run(&h, argv, &cause);
	if (h.bins)
		(void)cuMemFree(h.bins);
	cuda_close(&h.cu);
	return cuda_exit("cuda_histogram", rc, &cause);
}
