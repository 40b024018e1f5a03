/* SPDX-License-Identifier: MIT */
/*
 * A softnic pair of a test's own, next to the suite's: end "sna" in namespace
 * "sna" sends, end "snb" in namespace "snb" receives. snb splits headers from
 * data, and TCP to port 9000 goes to its queue 3, all else to queues 0 to 2.
 */
#ifndef SUPPORT_SOFTNIC_H
#define SUPPORT_SOFTNIC_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include <devrx/devrx.h>
}

#include "support_frame.h"

namespace softnic
{

constexpr uint16_t PORT = 9000;
constexpr unsigned QUEUE = 3;

/* Run by sh, in a namespace where one is given; the exit code. */
int sh(const std::string &command, const char *ns = nullptr);
std::string output_of(const std::string &command, const char *ns = nullptr);

/* How often a loop is to run: DEVRX_CYCLES, or this many. */
int cycles(int otherwise);

/* True once @done says so; false after 60 s, which only a failure
 * takes. */
bool wait_for(const std::function<bool()> &done);

/* This thread is in another network namespace as long as this lives. */
class Inside
{
      public:
	explicit Inside(const char *ns);
	~Inside();
	Inside(const Inside &) = delete;
	Inside &operator=(const Inside &) = delete;

      private:
	int before = -1;
};

class Pair
{
      public:
	Pair();
	~Pair();
	Pair(const Pair &) = delete;
	Pair &operator=(const Pair &) = delete;

	bool up() const
	{
		return is_up;
	}

	/* Of both ends. */
	bool set_mtu(unsigned mtu) const;

	/* ethtool -S of snb. */
	std::map<std::string, uint64_t> counters() const;

	/* A fault of snb (docs/softnic.md). */
	bool fault(const std::string &name, uint32_t value) const;
	std::string fault(const std::string &name) const;

	/* From sna to snb: a TCP frame to @port with @payload bytes behind its
	 * headers, which belongs to no connection.
	 */
	bool inject(size_t payload, uint16_t port = PORT) const;
	bool inject(const Frame &frame) const;

	/* No socket of this pair keeps snb's namespace; no counters any more. */
	void close_ioctls();

      private:
	bool is_up = false;
	FrameSocket frames;
	int ioctls = -1;
	std::vector<std::string> names;
	std::string debugfs;
};

/* The tests' one pair, made when first asked for: making one takes seconds.
 * Each test finds it without faults and counts from where it begins.
 */
class OnPair : public testing::Test
{
      protected:
	void SetUp() override;
	void TearDown() override;

	/* Counted since the test began. */
	uint64_t counted(const std::string &name) const;
	/* True once queue 3 has counted this much. */
	bool comes_to(const std::string &name, uint64_t value) const;
	void inject(int frames, size_t payload) const;

	Pair *pair = nullptr;

      private:
	void drain_wire() const;

	std::map<std::string, uint64_t> before;
};

/* A memory provider on a queue of snb. */
class Provider
{
      public:
	explicit Provider(unsigned index = QUEUE);
	~Provider();
	Provider(const Provider &) = delete;
	Provider &operator=(const Provider &) = delete;

	int error = 0;
	struct devrx_cause cause = {};
	struct devrx_receiver *receiver = nullptr;

      private:
	struct devrx_memory *memory = nullptr;
	struct devrx_queue *queue = nullptr;
};

/* A TCP connection from sna to snb; -1 each where it could not be made. */
struct Connection {
	explicit Connection(uint16_t port = PORT);
	~Connection();
	Connection(const Connection &) = delete;
	Connection &operator=(const Connection &) = delete;

	int sender = -1, receiver = -1;
};

/* The byte at a stream's position. */
inline unsigned char pattern(uint64_t at)
{
	return static_cast<unsigned char>(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* Send @len bytes of the pattern. */
bool send_pattern(int fd, uint64_t len);
/* Send them through @c, receive with recv() and compare. */
bool stream(Connection &c, uint64_t len);

} // namespace softnic

#endif /* SUPPORT_SOFTNIC_H */
