/* SPDX-License-Identifier: MIT */
/*
 * The network of the VM's tests: the link's two namespaces, connections across
 * it, and what is done to the NIC. Every wait has a deadline.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_NET_H
#define DEVRX_TESTS_VM_SUPPORT_NET_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace vm
{

/* What tests/vm/link.sh makes. */
constexpr const char *nic = "softnic1";
constexpr uint32_t queue = 3;
constexpr uint16_t steered_port = 9000;
/* TCP that no rule steers: it lands in the other queues. */
constexpr uint16_t other_port = 9001;

/* Seconds, of every wait for what has to come. Many times what it takes, since a
 * machine may be slow or busy: only what is broken reaches it.
 */
constexpr double patience = 120;

double now();

/* Ask until it is true; false at the deadline. */
bool poll_until(double seconds, const std::function<bool()> &is_true);

/* poll() for input on @fd; false at the deadline. */
bool poll_in(int fd, double seconds);

/* A descriptor that is closed. */
class Fd
{
      public:
	explicit Fd(int fd = -1) : fd_(fd)
	{
	}
	Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1))
	{
	}
	Fd &operator=(Fd &&other) noexcept
	{
		std::swap(fd_, other.fd_);
		return *this;
	}
	~Fd();
	int get() const
	{
		return fd_;
	}
	int take()
	{
		return std::exchange(fd_, -1);
	}
	void reset();

      private:
	int fd_;
};

/*
 * What the senders send: one buffer of pseudo-random words (splitmix64).
 * Connection i starts at byte i * 65521 of it, so no two positions of one
 * stream have the same bytes, and none the same as in another stream.
 */
class Pattern
{
      public:
	static const Pattern &get();
	/* The bytes of stream @i from @position on. */
	const char *at(unsigned int i, uint64_t position) const
	{
		return data_ + offset(i) + position;
	}
	static uint64_t offset(unsigned int i)
	{
		return uint64_t(i % 64) * 65521;
	}
	int fd() const
	{
		return fd_;
	}
	/* The longest stream. */
	static constexpr uint64_t max_len = UINT64_C(20) << 20;

      private:
	Pattern();
	int fd_;
	char *data_;
};

/* The other end of a connection. IPv4 and IPv6 may use the same port at the
 * same time. */
struct Peer {
	uint16_t port;
	bool ipv6;
};

/* How a stream ends. */
enum class End {
	Close,
	Reset, /* with RST */
	Linger, /* not before the sender is destroyed or finish() is called */
};

struct Stream {
	uint64_t len;
	bool ipv6;
	End end = End::Close;
};

/* Of both ends; with 4148 a segment is a page, over IPv4 with timestamps. */
void set_mtu(unsigned int mtu);

/* Run something in the namespace "peer", on a thread of its own. */
void in_peer(const std::function<void()> &fn);

/* Connect from the namespace "peer" to the receiver's; -1 with errno. */
int connect_peer(uint16_t port, bool ipv6);

/*
 * Ordinary TCP senders in the namespace "peer", all on one thread, which send
 * streams of Pattern from tmpfs by sendfile().
 */
class Sender
{
      public:
	Sender(uint16_t port, std::vector<Stream> streams);
	~Sender();
	Sender(const Sender &) = delete;

	/* The stream that comes from @peer; -1 where there is none. */
	int stream_of(const Peer &peer);
	/* Wait until all have sent and ended; the first error, or "". */
	std::string join();
	/* Bytes that the sockets took. */
	uint64_t sent() const
	{
		return sent_;
	}
	/* Let streams with End::Linger end. */
	void finish()
	{
		finish_ = true;
	}
	void stop()
	{
		stop_ = true;
	}

      private:
	void run();
	std::string send_all();

	uint16_t port_;
	std::vector<Stream> streams_;
	std::vector<uint16_t> ports_;
	std::mutex mutex_;
	std::string error_;
	std::atomic<uint64_t> sent_{ 0 };
	std::atomic<bool> stop_{ false };
	std::atomic<bool> finish_{ false };
	std::thread thread_;
};

/* A listener for IPv4 and IPv6 in this namespace. */
class Listener
{
      public:
	explicit Listener(uint16_t port, int rcvbuf = 128 << 10);
	bool ok() const
	{
		return fd_.get() >= 0;
	}
	/* The next connection and its peer; fd -1 at the deadline. */
	Fd accept(Peer *peer, double seconds = patience);

      private:
	Fd fd_;
};

/* Write to each page of fresh memory, in an order that keeps neighbours from
 * being neighbours in physical memory. */
void fault_scattered(void *addr, size_t len);

/* Run a program; its exit code, or -1. */
int run(const std::vector<std::string> &argv);

/* Take the NIC down, or up and wait for its carrier. */
bool nic_down();
bool nic_up();

/* Generic receive offload: what comes in small packets is merged. It makes of
 * packets with payload in their heads what the kernel gives to nobody. */
bool nic_gro(bool on);

/* Ring parameters by ethtool netlink, which older ethtools cannot all say:
 * -1 leaves one as it is. 0 or a negative errno. */
int set_rings(const char *ifname, int data_split, int64_t hds_thresh);

constexpr int split_off = 1;
constexpr int split_on = 2;

/* Run @undo at the end of the scope. */
class Defer
{
      public:
	explicit Defer(std::function<void()> undo) : undo_(std::move(undo))
	{
	}
	~Defer()
	{
		if (undo_)
			undo_();
	}
	Defer(const Defer &) = delete;
	void now()
	{
		if (undo_)
			std::exchange(undo_, nullptr)();
	}

      private:
	std::function<void()> undo_;
};

/* An XDP program that passes everything, attached as long as the object. */
class XdpPass
{
      public:
	/* With @stays it is attached as "ip link" does it, until that takes it
	 * off. */
	explicit XdpPass(const char *ifname, bool stays = false);
	/* 0 or a negative errno. */
	int err() const
	{
		return err_;
	}

      private:
	Fd prog_;
	Fd link_;
	int err_;
};

/* An AF_XDP socket in copy mode, bound to a queue as long as the object. */
class XskSocket
{
      public:
	XskSocket(const char *ifname, uint32_t queue);
	~XskSocket();
	int err() const
	{
		return err_;
	}

      private:
	Fd fd_;
	void *umem_;
	int err_;
};

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_NET_H */
