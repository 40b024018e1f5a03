// SPDX-License-Identifier: MIT
/*
 * The kinds that are dmabufs. What goes wrong is provoked on any machine, with
 * a /dev of the test's own; what goes right needs the real device nodes, and
 * is skipped with a reason where they are not.
 */
#include "memory_support.h"

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <functional>
#include <vector>

using namespace memory_support;

namespace
{

/* A file where the device node should be: opens, and then is no device. */
bool FakeUdmabuf(Outcome &o)
{
	return WriteFile("/dev/udmabuf", "") || CannotDo(o, "/dev/udmabuf");
}

bool FakeHeap(Outcome &o)
{
	return (!mkdir("/dev/dma_heap", 0755) &&
		WriteFile("/dev/dma_heap/system", "")) ||
	       CannotDo(o, "/dev/dma_heap/system");
}

bool FakeVram(Outcome &o)
{
	return WriteFile("/dev/devrx_vram", "") ||
	       CannotDo(o, "/dev/devrx_vram");
}

bool SetLimit(Outcome &o, const char *mib)
{
	return (!mkdir("/sys/module/udmabuf", 0755) &&
		!mkdir("/sys/module/udmabuf/parameters", 0755) &&
		WriteFile("/sys/module/udmabuf/parameters/size_limit_mb",
			  mib)) ||
	       CannotDo(o, "size_limit_mb");
}

/* A device number that nobody drives. */
bool DriverlessNode(Outcome &o, const char *path)
{
	if (mknod(path, S_IFCHR | 0600, makedev(4000, 4000)))
		return CannotDo(o, "mknod");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 || (errno != ENXIO && errno != ENODEV))
		return CannotDo(o, "a node without a driver");
	return true;
}

struct NodeCase {
	const char *name;
	const char *kind;
	bool (*prepare)(Outcome &o);
	void (*change)(devrx_memory_opts &opts);
	int want;
	const char *id;
	const char *next;
	/* Does probe, which does not know the options, say the same? */
	bool probed;
};

void Nothing(devrx_memory_opts &)
{
}

const NodeCase nodes[] = {
	{ "UdmabufMissing", "udmabuf", [](Outcome &) { return true; }, Nothing,
	  -ENOENT, "udmabuf-missing", "modprobe udmabuf", true },
	{ "UdmabufWithoutDriver", "udmabuf",
	  [](Outcome &o) { return DriverlessNode(o, "/dev/udmabuf"); }, Nothing,
	  -ENOENT, "udmabuf-missing", "modprobe udmabuf", true },
	{ "UdmabufWithoutPermission", "udmabuf",
	  [](Outcome &o) {
		  return FakeUdmabuf(o) && !chmod("/dev/udmabuf", 0) &&
			 ObeyFileModes(o);
	  },
	  Nothing, -EACCES, "udmabuf-access", "ls -l /dev/udmabuf", true },
	{ "UdmabufWithoutDescriptors", "udmabuf",
	  [](Outcome &o) { return FakeUdmabuf(o) && LeaveDescriptors(o, 0); },
	  Nothing, -EMFILE, "os-error", "", true },
	{ "UdmabufWithoutASecondDescriptor", "udmabuf",
	  [](Outcome &o) { return FakeUdmabuf(o) && LeaveDescriptors(o, 1); },
	  Nothing, -EMFILE, "os-error", "", false },
	{ "UdmabufAboveItsLimit", "udmabuf",
	  [](Outcome &o) { return FakeUdmabuf(o) && SetLimit(o, "3\n"); },
	  [](devrx_memory_opts &opts) { opts.len = (3 << 20) + 1; }, -EFBIG,
	  "udmabuf-limit",
	  "echo 4 > /sys/module/udmabuf/parameters/size_limit_mb", false },
	{ "UdmabufAboveALimitOfZero", "udmabuf",
	  [](Outcome &o) { return FakeUdmabuf(o) && SetLimit(o, "0\n"); },
	  Nothing, -EFBIG, "udmabuf-limit",
	  "echo 1 > /sys/module/udmabuf/parameters/size_limit_mb", false },
	/* The next three get as far as the ioctl, which a file refuses. */
	{ "UdmabufAtItsLimit", "udmabuf",
	  [](Outcome &o) { return FakeUdmabuf(o) && SetLimit(o, "3\n"); },
	  [](devrx_memory_opts &opts) { opts.len = 3 << 20; }, -ENOTTY,
	  "os-error", "", false },
	{ "UdmabufLimitUnreadable", "udmabuf",
	  [](Outcome &o) { return FakeUdmabuf(o) && SetLimit(o, "many\n"); },
	  [](devrx_memory_opts &opts) { opts.len = 128 << 20; }, -ENOTTY,
	  "os-error", "", false },
	{ "UdmabufIoctlFails", "udmabuf", FakeUdmabuf, Nothing, -ENOTTY,
	  "os-error", "", false },
	{ "UdmabufMoreHugePagesThanThereAre", "udmabuf", FakeUdmabuf,
	  [](devrx_memory_opts &opts) {
		  opts.flags = DEVRX_MEMORY_F_HUGETLB;
		  opts.len = UINT64_C(1) << 42;
	  },
	  -ENOMEM, "hugetlb-exhausted", "sysctl vm.nr_hugepages=2097152",
	  false },
	{ "UdmabufMoreThanAddressSpace", "udmabuf", FakeUdmabuf,
	  [](devrx_memory_opts &opts) { opts.len = UINT64_C(1) << 56; },
	  -ENOMEM, "out-of-memory", "", false },
	{ "HeapsMissing", "dmaheap", [](Outcome &) { return true; }, Nothing,
	  -ENOENT, "heap-missing", "ls /dev/dma_heap", true },
	{ "HeapOfThatNameMissing", "dmaheap", FakeHeap,
	  [](devrx_memory_opts &opts) { opts.device = "vram"; }, -ENOENT,
	  "heap-missing", "ls /dev/dma_heap", false },
	{ "HeapNameIsAWayOut", "dmaheap",
	  [](Outcome &o) { return FakeHeap(o) && WriteFile("/dev/x", ""); },
	  [](devrx_memory_opts &opts) { opts.device = "../x"; }, -ENOENT,
	  "heap-missing", "ls /dev/dma_heap", false },
	{ "HeapNameIsAPath", "dmaheap",
	  [](Outcome &o) {
		  return FakeHeap(o) && !mkdir("/dev/dma_heap/a", 0755) &&
			 WriteFile("/dev/dma_heap/a/b", "");
	  },
	  [](devrx_memory_opts &opts) { opts.device = "a/b"; }, -ENOENT,
	  "heap-missing", "ls /dev/dma_heap", false },
	{ "HeapNameIsTheDirectory", "dmaheap", FakeHeap,
	  [](devrx_memory_opts &opts) { opts.device = "."; }, -ENOENT,
	  "heap-missing", "ls /dev/dma_heap", false },
	{ "HeapNameIsEmpty", "dmaheap", FakeHeap,
	  [](devrx_memory_opts &opts) { opts.device = ""; }, -ENOENT,
	  "heap-missing", "ls /dev/dma_heap", false },
	{ "HeapNameIsTooLong", "dmaheap", FakeHeap,
	  [](devrx_memory_opts &opts) {
		  static const std::string name(5000, 'x');

		  opts.device = name.c_str();
	  },
	  -ENOENT, "heap-missing", "ls /dev/dma_heap", false },
	{ "HeapWithoutDriver", "dmaheap",
	  [](Outcome &o) {
		  return !mkdir("/dev/dma_heap", 0755) &&
			 DriverlessNode(o, "/dev/dma_heap/system");
	  },
	  Nothing, -ENOENT, "heap-missing", "ls /dev/dma_heap", true },
	{ "HeapWithoutPermission", "dmaheap",
	  [](Outcome &o) {
		  return FakeHeap(o) && !chmod("/dev/dma_heap/system", 0) &&
			 ObeyFileModes(o);
	  },
	  Nothing, -EACCES, "heap-access", "ls -l /dev/dma_heap", true },
	{ "HeapWithoutDescriptors", "dmaheap",
	  [](Outcome &o) { return FakeHeap(o) && LeaveDescriptors(o, 0); },
	  Nothing, -EMFILE, "os-error", "", true },
	{ "HeapIoctlFails", "dmaheap", FakeHeap, Nothing, -ENOTTY, "os-error",
	  "", false },
	{ "VramMissing", "vram", [](Outcome &) { return true; }, Nothing,
	  -ENOENT, "vram-missing", "insmod devrx_vram.ko", true },
	{ "VramWithoutDriver", "vram",
	  [](Outcome &o) { return DriverlessNode(o, "/dev/devrx_vram"); },
	  Nothing, -ENOENT, "vram-missing", "insmod devrx_vram.ko", true },
	{ "VramWithoutPermission", "vram",
	  [](Outcome &o) {
		  return FakeVram(o) && !chmod("/dev/devrx_vram", 0) &&
			 ObeyFileModes(o);
	  },
	  Nothing, -EACCES, "vram-access", "ls -l /dev/devrx_vram", true },
	{ "VramWithoutDescriptors", "vram",
	  [](Outcome &o) { return FakeVram(o) && LeaveDescriptors(o, 0); },
	  Nothing, -EMFILE, "os-error", "", true },
	{ "VramIoctlFails", "vram", FakeVram, Nothing, -ENOTTY, "os-error", "",
	  false },
};

/* Whatever a case could not prepare is a reason to skip, never a pass. */
bool Prepare(const NodeCase &c, Outcome &o)
{
	return c.prepare(o) || (!o.skip[0] && CannotDo(o, "preparation"));
}

class MemoryNode : public testing::TestWithParam<NodeCase>
{
};

TEST_P(MemoryNode, FailsWithTheDocumentedErrnoAndCause)
{
	const NodeCase &c = GetParam();
	Outcome out = InChild([&](Outcome &o) {
		devrx_memory_opts opts = Good(c.kind, &o.cause);
		devrx_memory *mem = Untouched();

		c.change(opts);
		if (!PrivateDev(o) || !Prepare(c, o))
			return;
		int fds = OpenFds();
		o.rc = devrx_memory_alloc(&mem, &opts);
		o.extra = OpenFds() - fds + (mem != Untouched() ? 1000 : 0);
	});
	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, c.want);
	EXPECT_STREQ(out.cause.id, c.id);
	EXPECT_STRNE(out.cause.text, "");
	EXPECT_EQ(
		std::string(out.cause.next).compare(0, strlen(c.next), c.next),
		0)
		<< out.cause.next;
	EXPECT_EQ(out.extra, 0) << "left open, or the result was touched";
}

TEST_P(MemoryNode, ProbeSaysTheSameWhereItCanKnow)
{
	const NodeCase &c = GetParam();
	Outcome out = InChild([&](Outcome &o) {
		if (!PrivateDev(o) || !Prepare(c, o))
			return;
		int fds = OpenFds();
		o.rc = devrx_provider_find(c.kind)->probe(&o.cause);
		o.extra = OpenFds() - fds;
	});
	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, c.probed ? c.want : 0);
	EXPECT_STREQ(out.cause.id, c.probed ? c.id : "");
	EXPECT_EQ(out.extra, 0);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryNode, testing::ValuesIn(nodes),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* Things that are not a dmabuf. */
struct NotCase {
	const char *name;
	int (*open)();
	int want;
};

const NotCase nots[] = {
	{ "MinusOne", [] { return -1; }, -EBADF },
	{ "VeryNegative", [] { return INT32_MIN; }, -EBADF },
	{ "NotOpen", [] { return 1000000; }, -EBADF },
	{ "Pipe",
	  [] {
		  int fds[2];

		  if (pipe2(fds, O_CLOEXEC))
			  return -1;
		  close(fds[1]);
		  return fds[0];
	  },
	  -EINVAL },
	{ "RegularFile",
	  [] { return open("/proc/self/exe", O_RDONLY | O_CLOEXEC); },
	  -EINVAL },
	{ "RegularFileByPathOnly",
	  [] { return open("/proc/self/exe", O_PATH | O_CLOEXEC); }, -EINVAL },
	{ "Directory", [] { return open("/", O_RDONLY | O_CLOEXEC); },
	  -EINVAL },
	{ "Memfd", [] { return memfd_create("dmabuf", MFD_CLOEXEC); },
	  -EINVAL },
	{ "Socket",
	  [] { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); },
	  -EINVAL },
	{ "DevNull", [] { return open("/dev/null", O_RDWR | O_CLOEXEC); },
	  -EINVAL },
};

class MemoryImportNot : public testing::TestWithParam<NotCase>
{
};

TEST_P(MemoryImportNot, IsRefusedAndStaysTheCallers)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = Untouched();
	int fd = GetParam().open();
	int fds = OpenFds();

	opts.cause = &cause;
	EXPECT_EQ(devrx_memory_import(&mem, fd, &opts), GetParam().want);
	EXPECT_STREQ(cause.id, "not-a-dmabuf");
	EXPECT_EQ(devrx_memory_import(&mem, fd, nullptr), GetParam().want);
	EXPECT_EQ(mem, Untouched());
	EXPECT_EQ(OpenFds(), fds);
	if (GetParam().want == -EINVAL) {
		EXPECT_EQ(close(fd), 0);
	}
}

INSTANTIATE_TEST_SUITE_P(All, MemoryImportNot, testing::ValuesIn(nots),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* Each kind of dmabuf that devrx makes itself. */
struct RealCase {
	const char *name;
	const char *kind;
	uint32_t flags;
	uint64_t unit;
	const char *proof;
	const char *exporter;
};

const RealCase reals[] = {
	{ "Udmabuf", "udmabuf", 0, 0, "memfd pages, which are host memory",
	  "udmabuf" },
	{ "UdmabufHugetlb", "udmabuf", DEVRX_MEMORY_F_HUGETLB, 2 << 20,
	  "memfd pages, which are host memory", "udmabuf" },
	{ "Dmaheap", "dmaheap", 0, 0,
	  "system heap pages, which are host memory", "system" },
};

class MemoryReal : public testing::TestWithParam<RealCase>
{
      protected:
	void SetUp() override
	{
		devrx_cause cause = {};
		devrx_memory_opts opts = Good(GetParam().kind, &cause);
		devrx_memory *mem = nullptr;

		if (devrx_provider_find(GetParam().kind)->probe(&cause))
			GTEST_SKIP() << cause.text;
		unit_ = GetParam().unit ? GetParam().unit : PageLen();
		opts.flags = GetParam().flags;
		opts.len = 2 * unit_ + 1;
		opts.placement = DEVRX_PLACEMENT_HOST;
		int rc = devrx_memory_alloc(&mem, &opts);
		if (rc == -ENOMEM && !strcmp(cause.id, "hugetlb-exhausted"))
			GTEST_SKIP() << "no huge pages: sysctl "
					"vm.nr_hugepages=8";
		ASSERT_EQ(rc, 0) << cause.id << ": " << cause.text;
		mem_.reset(mem);
	}

	Memory Import(int fd, uint64_t len = 0)
	{
		devrx_cause cause = {};
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = nullptr;

		opts.len = len;
		opts.cause = &cause;
		EXPECT_EQ(devrx_memory_import(&mem, fd, &opts), 0)
			<< cause.id << ": " << cause.text;
		return Memory(mem);
	}

	uint64_t unit_ = 0;
	Memory mem_;
};

TEST_P(MemoryReal, IsWholePagesOfProvenHostMemoryInADmabuf)
{
	struct devrx_memory_info info = Info(mem_.get());

	EXPECT_STREQ(info.kind, GetParam().kind);
	EXPECT_EQ(info.len, 3 * unit_);
	ASSERT_GE(info.dmabuf_fd, 0);
	EXPECT_EQ(lseek(info.dmabuf_fd, 0, SEEK_END),
		  static_cast<off_t>(info.len));
	EXPECT_EQ(fcntl(info.dmabuf_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	EXPECT_EQ(info.device_addr, 0u);
	EXPECT_NE(info.host_addr, nullptr);
	if (GetParam().flags & DEVRX_MEMORY_F_HUGETLB) {
		EXPECT_EQ(PageKiB(info.host_addr), 2048);
	}
	EXPECT_EQ(info.placement, DEVRX_PLACEMENT_HOST);
	EXPECT_STREQ(info.proof, GetParam().proof);
}

TEST_P(MemoryReal, CopiesReachTheDmabufItself)
{
	struct devrx_memory_info info = Info(mem_.get());
	std::vector<char> out(4321, 'o'), in(4321);
	uint64_t off = unit_ - 1234;
	void *addr = mmap(nullptr, info.len, PROT_READ | PROT_WRITE, MAP_SHARED,
			  info.dmabuf_fd, 0);

	ASSERT_NE(addr, MAP_FAILED) << strerror(errno);
	auto *bytes = static_cast<char *>(addr);
	ASSERT_EQ(devrx_memory_write(mem_.get(), off, out.data(), out.size()),
		  0);
	EXPECT_EQ(memcmp(bytes + off, out.data(), out.size()), 0);
	EXPECT_EQ(bytes[off - 1], 0);
	EXPECT_EQ(bytes[off + out.size()], 0);

	memset(bytes, 'd', info.len);
	ASSERT_EQ(devrx_memory_read(mem_.get(), off, in.data(), in.size()), 0);
	EXPECT_EQ(in, std::vector<char>(in.size(), 'd'));
	EXPECT_EQ(devrx_memory_read(mem_.get(), info.len, in.data(), 1),
		  -ERANGE);
	munmap(addr, info.len);
}

TEST_P(MemoryReal, ImportIsTheSameBytesPlacedByTheExporter)
{
	struct devrx_memory_info info = Info(mem_.get());
	Memory again = Import(info.dmabuf_fd, info.len);

	ASSERT_NE(again, nullptr);
	struct devrx_memory_info got = Info(again.get());
	char byte = 'i', back = 0;
	EXPECT_STREQ(got.kind, "import");
	EXPECT_EQ(got.len, info.len);
	EXPECT_NE(got.dmabuf_fd, info.dmabuf_fd);
	EXPECT_EQ(fcntl(got.dmabuf_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	EXPECT_EQ(got.placement, DEVRX_PLACEMENT_HOST);
	EXPECT_EQ(std::string(got.proof),
		  std::string("exporter ") + GetParam().exporter +
			  ", which has only host memory");
	EXPECT_EQ(devrx_memory_write(again.get(), info.len - 1, &byte, 1), 0);
	EXPECT_EQ(devrx_memory_read(mem_.get(), info.len - 1, &back, 1), 0);
	EXPECT_EQ(back, 'i');

	/* It outlives the one it was made from. */
	mem_.reset();
	back = 0;
	EXPECT_EQ(devrx_memory_read(again.get(), info.len - 1, &back, 1), 0);
	EXPECT_EQ(back, 'i');
}

TEST_P(MemoryReal, ImportOfAPartIsRefused)
{
	struct devrx_memory_info info = Info(mem_.get());

	for (uint64_t len : { uint64_t{ 1 }, info.len - PageLen(),
			      info.len + PageLen(), UINT64_MAX }) {
		devrx_cause cause = {};
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = Untouched();
		int fds = OpenFds();

		opts.len = len;
		opts.cause = &cause;
		EXPECT_EQ(devrx_memory_import(&mem, info.dmabuf_fd, &opts),
			  -EINVAL);
		EXPECT_STREQ(cause.id, "dmabuf-partial");
		EXPECT_EQ(mem, Untouched());
		EXPECT_EQ(OpenFds(), fds);
	}
}

TEST_P(MemoryReal, ImportRefusesAPlacementThatIsNotProved)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = Untouched();
	int fds = OpenFds();

	opts.placement = DEVRX_PLACEMENT_DEVICE;
	opts.cause = &cause;
	EXPECT_EQ(devrx_memory_import(&mem, Info(mem_.get()).dmabuf_fd, &opts),
		  -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "placement-unproved");
	EXPECT_EQ(mem, Untouched());
	EXPECT_EQ(OpenFds(), fds);
}

/* The buffer's name is anybody's to choose, and /proc shows it as it is. */
TEST_P(MemoryReal, ImportIsNotFooledByTheBuffersName)
{
	int fd = Info(mem_.get()).dmabuf_fd;

	ASSERT_EQ(ioctl(fd, DMA_BUF_SET_NAME_B, "x\nexp_name:\tamdgpu"), 0)
		<< strerror(errno);
	Memory again = Import(fd);
	ASSERT_NE(again, nullptr);
	EXPECT_EQ(Info(again.get()).placement, DEVRX_PLACEMENT_HOST);
}

TEST_P(MemoryReal, ImportWithoutDescriptorsIsAnOsError)
{
	int fd = Info(mem_.get()).dmabuf_fd;
	Outcome out = InChild([&](Outcome &o) {
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = nullptr;

		opts.cause = &o.cause;
		if (LeaveDescriptors(o, 0))
			o.rc = devrx_memory_import(&mem, fd, &opts);
	});
	EXPECT_STREQ(out.skip, "");
	EXPECT_EQ(out.rc, -EMFILE);
	EXPECT_STREQ(out.cause.id, "os-error");
}

TEST_P(MemoryReal, ImportByPathOnlyIsRefused)
{
	std::string path =
		"/proc/self/fd/" + std::to_string(Info(mem_.get()).dmabuf_fd);
	devrx_memory *mem = Untouched();
	int fd = open(path.c_str(), O_PATH | O_CLOEXEC);

	ASSERT_GE(fd, 0) << strerror(errno);
	EXPECT_EQ(devrx_memory_import(&mem, fd, nullptr), -EBADF);
	EXPECT_EQ(mem, Untouched());
	close(fd);
}

/* Each descriptor that the kind needs is missing once; none is ever left. */
TEST_P(MemoryReal, ShortOfDescriptorsLeavesNothing)
{
	for (int nr = 0; nr < 8; nr++) {
		Outcome out = InChild([&](Outcome &o) {
			devrx_memory_opts opts =
				Good(GetParam().kind, &o.cause);
			devrx_memory *mem = nullptr;

			if (!LeaveDescriptors(o, nr))
				return;
			int fds = OpenFds();
			opts.flags = GetParam().flags;
			o.rc = devrx_memory_alloc(&mem, &opts);
			if (!o.rc)
				o.rc = devrx_memory_free(mem);
			o.extra = OpenFds() - fds;
		});
		EXPECT_STREQ(out.skip, "");
		EXPECT_EQ(out.extra, 0) << nr << " descriptors";
		if (!out.rc) {
			EXPECT_GT(nr, 0);
			return;
		}
		EXPECT_EQ(out.rc, -EMFILE) << nr << " descriptors";
		EXPECT_STREQ(out.cause.id, "os-error");
	}
	FAIL() << "8 descriptors are not enough";
}

TEST_P(MemoryReal, ForkedChildDropsItsDescriptorOnly)
{
	int fd = Info(mem_.get()).dmabuf_fd;
	char byte = 'f';
	Outcome out = InChild([&](Outcome &o) {
		o.extra = devrx_memory_write(mem_.get(), 0, &byte, 1);
		o.rc = devrx_memory_free(mem_.get());
		if (fcntl(fd, F_GETFD) >= 0)
			o.extra = 1;
	});
	EXPECT_EQ(out.rc, 0);
	EXPECT_EQ(out.extra, -EPERM);
	EXPECT_EQ(devrx_memory_write(mem_.get(), 0, &byte, 1), 0);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryReal, testing::ValuesIn(reals),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(UdmabufReal, RefusesAboveTheKernelsLimit)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("udmabuf", &cause);
	uint64_t mib = 0;

	if (devrx_provider_find("udmabuf")->probe(&cause))
		GTEST_SKIP() << cause.text;
	std::ifstream("/sys/module/udmabuf/parameters/size_limit_mb") >> mib;
	if (!mib)
		GTEST_SKIP() << "udmabuf tells no size_limit_mb";
	opts.len = (mib << 20) + 1;
	ExpectRefused(opts, -EFBIG, "udmabuf-limit");
}

TEST(DmaheapReal, ImportOfAReadOnlyBufferCanBeReadOnly)
{
	devrx_cause cause = {};
	dma_heap_allocation_data data = {};
	devrx_memory *mem = nullptr;
	char byte = 'x';

	if (devrx_provider_find("dmaheap")->probe(&cause))
		GTEST_SKIP() << cause.text;
	int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	ASSERT_GE(heap, 0);
	data.len = PageLen();
	data.fd_flags = O_RDONLY | O_CLOEXEC;
	ASSERT_EQ(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data), 0);
	close(heap);
	int fd = static_cast<int>(data.fd);

	ASSERT_EQ(devrx_memory_import(&mem, fd, nullptr), 0);
	Memory owned(mem);
	close(fd);
	EXPECT_EQ(devrx_memory_read(mem, 0, &byte, 1), 0);
	EXPECT_EQ(byte, 0);
	EXPECT_EQ(devrx_memory_write(mem, 0, &byte, 1), -EOPNOTSUPP);
}

/*
 * The three calls of <drm/drm.h> that a dumb buffer takes; that header is not
 * on every machine that has a compiler.
 */
struct DrmVersion {
	int major, minor, patch;
	size_t name_len;
	char *name;
	size_t date_len;
	char *date;
	size_t desc_len;
	char *desc;
};
struct DrmCreateDumb {
	uint32_t height, width, bpp, flags, handle, pitch;
	uint64_t size;
};
struct DrmPrime {
	uint32_t handle, flags;
	int32_t fd;
};
constexpr unsigned long drm_version = _IOWR('d', 0x00, DrmVersion);
constexpr unsigned long drm_prime = _IOWR('d', 0x2d, DrmPrime);
constexpr unsigned long drm_create_dumb = _IOWR('d', 0xb2, DrmCreateDumb);

/* A dumb buffer of the first card whose driver is vgem, or -1. */
int VgemBuffer()
{
	for (int i = 0; i < 16; i++) {
		std::string path = "/dev/dri/card" + std::to_string(i);
		char name[32] = "";
		DrmVersion version = {};
		DrmCreateDumb dumb = {};
		DrmPrime prime = {};
		int card = open(path.c_str(), O_RDWR | O_CLOEXEC);

		if (card < 0)
			continue;
		version.name = name;
		version.name_len = sizeof(name) - 1;
		dumb.width = 256;
		dumb.height = 16;
		dumb.bpp = 32;
		prime.flags = O_CLOEXEC | O_RDWR;
		bool made = !ioctl(card, drm_version, &version) &&
			    !strcmp(name, "vgem") &&
			    !ioctl(card, drm_create_dumb, &dumb);
		prime.handle = dumb.handle;
		made = made && !ioctl(card, drm_prime, &prime);
		close(card);
		if (made)
			return prime.fd;
	}
	return -1;
}

/* All of DRM exports under one name, so amdgpu's is this one too. */
TEST(VgemReal, ImportIsOfUnknownPlacementWhateverItsName)
{
	devrx_memory *mem = nullptr;
	int fd = VgemBuffer();

	if (fd < 0)
		GTEST_SKIP() << "no vgem card: modprobe vgem";
	ASSERT_EQ(ioctl(fd, DMA_BUF_SET_NAME_B, "x\nexp_name:\tsystem"), 0);
	ASSERT_EQ(devrx_memory_import(&mem, fd, nullptr), 0);
	Memory owned(mem);
	struct devrx_memory_info info = Info(mem);
	EXPECT_EQ(info.placement, DEVRX_PLACEMENT_UNKNOWN);
	EXPECT_NE(strstr(info.proof, "exporter drm: "), nullptr) << info.proof;
	EXPECT_NE(strstr(info.proof, "(amdgpu and xe do)"), nullptr)
		<< info.proof;
	EXPECT_EQ(info.len, 4u * PageLen());

	devrx_cause cause = {};
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *host = Untouched();
	opts.placement = DEVRX_PLACEMENT_HOST;
	opts.cause = &cause;
	EXPECT_EQ(devrx_memory_import(&host, fd, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "placement-unproved");
	close(fd);
}

/* What is wrong with the options shows before the descriptor is looked at. */
TEST(MemoryImportOpts, AreCheckedFirst)
{
	devrx_cause cause = {};
	struct {
		devrx_memory_opts opts;
		uint64_t tail;
	} newer = { DEVRX_MEMORY_OPTS_INIT, 0 };
	devrx_memory_opts &opts = newer.opts;
	devrx_memory *mem = Untouched();
	auto refused = [&](const char *id) {
		EXPECT_EQ(devrx_memory_import(&mem, -1, &opts), -EINVAL);
		EXPECT_EQ(mem, Untouched());
		EXPECT_STREQ(cause.id, id);
		cause = {};
		opts = DEVRX_MEMORY_OPTS_INIT;
		opts.cause = &cause;
	};

	opts.cause = &cause;
	opts.flags = DEVRX_MEMORY_F_HUGETLB;
	refused("opts-invalid");
	opts.placement = 3;
	refused("opts-invalid");
	opts.size = sizeof(newer);
	newer.tail = 1;
	refused("opts-invalid");
	opts.size = sizeof(opts) - 1;
	refused("");
}

} // namespace
