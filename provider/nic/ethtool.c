// SPDX-License-Identifier: MIT
/*
 * ethtool's ioctl: flow rules, and RSS's main table.
 *
 * A rule of somebody else's is told apart by what it asks for: all of TCP to one
 * local port, whatever the addresses. That is the only kind made here.
 */
#include "nic/ethtool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <net/if.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

int drx_ethtool_open(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* The ioctl wants a name, and a name may be somebody else's by now: ask each
 * time. */
static int call(int fd, uint32_t ifindex, void *command)
{
	struct ifreq ifr = { .ifr_ifindex = (int)ifindex };

	if (ioctl(fd, SIOCGIFNAME, &ifr) < 0)
		return -errno;
	ifr.ifr_data = command;
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

static bool is_zero(const void *data, size_t len)
{
	const unsigned char *byte = data;

	while (len && !*byte) {
		byte++;
		len--;
	}
	return !len;
}

/* Is it all of TCP to one local port? */
static void classify(struct drx_rule *rule,
		     const struct ethtool_rx_flow_spec *fs)
{
	struct ethtool_tcpip4_spec m4 = fs->m_u.tcp_ip4_spec;
	struct ethtool_tcpip6_spec m6 = fs->m_u.tcp_ip6_spec;

	rule->location = fs->location;
	rule->queue = UINT32_MAX;
	if (!(fs->flow_type & FLOW_RSS) && fs->ring_cookie < UINT32_MAX)
		rule->queue = (uint32_t)fs->ring_cookie;
	if (fs->flow_type == TCP_V4_FLOW && m4.pdst == 0xffff) {
		m4.pdst = 0;
		if (is_zero(&m4, sizeof(m4))) {
			rule->family = 4;
			rule->port = ntohs(fs->h_u.tcp_ip4_spec.pdst);
		}
	} else if (fs->flow_type == TCP_V6_FLOW && m6.pdst == 0xffff) {
		m6.pdst = 0;
		/* Its last member is followed by padding. */
		if (is_zero(&m6, offsetof(struct ethtool_tcpip6_spec, tclass) +
					 sizeof(m6.tclass))) {
			rule->family = 6;
			rule->port = ntohs(fs->h_u.tcp_ip6_spec.pdst);
		}
	}
}

static int read_rules(int fd, uint32_t ifindex, struct drx_setup *setup,
		      const uint32_t *locations, uint32_t nr)
{
	struct ethtool_rxnfc one;
	int ret;

	setup->rules = calloc(nr ? nr : 1, sizeof(setup->rules[0]));
	if (!setup->rules)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++) {
		memset(&one, 0, sizeof(one));
		one.cmd = ETHTOOL_GRXCLSRULE;
		one.fs.location = locations[i];
		ret = call(fd, ifindex, &one);
		if (ret == -ENOENT || ret == -EINVAL)
			continue; /* deleted since it was listed */
		if (ret)
			return ret;
		classify(&setup->rules[setup->nr_rules++], &one.fs);
	}
	return 0;
}

int drx_ethtool_rules(int fd, uint32_t ifindex, struct drx_setup *setup)
{
	struct ethtool_rxnfc count = { .cmd = ETHTOOL_GRXCLSRLCNT };
	struct ethtool_rxnfc *all;
	uint32_t nr;
	int ret;

	setup->has_rules = false;
	ret = call(fd, ifindex, &count);
	if (ret)
		/* Drivers without rules have several ways to say so. */
		return ret == -EOPNOTSUPP || ret == -EINVAL ? 0 : ret;
	nr = count.rule_cnt;
	if (nr > DRX_SETUP_RULES_MAX)
		return -E2BIG;
	all = calloc(1, sizeof(*all) + nr * sizeof(all->rule_locs[0]));
	if (!all)
		return -ENOMEM;
	all->cmd = ETHTOOL_GRXCLSRLALL;
	all->rule_cnt = nr;
	ret = call(fd, ifindex, all);
	if (!ret) {
		setup->has_rules = true;
		setup->picks_location = count.data & RX_CLS_LOC_SPECIAL;
		setup->rule_table =
			(uint32_t)all->data & ~(uint32_t)RX_CLS_LOC_SPECIAL;
		ret = read_rules(fd, ifindex, setup, all->rule_locs,
				 all->rule_cnt < nr ? all->rule_cnt : nr);
	}
	free(all);
	return ret;
}

int drx_ethtool_insert(int fd, uint32_t ifindex, struct drx_rule *rule)
{
	struct ethtool_rxnfc cmd = { .cmd = ETHTOOL_SRXCLSRLINS };
	struct ethtool_rx_flow_spec *fs = &cmd.fs;
	int ret;

	fs->ring_cookie = rule->queue;
	fs->location =
		rule->location == UINT32_MAX ? RX_CLS_LOC_ANY : rule->location;
	if (rule->family == 4) {
		fs->flow_type = TCP_V4_FLOW;
		fs->h_u.tcp_ip4_spec.pdst = htons(rule->port);
		fs->m_u.tcp_ip4_spec.pdst = 0xffff;
	} else {
		fs->flow_type = TCP_V6_FLOW;
		fs->h_u.tcp_ip6_spec.pdst = htons(rule->port);
		fs->m_u.tcp_ip6_spec.pdst = 0xffff;
	}
	ret = call(fd, ifindex, &cmd);
	if (!ret)
		rule->location = fs->location;
	return ret;
}

int drx_ethtool_delete(int fd, uint32_t ifindex, uint32_t location)
{
	struct ethtool_rxnfc cmd = { .cmd = ETHTOOL_SRXCLSRLDEL };

	cmd.fs.location = location;
	return call(fd, ifindex, &cmd);
}

int drx_ethtool_indir(int fd, uint32_t ifindex, uint32_t *ret_nr,
		      uint32_t *indir)
{
	struct ethtool_rxfh_indir size = { .cmd = ETHTOOL_GRXFHINDIR };
	struct ethtool_rxfh_indir *all;
	int ret;

	*ret_nr = 0;
	ret = call(fd, ifindex, &size);
	if (ret)
		return ret == -EOPNOTSUPP || ret == -EINVAL ? 0 : ret;
	if (!size.size)
		return 0;
	if (size.size > DRX_RSS_INDIR_MAX)
		return -E2BIG;
	all = calloc(1, sizeof(*all) + size.size * sizeof(all->ring_index[0]));
	if (!all)
		return -ENOMEM;
	all->cmd = ETHTOOL_GRXFHINDIR;
	all->size = size.size;
	ret = call(fd, ifindex, all);
	if (!ret) {
		*ret_nr = size.size;
		memcpy(indir, all->ring_index,
		       size.size * sizeof(all->ring_index[0]));
		for (uint32_t i = 0; i < size.size && !ret; i++)
			if (indir[i] >= DRX_SETUP_QUEUES_MAX)
				ret = -E2BIG;
	}
	free(all);
	return ret;
}

int drx_ethtool_set_indir(int fd, uint32_t ifindex, uint32_t nr,
			  const uint32_t *indir)
{
	struct ethtool_rxfh_indir *cmd;
	int ret;

	cmd = calloc(1, sizeof(*cmd) + nr * sizeof(cmd->ring_index[0]));
	if (!cmd)
		return -ENOMEM;
	cmd->cmd = ETHTOOL_SRXFHINDIR;
	cmd->size = nr;
	if (nr)
		memcpy(cmd->ring_index, indir, nr * sizeof(cmd->ring_index[0]));
	ret = call(fd, ifindex, cmd);
	free(cmd);
	return ret;
}
