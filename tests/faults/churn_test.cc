// SPDX-License-Identifier: MIT
/*
 * Two hundred connections at a time come, send nothing to 4 MiB, and close or
 * reset, for a minute (DEVRX_CHURN_SECONDS): every byte compared, and nothing left
 * afterwards that was not there before.
 */
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <malloc.h>
#include <memory>
#include <random>

#include <gtest/gtest.h>

#include "support_devrx.h"

using namespace vm;

namespace
{

constexpr unsigned int at_once = 200;

size_t open_files()
{
	const std::unique_ptr<DIR, int (*)(DIR *)> dir(opendir("/proc/self/fd"),
						       closedir);
	size_t n = 0;

	while (dir && readdir(dir.get()))
		n++;
	return n;
}

size_t heap_in_use()
{
	return mallinfo2().uordblks;
}

double seconds()
{
	const char *text = getenv("DEVRX_CHURN_SECONDS");

	return text ? atof(text) : 60;
}

class Churn : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(queue_is_free());
		ASSERT_EQ(make_memory(&mem, "udmabuf", 16 * MiB), outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q), outcome(0));
	}

	/* Two hundred connections, from the first to the last end. */
	void round();

	Memory mem;
	Queue q;
	Receiver rx;
	std::mt19937_64 random{ 1 };
	uint64_t bytes = 0;
	unsigned int rounds = 0, resets = 0;
};

void Churn::round()
{
	/* What waits in all sockets together must leave room in the area. */
	Listener listener(steered_port, 16 << 10);
	Follower follower(mem, at_once);
	std::vector<Stream> plan;
	std::vector<Fd> fds;

	ASSERT_TRUE(listener.ok());
	for (unsigned int i = 0; i < at_once; i++) {
		/* Some are long and most are short. */
		const uint64_t len =
			random() % ((4 * MiB >> random() % 12) + 1);

		plan.push_back({ random() % 8 ? len : 0, random() % 2 == 1,
				 random() % 4 ? End::Close : End::Reset });
	}
	Sender sender(steered_port, plan);
	ASSERT_EQ(add_all(rx, &listener, &sender, at_once, &fds), "");
	ASSERT_EQ(drain(rx, &follower), "");
	ASSERT_EQ(sender.join(), "");
	for (unsigned int i = 0; i < at_once; i++) {
		if (plan[i].end == End::Close) {
			EXPECT_EQ(follower.end(i), DEVRX_FRAGMENT_EOF) << i;
			EXPECT_EQ(follower.position(i), plan[i].len) << i;
		} else {
			/* A reset takes away what was not yet received. */
			EXPECT_EQ(follower.end_error(i), -ECONNRESET) << i;
			EXPECT_LE(follower.position(i), plan[i].len) << i;
			resets++;
		}
	}
	bytes += follower.bytes();
	rounds++;
}

TEST_F(Churn, LeavesNothingBehind)
{
	/* What grows to its size once has it after the first. */
	ASSERT_NO_FATAL_FAILURE(round());
	const size_t files = open_files(), heap = heap_in_use();
	const double begin = now();

	do
		ASSERT_NO_FATAL_FAILURE(round());
	while (now() - begin < seconds());

	const ReceiverStats s = stats(rx);

	EXPECT_EQ(open_files(), files);
	EXPECT_LE(heap_in_use(), heap + 65536);
	EXPECT_EQ(s.connections, 0u);
	EXPECT_EQ(s.connections_total, uint64_t(rounds) * at_once);
	EXPECT_EQ(s.fragments_out, 0u);
	EXPECT_EQ(s.released, s.fragments);
	EXPECT_EQ(s.bytes, bytes);
	/* Four times through each chunk: a lost one would be missed. */
	EXPECT_EQ(transfer(rx, mem, 16 * MiB, 4), "");
	printf("  %u rounds, %u connections, %u of them reset, %llu MiB in "
	       "%.0f s\n",
	       rounds, rounds * at_once, resets,
	       (unsigned long long)(bytes / MiB), now() - begin);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

} /* namespace */
