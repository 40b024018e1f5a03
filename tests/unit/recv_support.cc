// SPDX-License-Identifier: MIT
/* The rig of tier recv; see recv_support.h. */
#include "recv_support.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace recv_test
{

/* -- the rig --------------------------------------------------------------- */

/* A period that is prime, so that no chunk looks like another one. */
constexpr uint32_t PERIOD = 65521;
constexpr uint32_t PATTERN_MAX = 1 << 20;

const unsigned char *pattern(int conn, uint64_t position, uint32_t len)
{
	static const std::vector<unsigned char> bytes = [] {
		std::vector<unsigned char> ret(PERIOD + PATTERN_MAX);
		uint32_t x = 1;

		for (uint32_t i = 0; i < ret.size(); i++) {
			x = x * 1664525 + 1013904223;
			ret[i] = i < PERIOD ?
					 static_cast<unsigned char>(x >> 24) :
					 ret[i - PERIOD];
		}
		return ret;
	}();

	EXPECT_LE(len, PATTERN_MAX);
	return &bytes[(position + static_cast<uint64_t>(conn) * 977) % PERIOD];
}

Rig::Rig(struct devrx_memory *memory) : mem(memory)
{
	opts.cause = &cause;
	faults = Faults();
}

Rig::~Rig()
{
	if (rx) {
		EXPECT_EQ(close(DEVRX_CLOSE_F_ABANDON), 0);
	}
	EXPECT_EQ(devrx_memory_free(mem), 0);
	for (const Conn &c : conns) {
		if (c.fd >= 0)
			(void)::close(c.fd);
		if (c.peer >= 0)
			(void)::close(c.peer);
	}
	faults = Faults();
}

int Rig::open()
{
	return devrx_receiver_open(&rx, mem, nullptr, &opts);
}

int Rig::open_faulty()
{
	const struct devrx_features none = {};

	return drx_receiver_open(&rx, mem, nullptr, nullptr, &opts, &none,
				 &faulty);
}

bool here()
{
	struct io_uring ring;
	const int err = io_uring_queue_init(2, &ring, 0);

	if (!err)
		io_uring_queue_exit(&ring);
	return err != -ENOSYS && err != -EPERM;
}

int Rig::close(uint32_t flags)
{
	const int err = devrx_receiver_close(rx, flags);

	if (!err)
		rx = nullptr;
	return err;
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in addr = {};
	socklen_t len = sizeof(addr);
	const int one = 1;
	const int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	struct sockaddr *sa = reinterpret_cast<struct sockaddr *>(&addr);

	ASSERT_EQ(bind(l, sa, len), 0);
	ASSERT_EQ(listen(l, 1), 0);
	ASSERT_EQ(getsockname(l, sa, &len), 0);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(::connect(fds[1], sa, len), 0) << strerror(errno);
	fds[0] = accept4(l, nullptr, nullptr, SOCK_CLOEXEC);
	ASSERT_GE(fds[0], 0);
	(void)setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)::close(l);
}

int Rig::connect(Kind kind)
{
	const int conn = static_cast<int>(conns.size());
	int fds[2] = { -1, -1 };

	if (kind == Kind::Tcp)
		tcp_pair(fds);
	else
		EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				     fds),
			  0);
	conns.emplace_back();
	conns.back().fd = fds[0];
	conns.back().peer = fds[1];
	EXPECT_EQ(devrx_receiver_add(rx, fds[0], static_cast<uint64_t>(conn)),
		  0);
	return conn;
}

void Rig::send(int conn, uint64_t len)
{
	conns[static_cast<size_t>(conn)].to_send += len;
	pump();
}

void Rig::finish(int conn)
{
	conns[static_cast<size_t>(conn)].finishing = true;
	pump();
}

void Rig::reset(int conn)
{
	Conn &c = conns[static_cast<size_t>(conn)];
	const struct linger hard = { 1, 0 };

	EXPECT_EQ(setsockopt(c.peer, SOL_SOCKET, SO_LINGER, &hard,
			     sizeof(hard)),
		  0);
	(void)::close(c.peer);
	c.peer = -1;
}

void Rig::pump()
{
	for (size_t i = 0; i < conns.size(); i++) {
		Conn &c = conns[i];

		while (c.to_send && c.peer >= 0) {
			const uint32_t len = static_cast<uint32_t>(
				std::min<uint64_t>(c.to_send, PATTERN_MAX));
			const ssize_t nr = ::send(
				c.peer,
				pattern(static_cast<int>(i), c.sent, len), len,
				MSG_DONTWAIT | MSG_NOSIGNAL);

			if (nr <= 0)
				break;
			c.sent += static_cast<uint64_t>(nr);
			c.to_send -= static_cast<uint64_t>(nr);
		}
		if (c.finishing && !c.to_send && c.peer >= 0)
			(void)shutdown(c.peer, SHUT_WR);
	}
}

void Rig::check(const struct devrx_fragment &frag)
{
	ASSERT_LT(frag.user, conns.size());
	Conn &c = conns[frag.user];

	EXPECT_EQ(frag.position, c.got);
	EXPECT_FALSE(c.ended);
	if (frag.flags & (DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR)) {
		EXPECT_EQ(frag.length, 0u);
		EXPECT_EQ(frag.token, 0u);
		c.ended = true;
		c.last = frag.flags;
		c.error = frag.error;
		return;
	}
	const ReceiverInfo i = info();
	const uint64_t chunk = frag.offset / i.chunk_len;

	EXPECT_EQ(frag.flags, DEVRX_FRAGMENT_COPIED);
	EXPECT_EQ(frag.error, 0);
	EXPECT_EQ(frag.offset % i.chunk_len, 0u);
	ASSERT_LE(frag.length, i.chunk_len);
	ASSERT_GT(frag.length, 0u);
	ASSERT_LT(chunk, i.nr_chunks);
	for (const auto &o : out)
		ASSERT_NE(o.second, chunk) << "two fragments in one chunk";
	out[frag.token] = chunk;
	copy.resize(frag.length);
	ASSERT_EQ(devrx_memory_read(mem, frag.offset, copy.data(), copy.size()),
		  0);
	ASSERT_EQ(memcmp(copy.data(),
			 pattern(static_cast<int>(frag.user), frag.position,
				 frag.length),
			 frag.length),
		  0)
		<< "position " << frag.position << " of " << frag.user;
	c.got += frag.length;
}

int Rig::wait(Fragments *ret, unsigned int n, int64_t timeout_ns)
{
	Fragments frags(n);
	int got;

	pump();
	got = devrx_receiver_wait(rx, frags.data(), n, timeout_ns);
	frags.resize(got > 0 ? static_cast<size_t>(got) : 0);
	for (const struct devrx_fragment &frag : frags)
		check(frag);
	if (ret)
		ret->insert(ret->end(), frags.begin(), frags.end());
	return got;
}

int Rig::release(const Fragments &frags)
{
	for (const struct devrx_fragment &frag : frags)
		out.erase(frag.token);
	return devrx_receiver_release(rx, frags.data(),
				      static_cast<unsigned int>(frags.size()));
}

void Rig::get(Fragments *ret, size_t n)
{
	while (ret->size() < n)
		ASSERT_GT(wait(ret, static_cast<unsigned int>(n - ret->size())),
			  0);
}

void Rig::drain(size_t hold)
{
	Fragments held;

	while (!::testing::Test::HasFailure()) {
		bool due = false;

		for (const Conn &c : conns)
			due |= !c.ended &&
			       (c.to_send || c.got != c.sent || c.finishing);
		if (!due)
			break;
		const int got = wait(&held);

		ASSERT_TRUE(got > 0 || got == -ENOBUFS) << got;
		if (held.size() <= hold && got > 0)
			continue;
		const auto keep = got > 0 ?
					  held.end() - static_cast<long>(hold) :
					  held.end();

		EXPECT_EQ(release(Fragments(held.begin(), keep)), 0);
		held.erase(held.begin(), keep);
	}
	EXPECT_EQ(release(held), 0);
}

ReceiverInfo Rig::info() const
{
	ReceiverInfo ret = {};

	ret.size = sizeof(ret);
	EXPECT_EQ(devrx_receiver_info(rx, &ret), 0);
	return ret;
}

ReceiverStats Rig::stats() const
{
	ReceiverStats ret = {};

	ret.size = sizeof(ret);
	EXPECT_EQ(devrx_receiver_stats(rx, &ret), 0);
	return ret;
}

std::string Rig::why() const
{
	struct devrx_cause c;

	return devrx_receiver_cause(rx, &c) ? "" : c.id;
}

} // namespace recv_test
