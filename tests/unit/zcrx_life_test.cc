// SPDX-License-Identifier: MIT
/* A receiver's end: close with fragments out, and fork. */
#include <cerrno>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "fake_rig.h"

namespace
{

TEST(Close, NullIsFine)
{
	EXPECT_EQ(devrx_receiver_close(nullptr, 0), 0);
	EXPECT_EQ(devrx_receiver_close(nullptr, DEVRX_CLOSE_F_ABANDON), 0);
}

TEST(Close, RefusesUnknownFlags)
{
	Rig rig;

	rig.must_open();
	EXPECT_EQ(rig.close(2), -EINVAL);
	EXPECT_EQ(rig.close(DEVRX_CLOSE_F_ABANDON | 0x80000000), -EINVAL);
	EXPECT_EQ(rig.fake.exits, 0u);
	EXPECT_EQ(rig.close(), 0);
	EXPECT_EQ(rig.fake.exits, 1u);
}

TEST(Close, WithFragmentsOutIsBusy)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(rig.close(), -EBUSY);
	EXPECT_EQ(rig.why(), "fragments-out");
	EXPECT_EQ(rig.fake.exits, 0u);
	/* Nothing has changed. */
	rig.fake.send(fd, 5000);
	std::vector<devrx_fragment> more;
	EXPECT_GT(rig.wait(&more, 8, -1), 0);
	EXPECT_EQ(rig.release(more), 0);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.close(), 0);
}

TEST(Close, AbandonLeavesThem)
{
	Rig rig;
	unsigned char byte;
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(rig.close(DEVRX_CLOSE_F_ABANDON), 0);
	EXPECT_EQ(rig.fake.exits, 1u);
	EXPECT_EQ(devrx_memory_read(rig.mem, frags[0].offset, &byte, 1), 0);
	EXPECT_EQ(byte, fake_byte(fd, 0));
}

TEST(Close, WithConnectionsInEveryState)
{
	Rig rig(false, 4 * 4096);

	rig.must_open();
	const int starved = rig.added();
	rig.fake.send_copied(starved, 6 * 4096);
	rig.fake.end(rig.added());
	(void)rig.added();
	EXPECT_GT(rig.wait(nullptr, 4, -1), 0);
	EXPECT_GE(rig.wait(nullptr, 1, 0), 0);
	(void)rig.added(); /* to arm */
	EXPECT_EQ(rig.close(DEVRX_CLOSE_F_ABANDON), 0);
}

TEST(Close, WithParkedSlotsIsNotBusy)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.features.flags &= ~DEVRX_FEATURE_FLUSH;
	rig.fake.idle_nic = true;
	rig.fake.piece_max = 64;
	rig.must_open();
	rig.fake.send(rig.added(), 6400);
	ASSERT_EQ(rig.wait(&frags, 200, -1), 100);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_GT(rig.rx->slots.nr_parked, 0u);
	EXPECT_EQ(rig.close(), 0);
}

TEST(Cause, NoneAtFirst)
{
	Rig rig;
	devrx_cause cause;

	rig.must_open();
	EXPECT_EQ(devrx_receiver_cause(rig.rx, &cause), -ENODATA);
}

TEST(Info, RefusesAShortStruct)
{
	Rig rig;
	struct devrx_receiver_info info = {};
	struct devrx_receiver_stats stats = {};

	rig.must_open();
	info.size = sizeof(info) - 1;
	EXPECT_EQ(devrx_receiver_info(rig.rx, &info), -EINVAL);
	stats.size = sizeof(stats) - 1;
	EXPECT_EQ(devrx_receiver_stats(rig.rx, &stats), -EINVAL);
	info.size = 0;
	EXPECT_EQ(devrx_receiver_info(rig.rx, &info), -EINVAL);
	info.size = sizeof(info);
	EXPECT_EQ(devrx_receiver_info(rig.rx, &info), 0);
	EXPECT_EQ(info.size, sizeof(info));
}

/* -- fork -------------------------------------------------------------------- */

/* Each failed expectation of the child is a bit of its exit code. */
int in_child(const std::function<int()> &child)
{
	int status = 0;
	const pid_t pid = fork();

	if (!pid)
		_exit(child());
	EXPECT_GT(pid, 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status)) << status;
	return WEXITSTATUS(status);
}

TEST(Fork, EveryCallInTheChildIsRefused)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added(), other = rig.socket();
	rig.fake.send(fd, 100);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(
		in_child([&] {
			devrx_fragment none[4];
			int bad = 0;

			bad |= devrx_receiver_wait(rig.rx, none, 4, 0) !=
			       -EPERM;
			bad |= (devrx_receiver_wait(rig.rx, none, 0, -1) !=
				-EPERM)
			       << 1;
			bad |= (devrx_receiver_release(rig.rx, frags.data(),
						       1) != -EPERM)
			       << 2;
			bad |= (devrx_receiver_add(rig.rx, other, 0) != -EPERM)
			       << 3;
			bad |= (devrx_receiver_remove(rig.rx, fd) != -EPERM)
			       << 4;
			bad |= (rig.why() != "forked") << 5;
			bad |= (rig.stats().fragments_out != 1) << 6;
			return bad;
		}),
		0);
	EXPECT_EQ(rig.why(), "");
	EXPECT_EQ(rig.release(frags), 0);
	rig.expect_all_returned();
}

TEST(Fork, CloseInTheChildLeavesTheParents)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(in_child([&] {
			  const int ring_fd = rig.rx->ring.ring_fd;
			  int bad = 0;

			  bad |= fcntl(ring_fd, F_GETFD) < 0;
			  bad |= (devrx_receiver_close(rig.rx, 0) != 0) << 1;
			  bad |= (fcntl(ring_fd, F_GETFD) >= 0) << 2;
			  bad |= (rig.fake.exits != 0) << 3;
			  return bad;
		  }),
		  0);
	rig.fake.send(fd, 50000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 50100u);
	EXPECT_EQ(rig.release(frags), 0);
	rig.expect_all_returned();
	EXPECT_EQ(rig.close(), 0);
}

TEST(Fork, TheRefillRingIsNotInTheChild)
{
	Rig rig;

	rig.must_open();
	auto *region = reinterpret_cast<const volatile char *>(
		rig.fake.region.user_addr);
	EXPECT_EQ(in_child([&] {
			  /* A pipe's write() asks the kernel whether the page is there. */
			  int ends[2];

			  if (pipe(ends))
				  return 1;
			  return write(ends[1],
				       const_cast<const char *>(region),
				       1) < 0 ?
					 0 :
					 2;
		  }),
		  0);
}

} // namespace
