// SPDX-License-Identifier: MIT
/* provider/zcrx/spares.c: places for what comes around the queue. */
#include <cerrno>
#include <string>
#include <vector>

#include <unistd.h>

#include "fake_rig.h"

namespace
{

/* Chunks of which some are kept from the beginning. */
constexpr uint64_t LARGE = 1024 * 4096;

/* No more are kept than what makes a batch, and none for nothing. */
TEST(Spares, AreLimitedAndGivenBack)
{
	CopyRig rig(true, 512 * 4096);
	std::vector<devrx_fragment> frags, held;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	ASSERT_EQ(rig.rx->recover.reserve, 4u);
	const int fd = rig.added(), other = rig.added();
	rig.fake.send(other, 180 * 4096);
	while (rig.wait(&frags, 64, 0) > 0)
		held.insert(held.end(), frags.begin(), frags.end());
	rig.fake.send_copied(fd, 3 << 20);
	EXPECT_EQ(rig.wait(&frags, 64, 0), 0);
	ASSERT_NE(rig.rx->recover.first, nullptr);
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_EQ(rig.rx->recover.nr_spares, 64u);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
	EXPECT_EQ(rig.stats().released, held.size());
	/* All that is kept is the connection's, and goes with it. */
	ASSERT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
	EXPECT_EQ(rig.rx->recover.nr_spares, 4u);
	rig.expect_all_returned();
}

/* A length in the caller's hands is not ours to trust. */
TEST(Spares, TheLengthIsOurRecord)
{
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags;

	rig.fake.piece_max = 100;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	const uint64_t offset = frags[0].offset;
	frags[0].length = 1 << 20;
	frags[0].offset = 12345;
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.release(frags), -ESTALE);
	EXPECT_EQ(rig.stats().bad_releases, 1u);
	rig.fake.send_copied(fd, 1000);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(frags[0].length, 100u);
	EXPECT_EQ(frags[0].offset, offset);
	EXPECT_EQ(frags[0].flags, DEVRX_FRAGMENT_COPIED);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0) << "the place is taken";
	EXPECT_EQ(rig.stats().fragments_out, 1u);
	EXPECT_EQ(rig.close(), -EBUSY);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 1100u);
}

/* Fragments that went out before their place was noted, or whose slot was used
 * again since, are none. */
TEST(Spares, OldRecordsAreNotTrusted)
{
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags, small;

	rig.must_open();
	rig.rx->recover.reserve = 1;
	const int fd = rig.added();
	rig.fake.send(fd, 2 * 4096);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 2);
	EXPECT_EQ(rig.release(frags[0]), 0);
	ASSERT_FALSE(rig.rx->recover.on);
	EXPECT_EQ(rig.release(frags[1]), 0); /* not noted as released */
	rig.fake.piece_max = 10;
	rig.fake.send(fd, 10);
	ASSERT_EQ(rig.wait(&small, 8, 0), 1);
	ASSERT_EQ(small[0].token & 0xffffff, frags[1].token & 0xffffff)
		<< "the case means one slot";
	rig.fake.send_copied(fd, 20000);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(rig.release(small), 0);
	EXPECT_EQ(rig.rx->recover.nr_spares, 0u);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 2u * 4096 + 10 + 20000);
	rig.expect_all_returned();
}

/* A caller that needs it all before it releases anything. */
TEST(Spares, HoldingEverythingHoldsNothingUp)
{
	CopyRig rig(true, 256 * 4096);
	std::vector<devrx_fragment> frags, held;
	int got;

	rig.must_open();
	const int fd = rig.added();
	for (int i = 0; i < 5; i++) {
		rig.fake.send_copied(fd, 10000);
		rig.fake.send(fd, 100000);
	}
	for (int i = 0; i < 100; i++) {
		got = rig.wait(&frags, 64, 0);
		ASSERT_GE(got, 0);
		held.insert(held.end(), frags.begin(), frags.end());
	}
	/* What was drained last has no place yet, and no more. */
	EXPECT_GE(rig.streams[fd].got, 450000u);
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 550000u);
	rig.expect_all_returned();
}

TEST(Spares, ComeFromFencesToo)
{
	CopyRig rig;
	std::vector<devrx_fragment> frags;
	uint64_t word = 0;
	const devrx_fence fence = devrx_fence_u64(&word, 1);

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 5000);
	rig.fake.send(fd, 4096);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 0);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, frags.data(), 1, &fence),
		  0);
	EXPECT_EQ(rig.wait(&frags, 8, 0), 0);
	word = 1;
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(frags[0].flags, DEVRX_FRAGMENT_COPIED);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 9096u);
	rig.expect_all_returned();
}

TEST(Spares, OneFragmentOutAtMost)
{
	CopyRig rig;
	std::vector<devrx_fragment> frags;

	rig.opts.max_fragments = 1;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 10000);
	rig.fake.send(fd, 20000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.wait(&frags, 8, 0), 0);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 30000u);
	EXPECT_TRUE(rig.streams[fd].eof);
	rig.expect_all_returned();
}

/* A copy that is out makes a place once it is back, however late. */
TEST(Spares, ACopyInTheCallersHandsIsWaitedFor)
{
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags;

	rig.opts.recovery_timeout_ms = 1;
	rig.must_open();
	rig.rx->recover.reserve = 1;
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.send_copied(fd, 1500);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(rig.rx->recover.nr_spares, 0u);
	for (int i = 0; i < 5; i++) {
		(void)usleep(2000);
		ASSERT_EQ(rig.wait(nullptr, 8, 0), 0) << i;
	}
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 2500u);
	EXPECT_FALSE(rig.streams[fd].ended);
}

/* But not one that is back already, on the fast path. */
TEST(Spares, WhatIsBackIsNotWaitedFor)
{
	CopyRig rig;
	std::vector<devrx_fragment> frags, copy;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.fake.piece_max = 1000;
	rig.must_open();
	const int fd = rig.added(), other = rig.added(), late = rig.added();
	rig.fake.send_copied(fd, 10);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.send(other, 2000);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 2);
	EXPECT_EQ(rig.release(frags[0]), 0);
	ASSERT_EQ(rig.wait(&copy, 8, 0), 1);
	ASSERT_FALSE(rig.rx->recover.on);
	EXPECT_EQ(rig.release(frags[1]), 0);
	EXPECT_EQ(rig.release(copy), 0);
	rig.rx->recover.timeout_ns = 0;
	rig.fake.send_copied(late, 10);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.streams[late].error, -EBADMSG);
}

/* The last backlog is gone: so are its spares, without another call. */
TEST(Spares, SurplusGoesBackAtOnce)
{
	CopyRig rig;
	std::vector<devrx_fragment> frags, copy;

	rig.fake.piece_max = 1000;
	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 10);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.send(other, 30000);
	ASSERT_GT(rig.wait(&frags, 64, 0), 30);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.rx->recover.nr_spares, frags.size());
	ASSERT_EQ(rig.wait(&copy, 8, 0), 1);
	rig.fake.nic_refills(64);
	EXPECT_EQ(rig.fake.refs_out(), 1u);
	EXPECT_EQ(rig.release(copy), 0);
	rig.expect_all_returned();
}

TEST(Spares, OfManyStolenPiecesAFewAreKept)
{
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags;

	rig.fake.piece_max = 100;
	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	rig.rx->recover.reserve = 0;
	const int fd = rig.added();
	rig.fake.send_copied(fd, 10);
	EXPECT_EQ(rig.wait(&frags, 1, 0), 0);
	rig.fake.send(fd, 30000);
	ASSERT_EQ(rig.wait(&frags, 1, 0), 1);
	EXPECT_EQ(rig.rx->recover.nr_spares, 63u);
	rig.fake.nic_refills(1024);
	EXPECT_EQ(rig.fake.refs_out(), 64u);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 30010u);
	rig.expect_all_returned();
}

/* Each backlog has its turn. */
TEST(Spares, AreSharedFairly)
{
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags;
	std::vector<int> fds;

	rig.must_open();
	rig.rx->recover.reserve = 1;
	for (int i = 0; i < 3; i++)
		fds.push_back(rig.added());
	rig.fake.send(fds[0], 1000);
	EXPECT_EQ(rig.drain(), 0);
	for (int fd : fds)
		rig.fake.send_copied(fd, 5000);
	for (uint64_t i = 0; i < 9; i++) {
		ASSERT_EQ(rig.wait(&frags, 1, 0), 1);
		for (int fd : fds)
			EXPECT_LE(rig.streams[fd].copied, (i / 3 + 1) * 1000);
		EXPECT_EQ(rig.release(frags), 0);
	}
	EXPECT_EQ(rig.drain(), 0);
	for (int fd : fds)
		EXPECT_EQ(rig.streams[fd].copied, 5000u);
}

/* With as much as may wait, and a place in the caller's hands, it is the
 * caller's turn, who is told. */
class FullBacklog : public testing::TestWithParam<bool>
{
};

TEST_P(FullBacklog, WaitsForTheCaller)
{
	const bool remove = GetParam();
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags;

	rig.must_open();
	rig.rx->recover.reserve = 1;
	const int fd = rig.added();
	rig.fake.send(fd, 4000);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	rig.fake.send_copied(fd, 6 << 20);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_FALSE(rig.streams[fd].ended);
	EXPECT_EQ(rig.fake.drained, 4u << 20);
	/* It may be removed, or go on. */
	if (remove) {
		ASSERT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	}
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), remove ? -ENOTCONN : 0);
	EXPECT_EQ(rig.streams[fd].error, remove ? -ECANCELED : 0);
	EXPECT_EQ(rig.streams[fd].got, 4000u + ((remove ? 4 : 6) << 20));
}

INSTANTIATE_TEST_SUITE_P(All, FullBacklog, testing::Bool(), [](const auto &i) {
	return std::string(i.param ? "Removed" : "GoesOn");
});

} // namespace
