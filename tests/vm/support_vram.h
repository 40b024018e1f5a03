/* SPDX-License-Identifier: MIT */
/*
 * The device of kernel/vram in the VM's tests: its calls, its files in debugfs,
 * and a fixture that finds it idle and leaves it so.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_VRAM_H
#define DEVRX_TESTS_VM_SUPPORT_VRAM_H

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <netinet/in.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "kernel/vram/devrx_vram.h"
#include "support_devrx.h"

namespace vm
{

constexpr const char *vram_node = "/dev/devrx_vram";
constexpr const char *debugfs = "/sys/kernel/debug";
constexpr uint32_t page = 4096;

inline std::string knob(const char *name)
{
	return std::string(debugfs) + "/devrx_vram/" + name;
}

/* Write a number into a file of debugfs; 0 or a negative errno. */
inline int set_knob(const char *name, int value)
{
	const Fd fd(open(knob(name).c_str(), O_WRONLY | O_CLOEXEC));
	const std::string text = std::to_string(value);

	if (fd.get() < 0)
		return -errno;
	return write(fd.get(), text.data(), text.size()) < 0 ? -errno : 0;
}

inline std::map<std::string, int64_t> vram_stats()
{
	std::ifstream file(knob("stats"));
	std::map<std::string, int64_t> ret;
	std::string name;
	int64_t value;

	while (file >> name >> value)
		ret[name] = value;
	return ret;
}

/*
 * Send a packet to this machine from each CPU. Linux frees skbs on the CPU that
 * allocated them, the next time that packets arrive there; without any, the
 * last ones keep their memory (and with it the page pool and the dmabuf) for
 * as long as the network is quiet.
 */
inline void stir_every_cpu()
{
	std::thread([] {
		struct sockaddr_in to = {};
		const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

		to.sin_family = AF_INET;
		to.sin_port = htons(9);
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		for (int cpu = 0; cpu < int(get_nprocs()); cpu++) {
			cpu_set_t set;

			CPU_ZERO(&set);
			CPU_SET(cpu, &set);
			if (!sched_setaffinity(0, sizeof(set), &set))
				(void)sendto(fd.get(), "", 1, 0,
					     reinterpret_cast<sockaddr *>(&to),
					     sizeof(to));
		}
	}).join();
}

/* Nothing is allocated, attached or mapped, or not for longer than that. */
inline bool is_idle()
{
	std::map<std::string, int64_t> s = vram_stats();

	if (!s["buffers"] && !s["bytes"] && !s["attached"] && !s["mapped"])
		return true;
	stir_every_cpu();
	return false;
}

inline Outcome make_vram(Memory *ret, const char *layout, uint64_t len)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = nullptr;
	devrx_cause cause = {};
	int err;

	opts.kind = "vram";
	opts.device = layout;
	opts.len = len;
	opts.cause = &cause;
	err = devrx_memory_alloc(&mem, &opts);
	if (!err)
		ret->reset(mem);
	return outcome(err, cause);
}

/* Remove the module where nothing uses it; 0 or a negative errno. */
inline int unload()
{
	return syscall(SYS_delete_module, "devrx_vram", O_NONBLOCK) ? -errno :
								      0;
}

/* Load this project's module with parameters; 0 or a negative errno. */
inline int load(const char *params)
{
	const char *dir = getenv("DEVRX_MODULES");
	const std::string path =
		std::string(dir ? dir : "") + "/vram/devrx_vram.ko";
	const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));

	if (fd.get() < 0)
		return -errno;
	return syscall(SYS_finit_module, fd.get(), params, 0) ? -errno : 0;
}

class Vram : public testing::Test
{
      protected:
	void SetUp() override
	{
		node = Fd(::open(vram_node, O_RDWR | O_CLOEXEC));
		if (node.get() < 0)
			GTEST_SKIP() << "no " << vram_node
				     << ": insmod devrx_vram.ko";
		/* A network namespace comes with a /sys of its own. */
		if (access(knob("stats").c_str(), R_OK))
			(void)mount("none", debugfs, "debugfs", 0, nullptr);
		ASSERT_TRUE(poll_until(patience, is_idle));
	}

	/* What a test took is given back when it ends. */
	void TearDown() override
	{
		if (node.get() < 0)
			return;
		EXPECT_EQ(set_knob("fail_alloc", 0), 0);
		EXPECT_EQ(set_knob("fail_attach", 0), 0);
		EXPECT_EQ(set_knob("fail_map", 0), 0);
		rx.reset();
		q.reset();
		mem.reset();
		EXPECT_TRUE(poll_until(patience, is_idle));
		EXPECT_TRUE(queue_is_free());
	}

	/* 0 or a negative errno. */
	template <typename T> int call(unsigned long request, T *arg) const
	{
		return ioctl(node.get(), request, arg) ? -errno : 0;
	}

	Fd alloc(uint64_t len, uint32_t layout = DEVRX_VRAM_LAYOUT_64K,
		 uint32_t flags = 0, uint64_t seed = 0,
		 uint32_t attach_errno = 0, uint32_t map_errno = 0) const
	{
		devrx_vram_alloc args = {};

		args.len = len;
		args.layout = layout;
		args.flags = flags;
		args.seed = seed;
		args.attach_errno = attach_errno;
		args.map_errno = map_errno;
		args.dmabuf_fd = -1;
		EXPECT_EQ(call(DEVRX_VRAM_IOC_ALLOC, &args), 0);
		return Fd(args.dmabuf_fd);
	}

	int copy(unsigned long request, int fd, uint64_t off, void *buf,
		 uint64_t len) const
	{
		devrx_vram_copy args = {};

		args.dmabuf_fd = fd;
		args.offset = off;
		args.addr = reinterpret_cast<uintptr_t>(buf);
		args.len = len;
		return call(request, &args);
	}

	int read(int fd, uint64_t off, void *buf, uint64_t len) const
	{
		return copy(DEVRX_VRAM_IOC_READ, fd, off, buf, len);
	}

	int write(int fd, uint64_t off, void *buf, uint64_t len) const
	{
		return copy(DEVRX_VRAM_IOC_WRITE, fd, off, buf, len);
	}

	int fill(int fd, uint64_t off, uint64_t len, uint32_t value) const
	{
		devrx_vram_fill args = {};

		args.dmabuf_fd = fd;
		args.offset = off;
		args.len = len;
		args.value = value;
		return call(DEVRX_VRAM_IOC_FILL, &args);
	}

	int revoke(int fd) const
	{
		devrx_vram_revoke args = {};

		args.dmabuf_fd = fd;
		return call(DEVRX_VRAM_IOC_REVOKE, &args);
	}

	devrx_vram_info info(int fd) const
	{
		devrx_vram_info args = {};

		args.dmabuf_fd = fd;
		EXPECT_EQ(call(DEVRX_VRAM_IOC_INFO, &args), 0);
		return args;
	}

	Outcome open_on(uint32_t chunk = 0, uint32_t tier = DEVRX_TIER_BEST)
	{
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
		Outcome o;

		rx.reset();
		q.reset();
		opts.chunk_len = chunk;
		opts.tier = tier;
		o = reserve(&q);
		return o.err ? o : open_receiver(&rx, mem, q, opts);
	}

	/* Another life of the module; nothing may be allocated. */
	int reload(const char *params)
	{
		int err = 0;

		node.reset();
		if (!poll_until(patience, [&] { return !(err = unload()); }))
			return err;
		err = load(params);
		if (err)
			return err;
		node = Fd(::open(vram_node, O_RDWR | O_CLOEXEC));
		return node.get() < 0 ? -errno : 0;
	}

	Fd node;
	Memory mem;
	Queue q;
	Receiver rx;
};

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_VRAM_H */
