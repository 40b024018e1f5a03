// SPDX-License-Identifier: MIT
#include "traffic.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace soak
{

constexpr size_t period = 65521;

const unsigned char *pattern_at(uint64_t position)
{
	static const auto bytes = [] {
		std::array<unsigned char, period + PATTERN_RUN> all;

		for (size_t i = 0; i < all.size(); i++) {
			const size_t at = i % period;

			all[i] = static_cast<unsigned char>(at * 31 +
							    (at >> 8) * 7);
		}
		return all;
	}();

	return bytes.data() + position % period;
}

Socket::~Socket()
{
	const int on = 1;

	if (get() >= 0)
		(void)setsockopt(get(), IPPROTO_TCP, TCP_REPAIR, &on,
				 sizeof(on));
}

static struct sockaddr_in6 address_of(uint16_t port, bool ipv6, const char *ip)
{
	struct sockaddr_in6 addr = {};

	addr.sin6_family = AF_INET6;
	addr.sin6_port = htons(port);
	(void)inet_pton(AF_INET6,
			ipv6 ? (std::string("fd78::") + ip).c_str() :
			       (std::string("::ffff:10.78.0.") + ip).c_str(),
			&addr.sin6_addr);
	return addr;
}

Connection connect(const Netns &from, const Netns &to, uint16_t port, bool ipv6)
{
	const char *ip = port == PLACED_PORT ? "2" : "1";
	const struct sockaddr_in6 addr = address_of(port, ipv6, ip);
	const auto *sa = reinterpret_cast<const sockaddr *>(&addr);
	const struct timeval limit = { time_t(vm::patience), 0 };
	const int on = 1;
	Connection c;
	vm::Fd listener;

	{
		const Inside inside(to);

		listener =
			vm::Fd(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
	}
	(void)setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on,
			 sizeof(on));
	if (bind(listener.get(), sa, sizeof(addr)) || listen(listener.get(), 1))
		return c;
	{
		const Inside inside(from);

		c.sender =
			Socket(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
	}
	(void)setsockopt(c.sender.get(), SOL_SOCKET, SO_SNDTIMEO, &limit,
			 sizeof(limit));
	/* The end of a ring interrupts its task; the handshake goes on. */
	if ((connect(c.sender.get(), sa, sizeof(addr)) && errno != EINTR) ||
	    !vm::poll_in(listener.get(), vm::patience))
		return Connection();
	c.receiver =
		Socket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
	return c;
}

Socket hold_a_buffer(const Netns &a, const Netns &b)
{
	Connection c = connect(a, b, PLACED_PORT, true);
	const std::string payload(1000, 'k');
	int there = 0;

	if (c.receiver.get() < 0 ||
	    send(c.sender.get(), payload.data(), payload.size(), 0) != 1000 ||
	    !vm::poll_until(vm::patience, [&] {
		    return !ioctl(c.receiver.get(), FIONREAD, &there) &&
			   there == 1000;
	    }))
		return Socket();
	return std::move(c.receiver);
}

static uint32_t sum16(uint32_t sum, const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += uint32_t(i & 1 ? p[i] : p[i] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(unsigned char *p, uint32_t value)
{
	p[0] = static_cast<unsigned char>(value >> 8);
	p[1] = static_cast<unsigned char>(value);
}

/* A TCP frame of no connection, to all stations: the NIC steers and places it,
 * and TCP drops it without an answer.
 */
static std::vector<unsigned char> flood_frame(uint16_t port)
{
	constexpr size_t ip_len = 20, tcp_len = 20, payload = 1000;
	std::vector<unsigned char> frame(
		ETHER_HDR_LEN + ip_len + tcp_len + payload, 0x5a);
	unsigned char *ip = frame.data() + ETHER_HDR_LEN, *tcp = ip + ip_len;

	memset(frame.data(), 0xff, ETH_ALEN);
	memset(frame.data() + ETH_ALEN, 2, ETH_ALEN);
	put16(frame.data() + 2 * ETH_ALEN, ETHERTYPE_IP);
	memset(ip, 0, ip_len + tcp_len);
	ip[0] = 0x45;
	put16(ip + 2, ip_len + tcp_len + payload);
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	put16(ip + 12, 10 << 8 | 78);
	put16(ip + 14, 1);
	put16(ip + 16, 10 << 8 | 78);
	put16(ip + 18, 2);
	put16(ip + 10, ~sum16(0, ip, ip_len));
	put16(tcp, 1234);
	put16(tcp + 2, port);
	tcp[12] = 5 << 4;
	tcp[13] = TH_ACK;
	put16(tcp + 16,
	      ~sum16(sum16(IPPROTO_TCP + tcp_len + payload, ip + 12, 8), tcp,
		     tcp_len + payload));
	return frame;
}

End::End(const Netns &ns, const char *name, uint16_t flood_port,
	 std::vector<Socket> senders, std::vector<Socket> sinks)
    : senders_(std::move(senders)), sinks_(std::move(sinks)),
      positions_(senders_.size()), frame_(flood_frame(flood_port))
{
	const Inside inside(ns);
	struct sockaddr_ll to = {};

	packet_ = vm::Fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
	to.sll_family = AF_PACKET;
	to.sll_ifindex = int(if_nametoindex(name));
	(void)bind(packet_.get(), reinterpret_cast<sockaddr *>(&to),
		   sizeof(to));
	thread_ = std::thread(&End::run, this);
}

End::~End()
{
	over_ = true;
	thread_.join();
}

bool End::send_some(size_t i)
{
	const ssize_t n = send(senders_[i].get(), pattern_at(positions_[i]),
			       PATTERN_RUN, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		positions_[i] += uint64_t(n);
	return n > 0;
}

void End::flood()
{
	for (int i = 0; i < 4; i++)
		(void)send(packet_.get(), frame_.data(), frame_.size(),
			   MSG_DONTWAIT);
}

void End::run()
{
	/* Cycles come first: traffic is what the machine does meanwhile. */
	(void)setpriority(PRIO_PROCESS, 0, 10);
	while (!over_) {
		for (size_t i = 0; i < senders_.size(); i++)
			(void)send_some(i);
		for (const Socket &sink : sinks_) {
			/* Discarded unseen, which works for payload in a
			 * provider's memory, too.
			 */
			const ssize_t n = recv(sink.get(), nullptr, 1 << 20,
					       MSG_DONTWAIT | MSG_TRUNC);

			if (n > 0)
				taken_ += uint64_t(n);
		}
		flood();
		/* Both CPUs shall be idle at times, or the kernel's RCU, which
		 * each cycle waits for, makes no progress.
		 */
		(void)usleep(1000);
	}
}

Traffic::Traffic(const Netns &na, const Netns &nb, std::vector<Socket> *placed,
		 To to)
{
	std::vector<Socket> senders[2], sinks[2];

	for (const bool ipv6 : { false, true }) {
		Connection back = connect(nb, na, PLAIN_PORT, ipv6);

		if (back.receiver.get() < 0)
			return;
		senders[1].push_back(std::move(back.sender));
		sinks[0].push_back(std::move(back.receiver));
		if (to == To::Others)
			continue;
		Connection there = connect(na, nb, PLACED_PORT, ipv6);
		if (there.receiver.get() < 0)
			return;
		senders[0].push_back(std::move(there.sender));
		if (placed)
			placed->push_back(std::move(there.receiver));
		else
			sinks[1].push_back(std::move(there.receiver));
	}
	a.reset(new End(na, "sna",
			to == To::Provider ? PLACED_PORT : PLAIN_PORT,
			std::move(senders[0]), std::move(sinks[0])));
	b.reset(new End(nb, NIC, PLAIN_PORT, std::move(senders[1]),
			std::move(sinks[1])));
	ok = true;
}

} /* namespace soak */
