// SPDX-License-Identifier: MIT
/*
 * Memory of kind "cuda" on a GPU: the dmabuf, where it is, what is refused, and
 * that nothing of it stays. No NIC attaches here, so that half is not shown.
 */
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include <devrx/cuda.h>
#include <devrx/memory.h>

#include "gpu/gpu.h"
#include "gpu/ring.h"

namespace
{

constexpr uint64_t MiB = 1 << 20;

struct MemoryFree {
	void operator()(devrx_memory *mem) const
	{
		devrx_memory_free(mem);
	}
};
using Memory = std::unique_ptr<devrx_memory, MemoryFree>;

devrx_cause cause;

Memory alloc(uint64_t len, int *err)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = nullptr;

	opts.kind = "cuda";
	opts.len = len;
	opts.cause = &cause;
	cause = {};
	*err = devrx_memory_alloc(&mem, &opts);
	return Memory(mem);
}

Memory enroll(uint64_t addr, uint64_t len, int *err)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = nullptr;

	opts.cause = &cause;
	cause = {};
	*err = devrx_cuda_register(&mem, addr, len, &opts);
	return Memory(mem);
}

struct devrx_memory_info info_of(const Memory &mem)
{
	struct devrx_memory_info info = {};

	info.size = sizeof(info);
	(void)devrx_memory_info(mem.get(), &info);
	return info;
}

std::string failed_with(int err)
{
	return std::string(strerror(-err)) + ", " + cause.id + ": " +
	       cause.text;
}

/* Refused with this errno and cause? */
std::string refused(int err, int want, const char *id)
{
	if (err == want && !strcmp(cause.id, id))
		return "";
	return std::string("wanted ") + id + ", got " +
	       (err ? failed_with(err) : "the memory");
}

int open_fds()
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

/* What NVML says of the BAR in use, in bytes; -1 where it does not. */
long long bar1_used(const Gpu &gpu)
{
	struct {
		unsigned long long all, free, used;
	} bar1 = {};
	void *so = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	int (*init)() = nullptr, (*bar)(void *, void *) = nullptr;
	int (*find)(const char *, void **) = nullptr;
	void *device = nullptr;

	if (!so)
		return -1;
	*(void **)&init = dlsym(so, "nvmlInit_v2");
	*(void **)&find = dlsym(so, "nvmlDeviceGetHandleByPciBusId_v2");
	*(void **)&bar = dlsym(so, "nvmlDeviceGetBAR1MemoryInfo");
	if (!init || !find || !bar || init() ||
	    find(gpu.pci.c_str(), &device) || bar(device, &bar1))
		return -1;
	return (long long)bar1.used;
}

std::string check_dmabuf(const Memory &mem, uint64_t len)
{
	const struct devrx_memory_info info = info_of(mem);
	const int flags = fcntl(info.dmabuf_fd, F_GETFD);
	const off_t end = lseek(info.dmabuf_fd, 0, SEEK_END);

	printf("# %llu MiB at 0x%llx; %s\n",
	       (unsigned long long)(info.len / MiB),
	       (unsigned long long)info.device_addr, info.proof);
	if (info.len != len || end != (off_t)len)
		return "the lengths are " + std::to_string(info.len) + " and " +
		       std::to_string(end);
	if (flags < 0 || !(flags & FD_CLOEXEC))
		return "the descriptor has no CLOEXEC";
	if (info.device_addr % (uint64_t)sysconf(_SC_PAGESIZE))
		return "it does not begin at a page";
	if (info.host_addr)
		return "there is a host address";
	if (info.placement != DEVRX_PLACEMENT_DEVICE)
		return std::string("placement is not device: ") + info.proof;
	return "";
}

/* The host writes, the GPU reads and writes, the host reads. */
std::string check_bytes(Gpu &gpu, const Memory &mem)
{
	const uint64_t at = info_of(mem).device_addr;
	std::vector<uint8_t> out(3 * MiB + 1), in(out.size());
	const devrx_desc record = { 5, (uint32_t)out.size(), 0 };
	devrx_kernel_args args = {};
	int err;

	for (size_t i = 0; i < out.size(); i++)
		out[i] = (uint8_t)(i * 2654435761u >> 24);
	err = devrx_memory_write(mem.get(), 5, out.data(), out.size());
	if (err)
		return std::string("write: ") + strerror(-err);
	args.records = gpu.put(&record, sizeof(record), 0);
	args.nr_records = 1;
	args.source = at;
	args.out = at + 16 * MiB + 3;
	gpu.launch(kernels::GATHER, args, 8);
	err = devrx_memory_read(mem.get(), 16 * MiB + 3, in.data(), in.size());
	gpu.clear();
	if (err)
		return std::string("read: ") + strerror(-err);
	return in == out ? "" : "the bytes are not those that were written";
}

/* A kernel of the caller's keeps running: copies of ours do not wait for it. */
std::string check_copies_beside(Gpu &gpu, const Memory &mem)
{
	const size_t len = DEVRX_DEVICE_RING_LEN(64);
	const consumer_result zeros = {};
	devrx_device_ring *ring = nullptr;
	consumer_args args = {};
	void *parameters[] = { &args };
	consumer_result result;
	uint64_t word = 0x1122334455667788, got = 0;
	void *host;
	int err;

	gpu.must(gpu.cu.cuMemHostAlloc(&host, len, CU_MEMHOSTALLOC_DEVICEMAP),
		 "cuMemHostAlloc");
	gpu.must(gpu.cu.cuMemHostGetDevicePointer(&args.ring, host, 0),
		 "cuMemHostGetDevicePointer");
	if (devrx_device_ring_create(&ring, host, len, nullptr))
		return "no ring could be made";
	args.result = gpu.put(&zeros, sizeof(zeros), 0);
	args.timeout_ns = 5'000'000'000;
	gpu.must(gpu.cu.cuLaunchKernel(gpu.consume, 1, 1, 1, CONSUMER_THREADS,
				       1, 1, 0, nullptr, parameters, nullptr),
		 "cuLaunchKernel");
	err = devrx_memory_write(mem.get(), 8, &word, sizeof(word));
	if (!err)
		err = devrx_memory_read(mem.get(), 8, &got, sizeof(got));
	if (!err)
		err = devrx_cuda_check(mem.get(), nullptr);
	devrx_device_ring_finish(ring);
	gpu.must(gpu.cu.cuCtxSynchronize(), "devrx_test_consume");
	gpu.get(args.result, &result, sizeof(result));
	devrx_device_ring_destroy(ring);
	gpu.must(gpu.cu.cuMemFreeHost(host), "cuMemFreeHost");
	gpu.clear();
	if (err)
		return strerror(-err);
	if (result.gave_up)
		return "the copies waited until the kernel gave up";
	return got == word ? "" : "the word is not the one that was written";
}

std::string check_flush(const Gpu &gpu, const Memory &mem)
{
	const int err = devrx_cuda_flush_writes(mem.get());

	if (!err || (err == -EOPNOTSUPP && gpu.writes_ordering < 100))
		return "";
	return strerror(-err);
}

std::string check_registered(Gpu &gpu)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t at = gpu.put(nullptr, 16 * MiB, 0);
	uint64_t word = 42, got = 0;
	std::string error;
	int err;

	Memory whole = enroll(at, 0, &err);
	if (err)
		return "whole: " + failed_with(err);
	Memory part = enroll(at + page, 2 * MiB, &err);
	if (err)
		return "a part: " + failed_with(err);
	if (info_of(part).len != 2 * MiB ||
	    lseek(info_of(part).dmabuf_fd, 0, SEEK_END) != (off_t)(2 * MiB))
		error = "a part has another length";
	(void)devrx_memory_write(part.get(), 8, &word, sizeof(word));
	(void)devrx_memory_read(whole.get(), page + 8, &got, sizeof(got));
	if (error.empty() && got != word)
		error = "a part is somewhere else";
	part.reset();
	whole.reset();
	gpu.clear();
	return error;
}

std::string check_refusals(Gpu &gpu)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t at = gpu.put(nullptr, 4 * MiB, 0);
	CUdeviceptr managed = 0;
	std::string error;
	void *host;
	int err;
	auto want = [&](const char *what, int wanted, const char *id) {
		const std::string e = refused(err, wanted, id);

		if (!e.empty() && error.empty())
			error = std::string(what) + ": " + e;
	};

	(void)enroll(at + 16, page, &err);
	want("unaligned", -EINVAL, "cuda-unaligned");
	(void)enroll(at, 4 * MiB + 64 * MiB * 1024, &err);
	want("beyond the end", -EINVAL, "cuda-range");
	gpu.must(gpu.cu.cuMemHostAlloc(&host, page, CU_MEMHOSTALLOC_DEVICEMAP),
		 "cuMemHostAlloc");
	(void)enroll((uint64_t)host, page, &err);
	want("host memory", -EINVAL, "cuda-not-device");
	gpu.must(gpu.cu.cuMemFreeHost(host), "cuMemFreeHost");
	if (!gpu.cu.cuMemAllocManaged(&managed, 2 * MiB,
				      CU_MEM_ATTACH_GLOBAL)) {
		(void)enroll(managed, 2 * MiB, &err);
		want("managed memory", -EINVAL, "cuda-not-device");
		gpu.must(gpu.cu.cuMemFree(managed), "cuMemFree");
	}
	(void)enroll((uint64_t)&err & ~(page - 1), page, &err);
	want("a stack", -EINVAL, "cuda-not-device");
	gpu.clear();
	return error;
}

std::string check_freed(Gpu &gpu)
{
	const uint64_t at = gpu.put(nullptr, 4 * MiB, 0);
	std::string error;
	char byte;
	int err;

	Memory mem = enroll(at, 0, &err);
	if (err)
		return failed_with(err);
	gpu.clear();
	cause = {};
	err = devrx_cuda_check(mem.get(), &cause);
	error = refused(err, -ESTALE, "cuda-memory-freed");
	if (error.empty() &&
	    devrx_memory_read(mem.get(), 0, &byte, 1) != -ESTALE)
		error = "it can still be read";
	return error;
}

std::string check_too_much(Gpu &gpu)
{
	size_t free_bytes, all_bytes;
	int err;

	gpu.must(gpu.cu.cuMemGetInfo(&free_bytes, &all_bytes), "cuMemGetInfo");
	(void)alloc(2 * (uint64_t)all_bytes, &err);
	return refused(err, -ENOMEM, "out-of-memory");
}

/* A hundred times: no descriptor and no memory stays. */
std::string check_leaks(Gpu &gpu)
{
	size_t before, after, all_bytes;
	const int fds = open_fds();
	int err;

	gpu.must(gpu.cu.cuMemGetInfo(&before, &all_bytes), "cuMemGetInfo");
	for (int i = 0; i < 100; i++) {
		Memory mem = alloc(64 * MiB, &err);

		if (err)
			return std::to_string(i) + ": " + failed_with(err);
	}
	gpu.must(gpu.cu.cuMemGetInfo(&after, &all_bytes), "cuMemGetInfo");
	if (open_fds() != fds)
		return std::to_string(open_fds() - fds) + " descriptors stay";
	/* Others use the GPU, too. */
	if (before > after && before - after > 1024 * MiB)
		return std::to_string((before - after) / MiB) + " MiB stay";
	return "";
}

} // namespace

int check_export(Gpu &gpu)
{
	const long long used = bar1_used(gpu);
	int failed = 0, err;

	Memory mem = alloc(64 * MiB, &err);
	if (err == -EOPNOTSUPP && !gpu.dmabuf) {
		printf("skip gpu/export: %s: %s\n", cause.id, cause.text);
		return 0;
	}
	if (err)
		return result_of("gpu/export", failed_with(err));
	failed |= result_of("gpu/export-dmabuf", check_dmabuf(mem, 64 * MiB));
	if (used >= 0)
		printf("# BAR1 in use: %lld MiB before, %lld MiB after\n",
		       used / (long long)MiB, bar1_used(gpu) / (long long)MiB);
	failed |= result_of("gpu/export-bytes", check_bytes(gpu, mem));
	failed |= result_of("gpu/export-copies-beside-a-kernel",
			    check_copies_beside(gpu, mem));
	failed |= result_of("gpu/export-flush", check_flush(gpu, mem));
	mem.reset();
	failed |= result_of("gpu/export-registered", check_registered(gpu));
	failed |= result_of("gpu/export-refusals", check_refusals(gpu));
	failed |= result_of("gpu/export-freed", check_freed(gpu));
	failed |= result_of("gpu/export-too-much", check_too_much(gpu));
	return failed | result_of("gpu/export-leaks", check_leaks(gpu));
}
