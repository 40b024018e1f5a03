/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The software NIC's data structures. Two ports make a pair; what one port
 * transmits is put on a wire of the other, one wire for each receive queue:
 *
 *   sn_xmit (sender's context)              sn_poll (the queue's own NAPI)
 *   parse, steer ──▶ sn_wire of queue q ──▶ new skb: headers copied to its
 *                    (bounded)              head, payload "DMAed" to chunks
 *
 * Locks: configuration runs under the netdev instance lock of the port (the
 * "ops lock"; having queue_mgmt_ops selects it), opening and closing also under
 * the RTNL, which is what orders the two ports against each other. The data
 * path takes the wire's lock, nothing else, and reads rules and the RSS table
 * under RCU.
 */
#ifndef DEVRX_SOFTNIC_H
#define DEVRX_SOFTNIC_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/u64_stats_sync.h>

#define SN_NAME			"devrx_softnic"

#define SN_MAX_QUEUES		16
#define SN_DEF_QUEUES		4

/* Frames that a wire holds before it stops the sender (ethtool -G rx). */
#define SN_RING_MIN		16
#define SN_RING_MAX		4096
#define SN_RING_DEF		256

/* Frames up to this length are received whole into the skb's head, as
 * hardware drivers do ("copybreak"), unless header/data split says otherwise.
 */
#define SN_COPYBREAK		256
#define SN_HDS_THRESH_MAX	1024

#define SN_RX_PAGE_SIZE_MAX	SZ_2M

#define SN_MAX_RULES		64

/* RSS contexts, the main table included. */
#define SN_MAX_CONTEXTS		16

#define SN_RSS_KEY_LEN		40
#define SN_RSS_INDIR_LEN	128

/* Addresses and ports, in the order that both Toeplitz and the rules want:
 * source, destination, {source port, destination port}.
 */
#define SN_TUPLE_WORDS_V4	3
#define SN_TUPLE_WORDS_V6	9
#define SN_TUPLE_WORDS		SN_TUPLE_WORDS_V6

/**
 * struct sn_flow - what a frame's headers say
 * @tuple:	addresses and ports in network order, packed from the start
 * @nr_words:	words of @tuple in use: addresses only when the ports cannot be
 *		read, none when the frame is not IP
 * @ports:	@tuple ends with the ports
 * @ip_proto:	transport protocol
 * @l3_off:	offset of the IP header
 * @l4_off:	offset of the transport header
 * @l4_len:	bytes of the transport header and its payload
 */
struct sn_flow {
	__be32	tuple[SN_TUPLE_WORDS];
	u8	nr_words;
	bool	ports;
	u8	ip_proto;
	u16	l3_off;
	u16	l4_off;
	u16	l4_len;
};

/**
 * struct sn_cb - what the sender's side learnt about a frame (skb->cb)
 * @hash:	RSS hash
 * @l3_off:	offset of the IP header
 * @l4_off:	offset of the TCP header
 * @l4_len:	bytes of the TCP header and its payload
 * @hdr_len:	bytes of all headers, the TCP header included
 * @is_tcp:	the four above are valid
 * @l4_hash:	@hash covers ports
 */
struct sn_cb {
	u32	hash;
	u16	l3_off;
	u16	l4_off;
	u16	l4_len;
	u16	hdr_len;
	bool	is_tcp;
	bool	l4_hash;
};

static inline struct sn_cb *sn_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct sn_cb) > sizeof(skb->cb));
	return (struct sn_cb *)skb->cb;
}

/**
 * struct sn_wire - frames on their way into one receive queue
 * @q:		the frames; its lock protects all of this structure
 * @stopped:	the sender's transmit queues that wait for room
 * @dropped:	frames lost because the wire was full
 * @live:	the receive queue exists; frames are refused otherwise
 *
 * A wire outlives the receive queue's memory: while a queue restarts, frames
 * wait here and the sender is stopped, so a restart loses nothing.
 */
struct sn_wire {
	struct sk_buff_head	q;
	unsigned long		stopped;
	u64			dropped;
	bool			live;
};

/* Counters of a receive queue; sn_rx_names[] has their ethtool names. */
enum sn_rx_counter {
	SN_RX_PACKETS,
	SN_RX_BYTES,
	SN_RX_PLACED_PACKETS,
	SN_RX_PLACED_BYTES,
	SN_RX_PAGED_PACKETS,
	SN_RX_PAGED_BYTES,
	SN_RX_LINEAR_PACKETS,
	SN_RX_LINEAR_BYTES,
	SN_RX_COPY_NS,
	SN_RX_FIRST_DROP,
	SN_RX_DROP_NO_CHUNK = SN_RX_FIRST_DROP,
	SN_RX_DROP_NO_MEMORY,
	SN_RX_DROP_UNREACHABLE,
	SN_RX_DROP_BAD,
	SN_RX_DROP_RING_FULL,
	SN_RX_DROP_FAULT,
	SN_NR_RX,
};

enum sn_tx_counter {
	SN_TX_PACKETS,
	SN_TX_BYTES,
	SN_TX_GSO_PACKETS,
	SN_TX_GSO_BYTES,
	SN_TX_GSO_WIRE_PACKETS,
	SN_TX_STOP,
	SN_TX_DROP_NO_QUEUE,
	SN_TX_DROP_BAD_LENGTH,
	SN_NR_TX,
};

/* Written by the queue's NAPI only. SN_RX_DROP_RING_FULL lives in the wire. */
struct sn_rx_stats {
	struct u64_stats_sync	sync;
	u64_stats_t		v[SN_NR_RX];
};

/* Written under the transmit queue's xmit lock. */
struct sn_tx_stats {
	struct u64_stats_sync	sync;
	u64_stats_t		v[SN_NR_TX];
};

/**
 * struct sn_pools - the memory of one receive queue
 * @data:	payload of split frames; a provider's chunks when one is bound
 * @pages:	everything else; always pages that the kernel can read. The
 *		same pool as @data (with a reference of its own) as long as no
 *		provider is bound.
 */
struct sn_pools {
	struct page_pool	*data;
	struct page_pool	*pages;
};

/**
 * struct sn_rxq - one receive queue
 * @napi:	the only consumer of @batch and @pools
 * @port:	owner
 * @pools:	changed under the instance lock while @napi is disabled
 * @batch:	frames taken off @wire and not yet received
 * @stats:	survive down and up
 * @nth:	frames since the last that a fault has dropped; NAPI only
 * @wire:	where the peer's transmit queues put their frames
 */
struct sn_rxq {
	struct napi_struct	napi;
	struct sn_port		*port;
	struct sn_pools		pools;
	struct sk_buff_head	batch;
	struct sn_rx_stats	stats;
	u32			nth;
	struct sn_wire		wire ____cacheline_aligned_in_smp;
};

struct sn_context;
struct sn_rules;
struct sn_rss;

/**
 * struct sn_faults - what shall go wrong; written by debugfs at any time
 * @linear_head:	payload bytes that stay in the head of a split frame
 * @drop_every:		each queue drops every so manieth frame; 0 none
 * @payload_in_pages:	split payload goes to pages, not to the provider
 * @stopped_queues:	bits of the queues that do not receive
 * @no_chunk:		split frames that find no chunk from now on
 * @fail_alloc:		queue restarts that shall get no memory
 * @fail_start:		queue restarts that shall fail in the middle
 * @dir:		where it is in debugfs
 *
 * The data path reads with READ_ONCE() what it does not count down.
 */
struct sn_faults {
	u32		linear_head;
	u32		drop_every;
	bool		payload_in_pages;
	u32		stopped_queues;
	atomic_t	no_chunk;
	atomic_t	fail_alloc;
	atomic_t	fail_start;
	struct dentry	*dir;
};

/* Return: true as many times as @left says. */
static inline bool sn_fault_take(atomic_t *left)
{
	return unlikely(atomic_read(left) > 0) &&
	       atomic_dec_if_positive(left) >= 0;
}

/**
 * struct sn_port - one end of a pair; netdev_priv() of its net_device
 * @dev:	the net_device
 * @peer:	the other end; set before registration. Both are unregistered
 *		together and neither is freed before, so the data path and
 *		whoever holds the RTNL may follow it.
 * @rules:	ntuple rules; written under the instance lock, read under RCU
 * @rss:	hash key, fields and table; same protection
 * @contexts:	further tables; written under the core's rss_lock, read under
 *		RCU; the first is not used
 * @ring_size:	frames a wire holds; instance lock, data path READ_ONCE()
 * @hds:	header/data split is on; same
 * @hds_thresh:	frames up to this length are not split; same
 * @faults:	what shall go wrong
 * @rxq:	receive queues; those below real_num_rx_queues run while up
 * @txs:	transmit statistics
 */
struct sn_port {
	struct net_device	*dev;
	struct sn_port		*peer;
	struct sn_rules __rcu	*rules;
	struct sn_rss __rcu	*rss;
	struct sn_context __rcu	*contexts[SN_MAX_CONTEXTS];
	u32			ring_size;
	u32			hds_thresh;
	bool			hds;
	struct sn_faults	faults;
	struct sn_rxq		rxq[SN_MAX_QUEUES];
	struct sn_tx_stats	txs[SN_MAX_QUEUES];
};

/* sn_main.c */
struct device *sn_parent(void);

/* sn_link.c */
int sn_link_init(void);
void sn_link_exit(void);

/* sn_netdev.c */
struct net_device *sn_netdev_alloc(const char *name, unsigned char assign_type,
				   unsigned int queues);
int sn_set_queues(struct sn_port *port, unsigned int count);

/* sn_wire.c */
void sn_wire_init(struct sn_wire *wire);
int sn_wire_push(struct sn_rxq *rxq, struct sk_buff *skb, unsigned int txq);
void sn_wire_take(struct sn_rxq *rxq);
void sn_wire_open(struct sn_wire *wire);
void sn_wire_close(struct sn_rxq *rxq);
void sn_wire_kick(struct sn_rxq *rxq);
u64 sn_wire_dropped(struct sn_wire *wire);

/* sn_queue.c */
extern const struct netdev_queue_mgmt_ops sn_queue_mgmt_ops;
int sn_queue_up(struct sn_port *port, unsigned int idx);
void sn_queues_down(struct sn_port *port, unsigned int from, unsigned int to);

/**
 * struct sn_cursor - a position in a frame
 * @skb:	the frame
 * @at:		the next byte
 * @left:	bytes there
 * @frag:	the fragment that follows them
 */
struct sn_cursor {
	const struct sk_buff	*skb;
	const void		*at;
	unsigned int		left;
	unsigned int		frag;
};

/* sn_copy.c */
int sn_copy(struct sn_cursor *cur, void *to, unsigned int len);
int sn_fill(struct sk_buff *skb, struct sn_cursor *cur, struct page_pool *pool);

/* sn_rx.c */
int sn_poll(struct napi_struct *napi, int budget);

/* sn_steer.c */
unsigned int sn_steer(struct sn_port *port, struct sk_buff *skb);

/* sn_ntuple.c */
int sn_ntuple_lookup(struct sn_port *port, const struct sn_flow *flow,
		     u32 hash);
int sn_ntuple_get(struct net_device *dev, struct ethtool_rxnfc *cmd,
		  u32 *rule_locs);
int sn_ntuple_set(struct net_device *dev, struct ethtool_rxnfc *cmd);
void sn_ntuple_free(struct sn_port *port);

/* sn_rss.c */
int sn_rss_init(struct sn_port *port);
void sn_rss_free(struct sn_port *port);
int sn_rss_spread(struct sn_port *port, unsigned int count);
u32 sn_rss_hash(struct sn_port *port, const struct sn_flow *flow, bool *l4);
unsigned int sn_rss_queue(struct sn_port *port, u32 hash);
u32 sn_rss_key_size(struct net_device *dev);
u32 sn_rss_indir_size(struct net_device *dev);
int sn_rss_get(struct net_device *dev, struct ethtool_rxfh_param *rxfh);
int sn_rss_set(struct net_device *dev, struct ethtool_rxfh_param *rxfh,
	       struct netlink_ext_ack *extack);
int sn_rss_get_fields(struct net_device *dev,
		      struct ethtool_rxfh_fields *fields);
int sn_rss_set_fields(struct net_device *dev,
		      const struct ethtool_rxfh_fields *fields,
		      struct netlink_ext_ack *extack);

/* sn_context.c */
int sn_context_create(struct net_device *dev, struct ethtool_rxfh_context *ctx,
		      const struct ethtool_rxfh_param *rxfh,
		      struct netlink_ext_ack *extack);
int sn_context_modify(struct net_device *dev, struct ethtool_rxfh_context *ctx,
		      const struct ethtool_rxfh_param *rxfh,
		      struct netlink_ext_ack *extack);
int sn_context_remove(struct net_device *dev, struct ethtool_rxfh_context *ctx,
		      u32 id, struct netlink_ext_ack *extack);
unsigned int sn_context_queue(struct sn_port *port, u32 id, u32 hash);

/* sn_debugfs.c */
void sn_debugfs_init(void);
void sn_debugfs_exit(void);
void sn_debugfs_add(struct sn_port *port);
void sn_debugfs_remove(struct sn_port *port);

/* sn_ethtool.c */
extern const struct ethtool_ops sn_ethtool_ops;

/* sn_stats.c */
extern const struct netdev_stat_ops sn_stat_ops;
void sn_stats_init(struct sn_port *port);
void sn_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s);
int sn_stats_count(struct net_device *dev, int sset);
void sn_stats_strings(struct net_device *dev, u32 sset, u8 *data);
void sn_stats_values(struct net_device *dev, struct ethtool_stats *stats,
		     u64 *data);

#endif /* DEVRX_SOFTNIC_H */
