// SPDX-License-Identifier: GPL-2.0
/*
 * Steering: which receive queue gets a frame. The headers are parsed once, on
 * the sender's side; what the receiver needs of it travels in skb->cb. An ntuple
 * rule that matches decides, else the RSS table does.
 */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "softnic.h"

/* Return: offset of the transport header, or 0 when it is not to be read. */
static int sn_parse_ipv4(const struct sk_buff *skb, int off,
			 struct sn_flow *flow)
{
	const struct iphdr *ip;
	struct iphdr buf;
	int end;

	ip = skb_header_pointer(skb, off, sizeof(buf), &buf);
	if (!ip || ip->version != 4 || ip->ihl < 5)
		return 0;

	flow->tuple[0] = ip->saddr;
	flow->tuple[1] = ip->daddr;
	flow->nr_words = SN_TUPLE_WORDS_V4 - 1;
	flow->ip_proto = ip->protocol;
	end = off + ntohs(ip->tot_len);
	off += ip->ihl * 4;
	if (ip_is_fragment(ip) || end < off || end > skb->len)
		return 0;
	flow->l4_len = end - off;
	return off;
}

static int sn_parse_ipv6(const struct sk_buff *skb, int off,
			 struct sn_flow *flow)
{
	const struct ipv6hdr *ip6;
	struct ipv6hdr buf;
	__be16 frag_off;
	u8 nexthdr;
	int end;

	ip6 = skb_header_pointer(skb, off, sizeof(buf), &buf);
	if (!ip6 || ip6->version != 6)
		return 0;

	memcpy(&flow->tuple[0], &ip6->saddr, sizeof(ip6->saddr));
	memcpy(&flow->tuple[4], &ip6->daddr, sizeof(ip6->daddr));
	flow->nr_words = SN_TUPLE_WORDS_V6 - 1;
	nexthdr = ip6->nexthdr;
	off += sizeof(buf);
	end = off + ntohs(ip6->payload_len);
	off = ipv6_skip_exthdr(skb, off, &nexthdr, &frag_off);
	if (off < 0 || frag_off || end < off || end > skb->len)
		return 0;
	flow->ip_proto = nexthdr;
	flow->l4_len = end - off;
	return off;
}

static void sn_parse(const struct sk_buff *skb, struct sn_flow *flow)
{
	__be16 proto = ((const struct ethhdr *)skb->data)->h_proto;
	const struct vlan_hdr *vlan;
	const __be32 *ports;
	struct vlan_hdr vbuf;
	int off = ETH_HLEN;
	__be32 pbuf;

	flow->nr_words = 0;
	flow->ip_proto = 0;
	flow->ports = false;

	while (eth_type_vlan(proto)) {
		vlan = skb_header_pointer(skb, off, sizeof(vbuf), &vbuf);
		if (!vlan)
			return;
		proto = vlan->h_vlan_encapsulated_proto;
		off += VLAN_HLEN;
	}

	flow->l3_off = off;
	if (proto == htons(ETH_P_IP))
		off = sn_parse_ipv4(skb, off, flow);
	else if (proto == htons(ETH_P_IPV6))
		off = sn_parse_ipv6(skb, off, flow);
	else
		return;

	if (!off || (flow->ip_proto != IPPROTO_TCP &&
		     flow->ip_proto != IPPROTO_UDP))
		return;
	ports = skb_header_pointer(skb, off, sizeof(pbuf), &pbuf);
	if (!ports)
		return;
	flow->tuple[flow->nr_words++] = *ports;
	flow->ports = true;
	flow->l4_off = off;
}

static void sn_set_cb(struct sk_buff *skb, const struct sn_flow *flow)
{
	struct sn_cb *cb = sn_cb(skb);
	const struct tcphdr *th;
	struct tcphdr buf;

	cb->is_tcp = false;
	if (!flow->ports || flow->ip_proto != IPPROTO_TCP)
		return;

	th = skb_header_pointer(skb, flow->l4_off, sizeof(buf), &buf);
	if (!th || th->doff * 4 < sizeof(*th) || th->doff * 4 > flow->l4_len)
		return;
	cb->l3_off = flow->l3_off;
	cb->l4_off = flow->l4_off;
	cb->l4_len = flow->l4_len;
	cb->hdr_len = flow->l4_off + th->doff * 4;
	cb->is_tcp = true;
}

/**
 * sn_steer() - choose the receive queue for a frame and fill its sn_cb
 * @port:	the receiving port
 * @skb:	the frame, from its Ethernet header
 *
 * Return: the queue's index.
 */
unsigned int sn_steer(struct sn_port *port, struct sk_buff *skb)
{
	struct sn_cb *cb = sn_cb(skb);
	struct sn_flow flow;
	int queue = -ENOENT;

	sn_parse(skb, &flow);
	sn_set_cb(skb, &flow);

	rcu_read_lock();
	cb->hash = sn_rss_hash(port, &flow, &cb->l4_hash);
	if (flow.ports)
		queue = sn_ntuple_lookup(port, &flow, cb->hash);
	if (queue < 0)
		queue = sn_rss_queue(port, cb->hash);
	rcu_read_unlock();

	return queue;
}
