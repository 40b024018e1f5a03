// SPDX-License-Identifier: MIT
/* provider/nic/watch.c: messages made by hand, and real ones of the kernel. */
#include <gtest/gtest.h>

#include <cerrno>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

extern "C" {
#include "nic/watch.h"
}
#include "nic_messages.h"

using namespace nic;

namespace
{

constexpr uint32_t ours = 7;
/* linux/if.h, which does not go with net/if.h */
constexpr unsigned lower_up = 1 << 16;
constexpr unsigned up = IFF_UP | lower_up;

Bytes link_message(uint16_t type, uint32_t ifindex, unsigned flags,
		   uint8_t family = AF_UNSPEC)
{
	struct ifinfomsg info = {};

	info.ifi_family = family;
	info.ifi_index = static_cast<int>(ifindex);
	info.ifi_flags = flags;
	return message(type, 0, 0, 0,
		       Payload(raw(info)).attr(IFLA_IFNAME, str("x")).bytes);
}

struct drx_watch watching(uint32_t link, int fd = -1)
{
	return { fd, ours, link, 0 };
}

void feed(struct drx_watch *watch, const Bytes &b)
{
	Exact exact(b, b.size());

	drx_watch_feed(watch, exact.get(), b.size());
}

struct Message {
	const char *name;
	Bytes bytes;
	uint32_t from, to;
	uint64_t downs;
};

class WatchMessage : public testing::TestWithParam<Message>
{
};

TEST_P(WatchMessage, Means)
{
	const Message &m = GetParam();
	struct drx_watch watch = watching(m.from);

	feed(&watch, m.bytes);
	EXPECT_EQ(watch.link, m.to);
	EXPECT_EQ(watch.downs, m.downs);
}

INSTANTIATE_TEST_SUITE_P(
	All, WatchMessage,
	testing::Values(
		Message{ "Down", link_message(RTM_NEWLINK, ours, 0),
			 DRX_LINK_UP, DRX_LINK_DOWN, 1 },
		Message{ "NoCarrier", link_message(RTM_NEWLINK, ours, IFF_UP),
			 DRX_LINK_UP, DRX_LINK_DOWN, 1 },
		Message{ "CarrierOfOneThatIsDown",
			 link_message(RTM_NEWLINK, ours, lower_up), DRX_LINK_UP,
			 DRX_LINK_DOWN, 1 },
		Message{ "StillUp", link_message(RTM_NEWLINK, ours, up),
			 DRX_LINK_UP, DRX_LINK_UP, 0 },
		Message{ "Up", link_message(RTM_NEWLINK, ours, up),
			 DRX_LINK_DOWN, DRX_LINK_UP, 0 },
		Message{ "StillDown", link_message(RTM_NEWLINK, ours, 0),
			 DRX_LINK_DOWN, DRX_LINK_DOWN, 0 },
		Message{ "Removed", link_message(RTM_DELLINK, ours, 0),
			 DRX_LINK_UP, DRX_LINK_GONE, 1 },
		Message{ "RemovedWhileDown", link_message(RTM_DELLINK, ours, 0),
			 DRX_LINK_DOWN, DRX_LINK_GONE, 0 },
		Message{ "GoneForGood", link_message(RTM_NEWLINK, ours, up),
			 DRX_LINK_GONE, DRX_LINK_GONE, 0 },
		Message{ "AnotherNic", link_message(RTM_DELLINK, ours + 1, 0),
			 DRX_LINK_UP, DRX_LINK_UP, 0 },
		Message{ "APortLeavesItsBridge",
			 link_message(RTM_DELLINK, ours, up, AF_BRIDGE),
			 DRX_LINK_UP, DRX_LINK_UP, 0 },
		Message{ "AnAddress", link_message(RTM_DELADDR, ours, 0),
			 DRX_LINK_UP, DRX_LINK_UP, 0 }),
	[](const auto &i) { return std::string(i.param.name); });

TEST(Watch, TakesEachMessageOfADatagram)
{
	struct drx_watch watch = watching(DRX_LINK_UP);
	Bytes all;

	for (unsigned flags : { 0u, up, 0u, up }) {
		const Bytes other = link_message(RTM_NEWLINK, ours + 1, 0);
		const Bytes one = link_message(RTM_NEWLINK, ours, flags);

		all.insert(all.end(), other.begin(), other.end());
		all.insert(all.end(), one.begin(), one.end());
	}
	feed(&watch, all);
	EXPECT_EQ(watch.link, uint32_t(DRX_LINK_UP));
	EXPECT_EQ(watch.downs, 2u);
}

TEST(Watch, ReadsNothingBehindTheEnd)
{
	const Bytes whole = link_message(RTM_DELLINK, ours, 0);

	for (size_t n = 0; n < whole.size(); n++) {
		struct drx_watch watch = watching(DRX_LINK_UP);
		Exact exact(whole, n);

		drx_watch_feed(&watch, exact.get(), n);
		EXPECT_EQ(watch.link, uint32_t(DRX_LINK_UP)) << n;
	}
	/* A length that says less than it takes, and one that says nothing. */
	for (uint32_t len : { 0u, 15u, 16u, 31u }) {
		struct drx_watch watch = watching(DRX_LINK_UP);
		Bytes b = whole;

		memcpy(b.data(), &len, sizeof(len));
		b.resize(len < 16 ? 16 : len);
		feed(&watch, b);
		EXPECT_EQ(watch.link, uint32_t(DRX_LINK_UP)) << len;
	}
}

/* -- the kernel's own ------------------------------------------------------- */

uint32_t loopback()
{
	return if_nametoindex("lo");
}

uint32_t state_of_loopback()
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr = {};

	strcpy(ifr.ifr_name, "lo");
	EXPECT_EQ(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	(void)close(fd);
	return ifr.ifr_flags & IFF_UP && ifr.ifr_flags & IFF_RUNNING ?
		       DRX_LINK_UP :
		       DRX_LINK_DOWN;
}

TEST(Watch, BeginsWithTheStateThatThereIs)
{
	struct drx_watch watch = {};

	ASSERT_EQ(drx_watch_open(&watch, loopback()), 0);
	EXPECT_GE(watch.fd, 0);
	EXPECT_EQ(watch.link, state_of_loopback());
	EXPECT_EQ(watch.downs, 0u);
	drx_watch_read(&watch); /* whatever there is, it does not wait */
	drx_watch_close(&watch);
	EXPECT_EQ(watch.fd, -1);
}

TEST(Watch, OfANicThatIsNotThere)
{
	struct drx_watch watch = {};

	ASSERT_EQ(drx_watch_open(&watch, INT32_MAX), 0);
	EXPECT_EQ(watch.link, uint32_t(DRX_LINK_GONE));
	drx_watch_close(&watch);
}

/* A pair of sockets in place of netlink's; what is sent on one comes. */
class WatchRead : public testing::Test
{
      protected:
	WatchRead()
	{
		EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0,
				     ends),
			  0);
		watch = watching(DRX_LINK_UP, ends[0]);
	}
	~WatchRead() override
	{
		drx_watch_close(&watch);
		(void)close(ends[1]);
	}
	void send(const Bytes &b)
	{
		EXPECT_EQ(::send(ends[1], b.data(), b.size(), 0),
			  ssize_t(b.size()));
	}
	int ends[2] = { -1, -1 };
	struct drx_watch watch = {};
};

TEST_F(WatchRead, AllThatHasCome)
{
	send(link_message(RTM_NEWLINK, ours, 0));
	send({});
	send(link_message(RTM_NEWLINK, ours, up));
	send(link_message(RTM_NEWLINK, ours, 0));
	drx_watch_read(&watch);
	EXPECT_EQ(watch.link, uint32_t(DRX_LINK_DOWN));
	EXPECT_EQ(watch.downs, 2u);
}

/* What did not fit may have been ours: the kernel is asked. */
TEST_F(WatchRead, AsksForWhatIsTooLong)
{
	Bytes b = link_message(RTM_NEWLINK, ours, up);

	b.resize(8193);
	watch.ifindex = INT32_MAX;
	send(b);
	drx_watch_read(&watch);
	EXPECT_EQ(watch.link, uint32_t(DRX_LINK_GONE));
	watch.ifindex = loopback();
	watch.link = DRX_LINK_UNKNOWN;
	send(b);
	drx_watch_read(&watch);
	EXPECT_EQ(watch.link, state_of_loopback());
}

/* Any process may send to a netlink socket of the right protocol. */
TEST(Watch, BelievesTheKernelOnly)
{
	const Bytes b = link_message(RTM_DELLINK, ours, 0);
	struct sockaddr_nl addr = {};
	socklen_t len = sizeof(addr);
	int to = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_USERSOCK);
	int from = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
	struct drx_watch watch = watching(DRX_LINK_UP, to);

	if (to < 0 || from < 0)
		GTEST_SKIP() << "no NETLINK_USERSOCK in this kernel";
	addr.nl_family = AF_NETLINK;
	ASSERT_EQ(bind(to, reinterpret_cast<sockaddr *>(&addr), sizeof(addr)),
		  0);
	ASSERT_EQ(getsockname(to, reinterpret_cast<sockaddr *>(&addr), &len),
		  0);
	ASSERT_EQ(sendto(from, b.data(), b.size(), 0,
			 reinterpret_cast<sockaddr *>(&addr), sizeof(addr)),
		  ssize_t(b.size()));
	drx_watch_read(&watch);
	EXPECT_EQ(watch.link, uint32_t(DRX_LINK_UP));
	EXPECT_EQ(recv(to, &addr, sizeof(addr), 0), -1) << "it was read";
	drx_watch_close(&watch);
	(void)close(from);
}

} // namespace
