// SPDX-License-Identifier: MIT
/* provider/zcrx/release.c, slots.h, refill.h: chunks go back exactly once. */
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "fake_rig.h"

namespace
{

/* @n fragments of one connection are out. */
class Out
{
      public:
	explicit Out(Rig &rig, unsigned int n, uint32_t piece = 64) : fd(-1)
	{
		rig.fake.piece_max = piece;
		rig.must_open();
		fd = rig.added();
		rig.fake.send(fd, static_cast<uint64_t>(n) * piece);
		EXPECT_EQ(rig.wait(&frags, n + 1, -1), static_cast<int>(n));
	}
	int fd;
	std::vector<devrx_fragment> frags;
};

TEST(Release, TwiceIsStale)
{
	Rig rig;
	Out out(rig, 3);

	EXPECT_EQ(rig.release(out.frags[1]), 0);
	EXPECT_EQ(rig.release(out.frags[1]), -ESTALE);
	EXPECT_EQ(rig.stats().released, 1u);
	EXPECT_EQ(rig.stats().bad_releases, 1u);
	EXPECT_EQ(rig.stats().fragments_out, 2u);
	EXPECT_EQ(rig.release(out.frags[0]), 0);
	EXPECT_EQ(rig.release(out.frags[2]), 0);
	rig.expect_all_returned();
}

TEST(Release, TwiceInOneArrayIsStale)
{
	Rig rig;
	Out out(rig, 2);

	EXPECT_EQ(rig.release({ out.frags[0], out.frags[0], out.frags[1] }),
		  -ESTALE);
	EXPECT_EQ(rig.stats().released, 2u);
	EXPECT_EQ(rig.stats().bad_releases, 1u);
	rig.expect_all_returned();
}

TEST(Release, StaleAfterItsSlotWasUsedAgain)
{
	Rig rig;
	Out out(rig, 1);
	std::vector<devrx_fragment> next;

	EXPECT_EQ(rig.release(out.frags), 0);
	rig.fake.send(out.fd, 64);
	ASSERT_EQ(rig.wait(&next, 8, -1), 1);
	EXPECT_NE(next[0].token, out.frags[0].token);
	EXPECT_EQ(rig.release(out.frags), -ESTALE);
	EXPECT_EQ(rig.stats().fragments_out, 1u);
	EXPECT_EQ(rig.release(next), 0);
	rig.expect_all_returned();
}

TEST(Release, AnotherReceiversIsForeign)
{
	Rig a, b;
	Out out_a(a, 3), out_b(b, 3);

	EXPECT_EQ(b.release(out_a.frags), -ESTALE);
	EXPECT_EQ(b.stats().bad_releases, 3u);
	EXPECT_EQ(b.stats().fragments_out, 3u);
	EXPECT_EQ(a.release(out_b.frags), -ESTALE);
	EXPECT_EQ(a.release(out_a.frags), 0);
	EXPECT_EQ(b.release(out_b.frags), 0);
	a.expect_all_returned();
	b.expect_all_returned();
}

TEST(Release, ForgedTokensAreRefused)
{
	Rig rig;
	Out out(rig, 2);
	std::mt19937_64 rng(42);
	unsigned int bad = 0;

	for (uint64_t token :
	     { UINT64_C(1), UINT64_MAX, DRX_SLOT_INDEX_MASK,
	       out.frags[0].token + 1000,
	       out.frags[0].token ^ UINT64_C(1) << 63,
	       out.frags[0].token + DRX_SLOT_GENERATION,
	       out.frags[0].token & ~DRX_SLOT_INDEX_MASK,
	       (out.frags[0].token & ~DRX_SLOT_INDEX_MASK) | 4097 }) {
		devrx_fragment frag = {};

		frag.token = token;
		EXPECT_EQ(rig.release(frag), -ESTALE) << token;
		bad++;
	}
	for (int i = 0; i < 100000; i++) {
		devrx_fragment frag = {};

		frag.token = rng() | 1;
		EXPECT_EQ(rig.release(frag), -ESTALE) << frag.token;
		bad++;
	}
	EXPECT_EQ(rig.stats().bad_releases, bad);
	EXPECT_EQ(rig.stats().fragments_out, 2u);
	EXPECT_EQ(rig.release(out.frags), 0);
	rig.expect_all_returned();
}

TEST(Release, OnlyTheTokenCounts)
{
	Rig rig;
	Out out(rig, 1);
	devrx_fragment frag;

	memset(&frag, 0xff, sizeof(frag));
	frag.token = out.frags[0].token;
	EXPECT_EQ(rig.release(frag), 0);
	rig.expect_all_returned();
}

TEST(Release, GoodOnesAmongBadOnesGoBack)
{
	Rig rig;
	Out out(rig, 5);
	devrx_fragment nothing = {}, forged = {};

	forged.token = 99;
	EXPECT_EQ(rig.release({ out.frags[0], forged, out.frags[1], nothing,
				out.frags[2], out.frags[3], forged,
				out.frags[4] }),
		  -ESTALE);
	EXPECT_EQ(rig.stats().released, 5u);
	EXPECT_EQ(rig.stats().bad_releases, 2u);
	rig.expect_all_returned();
}

TEST(Release, NothingIsFine)
{
	Rig rig;
	Out out(rig, 1);

	EXPECT_EQ(devrx_receiver_release(rig.rx, nullptr, 0), 0);
	EXPECT_EQ(rig.release(out.frags), 0);
}

TEST(Release, AnyOrderSeveralInOneChunk)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		Rig rig(true, 64 * 4096, seed);
		Out out(rig, 400, 32);
		std::mt19937_64 rng(seed);

		SCOPED_TRACE(seed);
		EXPECT_GT(rig.fake.most_in_chunk, 100u);
		std::shuffle(out.frags.begin(), out.frags.end(), rng);
		for (size_t i = 0; i < out.frags.size();) {
			const size_t n = std::min<size_t>(1 + rng() % 30,
							  out.frags.size() - i);

			EXPECT_EQ(devrx_receiver_release(
					  rig.rx, &out.frags[i],
					  static_cast<unsigned int>(n)),
				  0);
			i += n;
			if (rng() % 2)
				rig.fake.nic_refills(
					static_cast<unsigned int>(rng() % 20));
		}
		rig.expect_all_returned();
	}
}

/* The bytes of a fragment that is held stay, whatever comes after it. */
TEST(Release, AHeldFragmentKeepsItsBytes)
{
	Rig rig(true, 8 * 4096);
	Out out(rig, 1, 3000);
	unsigned char now[3000];

	rig.fake.send(out.fd, 500000);
	EXPECT_EQ(rig.drain(), 0);
	ASSERT_EQ(devrx_memory_read(rig.mem, out.frags[0].offset, now, 3000),
		  0);
	for (unsigned int i = 0; i < 3000; i++)
		ASSERT_EQ(now[i], fake_byte(out.fd, i)) << i;
	EXPECT_EQ(rig.release(out.frags), 0);
	rig.expect_all_returned();
}

/* -- a full refill ring ------------------------------------------------------ */

TEST(RefillFull, IsFlushed)
{
	Rig rig;
	rig.fake.idle_nic = true;
	Out out(rig, 200);

	ASSERT_EQ(rig.info().rq_entries, 64u);
	EXPECT_EQ(rig.release(out.frags), 0);
	EXPECT_EQ(rig.stats().released, 200u);
	EXPECT_GT(rig.fake.flushes, 0u);
	EXPECT_LE(rig.fake.flushes, 3u);
	EXPECT_EQ(rig.stats().refill_flushes, rig.fake.flushes);
	rig.expect_all_returned();
}

/* With an idle NIC and no flush, or one that fails, slots wait. */
class Parking : public testing::TestWithParam<bool>
{
      protected:
	void prepare(Rig &rig)
	{
		rig.fake.idle_nic = true;
		if (GetParam())
			rig.fake.flush_error = -ENOMEM;
		else
			rig.features.flags &= ~DEVRX_FEATURE_FLUSH;
	}
};

TEST_P(Parking, LosesNothing)
{
	Rig rig;
	prepare(rig);
	Out out(rig, 500);

	EXPECT_EQ(rig.release(out.frags), 0);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
	EXPECT_EQ(rig.fake.refs_out(), 500u) << "the kernel has seen none";
	for (const auto &frag : out.frags)
		EXPECT_EQ(rig.release(frag), -ESTALE) << "parked is released";
	/* Each visit makes way for the next 64. */
	for (int i = 0; i < 10; i++) {
		rig.fake.nic_refills(64);
		EXPECT_EQ(devrx_receiver_release(rig.rx, nullptr, 0), 0);
	}
	rig.expect_all_returned();
	rig.fake.idle_nic = false;
	rig.fake.send(out.fd, 300000);
	EXPECT_EQ(rig.drain(), 0);
	EXPECT_EQ(rig.streams[out.fd].got, 332000u);
	for (int i = 0; i < 100; i++) {
		rig.fake.nic_refills(64);
		EXPECT_EQ(devrx_receiver_release(rig.rx, nullptr, 0), 0);
	}
	rig.expect_all_returned();
}

TEST_P(Parking, WaitDrainsToo)
{
	Rig rig;
	prepare(rig);
	Out out(rig, 300);

	EXPECT_EQ(rig.release(out.frags), 0);
	for (int i = 0; i < 10; i++) {
		rig.fake.nic_refills(64);
		EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	}
	rig.expect_all_returned();
}

/* Parked slots are not there for new fragments, and come back. */
TEST_P(Parking, SlotsComeBack)
{
	Rig rig;
	prepare(rig);
	rig.opts.max_fragments = 100;
	Out out(rig, 100);
	std::vector<devrx_fragment> more;

	EXPECT_EQ(rig.release(out.frags), 0); /* 64 back, 36 parked */
	rig.fake.send(out.fd, 100 * 64);
	EXPECT_EQ(rig.wait(&more, 200, 0), 64);
	EXPECT_EQ(rig.wait(nullptr, 200, 0), -ENOBUFS);
	rig.fake.nic_refills(64);
	std::vector<devrx_fragment> rest;
	EXPECT_EQ(rig.wait(&rest, 200, 0), 36);
	EXPECT_EQ(rig.release(more), 0);
	EXPECT_EQ(rig.release(rest), 0);
	for (int i = 0; i < 5; i++) {
		rig.fake.nic_refills(64);
		EXPECT_EQ(devrx_receiver_release(rig.rx, nullptr, 0), 0);
	}
	rig.expect_all_returned();
}

INSTANTIATE_TEST_SUITE_P(Kernels, Parking, testing::Bool(), [](const auto &i) {
	return std::string(i.param ? "FlushFails" : "WithoutFlush");
});

TEST(RefillRing, WrapsManyTimes)
{
	Rig rig(true, 16 * 4096);

	rig.fake.piece_max = 500;
	rig.fake.shuffle = true;
	rig.must_open();
	const int fd = rig.added();
	/* Start close to the end of the 32-bit indices: they run freely. */
	rig.fake.send(fd, 1000000);
	EXPECT_EQ(rig.drain(7), 0);
	EXPECT_EQ(rig.streams[fd].got, 1000000u);
	rig.expect_all_returned();
}

TEST(RefillRing, IndicesWrapAround)
{
	drx_zcrx_rqe rqes[8] = {};
	uint32_t head = UINT32_MAX - 2, tail = head;
	drx_refill rq = { rqes, tail, head, 7, 8, &tail, &head };

	for (uint64_t i = 0; i < 8; i++)
		EXPECT_TRUE(drx_refill_push(&rq, i));
	EXPECT_FALSE(drx_refill_push(&rq, 8));
	EXPECT_EQ(tail, UINT32_MAX - 2) << "not yet shown";
	drx_refill_publish(&rq);
	EXPECT_EQ(tail, 5u);
	head += 3;
	for (uint64_t i = 8; i < 11; i++)
		EXPECT_TRUE(drx_refill_push(&rq, i));
	EXPECT_FALSE(drx_refill_push(&rq, 11));
	for (uint32_t i = 0; i < 8; i++)
		EXPECT_EQ(rqes[(head + i) & 7].off, i + 3);
}

/* -- slots ------------------------------------------------------------------- */

class Slots : public testing::Test
{
      protected:
	Slots()
	{
		EXPECT_EQ(drx_slots_init(&s, 4), 0);
	}
	~Slots() override
	{
		drx_slots_fini(&s);
	}
	drx_slots s = {};
};

TEST_F(Slots, GiveEachOnce)
{
	std::set<uint64_t> tokens;

	for (uint64_t i = 0; i < 4; i++) {
		const uint64_t token = drx_slot_take(&s, 100 + i);

		EXPECT_TRUE(tokens.insert(token).second);
		ASSERT_NE(drx_slot_find(&s, token), nullptr);
		EXPECT_EQ(drx_slot_find(&s, token)->chunk, 100 + i);
	}
	EXPECT_EQ(s.nr_free, 0u);
}

/* What a caller can guess: the token that a free slot will have next. */
TEST_F(Slots, AFreeSlotIsNotOpened)
{
	const uint64_t token = drx_slot_take(&s, 1);

	for (uint64_t idx = 0; idx < DRX_SLOT_INDEX_MASK;
	     idx += idx < 1000 ? 1 : 997) {
		const uint64_t guess = (token & ~DRX_SLOT_INDEX_MASK) | idx;

		if (guess == token)
			continue;
		ASSERT_EQ(drx_slot_find(&s, guess), nullptr) << idx;
	}
	drx_slot *slot = drx_slot_find(&s, token);
	drx_slot_expire(slot);
	EXPECT_EQ(drx_slot_find(&s, token + DRX_SLOT_GENERATION), nullptr);
	EXPECT_EQ(drx_slot_find(&s, slot->token), nullptr);
}

/* The generations have an end, after 2^40 uses of one slot. */
TEST_F(Slots, ATokenIsNeverZero)
{
	for (int i = 0; i < 4; i++) {
		drx_slot *slot = drx_slot_find(&s, drx_slot_take(&s, 0));

		ASSERT_NE(slot, nullptr);
		slot->token |= ~DRX_SLOT_INDEX_MASK;
		drx_slot_expire(slot);
		EXPECT_NE(slot->token, 0u);
		EXPECT_EQ(drx_slot_find(&s, slot->token), nullptr);
	}
}

TEST_F(Slots, ParkedAndFreeShareOneArray)
{
	drx_slot *slot[4];

	for (auto &i : slot)
		i = drx_slot_find(&s, drx_slot_take(&s, 0));
	drx_slot_park(&s, slot[0]);
	drx_slot_free(&s, slot[1]);
	drx_slot_park(&s, slot[2]);
	drx_slot_free(&s, slot[3]);
	EXPECT_EQ(s.nr_free, 2u);
	EXPECT_EQ(s.nr_parked, 2u);
	std::set<drx_slot *> parked;
	while (drx_slot *p = drx_slot_parked(&s)) {
		parked.insert(p);
		drx_slot_unpark(&s, p);
	}
	EXPECT_EQ(parked, (std::set<drx_slot *>{ slot[0], slot[2] }));
	EXPECT_EQ(s.nr_free, 4u);
}

TEST(SlotsOfTwo, ShareNoToken)
{
	drx_slots a = {}, b = {};

	ASSERT_EQ(drx_slots_init(&a, 1000), 0);
	ASSERT_EQ(drx_slots_init(&b, 1000), 0);
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(drx_slot_find(&b, drx_slot_take(&a, 0)), nullptr);
	drx_slots_fini(&a);
	drx_slots_fini(&b);
}

} // namespace
