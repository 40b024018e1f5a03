// SPDX-License-Identifier: GPL-2.0
/*
 * The network device: open, stop, transmit, number of queues.
 */
#include <linux/etherdevice.h>
#include <linux/idr.h>
#include <linux/if_vlan.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>

#include "softnic.h"

/* Tunnels are left to the stack, so SG and checksums are all they need. */
#define SN_FEATURES	(NETIF_F_SG | NETIF_F_HIGHDMA | NETIF_F_HW_CSUM | \
			 NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN)

/* @segs: packets that a large one stands for, 0 when it is none. */
static void sn_tx_count(struct net_device *dev, unsigned int txq,
			unsigned int len, unsigned int segs, int ret)
{
	struct sn_port *port = netdev_priv(dev);
	struct sn_tx_stats *s = &port->txs[txq];

	u64_stats_update_begin(&s->sync);
	if (ret >= 0) {
		u64_stats_inc(&s->v[SN_TX_PACKETS]);
		u64_stats_add(&s->v[SN_TX_BYTES], len);
		u64_stats_add(&s->v[SN_TX_STOP], ret);
		if (segs) {
			u64_stats_inc(&s->v[SN_TX_GSO_PACKETS]);
			u64_stats_add(&s->v[SN_TX_GSO_BYTES], len);
			u64_stats_add(&s->v[SN_TX_GSO_WIRE_PACKETS], segs);
		}
	} else if (ret == -EMSGSIZE) {
		u64_stats_inc(&s->v[SN_TX_DROP_BAD_LENGTH]);
	} else if (ret == -ENETDOWN) {
		u64_stats_inc(&s->v[SN_TX_DROP_NO_QUEUE]);
	}
	u64_stats_update_end(&s->sync);
}

/* A wire carries no frame that its receiver's MTU does not admit. Segments of
 * a large TCP packet are taken to fit, as their size follows from the receiver's
 * MSS.
 */
static bool sn_length_ok(const struct sn_port *to, struct sk_buff *skb)
{
	if (!pskb_may_pull(skb, ETH_HLEN))
		return false;
	return skb_is_gso(skb) ||
	       skb->len <= READ_ONCE(to->dev->mtu) + ETH_HLEN + VLAN_HLEN;
}

static netdev_tx_t sn_xmit(struct sk_buff *skb, struct net_device *dev)
{
	unsigned int txq = skb_get_queue_mapping(skb);
	struct sn_port *port = netdev_priv(dev);
	struct sn_port *peer = port->peer;
	unsigned int segs = skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 0;
	unsigned int len = skb->len;
	int ret = -EMSGSIZE;

	skb_tx_timestamp(skb);
	if (likely(sn_length_ok(peer, skb)))
		ret = sn_wire_push(&peer->rxq[sn_steer(peer, skb)], skb, txq);
	if (unlikely(ret < 0))
		kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);

	sn_tx_count(dev, txq, len, segs, ret);
	return NETDEV_TX_OK;
}

static int sn_open(struct net_device *dev)
{
	struct sn_port *port = netdev_priv(dev);
	unsigned int i;
	int err;

	for (i = 0; i < dev->real_num_rx_queues; i++) {
		err = sn_queue_up(port, i);
		if (err) {
			sn_queues_down(port, 0, i);
			return err;
		}
	}

	netif_tx_start_all_queues(dev);

	/* The link is up when both ends are; the RTNL orders the two. */
	if (netif_running(port->peer->dev)) {
		netif_carrier_on(dev);
		netif_carrier_on(port->peer->dev);
	}
	return 0;
}

static int sn_stop(struct net_device *dev)
{
	struct sn_port *port = netdev_priv(dev);

	netif_carrier_off(port->peer->dev);
	netif_carrier_off(dev);
	sn_queues_down(port, 0, dev->real_num_rx_queues);
	return 0;
}

static int sn_add_queues(struct sn_port *port, unsigned int old,
			 unsigned int count)
{
	struct net_device *dev = port->dev;
	unsigned int up = old;
	int err = 0;

	for (; netif_running(dev) && up < count; up++) {
		err = sn_queue_up(port, up);
		if (err)
			goto down;
	}

	err = netif_set_real_num_queues(dev, count, count);
	if (err)
		goto down;
	err = sn_rss_spread(port, count);
	if (err) {
		netif_set_real_num_queues(dev, old, old);
		goto down;
	}
	return 0;

down:
	sn_queues_down(port, old, up);
	return err;
}

static int sn_remove_queues(struct sn_port *port, unsigned int old,
			    unsigned int count)
{
	struct net_device *dev = port->dev;
	int err;

	/* First turn the peer away from the queues that are about to go. */
	err = sn_rss_spread(port, count);
	if (err)
		return err;
	err = netif_set_real_num_queues(dev, count, count);
	if (err)
		return err;

	if (netif_running(dev))
		sn_queues_down(port, count, old);
	return 0;
}

/**
 * sn_set_queues() - change the number of queues
 * @port:	the port, its instance lock and the RTNL held
 * @count:	how many from now on
 *
 * Queues that stay are not touched; a provider on them stays bound and working.
 *
 * Return: 0 or a negative errno; then the number has not changed.
 */
int sn_set_queues(struct sn_port *port, unsigned int count)
{
	unsigned int old = port->dev->real_num_rx_queues;

	if (count > old)
		return sn_add_queues(port, old, count);
	return sn_remove_queues(port, old, count);
}

/* Numbers of the ports below the parent device, as on a card with many. */
static DEFINE_IDA(sn_port_nrs);

static int sn_dev_init(struct net_device *dev)
{
	int err, nr;

	/* The core takes the locks of both ends to unregister them. */
	netdev_lockdep_set_classes(dev);

	nr = ida_alloc_max(&sn_port_nrs, U16_MAX, GFP_KERNEL);
	if (nr < 0)
		return nr;

	err = sn_rss_init(netdev_priv(dev));
	if (err) {
		ida_free(&sn_port_nrs, nr);
		return err;
	}

	dev->dev_port = nr;
	sn_debugfs_add(netdev_priv(dev));
	return 0;
}

static void sn_dev_uninit(struct net_device *dev)
{
	struct sn_port *port = netdev_priv(dev);

	sn_debugfs_remove(port);
	sn_ntuple_free(port);
	sn_rss_free(port);
	ida_free(&sn_port_nrs, dev->dev_port);
}

static int sn_get_iflink(const struct net_device *dev)
{
	const struct sn_port *port = netdev_priv(dev);

	return READ_ONCE(port->peer->dev->ifindex);
}

static const struct net_device_ops sn_netdev_ops = {
	.ndo_init		= sn_dev_init,
	.ndo_uninit		= sn_dev_uninit,
	.ndo_open		= sn_open,
	.ndo_stop		= sn_stop,
	.ndo_start_xmit		= sn_xmit,
	.ndo_get_stats64	= sn_get_stats64,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_get_iflink		= sn_get_iflink,
};

static void sn_setup(struct net_device *dev)
{
	ether_setup(dev);

	dev->netdev_ops = &sn_netdev_ops;
	dev->ethtool_ops = &sn_ethtool_ops;
	dev->stat_ops = &sn_stat_ops;
	dev->queue_mgmt_ops = &sn_queue_mgmt_ops;
	dev->needs_free_netdev = true;
	/* We read a dmabuf that is sent through its DMA addresses. */
	dev->netmem_tx = NETMEM_TX_DMA;

	/* netpoll transmits with interrupts off, which our locks are not for. */
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE | IFF_DISABLE_NETPOLL;
	dev->max_mtu = ETH_MAX_MTU;

	dev->hw_features = SN_FEATURES | NETIF_F_RXHASH | NETIF_F_NTUPLE;
	dev->features = dev->hw_features | NETIF_F_RXCSUM;
	dev->vlan_features = SN_FEATURES;
}

static void sn_port_init(struct sn_port *port, struct net_device *dev)
{
	unsigned int i;

	port->dev = dev;
	port->ring_size = SN_RING_DEF;
	for (i = 0; i < SN_MAX_QUEUES; i++) {
		struct sn_rxq *rxq = &port->rxq[i];

		rxq->port = port;
		__skb_queue_head_init(&rxq->batch);
		sn_wire_init(&rxq->wire);
	}
	sn_stats_init(port);
}

/**
 * sn_netdev_alloc() - make one end of a pair, not yet registered
 * @name:		its name, or a pattern
 * @assign_type:	NET_NAME_*
 * @queues:		queues to begin with
 *
 * Return: the net_device, or NULL.
 */
struct net_device *sn_netdev_alloc(const char *name, unsigned char assign_type,
				   unsigned int queues)
{
	struct net_device *dev;

	dev = alloc_netdev_mqs(sizeof(struct sn_port), name, assign_type,
			       sn_setup, SN_MAX_QUEUES, SN_MAX_QUEUES);
	if (!dev)
		return NULL;

	SET_NETDEV_DEV(dev, sn_parent());
	eth_hw_addr_random(dev);
	sn_port_init(netdev_priv(dev), dev);
	netif_set_real_num_queues(dev, queues, queues);
	netif_carrier_off(dev);
	return dev;
}
