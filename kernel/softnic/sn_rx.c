// SPDX-License-Identifier: GPL-2.0
/*
 * Receiving: a frame from the wire becomes a new skb whose memory is the receive
 * queue's own, as if a DMA engine had written it. Headers are copied to the head
 * of the skb, payload to chunks of the page pool.
 *
 * With header/data split on, no payload byte of a TCP frame longer than
 * hds-thresh is ever in the head, unless a fault asks for it.
 */
#include <linux/etherdevice.h>
#include <linux/timekeeping.h>
#include <net/checksum.h>
#include <net/gro.h>
#include <net/ip6_checksum.h>
#include <net/page_pool/helpers.h>

#include "softnic.h"

/* What a receiver may believe of the sender's segmentation offload. */
#define SN_GSO_TYPES	(SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | \
			 SKB_GSO_TCP_ACCECN | SKB_GSO_TCP_FIXEDID | \
			 SKB_GSO_TCP_FIXEDID_INNER)

/**
 * struct sn_layout - where the bytes of one frame go
 * @pool:	for what does not fit the head
 * @head:	bytes in the skb's head
 * @payload:	bytes of TCP payload; 0 for everything but TCP
 * @rest:	bytes in @pool
 * @placed:	@pool belongs to a memory provider
 * @split:	headers and data were to be split, so @pool was for the data
 */
struct sn_layout {
	struct page_pool	*pool;
	unsigned int		head;
	unsigned int		payload;
	unsigned int		rest;
	bool			placed;
	bool			split;
};

static void sn_layout(struct sn_rxq *rxq, struct sk_buff *src,
		      struct sn_layout *l)
{
	struct sn_port *port = rxq->port;
	struct sn_cb *cb = sn_cb(src);
	struct sn_faults *f = &port->faults;
	bool hds = READ_ONCE(port->hds);
	unsigned int whole;

	/* TCP frames up to this length go whole into the head. */
	whole = hds ? READ_ONCE(port->hds_thresh) : SN_COPYBREAK;

	l->pool = rxq->pools.pages;
	l->split = false;
	if (!cb->is_tcp) {
		l->head = min(src->len, SN_COPYBREAK);
	} else if (src->len <= whole) {
		l->head = src->len;
	} else {
		l->head = cb->hdr_len;
		if (hds)
			l->head += min(READ_ONCE(f->linear_head),
				       src->len - l->head);
		l->split = hds && !READ_ONCE(f->payload_in_pages);
		if (l->split)
			l->pool = rxq->pools.data;
	}

	l->rest = src->len - l->head;
	l->payload = cb->is_tcp ? cb->l4_off + cb->l4_len - cb->hdr_len : 0;
	l->placed = page_pool_is_unreadable(l->pool);
}

/* Take buffers for @len bytes and hang them on @skb, still empty. Small pieces
 * share a chunk, which matters when chunks are large: one packet for each would
 * exhaust a provider at once. A frame of 64 KiB takes 16 pages, one less than
 * an skb may have.
 *
 * Return: false when there is no memory.
 */
static bool sn_reserve(struct sk_buff *skb, struct page_pool *pool,
		       unsigned int len)
{
	unsigned int chunk = PAGE_SIZE << pool->p.order;
	unsigned int off, n, truesize;
	netmem_ref netmem;
	int i;

	for (i = 0; len; i++, len -= n) {
		if (WARN_ON_ONCE(i == MAX_SKB_FRAGS))
			return false;

		n = min(len, chunk);
		truesize = n;
		netmem = page_pool_dev_alloc_netmem(pool, &off, &truesize);
		if (unlikely(!netmem))
			return false;
		skb_add_rx_frag_netmem(skb, i, netmem, off, n, truesize);
	}
	return true;
}

/* Verify a TCP checksum that the sender has filled in. @skb has the headers. */
static bool sn_tcp_csum_ok(const struct sk_buff *skb, struct sk_buff *src)
{
	const struct sn_cb *cb = sn_cb(src);
	const void *l3 = skb->data + cb->l3_off;
	const struct ipv6hdr *ip6 = l3;
	const struct iphdr *ip = l3;
	__wsum sum;

	sum = skb_checksum(src, cb->l4_off, cb->l4_len, 0);
	if (ip->version == 4)
		return !csum_tcpudp_magic(ip->saddr, ip->daddr, cb->l4_len,
					  IPPROTO_TCP, sum);
	return !csum_ipv6_magic(&ip6->saddr, &ip6->daddr, cb->l4_len,
				IPPROTO_TCP, sum);
}

/* A checksum that the sender left to us is not computed but handed on as
 * CHECKSUM_PARTIAL: the bytes never leave memory, and the receiver can still
 * forward the packet. One that is in the packet is verified here for TCP,
 * because the stack cannot read a provider's chunks; the rest is the stack's.
 * What comes in a provider's chunks has been verified where it was received.
 */
static bool sn_set_csum(struct sk_buff *skb, struct sk_buff *src)
{
	if (src->ip_summed == CHECKSUM_PARTIAL)
		return skb_partial_csum_set(skb, skb_checksum_start_offset(src),
					    src->csum_offset);

	if (sn_cb(src)->is_tcp) {
		if (skb_frags_readable(src) && !sn_tcp_csum_ok(skb, src))
			return false;
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	}
	return true;
}

static void sn_set_meta(struct sn_rxq *rxq, struct sk_buff *skb,
			struct sk_buff *src)
{
	const struct sn_cb *cb = sn_cb(src);

	if (skb_is_gso(src)) {
		skb_shinfo(skb)->gso_size = skb_shinfo(src)->gso_size;
		skb_shinfo(skb)->gso_segs = skb_shinfo(src)->gso_segs;
		skb_shinfo(skb)->gso_type = skb_shinfo(src)->gso_type &
					    SN_GSO_TYPES;
	}
	if (rxq->port->dev->features & NETIF_F_RXHASH)
		skb_set_hash(skb, cb->hash, cb->l4_hash ? PKT_HASH_TYPE_L4 :
							  PKT_HASH_TYPE_L3);
	skb_record_rx_queue(skb, rxq->napi.index);
}

static void sn_count(struct sn_rxq *rxq, const struct sn_layout *l, u64 ns)
{
	unsigned int linear = l->payload > l->rest ? l->payload - l->rest : 0;
	unsigned int paged = l->payload - linear;
	struct sn_rx_stats *s = &rxq->stats;

	u64_stats_update_begin(&s->sync);
	u64_stats_inc(&s->v[SN_RX_PACKETS]);
	u64_stats_add(&s->v[SN_RX_BYTES], l->head + l->rest);
	u64_stats_add(&s->v[SN_RX_COPY_NS], ns);
	if (paged && l->placed) {
		u64_stats_inc(&s->v[SN_RX_PLACED_PACKETS]);
		u64_stats_add(&s->v[SN_RX_PLACED_BYTES], paged);
	} else if (paged) {
		u64_stats_inc(&s->v[SN_RX_PAGED_PACKETS]);
		u64_stats_add(&s->v[SN_RX_PAGED_BYTES], paged);
	}
	if (linear) {
		u64_stats_inc(&s->v[SN_RX_LINEAR_PACKETS]);
		u64_stats_add(&s->v[SN_RX_LINEAR_BYTES], linear);
	}
	u64_stats_update_end(&s->sync);
}

/* Return: 0, or the counter of the reason to drop the frame. */
static int sn_build(struct sn_rxq *rxq, struct sk_buff *skb,
		    struct sk_buff *src, const struct sn_layout *l)
{
	struct sn_cursor cur = {
		.skb = src, .at = src->data, .left = skb_headlen(src),
	};
	u64 start;
	int drop;

	drop = sn_copy(&cur, __skb_put(skb, l->head), l->head);
	if (unlikely(drop))
		return drop;
	if (unlikely(!sn_set_csum(skb, src)))
		return SN_RX_DROP_BAD;
	if (l->split && sn_fault_take(&rxq->port->faults.no_chunk))
		return SN_RX_DROP_NO_CHUNK;
	if (unlikely(!sn_reserve(skb, l->pool, l->rest)))
		return l->placed ? SN_RX_DROP_NO_CHUNK : SN_RX_DROP_NO_MEMORY;

	start = ktime_get_ns();
	drop = sn_fill(skb, &cur, l->pool);
	if (unlikely(drop))
		return drop;

	sn_count(rxq, l, ktime_get_ns() - start);
	sn_set_meta(rxq, skb, src);
	return 0;
}

static void sn_count_drop(struct sn_rxq *rxq, int drop)
{
	u64_stats_update_begin(&rxq->stats.sync);
	u64_stats_inc(&rxq->stats.v[drop]);
	u64_stats_update_end(&rxq->stats.sync);
}

/* Is it this frame's turn to be dropped on request? */
static bool sn_nth(struct sn_rxq *rxq)
{
	u32 every = READ_ONCE(rxq->port->faults.drop_every);

	if (likely(!every) || ++rxq->nth < every)
		return false;
	rxq->nth = 0;
	return true;
}

/* GRO gives an skb back when it has moved the payload to another, and the next
 * frame takes it: most small segments need no skb of their own. Such an skb has
 * room for any common headers, and is reset but for what we set here.
 */
static struct sk_buff *sn_skb_get(struct sn_rxq *rxq, unsigned int head)
{
	struct sk_buff *skb;

	if (unlikely(head > GRO_MAX_HEAD))
		return napi_alloc_skb(&rxq->napi, head);

	skb = napi_get_frags(&rxq->napi);
	if (likely(skb)) {
		skb->unreadable = false;
		skb->csum_level = 0;
		skb_clear_hash(skb);
		skb_shinfo(skb)->gso_segs = 0;
	}
	return skb;
}

/* For a frame that is dropped, and of which that is reported elsewhere. */
static void sn_skb_put(struct sn_rxq *rxq, struct sk_buff *skb)
{
	if (skb == rxq->napi.skb)
		rxq->napi.skb = NULL;
	consume_skb(skb);
}

static void sn_skb_deliver(struct sn_rxq *rxq, struct sk_buff *skb)
{
	if (likely(skb == rxq->napi.skb)) {
		napi_gro_frags(&rxq->napi);
		return;
	}
	skb->protocol = eth_type_trans(skb, rxq->port->dev);
	napi_gro_receive(&rxq->napi, skb);
}

static void sn_receive(struct sn_rxq *rxq, struct sk_buff *src, int budget)
{
	struct sn_layout l;
	struct sk_buff *skb;
	int drop;

	if (sn_nth(rxq)) {
		drop = SN_RX_DROP_FAULT;
		goto drop;
	}

	sn_layout(rxq, src, &l);
	skb = sn_skb_get(rxq, l.head);
	if (unlikely(!skb)) {
		drop = SN_RX_DROP_NO_MEMORY;
		goto drop;
	}

	skb_mark_for_recycle(skb);
	drop = sn_build(rxq, skb, src, &l);
	if (unlikely(drop)) {
		sn_skb_put(rxq, skb);
		goto drop;
	}

	napi_consume_skb(src, budget);
	sn_skb_deliver(rxq, skb);
	return;

drop:
	sn_count_drop(rxq, drop);
	kfree_skb_reason(src, drop == SN_RX_DROP_BAD ? SKB_DROP_REASON_DEV_HDR :
						       SKB_DROP_REASON_NOMEM);
}

static bool sn_is_stopped(const struct sn_rxq *rxq)
{
	return READ_ONCE(rxq->port->faults.stopped_queues) &
	       BIT(rxq - rxq->port->rxq);
}

/* NAPI poll of one receive queue; the only place where it receives. */
int sn_poll(struct napi_struct *napi, int budget)
{
	struct sn_rxq *rxq = container_of(napi, struct sn_rxq, napi);
	struct sk_buff *skb;
	int done = 0;

	if (unlikely(sn_is_stopped(rxq)))
		goto out;

	for (; done < budget; done++) {
		if (skb_queue_empty(&rxq->batch))
			sn_wire_take(rxq);
		skb = __skb_dequeue(&rxq->batch);
		if (!skb)
			break;
		sn_receive(rxq, skb, budget);
	}

out:
	if (done < budget)
		napi_complete_done(napi, done);
	return done;
}
