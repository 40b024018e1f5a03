// SPDX-License-Identifier: GPL-2.0
/*
 * Receive side scaling: the Toeplitz hash of a flow selects an entry of the
 * indirection table (ethtool -x, -X). The hash is linear in its input, so each
 * key has a table with the hash of every value of every byte, and hashing is a
 * look-up for each byte. A change publishes a new object; the data path reads it
 * under RCU.
 */
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <net/netdev_lock.h>

#include "softnic.h"

#define SN_TUPLE_BYTES	(SN_TUPLE_WORDS * 4)

#define SN_HASH_L3	(RXH_IP_SRC | RXH_IP_DST)
#define SN_HASH_L4	(RXH_L4_B_0_1 | RXH_L4_B_2_3)
#define SN_HASH_ALL	(SN_HASH_L3 | SN_HASH_L4)

/* Flows that have ports: TCP or UDP, over IPv4 or IPv6; see sn_rss_kind(). */
#define SN_RSS_KINDS	4

/**
 * struct sn_rss - how frames are spread
 * @rcu:	for freeing
 * @fields:	what counts for each kind of flow that has ports: RXH_* bits
 * @key:	Toeplitz key
 * @indir:	the main table
 * @part:	hash of each value of each byte under @key
 */
struct sn_rss {
	struct rcu_head	rcu;
	u8		fields[SN_RSS_KINDS];
	u8		key[SN_RSS_KEY_LEN];
	u8		indir[SN_RSS_INDIR_LEN];
	u32		part[SN_TUPLE_BYTES][256];
};

/* The 32 bits of the key that begin at @bit. */
static u32 sn_key_window(const u8 *key, unsigned int bit)
{
	u64 five = (u64)get_unaligned_be32(key + bit / 8) << 8 |
		   key[bit / 8 + 4];

	return five >> (8 - bit % 8);
}

static void sn_rss_precompute(struct sn_rss *rss)
{
	unsigned int i, value, rest;

	/* The last window needs the byte behind it. */
	BUILD_BUG_ON(SN_TUPLE_BYTES + 4 > SN_RSS_KEY_LEN);

	/* A value's hash is that of its lowest bit and that of the others. */
	for (i = 0; i < SN_TUPLE_BYTES; i++) {
		rss->part[i][0] = 0;
		for (value = 1; value < 256; value++) {
			rest = value & (value - 1);
			rss->part[i][value] = rss->part[i][rest] ^
				sn_key_window(rss->key,
					      8 * i + 7 - __ffs(value));
		}
	}
}

static unsigned int sn_rss_kind(bool udp, bool ipv6)
{
	return 2 * udp + ipv6;
}

/* Put the fields that count, of a flow with ports, behind each other. Return:
 * bytes.
 */
static unsigned int sn_rss_input(const struct sn_flow *flow, u8 fields, u8 *in)
{
	unsigned int addr_len = flow->nr_words / 2 * 4;
	const u8 *tuple = (const u8 *)flow->tuple;
	unsigned int len = 0;

	if (fields & RXH_IP_SRC) {
		memcpy(in, tuple, addr_len);
		len += addr_len;
	}
	if (fields & RXH_IP_DST) {
		memcpy(in + len, tuple + addr_len, addr_len);
		len += addr_len;
	}
	if (fields & RXH_L4_B_0_1) {
		memcpy(in + len, tuple + 2 * addr_len, 2);
		len += 2;
	}
	if (fields & RXH_L4_B_2_3) {
		memcpy(in + len, tuple + 2 * addr_len + 2, 2);
		len += 2;
	}
	return len;
}

/**
 * sn_rss_hash() - Toeplitz hash of a flow's tuple
 * @port:	receiving port
 * @flow:	the flow
 * @l4:		whether the hash covers ports
 *
 * Context: RCU read side.
 * Return: the hash; 0 for frames that are not IP.
 */
u32 sn_rss_hash(struct sn_port *port, const struct sn_flow *flow, bool *l4)
{
	const struct sn_rss *rss = rcu_dereference(port->rss);
	bool ipv6 = flow->nr_words >= SN_TUPLE_WORDS_V6 - 1;
	const u8 *byte = (const u8 *)flow->tuple, *end;
	u8 fields = SN_HASH_ALL, in[SN_TUPLE_BYTES];
	const u32 (*part)[256] = rss->part;
	u32 hash = 0;

	if (flow->ports)
		fields = rss->fields[sn_rss_kind(flow->ip_proto == IPPROTO_UDP,
						 ipv6)];
	*l4 = flow->ports && (fields & SN_HASH_L4);

	end = byte + flow->nr_words * 4;
	if (unlikely(fields != SN_HASH_ALL)) {
		end = in + sn_rss_input(flow, fields, in);
		byte = in;
	}
	for (; byte < end; byte++, part++)
		hash ^= (*part)[*byte];
	return hash;
}

/**
 * sn_rss_queue() - the queue for a hash
 * @port:	receiving port
 * @hash:	from sn_rss_hash()
 *
 * Context: RCU read side.
 * Return: the queue.
 */
unsigned int sn_rss_queue(struct sn_port *port, u32 hash)
{
	const struct sn_rss *rss = rcu_dereference(port->rss);

	return rss->indir[hash % SN_RSS_INDIR_LEN];
}

static struct sn_rss *sn_rss(struct sn_port *port)
{
	return netdev_lock_dereference(port->rss, port->dev);
}

static void sn_rss_default_indir(struct sn_rss *rss, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < SN_RSS_INDIR_LEN; i++)
		rss->indir[i] = ethtool_rxfh_indir_default(i, count);
}

/**
 * sn_rss_spread() - use all queues, unless the user has set a table
 * @port:	the port, its instance lock held
 * @count:	number of queues
 *
 * Return: 0 or -ENOMEM.
 */
int sn_rss_spread(struct sn_port *port, unsigned int count)
{
	struct sn_rss *old = sn_rss(port), *new;

	if (netif_is_rxfh_configured(port->dev))
		return 0;
	new = kvmemdup(old, sizeof(*old), GFP_KERNEL);
	if (!new)
		return -ENOMEM;

	sn_rss_default_indir(new, count);
	rcu_assign_pointer(port->rss, new);
	kvfree_rcu(old, rcu);
	return 0;
}

int sn_rss_init(struct sn_port *port)
{
	struct sn_rss *rss = kvzalloc(sizeof(*rss), GFP_KERNEL);

	if (!rss)
		return -ENOMEM;
	memset(rss->fields, SN_HASH_ALL, sizeof(rss->fields));
	netdev_rss_key_fill(rss->key, sizeof(rss->key));
	sn_rss_precompute(rss);
	sn_rss_default_indir(rss, port->dev->real_num_rx_queues);
	RCU_INIT_POINTER(port->rss, rss);
	return 0;
}

/* The device is unregistered and nothing transmits to it any more. */
void sn_rss_free(struct sn_port *port)
{
	kvfree(rcu_dereference_protected(port->rss, true));
}

/* Return: the kind of flow, or -1 when it has no ports. */
static int sn_rss_flow_type(u32 flow_type)
{
	switch (flow_type) {
	case TCP_V4_FLOW:
		return sn_rss_kind(false, false);
	case TCP_V6_FLOW:
		return sn_rss_kind(false, true);
	case UDP_V4_FLOW:
		return sn_rss_kind(true, false);
	case UDP_V6_FLOW:
		return sn_rss_kind(true, true);
	default:
		return -1;
	}
}

int sn_rss_get_fields(struct net_device *dev,
		      struct ethtool_rxfh_fields *fields)
{
	const struct sn_rss *rss = sn_rss(netdev_priv(dev));
	int kind = sn_rss_flow_type(fields->flow_type);

	fields->data = kind < 0 ? SN_HASH_L3 : rss->fields[kind];
	return 0;
}

int sn_rss_set_fields(struct net_device *dev,
		      const struct ethtool_rxfh_fields *fields,
		      struct netlink_ext_ack *extack)
{
	struct sn_port *port = netdev_priv(dev);
	struct sn_rss *old = sn_rss(port), *new;
	int kind = sn_rss_flow_type(fields->flow_type);

	if (fields->data & ~SN_HASH_ALL) {
		NL_SET_ERR_MSG_MOD(extack, "only addresses and ports can be hashed");
		return -EINVAL;
	}
	if (kind < 0) {
		if (fields->data == SN_HASH_L3)
			return 0;
		NL_SET_ERR_MSG_MOD(extack,
				   "without ports, both addresses are hashed");
		return -EINVAL;
	}

	new = kvmemdup(old, sizeof(*old), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	new->fields[kind] = fields->data;
	rcu_assign_pointer(port->rss, new);
	kvfree_rcu(old, rcu);
	return 0;
}

u32 sn_rss_key_size(struct net_device *dev)
{
	return SN_RSS_KEY_LEN;
}

u32 sn_rss_indir_size(struct net_device *dev)
{
	return SN_RSS_INDIR_LEN;
}

int sn_rss_get(struct net_device *dev, struct ethtool_rxfh_param *rxfh)
{
	struct sn_port *port = netdev_priv(dev);
	const struct sn_rss *rss = sn_rss(port);
	unsigned int i;

	rxfh->hfunc = ETH_RSS_HASH_TOP;
	if (rxfh->key)
		memcpy(rxfh->key, rss->key, sizeof(rss->key));
	for (i = 0; rxfh->indir && i < SN_RSS_INDIR_LEN; i++)
		rxfh->indir[i] = rss->indir[i];
	return 0;
}

int sn_rss_set(struct net_device *dev, struct ethtool_rxfh_param *rxfh,
	       struct netlink_ext_ack *extack)
{
	struct sn_port *port = netdev_priv(dev);
	struct sn_rss *old = sn_rss(port), *new;
	unsigned int i;

	if (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
	    rxfh->hfunc != ETH_RSS_HASH_TOP) {
		NL_SET_ERR_MSG_MOD(extack, "the hash function is Toeplitz");
		return -EOPNOTSUPP;
	}

	new = kvmemdup(old, sizeof(*old), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	for (i = 0; rxfh->indir && i < SN_RSS_INDIR_LEN; i++)
		new->indir[i] = rxfh->indir[i];
	if (rxfh->key) {
		memcpy(new->key, rxfh->key, sizeof(new->key));
		sn_rss_precompute(new);
	}

	rcu_assign_pointer(port->rss, new);
	kvfree_rcu(old, rcu);
	return 0;
}
