/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the netlink families "netdev" and "ethtool" that Debian 12's
 * kernel headers (6.1) lack, as they stand in Linux 7.3's
 * include/uapi/linux/netdev.h and ethtool_netlink_generated.h. They are enums
 * there, so they take names of ours here and cannot clash with newer headers.
 * "Not in 6.12" below: the headers of that release do not have it.
 */
#ifndef DRX_UAPI_NETDEV_H
#define DRX_UAPI_NETDEV_H

#define DRX_NETDEV_FAMILY "netdev"
#define DRX_NETDEV_VERSION 1

enum {
	DRX_NETDEV_CMD_QUEUE_GET = 10,
};

enum {
	DRX_NETDEV_QUEUE_TYPE_RX = 0,
	DRX_NETDEV_QUEUE_TYPE_TX = 1,
};

/* Attributes of NETDEV_CMD_QUEUE_GET. */
enum {
	DRX_NETDEV_A_QUEUE_ID = 1,
	DRX_NETDEV_A_QUEUE_IFINDEX = 2,
	DRX_NETDEV_A_QUEUE_TYPE = 3,
	DRX_NETDEV_A_QUEUE_NAPI_ID = 4,
	DRX_NETDEV_A_QUEUE_DMABUF = 5,
	DRX_NETDEV_A_QUEUE_IO_URING = 6, /* not in 6.12 */
	DRX_NETDEV_A_QUEUE_XSK = 7, /* not in 6.12 */
	DRX_NETDEV_A_QUEUE_MAX = 7,
};

/* Attributes of ETHTOOL_MSG_RINGS_GET_REPLY. */
enum {
	DRX_ETHTOOL_A_RINGS_RX = 6,
	DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT = 11,
	DRX_ETHTOOL_A_RINGS_HDS_THRESH = 17, /* not in 6.12 */
	DRX_ETHTOOL_A_RINGS_MAX = 17,
};

/* Values of ETHTOOL_A_RINGS_TCP_DATA_SPLIT; unknown is never sent. */
enum {
	DRX_ETHTOOL_TCP_DATA_SPLIT_UNKNOWN = 0,
	DRX_ETHTOOL_TCP_DATA_SPLIT_DISABLED = 1,
	DRX_ETHTOOL_TCP_DATA_SPLIT_ENABLED = 2,
};

/* The command, and the attributes of its reply (6.3; FLOW_HASH: 6.17). */
enum {
	DRX_ETHTOOL_MSG_RSS_GET = 38,
};

enum {
	DRX_ETHTOOL_A_RSS_HEADER = 1,
	DRX_ETHTOOL_A_RSS_HFUNC = 3,
	DRX_ETHTOOL_A_RSS_INDIR = 4,
	DRX_ETHTOOL_A_RSS_HKEY = 5,
	DRX_ETHTOOL_A_RSS_INPUT_XFRM = 6,
	DRX_ETHTOOL_A_RSS_FLOW_HASH = 8,
	DRX_ETHTOOL_A_RSS_MAX = 8,
};

/* Nested in FLOW_HASH: the fields that are hashed, RXH_*. */
enum {
	DRX_ETHTOOL_A_FLOW_TCP4 = 4,
	DRX_ETHTOOL_A_FLOW_TCP6 = 5,
};

/* Of HFUNC, and of INPUT_XFRM (linux/ethtool.h; SYM_OR_XOR: 6.15). */
enum {
	DRX_ETH_RSS_HASH_TOP = 1,
	DRX_RXH_XFRM_SYM_XOR = 1,
	DRX_RXH_XFRM_SYM_OR_XOR = 2,
};

#endif /* DRX_UAPI_NETDEV_H */
