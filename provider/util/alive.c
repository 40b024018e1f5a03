// SPDX-License-Identifier: MIT
/* A word in a page that a child finds wiped (alive.h). */
#include "util/alive.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

const uint32_t *drx_alive_new(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint32_t *alive = mmap(NULL, page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (alive == MAP_FAILED)
		return NULL;
	if (madvise(alive, page, MADV_WIPEONFORK)) {
		(void)munmap(alive, page);
		return NULL;
	}
	*alive = 1;
	return alive;
}

void drx_alive_free(const uint32_t *alive)
{
	if (alive)
		(void)munmap((void *)(uintptr_t)alive,
			     (size_t)sysconf(_SC_PAGESIZE));
}
