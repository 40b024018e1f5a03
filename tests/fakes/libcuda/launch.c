// SPDX-License-Identifier: MIT
/*
 * Modules and launches. An image is looked at as far as its magic number: what
 * runs is the kernel of that name in kernels.cc.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "kernels.h"
#include "mapping.h"
#include "stream.h"

/* enum cudaError_enum, those that devrx does not tell from others. */
enum { INVALID_IMAGE = 200, FILE_NOT_FOUND = 301 };
/* What nvcc -fatbin begins with. */
#define FATBIN UINT32_C(0xba55ed50)

struct launch {
	struct fake_work work;
	const struct fake_kernel *kernel;
	unsigned int blocks, threads;
	void *params[FAKE_PARAMS_MAX];
	_Alignas(16) char bytes[128]; /* where params[] point to */
};

struct fill {
	struct fake_work work;
	uint64_t addr;
	size_t nr;
	uint32_t value;
};

static int load(void **ret, uint32_t magic)
{
	static int module;
	struct fake_context *ctx;
	int result = fake_current(&ctx);

	if (!result && magic != FATBIN)
		result = INVALID_IMAGE;
	if (!result)
		*ret = &module;
	return result;
}

FAKE_API int cuModuleLoadData(void **ret, const void *image)
{
	uint32_t magic;

	BEGIN("cuModuleLoadData");
	memcpy(&magic, image, sizeof(magic));
	return fake_end(load(ret, magic));
}

FAKE_API int cuModuleLoad(void **ret, const char *path)
{
	uint32_t magic = 0;
	FILE *f;

	BEGIN("cuModuleLoad");
	f = fopen(path, "re");
	if (!f)
		return fake_end(FILE_NOT_FOUND);
	(void)!fread(&magic, sizeof(magic), 1, f);
	(void)fclose(f);
	return fake_end(load(ret, magic));
}

FAKE_API int cuModuleUnload(void *module)
{
	(void)module;
	BEGIN("cuModuleUnload");
	return fake_end(0);
}

FAKE_API int cuModuleGetFunction(const void **ret, void *module,
				 const char *name)
{
	const struct fake_kernel *kernel;

	(void)module;
	BEGIN("cuModuleGetFunction");
	kernel = fake_kernel_named(name);
	if (!kernel)
		return fake_end(DRX_CU_NOT_FOUND);
	*ret = kernel;
	return fake_end(0);
}

static void run_launch(struct fake_work *work)
{
	struct launch *l = (struct launch *)work;
	bool ok;

	fake_access_begin(work->ctx);
	ok = l->kernel->open(l->params);
	if (ok)
		l->kernel->run(l->blocks, l->threads, l->params);
	fake_access_end();
	if (!ok)
		fake_break(DRX_CU_ILLEGAL_ADDRESS);
}

/* The parameters are the launch's from now on. */
static void copy_params(struct launch *l, void *const *params)
{
	char *to = l->bytes;
	int i;

	for (i = 0; i < FAKE_PARAMS_MAX && l->kernel->params[i]; i++) {
		const size_t len = l->kernel->params[i];

		if (to + len > l->bytes + sizeof(l->bytes))
			abort();
		l->params[i] = memcpy(to, params[i], len);
		to += (len + 7) / 8 * 8;
	}
}

FAKE_API int cuLaunchKernel(const void *function, unsigned int gx,
			    unsigned int gy, unsigned int gz, unsigned int bx,
			    unsigned int by, unsigned int bz,
			    unsigned int shared, void *stream, void **params,
			    void **extra)
{
	const struct fake_kernel *kernel = function;
	struct fake_context *ctx;
	struct launch *l;
	int result;

	BEGIN("cuLaunchKernel");
	result = fake_stream(stream, &ctx);
	if (!result && (!gx || gy != 1 || gz != 1 || !bx || bx % 32 ||
			bx > 1024 || by != 1 || bz != 1 || shared || extra ||
			(kernel->threads && bx != kernel->threads)))
		result = DRX_CU_INVALID_VALUE;
	if (result)
		return fake_end(result);
	l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	l->work.run = run_launch;
	l->kernel = kernel;
	l->blocks = gx;
	l->threads = bx;
	copy_params(l, params);
	fake_queue(&l->work, ctx, stream);
	return fake_end(0);
}

static void run_fill(struct fake_work *work)
{
	const struct fill *f = (const struct fill *)work;
	bool ok;
	size_t i;

	fake_access_begin(work->ctx);
	ok = fake_open(f->addr, f->nr * sizeof(f->value), true);
	for (i = 0; ok && i < f->nr; i++)
		memcpy((char *)(uintptr_t)f->addr + i * sizeof(f->value),
		       &f->value, sizeof(f->value));
	fake_access_end();
	if (!ok)
		fake_break(DRX_CU_ILLEGAL_ADDRESS);
}

FAKE_API int cuMemsetD32Async(uint64_t addr, unsigned int value, size_t nr,
			      void *stream)
{
	struct fake_context *ctx;
	struct fill *f;
	int result;

	BEGIN("cuMemsetD32Async");
	result = fake_stream(stream, &ctx);
	if (!result && (addr % sizeof(value) || !fake_at(addr)))
		result = DRX_CU_INVALID_VALUE;
	if (result)
		return fake_end(result);
	f = calloc(1, sizeof(*f));
	if (!f)
		abort();
	f->work.run = run_fill;
	f->addr = addr;
	f->nr = nr;
	f->value = value;
	fake_queue(&f->work, ctx, stream);
	return fake_end(0);
}
