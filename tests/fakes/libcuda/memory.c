// SPDX-License-Identifier: MIT
/*
 * Memory of the fake: addresses, what is mapped at them, and whose it is.
 * backing.c has what the bytes are in, work.c what is done with them.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backing.h"
#include "mapping.h"
#include "stream.h"

#define LARGE_PAGE ((size_t)2 << 20)

static struct memory *memories;
static uint64_t last_id;
static long nr_reservations, nr_handles;

struct memory *fake_at(uint64_t addr)
{
	struct memory *m;

	for (m = memories; m; m = m->next) {
		if (addr >= m->addr && addr - m->addr < m->len)
			return m;
	}
	return NULL;
}

/* The addresses freed last: the next one of that length gets them again. */
static void *spare;
static size_t spare_len;

/* Addresses that no CPU may touch, aligned to @alignment. */
static int reserve(size_t len, size_t alignment, void **range,
		   size_t *range_len, uint64_t *ret)
{
	*range_len = len + alignment;
	if (spare && spare_len == *range_len) {
		*range = spare;
		spare = NULL;
	} else {
		*range = mmap(NULL, *range_len, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			      0);
	}
	if (*range == MAP_FAILED)
		return DRX_CU_OUT_OF_MEMORY;
	*ret = ((uintptr_t)*range + alignment - 1) / alignment * alignment;
	return 0;
}

static void drop(struct memory *m)
{
	struct memory **link = &memories;

	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	if (m->store)
		store_put(m->store);
	if (m->range) {
		if (!m->store)
			(void)mprotect(m->range, m->range_len, PROT_NONE);
		if (spare)
			(void)munmap(spare, spare_len);
		spare = m->range;
		spare_len = m->range_len;
	}
	free(m);
}

static struct memory *add(uint64_t addr, size_t len, struct store *store)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->addr = addr;
	m->len = len;
	m->store = store;
	m->id = ++last_id;
	m->type = DRX_CU_MEMORYTYPE_DEVICE;
	m->next = memories;
	memories = m;
	return m;
}

void fake_context_gone(struct fake_context *ctx)
{
	struct memory *m, *next;

	for (m = memories; m; m = next) {
		next = m->next;
		if (m->ctx == ctx)
			drop(m);
	}
}

void fake_reset_memory(void)
{
	while (memories)
		drop(memories);
	nr_reservations = nr_handles = 0;
}

long fake_count_memory(const char *what)
{
	struct memory *m;
	long nr = 0;

	if (!strcmp(what, "reservations"))
		return nr_reservations;
	if (!strcmp(what, "handles"))
		return nr_handles;
	for (m = memories; m; m = m->next)
		nr++;
	return nr;
}

/* What lies in fresh memory is anybody's; so that nobody takes it for zeroes. */
static void spoil(struct store *store, size_t len)
{
	char page[4096];

	memset(page, 0xa5, sizeof(page));
	(void)store_copy(store, 0, page,
			 len < sizeof(page) ? len : sizeof(page), true);
}

/* Addresses for @len bytes of the current context's; without a store yet. */
static int allocate(struct memory **ret, size_t len, unsigned int type)
{
	unsigned int shift = fake_set.shift;
	struct fake_context *ctx;
	struct memory *m;
	size_t range_len;
	uint64_t addr;
	void *range;
	int result;

	result = fake_current(&ctx);
	if (!result && !len)
		result = DRX_CU_INVALID_VALUE;
	if (!result)
		result = reserve(len + shift, LARGE_PAGE, &range, &range_len,
				 &addr);
	if (result)
		return result;
	m = add(addr + shift, len, NULL);
	m->range = range;
	m->range_len = range_len;
	m->ctx = ctx;
	m->dev = ctx->dev;
	m->type = type;
	*ret = m;
	return 0;
}

static int allocate_device(uint64_t *ret, size_t len, bool managed)
{
	struct memory *m;
	int result;

	result = allocate(&m, len, DRX_CU_MEMORYTYPE_DEVICE);
	if (result)
		return result;
	m->store = store_new(len);
	if (!m->store) {
		drop(m);
		return DRX_CU_OUT_OF_MEMORY;
	}
	spoil(m->store, len);
	m->managed = managed;
	*ret = m->addr;
	return 0;
}

FAKE_API int cuMemAlloc_v2(uint64_t *ret, size_t len)
{
	BEGIN("cuMemAlloc");
	return fake_end(allocate_device(ret, len, false));
}

/* Of the real one a CPU may touch the memory; here nobody does. */
FAKE_API int cuMemAllocManaged(uint64_t *ret, size_t len, unsigned int flags)
{
	(void)flags;
	BEGIN("cuMemAllocManaged");
	return fake_end(allocate_device(ret, len, true));
}

/* The host's, at the same address for the device. */
FAKE_API int cuMemHostAlloc(void **ret, size_t len, unsigned int flags)
{
	struct memory *m;
	int result;

	(void)flags;
	BEGIN("cuMemHostAlloc");
	result = allocate(&m, len, DRX_CU_MEMORYTYPE_HOST);
	if (!result && mprotect(m->range, m->range_len, PROT_READ | PROT_WRITE))
		abort();
	if (!result)
		*ret = (void *)(uintptr_t)m->addr;
	return fake_end(result);
}

/* The real ones wait for the device, too. */
static int release(uint64_t addr, unsigned int type)
{
	struct memory *m = fake_at(addr);
	int result;

	if (!m || m->addr != addr || !m->ctx || m->type != type)
		return DRX_CU_INVALID_VALUE;
	result = fake_finish_all();
	if (!result)
		drop(m);
	return result;
}

FAKE_API int cuMemFree_v2(uint64_t addr)
{
	BEGIN("cuMemFree");
	return fake_end(release(addr, DRX_CU_MEMORYTYPE_DEVICE));
}

FAKE_API int cuMemFreeHost(void *addr)
{
	BEGIN("cuMemFreeHost");
	return fake_end(release((uintptr_t)addr, DRX_CU_MEMORYTYPE_HOST));
}

FAKE_API int cuMemGetAddressRange_v2(uint64_t *base, size_t *len, uint64_t addr)
{
	struct memory *m;

	BEGIN("cuMemGetAddressRange");
	m = fake_at(addr);
	if (!m)
		return fake_end(DRX_CU_NOT_FOUND);
	*base = m->addr;
	*len = m->len;
	return fake_end(0);
}

FAKE_API int cuPointerGetAttribute(void *ret, int attr, uint64_t addr)
{
	struct fake_context *ctx;
	struct memory *m;
	int result;

	BEGIN("cuPointerGetAttribute");
	/* CUDA's header says that it may ask for one. */
	result = fake_current(&ctx);
	if (result)
		return fake_end(result);
	m = fake_at(addr);
	if (!m)
		return fake_end(DRX_CU_INVALID_VALUE);
	switch (attr) {
	case DRX_CU_POINTER_MEMORY_TYPE:
		*(unsigned int *)ret = m->type;
		return fake_end(0);
	case DRX_CU_POINTER_BUFFER_ID:
		*(uint64_t *)ret = m->id;
		return fake_end(0);
	case DRX_CU_POINTER_IS_MANAGED:
		*(int *)ret = m->managed;
		return fake_end(0);
	case DRX_CU_POINTER_DEVICE_ORDINAL:
		*(int *)ret = m->dev;
		return fake_end(0);
	default:
		return fake_end(DRX_CU_INVALID_VALUE);
	}
}

/* ---- The virtual memory calls ---- */

FAKE_API int cuMemGetAllocationGranularity(size_t *ret,
					   const struct drx_cu_prop *prop,
					   int option)
{
	(void)prop;
	(void)option;
	BEGIN("cuMemGetAllocationGranularity");
	*ret = LARGE_PAGE;
	return fake_end(0);
}

FAKE_API int cuMemCreate(uint64_t *ret, size_t len,
			 const struct drx_cu_prop *prop, uint64_t flags)
{
	struct store *store;

	BEGIN("cuMemCreate");
	if (flags || len % LARGE_PAGE || !prop->flags.rdma_capable ||
	    prop->type != DRX_CU_ALLOCATION_PINNED ||
	    prop->location.type != DRX_CU_LOCATION_DEVICE)
		return fake_end(DRX_CU_INVALID_VALUE);
	store = store_new(len);
	if (!store)
		return fake_end(DRX_CU_OUT_OF_MEMORY);
	nr_handles++;
	*ret = (uintptr_t)store;
	return fake_end(0);
}

FAKE_API int cuMemRelease(uint64_t handle)
{
	BEGIN("cuMemRelease");
	nr_handles--;
	store_put((struct store *)(uintptr_t)handle);
	return fake_end(0);
}

FAKE_API int cuMemAddressReserve(uint64_t *ret, size_t len, size_t alignment,
				 uint64_t addr, uint64_t flags)
{
	size_t range_len;
	uint64_t start;
	void *range;
	int result;

	BEGIN("cuMemAddressReserve");
	if (addr || flags || len % LARGE_PAGE)
		return fake_end(DRX_CU_INVALID_VALUE);
	result = reserve(len, alignment ? alignment : LARGE_PAGE, &range,
			 &range_len, &start);
	if (result)
		return fake_end(result);
	/* What alignment cost goes back: the range is exactly what was asked. */
	(void)munmap(range, start - (uintptr_t)range);
	(void)munmap((void *)(uintptr_t)(start + len),
		     (uintptr_t)range + range_len - start - len);
	nr_reservations++;
	*ret = start;
	return fake_end(0);
}

FAKE_API int cuMemAddressFree(uint64_t addr, size_t len)
{
	BEGIN("cuMemAddressFree");
	if (fake_at(addr))
		return fake_end(DRX_CU_INVALID_VALUE);
	(void)munmap((void *)(uintptr_t)addr, len);
	nr_reservations--;
	return fake_end(0);
}

FAKE_API int cuMemMap(uint64_t addr, size_t len, size_t off, uint64_t handle,
		      uint64_t flags)
{
	struct store *store = (struct store *)(uintptr_t)handle;

	BEGIN("cuMemMap");
	if (fake_at(addr) || off || flags || len != store_len(store))
		return fake_end(DRX_CU_INVALID_VALUE);
	store_get(store);
	(void)add(addr, len, store);
	return fake_end(0);
}

FAKE_API int cuMemUnmap(uint64_t addr, size_t len)
{
	struct memory *m;

	BEGIN("cuMemUnmap");
	m = fake_at(addr);
	if (!m || m->addr != addr || m->len != len || m->ctx)
		return fake_end(DRX_CU_INVALID_VALUE);
	drop(m);
	return fake_end(0);
}

FAKE_API int cuMemSetAccess(uint64_t addr, size_t len,
			    const struct drx_cu_access *desc, size_t nr)
{
	BEGIN("cuMemSetAccess");
	if (!fake_at(addr) || !len || nr != 1 ||
	    desc->flags != DRX_CU_ACCESS_READWRITE)
		return fake_end(DRX_CU_INVALID_VALUE);
	return fake_end(0);
}
