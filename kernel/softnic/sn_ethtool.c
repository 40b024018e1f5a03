// SPDX-License-Identifier: GPL-2.0
/*
 * ethtool: rings with header/data split, channels, link. Rules, RSS and
 * statistics are in files of their own. All of it runs under the instance lock.
 */
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/netdevice.h>

#include "softnic.h"

static void sn_get_ringparam(struct net_device *dev,
			     struct ethtool_ringparam *ring,
			     struct kernel_ethtool_ringparam *kernel_ring,
			     struct netlink_ext_ack *extack)
{
	struct sn_port *port = netdev_priv(dev);

	ring->rx_max_pending = SN_RING_MAX;
	ring->rx_pending = port->ring_size;
	kernel_ring->hds_thresh = port->hds_thresh;
	kernel_ring->hds_thresh_max = SN_HDS_THRESH_MAX;
	kernel_ring->tcp_data_split = port->hds ?
				      ETHTOOL_TCP_DATA_SPLIT_ENABLED :
				      ETHTOOL_TCP_DATA_SPLIT_DISABLED;
}

/* Takes effect with the next frame. No queue restarts: whether a pool may hold
 * a provider's memory is decided when the provider is bound, and the core does
 * not let the split be turned off while one is.
 */
static int sn_set_ringparam(struct net_device *dev,
			    struct ethtool_ringparam *ring,
			    struct kernel_ethtool_ringparam *kernel_ring,
			    struct netlink_ext_ack *extack)
{
	struct sn_port *port = netdev_priv(dev);

	if (ring->rx_pending < SN_RING_MIN) {
		NL_SET_ERR_MSG_MOD(extack, "an rx ring has at least 16 entries");
		return -EINVAL;
	}

	WRITE_ONCE(port->ring_size, ring->rx_pending);
	WRITE_ONCE(port->hds_thresh, kernel_ring->hds_thresh);
	WRITE_ONCE(port->hds, kernel_ring->tcp_data_split ==
			      ETHTOOL_TCP_DATA_SPLIT_ENABLED);
	return 0;
}

static void sn_get_channels(struct net_device *dev, struct ethtool_channels *ch)
{
	ch->max_combined = SN_MAX_QUEUES;
	ch->combined_count = dev->real_num_rx_queues;
}

static int sn_set_channels(struct net_device *dev, struct ethtool_channels *ch)
{
	return sn_set_queues(netdev_priv(dev), ch->combined_count);
}

static u32 sn_get_rx_ring_count(struct net_device *dev)
{
	return dev->real_num_rx_queues;
}

static int sn_get_link_ksettings(struct net_device *dev,
				 struct ethtool_link_ksettings *ks)
{
	ks->base.speed = SPEED_100000;
	ks->base.duplex = DUPLEX_FULL;
	ks->base.port = PORT_OTHER;
	return 0;
}

const struct ethtool_ops sn_ethtool_ops = {
	.supported_ring_params	= ETHTOOL_RING_USE_TCP_DATA_SPLIT |
				  ETHTOOL_RING_USE_HDS_THRS,
	.op_needs_rtnl		= ETHTOOL_OP_NEEDS_RTNL_SCHANNELS |
				  ETHTOOL_OP_NEEDS_RTNL_GLINK,
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= sn_get_link_ksettings,
	.get_ringparam		= sn_get_ringparam,
	.set_ringparam		= sn_set_ringparam,
	.get_channels		= sn_get_channels,
	.set_channels		= sn_set_channels,
	.get_rx_ring_count	= sn_get_rx_ring_count,
	.get_rxnfc		= sn_ntuple_get,
	.set_rxnfc		= sn_ntuple_set,
	.get_rxfh_key_size	= sn_rss_key_size,
	.get_rxfh_indir_size	= sn_rss_indir_size,
	.get_rxfh		= sn_rss_get,
	.set_rxfh		= sn_rss_set,
	.get_rxfh_fields	= sn_rss_get_fields,
	.set_rxfh_fields	= sn_rss_set_fields,
	.rxfh_max_num_contexts	= SN_MAX_CONTEXTS,
	.create_rxfh_context	= sn_context_create,
	.modify_rxfh_context	= sn_context_modify,
	.remove_rxfh_context	= sn_context_remove,
	.get_ts_info		= ethtool_op_get_ts_info,
	.get_sset_count		= sn_stats_count,
	.get_strings		= sn_stats_strings,
	.get_ethtool_stats	= sn_stats_values,
};
