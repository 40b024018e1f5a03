// SPDX-License-Identifier: MIT
/* The kernel says that the area was empty: counted, told, asked for anew. */
#include <cerrno>
#include <vector>

#include "fake_rig.h"

namespace
{

constexpr uint64_t PAGE = 4096;

class AreaEmpty : public testing::Test
{
      protected:
	void open(uint32_t flags = 0)
	{
		rig.fake.alloc_events = true;
		rig.opts.flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL | flags;
		rig.must_open();
		fd = rig.added();
		/* The fake's has no netlink socket. */
		rig.rx->events.tell = flags & DEVRX_RECEIVER_F_EVENTS;
	}
	/* More than the area has. */
	void fill_it()
	{
		std::vector<devrx_fragment> frags;

		rig.fake.send(fd, 70 * PAGE);
		while (rig.wait(&frags, 64, 0) > 0)
			for (const auto &frag : frags)
				if (frag.length)
					held.push_back(frag);
		EXPECT_EQ(held.size(), 64u);
	}
	void give_back()
	{
		EXPECT_EQ(rig.release(held), 0);
		held.clear();
	}
	/* All that comes, and go on. */
	void empty_it()
	{
		std::vector<devrx_fragment> frags;

		give_back();
		while (rig.wait(&frags, 64, 0) > 0)
			EXPECT_EQ(rig.release(frags), 0);
	}

	Rig rig;
	int fd = -1;
	std::vector<devrx_fragment> held;
};

TEST_F(AreaEmpty, IsCountedOnceUntilSomethingIsReleased)
{
	open();
	fill_it();
	EXPECT_EQ(rig.stats().area_empty, 1u);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.arms, 0u) << "it would be told at once";
	empty_it();
	EXPECT_EQ(rig.fake.arms, 1u);
	EXPECT_EQ(rig.stats().area_empty, 1u);
	EXPECT_EQ(rig.streams[fd].got, 70 * PAGE);
	fill_it();
	EXPECT_EQ(rig.stats().area_empty, 2u);
	empty_it();
	EXPECT_EQ(rig.fake.arms, 2u);
	EXPECT_TRUE(rig.events.empty()) << "nobody asked";
}

TEST_F(AreaEmpty, IsTold)
{
	open(DEVRX_RECEIVER_F_EVENTS);
	fill_it();
	ASSERT_EQ(rig.events.size(), 1u);
	EXPECT_EQ(rig.events[0].first, uint64_t(DEVRX_EVENT_AREA_EMPTY));
	EXPECT_EQ(rig.events[0].second, -ENOBUFS);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0) << "once";
	empty_it();
	fill_it();
	EXPECT_EQ(rig.events.size(), 2u);
	empty_it();
}

/* The stream goes on; what is counted is too little. */
TEST_F(AreaEmpty, CannotBeAskedForAgain)
{
	open();
	rig.fake.arm_error = -EINVAL;
	fill_it();
	empty_it();
	EXPECT_EQ(rig.fake.arms, 1u);
	fill_it();
	EXPECT_EQ(rig.stats().area_empty, 1u);
	empty_it();
	EXPECT_EQ(rig.fake.arms, 1u);
	EXPECT_EQ(rig.streams[fd].got, 140 * PAGE);
}

TEST_F(AreaEmpty, OldKernelsSayNothing)
{
	rig.features = fake_features(ALL_FEATURES & ~DEVRX_FEATURE_EVENTS);
	open();
	fill_it();
	EXPECT_EQ(rig.stats().area_empty, 0u);
	empty_it();
	EXPECT_EQ(rig.fake.arms, 0u);
}

/* A lost fragment makes room as well. */
TEST_F(AreaEmpty, IsAskedForAfterALoss)
{
	open();
	fill_it();
	const devrx_fence fence =
		devrx_fence_poll([](void *) { return -EIO; }, nullptr, nullptr);
	for (const auto &frag : held)
		rig.expect_lost(frag, -EIO);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, held.data(),
					       unsigned(held.size()), &fence),
		  0);
	held.clear();
	empty_it();
	EXPECT_EQ(rig.fake.arms, 1u);
}

} // namespace
