// SPDX-License-Identifier: MIT
/* Flow control on the fake ring: who is paused, at which mark, and until when. */
#include <cerrno>
#include <fstream>
#include <vector>

#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake_rig.h"

namespace
{

using Frags = std::vector<devrx_fragment>;

/* Of 64 chunks 16 are the NIC's, and 12 may come in one go: 36 may be held. */
constexpr unsigned int HIGH = 36;
constexpr unsigned int LOW = 27;

/* No CAP_NET_ADMIN for this thread, while it lives. */
class Unprivileged
{
      public:
	Unprivileged()
	{
		EXPECT_EQ(syscall(SYS_capget, &header, data), 0);
		set(data[0].effective & ~(1u << CAP_NET_ADMIN));
	}

	~Unprivileged()
	{
		set(data[0].effective);
	}

      private:
	void set(uint32_t effective)
	{
		struct __user_cap_data_struct now[2] = { data[0], data[1] };

		now[0].effective = effective;
		EXPECT_EQ(syscall(SYS_capset, &header, now), 0);
	}

	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3,
						   0 };
	struct __user_cap_data_struct data[2];
};

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

	explicit Flow(const struct devrx_provider *provider = &fake_provider)
	    : rig(true, 64 * 4096, 1, provider)
	{
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
	rig.fake.forge(DRX_UD_CANCEL | ud, -ENOENT, 0, 0);
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

/* Paused by a look that comes when all is released already, with a descriptor to
 * poll: nothing would wake the caller. */
TEST_F(Flow, ReleasedWhileItIsBeingPaused)
{
	open();
	const int fd = rig.added();

	ASSERT_GE(devrx_receiver_fd(rig.rx), 0);
	hold(fd, HIGH, &held);
	rig.fake.hold_cancelled = true;
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	ASSERT_EQ(rig.fake.cancels, 1u);
	EXPECT_EQ(rig.release(held), 0);
	rig.fake.hold_cancelled = false;
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.stats().paused, 0u);
	EXPECT_EQ(rig.fake.receives, 2u);
}

/* -- with payload around the queue -------------------------------------------- */

/* One connection has a backlog; it and another one are paused, because of what one
 * that is gone has left. */
class FlowRecover : public Flow
{
      protected:
	FlowRecover() : Flow(&writable_provider)
	{
		rig.opts.recovery_timeout_ms = 3600000;
	}

	void pause_both()
	{
		open();
		const int gone = rig.added();
		hold(gone, HIGH - 2, &held);
		rig.fake.end(gone);
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 1);
		fd = rig.added();
		greedy = rig.added();
		hold(fd, 1, &held);
		rig.fake.send_copied(fd, 10000);
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
		ASSERT_NE(rig.rx->recover.first, nullptr);
		hold(greedy, 1, &held);
		ASSERT_EQ(rig.rx->recover.nr_out, 1u);
		EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
		ASSERT_EQ(rig.stats().paused, 2u);
	}

	int fd, greedy;
};

/* Another one goes on, so that there is something to wait for. */
TEST_F(FlowRecover, ABacklogThatIsPausedDoesNotExpire)
{
	open();
	fd = rig.added();
	const int quiet = rig.added();
	hold(fd, 23, &held);
	rig.fake.send_copied(fd, 10000);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	ASSERT_NE(rig.rx->recover.first, nullptr);
	hold(quiet, 1, &held);
	/* Nothing that is out can become a place, for longer than anybody
	 * waits. */
	rig.rx->recover.nr_out = 0;
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	ASSERT_EQ(rig.stats().paused, 1u);
	rig.rx->recover.first->since = INT64_MIN / 2;
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	/* From here on it has the time that others have. */
	other.assign(1, held.back());
	held.pop_back();
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.stats().paused, 0u);
	EXPECT_EQ(rig.release(other), 0);
	rig.fake.send(fd, 3 * 4096);
	rig.fake.end(fd);
	rig.fake.end(quiet);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 26 * 4096u + 10000);
	EXPECT_TRUE(rig.streams[fd].eof);
	EXPECT_EQ(rig.stats().unrecovered, 0u);
	rig.expect_all_returned();
}

/* The piece that came back last would have been its place. */
TEST_F(FlowRecover, APausedConnectionWhoseBytesCannotBeWritten)
{
	ASSERT_NO_FATAL_FAILURE(pause_both());
	release(&held, 1);
	fake_write_errors.push_back(-EIO);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 1);
	EXPECT_EQ(rig.streams[fd].error, -EIO);
	EXPECT_EQ(rig.stats().paused, 1u);
	EXPECT_EQ(rig.release(held), 0);
	rig.fake.send(greedy, 10000);
	rig.fake.end(greedy);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_TRUE(rig.streams[greedy].eof);
	rig.expect_all_returned();
}

/* -- sockets and area ---------------------------------------------------------- */

int get(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	EXPECT_EQ(getsockopt(fd, SOL_SOCKET, name, &value, &len), 0);
	return value;
}

bool grows(int fd)
{
	return !(get(fd, SO_BUF_LOCK) & 2 /* SOCK_RCVBUF_LOCK */);
}

/* The first of numbers that such a file has, behind @skip others. */
int number_in(const char *path, int skip)
{
	std::ifstream file(path);
	int value = 0;

	for (; skip >= 0; skip--)
		file >> value;
	return value;
}

/* Of the 15360 chunks that the NIC leaves the first socket may have a sixteenth. */
class FlowBuffers : public testing::Test
{
      protected:
	explicit FlowBuffers(uint64_t len = 64 << 20) : rig(true, len)
	{
		for (int &fd : fds) {
			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			EXPECT_GE(fd, 0);
		}
		before = get(fds[0], SO_RCVBUF);
	}

	~FlowBuffers() override
	{
		for (int fd : fds)
			(void)::close(fd);
	}

	int fds[2];
	int before;
	Rig rig;
	static constexpr int part = 15360 * 4096 / 16;
};

TEST_F(FlowBuffers, GrowToTheirPartOfTheArea)
{
	const int limit = 2 * number_in("/proc/sys/net/core/rmem_max", 0);

	ASSERT_GT(number_in("/proc/sys/net/ipv4/tcp_rmem", 2), part);
	rig.must_open();
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(devrx_receiver_add(rig.rx, fds[i], 1), 0);
		EXPECT_FALSE(grows(fds[i]));
		/* Who may not go beyond it, does not. */
		if (get(fds[i], SO_RCVBUF) != part / (i + 1)) {
			EXPECT_EQ(get(fds[i], SO_RCVBUF), limit);
		}
		EXPECT_EQ(rig.stats().rcvbufs_limited, unsigned(i + 1));
	}
	EXPECT_EQ(rig.stats().area_short, 0u);
	EXPECT_EQ(rig.why(), "");
}

/* A process without the privilege, and a lower limit than the buffer has. */
TEST_F(FlowBuffers, WithoutThePrivilege)
{
	const Unprivileged unprivileged;
	const int limit = 2 * number_in("/proc/sys/net/core/rmem_max", 0);

	rig.must_open();
	EXPECT_EQ(devrx_receiver_add(rig.rx, fds[0], 1), 0);
	EXPECT_EQ(get(fds[0], SO_RCVBUF), limit < part ? limit : part);
	EXPECT_FALSE(grows(fds[0]));
	rig.rx->flow.rcvbuf_max = 4096;
	EXPECT_EQ(devrx_receiver_add(rig.rx, fds[1], 1), 0);
	EXPECT_EQ(get(fds[1], SO_RCVBUF), before);
	EXPECT_FALSE(grows(fds[1]));
}

TEST_F(FlowBuffers, StayAsTheUserSetThem)
{
	const int half = 20 << 10;

	ASSERT_EQ(setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &half,
			     sizeof(half)),
		  0);
	rig.must_open();
	EXPECT_EQ(devrx_receiver_add(rig.rx, fds[0], 1), 0);
	EXPECT_EQ(get(fds[0], SO_RCVBUF), 2 * half);
	EXPECT_EQ(rig.stats().rcvbufs_limited, 0u);
}

TEST_F(FlowBuffers, AreLeftAloneWithoutFlowControl)
{
	rig.opts.flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL;
	rig.must_open();
	EXPECT_EQ(devrx_receiver_add(rig.rx, fds[0], 1), 0);
	EXPECT_EQ(get(fds[0], SO_RCVBUF), before);
	EXPECT_TRUE(grows(fds[0]));
	EXPECT_EQ(rig.stats().rcvbufs_limited, 0u);
}

/* Their part is more than the kernel lets them grow to. */
class FlowBuffersLarge : public FlowBuffers
{
      protected:
	FlowBuffersLarge() : FlowBuffers(UINT64_C(1) << 30)
	{
	}
};

TEST_F(FlowBuffersLarge, GrowAsTheyLike)
{
	const int most = number_in("/proc/sys/net/ipv4/tcp_rmem", 2);

	ASSERT_LT(most, 1 << 27);
	rig.must_open();
	EXPECT_EQ(devrx_receiver_add(rig.rx, fds[0], 1), 0);
	EXPECT_EQ(get(fds[0], SO_RCVBUF), before);
	EXPECT_TRUE(grows(fds[0]));
	EXPECT_EQ(rig.stats().rcvbufs_limited, 0u);
	EXPECT_EQ(rig.rx->flow.sockets, uint64_t(most) >> 16);
}

/* No buffer gets smaller than it is; that it does not fit is said. */
class FlowBuffersSmall : public FlowBuffers
{
      protected:
	FlowBuffersSmall() : FlowBuffers(64 * 4096)
	{
	}
};

TEST_F(FlowBuffersSmall, AreTooMuchForTheArea)
{
	rig.must_open();
	EXPECT_EQ(rig.why(), "");
	EXPECT_EQ(devrx_receiver_add(rig.rx, fds[0], 1), 0);
	EXPECT_EQ(devrx_receiver_add(rig.rx, fds[1], 1), 0);
	EXPECT_EQ(get(fds[1], SO_RCVBUF), before);
	EXPECT_FALSE(grows(fds[1]));
	EXPECT_EQ(rig.why(), "area-short");
	EXPECT_GE(rig.stats().area_short, 1u);
}

TEST_F(FlowBuffersSmall, ARingAsLongAsTheArea)
{
	rig.ring = 64;
	rig.must_open();
	EXPECT_EQ(rig.why(), "area-short");
	EXPECT_EQ(rig.stats().area_short, 1u);
}

} // namespace
