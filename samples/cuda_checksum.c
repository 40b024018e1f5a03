// SPDX-License-Identifier: MIT
/*
 * One TCP connection into a GPU's memory, and the CRC-32C of the stream, which the
 * GPU makes where the NIC has put the bytes. No byte of it meets the CPU.
 *
 *	cuda_checksum NIC|- PORT devrx_kernels.fatbin
 *
 * The kernels are in share/devrx once installed. cuda_receive.c is the receiver.
 */
#include <errno.h>
#include <stdio.h>

#include "cuda_receive.h"

struct checksum {
	struct cuda cu;
	CUdeviceptr crc; /* two, in turn: this launch's and the one before's */
	unsigned int nr; /* launches */
};

static CUdeviceptr crc_of(const struct checksum *c, unsigned int nr)
{
	return c->crc + nr % 2 * sizeof(uint32_t);
}

/* The CRC goes on where the last launch has left it. */
static int checksum(void *sample, const struct devrx_kernel_args *batch,
		    uint64_t end)
{
	struct checksum *c = sample;
	struct devrx_kernel_args args = *batch;

	(void)end;
	args.out = crc_of(c, c->nr + 1);
	args.before = c->nr ? crc_of(c, c->nr) : 0;
	c->nr++;
	if (cuda_failed(cuMemsetD32Async(args.out, 0, 1, c->cu.stream),
			"cuMemsetD32Async"))
		return -EIO;
	return cuda_launch(&c->cu, "devrx_crc32c", &args);
}

static int run(struct checksum *c, char **argv, struct devrx_cause *cause)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = NULL;
	uint32_t crc = 0;
	int rc;

	mo.kind = "cuda"; /* in the current context */
	mo.len = 16 << 20;
	mo.cause = cause;
	rc = devrx_memory_alloc(&mem, &mo);
	if (!rc)
		rc = cuda_receive(&c->cu, mem, argv[1], argv[2], checksum, c,
				  cause);
	if (!rc && c->nr &&
	    cuda_failed(cuMemcpyDtoH(&crc, crc_of(c, c->nr), sizeof(crc)),
			"cuMemcpyDtoH"))
		rc = -EIO;
	if (!rc)
		printf("%08x\n", crc);
	devrx_memory_free(mem);
	return rc;
}

int main(int argc, char **argv)
{
	struct devrx_cause cause = { 0 };
	struct checksum c = { 0 };
	int rc;

	if (argc != 4) {
		fprintf(stderr, "usage: cuda_checksum NIC|- PORT "
				"devrx_kernels.fatbin\n");
		return 2;
	}
	rc = cuda_open(&c.cu, argv[3]);
	if (!rc &&
	    cuda_failed(cuMemAlloc(&c.crc, 2 * sizeof(uint32_t)), "cuMemAlloc"))
		rc = -EIO;
	if (!rc)
		rc = run(&c, argv, &cause);
	if (c.crc)
		(void)cuMemFree(c.crc);
	cuda_close(&c.cu);
	return cuda_exit("cuda_checksum", rc, &cause);
}
