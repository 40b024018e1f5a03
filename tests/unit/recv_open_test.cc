// SPDX-License-Identifier: MIT
/* Tier recv: what open makes of memory and options, and what it refuses. */
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recv_support.h"

extern "C" {
#include "nic/nic.h"
}

using namespace recv_test;

namespace
{

TEST(RecvOpen, SaysWhatItGot)
{
	Rig rig(host_memory(64 << 20));

	RECV_OPEN(rig);
	const ReceiverInfo info = rig.info();
	EXPECT_EQ(info.tier, static_cast<uint32_t>(DEVRX_TIER_RECV));
	EXPECT_EQ(info.chunk_len, 65536u);
	EXPECT_EQ(info.nr_chunks, 1024u);
	EXPECT_EQ(info.max_fragments, 1024u);
	EXPECT_EQ(info.rq_entries, 1024u);
	EXPECT_EQ(info.cq_entries, 4096u);
	EXPECT_EQ(info.zcrx_id, 0u);
	EXPECT_STREQ(info.reason,
		     "no queue was given, so the kernel copies out of the "
		     "sockets, into the memory");
	EXPECT_EQ(rig.stats().bytes_copied, 0u);
}

TEST(RecvOpen, SaysThatItCopiesTwice)
{
	Rig rig(remote_memory(64 << 20));

	rig.opts.tier = DEVRX_TIER_RECV;
	RECV_OPEN(rig);
	const ReceiverInfo info = rig.info();
	EXPECT_EQ(info.nr_chunks, 1024u);
	EXPECT_EQ(info.max_fragments, 1024u);
	/* Buffers of its own, as many as fit in a cache. */
	EXPECT_EQ(info.rq_entries, 64u);
	EXPECT_STREQ(info.reason,
		     "no queue was given, so the kernel copies out of the "
		     "sockets, and the memory's provider copies into it once "
		     "more");
}

TEST(RecvOpen, LargeChunksHaveBuffersToo)
{
	Rig rig(remote_memory(64 << 20));

	rig.opts.chunk_len = 1 << 20;
	/* More than a chunk each there cannot be. */
	rig.opts.max_fragments = 65;
	RECV_OPEN(rig);
	EXPECT_EQ(rig.info().rq_entries, 16u);
	EXPECT_EQ(rig.info().max_fragments, 64u);
}

struct ChunkCase {
	const char *name;
	uint64_t len;
	uint32_t asked;
	uint32_t chunk_len;
	uint64_t nr_chunks;
	int err;
	const char *id;
};

const ChunkCase chunks[] = {
	{ "OnePage", 4096, 0, 4096, 1, 0, "" },
	{ "SixteenOfTheSmallest", 65536, 0, 4096, 16, 0, "" },
	{ "SixteenOfTheDefault", 1 << 20, 0, 65536, 16, 0, "" },
	{ "OnePageLess", (1 << 20) - 4096, 0, 32768, 31, 0, "" },
	/* What lies behind the last whole chunk is not used. */
	{ "ARest", (1 << 20) + 4096, 0, 65536, 16, 0, "" },
	{ "MostOfTheDefault", UINT64_C(2) << 30, 0, 65536, 32768, 0, "" },
	{ "MoreThanThat", (UINT64_C(2) << 30) + 65536, 0, 131072, 16384, 0,
	  "" },
	{ "Asked", 1 << 20, 8192, 8192, 128, 0, "" },
	{ "AskedWhole", 1 << 20, 1 << 20, 1 << 20, 1, 0, "" },
	{ "NoPower", 1 << 20, 12288, 0, 0, -EINVAL, "chunk-len" },
	{ "BelowAPage", 1 << 20, 2048, 0, 0, -EINVAL, "chunk-len" },
	{ "TooLong", 1 << 20, UINT32_C(1) << 31, 0, 0, -EINVAL, "chunk-len" },
	{ "LongerThanTheMemory", 1 << 20, 2 << 20, 0, 0, -ERANGE,
	  "chunk-refused" },
	{ "NoMultiple", (1 << 20) + 4096, 65536, 0, 0, -ERANGE,
	  "chunk-refused" },
	{ "TooMany", UINT64_C(256) << 20, 4096, 0, 0, -ERANGE,
	  "chunk-refused" },
};

class Chunk : public ::testing::TestWithParam<ChunkCase>
{
};

INSTANTIATE_TEST_SUITE_P(, Chunk, ::testing::ValuesIn(chunks),
			 [](const auto &p) {
				 return std::string(p.param.name);
			 });

TEST_P(Chunk, IsAsDocumented)
{
	const ChunkCase &c = GetParam();
	Rig rig(host_memory(c.len));

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	rig.opts.chunk_len = c.asked;
	ASSERT_EQ(rig.open(), c.err) << rig.cause.text;
	EXPECT_STREQ(rig.cause.id, c.id) << rig.cause.text;
	if (c.err)
		return;
	EXPECT_EQ(rig.info().chunk_len, c.chunk_len);
	EXPECT_EQ(rig.info().nr_chunks, c.nr_chunks);
}

/* Larger than any memory that a test has. */
TEST(RecvPlan, HugeMemory)
{
	struct devrx_memory *mem = remote_memory(4096);
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_memory_info info = {};
	struct drx_area area = {};

	info.len = UINT64_C(1) << 40;
	EXPECT_EQ(drx_recv_plan(&area, mem, &info, &opts), 0);
	EXPECT_EQ(area.chunk_len, UINT32_C(1) << 25);
	EXPECT_EQ(drx_recv_chunks(&area), 32768u);
	/* The largest chunks, and not all of the memory. */
	info.len = UINT64_C(1) << 50;
	EXPECT_EQ(drx_recv_plan(&area, mem, &info, &opts), 0);
	EXPECT_EQ(area.chunk_len, UINT32_C(1) << 30);
	EXPECT_EQ(drx_recv_chunks(&area), 32768u);
	EXPECT_EQ(devrx_memory_free(mem), 0);
}

TEST(RecvOpen, RefusesWhatHasNoSense)
{
	static const struct {
		uint32_t tier, flags;
		const char *text;
	} cases[] = {
		{ DEVRX_TIER_ZCRX_DEVICE, 0,
		  "tier zcrx-device needs a queue, and none was given" },
		{ DEVRX_TIER_ZCRX_HOST, 0,
		  "tier zcrx-host needs a queue, and none was given" },
		{ 5, 0, "tier 5 is unknown" },
		{ DEVRX_TIER_RECV, DEVRX_RECEIVER_F_CQE_MIXED,
		  "DEVRX_RECEIVER_F_CQE_MIXED needs a queue: the completions "
		  "of tier recv are all small" },
	};
	Rig rig(host_memory(1 << 20));

	for (const auto &c : cases) {
		rig.opts.tier = c.tier;
		rig.opts.flags = c.flags;
		EXPECT_EQ(rig.open(), -EINVAL);
		EXPECT_STREQ(rig.cause.id, "opts-invalid");
		EXPECT_STREQ(rig.cause.text, c.text);
	}
	EXPECT_EQ(rig.rx, nullptr);
}

TEST(RecvOpen, RefusesAQueue)
{
	struct devrx_queue *q = drx_queue_new(1, 0);
	Rig rig(host_memory(1 << 20));

	rig.opts.tier = DEVRX_TIER_RECV;
	EXPECT_EQ(devrx_receiver_open(&rig.rx, rig.mem, q, &rig.opts), -EINVAL);
	EXPECT_STREQ(rig.cause.id, "opts-invalid");
	EXPECT_STREQ(rig.cause.text,
		     "tier recv takes no queue: give NULL for it");
	EXPECT_EQ(devrx_queue_restore(q), 0);
}

TEST(RecvOpen, OneReceiverForAMemory)
{
	Rig rig(host_memory(1 << 20));
	struct devrx_receiver *second = nullptr;

	RECV_OPEN(rig);
	EXPECT_EQ(devrx_receiver_open(&second, rig.mem, nullptr, &rig.opts),
		  -EBUSY);
	EXPECT_STREQ(rig.cause.id, "memory-bound");
	EXPECT_EQ(devrx_memory_free(rig.mem), -EBUSY);
	EXPECT_EQ(rig.close(), 0);
	EXPECT_EQ(rig.open(), 0);
	EXPECT_EQ(rig.close(), 0);
	/* A failed open does not keep it either. */
	rig.opts.chunk_len = 3;
	EXPECT_EQ(rig.open(), -EINVAL);
	rig.opts.chunk_len = 0;
	EXPECT_EQ(rig.open(), 0);
}

/* Another thread's is another one: no NIC that both would need. */
TEST(RecvOpen, TwoAtATime)
{
	Rig one(host_memory(1 << 20)), two(host_memory(1 << 20));

	RECV_OPEN(one);
	RECV_OPEN(two);
	one.connect();
	two.connect();
	one.send(0, 100000);
	two.send(0, 100000);
	one.drain();
	two.drain();
}

TEST(RecvOpen, ReadOnlyMemory)
{
	Rig rig(remote_memory(1 << 20, false));

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	EXPECT_EQ(rig.open(), -EOPNOTSUPP);
	EXPECT_STREQ(rig.cause.id, "tier-unavailable");
	EXPECT_STREQ(rig.cause.text,
		     "tier recv writes with the CPU, and memory of kind remote "
		     "cannot be written by it");
}

TEST(RecvOpen, MemoryThatIsLost)
{
	Rig rig(remote_memory(1 << 20));

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	remote->write_error = -ESTALE;
	EXPECT_EQ(rig.open(), -ESTALE);
	EXPECT_STREQ(rig.cause.id, "upload-failed");
	remote->write_error = 5; /* no errno at all */
	EXPECT_EQ(rig.open(), -EIO);
	EXPECT_STREQ(rig.cause.id, "upload-failed");
	remote->write_error = -4096;
	EXPECT_EQ(rig.open(), -EIO);
	remote->write_error = 0;
	EXPECT_EQ(rig.open(), 0);
}

/* -- kinds whose memory is a dmabuf ---------------------------------------- */

struct devrx_memory *udmabuf(uint64_t len)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory *mem = nullptr;

	opts.kind = "udmabuf";
	opts.len = len;
	return devrx_memory_alloc(&mem, &opts) ? nullptr : mem;
}

TEST(RecvKind, Udmabuf)
{
	struct devrx_memory *mem = udmabuf(1 << 20);

	if (!mem)
		GTEST_SKIP() << "no udmabuf here";
	Rig rig(mem);
	RECV_OPEN(rig);
	EXPECT_EQ(rig.info().rq_entries, rig.info().nr_chunks); /* direct */
	rig.connect();
	rig.send(0, 3 << 20);
	rig.finish(0);
	rig.drain(3);
	EXPECT_EQ(rig.conns[0].got, 3u << 20);
}

/* A host address alone is no path: this one may only be read. */
TEST(RecvKind, ReadOnlyMapping)
{
	Rig rig(remote_memory(1 << 20, true, true));

	RECV_OPEN(rig);
	EXPECT_EQ(rig.info().rq_entries, 16u);
	rig.connect();
	rig.send(0, 3 << 20);
	rig.finish(0);
	rig.drain(3);
	EXPECT_EQ(rig.conns[0].got, 3u << 20);
	EXPECT_GT(remote->writes, 0u);
}

/* And neither of its ends is, where only the other can be written. */
TEST(RecvKind, HalfReadOnlyMapping)
{
	for (bool first : { true, false }) {
		Rig rig(remote_memory(1 << 20, true, true));

		ASSERT_EQ(mprotect(remote->bytes +
					   (first ? 0 : remote->len - 4096),
				   4096, PROT_READ | PROT_WRITE),
			  0);
		RECV_OPEN(rig);
		rig.connect();
		rig.send(0, 3 << 20);
		rig.drain();
		EXPECT_GT(remote->writes, 0u);
	}
}

} // namespace
