// SPDX-License-Identifier: MIT
/* Tier recv: giving back, closing, fork, and what nobody should do. */
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <random>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <devrx/fence.h>

#include "recv_support.h"

using namespace recv_test;

namespace
{

using Make = struct devrx_memory *(*)(uint64_t len);

class Life : public ::testing::TestWithParam<std::pair<const char *, Make>>
{
      protected:
	static struct devrx_memory *memory(uint64_t len)
	{
		return GetParam().second(len);
	}
};

INSTANTIATE_TEST_SUITE_P(
	, Life,
	::testing::Values(std::make_pair("Direct", host_memory),
			  std::make_pair("Bounce", Make([](uint64_t len) {
						 return remote_memory(len);
					 })),
			  std::make_pair("Background", background_memory)),
	[](const auto &p) { return std::string(p.param.first); });

TEST_P(Life, ReleaseInAnyOrder)
{
	Rig rig(memory(16 * 4096));
	std::mt19937 rng(1);
	Fragments held;

	RECV_OPEN(rig);
	rig.connect();
	rig.send(0, 4 << 20);
	rig.finish(0);
	while (!rig.conns[0].ended && !HasFailure()) {
		const int got = rig.wait(&held);

		ASSERT_TRUE(got > 0 || got == -ENOBUFS) << got;
		held.erase(
			std::remove_if(held.begin(), held.end(),
				       [](const auto &f) { return !f.token; }),
			held.end());
		std::shuffle(held.begin(), held.end(), rng);
		const size_t nr = held.empty() ? 0 : rng() % held.size() + 1;
		EXPECT_EQ(rig.release(
				  Fragments(held.end() - static_cast<long>(nr),
					    held.end())),
			  0);
		held.resize(held.size() - nr);
	}
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_EQ(rig.conns[0].got, 4u << 20);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
	EXPECT_EQ(rig.close(), 0);
}

TEST_P(Life, DoubleReleaseIsStale)
{
	Rig rig(memory(16 * 4096));
	Fragments frags;

	RECV_OPEN(rig);
	rig.connect();
	rig.send(0, 16 * 4096);
	rig.get(&frags, 4);
	EXPECT_EQ(rig.release({ frags[0], frags[0] }), -ESTALE);
	EXPECT_EQ(rig.release({ frags[0], frags[1] }), -ESTALE);
	EXPECT_EQ(rig.stats().released, 2u);
	EXPECT_EQ(rig.stats().bad_releases, 2u);
	Fragments foreign = { frags[2] };
	foreign[0].token ^= 1;
	EXPECT_EQ(devrx_receiver_release(rig.rx, foreign.data(), 1), -ESTALE);
	foreign[0].token = 0;
	EXPECT_EQ(devrx_receiver_release(rig.rx, foreign.data(), 1), 0);
	/* No chunk came back twice: drain() looks at each. */
	EXPECT_EQ(rig.release({ frags[2], frags[3] }), 0);
	rig.send(0, 1 << 20);
	rig.drain(10);
}

TEST_P(Life, ReleaseAfterAFence)
{
	Rig rig(memory(4 * 4096));
	uint64_t word = 0;
	Fragments frags;

	RECV_OPEN(rig);
	rig.connect();
	rig.send(0, 1 << 20);
	rig.get(&frags, 4);
	const devrx_fence first = devrx_fence_u64(&word, 1);
	const devrx_fence second = devrx_fence_u64(&word, 2);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, &frags[0], 1, &first),
		  0);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, &frags[1], 3, &second),
		  0);
	EXPECT_EQ(rig.release({ frags[1] }), -ESTALE);
	EXPECT_EQ(rig.wait(nullptr, 64, 0), 0);
	EXPECT_EQ(rig.stats().fragments_fenced, 4u);
	word = 1;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 3);
	EXPECT_EQ(rig.stats().released, 1u);
	/* The word is read while the kernel is waited for. */
	EXPECT_EQ(rig.close(), -EBUSY);
	EXPECT_EQ(rig.why(), "fragments-out");
	rig.release({ frags[0], frags[1], frags[2], frags[3] });
	Fragments more;
	EXPECT_EQ(rig.wait(&more), 1);
	EXPECT_EQ(rig.release(more), 0);
	word = 2;
	rig.drain();
	EXPECT_EQ(rig.conns[0].got, 1u << 20);
	EXPECT_EQ(rig.stats().fragments_fenced, 0u);
	EXPECT_EQ(rig.stats().fragments, rig.stats().released);
}

TEST_P(Life, LostFragmentsAreTold)
{
	Rig rig(memory(4 * 4096));
	Fragments frags, lost(4);

	RECV_OPEN(rig);
	rig.connect();
	rig.send(0, 1 << 20);
	rig.get(&frags, 2);
	const devrx_fence fence =
		devrx_fence_poll([](void *) { return -EIO; }, nullptr, nullptr);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, frags.data(), 2, &fence),
		  0);
	ASSERT_EQ(devrx_receiver_wait(rig.rx, lost.data(), 4, -1), 2);
	for (size_t i = 0; i < 2; i++) {
		EXPECT_EQ(lost[i].flags, DEVRX_FRAGMENT_LOST);
		EXPECT_EQ(lost[i].error, -EIO);
		EXPECT_EQ(lost[i].offset, frags[i].offset);
		EXPECT_EQ(lost[i].length, frags[i].length);
		EXPECT_EQ(lost[i].position, frags[i].position);
	}
	/* The chunks are back: of four that then fill, these are two. */
	rig.release(frags);
	rig.drain(3);
	EXPECT_EQ(rig.conns[0].got, 1u << 20);
}

TEST_P(Life, CloseWithFragmentsOut)
{
	Rig rig(memory(16 * 4096));
	unsigned char byte = 0;
	Fragments frags;

	RECV_OPEN(rig);
	rig.connect();
	rig.send(0, 100000);
	rig.get(&frags, 1);
	EXPECT_EQ(rig.close(), -EBUSY);
	EXPECT_EQ(rig.why(), "fragments-out");
	EXPECT_EQ(rig.close(DEVRX_CLOSE_F_ABANDON), 0);
	EXPECT_EQ(devrx_memory_read(rig.mem, frags[0].offset, &byte, 1), 0);
	EXPECT_EQ(byte, *pattern(0, 0, 1));
}

/* Receives that are armed, starved and not yet armed. */
TEST_P(Life, CloseAndOpenAgain)
{
	Rig rig(memory(4096));
	Fragments frags;

	RECV_OPEN(rig);
	for (int i = 0; i < 3; i++) {
		rig.connect();
		rig.send(i, 5000);
	}
	EXPECT_EQ(rig.wait(&frags), 1);
	EXPECT_EQ(rig.wait(), -ENOBUFS);
	rig.connect();
	EXPECT_EQ(rig.close(DEVRX_CLOSE_F_ABANDON), 0);
	ASSERT_EQ(rig.open(), 0);
	rig.release(frags);
	const int conn = rig.connect();
	rig.send(conn, 100);
	EXPECT_EQ(rig.wait(&frags), 1);
}

TEST_P(Life, Fork)
{
	Rig rig(memory(16 * 4096));
	Fragments frags;
	int status;

	RECV_OPEN(rig);
	rig.connect();
	rig.send(0, 100000);
	rig.get(&frags, 3);
	const pid_t child = fork();
	if (!child) {
		struct devrx_fragment frag;
		int bad = 0;

		bad += devrx_receiver_wait(rig.rx, &frag, 1, 0) != -EPERM;
		bad += rig.why() != "forked";
		bad += devrx_receiver_release(rig.rx, frags.data(), 1) !=
		       -EPERM;
		bad += devrx_receiver_add(rig.rx, 0, 0) != -EPERM;
		bad += devrx_receiver_remove(rig.rx, rig.fd(0)) != -EPERM;
		bad += devrx_receiver_poll_fences(rig.rx) != -EPERM;
		bad += rig.stats().fragments_out != 3;
		/* No page of ours is the child's. */
		bad += !msync(rig.rx->recv.ring, 4096, MS_ASYNC);
		bad += !msync(rig.rx->recv.base, 4096, MS_ASYNC);
		bad += devrx_receiver_close(rig.rx, 0) != 0;
		bad += devrx_receiver_open(&rig.rx, rig.mem, nullptr,
					   &rig.opts) != -EPERM;
		_exit(bad);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(rig.release(frags), 0);
	rig.drain(10);
	EXPECT_EQ(rig.conns[0].got, 100000u);
}

/* A receive that is made anew because its socket is hung up, while the kernel is
 * about to end it by itself: one end, whichever comes first. */
TEST_P(Life, HungUp)
{
	Rig rig(memory(16 * 4096));

	RECV_OPEN(rig);
	for (int i = 0; i < 200; i++) {
		const Kind kind = i % 2 ? Kind::Tcp : Kind::Unix;
		const int conn = rig.connect(kind);

		ASSERT_EQ(rig.wait(nullptr, 64, 0), 0);
		rig.send(conn, 100);
		if (i % 3)
			rig.reset(conn);
		else
			rig.finish(conn);
		rig.rx->hangups.next_ns = 0;
		(void)drx_hangups_look(rig.rx);
		rig.drain();
		EXPECT_TRUE(rig.conns[size_t(conn)].ended) << i;
	}
}

TEST(RecvAdd, RefusesOtherSockets)
{
	Rig rig(host_memory(1 << 20));
	struct devrx_fragment frag;
	int fds[2], pipes[2];

	RECV_OPEN(rig);
	for (int type : { SOCK_DGRAM, SOCK_SEQPACKET }) {
		ASSERT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
		EXPECT_EQ(devrx_receiver_add(rig.rx, fds[0], 5), 0);
		ASSERT_EQ(devrx_receiver_wait(rig.rx, &frag, 1, -1), 1);
		EXPECT_EQ(frag.flags, DEVRX_FRAGMENT_ERROR);
		EXPECT_EQ(frag.error, -EPROTONOSUPPORT);
		EXPECT_EQ(frag.user, 5u);
		EXPECT_EQ(rig.why(), "os-error");
		EXPECT_EQ(close(fds[0]) + close(fds[1]), 0);
	}
	ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
	EXPECT_EQ(devrx_receiver_add(rig.rx, pipes[0], 6), 0);
	ASSERT_EQ(devrx_receiver_wait(rig.rx, &frag, 1, -1), 1);
	EXPECT_EQ(frag.error, -ENOTSOCK);
	EXPECT_EQ(close(pipes[0]) + close(pipes[1]), 0);

	const int lonely = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT_EQ(devrx_receiver_add(rig.rx, lonely, 7), 0);
	ASSERT_EQ(devrx_receiver_wait(rig.rx, &frag, 1, -1), 1);
	EXPECT_EQ(frag.error, -ENOTCONN);
	ASSERT_EQ(fcntl(lonely, F_SETFL, O_NONBLOCK), 0);
	EXPECT_EQ(devrx_receiver_add(rig.rx, lonely, 7), -EINVAL);
	EXPECT_EQ(rig.why(), "socket-nonblocking");
	EXPECT_EQ(close(lonely), 0);
	rig.connect();
	EXPECT_EQ(devrx_receiver_add(rig.rx, rig.fd(0), 7), -EEXIST);
	EXPECT_EQ(devrx_receiver_add(rig.rx, -1, 7), -EBADF);
}

} // namespace
