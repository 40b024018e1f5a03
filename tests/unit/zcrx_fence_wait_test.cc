// SPDX-License-Identifier: MIT
/* provider/zcrx/wait.c: a device passes fences while the program waits. */
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "fence_support.h"

namespace
{

TEST(FenceWait, GivesBackWhileDataComes)
{
	Rig rig;
	Out out(rig, 1);
	uint64_t word = 1;

	EXPECT_EQ(after(rig, out.frags, devrx_fence_u64(&word, 1)), 0);
	rig.fake.send(out.fd, 64);
	rig.fake.work();
	std::vector<devrx_fragment> more;
	EXPECT_EQ(rig.wait(&more, 8, 0), 1);
	EXPECT_EQ(rig.stats().released, 1u);
	EXPECT_EQ(rig.release(more), 0);
	rig.expect_all_returned();
}

/* All fragments are behind fences: only the device can let it go on. */
TEST(FenceWait, ForRoom)
{
	Rig rig;
	rig.opts.max_fragments = 16;
	Out out(rig, 16);
	std::vector<devrx_fragment> more;
	Later later = { 5 };

	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(after(rig, out.frags.data(), 4, later.fence()), 0);
	rig.fake.send(out.fd, 64);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0) << "not yet, and no error";
	const unsigned int enters = rig.fake.enters;
	EXPECT_EQ(rig.wait(nullptr, 8, 1), 0) << "nor after its limit";
	EXPECT_EQ(rig.fake.enters, enters) << "the kernel has nothing for it";
	EXPECT_EQ(rig.wait(&more, 8, -1), 1);
	EXPECT_LT(later.left, 0);
	EXPECT_EQ(rig.release(more), 0);
	out.frags.erase(out.frags.begin(), out.frags.begin() + 4);
	EXPECT_EQ(rig.release(out.frags), 0);
	rig.expect_all_returned();
}

/* The area is dry, and all its chunks are behind fences. */
TEST(FenceWait, ForChunks)
{
	for (bool dmabuf : { false, true }) {
		Rig rig(dmabuf, 8 * 4096);
		std::vector<devrx_fragment> frags, held;
		Later later = { 7 };
		int fd;

		rig.fake.piece_max = 4096;
		rig.fake.pack = false;
		rig.must_open();
		fd = rig.added();
		rig.fake.send(fd, 20 * 4096);
		while (rig.wait(&frags, 64, 0) > 0)
			held.insert(held.end(), frags.begin(), frags.end());
		ASSERT_GE(held.size(), 4u);
		ASSERT_LT(held.size(), 20u);
		EXPECT_EQ(after(rig, held, later.fence()), 0);
		/* Without a look at the fence this would never end; the fake
		 * calls it a violation. */
		EXPECT_GT(rig.wait(&frags, 64, -1), 0);
		EXPECT_LT(later.left, 0);
		EXPECT_EQ(rig.release(frags), 0);
		EXPECT_EQ(rig.drain(), 0);
		EXPECT_EQ(rig.streams[fd].got, 20 * 4096u);
		rig.expect_all_returned();
	}
}

/* Every connection is starved: a host area, payload that came around. */
TEST(FenceWait, ForStarvedConnections)
{
	Rig rig(false, 4 * 4096);
	std::vector<devrx_fragment> frags, held;
	Later later = { 7 };
	int fd;

	rig.must_open();
	fd = rig.added();
	rig.fake.send_copied(fd, 10 * 4096);
	while (rig.wait(&frags, 64, 0) > 0)
		held.insert(held.end(), frags.begin(), frags.end());
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_GT(rig.stats().starved, 0u);
	EXPECT_EQ(after(rig, held, later.fence()), 0);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	EXPECT_GT(rig.wait(&frags, 64, -1), 0);
	EXPECT_EQ(rig.release(frags), 0);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[fd].got, 10 * 4096u);
	rig.expect_all_returned();
}

TEST(FenceWait, LooksAgainSoonThenLessOften)
{
	Rig rig;
	Out out(rig, 1);
	Later later = { 8 };

	EXPECT_EQ(after(rig, out.frags, later.fence()), 0);
	const unsigned int enters = rig.fake.enters;
	EXPECT_EQ(rig.wait(nullptr, 8, INT64_C(3600000000000)), 0);
	/* The fake's clock stands still: all of the hour is in the last one. */
	EXPECT_GE(rig.fake.enters, enters + 8);
	EXPECT_LT(later.left, 0);
	EXPECT_TRUE(rig.fake.limited);
	EXPECT_GT(rig.fake.limit_ns, INT64_C(3590000000000));
	rig.expect_all_returned();
}

TEST(FenceWait, SleepsForAMillisecondAtMost)
{
	Rig rig;
	Out out(rig, 1);
	Event event;
	int64_t longest = 0, first = 0;
	struct Asker {
		Rig *rig;
		int64_t *first, *longest;
		int left;
		static int poll(void *object)
		{
			Asker *a = static_cast<Asker *>(object);

			if (a->rig->fake.limited) {
				if (!*a->first)
					*a->first = a->rig->fake.limit_ns;
				if (a->rig->fake.limit_ns > *a->longest)
					*a->longest = a->rig->fake.limit_ns;
			}
			return a->left-- > 0 ? -EAGAIN : 0;
		}
	} asker = { &rig, &first, &longest, 20 };

	EXPECT_EQ(after(rig, out.frags,
			devrx_fence_poll(Asker::poll, &asker, nullptr)),
		  0);
	rig.fake.limited = false;
	EXPECT_EQ(rig.wait(nullptr, 8, INT64_C(3600000000000)), 0);
	EXPECT_LE(first, 32000);
	EXPECT_GT(longest, 500000) << "it would be a busy loop";
	EXPECT_LE(longest, 1024000);
}

TEST(FenceWait, ALongListOfSlotsParks)
{
	Rig rig;
	rig.fake.idle_nic = true;
	rig.features.flags &= ~DEVRX_FEATURE_FLUSH;
	Out out(rig, 300);
	uint64_t word = 1;

	EXPECT_EQ(after(rig, out.frags, devrx_fence_u64(&word, 1)), 0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(rig.stats().released, 300u);
	EXPECT_EQ(rig.fake.refs_out(), 300u) << "the kernel has seen none";
	for (int i = 0; i < 10; i++) {
		rig.fake.nic_refills(64);
		EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	}
	rig.expect_all_returned();
}

/* -- a device on a thread of its own ------------------------------------------- */

/*
 * It reads what it was given as the NIC wrote it, then counts its words up. The
 * fake NIC writes into the same mapping, on the receiver's thread: bytes that
 * are overwritten too early are seen by their value, and by TSAN. Nothing but
 * the fence's one word tells that thread how far the device is.
 */
class FenceThreads : public testing::TestWithParam<bool>
{
};

TEST_P(FenceThreads, ADeviceReadsWhileTheNicRefills)
{
	constexpr uint64_t len = 4000000;
	Rig rig(false, 32 * 4096, 3);
	struct devrx_memory_info info = {};
	std::vector<devrx_fragment> work(len / 100);
	std::atomic<bool> stop{ false };
	uint32_t word = 0, given = 0, end = 0;
	uint64_t wide = 0, wrong = 0;
	devrx_fragment frags[64];
	int got;

	info.size = sizeof(info);
	ASSERT_EQ(devrx_memory_info(rig.mem, &info), 0);
	rig.fake.piece_min = 200;
	rig.fake.piece_max = 4000;
	rig.must_open();
	const int fd = rig.added();
	rig.fake.send(fd, len);
	rig.fake.end(fd);

	std::thread device([&] {
		uint32_t done = 0;

		while (!stop) {
			if (done == __atomic_load_n(&given, __ATOMIC_ACQUIRE)) {
				std::this_thread::yield();
				continue;
			}
			const devrx_fragment &frag = work[done++];
			const unsigned char *at =
				static_cast<unsigned char *>(info.host_addr) +
				frag.offset;
			/* Not each one: TSAN forgets a thread's accesses when
			 * many more have followed. */
			for (uint32_t i = 0; i < frag.length; i += 499)
				wrong += at[i] !=
					 fake_byte(fd, frag.position + i);
			__atomic_store_n(&wide, done, __ATOMIC_RELEASE);
			__atomic_store_n(&word, done, __ATOMIC_RELEASE);
		}
	});
	/* Not rig.wait(): it would read the bytes as the device does. */
	while ((got = devrx_receiver_wait(rig.rx, frags, 64,
					  INT64_C(10000000000))) > 0) {
		for (int i = 0; i < got; i++)
			if (frags[i].length)
				work.at(end++) = frags[i];
		__atomic_store_n(&given, end, __ATOMIC_RELEASE);
		EXPECT_EQ(after(rig, frags, static_cast<unsigned int>(got),
				GetParam() ? devrx_fence_u64(&wide, end) :
					     devrx_fence_u32(&word, end)),
			  0);
	}
	EXPECT_EQ(got, -ENOTCONN) << "or it came to a standstill";
	while (devrx_receiver_poll_fences(rig.rx) > 0)
		std::this_thread::yield();
	stop = true;
	device.join();
	EXPECT_EQ(wrong, 0u);
	EXPECT_EQ(rig.stats().bytes, len);
	EXPECT_EQ(rig.stats().released, end);
	rig.expect_all_returned();
}

INSTANTIATE_TEST_SUITE_P(Words, FenceThreads, testing::Bool(),
			 [](const auto &i) {
				 return std::string(i.param ? "U64" : "U32");
			 });

} // namespace
