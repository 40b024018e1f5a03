// SPDX-License-Identifier: MIT
/*
 * provider/zcrx/pipeline.c: what is copied in the background is told of when it
 * is there, in order, and its buffers go back no sooner.
 */
#include <cerrno>
#include <string>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>
#include <vector>

#include "staged_memory.h"

namespace
{

using background::state;

constexpr uint32_t HOST = DEVRX_TIER_ZCRX_HOST;
constexpr uint32_t COPY = DEVRX_TIER_ZCRX_COPY;
constexpr uint64_t PAGE = 4096;

class Background : public Rig
{
      public:
	explicit Background(uint32_t tier, uint64_t chunks = 1024,
			    uint64_t seed = 1)
	    : Rig(written_memory(chunks * PAGE, true, true), seed)
	{
		opts.tier = tier;
		copied = true;
	}
};

using Case = std::tuple<uint32_t, bool, unsigned int, uint64_t>;

class Uploads : public testing::TestWithParam<Case>
{
};

TEST_P(Uploads, LoseNothing)
{
	const auto [tier, mixed, late, seed] = GetParam();
	Background rig(tier, 16 + 60 * seed, seed);
	std::vector<int> fds;

	rig.fake.shuffle = true;
	rig.fake.piece_max = seed % 2 ? 1448 : 3000;
	rig.opts.cq_entries = seed % 3 ? 16 : 256;
	rig.opts.flags = mixed ? DEVRX_RECEIVER_F_CQE_MIXED : 0;
	state.late = late;
	rig.must_open();
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
	EXPECT_EQ(rig.stats().uploads, state.marks);
	EXPECT_EQ(state.uploads, rig.stats().fragments);
	rig.expect_all_returned();
	EXPECT_EQ(rig.close(), 0);
	EXPECT_EQ(state.begins, 1u);
	EXPECT_EQ(state.ends, 1u);
}

INSTANTIATE_TEST_SUITE_P(
	All, Uploads,
	testing::Combine(testing::Values(HOST, COPY), testing::Bool(),
			 testing::Values(1u, 3u, 1000u),
			 testing::Range(uint64_t{ 1 }, uint64_t{ 7 })));

class Pipeline : public testing::TestWithParam<uint32_t>
{
};

INSTANTIATE_TEST_SUITE_P(, Pipeline, testing::Values(HOST, COPY),
			 [](const auto &i) {
				 return i.param == HOST ? "Host" : "Copy";
			 });

/* While the caller has the first batch, others are under way. */
TEST_P(Pipeline, SeveralBatchesAtOnce)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags, all;

	state.late = 1000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 300 * PAGE);
	/* Only the oldest one is waited for. */
	ASSERT_EQ(rig.wait(&all, 256, -1), 64);
	while (all.size() < 300) {
		ASSERT_GT(rig.wait(&frags, 64, -1), 0);
		all.insert(all.end(), frags.begin(), frags.end());
	}
	EXPECT_EQ(state.at_once, 4u);
	EXPECT_EQ(rig.release(all), 0);
	rig.expect_all_returned();
}

/* What is under way is not out: the caller cannot give it back. */
TEST_P(Pipeline, OnTheirWayIsNotOut)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags;

	state.late = 1000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 200 * PAGE);
	ASSERT_EQ(rig.wait(&frags, 10, -1), 10);
	EXPECT_EQ(rig.stats().fragments_out, 10u);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
	EXPECT_EQ(rig.close(), 0);
	EXPECT_EQ(state.ends, 1u);
}

/* Others keep it full: the end of one is told of all the same. */
TEST_P(Pipeline, AnEndIsNotHeldUpByOthers)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags;

	state.late = 1000;
	rig.must_open();
	const int brief = rig.added(), busy = rig.added();
	rig.fake.send(brief, 1);
	rig.fake.end(brief);
	rig.fake.send(busy, 2000 * PAGE);
	while (!rig.streams[brief].ended) {
		ASSERT_GT(rig.wait(&frags, 16, -1), 0);
		EXPECT_EQ(rig.release(frags), 0);
	}
	EXPECT_LE(rig.streams[busy].got, 4 * 64 * PAGE);
	rig.drain();
	EXPECT_EQ(rig.streams[busy].got, 2000 * PAGE);
}

/* Where all slots are under way, a wait waits for them and nothing else. */
TEST_P(Pipeline, AllSlotsUnderWay)
{
	Background rig(GetParam(), 8);
	std::vector<devrx_fragment> frags;

	state.late = 1000;
	rig.fake.piece_max = 100;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 1600);
	rig.fake.end(fd);
	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(rig.wait(&frags, 1, -1), 1) << i;
		EXPECT_EQ(rig.release(frags), 0);
	}
	ASSERT_EQ(rig.wait(&frags, 1, -1), 1);
	EXPECT_TRUE(rig.streams[fd].eof);
	EXPECT_EQ(rig.wait(&frags, 1, -1), -ENOTCONN);
}

/* A provider that cannot now is asked to write. */
TEST_P(Pipeline, BeginFails)
{
	Background rig(GetParam());

	state.begin_error = -ENOMEM;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 100000u);
	EXPECT_EQ(state.uploads, 0u);
	EXPECT_EQ(rig.stats().uploads, 0u);
	EXPECT_GT(written.writes, 20u);
	EXPECT_EQ(rig.close(), 0);
	EXPECT_EQ(state.ends, 0u);
}

/* One piece of the second connection is not even begun: what came before it is
 * told of, what comes behind is not, and the other one goes on. */
TEST_P(Pipeline, UploadFails)
{
	for (int error : { -EIO, -ESTALE, 5, -4096, -65536 }) {
		Background rig(GetParam());
		const int want = error == -ESTALE ? -ESTALE : -EIO;

		state.late = 3;
		rig.fake.piece_max = 1000;
		rig.fake.burst = 1; /* in turn */
		rig.must_open();
		const int good = rig.added(), bad = rig.added();

		rig.fake.send(good, 10000);
		rig.fake.send(bad, 10000);
		rig.fake.end(good);
		/* good, bad, good, bad, ... */
		state.upload_error = [error](unsigned int n) {
			return n == 5 ? error : 0;
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

/* The second of several batches is lost, at its mark or later; so the stream ends
 * where the first one did, although its end was seen long ago. */
TEST_P(Pipeline, BatchIsLost)
{
	for (bool at_mark : { true, false }) {
		Background rig(GetParam());
		const auto second = [](unsigned int n) {
			return n == 1 ? -ENODEV : 0;
		};

		state.late = 1000;
		if (at_mark)
			state.mark_error = second;
		else
			state.wait_error = second;
		rig.must_open();
		const int fd = rig.added();
		rig.fake.send(fd, 200 * PAGE);
		rig.fake.end(fd);
		EXPECT_EQ(rig.drain(), -ENOTCONN);
		EXPECT_EQ(rig.streams[fd].got, 64 * PAGE);
		EXPECT_EQ(rig.streams[fd].error, -ENODEV);
		EXPECT_FALSE(rig.streams[fd].eof);
		EXPECT_EQ(rig.why(), "upload-failed");
		EXPECT_EQ(rig.stats().bytes, 64 * PAGE);
		rig.expect_all_returned();
		EXPECT_EQ(rig.close(), 0);
	}
}

/* One whose receive had ended, and was to be armed again. */
TEST_P(Pipeline, LostWhileItIsToBeArmed)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags;

	state.wait_error = [](unsigned int n) { return n ? 0 : -EIO; };
	rig.must_open();
	const int fd = rig.added();
	EXPECT_EQ(rig.wait(&frags, 64, 0), 0);
	rig.fake.send(fd, 3 * PAGE);
	rig.fake.work();
	rig.fake.forge(rig.fake.armed(fd), -EINTR, 0, 0);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 1);
	EXPECT_EQ(rig.streams[fd].error, -EIO);
	const int next = rig.added();
	rig.fake.send(next, 200 * PAGE);
	rig.fake.end(next);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[next].got, 200 * PAGE);
	EXPECT_EQ(rig.fake.receives, 2u);
	rig.expect_all_returned();
}

/* The first batch is lost whole: a call does not say that there is nothing. */
TEST_P(Pipeline, WhatIsBehindALostBatch)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags;

	state.late = 1000;
	state.wait_error = [](unsigned int n) { return n ? 0 : -EIO; };
	rig.must_open();
	const int bad = rig.added(), good = rig.added();
	rig.fake.send(bad, 64 * PAGE);
	rig.fake.send(good, 64 * PAGE);
	ASSERT_GT(rig.wait(&frags, 64, 0), 0);
	EXPECT_EQ(rig.release(frags), 0);
	rig.drain();
	EXPECT_EQ(rig.streams[bad].error, -EIO);
	EXPECT_EQ(rig.streams[good].got, 64 * PAGE);
}

/* All of a call is lost: it comes back with the ends, not with nothing. */
TEST_P(Pipeline, EachBatchIsLost)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags;

	state.late = 1000;
	state.wait_error = [](unsigned int) { return -EIO; };
	rig.must_open();
	const int one = rig.added(), two = rig.added();
	rig.fake.send(one, 5 * PAGE);
	rig.fake.send(two, 5 * PAGE);
	ASSERT_EQ(rig.wait(&frags, 64, -1), 2);
	EXPECT_EQ(rig.streams[one].error, -EIO);
	EXPECT_EQ(rig.streams[two].error, -EIO);
	EXPECT_EQ(rig.stats().bytes, 0u);
	EXPECT_EQ(rig.wait(&frags, 64, -1), -ENOTCONN);
	rig.expect_all_returned();
}

/* Its number is another connection's soon: late data is not that one's. */
TEST_P(Pipeline, LateDataOfALostConnection)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags;

	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 3 * PAGE);
	state.upload_error = [](unsigned int n) { return n ? 0 : -EIO; };
	ASSERT_EQ(rig.wait(&frags, 1, -1), 1);
	EXPECT_EQ(rig.streams[fd].error, -EIO);
	EXPECT_EQ(rig.wait(&frags, 1, 0), -ENOTCONN);
	const int third = rig.added();
	EXPECT_EQ(rig.wait(&frags, 1, 0), 0);
	EXPECT_EQ(rig.fake.cancels, 1u);
	EXPECT_EQ(rig.fake.armed(fd), 0u);
	EXPECT_NE(rig.fake.armed(third), 0u);
	const int other = rig.added();
	rig.fake.send(other, 100);
	rig.drain();
	EXPECT_EQ(rig.streams[other].got, 100u);
	rig.expect_all_returned();
}

/* What was received before a removal is told of before its end. */
TEST_P(Pipeline, Removed)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags;

	state.late = 1000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100 * PAGE);
	ASSERT_EQ(rig.wait(&frags, 1, -1), 1);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, fd), 0);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 100 * PAGE);
	EXPECT_EQ(rig.streams[fd].error, -ECANCELED);
}

TEST_P(Pipeline, ClosedInAChild)
{
	Background rig(GetParam());
	std::vector<devrx_fragment> frags;
	int status = 0;

	state.late = 1000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, 100 * PAGE);
	ASSERT_EQ(rig.wait(&frags, 1, -1), 1);
	EXPECT_EQ(rig.release(frags), 0);
	const pid_t pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(devrx_receiver_close(rig.rx, DEVRX_CLOSE_F_ABANDON) ||
		      state.ends);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 100 * PAGE);
}

/* Opening fails after the provider was made ready, or before: it is as it was. */
TEST_P(Pipeline, RegistrationFails)
{
	Background rig(GetParam());

	rig.fake.reg_errors = { -EPERM };
	EXPECT_EQ(rig.open(), -EPERM);
	EXPECT_EQ(state.begins, state.ends);
	EXPECT_EQ(rig.open(), 0);
}

} // namespace
