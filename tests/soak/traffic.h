/* SPDX-License-Identifier: MIT */
/*
 * Traffic in both directions: TCP streams over IPv4 and IPv6, and frames from a
 * packet socket as fast as they go. Each end has a thread of its own with the
 * sockets of that end, so one of them can go and the other go on.
 */
#ifndef DEVRX_SOAK_TRAFFIC_H
#define DEVRX_SOAK_TRAFFIC_H

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "net.h"

namespace soak
{

/* The bytes of every stream: they repeat after a prime number of bytes. */
const unsigned char *pattern_at(uint64_t position);
constexpr size_t PATTERN_RUN = 65536; /* bytes to be had from each position */

/* A TCP socket that is closed without a word to the other side, as if its
 * machine had lost power: no RST ends the peer's stream, no TIME_WAIT keeps the
 * namespace.
 */
class Socket : public vm::Fd
{
      public:
	explicit Socket(int fd = -1) : vm::Fd(fd)
	{
	}
	Socket(Socket &&) = default;
	Socket &operator=(Socket &&) = default;
	~Socket();
};

struct Connection {
	Socket sender, receiver;
};

/* From one namespace to the other; -1 each where there is none. */
Connection connect(const Netns &from, const Netns &to, uint16_t port,
		   bool ipv6);

/* A socket with payload in it that lies in the memory of the provider, which is
 * bound; -1 where that cannot be had.
 */
Socket hold_a_buffer(const Netns &a, const Netns &b);

/* One end: sends on some sockets, discards what comes on others, and floods. */
class End
{
      public:
	End(const Netns &ns, const char *name, uint16_t flood_port,
	    std::vector<Socket> senders, std::vector<Socket> sinks);
	~End();
	End(const End &) = delete;
	/* Bytes that came and were discarded. */
	uint64_t taken() const
	{
		return taken_;
	}

      private:
	void run();
	bool send_some(size_t i);
	void flood();

	std::vector<Socket> senders_, sinks_;
	std::vector<uint64_t> positions_;
	std::vector<unsigned char> frame_;
	vm::Fd packet_;
	std::atomic<uint64_t> taken_{ 0 };
	std::atomic<bool> over_{ false };
	std::thread thread_;
};

/* Two streams each way, and a flood. */
struct Traffic {
	/* What is sent to the provider's queue: nothing, or streams and a
	 * flood. The streams are then left to @placed where it is given, and
	 * discarded where not.
	 */
	enum class To { Provider, Others };
	Traffic(const Netns &a, const Netns &b,
		std::vector<Socket> *placed = nullptr, To to = To::Provider);
	bool ok = false;
	std::unique_ptr<End> a, b;
};

} /* namespace soak */

#endif /* DEVRX_SOAK_TRAFFIC_H */
