// SPDX-License-Identifier: GPL-2.0
/*
 * RSS contexts: indirection tables besides the main one (ethtool -X NAME context
 * new). A rule sends a flow to a context, and the flow's hash, under the one key
 * that the port has, selects the queue there.
 *
 * The core serialises changes by its rss_lock; the data path reads under RCU.
 */
#include <linux/netdevice.h>
#include <linux/slab.h>

#include "softnic.h"

struct sn_context {
	struct rcu_head	rcu;
	u8		indir[SN_RSS_INDIR_LEN];
};

static struct sn_context *sn_context(struct sn_port *port, u32 id)
{
	struct mutex *lock __maybe_unused = &port->dev->ethtool->rss_lock;

	return rcu_dereference_protected(port->contexts[id],
					 lockdep_is_held(lock));
}

static void sn_context_publish(struct sn_port *port, u32 id,
			       struct sn_context *new)
{
	struct sn_context *old = sn_context(port, id);

	rcu_assign_pointer(port->contexts[id], new);
	if (old)
		kfree_rcu(old, rcu);
}

static int sn_context_replace(struct sn_port *port, u32 id, const u32 *indir)
{
	struct sn_context *new = kzalloc(sizeof(*new), GFP_KERNEL);
	unsigned int i;

	if (!new)
		return -ENOMEM;
	for (i = 0; i < SN_RSS_INDIR_LEN; i++)
		new->indir[i] = indir[i];
	sn_context_publish(port, id, new);
	return 0;
}

/**
 * sn_context_create() - ethtool's create_rxfh_context
 * @dev:	the device
 * @ctx:	what the core keeps; gets the table when the user gave none
 * @rxfh:	what the user wants
 * @extack:	unused
 *
 * Return: 0 or -ENOMEM.
 */
int sn_context_create(struct net_device *dev, struct ethtool_rxfh_context *ctx,
		      const struct ethtool_rxfh_param *rxfh,
		      struct netlink_ext_ack *extack)
{
	u32 *indir = ethtool_rxfh_context_indir(ctx);
	unsigned int i;

	if (rxfh->indir)
		return sn_context_replace(netdev_priv(dev), rxfh->rss_context,
					  rxfh->indir);

	for (i = 0; i < SN_RSS_INDIR_LEN; i++)
		indir[i] = ethtool_rxfh_indir_default(i,
						      dev->real_num_rx_queues);
	return sn_context_replace(netdev_priv(dev), rxfh->rss_context, indir);
}

/* The core refuses all but a new table. */
int sn_context_modify(struct net_device *dev, struct ethtool_rxfh_context *ctx,
		      const struct ethtool_rxfh_param *rxfh,
		      struct netlink_ext_ack *extack)
{
	if (!rxfh->indir)
		return 0;
	return sn_context_replace(netdev_priv(dev), rxfh->rss_context,
				  rxfh->indir);
}

/* Also when the device is unregistered, for each that is left. */
int sn_context_remove(struct net_device *dev, struct ethtool_rxfh_context *ctx,
		      u32 id, struct netlink_ext_ack *extack)
{
	sn_context_publish(netdev_priv(dev), id, NULL);
	return 0;
}

/**
 * sn_context_queue() - the queue for a hash
 * @port:	receiving port
 * @id:		the context; 0 is the main table
 * @hash:	from sn_rss_hash()
 *
 * Context: RCU read side.
 * Return: the queue.
 */
unsigned int sn_context_queue(struct sn_port *port, u32 id, u32 hash)
{
	const struct sn_context *context = NULL;

	if (id)
		context = rcu_dereference(port->contexts[id]);
	return context ? context->indir[hash % SN_RSS_INDIR_LEN] :
			 sn_rss_queue(port, hash);
}
