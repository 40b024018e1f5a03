// SPDX-License-Identifier: MIT
/*
 * provider/zcrx/stage.c: what lands in an area of devrx's, and is written into
 * the memory before it is told of.
 */
#include <cerrno>
#include <set>
#include <string>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>
#include <vector>

#include "staged_memory.h"

namespace
{

constexpr uint32_t HOST = DEVRX_TIER_ZCRX_HOST;
constexpr uint32_t COPY = DEVRX_TIER_ZCRX_COPY;
constexpr uint64_t PAGE = 4096;

/* A rig whose memory has @chunks. */
class Staged : public Rig
{
      public:
	explicit Staged(uint32_t tier, uint64_t chunks = 64, uint64_t seed = 1,
			bool has_dmabuf = true)
	    : Rig(written_memory(chunks * PAGE, has_dmabuf), seed)
	{
		opts.tier = tier;
		copied = true;
	}
};

using Case = std::tuple<uint32_t, bool, bool, uint64_t>;

class Streams : public testing::TestWithParam<Case>
{
};

TEST_P(Streams, LoseNothing)
{
	const auto [tier, mixed, dmabuf, seed] = GetParam();
	Staged rig(tier, 16 + seed, seed, dmabuf);
	std::vector<int> fds;

	rig.fake.shuffle = true;
	rig.fake.piece_max = seed % 2 ? 1448 : 3000;
	rig.opts.cq_entries = seed % 3 ? 16 : 256;
	rig.opts.flags = mixed ? DEVRX_RECEIVER_F_CQE_MIXED : 0;
	rig.must_open();
	EXPECT_EQ(rig.info().tier, tier);
	EXPECT_EQ(rig.info().max_fragments, 16 + seed);
	for (int i = 0; i < 20; i++) {
		fds.push_back(rig.added());
		rig.fake.send(fds.back(), 60000 + static_cast<uint64_t>(i));
		rig.fake.end(fds.back(), i % 3 ? 0 : -ECONNRESET);
	}
	EXPECT_EQ(rig.drain(1 + seed % 40), -ENOTCONN);
	for (size_t i = 0; i < fds.size(); i++) {
		EXPECT_EQ(rig.streams[fds[i]].got, 60000 + i);
		EXPECT_EQ(rig.streams[fds[i]].eof, i % 3 != 0);
	}
	EXPECT_EQ(rig.stats().bytes_copied, rig.stats().bytes);
	EXPECT_EQ(rig.stats().released, rig.stats().fragments);
	/* One byte more, at open. */
	EXPECT_EQ(written.writes, rig.stats().fragments + 1);
	rig.expect_all_returned();
	EXPECT_EQ(rig.close(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, Streams,
			 testing::Combine(testing::Values(HOST, COPY),
					  testing::Bool(), testing::Bool(),
					  testing::Range(uint64_t{ 1 },
							 uint64_t{ 9 })));

class Tiers : public testing::TestWithParam<uint32_t>
{
};

INSTANTIATE_TEST_SUITE_P(, Tiers, testing::Values(HOST, COPY),
			 [](const auto &i) {
				 return i.param == HOST ? "Host" : "Copy";
			 });

/* With no chunk of the memory free, what came waits; no two fragments that are
 * out share one; what is released is used again, and nothing else. */
TEST_P(Tiers, MemoryThatIsFull)
{
	Staged rig(GetParam(), 4);
	std::vector<devrx_fragment> frags, more;
	std::set<uint64_t> places;

	rig.fake.piece_max = 100;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1000);
	rig.fake.end(fd);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 4);
	for (const auto &frag : frags) {
		EXPECT_EQ(frag.offset % PAGE, 0u);
		EXPECT_LT(frag.offset, 4 * PAGE);
		EXPECT_TRUE(places.insert(frag.offset).second);
	}
	EXPECT_EQ(rig.wait(&more, 64, -1), -ENOBUFS);
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(rig.release(frags[0]), 0);
		EXPECT_EQ(rig.release(frags[0]), -ESTALE);
		/* The last one's end comes with it. */
		ASSERT_EQ(rig.wait(&more, 64, -1), i < 5 ? 1 : 2) << i;
		EXPECT_EQ(more[0].offset, frags[0].offset);
		frags.erase(frags.begin());
		frags.push_back(more[0]);
	}
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_TRUE(rig.streams[fd].eof);
	rig.expect_all_returned();
}

/* A chunk goes back to the kernel when its bytes are in the memory, however long
 * the fragment is out. */
TEST_P(Tiers, TheAreasChunksAreNotHeld)
{
	Staged rig(GetParam(), 64);
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 50 * PAGE);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 50);
	rig.fake.nic_refills(UINT32_MAX);
	EXPECT_EQ(rig.fake.refs_out(), 0u);
	EXPECT_EQ(rig.release(frags), 0);
}

/* The provider fails at one piece of the second connection. */
TEST_P(Tiers, WriteFails)
{
	for (int error : { -EIO, -ESTALE, 5, -4096 }) {
		Staged rig(GetParam());
		const int want = error == -ESTALE ? -ESTALE : -EIO;
		std::vector<devrx_fragment> frags;

		rig.fake.piece_max = 1000;
		rig.fake.burst = 1; /* in turn */
		rig.must_open();
		const int good = rig.added(), bad = rig.added();

		rig.fake.send(good, 10000);
		rig.fake.send(bad, 10000);
		rig.fake.end(good);
		/* After the one at open: good, bad, good, bad, ... */
		written.answer = [error](unsigned int n) {
			return n == 6 ? error : 0;
		};
		EXPECT_EQ(rig.drain(), -ENOTCONN);
		EXPECT_EQ(rig.streams[bad].got, 2000u);
		EXPECT_EQ(rig.streams[bad].error, want);
		EXPECT_EQ(rig.streams[good].got, 10000u);
		EXPECT_TRUE(rig.streams[good].eof);
		EXPECT_EQ(rig.why(), "upload-failed");
		EXPECT_EQ(rig.stats().bytes, 12000u);
		EXPECT_EQ(rig.stats().fragments, rig.stats().released);
		rig.expect_all_returned();
		EXPECT_EQ(rig.close(), 0);
	}
}

/* All pieces of one call fail: their connections end, and the call does not
 * come back with nothing. */
TEST_P(Tiers, EachWriteFails)
{
	Staged rig(GetParam());
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int one = rig.added(), two = rig.added();
	rig.fake.send(one, 5 * PAGE);
	rig.fake.send(two, 5 * PAGE);
	written.answer = [](unsigned int) { return -ENODEV; };
	ASSERT_EQ(rig.wait(&frags, 64, -1), 2);
	EXPECT_EQ(rig.streams[one].error, -ENODEV);
	EXPECT_EQ(rig.streams[two].error, -ENODEV);
	EXPECT_EQ(rig.stats().bytes, 0u);
	EXPECT_EQ(rig.wait(&frags, 64, -1), -ENOTCONN);
	rig.expect_all_returned();
}

TEST_P(Tiers, FirstByteFails)
{
	Staged rig(GetParam());

	written.answer = [](unsigned int) { return -ESTALE; };
	EXPECT_EQ(rig.open(), -ESTALE);
	EXPECT_STREQ(rig.cause.id, "upload-failed");
	EXPECT_EQ(rig.fake.ring, nullptr);
	written.answer = [](unsigned int) { return -EOPNOTSUPP; };
	EXPECT_EQ(rig.open(), -EOPNOTSUPP);
	EXPECT_STREQ(rig.cause.id, "tier-unavailable");
	EXPECT_EQ(rig.rx, nullptr);
	EXPECT_EQ(rig.fake.registrations, 0u);
}

TEST_P(Tiers, MemoryThatNobodyWrites)
{
	Rig rig; /* its provider has no write */

	rig.opts.tier = GetParam();
	EXPECT_EQ(rig.open(), -EOPNOTSUPP);
	EXPECT_STREQ(rig.cause.id, "tier-unavailable");
	EXPECT_NE(strstr(rig.cause.text, devrx_tier_name(GetParam())), nullptr);
}

TEST_P(Tiers, RegistrationFails)
{
	Staged rig(GetParam());

	rig.fake.reg_errors = { -EPERM };
	EXPECT_EQ(rig.open(), -EPERM);
	EXPECT_STREQ(rig.cause.id, "cap-net-admin");
	EXPECT_EQ(rig.fake.ring, nullptr);
	EXPECT_EQ(rig.open(), 0) << "nothing stayed";
}

/*
 * The kernel takes nothing out of the refill ring, so it fills up (more pieces
 * than the area has chunks, several in each): what does not fit goes back with
 * the fragment.
 */
TEST(Stage, RefillRingFull)
{
	Staged rig(HOST, 20000); /* of ours there are 16384 */
	std::vector<devrx_fragment> frags, all;

	rig.fake.idle_nic = true;
	rig.fake.piece_max = 128;
	rig.must_open();
	const uint32_t entries = rig.info().rq_entries;
	const int fd = rig.added();

	rig.fake.send(fd, (entries + 1000) * UINT64_C(128));
	while (all.size() < entries + 1000) {
		ASSERT_GT(rig.wait(&frags, 64, -1), 0);
		all.insert(all.end(), frags.begin(), frags.end());
	}
	EXPECT_EQ(rig.fake.flushes, 0u);
	EXPECT_EQ(rig.release(all), 0);
	EXPECT_GE(rig.fake.flushes, 1u);
	rig.expect_all_returned();
	EXPECT_EQ(rig.close(), 0);
}

/* The same where no flush helps: they are parked until there is room. */
TEST(Stage, RefillRingStaysFull)
{
	Staged rig(HOST, 20000); /* of ours there are 16384 */
	std::vector<devrx_fragment> frags, all;

	rig.fake.idle_nic = true;
	rig.fake.flush_error = -EINVAL;
	rig.fake.piece_max = 128;
	rig.must_open();
	const uint32_t entries = rig.info().rq_entries;
	const int fd = rig.added();

	rig.fake.send(fd, (entries + 1000) * UINT64_C(128));
	while (all.size() < entries + 1000) {
		ASSERT_GT(rig.wait(&frags, 64, -1), 0);
		all.insert(all.end(), frags.begin(), frags.end());
	}
	EXPECT_EQ(rig.release(all), 0);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
	EXPECT_EQ(rig.fake.refs_out(), entries + 1000u);
	rig.fake.nic_refills(UINT32_MAX);
	EXPECT_EQ(rig.wait(&frags, 64, 0), 0);
	rig.expect_all_returned();
}

/* Each of them could empty the area: all come to an end, and none is told that
 * others hold it while they move on. */
TEST_P(Tiers, ManyThroughOneArea)
{
	Staged rig(GetParam());
	const uint64_t each = 4096 * PAGE;
	std::vector<int> fds;

	rig.must_open();
	for (int i = 0; i < 6; i++) {
		fds.push_back(rig.added());
		rig.fake.send(fds.back(), each);
		rig.fake.end(fds.back());
	}
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	for (int fd : fds) {
		EXPECT_EQ(rig.streams[fd].got, each);
		EXPECT_TRUE(rig.streams[fd].eof) << rig.streams[fd].error;
	}
	EXPECT_EQ(rig.stats().starved > 0, GetParam() == DEVRX_TIER_ZCRX_COPY);
	rig.expect_all_returned();
}

/* Behind a fence the memory's chunk is kept, and comes back with it. */
TEST_P(Tiers, Fences)
{
	Staged rig(GetParam(), 2);
	std::vector<devrx_fragment> frags, more;
	uint32_t word = 0;

	rig.fake.piece_max = 100;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 400);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 2);
	const devrx_fence fence = devrx_fence_u32(&word, 1);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, frags.data(), 2, &fence),
		  0);
	EXPECT_EQ(rig.wait(&more, 64, 0), 0);
	word = 1;
	EXPECT_EQ(rig.wait(&more, 64, -1), 2);
	EXPECT_EQ(rig.release(more), 0);
	EXPECT_EQ(rig.stats().released, 4u);
	rig.expect_all_returned();
}

TEST_P(Tiers, ClosedInAChild)
{
	Staged rig(GetParam());
	int status = 0;

	rig.must_open();
	const pid_t pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(devrx_receiver_close(rig.rx, DEVRX_CLOSE_F_ABANDON));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	const int fd = rig.added();
	rig.fake.send(fd, 100000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 100000u);
}

/* What the kernel told of before it heard of the cancellation. */
TEST_P(Tiers, LateDataOfAnAbandonedConnection)
{
	Staged rig(GetParam());
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 3 * PAGE);
	written.answer = [](unsigned int n) { return n == 1 ? -EIO : 0; };
	ASSERT_EQ(rig.wait(&frags, 1, -1), 1);
	EXPECT_EQ(rig.streams[fd].error, -EIO);
	EXPECT_EQ(rig.wait(&frags, 64, 0), -ENOTCONN);
	const int other = rig.added();
	rig.fake.send(other, 100);
	rig.drain();
	EXPECT_EQ(rig.streams[other].got, 100u);
	rig.expect_all_returned();
}

/* A fragment that a device lost is told of where it was. */
TEST_P(Tiers, LostBehindAFence)
{
	Staged rig(GetParam());
	std::vector<devrx_fragment> frags, more;
	const auto poll = [](void *) { return -EIO; };

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 3 * PAGE);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 3);
	const devrx_fence fence = devrx_fence_poll(poll, nullptr, nullptr);
	for (const auto &frag : frags)
		rig.expect_lost(frag, -EIO);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, frags.data(), 3, &fence),
		  0);
	EXPECT_EQ(rig.wait(&more, 64, 0), 3);
	EXPECT_TRUE(rig.lost.empty());
	rig.expect_all_returned();
}

} // namespace
