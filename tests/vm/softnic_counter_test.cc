// SPDX-License-Identifier: MIT
/* Each counter of docs/softnic.md that no fault of debugfs moves. */
#include "support_softnic.h"

using namespace softnic;

namespace
{

using SoftnicCounter = OnPair;

TEST_F(SoftnicCounter, DropBadCountsWrongTcpChecksums)
{
	Frame frame;

	frame.payload = 500;
	frame.port = PORT;
	for (const bool ipv6 : { false, true }) {
		frame.ipv6 = ipv6;
		frame.bad_checksum = true;
		ASSERT_TRUE(pair->inject(frame));
		frame.bad_checksum = false;
		ASSERT_TRUE(pair->inject(frame));
	}
	EXPECT_TRUE(comes_to("paged_packets", 2));
	EXPECT_TRUE(comes_to("drop_bad", 2));
}

/* A counter of the end that sends. */
uint64_t sent(const std::string &name)
{
	const std::string all = output_of("ethtool -S sna", "sna");
	const size_t at = all.find(" " + name + ": ");

	EXPECT_NE(at, all.npos) << all;
	return at == all.npos ? 0 :
				std::stoull(all.substr(at + name.size() + 3));
}

TEST_F(SoftnicCounter, DropBadLengthCountsWhatTheOtherEndsMtuForbids)
{
	const uint64_t already = sent("tx_drop_bad_length");

	ASSERT_EQ(sh("/usr/sbin/ip -n sna link set sna mtu 9000"), 0);
	EXPECT_TRUE(pair->inject(1465));
	EXPECT_TRUE(wait_for(
		[&] { return sent("tx_drop_bad_length") == already + 1; }));
	EXPECT_TRUE(pair->inject(1460));
	EXPECT_TRUE(comes_to("paged_bytes", 1460));
	EXPECT_EQ(sh("/usr/sbin/ip -n sna link set sna mtu 1500"), 0);
}

TEST_F(SoftnicCounter, StopCountsSendersThatWaitForAFullWire)
{
	const uint64_t already = sent("tx_stop");

	ASSERT_EQ(sh("ethtool -G snb rx 16", "snb"), 0);
	ASSERT_TRUE(pair->fault("stopped_queues", 1 << QUEUE));
	inject(40, 100);
	EXPECT_TRUE(wait_for([&] { return sent("tx_stop") > already; }));
	EXPECT_EQ(counted("rx_q3_packets"), 0u);

	/* They went to the queueing discipline meanwhile: none is lost. */
	ASSERT_TRUE(pair->fault("stopped_queues", 0));
	EXPECT_TRUE(comes_to("paged_packets", 40));
	EXPECT_EQ(counted("rx_q3_drop_ring_full"), 0u);
	EXPECT_EQ(sh("ethtool -G snb rx 256", "snb"), 0);
}

/* A ring that shrinks under its frames is the way to an overfull one. */
TEST_F(SoftnicCounter, DropRingFullCountsWhatComesBeyondAFullWire)
{
	ASSERT_TRUE(pair->fault("stopped_queues", 1 << QUEUE));
	inject(100, 100);
	ASSERT_EQ(sh("ethtool -G snb rx 16", "snb"), 0);
	inject(5, 100);
	EXPECT_TRUE(comes_to("drop_ring_full", 5));

	ASSERT_TRUE(pair->fault("stopped_queues", 0));
	EXPECT_TRUE(comes_to("paged_packets", 100));
	EXPECT_EQ(sh("ethtool -G snb rx 256", "snb"), 0);
}

TEST_F(SoftnicCounter, OutliveDownAndUp)
{
	inject(7, 100);
	ASSERT_TRUE(comes_to("paged_packets", 7));
	ASSERT_EQ(sh("/usr/sbin/ip -n snb link set snb down && "
		     "/usr/sbin/ip -n snb link set snb up"),
		  0);
	EXPECT_EQ(counted("rx_q3_paged_packets"), 7u);
}

} // namespace
