// SPDX-License-Identifier: MIT
/* A receiver grows: more memories, more chunks, and nothing that was out changes. */
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "fake_rig.h"

extern "C" {
#include "memory/memory.h"
}

namespace
{

constexpr uint64_t PAGE = 4096;
using Frags = std::vector<devrx_fragment>;

class Areas : public testing::Test
{
      protected:
	explicit Areas(bool dmabuf = true,
		       const struct devrx_provider *provider = &fake_provider)
	    : rig(dmabuf, 64 * PAGE, 1, provider)
	{
		rig.fake.pack = false;
		rig.fake.piece_min = rig.fake.piece_max = PAGE;
	}
	void open(uint32_t flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL)
	{
		rig.opts.flags = flags;
		rig.must_open();
		fd = rig.added();
	}
	/* All that comes stays out. */
	void hold_all()
	{
		Frags frags;

		while (rig.wait(&frags, 64, 0) > 0)
			for (const auto &frag : frags)
				if (frag.token)
					held.push_back(frag);
	}
	void expect_refused(struct devrx_memory *mem, int err, const char *why)
	{
		const auto before = rig.info();

		EXPECT_EQ(devrx_receiver_add_area(rig.rx, mem), err);
		EXPECT_EQ(rig.why(), why);
		const auto after = rig.info();
		EXPECT_EQ(memcmp(&before, &after, sizeof(before)), 0);
	}
	unsigned int in_area(unsigned int area) const
	{
		unsigned int n = 0;

		for (const auto &frag : held)
			n += devrx_fragment_area(&frag) == area;
		return n;
	}

	Rig rig;
	int fd = -1;
	Frags held;
};

TEST_F(Areas, GoesOnInTheNextOneWithNothingReleased)
{
	open();
	EXPECT_EQ(rig.info().areas, 1u);
	rig.fake.send(fd, 200 * PAGE);
	hold_all();
	EXPECT_EQ(held.size(), 64u);

	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	hold_all();
	EXPECT_EQ(held.size(), 128u);
	EXPECT_EQ(rig.grow(100 * PAGE), 2);
	hold_all();
	EXPECT_EQ(held.size(), 200u);
	EXPECT_EQ(in_area(0), 64u);
	EXPECT_EQ(in_area(1), 64u);
	EXPECT_EQ(in_area(2), 72u);
	EXPECT_EQ(rig.info().areas, 3u);
	EXPECT_EQ(rig.info().nr_chunks, 228u);
	EXPECT_EQ(rig.streams[fd].got, 200 * PAGE);

	EXPECT_EQ(rig.release(held), 0);
	held.clear();
	rig.expect_all_returned();
	rig.fake.send(fd, 1000 * PAGE);
	rig.fake.end(fd);
	(void)rig.drain();
	EXPECT_EQ(rig.streams[fd].got, 1200 * PAGE);
	EXPECT_TRUE(rig.streams[fd].eof);
	rig.expect_all_returned();
}

/* Old tokens open what they opened, and nothing twice. */
TEST_F(Areas, TokensStayWhatTheyAre)
{
	open();
	rig.fake.send(fd, 50 * PAGE);
	hold_all();
	ASSERT_EQ(held.size(), 50u);
	const Frags first(held.begin(), held.begin() + 20);
	EXPECT_EQ(rig.release(first), 0);
	EXPECT_EQ(rig.grow(8192 * PAGE), 1);
	EXPECT_EQ(rig.info().max_fragments, 8256u);
	EXPECT_EQ(rig.stats().fragments_out, 30u);
	for (const auto &frag : first)
		EXPECT_EQ(rig.release(frag), -ESTALE);
	EXPECT_EQ(rig.release(Frags(held.begin() + 20, held.end())), 0);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
	rig.expect_all_returned();
	held.clear();
	/* More than there was room for at first. */
	rig.fake.send(fd, 3000 * PAGE);
	hold_all();
	rig.fake.send(fd, 2000 * PAGE);
	hold_all();
	EXPECT_EQ(held.size(), 5000u);
	const devrx_fence fence =
		devrx_fence_poll([](void *) { return 0; }, nullptr, nullptr);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, held.data(), 5000,
					       &fence),
		  0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	rig.expect_all_returned();
}

TEST_F(Areas, AFixedNumberOfFragmentsStays)
{
	rig.opts.max_fragments = 70;
	open();
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	EXPECT_EQ(rig.info().max_fragments, 70u);
	rig.fake.send(fd, 128 * PAGE);
	hold_all();
	EXPECT_EQ(held.size(), 70u);
	EXPECT_EQ(rig.release(held), 0);
	(void)rig.drain();
	EXPECT_EQ(rig.streams[fd].got, 128 * PAGE);
}

/* What waits behind a fence is given back after the move, parked slots too. */
TEST_F(Areas, FencesAndParkedSlotsMoveAlong)
{
	static int answer;

	open();
	rig.fake.idle_nic = true;
	rig.fake.flush_error = -EINVAL;
	rig.fake.send(fd, 64 * PAGE);
	hold_all();
	ASSERT_EQ(held.size(), 64u);
	answer = -EAGAIN;
	const devrx_fence fence = devrx_fence_poll(
		[](void *) { return answer; }, nullptr, nullptr);
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, held.data(), 32, &fence),
		  0);
	EXPECT_EQ(rig.grow(8192 * PAGE), 1);
	answer = 0;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(rig.release(Frags(held.begin() + 32, held.end())), 0);
	/* The refill ring has 64 entries, and they are taken. */
	rig.fake.send(fd, 40 * PAGE);
	held.clear();
	hold_all();
	ASSERT_EQ(held.size(), 40u);
	EXPECT_EQ(in_area(1), 40u);
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_EQ(rig.rx->slots.nr_parked, 40u);
	EXPECT_EQ(rig.grow(16384 * PAGE), 2);
	EXPECT_EQ(rig.rx->slots.nr_parked, 40u);
	rig.fake.idle_nic = false;
	for (int i = 0; i < 10; i++) {
		rig.fake.nic_refills(64);
		rig.fake.send(fd, PAGE);
		(void)rig.drain();
	}
	EXPECT_EQ(rig.streams[fd].got, 114 * PAGE);
	EXPECT_EQ(rig.rx->slots.nr_parked, 0u);
	rig.expect_all_returned();
}

TEST_F(Areas, ALostFragmentIsToldWithItsMemory)
{
	open();
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	rig.fake.send(fd, 100 * PAGE);
	hold_all();
	ASSERT_EQ(held.size(), 100u);
	ASSERT_EQ(in_area(1), 36u);
	const devrx_fence fence =
		devrx_fence_poll([](void *) { return -EIO; }, nullptr, nullptr);
	for (const auto &frag : held)
		rig.expect_lost(frag, -EIO); /* its offset, too */
	EXPECT_EQ(devrx_receiver_release_after(rig.rx, held.data(), 100,
					       &fence),
		  0);
	(void)rig.drain();
	EXPECT_TRUE(rig.lost.empty());
	rig.expect_all_returned();
}

/* A paused connection goes on; marks are those of one area as large. */
TEST_F(Areas, FlowControlCountsAll)
{
	rig.fake.burst = 2;
	open(0);
	rig.fake.send(fd, 1000 * PAGE);
	hold_all();
	const size_t before = held.size();
	EXPECT_LT(before, 64u);
	EXPECT_EQ(rig.stats().paused, 1u);
	EXPECT_EQ(rig.grow(192 * PAGE), 1);
	hold_all();
	EXPECT_EQ(rig.stats().paused, 1u);
	EXPECT_GT(in_area(1), 64u) << "a chunk is counted for each area";

	Rig large(true, 256 * PAGE);
	Frags frags;
	size_t at_once = 0;

	large.fake.pack = false;
	large.fake.piece_min = large.fake.piece_max = PAGE;
	large.fake.burst = 2;
	large.must_open();
	large.fake.send(large.added(), 1000 * PAGE);
	while (large.wait(&frags, 64, 0) > 0)
		at_once += frags.size();
	EXPECT_EQ(held.size(), at_once);
	rig.fake.make_current();
	EXPECT_EQ(rig.release(held), 0);
	(void)rig.drain();
	EXPECT_EQ(rig.streams[fd].got, 1000 * PAGE);
	rig.expect_all_returned();
}

TEST_F(Areas, AnEmptyAreaIsAskedForAgain)
{
	rig.fake.alloc_events = true;
	open();
	rig.fake.send(fd, 200 * PAGE);
	hold_all();
	EXPECT_EQ(rig.stats().area_empty, 1u);
	EXPECT_EQ(rig.fake.arms, 0u);
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	hold_all();
	EXPECT_EQ(rig.fake.arms, 1u);
	EXPECT_EQ(rig.stats().area_empty, 2u);
	EXPECT_EQ(rig.release(held), 0);
	(void)rig.drain();
}

/* Kernels mask nothing there, so a wild number is the kernel's mistake. */
TEST_F(Areas, PlacesOutsideEndTheConnection)
{
	for (const uint64_t off :
	     { UINT64_C(2) << 48, UINT64_C(0xffff) << 48,
	       (UINT64_C(1) << 48) + 64 * PAGE, 64 * PAGE }) {
		Rig one;
		one.must_open();
		const int s = one.added();
		EXPECT_EQ(one.grow(64 * PAGE), 1);
		EXPECT_EQ(one.wait(nullptr, 8, 0), 0);
		one.fake.forge(one.rx->conns[0].user_data, 4096,
			       IORING_CQE_F_MORE, off);
		(void)one.drain();
		EXPECT_TRUE(one.streams[s].ended);
		EXPECT_EQ(one.streams[s].error, -EPROTO);
		EXPECT_EQ(one.why(), "bad-completion");
	}
}

TEST_F(Areas, TheLastBytesAreInside)
{
	open();
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	rig.fake.send(fd, 128 * PAGE);
	hold_all();
	EXPECT_EQ(held.size(), 128u);
	EXPECT_EQ(devrx_fragment_offset(&held.back()), 63 * PAGE);
	EXPECT_EQ(devrx_fragment_area(&held.back()), 1u);
	EXPECT_EQ(rig.release(held), 0);
}

/* -- refusals ------------------------------------------------------------- */

TEST_F(Areas, OfAnotherProvider)
{
	open();
	struct devrx_memory *mem = fake_memory(true, PAGE, &writable_provider);

	expect_refused(mem, -EINVAL, "area-other-kind");
	EXPECT_EQ(devrx_memory_free(mem), 0);
	mem = fake_memory(false, 64 * PAGE);
	expect_refused(mem, -EINVAL, "area-other-kind");
	EXPECT_EQ(devrx_memory_free(mem), 0);
}

TEST_F(Areas, TwiceTheSameDmabuf)
{
	open();
	struct devrx_memory *mem;
	struct devrx_memory_info info = {};

	expect_refused(rig.mem, -EEXIST, "area-twice");
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	expect_refused(rig.more[0], -EEXIST, "area-twice");
	/* Bound elsewhere. */
	mem = fake_memory(true, 64 * PAGE);
	ASSERT_EQ(drx_memory_bind(mem, nullptr), 0);
	expect_refused(mem, -EBUSY, "memory-bound");
	drx_memory_unbind(mem);
	info.size = sizeof(info);
	EXPECT_EQ(devrx_memory_free(mem), 0);
}

TEST_F(Areas, NotOnThisKernel)
{
	rig.features = fake_features(ALL_FEATURES & ~DEVRX_FEATURE_ADD_AREA);
	open();
	EXPECT_EQ(rig.grow(64 * PAGE), -EOPNOTSUPP);
	EXPECT_EQ(rig.why(), "area-unsupported");
	EXPECT_EQ(rig.fake.areas_added, 0u);
}

TEST_F(Areas, NotWithTokensOfAnotherMaking)
{
	rig.fake.area_token = UINT64_C(5) << 48;
	open();
	EXPECT_EQ(rig.grow(64 * PAGE), -EPROTO);
	EXPECT_EQ(rig.why(), "zcrx-layout");
	EXPECT_EQ(rig.fake.areas_added, 0u);
}

TEST_F(Areas, LengthsThatDoNotFit)
{
	rig.opts.chunk_len = 8192;
	open();
	EXPECT_EQ(rig.grow(PAGE), -ERANGE);
	EXPECT_EQ(rig.why(), "chunk-refused");
	rig.rx->features.max_area_len = 64 * PAGE;
	EXPECT_EQ(rig.grow(128 * PAGE), -EFBIG);
	EXPECT_EQ(rig.why(), "area-too-large");
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
}

/* What the kernel refuses leaves nothing behind, and the next one comes. */
TEST_F(Areas, TheKernelRefuses)
{
	const struct {
		int kernel, err;
		const char *why;
	} cases[] = {
		{ -EFAULT, -ENODEV, "nic-missing" },
		{ -ENOMEM, -ENOMEM, "out-of-memory" },
		{ -ERANGE, -ERANGE, "chunk-refused" },
		{ -EBUSY, -EBUSY, "attach-refused" },
	};

	open();
	rig.fake.send(fd, 300 * PAGE);
	hold_all();
	for (const auto &c : cases) {
		struct devrx_memory *mem = fake_memory(true, 64 * PAGE);

		rig.fake.area_errors = { c.kernel };
		expect_refused(mem, c.err, c.why);
		EXPECT_EQ(devrx_memory_free(mem), 0) << "still bound";
	}
	EXPECT_EQ(rig.stats().fragments_out, 64u);
	EXPECT_EQ(rig.rx->areas, nullptr);
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	hold_all();
	EXPECT_EQ(held.size(), 128u);
	EXPECT_EQ(rig.release(held), 0);
	(void)rig.drain();
	EXPECT_EQ(rig.streams[fd].got, 300 * PAGE);
}

TEST_F(Areas, AsManyAsThereAre)
{
	open();
	for (int i = 1; i < DEVRX_AREAS_MAX; i++)
		ASSERT_EQ(rig.grow(PAGE), i);
	EXPECT_EQ(rig.grow(PAGE), -ENOSPC);
	EXPECT_EQ(rig.why(), "areas-full");
	rig.fake.send(fd, 127 * PAGE);
	hold_all();
	EXPECT_EQ(held.size(), 127u);
	EXPECT_EQ(in_area(DEVRX_AREAS_MAX - 1), 1u);
	EXPECT_EQ(rig.release(held), 0);
	rig.expect_all_returned();
}

TEST_F(Areas, WithoutAMemory)
{
	open();
	EXPECT_EQ(devrx_receiver_add_area(rig.rx, nullptr), -EINVAL);
}

/* Bound as long as the receiver is there. */
TEST_F(Areas, MemoriesAreFreeAfterClose)
{
	open();
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	EXPECT_EQ(devrx_memory_free(rig.more[0]), -EBUSY);
	EXPECT_EQ(rig.close(0), 0);
	EXPECT_EQ(devrx_memory_free(rig.more[0]), 0);
	rig.more.clear();
}

/* -- other tiers ---------------------------------------------------------- */

class HostAreas : public Areas
{
      protected:
	HostAreas() : Areas(false)
	{
	}
};

TEST_F(HostAreas, GrowToo)
{
	open();
	ASSERT_EQ(rig.info().tier, uint32_t(DEVRX_TIER_ZCRX_HOST));
	rig.fake.send(fd, 100 * PAGE);
	hold_all();
	EXPECT_EQ(held.size(), 64u);
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	hold_all();
	EXPECT_EQ(held.size(), 100u);
	EXPECT_EQ(rig.release(held), 0);
	rig.expect_all_returned();
}

int memfd_or_pages(const struct devrx_memory_opts *opts,
		   struct devrx_backing *ret, struct devrx_cause *cause)
{
	const int err = fake_provider.alloc(opts, ret, cause);

	if (!err && opts->len == 64 * PAGE) {
		(void)close(ret->dmabuf_fd);
		ret->dmabuf_fd = -1;
	}
	return err;
}

void memfd_or_pages_free(struct devrx_backing *backing)
{
	(void)munmap(backing->host_addr, backing->len);
	if (backing->dmabuf_fd >= 0)
		(void)close(backing->dmabuf_fd);
}

/* The kernel has one kind of area in a queue. */
TEST(HostAreasOfAFickleProvider, AreOfOneKind)
{
	struct devrx_provider fickle = fake_provider;

	fickle.alloc = memfd_or_pages;
	fickle.free = memfd_or_pages_free;
	Rig one(true, 64 * PAGE, 1, &fickle);
	one.must_open();
	ASSERT_EQ(one.info().tier, uint32_t(DEVRX_TIER_ZCRX_HOST));
	struct devrx_memory *mem = fake_memory(true, 32 * PAGE, &fickle);
	EXPECT_EQ(devrx_receiver_add_area(one.rx, mem), -EINVAL);
	EXPECT_EQ(one.why(), "area-other-kind");
	EXPECT_EQ(devrx_memory_free(mem), 0);
	mem = fake_memory(true, 64 * PAGE, &fickle);
	EXPECT_EQ(devrx_receiver_add_area(one.rx, mem), 1);
	one.more.push_back(mem);
}

/* Payload for which the old area had no room starved the connection. */
TEST_F(HostAreas, StarvedOnesGoOn)
{
	open();
	rig.fake.send_copied(fd, 100 * PAGE);
	hold_all();
	EXPECT_EQ(held.size(), 64u);
	EXPECT_EQ(rig.wait(nullptr, 8, 0), -ENOBUFS);
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	hold_all();
	EXPECT_EQ(held.size(), 100u);
	EXPECT_EQ(rig.release(held), 0);
}

TEST_F(HostAreas, TheKernelCannotPinThem)
{
	open();
	rig.fake.area_errors = { -EFAULT };
	EXPECT_EQ(rig.grow(64 * PAGE), -EFAULT);
	EXPECT_EQ(rig.why(), "os-error");
}

TEST_F(Areas, NotWhereTheProviderWrites)
{
	Rig copy(true, 64 * PAGE, 1, &writable_provider);

	copy.opts.tier = DEVRX_TIER_ZCRX_HOST;
	copy.copied = true;
	copy.must_open();
	EXPECT_EQ(copy.grow(64 * PAGE), -EOPNOTSUPP);
	EXPECT_EQ(copy.why(), "area-unsupported");
}

/* -- payload around the queue --------------------------------------------- */

class CopyAreas : public Areas
{
      protected:
	CopyAreas() : Areas(true, &writable_provider)
	{
	}
};

/* Places in the added memory are written and read there. */
TEST_F(CopyAreas, RecoveryWritesIntoTheRightOne)
{
	open();
	rig.fake.send(fd, 64 * PAGE);
	hold_all();
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	/* Only chunks of the new one are to be had; their places, then. */
	for (int i = 0; i < 20; i++) {
		rig.fake.send(fd, 3 * PAGE);
		rig.fake.send_copied(fd, 5000);
		Frags frags;

		for (int quiet = 0; quiet < 3;) {
			const int got = rig.wait(&frags, 64, 0);

			if (got <= 0) {
				quiet++;
				continue;
			}
			for (const auto &frag : frags) {
				EXPECT_EQ(devrx_fragment_area(&frag), 1u);
			}
			EXPECT_EQ(rig.release(frags), 0);
		}
	}
	EXPECT_EQ(rig.streams[fd].got, 64 * PAGE + 20 * (3 * PAGE + 5000));
	EXPECT_GT(rig.streams[fd].copied, 0u);
	EXPECT_EQ(rig.release(held), 0);
}

} // namespace
