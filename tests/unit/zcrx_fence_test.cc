// SPDX-License-Identifier: MIT
/* provider/zcrx/fences.c, devrx/fence.h: released, but not before the device. */
#include <cerrno>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "fence_support.h"

namespace
{

TEST(Fence, HoldsFragmentsUntilTheWordIsReached)
{
	Rig rig;
	Out out(rig, 10);
	uint64_t word = 0;

	EXPECT_EQ(after(rig, out.frags, devrx_fence_u64(&word, 7)), 0);
	EXPECT_EQ(rig.stats().fragments_out, 10u);
	EXPECT_EQ(rig.stats().fragments_fenced, 10u);
	for (word = 0; word < 7; word++) {
		EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 10);
		rig.fake.nic_refills(UINT32_MAX);
		EXPECT_EQ(rig.fake.refs_out(), 10u);
	}
	EXPECT_EQ(rig.stats().released, 0u);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(rig.stats().released, 10u);
	EXPECT_EQ(rig.stats().fragments_fenced, 0u);
	rig.expect_all_returned();
	EXPECT_EQ(rig.close(), 0);
}

struct WordCase {
	const char *name;
	bool wide;
	uint64_t word, value;
	bool passed;
};

const WordCase words[] = {
	{ "Equal32", false, 5, 5, true },
	{ "Beyond32", false, 6, 5, true },
	{ "Before32", false, 4, 5, false },
	{ "WrappedBeyond32", false, 3, UINT32_MAX - 3, true },
	{ "WrappedBefore32", false, UINT32_MAX - 3, 3, false },
	{ "HalfBeyond32", false, UINT32_MAX / 2 + 9, 10, true },
	{ "Equal64", true, UINT64_C(1) << 40, UINT64_C(1) << 40, true },
	{ "Before64", true, (UINT64_C(1) << 40) - 1, UINT64_C(1) << 40, false },
	{ "LowHalfIsNotEnough64", true, 9, (UINT64_C(1) << 32) + 9, false },
	{ "LargeBeyond64", true, UINT64_MAX, 1, true },
};

class FenceWord : public testing::TestWithParam<WordCase>
{
};

TEST_P(FenceWord, IsReachedOrNot)
{
	const WordCase &c = GetParam();
	Rig rig;
	Out out(rig, 1);
	const uint32_t narrow = static_cast<uint32_t>(c.word);

	EXPECT_EQ(after(rig, out.frags,
			c.wide ? devrx_fence_u64(&c.word, c.value) :
				 devrx_fence_u32(&narrow, static_cast<uint32_t>(
								  c.value))),
		  0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), c.passed ? 0 : 1);
}

INSTANTIATE_TEST_SUITE_P(All, FenceWord, testing::ValuesIn(words),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(Fence, OnlyTheFirstOfATimelineIsAsked)
{
	Rig rig;
	Out out(rig, 6);
	Event events[6];
	int timeline;

	for (int i = 0; i < 6; i++)
		EXPECT_EQ(after(rig, &out.frags[i], 1,
				events[i].fence(&timeline)),
			  0);
	EXPECT_EQ(events[0].asked, 0) << "release_after asks nobody";
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 6);
	EXPECT_EQ(events[0].asked, 1);
	EXPECT_EQ(events[1].asked, 0);
	events[0].answer = events[1].answer = events[2].answer = 0;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 3);
	EXPECT_EQ(events[0].asked, 2);
	EXPECT_EQ(events[1].asked, 1);
	EXPECT_EQ(events[2].asked, 1);
	EXPECT_EQ(events[3].asked, 1);
	EXPECT_EQ(events[4].asked, 0);
	for (Event &event : events)
		event.answer = 0;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(events[0].asked, 2) << "asked after it had passed";
	rig.expect_all_returned();
}

/* A device queue that is stuck keeps only its own fragments. */
TEST(Fence, TimelinesDoNotWaitForOneAnother)
{
	Rig rig;
	Out out(rig, 9);
	uint32_t word[2] = {};
	Event alone[3];

	for (uint32_t i = 0; i < 3; i++) {
		EXPECT_EQ(after(rig, &out.frags[i], 1,
				devrx_fence_u32(&word[0], i + 1)),
			  0);
		EXPECT_EQ(after(rig, &out.frags[3 + i], 1,
				devrx_fence_u32(&word[1], i + 1)),
			  0);
		EXPECT_EQ(after(rig, &out.frags[6 + i], 1, alone[i].fence()),
			  0);
	}
	word[1] = 2;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 7);
	alone[1].answer = 0; /* the middle lane of them */
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 6);
	EXPECT_EQ(alone[0].asked, 2);
	EXPECT_EQ(alone[2].asked, 2);
	word[1] = 3;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 5);
	alone[0].answer = alone[2].answer = 0;
	word[0] = 3;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	rig.expect_all_returned();
}

TEST(Fence, AWaitingFragmentIsReleasedAlready)
{
	Rig rig;
	Out out(rig, 3);
	uint64_t word = 0;
	const devrx_fence fence = devrx_fence_u64(&word, 1);

	EXPECT_EQ(after(rig, out.frags, fence), 0);
	EXPECT_EQ(rig.release(out.frags[1]), -ESTALE);
	EXPECT_EQ(after(rig, out.frags, fence), -ESTALE);
	EXPECT_EQ(rig.stats().bad_releases, 4u);
	EXPECT_EQ(rig.stats().fragments_fenced, 3u);
	word = 1;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(rig.release(out.frags[1]), -ESTALE);
	EXPECT_EQ(rig.stats().released, 3u);
	rig.expect_all_returned();
}

TEST(Fence, GoodOnesAmongBadOnesWait)
{
	Rig rig;
	Out out(rig, 4);
	uint64_t word = 0;
	devrx_fragment nothing = {}, forged = {};

	forged.token = 99;
	EXPECT_EQ(after(rig,
			{ forged, out.frags[0], nothing, out.frags[0],
			  out.frags[1], forged },
			devrx_fence_u64(&word, 1)),
		  -ESTALE);
	EXPECT_EQ(rig.stats().bad_releases, 3u);
	EXPECT_EQ(rig.stats().fragments_fenced, 2u);
	EXPECT_EQ(after(rig, { nothing, nothing }, devrx_fence_u64(&word, 1)),
		  0);
	EXPECT_EQ(after(rig, { forged }, devrx_fence_u64(&word, 1)), -ESTALE);
	EXPECT_EQ(after(rig, nullptr, 0, devrx_fence_u64(&word, 1)), 0);
	word = 1;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(rig.stats().released, 2u);
	EXPECT_EQ(rig.release({ out.frags[2], out.frags[3] }), 0);
	rig.expect_all_returned();
}

struct BadFence {
	const char *name;
	void (*change)(devrx_fence &fence);
};

const BadFence bad_fences[] = {
	{ "KindZero", [](devrx_fence &f) { f.kind = 0; } },
	{ "KindUnknown", [](devrx_fence &f) { f.kind = 4; } },
	{ "Reserved", [](devrx_fence &f) { f.reserved = 1; } },
	{ "NoWord32", [](devrx_fence &f) { f = devrx_fence_u32(nullptr, 1); } },
	{ "NoWord64", [](devrx_fence &f) { f = devrx_fence_u64(nullptr, 1); } },
	{ "Unaligned32",
	  [](devrx_fence &f) {
		  f.kind = DEVRX_FENCE_U32;
		  f.timeline = static_cast<const char *>(f.timeline) + 2;
	  } },
	{ "Unaligned64",
	  [](devrx_fence &f) {
		  f.timeline = static_cast<const char *>(f.timeline) + 4;
	  } },
	{ "NoFunction",
	  [](devrx_fence &f) {
		  f = devrx_fence_poll(nullptr, nullptr, nullptr);
	  } },
};

class FenceInvalid : public testing::TestWithParam<BadFence>
{
};

TEST_P(FenceInvalid, ChangesNothing)
{
	Rig rig;
	Out out(rig, 2);
	uint64_t word[2] = {};
	devrx_fence fence = devrx_fence_u64(word, 1);

	GetParam().change(fence);
	EXPECT_EQ(after(rig, out.frags, fence), -EINVAL);
	EXPECT_EQ(rig.stats().fragments_fenced, 0u);
	EXPECT_EQ(rig.stats().fragments_out, 2u);
	EXPECT_EQ(rig.release(out.frags), 0);
	rig.expect_all_returned();
}

INSTANTIATE_TEST_SUITE_P(All, FenceInvalid, testing::ValuesIn(bad_fences),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(Fence, NoneIsInvalid)
{
	Rig rig;
	Out out(rig, 1);

	EXPECT_EQ(devrx_receiver_release_after(rig.rx, out.frags.data(), 1,
					       nullptr),
		  -EINVAL);
	EXPECT_EQ(rig.release(out.frags), 0);
}

TEST(Fence, InAChildIsForked)
{
	Rig rig;
	Out out(rig, 1);
	uint64_t word = 1;
	const devrx_fence fence = devrx_fence_u64(&word, 1);
	int status = 0;
	const pid_t pid = fork();

	if (!pid) {
		int rc = after(rig, out.frags, fence) == -EPERM ? 0 : 1;

		rc |= rig.why() == "forked" ? 0 : 2;
		rc |= devrx_receiver_poll_fences(rig.rx) == -EPERM ? 0 : 4;
		_exit(rc);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(WEXITSTATUS(status), 0);
	EXPECT_EQ(rig.release(out.frags), 0);
}

/* -- close ------------------------------------------------------------------- */

TEST(FenceClose, IsBusyUntilTheDeviceIsDone)
{
	Rig rig;
	Out out(rig, 5);
	uint64_t word = 0;

	EXPECT_EQ(after(rig, out.frags, devrx_fence_u64(&word, 1)), 0);
	EXPECT_EQ(rig.close(), -EBUSY);
	EXPECT_EQ(rig.why(), "fragments-out");
	devrx_cause cause = {};
	EXPECT_EQ(devrx_receiver_cause(rig.rx, &cause), 0);
	EXPECT_STREQ(cause.text,
		     "5 fragments are out, 5 of them behind a fence, "
		     "0 on their way to a file");
	word = 1;
	EXPECT_EQ(rig.close(), 0) << "it asks once more by itself";
}

TEST(FenceClose, AbandonAsksNobody)
{
	Rig rig;
	Out out(rig, 5);
	Event event;

	EXPECT_EQ(after(rig, out.frags, event.fence()), 0);
	EXPECT_EQ(rig.close(DEVRX_CLOSE_F_ABANDON), 0);
	EXPECT_EQ(event.asked, 0);
}

TEST(FenceClose, LostFragmentsAreNotOut)
{
	Rig rig;
	Out out(rig, 5);
	Event event;

	event.answer = -EIO;
	EXPECT_EQ(after(rig, out.frags, event.fence()), 0);
	EXPECT_EQ(rig.close(), 0);
}

} // namespace
