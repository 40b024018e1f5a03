// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics: ndo_get_stats64, netdev_stat_ops (qstats-get by netlink) and
 * ethtool -S. The set of strings is fixed: totals first, then every queue that
 * the device can have, running or not. Counters survive down and up.
 *
 * "Payload" is TCP payload. Each byte of it is counted once, as placed (in a
 * provider's chunk), paged (in an ordinary page) or linear (in an skb's head).
 */
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <net/netdev_queues.h>

#include "softnic.h"

static const char *const sn_rx_names[SN_NR_RX] = {
	[SN_RX_PACKETS]			= "packets",
	[SN_RX_BYTES]			= "bytes",
	[SN_RX_PLACED_PACKETS]		= "placed_packets",
	[SN_RX_PLACED_BYTES]		= "placed_bytes",
	[SN_RX_PAGED_PACKETS]		= "paged_packets",
	[SN_RX_PAGED_BYTES]		= "paged_bytes",
	[SN_RX_LINEAR_PACKETS]		= "linear_packets",
	[SN_RX_LINEAR_BYTES]		= "linear_bytes",
	[SN_RX_COPY_NS]			= "copy_ns",
	[SN_RX_DROP_NO_CHUNK]		= "drop_no_chunk",
	[SN_RX_DROP_NO_MEMORY]		= "drop_no_memory",
	[SN_RX_DROP_UNREACHABLE]	= "drop_unreachable",
	[SN_RX_DROP_BAD]		= "drop_bad",
	[SN_RX_DROP_RING_FULL]		= "drop_ring_full",
	[SN_RX_DROP_FAULT]		= "drop_fault",
};

static const char *const sn_tx_names[SN_NR_TX] = {
	[SN_TX_PACKETS]			= "packets",
	[SN_TX_BYTES]			= "bytes",
	[SN_TX_GSO_PACKETS]		= "gso_packets",
	[SN_TX_GSO_BYTES]		= "gso_bytes",
	[SN_TX_GSO_WIRE_PACKETS]	= "gso_wire_packets",
	[SN_TX_STOP]			= "stop",
	[SN_TX_DROP_NO_QUEUE]		= "drop_no_queue",
	[SN_TX_DROP_BAD_LENGTH]		= "drop_bad_length",
};

void sn_stats_init(struct sn_port *port)
{
	unsigned int i;

	for (i = 0; i < SN_MAX_QUEUES; i++) {
		u64_stats_init(&port->rxq[i].stats.sync);
		u64_stats_init(&port->txs[i].sync);
	}
}

static void sn_read_rx(struct sn_rxq *rxq, u64 *v)
{
	struct sn_rx_stats *s = &rxq->stats;
	unsigned int start, i;

	do {
		start = u64_stats_fetch_begin(&s->sync);
		for (i = 0; i < SN_NR_RX; i++)
			v[i] = u64_stats_read(&s->v[i]);
	} while (u64_stats_fetch_retry(&s->sync, start));

	v[SN_RX_DROP_RING_FULL] = sn_wire_dropped(&rxq->wire);
}

static void sn_read_tx(struct sn_tx_stats *s, u64 *v)
{
	unsigned int start, i;

	do {
		start = u64_stats_fetch_begin(&s->sync);
		for (i = 0; i < SN_NR_TX; i++)
			v[i] = u64_stats_read(&s->v[i]);
	} while (u64_stats_fetch_retry(&s->sync, start));
}

/* Sums over all queues. */
static void sn_sum(struct sn_port *port, u64 *rx_sum, u64 *tx_sum)
{
	u64 rx[SN_NR_RX], tx[SN_NR_TX];
	unsigned int i, c;

	memset(rx_sum, 0, sizeof(rx));
	memset(tx_sum, 0, sizeof(tx));
	for (i = 0; i < SN_MAX_QUEUES; i++) {
		sn_read_rx(&port->rxq[i], rx);
		for (c = 0; c < SN_NR_RX; c++)
			rx_sum[c] += rx[c];
		sn_read_tx(&port->txs[i], tx);
		for (c = 0; c < SN_NR_TX; c++)
			tx_sum[c] += tx[c];
	}
}

void sn_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	struct sn_port *port = netdev_priv(dev);
	u64 rx[SN_NR_RX], tx[SN_NR_TX];

	sn_sum(port, rx, tx);
	s->rx_packets = rx[SN_RX_PACKETS];
	s->rx_bytes = rx[SN_RX_BYTES];
	s->rx_dropped = rx[SN_RX_DROP_NO_MEMORY];
	s->rx_missed_errors = rx[SN_RX_DROP_NO_CHUNK] +
			      rx[SN_RX_DROP_RING_FULL];
	s->rx_errors = rx[SN_RX_DROP_BAD] + rx[SN_RX_DROP_UNREACHABLE] +
		       rx[SN_RX_DROP_FAULT];
	s->tx_packets = tx[SN_TX_PACKETS];
	s->tx_bytes = tx[SN_TX_BYTES];
	s->tx_dropped = tx[SN_TX_DROP_NO_QUEUE] + tx[SN_TX_DROP_BAD_LENGTH];
}

static void sn_add_queue_rx(const u64 *v, struct netdev_queue_stats_rx *s)
{
	unsigned int c;

	s->packets += v[SN_RX_PACKETS];
	s->bytes += v[SN_RX_BYTES];
	s->alloc_fail += v[SN_RX_DROP_NO_CHUNK] + v[SN_RX_DROP_NO_MEMORY];
	s->hw_drop_overruns += v[SN_RX_DROP_RING_FULL];
	for (c = SN_RX_FIRST_DROP; c < SN_NR_RX; c++)
		s->hw_drops += v[c];
}

static void sn_add_queue_tx(const u64 *v, struct netdev_queue_stats_tx *s)
{
	s->packets += v[SN_TX_PACKETS];
	s->bytes += v[SN_TX_BYTES];
	s->hw_gso_packets += v[SN_TX_GSO_PACKETS];
	s->hw_gso_bytes += v[SN_TX_GSO_BYTES];
	s->hw_gso_wire_packets += v[SN_TX_GSO_WIRE_PACKETS];
	s->stop += v[SN_TX_STOP];
	s->hw_drops += v[SN_TX_DROP_NO_QUEUE] + v[SN_TX_DROP_BAD_LENGTH];
	s->hw_drop_errors += v[SN_TX_DROP_BAD_LENGTH];
}

/* Only what we collect is to be set; the rest arrives and stays undefined. */
static void sn_zero_queue_rx(struct netdev_queue_stats_rx *s)
{
	s->packets = 0;
	s->bytes = 0;
	s->alloc_fail = 0;
	s->hw_drops = 0;
	s->hw_drop_overruns = 0;
}

static void sn_zero_queue_tx(struct netdev_queue_stats_tx *s)
{
	s->packets = 0;
	s->bytes = 0;
	s->hw_gso_packets = 0;
	s->hw_gso_bytes = 0;
	s->hw_gso_wire_packets = 0;
	s->stop = 0;
	s->hw_drops = 0;
	s->hw_drop_errors = 0;
}

static void sn_get_queue_stats_rx(struct net_device *dev, int idx,
				  struct netdev_queue_stats_rx *s)
{
	struct sn_port *port = netdev_priv(dev);
	u64 v[SN_NR_RX];

	sn_read_rx(&port->rxq[idx], v);
	sn_zero_queue_rx(s);
	sn_add_queue_rx(v, s);
}

static void sn_get_queue_stats_tx(struct net_device *dev, int idx,
				  struct netdev_queue_stats_tx *s)
{
	struct sn_port *port = netdev_priv(dev);
	u64 v[SN_NR_TX];

	sn_read_tx(&port->txs[idx], v);
	sn_zero_queue_tx(s);
	sn_add_queue_tx(v, s);
}

/* What queues have counted that do not exist at present. */
static void sn_get_base_stats(struct net_device *dev,
			      struct netdev_queue_stats_rx *rx_sum,
			      struct netdev_queue_stats_tx *tx_sum)
{
	struct sn_port *port = netdev_priv(dev);
	u64 rx[SN_NR_RX], tx[SN_NR_TX];
	unsigned int i;

	sn_zero_queue_rx(rx_sum);
	sn_zero_queue_tx(tx_sum);
	for (i = dev->real_num_rx_queues; i < SN_MAX_QUEUES; i++) {
		sn_read_rx(&port->rxq[i], rx);
		sn_add_queue_rx(rx, rx_sum);
		sn_read_tx(&port->txs[i], tx);
		sn_add_queue_tx(tx, tx_sum);
	}
}

const struct netdev_stat_ops sn_stat_ops = {
	.get_queue_stats_rx	= sn_get_queue_stats_rx,
	.get_queue_stats_tx	= sn_get_queue_stats_tx,
	.get_base_stats		= sn_get_base_stats,
};

int sn_stats_count(struct net_device *dev, int sset)
{
	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return (SN_MAX_QUEUES + 1) * (SN_NR_RX + SN_NR_TX);
}

void sn_stats_strings(struct net_device *dev, u32 sset, u8 *data)
{
	unsigned int i, c;

	if (sset != ETH_SS_STATS)
		return;

	for (c = 0; c < SN_NR_RX; c++)
		ethtool_sprintf(&data, "rx_%s", sn_rx_names[c]);
	for (c = 0; c < SN_NR_TX; c++)
		ethtool_sprintf(&data, "tx_%s", sn_tx_names[c]);
	for (i = 0; i < SN_MAX_QUEUES; i++) {
		for (c = 0; c < SN_NR_RX; c++)
			ethtool_sprintf(&data, "rx_q%u_%s", i, sn_rx_names[c]);
		for (c = 0; c < SN_NR_TX; c++)
			ethtool_sprintf(&data, "tx_q%u_%s", i, sn_tx_names[c]);
	}
}

/* In the order of sn_stats_strings(). */
void sn_stats_values(struct net_device *dev, struct ethtool_stats *stats,
		     u64 *data)
{
	struct sn_port *port = netdev_priv(dev);
	unsigned int i;

	sn_sum(port, data, data + SN_NR_RX);
	data += SN_NR_RX + SN_NR_TX;
	for (i = 0; i < SN_MAX_QUEUES; i++) {
		sn_read_rx(&port->rxq[i], data);
		sn_read_tx(&port->txs[i], data + SN_NR_RX);
		data += SN_NR_RX + SN_NR_TX;
	}
}
