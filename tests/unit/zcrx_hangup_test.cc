// SPDX-License-Identifier: MIT
/*
 * provider/zcrx/hangup.c: the receive of a socket that is hung up is made anew, when
 * nothing comes; no other is.
 */
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_rig.h"

namespace
{

class Hangup : public testing::TestWithParam<int64_t>
{
      protected:
	void SetUp() override
	{
		int pair[2];

		rig.must_open();
		rig.rx->hangups.nap_ns = 1000000;
		ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				     pair),
			  0);
		fd = pair[0];
		peer = pair[1];
		ASSERT_EQ(rig.add(fd), 0);
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
		EXPECT_EQ(rig.fake.receives, 1u);
	}
	void TearDown() override
	{
		(void)close(fd);
		if (peer >= 0)
			(void)close(peer);
	}
	/* The fake's receive is not woken for it. */
	void hang_up()
	{
		(void)close(peer);
		peer = -1;
	}
	void look_now()
	{
		rig.rx->hangups.next_ns = 0;
	}

	void after_cancel(const std::function<void()> &fn)
	{
		hang_up();
		look_now();
		rig.fake.on_enter = [this, fn] {
			if (rig.fake.cancels && !done) {
				done = true;
				fn();
			}
		};
	}
	/* Its last fragment's error, in at most three calls. */
	int until_it_ends()
	{
		std::vector<devrx_fragment> frags;

		for (int i = 0; i < 3 && !rig.streams[fd].ended; i++) {
			EXPECT_GE(rig.wait(&frags, 8, GetParam()), 0);
			EXPECT_EQ(rig.release(frags), 0);
		}
		return rig.streams[fd].error;
	}

	Rig rig;
	int fd = -1, peer = -1;
	bool done = false;
};

INSTANTIATE_TEST_SUITE_P(, Hangup,
			 testing::Values(int64_t{ 0 }, int64_t{ 5000000000 },
					 int64_t{ -1 }),
			 [](const auto &i) {
				 return i.param < 0 ? "Infinite" :
					i.param	    ? "Limited" :
						      "NotWaiting";
			 });

TEST_P(Hangup, IsFound)
{
	after_cancel([&] { rig.fake.inject(fd, -ECONNRESET); });
	EXPECT_EQ(until_it_ends(), -ECONNRESET);
	EXPECT_EQ(rig.fake.cancels, 1u);
	EXPECT_EQ(rig.fake.receives, 2u);
}

/* What is still in the socket comes first. */
TEST_P(Hangup, LosesNoBytes)
{
	after_cancel([&] {
		rig.fake.send(fd, 1000);
		rig.fake.end(fd, -ECONNRESET);
	});
	EXPECT_EQ(until_it_ends(), -ECONNRESET);
	EXPECT_EQ(rig.streams[fd].got, 1000u);
}

/* One that only waits is left alone, and so is one that is hung up before its time. */
TEST_P(Hangup, IsNobodyElse)
{
	look_now();
	rig.rx->hangups.nap_ns = 1000000000;
	EXPECT_EQ(rig.wait(nullptr, 8, GetParam() ? 1000 : 0), 0);
	hang_up();
	EXPECT_EQ(rig.wait(nullptr, 8, GetParam() ? 1000 : 0), 0);
	EXPECT_EQ(rig.fake.cancels, 0u);
}

/* The kernel does not find a receive that is at work: another time, then. */
TEST_P(Hangup, IsLookedForAgain)
{
	hang_up();
	look_now();
	EXPECT_TRUE(drx_hangups_look(rig.rx));
	look_now();
	EXPECT_FALSE(drx_hangups_look(rig.rx)) << "that is on its way";
	const uint64_t ud = DRX_UD_CANCEL | rig.rx->conns[0].user_data;

	drx_hangups_cancelled(rig.rx, ud, 0);
	look_now();
	EXPECT_FALSE(drx_hangups_look(rig.rx));
	drx_hangups_cancelled(rig.rx, ud, -ENOENT);
	look_now();
	EXPECT_TRUE(drx_hangups_look(rig.rx));
}

/* Each look is at some of many, and goes on where the last one was. */
TEST_P(Hangup, IsFoundAmongMany)
{
	unsigned int looks = 0;

	for (int i = 0; i < 3000; i++)
		(void)rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	hang_up();
	do {
		look_now();
		looks++;
	} while (!drx_hangups_look(rig.rx) && looks < 10);
	EXPECT_LE(looks, 5u);
	EXPECT_EQ(rig.rx->conns[0].nudged, true);
}

/* Where others keep the receiver busy, it is looked for all the same. */
TEST_P(Hangup, IsFoundBesideOthers)
{
	const int busy = rig.added();
	std::vector<devrx_fragment> frags;

	after_cancel([&] { rig.fake.inject(fd, -ECONNRESET); });
	for (unsigned int i = 0; i < 2 * DRX_HANGUP_VISITS; i++) {
		rig.fake.send(busy, 100);
		ASSERT_GT(rig.wait(&frags, 8, GetParam()), 0);
		EXPECT_EQ(rig.release(frags), 0);
	}
	EXPECT_EQ(rig.streams[fd].error, -ECONNRESET);
}

/* A program that removes it meanwhile gets what a removal gives. */
TEST_P(Hangup, IsRemovedMeanwhile)
{
	std::vector<devrx_fragment> frags;

	hang_up();
	look_now();
	EXPECT_TRUE(drx_hangups_look(rig.rx));
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
	EXPECT_EQ(rig.fake.receives, 1u);
}

/* Of a call that ended in a nap's time nothing is left: one that only a fence can
 * help ends when its time is over. */
TEST(HangupNap, IsNotTheNextCalls)
{
	Rig rig;
	std::vector<devrx_fragment> frags;
	uint32_t word = 0;

	rig.opts.max_fragments = 1;
	rig.must_open();
	rig.rx->hangups.nap_ns = 1000000;
	const int fd = rig.added();
	rig.fake.send(fd, 100);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	const devrx_fence fence = devrx_fence_u32(&word, 1);
	ASSERT_EQ(devrx_receiver_release_after(rig.rx, frags.data(), 1, &fence),
		  0);
	EXPECT_EQ(rig.wait(nullptr, 8, 3000000), 0);
	word = 1;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
}

} // namespace
