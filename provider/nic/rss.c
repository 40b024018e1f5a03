// SPDX-License-Identifier: MIT
/*
 * The NIC's RSS: hash key, hash function and indirection table, and what they
 * make of a flow.
 *
 * Toeplitz: for each bit of the input that is set, the 32 bits of the key that
 * begin there are added (xor). The low bits of the sum select an entry of the
 * table. What the input is follows the kernel's Documentation/networking/
 * scaling.rst, the two symmetric transformations included.
 */
#include "nic/rss.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>

#include "nic/look.h"
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
#include "util/cause.h"

#define FOUR_TUPLE (RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* An attribute of the kernel's type "uint": of 4 bytes where they are enough.
 */
static int get_uint(const struct nlattr *attr, uint32_t *ret)
{
	uint64_t wide;

	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(wide))
		return drx_nl_get_u32(attr, ret);
	memcpy(&wide, mnl_attr_get_payload(attr), sizeof(wide));
	*ret = wide > UINT32_MAX ? UINT32_MAX : (uint32_t)wide;
	return 0;
}

static int parse_fields(const struct nlattr *attr, struct drx_rss *rss)
{
	const struct nlattr *tb[DRX_ETHTOOL_A_FLOW_TCP6 + 1];
	int ret;

	if (!attr)
		return 0;
	ret = drx_nl_attrs(mnl_attr_get_payload(attr),
			   mnl_attr_get_payload_len(attr), tb,
			   DRX_ETHTOOL_A_FLOW_TCP6);
	if (!ret)
		ret = get_uint(tb[DRX_ETHTOOL_A_FLOW_TCP4], &rss->tcp4);
	if (!ret)
		ret = get_uint(tb[DRX_ETHTOOL_A_FLOW_TCP6], &rss->tcp6);
	return ret;
}

/* Copy at most @max bytes, in units of @unit; what was there is replaced. */
static int get_bytes(const struct nlattr *attr, void *to, size_t max,
		     size_t unit, uint32_t *ret_nr)
{
	size_t len;

	*ret_nr = 0;
	if (!attr)
		return 0;
	len = mnl_attr_get_payload_len(attr);
	if (len > max || len % unit)
		return -EBADMSG;
	memcpy(to, mnl_attr_get_payload(attr), len);
	*ret_nr = (uint32_t)(len / unit);
	return 0;
}

int drx_parse_rss(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[DRX_ETHTOOL_A_RSS_MAX + 1];
	struct drx_rss *rss = arg;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 DRX_ETHTOOL_A_RSS_MAX);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_ETHTOOL_A_RSS_HFUNC], &rss->hfunc);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_ETHTOOL_A_RSS_INPUT_XFRM],
				     &rss->xfrm);
	if (!ret)
		ret = get_bytes(tb[DRX_ETHTOOL_A_RSS_INDIR], rss->indir,
				sizeof(rss->indir), sizeof(rss->indir[0]),
				&rss->nr_indir);
	if (!ret)
		ret = get_bytes(tb[DRX_ETHTOOL_A_RSS_HKEY], rss->key,
				sizeof(rss->key), 1, &rss->key_len);
	if (!ret)
		ret = parse_fields(tb[DRX_ETHTOOL_A_RSS_FLOW_HASH], rss);
	return ret;
}

static int ask(struct drx_rss *rss, struct drx_nl *nl, uint32_t ifindex)
{
	const struct nlmsghdr *nlh;
	uint16_t family;
	int ret;

	ret = drx_nl_family(nl, ETHTOOL_GENL_NAME, &family);
	if (ret)
		return ret == -ENOENT ? -EOPNOTSUPP : ret;
	nlh = drx_nl_begin_ethtool(nl, family, DRX_ETHTOOL_MSG_RSS_GET,
				   DRX_ETHTOOL_A_RSS_HEADER, ifindex);
	return drx_nl_ask(nl, nlh, drx_parse_rss, rss);
}

int drx_rss_read(struct drx_rss *ret_rss, uint32_t ifindex,
		 struct devrx_cause *cause)
{
	struct drx_rss rss = { 0 };
	struct drx_nl nl;
	int ret;

	ret = drx_nl_open(&nl, NETLINK_GENERIC);
	if (ret)
		return drx_fail_os(cause, ret, "socket(NETLINK_GENERIC)");
	ret = ask(&rss, &nl, ifindex);
	drx_nl_close(&nl);
	if (ret == -ENODEV)
		return drx_fail(cause, ret, "nic-missing", "ip -brief link",
				"no NIC with index %" PRIu32 " in this network "
				"namespace any more",
				ifindex);
	if (ret && ret != -EOPNOTSUPP)
		return drx_fail_os(cause, ret, "netlink ETHTOOL_MSG_RSS_GET");
	if (ret || !rss.nr_indir)
		return drx_fail(cause, -EOPNOTSUPP, "rss-missing",
				"steer the connection by a flow rule "
				"(ethtool -N)",
				"the NIC with index %" PRIu32 " has no receive "
				"side scaling, or does not tell its table",
				ifindex);
	*ret_rss = rss;
	return 0;
}

static int judge_hash(const struct drx_rss *rss, const char *ifname,
		      size_t addr_len, struct devrx_cause *cause)
{
	const uint32_t fields = addr_len == 4 ? rss->tcp4 : rss->tcp6;
	const size_t need = 2 * addr_len + 4 + 4;
	const char *version = addr_len == 4 ? "tcp4" : "tcp6";
	char next[192] = "";

	if (rss->hfunc != DRX_ETH_RSS_HASH_TOP) {
		if (drx_nic_is_plain(ifname))
			(void)snprintf(next, sizeof(next),
				       "ethtool -X %s hfunc toeplitz", ifname);
		return drx_fail(cause, -EOPNOTSUPP, "rss-hash", next,
				"the hash of NIC %s is %s, and only Toeplitz "
				"is known here",
				ifname,
				rss->hfunc ? "another" : "not reported");
	}
	if (rss->xfrm > DRX_RXH_XFRM_SYM_OR_XOR)
		return drx_fail(cause, -EOPNOTSUPP, "rss-hash",
				"steer the connection by a flow rule "
				"(ethtool -N)",
				"NIC %s transforms what it hashes in a way "
				"(%#" PRIx32 ") that is not known here",
				ifname, rss->xfrm);
	if (fields && fields != FOUR_TUPLE) {
		if (drx_nic_is_plain(ifname))
			(void)snprintf(next, sizeof(next),
				       "ethtool -N %s rx-flow-hash %s sdfn",
				       ifname, version);
		return drx_fail(cause, -EOPNOTSUPP, "rss-hash", next,
				"of %s NIC %s hashes other fields (%#" PRIx32
				") than both addresses and both ports",
				version, ifname, fields);
	}
	if (rss->key_len < need)
		return drx_fail(cause, -EOPNOTSUPP, "rss-hash",
				"steer the connection by a flow rule "
				"(ethtool -N)",
				"the hash key of NIC %s has %" PRIu32
				" bytes; %zu are needed for %s",
				ifname, rss->key_len, need, version);
	return 0;
}

int drx_rss_judge(const struct drx_rss *rss, const char *ifname, uint32_t index,
		  size_t addr_len, struct devrx_cause *cause)
{
	char next[192] = "";
	uint32_t i;
	int ret;

	ret = judge_hash(rss, ifname, addr_len, cause);
	if (ret)
		return ret;
	for (i = 0; i < rss->nr_indir; i++)
		if (rss->indir[i] == index)
			return 0;
	if (drx_nic_is_plain(ifname))
		(void)snprintf(next, sizeof(next),
			       "ethtool -N %s flow-type tcp%c src-ip ADDRESS "
			       "src-port PORT action %" PRIu32 " (of the peer)",
			       ifname, addr_len == 4 ? '4' : '6', index);
	return drx_fail(cause, -ENOENT, "rss-queue", next,
			"no hash leads to queue %" PRIu32 ": the RSS table of "
			"NIC %s leaves it out, as is usual for a queue that "
			"is reserved; there a flow rule brings it a connection",
			index, ifname);
}

uint32_t drx_rss_toeplitz(const uint8_t *key, const uint8_t *in, size_t len)
{
	/* The 32 bits of the key at this bit of the input. */
	uint32_t window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 |
			  (uint32_t)key[2] << 8 | key[3];
	uint32_t hash = 0;
	size_t i;
	int bit;

	for (i = 0; i < len; i++)
		for (bit = 7; bit >= 0; bit--) {
			if (in[i] >> bit & 1)
				hash ^= window;
			window = window << 1 | (key[i + 4] >> bit & 1);
		}
	return hash;
}

/*
 * Put two fields of @len bytes where the hash wants them: as they are, or made
 * the same for both directions.
 */
static uint8_t *put_pair(uint8_t *to, uint32_t xfrm, const uint8_t *src,
			 const uint8_t *dst, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		const uint8_t both = src[i] ^ dst[i];
		uint8_t first = src[i];

		if (xfrm == DRX_RXH_XFRM_SYM_XOR)
			first = both;
		else if (xfrm == DRX_RXH_XFRM_SYM_OR_XOR)
			first = src[i] | dst[i];
		to[i] = first;
		to[len + i] = xfrm ? both : dst[i];
	}
	return to + 2 * len;
}

uint32_t drx_rss_queue(const struct drx_rss *rss,
		       const struct drx_rss_flow *flow)
{
	uint8_t in[DRX_RSS_INPUT_MAX];
	uint8_t *end;
	uint32_t hash;

	end = put_pair(in, rss->xfrm, flow->src, flow->dst, flow->addr_len);
	end = put_pair(end, rss->xfrm, (const uint8_t *)&flow->src_port,
		       (const uint8_t *)&flow->dst_port,
		       sizeof(flow->src_port));
	hash = drx_rss_toeplitz(rss->key, in, (size_t)(end - in));
	return rss->indir[hash % rss->nr_indir];
}
