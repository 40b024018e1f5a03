// SPDX-License-Identifier: MIT
/* The tests' own eyes: a Follower that noticed nothing would pass everything. */
#include <memory>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

class FollowerTest : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_EQ(make_memory(&mem, "udmabuf", MiB), outcome(0));
		/* Two fragments of stream 1 that lie apart. */
		ASSERT_EQ(devrx_memory_write(mem.get(), 4096,
					     Pattern::get().at(1, 0), 1000),
			  0);
		ASSERT_EQ(devrx_memory_write(mem.get(), 77777,
					     Pattern::get().at(1, 1000), 3000),
			  0);
		first = { 4096, 0, 1, 11, 1000, 0, 0 };
		second = { 77777, 1000, 1, 12, 3000, 0, 0 };
		end = { 0, 4000, 1, 0, 0, DEVRX_FRAGMENT_EOF, 0 };
		follower = std::make_unique<Follower>(mem, 2);
	}

	Memory mem;
	devrx_fragment first, second, end;
	std::unique_ptr<Follower> follower;
};

TEST_F(FollowerTest, TakesAWholeStream)
{
	EXPECT_TRUE(follower->take(first)) << follower->error();
	EXPECT_TRUE(follower->take(second)) << follower->error();
	EXPECT_TRUE(follower->take(end)) << follower->error();
	EXPECT_EQ(follower->bytes(), 4000u);
	EXPECT_EQ(follower->ended(), 1u);
	EXPECT_EQ(follower->end(1), DEVRX_FRAGMENT_EOF);
}

TEST_F(FollowerTest, NoticesOneWrongByte)
{
	char byte = 0;

	ASSERT_EQ(devrx_memory_read(mem.get(), 77777 + 2999, &byte, 1), 0);
	byte = char(byte ^ 1);
	ASSERT_EQ(devrx_memory_write(mem.get(), 77777 + 2999, &byte, 1), 0);
	EXPECT_TRUE(follower->take(first));
	EXPECT_FALSE(follower->take(second));
}

TEST_F(FollowerTest, NoticesAGap)
{
	EXPECT_FALSE(follower->take(second));
}

TEST_F(FollowerTest, NoticesARepetition)
{
	EXPECT_TRUE(follower->take(first));
	EXPECT_FALSE(follower->take(first));
}

TEST_F(FollowerTest, NoticesAnotherStreamsBytes)
{
	first.user = 0;
	EXPECT_FALSE(follower->take(first));
}

TEST_F(FollowerTest, NoticesDataAfterTheEnd)
{
	EXPECT_TRUE(follower->take(first));
	end.position = 1000;
	EXPECT_TRUE(follower->take(end));
	EXPECT_FALSE(follower->take(second));
}

TEST_F(FollowerTest, NoticesAnEndAtTheWrongPlace)
{
	EXPECT_TRUE(follower->take(first));
	EXPECT_FALSE(follower->take(end));
}

} /* namespace */
