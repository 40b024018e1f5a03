// SPDX-License-Identifier: MIT
/* provider/zcrx/recover.c, spares.c: how much waits, for how long, and what is told. */
#include <cerrno>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_rig.h"

namespace
{

/* Chunks with which some spares are kept from the beginning. */
constexpr uint64_t LARGE = 1024 * 4096;

/* The limit has passed, and then more came around the queue: there is life in it. */
TEST(RecoverLimit, BytesThatComeBeginItAnew)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 200);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	ASSERT_NE(rig.rx->recover.first, nullptr);
	rig.rx->recover.first->since -= INT64_C(7200) * 1000000000;
	rig.fake.send_copied(fd, 200);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_FALSE(rig.streams[fd].ended);
	rig.fake.send(fd, 200);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 600u);
}

/* As many as are late end with one call. */
TEST(RecoverLimit, EndsAllThatAreLate)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 1;
	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 200);
	rig.fake.send_copied(other, 200);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	(void)usleep(2000); /* longer than the limit */
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 2);
	EXPECT_EQ(rig.streams[fd].error, -EBADMSG);
	EXPECT_EQ(rig.streams[other].error, -EBADMSG);
	EXPECT_EQ(rig.stats().unrecovered, 2u);
}

/* While a place is in the caller's hands there is no limit to wake up for: a wait
 * beyond it enters the kernel once. */
TEST(RecoverLimit, WakesNobodyForAPlaceThatIsOut)
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
	(void)usleep(2000); /* longer than the limit */
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	const uint64_t enters = rig.stats().enters;

	EXPECT_EQ(rig.wait(nullptr, 8, 50000000), 0);
	EXPECT_EQ(rig.stats().enters, enters + 1);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 2500u);
}

/* A fast peer does not keep the caller from its turn. */
TEST(RecoverLimit, OneWaitFetchesAPart)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 3 << 20);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.drained, 256u << 10);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.fake.drained, 512u << 10);
}

TEST(RecoverLimit, TooMuchIsCounted)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 5 << 20);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].error, -EBADMSG);
	EXPECT_EQ(rig.stats().unrecovered, 1u);
	EXPECT_EQ(rig.stats().fragments, 0u);
}

TEST(RecoverLimit, CopiesAreFragmentsLikeOthers)
{
	CopyRig rig(true, LARGE);

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 4000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.stats().fragments, 1u);
	rig.fake.send_copied(fd, 12000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.stats().fragments, 4u);
	EXPECT_EQ(rig.stats().released, 4u);
}

/* A large memory gives no more than a few chunks. */
TEST(RecoverLimit, TheReserveIsSmall)
{
	CopyRig rig(true, 4096 * 4096);

	rig.must_open();
	EXPECT_EQ(rig.rx->recover.reserve, 16u);
}

/* Pieces are stolen by reading them. */
TEST(RecoverLimit, AMemoryThatCannotBeReadIsLeftAlone)
{
	struct devrx_provider unreadable = writable_provider;

	unreadable.read = nullptr;
	Rig rig(true, LARGE, 1, &unreadable);

	rig.must_open();
	EXPECT_FALSE(rig.rx->recover.on);
	EXPECT_EQ(rig.rx->recover.provider, nullptr);
}

/* The error that a removal is behind its bytes is not one that needs a cause. */
TEST(RecoverLimit, ARemovalKeepsTheCauseOfWhatFailedSince)
{
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags;
	const int nonblocking = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	rig.must_open();
	rig.rx->recover.reserve = 1;
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.send_copied(fd, 3000);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(devrx_receiver_close(rig.rx, 0), -EBUSY);
	EXPECT_EQ(rig.why(), "fragments-out");
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(devrx_receiver_add(rig.rx, nonblocking, 1), -EINVAL);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
	EXPECT_EQ(rig.why(), "socket-nonblocking");
	(void)close(nonblocking);
}

/* A thief whose backlog has gone meanwhile: what it could not read leaves none. */
TEST(RecoverLimit, AFailureLeavesNoEmptyBacklog)
{
	CopyRig rig;
	std::vector<devrx_fragment> frags;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 5000);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	ASSERT_NE(rig.fake.armed(fd) & DRX_UD_STEAL, 0u);
	rig.fake.send(other, 2 * 4096);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 2);
	EXPECT_EQ(rig.release(frags), 0);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 2);
	ASSERT_EQ(rig.rx->recover.first, nullptr);
	ASSERT_NE(rig.fake.armed(fd) & DRX_UD_STEAL, 0u);
	EXPECT_EQ(rig.release(frags), 0);
	fake_read_errors = { -EIO };
	rig.fake.send(fd, 100);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 1);
	EXPECT_EQ(rig.streams[fd].error, -EIO);
	EXPECT_EQ(rig.streams[fd].got, 5000u);
	EXPECT_EQ(rig.drain(), 0);
	rig.expect_all_returned();
}

} // namespace
