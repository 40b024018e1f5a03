// SPDX-License-Identifier: GPL-2.0
/*
 * ntuple rules: TCP and UDP flows to queues, or to RSS contexts, by addresses and
 * ports (ethtool -N). The rules are an array ordered by location, and the first that
 * matches wins. A change publishes a new array; the data path reads it under
 * RCU.
 */
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/netdev_lock.h>

#include "softnic.h"

/**
 * struct sn_rule - one rule
 * @key:	tuple to compare, already masked
 * @mask:	bits of the tuple that count
 * @nr_words:	words in use, which also tells IPv4 from IPv6
 * @ip_proto:	TCP or UDP
 * @context:	RSS context that chooses the queue, if @fs says so
 * @fs:		as the user gave it
 */
struct sn_rule {
	__be32				key[SN_TUPLE_WORDS];
	__be32				mask[SN_TUPLE_WORDS];
	u8				nr_words;
	u8				ip_proto;
	u32				context;
	struct ethtool_rx_flow_spec	fs;
};

struct sn_rules {
	struct rcu_head	rcu;
	unsigned int	nr;
	struct sn_rule	rule[] __counted_by(nr);
};

static bool sn_rule_matches(const struct sn_rule *rule,
			    const struct sn_flow *flow)
{
	const __be32 *mask = rule->mask + rule->nr_words;
	const __be32 *key = rule->key + rule->nr_words;
	const __be32 *word = flow->tuple + rule->nr_words;

	if (rule->nr_words != flow->nr_words ||
	    rule->ip_proto != flow->ip_proto)
		return false;
	/* Ports are last and differ most. */
	while (word > flow->tuple)
		if ((*--word & *--mask) != *--key)
			return false;
	return true;
}

/**
 * sn_ntuple_lookup() - find the queue that a rule gives a flow
 * @port:	receiving port
 * @flow:	the flow, with ports
 * @hash:	its hash
 *
 * Context: RCU read side.
 * Return: the queue, or -ENOENT when no rule matches.
 */
int sn_ntuple_lookup(struct sn_port *port, const struct sn_flow *flow, u32 hash)
{
	const struct sn_rules *rules = rcu_dereference(port->rules);
	const struct sn_rule *rule;
	unsigned int i;

	if (!rules || !(port->dev->features & NETIF_F_NTUPLE))
		return -ENOENT;

	for (i = 0; i < rules->nr; i++) {
		rule = &rules->rule[i];
		if (!sn_rule_matches(rule, flow))
			continue;
		if (rule->fs.flow_type & FLOW_RSS)
			return sn_context_queue(port, rule->context, hash);
		return rule->fs.ring_cookie;
	}
	return -ENOENT;
}

static void sn_rule_words(struct sn_rule *rule, const __be32 *key,
			  const __be32 *mask, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		rule->mask[rule->nr_words] = mask[i];
		rule->key[rule->nr_words++] = key[i] & mask[i];
	}
}

/* The tuple's last word; its bytes are the source port, then the other. */
static __be32 sn_ports(__be16 psrc, __be16 pdst)
{
	return htonl(ntohs(psrc) << 16 | ntohs(pdst));
}

static u8 sn_rule_proto(u32 flow_type)
{
	return flow_type == TCP_V4_FLOW || flow_type == TCP_V6_FLOW ?
	       IPPROTO_TCP : IPPROTO_UDP;
}

/* Translate the user's rule, refusing all that we cannot match on. */
static int sn_rule_parse(struct sn_rule *rule,
			 const struct ethtool_rxnfc *cmd)
{
	const struct ethtool_rx_flow_spec *fs = &cmd->fs;
	const struct ethtool_tcpip4_spec *k4 = &fs->h_u.tcp_ip4_spec;
	const struct ethtool_tcpip4_spec *m4 = &fs->m_u.tcp_ip4_spec;
	const struct ethtool_tcpip6_spec *k6 = &fs->h_u.tcp_ip6_spec;
	const struct ethtool_tcpip6_spec *m6 = &fs->m_u.tcp_ip6_spec;
	__be32 key, mask;

	memset(rule, 0, sizeof(*rule));
	switch (fs->flow_type & ~FLOW_RSS) {
	case TCP_V4_FLOW:
	case UDP_V4_FLOW:
		/* UDP's part of the union has the same layout. */
		if (m4->tos)
			return -EINVAL;
		sn_rule_words(rule, &k4->ip4src, &m4->ip4src, 1);
		sn_rule_words(rule, &k4->ip4dst, &m4->ip4dst, 1);
		key = sn_ports(k4->psrc, k4->pdst);
		mask = sn_ports(m4->psrc, m4->pdst);
		break;
	case TCP_V6_FLOW:
	case UDP_V6_FLOW:
		if (m6->tclass)
			return -EINVAL;
		sn_rule_words(rule, k6->ip6src, m6->ip6src, 4);
		sn_rule_words(rule, k6->ip6dst, m6->ip6dst, 4);
		key = sn_ports(k6->psrc, k6->pdst);
		mask = sn_ports(m6->psrc, m6->pdst);
		break;
	default:
		/* Other protocols; VLAN and MAC extensions. */
		return -EINVAL;
	}
	sn_rule_words(rule, &key, &mask, 1);
	rule->ip_proto = sn_rule_proto(fs->flow_type & ~FLOW_RSS);
	rule->context = cmd->rss_context;
	rule->fs = *fs;
	return 0;
}

static struct sn_rules *sn_rules(struct sn_port *port)
{
	return netdev_lock_dereference(port->rules, port->dev);
}

static const struct sn_rule *sn_rule_find(struct sn_port *port, u32 location)
{
	const struct sn_rules *rules = sn_rules(port);
	unsigned int i;

	for (i = 0; rules && i < rules->nr; i++)
		if (rules->rule[i].fs.location == location)
			return &rules->rule[i];
	return NULL;
}

static int sn_rule_free_location(struct sn_port *port)
{
	u32 location;

	for (location = 0; location < SN_MAX_RULES; location++)
		if (!sn_rule_find(port, location))
			return location;
	return -ENOSPC;
}

/* Publish the rules with the one at @location replaced by @rule, which may be
 * NULL to remove it.
 */
static int sn_rules_update(struct sn_port *port, u32 location,
			   const struct sn_rule *rule)
{
	struct sn_rules *old = sn_rules(port), *new;
	unsigned int i = 0, nr_old = old ? old->nr : 0;

	new = kzalloc(struct_size(new, rule, nr_old + 1), GFP_KERNEL);
	if (!new)
		return -ENOMEM;

	new->nr = nr_old + 1;
	for (nr_old = 0; i < new->nr - 1; i++)
		if (old->rule[i].fs.location < location)
			new->rule[nr_old++] = old->rule[i];
	if (rule)
		new->rule[nr_old++] = *rule;
	for (i = 0; i < new->nr - 1; i++)
		if (old->rule[i].fs.location > location)
			new->rule[nr_old++] = old->rule[i];
	new->nr = nr_old;

	rcu_assign_pointer(port->rules, new);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

static int sn_ntuple_insert(struct sn_port *port,
			    struct ethtool_rxnfc *cmd)
{
	struct ethtool_rx_flow_spec *fs = &cmd->fs;
	struct sn_rule rule;
	int location, err;

	if (!(port->dev->features & NETIF_F_NTUPLE))
		return -EOPNOTSUPP;
	if (fs->ring_cookie >= port->dev->real_num_rx_queues)
		return -EINVAL;

	location = fs->location;
	if (fs->location == RX_CLS_LOC_ANY)
		location = sn_rule_free_location(port);
	else if (fs->location >= SN_MAX_RULES)
		location = -EINVAL;
	if (location < 0)
		return location;

	fs->location = location;
	err = sn_rule_parse(&rule, cmd);
	if (err)
		return err;
	return sn_rules_update(port, location, &rule);
}

/**
 * sn_ntuple_set() - ethtool's set_rxnfc: insert or delete a rule
 * @dev:	the device, its instance lock held
 * @cmd:	the request; a location that we chose is written back
 *
 * Return: 0 or a negative errno; then the rules are unchanged.
 */
int sn_ntuple_set(struct net_device *dev, struct ethtool_rxnfc *cmd)
{
	struct sn_port *port = netdev_priv(dev);

	switch (cmd->cmd) {
	case ETHTOOL_SRXCLSRLINS:
		return sn_ntuple_insert(port, cmd);
	case ETHTOOL_SRXCLSRLDEL:
		if (!sn_rule_find(port, cmd->fs.location))
			return -ENOENT;
		return sn_rules_update(port, cmd->fs.location, NULL);
	default:
		return -EOPNOTSUPP;
	}
}

static int sn_ntuple_list(struct sn_port *port, struct ethtool_rxnfc *cmd,
			  u32 *rule_locs)
{
	const struct sn_rules *rules = sn_rules(port);
	unsigned int i, nr = rules ? rules->nr : 0;

	if (cmd->rule_cnt < nr)
		return -EMSGSIZE;
	for (i = 0; i < nr; i++)
		rule_locs[i] = rules->rule[i].fs.location;
	cmd->rule_cnt = nr;
	cmd->data = SN_MAX_RULES;
	return 0;
}

/**
 * sn_ntuple_get() - ethtool's get_rxnfc: count, read or list the rules
 * @dev:	the device, its instance lock held
 * @cmd:	request and answer
 * @rule_locs:	where a list goes
 *
 * Return: 0 or a negative errno.
 */
int sn_ntuple_get(struct net_device *dev, struct ethtool_rxnfc *cmd,
		  u32 *rule_locs)
{
	struct sn_port *port = netdev_priv(dev);
	const struct sn_rules *rules = sn_rules(port);
	const struct sn_rule *rule;

	switch (cmd->cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		cmd->rule_cnt = rules ? rules->nr : 0;
		cmd->data = SN_MAX_RULES | RX_CLS_LOC_SPECIAL;
		return 0;
	case ETHTOOL_GRXCLSRULE:
		rule = sn_rule_find(port, cmd->fs.location);
		if (!rule)
			return -ENOENT;
		cmd->fs = rule->fs;
		cmd->rss_context = rule->context;
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		return sn_ntuple_list(port, cmd, rule_locs);
	default:
		return -EOPNOTSUPP;
	}
}

/* The device is unregistered and nothing transmits to it any more. */
void sn_ntuple_free(struct sn_port *port)
{
	kfree(rcu_dereference_protected(port->rules, true));
}
