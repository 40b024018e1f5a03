// SPDX-License-Identifier: MIT
/*
 * The tiers below zcrx-device into memory that the NIC is not given: by way of an
 * area of devrx's; and zcrx-copy, which has no NIC.
 */
#include <cerrno>
#include <linux/capability.h>

#include "support_raw.h"
#include "support_vram.h"

namespace
{

using namespace vm;

constexpr unsigned int connections = 64;
constexpr uint32_t HOST = DEVRX_TIER_ZCRX_HOST;
constexpr uint32_t COPY = DEVRX_TIER_ZCRX_COPY;

devrx_receiver_opts with_tier(uint32_t tier, uint32_t flags = 0)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.tier = tier;
	opts.flags = flags;
	return opts;
}

class Tiers : public Vram
{
      protected:
	Outcome make(const char *kind, uint64_t len)
	{
		return kind == std::string("vram") ?
			       make_vram(&mem, "64k", len) :
			       make_memory(&mem, kind, len);
	}

	Outcome open(devrx_receiver_opts opts)
	{
		rx.reset();
		q.reset();
		const Outcome o = opts.tier == COPY ? outcome(0) : reserve(&q);

		return o.err ? o : open_receiver(&rx, mem, q, opts);
	}
};

struct Cell {
	const char *name;
	const char *kind;
	uint32_t tier;
	uint32_t flags;
};

void PrintTo(const Cell &cell, std::ostream *out)
{
	*out << cell.name;
}

class TierMatrix : public Tiers, public testing::WithParamInterface<Cell>
{
};

/* 64 connections, 64 MiB, eight times the memory. */
TEST_P(TierMatrix, EveryByteInOrder)
{
	const uint64_t each = 64 * MiB / connections;
	const Cell &cell = GetParam();
	std::vector<Stream> plan;
	std::vector<Fd> fds;
	devrx_fragment frags[64];

	if (cell.tier == COPY && !has_nodev())
		GTEST_SKIP() << "this kernel has no zcrx without a NIC";
	ASSERT_EQ(make(cell.kind, 8 * MiB), outcome(0));
	ASSERT_EQ(open(with_tier(cell.tier, cell.flags)), outcome(0));
	EXPECT_EQ(receiver_info(rx).tier, cell.tier);
	EXPECT_EQ(receiver_info(rx).nr_chunks, 2048u);

	const uint16_t port = cell.tier == COPY ? other_port : steered_port;
	Follower follower(mem, connections);
	Listener listener(port, int(16 * MiB / connections / 2));

	ASSERT_TRUE(listener.ok());
	for (unsigned int i = 0; i < connections; i++)
		plan.push_back({ each, i % 2 == 1 });
	Sender sender(port, plan);

	ASSERT_EQ(add_all(rx, &listener, &sender, connections, &fds), "");
	for (;;) {
		const int n = wait_for_some(rx, frags, 64);

		if (n == -ENOTCONN)
			break;
		ASSERT_GT(n, 0);
		for (int i = 0; i < n; i++) {
			ASSERT_TRUE(follower.take(frags[i]))
				<< follower.error();
			/* A chunk of the memory for each. */
			ASSERT_EQ(frags[i].offset % 4096, 0u);
			ASSERT_TRUE(!frags[i].length ||
				    frags[i].flags == DEVRX_FRAGMENT_COPIED ||
				    (cell.kind == std::string("host") &&
				     cell.tier == HOST));
		}
		ASSERT_EQ(devrx_receiver_release(rx.get(), frags, unsigned(n)),
			  0);
	}
	ASSERT_EQ(sender.join(), "");
	for (unsigned int i = 0; i < connections; i++) {
		EXPECT_EQ(follower.position(i), each) << "stream " << i;
		EXPECT_EQ(follower.end(i), DEVRX_FRAGMENT_EOF);
	}
	const ReceiverStats s = stats(rx);

	EXPECT_EQ(s.bytes, connections * each);
	EXPECT_EQ(s.bytes_copied, s.bytes);
	EXPECT_EQ(s.released, s.fragments);
	EXPECT_EQ(s.fragments_out, 0u);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

const Cell cells[] = {
	{ "HostIntoUdmabuf", "udmabuf", HOST, 0 },
	{ "HostIntoVram", "vram", HOST, 0 },
	{ "HostIntoVramMixed", "vram", HOST, DEVRX_RECEIVER_F_CQE_MIXED },
	{ "CopyIntoHost", "host", COPY, 0 },
	{ "CopyIntoUdmabuf", "udmabuf", COPY, 0 },
	{ "CopyIntoVram", "vram", COPY, 0 },
	{ "CopyIntoVramMixed", "vram", COPY, DEVRX_RECEIVER_F_CQE_MIXED },
};

INSTANTIATE_TEST_SUITE_P(All, TierMatrix, testing::ValuesIn(cells),
			 [](const testing::TestParamInfo<Cell> &info) {
				 return std::string(info.param.name);
			 });

/* Around the flow rule: the kernel copies into our area, we out of it. */
TEST_F(Tiers, HostUnsteered)
{
	ASSERT_EQ(make("vram", 8 * MiB), outcome(0));
	ASSERT_EQ(open(with_tier(HOST)), outcome(0));
	EXPECT_EQ(transfer(rx, mem, 8 * MiB, 4, other_port), "");
	EXPECT_EQ(transfer(rx, mem, 8 * MiB, 4, steered_port), "");
	EXPECT_EQ(stats(rx).bytes_copied, 64 * MiB);
}

/* Chunks larger than a page hold one fragment each of the memory, too. */
TEST_F(Tiers, HostInLargeChunks)
{
	devrx_receiver_opts opts = with_tier(HOST);

	opts.chunk_len = 65536;
	ASSERT_EQ(make("vram", 8 * MiB), outcome(0));
	const Outcome o = open(opts);
	if (o == outcome(-ERANGE, "chunk-refused"))
		GTEST_SKIP() << "no huge pages for our area: " << o.text;
	ASSERT_EQ(o, outcome(0));
	EXPECT_EQ(receiver_info(rx).nr_chunks, 128u);
	EXPECT_EQ(transfer(rx, mem, 8 * MiB, 4), "");
}

class TierOf : public Tiers, public testing::WithParamInterface<uint32_t>
{
      protected:
	void SetUp() override
	{
		Tiers::SetUp();
		if (GetParam() == COPY && !has_nodev())
			GTEST_SKIP() << "this kernel has no zcrx without a NIC";
	}
	uint16_t port() const
	{
		return GetParam() == COPY ? other_port : steered_port;
	}
};

INSTANTIATE_TEST_SUITE_P(All, TierOf, testing::Values(HOST, COPY),
			 [](const testing::TestParamInfo<uint32_t> &info) {
				 return std::string(
					 info.param == HOST ? "Host" : "Copy");
			 });

/* A memory far smaller than the socket's buffer, of which everything is held
 * until nothing can come any more; then it goes on. */
TEST_P(TierOf, MemoryBelowASocketBuffer)
{
	const uint64_t len = 16 * MiB;
	std::vector<devrx_fragment> out;
	devrx_fragment frags[64];
	std::vector<Fd> fds;
	int n;

	ASSERT_EQ(make("vram", 256 << 10), outcome(0));
	ASSERT_EQ(open(with_tier(GetParam())), outcome(0));
	Listener listener(port(), 4 << 20);
	Sender sender(port(), { { len, false } });
	Follower follower(mem, 1);

	ASSERT_EQ(add_all(rx, &listener, &sender, 1, &fds), "");
	while ((n = wait_for_some(rx, frags, 64)) > 0)
		for (int i = 0; i < n; i++) {
			ASSERT_TRUE(follower.take(frags[i]))
				<< follower.error();
			out.push_back(frags[i]);
		}
	EXPECT_EQ(n, -ENOBUFS);
	EXPECT_EQ(out.size(), 64u);
	ASSERT_EQ(devrx_receiver_release(rx.get(), out.data(),
					 unsigned(out.size())),
		  0);
	ASSERT_EQ(drain(rx, &follower), "");
	EXPECT_EQ(follower.position(0), len);
	EXPECT_EQ(follower.end(0), DEVRX_FRAGMENT_EOF);
	ASSERT_EQ(sender.join(), "");
}

/* The memory goes while bytes come: the connection ends, and says why. */
TEST_P(TierOf, WriteFails)
{
	std::vector<Fd> fds;
	devrx_fragment frag = {};
	bool ended = false;

	ASSERT_EQ(make("vram", 4 * MiB), outcome(0));
	ASSERT_EQ(open(with_tier(GetParam())), outcome(0));
	Listener listener(port());
	Sender sender(port(), { { 16 * MiB, false } });
	Follower follower(mem, 1);

	ASSERT_EQ(add_all(rx, &listener, &sender, 1, &fds), "");
	ASSERT_EQ(drain(rx, &follower, patience,
			[&] { return follower.bytes() > 0; }),
		  "");
	ASSERT_FALSE(follower.ended());
	ASSERT_EQ(revoke(memory_info(mem).dmabuf_fd), 0);
	while (!ended) {
		ASSERT_EQ(wait_for_some(rx, &frag, 1), 1);
		ended = frag.flags & DEVRX_FRAGMENT_ERROR;
		ASSERT_EQ(devrx_receiver_release(rx.get(), &frag, 1), 0);
	}
	EXPECT_EQ(frag.error, -ENODEV);
	EXPECT_EQ(frag.position, stats(rx).bytes);
	EXPECT_EQ(cause_id(rx), "upload-failed");
	EXPECT_EQ(wait_for_some(rx, &frag, 1), -ENOTCONN);
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	fds.clear(); /* or the sender waits for ever */
	(void)sender.join();
}

TEST_P(TierOf, IntoADmaHeap)
{
	ASSERT_EQ(make("dmaheap", 8 * MiB), outcome(0));
	ASSERT_EQ(open(with_tier(GetParam())), outcome(0));
	EXPECT_EQ(transfer(rx, mem, 4 * MiB, 4, port()), "");
}

TEST_P(TierOf, OpensAgainAndAgain)
{
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(make(i % 2 ? "vram" : "udmabuf", 4 * MiB),
			  outcome(0));
		ASSERT_EQ(open(with_tier(GetParam())), outcome(0));
		EXPECT_EQ(transfer(rx, mem, MiB, 2, port()), "");
		rx.reset();
		mem.reset();
	}
}

/* The capability is asked for at open, and only there. */
TEST_P(TierOf, CapNetAdmin)
{
	const uint32_t tier = GetParam();
	const auto with = [this, tier](bool before) {
		Memory memory;
		Queue queue;
		Receiver receiver;
		Outcome o = make_memory(&memory, "udmabuf", 4 * MiB);

		if (!o.err && tier == HOST)
			o = reserve(&queue);
		if (o.err || (before && !drop_cap(CAP_NET_ADMIN)))
			return outcome(-EPROTO, "test-broken");
		o = open_receiver(&receiver, memory, queue, with_tier(tier));
		if (o.err)
			return o;
		if (!drop_cap(CAP_NET_ADMIN))
			return outcome(-EPROTO, "test-broken");
		const std::string error =
			transfer(receiver, memory, MiB, 2, port());

		return error.empty() ? o : outcome(-EIO, error.c_str());
	};

	EXPECT_EQ(in_child([&] { return with(true); }),
		  outcome(-EPERM, "cap-net-admin"));
	EXPECT_EQ(in_child([&] { return with(false); }), outcome(0));
}

/* The exporter refuses the NIC: the best that can be had is the tier below, and
 * it says so; asked for, it is an error (vram_life_test.cc). */
TEST_F(Tiers, BestFallsToHost)
{
	ASSERT_EQ(make("vram", 8 * MiB), outcome(0));
	for (const char *name : { "fail_attach", "fail_map" }) {
		ASSERT_EQ(set_knob(name, EIO), 0);
		ASSERT_EQ(open_on(), outcome(0));
		EXPECT_EQ(receiver_info(rx).tier, HOST);
		EXPECT_NE(std::string(receiver_info(rx).reason)
				  .find("attach-refused"),
			  std::string::npos)
			<< receiver_info(rx).reason;
		EXPECT_EQ(transfer(rx, mem, 4 * MiB, 4), "");
		rx.reset();
		ASSERT_EQ(set_knob(name, 0), 0);
	}
	ASSERT_EQ(open_on(), outcome(0));
	EXPECT_EQ(receiver_info(rx).tier, uint32_t(DEVRX_TIER_ZCRX_DEVICE));
	EXPECT_EQ(transfer(rx, mem, MiB, 2), "");
}

TEST_F(Tiers, CopyRefusals)
{
	devrx_receiver_opts opts = with_tier(COPY);

	if (!has_nodev())
		GTEST_SKIP() << "this kernel has no zcrx without a NIC";
	ASSERT_EQ(make("host", 4 * MiB), outcome(0));
	ASSERT_EQ(reserve(&q), outcome(0));
	EXPECT_EQ(open_receiver(&rx, mem, q, opts),
		  outcome(-EINVAL, "opts-invalid"));
	q.reset();
	opts.chunk_len = 8192;
	EXPECT_EQ(open(opts), outcome(-EOPNOTSUPP, "chunk-unsupported"));
	/* Without a queue it is never chosen. */
	ASSERT_EQ(open_receiver(&rx, mem, Queue()), outcome(0));
	EXPECT_EQ(receiver_info(rx).tier, uint32_t(DEVRX_TIER_RECV));
}

} /* namespace */
