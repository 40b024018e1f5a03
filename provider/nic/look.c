// SPDX-License-Identifier: MIT
/*
 * Read one NIC and one of its queues from the kernel; no opinion about it.
 *
 * Four questions: rtnetlink for the link (name, bus, XDP), an ioctl for the driver
 * (netlink does not tell it), the family "ethtool" for header split, the
 * family "netdev" for the queues and who has them. A family, command or
 * attribute that this kernel lacks leaves its field unknown.
 */
#include "nic/look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <net/if.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
#include "util/cause.h"

/* The longest name a link can have: IFLA_ALT_IFNAME, its terminator included.
 */
#define ALT_NAME_SIZE 128

int drx_parse_link(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[IFLA_PARENT_DEV_BUS_NAME + 1];
	const struct nlattr *xdp[IFLA_XDP_ATTACHED + 1];
	const struct ifinfomsg *info = msg;
	struct drx_look *look = arg;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(*info), tb,
				 IFLA_PARENT_DEV_BUS_NAME);
	if (ret)
		return ret;
	/* A NIC without a name or a number is no NIC. */
	if (!tb[IFLA_IFNAME] || info->ifi_index <= 0)
		return -EBADMSG;
	look->ifindex = (uint32_t)info->ifi_index;
	look->up = info->ifi_flags & IFF_UP;
	look->loopback = info->ifi_flags & IFF_LOOPBACK;
	ret = drx_nl_get_str(tb[IFLA_IFNAME], look->ifname,
			     sizeof(look->ifname));
	if (ret)
		return ret;
	ret = drx_nl_get_str(tb[IFLA_PARENT_DEV_BUS_NAME], look->bus,
			     sizeof(look->bus));
	if (ret)
		return ret;
	ret = drx_nl_get_u32(tb[IFLA_NUM_RX_QUEUES], &look->max_queues);
	if (ret || !tb[IFLA_XDP])
		return ret;
	ret = drx_nl_attrs(mnl_attr_get_payload(tb[IFLA_XDP]),
			   mnl_attr_get_payload_len(tb[IFLA_XDP]), xdp,
			   IFLA_XDP_ATTACHED);
	if (ret)
		return ret;
	return drx_nl_get_u8(xdp[IFLA_XDP_ATTACHED], &look->xdp);
}

/*
 * The kernel leaves the split out where it is "unknown", which is both "auto"
 * and "cannot" (net/ethtool/rings.c). A driver that can does report it, or
 * reports the threshold at least: so for all of Linux 7.3's.
 */
int drx_parse_rings(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[DRX_ETHTOOL_A_RINGS_MAX + 1];
	uint8_t split = DRX_ETHTOOL_TCP_DATA_SPLIT_UNKNOWN;
	uint32_t thresh = UINT32_MAX;
	struct drx_look *look = arg;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 DRX_ETHTOOL_A_RINGS_MAX);
	if (ret)
		return ret;
	ret = drx_nl_get_u8(tb[DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT], &split);
	if (ret)
		return ret;
	ret = drx_nl_get_u32(tb[DRX_ETHTOOL_A_RINGS_HDS_THRESH], &thresh);
	if (ret)
		return ret;
	ret = drx_nl_get_u32(tb[DRX_ETHTOOL_A_RINGS_RX], &look->rx_ring);
	if (ret)
		return ret;

	look->hds_thresh = thresh;
	look->split_support = DRX_SPLIT_NONE;
	if (tb[DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT] ||
	    tb[DRX_ETHTOOL_A_RINGS_HDS_THRESH])
		look->split_support = DRX_SPLIT_REPORTED;
	look->data_split = DEVRX_DATA_SPLIT_UNKNOWN;
	if (split == DRX_ETHTOOL_TCP_DATA_SPLIT_DISABLED)
		look->data_split = DEVRX_DATA_SPLIT_OFF;
	if (split == DRX_ETHTOOL_TCP_DATA_SPLIT_ENABLED)
		look->data_split = DEVRX_DATA_SPLIT_ON;
	return 0;
}

int drx_parse_channels(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[ETHTOOL_A_CHANNELS_COMBINED_COUNT + 1];
	struct drx_look *look = arg;
	uint32_t combined = 0;
	uint32_t rx = 0;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 ETHTOOL_A_CHANNELS_COMBINED_COUNT);
	if (ret)
		return ret;
	ret = drx_nl_get_u32(tb[ETHTOOL_A_CHANNELS_RX_COUNT], &rx);
	if (ret)
		return ret;
	ret = drx_nl_get_u32(tb[ETHTOOL_A_CHANNELS_COMBINED_COUNT], &combined);
	if (ret)
		return ret;
	if (rx > UINT32_MAX - combined)
		return -EBADMSG;
	look->nr_queues = rx + combined;
	return 0;
}

/* One message per queue: count the rx queues, remember the one asked for. */
int drx_parse_queue(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[DRX_NETDEV_A_QUEUE_MAX + 1];
	uint32_t ifindex = 0, type = DRX_NETDEV_QUEUE_TYPE_TX, id = 0;
	struct drx_look *look = arg;
	uint32_t napi_id = 0;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 DRX_NETDEV_A_QUEUE_MAX);
	if (ret)
		return ret;
	if (!tb[DRX_NETDEV_A_QUEUE_ID])
		return -EBADMSG;
	ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_ID], &id);
	if (ret)
		return ret;
	ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_IFINDEX], &ifindex);
	if (ret)
		return ret;
	ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_TYPE], &type);
	if (ret)
		return ret;
	ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_NAPI_ID], &napi_id);
	if (ret)
		return ret;
	if (ifindex != look->ifindex || type != DRX_NETDEV_QUEUE_TYPE_RX)
		return 0;

	look->nr_queues++;
	/* They come in order, so the last one seen is the last one. */
	if (id != look->index && look->index != DEVRX_QUEUE_LAST)
		return 0;
	look->napi_id = napi_id;
	look->user = DEVRX_QUEUE_USER_NONE;
	if (tb[DRX_NETDEV_A_QUEUE_IO_URING])
		look->user = DEVRX_QUEUE_USER_IO_URING;
	else if (tb[DRX_NETDEV_A_QUEUE_DMABUF])
		look->user = DEVRX_QUEUE_USER_DEVMEM;
	else if (tb[DRX_NETDEV_A_QUEUE_XSK])
		look->user = DEVRX_QUEUE_USER_XSK;
	return 0;
}

static int fail(const struct drx_nl *nl, int err, const char *what,
		struct devrx_cause *cause)
{
	char call[sizeof(nl->extack) + 64];

	if (err == -ENODEV)
		return drx_fail(cause, err, "nic-missing", "ip -brief link",
				"the NIC has gone while it was looked at (%s)",
				what);
	(void)snprintf(call, sizeof(call), "netlink %s%s%s%s", what,
		       nl->extack[0] ? " (" : "", nl->extack,
		       nl->extack[0] ? ")" : "");
	return drx_fail_os(cause, err, call);
}

/* Its name there; nobody fails for want of it. */
static void read_driver(struct drx_look *look, int fd)
{
	struct ethtool_drvinfo drv = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { 0 };

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", look->ifname);
	ifr.ifr_data = (void *)&drv;
	if (ioctl(fd, SIOCETHTOOL, &ifr) == 0) {
		drv.driver[sizeof(drv.driver) - 1] = '\0';
		(void)snprintf(look->driver, sizeof(look->driver), "%s",
			       drv.driver);
	} else if (look->loopback) {
		(void)snprintf(look->driver, sizeof(look->driver), "loopback");
	}
}

static int read_link(struct drx_look *look, struct drx_nl *nl,
		     const char *ifname, uint32_t ifindex,
		     struct devrx_cause *cause)
{
	struct ifinfomsg *info;
	struct nlmsghdr *nlh;
	int ret;

	if (ifname && strlen(ifname) >= ALT_NAME_SIZE) {
		ret = -ENODEV;
		goto missing;
	}
	ret = drx_nl_open(nl, NETLINK_ROUTE);
	if (ret)
		return drx_fail_os(cause, ret, "socket(NETLINK_ROUTE)");
	nlh = drx_nl_begin(nl, RTM_GETLINK, 0, sizeof(*info));
	info = mnl_nlmsg_get_payload(nlh);
	info->ifi_family = AF_UNSPEC;
	if (!ifname)
		info->ifi_index = (int)ifindex;
	else if (strlen(ifname) < IFNAMSIZ)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, ifname);
	else
		mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, ifname);
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	ret = drx_nl_ask(nl, nlh, drx_parse_link, look);
	if (!ret && !look->ifindex)
		ret = -EBADMSG;
	if (!ret)
		read_driver(look, mnl_socket_get_fd(nl->sock));
	drx_nl_close(nl);
	if (ret && ret != -ENODEV)
		return fail(nl, ret, "RTM_GETLINK", cause);
missing:
	if (ret && ifname)
		return drx_fail(cause, ret, "nic-missing", "ip -brief link",
				"no NIC \"%s\" in this network namespace",
				ifname);
	if (ret)
		return drx_fail(cause, ret, "nic-missing", "ip -brief link",
				"no NIC with index %u in this network "
				"namespace any more",
				ifindex);
	return 0;
}

/* An ethtool question about one NIC. */
static int ask_ethtool(struct drx_look *look, struct drx_nl *nl,
		       uint16_t family, uint8_t cmd, uint16_t header,
		       drx_nl_fn parse)
{
	const struct nlmsghdr *nlh =
		drx_nl_begin_ethtool(nl, family, cmd, header, look->ifindex);

	return drx_nl_ask(nl, nlh, parse, look);
}

static int read_rings(struct drx_look *look, struct drx_nl *nl, uint16_t family)
{
	int ret;

	ret = ask_ethtool(look, nl, family, ETHTOOL_MSG_RINGS_GET,
			  ETHTOOL_A_RINGS_HEADER, drx_parse_rings);
	if (ret != -EOPNOTSUPP)
		return ret;
	look->split_support = DRX_SPLIT_NONE;
	return 0;
}

static int read_queues(struct drx_look *look, struct drx_nl *nl)
{
	struct nlmsghdr *nlh;
	uint16_t family;
	int ret;

	ret = drx_nl_family(nl, DRX_NETDEV_FAMILY, &family);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	nlh = drx_nl_begin_genl(nl, family, DRX_NETDEV_CMD_QUEUE_GET,
				DRX_NETDEV_VERSION, NLM_F_DUMP);
	mnl_attr_put_u32(nlh, DRX_NETDEV_A_QUEUE_IFINDEX, look->ifindex);
	ret = drx_nl_ask(nl, nlh, drx_parse_queue, look);
	return ret == -EOPNOTSUPP ? 0 : ret; /* before the command came */
}

/* The generic families, on one socket. */
static int read_generic(struct drx_look *look, struct drx_nl *nl,
			struct devrx_cause *cause)
{
	uint16_t ethtool = 0;
	int ret;

	ret = drx_nl_open(nl, NETLINK_GENERIC);
	if (ret == -EPROTONOSUPPORT)
		return 0; /* a kernel without: nothing is known */
	if (ret)
		return drx_fail_os(cause, ret, "socket(NETLINK_GENERIC)");

	ret = drx_nl_family(nl, ETHTOOL_GENL_NAME, &ethtool);
	if (ret && ret != -ENOENT) {
		ret = fail(nl, ret, "family ethtool", cause);
		goto out_close;
	}
	if (ethtool) {
		ret = read_rings(look, nl, ethtool);
		if (ret) {
			ret = fail(nl, ret, "ETHTOOL_MSG_RINGS_GET", cause);
			goto out_close;
		}
	}
	ret = read_queues(look, nl);
	if (ret) {
		ret = fail(nl, ret, "NETDEV_CMD_QUEUE_GET", cause);
		goto out_close;
	}
	/* The queues of a NIC that is down show up as channels only. */
	if (!look->nr_queues && ethtool)
		(void)ask_ethtool(look, nl, ethtool, ETHTOOL_MSG_CHANNELS_GET,
				  ETHTOOL_A_CHANNELS_HEADER,
				  drx_parse_channels);
out_close:
	drx_nl_close(nl);
	return ret;
}

int drx_look_read(struct drx_look *ret_look, const char *ifname,
		  uint32_t ifindex, uint32_t index, struct devrx_cause *cause)
{
	struct drx_look look = { .index = index, .hds_thresh = UINT32_MAX };
	struct drx_nl nl;
	int ret;

	ret = read_link(&look, &nl, ifname, ifindex, cause);
	if (ret)
		return ret;
	ret = read_generic(&look, &nl, cause);
	if (ret)
		return ret;
	if (look.index == DEVRX_QUEUE_LAST && look.nr_queues)
		look.index = look.nr_queues - 1;
	*ret_look = look;
	return 0;
}
