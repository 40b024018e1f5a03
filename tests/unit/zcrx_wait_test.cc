// SPDX-License-Identifier: MIT
/* devrx_receiver_wait(): what it returns, when it sleeps, and for how long. */
#include <cerrno>
#include <cstdint>
#include <vector>

#include "fake_rig.h"

namespace
{

TEST(Wait, RefusesAnEmptyArray)
{
	Rig rig;

	rig.must_open();
	(void)rig.added();
	EXPECT_EQ(devrx_receiver_wait(rig.rx, nullptr, 0, 0), -EINVAL);
	EXPECT_EQ(rig.fake.enters, 0u);
}

TEST(Wait, WithoutAConnectionThereIsNothingToWaitFor)
{
	Rig rig;

	rig.must_open();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), -ENOTCONN);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOTCONN);
	EXPECT_EQ(rig.fake.enters, 0u);
}

/* Who sleeps on the descriptor instead of in a wait is not woken for a receive
 * that is not armed. */
TEST(Wait, ArmsAgainBeforeTheDescriptorIsPolled)
{
	Rig rig;

	rig.must_open();
	ASSERT_GE(devrx_receiver_fd(rig.rx), 0);
	const int fd = rig.added();
	rig.fake.inject(fd, -EINTR);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.receives, 2u);
}

struct Timeout {
	const char *name;
	int64_t timeout_ns;
	bool waits;
	bool limited;
};

class Timeouts : public testing::TestWithParam<Timeout>
{
};

TEST_P(Timeouts, ReachTheKernel)
{
	const Timeout &t = GetParam();
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	/* Who waits without a limit must get something. */
	const bool for_ever = t.waits && !t.limited;
	rig.fake.send(fd, for_ever ? 10 : 0);
	EXPECT_EQ(rig.wait(nullptr, 8, t.timeout_ns), for_ever ? 1 : 0);
	EXPECT_EQ(rig.fake.enters, 1u);
	EXPECT_EQ(rig.fake.waited, t.waits);
	EXPECT_EQ(rig.fake.limited, t.limited);
	if (t.limited) {
		EXPECT_LE(rig.fake.limit_ns, t.timeout_ns);
		EXPECT_GT(rig.fake.limit_ns, t.timeout_ns / 2);
	}
}

INSTANTIATE_TEST_SUITE_P(
	All, Timeouts,
	testing::Values(Timeout{ "Zero", 0, false, false },
			Timeout{ "AMinute", 60000000000, true, true },
			Timeout{ "BeyondTheClock", INT64_MAX, true, false },
			Timeout{ "Infinite", -1, true, false },
			Timeout{ "AnyNegative", INT64_MIN, true, false }),
	[](const auto &i) { return std::string(i.param.name); });

/* The kernel works only when entered, even if there is no time left. */
TEST(Wait, ATinyTimeoutStillGetsData)
{
	Rig rig;
	int got = 0;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100);
	for (int i = 0; i < 5 && !got; i++)
		got = rig.wait(nullptr, 8, 1);
	EXPECT_EQ(got, 1);
	EXPECT_EQ(rig.wait(nullptr, 8, 1), 0);
}

TEST(Wait, NoSystemCallWhileCompletionsAreAtHand)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.fake.piece_max = 100;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(rig.wait(&frags, 1, -1), 1);
		EXPECT_EQ(rig.release(frags), 0);
	}
	EXPECT_EQ(rig.fake.enters, 1u);
	EXPECT_EQ(rig.fake.flushes, 0u);
}

TEST(Wait, ASignalIsTold)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1);
	rig.fake.enter_errors = { -EINTR };
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -EINTR);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
}

TEST(Wait, TimeIsUp)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1);
	rig.fake.enter_errors = { -ETIME };
	EXPECT_EQ(rig.wait(nullptr, 8, 1000000000), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 1000000000), 1);
}

TEST(Wait, ABusyKernelIsTriedAgain)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1);
	rig.fake.enter_errors = { -EBUSY, -EAGAIN, -EBUSY };
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.fake.enters, 4u);
}

TEST(Wait, OtherErrorsAreTheKernels)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1);
	rig.fake.enter_errors = { -EBADFD };
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -EBADFD);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
}

TEST(Wait, AllFragmentsOut)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.fake.piece_max = 100;
	rig.opts.max_fragments = 4;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	rig.fake.end(fd);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 4);
	const unsigned int enters = rig.fake.enters;
	EXPECT_EQ(rig.wait(nullptr, 64, -1), -ENOBUFS);
	EXPECT_EQ(rig.wait(nullptr, 64, 0), -ENOBUFS);
	EXPECT_EQ(rig.fake.enters, enters) << "that would sleep for ever";
	EXPECT_EQ(rig.release(frags[2]), 0);
	std::vector<devrx_fragment> one;
	EXPECT_EQ(rig.wait(&one, 64, -1), 1);
	EXPECT_EQ(rig.release(one), 0);
	EXPECT_EQ(rig.release(frags[0]), 0);
	EXPECT_EQ(rig.release(frags[1]), 0);
	EXPECT_EQ(rig.release(frags[3]), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 1000u);
	rig.expect_all_returned();
}

/* More ends than the array has room: the rest come later, each once. */
TEST(Wait, EndsInSmallPortions)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.must_open();
	for (int i = 0; i < 10; i++)
		rig.fake.end(rig.added());
	EXPECT_EQ(rig.wait(&frags, 3, -1), 3);
	EXPECT_EQ(rig.wait(&frags, 3, -1), 3);
	EXPECT_EQ(rig.wait(&frags, 3, -1), 3);
	EXPECT_EQ(rig.wait(&frags, 3, -1), 1);
	EXPECT_EQ(rig.wait(&frags, 3, -1), -ENOTCONN);
	EXPECT_EQ(rig.lasts.size(), 10u);
}

TEST(Wait, AQuietConnectionComesBackEmptyHanded)
{
	Rig rig;

	rig.must_open();
	(void)rig.added();
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.receives, 1u) << "armed once";
}

/* -- what the kernel should never say --------------------------------------- */

class Layouts : public testing::TestWithParam<bool>
{
      protected:
	Layouts()
	{
		if (GetParam()) {
			rig.opts.flags = DEVRX_RECEIVER_F_CQE_MIXED;
			wide = DRX_IORING_CQE_F_32;
		}
		rig.must_open();
		good = rig.added();
		bad = rig.added();
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	}
	void others_go_on()
	{
		rig.fake.send(good, 70000);
		rig.fake.end(good);
		EXPECT_EQ(rig.drain(), -ENOTCONN);
		EXPECT_EQ(rig.streams[good].got, 70000u);
		EXPECT_TRUE(rig.streams[good].eof);
		rig.expect_all_returned();
	}
	Rig rig;
	uint32_t wide = 0;
	int good, bad;
};

TEST_P(Layouts, DataOutsideTheMemoryEndsItsConnection)
{
	const uint64_t area = 64 * 4096;

	rig.fake.forge(rig.fake.armed(bad), 2, IORING_CQE_F_MORE | wide,
		       area - 1);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.streams[bad].error, -EPROTO);
	EXPECT_EQ(rig.why(), "bad-completion");
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0) << "its cancellation";
	EXPECT_EQ(rig.fake.cancels, 1u);
	EXPECT_EQ(rig.fake.armed(bad), 0u);
	others_go_on();
}

TEST_P(Layouts, DataFarOutsideTheMemory)
{
	rig.fake.forge(rig.fake.armed(bad), 1, IORING_CQE_F_MORE | wide,
		       UINT64_MAX);
	rig.fake.forge(rig.fake.armed(bad), INT32_MAX, IORING_CQE_F_MORE | wide,
		       0);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.streams[bad].error, -EPROTO);
	others_go_on();
}

TEST_P(Layouts, TheLastByteIsInside)
{
	const uint64_t area = 64 * 4096;
	devrx_fragment frag;

	rig.fake.forge(rig.fake.armed(bad), 1, IORING_CQE_F_MORE | wide,
		       area - 1);
	ASSERT_EQ(devrx_receiver_wait(rig.rx, &frag, 1, 0), 1);
	EXPECT_EQ(frag.offset, area - 1);
	EXPECT_EQ(frag.length, 1u);
	EXPECT_EQ(frag.user, Rig::user_of(bad));
}

TEST_P(Layouts, AnEndIsToldOnce)
{
	const uint64_t ud = rig.fake.armed(bad);

	rig.fake.forge(ud, -ECONNRESET, 0, 0);
	rig.fake.forge(ud, 0, 0, 0);
	rig.fake.forge(ud, -ENOSPC, 0, 0);
	rig.fake.forge(ud, -ECONNRESET, 0, 0);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.streams[bad].error, -ECONNRESET);
	rig.fake.forge(ud, 0, 0, 0);
	rig.fake.forge(ud, -ENOMEM, 0, 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.stats().connections, 1u);
	others_go_on();
}

TEST_P(Layouts, TwoInterruptionsArmOnce)
{
	const uint64_t ud = rig.fake.armed(bad);

	rig.fake.inject(bad, -ENOSPC);
	rig.fake.send(bad, 10);
	rig.fake.forge(ud, -ENOSPC, 0, 0);
	/* Handled before the true one comes: armed, then armed again. */
	rig.fake.violations.clear();
	(void)rig.drain();
	rig.fake.violations.clear();
	EXPECT_EQ(rig.streams[bad].got, 10u);
	rig.fake.end(bad);
	others_go_on();
}

/* What follows in the queue is data of a stream that has a hole by now. */
TEST_P(Layouts, NothingIsDeliveredAfterABadCompletion)
{
	std::vector<devrx_fragment> frags;

	rig.fake.hold_cancelled = true;
	rig.fake.forge(rig.fake.armed(bad), 2, IORING_CQE_F_MORE | wide,
		       UINT64_C(1) << 40);
	rig.fake.send(bad, 5000);
	rig.fake.work();
	EXPECT_EQ(rig.fake.left(bad), 0u) << "the case means data behind it";
	EXPECT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(rig.streams[bad].got, 0u);
	EXPECT_EQ(rig.streams[bad].error, -EPROTO);
	rig.fake.hold_cancelled = false;
	others_go_on();
}

/* The second half of data that is passed over is no completion. */
TEST_P(Layouts, PassedOverDataIsPassedOverWhole)
{
	rig.fake.end(bad);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	const int next = rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	ASSERT_GT(rig.fake.armed(next), 64u * 4096);
	rig.fake.forge(12345, 1, IORING_CQE_F_MORE | wide,
		       rig.fake.armed(next));
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_FALSE(rig.streams[next].ended);
	rig.fake.end(next);
	others_go_on();
}

TEST_P(Layouts, UnknownUserDataIsPassedOver)
{
	for (uint64_t ud :
	     { UINT64_C(0xffffffff), UINT64_C(12345),
	       UINT64_C(0x7fffffff00000000), UINT64_MAX, UINT64_C(1) << 63 }) {
		rig.fake.forge(ud, -5, 0, 0);
		rig.fake.forge(ud, 0, 0, 0);
		rig.fake.forge(ud, 1, IORING_CQE_F_MORE | wide, UINT64_MAX);
	}
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.stats().connections, 2u);
	rig.fake.end(bad);
	others_go_on();
}

TEST_P(Layouts, DataInALastCompletionIsNoEnd)
{
	rig.fake.forge(rig.fake.armed(bad), 65536, wide, 0);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_FALSE(rig.streams[bad].eof);
	EXPECT_EQ(rig.streams[bad].error, -EPROTO);
	EXPECT_EQ(rig.why(), "bad-completion");
	others_go_on();
}

INSTANTIATE_TEST_SUITE_P(Hostile, Layouts, testing::Bool(), [](const auto &i) {
	return std::string(i.param ? "Mixed" : "Wide");
});

} // namespace
