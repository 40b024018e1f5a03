// SPDX-License-Identifier: MIT
/* Make and undo a step: the family "ethtool", and its ioctl. */
#include "nic/step.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>

#include "nic/ethtool.h"
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"

static struct nlmsghdr *channels(struct drx_nl *nl, uint16_t family,
				 uint32_t ifindex, const struct drx_step *step,
				 bool undo)
{
	struct nlmsghdr *nlh =
		drx_nl_begin_ethtool(nl, family, ETHTOOL_MSG_CHANNELS_SET,
				     ETHTOOL_A_CHANNELS_HEADER, ifindex);

	mnl_attr_put_u32(nlh,
			 step->channels.combined ?
				 ETHTOOL_A_CHANNELS_COMBINED_COUNT :
				 ETHTOOL_A_CHANNELS_RX_COUNT,
			 undo ? step->channels.before : step->channels.after);
	return nlh;
}

static struct nlmsghdr *rings(struct drx_nl *nl, uint16_t family,
			      uint32_t ifindex, const struct drx_step *step,
			      bool undo)
{
	struct nlmsghdr *nlh =
		drx_nl_begin_ethtool(nl, family, ETHTOOL_MSG_RINGS_SET,
				     ETHTOOL_A_RINGS_HEADER, ifindex);

	mnl_attr_put_u8(nlh, DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT,
			undo ? step->rings.split_before :
			       step->rings.split_after);
	if (step->rings.thresh_before != step->rings.thresh_after)
		mnl_attr_put_u32(nlh, DRX_ETHTOOL_A_RINGS_HDS_THRESH,
				 undo ? step->rings.thresh_before :
					step->rings.thresh_after);
	return nlh;
}

static struct nlmsghdr *feature(struct drx_nl *nl, uint16_t family,
				uint32_t ifindex, const struct drx_step *step,
				bool undo)
{
	struct nlmsghdr *nlh =
		drx_nl_begin_ethtool(nl, family, ETHTOOL_MSG_FEATURES_SET,
				     ETHTOOL_A_FEATURES_HEADER, ifindex);
	struct nlattr *set, *bits, *bit;

	set = mnl_attr_nest_start(nlh, ETHTOOL_A_FEATURES_WANTED);
	bits = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS);
	bit = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS_BIT);
	mnl_attr_put_strz(nlh, ETHTOOL_A_BITSET_BIT_NAME,
			  drx_feature_name(step->feature.which));
	if (undo ? step->feature.before : step->feature.after)
		mnl_attr_put(nlh, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
	mnl_attr_nest_end(nlh, bit);
	mnl_attr_nest_end(nlh, bits);
	mnl_attr_nest_end(nlh, set);
	return nlh;
}

static int by_netlink(const struct drx_step *step, uint32_t ifindex, bool undo,
		      char *why, size_t len)
{
	struct nlmsghdr *nlh;
	struct drx_nl nl;
	uint16_t family;
	int ret;

	ret = drx_nl_open(&nl, NETLINK_GENERIC);
	if (ret)
		return ret;
	ret = drx_nl_family(&nl, ETHTOOL_GENL_NAME, &family);
	if (ret)
		goto out_close;
	if (step->kind == DRX_STEP_CHANNELS)
		nlh = channels(&nl, family, ifindex, step, undo);
	else if (step->kind == DRX_STEP_RINGS)
		nlh = rings(&nl, family, ifindex, step, undo);
	else
		nlh = feature(&nl, family, ifindex, step, undo);
	ret = drx_nl_ask(&nl, nlh, NULL, NULL);
	if (ret)
		(void)snprintf(why, len, "%s", nl.extack);
out_close:
	drx_nl_close(&nl);
	return ret;
}

static int by_ioctl(struct drx_step *step, uint32_t ifindex, bool undo)
{
	int fd = drx_ethtool_open();
	int ret;

	if (fd < 0)
		return fd;
	if (step->kind == DRX_STEP_RSS)
		ret = drx_ethtool_set_indir(
			fd, ifindex, undo ? step->rss.nr_before : step->rss.nr,
			step->rss.after + (undo ? step->rss.nr : 0));
	else if (undo)
		ret = drx_ethtool_delete(fd, ifindex, step->rule.location);
	else
		ret = drx_ethtool_insert(fd, ifindex, &step->rule);
	(void)close(fd);
	return ret;
}

int drx_step_make(struct drx_step *step, uint32_t ifindex, bool undo, char *why,
		  size_t len)
{
	if (len)
		why[0] = '\0';
	if (step->kind == DRX_STEP_RSS || step->kind == DRX_STEP_RULE)
		return by_ioctl(step, ifindex, undo);
	return by_netlink(step, ifindex, undo, why, len);
}
