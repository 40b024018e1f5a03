// SPDX-License-Identifier: MIT
#include "support_frame.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace softnic
{

/* struct virtio_net_hdr; C++ cannot read the header, which names a member
 * "class".
 */
struct VnetHeader {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
};
static_assert(sizeof(VnetHeader) == 10, "of the kernel");
constexpr uint8_t VNET_NEEDS_CSUM = 1, VNET_GSO_TCPV4 = 1, VNET_GSO_TCPV6 = 4;

bool FrameSocket::open(const char *dev, const std::array<unsigned char, 6> &to)
{
	const int one = 1;
	struct sockaddr_ll at = {};

	mac = to;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	at.sll_family = AF_PACKET;
	at.sll_ifindex = static_cast<int>(if_nametoindex(dev));
	return fd >= 0 &&
	       !bind(fd, reinterpret_cast<sockaddr *>(&at), sizeof(at)) &&
	       !setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one));
}

FrameSocket::~FrameSocket()
{
	if (fd >= 0)
		close(fd);
}

static uint32_t add16(uint32_t sum, const void *data, size_t len)
{
	const auto *p = static_cast<const unsigned char *>(data);

	for (size_t i = 0; i < len; i++)
		sum += static_cast<uint32_t>(i & 1 ? p[i] : p[i] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	return htons(static_cast<uint16_t>(~sum));
}

/* Return: the sum over the pseudo header. */
static uint32_t put_ipv4(unsigned char *at, size_t l4_len)
{
	struct iphdr ip = {};

	ip.version = 4;
	ip.ihl = 5;
	ip.ttl = 64;
	ip.protocol = IPPROTO_TCP;
	ip.tot_len = htons(static_cast<uint16_t>(sizeof(ip) + l4_len));
	ip.saddr = inet_addr("10.78.0.1");
	ip.daddr = inet_addr("10.78.0.2");
	ip.check = fold(add16(0, &ip, sizeof(ip)));
	memcpy(at, &ip, sizeof(ip));
	return add16(IPPROTO_TCP + static_cast<uint32_t>(l4_len), &ip.saddr, 8);
}

static uint32_t put_ipv6(unsigned char *at, size_t l4_len)
{
	struct ip6_hdr ip = {};

	ip.ip6_flow = htonl(6u << 28);
	ip.ip6_plen = htons(static_cast<uint16_t>(l4_len));
	ip.ip6_nxt = IPPROTO_TCP;
	ip.ip6_hlim = 64;
	inet_pton(AF_INET6, "fd78::1", &ip.ip6_src);
	inet_pton(AF_INET6, "fd78::2", &ip.ip6_dst);
	memcpy(at, &ip, sizeof(ip));
	return add16(IPPROTO_TCP + static_cast<uint32_t>(l4_len), &ip.ip6_src,
		     32);
}

bool FrameSocket::send(const Frame &frame) const
{
	const size_t ip_len =
		frame.ipv6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	const size_t l4_len = sizeof(struct tcphdr) + frame.payload;
	struct ether_header eth = {};
	VnetHeader vnet = {};
	struct tcphdr tcp = {};

	memcpy(eth.ether_dhost, mac.data(), mac.size());
	eth.ether_shost[0] = 2;
	eth.ether_type = htons(frame.ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	tcp.source = htons(1234);
	tcp.dest = htons(frame.port);
	tcp.doff = 5;
	tcp.ack = 1;

	std::vector<unsigned char> f(
		sizeof(vnet) + sizeof(eth) + ip_len + l4_len, 0x5a);
	unsigned char *ip = f.data() + sizeof(vnet) + sizeof(eth);
	unsigned char *l4 = ip + ip_len;
	const uint32_t pseudo =
		frame.ipv6 ? put_ipv6(ip, l4_len) : put_ipv4(ip, l4_len);

	memcpy(f.data() + sizeof(vnet), &eth, sizeof(eth));
	memcpy(l4, &tcp, sizeof(tcp));
	if (frame.gso_size) {
		vnet.flags = VNET_NEEDS_CSUM;
		vnet.gso_type = frame.ipv6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4;
		vnet.gso_size = frame.gso_size;
		vnet.hdr_len = static_cast<uint16_t>(sizeof(eth) + ip_len +
						     sizeof(tcp));
		vnet.csum_start = static_cast<uint16_t>(sizeof(eth) + ip_len);
		vnet.csum_offset = offsetof(struct tcphdr, check);
		tcp.check = static_cast<uint16_t>(~fold(pseudo));
	} else {
		tcp.check = fold(add16(pseudo, l4, l4_len));
		if (frame.bad_checksum)
			tcp.check = static_cast<uint16_t>(~tcp.check);
	}
	memcpy(f.data(), &vnet, sizeof(vnet));
	memcpy(l4, &tcp, sizeof(tcp));
	return TEMP_FAILURE_RETRY(::send(fd, f.data(), f.size(), 0)) ==
	       static_cast<ssize_t>(f.size());
}

} // namespace softnic
