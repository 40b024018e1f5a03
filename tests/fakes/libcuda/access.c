// SPDX-License-Identifier: MIT
/*
 * What a kernel may touch, while it runs. The device's bytes are where no CPU sees
 * them, so the pages that a launch names are copied to their address and made
 * accessible for as long as it runs, and what it was to write is copied back:
 * not the pages, whose other bytes the NIC may be writing. A kernel that touches
 * anything else crashes, and so does a CPU that touches them at any other time.
 */
#include "access.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "backing.h"
#include "kernels.h"
#include "mapping.h"

#define PAGE UINT64_C(4096)

static struct opened {
	struct memory *m;
	uint64_t addr;
	size_t len;
	bool write;
} * opened;
static size_t nr_opened, room;
static const struct fake_context *current;

static void protect(uint64_t start, uint64_t end, int prot)
{
	start = start / PAGE * PAGE;
	end = (end + PAGE - 1) / PAGE * PAGE;
	if (mprotect((void *)(uintptr_t)start, end - start, prot))
		abort();
}

static void *at(uint64_t addr)
{
	return (void *)(uintptr_t)addr;
}

/* Whole pages, as far as they are of this memory. */
static void copy_in(const struct memory *m, uint64_t start, uint64_t end)
{
	start = start / PAGE * PAGE;
	end = (end + PAGE - 1) / PAGE * PAGE;
	if (start < m->addr)
		start = m->addr;
	if (end > m->addr + m->len)
		end = m->addr + m->len;
	if (store_copy(m->store, start - m->addr, at(start), end - start,
		       false))
		abort();
}

static void open_part(struct memory *m, uint64_t addr, size_t len, bool write)
{
	if (nr_opened == room) {
		room = room ? 2 * room : 1024;
		opened = realloc(opened, room * sizeof(*opened));
		if (!opened)
			abort();
	}
	opened[nr_opened++] = (struct opened){ m, addr, len, write };
	protect(addr, addr + len, PROT_READ | PROT_WRITE);
	copy_in(m, addr, addr + len);
	if (!write)
		protect(addr, addr + len, PROT_READ);
}

bool fake_open(uint64_t addr, size_t len, bool write)
{
	struct memory *m;
	size_t part;

	for (; len; len -= part, addr += part) {
		m = fake_at(addr);
		if (!m || (m->ctx && m->ctx != current))
			return false;
		part = m->addr + m->len - addr;
		if (part > len)
			part = len;
		if (m->store)
			open_part(m, addr, part, write);
	}
	return true;
}

void fake_access_begin(const struct fake_context *ctx)
{
	current = ctx;
}

void fake_access_end(void)
{
	const struct memory *last = NULL;
	size_t i;

	for (i = 0; i < nr_opened; i++) {
		const struct opened *o = &opened[i];

		if (o->write && store_copy(o->m->store, o->addr - o->m->addr,
					   at(o->addr), o->len, true))
			abort();
	}
	for (i = 0; i < nr_opened; i++) {
		const struct memory *m = opened[i].m;

		if (m != last)
			protect(m->addr, m->addr + m->len, PROT_NONE);
		last = m;
	}
	nr_opened = 0;
}
