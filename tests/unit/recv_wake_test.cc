// SPDX-License-Identifier: MIT
/* devrx_receiver_fd(): who sleeps on it is woken when, and only when, there is
 * something to do. */
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recv_support.h"

using namespace recv_test;

namespace
{

/* An epoll set with the receiver's descriptor. Other than poll() it tells what
 * was signalled, not what could be found by looking. */
class Loop
{
      public:
	Loop(Rig *r, uint32_t events) : rig(r), set(epoll_create1(0))
	{
		struct epoll_event event = {};

		event.events = events;
		EXPECT_EQ(epoll_ctl(set, EPOLL_CTL_ADD,
				    devrx_receiver_fd(rig->rx), &event),
			  0);
	}
	~Loop()
	{
		(void)close(set);
	}
	Loop(const Loop &) = delete;
	Loop &operator=(const Loop &) = delete;

	bool woken(int ms = 0) const
	{
		struct epoll_event event;

		return epoll_wait(set, &event, 1, ms) == 1;
	}
	/* Until nothing comes. */
	int empty(Fragments *ret) const
	{
		int n;

		do
			n = rig->wait(ret, 4, 0);
		while (n > 0);
		return n;
	}

      private:
	Rig *rig;
	int set;
};

class Wake : public ::testing::TestWithParam<uint32_t>
{
};

INSTANTIATE_TEST_SUITE_P(, Wake, ::testing::Values(EPOLLIN, EPOLLIN | EPOLLET),
			 [](const auto &p) {
				 return p.param & EPOLLET ? "Edge" : "Level";
			 });

TEST_P(Wake, ByDataAndEndAndNothingElse)
{
	Rig rig(host_memory(64 * 4096));
	Fragments got;

	RECV_OPEN(rig);
	rig.connect();
	rig.connect(Kind::Unix);
	const Loop loop(&rig, GetParam());
	for (int round = 0; round < 20; round++) {
		const int conn = round % 2;

		EXPECT_EQ(loop.empty(&got), 0);
		EXPECT_FALSE(loop.woken()) << "round " << round;
		rig.send(conn, 30000);
		EXPECT_TRUE(loop.woken(10000)) << "round " << round;
		while (rig.conns[size_t(conn)].got <
		       rig.conns[size_t(conn)].sent) {
			ASSERT_EQ(loop.empty(&got), 0);
			EXPECT_EQ(rig.release(got), 0);
			got.clear();
		}
	}
	EXPECT_EQ(loop.empty(&got), 0);
	EXPECT_FALSE(loop.woken());
	rig.finish(0);
	rig.finish(1);
	EXPECT_TRUE(loop.woken(10000));
	while (!rig.conns[0].ended || !rig.conns[1].ended)
		(void)loop.empty(&got);
	EXPECT_EQ(rig.wait(&got, 4, 0), -ENOTCONN);
}

/* Whoever takes one batch each time is called again while there is more. */
static void take_one_each_time(uint32_t events, struct devrx_memory *mem)
{
	Rig rig(mem);
	Fragments got;

	RECV_OPEN(rig);
	for (int conn = 0; conn < 16; conn++)
		rig.connect();
	const Loop loop(&rig, events);
	EXPECT_EQ(loop.empty(&got), 0);
	for (int conn = 0; conn < 16; conn++) {
		rig.send(conn, 100);
		rig.finish(conn);
	}
	while (rig.stats().connections) {
		ASSERT_TRUE(loop.woken(10000));
		ASSERT_GE(rig.wait(&got, 1, 0), 0);
		EXPECT_EQ(rig.release(got), 0);
		got.clear();
	}
	EXPECT_EQ(rig.stats().bytes, 1600u);
}

TEST_P(Wake, LevelUntilAllIsTaken)
{
	if (GetParam() & EPOLLET)
		GTEST_SKIP() << "of level-triggered loops only";
	take_one_each_time(GetParam(), host_memory(64 * 4096));
	take_one_each_time(GetParam(), background_memory(64 * 4096));
}

/* A small completion queue ends receives: they are armed again before the loop
 * is let to sleep. */
TEST_P(Wake, ReceivesThatEndedAreArmed)
{
	Rig rig(host_memory(64 * 4096));
	Fragments got;

	rig.opts.cq_entries = 2;
	RECV_OPEN(rig);
	for (int conn = 0; conn < 8; conn++)
		rig.connect();
	const Loop loop(&rig, GetParam());
	for (int round = 0; round < 20; round++) {
		uint64_t left = 8 * 100;

		ASSERT_EQ(loop.empty(&got), 0);
		for (int conn = 0; conn < 8; conn++)
			rig.send(conn, 100);
		while (left) {
			ASSERT_TRUE(loop.woken(10000)) << "round " << round;
			ASSERT_EQ(loop.empty(&got), 0);
			for (const auto &frag : got)
				left -= frag.length;
			EXPECT_EQ(rig.release(got), 0);
			got.clear();
		}
	}
	EXPECT_GT(rig.stats().overflows, 0u);
}

TEST(WakeFd, IsOneAndTheReceivers)
{
	Rig rig(host_memory(16 * 4096));

	RECV_OPEN(rig);
	const int fd = devrx_receiver_fd(rig.rx);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(devrx_receiver_fd(rig.rx), fd);
	EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	const pid_t pid = fork();
	if (!pid)
		_exit(devrx_receiver_fd(rig.rx) != -EPERM);
	int status = -1;
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(rig.close(), 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

/* What was queued before there was a descriptor is not signalled. */
TEST(WakeFd, BeginsReadable)
{
	Rig rig(host_memory(16 * 4096));
	Fragments got;

	RECV_OPEN(rig);
	rig.connect();
	EXPECT_EQ(rig.wait(&got, 4, 0), 0);
	rig.send(0, 100);
	const Loop loop(&rig, EPOLLIN);
	EXPECT_TRUE(loop.woken());
	while (!rig.stats().bytes)
		ASSERT_EQ(loop.empty(&got), 0);
	EXPECT_EQ(rig.release(got), 0);
}

/* The kernel does some of the work at a time, and signals only what is new. */
TEST(WakeFd, NoSleepWhileWorkIsLeft)
{
	Rig rig(host_memory(16 * 4096));
	unsigned int left = 3;

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	ASSERT_EQ(rig.open_faulty(), 0);
	rig.connect();
	ASSERT_GE(devrx_receiver_fd(rig.rx), 0);
	faults.after_enter = [&](struct io_uring *ring) {
		if (--left)
			*ring->sq.kflags |= IORING_SQ_TASKRUN;
		else
			*ring->sq.kflags &= ~IORING_SQ_TASKRUN;
	};
	EXPECT_EQ(rig.wait(nullptr, 4, 0), 0);
	EXPECT_EQ(left, 0u);
	faults.after_enter = nullptr;
}

/* Nothing is to be paused here, so an end is nothing to look at for ever. */
TEST(WakeFd, NoWorkIsLeftByAConnectionThatEnded)
{
	Rig rig(host_memory(16 * 4096));
	Fragments got;

	RECV_OPEN(rig);
	rig.connect();
	rig.connect();
	ASSERT_GE(devrx_receiver_fd(rig.rx), 0);
	rig.finish(0);
	rig.get(&got, 1);
	EXPECT_EQ(got[0].flags, DEVRX_FRAGMENT_EOF);
	EXPECT_EQ(rig.wait(nullptr, 4, 0), 0);
}

TEST(WakeFd, KernelRefuses)
{
	Rig rig(host_memory(16 * 4096));

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	ASSERT_EQ(rig.open_faulty(), 0);
	faults.reg_error = -EBUSY;
	EXPECT_EQ(devrx_receiver_fd(rig.rx), -EBUSY);
	EXPECT_EQ(rig.why(), "os-error");
	faults.reg_error = 0;
	EXPECT_GE(devrx_receiver_fd(rig.rx), 0);
}

} // namespace
