// SPDX-License-Identifier: MIT
/* provider/zcrx/wait.c: each connection's bytes, in order, to their end. */
#include <cerrno>
#include <string>
#include <tuple>
#include <vector>

#include "fake_rig.h"

namespace
{

TEST(Stream, OneByteThenTheEnd)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1);
	rig.fake.end(fd);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 2);
	EXPECT_EQ(frags[0].length, 1u);
	EXPECT_EQ(frags[0].position, 0u);
	EXPECT_EQ(frags[0].user, Rig::user_of(fd));
	EXPECT_EQ(frags[1].flags, DEVRX_FRAGMENT_EOF);
	EXPECT_EQ(frags[1].position, 1u);
	EXPECT_EQ(frags[1].error, 0);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.wait(&frags, 8, -1), -ENOTCONN);
	rig.expect_all_returned();
	EXPECT_EQ(rig.why(), "");
}

TEST(Stream, NothingThenTheEnd)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.end(fd);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_TRUE(rig.streams[fd].eof);
	EXPECT_EQ(rig.release(frags), 0) << "token 0 is skipped";
	EXPECT_EQ(rig.stats().bad_releases, 0u);
}

/* An end that is not in order says which. */
class Ends : public testing::TestWithParam<int>
{
};

TEST_P(Ends, ErrorReachesTheLastFragment)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 10000);
	rig.fake.end(fd, GetParam());
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 10000u);
	EXPECT_FALSE(rig.streams[fd].eof);
	EXPECT_EQ(rig.streams[fd].error, GetParam());
	EXPECT_EQ(rig.why(), "os-error");
	rig.expect_all_returned();
}

INSTANTIATE_TEST_SUITE_P(All, Ends,
			 testing::Values(-ECONNRESET, -ETIMEDOUT, -ENOTSOCK,
					 -EBADF, -EINVAL, -EPROTONOSUPPORT,
					 -ENOTCONN, -ECANCELED, -EFAULT));

TEST(Stream, SignalArmsAgain)
{
	Rig rig;

	rig.must_open();
	const int fd = rig.added();
	for (int i = 0; i < 5; i++) {
		rig.fake.send(fd, 5000);
		rig.fake.inject(fd, -EINTR);
		EXPECT_EQ(rig.drain(), 0);
	}
	EXPECT_EQ(rig.streams[fd].got, 25000u);
	EXPECT_EQ(rig.fake.receives, 6u);
	EXPECT_FALSE(rig.streams[fd].ended);
}

/* Sizes of the completion queue, both layouts, three kernels' tempers. */
using QueueCase = std::tuple<uint32_t, bool, uint64_t>;

class Queues : public testing::TestWithParam<QueueCase>
{
};

TEST_P(Queues, LosesNothing)
{
	const auto [entries, mixed, seed] = GetParam();
	Rig rig(seed % 2, 64 * 4096, seed);
	const uint64_t each = entries < 4 ? 20000 : 60000;
	std::vector<int> fds;

	rig.fake.shuffle = true;
	rig.fake.piece_max = 1448;
	rig.fake.cqe_has_token = seed % 3;
	rig.opts.cq_entries = entries;
	rig.opts.flags = mixed ? DEVRX_RECEIVER_F_CQE_MIXED : 0;
	rig.must_open();
	EXPECT_GE(rig.info().cq_entries, entries);
	for (int i = 0; i < 20; i++) {
		fds.push_back(rig.added());
		rig.fake.send(fds.back(), each + static_cast<uint64_t>(i));
		rig.fake.end(fds.back(), i % 3 ? 0 : -ECONNRESET);
	}
	EXPECT_EQ(rig.drain(1 + seed % 40), -ENOTCONN);
	for (size_t i = 0; i < fds.size(); i++) {
		EXPECT_EQ(rig.streams[fds[i]].got, each + i);
		EXPECT_EQ(rig.streams[fds[i]].eof, i % 3 != 0);
	}
	EXPECT_EQ(rig.lasts.size(), fds.size());
	EXPECT_EQ(rig.stats().overflows, rig.fake.nospc);
	if (entries <= 16) {
		EXPECT_GT(rig.fake.nospc, 0u) << "the case means overflows";
	}
	if (mixed && entries > 1 && entries <= 64) {
		EXPECT_GT(rig.fake.fillers, 0u) << "and wraps";
	}
	rig.expect_all_returned();
}

INSTANTIATE_TEST_SUITE_P(
	Sizes, Queues,
	testing::Combine(testing::Values(1u, 2u, 3u, 8u, 16u, 64u, 4096u),
			 testing::Bool(), testing::Values(1u, 2u, 3u)),
	[](const auto &i) {
		return std::to_string(std::get<0>(i.param)) +
		       (std::get<1>(i.param) ? "Mixed" : "Wide") + "Seed" +
		       std::to_string(std::get<2>(i.param));
	});

/* Many connections, held fragments, released in any order. */
class Interleavings : public testing::TestWithParam<uint64_t>
{
};

TEST_P(Interleavings, KeepEachStreamWhole)
{
	const uint64_t seed = GetParam();
	std::mt19937_64 rng(seed * 77);
	Rig rig(seed % 2, 256 * 4096, seed);
	std::vector<devrx_fragment> held, frags;
	uint64_t total = 0;

	SCOPED_TRACE("seed " + std::to_string(seed));
	rig.fake.shuffle = true;
	rig.fake.piece_max = 1 + static_cast<uint32_t>(rng() % 4096);
	rig.fake.pack = rng() % 2;
	rig.fake.burst = 1 + static_cast<uint32_t>(rng() % 30);
	rig.fake.area_token = (rng() % 3) << DRX_ZCRX_AREA_SHIFT;
	rig.opts.cq_entries = 1u << rng() % 8;
	rig.opts.flags = rng() % 2 ? DEVRX_RECEIVER_F_CQE_MIXED : 0;
	rig.must_open();
	for (int i = 0; i < 64; i++) {
		const int fd = rig.added();
		const uint64_t len = rng() % 50000;

		rig.fake.send(fd, len);
		rig.fake.end(fd);
		total += len;
	}
	for (int rounds = 0; rounds < 2000000; rounds++) {
		const int got = rig.wait(
			&frags, 1 + static_cast<unsigned int>(rng() % 50), 0);

		if (got == -ENOTCONN)
			break;
		ASSERT_GE(got, 0);
		ASSERT_FALSE(HasFatalFailure());
		held.insert(held.end(), frags.begin(), frags.end());
		std::shuffle(held.begin(), held.end(), rng);
		const size_t keep = got ? rng() % 40 : 0;
		if (held.size() > keep) {
			const std::vector<devrx_fragment> back(
				held.begin() + static_cast<long>(keep),
				held.end());

			ASSERT_EQ(rig.release(back), 0);
			held.resize(keep);
		}
	}
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_EQ(rig.lasts.size(), 64u);
	for (const auto &s : rig.streams)
		EXPECT_TRUE(s.second.eof) << s.first;
	EXPECT_EQ(rig.stats().bytes, total);
	rig.expect_all_returned();
}

INSTANTIATE_TEST_SUITE_P(Seeds, Interleavings, testing::Range<uint64_t>(1, 25));

TEST(Stream, LargeChunksHoldManyFragments)
{
	Rig rig(true, 16 * 65536);

	rig.fake.piece_max = 1448;
	rig.opts.chunk_len = 65536;
	rig.must_open();
	EXPECT_EQ(rig.fake.reg.rx_buf_len, 65536u);
	EXPECT_EQ(rig.info().nr_chunks, 16u);
	const int fd = rig.added();
	rig.fake.send(fd, 1500000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(100), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 1500000u);
	EXPECT_GT(rig.fake.most_in_chunk, 40u);
	rig.expect_all_returned();
}

TEST(Stream, CopiesIntoAHostAreaAreCounted)
{
	Rig rig(false);

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 5000);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.send_copied(fd, 9000);
	EXPECT_EQ(rig.drain(), 0);
	rig.fake.send(fd, 100);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 14100u);
	EXPECT_EQ(rig.stats().bytes, 14100u);
	EXPECT_EQ(rig.stats().bytes_copied, 9000u);
	rig.expect_all_returned();
}

TEST(Stream, CountersAddUp)
{
	Rig rig;
	std::vector<devrx_fragment> frags;

	rig.fake.piece_max = 1000;
	rig.fake.pack = false;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 5500);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 6);
	frags.resize(4);
	EXPECT_EQ(rig.release(frags), 0);
	const auto stats = rig.stats();
	EXPECT_EQ(stats.bytes, 5500u);
	EXPECT_EQ(stats.fragments, 6u);
	EXPECT_EQ(stats.released, 4u);
	EXPECT_EQ(stats.fragments_out, 2u);
	EXPECT_EQ(stats.connections, 1u);
	EXPECT_EQ(stats.connections_total, 1u);
	EXPECT_EQ(stats.waits, 1u);
	EXPECT_EQ(stats.enters, 1u);
	EXPECT_EQ(stats.bytes_copied, 0u);
}

} // namespace
