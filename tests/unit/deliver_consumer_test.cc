// SPDX-License-Identifier: MIT
/* provider/deliver/ring.c, devrx/ring.h: who consumes the records. */
#include <cerrno>
#include <random>
#include <thread>
#include <vector>

#include "ring_support.h"

namespace
{

/* -- launches ---------------------------------------------------------------- */

TEST(DeviceRingTake, GivesEachRecordOnce)
{
	Ring r(8);
	struct devrx_device_batch batch = {};

	EXPECT_EQ(devrx_device_ring_take(r.ring, 8, 0, &batch), 0);
	EXPECT_EQ(r.push(fragments(5)), 5);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 3, 0, &batch), 3);
	EXPECT_EQ(batch.records, 384u);
	EXPECT_EQ(batch.windows, 384u + 8 * 16);
	EXPECT_EQ(batch.nr, 3u);
	EXPECT_EQ(batch.to, 3u);
	EXPECT_EQ(batch.base, 0u);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 100, 0, &batch), 2);
	EXPECT_EQ(batch.records, 384u + 3 * 16);
	EXPECT_EQ(batch.windows, 384u + 8 * 16 + 3 * 4);
	EXPECT_EQ(batch.to, 5u);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 100, 0, &batch), 0);
	/* To the ring's end, and then from its start. */
	devrx_desc_consumed(r.shared, 5); /* the device's queue wrote it */
	EXPECT_EQ(r.push(fragments(8, 5)), 8);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 100, 0, &batch), 3);
	EXPECT_EQ(batch.to, 8u);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 100, 0, &batch), 5);
	EXPECT_EQ(batch.records, 384u);
	EXPECT_EQ(batch.to, 13u);
}

TEST(DeviceRingTake, EndsAtAWindowWhereAsked)
{
	Ring r(8, DEVRX_DEVICE_RING_F_WINDOWS);
	struct devrx_device_batch batch = {};
	const uint64_t windows[] = { 3, 3, 0, 3, 3, 3 };
	std::vector<devrx_fragment> frags;

	for (uint64_t window : windows)
		frags.push_back(fragment(4 * GiB * window + 5, 1, 0));
	EXPECT_EQ(r.push(frags), 6);
	for (uint32_t want : { 2u, 1u, 3u }) {
		EXPECT_EQ(devrx_device_ring_take(r.ring, 8,
						 DEVRX_DEVICE_TAKE_F_ONE_WINDOW,
						 &batch),
			  static_cast<int>(want));
		EXPECT_EQ(batch.nr, want);
		EXPECT_EQ(batch.base, want == 1 ? 0 : 12 * GiB);
	}
	EXPECT_EQ(r.push({ frags[0], frags[2] }), 2);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 8, 0, &batch), 2);
	EXPECT_EQ(batch.base, 0u);
}

TEST(DeviceRingTake, RefusesWhatItDoesNotKnow)
{
	Ring r(8);
	struct devrx_device_batch batch = {};

	EXPECT_EQ(r.push(fragments(2)), 2);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 0, 0, &batch), -EINVAL);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 8, 2, &batch), -EINVAL);
	EXPECT_EQ(batch.nr, 0u);
	EXPECT_EQ(devrx_device_ring_take(r.ring, 8, 0, &batch), 2);
}

TEST(DeviceRingRetire, MovesHeadUpToWhatWasTaken)
{
	Ring r(8);
	struct devrx_device_batch batch = {};

	EXPECT_EQ(r.push(fragments(8)), 8);
	EXPECT_EQ(devrx_device_ring_retire(r.ring, 0), 0);
	EXPECT_EQ(devrx_device_ring_retire(r.ring, 1), -EINVAL) << "not taken";
	EXPECT_EQ(devrx_device_ring_take(r.ring, 6, 0, &batch), 6);
	EXPECT_EQ(devrx_device_ring_retire(r.ring, 4), 0);
	EXPECT_EQ(r.shared->head, 4u);
	EXPECT_EQ(devrx_device_ring_retire(r.ring, 3), -EINVAL) << "backwards";
	EXPECT_EQ(devrx_device_ring_retire(r.ring, 7), -EINVAL);
	EXPECT_EQ(r.push(fragments(8)), 4);
	EXPECT_EQ(devrx_device_ring_retire(r.ring, batch.to), 0);
	EXPECT_EQ(r.push(fragments(8)), 2);
}

TEST(DeviceRingFence, IsItsHead)
{
	Ring r(8);
	struct devrx_fence fence = {};

	EXPECT_EQ(r.push(fragments(5)), 5);
	devrx_device_ring_fence(r.ring, &fence);
	EXPECT_EQ(fence.kind, static_cast<uint32_t>(DEVRX_FENCE_U32));
	EXPECT_EQ(fence.timeline, &r.shared->head);
	EXPECT_EQ(fence.value, 5u);
}

/* -- a consumer on a thread of its own ----------------------------------------- */

/*
 * The producer plays the NIC, too: it writes payload into a memory of a few
 * chunks, pushes it, and uses a chunk again once head has passed its record.
 * Everything but the ring's words is plain memory, so that TSAN sees each order
 * that is missing, and the bytes show what it does to them.
 */
TEST(DeviceRingThreads, APersistentConsumer)
{
	constexpr uint32_t nr = 16, chunk = 64, rounds = 30000;
	Ring r(nr, DEVRX_DEVICE_RING_F_WINDOWS);
	std::vector<unsigned char> memory(nr * chunk);
	uint64_t total = 0; /* written before finish, read after the end */
	uint64_t wrong = 0, seen = 0, total_seen = 0;

	std::thread device([&] {
		uint32_t head = 0;
		int n;

		while ((n = devrx_desc_available(r.shared, head)) >= 0) {
			for (; n > 0; n--, head++, seen++) {
				const auto *desc =
					devrx_desc_at(r.shared, head);
				const uint64_t source =
					devrx_desc_source(r.shared, head);

				wrong += source >> 32 != seen % 3;
				wrong += desc->destination != seen;
				for (uint32_t i = 0; i < desc->length; i++)
					wrong += memory[desc->source + i] !=
						 static_cast<unsigned char>(
							 seen + i);
			}
			devrx_desc_consumed(r.shared, head);
			std::this_thread::yield();
		}
		total_seen = total;
	});
	std::mt19937 rng(3);
	for (uint64_t made = 0; made < rounds;) {
		std::vector<devrx_fragment> frags;
		const uint32_t head =
			__atomic_load_n(&r.shared->head, __ATOMIC_ACQUIRE);
		const uint32_t room = nr - (static_cast<uint32_t>(made) - head);

		for (uint32_t i = rng() % (room + 1); i; i--, made++) {
			const uint32_t at = made % nr * chunk;
			const uint32_t length =
				1 + static_cast<uint32_t>(rng()) % chunk;

			for (uint32_t k = 0; k < length; k++)
				memory[at + k] =
					static_cast<unsigned char>(made + k);
			frags.push_back(
				fragment(made % 3 << 32 | at, length, made));
		}
		ASSERT_EQ(r.push(frags), static_cast<int>(frags.size()));
		total = made;
		if (frags.empty())
			std::this_thread::yield();
	}
	devrx_device_ring_finish(r.ring);
	device.join();
	EXPECT_EQ(wrong, 0u);
	EXPECT_EQ(seen, total);
	EXPECT_EQ(total_seen, total);
}

/* The same with a producer that always pushes more than fits: what keeps it from
 * overwriting records is the ring alone. */
TEST(DeviceRingThreads, AFullRing)
{
	constexpr uint64_t rounds = 30000;
	Ring r(8);
	uint64_t wrong = 0, seen = 0;

	std::thread device([&] {
		uint32_t head = 0;
		int n;

		while ((n = devrx_desc_available(r.shared, head)) >= 0) {
			wrong += n > 8;
			for (; n > 0; n--, head++, seen++) {
				const auto *desc =
					devrx_desc_at(r.shared, head);

				wrong += desc->destination != seen * 1448;
				wrong += desc->source != seen * 4096 + 1;
				wrong += desc->length != 1448;
			}
			devrx_desc_consumed(r.shared, head);
			std::this_thread::yield();
		}
	});
	for (uint64_t made = 0; made < rounds;) {
		const int n = r.push(fragments(12, made));

		ASSERT_GE(n, 0);
		made += static_cast<uint64_t>(n);
		if (!n)
			std::this_thread::yield();
	}
	devrx_device_ring_finish(r.ring);
	device.join();
	EXPECT_EQ(wrong, 0u);
	EXPECT_GE(seen, rounds);
}

} // namespace
