// SPDX-License-Identifier: MIT
#include "net.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

extern "C" {
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
}

namespace soak
{

static int home()
{
	static const vm::Fd fd(
		open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));

	return fd.get();
}

static void sysctl(const char *name, const char *value)
{
	const vm::Fd fd(open((std::string("/proc/sys/net/") + name).c_str(),
			     O_WRONLY | O_CLOEXEC));

	if (write(fd.get(), value, strlen(value)) < 0) {
		perror(name);
		abort();
	}
}

Netns::Netns()
{
	if (home() < 0 || unshare(CLONE_NEWNET))
		abort();
	fd_ = vm::Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
	/* A stream whose frames were lost goes on at once, not after 200 ms. */
	sysctl("ipv4/tcp_rto_min_us", "5000");
	/* IPv6 addresses outlive the link and can be used at once. */
	sysctl("ipv6/conf/all/keep_addr_on_down", "1");
	sysctl("ipv6/conf/default/accept_dad", "0");
	if (setns(home(), CLONE_NEWNET))
		abort();
}

Inside::Inside(const Netns &ns)
{
	if (home() < 0 || setns(ns.fd(), CLONE_NEWNET))
		abort();
}

Inside::~Inside()
{
	if (setns(home(), CLONE_NEWNET))
		abort();
}

/* ---- rtnetlink ---- */

namespace
{

class Netlink : public drx_nl
{
      public:
	explicit Netlink(int bus)
	{
		if (drx_nl_open(this, bus))
			abort();
	}
	~Netlink()
	{
		drx_nl_close(this);
	}
};

} /* namespace */

static struct ifinfomsg *link_header(struct nlmsghdr *req)
{
	return static_cast<struct ifinfomsg *>(mnl_nlmsg_get_payload(req));
}

static std::string pair_new(const Netns &b)
{
	Netlink nl(NETLINK_ROUTE);
	struct nlmsghdr *req =
		drx_nl_begin(&nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
			     sizeof(struct ifinfomsg));
	int err;

	mnl_attr_put_strz(req, IFLA_IFNAME, "sna");
	mnl_attr_put_u32(req, IFLA_NUM_RX_QUEUES, QUEUE + 1);
	struct nlattr *info = mnl_attr_nest_start(req, IFLA_LINKINFO);
	mnl_attr_put_strz(req, IFLA_INFO_KIND, "devrx_softnic");
	struct nlattr *data = mnl_attr_nest_start(req, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(req, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(req, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(req, IFLA_IFNAME, NIC);
	mnl_attr_put_u32(req, IFLA_NET_NS_FD, uint32_t(b.fd()));
	mnl_attr_nest_end(req, peer);
	mnl_attr_nest_end(req, data);
	mnl_attr_nest_end(req, info);
	err = drx_nl_ask(&nl, req, nullptr, nullptr);
	if (!err)
		return "";
	return std::string("new pair: ") + strerror(-err) + " " + nl.extack;
}

static int add_address(const char *name, unsigned char n, bool ipv6)
{
	Netlink nl(NETLINK_ROUTE);
	struct nlmsghdr *req =
		drx_nl_begin(&nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
			     sizeof(struct ifaddrmsg));
	auto *addr =
		static_cast<struct ifaddrmsg *>(mnl_nlmsg_get_payload(req));
	unsigned char bytes[16] = { 10, 78, 0, n };

	addr->ifa_family = ipv6 ? AF_INET6 : AF_INET;
	addr->ifa_prefixlen = ipv6 ? 64 : 24;
	addr->ifa_flags = ipv6 ? IFA_F_NODAD : 0;
	addr->ifa_index = if_nametoindex(name);
	if (ipv6) {
		memset(bytes, 0, sizeof(bytes));
		bytes[0] = 0xfd;
		bytes[1] = 0x78;
		bytes[15] = n;
	}
	mnl_attr_put(req, IFA_LOCAL, ipv6 ? 16 : 4, bytes);
	mnl_attr_put(req, IFA_ADDRESS, ipv6 ? 16 : 4, bytes);
	return drx_nl_ask(&nl, req, nullptr, nullptr);
}

int link_set(const Netns &ns, const char *name, bool up)
{
	const Inside inside(ns);
	Netlink nl(NETLINK_ROUTE);
	struct nlmsghdr *req =
		drx_nl_begin(&nl, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));

	link_header(req)->ifi_change = IFF_UP;
	link_header(req)->ifi_flags = up ? unsigned(IFF_UP) : 0;
	mnl_attr_put_strz(req, IFLA_IFNAME, name);
	return drx_nl_ask(&nl, req, nullptr, nullptr);
}

int link_del(const Netns &ns, const char *name)
{
	const Inside inside(ns);
	Netlink nl(NETLINK_ROUTE);
	struct nlmsghdr *req =
		drx_nl_begin(&nl, RTM_DELLINK, 0, sizeof(struct ifinfomsg));

	mnl_attr_put_strz(req, IFLA_IFNAME, name);
	return drx_nl_ask(&nl, req, nullptr, nullptr);
}

bool link_exists(const Netns &ns, const char *name)
{
	/* Not if_nametoindex(), which has modprobe look for a link that is not
	 * there.
	 */
	const Inside inside(ns);
	Netlink nl(NETLINK_ROUTE);
	struct nlmsghdr *req =
		drx_nl_begin(&nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg));

	mnl_attr_put_strz(req, IFLA_IFNAME, name);
	return drx_nl_ask(&nl, req, nullptr, nullptr) != -ENODEV;
}

/* ---- ioctl ---- */

static int ethtool(const char *name, void *data)
{
	const vm::Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	struct ifreq ifr = {};

	strcpy(ifr.ifr_name, name);
	ifr.ifr_data = static_cast<char *>(data);
	return ioctl(fd.get(), SIOCETHTOOL, &ifr) ? -errno : 0;
}

bool link_runs(const Netns &ns, const char *name)
{
	const Inside inside(ns);
	const vm::Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	struct ifreq ifr = {};

	strcpy(ifr.ifr_name, name);
	return !ioctl(fd.get(), SIOCGIFFLAGS, &ifr) &&
	       ifr.ifr_flags & IFF_RUNNING;
}

/* All but the provider's queue share what no rule steers. */
static int spread()
{
	constexpr uint32_t entries = 128;
	std::vector<uint32_t> room(sizeof(ethtool_rxfh_indir) / 4 + entries);
	auto *indir = reinterpret_cast<ethtool_rxfh_indir *>(room.data());

	indir->cmd = ETHTOOL_SRXFHINDIR;
	indir->size = entries;
	return ethtool(NIC, indir);
}

static int steer(bool ipv6)
{
	struct ethtool_rxnfc rule = {};

	rule.cmd = ETHTOOL_SRXCLSRLINS;
	rule.fs.flow_type = ipv6 ? TCP_V6_FLOW : TCP_V4_FLOW;
	rule.fs.ring_cookie = QUEUE;
	rule.fs.location = ipv6;
	if (ipv6) {
		rule.fs.h_u.tcp_ip6_spec.pdst = htons(PLACED_PORT);
		rule.fs.m_u.tcp_ip6_spec.pdst = 0xffff;
	} else {
		rule.fs.h_u.tcp_ip4_spec.pdst = htons(PLACED_PORT);
		rule.fs.m_u.tcp_ip4_spec.pdst = 0xffff;
	}
	return ethtool(NIC, &rule);
}

/* The names do not change, so they are read once. */
static size_t index_of(const std::string &name)
{
	static std::vector<char> room(sizeof(ethtool_gstrings) +
				      4096 * ETH_GSTRING_LEN);
	auto *names = reinterpret_cast<ethtool_gstrings *>(room.data());

	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	if (!names->len && ethtool(NIC, names))
		return 0;
	for (size_t i = 0; i < names->len; i++)
		if (name ==
		    reinterpret_cast<char *>(names->data) + i * ETH_GSTRING_LEN)
			return i;
	fprintf(stderr, "no counter %s\n", name.c_str());
	abort();
}

uint64_t counter(const Netns &b, const std::string &name)
{
	const Inside inside(b);
	std::vector<uint64_t> room(4096);
	auto *stats = reinterpret_cast<ethtool_stats *>(room.data());
	const size_t i = index_of(name);

	stats->cmd = ETHTOOL_GSTATS;
	return ethtool(NIC, stats) ? 0 : stats->data[i];
}

/* ---- all of it ---- */

static std::string set_up(const Netns &ns, const char *name, unsigned char n)
{
	const Inside inside(ns);

	if (add_address(name, n, false) || add_address(name, n, true))
		return "no address";
	if (name == NIC && (vm::set_rings(NIC, vm::split_on, 0) || spread() ||
			    steer(false) || steer(true)))
		return "snb cannot be configured";
	return link_set(ns, name, true) ? "link up" : "";
}

std::string make_pair(const Netns &a, const Netns &b)
{
	std::string error;

	{
		const Inside inside(a);

		error = pair_new(b);
	}
	if (error.empty())
		error = set_up(a, "sna", 1);
	if (error.empty())
		error = set_up(b, NIC, 2);
	if (error.empty() && !vm::poll_until(vm::patience, [&] {
		    return link_runs(a, "sna") && link_runs(b, NIC);
	    }))
		error = "the link does not come up";
	return error;
}

/* Of Linux 7.3's include/uapi/linux/netdev.h. */
enum {
	CMD_PAGE_POOL_GET = 5,
	A_POOL_ID = 1,
	A_POOL_IFINDEX = 2,
	A_POOL_INFLIGHT = 4,
	A_POOL_DETACH_TIME = 6,
	A_POOL_MAX = 8,
};

static uint64_t number(const struct nlattr *attr)
{
	if (!attr)
		return 0;
	return mnl_attr_get_payload_len(attr) == 8 ? mnl_attr_get_u64(attr) :
						     mnl_attr_get_u32(attr);
}

static int add_pool(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[A_POOL_MAX + 1] = {};
	const int err = drx_nl_attrs_after(msg, len, 4, tb, A_POOL_MAX);

	if (err)
		return err;
	static_cast<std::vector<std::string> *>(arg)->push_back(
		"pool " + std::to_string(number(tb[A_POOL_ID])) + " of link " +
		std::to_string(number(tb[A_POOL_IFINDEX])) + ", " +
		std::to_string(number(tb[A_POOL_INFLIGHT])) + " in flight" +
		(tb[A_POOL_DETACH_TIME] ? ", detached" : ""));
	return 0;
}

std::vector<std::string> page_pools(const Netns &ns)
{
	const Inside inside(ns);
	Netlink nl(NETLINK_GENERIC);
	std::vector<std::string> pools;
	uint16_t family;

	if (drx_nl_family(&nl, DRX_NETDEV_FAMILY, &family))
		return { "no netdev family" };
	const int err =
		drx_nl_ask(&nl,
			   drx_nl_begin_genl(&nl, family, CMD_PAGE_POOL_GET, 1,
					     NLM_F_DUMP),
			   add_pool, &pools);
	if (err)
		pools.push_back(strerror(-err));
	return pools;
}

} /* namespace soak */
