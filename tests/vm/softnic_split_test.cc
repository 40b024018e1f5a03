// SPDX-License-Identifier: MIT
/*
 * The softnic splits exactly: no payload byte stays with the headers, whatever
 * the size, with a provider and without.
 */
#include "support_softnic.h"

#include <cerrno>

#include "support_net.h"

using namespace softnic;

namespace
{

constexpr size_t MAX_IP_LEN = 65535;
constexpr uint16_t MSS = 1400;

class SoftnicSplit : public OnPair, public testing::WithParamInterface<bool>
{
      protected:
	SoftnicSplit()
	{
		frame.port = PORT;
		frame.ipv6 = GetParam();
	}

	/* The longest payload of a frame with so many bytes above Ethernet. */
	size_t most(size_t above) const
	{
		return above - (frame.ipv6 ? 60 : 40);
	}

	void split_exactly(size_t from, size_t to, size_t step,
			   const std::string &where)
	{
		const uint64_t frames0 = counted("rx_q3_" + where + "_packets");
		const uint64_t bytes0 = counted("rx_q3_" + where + "_bytes");
		uint64_t frames = 0, bytes = 0;

		for (size_t len = from; len <= to; len += step) {
			frame.payload = len;
			ASSERT_TRUE(pair->inject(frame)) << len;
			frames++;
			bytes += len;
			/* The wire is bounded: let the NIC catch up. */
			if (frames % 64 == 0) {
				ASSERT_TRUE(comes_to(where + "_packets",
						     frames0 + frames));
			}
		}
		EXPECT_TRUE(comes_to(where + "_packets", frames0 + frames));
		EXPECT_EQ(counted("rx_q3_" + where + "_bytes"), bytes0 + bytes);
		EXPECT_EQ(counted("rx_q3_linear_bytes"), 0u);
	}

	Frame frame;
};

TEST_P(SoftnicSplit, IsExactForEverySizeUpToTheMtu)
{
	split_exactly(1, most(1500), 1, "paged");
}

TEST_P(SoftnicSplit, IsExactForEverySizeUpToTheMtuWithAProvider)
{
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;

	split_exactly(1, most(1500), 1, "placed");
}

/* hds-thresh: frames up to so many bytes, Ethernet header included, stay whole. */
TEST_P(SoftnicSplit, LeavesFramesUpToTheThresholdWhole)
{
	const size_t headers = frame.ipv6 ? 74 : 54;
	uint64_t linear = 0, paged = 0;

	for (const unsigned thresh : { 100u, 101u, 700u, 1024u }) {
		{
			const Inside snb("snb");

			ASSERT_EQ(vm::set_rings("snb", -1, thresh), 0);
		}
		frame.payload = thresh - headers;
		ASSERT_TRUE(pair->inject(frame));
		linear += frame.payload;
		EXPECT_TRUE(comes_to("linear_bytes", linear)) << thresh;
		frame.payload++;
		ASSERT_TRUE(pair->inject(frame));
		paged += frame.payload;
		EXPECT_TRUE(comes_to("paged_bytes", paged)) << thresh;
		EXPECT_EQ(counted("rx_q3_linear_bytes"), linear) << thresh;
	}
	const Inside snb("snb");

	EXPECT_EQ(vm::set_rings("snb", -1, 1025), -EINVAL) << "the maximum";
	EXPECT_EQ(vm::set_rings("snb", -1, 0), 0);
}

/* What the sender's stack leaves to the NIC to cut. */
TEST_P(SoftnicSplit, IsExactUpToTheLargestSegmentationOffload)
{
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;
	/* The stack cuts what is 64 KiB or more, Ethernet header included. */
	const size_t largest = most(MAX_IP_LEN - 14);

	frame.gso_size = MSS;
	split_exactly(1, MSS + 10, 1, "placed");
	split_exactly(MSS + 11, largest, 61, "placed");
	split_exactly(largest - 7, largest, 1, "placed");
}

TEST_P(SoftnicSplit, IsExactUpToTheLargestFrame)
{
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;
	const size_t largest = most(MAX_IP_LEN);

	ASSERT_TRUE(pair->set_mtu(65535));
	split_exactly(1461, largest, 997, "placed");
	split_exactly(largest - 7, largest, 1, "placed");
	EXPECT_TRUE(pair->set_mtu(1500));
}

INSTANTIATE_TEST_SUITE_P(Ip, SoftnicSplit, testing::Bool(),
			 [](const auto &i) { return i.param ? "V6" : "V4"; });

using SoftnicSplitStream = OnPair;

TEST_F(SoftnicSplitStream, IsExactForSegmentationOffload)
{
	Connection c;
	ASSERT_GE(c.receiver, 0);
	const uint64_t len = 8 << 20;

	EXPECT_TRUE(stream(c, len));
	EXPECT_EQ(counted("rx_q3_linear_bytes"), 0u);
	EXPECT_GE(counted("rx_q3_paged_bytes"), len);
	/* Large packets did come, or this has shown nothing: fewer than segments
	 * of the MTU would be. How large, is TCP's affair, and the machine's.
	 */
	EXPECT_LT(counted("rx_q3_packets"), len / 1460);
}

} // namespace
