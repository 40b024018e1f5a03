// SPDX-License-Identifier: MIT
/* Flow control on the fake ring: who is paused, at which mark, and until when. */
#include <cerrno>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "fake_rig.h"

namespace
{

using Frags = std::vector<devrx_fragment>;

/* Of 64 chunks 16 are the NIC's, and six may come in one go: 42 may be held. */
constexpr unsigned int HIGH = 42;
constexpr unsigned int LOW = 32;

class Flow : public testing::Test
{
      protected:
	void open()
	{
		rig.fake.pack = false;
		rig.fake.piece_max = 4096;
		rig.must_open();
	}

	/* Take @n fragments of one chunk each and keep them. */
	void hold(int fd, size_t n, Frags *held)
	{
		Frags frags;

		rig.fake.send(fd, n * 4096);
		for (size_t got = 0; got < n; got += frags.size()) {
			ASSERT_GT(rig.wait(&frags, 1, 0), 0);
			held->insert(held->end(), frags.begin(), frags.end());
		}
	}

	void release(Frags *held, size_t n)
	{
		const Frags some(held->end() - long(n), held->end());

		EXPECT_EQ(rig.release(some), 0);
		held->resize(held->size() - n);
	}

	Rig rig;
	Frags held, other;
};

TEST_F(Flow, BelowTheMarkNothingIsPaused)
{
	open();
	const int fd = rig.added();

	hold(fd, HIGH - 1, &held);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.cancels, 0u);
	EXPECT_EQ(rig.stats().stalls, 0u);
	EXPECT_EQ(rig.release(held), 0);
}

TEST_F(Flow, AtTheMarkItIsPausedAndTold)
{
	open();
	const int fd = rig.added();

	hold(fd, HIGH, &held);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.why(), "held-by-caller");
	EXPECT_EQ(rig.fake.cancels, 1u);
	EXPECT_EQ(rig.fake.armed(fd), 0u);
	EXPECT_EQ(rig.stats().stalls, 1u);
	EXPECT_EQ(rig.stats().paused, 1u);
	/* Nothing can come before a release, so it is told again. */
	const unsigned int enters = rig.fake.enters;
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), -ENOBUFS);
	EXPECT_EQ(rig.fake.enters, enters);

	/* One above the lower mark is not enough. */
	rig.fake.send(fd, 4096);
	release(&held, HIGH - LOW - 1);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	release(&held, 1);
	EXPECT_EQ(rig.wait(&other, 8, -1), 1);
	EXPECT_EQ(rig.release(other), 0);
	EXPECT_EQ(rig.stats().paused, 0u);
	EXPECT_GT(rig.stats().stall_ns, 0u);
	EXPECT_EQ(rig.release(held), 0);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_TRUE(rig.streams[fd].eof);
	rig.expect_all_returned();
}

/* What the kernel had taken before it saw the cancellation. */
TEST_F(Flow, WhatWasOnItsWayIsDelivered)
{
	open();
	const int fd = rig.added();

	hold(fd, HIGH, &held);
	rig.fake.hold_cancelled = true;
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.send(fd, 5 * 4096);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(rig.wait(&other, 1, 0), 1);
		held.insert(held.end(), other.begin(), other.end());
	}
	rig.fake.hold_cancelled = false;
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.stats().stalls, 1u);
	EXPECT_EQ(rig.release(held), 0);
	rig.fake.send(fd, 100000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, (HIGH + 5) * 4096u + 100000);
	rig.expect_all_returned();
}

/* Without flow control the caller may have the whole area. */
TEST_F(Flow, SwitchedOff)
{
	rig.opts.flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL;
	open();
	EXPECT_EQ(rig.info().flags, DEVRX_RECEIVER_F_NO_FLOW_CONTROL);
	const int fd = rig.added();

	hold(fd, 64, &held);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.cancels, 0u);
	EXPECT_EQ(rig.release(held), 0);
}

/* It holds all it gets and never releases: the other one goes on. */
TEST_F(Flow, AGreedyConnectionStallsAlone)
{
	open();
	const int greedy = rig.added();
	const int good = rig.added();
	Frags frags;
	bool told = false;

	/* The fake's sockets have no end: this much is on its way at most. */
	rig.fake.burst = 4;
	rig.fake.send(greedy, 38 * 4096);
	rig.fake.send(good, 1000 * 4096);
	for (int i = 0; i < 100000 && rig.streams[good].got < 1000 * 4096;
	     i++) {
		const int n = rig.wait(&frags, 8, 0);

		if (n == -ENOBUFS) {
			EXPECT_FALSE(told) << "once for each time";
			told = true;
			EXPECT_EQ(rig.why(), "held-by-caller");
			continue;
		}
		ASSERT_GE(n, 0);
		for (const devrx_fragment &frag : frags)
			if (Rig::fd_of(frag) == greedy)
				held.push_back(frag);
			else
				EXPECT_EQ(rig.release(frag), 0);
	}
	EXPECT_EQ(rig.streams[good].got, 1000u * 4096);
	EXPECT_EQ(rig.fake.armed(greedy), 0u);
	EXPECT_EQ(rig.stats().paused, 1u);
	EXPECT_LT(rig.streams[greedy].got, 38u * 4096);
	EXPECT_EQ(rig.release(held), 0);
	rig.fake.end(greedy);
	rig.fake.end(good);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[greedy].got, 38u * 4096);
	rig.expect_all_returned();
}

/* With nothing of the others at hand, wait says so once and then waits. */
TEST_F(Flow, OnePausedOfTwoIsToldOnce)
{
	open();
	const int greedy = rig.added();
	const int quiet = rig.added();

	hold(greedy, 32, &held);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 1000), 0);
	rig.fake.send(quiet, 10);
	EXPECT_EQ(rig.wait(&other, 8, -1), 1);
	EXPECT_EQ(rig.release(other), 0);
	EXPECT_EQ(rig.release(held), 0);
	rig.fake.send(greedy, 10);
	EXPECT_EQ(rig.wait(&other, 8, -1), 1);
	EXPECT_EQ(rig.stats().stalls, 1u);
	EXPECT_EQ(rig.release(other), 0);
}

/* Fragments that share a chunk are one chunk out, not many. */
TEST_F(Flow, ChunksAreCountedNotFragments)
{
	rig.fake.piece_max = 64;
	rig.must_open();
	const int fd = rig.added();
	Frags frags;

	rig.fake.send(fd, 20 * 4096);
	while (rig.streams[fd].got < 20 * 4096) {
		ASSERT_GT(rig.wait(&frags, 16, 0), 0);
		held.insert(held.end(), frags.begin(), frags.end());
	}
	EXPECT_GT(held.size(), 1000u);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.stats().stalls, 0u);
	EXPECT_EQ(rig.release(held), 0);
}

/* What connections that have ended left behind counts for all. */
TEST_F(Flow, FragmentsOfEndedConnections)
{
	open();
	const int fd = rig.added();

	hold(fd, HIGH - 1, &held);
	rig.fake.end(fd);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	const int next = rig.added();
	hold(next, 1, &other);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.release(held), 0);
	rig.fake.send(next, 10);
	EXPECT_EQ(rig.wait(&held, 8, -1), 1);
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_EQ(rig.release(other), 0);
}

TEST_F(Flow, PausedConnectionsCanBeRemovedAndClosed)
{
	open();
	const int fd = rig.added();

	hold(fd, HIGH, &held);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
	EXPECT_EQ(rig.stats().paused, 0u);
	/* Removed while its receive is being cancelled. */
	const int next = rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS) << "not even armed";
	EXPECT_EQ(rig.fake.armed(next), 0u);
	EXPECT_EQ(rig.release(held), 0);
	held.clear();
	hold(next, HIGH, &held);
	rig.fake.hold_cancelled = true;
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, next), 0);
	rig.fake.hold_cancelled = false;
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.streams[next].error, -ECANCELED);
	EXPECT_EQ(rig.close(), -EBUSY);
	EXPECT_EQ(rig.release(held), 0);
	rig.expect_all_returned();
}

/* The kernel did not find the receive: it is cancelled again. */
TEST_F(Flow, AMissedCancellationIsRepeated)
{
	open();
	const int fd = rig.added();

	hold(fd, HIGH, &held);
	const uint64_t ud = rig.fake.armed(fd);
	rig.fake.hold_cancelled = true;
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.cancels, 1u);
	rig.fake.forge(UINT64_C(1) << 63 | ud, -ENOENT, 0, 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_GE(rig.fake.cancels, 2u);
	rig.fake.hold_cancelled = false;
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.release(held), 0);
}

/* An end that was faster than the cancellation is the end. */
TEST_F(Flow, TheEndIsFaster)
{
	open();
	const int fd = rig.added();

	hold(fd, HIGH, &held);
	rig.fake.hold_cancelled = true;
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.forge(rig.fake.armed(fd), 0, 0, 0);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_TRUE(rig.streams[fd].eof);
	EXPECT_EQ(rig.stats().stalls, 0u);
	EXPECT_EQ(rig.release(held), 0);
}

/* 40 connections, all of which hold what they get for a while. */
TEST_F(Flow, ManyOnASmallArea)
{
	std::vector<int> fds;
	Frags frags;

	open();
	for (int i = 0; i < 40; i++) {
		fds.push_back(rig.added());
		rig.fake.send(fds.back(), 20 * 4096);
		rig.fake.end(fds.back());
	}
	for (int i = 0; i < 100000; i++) {
		const int n = rig.wait(&frags, 16, 0);

		if (n == -ENOTCONN)
			break;
		if (n == -ENOBUFS || !n) {
			EXPECT_EQ(rig.release(held), 0);
			held.clear();
			continue;
		}
		ASSERT_GT(n, 0);
		held.insert(held.end(), frags.begin(), frags.end());
		ASSERT_FALSE(HasFatalFailure());
	}
	for (const int fd : fds)
		EXPECT_EQ(rig.streams[fd].got, 20u * 4096);
	EXPECT_EQ(rig.release(held), 0);
	rig.expect_all_returned();
}

int rcvbuf(int fd)
{
	socklen_t len = sizeof(int);
	int value = 0;

	EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len), 0);
	return value;
}

/* The part of one of two is an eighth of what the NIC's ring leaves. */
TEST(FlowBuffers, FitTheArea)
{
	Rig rig(true, 4 << 20);
	int pair[2], other[2];
	int small = 20 << 10;

	rig.must_open();
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
	const int before = rcvbuf(pair[0]);
	ASSERT_EQ(setsockopt(other[0], SOL_SOCKET, SO_RCVBUF, &small,
			     sizeof(small)),
		  0);
	EXPECT_EQ(devrx_receiver_add(rig.rx, other[0], 1), 0);
	EXPECT_EQ(rcvbuf(other[0]), 2 * small) << "it fits";
	EXPECT_EQ(rig.stats().rcvbufs_lowered, 0u);
	/* What is not locked may grow to the kernel's limit. */
	EXPECT_EQ(devrx_receiver_add(rig.rx, pair[0], 2), 0);
	EXPECT_EQ(rig.stats().rcvbufs_lowered, 1u);
	EXPECT_NE(rcvbuf(pair[0]), before);
	EXPECT_LE(rcvbuf(pair[0]), 3 << 17);
	for (int fd : { pair[0], pair[1], other[0], other[1] })
		(void)close(fd);
}

TEST(FlowBuffers, AreLeftAloneWithoutFlowControl)
{
	Rig rig(true, 4 << 20);
	int pair[2];

	rig.opts.flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL;
	rig.must_open();
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	const int before = rcvbuf(pair[0]);
	EXPECT_EQ(devrx_receiver_add(rig.rx, pair[0], 1), 0);
	EXPECT_EQ(rcvbuf(pair[0]), before);
	EXPECT_EQ(rig.stats().rcvbufs_lowered, 0u);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

} // namespace
