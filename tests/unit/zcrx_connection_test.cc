// SPDX-License-Identifier: MIT
/* provider/zcrx/connection.c: connections come, are interrupted, and go. */
#include <cerrno>
#include <climits>
#include <vector>

#include <unistd.h>

#include "fake_rig.h"

namespace
{

TEST(Add, RefusesWhatIsNoDescriptor)
{
	Rig rig;
	int fd;

	rig.must_open();
	fd = dup(0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(close(fd), 0);
	for (int bad : { -1, INT_MIN, INT_MAX, fd })
		EXPECT_EQ(devrx_receiver_add(rig.rx, bad, 0), -EBADF) << bad;
	EXPECT_EQ(rig.stats().connections, 0u);
	EXPECT_EQ(rig.stats().connections_total, 0u);
}

TEST(Add, TwiceIsRefused)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	EXPECT_EQ(rig.add(fd), -EEXIST);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.add(fd), -EEXIST);
	rig.fake.end(fd);
	EXPECT_EQ(rig.stats().connections, 1u);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
}

TEST(Add, TheSameSocketAgainAfterItsLast)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.socket();
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(rig.add(fd), 0);
		rig.fake.send(fd, 3333);
		EXPECT_EQ(rig.drain(), 0);
		EXPECT_EQ(rig.streams[fd].got, 3333u);
		ASSERT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
		EXPECT_EQ(rig.drain(), -ENOTCONN);
		EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
	}
	EXPECT_EQ(rig.stats().connections_total, 50u);
	rig.expect_all_returned();
}

TEST(Add, Thousands)
{
	Rig rig(true, 1024 * 4096);
	std::vector<int> fds;

	rig.must_open();
	for (int i = 0; i < 3000; i++) {
		fds.push_back(rig.added());
		rig.fake.send(fds.back(), 10 + static_cast<uint64_t>(i % 7));
		rig.fake.end(fds.back());
	}
	EXPECT_EQ(rig.stats().connections, 3000u);
	EXPECT_EQ(rig.drain(256), -ENOTCONN);
	EXPECT_EQ(rig.lasts.size(), 3000u);
	for (size_t i = 0; i < fds.size(); i++)
		ASSERT_EQ(rig.streams[fds[i]].got, 10 + i % 7);
	rig.expect_all_returned();
}

/* -- remove ------------------------------------------------------------------ */

TEST(Remove, Unknown)
{
	Rig rig;

	rig.must_open();
	for (int fd : { -1, 0, 100000, INT_MAX, INT_MIN })
		EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), -ENOENT) << fd;
	const int fd = rig.added();
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd + 1), -ENOENT);
}

TEST(Remove, BeforeItWasArmed)
{
	Rig rig;

	rig.must_open();
	const int a = rig.added(), b = rig.added(), c = rig.added();
	EXPECT_EQ(devrx_receiver_remove(rig.rx, b), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 1);
	EXPECT_EQ(rig.streams[b].error, -ECANCELED);
	EXPECT_EQ(rig.fake.receives, 0u);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, c), 0);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, a), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 2);
	/* The list is whole: another one can be queued. */
	const int d = rig.added();
	rig.fake.send(d, 5);
	rig.fake.end(d);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[d].got, 5u);
}

TEST(Remove, WhileArmed)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_NE(rig.fake.armed(fd) + 1, 0u);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0) << "a second time";
	EXPECT_EQ(rig.add(fd), -EEXIST) << "until its last fragment";
	EXPECT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
	EXPECT_EQ(rig.fake.cancels, 1u);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), -ENOENT);
	EXPECT_EQ(rig.add(fd), 0);
}

TEST(Remove, WhatArrivedBeforeIsStillDelivered)
{
	Rig rig;

	rig.fake.piece_max = 100;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	EXPECT_EQ(rig.wait(nullptr, 3, -1), 3);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(rig.wait(nullptr, 64, -1), 7);
	EXPECT_EQ(rig.wait(nullptr, 64, -1), 1);
	EXPECT_EQ(rig.streams[fd].got, 1000u);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
}

TEST(Remove, TheEndWasFaster)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 10);
	rig.fake.end(fd);
	EXPECT_EQ(rig.wait(nullptr, 1, -1), 1);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_TRUE(rig.streams[fd].eof);
}

TEST(Remove, WhileItsQueueWasFull)
{
	Rig rig;

	rig.fake.piece_max = 100;
	rig.opts.cq_entries = 4;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 10000);
	EXPECT_EQ(rig.wait(nullptr, 1, -1), 1);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
	EXPECT_EQ(rig.streams[fd].got + rig.fake.left(fd), 10000u);
}

TEST(Remove, WhileItsLastFragmentIsDue)
{
	Rig rig;

	rig.must_open();
	const int a = rig.added(), b = rig.added();
	rig.fake.end(a);
	rig.fake.end(b);
	EXPECT_EQ(rig.wait(nullptr, 1, -1), 1);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, b), -ENOENT);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, a), -ENOENT);
	EXPECT_EQ(rig.wait(nullptr, 1, -1), 1);
	EXPECT_TRUE(rig.streams[b].eof);
}

TEST(Remove, AFullSubmissionQueueIsBusy)
{
	Rig rig;

	rig.opts.cq_entries = 1;
	rig.must_open();
	const int a = rig.added(), b = rig.added();
	EXPECT_EQ(rig.wait(nullptr, 1, 0), 0);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, a), 0);
	rig.fake.enter_errors = { -EBUSY };
	EXPECT_EQ(devrx_receiver_remove(rig.rx, b), -EBUSY);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, b), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[a].error, -ECANCELED);
	EXPECT_EQ(rig.streams[b].error, -ECANCELED);
}

/* Data that comes after the end was told gives its chunk back. */
TEST(Abort, LateDataGivesItsChunkBack)
{
	Rig rig;

	rig.fake.piece_max = 1000;
	rig.must_open();
	const int bad = rig.added(), good = rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.hold_cancelled = true;
	rig.fake.forge(rig.fake.armed(bad), 4096, IORING_CQE_F_MORE,
		       UINT64_C(1) << 40);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.streams[bad].error, -EPROTO);
	rig.fake.send(bad, 20000);
	rig.fake.send(good, 20000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.fake.left(bad), 0u) << "the case means late data";
	EXPECT_EQ(rig.streams[good].got, 20000u);
	rig.fake.hold_cancelled = false;
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.fake.armed(bad), 0u);
	rig.expect_all_returned();
}

TEST(Abort, LateDataWithAFullRefillRingIsKept)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.features.flags &= ~DEVRX_FEATURE_FLUSH;
	rig.fake.idle_nic = true;
	rig.fake.piece_max = 64;
	rig.opts.max_fragments = 70;
	rig.must_open();
	const int bad = rig.added(), good = rig.added();
	rig.fake.send(good, 64 * 64);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 64);
	EXPECT_EQ(rig.release(frags), 0); /* the refill ring is full now */
	rig.fake.hold_cancelled = true;
	rig.fake.forge(rig.fake.armed(bad), 4096, IORING_CQE_F_MORE,
		       UINT64_C(1) << 40);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	rig.fake.send(bad, 200 * 100); /* far more than slots to park in */
	for (int i = 0; i < 10; i++)
		(void)rig.wait(nullptr, 8, 0);
	for (int i = 0; i < 10; i++) {
		rig.fake.nic_refills(64);
		(void)rig.wait(nullptr, 8, 0);
	}
	EXPECT_EQ(rig.fake.left(bad), 0u);
	rig.expect_all_returned();
}

/* A late completion must not reach the connection that has the index now. */
TEST(Abort, LateDataDoesNotReachTheNextOne)
{
	Rig rig;

	rig.must_open();
	const int bad = rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.hold_cancelled = true;
	rig.fake.forge(rig.fake.armed(bad), 4096, IORING_CQE_F_MORE,
		       UINT64_C(1) << 40);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	const int next = rig.added();
	rig.fake.send(bad, 5000);
	rig.fake.send(next, 7000);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.hold_cancelled = false;
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_FALSE(rig.streams[next].ended);
	EXPECT_EQ(rig.streams[next].got, 7000u);
	rig.expect_all_returned();
}

/* -- an area without a free chunk -------------------------------------------- */

TEST(Starved, ArmsAgainAfterARelease)
{
	Rig rig(false, 4 * 4096);
	std::vector<devrx_fragment> frags, more;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 6 * 4096);
	EXPECT_EQ(rig.wait(&frags, 8, -1), 4);
	EXPECT_EQ(rig.wait(&more, 8, -1), -ENOBUFS)
		<< "it would sleep for ever";
	EXPECT_EQ(rig.wait(&more, 8, 0), -ENOBUFS);
	EXPECT_EQ(rig.fake.receives, 1u) << "nothing to arm for yet";
	EXPECT_EQ(rig.stats().starved, 1u);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.fake.flushes, 1u) << "the copy takes flushed chunks only";
	EXPECT_EQ(rig.wait(&more, 8, -1), 2);
	EXPECT_EQ(rig.release(more), 0);
	EXPECT_EQ(rig.streams[fd].got, 6u * 4096);
	rig.expect_all_returned();
}

TEST(Starved, OneFragmentBackIsEnough)
{
	Rig rig(false, 4 * 4096);
	std::vector<devrx_fragment> frags, more;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 50 * 4096);
	rig.fake.end(fd);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 4);
	for (int i = 0; i < 45; i++) {
		EXPECT_EQ(rig.wait(&more, 8, 0), -ENOBUFS);
		EXPECT_EQ(rig.release(frags.front()), 0);
		frags.erase(frags.begin());
		ASSERT_EQ(rig.wait(&more, 8, -1), 1) << i;
		frags.push_back(more[0]);
	}
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 50u * 4096);
	EXPECT_TRUE(rig.streams[fd].eof);
}

TEST(Starved, RemovedWhileStarved)
{
	Rig rig(false, 4 * 4096);
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int a = rig.added(), b = rig.added(), c = rig.added();
	for (int fd : { a, b, c })
		rig.fake.send_copied(fd, 5 * 4096);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 4);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), -ENOBUFS);
	EXPECT_EQ(rig.stats().starved, 3u);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, b), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 1);
	EXPECT_EQ(rig.streams[b].error, -ECANCELED);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[a].got, 5u * 4096);
	EXPECT_EQ(rig.streams[c].got, 5u * 4096);
	rig.expect_all_returned();
}

TEST(Starved, AnAreaThatOthersHoldIsExhausted)
{
	Rig rig(false, 4 * 4096);

	rig.must_open();
	rig.fake.nic_takes(4);
	const int fd = rig.added();
	rig.fake.send_copied(fd, 4096);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].error, -ENOMEM);
	EXPECT_EQ(rig.why(), "area-exhausted");
	EXPECT_EQ(rig.fake.receives, 3u);
}

/* Empty rounds count in a row: data in between starts anew. */
TEST(Starved, NowAndThenIsNotExhausted)
{
	Rig rig(false, 64 * 4096);

	rig.must_open();
	const int fd = rig.added();
	for (int i = 0; i < 20; i++) {
		rig.fake.inject(fd, -ENOMEM);
		rig.fake.send(fd, 100);
		EXPECT_EQ(rig.drain(), 0) << i;
	}
	EXPECT_EQ(rig.streams[fd].got, 2000u);
	EXPECT_FALSE(rig.streams[fd].ended);
}

/* -- payload in kernel memory, and a dmabuf that the host cannot write --------- */

struct Uncopyable {
	const char *name;
	bool dmabuf;
	uint32_t without; /* features */
	int res;
	int error;
	const char *why;
};

class Payload : public testing::TestWithParam<Uncopyable>
{
};

TEST_P(Payload, EndsItsConnectionWithTheCause)
{
	const Uncopyable &c = GetParam();
	Rig rig(c.dmabuf);

	rig.features.flags &= ~c.without;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 500);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.inject(fd, c.res);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 500u);
	EXPECT_EQ(rig.streams[fd].error, c.error);
	EXPECT_EQ(rig.why(), c.why);
}

INSTANTIATE_TEST_SUITE_P(
	All, Payload,
	testing::Values(
		Uncopyable{ "NoMem", true, 0, -ENOMEM, -EBADMSG,
			    "payload-not-in-area" },
		Uncopyable{ "NoMemOnAnOldKernel", true, DEVRX_FEATURE_FLUSH,
			    -ENOMEM, -EBADMSG, "payload-not-in-area" },
		Uncopyable{ "FaultOnAnOldKernel", true, DEVRX_FEATURE_FLUSH,
			    -EFAULT, -EBADMSG, "payload-not-in-area" },
		Uncopyable{ "FaultOnANewKernel", true, 0, -EFAULT, -EFAULT,
			    "os-error" },
		Uncopyable{ "FaultInAHostArea", false, DEVRX_FEATURE_FLUSH,
			    -EFAULT, -EFAULT, "os-error" }),
	[](const auto &i) { return std::string(i.param.name); });

TEST(PayloadAround, EndsItsConnectionAlone)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 100);
	rig.fake.send(other, 10000);
	rig.fake.end(other);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].error, -EBADMSG);
	EXPECT_EQ(rig.stats().unrecovered, 1u);
	EXPECT_EQ(rig.stats().drains, 0u);
	EXPECT_EQ(rig.streams[other].got, 10000u);
}

} // namespace
