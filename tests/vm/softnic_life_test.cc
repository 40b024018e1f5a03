// SPDX-License-Identifier: MIT
/* Providers and pairs come and go while frames flow. */
#include "support_softnic.h"

#include <atomic>
#include <thread>

using namespace softnic;

namespace
{

/* The first provider of a kernel patches its code (a static key), and the last
 * one again. QEMU's multi-threaded emulation does not always survive that while
 * another CPU runs the code: int3 oops. So one stays bound for all of it.
 */
constexpr unsigned ANCHOR = 2;

/* Frames to the provider's queue as fast as they go, while this lives. */
class Traffic
{
      public:
	explicit Traffic(const Pair &pair)
	    : thread([this, &pair] {
		      while (!over)
			      pair.inject(1000);
	      })
	{
	}

	~Traffic()
	{
		over = true;
		thread.join();
	}

      private:
	std::atomic<bool> over{ false };
	std::thread thread;
};

TEST(SoftnicLife, ProvidersComeAndGoUnderTraffic)
{
	const Pair pair;
	ASSERT_TRUE(pair.up());
	const Provider anchor(ANCHOR);
	ASSERT_EQ(anchor.error, 0) << anchor.cause.text;
	const Traffic traffic(pair);

	for (int i = 0; i < cycles(50); i++) {
		const Provider provider;

		ASSERT_EQ(provider.error, 0) << i << provider.cause.text;
	}
	/* And the one after them works. */
	const Provider last;
	ASSERT_EQ(last.error, 0) << last.cause.text;
	const uint64_t before = pair.counters().at("rx_q3_placed_packets");
	EXPECT_TRUE(wait_for([&] {
		return pair.counters().at("rx_q3_placed_packets") > before;
	}));
}

TEST(SoftnicLife, DownAndUpUnderTrafficKeepsTheProvider)
{
	const Pair pair;
	ASSERT_TRUE(pair.up());
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;
	const Traffic traffic(pair);

	for (int i = 0; i < cycles(10); i++) {
		ASSERT_EQ(sh("/usr/sbin/ip -n snb link set snb down && "
			     "/usr/sbin/ip -n snb link set snb up"),
			  0);
	}
	const uint64_t before = pair.counters().at("rx_q3_placed_packets");
	EXPECT_TRUE(wait_for([&] {
		return pair.counters().at("rx_q3_placed_packets") > before;
	}));
}

/* The pair goes away below a bound provider, by its own end. */
TEST(SoftnicLife, DelUnderTrafficWithAProvider)
{
	for (int i = 0; i < cycles(3); i++) {
		const Pair pair;
		ASSERT_TRUE(pair.up());
		const Provider provider;
		ASSERT_EQ(provider.error, 0) << provider.cause.text;
		const Traffic traffic(pair);

		ASSERT_TRUE(wait_for([&] {
			return pair.counters().at("rx_q3_placed_packets") > 0;
		}));
		ASSERT_EQ(sh("/usr/sbin/ip -n snb link del snb"), 0);
	}
}

/* Or its namespace does, which only sockets would keep: close them first. */
TEST(SoftnicLife, NetnsDeletionUnderTrafficWithAProvider)
{
	for (int i = 0; i < cycles(3); i++) {
		Pair pair;
		ASSERT_TRUE(pair.up());
		const Provider provider;
		ASSERT_EQ(provider.error, 0) << provider.cause.text;
		const Traffic traffic(pair);

		ASSERT_TRUE(wait_for([&] {
			return pair.counters().at("rx_q3_placed_packets") > 0;
		}));
		pair.close_ioctls();
		ASSERT_EQ(sh("/usr/sbin/ip netns del snb"), 0);
		EXPECT_TRUE(wait_for([&] {
			return sh("ls /sys/class/net/sna", "sna") != 0;
		}));
	}
}

} // namespace
