// SPDX-License-Identifier: MIT
/*
 * The receiver's NIC goes down, comes up, and vanishes, on the real kernel: what is
 * told, what is delivered, and what is left.
 */
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

bool ip(const std::vector<std::string> &words)
{
	std::vector<std::string> argv = { "/usr/sbin/ip" };

	argv.insert(argv.end(), words.begin(), words.end());
	return !run(argv);
}

/* With the pair's other end. */
bool nic_remove()
{
	return ip({ "link", "del", nic });
}

class Events : public testing::TestWithParam<const char *>
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(queue_is_free());
	}
	void TearDown() override
	{
		if (sender)
			sender->stop();
		sender.reset();
		fds.clear();
		rx.reset();
		q.reset();
		mem.reset();
		if (!removed)
			return;
		const char *dir = getenv("DEVRX_VM_DIR");

		ASSERT_NE(dir, nullptr);
		ASSERT_EQ(run({ std::string(dir) + "/link.sh", "renew" }), 0);
		/* Nothing of the earlier life stands in the way of a new one. */
		EXPECT_EQ(works_now(), "");
	}
	void open(const char *kind = "udmabuf", uint64_t len = 32 * MiB,
		  uint32_t flags = 0)
	{
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

		opts.flags = DEVRX_RECEIVER_F_EVENTS | flags;
		ASSERT_EQ(make_memory(&mem, kind, len), outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
	}
	void start(std::vector<Stream> plan)
	{
		const size_t n = plan.size();
		Listener listener(steered_port);

		ASSERT_TRUE(listener.ok());
		follower = std::make_unique<Follower>(mem, unsigned(n));
		sender =
			std::make_unique<Sender>(steered_port, std::move(plan));
		ASSERT_EQ(add_all(rx, &listener, sender.get(), n, &fds), "");
	}
	/* One call: its return. What came is checked, and kept or released. */
	int receive(std::vector<devrx_fragment> *keep = nullptr)
	{
		devrx_fragment frags[64];
		const int n = wait_for_some(rx, frags, 64);

		for (int i = 0; i < n; i++) {
			if (frags[i].flags & DEVRX_FRAGMENT_EVENT) {
				events.emplace_back(frags[i].user,
						    frags[i].error);
				continue;
			}
			EXPECT_TRUE(follower->take(frags[i]))
				<< follower->error();
			if (keep)
				keep->push_back(frags[i]);
		}
		if (n > 0 && !keep) {
			EXPECT_EQ(devrx_receiver_release(rx.get(), frags,
							 unsigned(n)),
				  0);
		}
		return n;
	}
	void remove()
	{
		removed = true;
		ASSERT_TRUE(nic_remove());
	}

	using List = std::vector<std::pair<uint64_t, int>>;

	const List down{ { DEVRX_EVENT_LINK_DOWN, -ENETDOWN } };
	const List down_up{ { DEVRX_EVENT_LINK_DOWN, -ENETDOWN },
			    { DEVRX_EVENT_LINK_UP, 0 } };
	const List down_gone{ { DEVRX_EVENT_LINK_DOWN, -ENETDOWN },
			      { DEVRX_EVENT_NIC_GONE, -ENODEV } };
	Memory mem;
	Queue q;
	Receiver rx;
	std::unique_ptr<Follower> follower;
	std::unique_ptr<Sender> sender;
	std::vector<Fd> fds;
	List events;
	bool removed = false;
};

TEST_F(Events, DownAndUpAreTold)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 100000, false, End::Linger } }));
	while (follower->bytes() < 100000)
		ASSERT_GT(receive(), 0);
	ASSERT_TRUE(nic_down());
	Defer undo([] { (void)nic_up(); });

	ASSERT_EQ(receive(), 1);
	EXPECT_EQ(events, down);
	undo.now();
	ASSERT_EQ(receive(), 1);
	EXPECT_EQ(events, down_up);
	EXPECT_EQ(stats(rx).link_downs, 1u);
	sender->finish();
	while (receive() > 0)
		;
	EXPECT_EQ(follower->end(0), DEVRX_FRAGMENT_EOF);
}

TEST_F(Events, DownAndUpInMidStream)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 8 * MiB, false } }));
	while (follower->bytes() < MiB)
		ASSERT_GT(receive(), 0);
	ASSERT_TRUE(nic_down());
	ASSERT_TRUE(nic_up());
	while (receive() > 0)
		;
	EXPECT_EQ(follower->position(0), 8 * MiB);
	EXPECT_EQ(follower->end(0), DEVRX_FRAGMENT_EOF);
	EXPECT_EQ(events, down_up);
	EXPECT_EQ(sender->join(), "");
}

/* A program's epoll set in the same wait, in a queue of both layouts. */
TEST_F(Events, AnEpollSetBesideData)
{
	for (uint32_t flags : { 0u, DEVRX_RECEIVER_F_CQE_MIXED }) {
		struct epoll_event set_events[4], event = {};
		const Fd set(epoll_create1(EPOLL_CLOEXEC));
		int ends[2], told = 0;
		char byte;

		ASSERT_EQ(pipe(ends), 0);
		const Fd out(ends[0]), in(ends[1]);
		event.events = EPOLLIN;
		event.data.u32 = 7;
		ASSERT_EQ(epoll_ctl(set.get(), EPOLL_CTL_ADD, out.get(),
				    &event),
			  0);
		ASSERT_NO_FATAL_FAILURE(open("udmabuf", 32 * MiB, flags));
		ASSERT_EQ(devrx_receiver_epoll(rx.get(), set.get(), set_events,
					       4),
			  0);
		ASSERT_EQ(write(in.get(), "x", 1), 1);
		ASSERT_EQ(receive(), 1) << "without a connection";
		ASSERT_EQ(read(out.get(), &byte, 1), 1);
		ASSERT_NO_FATAL_FAILURE(
			start({ { 8 * MiB, false }, { 8 * MiB, true } }));
		for (events.clear(); follower->ended() < 2; events.clear()) {
			if (told < 10 && follower->bytes() > told * MiB) {
				ASSERT_EQ(write(in.get(), "x", 1), 1);
			}
			ASSERT_GT(receive(), 0);
			if (events.empty())
				continue;
			EXPECT_EQ(events[0].first, uint64_t(DEVRX_EVENT_EPOLL));
			EXPECT_EQ(set_events[0].data.u32, 7u);
			while (poll_in(out.get(), 0))
				ASSERT_EQ(read(out.get(), &byte, 1), 1);
			told++;
		}
		EXPECT_GT(told, 0);
		EXPECT_EQ(follower->bytes(), 16 * MiB);
		EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
		fds.clear();
		sender.reset();
		mem.reset();
		q.reset();
		ASSERT_TRUE(queue_is_free());
	}
}

/* Other NICs are none of its business. */
TEST_F(Events, OnlyOfItsOwnNic)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 1000, false } }));
	ASSERT_TRUE(ip(
		{ "link", "add", "other0", "type", "veth", "peer", "other1" }));
	ASSERT_TRUE(ip({ "link", "set", "other0", "up" }));
	ASSERT_TRUE(ip({ "link", "del", "other0" }));
	while (receive() > 0)
		;
	EXPECT_EQ(follower->end(0), DEVRX_FRAGMENT_EOF);
	EXPECT_TRUE(events.empty());
	EXPECT_EQ(stats(rx).link_downs, 0u);
}

/* There was no room for the message that mattered. */
TEST_F(Events, LostMessagesAreAskedFor)
{
	int smallest = 1, shrunk = 0;

	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 1000, false, End::Linger } }));
	while (follower->bytes() < 1000)
		ASSERT_GT(receive(), 0);
	for (int fd = 3; fd < 1024; fd++) {
		socklen_t len = sizeof(int);
		int domain = 0;

		if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
		    domain == AF_NETLINK)
			shrunk += !setsockopt(fd, SOL_SOCKET, SO_RCVBUF,
					      &smallest, sizeof(smallest));
	}
	ASSERT_EQ(shrunk, 1) << "the receiver's only";
	for (const char *mtu : { "1400", "1410", "1420", "1430", "1500" })
		ASSERT_TRUE(ip({ "link", "set", nic, "mtu", mtu }));
	ASSERT_TRUE(nic_down());
	Defer undo([] { (void)nic_up(); });

	ASSERT_EQ(receive(), 1);
	EXPECT_EQ(events, down);
	undo.now();
	ASSERT_EQ(receive(), 1);
	EXPECT_EQ(events, down_up);
}

TEST_F(Events, RemovedBelowAnIdleWait)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start(
		{ { 1000, false, End::Linger }, { 1000, true, End::Linger } }));
	while (follower->bytes() < 2000)
		ASSERT_GT(receive(), 0);
	removed = true;
	std::thread remover([] { (void)nic_remove(); });
	int n;

	while ((n = receive()) > 0)
		;
	remover.join();
	EXPECT_EQ(n, -ENOTCONN);
	EXPECT_EQ(events, down_gone);
	EXPECT_EQ(follower->end_error(0), -ENODEV);
	EXPECT_EQ(follower->end_error(1), -ENODEV);
	EXPECT_EQ(cause_id(rx), "nic-missing");
	EXPECT_EQ(stats(rx).nic_gone, 1u);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

TEST_P(Events, RemovedInMidStream)
{
	std::vector<devrx_fragment> held;
	uint64_t position;
	int n;

	ASSERT_NO_FATAL_FAILURE(open(GetParam()));
	ASSERT_NO_FATAL_FAILURE(
		start({ { 16 * MiB, false }, { 16 * MiB, true } }));
	while (held.size() < 200)
		ASSERT_GT(receive(&held), 0);
	ASSERT_NO_FATAL_FAILURE(remove());
	position = follower->bytes();
	while ((n = receive()) > 0)
		;
	EXPECT_EQ(n, -ENOTCONN);
	EXPECT_EQ(events, down_gone);
	for (unsigned i = 0; i < 2; i++)
		EXPECT_EQ(follower->end_error(i), -ENODEV) << i;
	printf("  %llu bytes came after it had gone\n",
	       (unsigned long long)(follower->bytes() - position));
	/* What is held is as it was, and can be given back. */
	View view(mem);

	for (const devrx_fragment &frag : held)
		EXPECT_TRUE(
			!frag.length ||
			view.equal(frag, Pattern::get().at(unsigned(frag.user),
							   frag.position)));
	EXPECT_EQ(devrx_receiver_close(rx.get(), 0), -EBUSY);
	EXPECT_EQ(devrx_receiver_release(rx.get(), held.data(),
					 unsigned(held.size())),
		  0);
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

INSTANTIATE_TEST_SUITE_P(All, Events,
			 testing::Values("udmabuf", "vram", "host"),
			 [](const auto &i) { return std::string(i.param); });

TEST_F(Events, RemovedWithoutAConnection)
{
	int n;

	ASSERT_NO_FATAL_FAILURE(open());
	EXPECT_EQ(receive(), -ENOTCONN);
	ASSERT_NO_FATAL_FAILURE(remove());
	while ((n = receive()) > 0)
		;
	EXPECT_EQ(n, -ENOTCONN);
	EXPECT_EQ(events, down_gone);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

/* More memory for a NIC that is no longer there: Linux 7.3 says -EFAULT. */
TEST_F(Events, RemovedItTakesNoMoreMemory)
{
	Memory more;

	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_EQ(make_memory(&more, "udmabuf", MiB), outcome(0));
	ASSERT_NO_FATAL_FAILURE(remove());
	const int err = devrx_receiver_add_area(rx.get(), more.get());
	if (cause_id(rx) == "area-unsupported")
		GTEST_SKIP() << "Linux before 7.3 adds no areas";
	EXPECT_EQ(err, -ENODEV);
	EXPECT_EQ(cause_id(rx), "nic-missing");
	EXPECT_EQ(devrx_memory_free(more.release()), 0) << "still bound";
	EXPECT_EQ(receiver_info(rx).areas, 1u);
}

} /* namespace */
