/* SPDX-License-Identifier: MIT */
/*
 * devrx's objects for the VM's tests, closed in the right order, and a check
 * of whole streams.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_DEVRX_H
#define DEVRX_TESTS_VM_SUPPORT_DEVRX_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <devrx/devrx.h>

#include "support_net.h"

namespace vm
{

/* In C++ the functions of the same names hide the structs. */
using MemoryInfo = struct devrx_memory_info;
using QueueInfo = struct devrx_queue_info;
using ReceiverInfo = struct devrx_receiver_info;
using ReceiverStats = struct devrx_receiver_stats;

constexpr uint64_t MiB = UINT64_C(1) << 20;

/* What a call said: 0 or a negative errno, and the cause's identifier. */
struct Outcome {
	int err = 0;
	char id[32] = "";
	char text[288] = "";

	bool operator==(const Outcome &other) const
	{
		return err == other.err && std::string(id) == other.id;
	}
};

std::ostream &operator<<(std::ostream &out, const Outcome &o);
/* An errno and an identifier to compare with. */
Outcome outcome(int err, const char *id = "");
Outcome outcome(int err, const devrx_cause &cause);

struct MemoryDeleter {
	void operator()(devrx_memory *mem) const;
};
struct QueueDeleter {
	void operator()(devrx_queue *q) const;
};
/* Abandons what is out. */
struct ReceiverDeleter {
	void operator()(devrx_receiver *rx) const;
};
using Memory = std::unique_ptr<devrx_memory, MemoryDeleter>;
using Queue = std::unique_ptr<devrx_queue, QueueDeleter>;
using Receiver = std::unique_ptr<devrx_receiver, ReceiverDeleter>;

Outcome make_memory(Memory *ret, const char *kind, uint64_t len,
		    uint32_t flags = 0);
/* A udmabuf made by the plain ioctl, of pages that do not touch each other (up
 * to 64 MiB); -1 with errno. */
int raw_udmabuf(uint64_t len);
Outcome import_memory(Memory *ret, int fd, uint64_t len = 0);
Outcome reserve(Queue *ret, const char *ifname = nic, uint32_t index = queue);
Outcome open_receiver(Receiver *ret, const Memory &mem, const Queue &q,
		      devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT);

/* Who has the queue; DEVRX_QUEUE_USER_*. */
uint32_t queue_user(uint32_t index = queue);
/* True once nobody has it. */
bool queue_is_free(double seconds = patience, uint32_t index = queue);

MemoryInfo memory_info(const Memory &mem);
ReceiverInfo receiver_info(const Receiver &rx);
ReceiverStats stats(const Receiver &rx);
std::string cause_id(const Receiver &rx);

/* The bytes of a fragment, mapped or read. */
class View
{
      public:
	explicit View(const Memory &mem);
	/* The receiver's next one. */
	void add(const Memory &mem);
	const char *at(uint64_t off, uint32_t len, unsigned int area = 0);
	bool equal(const devrx_fragment &frag, const char *want);

      private:
	std::vector<devrx_memory *> mems_;
	std::vector<const char *> hosts_;
	std::vector<char> copy_;
};

/*
 * Follows streams: each fragment of stream frag.user must begin where the one
 * before it ended and have the pattern's bytes; each ends once.
 */
class Follower
{
      public:
	Follower(const Memory &mem, unsigned int streams);
	/* Fragments may be in @mem as well. */
	void add(const Memory &mem)
	{
		view_.add(mem);
	}
	/* False, with error() set, at the first thing that is wrong. */
	bool take(const devrx_fragment &frag);
	const std::string &error() const
	{
		return error_;
	}
	uint64_t bytes() const
	{
		return bytes_;
	}
	uint64_t fragments() const
	{
		return fragments_;
	}
	uint64_t position(unsigned int i) const
	{
		return positions_[i];
	}
	/* DEVRX_FRAGMENT_EOF, _ERROR, or 0 while it goes on. */
	uint16_t end(unsigned int i) const
	{
		return ends_[i];
	}
	int end_error(unsigned int i) const
	{
		return end_errors_[i];
	}
	unsigned int ended() const
	{
		return ended_;
	}

      private:
	bool fail(const devrx_fragment &frag, const char *what);

	View view_;
	std::vector<uint64_t> positions_;
	std::vector<uint16_t> ends_;
	std::vector<int> end_errors_;
	unsigned int ended_ = 0;
	uint64_t bytes_ = 0;
	uint64_t fragments_ = 0;
	std::string error_;
};

/* devrx_receiver_wait() for @seconds, and again where the end of an earlier ring
 * has interrupted it (see devrx_receiver_close()).
 */
int wait_for_some(const Receiver &rx, devrx_fragment *frags, unsigned int n,
		  double seconds = patience);

/*
 * Wait, check and release until every stream has ended or @until says so (asked
 * after each wait). "" or what went wrong; @seconds is the deadline.
 */
std::string drain(const Receiver &rx, Follower *follower,
		  double seconds = patience,
		  const std::function<bool()> &until = nullptr);

/* Accept the sender's connections and add them, each with its stream's number
 * as user. "" or what went wrong. */
std::string add_all(const Receiver &rx, Listener *listener, Sender *sender,
		    size_t n, std::vector<Fd> *fds);

/* One stream of @len bytes over the whole way. "" or what went wrong. */
std::string transfer(const Receiver &rx, const Memory &mem, uint64_t len,
		     unsigned int streams = 1, uint16_t port = steered_port);

/* Open the queue on a fresh memory, receive, close: nothing half-done is left
 * from before. "" or what went wrong. */
std::string works_now();

/*
 * Run @fn in a forked process, which shall not outlive @seconds. Without its
 * answer the outcome is -ETIME "child-lost".
 */
Outcome in_child(const std::function<Outcome()> &fn, double seconds = patience);

/* Take a capability from this process, for good. */
bool drop_cap(unsigned int cap);
/* The same for what it executes. */
bool drop_cap_bounding(unsigned int cap);

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_DEVRX_H */
