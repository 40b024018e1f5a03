// SPDX-License-Identifier: MIT
/*
 * The softnic splits exactly: no payload byte stays with the headers, whatever
 * the size, with a provider and without.
 */
#include "support_softnic.h"

using namespace softnic;

namespace
{

constexpr size_t HEADERS = 40; /* of an injected frame, above Ethernet */

class SoftnicSplit : public OnPair
{
      protected:
	void split_exactly(size_t from, size_t to, size_t step,
			   const std::string &where)
	{
		const uint64_t frames0 = counted("rx_q3_" + where + "_packets");
		const uint64_t bytes0 = counted("rx_q3_" + where + "_bytes");
		uint64_t frames = 0, bytes = 0;

		for (size_t len = from; len <= to; len += step) {
			ASSERT_TRUE(pair->inject(len)) << len;
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
};

TEST_F(SoftnicSplit, IsExactForEverySizeUpToTheMtu)
{
	split_exactly(1, 1500 - HEADERS, 1, "paged");
}

TEST_F(SoftnicSplit, IsExactForEverySizeUpToTheMtuWithAProvider)
{
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;

	split_exactly(1, 1500 - HEADERS, 1, "placed");
}

TEST_F(SoftnicSplit, IsExactUpToTheLargestFrame)
{
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;

	ASSERT_TRUE(pair->set_mtu(65535));
	split_exactly(1461, 65535 - HEADERS, 997, "placed");
	split_exactly(65535 - HEADERS - 7, 65535 - HEADERS, 1, "placed");
	EXPECT_TRUE(pair->set_mtu(1500));
}

TEST_F(SoftnicSplit, IsExactForSegmentationOffload)
{
	Connection c;
	ASSERT_GE(c.receiver, 0);
	const uint64_t len = 8 << 20;

	EXPECT_TRUE(stream(c, len));
	EXPECT_EQ(counted("rx_q3_linear_bytes"), 0u);
	EXPECT_GE(counted("rx_q3_paged_bytes"), len);
	/* Large packets did come, or this has shown nothing. */
	EXPECT_LT(counted("rx_q3_packets"), len / 4000);
}

} // namespace
