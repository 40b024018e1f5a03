// SPDX-License-Identifier: MIT
/*
 * Read what a reservation may change: four questions to the family "ethtool", one
 * to "netdev", and the ioctl for what netlink lacks. A question that the driver
 * does not answer leaves its part empty.
 */
#include "nic/setup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>

#include "nic/ethtool.h"
#include "nic/look.h"
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
#include "util/cause.h"

/* Names are the kernel's: net/ethtool/common.c, netdev_features_strings. */
static const char *const feature_names[DRX_NR_FEATURES] = {
	[DRX_FEATURE_NTUPLE] = "rx-ntuple-filter",
	[DRX_FEATURE_GRO_HW] = "rx-gro-hw",
};

const char *drx_feature_name(enum drx_feature feature)
{
	return feature_names[feature];
}

uint32_t drx_setup_queues(const struct drx_setup *setup)
{
	const uint32_t nr = setup->channels.combined + setup->channels.rx;

	return nr ? nr : setup->nr_listed;
}

uint32_t drx_setup_queues_max(const struct drx_setup *setup)
{
	return setup->channels.combined_max ? setup->channels.combined_max :
					      setup->channels.rx_max;
}

int drx_parse_setup_channels(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[ETHTOOL_A_CHANNELS_COMBINED_COUNT + 1];
	struct drx_channels ch = { 0 };
	struct drx_setup *setup = arg;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 ETHTOOL_A_CHANNELS_COMBINED_COUNT);
	if (!ret)
		ret = drx_nl_get_u32(tb[ETHTOOL_A_CHANNELS_COMBINED_COUNT],
				     &ch.combined);
	if (!ret)
		ret = drx_nl_get_u32(tb[ETHTOOL_A_CHANNELS_COMBINED_MAX],
				     &ch.combined_max);
	if (!ret)
		ret = drx_nl_get_u32(tb[ETHTOOL_A_CHANNELS_RX_COUNT], &ch.rx);
	if (!ret)
		ret = drx_nl_get_u32(tb[ETHTOOL_A_CHANNELS_RX_MAX], &ch.rx_max);
	if (ret)
		return ret;
	if (ch.combined > DRX_SETUP_QUEUES_MAX || ch.rx > DRX_SETUP_QUEUES_MAX)
		return -EBADMSG;
	setup->channels = ch;
	return 0;
}

int drx_parse_setup_rings(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[DRX_ETHTOOL_A_RINGS_MAX + 1];
	uint8_t split = DRX_ETHTOOL_TCP_DATA_SPLIT_UNKNOWN;
	uint32_t thresh = UINT32_MAX;
	struct drx_setup *setup = arg;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 DRX_ETHTOOL_A_RINGS_MAX);
	if (!ret)
		ret = drx_nl_get_u8(tb[DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT],
				    &split);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_ETHTOOL_A_RINGS_HDS_THRESH],
				     &thresh);
	if (ret)
		return ret;
	setup->split = split;
	setup->hds_thresh = thresh;
	return 0;
}

static const struct nlattr *nested(const struct nlattr *attr, uint16_t type,
				   const struct nlattr **tb, uint16_t max)
{
	if (!attr || drx_nl_attrs(mnl_attr_get_payload(attr),
				  mnl_attr_get_payload_len(attr), tb, max))
		return NULL;
	return tb[type];
}

/*
 * One bitset, spelled out: a list of bits with their names. With a mask a bit
 * counts that has the flag "value", without one each that is listed.
 */
static int parse_bitset(const struct nlattr *set, bool ret[DRX_NR_FEATURES])
{
	const struct nlattr *tb[ETHTOOL_A_BITSET_MAX + 1];
	const struct nlattr *bit_tb[ETHTOOL_A_BITSET_BIT_MAX + 1];
	const struct nlattr *bits, *bit;
	const char *end;
	char name[64];
	int err;

	memset(ret, 0, DRX_NR_FEATURES * sizeof(ret[0]));
	bits = nested(set, ETHTOOL_A_BITSET_BITS, tb, ETHTOOL_A_BITSET_MAX);
	if (!bits)
		return set ? -EBADMSG : 0;
	bit = mnl_attr_get_payload(bits);
	end = (const char *)bit + mnl_attr_get_payload_len(bits);
	for (; mnl_attr_ok(bit, (int)(end - (const char *)bit));
	     bit = mnl_attr_next(bit)) {
		err = drx_nl_attrs(mnl_attr_get_payload(bit),
				   mnl_attr_get_payload_len(bit), bit_tb,
				   ETHTOOL_A_BITSET_BIT_MAX);
		if (err)
			return err;
		name[0] = '\0';
		err = drx_nl_get_str(bit_tb[ETHTOOL_A_BITSET_BIT_NAME], name,
				     sizeof(name));
		if (err)
			return err;
		if (!tb[ETHTOOL_A_BITSET_NOMASK] &&
		    !bit_tb[ETHTOOL_A_BITSET_BIT_VALUE])
			continue;
		for (unsigned int i = 0; i < DRX_NR_FEATURES; i++)
			if (!strcmp(name, feature_names[i]))
				ret[i] = true;
	}
	return (const char *)bit < end ? -EBADMSG : 0;
}

int drx_parse_setup_features(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[ETHTOOL_A_FEATURES_MAX + 1];
	bool can[DRX_NR_FEATURES], on[DRX_NR_FEATURES];
	struct drx_setup *setup = arg;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 ETHTOOL_A_FEATURES_MAX);
	if (!ret)
		ret = parse_bitset(tb[ETHTOOL_A_FEATURES_HW], can);
	if (!ret)
		ret = parse_bitset(tb[ETHTOOL_A_FEATURES_ACTIVE], on);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < DRX_NR_FEATURES; i++)
		setup->feature[i] = (struct drx_feature_state){ can[i], on[i] };
	return 0;
}

int drx_parse_setup_queue(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[DRX_NETDEV_A_QUEUE_MAX + 1];
	uint32_t ifindex = 0, type = DRX_NETDEV_QUEUE_TYPE_TX, id = UINT32_MAX;
	struct drx_setup *setup = arg;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 DRX_NETDEV_A_QUEUE_MAX);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_ID], &id);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_IFINDEX], &ifindex);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_TYPE], &type);
	if (ret)
		return ret;
	if (ifindex != setup->ifindex || type != DRX_NETDEV_QUEUE_TYPE_RX ||
	    id >= DRX_SETUP_QUEUES_MAX)
		return 0;
	if (id >= setup->nr_listed)
		setup->nr_listed = id + 1;
	setup->used[id] = tb[DRX_NETDEV_A_QUEUE_IO_URING] ||
			  tb[DRX_NETDEV_A_QUEUE_DMABUF] ||
			  tb[DRX_NETDEV_A_QUEUE_XSK];
	return 0;
}

static int ask_ethtool(struct drx_setup *setup, struct drx_nl *nl,
		       uint16_t family, uint8_t cmd, uint16_t header,
		       drx_nl_fn parse)
{
	const struct nlmsghdr *nlh =
		drx_nl_begin_ethtool(nl, family, cmd, header, setup->ifindex);
	int ret;

	ret = drx_nl_ask(nl, nlh, parse, setup);
	/* The driver has none of it, or the kernel no such question. */
	return ret == -EOPNOTSUPP || ret == -EINVAL ? 0 : ret;
}

static int ask_queues(struct drx_setup *setup, struct drx_nl *nl)
{
	struct nlmsghdr *nlh;
	uint16_t family;
	int ret;

	ret = drx_nl_family(nl, DRX_NETDEV_FAMILY, &family);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	nlh = drx_nl_begin_genl(nl, family, DRX_NETDEV_CMD_QUEUE_GET,
				DRX_NETDEV_VERSION, NLM_F_DUMP);
	mnl_attr_put_u32(nlh, DRX_NETDEV_A_QUEUE_IFINDEX, setup->ifindex);
	ret = drx_nl_ask(nl, nlh, drx_parse_setup_queue, setup);
	return ret == -EOPNOTSUPP || ret == -EINVAL ? 0 : ret;
}

static int read_netlink(struct drx_setup *setup, struct drx_nl *nl)
{
	uint16_t family;
	int ret;

	ret = drx_nl_family(nl, ETHTOOL_GENL_NAME, &family);
	if (ret)
		return ret == -ENOENT ? -EOPNOTSUPP : ret;
	ret = ask_ethtool(setup, nl, family, ETHTOOL_MSG_CHANNELS_GET,
			  ETHTOOL_A_CHANNELS_HEADER, drx_parse_setup_channels);
	if (!ret)
		ret = ask_ethtool(setup, nl, family, ETHTOOL_MSG_RINGS_GET,
				  ETHTOOL_A_RINGS_HEADER,
				  drx_parse_setup_rings);
	if (!ret)
		ret = ask_ethtool(setup, nl, family, ETHTOOL_MSG_FEATURES_GET,
				  ETHTOOL_A_FEATURES_HEADER,
				  drx_parse_setup_features);
	return ret ? ret : ask_queues(setup, nl);
}

static int read_ioctl(struct drx_setup *setup)
{
	int fd = drx_ethtool_open();
	int ret;

	if (fd < 0)
		return fd;
	ret = drx_ethtool_rules(fd, setup->ifindex, setup);
	if (!ret)
		ret = drx_ethtool_indir(fd, setup->ifindex, &setup->nr_indir,
					setup->indir);
	(void)close(fd);
	return ret;
}

int drx_setup_read(struct drx_setup **ret_setup, uint32_t ifindex,
		   struct devrx_cause *cause)
{
	struct drx_setup *setup = calloc(1, sizeof(*setup));
	struct drx_look look;
	struct drx_nl nl;
	int ret;

	if (!setup)
		return drx_fail_os(cause, -ENOMEM, "drx_setup_read");
	ret = drx_look_read(&look, NULL, ifindex, 0, cause);
	if (ret)
		goto err_free;
	setup->ifindex = ifindex;
	setup->hds_thresh = UINT32_MAX;
	memcpy(setup->ifname, look.ifname, sizeof(setup->ifname));
	memcpy(setup->driver, look.driver, sizeof(setup->driver));
	ret = drx_nl_open(&nl, NETLINK_GENERIC);
	if (ret) {
		(void)drx_fail_os(cause, ret, "socket(NETLINK_GENERIC)");
		goto err_free;
	}
	ret = read_netlink(setup, &nl);
	drx_nl_close(&nl);
	if (!ret)
		ret = read_ioctl(setup);
	if (ret) {
		if (ret == -ENODEV || ret == -ENXIO)
			ret = drx_fail(cause, -ENODEV, "nic-missing",
				       "ip -brief link",
				       "NIC %s has gone while it was read",
				       setup->ifname);
		else
			(void)drx_fail_os(cause, ret,
					  "reading the NIC's settings");
		goto err_free;
	}
	*ret_setup = setup;
	return 0;

err_free:
	drx_setup_free(setup);
	return ret;
}

void drx_setup_free(struct drx_setup *setup)
{
	if (!setup)
		return;
	free(setup->rules);
	free(setup);
}
