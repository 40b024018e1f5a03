// SPDX-License-Identifier: MIT
/* provider/zcrx/chunks.c: the chunk length, negotiated downwards. */
#include <cerrno>
#include <string>

#include "staged_memory.h"

namespace
{

constexpr uint32_t PAGE = 4096, K64 = 65536;

/* Of @mem, asked for chunks of at most 64 KiB. */
class AtMost : public Rig
{
      public:
	explicit AtMost(uint64_t len = 16 * K64) : Rig(true, len)
	{
		opts.chunk_len = K64;
		opts.flags = DEVRX_RECEIVER_F_CHUNK_AT_MOST;
	}
};

bool has(const Rig &rig, const char *words)
{
	return std::string(rig.info().chunk_reason).find(words) !=
	       std::string::npos;
}

/* Every byte comes, with as many fragments in a chunk as it holds. */
void expect_works(Rig &rig)
{
	rig.fake.piece_max = 1448;
	const int fd = rig.added();
	rig.fake.send(fd, 1500000);
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, 1500000u);
	EXPECT_GE(rig.fake.most_in_chunk, 2u);
	rig.expect_all_returned();
}

struct Refusal {
	const char *name;
	std::deque<int> answers;
	uint32_t got;
	unsigned int tries;
	const char *why;
};

class Negotiated : public testing::TestWithParam<Refusal>
{
};

TEST_P(Negotiated, GoesDown)
{
	const Refusal &r = GetParam();
	AtMost rig;

	rig.fake.reg_errors = r.answers;
	ASSERT_EQ(rig.open(), 0) << rig.cause.text;
	EXPECT_STREQ(rig.cause.id, "") << "untouched on success";
	EXPECT_EQ(rig.info().chunk_len, r.got);
	EXPECT_EQ(rig.info().nr_chunks, 16 * K64 / r.got);
	EXPECT_EQ(rig.fake.reg.rx_buf_len, r.got == PAGE ? 0 : r.got);
	EXPECT_EQ(rig.fake.registrations, r.tries);
	EXPECT_EQ(rig.fake.exits, r.tries - 1) << "a ring was left";
	EXPECT_TRUE(has(rig, r.why)) << rig.info().chunk_reason;
	EXPECT_EQ(rig.info().chunk_reason[0] == '\0', r.tries == 1);
	expect_works(rig);
}

const Refusal refusals[] = {
	{ "ByNobody", {}, K64, 1, "" },
	{ "Once", { -ERANGE }, 32768, 2, "65536: chunk-refused: " },
	{ "Twice", { -ERANGE, -ERANGE }, 16384, 3, "; 32768 too" },
	{ "ByADriverThatSaysInvalid", { -EINVAL }, 32768, 2, "zcrx-einval: " },
	{ "ForTwoReasons",
	  { -EINVAL, -ERANGE },
	  16384,
	  3,
	  "; 32768: chunk-refused: " },
	/* It would refuse any length that is none of its own. */
	{ "ByADriverWithoutChoice",
	  { -EOPNOTSUPP },
	  PAGE,
	  2,
	  "65536: chunk-unsupported: " },
	{ "ToThePage", { -ERANGE, -ERANGE, -ERANGE, -ERANGE }, PAGE, 5, "8192" },
};

INSTANTIATE_TEST_SUITE_P(, Negotiated, testing::ValuesIn(refusals),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* What is known beforehand is not asked of the kernel. */
TEST(Chunks, KnownBeforehand)
{
	AtMost rig(41 * 8192);

	rig.must_open();
	EXPECT_EQ(rig.info().chunk_len, 8192u);
	EXPECT_EQ(rig.fake.registrations, 1u);
	EXPECT_TRUE(has(rig, "65536: chunk-refused: the memory's 335872 bytes"))
		<< rig.info().chunk_reason;
	expect_works(rig);
}

TEST(Chunks, OfAnOldKernel)
{
	AtMost rig;

	rig.features.flags &= ~uint32_t(DEVRX_FEATURE_LARGE_CHUNKS);
	rig.must_open();
	EXPECT_EQ(rig.info().chunk_len, PAGE);
	EXPECT_EQ(rig.fake.registrations, 1u);
	EXPECT_TRUE(has(rig, "7.0 has more")) << rig.info().chunk_reason;
}

/* A kernel that gives another length than it was asked for is not believed that
 * it is that one. */
TEST(Chunks, AreReadBack)
{
	const auto half = [](struct drx_zcrx_ifq_reg &reg) {
		if (reg.rx_buf_len > 16384)
			reg.rx_buf_len /= 2;
	};
	AtMost rig, exact;

	rig.fake.make_current();
	rig.fake.reg_answer = half;
	rig.must_open();
	EXPECT_EQ(rig.info().chunk_len, 16384u);
	EXPECT_EQ(rig.fake.registrations, 3u);

	exact.fake.make_current();
	exact.opts.flags = 0;
	exact.fake.reg_answer = half;
	EXPECT_EQ(exact.open(), -ERANGE);
	EXPECT_STREQ(exact.cause.id, "chunk-refused");
}

/* An exact demand is had, or not; and there are refusals of another kind. */
TEST(Chunks, NoSmallerOnes)
{
	const struct {
		int answer;
		uint32_t flags;
		const char *why;
	} table[] = {
		{ -ERANGE, 0, "chunk-refused" },
		{ -EPERM, DEVRX_RECEIVER_F_CHUNK_AT_MOST, "cap-net-admin" },
		{ -EBUSY, DEVRX_RECEIVER_F_CHUNK_AT_MOST, "attach-refused" },
	};

	for (const auto &t : table) {
		AtMost rig;

		rig.opts.flags = t.flags;
		rig.fake.reg_errors = { t.answer };
		EXPECT_EQ(rig.open(), t.answer);
		EXPECT_STREQ(rig.cause.id, t.why);
		EXPECT_EQ(rig.fake.registrations, 1u);
	}
}

/* Where nothing is had, the page's cause is the one. */
TEST(Chunks, NotEvenThePage)
{
	AtMost rig;

	rig.fake.reg_errors.assign(10, -EINVAL);
	EXPECT_EQ(rig.open(), -EINVAL);
	EXPECT_STREQ(rig.cause.id, "zcrx-einval");
	EXPECT_EQ(rig.fake.registrations, 5u);
	EXPECT_EQ(rig.fake.exits, 5u);
}

/* A lower tier begins with the length that was asked for. */
TEST(Chunks, OfTheLowerTier)
{
	Rig rig(written_memory(16 * K64));

	rig.copied = true;
	rig.opts.chunk_len = K64;
	rig.opts.flags = DEVRX_RECEIVER_F_CHUNK_AT_MOST;
	rig.fake.reg_errors = { -ERANGE, -EIO, -ERANGE };
	rig.must_open();
	EXPECT_EQ(rig.info().tier, DEVRX_TIER_ZCRX_HOST);
	EXPECT_EQ(rig.info().chunk_len, 32768u);
	EXPECT_EQ(rig.fake.registrations, 4u);
	expect_works(rig);
}

/* Payload around the queue goes into places within chunks that others share. */
TEST(Chunks, WithPayloadAroundTheQueue)
{
	CopyRig rig(true, 256 * K64);
	uint64_t sent = 0;

	rig.opts.chunk_len = K64;
	rig.fake.piece_max = 1448;
	rig.must_open();
	const int fd = rig.added();
	for (int i = 0; i < 50; i++) {
		rig.fake.send(fd, 100000);
		rig.fake.send_copied(fd, 7000);
		sent += 107000;
		EXPECT_EQ(rig.drain(), 0);
	}
	rig.fake.end(fd);
	EXPECT_EQ(rig.drain(), -ENOTCONN);
	EXPECT_EQ(rig.streams[fd].got, sent);
	EXPECT_GT(rig.streams[fd].copied, 0u);
	EXPECT_GT(rig.fake.most_in_chunk, 40u);
	EXPECT_EQ(rig.close(), 0);
}

} /* namespace */
