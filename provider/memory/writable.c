// SPDX-License-Identifier: MIT
/* Memory that a CPU may read, or write, at any time, without a word to anybody. */
#include <stddef.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/memory.h"

/*
 * Asked of the kernel, which is to write there: a mapping may be read-only, and
 * an address a device's. Costs the byte. Not by the C library, which may write
 * there itself (vDSO), and die of it.
 */
static bool kernel_can_write(void *addr)
{
	return syscall(SYS_getrandom, addr, 1, GRND_INSECURE) == 1;
}

bool drx_memory_host_readable(const struct devrx_memory *mem)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	char exporter[32];

	if (devrx_memory_info(mem, &info) || !info.host_addr)
		return false;
	return info.dmabuf_fd < 0 ||
	       (!drx_dmabuf_exporter(info.dmabuf_fd, exporter,
				     sizeof(exporter)) &&
		drx_dmabuf_host_only(exporter));
}

bool drx_memory_host_writable(const struct devrx_memory *mem)
{
	struct devrx_memory_info info = { .size = sizeof(info) };

	if (!drx_memory_host_readable(mem) || devrx_memory_info(mem, &info))
		return false;
	return kernel_can_write(info.host_addr) &&
	       kernel_can_write((char *)info.host_addr + info.len - 1);
}
