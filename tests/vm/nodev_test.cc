// SPDX-License-Identifier: MIT
/*
 * zcrx without a NIC (Linux 7.1): what the kernel says to bad registrations,
 * receives, clones and return entries, and that its life is orderly, over
 * loopback. The cases are those that liburing's own test names; devrx relies
 * on every one of them.
 */
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <set>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_devrx.h"
#include "support_raw.h"

namespace
{

using namespace vm;

constexpr size_t page = 4096;

class NodevTest : public testing::Test
{
      protected:
	void SetUp() override
	{
		if (!has_nodev())
			GTEST_SKIP() << "this kernel has no zcrx without a NIC "
					"(Linux 7.1 has)";
	}
};

/* ---- one thing wrong in a registration ---- */

struct RegCase {
	const char *name;
	int want;
	std::function<void(Registration *)> change;
};

void PrintTo(const RegCase &c, std::ostream *out)
{
	*out << c.name;
}

void *bad_map(int prot)
{
	return mmap(nullptr, 1 << 20, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

class NodevRegistration : public testing::TestWithParam<RegCase>
{
};

TEST_P(NodevRegistration, ErrnoIsTheKernels)
{
	if (!has_nodev())
		GTEST_SKIP() << "this kernel has no zcrx without a NIC (Linux "
				"7.1 has)";
	RawRing ring;
	Registration regn;

	ASSERT_EQ(ring.err(), 0);
	GetParam().change(&regn);
	EXPECT_EQ(regn.submit(&ring), GetParam().want);
	/* And the ring takes a good one afterwards. */
	Registration good;

	EXPECT_EQ(good.submit(&ring), 0);
}

const RegCase reg_cases[] = {
	{ "Valid", 0, [](Registration *) {} },
	{ "NicNamed", -EINVAL, [](Registration *r) { r->reg.if_idx = 1; } },
	{ "QueueNamed", -EINVAL, [](Registration *r) { r->reg.if_rxq = 1; } },
	{ "NoRegion", -EFAULT, [](Registration *r) { r->reg.region_ptr = 0; } },
	{ "RegionWithoutMemory", -EFAULT,
	  [](Registration *r) { r->region.user_addr = 0; } },
	{ "RegionOfSize0", -EINVAL,
	  [](Registration *r) { r->region.size = 0; } },
	{ "RegionTooSmall", -EINVAL,
	  [](Registration *r) { r->region.size = page; } },
	{ "RegionUnaligned", -EINVAL,
	  [](Registration *r) { r->region.user_addr += 64; } },
	{ "RingOf0", -EINVAL, [](Registration *r) { r->reg.rq_entries = 0; } },
	{ "RingTooLarge", -EINVAL,
	  [](Registration *r) {
		  r->reg.rq_entries = DRX_ZCRX_RQ_MAX_ENTRIES + 1;
	  } },
	{ "RingAllOnes", -EINVAL,
	  [](Registration *r) { r->reg.rq_entries = UINT32_MAX; } },
	{ "NoArea", -EFAULT, [](Registration *r) { r->reg.area_ptr = 0; } },
	{ "AreaOfLen0", -EFAULT, [](Registration *r) { r->area.len = 0; } },
	{ "AreaWithoutMemory", -EFAULT,
	  [](Registration *r) { r->area.addr = 0; } },
	{ "AreaUnaligned", -EINVAL,
	  [](Registration *r) { r->area.addr += 64; } },
	{ "AreaLenUnaligned", -EINVAL,
	  [](Registration *r) { r->area.len -= 64; } },
	{ "AreaBeginsBelowItsMapping", -EFAULT,
	  [](Registration *r) { (void)munmap(r->area_mem.get(), page); } },
	{ "AreaEndsAboveItsMapping", -EFAULT,
	  [](Registration *r) {
		  (void)munmap(r->area_mem.get() + r->area.len - page, page);
	  } },
	{ "AreaReadOnly", -EFAULT,
	  [](Registration *r) {
		  (void)mprotect(r->area_mem.get(), r->area.len, PROT_READ);
	  } },
	{ "AreaNotReadable", -EFAULT,
	  [](Registration *r) {
		  r->area.addr =
			  reinterpret_cast<uintptr_t>(bad_map(PROT_NONE));
	  } },
	{ "AreaIsADmabuf", -EINVAL,
	  [](Registration *r) {
		  static const Fd fd(raw_udmabuf(1 << 20));

		  r->area.flags = DRX_ZCRX_AREA_DMABUF;
		  r->area.addr = 0;
		  r->area.dmabuf_fd = uint32_t(fd.get());
	  } },
	{ "RxPageNoPowerOfTwo", -EINVAL,
	  [](Registration *r) { r->reg.rx_buf_len = 3 * page; } },
	{ "RxPageBelowThePage", -EINVAL,
	  [](Registration *r) { r->reg.rx_buf_len = page / 2; } },
	{ "RxPageOfOne", -EINVAL,
	  [](Registration *r) { r->reg.rx_buf_len = 1; } },
	{ "RxPageAboveThePage", -EOPNOTSUPP,
	  [](Registration *r) { r->reg.rx_buf_len = 2 * page; } },
	{ "RxPageIsThePage", 0,
	  [](Registration *r) { r->reg.rx_buf_len = page; } },
};

INSTANTIATE_TEST_SUITE_P(All, NodevRegistration, testing::ValuesIn(reg_cases),
			 [](const testing::TestParamInfo<RegCase> &info) {
				 return std::string(info.param.name);
			 });

TEST_F(NodevTest, HugeArea)
{
	RawRing ring;
	Registration regn;
	void *addr = mmap(nullptr, 4 << 20, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (addr == MAP_FAILED)
		GTEST_SKIP() << "no huge pages (sysctl vm.nr_hugepages=2)";
	regn.area.addr = reinterpret_cast<uintptr_t>(addr);
	regn.area.len = 4 << 20;
	EXPECT_EQ(regn.submit(&ring), 0);
	ring.close();
	(void)munmap(addr, 4 << 20);
}

TEST_F(NodevTest, RingIsRoundedUpToAPowerOfTwo)
{
	RawRing ring;
	Registration regn;

	regn.reg.rq_entries = 700;
	ASSERT_EQ(regn.submit(&ring), 0);
	EXPECT_EQ(regn.reg.rq_entries, 1024u);
}

TEST_F(NodevTest, ReadOnlyParameters)
{
	RawRing ring;
	Registration regn;
	void *addr = bad_map(PROT_READ | PROT_WRITE);

	memcpy(addr, &regn.reg, sizeof(regn.reg));
	(void)mprotect(addr, 1 << 20, PROT_READ);
	EXPECT_EQ(ring.reg(DRX_IORING_REGISTER_ZCRX_IFQ, addr), -EFAULT);
	(void)munmap(addr, 1 << 20);
}

TEST_F(NodevTest, SecondInstanceOfOneRing)
{
	RawRing ring;
	Registration first, second;

	ASSERT_EQ(first.submit(&ring), 0);
	ASSERT_EQ(second.submit(&ring), 0);
	EXPECT_NE(first.reg.zcrx_id, second.reg.zcrx_id);
}

/* ---- receives ---- */

class NodevRecv : public testing::TestWithParam<unsigned int>
{
      protected:
	void SetUp() override
	{
		if (!has_nodev())
			GTEST_SKIP() << "this kernel has no zcrx without a NIC "
					"(Linux 7.1 has)";
	}
	void TearDown() override
	{
		for (int fd : fds)
			if (fd >= 0)
				(void)close(fd);
	}

	/* Send @len bytes of stream 0 and leave the socket open. */
	bool send_bytes(uint64_t pos, size_t len)
	{
		return send(fds[0], Pattern::get().at(0, pos), len,
			    MSG_NOSIGNAL) == ssize_t(len);
	}

	int fds[2] = { -1, -1 };
};

INSTANTIATE_TEST_SUITE_P(
	Rings, NodevRecv, testing::Values(ring_flags_cqe32, ring_flags_mixed),
	[](const testing::TestParamInfo<unsigned int> &info) {
		return std::string(info.param == ring_flags_cqe32 ? "Cqe32" :
								    "Mixed");
	});

TEST_P(NodevRecv, BadDescriptor)
{
	Nodev n(1 << 20, 1024, GetParam());
	Cqe cqe;

	ASSERT_EQ(n.err(), 0);
	ASSERT_EQ(n.recv(-1, 7), 1);
	ASSERT_TRUE(n.next(&cqe));
	EXPECT_EQ(cqe.res, -EBADF);
	EXPECT_EQ(cqe.user_data, 7u);
	EXPECT_FALSE(cqe.flags & IORING_CQE_F_MORE);
}

TEST_P(NodevRecv, NotASocket)
{
	Nodev n(1 << 20, 1024, GetParam());
	Cqe cqe;

	ASSERT_EQ(n.err(), 0);
	ASSERT_EQ(n.recv(n.ring.ring()->ring_fd, 7), 1);
	ASSERT_TRUE(n.next(&cqe));
	EXPECT_EQ(cqe.res, -ENOTSOCK);
}

TEST_P(NodevRecv, NoSuchInstance)
{
	Nodev n(1 << 20, 1024, GetParam());
	Cqe cqe;

	ASSERT_EQ(n.err(), 0);
	ASSERT_TRUE(n.connect(fds));
	ASSERT_EQ(n.recv_id(fds[1], 7, 12345), 1);
	ASSERT_TRUE(n.next(&cqe));
	EXPECT_EQ(cqe.res, -EINVAL);
}

TEST_P(NodevRecv, UdpSocket)
{
	const Fd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	Nodev n(1 << 20, 1024, GetParam());
	Cqe cqe;

	ASSERT_EQ(n.err(), 0);
	ASSERT_EQ(n.recv(udp.get(), 7), 1);
	ASSERT_TRUE(n.next(&cqe));
	EXPECT_EQ(cqe.res, -EPROTONOSUPPORT);
}

TEST_P(NodevRecv, OnePageAndTheEnd)
{
	Nodev n(1 << 20, 1024, GetParam());
	uint64_t pos = 0;
	Cqe cqe;

	ASSERT_EQ(n.err(), 0);
	ASSERT_TRUE(n.connect(fds));
	ASSERT_EQ(n.recv(fds[1], 7), 1);
	ASSERT_TRUE(send_bytes(0, page));
	while (pos < page) {
		ASSERT_TRUE(n.next(&cqe));
		ASSERT_GT(cqe.res, 0);
		ASSERT_TRUE(cqe.flags & IORING_CQE_F_MORE);
		ASSERT_EQ(memcmp(n.data(cqe), Pattern::get().at(0, pos),
				 size_t(cqe.res)),
			  0);
		pos += uint64_t(cqe.res);
	}
	EXPECT_EQ(pos, page);
	ASSERT_EQ(shutdown(fds[0], SHUT_WR), 0);
	ASSERT_TRUE(n.next(&cqe));
	EXPECT_EQ(cqe.res, 0);
	EXPECT_EQ(cqe.flags & ~DRX_IORING_CQE_F_32, 0u);
}

/* The end of the stream and the end of what was asked for look the same. */
TEST_P(NodevRecv, LimitReachedLooksLikeTheEnd)
{
	Nodev n(1 << 20, 1024, GetParam());
	uint64_t pos = 0;
	Cqe cqe;

	ASSERT_EQ(n.err(), 0);
	ASSERT_TRUE(n.connect(fds));
	ASSERT_EQ(n.recv(fds[1], 7, 100), 1);
	ASSERT_TRUE(send_bytes(0, page));
	for (;;) {
		ASSERT_TRUE(n.next(&cqe));
		if (cqe.res <= 0)
			break;
		pos += uint64_t(cqe.res);
	}
	EXPECT_EQ(cqe.res, 0);
	EXPECT_EQ(pos, 100u);
}

TEST_P(NodevRecv, AreaExhausted)
{
	constexpr size_t area = 16 * page;
	Nodev n(area, 64, GetParam());
	std::set<uint64_t> chunks;
	uint64_t pos = 0;
	Cqe cqe;

	ASSERT_EQ(n.err(), 0);
	ASSERT_TRUE(n.connect(fds));
	ASSERT_TRUE(send_bytes(0, 2 * area));
	ASSERT_EQ(n.recv(fds[1], 7), 1);
	for (;;) {
		ASSERT_TRUE(n.next(&cqe));
		if (cqe.res <= 0)
			break;
		/* Nothing is given back, so none comes twice. */
		EXPECT_TRUE(chunks.insert(cqe.off / page).second);
		EXPECT_EQ(memcmp(n.data(cqe), Pattern::get().at(0, pos),
				 size_t(cqe.res)),
			  0);
		pos += uint64_t(cqe.res);
	}
	EXPECT_EQ(cqe.res, -ENOMEM);
	EXPECT_LE(pos, area);
	EXPECT_GT(pos, 0u);
}

/* Receive @total bytes through the area, giving each chunk back. */
void receive_through(Nodev *n, int fds[2], uint64_t total,
		     const std::function<void(const Cqe &)> &give_back)
{
	uint64_t pos = 0;
	Cqe cqe;

	std::thread sender([&] {
		uint64_t at = 0;

		while (at < total) {
			ssize_t got = send(fds[0], Pattern::get().at(0, at),
					   total - at, MSG_NOSIGNAL);

			if (got <= 0)
				break;
			at += uint64_t(got);
		}
		(void)shutdown(fds[0], SHUT_WR);
	});
	Defer join([&] {
		/* Lets the sender go if it still waits. */
		(void)shutdown(fds[1], SHUT_RDWR);
		sender.join();
	});
	ASSERT_EQ(n->recv(fds[1], 7), 1);
	for (;;) {
		ASSERT_TRUE(n->next(&cqe)) << "at " << pos;
		if (cqe.res == -ENOMEM || cqe.res == -ENOSPC) {
			ASSERT_TRUE(n->flush_all());
			ASSERT_EQ(n->recv(fds[1], 7), 1);
			continue;
		}
		ASSERT_GE(cqe.res, 0);
		if (!cqe.res)
			break;
		ASSERT_EQ(memcmp(n->data(cqe), Pattern::get().at(0, pos),
				 size_t(cqe.res)),
			  0)
			<< "at " << pos;
		pos += uint64_t(cqe.res);
		give_back(cqe);
	}
	EXPECT_EQ(pos, total);
}

TEST_P(NodevRecv, TwiceTheAreaWithReturns)
{
	constexpr size_t area = 256 * page;
	Nodev n(area, 1024, GetParam());

	ASSERT_EQ(n.err(), 0);
	ASSERT_TRUE(n.connect(fds));
	receive_through(&n, fds, 2 * area,
			[&](const Cqe &cqe) { ASSERT_TRUE(n.refill(cqe)); });
}

TEST_P(NodevRecv, SmallRefillRingFlushedWhenFull)
{
	constexpr size_t area = 256 * page;
	Nodev n(area, 8, GetParam());
	unsigned int flushes = 0;

	ASSERT_EQ(n.err(), 0);
	ASSERT_TRUE(n.connect(fds));
	receive_through(&n, fds, 4 * area, [&](const Cqe &cqe) {
		if (!n.refill(cqe)) {
			flushes++;
			ASSERT_TRUE(n.flush_all());
			ASSERT_TRUE(n.refill(cqe));
		}
	});
	EXPECT_GT(flushes, 0u);
}

/* ---- the refill ring ---- */

TEST_F(NodevTest, FlushOfNothing)
{
	Nodev n;

	ASSERT_EQ(n.err(), 0);
	EXPECT_EQ(n.flush(), 0);
	EXPECT_EQ(n.refill_left(), 0u);
}

TEST_F(NodevTest, FlushBadCalls)
{
	struct drx_zcrx_ctrl ctrl = {};
	Nodev n;

	ASSERT_EQ(n.err(), 0);
	ctrl.zcrx_id = n.regn.reg.zcrx_id + 99;
	EXPECT_EQ(n.ring.ctrl(&ctrl), -ENXIO);
	ctrl = {};
	ctrl.zcrx_id = n.regn.reg.zcrx_id;
	ctrl.op = 1000;
	EXPECT_EQ(n.ring.ctrl(&ctrl), -EOPNOTSUPP);
	ctrl.op = DRX_ZCRX_CTRL_FLUSH_RQ;
	ctrl.u.zc_flush.resv[0] = 1;
	EXPECT_EQ(n.ring.ctrl(&ctrl), -EINVAL);
	ctrl.u.zc_flush.resv[0] = 0;
	EXPECT_EQ(n.ring.reg(DRX_IORING_REGISTER_ZCRX_CTRL, &ctrl, 1), -EINVAL);
}

/* One received chunk, and entries that do not give it back. */
class NodevReturn : public NodevTest
{
      protected:
	void SetUp() override
	{
		NodevTest::SetUp();
		if (IsSkipped())
			return;
		n = std::make_unique<Nodev>(64 * page, 64);
		ASSERT_EQ(n->err(), 0);
		ASSERT_TRUE(n->connect(fds));
		ASSERT_EQ(n->recv(fds[1], 7), 1);
		ASSERT_EQ(send(fds[0], Pattern::get().at(0, 0), 100,
			       MSG_NOSIGNAL),
			  100);
		ASSERT_TRUE(n->next(&cqe));
		ASSERT_EQ(cqe.res, 100);
	}

	void TearDown() override
	{
		for (int fd : fds)
			if (fd >= 0)
				(void)close(fd);
	}

	/* The kernel lives on and hands no chunk to two at once. */
	void still_works()
	{
		std::set<uint64_t> chunks = { cqe.off / page };

		for (unsigned int i = 0; i < 40; i++) {
			Cqe next;

			ASSERT_EQ(send(fds[0], Pattern::get().at(0, i), 64,
				       MSG_NOSIGNAL),
				  64);
			ASSERT_TRUE(n->next(&next));
			ASSERT_EQ(next.res, 64);
			ASSERT_EQ(memcmp(n->data(next), Pattern::get().at(0, i),
					 64),
				  0);
			EXPECT_TRUE(chunks.insert(next.off / page).second)
				<< "a chunk that is out came again";
		}
		EXPECT_EQ(memcmp(n->data(cqe), Pattern::get().at(0, 0), 100),
			  0);
	}

	uint64_t good() const
	{
		return (cqe.off & ~DRX_ZCRX_AREA_MASK) |
		       n->regn.area.rq_area_token;
	}

	std::unique_ptr<Nodev> n;
	int fds[2] = { -1, -1 };
	Cqe cqe;
};

TEST_F(NodevReturn, OutsideTheArea)
{
	ASSERT_TRUE(
		n->refill(n->regn.area.rq_area_token + n->regn.area.len, page));
	EXPECT_TRUE(n->flush_all());
	still_works();
}

TEST_F(NodevReturn, WrongToken)
{
	ASSERT_TRUE(
		n->refill(good() | UINT64_C(5) << DRX_ZCRX_AREA_SHIFT, page));
	EXPECT_TRUE(n->flush_all());
	still_works();
}

TEST_F(NodevReturn, PadNotZero)
{
	ASSERT_TRUE(n->refill(good(), page, 1));
	EXPECT_TRUE(n->flush_all());
	still_works();
}

/* Every chunk that is not out returned as if it were. */
TEST_F(NodevReturn, ChunksThatAreNotOut)
{
	for (uint64_t i = 0; i < 60; i++)
		if (i != cqe.off / page) {
			ASSERT_TRUE(n->refill(
				n->regn.area.rq_area_token + i * page, page));
		}
	EXPECT_TRUE(n->flush_all());
	still_works();
}

TEST_F(NodevReturn, TwiceWithSomethingBetween)
{
	Cqe other;

	ASSERT_EQ(send(fds[0], Pattern::get().at(0, 0), 64, MSG_NOSIGNAL), 64);
	ASSERT_TRUE(n->next(&other));
	ASSERT_TRUE(n->refill(cqe));
	ASSERT_TRUE(n->refill(other));
	ASSERT_TRUE(n->refill(cqe));
	EXPECT_TRUE(n->flush_all());
	/* Both can come again, but each once at a time. */
	std::set<uint64_t> chunks;

	for (unsigned int i = 0; i < 60; i++) {
		Cqe next;

		ASSERT_EQ(send(fds[0], Pattern::get().at(0, i), 64,
			       MSG_NOSIGNAL),
			  64);
		ASSERT_TRUE(n->next(&next));
		ASSERT_EQ(next.res, 64);
		EXPECT_TRUE(chunks.insert(next.off / page).second);
	}
}

/* Head and tail that make no sense: refused or ignored, never followed. */
TEST_F(NodevReturn, TailFarAhead)
{
	uint32_t *tail = reinterpret_cast<uint32_t *>(n->regn.region_mem.get() +
						      n->regn.reg.offsets.tail);
	const uint32_t was = *tail;

	__atomic_store_n(tail, was + 1000000, __ATOMIC_RELEASE);
	(void)n->flush();
	still_works();
}

/* ---- clones ---- */

struct drx_zcrx_ctrl export_ctrl(const Nodev &n)
{
	struct drx_zcrx_ctrl ctrl = {};

	ctrl.zcrx_id = n.regn.reg.zcrx_id;
	ctrl.op = DRX_ZCRX_CTRL_EXPORT;
	return ctrl;
}

int import_into(
	RawRing *ring, int fd,
	const std::function<void(struct drx_zcrx_ifq_reg *)> &change = nullptr,
	uint32_t *id = nullptr)
{
	struct drx_zcrx_ifq_reg reg = {};
	int err;

	reg.if_idx = uint32_t(fd);
	reg.flags = DRX_ZCRX_REG_IMPORT;
	if (change)
		change(&reg);
	err = ring->reg(DRX_IORING_REGISTER_ZCRX_IFQ, &reg);
	if (id)
		*id = reg.zcrx_id;
	return err;
}

TEST_F(NodevTest, CloneReceives)
{
	Nodev n;
	RawRing other;
	struct drx_zcrx_ctrl ctrl = export_ctrl(n);
	int fds[2] = { -1, -1 };
	uint32_t id = 0;
	struct io_uring_cqe *cqe;
	struct __kernel_timespec ts = { int(patience), 0 };
	int err;

	ASSERT_EQ(n.err(), 0);
	ASSERT_EQ(n.ring.ctrl(&ctrl), 0);
	Fd clone(int(ctrl.u.zc_export.zcrx_fd));

	ASSERT_EQ(import_into(&other, clone.get(), nullptr, &id), 0);
	/* The clone lives without its origin. */
	clone.reset();
	n.ring.close();
	ASSERT_TRUE(n.connect(fds));
	const Fd out(fds[0]), in(fds[1]);
	struct io_uring_sqe *sqe = io_uring_get_sqe(other.ring());

	io_uring_prep_rw(int(DRX_IORING_OP_RECV_ZC), sqe, in.get(), nullptr, 0,
			 0);
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->file_index = id;
	ASSERT_EQ(io_uring_submit(other.ring()), 1);
	ASSERT_EQ(send(out.get(), Pattern::get().at(0, 0), 1000, MSG_NOSIGNAL),
		  1000);
	/* The end of the first ring may interrupt this one's wait. */
	do
		err = io_uring_wait_cqe_timeout(other.ring(), &cqe, &ts);
	while (err == -EINTR);
	ASSERT_EQ(err, 0);
	ASSERT_EQ(cqe->res, 1000);
	uint64_t off;

	memcpy(&off, cqe + 1, sizeof(off));
	EXPECT_EQ(memcmp(n.regn.area_mem.get() + (off & ~DRX_ZCRX_AREA_MASK),
			 Pattern::get().at(0, 0), 1000),
		  0);
}

TEST_F(NodevTest, CloneOfNothing)
{
	const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
	RawRing ring;

	EXPECT_EQ(import_into(&ring, -1), -EBADF);
	EXPECT_EQ(import_into(&ring, null.get()), -EBADF);
	EXPECT_EQ(import_into(&ring, ring.ring()->ring_fd), -EBADF);
}

TEST_F(NodevTest, CloneWithMoreThanADescriptor)
{
	Nodev n;
	RawRing ring;
	struct drx_zcrx_ctrl ctrl = export_ctrl(n);

	ASSERT_EQ(n.ring.ctrl(&ctrl), 0);
	const Fd clone(int(ctrl.u.zc_export.zcrx_fd));

	EXPECT_EQ(import_into(&ring, clone.get(),
			      [](auto *r) { r->if_rxq = 1; }),
		  -EINVAL);
	EXPECT_EQ(import_into(&ring, clone.get(),
			      [](auto *r) { r->rq_entries = 64; }),
		  -EINVAL);
	EXPECT_EQ(import_into(&ring, clone.get(),
			      [&](auto *r) {
				      r->area_ptr = n.regn.reg.area_ptr;
			      }),
		  -EINVAL);
	EXPECT_EQ(import_into(&ring, clone.get(),
			      [&](auto *r) {
				      r->region_ptr = n.regn.reg.region_ptr;
			      }),
		  -EINVAL);
	EXPECT_EQ(import_into(&ring, clone.get()), 0);
}

TEST_F(NodevTest, CloneIntoARingOfSmallCompletions)
{
	Nodev n;
	RawRing ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	struct drx_zcrx_ctrl ctrl = export_ctrl(n);

	ASSERT_EQ(n.ring.ctrl(&ctrl), 0);
	const Fd clone(int(ctrl.u.zc_export.zcrx_fd));

	EXPECT_EQ(import_into(&ring, clone.get()), -EINVAL);
}

TEST_F(NodevTest, ExportBadCalls)
{
	Nodev n;
	struct drx_zcrx_ctrl ctrl = export_ctrl(n);

	ctrl.u.zc_export.zcrx_fd = 1;
	EXPECT_EQ(n.ring.ctrl(&ctrl), -EINVAL);
	ctrl = export_ctrl(n);
	ctrl.zcrx_id += 99;
	EXPECT_EQ(n.ring.ctrl(&ctrl), -ENXIO);
}

/* ---- ends ---- */

TEST_F(NodevTest, RingEndsWithARequestInFlight)
{
	for (int i = 0; i < 10; i++) {
		Nodev n;
		int fds[2];

		ASSERT_EQ(n.err(), 0);
		ASSERT_TRUE(n.connect(fds));
		const Fd out(fds[0]), in(fds[1]);

		ASSERT_EQ(n.recv(in.get(), 7), 1);
		ASSERT_EQ(send(out.get(), Pattern::get().at(0, 0), 100,
			       MSG_NOSIGNAL),
			  100);
		/* The ring goes first, the sockets after it. */
		n.ring.close();
	}
}

TEST_F(NodevTest, ProcessKilledWithDataInFlight)
{
	for (int i = 0; i < 5; i++) {
		int ready[2], status;
		char byte;
		pid_t pid;

		ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
		pid = fork();
		if (!pid) {
			Nodev n;
			int fds[2];
			Cqe cqe;

			if (n.err() || !n.connect(fds) ||
			    n.recv(fds[1], 7) != 1 ||
			    send(fds[0], Pattern::get().at(0, 0), 200000,
				 MSG_NOSIGNAL) != 200000 ||
			    !n.next(&cqe) || write(ready[1], "x", 1) != 1)
				_exit(1);
			(void)pause();
			_exit(1);
		}
		ASSERT_GT(pid, 0);
		(void)close(ready[1]);
		EXPECT_EQ(read(ready[0], &byte, 1), 1);
		(void)close(ready[0]);
		(void)kill(pid, SIGKILL);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	/* And the next one finds everything in order. */
	Nodev n;

	EXPECT_EQ(n.err(), 0);
}

} /* namespace */
