// SPDX-License-Identifier: MIT
/* Tier recv: whole streams, from real sockets, to the last byte. */
#include <algorithm>
#include <cerrno>
#include <string>
#include <tuple>
#include <unistd.h>

#include "recv_support.h"

using namespace recv_test;

namespace
{

enum class Place { Direct, Bounce, Background };

struct devrx_memory *memory(Place place, uint64_t len)
{
	return place == Place::Direct ? host_memory(len) :
	       place == Place::Bounce ? remote_memory(len) :
					background_memory(len);
}

class Path : public ::testing::TestWithParam<Place>
{
};

INSTANTIATE_TEST_SUITE_P(, Path,
			 ::testing::Values(Place::Direct, Place::Bounce,
					   Place::Background),
			 [](const auto &p) {
				 return p.param == Place::Direct ? "Direct" :
					p.param == Place::Bounce ? "Bounce" :
								   "Background";
			 });

TEST_P(Path, EachSize)
{
	Rig rig(memory(GetParam(), 1 << 20));
	uint64_t sent = 0;

	RECV_OPEN(rig);
	const int tcp = rig.connect();
	const int local = rig.connect(Kind::Unix);
	for (uint64_t len : { 1, 2, 3, 64, 4095, 4096, 4097, 65535, 65536,
			      65537, 200000, 1000003 }) {
		for (int conn : { tcp, local }) {
			rig.send(conn, len);
			sent += len;
		}
		rig.drain();
	}
	EXPECT_EQ(rig.stats().bytes, sent);
	EXPECT_EQ(rig.stats().bytes_copied, sent);
	EXPECT_EQ(rig.stats().fragments, rig.stats().released);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
	EXPECT_EQ(rig.close(), 0);
}

TEST_P(Path, ManyConnections)
{
	Rig rig(memory(GetParam(), 4 << 20));

	RECV_OPEN(rig);
	for (int i = 0; i < 200; i++) {
		const int conn = rig.connect(i % 2 ? Kind::Tcp : Kind::Unix);

		rig.send(conn, 1 + static_cast<uint64_t>(i) * 1237);
		rig.finish(conn);
	}
	rig.drain();
	for (const Rig::Conn &c : rig.conns) {
		EXPECT_TRUE(c.ended);
		EXPECT_EQ(c.last, DEVRX_FRAGMENT_EOF);
	}
	EXPECT_EQ(rig.stats().connections, 0u);
	EXPECT_EQ(rig.stats().connections_total, 200u);
	EXPECT_EQ(rig.wait(), -ENOTCONN);
}

/* Eight connections through an area far smaller than what they send, with most
 * of its chunks out at any time. */
TEST_P(Path, HeldFragments)
{
	Rig rig(memory(GetParam(), 16 * 4096));

	RECV_OPEN(rig);
	EXPECT_EQ(rig.info().nr_chunks, 16u);
	for (int i = 0; i < 8; i++) {
		const int conn = rig.connect(i % 2 ? Kind::Tcp : Kind::Unix);

		rig.send(conn, 1 << 20);
		rig.finish(conn);
	}
	rig.drain(12);
	for (const Rig::Conn &c : rig.conns)
		EXPECT_EQ(c.got, 1u << 20);
}

TEST_P(Path, OneChunk)
{
	Rig rig(memory(GetParam(), 4096));

	RECV_OPEN(rig);
	EXPECT_EQ(rig.info().nr_chunks, 1u);
	EXPECT_EQ(rig.info().max_fragments, 1u);
	const int conn = rig.connect();
	rig.send(conn, 100000);
	rig.finish(conn);
	rig.drain();
	EXPECT_EQ(rig.conns[0].last, DEVRX_FRAGMENT_EOF);
}

/* Nothing but the caller can help: said at once, whatever the timeout. */
TEST_P(Path, StarvedUntilReleased)
{
	Rig rig(memory(GetParam(), 4 * 4096));
	Fragments held;

	RECV_OPEN(rig);
	rig.connect();
	rig.connect();
	rig.send(0, 1 << 18);
	rig.send(1, 1 << 18);
	while (held.size() < 4)
		ASSERT_GT(rig.wait(&held), 0);
	EXPECT_EQ(rig.wait(nullptr, 64, -1), -ENOBUFS);
	EXPECT_EQ(rig.wait(nullptr, 64, 0), -ENOBUFS);
	EXPECT_EQ(rig.stats().fragments_out, 4u);
	/* Any one is enough, the last as well as the first. */
	EXPECT_EQ(rig.release({ held[3] }), 0);
	held.pop_back();
	EXPECT_EQ(rig.wait(&held, 64, -1), 1);
	EXPECT_EQ(rig.wait(nullptr, 64, -1), -ENOBUFS);
	EXPECT_EQ(rig.release(held), 0);
	rig.drain();
	EXPECT_EQ(rig.conns[0].got, 1u << 18);
	EXPECT_EQ(rig.conns[1].got, 1u << 18);
}

/* With fewer fragments allowed than there are chunks. */
TEST_P(Path, FewFragments)
{
	Rig rig(memory(GetParam(), 64 * 4096));
	Fragments held;

	rig.opts.max_fragments = 3;
	RECV_OPEN(rig);
	EXPECT_EQ(rig.info().max_fragments, 3u);
	rig.connect();
	rig.send(0, 1 << 18);
	rig.finish(0);
	while (held.size() < 3)
		ASSERT_GT(rig.wait(&held), 0);
	EXPECT_EQ(rig.wait(nullptr, 64, -1), -ENOBUFS);
	EXPECT_EQ(rig.release(held), 0);
	rig.drain(2);
	EXPECT_EQ(rig.conns[0].got, 1u << 18);
	EXPECT_TRUE(rig.conns[0].ended);
}

/* The completion queue holds less than what comes. */
TEST_P(Path, Overflow)
{
	Rig rig(memory(GetParam(), 256 * 4096));

	rig.opts.cq_entries = 2;
	rig.opts.chunk_len = 4096;
	RECV_OPEN(rig);
	EXPECT_EQ(rig.info().cq_entries, 2u);
	for (int i = 0; i < 16; i++) {
		rig.connect(i % 2 ? Kind::Tcp : Kind::Unix);
		rig.send(i, 300000);
		rig.finish(i);
	}
	rig.drain();
	for (const Rig::Conn &c : rig.conns) {
		EXPECT_EQ(c.got, 300000u);
		EXPECT_EQ(c.last, DEVRX_FRAGMENT_EOF);
	}
	EXPECT_GT(rig.stats().overflows, 0u);
}

TEST_P(Path, EndOfStream)
{
	Rig rig(memory(GetParam(), 1 << 20));
	Fragments frags;

	RECV_OPEN(rig);
	rig.connect();
	rig.send(0, 5);
	rig.finish(0);
	while (!rig.conns[0].ended)
		ASSERT_GT(rig.wait(&frags), 0);
	EXPECT_EQ(rig.conns[0].got, 5u);
	EXPECT_EQ(rig.conns[0].last, DEVRX_FRAGMENT_EOF);
	/* The bytes are there until they are released. */
	EXPECT_EQ(rig.stats().fragments_out, 1u);
	EXPECT_EQ(rig.wait(), -ENOTCONN);
	EXPECT_EQ(rig.release(frags), 0);
}

TEST_P(Path, Reset)
{
	Rig rig(memory(GetParam(), 1 << 20));

	RECV_OPEN(rig);
	rig.connect();
	rig.send(0, 5);
	rig.drain();
	rig.reset(0);
	EXPECT_EQ(rig.wait(), 1);
	EXPECT_EQ(rig.conns[0].last, DEVRX_FRAGMENT_ERROR);
	EXPECT_EQ(rig.conns[0].error, -ECONNRESET);
	EXPECT_EQ(rig.why(), "os-error");
}

TEST_P(Path, Remove)
{
	Rig rig(memory(GetParam(), 1 << 20));
	char byte;

	RECV_OPEN(rig);
	rig.connect();
	rig.connect(); /* never armed */
	EXPECT_EQ(devrx_receiver_remove(rig.rx, rig.fd(1)), 0);
	EXPECT_EQ(rig.wait(), 1);
	EXPECT_EQ(rig.conns[1].error, -ECANCELED);
	rig.send(0, 5);
	rig.drain();
	EXPECT_EQ(devrx_receiver_remove(rig.rx, rig.fd(0)), 0);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, rig.fd(0)), 0);
	EXPECT_EQ(rig.wait(), 1);
	EXPECT_EQ(rig.conns[0].last, DEVRX_FRAGMENT_ERROR);
	EXPECT_EQ(rig.conns[0].error, -ECANCELED);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, rig.fd(0)), -ENOENT);
	/* The socket is the caller's again. */
	ASSERT_EQ(write(rig.peer(0), "x", 1), 1);
	EXPECT_EQ(read(rig.fd(0), &byte, 1), 1);
	EXPECT_EQ(byte, 'x');
}

/* A connection that waits for a chunk is removed all the same. */
TEST(Recv, RemoveStarved)
{
	Rig rig(host_memory(4096));
	Fragments held;

	RECV_OPEN(rig);
	rig.connect();
	rig.connect();
	rig.send(0, 20000);
	ASSERT_EQ(rig.wait(&held), 1);
	rig.send(1, 20000);
	EXPECT_EQ(rig.wait(), -ENOBUFS);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, rig.fd(1)), 0);
	EXPECT_EQ(rig.wait(), 1);
	EXPECT_EQ(rig.conns[1].error, -ECANCELED);
	EXPECT_EQ(rig.release(held), 0);
	rig.drain();
	EXPECT_EQ(rig.conns[0].got, 20000u);
}

TEST_P(Path, TimeoutAndEmptyWait)
{
	Rig rig(memory(GetParam(), 1 << 20));

	RECV_OPEN(rig);
	EXPECT_EQ(rig.wait(), -ENOTCONN);
	rig.connect();
	EXPECT_EQ(rig.wait(nullptr, 64, 0), 0);
	EXPECT_EQ(rig.wait(nullptr, 64, 1000000), 0);
	EXPECT_EQ(rig.wait(nullptr, 0, 0), -EINVAL);
}

/* The same descriptor number for connection after connection. */
TEST_P(Path, OneAfterAnother)
{
	Rig rig(memory(GetParam(), 1 << 20));

	RECV_OPEN(rig);
	for (int i = 0; i < 20; i++) {
		const int conn = rig.connect();

		rig.send(conn, 100000);
		rig.finish(conn);
		rig.drain();
		EXPECT_TRUE(rig.conns[static_cast<size_t>(conn)].ended);
		EXPECT_EQ(close(rig.fd(conn)), 0);
		EXPECT_EQ(close(rig.peer(conn)), 0);
		rig.conns.back().fd = -1;
		rig.conns.back().peer = -1;
	}
}

} // namespace
