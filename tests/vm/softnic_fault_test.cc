// SPDX-License-Identifier: MIT
/* Each fault of docs/softnic.md does what it says, and 0 ends it. */
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include "support_softnic.h"

using namespace softnic;

namespace
{

using SoftnicFault = OnPair;

TEST_F(SoftnicFault, LinearHeadKeepsTheFirstBytesWithTheHeaders)
{
	ASSERT_TRUE(pair->fault("linear_head", 100));
	inject(10, 1000);
	EXPECT_TRUE(comes_to("linear_bytes", 10 * 100));
	EXPECT_TRUE(comes_to("paged_bytes", 10 * 900));

	/* A frame that is shorter than that has all of it there. */
	inject(1, 60);
	EXPECT_TRUE(comes_to("linear_bytes", 10 * 100 + 60));

	ASSERT_TRUE(pair->fault("linear_head", 0));
	inject(1, 1000);
	EXPECT_TRUE(comes_to("paged_bytes", 10 * 900 + 1000));
	EXPECT_TRUE(comes_to("linear_bytes", 10 * 100 + 60));
}

TEST_F(SoftnicFault, LinearHeadDoesNotChangeTheStream)
{
	Connection c;
	ASSERT_GE(c.receiver, 0);

	ASSERT_TRUE(pair->fault("linear_head", 77));
	EXPECT_TRUE(stream(c, 1 << 20));
	EXPECT_GT(counted("rx_q3_linear_bytes"), 77u);
}

TEST_F(SoftnicFault, PayloadInPagesPassesTheProviderBy)
{
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;

	inject(5, 1000);
	EXPECT_TRUE(comes_to("placed_bytes", 5000));

	ASSERT_TRUE(pair->fault("payload_in_pages", 1));
	inject(3, 1000);
	EXPECT_TRUE(comes_to("paged_bytes", 3000));

	ASSERT_TRUE(pair->fault("payload_in_pages", 0));
	inject(1, 1000);
	EXPECT_TRUE(comes_to("placed_bytes", 6000));
	EXPECT_TRUE(comes_to("linear_bytes", 0));
}

TEST_F(SoftnicFault, DropEveryDropsTheNthFrame)
{
	ASSERT_TRUE(pair->fault("drop_every", 10));
	inject(100, 100);
	EXPECT_TRUE(comes_to("drop_fault", 10));
	EXPECT_TRUE(comes_to("paged_packets", 90));

	ASSERT_TRUE(pair->fault("drop_every", 0));
	inject(20, 100);
	EXPECT_TRUE(comes_to("paged_packets", 110));
	EXPECT_TRUE(comes_to("drop_fault", 10));
}

TEST_F(SoftnicFault, DropEveryCostsTcpRetransmissionsOnly)
{
	Connection c;
	ASSERT_GE(c.receiver, 0);

	ASSERT_TRUE(pair->fault("drop_every", 20));
	EXPECT_TRUE(stream(c, 2 << 20));
	EXPECT_GT(counted("rx_q3_drop_fault"), 0u);
}

TEST_F(SoftnicFault, NoChunkStarvesThatManyFrames)
{
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;

	ASSERT_TRUE(pair->fault("no_chunk", 7));
	inject(20, 1000);
	EXPECT_TRUE(comes_to("drop_no_chunk", 7));
	EXPECT_TRUE(comes_to("placed_packets", 13));
	EXPECT_EQ(pair->fault("no_chunk"), "0");
}

TEST_F(SoftnicFault, AStoppedQueueReceivesNothingAndLosesNothing)
{
	ASSERT_TRUE(pair->fault("stopped_queues", 1 << QUEUE));
	inject(50, 100);
	EXPECT_TRUE(pair->inject(100, 80)) << "to another queue";
	EXPECT_TRUE(wait_for([&] { return counted("rx_paged_packets") > 0; }));
	EXPECT_EQ(counted("rx_q3_packets"), 0u);

	ASSERT_TRUE(pair->fault("stopped_queues", 0));
	EXPECT_TRUE(comes_to("paged_packets", 50));
	EXPECT_FALSE(pair->fault("stopped_queues", 1 << 16)) << "no such queue";
}

/* A stopped queue stops its senders, and both go on together. */
TEST_F(SoftnicFault, AStoppedQueueHoldsAStreamUp)
{
	Connection c;
	ASSERT_GE(c.receiver, 0);

	ASSERT_TRUE(pair->fault("stopped_queues", 1 << QUEUE));
	char byte = 1;
	ASSERT_EQ(send(c.sender, &byte, 1, 0), 1);
	usleep(300000);
	EXPECT_LT(recv(c.receiver, &byte, 1, MSG_DONTWAIT), 0);

	ASSERT_TRUE(pair->fault("stopped_queues", 0));
	EXPECT_EQ(TEMP_FAILURE_RETRY(recv(c.receiver, &byte, 1, 0)), 1);
}

/* The provider goes from the old pool to the new one, and back with what fails. */
TEST_F(SoftnicFault, RestartsAQueueWithItsProvider)
{
	const Provider provider;

	ASSERT_EQ(provider.error, 0) << provider.cause.text;
	inject(10, 1000);
	EXPECT_TRUE(comes_to("placed_bytes", 10000));
	ASSERT_TRUE(pair->fault("restart_queue", QUEUE));
	inject(10, 1000);
	EXPECT_TRUE(comes_to("placed_bytes", 20000));
	ASSERT_TRUE(pair->fault("fail_start", 1));
	EXPECT_FALSE(pair->fault("restart_queue", QUEUE));
	inject(10, 1000);
	EXPECT_TRUE(comes_to("placed_bytes", 30000));
	EXPECT_FALSE(pair->fault("restart_queue", 16)) << "no such queue";
}

class FailedRestart : public SoftnicFault,
		      public testing::WithParamInterface<const char *>
{
};

TEST_P(FailedRestart, LeavesTheQueueAsItWas)
{
	ASSERT_TRUE(pair->fault(GetParam(), 1));
	{
		const Provider provider;

		EXPECT_NE(provider.error, 0);
	}
	EXPECT_EQ(pair->fault(GetParam()), "0");
	inject(10, 1000);
	EXPECT_TRUE(comes_to("paged_bytes", 10000));

	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;
	inject(10, 1000);
	EXPECT_TRUE(comes_to("placed_bytes", 10000));
}

INSTANTIATE_TEST_SUITE_P(All, FailedRestart,
			 testing::Values("fail_alloc", "fail_start"),
			 [](const auto &i) { return std::string(i.param); });

} // namespace
