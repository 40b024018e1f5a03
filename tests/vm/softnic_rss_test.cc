// SPDX-License-Identifier: MIT
/* Which queue a frame gets: contexts of RSS, and fields of the hash. */
#include "support_softnic.h"

using namespace softnic;

namespace
{

/* The key of a new NIC is random, and one in four hundred spreads these ports
 * over two queues only. This is Microsoft's, of the specification of RSS.
 */
const char KEY[] =
	"6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:"
	"ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa";

class SoftnicRss : public OnPair
{
      protected:
	void SetUp() override
	{
		OnPair::SetUp();
		if (HasFatalFailure())
			return;
		ASSERT_EQ(sh(std::string("ethtool -X snb hkey ") + KEY, "snb"),
			  0);
	}

	void TearDown() override
	{
		EXPECT_EQ(sh("ethtool -N snb rx-flow-hash tcp4 sdfn", "snb"),
			  0);
		OnPair::TearDown();
	}
};

/* How many of queues 0 to 2 have received any of 60 ports' frames. */
unsigned queues_hit(const Pair &pair)
{
	const auto before = pair.counters();
	unsigned hit = 0;

	for (uint16_t port = 100; port < 160; port++)
		EXPECT_TRUE(pair.inject(100, port));
	EXPECT_TRUE(wait_for([&] {
		return pair.counters().at("rx_paged_packets") ==
		       before.at("rx_paged_packets") + 60;
	}));
	const auto after = pair.counters();
	for (int i = 0; i < 3; i++) {
		const std::string name =
			"rx_q" + std::to_string(i) + "_paged_packets";

		hit += after.at(name) > before.at(name);
	}
	return hit;
}

TEST_F(SoftnicRss, PortsCountInTheHashUnlessTheyShallNot)
{
	EXPECT_EQ(queues_hit(*pair), 3u);
	ASSERT_EQ(sh("ethtool -N snb rx-flow-hash tcp4 sd", "snb"), 0);
	EXPECT_EQ(queues_hit(*pair), 1u);
	EXPECT_EQ(
		output_of("ethtool -n snb rx-flow-hash tcp4", "snb").find("L4"),
		std::string::npos);
	ASSERT_EQ(sh("ethtool -N snb rx-flow-hash tcp4 sdfn", "snb"), 0);
	EXPECT_EQ(queues_hit(*pair), 3u);
	EXPECT_NE(
		output_of("ethtool -n snb rx-flow-hash tcp4", "snb").find("L4"),
		std::string::npos);
	/* Any of the four fields may be left out; these differ in one. */
	ASSERT_EQ(sh("ethtool -N snb rx-flow-hash tcp4 n", "snb"), 0);
	EXPECT_EQ(queues_hit(*pair), 3u);
	ASSERT_EQ(sh("ethtool -N snb rx-flow-hash tcp4 sdf", "snb"), 0);
	EXPECT_EQ(queues_hit(*pair), 1u);
	EXPECT_NE(sh("ethtool -N snb rx-flow-hash tcp4 v", "snb"), 0);
}

TEST_F(SoftnicRss, ARuleCanGiveAFlowToAContext)
{
	ASSERT_EQ(sh("ethtool -X snb context new start 1 equal 2", "snb"), 0);
	ASSERT_EQ(sh("ethtool -N snb flow-type tcp4 dst-port 77 context 1 "
		     "loc 5",
		     "snb"),
		  0);
	for (int i = 0; i < 20; i++)
		ASSERT_TRUE(pair->inject(100, 77));
	ASSERT_TRUE(
		wait_for([&] { return counted("rx_paged_packets") == 20; }));
	EXPECT_EQ(counted("rx_q1_paged_packets") +
			  counted("rx_q2_paged_packets"),
		  20u);
	EXPECT_NE(output_of("ethtool -n snb rule 5", "snb").find("RSS Context"),
		  std::string::npos);

	/* A table of one queue sends all there. */
	ASSERT_EQ(sh("ethtool -X snb context 1 start 0 equal 1", "snb"), 0);
	for (int i = 0; i < 20; i++)
		ASSERT_TRUE(pair->inject(100, 77));
	EXPECT_TRUE(
		wait_for([&] { return counted("rx_q0_paged_packets") >= 20; }));

	EXPECT_NE(sh("ethtool -X snb context 1 delete", "snb"), 0) << "in use";
	EXPECT_EQ(sh("ethtool -N snb delete 5", "snb"), 0);
	EXPECT_EQ(sh("ethtool -X snb context 1 delete", "snb"), 0);
}

} // namespace
