/* SPDX-License-Identifier: MIT */
/*
 * A receiver of tier recv on the real kernel, peers on real sockets, and what
 * holds for whatever is delivered: each fragment is the next piece of its
 * connection, its bytes are the peer's, it shares no chunk with one that is
 * out, and nothing follows a last one.
 */
#ifndef RECV_SUPPORT_H
#define RECV_SUPPORT_H

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <liburing.h> /* has C++ of its own: not inside extern "C" */

#include <devrx/provider.h>

extern "C" {
#include "zcrx/receiver.h"
}

namespace recv_test
{

using Fragments = std::vector<struct devrx_fragment>;
using ReceiverInfo = struct devrx_receiver_info;
using ReceiverStats = struct devrx_receiver_stats;

constexpr int64_t SECOND = INT64_C(1000000000);

/* Host memory that the host sees only through calls, as a device's. */
struct Remote {
	unsigned char *bytes = nullptr; /* read-only where @mapped */
	unsigned char *writable = nullptr; /* the same pages */
	uint64_t len = 0;
	int write_error = 0; /* of the next writes */
	unsigned int writes = 0;
};
/* @mapped: with a host address that may only be read. */
struct devrx_memory *remote_memory(uint64_t len, bool writable = true,
				   bool mapped = false);
/* The same, copied into in the background (background.h). */
struct devrx_memory *background_memory(uint64_t len);
/* Of the memory that was last made. */
extern Remote *remote;

struct devrx_memory *host_memory(uint64_t len);

/* The kernel's calls, with faults. */
struct Faults {
	int setup_error = 0;
	int reg_error = 0;
	std::function<void(struct io_uring *)> after_enter;
};
extern Faults faults;
extern const struct drx_uring_ops faulty;

enum class Kind { Tcp, Unix };

class Rig
{
      public:
	explicit Rig(struct devrx_memory *mem);
	~Rig();
	Rig(const Rig &) = delete;
	Rig &operator=(const Rig &) = delete;

	struct devrx_memory *mem;
	struct devrx_receiver *rx = nullptr;
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_cause cause = {};

	int open();
	/* On @faulty. */
	int open_faulty();
	int close(uint32_t flags = 0);

	/* A connection, added; its number, which is its user as well. */
	int connect(Kind kind = Kind::Tcp);
	int fd(int conn) const
	{
		return conns[static_cast<size_t>(conn)].fd;
	}
	int peer(int conn) const
	{
		return conns[static_cast<size_t>(conn)].peer;
	}
	/* The peer sends @len bytes, at once or as there is room. */
	void send(int conn, uint64_t len);
	void finish(int conn); /* orderly, when all is sent */
	void reset(int conn);

	/* What is due and fits goes out; then wait, and check what came. */
	int wait(Fragments *ret = nullptr, unsigned int n = 64,
		 int64_t timeout_ns = 10 * SECOND);
	/* Until @ret has @n fragments. */
	void get(Fragments *ret, size_t n);
	int release(const Fragments &frags);
	/* All that was sent, and each end; @hold: fragments out meanwhile. */
	void drain(size_t hold = 0);

	struct Conn {
		int fd = -1, peer = -1;
		uint64_t to_send = 0, sent = 0, got = 0;
		bool finishing = false, ended = false;
		uint16_t last = 0; /* flags of its last fragment */
		int error = 0;
	};
	std::vector<Conn> conns;

	ReceiverInfo info() const;
	ReceiverStats stats() const;
	std::string why() const;

      private:
	void pump();
	void check(const struct devrx_fragment &frag);

	std::vector<unsigned char> copy;
	std::map<uint64_t, uint64_t> out; /* chunk of each token that is out */
};

/* Does this machine let us have an io_uring? */
bool here();
#define RECV_OPEN(rig)                                                         \
	do {                                                                   \
		if (!recv_test::here())                                        \
			GTEST_SKIP() << "no io_uring here";                    \
		ASSERT_EQ((rig).open(), 0)                                     \
			<< (rig).cause.id << ": " << (rig).cause.text;         \
	} while (0)

/* The byte at @position of connection @conn, and @len from there on. */
const unsigned char *pattern(int conn, uint64_t position, uint32_t len);

} // namespace recv_test

#endif /* RECV_SUPPORT_H */
