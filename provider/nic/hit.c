// SPDX-License-Identifier: MIT
/*
 * Which queue a connection arrives on: the kernel remembers the NAPI of its last
 * packet (SO_INCOMING_NAPI_ID), and the family "netdev" tells the NAPI of each
 * queue. Numbers of NAPIs may change when a NIC or a queue is restarted, so none
 * is kept here.
 */
#include "nic/hit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include <devrx/queue.h>

#include "nic/netlink.h"
#include "nic/nic.h"
#include "nic/uapi_netdev.h"
#include "util/cause.h"

int drx_parse_hit(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[DRX_NETDEV_A_QUEUE_NAPI_ID + 1];
	uint32_t ifindex = 0, type = DRX_NETDEV_QUEUE_TYPE_TX, id = 0;
	uint32_t napi_id = 0;
	struct drx_hit *hit = arg;
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 DRX_NETDEV_A_QUEUE_NAPI_ID);
	if (ret)
		return ret;
	if (!tb[DRX_NETDEV_A_QUEUE_ID])
		return -EBADMSG;
	ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_ID], &id);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_IFINDEX], &ifindex);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_TYPE], &type);
	if (!ret)
		ret = drx_nl_get_u32(tb[DRX_NETDEV_A_QUEUE_NAPI_ID], &napi_id);
	if (ret)
		return ret;
	if (ifindex != hit->ifindex || type != DRX_NETDEV_QUEUE_TYPE_RX ||
	    napi_id != hit->napi_id)
		return 0;
	if (!hit->nr)
		hit->index = id;
	hit->nr++;
	return 0;
}

int drx_hit_judge(const struct drx_hit *hit, struct devrx_cause *cause)
{
	if (hit->nr <= 1)
		return 0;
	return drx_fail(cause, -EOPNOTSUPP, "napi-shared",
			"hand connections over by the port that a flow rule "
			"steers (ethtool -n)",
			"%" PRIu32 " rx queues of the NIC with index %" PRIu32
			" have NAPI %" PRIu32 ", the first of them %" PRIu32
			": which of them a connection arrives on is not told",
			hit->nr, hit->ifindex, hit->napi_id, hit->index);
}

static int read_napi(int sockfd, uint32_t *ret, struct devrx_cause *cause)
{
	socklen_t len = sizeof(*ret);

	*ret = 0;
	if (getsockopt(sockfd, SOL_SOCKET, SO_INCOMING_NAPI_ID, ret, &len)) {
		if (errno != ENOPROTOOPT)
			return drx_fail_os(cause, -errno,
					   "getsockopt(SO_INCOMING_NAPI_ID)");
		return drx_fail(cause, -EOPNOTSUPP, "napi-unsupported",
				"run a kernel with CONFIG_NET_RX_BUSY_POLL",
				"this kernel does not tell on which queue a "
				"connection arrives");
	}
	if (*ret)
		return 0;
	return drx_fail(cause, -EAGAIN, "napi-unknown",
			"ask once it is connected, of a connection that "
			"arrives at a NIC",
			"the socket has received nothing from a NIC yet");
}

/* Which rx queues of the NIC have the NAPI. */
static int read_hit(struct drx_nl *nl, uint16_t family, struct drx_hit *hit,
		    struct devrx_cause *cause)
{
	struct nlmsghdr *nlh;
	int ret;

	nlh = drx_nl_begin_genl(nl, family, DRX_NETDEV_CMD_QUEUE_GET,
				DRX_NETDEV_VERSION, NLM_F_DUMP);
	mnl_attr_put_u32(nlh, DRX_NETDEV_A_QUEUE_IFINDEX, hit->ifindex);
	ret = drx_nl_ask(nl, nlh, drx_parse_hit, hit);
	if (ret == -EOPNOTSUPP)
		return drx_fail(cause, ret, "napi-unsupported",
				"run Linux 6.8 or later",
				"this kernel does not tell which queue has "
				"which NAPI");
	if (ret == -ENODEV)
		return drx_fail(cause, ret, "nic-missing", "ip -brief link",
				"no NIC with index %" PRIu32 " in this network "
				"namespace any more",
				hit->ifindex);
	return ret ? drx_fail_os(cause, ret, "netlink NETDEV_CMD_QUEUE_GET") :
		     0;
}

/* Has one of the first @n queues that NIC too? */
static bool asked_before(struct devrx_queue *const *queues, unsigned int n,
			 uint32_t ifindex)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (drx_queue_ifindex(queues[i]) == ifindex)
			return true;
	return false;
}

static int find(struct drx_nl *nl, uint16_t family, uint32_t napi_id,
		struct devrx_queue *const *queues, unsigned int nr,
		struct devrx_cause *cause)
{
	unsigned int i, j;
	int ret;

	for (i = 0; i < nr; i++) {
		struct drx_hit hit = { .ifindex = drx_queue_ifindex(queues[i]),
				       .napi_id = napi_id };

		if (asked_before(queues, i, hit.ifindex))
			continue;
		ret = read_hit(nl, family, &hit, cause);
		if (!ret)
			ret = drx_hit_judge(&hit, cause);
		if (ret)
			return ret;
		for (j = i; hit.nr && j < nr; j++)
			if (drx_queue_ifindex(queues[j]) == hit.ifindex &&
			    drx_queue_index(queues[j]) == hit.index)
				return (int)j;
	}
	return drx_fail(cause, -ENOENT, "queue-other",
			"steer it by RSS (ethtool -X) or a flow rule "
			"(ethtool -N)",
			"the connection arrives by NAPI %" PRIu32 ", which is "
			"of none of the %u queues",
			napi_id, nr);
}

int devrx_queue_find(struct devrx_queue *const *queues, unsigned int nr,
		     int sockfd, struct devrx_cause *cause)
{
	uint32_t napi_id;
	uint16_t family;
	struct drx_nl nl;
	unsigned int i;
	int ret;

	for (i = 0; queues && i < nr && queues[i]; i++)
		;
	if (!i || i < nr || nr > INT32_MAX)
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"give the queues to choose from",
				"no queues, or NULL among them");
	ret = read_napi(sockfd, &napi_id, cause);
	if (ret)
		return ret;
	ret = drx_nl_open(&nl, NETLINK_GENERIC);
	if (ret)
		return drx_fail_os(cause, ret, "socket(NETLINK_GENERIC)");
	ret = drx_nl_family(&nl, DRX_NETDEV_FAMILY, &family);
	if (ret == -ENOENT)
		ret = drx_fail(cause, -EOPNOTSUPP, "napi-unsupported",
			       "run Linux 6.8 or later",
			       "this kernel has no netlink family \"netdev\"");
	else if (ret)
		ret = drx_fail_os(cause, ret, "netlink family netdev");
	else
		ret = find(&nl, family, napi_id, queues, nr, cause);
	drx_nl_close(&nl);
	return ret;
}
