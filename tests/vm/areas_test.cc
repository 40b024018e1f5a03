// SPDX-License-Identifier: MIT
/* A receiver that grows, on the real kernel: ZCRX_CTRL_ADD_AREA under traffic. */
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

bool kernel_grows()
{
	struct devrx_features features = {};

	features.size = sizeof(features);
	return !devrx_features_probe(&features, nullptr) &&
	       features.flags & DEVRX_FEATURE_ADD_AREA;
}

/* Both ways in which a NIC has a memory: by its dmabuf, by its pages. */
class Grow : public testing::TestWithParam<const char *>
{
      protected:
	void SetUp() override
	{
		if (!kernel_grows())
			GTEST_SKIP() << "Linux before 7.3; see Grown";
	}
	void open(uint32_t flags)
	{
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

		opts.flags = flags;
		ASSERT_TRUE(queue_is_free());
		ASSERT_EQ(make_memory(&mems[0], GetParam(), 4 * MiB),
			  outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mems[0], q, opts), outcome(0));
	}
	void start(uint64_t len)
	{
		follower = std::make_unique<Follower>(mems[0], 1);
		Listener listener(steered_port, 0);
		ASSERT_TRUE(listener.ok());
		sender = std::make_unique<Sender>(
			steered_port, std::vector<Stream>{ { len, false } });
		ASSERT_EQ(add_all(rx, &listener, sender.get(), 1, &fds), "");
	}
	/* The next memory, of @len bytes. */
	void grow(uint64_t len)
	{
		Memory &mem = mems[nr];

		ASSERT_EQ(make_memory(&mem, GetParam(), len), outcome(0));
		ASSERT_EQ(devrx_receiver_add_area(rx.get(), mem.get()), int(nr))
			<< cause_id(rx);
		follower->add(mem);
		nr++;
	}
	/* Hold what comes until @enough. */
	template <typename Enough> void hold(Enough enough)
	{
		devrx_fragment frags[256];
		const double end = now() + patience;

		while (!enough() && now() < end) {
			const int got = devrx_receiver_wait(rx.get(), frags,
							    256, 50000000);

			ASSERT_TRUE(got >= 0 || got == -ENOBUFS || got == -EINTR)
				<< got;
			for (int i = 0; i < got; i++) {
				if (frags[i].flags & DEVRX_FRAGMENT_EVENT) {
					events[frags[i].user]++;
					continue;
				}
				ASSERT_TRUE(follower->take(frags[i]))
					<< follower->error();
				held.push_back(frags[i]);
				by_area[devrx_fragment_area(&frags[i])]++;
			}
		}
		EXPECT_TRUE(enough());
	}
	void hold_in(unsigned int area, size_t n)
	{
		hold([&] { return by_area[area] >= n; });
	}
	void finish(uint64_t len)
	{
		EXPECT_EQ(devrx_receiver_release(rx.get(), held.data(),
						 unsigned(held.size())),
			  0);
		held.clear();
		EXPECT_EQ(drain(rx, follower.get()), "");
		EXPECT_EQ(follower->position(0), len);
		EXPECT_EQ(sender->join(), "");
		EXPECT_EQ(stats(rx).fragments_out, 0u);
	}

	Memory mems[4];
	unsigned int nr = 1;
	Queue q;
	Receiver rx;
	std::unique_ptr<Follower> follower;
	std::unique_ptr<Sender> sender;
	std::vector<Fd> fds;
	std::vector<devrx_fragment> held;
	std::map<unsigned int, size_t> by_area;
	std::map<uint64_t, unsigned int> events;
};

/* Nothing is released, the area is full, the NIC drops: the next one takes what
 * comes again. */
TEST_P(Grow, AnEmptyAreaIsMended)
{
	ASSERT_NO_FATAL_FAILURE(open(DEVRX_RECEIVER_F_NO_FLOW_CONTROL |
				     DEVRX_RECEIVER_F_EVENTS));
	ASSERT_NO_FATAL_FAILURE(start(16 * MiB));
	ASSERT_NO_FATAL_FAILURE(
		hold([&] { return events[DEVRX_EVENT_AREA_EMPTY] == 1; }));
	ASSERT_NO_FATAL_FAILURE(grow(4 * MiB));
	ASSERT_NO_FATAL_FAILURE(hold_in(1, 300));
	ASSERT_NO_FATAL_FAILURE(grow(8 * MiB));
	ASSERT_NO_FATAL_FAILURE(hold_in(2, 100));
	EXPECT_EQ(receiver_info(rx).areas, 3u);
	EXPECT_EQ(receiver_info(rx).nr_chunks, 4096u);
	finish(16 * MiB);
}

/* Held fragments have paused the connection, and no packet was lost. */
TEST_P(Grow, PausedConnectionsGoOn)
{
	ASSERT_NO_FATAL_FAILURE(open(0));
	ASSERT_NO_FATAL_FAILURE(start(16 * MiB));
	ASSERT_NO_FATAL_FAILURE(hold([&] { return stats(rx).paused == 1; }));
	ASSERT_NO_FATAL_FAILURE(grow(16 * MiB));
	ASSERT_NO_FATAL_FAILURE(hold_in(1, 1000));
	finish(16 * MiB);
}

/* Chunks of all of them go round and round. */
TEST_P(Grow, AllAreUsedAgain)
{
	ASSERT_NO_FATAL_FAILURE(open(0));
	ASSERT_NO_FATAL_FAILURE(start(20 * MiB));
	ASSERT_NO_FATAL_FAILURE(grow(MiB));
	ASSERT_NO_FATAL_FAILURE(grow(2 * MiB));
	ASSERT_NO_FATAL_FAILURE(hold_in(0, 20));
	finish(20 * MiB);
	rx.reset();
	EXPECT_EQ(works_now(), "");
}

TEST_P(Grow, LargeChunks)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.chunk_len = 16384;
	opts.flags = DEVRX_RECEIVER_F_CHUNK_AT_MOST;
	ASSERT_TRUE(queue_is_free());
	ASSERT_EQ(make_memory(&mems[0], GetParam(), 4 * MiB,
			      DEVRX_MEMORY_F_HUGETLB),
		  outcome(0));
	ASSERT_EQ(reserve(&q), outcome(0));
	ASSERT_EQ(open_receiver(&rx, mems[0], q, opts), outcome(0));
	ASSERT_NO_FATAL_FAILURE(start(12 * MiB));
	ASSERT_EQ(make_memory(&mems[1], GetParam(), 8 * MiB,
			      DEVRX_MEMORY_F_HUGETLB),
		  outcome(0));
	ASSERT_EQ(devrx_receiver_add_area(rx.get(), mems[1].get()), 1)
		<< cause_id(rx);
	follower->add(mems[1]);
	ASSERT_NO_FATAL_FAILURE(hold_in(1, 50));
	finish(12 * MiB);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Grow, testing::Values("udmabuf", "host"),
			 [](const auto &info) {
				 return std::string(info.param);
			 });

class Grown : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(queue_is_free());
		ASSERT_EQ(make_memory(&mem, "udmabuf", 4 * MiB), outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q), outcome(0));
	}
	Outcome add(const Memory &more)
	{
		const int err = devrx_receiver_add_area(rx.get(), more.get());
		Outcome ret = outcome(err);

		if (err < 0)
			(void)snprintf(ret.id, sizeof(ret.id), "%s",
				       cause_id(rx).c_str());
		return ret;
	}

	Memory mem, more;
	Queue q;
	Receiver rx;
};

/* A dmabuf that comes in by another door is still the same. */
TEST_F(Grown, ByTheSameDmabuf)
{
	if (!kernel_grows())
		GTEST_SKIP() << "Linux before 7.3; see NotOnThisKernel";
	Memory a, b, c;

	ASSERT_EQ(import_memory(&a, memory_info(mem).dmabuf_fd), outcome(0));
	EXPECT_EQ(add(a), outcome(-EINVAL, "area-other-kind"));
	ASSERT_EQ(make_memory(&b, "host", 4 * MiB), outcome(0));
	EXPECT_EQ(add(b), outcome(-EINVAL, "area-other-kind"));
	rx.reset();
	ASSERT_TRUE(queue_is_free());
	ASSERT_EQ(open_receiver(&rx, a, q), outcome(0));
	ASSERT_EQ(import_memory(&c, memory_info(mem).dmabuf_fd), outcome(0));
	EXPECT_EQ(add(c), outcome(-EEXIST, "area-twice"));
}

TEST_F(Grown, NotOnThisKernel)
{
	if (kernel_grows())
		GTEST_SKIP() << "Linux 7.3 has it; see Grow";
	ASSERT_EQ(make_memory(&more, "udmabuf", 4 * MiB), outcome(0));
	EXPECT_EQ(add(more), outcome(-EOPNOTSUPP, "area-unsupported"));
	EXPECT_EQ(transfer(rx, mem, MiB), "");
}

TEST_F(Grown, NotWhereItIsShared)
{
	struct devrx_share *share = nullptr;

	if (!kernel_grows())
		GTEST_SKIP() << "Linux before 7.3; see NotOnThisKernel";
	ASSERT_EQ(devrx_receiver_share(&share, rx.get()), 0);
	ASSERT_EQ(make_memory(&more, "udmabuf", 4 * MiB), outcome(0));
	EXPECT_EQ(add(more), outcome(-EOPNOTSUPP, "area-unsupported"));
	devrx_share_close(share);
	rx.reset();
	ASSERT_TRUE(queue_is_free());
	ASSERT_EQ(open_receiver(&rx, mem, q), outcome(0));
	EXPECT_EQ(add(more).err, 1);
	EXPECT_EQ(devrx_receiver_share(&share, rx.get()), -EOPNOTSUPP);
	EXPECT_EQ(cause_id(rx), "share-unsupported");
}

} // namespace
