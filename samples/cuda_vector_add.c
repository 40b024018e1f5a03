// SPDX-License-Identifier: MIT
/*
 * A vector that arrives by TCP, plus one that the GPU has: out[i] = received[i] +
 * b[i], with b[i] = i, while the rest is still arriving.
 *
 *	cuda_vector_add NIC|- PORT devrx_kernels.fatbin cuda_vector_add.fatbin >OUT
 *
 * The peer sends 32-bit floats, little-endian, at most 8 Mi of them; OUT gets as
 * many. Fragments lie anywhere and cut numbers in two, so devrx_gather moves them
 * to their place, after which they go back to the NIC; then a kernel of our own,
 * cuda_vector_add.cu, adds what is complete. cuda_receive.c is the receiver.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda_receive.h"

enum { NR = 8 << 20, THREADS = 256 };

struct vector_add {
	struct cuda cu;
	CUmodule module;
	CUfunction add;
	CUdeviceptr a, b, out; /* NR floats each */
	uint64_t received; /* bytes */
	uint64_t done; /* numbers */
};

static int add(void *sample, const struct devrx_kernel_args *batch,
	       uint64_t end)
{
	struct vector_add *v = sample;
	struct devrx_kernel_args args = *batch;
	uint64_t to = end / sizeof(float);
	void *params[] = { &v->a, &v->b, &v->out, &v->done, &to };
	int rc;

	if (end > NR * sizeof(float))
		return -EFBIG;
	args.out = v->a;
	rc = cuda_launch(&v->cu, "devrx_gather", &args);
	if (rc)
		return rc;
	/* In the stream's order: after the gather. */
	if (cuda_failed(cuLaunchKernel(v->add, v->cu.blocks, 1, 1, THREADS, 1,
				       1, 0, v->cu.stream, params, NULL),
			"vector_add"))
		return -EIO;
	v->received = end;
	v->done = to;
	return 0;
}

static int prepare(struct vector_add *v, const char *image)
{
	float *b;
	bool failed;

	if (cuda_failed(cuModuleLoad(&v->module, image), image) ||
	    cuda_failed(cuModuleGetFunction(&v->add, v->module, "vector_add"),
			"vector_add") ||
	    cuda_failed(cuMemAlloc(&v->a, NR * sizeof(float)), "cuMemAlloc") ||
	    cuda_failed(cuMemAlloc(&v->b, NR * sizeof(float)), "cuMemAlloc") ||
	    cuda_failed(cuMemAlloc(&v->out, NR * sizeof(float)), "cuMemAlloc"))
		return -EIO;
	b = malloc(NR * sizeof(float));
	if (!b)
		return -ENOMEM;
	for (int i = 0; i < NR; i++)
		b[i] = (float)i;
	failed = cuda_failed(cuMemcpyHtoD(v->b, b, NR * sizeof(float)),
			     "cuMemcpyHtoD");
	free(b);
	return failed ? -EIO : 0;
}

static int print(const struct vector_add *v)
{
	const size_t len = v->done * sizeof(float);
	float *out = malloc(len + !len);
	int rc = out ? 0 : -ENOMEM;

	if (!rc && cuda_failed(cuMemcpyDtoH(out, v->out, len), "cuMemcpyDtoH"))
		rc = -EIO;
	if (!rc && fwrite(out, sizeof(float), v->done, stdout) != v->done)
		rc = -errno;
	if (v->received % sizeof(float))
		fprintf(stderr, "the last number is not complete\n");
	free(out);
	return rc;
}

static int run(struct vector_add *v, char **argv, struct devrx_cause *cause)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = NULL;
	int rc;

	mo.kind = "cuda"; /* in the current context */
	mo.len = 16 << 20;
	mo.cause = cause;
	rc = devrx_memory_alloc(&mem, &mo);
	if (!rc)
		rc = cuda_receive(&v->cu, mem, argv[1], argv[2], add, v, cause);
	devrx_memory_free(mem);
	return rc ? rc : print(v);
}

int main(int argc, char **argv)
{
	struct devrx_cause cause = { 0 };
	struct vector_add v = { 0 };
	int rc;

	if (argc != 5) {
		fprintf(stderr, "usage: cuda_vector_add NIC|- PORT "
				"devrx_kernels.fatbin "
				"cuda_vector_add.fatbin >OUT\n");
		return 2;
	}
	rc = cuda_open(&v.cu, argv[3]);
	if (!rc)
		rc = prepare(&v, argv[4]);
	if (!rc)
		rc = run(&v, argv, &cause);
	(void)cuMemFree(v.a);
	(void)cuMemFree(v.b);
	(void)cuMemFree(v.out);
	if (v.module)
		(void)cuModuleUnload(v.module);
	cuda_close(&v.cu);
	return cuda_exit("cuda_vector_add", rc, &cause);
}
