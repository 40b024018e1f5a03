// SPDX-License-Identifier: MIT
/*
 * The kernel's own errnos for registrations on a NIC's queue. devrx looks
 * before it registers, so most of these never reach its callers; what it
 * concludes from an errno is right only as long as these hold. Each case is
 * otherwise a valid registration.
 */
#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <thread>

#include <gtest/gtest.h>

#include "support_devrx.h"
#include "support_raw.h"

namespace
{

using namespace vm;

/* One registration on a ring of its own; the queue is free before. */
int attempt(const std::function<void(Registration *)> &change = nullptr,
	    unsigned int ring_flags = ring_flags_cqe32, bool single = false)
{
	RawRing ring(ring_flags);
	Registration regn;

	if (ring.err())
		return ring.err();
	if (single) {
		regn.area_mem = Mapping(1 << 20, true);
		regn.area.addr = regn.area_mem.addr();
	}
	regn.on_queue(if_nametoindex(nic), queue);
	if (change)
		change(&regn);
	return regn.submit(&ring);
}

class Raw : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(queue_is_free());
	}
	void TearDown() override
	{
		ASSERT_TRUE(queue_is_free());
		EXPECT_EQ(attempt(), 0) << "something half-done is left";
	}
};

TEST_F(Raw, WithoutCapNetAdmin)
{
	EXPECT_EQ(in_child([] {
			  if (!drop_cap(CAP_NET_ADMIN))
				  return outcome(-EPROTO);
			  return outcome(attempt());
		  }),
		  outcome(-EPERM));
}

TEST_F(Raw, CapabilityInAUserNamespaceIsNotEnough)
{
	EXPECT_EQ(in_child([] {
			  if (unshare(CLONE_NEWUSER))
				  return outcome(-EPROTO);
			  return outcome(attempt());
		  }),
		  outcome(-EPERM));
}

TEST_F(Raw, AnotherTaskThanTheRings)
{
	RawRing ring;
	Registration regn;
	int err = 0;

	ASSERT_EQ(ring.err(), 0);
	regn.on_queue(if_nametoindex(nic), queue);
	std::thread([&] { err = regn.submit(&ring); }).join();
	EXPECT_EQ(err, -EEXIST);
}

TEST_F(Raw, HeaderSplitOff)
{
	ASSERT_EQ(set_rings(nic, split_off, -1), 0);
	Defer undo([] { EXPECT_EQ(set_rings(nic, split_on, 0), 0); });

	EXPECT_EQ(attempt(), -EINVAL);
}

TEST_F(Raw, HeaderSplitThreshold)
{
	ASSERT_EQ(set_rings(nic, -1, 1), 0);
	Defer undo([] { EXPECT_EQ(set_rings(nic, -1, 0), 0); });

	EXPECT_EQ(attempt(), -EINVAL);
}

TEST_F(Raw, Loopback)
{
	EXPECT_EQ(attempt([](Registration *r) {
			  r->on_queue(if_nametoindex("lo"), 0);
		  }),
		  -EOPNOTSUPP);
}

TEST_F(Raw, NicInAnotherNamespace)
{
	unsigned int ifindex = 0;
	char name[IF_NAMESIZE];

	in_peer([&] { ifindex = if_nametoindex("softnic0"); });
	ASSERT_NE(ifindex, 0u);
	ASSERT_EQ(if_indextoname(ifindex, name), nullptr);
	EXPECT_EQ(
		attempt([&](Registration *r) { r->on_queue(ifindex, queue); }),
		-ENODEV);
}

TEST_F(Raw, XdpAttached)
{
	const XdpPass xdp(nic);

	ASSERT_EQ(xdp.err(), 0);
	EXPECT_EQ(attempt(), -EEXIST);
}

TEST_F(Raw, AfXdpHasTheQueue)
{
	const XskSocket xsk(nic, queue);

	if (xsk.err() == -EAFNOSUPPORT)
		GTEST_SKIP() << "no AF_XDP in this kernel";
	ASSERT_EQ(xsk.err(), 0);
	EXPECT_EQ(attempt(), -EBUSY);
}

TEST_F(Raw, QueueTaken)
{
	RawRing ring;
	Registration regn;

	ASSERT_EQ(ring.err(), 0);
	regn.on_queue(if_nametoindex(nic), queue);
	ASSERT_EQ(regn.submit(&ring), 0);
	EXPECT_EQ(attempt(), -EEXIST);
}

TEST_F(Raw, TheNicCannotBeReconfiguredUnderneath)
{
	RawRing ring;
	Registration regn;

	ASSERT_EQ(ring.err(), 0);
	regn.on_queue(if_nametoindex(nic), queue);
	ASSERT_EQ(regn.submit(&ring), 0);
	EXPECT_EQ(set_rings(nic, split_off, -1), -EINVAL);
	EXPECT_EQ(set_rings(nic, -1, 1), -EINVAL);
	EXPECT_NE(run({ "sh", "-c",
			"ethtool -L softnic1 combined 1 2>/dev/null" }),
		  0);
	const XdpPass xdp(nic);

	EXPECT_EQ(xdp.err(), -EBUSY);
}

TEST_F(Raw, ChunkLargerThanThePieces)
{
	EXPECT_EQ(attempt([](Registration *r) { r->reg.rx_buf_len = 65536; },
			  ring_flags_cqe32, true),
		  -ERANGE);
}

TEST_F(Raw, LockedMemoryLimit)
{
	EXPECT_EQ(in_child([] {
			  const struct rlimit limit = { 64 << 10, 64 << 10 };

			  if (setrlimit(RLIMIT_MEMLOCK, &limit) ||
			      !drop_cap(CAP_IPC_LOCK))
				  return outcome(-EPROTO);
			  return outcome(attempt());
		  }),
		  outcome(-ENOMEM));
}

TEST_F(Raw, MappedDmabufAsHostArea)
{
	const Fd fd(raw_udmabuf(1 << 20));
	void *addr = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED,
			  fd.get(), 0);

	ASSERT_NE(addr, MAP_FAILED);
	EXPECT_EQ(attempt([&](Registration *r) {
			  r->area.addr = reinterpret_cast<uintptr_t>(addr);
		  }),
		  -EFAULT);
	(void)munmap(addr, 1 << 20);
}

/* ---- rings ---- */

struct RingCase {
	const char *name;
	unsigned int flags;
	int want;
};

void PrintTo(const RingCase &c, std::ostream *out)
{
	*out << c.name;
}

class RawRingFlags : public testing::TestWithParam<RingCase>
{
};

TEST_P(RawRingFlags, ErrnoIsTheKernels)
{
	ASSERT_TRUE(queue_is_free());
	EXPECT_EQ(attempt(nullptr, GetParam().flags), GetParam().want);
}

const RingCase ring_cases[] = {
	{ "Cqe32", ring_flags_cqe32, 0 },
	{ "CqeMixed", ring_flags_mixed, 0 },
	{ "SmallCompletions",
	  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, -EINVAL },
	{ "WithoutDeferTaskrun",
	  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32, -EINVAL },
	{ "BothLayouts", ring_flags_cqe32 | DRX_IORING_SETUP_CQE_MIXED,
	  -EINVAL },
};

INSTANTIATE_TEST_SUITE_P(All, RawRingFlags, testing::ValuesIn(ring_cases),
			 [](const testing::TestParamInfo<RingCase> &info) {
				 return std::string(info.param.name);
			 });

/* ---- one thing wrong in a registration ---- */

struct RegCase {
	const char *name;
	int want;
	void (*change)(Registration *);
};

void PrintTo(const RegCase &c, std::ostream *out)
{
	*out << c.name;
}

class RawRegistration : public testing::TestWithParam<RegCase>
{
};

TEST_P(RawRegistration, ErrnoIsTheKernels)
{
	ASSERT_TRUE(queue_is_free());
	EXPECT_EQ(attempt(GetParam().change), GetParam().want);
}

const RegCase reg_cases[] = {
	{ "Valid", 0, [](Registration *) {} },
	{ "QueueIndexTooHigh", -ERANGE,
	  [](Registration *r) { r->reg.if_rxq = queue + 1; } },
	{ "QueueAllOnes", -EINVAL,
	  [](Registration *r) { r->reg.if_rxq = UINT32_MAX; } },
	{ "NoSuchNic", -ENODEV,
	  [](Registration *r) { r->reg.if_idx = 999999; } },
	{ "FlagUnknown", -EINVAL,
	  [](Registration *r) { r->reg.flags = 1u << 31; } },
	{ "ReservedNotZero", -EINVAL,
	  [](Registration *r) { r->reg.resv[1] = 1; } },
	{ "IdNotZero", -EINVAL, [](Registration *r) { r->reg.zcrx_id = 1; } },
	{ "ChunkNoPowerOfTwo", -EINVAL,
	  [](Registration *r) { r->reg.rx_buf_len = 12288; } },
	{ "ChunkBelowThePage", -EINVAL,
	  [](Registration *r) { r->reg.rx_buf_len = 2048; } },
	{ "AreaWraps", -EOVERFLOW,
	  [](Registration *r) {
		  r->area.addr = UINT64_C(0xfffffffffffff000);
		  r->area.len = 8192;
	  } },
	{ "AreaTokenNotZero", -EINVAL,
	  [](Registration *r) { r->area.rq_area_token = 1; } },
	{ "AreaFlagUnknown", -EINVAL,
	  [](Registration *r) { r->area.flags = 2; } },
	{ "AreaReservedNotZero", -EINVAL,
	  [](Registration *r) { r->area.resv2[0] = 1; } },
	{ "HostAreaWithDescriptor", -EINVAL,
	  [](Registration *r) { r->area.dmabuf_fd = 1; } },
	{ "StatsBeforeTheRingsEnd", -ERANGE,
	  [](Registration *r) {
		  r->events.flags = DRX_ZCRX_EVENT_DESC_F_STATS;
		  r->reg.event_desc = reinterpret_cast<uintptr_t>(&r->events);
	  } },
	{ "StatsBehindTheRegion", -ERANGE,
	  [](Registration *r) {
		  r->events.flags = DRX_ZCRX_EVENT_DESC_F_STATS;
		  r->events.stats_offset = r->region.size;
		  r->reg.event_desc = reinterpret_cast<uintptr_t>(&r->events);
	  } },
};

INSTANTIATE_TEST_SUITE_P(All, RawRegistration, testing::ValuesIn(reg_cases),
			 [](const testing::TestParamInfo<RegCase> &info) {
				 return std::string(info.param.name);
			 });

/* ---- dmabufs ---- */

struct DmabufCase {
	const char *name;
	int want;
	void (*change)(Registration *);
};

void PrintTo(const DmabufCase &c, std::ostream *out)
{
	*out << c.name;
}

class RawDmabuf : public testing::TestWithParam<DmabufCase>
{
};

TEST_P(RawDmabuf, ErrnoIsTheKernels)
{
	const Fd fd(raw_udmabuf(1 << 20));

	ASSERT_GE(fd.get(), 0);
	ASSERT_TRUE(queue_is_free());
	EXPECT_EQ(attempt([&](Registration *r) {
			  r->area.flags = DRX_ZCRX_AREA_DMABUF;
			  r->area.addr = 0;
			  r->area.dmabuf_fd = uint32_t(fd.get());
			  GetParam().change(r);
		  }),
		  GetParam().want);
}

const DmabufCase dmabuf_cases[] = {
	{ "Whole", 0, [](Registration *) {} },
	{ "OnePageLess", -EINVAL,
	  [](Registration *r) { r->area.len -= 4096; } },
	{ "OnePageMore", -EINVAL,
	  [](Registration *r) { r->area.len += 4096; } },
	{ "NotFromItsBegin", -EINVAL,
	  [](Registration *r) { r->area.addr = 4096; } },
	{ "NoDescriptor", -EBADF,
	  [](Registration *r) { r->area.dmabuf_fd = 1000000; } },
	{ "DescriptorOfSomethingElse", -EINVAL,
	  [](Registration *r) { r->area.dmabuf_fd = 0; } },
	{ "ChunkLargerThanThePieces", -ERANGE,
	  [](Registration *r) { r->reg.rx_buf_len = 8192; } },
};

INSTANTIATE_TEST_SUITE_P(All, RawDmabuf, testing::ValuesIn(dmabuf_cases),
			 [](const testing::TestParamInfo<DmabufCase> &info) {
				 return std::string(info.param.name);
			 });

} /* namespace */
