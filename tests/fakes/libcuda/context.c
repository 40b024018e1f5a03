// SPDX-License-Identifier: MIT
/*
 * Devices, contexts and entry points of the fake. A context is never freed, so
 * that the handle of a destroyed one is known for what it is.
 */
#include "fake.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_MAX = 16 };

static struct fake_context *contexts;
static struct fake_context *primaries[FAKE_DEVICES_MAX];

static _Thread_local struct fake_context *stack[STACK_MAX];
static _Thread_local int depth;
static bool initialised;

static struct fake_context *new_context(int dev, bool primary)
{
	struct fake_context *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		abort();
	ctx->dev = dev;
	ctx->primary = primary;
	ctx->alive = true;
	ctx->next = contexts;
	contexts = ctx;
	return ctx;
}

long fake_count_contexts(void)
{
	struct fake_context *ctx;
	long nr = 0;

	for (ctx = contexts; ctx; ctx = ctx->next)
		nr += ctx->alive;
	return nr;
}

/* Handles stay known; nobody may use them any more. */
void fake_reset_contexts(void)
{
	struct fake_context *ctx;

	for (ctx = contexts; ctx; ctx = ctx->next) {
		ctx->alive = false;
		ctx->retains = 0;
	}
	depth = 0;
	initialised = false;
}

int fake_current(struct fake_context **ret)
{
	if (!depth)
		return DRX_CU_INVALID_CONTEXT;
	*ret = stack[depth - 1];
	return (*ret)->alive ? 0 : DRX_CU_CONTEXT_IS_DESTROYED;
}

static bool is_device(int dev)
{
	return dev >= 0 && dev < fake_set.devices;
}

#define BEGIN(name)                                                            \
	do {                                                                   \
		int scripted_ = fake_begin(name, false);                       \
		if (scripted_)                                                 \
			return scripted_;                                      \
		if (!initialised)                                              \
			return fake_end(DRX_CU_NOT_INITIALIZED);               \
	} while (0)

FAKE_API int cuInit(unsigned int flags)
{
	int result = fake_begin("cuInit", false);

	(void)flags;
	if (result)
		return result;
	initialised = initialised || fake_set.devices > 0;
	return fake_end(fake_set.devices ? 0 : DRX_CU_NO_DEVICE);
}

FAKE_API int cuDriverGetVersion(int *ret)
{
	*ret = fake_set.version;
	return 0;
}

FAKE_API int cuGetErrorName(int result, const char **ret)
{
	*ret = result == DRX_CU_INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE" :
						"CUDA_ERROR_OF_THE_FAKE";
	return 0;
}

FAKE_API int cuDeviceGetCount(int *ret)
{
	BEGIN("cuDeviceGetCount");
	*ret = fake_set.devices;
	return fake_end(0);
}

FAKE_API int cuDeviceGet(int *ret, int idx)
{
	BEGIN("cuDeviceGet");
	if (!is_device(idx))
		return fake_end(DRX_CU_INVALID_DEVICE);
	*ret = idx;
	return fake_end(0);
}

FAKE_API int cuDeviceGetByPCIBusId(int *ret, const char *addr)
{
	unsigned int dev;

	BEGIN("cuDeviceGetByPCIBusId");
	if (sscanf(addr, "fa4e:%x:00.0", &dev) != 1 || !is_device((int)dev))
		return fake_end(DRX_CU_INVALID_DEVICE);
	*ret = (int)dev;
	return fake_end(0);
}

FAKE_API int cuDeviceGetPCIBusId(char *ret, int len, int dev)
{
	BEGIN("cuDeviceGetPCIBusId");
	(void)snprintf(ret, (size_t)len, "FA4E:%02X:00.0", (unsigned int)dev);
	return fake_end(0);
}

FAKE_API int cuDeviceGetName(char *ret, int len, int dev)
{
	BEGIN("cuDeviceGetName");
	(void)snprintf(ret, (size_t)len, FAKE_NAME " %d", dev);
	return fake_end(0);
}

FAKE_API int cuDeviceGetUuid_v2(unsigned char ret[16], int dev)
{
	BEGIN("cuDeviceGetUuid");
	memset(ret, 0xfa, 16);
	ret[15] = (unsigned char)dev;
	return fake_end(0);
}

FAKE_API int cuDeviceGetAttribute(int *ret, int attr, int dev)
{
	BEGIN("cuDeviceGetAttribute");
	if (!is_device(dev))
		return fake_end(DRX_CU_INVALID_DEVICE);
	if (attr < 0 || attr >= 160 || fake_set.attrs[attr] < 0)
		return fake_end(DRX_CU_INVALID_VALUE);
	*ret = fake_set.attrs[attr];
	return fake_end(0);
}

FAKE_API int cuDevicePrimaryCtxRetain(void **ret, int dev)
{
	BEGIN("cuDevicePrimaryCtxRetain");
	if (!is_device(dev))
		return fake_end(DRX_CU_INVALID_DEVICE);
	if (!primaries[dev])
		primaries[dev] = new_context(dev, true);
	primaries[dev]->alive = true;
	primaries[dev]->retains++;
	*ret = primaries[dev];
	return fake_end(0);
}

static void die(struct fake_context *ctx)
{
	ctx->alive = false;
	ctx->retains = 0;
	fake_streams_gone(ctx);
	fake_context_gone(ctx);
}

FAKE_API int cuDevicePrimaryCtxRelease_v2(int dev)
{
	BEGIN("cuDevicePrimaryCtxRelease");
	if (!is_device(dev) || !primaries[dev] || !primaries[dev]->retains)
		return fake_end(DRX_CU_INVALID_CONTEXT);
	if (!--primaries[dev]->retains)
		die(primaries[dev]);
	return fake_end(0);
}

/* cudaDeviceReset() is this. */
FAKE_API int cuDevicePrimaryCtxReset_v2(int dev)
{
	BEGIN("cuDevicePrimaryCtxReset");
	if (is_device(dev) && primaries[dev])
		die(primaries[dev]);
	return fake_end(0);
}

FAKE_API int cuDevicePrimaryCtxGetState(int dev, unsigned int *flags,
					int *active)
{
	BEGIN("cuDevicePrimaryCtxGetState");
	*flags = 0;
	*active = is_device(dev) && primaries[dev] && primaries[dev]->alive;
	return fake_end(0);
}

FAKE_API int cuCtxGetCurrent(void **ret)
{
	BEGIN("cuCtxGetCurrent");
	*ret = depth ? stack[depth - 1] : NULL;
	return fake_end(0);
}

FAKE_API int cuCtxPushCurrent_v2(void *handle)
{
	struct fake_context *ctx = handle;

	BEGIN("cuCtxPushCurrent");
	if (!ctx || depth == STACK_MAX)
		return fake_end(DRX_CU_INVALID_CONTEXT);
	if (!ctx->alive)
		return fake_end(DRX_CU_CONTEXT_IS_DESTROYED);
	stack[depth++] = ctx;
	return fake_end(0);
}

FAKE_API int cuCtxPopCurrent_v2(void **ret)
{
	BEGIN("cuCtxPopCurrent");
	if (!depth)
		return fake_end(DRX_CU_INVALID_CONTEXT);
	*ret = stack[--depth];
	return fake_end(0);
}

/* In the place of the current one; NULL: of none. */
FAKE_API int cuCtxSetCurrent(void *handle)
{
	struct fake_context *ctx = handle;

	BEGIN("cuCtxSetCurrent");
	if (ctx && !ctx->alive)
		return fake_end(DRX_CU_CONTEXT_IS_DESTROYED);
	if (depth)
		depth--;
	if (ctx)
		stack[depth++] = ctx;
	return fake_end(0);
}

FAKE_API int cuCtxGetDevice(int *ret)
{
	struct fake_context *ctx;
	int result;

	BEGIN("cuCtxGetDevice");
	result = fake_current(&ctx);
	if (!result)
		*ret = ctx->dev;
	return fake_end(result);
}

/* The old signature; devrx does not call it, a test is a caller that does. */
FAKE_API int cuCtxCreate_v2(void **ret, unsigned int flags, int dev)
{
	(void)flags;
	BEGIN("cuCtxCreate");
	if (!is_device(dev) || depth == STACK_MAX)
		return fake_end(DRX_CU_INVALID_DEVICE);
	stack[depth++] = new_context(dev, false);
	*ret = stack[depth - 1];
	return fake_end(0);
}

FAKE_API int cuCtxDestroy_v2(void *handle)
{
	BEGIN("cuCtxDestroy");
	die(handle);
	if (depth && stack[depth - 1] == handle)
		depth--;
	return fake_end(0);
}

#ifndef FAKE_WITHOUT_PROC_ADDRESS
/* What came later than the first release that has this call itself. */
static int since(const char *name)
{
	if (!strcmp(name, "cuMemGetHandleForAddressRange"))
		return 11070;
	if (!strcmp(name, "cuDeviceGetUuid"))
		return 11040;
	return 11030;
}

FAKE_API int cuGetProcAddress(const char *name, void **ret, int version,
			      uint64_t flags)
{
	void *self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
	char symbol[64];

	(void)flags;
	*ret = NULL;
	if (fake_set.version >= since(name) && fake_set.version >= version) {
		(void)snprintf(symbol, sizeof(symbol), "%s_v2", name);
		*ret = dlsym(self, symbol);
		if (!*ret)
			*ret = dlsym(self, name);
	}
	(void)dlclose(self);
	return *ret ? 0 : DRX_CU_NOT_FOUND;
}
#endif
