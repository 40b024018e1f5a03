// SPDX-License-Identifier: GPL-2.0
/*
 * Pairs come and go by rtnetlink:
 *
 *   ip link add [name NAME] [numrxqueues N] [netns NS] type devrx_softnic
 *   ip link del NAME
 *
 * A request makes two ports, and removing either, or its network namespace,
 * removes both. The attributes are those of veth: IFLA_INFO_DATA may hold
 * VETH_INFO_PEER, a struct ifinfomsg and IFLA_* attributes for the other end.
 * iproute2 cannot say that for a kind it does not know, so there is a default:
 * the other end of NAME is NAMEp, in the same namespace, and where no name is
 * given both are called softnic%d.
 *
 * All of it runs under the RTNL.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/veth.h>
#include <net/netdev_lock.h>
#include <net/rtnetlink.h>

#include "softnic.h"

static struct rtnl_link_ops sn_link_ops;

static unsigned int sn_num_queues(void)
{
	return SN_DEF_QUEUES;
}

/* A port has as many transmit as receive queues, so one count will do. */
static unsigned int sn_queues_asked(struct nlattr *tb[])
{
	if (tb[IFLA_NUM_RX_QUEUES])
		return nla_get_u32(tb[IFLA_NUM_RX_QUEUES]);
	if (tb[IFLA_NUM_TX_QUEUES])
		return nla_get_u32(tb[IFLA_NUM_TX_QUEUES]);
	return 0;
}

static int sn_validate_queues(struct nlattr *tb[],
			      struct netlink_ext_ack *extack)
{
	unsigned int count = sn_queues_asked(tb);

	if (count > SN_MAX_QUEUES) {
		NL_SET_ERR_MSG_MOD(extack, "a port has at most 16 queues");
		return -EINVAL;
	}
	if (tb[IFLA_NUM_TX_QUEUES] &&
	    nla_get_u32(tb[IFLA_NUM_TX_QUEUES]) != count) {
		NL_SET_ERR_MSG_MOD(extack,
				   "a port has as many transmit as receive queues");
		return -EINVAL;
	}
	return 0;
}

/* The core calls this for either end. */
static int sn_validate(struct nlattr *tb[], struct nlattr *data[],
		       struct netlink_ext_ack *extack)
{
	if (tb[IFLA_ADDRESS]) {
		if (nla_len(tb[IFLA_ADDRESS]) != ETH_ALEN)
			return -EINVAL;
		if (!is_valid_ether_addr(nla_data(tb[IFLA_ADDRESS])))
			return -EADDRNOTAVAIL;
	}
	return sn_validate_queues(tb, extack);
}

/* The counts here become the number of queues in use; there is always room for
 * the most that a port may have.
 */
static struct net_device *sn_alloc(struct nlattr *tb[], const char *ifname,
				   unsigned char name_assign_type,
				   unsigned int num_tx_queues,
				   unsigned int num_rx_queues)
{
	struct net_device *dev;

	dev = sn_netdev_alloc(ifname, name_assign_type,
			      sn_queues_asked(tb) ?: sn_num_queues());
	return dev ?: ERR_PTR(-ENOMEM);
}

static int sn_peer_name(struct nlattr *tb[], struct nlattr *peer_tb[],
			char *name, struct netlink_ext_ack *extack)
{
	if (peer_tb[IFLA_IFNAME]) {
		nla_strscpy(name, peer_tb[IFLA_IFNAME], IFNAMSIZ);
		return NET_NAME_USER;
	}
	if (!tb[IFLA_IFNAME]) {
		strscpy(name, "softnic%d", IFNAMSIZ);
		return NET_NAME_ENUM;
	}
	nla_strscpy(name, tb[IFLA_IFNAME], IFNAMSIZ);
	if (strlen(name) + 1 >= IFNAMSIZ) {
		NL_SET_ERR_MSG_MOD(extack,
				   "no room for the peer's name, which is this one with a p behind");
		return -ENAMETOOLONG;
	}
	strcat(name, "p");
	return NET_NAME_PREDICTABLE;
}

/* Return: the other end, like @dev where @peer_tb does not say otherwise. */
static struct net_device *sn_peer_create(struct net_device *dev,
					 struct rtnl_newlink_params *params,
					 struct nlattr *peer_tb[],
					 struct netlink_ext_ack *extack)
{
	struct sn_port *port = netdev_priv(dev);
	struct net_device *peer;
	struct sn_port *to;
	char name[IFNAMSIZ];
	int assign;

	assign = sn_peer_name(params->tb, peer_tb, name, extack);
	if (assign < 0)
		return ERR_PTR(assign);

	peer = rtnl_create_link(rtnl_newlink_peer_net(params), name, assign,
				&sn_link_ops, peer_tb, extack);
	if (IS_ERR(peer))
		return peer;

	if (!sn_queues_asked(peer_tb))
		netif_set_real_num_queues(peer, dev->real_num_tx_queues,
					  dev->real_num_rx_queues);
	if (!peer_tb[IFLA_MTU])
		peer->mtu = dev->mtu;
	to = netdev_priv(peer);
	to->peer = port;
	port->peer = to;
	return peer;
}

/* Both ends, before anything may bring one of them up. On an error neither is
 * registered any more, and @peer is freed.
 */
static int sn_pair_register(struct net_device *dev, struct net_device *peer)
{
	int err;

	err = register_netdevice(dev);
	if (err)
		goto free;
	err = register_netdevice(peer);
	if (err)
		goto unregister;
	return 0;

unregister:
	unregister_netdevice(dev);
free:
	free_netdev(peer);
	return err;
}

static void sn_dellink(struct net_device *dev, struct list_head *head)
{
	struct sn_port *port = netdev_priv(dev);

	/* Together, so that both are closed before either goes away. That the
	 * other end may be on the list already does no harm.
	 */
	unregister_netdevice_queue(dev, head);
	unregister_netdevice_queue(port->peer->dev, head);
}

static int sn_newlink(struct net_device *dev,
		      struct rtnl_newlink_params *params,
		      struct netlink_ext_ack *extack)
{
	struct nlattr *peer_tb[IFLA_MAX + 1] = {};
	struct ifinfomsg *ifmp = NULL;
	struct nlattr *nla = NULL;
	struct net_device *peer;
	LIST_HEAD(list);
	int err;

	if (params->data)
		nla = params->data[VETH_INFO_PEER];
	if (nla) {
		err = rtnl_nla_parse_ifinfomsg(peer_tb, nla, extack);
		if (err < 0)
			return err;
		ifmp = nla_data(nla);
	}

	if (!params->tb[IFLA_IFNAME])
		strscpy(dev->name, "softnic%d", IFNAMSIZ);
	peer = sn_peer_create(dev, params, peer_tb, extack);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	if (ifmp)
		peer->ifindex = ifmp->ifi_index;

	err = sn_pair_register(dev, peer);
	if (err)
		return err;

	err = rtnl_configure_link(peer, ifmp, 0, NULL);
	if (err < 0) {
		sn_dellink(dev, &list);
		unregister_netdevice_many(&list);
	}
	return err;
}

static struct net *sn_get_link_net(const struct net_device *dev)
{
	const struct sn_port *port = netdev_priv(dev);

	return dev_net(port->peer->dev);
}

static const struct nla_policy sn_policy[VETH_INFO_MAX + 1] = {
	[VETH_INFO_PEER] = { .len = sizeof(struct ifinfomsg) },
};

static struct rtnl_link_ops sn_link_ops = {
	.kind			= SN_NAME,
	.alloc			= sn_alloc,
	.validate		= sn_validate,
	.newlink		= sn_newlink,
	.dellink		= sn_dellink,
	.policy			= sn_policy,
	.peer_type		= VETH_INFO_PEER,
	.maxtype		= VETH_INFO_MAX,
	.get_link_net		= sn_get_link_net,
	.get_num_tx_queues	= sn_num_queues,
	.get_num_rx_queues	= sn_num_queues,
};

int __init sn_link_init(void)
{
	return rtnl_link_register(&sn_link_ops);
}

/* Removes all pairs, in all namespaces. */
void sn_link_exit(void)
{
	rtnl_link_unregister(&sn_link_ops);
}

MODULE_ALIAS_RTNL_LINK(SN_NAME);
