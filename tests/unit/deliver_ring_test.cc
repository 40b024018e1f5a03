// SPDX-License-Identifier: MIT
/* provider/deliver/ring.c, devrx/ring.h: fragments become records. */
#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

#include "ring_support.h"

namespace
{

/* -- create ------------------------------------------------------------------ */

struct CreateCase {
	const char *name;
	size_t align; /* bytes off an address that is right */
	size_t len;
	void (*change)(struct devrx_device_ring_opts &opts);
	int want;
	uint32_t nr;
};

void as_it_is(struct devrx_device_ring_opts &)
{
}

const CreateCase creates[] = {
	{ "OneRecord", 0, 384 + 20, as_it_is, 0, 1 },
	{ "ABitMore", 0, 384 + 39, as_it_is, 0, 1 },
	{ "TwoRecords", 0, 384 + 40, as_it_is, 0, 2 },
	{ "APage", 0, 4096, as_it_is, 0, 128 },
	{ "Windows", 0, 4096,
	  [](auto &opts) { opts.flags = DEVRX_DEVICE_RING_F_WINDOWS; }, 0,
	  128 },
	{ "OneByteShort", 0, 384 + 19, as_it_is, -EINVAL, 0 },
	{ "NoLength", 0, 0, as_it_is, -EINVAL, 0 },
	{ "Aligned64", 64, 4096, as_it_is, -EINVAL, 0 },
	{ "Aligned1", 1, 4096, as_it_is, -EINVAL, 0 },
	{ "UnknownFlag", 0, 4096, [](auto &opts) { opts.flags = 2; }, -EINVAL,
	  0 },
	{ "Reserved", 0, 4096, [](auto &opts) { opts.reserved = 1; }, -EINVAL,
	  0 },
	{ "SizeTooSmall", 0, 4096, [](auto &opts) { opts.size--; }, -EINVAL,
	  0 },
};

class DeviceRingCreate : public testing::TestWithParam<CreateCase>
{
};

TEST_P(DeviceRingCreate, ReturnsTheDocumentedErrno)
{
	const CreateCase &c = GetParam();
	struct devrx_device_ring_opts opts = DEVRX_DEVICE_RING_OPTS_INIT;
	struct devrx_device_ring *ring = nullptr;
	struct devrx_cause cause = {};
	alignas(128) char memory[4096 + 128];

	memset(memory, 0x5a, sizeof(memory));
	opts.cause = &cause;
	c.change(opts);
	EXPECT_EQ(devrx_device_ring_create(&ring, memory + c.align, c.len,
					   &opts),
		  c.want);
	EXPECT_EQ(ring != nullptr, c.want == 0);
	if (c.want) {
		for (char byte : memory)
			ASSERT_EQ(byte, 0x5a) << "the memory was touched";
		if (opts.size == sizeof(opts)) {
			EXPECT_STREQ(cause.id, "opts-invalid");
		}
	} else {
		const auto *shared = static_cast<struct devrx_desc_ring *>(
			static_cast<void *>(memory));

		EXPECT_EQ(shared->magic, DEVRX_DESC_MAGIC);
		EXPECT_EQ(shared->layout, DEVRX_DESC_LAYOUT);
		EXPECT_EQ(shared->nr, c.nr);
		EXPECT_EQ(shared->flags, opts.flags);
		EXPECT_EQ(shared->records, 384u);
		EXPECT_EQ(shared->windows, 384u + 16 * c.nr);
		EXPECT_EQ(shared->head, 0u);
		EXPECT_EQ(shared->tail, 0u);
		EXPECT_EQ(shared->finished, 0u);
		EXPECT_EQ(memory[DEVRX_DEVICE_RING_LEN(c.nr)], 0x5a);
	}
	devrx_device_ring_destroy(ring);
}

INSTANTIATE_TEST_SUITE_P(All, DeviceRingCreate, testing::ValuesIn(creates),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(DeviceRingNull, IsRefusedOrNothing)
{
	alignas(128) char memory[4096];
	struct devrx_device_ring *ring = nullptr;

	EXPECT_EQ(devrx_device_ring_create(nullptr, memory, 4096, nullptr),
		  -EINVAL);
	EXPECT_EQ(devrx_device_ring_create(&ring, nullptr, 4096, nullptr),
		  -EINVAL);
	EXPECT_EQ(ring, nullptr);
	EXPECT_EQ(devrx_device_ring_create(&ring, memory, 4096, nullptr), 0);
	devrx_device_ring_destroy(ring);
	devrx_device_ring_destroy(nullptr);
}

/* -- push -------------------------------------------------------------------- */

TEST(DeviceRingPush, WritesWhatNcclReads)
{
	union LoadMeta {
		uint64_t r64[2];
		struct {
			uint32_t src_off;
			uint32_t len;
			uint64_t dst_off;
		} m;
	};
	static_assert(sizeof(LoadMeta) == sizeof(struct devrx_desc));
	Ring r(4);
	LoadMeta meta[2];

	EXPECT_EQ(r.push({ fragment(0xfffffff0, 0x10, UINT64_C(5) << 40),
			   fragment(7, 4 << 20, 9) }),
		  2);
	memcpy(meta, r.memory.get() + 384, sizeof(meta));
	EXPECT_EQ(meta[0].m.src_off, 0xfffffff0u);
	EXPECT_EQ(meta[0].m.len, 0x10u);
	EXPECT_EQ(meta[0].m.dst_off, UINT64_C(5) << 40);
	EXPECT_EQ(meta[1].r64[0], UINT64_C(4) << 52 | 7);
	EXPECT_EQ(meta[1].r64[1], 9u);
	EXPECT_EQ(r.shared->tail, 2u);
}

TEST(DeviceRingPush, TakesDestinationsOfTheCaller)
{
	Ring r(8);
	const uint64_t dests[] = { 100, 99, UINT64_MAX, 7 };
	auto frags = fragments(3);

	frags.insert(frags.begin() + 1, last(DEVRX_FRAGMENT_EOF));
	EXPECT_EQ(r.push(frags, dests), 4);
	EXPECT_EQ(r.shared->tail, 3u);
	EXPECT_EQ(devrx_desc_at(r.shared, 0)->destination, 100u);
	EXPECT_EQ(devrx_desc_at(r.shared, 1)->destination, UINT64_MAX);
	EXPECT_EQ(devrx_desc_at(r.shared, 2)->destination, 7u);
}

/* Ends are told to the host; and LOST has a length. */
TEST(DeviceRingPush, LeavesOutWhatHasNothingToRelease)
{
	Ring r(2);
	devrx_fragment lost = fragment(0, 10, 0);

	lost.token = 0;
	lost.flags = DEVRX_FRAGMENT_LOST;
	EXPECT_EQ(r.push({ last(DEVRX_FRAGMENT_EOF), fragment(1, 1, 1), lost,
			   last(DEVRX_FRAGMENT_ERROR), fragment(2, 1, 2),
			   last(DEVRX_FRAGMENT_EOF) }),
		  6);
	EXPECT_EQ(r.shared->tail, 2u);
	EXPECT_EQ(devrx_desc_at(r.shared, 1)->source, 2u);
	EXPECT_EQ(r.push({}), 0);
	EXPECT_EQ(r.push({ last(DEVRX_FRAGMENT_EOF) }), 1) << "full, but none";
}

TEST(DeviceRingPush, TakesWhatFits)
{
	Ring r(8);

	EXPECT_EQ(r.push(fragments(5)), 5);
	EXPECT_EQ(r.push(fragments(5, 5)), 3);
	EXPECT_EQ(r.push(fragments(2, 8)), 0);
	EXPECT_EQ(r.shared->tail, 8u);
	devrx_desc_consumed(r.shared, 1);
	EXPECT_EQ(r.push(fragments(2, 8)), 1);
	devrx_desc_consumed(r.shared, 9);
	EXPECT_EQ(r.push(fragments(20, 9)), 8);
	EXPECT_EQ(r.shared->tail, 17u);
	for (uint32_t i = 9; i < 17; i++)
		EXPECT_EQ(devrx_desc_at(r.shared, i)->source, i * 4096 + 1);
}

TEST(DeviceRingPush, IndicesWrapAround)
{
	Ring r(4);
	uint64_t next = 0, seen = 0;
	uint32_t head = UINT32_MAX - 6;

	r.start_at(head);
	while (seen < 40) {
		next += static_cast<uint64_t>(r.push(fragments(3, next)));
		const int n = devrx_desc_available(r.shared, head);

		ASSERT_GT(n, 0);
		ASSERT_LE(n, 4);
		/* One stays, so that the ring is sometimes full. */
		for (int i = 0; i < n - (seen < 30); i++, head++, seen++)
			ASSERT_EQ(devrx_desc_source(r.shared, head),
				  seen * 4096 + 1);
		devrx_desc_consumed(r.shared, head);
	}
	EXPECT_LT(head, 100u) << "it went past the end";
}

TEST(DeviceRingPush, RefusesAHeadThatIsNone)
{
	Ring r(4);

	EXPECT_EQ(r.push(fragments(3)), 3);
	devrx_desc_consumed(r.shared, 2);
	EXPECT_EQ(r.push(fragments(2)), 2);
	for (uint32_t head : { 6u, 1u, 0u, UINT32_MAX, 1u << 31 }) {
		devrx_desc_consumed(r.shared, head);
		EXPECT_EQ(r.push(fragments(2)), -EPROTO) << head;
		EXPECT_EQ(devrx_device_ring_retire(r.ring, 2), -EPROTO);
	}
	EXPECT_EQ(r.shared->tail, 5u);
	devrx_desc_consumed(r.shared, 5);
	EXPECT_EQ(r.push(fragments(4)), 4) << "and goes on with a good one";
}

TEST(DeviceRingPush, NothingAfterFinish)
{
	Ring r(4);

	EXPECT_EQ(r.push(fragments(1)), 1);
	EXPECT_EQ(devrx_desc_available(r.shared, 0), 1);
	EXPECT_EQ(devrx_desc_available(r.shared, 1), 0) << "none yet";
	devrx_device_ring_finish(r.ring);
	EXPECT_EQ(devrx_desc_available(r.shared, 0), 1) << "one is left";
	EXPECT_EQ(devrx_desc_available(r.shared, 1), -1);
	EXPECT_EQ(r.push(fragments(1)), -EPIPE);
	EXPECT_EQ(r.shared->tail, 1u);
}

/* -- windows ----------------------------------------------------------------- */

TEST(DeviceRingWindows, WithoutThemNothingIsCutShort)
{
	Ring r(8);

	EXPECT_EQ(r.push({ fragment(4 * GiB, 1, 0) }), -ERANGE);
	EXPECT_EQ(r.push({ fragment(UINT64_MAX - 5, 1, 0) }), -ERANGE);
	EXPECT_EQ(r.shared->tail, 0u);
	EXPECT_EQ(r.push({ fragment(4 * GiB - 1, 100, 0),
			   fragment(4 * GiB, 1, 0), fragment(1, 1, 0) }),
		  1)
		<< "up to it";
	EXPECT_EQ(r.push({ fragment(4 * GiB, 1, 0), fragment(1, 1, 0) }),
		  -ERANGE);
	EXPECT_EQ(r.shared->tail, 1u);
	EXPECT_EQ(devrx_desc_source(r.shared, 0), 4 * GiB - 1);
	/* A full ring says so first: waiting may help there. */
	EXPECT_EQ(r.push(fragments(7)), 7);
	EXPECT_EQ(r.push({ fragment(4 * GiB, 1, 0) }), 0);
}

TEST(DeviceRingWindows, AnyOrderOfThem)
{
	Ring r(64, DEVRX_DEVICE_RING_F_WINDOWS);
	std::mt19937_64 rng(7);
	uint32_t head = 0;

	EXPECT_EQ(r.shared->flags, DEVRX_DESC_F_WINDOWS);
	for (int round = 0; round < 200; round++) {
		std::vector<devrx_fragment> frags;

		for (uint64_t i = 0; i < 1 + rng() % 64; i++)
			frags.push_back(fragment(rng() >> rng() % 40, 1, i));
		ASSERT_EQ(r.push(frags), static_cast<int>(frags.size()));
		ASSERT_EQ(devrx_desc_available(r.shared, head),
			  static_cast<int>(frags.size()));
		for (const auto &frag : frags)
			ASSERT_EQ(devrx_desc_source(r.shared, head++),
				  frag.offset);
		devrx_desc_consumed(r.shared, head);
	}
}

} // namespace
