// SPDX-License-Identifier: MIT
/*
 * Flow control on the real kernel: a caller that holds what it gets makes the
 * area full, or not. What proves it is what NIC and TCP count: chunks that were
 * not there, and retransmission timeouts.
 */
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include <gtest/gtest.h>

#include "support_devrx.h"
#include "support_softnic.h"

namespace
{

using namespace vm;

/* A counter of TcpExt in the sender's namespace. */
uint64_t tcp_counter(const std::string &name)
{
	uint64_t value = 0;

	in_peer([&] {
		std::ifstream file("/proc/thread-self/net/netstat");
		std::string names, values, key, word;

		while (std::getline(file, names) &&
		       std::getline(file, values)) {
			std::istringstream n(names), v(values);

			while (n >> key && v >> word)
				if (key == name)
					value = std::stoull(word);
		}
	});
	return value;
}

/* Frames that found no chunk. */
uint64_t drops()
{
	std::istringstream all(softnic::output_of("ethtool -S softnic1"));
	std::string name, value;
	uint64_t sum = 0;

	while (all >> name)
		if (name.find("drop_no_chunk") != name.npos && all >> value)
			sum += std::stoull(value);
	return sum;
}

/* @timeouts: TCP's, but those that turned out to be no more than a slow machine */
struct Counts {
	uint64_t drops, timeouts;
};

Counts count()
{
	return { drops(),
		 tcp_counter("TCPTimeouts") - tcp_counter("TCPSpuriousRTOs") };
}

class Flow : public testing::Test
{
      protected:
	void open(uint64_t len, uint32_t flags = 0)
	{
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

		opts.flags = flags;
		ASSERT_TRUE(queue_is_free());
		before = count();
		ASSERT_EQ(make_memory(&mem, "udmabuf", len), outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
	}

	void start(size_t n, uint64_t len)
	{
		std::vector<Stream> plan;

		for (size_t i = 0; i < n; i++)
			plan.push_back({ len, i % 2 == 1 });
		follower = std::make_unique<Follower>(mem, unsigned(n));
		/* As the kernel has them: they grow by themselves. */
		Listener listener(steered_port, 0);
		ASSERT_TRUE(listener.ok());
		sender = std::make_unique<Sender>(steered_port, plan);
		ASSERT_EQ(add_all(rx, &listener, sender.get(), n, &fds), "");
	}

	/* What came, or a negative errno; -ENOBUFS is no error here. */
	int take(std::vector<devrx_fragment> *ret)
	{
		devrx_fragment frags[256];
		const int n =
			devrx_receiver_wait(rx.get(), frags, 256, 50000000);

		ret->clear();
		for (int i = 0; i < n; i++) {
			EXPECT_TRUE(follower->take(frags[i]))
				<< follower->error();
			ret->push_back(frags[i]);
		}
		return n == -ENOBUFS || n == -EINTR ? 0 : n;
	}

	void release(std::vector<devrx_fragment> *frags)
	{
		EXPECT_EQ(devrx_receiver_release(rx.get(), frags->data(),
						 unsigned(frags->size())),
			  0);
		frags->clear();
	}

	/* Hold all that comes for 2 s, then release it: seconds until the
	 * first new byte. */
	double hold_all()
	{
		std::vector<devrx_fragment> held, frags;
		double end = now() + patience;

		/* The 2 s begin when the area cannot give more. */
		for (double quiet = now(); now() < end && now() < quiet + 2;) {
			if (take(&frags) > 0)
				quiet = now();
			held.insert(held.end(), frags.begin(), frags.end());
		}
		release(&held);
		const double released = now();
		while (now() < end && take(&frags) == 0)
			continue;
		const double resumed = now();
		release(&frags);
		return resumed - released;
	}

	/* Release at once from here on, to the end of all streams. */
	void finish(size_t n, uint64_t len)
	{
		std::vector<devrx_fragment> frags;
		const double end = now() + patience;
		int got = 0;

		while (got != -ENOTCONN && now() < end) {
			got = take(&frags);
			release(&frags);
		}
		EXPECT_EQ(got, -ENOTCONN);
		for (unsigned int i = 0; i < n; i++) {
			EXPECT_EQ(follower->position(i), len) << "stream " << i;
			EXPECT_EQ(follower->end(i), DEVRX_FRAGMENT_EOF);
		}
		EXPECT_EQ(sender->join(), "");
		EXPECT_EQ(stats(rx).fragments_out, 0u);
		EXPECT_EQ(stats(rx).paused, 0u);
	}

	Counts counted() const
	{
		const Counts c = count();

		return { c.drops - before.drops, c.timeouts - before.timeouts };
	}

	Counts before = {};
	Memory mem;
	Queue q;
	Receiver rx;
	std::unique_ptr<Follower> follower;
	std::unique_ptr<Sender> sender;
	std::vector<Fd> fds;
};

void print(const char *what, double resumed, const Counts &c,
	   const ReceiverStats &s)
{
	printf("  %-24s first new data after %.3f s, %llu drops, %llu "
	       "timeouts, %llu stalls, %.3f s stalled\n",
	       what, resumed, (unsigned long long)c.drops,
	       (unsigned long long)c.timeouts, (unsigned long long)s.stalls,
	       double(s.stall_ns) / 1e9);
}

TEST_F(Flow, AHeldAreaDropsNothing)
{
	ASSERT_NO_FATAL_FAILURE(open(8 * MiB));
	ASSERT_NO_FATAL_FAILURE(start(1, 16 * MiB));
	const double resumed = hold_all();

	EXPECT_GE(stats(rx).stalls, 1u);
	EXPECT_GE(stats(rx).stall_ns, UINT64_C(1000000000));
	EXPECT_EQ(cause_id(rx), "held-by-caller");
	finish(1, 16 * MiB);
	EXPECT_EQ(counted().drops, 0u);
	EXPECT_EQ(counted().timeouts, 0u);
	EXPECT_EQ(stats(rx).area_empty, 0u);
	print("with flow control:", resumed, counted(), stats(rx));
}

/* What it is for: the same without it. */
TEST_F(Flow, AHeldAreaWithoutFlowControl)
{
	ASSERT_NO_FATAL_FAILURE(
		open(8 * MiB, DEVRX_RECEIVER_F_NO_FLOW_CONTROL));
	ASSERT_NO_FATAL_FAILURE(start(1, 16 * MiB));
	const double resumed = hold_all();

	finish(1, 16 * MiB);
	EXPECT_GT(counted().drops, 0u);
	EXPECT_GT(counted().timeouts, 0u);
	EXPECT_EQ(stats(rx).stalls, 0u);
	print("without:", resumed, counted(), stats(rx));
}

/* The kernel tells it once (Linux 7.2), and again when it was asked to. */
TEST_F(Flow, AnEmptyAreaIsCountedEachTime)
{
	ASSERT_NO_FATAL_FAILURE(
		open(4 * MiB, DEVRX_RECEIVER_F_NO_FLOW_CONTROL));
	ASSERT_NO_FATAL_FAILURE(start(1, 16 * MiB));
	(void)hold_all();
	EXPECT_GE(stats(rx).area_empty, 1u);
	const uint64_t before = stats(rx).area_empty;

	(void)hold_all();
	EXPECT_GT(stats(rx).area_empty, before);
	finish(1, 16 * MiB);
}

/* Stream 0 keeps all it gets; the others get all of theirs meanwhile. */
TEST_F(Flow, AGreedyConnectionStallsAlone)
{
	constexpr size_t n = 4;
	std::vector<devrx_fragment> frags, held, others;
	const double end = now() + patience;

	ASSERT_NO_FATAL_FAILURE(open(8 * MiB));
	ASSERT_NO_FATAL_FAILURE(start(n, 16 * MiB));
	while (follower->ended() < n - 1 && now() < end) {
		ASSERT_GE(take(&frags), 0);
		for (const devrx_fragment &frag : frags)
			(frag.user ? others : held).push_back(frag);
		release(&others);
	}
	for (unsigned int i = 1; i < n; i++)
		EXPECT_EQ(follower->position(i), 16 * MiB) << "stream " << i;
	EXPECT_LT(follower->position(0), 8 * MiB);
	EXPECT_GE(stats(rx).stalls, 1u);
	EXPECT_EQ(stats(rx).paused, 1u);
	release(&held);
	finish(n, 16 * MiB);
	EXPECT_EQ(counted().drops, 0u);
	EXPECT_EQ(counted().timeouts, 0u);
	print("one of four holds:", 0, counted(), stats(rx));
}

/* What 64 sockets may hold fits, and all of them are held. */
TEST_F(Flow, SixtyFourConnections)
{
	constexpr size_t n = 64;

	ASSERT_NO_FATAL_FAILURE(open(32 * MiB));
	ASSERT_NO_FATAL_FAILURE(start(n, 2 * MiB));
	EXPECT_EQ(stats(rx).area_short, 0u);
	EXPECT_EQ(stats(rx).rcvbufs_limited, n);
	const double resumed = hold_all();

	EXPECT_GE(stats(rx).stalls, n);
	finish(n, 2 * MiB);
	EXPECT_EQ(counted().drops, 0u);
	EXPECT_EQ(counted().timeouts, 0u);
	print("64 connections:", resumed, counted(), stats(rx));
}

/* An area that 64 sockets can fill: it is said, and every byte comes. */
TEST_F(Flow, AnAreaThatIsShort)
{
	constexpr size_t n = 64;

	ASSERT_NO_FATAL_FAILURE(open(8 * MiB));
	ASSERT_NO_FATAL_FAILURE(start(n, MiB));
	EXPECT_GT(stats(rx).area_short, 0u);
	EXPECT_EQ(cause_id(rx), "area-short");
	const double resumed = hold_all();

	finish(n, MiB);
	print("64 in a short area:", resumed, counted(), stats(rx));
}

} /* namespace */
