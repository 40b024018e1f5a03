// SPDX-License-Identifier: MIT
/* A provider from outside the tree: what devrx believes of it, and what not. */
#include <sys/resource.h>

#include "memory_support.h"

extern "C" {
#include "memory/kinds.h"
}

using namespace memory_support;

namespace
{

/* What the fake is to do, and what was done to it. */
struct Fake {
	devrx_backing give;
	int rc;
	bool explains;
	int copy_rc;
	devrx_memory_opts seen;
	int nr_alloc, nr_free, nr_copy;
};
Fake fake;

int FakeProbe(devrx_cause *)
{
	return 0;
}

int FakeAlloc(const devrx_memory_opts *opts, devrx_backing *ret,
	      devrx_cause *cause)
{
	fake.nr_alloc++;
	fake.seen = *opts;
	EXPECT_NE(cause, nullptr);
	EXPECT_EQ(opts->cause, cause);
	EXPECT_EQ(ret->dmabuf_fd, -1);
	EXPECT_EQ(ret->len, 0u);
	EXPECT_EQ(ret->priv, nullptr);
	if (fake.rc) {
		if (fake.explains) {
			strcpy(cause->id, "fake-broken");
			strcpy(cause->text, "the fake is broken");
		}
		return fake.rc;
	}
	*ret = fake.give;
	return 0;
}

void FakeFree(devrx_backing *)
{
	fake.nr_free++;
}

int FakeRead(devrx_backing *, uint64_t, void *, size_t)
{
	fake.nr_copy++;
	return fake.copy_rc;
}

int FakeWrite(devrx_backing *, uint64_t, const void *, size_t)
{
	fake.nr_copy++;
	return fake.copy_rc;
}

const devrx_provider fake_provider = {
	sizeof(devrx_provider),
	"fake",
	"a fake",
	FakeProbe,
	FakeAlloc,
	FakeFree,
	FakeRead,
	FakeWrite,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
	nullptr,
};

class MemoryProvider : public testing::Test
{
      protected:
	MemoryProvider()
	{
		fake = Fake();
		fake.give.len = PageLen();
		fake.give.dmabuf_fd = -1;
		fake.give.device_addr = 0x1000;
		opts_ = Good(nullptr, &cause_);
		opts_.provider = &fake_provider;
	}

	Memory Alloc()
	{
		devrx_memory *mem = nullptr;

		EXPECT_EQ(devrx_memory_alloc(&mem, &opts_), 0) << cause_.text;
		return Memory(mem);
	}

	devrx_cause cause_ = {};
	devrx_memory_opts opts_ = {};
};

TEST_F(MemoryProvider, GetsTheOptionsAndIsFreedOnce)
{
	opts_.device = "seven";
	opts_.flags = DEVRX_MEMORY_F_HUGETLB;
	{
		Memory mem = Alloc();

		ASSERT_NE(mem, nullptr);
		EXPECT_STREQ(fake.seen.device, "seven");
		EXPECT_EQ(fake.seen.len, PageLen());
		EXPECT_EQ(fake.seen.flags, DEVRX_MEMORY_F_HUGETLB);
		EXPECT_STREQ(Info(mem.get()).kind, "fake");
		EXPECT_EQ(Info(mem.get()).device_addr, 0x1000u);
		EXPECT_EQ(fake.nr_free, 0);
	}
	EXPECT_EQ(fake.nr_alloc, 1);
	EXPECT_EQ(fake.nr_free, 1);
}

/* A page of its own tells a memory from those of forked children. */
TEST_F(MemoryProvider, IsNotAskedWhereThatPageCannotBeHad)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	GTEST_SKIP() << "a sanitizer needs address space of its own";
#endif
	const Outcome out = InChild([this](Outcome &o) {
		const rlimit limit = { 1, 1 };
		devrx_memory *mem = nullptr;

		opts_.cause = &o.cause;
		/* The heap has room for the object itself. */
		free(malloc(1 << 16));
		(void)setrlimit(RLIMIT_AS, &limit);
		o.rc = devrx_memory_alloc(&mem, &opts_);
		if (mem || fake.nr_alloc || fake.nr_free)
			o.rc = 1;
	});

	EXPECT_EQ(out.rc, -ENOMEM);
	EXPECT_STREQ(out.cause.id, "out-of-memory");
	EXPECT_NE(strstr(out.cause.text, "mmap"), nullptr) << out.cause.text;
}

TEST_F(MemoryProvider, IsNotAskedForNothing)
{
	opts_.len = 0;
	ExpectRefused(opts_, -EINVAL, "memory-len");
	EXPECT_EQ(fake.nr_alloc, 0);
}

TEST_F(MemoryProvider, FailureReachesTheCallerWithItsCause)
{
	fake.rc = -EXFULL;
	fake.explains = true;
	ExpectRefused(opts_, -EXFULL, "fake-broken");
	EXPECT_EQ(fake.nr_free, 0);
}

TEST_F(MemoryProvider, FailureWithoutACauseGetsOne)
{
	fake.rc = -EXFULL;
	ExpectRefused(opts_, -EXFULL, "os-error");
	EXPECT_NE(strstr(cause_.text, "fake"), nullptr) << cause_.text;
}

TEST_F(MemoryProvider, ResultAboveZeroIsRefused)
{
	fake.rc = 1;
	ExpectRefused(opts_, -EPROTO, "backing-invalid");
	EXPECT_EQ(fake.nr_free, 0);
}

struct LieCase {
	const char *name;
	void (*lie)(devrx_backing &give);
};

/* In each, two pages are asked for, and memfd 900 is three pages long. */
const LieCase lies[] = {
	{ "NoLength", [](devrx_backing &b) { b.len = 0; } },
	{ "LessThanAsked", [](devrx_backing &b) { b.len = PageLen(); } },
	{ "PartOfAPage", [](devrx_backing &b) { b.len = 2 * PageLen() + 1; } },
	{ "DescriptorNotOpen", [](devrx_backing &b) { b.dmabuf_fd = 901; } },
	{ "PartOfTheDmabuf", [](devrx_backing &b) { b.dmabuf_fd = 900; } },
	{ "MoreThanTheDmabuf",
	  [](devrx_backing &b) {
		  b.dmabuf_fd = 900;
		  b.len = 4 * PageLen();
	  } },
};

class MemoryProviderLie : public MemoryProvider,
			  public testing::WithParamInterface<LieCase>
{
};

TEST_P(MemoryProviderLie, IsFreedAndRefused)
{
	int fd = memfd_create("three pages", MFD_CLOEXEC);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(ftruncate(fd, static_cast<off_t>(3 * PageLen())), 0);
	ASSERT_EQ(dup3(fd, 900, O_CLOEXEC), 900);
	opts_.len = 2 * PageLen();
	fake.give.len = 2 * PageLen();
	GetParam().lie(fake.give);
	ExpectRefused(opts_, -EPROTO, "backing-invalid");
	EXPECT_EQ(fake.nr_free, 1);
	close(900);
	close(fd);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryProviderLie, testing::ValuesIn(lies),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

struct PlacementCase {
	const char *name;
	uint32_t claimed;
	const char *proof;
	uint32_t required;
	int want_rc;
	uint32_t want;
};

const PlacementCase placements[] = {
	{ "DeviceProved", DEVRX_PLACEMENT_DEVICE, "BAR 1", 0, 0,
	  DEVRX_PLACEMENT_DEVICE },
	{ "DeviceProvedAndRequired", DEVRX_PLACEMENT_DEVICE, "BAR 1",
	  DEVRX_PLACEMENT_DEVICE, 0, DEVRX_PLACEMENT_DEVICE },
	{ "DeviceProvedHostRequired", DEVRX_PLACEMENT_DEVICE, "BAR 1",
	  DEVRX_PLACEMENT_HOST, -EOPNOTSUPP, 0 },
	{ "DeviceClaimed", DEVRX_PLACEMENT_DEVICE, "", 0, 0,
	  DEVRX_PLACEMENT_UNKNOWN },
	{ "DeviceClaimedAndRequired", DEVRX_PLACEMENT_DEVICE, "",
	  DEVRX_PLACEMENT_DEVICE, -EOPNOTSUPP, 0 },
	{ "HostClaimed", DEVRX_PLACEMENT_HOST, "", 0, 0,
	  DEVRX_PLACEMENT_UNKNOWN },
	{ "HostClaimedAndRequired", DEVRX_PLACEMENT_HOST, "",
	  DEVRX_PLACEMENT_HOST, -EOPNOTSUPP, 0 },
	{ "NoSuchPlacement", 7, "trust me", 0, 0, DEVRX_PLACEMENT_UNKNOWN },
	{ "UnknownDeviceRequired", DEVRX_PLACEMENT_UNKNOWN, "cannot tell",
	  DEVRX_PLACEMENT_DEVICE, -EOPNOTSUPP, 0 },
};

class MemoryPlacement : public MemoryProvider,
			public testing::WithParamInterface<PlacementCase>
{
};

TEST_P(MemoryPlacement, IsOnlyWhatIsProved)
{
	const PlacementCase &c = GetParam();

	fake.give.placement = c.claimed;
	strcpy(fake.give.proof, c.proof);
	opts_.placement = c.required;
	if (c.want_rc) {
		ExpectRefused(opts_, c.want_rc, "placement-unproved");
		EXPECT_EQ(fake.nr_free, 1);
		return;
	}
	Memory mem = Alloc();
	ASSERT_NE(mem, nullptr);
	EXPECT_EQ(Info(mem.get()).placement, c.want);
	/* Either the proof, or why there is none. */
	EXPECT_STRNE(Info(mem.get()).proof, "");
	if (c.want == DEVRX_PLACEMENT_UNKNOWN) {
		EXPECT_NE(strstr(Info(mem.get()).proof, "without a proof"),
			  nullptr);
	} else {
		EXPECT_STREQ(Info(mem.get()).proof, c.proof);
	}
}

INSTANTIATE_TEST_SUITE_P(All, MemoryPlacement, testing::ValuesIn(placements),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(MemoryProvider, ProofWithoutAnEndIsCut)
{
	fake.give.placement = DEVRX_PLACEMENT_DEVICE;
	memset(fake.give.proof, 'x', sizeof(fake.give.proof));
	Memory mem = Alloc();
	ASSERT_NE(mem, nullptr);
	EXPECT_EQ(strnlen(Info(mem.get()).proof, 200),
		  sizeof(fake.give.proof) - 1);
}

struct TableCase {
	const char *name;
	void (*spoil)(devrx_provider &table);
};

const TableCase tables[] = {
	{ "SizeZero", [](devrx_provider &p) { p.size = 0; } },
	{ "SizeShort", [](devrx_provider &p) { p.size = sizeof(p) - 1; } },
	{ "NoName", [](devrx_provider &p) { p.name = nullptr; } },
	{ "NoProbe", [](devrx_provider &p) { p.probe = nullptr; } },
	{ "NoAlloc", [](devrx_provider &p) { p.alloc = nullptr; } },
	{ "NoFree", [](devrx_provider &p) { p.free = nullptr; } },
	{ "UploadAlone",
	  [](devrx_provider &p) { p.upload = drx_cuda_provider.upload; } },
	{ "UploadWithoutMark",
	  [](devrx_provider &p) {
		  p.upload_begin = drx_cuda_provider.upload_begin;
		  p.upload_end = drx_cuda_provider.upload_end;
		  p.upload = drx_cuda_provider.upload;
		  p.upload_wait = drx_cuda_provider.upload_wait;
	  } },
	{ "GatherAlone",
	  [](devrx_provider &p) { p.gather = drx_cuda_provider.gather; } },
	{ "GatherWithoutBegin",
	  [](devrx_provider &p) {
		  p.gather_end = drx_cuda_provider.gather_end;
		  p.gather = drx_cuda_provider.gather;
		  p.gather_wait = drx_cuda_provider.gather_wait;
	  } },
	{ "GatherWithoutEnd",
	  [](devrx_provider &p) {
		  p.gather_begin = drx_cuda_provider.gather_begin;
		  p.gather = drx_cuda_provider.gather;
		  p.gather_wait = drx_cuda_provider.gather_wait;
	  } },
	{ "GatherWithoutWait",
	  [](devrx_provider &p) {
		  p.gather_begin = drx_cuda_provider.gather_begin;
		  p.gather_end = drx_cuda_provider.gather_end;
		  p.gather = drx_cuda_provider.gather;
	  } },
};

class MemoryProviderTable : public MemoryProvider,
			    public testing::WithParamInterface<TableCase>
{
};

TEST_P(MemoryProviderTable, IsRefusedBeforeAnythingIsCalled)
{
	devrx_provider table = fake_provider;

	GetParam().spoil(table);
	opts_.provider = &table;
	ExpectRefused(opts_, -EINVAL, "opts-invalid");
	EXPECT_EQ(fake.nr_alloc, 0);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryProviderTable, testing::ValuesIn(tables),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

struct NewerProvider {
	devrx_provider provider;
	void (*later)(void);
};

TEST_F(MemoryProvider, NewerTableWithoutNewMembersIsTaken)
{
	NewerProvider newer = { fake_provider, nullptr };

	newer.provider.size = sizeof(newer);
	opts_.provider = &newer.provider;
	EXPECT_NE(Alloc(), nullptr);
}

TEST_F(MemoryProvider, NewerTableWithANewMemberIsRefused)
{
	NewerProvider newer = { fake_provider, [] {} };

	newer.provider.size = sizeof(newer);
	opts_.provider = &newer.provider;
	ExpectRefused(opts_, -EINVAL, "opts-invalid");
	EXPECT_EQ(fake.nr_alloc, 0);
}

TEST_F(MemoryProvider, WithoutCopiesCannotBeRead)
{
	devrx_provider table = fake_provider;
	char byte = 0;

	table.read = nullptr;
	table.write = nullptr;
	opts_.provider = &table;
	Memory mem = Alloc();
	ASSERT_NE(mem, nullptr);
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -EOPNOTSUPP);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, &byte, 1), -EOPNOTSUPP);
	/* The range is looked at first. */
	EXPECT_EQ(devrx_memory_read(mem.get(), PageLen(), &byte, 1), -ERANGE);
}

TEST_F(MemoryProvider, FailureToCopyReachesTheCaller)
{
	char byte = 0;
	Memory mem = Alloc();

	ASSERT_NE(mem, nullptr);
	fake.copy_rc = -EIO;
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -EIO);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, &byte, 1), -EIO);
	EXPECT_EQ(fake.nr_copy, 2);
	/* Nothing to copy is not the provider's business. */
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 0), 0);
	EXPECT_EQ(devrx_memory_write(mem.get(), 0, &byte, 0), 0);
	EXPECT_EQ(fake.nr_copy, 2);
}

} // namespace
