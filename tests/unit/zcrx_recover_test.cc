// SPDX-License-Identifier: MIT
/* provider/zcrx/recover.c: payload in kernel memory comes in its turn. */
#include <cerrno>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "fake_rig.h"

namespace
{

/* Chunks with which one spare is kept from the beginning, and some. */
constexpr uint64_t LARGE = 1024 * 4096;

class Recover : public testing::TestWithParam<bool>
{
      protected:
	void open(Rig &rig)
	{
		rig.opts.flags = GetParam() ? DEVRX_RECEIVER_F_CQE_MIXED : 0;
		rig.must_open();
	}
};

INSTANTIATE_TEST_SUITE_P(Layouts, Recover, testing::Bool(), [](const auto &i) {
	return std::string(i.param ? "Mixed" : "Wide");
});

/* The flow rule comes late: nothing was ours before. */
TEST_P(Recover, TheFirstBytes)
{
	CopyRig rig;

	open(rig);
	const int fd = rig.added();
	rig.fake.send_copied(fd, 1 << 20);
	rig.fake.send(fd, 1 << 20);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 2u << 20);
	EXPECT_TRUE(rig.streams[fd].eof);
	/* Stolen is no more than what it takes. */
	EXPECT_GE(rig.streams[fd].copied, 1u << 20);
	EXPECT_LE(rig.streams[fd].copied, (1u << 20) + DRX_STEAL_LEN);
	EXPECT_LE(rig.fake.thieves, 5u);
	EXPECT_EQ(rig.stats().bytes, 2u << 20);
	EXPECT_EQ(rig.stats().bytes_copied, rig.streams[fd].copied);
	EXPECT_EQ(rig.stats().bytes_drained, 1u << 20);
	EXPECT_GE(rig.stats().drains, 1u);
	EXPECT_EQ(rig.stats().unrecovered, 0u);
	EXPECT_FALSE(rig.rx->recover.on);
	rig.expect_all_returned();
}

/* Every few bytes another way, on several connections, a small queue. */
TEST_P(Recover, BackAndForth)
{
	CopyRig rig(true, 256 * 4096, 3);
	std::vector<int> fds;

	rig.fake.shuffle = true;
	rig.fake.piece_max = 1448;
	rig.opts.cq_entries = 8;
	open(rig);
	for (int i = 0; i < 4; i++)
		fds.push_back(rig.added());
	for (uint64_t i = 0; i < 200; i++) {
		const int fd = fds[i % 4];

		rig.fake.send(fd, i * 37 % 3000);
		rig.fake.send_copied(fd, 1 + i * 53 % 5000);
		if (i % 10 == 9) {
			EXPECT_EQ(rig.drain(1 + i % 64), 0);
		}
	}
	for (int fd : fds)
		rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	for (int fd : fds) {
		EXPECT_TRUE(rig.streams[fd].eof);
		EXPECT_EQ(rig.fake.left(fd), 0u);
		EXPECT_GT(rig.streams[fd].copied, 0u);
		EXPECT_LT(rig.streams[fd].copied, rig.streams[fd].got);
	}
	rig.expect_all_returned();
}

/* Bytes at the head of each packet stayed with its headers. */
TEST_P(Recover, LinearHeads)
{
	CopyRig rig;

	rig.fake.piece_max = 1348;
	open(rig);
	const int fd = rig.added();
	for (int i = 0; i < 300; i++) {
		rig.fake.send_copied(fd, 100);
		rig.fake.send(fd, 1348);
	}
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 300u * 1448);
	EXPECT_TRUE(rig.streams[fd].eof);
	rig.expect_all_returned();
}

/* The reserve: a stream's last bytes, behind which nothing comes. */
TEST_P(Recover, TheLastBytes)
{
	CopyRig rig(true, LARGE);

	open(rig);
	ASSERT_EQ(rig.rx->recover.reserve, 8u);
	const int fd = rig.added();
	rig.fake.send(fd, 100000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.rx->recover.nr_spares, 8u);
	EXPECT_FALSE(rig.rx->recover.on) << "the hot path is slow";
	rig.fake.send_copied(fd, 500000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 600000u);
	EXPECT_TRUE(rig.streams[fd].eof);
	EXPECT_EQ(rig.fake.thieves, 0u);
	EXPECT_EQ(rig.rx->recover.nr_spares, 8u);
	EXPECT_FALSE(rig.rx->recover.on);
	rig.expect_all_returned();
}

/* -- limits ------------------------------------------------------------------ */

TEST(RecoverEnd, NeverSteeredAndQuiet)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 1;
	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 200);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1) << "it would sleep for ever";
	EXPECT_EQ(rig.streams[fd].error, -EBADMSG);
	EXPECT_EQ(rig.why(), "payload-not-in-area");
	EXPECT_EQ(rig.stats().unrecovered, 1u);
	/* The receive that it had is cancelled: nothing is stolen any more. */
	rig.fake.send(fd, 5000);
	rig.fake.send(other, 5000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[other].got, 5000u);
	EXPECT_EQ(rig.fake.armed(fd), 0u);
	EXPECT_EQ(rig.stats().connections, 1u);
}

/* A caller who was busy for longer than that finds what came meanwhile. */
TEST(RecoverEnd, NotWhileTheKernelHasSomething)
{
	CopyRig rig;
	struct timespec nap = { 0, 2000000 };

	rig.opts.recovery_timeout_ms = 1;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 200);
	rig.fake.enter_errors = { 0, -EINTR };
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.send(fd, 5000);
	rig.fake.end(fd);
	(void)nanosleep(&nap, nullptr); /* longer than the limit */
	EXPECT_EQ(rig.wait(nullptr, 8, 0), -EINTR) << "it was not asked";
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 5200u);
	EXPECT_TRUE(rig.streams[fd].eof);
	EXPECT_EQ(rig.stats().unrecovered, 0u);
}

TEST(RecoverEnd, NotBeforeItsTime)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 200);
	EXPECT_EQ(rig.wait(nullptr, 8, 1000000), 0);
	EXPECT_LE(rig.fake.limit_ns, 1000000);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	/* A wait for ever has the limit as well, so that it can be told. */
	rig.fake.enter_errors = { 0, -EINTR };
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -EINTR);
	EXPECT_TRUE(rig.fake.limited);
	EXPECT_GT(rig.fake.limit_ns, INT64_C(3000) * 1000000000);
	rig.fake.send(fd, 200);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 400u);
}

TEST(RecoverEnd, NeverSteeredAndMuch)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 5 << 20);
	rig.fake.send(other, 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].error, -EBADMSG);
	EXPECT_EQ(rig.why(), "payload-not-in-area");
	EXPECT_EQ(rig.fake.drained, 4u << 20);
	EXPECT_FALSE(rig.streams[other].ended);
	rig.fake.send(other, 5000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[other].got, 5000u);
	rig.expect_all_returned();
}

/* What others give back is a place as good as any. */
TEST(RecoverEnd, NeverSteeredBesideOneThatIs)
{
	CopyRig rig;

	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 3 << 20);
	rig.fake.end(fd);
	rig.fake.send(other, 3 << 20);
	rig.fake.end(other);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 3u << 20);
	EXPECT_EQ(rig.streams[fd].copied, 3u << 20);
	EXPECT_TRUE(rig.streams[fd].eof);
	EXPECT_EQ(rig.streams[other].got, 3u << 20);
	EXPECT_EQ(rig.streams[other].copied, 0u);
	rig.expect_all_returned();
}

/* -- ends behind a backlog ----------------------------------------------------- */

/* A limit that is reached looks like the end of the stream. */
TEST(RecoverEnd, ALimitIsNoEnd)
{
	for (int extra : { -1, 0, 1 }) {
		CopyRig rig;

		rig.must_open();
		const int fd = rig.added();
		rig.fake.send_copied(fd, 5000);
		rig.fake.send(fd, DRX_STEAL_LEN + static_cast<uint64_t>(extra));
		EXPECT_EQ(rig.drain(), 0) << extra;
		EXPECT_FALSE(rig.streams[fd].ended) << extra;
		rig.fake.end(fd);
		EXPECT_EQ(rig.drain(), -ENOTCONN) << extra;
		EXPECT_EQ(rig.streams[fd].got,
			  5000u + DRX_STEAL_LEN + static_cast<uint64_t>(extra));
		EXPECT_TRUE(rig.streams[fd].eof) << extra;
		rig.expect_all_returned();
	}
}

TEST(RecoverEnd, AnErrorComesBehindTheBytes)
{
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags;

	rig.must_open();
	rig.rx->recover.reserve = 1;
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.send_copied(fd, 3000);
	rig.fake.end(fd, -ECONNRESET);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0) << "it was faster";
	/* Something else fails in between. */
	EXPECT_EQ(devrx_receiver_close(rig.rx, 0), -EBUSY);
	EXPECT_EQ(rig.why(), "fragments-out");
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 4000u);
	EXPECT_EQ(rig.streams[fd].error, -ECONNRESET);
	EXPECT_EQ(rig.why(), "os-error");
}

TEST(RecoverEnd, TheEndIsDrained)
{
	CopyRig rig;

	rig.must_open();
	const int fd = rig.added(), reset = rig.added();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	/* The receive tells of payload, and then there is only an end. */
	for (int each : { fd, reset })
		rig.fake.inject(each, -ENOMEM);
	rig.fake.end(fd);
	rig.fake.end(reset, -ECONNRESET);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_TRUE(rig.streams[fd].eof);
	EXPECT_EQ(rig.streams[reset].error, -ECONNRESET);
}

/* -- remove, close -------------------------------------------------------------- */

TEST(RecoverRemove, WhatWasDrainedIsStillDelivered)
{
	CopyRig rig(true, LARGE);
	std::vector<devrx_fragment> frags;

	rig.must_open();
	rig.rx->recover.reserve = 1;
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.send_copied(fd, 5000);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	rig.fake.send_copied(fd, 7000);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0) << "a second time";
	EXPECT_EQ(rig.add(fd), -EEXIST);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 6000u);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
	/* The rest is still in the socket. */
	EXPECT_EQ(rig.add(fd), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 7000u);
}

TEST(RecoverRemove, WhileItSteals)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 3600000;
	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 5000);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	ASSERT_NE(rig.fake.armed(fd) & DRX_UD_STEAL, 0u);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(rig.fake.armed(fd) & DRX_UD_STEAL, DRX_UD_STEAL);
	/* A place comes in time. */
	rig.fake.send(other, 4096);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 1);
	EXPECT_EQ(rig.fake.armed(fd), 0u);
	EXPECT_EQ(rig.fake.cancels, 1u);
	EXPECT_EQ(rig.streams[other].got, 4096u);
}

TEST(RecoverRemove, WithoutAPlaceItsBytesAreLostAndThatIsTold)
{
	CopyRig rig;

	rig.opts.recovery_timeout_ms = 1;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 5000);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), 1);
	EXPECT_EQ(rig.streams[fd].error, -EBADMSG);
	EXPECT_EQ(rig.why(), "payload-not-in-area");
	EXPECT_EQ(rig.wait(nullptr, 8, 0), -ENOTCONN);
}

TEST(RecoverClose, WithABacklog)
{
	CopyRig rig;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send_copied(fd, 100000);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	ASSERT_NE(rig.rx->recover.first, nullptr);
	EXPECT_EQ(rig.close(), 0);
}

/* -- what fails ------------------------------------------------------------------ */

TEST(RecoverFails, AWriteEndsItsConnectionAlone)
{
	CopyRig rig;

	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 100000);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.send(other, 50000);
	fake_write_errors = { 0, 0, -EIO };
	EXPECT_EQ(rig.drain(4), 0);
	EXPECT_EQ(rig.streams[fd].error, -EIO);
	EXPECT_EQ(rig.streams[fd].got, 2u * 4096);
	EXPECT_EQ(rig.why(), "upload-failed");
	EXPECT_EQ(rig.streams[other].got, 50000u);
	EXPECT_FALSE(rig.streams[other].ended);
	EXPECT_EQ(rig.fake.armed(fd), 0u);
	rig.expect_all_returned();
}

/* Not armed yet, but due to be. */
TEST(RecoverFails, AWriteBetweenTwoReceives)
{
	CopyRig rig(true, LARGE);

	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send(fd, 1000);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.send_copied(fd, 1000);
	fake_write_errors = { -ENODEV };
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 1);
	EXPECT_EQ(rig.streams[fd].error, -ENODEV);
	rig.fake.send(fd, 1000);
	rig.fake.send(other, 1000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.fake.armed(fd), 0u);
	EXPECT_EQ(rig.streams[other].got, 1000u);
	EXPECT_EQ(rig.add(fd), 0);
	rig.streams[fd].base += 1000; /* lost, as was told */
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 1000u);
	rig.expect_all_returned();
}

TEST(RecoverFails, AReadLosesNothingBefore)
{
	CopyRig rig(true, LARGE);

	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send_copied(fd, 5000);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.send(fd, 5000);
	fake_read_errors = { 12 }; /* no errno: it counts as -EIO */
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_EQ(rig.why(), "upload-failed");
	/* Its receive is cancelled; places come from another connection. */
	rig.fake.send(other, 10000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 5000u);
	EXPECT_EQ(rig.streams[fd].error, -EIO);
	EXPECT_EQ(rig.streams[other].got, 10000u);
	rig.expect_all_returned();
}

/* The kernel gives it to nobody: twice at one place is enough. */
TEST(RecoverFails, AnInexactSplit)
{
	CopyRig rig(true, LARGE);

	rig.must_open();
	const int fd = rig.added(), other = rig.added();
	rig.fake.send(fd, 10000);
	rig.fake.send_copied(fd, 300);
	rig.fake.send_stuck(fd);
	rig.fake.send(fd, 1000);
	rig.fake.send(other, 5000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 10300u);
	EXPECT_EQ(rig.streams[fd].error, -EBADMSG);
	EXPECT_EQ(rig.why(), "header-split-inexact");
	EXPECT_EQ(rig.stats().unrecovered, 1u);
	EXPECT_EQ(rig.stats().drains, 3u);
	EXPECT_EQ(rig.streams[other].got, 5000u);
	EXPECT_FALSE(rig.streams[other].ended);
	rig.expect_all_returned();
}

TEST(RecoverFails, NowAndThenIsNotInexact)
{
	CopyRig rig;

	rig.must_open();
	const int fd = rig.added();
	for (int i = 0; i < 20; i++) {
		rig.fake.inject(fd, -ENOMEM);
		rig.fake.send(fd, 100);
		EXPECT_EQ(rig.drain(), 0) << i;
	}
	EXPECT_EQ(rig.streams[fd].got, 2000u);
	EXPECT_FALSE(rig.streams[fd].ended);
}

/* Linux 6.17 and older. */
TEST(RecoverOld, AnotherErrno)
{
	CopyRig rig;

	rig.features.flags &= ~DEVRX_FEATURE_FLUSH;
	rig.fake.uncopyable = -EFAULT;
	rig.fake.drain_end = -EFAULT;
	rig.fake.drain_max = 1000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 5000);
	rig.fake.send_copied(fd, 20000);
	rig.fake.send(fd, 5000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 30000u);
	EXPECT_TRUE(rig.streams[fd].eof);
	rig.expect_all_returned();
}

/* A host area is the kernel's to copy into. */
TEST(RecoverOld, NotWithAHostArea)
{
	CopyRig rig(false, LARGE);

	rig.must_open();
	EXPECT_FALSE(rig.rx->recover.on);
	const int fd = rig.added();
	rig.fake.send_copied(fd, 20000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 20000u);
	EXPECT_EQ(rig.fake.drains, 0u);
	EXPECT_EQ(rig.stats().bytes_copied, 20000u);
	EXPECT_EQ(rig.stats().bytes_drained, 0u);
}

/* -- the system call ------------------------------------------------------------- */

TEST(RecoverCall, WhatASocketHas)
{
	char buf[16] = {};
	int fds[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	EXPECT_EQ(drx_uring_kernel.drain(fds[0], buf, sizeof(buf)), -EAGAIN);
	ASSERT_EQ(write(fds[1], "0123456789", 10), 10);
	EXPECT_EQ(drx_uring_kernel.drain(fds[0], buf, 4), 4);
	EXPECT_EQ(drx_uring_kernel.drain(fds[0], buf + 4, 12), 6);
	EXPECT_EQ(std::string(buf), "0123456789");
	(void)close(fds[1]);
	EXPECT_EQ(drx_uring_kernel.drain(fds[0], buf, sizeof(buf)), 0);
	(void)close(fds[0]);
	EXPECT_EQ(drx_uring_kernel.drain(-1, buf, sizeof(buf)), -EBADF);
}

} // namespace
