/* SPDX-License-Identifier: MIT */
/*
 * A receiver on a fake ring, and what holds for whatever it delivers: each
 * fragment is the next piece of its connection, its bytes are the peer's,
 * nothing follows a last one.
 */
#ifndef FAKE_RIG_H
#define FAKE_RIG_H

#include <map>
#include <memory>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <devrx/provider.h>

#include "fake_ring.h"

/* Everything that Linux 7.3 has. */
constexpr uint32_t ALL_FEATURES =
	DEVRX_FEATURE_RECV_ZC | DEVRX_FEATURE_DMABUF_AREA |
	DEVRX_FEATURE_CQE_MIXED | DEVRX_FEATURE_FLUSH | DEVRX_FEATURE_IMPORT |
	DEVRX_FEATURE_LARGE_CHUNKS | DEVRX_FEATURE_NODEV |
	DEVRX_FEATURE_EVENTS | DEVRX_FEATURE_ADD_AREA;

/* A provider that is not devrx's: a memfd plays the dmabuf. */
extern const struct devrx_provider fake_provider;
/* The same, which the host can write. */
extern const struct devrx_provider writable_provider;
/* What the next reads and writes return, the rig's own reads included. */
extern std::deque<int> fake_read_errors, fake_write_errors;

struct devrx_features fake_features(uint32_t flags = ALL_FEATURES);
struct devrx_memory *
fake_memory(bool dmabuf, uint64_t len,
	    const struct devrx_provider *provider = &fake_provider);

class Rig
{
      public:
	explicit Rig(bool dmabuf = true, uint64_t len = 64 * 4096,
		     uint64_t seed = 1,
		     const struct devrx_provider *provider = &fake_provider);
	/* On @mem, which is the rig's from now on. */
	explicit Rig(struct devrx_memory *mem, uint64_t seed = 1);
	~Rig();
	Rig(const Rig &) = delete;
	Rig &operator=(const Rig &) = delete;

	/* Change these before open(). */
	FakeRing fake;
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_features features = fake_features();
	struct devrx_cause cause = {};
	bool copied = false; /* what comes shall say so */
	uint32_t ring = 0; /* of the NIC, as it tells */

	/* On a queue, but for tier zcrx-copy. */
	int open();
	/* Open, or the test fails. */
	void must_open();
	int close(uint32_t flags = 0);

	struct devrx_receiver *rx = nullptr;
	struct devrx_memory *mem = nullptr;
	/* Added ones, in order; the rig's from now on. */
	std::vector<struct devrx_memory *> more;
	/* Add one of @len bytes like the first: its number, or an error. */
	int grow(uint64_t len);
	/* The first @len bytes of @frag. */
	int read(const struct devrx_fragment &frag, void *buf, size_t len);

	/* A descriptor to add; "user" of its fragments is 1000 + it. */
	int socket();
	int add(int fd);
	int added();
	static uint64_t user_of(int fd)
	{
		return 1000 + static_cast<uint64_t>(fd);
	}
	static int fd_of(const struct devrx_fragment &frag)
	{
		return static_cast<int>(frag.user - 1000);
	}

	/* Wait, check what came, and keep account of it. */
	int wait(std::vector<struct devrx_fragment> *ret, unsigned int n = 64,
		 int64_t timeout_ns = 0);
	int release(const struct devrx_fragment &frag);
	int release(const std::vector<struct devrx_fragment> &frags);
	/* Wait and release until nothing comes; the last wait's return. */
	int drain(unsigned int n = 64);

	struct Stream {
		uint64_t got = 0; /* bytes of this connection */
		uint64_t copied = 0; /* of them, with COPIED */
		uint64_t base = 0; /* where it began in what the peer sends */
		bool ended = false;
		int error = 0; /* of the last fragment */
		bool eof = false;
	};
	std::map<int, Stream> streams;
	std::vector<struct devrx_fragment> lasts; /* last fragments, in order */
	/* What is no connection's: which, and its error. */
	std::vector<std::pair<uint64_t, int>> events;

	/* @frag is to come once more, with LOST and @error. */
	void expect_lost(const struct devrx_fragment &frag, int error);
	std::vector<struct devrx_fragment> lost; /* those that did not yet */

	struct devrx_receiver_stats stats() const;
	struct devrx_receiver_info info() const;
	/* Identifier of the receiver's last cause, or "". */
	std::string why() const;
	/* Nothing is out, and the kernel has every chunk back. */
	void expect_all_returned();

      private:
	void check(const struct devrx_fragment &frag);
	void check_lost(const struct devrx_fragment &frag);

	std::vector<int> fds;
	std::vector<unsigned char> copy;
};

/* One whose memory can be written, so that payload around the queue comes. */
class CopyRig : public Rig
{
      public:
	explicit CopyRig(bool dmabuf = true, uint64_t len = 64 * 4096,
			 uint64_t seed = 1)
	    : Rig(dmabuf, len, seed, &writable_provider)
	{
	}
};

#endif /* FAKE_RIG_H */
