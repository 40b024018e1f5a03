// SPDX-License-Identifier: MIT
/* devrx_receiver_epoll(): an epoll set of the program's own, in the same wait, on
 * the running kernel. */
#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "recv_support.h"

using namespace recv_test;

namespace
{

bool no_epoll_wait()
{
	struct io_uring_probe *probe = io_uring_get_probe();
	const bool has =
		probe && io_uring_opcode_supported(probe, IORING_OP_EPOLL_WAIT);

	io_uring_free_probe(probe);
	return !has;
}

/* An epoll set with @n eventfds. */
class Epoll : public testing::Test
{
      protected:
	Epoll() : rig(host_memory(16 << 16)), set(epoll_create1(0))
	{
		for (int i = 0; i < 3; i++) {
			struct epoll_event event = {};

			fds[i] = eventfd(0, EFD_NONBLOCK);
			event.events = EPOLLIN;
			event.data.u32 = static_cast<uint32_t>(i);
			EXPECT_EQ(epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &event),
				  0);
		}
	}
	~Epoll() override
	{
		for (int fd : fds)
			(void)close(fd);
		(void)close(set);
	}
	void SetUp() override
	{
		RECV_OPEN(rig);
		if (no_epoll_wait())
			GTEST_SKIP() << "IORING_OP_EPOLL_WAIT: Linux 6.15";
	}
	int take_on()
	{
		return devrx_receiver_epoll(rig.rx, set, events, 2);
	}
	int take_off()
	{
		return devrx_receiver_epoll(rig.rx, -1, nullptr, 0);
	}
	void signal(int i)
	{
		EXPECT_EQ(eventfd_write(fds[i], 1), 0);
	}
	void serve(int i)
	{
		eventfd_t value;

		EXPECT_EQ(eventfd_read(fds[i], &value), 0);
	}
	/* The end of an earlier ring interrupts it once. */
	static bool readable(int outer)
	{
		struct epoll_event event;
		int n;

		do
			n = epoll_wait(outer, &event, 1, 10000);
		while (n < 0 && errno == EINTR);
		return n == 1;
	}
	/* Without the rig: events are no connection's. */
	int wait(struct devrx_fragment *frag, int64_t timeout_ns = 10 * SECOND)
	{
		*frag = {};
		return devrx_receiver_wait(rig.rx, frag, 1, timeout_ns);
	}
	void expect_event(uint64_t n, int error = 0)
	{
		struct devrx_fragment frag;

		ASSERT_EQ(wait(&frag), 1);
		EXPECT_EQ(frag.flags, DEVRX_FRAGMENT_EVENT);
		EXPECT_EQ(frag.user, uint64_t(DEVRX_EVENT_EPOLL));
		EXPECT_EQ(frag.position, n);
		EXPECT_EQ(frag.error, error);
		EXPECT_EQ(frag.token, 0u);
		EXPECT_EQ(frag.length, 0u);
	}

	Rig rig;
	int set;
	int fds[3];
	struct epoll_event events[2] = {};
};

TEST_F(Epoll, TellsWhatTheSetHas)
{
	struct devrx_fragment frag;

	ASSERT_EQ(take_on(), 0);
	EXPECT_EQ(wait(&frag, 0), 0) << "there is something to wait for";
	signal(1);
	expect_event(1);
	EXPECT_EQ(events[0].data.u32, 1u);
	EXPECT_EQ(events[0].events, uint32_t(EPOLLIN));
	serve(1);
	EXPECT_EQ(wait(&frag, 0), 0) << "it is served";
	for (int i = 0; i < 3; i++)
		signal(i);
	expect_event(2);
	serve(0);
	serve(1);
	serve(2);
	EXPECT_EQ(rig.close(), 0);
}

TEST_F(Epoll, ComesAgainUntilItIsServed)
{
	ASSERT_EQ(take_on(), 0);
	signal(0);
	for (int i = 0; i < 3; i++)
		expect_event(1);
	serve(0);
	struct devrx_fragment frag;
	EXPECT_EQ(wait(&frag, 0), 0);
}

TEST_F(Epoll, TheArrayIsTheCallersBetweenTwoWaits)
{
	ASSERT_EQ(take_on(), 0);
	signal(0);
	expect_event(1);
	events[0].data.u32 = 77;
	serve(0);
	signal(1);
	const int conn = rig.connect();
	EXPECT_EQ(devrx_receiver_remove(rig.rx, rig.fd(conn)), 0);
	EXPECT_EQ(events[0].data.u32, 77u);
	struct devrx_fragment frag;
	bool told = false;
	while (wait(&frag) > 0 && !told)
		told = frag.flags == DEVRX_FRAGMENT_EVENT;
	EXPECT_TRUE(told);
	EXPECT_EQ(events[0].data.u32, 1u);
}

TEST_F(Epoll, BesideData)
{
	struct devrx_fragment frag;
	unsigned int told = 0;
	uint64_t got = 0;

	ASSERT_EQ(take_on(), 0);
	const int conn = rig.connect();
	rig.send(conn, 500000);
	signal(0);
	while (got < 500000 || !told) {
		ASSERT_EQ(wait(&frag), 1);
		if (frag.flags == DEVRX_FRAGMENT_EVENT) {
			told++;
			serve(0);
			continue;
		}
		EXPECT_EQ(frag.position, got);
		got += frag.length;
		EXPECT_EQ(devrx_receiver_release(rig.rx, &frag, 1), 0);
		rig.send(conn, 0); /* what the socket had no room for */
	}
	EXPECT_EQ(told, 1u);
}

TEST_F(Epoll, TakenOffItHasALastEvent)
{
	struct devrx_fragment frag;

	EXPECT_EQ(take_off(), -ENOENT);
	ASSERT_EQ(take_on(), 0);
	EXPECT_EQ(take_on(), -EEXIST);
	/* Before it was armed, while it is, and with a result. */
	EXPECT_EQ(take_off(), 0);
	EXPECT_EQ(take_off(), 0);
	expect_event(0, -ECANCELED);
	EXPECT_EQ(wait(&frag), -ENOTCONN);

	ASSERT_EQ(take_on(), 0);
	EXPECT_EQ(wait(&frag, 0), 0);
	EXPECT_EQ(take_off(), 0);
	expect_event(0, -ECANCELED);
	EXPECT_EQ(take_off(), -ENOENT);

	ASSERT_EQ(take_on(), 0);
	EXPECT_EQ(wait(&frag, 0), 0);
	signal(2);
	expect_event(1);
	EXPECT_EQ(take_off(), 0);
	expect_event(0, -ECANCELED);
	EXPECT_EQ(wait(&frag), -ENOTCONN);
}

TEST_F(Epoll, WhatIsNoEpollSet)
{
	ASSERT_EQ(devrx_receiver_epoll(rig.rx, fds[0], events, 2), 0);
	expect_event(0, -EINVAL);
	struct devrx_fragment frag;
	EXPECT_EQ(wait(&frag), -ENOTCONN);
	ASSERT_EQ(take_on(), 0) << "another may follow";
}

TEST_F(Epoll, Refuses)
{
	EXPECT_EQ(devrx_receiver_epoll(rig.rx, set, nullptr, 1), -EINVAL);
	EXPECT_EQ(devrx_receiver_epoll(rig.rx, set, events, 0), -EINVAL);
	EXPECT_EQ(devrx_receiver_epoll(rig.rx, set, events, UINT32_MAX),
		  -EINVAL);
	EXPECT_EQ(devrx_receiver_epoll(rig.rx, 1000000, events, 1), -EBADF);
}

/* A pipe: of what an eventfd in the set wakes, the kernel signals the receiver's
 * descriptor, an eventfd as well, once only. */
TEST_F(Epoll, OnTheDescriptor)
{
	const int outer = epoll_create1(0), fd = devrx_receiver_fd(rig.rx);
	struct devrx_fragment frag;
	struct epoll_event event = {};
	int ends[2];
	char byte;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pipe(ends), 0);
	event.events = EPOLLIN;
	ASSERT_EQ(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
	ASSERT_EQ(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event), 0);
	ASSERT_EQ(take_on(), 0);
	EXPECT_EQ(wait(&frag, 0), 0);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(epoll_wait(outer, &event, 1, 0), 0);
		EXPECT_EQ(write(ends[1], "x", 1), 1);
		EXPECT_TRUE(readable(outer));
		expect_event(1);
		EXPECT_EQ(read(ends[0], &byte, 1), 1);
		EXPECT_EQ(wait(&frag, 0), 0);
	}
	for (int end : { ends[0], ends[1], outer })
		(void)close(end);
}

TEST_F(Epoll, ClosedWhileItIsArmed)
{
	struct devrx_fragment frag;

	ASSERT_EQ(take_on(), 0);
	EXPECT_EQ(wait(&frag, 0), 0);
	EXPECT_EQ(rig.close(), 0);
	signal(0);
	EXPECT_EQ(events[0].events, 0u) << "written after the close";
	EXPECT_EQ(epoll_wait(set, events, 2, 0), 1) << "the set is whole";
}

TEST_F(Epoll, AKernelWithoutIt)
{
	EXPECT_EQ(rig.close(), 0);
	ASSERT_EQ(rig.open_faulty(), 0);
	faults.reg_error = -EINVAL;
	EXPECT_EQ(take_on(), -EOPNOTSUPP);
	faults.reg_error = 0;
	EXPECT_EQ(rig.why(), "epoll-missing");
	EXPECT_EQ(take_off(), -ENOENT);
}

} // namespace
