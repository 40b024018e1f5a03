// SPDX-License-Identifier: MIT
/*
 * Receive into device memory that the program has already: a tensor of a framework,
 * or, as here, what plays its caching allocator.
 *
 *	bring_your_own_tensor NIC|- PORT devrx_kernels.fatbin
 *
 * A NIC is given whole pages, and such an allocator cuts its blocks at 512 bytes:
 * the first try is refused with the cause "cuda-unaligned", the second takes the
 * pages that lie in the tensor. The sum of all bytes is made where they are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cuda_receive.h"

#define BLOCK ((uint64_t)18 << 20)

struct tensor {
	struct cuda cu;
	CUdeviceptr block; /* the allocator's */
	CUdeviceptr addr; /* the tensor, somewhere in it */
	uint64_t len;
	CUdeviceptr sum;
};

/* Where the pages of the host begin and end in the tensor. */
static int register_pages(const struct tensor *t, struct devrx_memory **mem,
			  struct devrx_memory_opts *opts)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t first = (t->addr + page - 1) / page * page;
	const uint64_t last = (t->addr + t->len) / page * page;

	return devrx_cuda_register(mem, first, last - first, opts);
}

static int register_tensor(const struct tensor *t, struct devrx_memory **mem,
			   struct devrx_cause *cause)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory_info info = { .size = sizeof(info) };
	int rc;

	opts.cause = cause;
	rc = devrx_cuda_register(mem, t->addr, t->len, &opts);
	if (rc && !strcmp(cause->id, "cuda-unaligned")) {
		fprintf(stderr, "%s: %s\n", cause->id, cause->text);
		memset(cause, 0, sizeof(*cause));
		rc = register_pages(t, mem, &opts);
	}
	if (!rc && !devrx_memory_info(*mem, &info))
		fprintf(stderr, "%" PRIu64 " bytes of %" PRIu64 ": %s\n",
			info.len, t->len, info.proof);
	return rc;
}

static int sum(void *sample, const struct devrx_kernel_args *batch,
	       uint64_t end)
{
	const struct tensor *t = sample;
	struct devrx_kernel_args args = *batch;

	(void)end;
	args.out = t->sum;
	return cuda_launch(&t->cu, "devrx_sum", &args);
}

static int run(struct tensor *t, char **argv, struct devrx_cause *cause)
{
	struct devrx_memory *mem = NULL;
	uint64_t total = 0;
	int rc;

	rc = register_tensor(t, &mem, cause);
	if (!rc)
		rc = cuda_receive(&t->cu, mem, argv[1], argv[2], sum, t, cause);
	/* From here on it is the framework's alone, as it was before. */
	devrx_memory_free(mem);
	if (!rc && cuda_failed(cuMemcpyDtoH(&total, t->sum, sizeof(total)),
			       "cuMemcpyDtoH"))
		rc = -EIO;
	if (!rc)
		printf("%" PRIu64 "\n", total);
	return rc;
}

int main(int argc, char **argv)
{
	struct devrx_cause cause = { 0 };
	struct tensor t = { 0 };
	int rc;

	if (argc != 4) {
		fprintf(stderr, "usage: bring_your_own_tensor NIC|- PORT "
				"devrx_kernels.fatbin\n");
		return 2;
	}
	rc = cuda_open(&t.cu, argv[3]);
	if (!rc &&
	    (cuda_failed(cuMemAlloc(&t.block, BLOCK), "cuMemAlloc") ||
	     cuda_failed(cuMemAlloc(&t.sum, sizeof(uint64_t)), "cuMemAlloc") ||
	     cuda_failed(cuMemsetD32Async(t.sum, 0, 2, t.cu.stream),
			 "cuMemsetD32Async")))
		rc = -EIO;
	t.addr = t.block + 512;
	t.len = 16 << 20;
	if (!rc)
		rc = run(&t, argv, &cause);
	if (t.block)
		(void)cuMemFree(t.block);
	if (t.sum)
		(void)cuMemFree(t.sum);
	cuda_close(&t.cu);
	return cuda_exit("bring_your_own_tensor", rc, &cause);
}
