// SPDX-License-Identifier: MIT
/*
 * Payload that the NIC does not place in a dmabuf comes in its turn all the same:
 * around the flow rule, with the headers, in pages. Every byte is compared, in
 * order, in memory that the CPU can map (udmabuf) and in memory that it cannot
 * (vram).
 */
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

/* Flow rules for TCP to @port, one for IPv4 and one for IPv6. */
class Steering
{
      public:
	explicit Steering(uint16_t port) : port_(port)
	{
	}
	~Steering()
	{
		if (on_)
			set(false);
	}
	bool set(bool on)
	{
		on_ = on;
		return rule(false) && rule(true);
	}

      private:
	bool rule(bool ipv6)
	{
		struct ethtool_rxnfc cmd = {};
		struct ifreq ifr = {};

		cmd.cmd = on_ ? ETHTOOL_SRXCLSRLINS : ETHTOOL_SRXCLSRLDEL;
		cmd.fs.location = ipv6 ? 21 : 20;
		cmd.fs.flow_type = ipv6 ? TCP_V6_FLOW : TCP_V4_FLOW;
		cmd.fs.ring_cookie = queue;
		if (ipv6) {
			cmd.fs.h_u.tcp_ip6_spec.pdst = htons(port_);
			cmd.fs.m_u.tcp_ip6_spec.pdst = 0xffff;
		} else {
			cmd.fs.h_u.tcp_ip4_spec.pdst = htons(port_);
			cmd.fs.m_u.tcp_ip4_spec.pdst = 0xffff;
		}
		strcpy(ifr.ifr_name, nic);
		ifr.ifr_data = reinterpret_cast<char *>(&cmd);
		return !ioctl(fd_.get(), SIOCETHTOOL, &ifr);
	}

	const Fd fd_{ socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	uint16_t port_;
	bool on_ = false;
};

/* A fault of the NIC (docs/softnic.md) until the end of the scope. */
class Fault
{
      public:
	Fault(const char *name, int value)
	{
		std::ifstream port("/sys/class/net/" + std::string(nic) +
				   "/dev_port");
		const char *where = "/sys/kernel/debug";
		std::string number;

		port >> number;
		/* A network namespace comes with a /sys of its own. */
		path_ = where + ("/devrx_softnic/" + number + "/") + name;
		if (access(path_.c_str(), W_OK))
			(void)mount("none", where, "debugfs", 0, nullptr);
		ok_ = set(value);
	}
	~Fault()
	{
		(void)set(0);
	}
	bool set(int value)
	{
		std::ofstream file(path_);

		file << value << std::flush;
		return file.good();
	}
	bool ok() const
	{
		return ok_;
	}

      private:
	std::string path_;
	bool ok_;
};

/* The NIC's packets wait for others to be merged with, @ns of time. */
bool nic_wait_to_merge(unsigned int ns)
{
	const std::string dir = "/sys/class/net/" + std::string(nic) + "/";
	std::ofstream timeout(dir + "gro_flush_timeout"),
		defer(dir + "napi_defer_hard_irqs");

	timeout << ns << std::flush;
	defer << (ns ? 1 : 0) << std::flush;
	return timeout.good() && defer.good();
}

/* The sender's end cuts streams into packets itself, or leaves that to
 * the NIC. */
bool peer_segments(bool offload)
{
	const char *on = offload ? "on" : "off";

	return !run({ "ethtool", "-K", "softnic0", "tso", on, "gso", on });
}

/* A stream whose second part is sent when told. */
class TwoParts
{
      public:
	TwoParts(uint16_t port, uint64_t first, uint64_t len)
	    : fd_(connect_peer(port, false)), thread_([=] {
		      send_part(0, first);
		      while (!go_)
			      (void)usleep(1000);
		      send_part(first, len);
		      fd_.reset();
	      })
	{
	}
	~TwoParts()
	{
		go_ = true;
		(void)shutdown(fd_.get(), SHUT_RDWR);
		thread_.join();
	}
	TwoParts(const TwoParts &) = delete;
	void go()
	{
		go_ = true;
	}

      private:
	void send_part(uint64_t from, uint64_t to)
	{
		while (from < to) {
			const ssize_t n =
				send(fd_.get(), Pattern::get().at(0, from),
				     to - from, MSG_NOSIGNAL);

			if (n < 0 && errno != EINTR)
				return;
			from += n > 0 ? uint64_t(n) : 0;
		}
	}

	Fd fd_;
	std::atomic<bool> go_{ false };
	std::thread thread_;
};

class Recover : public testing::TestWithParam<const char *>
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(queue_is_free());
	}

	void open(uint32_t timeout_ms = uint32_t(patience * 1000))
	{
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
		const Outcome o = make_memory(&mem, GetParam(), 32 * MiB);

		if (o == outcome(-ENOENT, "vram-missing"))
			GTEST_SKIP() << o.text;
		ASSERT_EQ(o, outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		opts.recovery_timeout_ms = timeout_ms;
		ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
		ASSERT_EQ(receiver_info(rx).tier,
			  uint32_t(DEVRX_TIER_ZCRX_DEVICE));
	}

	/* Streams of @len bytes to @port, IPv4 and IPv6 in turn. */
	void start(uint16_t port, unsigned int streams, uint64_t len,
		   End end = End::Close)
	{
		Listener listener(port);
		std::vector<Stream> plan;

		ASSERT_TRUE(listener.ok());
		for (unsigned int i = 0; i < streams; i++)
			plan.push_back({ len, i % 2 == 1, end });
		sender = std::make_unique<Sender>(port, std::move(plan));
		ASSERT_EQ(add_all(rx, &listener, sender.get(), streams, &fds),
			  "");
		follower = std::make_unique<Follower>(mem, streams);
	}

	void expect_whole(unsigned int streams, uint64_t len)
	{
		const ReceiverStats s = stats(rx);

		for (unsigned int i = 0; i < streams; i++) {
			EXPECT_EQ(follower->position(i), len) << "stream " << i;
			EXPECT_EQ(follower->end(i), DEVRX_FRAGMENT_EOF)
				<< "stream " << i << ": "
				<< follower->end_error(i) << " "
				<< cause_id(rx);
		}
		EXPECT_EQ(s.bytes, streams * len);
		EXPECT_EQ(s.fragments_out, 0u);
		EXPECT_EQ(s.bad_releases, 0u);
		EXPECT_EQ(s.unrecovered, 0u);
		EXPECT_GE(s.bytes_copied, s.bytes_drained);
		printf("  %-8s %5.1f of %.0f MiB copied, %llu drains\n",
		       GetParam(), double(s.bytes_copied) / double(MiB),
		       double(s.bytes) / double(MiB),
		       (unsigned long long)s.drains);
		EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
		EXPECT_TRUE(queue_is_free());
		EXPECT_EQ(works_now(), "");
	}

	Memory mem;
	Queue q;
	Receiver rx;
	std::unique_ptr<Sender> sender;
	std::unique_ptr<Follower> follower;
	std::vector<Fd> fds;
};

INSTANTIATE_TEST_SUITE_P(All, Recover, testing::Values("udmabuf", "vram"),
			 [](const auto &i) { return std::string(i.param); });

/* The rule comes when a MiB was sent. */
TEST_P(Recover, FirstMiBUnsteered)
{
	Steering steering(other_port);

	ASSERT_NO_FATAL_FAILURE(open());
	Listener listener(other_port);
	TwoParts peer(other_port, MiB, 8 * MiB);
	const Fd fd = listener.accept(nullptr);

	ASSERT_GE(fd.get(), 0);
	ASSERT_EQ(devrx_receiver_add(rx.get(), fd.get(), 0), 0);
	follower = std::make_unique<Follower>(mem, 1);
	ASSERT_EQ(drain(rx, follower.get(), patience,
			[&] { return stats(rx).bytes_drained >= MiB; }),
		  "");
	EXPECT_EQ(follower->bytes(), 0u) << "no place for it yet";
	ASSERT_TRUE(steering.set(true));
	peer.go();
	EXPECT_EQ(drain(rx, follower.get()), "");
	EXPECT_GE(stats(rx).bytes_copied, MiB);
	EXPECT_LT(stats(rx).bytes_copied, 8 * MiB);
	expect_whole(1, 8 * MiB);
}

TEST_P(Recover, SteeringToggled)
{
	Steering steering(other_port);
	std::atomic<bool> stop{ false };
	unsigned int toggles = 0;

	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_TRUE(steering.set(true));
	ASSERT_NO_FATAL_FAILURE(start(other_port, 4, 8 * MiB));
	ASSERT_EQ(drain(rx, follower.get(), patience,
			[&] { return follower->bytes() > 0; }),
		  "");
	std::thread thread([&] {
		const struct timespec pause = { 0, 10000000 };

		while (!stop) {
			toggles++;
			if (!steering.set(toggles % 2 == 0))
				return;
			(void)nanosleep(&pause, nullptr);
		}
	});
	EXPECT_EQ(drain(rx, follower.get()), "");
	stop = true;
	thread.join();
	EXPECT_GT(stats(rx).bytes_drained, 0u);
	EXPECT_LT(stats(rx).bytes_copied, 32 * MiB);
	printf("  %-8s %u toggles\n", GetParam(), toggles);
	expect_whole(4, 8 * MiB);
}

/* The last bytes came around the queue: there is nothing behind them. */
TEST_P(Recover, LastMiBUnsteered)
{
	Steering steering(other_port);

	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_TRUE(steering.set(true));
	Listener listener(other_port);
	TwoParts peer(other_port, MiB, 2 * MiB);
	const Fd fd = listener.accept(nullptr);

	ASSERT_GE(fd.get(), 0);
	ASSERT_EQ(devrx_receiver_add(rx.get(), fd.get(), 0), 0);
	follower = std::make_unique<Follower>(mem, 1);
	ASSERT_EQ(drain(rx, follower.get(), patience,
			[&] { return follower->bytes() == MiB; }),
		  "");
	EXPECT_EQ(stats(rx).bytes_copied, 0u);
	ASSERT_TRUE(steering.set(false));
	peer.go();
	EXPECT_EQ(drain(rx, follower.get()), "");
	EXPECT_EQ(stats(rx).bytes_copied, MiB);
	expect_whole(1, 2 * MiB);
}

TEST_P(Recover, PayloadInPages)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start(steered_port, 2, 16 * MiB));
	Fault pages("payload_in_pages", 0);

	ASSERT_TRUE(pages.ok());
	for (unsigned int i = 0; i < 3; i++) {
		const uint64_t bytes = follower->bytes();
		const uint64_t drained = stats(rx).bytes_drained;

		ASSERT_EQ(
			drain(rx, follower.get(), patience,
			      [&] { return follower->bytes() > bytes + MiB; }),
			"");
		ASSERT_TRUE(pages.set(1));
		/* What the completion queue has already comes first: megabytes. */
		ASSERT_EQ(drain(rx, follower.get(), patience,
				[&] {
					return stats(rx).bytes_drained >
					       drained;
				}),
			  "");
		EXPECT_GT(stats(rx).bytes_drained, drained);
		ASSERT_TRUE(pages.set(0));
	}
	EXPECT_EQ(drain(rx, follower.get()), "");
	expect_whole(2, 16 * MiB);
}

TEST_P(Recover, LinearHeads)
{
	const Defer undo([] { (void)nic_gro(true); });

	ASSERT_NO_FATAL_FAILURE(open());
	Fault heads("linear_head", 100);

	ASSERT_TRUE(heads.ok());
	ASSERT_TRUE(nic_gro(false));
	ASSERT_NO_FATAL_FAILURE(start(steered_port, 2, 8 * MiB));
	EXPECT_EQ(drain(rx, follower.get()), "");
	EXPECT_GT(stats(rx).bytes_drained, 0u);
	ASSERT_TRUE(heads.set(0));
	expect_whole(2, 8 * MiB);
}

/*
 * Such packets merged are beyond recovery, in any kernel. Their connections end
 * and say what is wrong; the receiver goes on.
 */
TEST_P(Recover, LinearHeadsMerged)
{
	const Defer undo([] {
		(void)nic_wait_to_merge(0);
		in_peer([] { (void)peer_segments(true); });
	});
	bool small = false;

	ASSERT_NO_FATAL_FAILURE(open());
	in_peer([&] { small = peer_segments(false); });
	ASSERT_TRUE(small);
	ASSERT_TRUE(nic_wait_to_merge(1000000));
	{
		Fault heads("linear_head", 100);

		ASSERT_TRUE(heads.ok());
		ASSERT_NO_FATAL_FAILURE(start(steered_port, 2, 8 * MiB));
		EXPECT_EQ(drain(rx, follower.get()), "");
	}
	for (unsigned int i = 0; i < 2; i++) {
		EXPECT_EQ(follower->end_error(i), -EBADMSG) << i;
		EXPECT_LT(follower->position(i), 8 * MiB) << i;
	}
	EXPECT_EQ(cause_id(rx), "header-split-inexact");
	EXPECT_EQ(stats(rx).unrecovered, 2u);
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	sender->stop();

	const uint64_t before = follower->bytes();

	ASSERT_NO_FATAL_FAILURE(start(steered_port, 1, MiB));
	EXPECT_EQ(drain(rx, follower.get()), "");
	EXPECT_EQ(follower->end(0), DEVRX_FRAGMENT_EOF) << cause_id(rx);
	EXPECT_EQ(stats(rx).bytes, before + MiB);
}

/* One that is never steered gets its place from the one that is. */
TEST_P(Recover, BesideASteeredOne)
{
	ASSERT_NO_FATAL_FAILURE(open());
	Listener other(other_port);
	Sender unsteered(other_port, { { 4 * MiB, false } });
	const Fd fd = other.accept(nullptr);

	ASSERT_GE(fd.get(), 0);
	ASSERT_NO_FATAL_FAILURE(start(steered_port, 2, 8 * MiB));
	follower = std::make_unique<Follower>(mem, 3);
	ASSERT_EQ(devrx_receiver_add(rx.get(), fd.get(), 2), 0);
	/* Stream 2's bytes are those of the sender's stream 0. */
	std::vector<devrx_fragment> frags(64);
	const double deadline = now() + patience;
	View view(mem);
	uint64_t got = 0;
	unsigned int ended = 0;

	while (ended < 3 && now() < deadline) {
		const int n = wait_for_some(rx, frags.data(), 64, 1);

		ASSERT_GE(n, 0);
		for (int i = 0; i < n; i++) {
			const devrx_fragment &frag = frags[size_t(i)];

			ended += !frag.length;
			if (frag.user != 2) {
				ASSERT_TRUE(follower->take(frag))
					<< follower->error();
			} else if (frag.length) {
				ASSERT_EQ(frag.position, got);
				ASSERT_EQ(frag.flags, DEVRX_FRAGMENT_COPIED);
				ASSERT_TRUE(view.equal(
					frag, Pattern::get().at(0, got)));
				got += frag.length;
			} else {
				EXPECT_EQ(frag.flags, DEVRX_FRAGMENT_EOF);
			}
		}
		ASSERT_EQ(devrx_receiver_release(rx.get(), frags.data(),
						 unsigned(n)),
			  0);
	}
	EXPECT_EQ(got, 4 * MiB);
	EXPECT_EQ(follower->bytes(), 16 * MiB);
	EXPECT_EQ(stats(rx).bytes_copied, 4 * MiB);
	EXPECT_EQ(stats(rx).unrecovered, 0u);
}

/* Nothing is ever steered: that ends with its cause, alone. */
TEST_P(Recover, NeverSteered)
{
	ASSERT_NO_FATAL_FAILURE(open(1000));
	Listener listener(steered_port);
	TwoParts peer(steered_port, 0, 4 * MiB);
	const Fd fd = listener.accept(nullptr);

	ASSERT_GE(fd.get(), 0);
	ASSERT_EQ(devrx_receiver_add(rx.get(), fd.get(), 0), 0);
	Listener other(other_port);
	Sender unsteered(other_port,
			 { { 8 * MiB, false }, { 1000, true, End::Linger } });
	std::vector<Fd> more;

	for (uint64_t user = 1; user < 3; user++) {
		more.push_back(other.accept(nullptr));
		ASSERT_GE(more.back().get(), 0);
		ASSERT_EQ(devrx_receiver_add(rx.get(), more.back().get(), user),
			  0);
	}
	Follower all(mem, 3);

	ASSERT_EQ(drain(rx, &all, patience, [&] { return all.ended() == 2; }),
		  "");
	for (unsigned int i = 1; i < 3; i++) {
		EXPECT_EQ(all.end_error(i), -EBADMSG) << i;
		EXPECT_EQ(all.position(i), 0u) << i;
	}
	EXPECT_EQ(cause_id(rx), "payload-not-in-area");
	EXPECT_EQ(stats(rx).unrecovered, 2u);
	EXPECT_EQ(all.end(0), 0);
	unsteered.stop();
	peer.go();
	EXPECT_EQ(drain(rx, &all), "");
	EXPECT_EQ(all.position(0), 4 * MiB);
	EXPECT_EQ(all.end(0), DEVRX_FRAGMENT_EOF);
	EXPECT_EQ(stats(rx).bytes_copied, 0u);
}

} // namespace
