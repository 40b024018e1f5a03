// SPDX-License-Identifier: MIT
/*
 * kernel/vram on the real kernel: what it refuses, that no CPU gets at the
 * memory, and that the copy engine and devices do, in each layout.
 */
#include <algorithm>
#include <cstring>
#include <linux/dma-buf.h>
#include <random>
#include <sys/mman.h>
#include <vector>

#include "support_vram.h"

namespace
{

using namespace vm;

/* ---- What user space hands in ---- */

struct AllocCase {
	const char *name;
	void (*change)(devrx_vram_alloc &a);
	int want;
};

const AllocCase allocs[] = {
	{ "Good", [](devrx_vram_alloc &) {}, 0 },
	{ "LenZero", [](devrx_vram_alloc &a) { a.len = 0; }, -EINVAL },
	{ "LenNotPages", [](devrx_vram_alloc &a) { a.len++; }, -EINVAL },
	{ "LenNotPieces", [](devrx_vram_alloc &a) { a.len += page; }, -EINVAL },
	{ "LenWraps", [](devrx_vram_alloc &a) { a.len = UINT64_MAX - 65535; },
	  -ENOMEM },
	{ "BlockTooLong",
	  [](devrx_vram_alloc &a) {
		  a.layout = DEVRX_VRAM_LAYOUT_BLOCK;
		  a.len = (UINT64_C(2) << 30) + page;
	  },
	  -EINVAL },
	{ "NoSuchLayout", [](devrx_vram_alloc &a) { a.layout = 4; }, -EINVAL },
	{ "UnknownFlag", [](devrx_vram_alloc &a) { a.flags = 1u << 2; },
	  -EINVAL },
	{ "HighFlag", [](devrx_vram_alloc &a) { a.flags = 1u << 31; },
	  -EINVAL },
	{ "SeedWithoutShuffle", [](devrx_vram_alloc &a) { a.seed = 1; },
	  -EINVAL },
	{ "AttachErrnoOfTheKernel",
	  [](devrx_vram_alloc &a) { a.attach_errno = 512; }, -EINVAL },
	{ "MapErrnoOfTheKernel", [](devrx_vram_alloc &a) { a.map_errno = 512; },
	  -EINVAL },
	{ "FirstReserved", [](devrx_vram_alloc &a) { a.reserved[0] = 1; },
	  -EINVAL },
	{ "LastReserved", [](devrx_vram_alloc &a) { a.reserved[2] = 1; },
	  -EINVAL },
	{ "FailAllocPages",
	  [](devrx_vram_alloc &a) { a.flags = DEVRX_VRAM_F_FAIL_ALLOC; },
	  -ENOMEM },
	{ "FailAllocBlock",
	  [](devrx_vram_alloc &a) {
		  a.layout = DEVRX_VRAM_LAYOUT_BLOCK;
		  a.flags = DEVRX_VRAM_F_FAIL_ALLOC;
	  },
	  -ENOMEM },
};

class VramAlloc : public Vram, public testing::WithParamInterface<AllocCase>
{
};

TEST_P(VramAlloc, ReturnsTheDocumentedErrnoAndKeepsNothing)
{
	devrx_vram_alloc args = {};

	args.len = 4 * MiB;
	args.layout = DEVRX_VRAM_LAYOUT_64K;
	args.dmabuf_fd = -1;
	GetParam().change(args);
	EXPECT_EQ(call(DEVRX_VRAM_IOC_ALLOC, &args), GetParam().want);
	EXPECT_EQ(args.dmabuf_fd >= 0, GetParam().want == 0);
	const Fd fd(args.dmabuf_fd);

	EXPECT_EQ(vram_stats()["buffers"], GetParam().want ? 0 : 1);
	if (fd.get() >= 0) {
		EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
		EXPECT_EQ(lseek(fd.get(), 0, SEEK_END), off_t(args.len));
	}
}

INSTANTIATE_TEST_SUITE_P(All, VramAlloc, testing::ValuesIn(allocs),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(Vram, UnknownFlagsAndReservedMembersAreRefusedEverywhere)
{
	const Fd fd = alloc(64 << 10);
	char byte = 0;
	devrx_vram_copy copy = {};
	devrx_vram_fill fill = {};
	devrx_vram_revoke rev = {};
	devrx_vram_info inf = {};

	copy.dmabuf_fd = fill.dmabuf_fd = rev.dmabuf_fd = inf.dmabuf_fd =
		fd.get();
	copy.addr = reinterpret_cast<uintptr_t>(&byte);
	copy.len = fill.len = 1;
	for (unsigned long request :
	     { DEVRX_VRAM_IOC_READ, DEVRX_VRAM_IOC_WRITE }) {
		devrx_vram_copy bad = copy;

		EXPECT_EQ(call(request, &copy), 0);
		bad.flags = 1;
		EXPECT_EQ(call(request, &bad), -EINVAL);
		bad.flags = 0;
		bad.reserved = 1;
		EXPECT_EQ(call(request, &bad), -EINVAL);
	}
	EXPECT_EQ(call(DEVRX_VRAM_IOC_FILL, &fill), 0);
	fill.flags = 1;
	EXPECT_EQ(call(DEVRX_VRAM_IOC_FILL, &fill), -EINVAL);
	fill.flags = 0;
	fill.reserved = 1;
	EXPECT_EQ(call(DEVRX_VRAM_IOC_FILL, &fill), -EINVAL);
	inf.reserved[4] = 1;
	EXPECT_EQ(call(DEVRX_VRAM_IOC_INFO, &inf), -EINVAL);
	inf.reserved[4] = 0;
	inf.flags = 1;
	EXPECT_EQ(call(DEVRX_VRAM_IOC_INFO, &inf), -EINVAL);
	rev.flags = 1;
	EXPECT_EQ(call(DEVRX_VRAM_IOC_REVOKE, &rev), -EINVAL);
	EXPECT_EQ(info(fd.get()).flags, 0u);
	EXPECT_EQ(call(_IO(0xde, 0x46), &rev), -ENOTTY);
}

TEST_F(Vram, DescriptorsOfSomethingElseAreRefused)
{
	const Fd other(raw_udmabuf(64 << 10));
	char byte = 0;

	ASSERT_GE(other.get(), 0) << strerror(errno);
	for (auto &[fd, want] :
	     std::map<int, int>{ { -1, -EBADF },
				 { 1000000, -EBADF },
				 { node.get(), -EINVAL },
				 { other.get(), -EINVAL } }) {
		devrx_vram_info inf = {};

		EXPECT_EQ(read(fd, 0, &byte, 1), want);
		EXPECT_EQ(write(fd, 0, &byte, 1), want);
		EXPECT_EQ(fill(fd, 0, 1, 0), want);
		EXPECT_EQ(revoke(fd), want);
		inf.dmabuf_fd = fd;
		EXPECT_EQ(call(DEVRX_VRAM_IOC_INFO, &inf), want);
	}
}

/* ---- The CPU stays out ---- */

TEST_F(Vram, MmapIsRefused)
{
	const Fd fd = alloc(MiB);
	const int64_t before = vram_stats()["refused_mmap"];

	for (int prot : { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE }) {
		for (int kind : { MAP_SHARED, MAP_PRIVATE }) {
			errno = 0;
			EXPECT_EQ(mmap(nullptr, page, prot, kind, fd.get(), 0),
				  MAP_FAILED);
			EXPECT_EQ(errno, EOPNOTSUPP);
		}
	}
	EXPECT_EQ(vram_stats()["refused_mmap"], before + 6);
	/* Nor does it become a mapping of something else. */
	EXPECT_EQ(mmap(nullptr, page, PROT_READ, MAP_SHARED, node.get(), 0),
		  MAP_FAILED);
}

TEST_F(Vram, CpuAccessIsRefused)
{
	const Fd fd = alloc(MiB);
	const int64_t before = vram_stats()["refused_cpu_access"];
	int calls = 0;
	char byte;

	for (uint64_t way :
	     { DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW }) {
		for (uint64_t half : { DMA_BUF_SYNC_START, DMA_BUF_SYNC_END }) {
			struct dma_buf_sync sync = {};

			sync.flags = way | half;
			EXPECT_EQ(ioctl(fd.get(), DMA_BUF_IOCTL_SYNC, &sync),
				  -1);
			EXPECT_EQ(errno, EOPNOTSUPP);
			calls++;
		}
	}
	EXPECT_EQ(vram_stats()["refused_cpu_access"], before + calls);
	EXPECT_EQ(::read(fd.get(), &byte, 1), -1);
	EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), -1);
}

TEST_F(Vram, VmapIsRefused)
{
	const Fd fd = alloc(MiB);
	const Fd other(raw_udmabuf(64 << 10));

	EXPECT_EQ(set_knob("vmap", fd.get()), -EINVAL);
	/* The same knob maps what can be mapped, and refuses what is none. */
	EXPECT_EQ(set_knob("vmap", other.get()), 0);
	EXPECT_EQ(set_knob("vmap", 1000000), -EBADF);
	EXPECT_EQ(set_knob("vmap", node.get()), -EINVAL);
}

TEST_F(Vram, DevrxGivesNoHostAddressAndClaimsNoDevice)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *none = nullptr;
	devrx_cause cause = {};
	Memory import;

	ASSERT_EQ(make_vram(&mem, nullptr, 1), outcome(0));
	EXPECT_STREQ(memory_info(mem).kind, "vram");
	EXPECT_EQ(memory_info(mem).len, 65536u);
	EXPECT_EQ(memory_info(mem).host_addr, nullptr);
	EXPECT_EQ(memory_info(mem).device_addr, 0u);
	EXPECT_GE(memory_info(mem).dmabuf_fd, 0);
	EXPECT_EQ(memory_info(mem).placement, uint32_t(DEVRX_PLACEMENT_HOST));
	EXPECT_STREQ(memory_info(mem).proof,
		     "software device memory (devrx_vram): host pages that the "
		     "CPU cannot map");

	ASSERT_EQ(import_memory(&import, memory_info(mem).dmabuf_fd),
		  outcome(0));
	EXPECT_EQ(memory_info(import).host_addr, nullptr);
	EXPECT_EQ(memory_info(import).placement,
		  uint32_t(DEVRX_PLACEMENT_HOST));
	char byte = 0;
	EXPECT_EQ(devrx_memory_read(import.get(), 0, &byte, 1), -EOPNOTSUPP);
	EXPECT_EQ(devrx_memory_write(import.get(), 0, &byte, 1), -EOPNOTSUPP);

	opts.kind = "vram";
	opts.len = page;
	opts.placement = DEVRX_PLACEMENT_DEVICE;
	opts.cause = &cause;
	EXPECT_EQ(devrx_memory_alloc(&none, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "placement-unproved");
}

/* ---- The copy engine ---- */

struct LayoutCase {
	const char *name;
	uint32_t layout;
	uint64_t len;
	uint64_t piece;
	uint32_t chunk; /* the longest that the pieces, or softnic, allow */
};

const LayoutCase layouts[] = {
	{ "page", DEVRX_VRAM_LAYOUT_PAGE, 4 * MiB, page, page },
	{ "64k", DEVRX_VRAM_LAYOUT_64K, 4 * MiB, 65536, 65536 },
	{ "1m", DEVRX_VRAM_LAYOUT_1M, 8 * MiB, MiB, 1 << 20 },
	{ "block", DEVRX_VRAM_LAYOUT_BLOCK, 8 * MiB, 8 * MiB, 2 << 20 },
};

class VramLayout : public Vram, public testing::WithParamInterface<LayoutCase>
{
      protected:
	/* Copies and fills of any place and length, against a plain array. */
	void same_as_an_array(const Fd &fd)
	{
		const uint64_t len = GetParam().len;
		std::vector<uint8_t> want(len), got(len), data(300000);
		std::mt19937 rnd(4711);

		ASSERT_EQ(read(fd.get(), 0, got.data(), len), 0);
		ASSERT_EQ(got, want) << "not zeroed";
		for (uint8_t &byte : data)
			byte = uint8_t(rnd());
		for (int i = 0; i < 600; i++) {
			/* Half of them are about one word long. */
			const uint64_t n = rnd() % (i % 2 ? 13 : data.size());
			const uint64_t off = rnd() % (len - n + 1);
			const uint32_t value = uint32_t(rnd());

			switch (rnd() % 3) {
			case 0:
				ASSERT_EQ(write(fd.get(), off, data.data(), n),
					  0);
				std::copy_n(data.data(), n, &want[off]);
				break;
			case 1:
				ASSERT_EQ(fill(fd.get(), off, n, value), 0);
				for (uint64_t k = 0; k < n; k++)
					want[off + k] =
						uint8_t(value >> 8 * (k % 4));
				break;
			default:
				ASSERT_EQ(read(fd.get(), off, got.data(), n),
					  0);
				ASSERT_FALSE(memcmp(got.data(), &want[off], n))
					<< n << " bytes at " << off;
			}
		}
		ASSERT_EQ(read(fd.get(), 0, got.data(), len), 0);
		EXPECT_EQ(memcmp(got.data(), want.data(), len), 0);
	}
};

TEST_P(VramLayout, CopiesAndFillsAreThoseOfAnArray)
{
	same_as_an_array(alloc(GetParam().len, GetParam().layout));
}

TEST_P(VramLayout, ShuffledTheyStillAre)
{
	same_as_an_array(alloc(GetParam().len, GetParam().layout,
			       DEVRX_VRAM_F_SHUFFLE, 99));
}

TEST_P(VramLayout, LiesInThePiecesThatWerePromised)
{
	for (uint32_t flags : { 0u, uint32_t(DEVRX_VRAM_F_SHUFFLE) }) {
		const Fd fd = alloc(GetParam().len, GetParam().layout, flags);
		const devrx_vram_info i = info(fd.get());

		EXPECT_EQ(i.len, GetParam().len);
		EXPECT_EQ(i.layout, GetParam().layout);
		EXPECT_EQ(i.piece_len, GetParam().piece);
		EXPECT_EQ(i.pieces, GetParam().len / GetParam().piece);
		if (!flags) {
			EXPECT_EQ(i.neighbours, 0u);
		}
		EXPECT_EQ(i.attached, 0u);
		EXPECT_EQ(i.mapped, 0u);
	}
}

TEST_P(VramLayout, ZcrxTakesChunksUpToThePiece)
{
	for (uint32_t chunk = page; chunk <= GetParam().chunk; chunk *= 2) {
		/* A few are enough, the first and the last among them. */
		if (chunk > page && chunk < GetParam().chunk && chunk != 32768)
			continue;
		ASSERT_EQ(make_vram(&mem, GetParam().name, GetParam().len),
			  outcome(0));
		EXPECT_EQ(open_on(chunk), outcome(0)) << chunk;
		EXPECT_EQ(info(memory_info(mem).dmabuf_fd).mapped, 1u);
		rx.reset();
		ASSERT_TRUE(queue_is_free());
	}
	if (GetParam().layout == DEVRX_VRAM_LAYOUT_BLOCK)
		return;
	EXPECT_EQ(open_on(GetParam().chunk * 2),
		  outcome(-ERANGE, "chunk-refused"));
}

TEST_P(VramLayout, BytesOfANicLandInIt)
{
	ASSERT_EQ(make_vram(&mem, GetParam().name, 8 * MiB), outcome(0));
	ASSERT_EQ(open_on(std::min(GetParam().chunk, 65536u)), outcome(0));
	EXPECT_EQ(transfer(rx, mem, 2 * MiB, 4), "");
}

INSTANTIATE_TEST_SUITE_P(All, VramLayout, testing::ValuesIn(layouts),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(Vram, FillRepeatsTheValueFromItsOwnStart)
{
	const Fd fd = alloc(64 << 10, DEVRX_VRAM_LAYOUT_PAGE);
	uint8_t got[12];

	/* Across the end of a piece, at an odd place. */
	ASSERT_EQ(fill(fd.get(), page - 3, 9, 0x44332211), 0);
	ASSERT_EQ(read(fd.get(), page - 4, got, sizeof(got)), 0);
	const uint8_t want[12] = { 0,	 0x11, 0x22, 0x33, 0x44, 0x11,
				   0x22, 0x33, 0x44, 0x11, 0,	 0 };
	EXPECT_EQ(memcmp(got, want, sizeof(want)), 0);
}

TEST_F(Vram, RangesAreChecked)
{
	const uint64_t len = 64 << 10;
	const Fd fd = alloc(len);
	char bytes[2] = {};

	EXPECT_EQ(read(fd.get(), len, bytes, 0), 0);
	EXPECT_EQ(read(fd.get(), len - 1, bytes, 1), 0);
	for (auto &[off, n] :
	     std::vector<std::pair<uint64_t, uint64_t>>{ { len, 1 },
							 { len - 1, 2 },
							 { len + 1, 0 },
							 { 0, len + 1 },
							 { UINT64_MAX, 2 },
							 { 2, UINT64_MAX } }) {
		EXPECT_EQ(read(fd.get(), off, bytes, n), -ERANGE) << off;
		EXPECT_EQ(write(fd.get(), off, bytes, n), -ERANGE) << off;
		EXPECT_EQ(fill(fd.get(), off, n, 0), -ERANGE) << off;
	}
	EXPECT_EQ(read(fd.get(), 0, nullptr, 1), -EFAULT);
	EXPECT_EQ(write(fd.get(), 0, nullptr, 1), -EFAULT);
	EXPECT_EQ(read(fd.get(), 0, nullptr, 0), 0);
	/* An address of the kernel's half is no place to copy to. */
	EXPECT_EQ(read(fd.get(), 0,
		       reinterpret_cast<void *>(UINT64_C(0xffff888000000000)),
		       8),
		  -EFAULT);
}

} /* namespace */
