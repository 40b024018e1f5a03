// SPDX-License-Identifier: MIT
#include "kernel.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support_vram.h"

namespace soak
{

static void put(const std::string &path, const char *value)
{
	std::ofstream file(path);

	file << value << std::flush;
}

/* Slabs keep free objects for each CPU; shrinking gives them back, so that
 * what is left is in use.
 */
static void shrink_slabs()
{
	DIR *dir = opendir("/sys/kernel/slab");

	while (const struct dirent *e = dir ? readdir(dir) : nullptr)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			put(std::string("/sys/kernel/slab/") + e->d_name +
				    "/shrink",
			    "1");
	if (dir)
		closedir(dir);
}

static int64_t meminfo(const char *which)
{
	std::ifstream file("/proc/meminfo");
	std::string name;
	int64_t kib;

	while (file >> name) {
		if (name == which && file >> kib)
			return kib * 1024;
		file.ignore(256, '\n');
	}
	abort();
}

/* Free pages that wait in a CPU's own list, which MemFree leaves out. */
static int64_t free_in_cpu_lists()
{
	std::ifstream file("/proc/zoneinfo");
	std::string word;
	int64_t pages = 0, n;

	while (file >> word)
		if (word == "count:" && file >> n)
			pages += n;
	return pages * 4096;
}

static std::map<std::string, int64_t> slab_objects()
{
	std::ifstream file("/proc/slabinfo");
	std::map<std::string, int64_t> all;
	std::string line, name;
	int64_t active;

	while (std::getline(file, line))
		if (std::istringstream(line) >> name >> active)
			all[name] = active;
	return all;
}

static int64_t dmabuf_count()
{
	std::ifstream file(std::string(vm::debugfs) + "/dma_buf/bufinfo");
	std::string word;
	int64_t n;

	while (file >> word)
		if (word == "Total" && file >> n)
			return n;
	abort();
}

Kernel Kernel::look()
{
	Kernel k;

	/* The last packets of a CPU are freed when the next ones come there. */
	vm::stir_every_cpu();
	put("/proc/sys/vm/drop_caches", "3");
	shrink_slabs();
	/* Counters of memory lag behind until somebody asks. */
	put("/proc/sys/vm/stat_refresh", "1");
	k.bytes = meminfo("MemTotal:") - meminfo("MemFree:") -
		  free_in_cpu_lists() - meminfo("AnonPages:") -
		  meminfo("Cached:") - meminfo("Buffers:");
	k.objects = slab_objects();
	k.dmabufs = dmabuf_count();
	k.vram_buffers = vm::vram_stats()["buffers"];
	return k;
}

/*
 * Tolerances. A leak of one page for each cycle is @cycles pages, one of an
 * object @cycles objects; half of it is allowed, so either is found. The floor
 * is several times what two looks at an idle kernel differ by (some 100 KiB, some
 * 50 objects); because of it, fewer than 260 cycles do not find a leak of a page.
 */
std::string Kernel::grown_since(const Kernel &before, int cycles) const
{
	const int64_t some_bytes = std::max<int64_t>(1 << 20, cycles * 2048);
	const int64_t some_objects = std::max(200, cycles / 2);
	std::ostringstream grown;

	if (bytes - before.bytes > some_bytes)
		grown << (bytes - before.bytes) / 1024 << " KiB of memory\n";
	if (dmabufs > before.dmabufs)
		grown << dmabufs - before.dmabufs << " dmabufs\n";
	if (vram_buffers > before.vram_buffers)
		grown << vram_buffers - before.vram_buffers << " of vram\n";
	for (const auto &[name, n] : objects) {
		const auto was = before.objects.find(name);
		const int64_t more =
			n - (was == before.objects.end() ? 0 : was->second);

		/* Ranges of addresses whose pages were freed long ago: the
		 * kernel gives them back by the thousand.
		 */
		if (name == "vmap_area")
			continue;
		if (more > some_objects)
			grown << more << " objects of " << name << "\n";
	}
	return grown.str();
}

std::string Kernel::difference(const Kernel &before) const
{
	std::ostringstream out;

	out << "  memory " << (bytes - before.bytes) / 1024 << " KiB, dmabufs "
	    << dmabufs - before.dmabufs;
	for (const auto &[name, n] : objects) {
		const auto was = before.objects.find(name);
		const int64_t more =
			n - (was == before.objects.end() ? 0 : was->second);

		if (more > 20 || more < -20)
			out << ", " << name << " " << more;
	}
	return out.str() + "\n";
}

void hurry_rcu()
{
	const std::string rcutree = "/sys/module/rcutree/parameters/";

	put("/sys/kernel/rcu_expedited", "1");
	put(rcutree + "jiffies_till_first_fqs", "0");
	put(rcutree + "jiffies_till_next_fqs", "1");
}

int load(const char *module)
{
	const char *dir = getenv("DEVRX_MODULES");
	const std::string name = std::string(module).substr(6);
	const vm::Fd fd(open((std::string(dir ? dir : "") + "/" + name + "/" +
			      module + ".ko")
				     .c_str(),
			     O_RDONLY | O_CLOEXEC));

	if (fd.get() < 0)
		return -errno;
	return syscall(SYS_finit_module, fd.get(), "", 0) ? -errno : 0;
}

int unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

} /* namespace soak */
