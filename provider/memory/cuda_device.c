// SPDX-License-Identifier: MIT
/*
 * Which device, and whose context.
 *
 * The invariant: the thread's current context is the caller's before and after
 * each call of ours, failed ones included. A context of our own is never made;
 * where the caller's is not at hand it is the device's primary one, which the
 * CUDA runtime and every framework on it use too.
 *
 * A primary context is held while a memory is in it, also where it is the
 * caller's, so that no one else's release ends it. Any other context of the
 * caller's must outlive the memory; where it does not, calls fail with
 * "cuda-context-destroyed".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/cuda_memory.h"
#include "util/cause.h"

/* "GPU-" or "MIG-", then 32 hex digits with dashes where they please. */
static bool parse_uuid(const char *text, unsigned char ret[16])
{
	size_t nr = 0;
	char byte[3] = { 0 };

	if (strncmp(text, "GPU-", 4) && strncmp(text, "MIG-", 4))
		return false;
	for (text += 4; *text; text++) {
		if (*text == '-')
			continue;
		if (nr == 32 || !strchr("0123456789abcdefABCDEF", *text))
			return false;
		byte[nr % 2] = *text;
		if (nr % 2)
			ret[nr / 2] = (unsigned char)strtoul(byte, NULL, 16);
		nr++;
	}
	return nr == 32;
}

/* The driver's index of the device with @uuid, or -1. */
static int find_uuid(const struct drx_cuda *cu, const unsigned char *uuid,
		     int nr)
{
	unsigned char found[16];
	int i, dev;

	for (i = 0; i < nr; i++) {
		if (cu->DeviceGet(&dev, i) || cu->DeviceGetUuid(found, dev))
			continue;
		if (!memcmp(found, uuid, sizeof(found)))
			return i;
	}
	return -1;
}

int drx_cuda_find_device(const struct drx_cuda *cu, const char *name, int *ret,
			 struct devrx_cause *cause)
{
	unsigned char uuid[16];
	int nr = 0, idx = -1, result;
	char *end;
	long value;

	result = cu->DeviceGetCount(&nr);
	if (result)
		return drx_cuda_fail(cu, cause, result, "cuDeviceGetCount");
	if (!nr)
		return drx_cuda_fail(cu, cause, DRX_CU_NO_DEVICE,
				     "cuDeviceGetCount");
	if (strchr(name, ':')) {
		if (!cu->DeviceGetByPCIBusId(ret, name))
			return 0;
	} else if (parse_uuid(name, uuid)) {
		idx = find_uuid(cu, uuid, nr);
	} else if (*name >= '0' && *name <= '9') {
		value = strtol(name, &end, 10);
		if (!*end && value < nr)
			idx = (int)value;
	}
	if (idx < 0)
		return drx_fail(cause, -ENODEV, "cuda-no-device",
				"nvidia-smi -L; nvidia-smi -q | grep 'Bus Id'",
				"device \"%.64s\" was asked for; there are "
				"%d, named by index, UUID (GPU-...) or PCI "
				"address (0000:3b:00.0)",
				name, nr);
	result = cu->DeviceGet(ret, idx);
	if (result)
		return drx_cuda_fail(cu, cause, result, "cuDeviceGet");
	return 0;
}

static int retain(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	int result;

	result = m->cu.DevicePrimaryCtxRetain(&m->ctx, m->dev);
	if (result)
		return drx_cuda_fail(&m->cu, cause, result,
				     "cuDevicePrimaryCtxRetain");
	m->retained = true;
	return 0;
}

/* Where the caller's @ctx is the primary one, hold that. */
static int keep_current(struct drx_cuda_memory *m, void *ctx,
			struct devrx_cause *cause)
{
	unsigned int flags;
	int active = 0, err;

	m->ctx = ctx;
	/* Asked first: a context that nobody uses is not to be made. */
	if (m->cu.DevicePrimaryCtxGetState(m->dev, &flags, &active) || !active)
		return 0;
	err = retain(m, cause);
	if (err)
		return err;
	if (m->ctx == ctx)
		return 0;
	drx_cuda_put_context(m);
	m->ctx = ctx;
	return 0;
}

int drx_cuda_get_context(struct drx_cuda_memory *m, int dev,
			 struct devrx_cause *cause)
{
	void *current = NULL;
	int result, err;

	m->dev = dev;
	if (dev >= 0)
		return retain(m, cause);
	result = m->cu.CtxGetCurrent(&current);
	if (result)
		return drx_cuda_fail(&m->cu, cause, result, "cuCtxGetCurrent");
	if (current) {
		result = m->cu.CtxGetDevice(&m->dev);
		if (result)
			return drx_cuda_fail(&m->cu, cause, result,
					     "cuCtxGetDevice");
		return keep_current(m, current, cause);
	}
	err = drx_cuda_find_device(&m->cu, "0", &m->dev, cause);
	return err ? err : retain(m, cause);
}

void drx_cuda_put_context(struct drx_cuda_memory *m)
{
	if (m->retained)
		(void)m->cu.DevicePrimaryCtxRelease(m->dev);
	m->retained = false;
	m->ctx = NULL;
}

int drx_cuda_enter(struct drx_cuda_memory *m)
{
	return m->cu.CtxPushCurrent(m->ctx);
}

void drx_cuda_leave(struct drx_cuda_memory *m)
{
	void *ctx;

	(void)m->cu.CtxPopCurrent(&ctx);
}
