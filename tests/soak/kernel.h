/* SPDX-License-Identifier: MIT */
/*
 * What the kernel has: memory, objects, page pools, dmabufs, modules.
 */
#ifndef DEVRX_SOAK_KERNEL_H
#define DEVRX_SOAK_KERNEL_H

#include <cstdint>
#include <map>
#include <string>

namespace soak
{

/* One look at it, after all that the kernel merely caches was dropped. */
struct Kernel {
	static Kernel look();

	int64_t bytes = 0; /* not free, and not a program's or a file's */
	int64_t dmabufs = 0;
	int64_t vram_buffers = 0;
	std::map<std::string, int64_t> objects; /* of each slab cache */

	/* What has grown too much for @cycles; "" where nothing has. */
	std::string grown_since(const Kernel &before, int cycles) const;
	/* All that is different. */
	std::string difference(const Kernel &before) const;
};

/* Each cycle waits a dozen times for RCU, which takes its time where CPUs are
 * busy: have it ask them, and often.
 */
void hurry_rcu();

/* This project's modules; 0 or a negative errno. Unloading never waits. */
int load(const char *module);
int unload(const char *module);

} /* namespace soak */

#endif /* DEVRX_SOAK_KERNEL_H */
