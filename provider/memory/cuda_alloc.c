// SPDX-License-Identifier: MIT
/*
 * Memory of our own: cuMemAlloc() first, the virtual memory calls second.
 *
 * Both give whole units of 2 MiB, the device's large page: cuMemAlloc() cuts
 * smaller ones out of a block that others share, where an export is neither
 * page aligned nor ours alone. Chunks of zcrx may be as large as that too.
 *
 * cuMemAlloc() is what every tool on the machine expects, so it comes first.
 * The second way is for where the driver does not export it: memory made for
 * GPUDirect RDMA in so many words, at an address aligned by the call. Which one
 * it was stands in the proof.
 */
#include <errno.h>

#include "memory/cuda_memory.h"
#include "util/cause.h"

static int by_memalloc(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	int result = m->cu.MemAlloc(&m->addr, m->len);

	return result ? drx_cuda_fail(&m->cu, cause, result, "cuMemAlloc") : 0;
}

static int by_vmm(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	struct drx_cu_prop prop = {
		.type = DRX_CU_ALLOCATION_PINNED,
		.location = { DRX_CU_LOCATION_DEVICE, m->dev },
		.flags.rdma_capable = 1,
	};
	const struct drx_cu_access access = { prop.location,
					      DRX_CU_ACCESS_READWRITE };
	const char *call = "cuMemGetAllocationGranularity";
	uint64_t handle, addr;
	size_t unit = 0;
	int result;

	result = m->cu.MemGetAllocationGranularity(&unit, &prop,
						   DRX_CU_GRANULARITY_MINIMUM);
	if (result || !unit)
		return drx_cuda_fail(&m->cu, cause, result, call);
	/* No overflow: the length was checked against half the address space. */
	m->len = (m->len + unit - 1) / unit * unit;
	call = "cuMemCreate";
	result = m->cu.MemCreate(&handle, m->len, &prop, 0);
	if (result)
		return drx_cuda_fail(&m->cu, cause, result, call);
	call = "cuMemAddressReserve";
	result = m->cu.MemAddressReserve(&addr, m->len, unit, 0, 0);
	if (result)
		goto err_release;
	call = "cuMemMap";
	result = m->cu.MemMap(addr, m->len, 0, handle, 0);
	if (result)
		goto err_address_free;
	call = "cuMemSetAccess";
	result = m->cu.MemSetAccess(addr, m->len, &access, 1);
	if (result)
		goto err_unmap;
	/* The mapping keeps the memory; the handle has done its work. */
	(void)m->cu.MemRelease(handle);
	m->addr = addr;
	return 0;

err_unmap:
	(void)m->cu.MemUnmap(addr, m->len);
err_address_free:
	(void)m->cu.MemAddressFree(addr, m->len);
err_release:
	(void)m->cu.MemRelease(handle);
	return drx_cuda_fail(&m->cu, cause, result, call);
}

int drx_cuda_get_memory(struct drx_cuda_memory *m, struct devrx_cause *cause)
{
	return m->way == DRX_CUDA_VMM ? by_vmm(m, cause) :
					by_memalloc(m, cause);
}

void drx_cuda_put_memory(struct drx_cuda_memory *m)
{
	if (m->way == DRX_CUDA_MEMALLOC)
		(void)m->cu.MemFree(m->addr);
	if (m->way == DRX_CUDA_VMM) {
		(void)m->cu.MemUnmap(m->addr, m->len);
		(void)m->cu.MemAddressFree(m->addr, m->len);
	}
}
