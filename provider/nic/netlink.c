// SPDX-License-Identifier: MIT
/*
 * One netlink socket, one question at a time; the rules are in netlink.h.
 *
 * libmnl packs and walks messages. The receive call is our own, because
 * mnl_socket_recvfrom() does not tell who sent.
 */
#include "nic/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>

/* The kernel answers while it is asked, inside send(): later is never. */
#define DEADLINE_MSEC 2000

static int64_t now_msec(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int drx_nl_open(struct drx_nl *nl, int bus)
{
	const struct timeval patience = { DEADLINE_MSEC / 1000, 0 };
	struct mnl_socket *sock;
	int one = 1;
	int err;

	sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!sock)
		return errno ? -errno : -ENOMEM;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO,
		       &patience, sizeof(patience)) < 0) {
		err = -errno;
		goto err_close;
	}
	/* Niceties: an older kernel answers without them just as well. */
	(void)mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &one, sizeof(one));

	nl->sock = sock;
	nl->portid = mnl_socket_get_portid(sock);
	nl->seq = 0;
	nl->extack[0] = '\0';
	return 0;

err_close:
	(void)mnl_socket_close(sock);
	return err;
}

void drx_nl_close(struct drx_nl *nl)
{
	(void)mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

int drx_nl_attrs(const void *attrs, size_t len, const struct nlattr **tb,
		 uint16_t max)
{
	const struct nlattr *attr = attrs;
	uint16_t type;
	size_t step;

	memset(tb, 0, sizeof(*tb) * (max + 1u));
	while (len) {
		if (len < sizeof(*attr) || attr->nla_len < sizeof(*attr) ||
		    attr->nla_len > len)
			return -EBADMSG;
		type = mnl_attr_get_type(attr);
		if (type <= max)
			tb[type] = attr;
		/* The padding of the last one may be missing. */
		step = NLA_ALIGN((size_t)attr->nla_len);
		if (step >= len)
			break;
		len -= step;
		attr = (const void *)((const char *)attr + step);
	}
	return 0;
}

int drx_nl_attrs_after(const void *msg, size_t len, size_t hdr,
		       const struct nlattr **tb, uint16_t max)
{
	hdr = NLMSG_ALIGN(hdr);
	if (len < hdr)
		return -EBADMSG;
	return drx_nl_attrs((const char *)msg + hdr, len - hdr, tb, max);
}

int drx_nl_get_u8(const struct nlattr *attr, uint8_t *ret)
{
	if (attr && mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
		return -EBADMSG;
	if (attr)
		*ret = mnl_attr_get_u8(attr);
	return 0;
}

int drx_nl_get_u16(const struct nlattr *attr, uint16_t *ret)
{
	if (attr && mnl_attr_validate(attr, MNL_TYPE_U16) < 0)
		return -EBADMSG;
	if (attr)
		*ret = mnl_attr_get_u16(attr);
	return 0;
}

int drx_nl_get_u32(const struct nlattr *attr, uint32_t *ret)
{
	if (attr && mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return -EBADMSG;
	if (attr)
		*ret = mnl_attr_get_u32(attr);
	return 0;
}

int drx_nl_get_str(const struct nlattr *attr, char *ret, size_t size)
{
	size_t len;

	if (!attr)
		return 0;
	len = mnl_attr_get_payload_len(attr);
	if (!len || !memchr(mnl_attr_get_payload(attr), '\0', len))
		return -EBADMSG;
	len = strlen(mnl_attr_get_payload(attr)) + 1;
	if (len > size)
		return -EBADMSG;
	memcpy(ret, mnl_attr_get_payload(attr), len);
	return 0;
}

struct nlmsghdr *drx_nl_begin(struct drx_nl *nl, uint16_t type, uint16_t flags,
			      size_t extra_len)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	nlh->nlmsg_seq = ++nl->seq;
	(void)mnl_nlmsg_put_extra_header(nlh, extra_len);
	return nlh;
}

struct nlmsghdr *drx_nl_begin_genl(struct drx_nl *nl, uint16_t family,
				   uint8_t cmd, uint8_t version, uint16_t flags)
{
	struct genlmsghdr *genl;
	struct nlmsghdr *nlh;

	nlh = drx_nl_begin(nl, family, flags, sizeof(*genl));
	genl = mnl_nlmsg_get_payload(nlh);
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

struct nlmsghdr *drx_nl_begin_ethtool(struct drx_nl *nl, uint16_t family,
				      uint8_t cmd, uint16_t header,
				      uint32_t ifindex)
{
	struct nlmsghdr *nlh =
		drx_nl_begin_genl(nl, family, cmd, ETHTOOL_GENL_VERSION, 0);
	struct nlattr *nest = mnl_attr_nest_start(nlh, header);

	mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_DEV_INDEX, ifindex);
	mnl_attr_nest_end(nlh, nest);
	return nlh;
}

/* Keep the kernel's sentence; it is for people, so a bad one is just dropped.
 */
static void keep_extack(struct drx_nl *nl, const void *attrs, size_t len)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1];

	if (drx_nl_attrs(attrs, len, tb, NLMSGERR_ATTR_MSG) == 0)
		(void)drx_nl_get_str(tb[NLMSGERR_ATTR_MSG], nl->extack,
				     sizeof(nl->extack));
}

/* NLMSG_ERROR carries the verdict and the request, whole or its header. */
static int feed_error(struct drx_nl *nl, const struct nlmsghdr *nlh)
{
	size_t len = nlh->nlmsg_len - NLMSG_HDRLEN;
	const struct nlmsgerr *verdict = mnl_nlmsg_get_payload(nlh);
	size_t off = sizeof(*verdict);

	if (len < sizeof(*verdict) || verdict->error > 0)
		return -EBADMSG;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
			if (verdict->msg.nlmsg_len < NLMSG_HDRLEN ||
			    verdict->msg.nlmsg_len > len)
				return -EBADMSG;
			off += NLMSG_ALIGN((size_t)verdict->msg.nlmsg_len) -
			       NLMSG_HDRLEN;
		}
		if (off < len)
			keep_extack(nl, (const char *)verdict + off, len - off);
	}
	return verdict->error ? verdict->error : 1;
}

/* NLMSG_DONE carries the verdict on a dump; very old kernels send none. */
static int feed_done(struct drx_nl *nl, const struct nlmsghdr *nlh)
{
	size_t len = nlh->nlmsg_len - NLMSG_HDRLEN;
	const char *payload = mnl_nlmsg_get_payload(nlh);
	int32_t err;

	if (len < sizeof(err))
		return len ? -EBADMSG : 1;
	memcpy(&err, payload, sizeof(err));
	if (err >= 0)
		return 1;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS && len > sizeof(err))
		keep_extack(nl, payload + sizeof(err), len - sizeof(err));
	return err;
}

int drx_nl_feed(struct drx_nl *nl, const void *buf, size_t len, drx_nl_fn fn,
		void *arg)
{
	const struct nlmsghdr *nlh = buf;
	size_t step;
	int ret;

	for (; len; nlh = (const void *)((const char *)nlh + step)) {
		if (len < sizeof(*nlh) || nlh->nlmsg_len < NLMSG_HDRLEN ||
		    nlh->nlmsg_len > len)
			return -EBADMSG;
		step = NLMSG_ALIGN((size_t)nlh->nlmsg_len);
		if (step > len)
			step = len;
		len -= step;
		if (nlh->nlmsg_seq != nl->seq || nlh->nlmsg_pid != nl->portid)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EAGAIN;
		switch (nlh->nlmsg_type) {
		case NLMSG_NOOP:
			continue;
		case NLMSG_ERROR:
			return feed_error(nl, nlh);
		case NLMSG_DONE:
			return feed_done(nl, nlh);
		case NLMSG_OVERRUN:
			return -ENOBUFS;
		}
		if (nlh->nlmsg_type < NLMSG_MIN_TYPE || !fn)
			continue;
		ret = fn(mnl_nlmsg_get_payload(nlh),
			 nlh->nlmsg_len - NLMSG_HDRLEN, arg);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* One datagram of the kernel: its length, or 0 for one to be ignored. */
static int receive(struct drx_nl *nl, size_t *ret_len)
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t n;

	*ret_len = 0;
	n = recvfrom(mnl_socket_get_fd(nl->sock), nl->buf, sizeof(nl->buf),
		     MSG_TRUNC, (struct sockaddr *)&from, &from_len);
	if (n < 0) {
		if (errno == EINTR)
			return 0;
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	if (from_len != sizeof(from) || from.nl_pid)
		return 0;
	if ((size_t)n > sizeof(nl->buf))
		return -EMSGSIZE;
	*ret_len = (size_t)n;
	return 0;
}

int drx_nl_ask(struct drx_nl *nl, const struct nlmsghdr *req, drx_nl_fn fn,
	       void *arg)
{
	int64_t deadline = now_msec() + DEADLINE_MSEC;
	size_t len;
	int ret;

	nl->extack[0] = '\0';
	if (mnl_socket_sendto(nl->sock, req, req->nlmsg_len) < 0)
		return -errno;
	do {
		ret = receive(nl, &len);
		if (ret)
			return ret;
		ret = drx_nl_feed(nl, nl->buf, len, fn, arg);
		if (ret)
			return ret < 0 ? ret : 0;
	} while (now_msec() < deadline);
	return -ETIMEDOUT;
}

static int parse_family(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[CTRL_ATTR_FAMILY_ID + 1];
	int ret;

	ret = drx_nl_attrs_after(msg, len, sizeof(struct genlmsghdr), tb,
				 CTRL_ATTR_FAMILY_ID);
	if (ret)
		return ret;
	return drx_nl_get_u16(tb[CTRL_ATTR_FAMILY_ID], arg);
}

int drx_nl_family(struct drx_nl *nl, const char *name, uint16_t *ret_id)
{
	struct nlmsghdr *nlh;
	uint16_t id = 0;
	int ret;

	nlh = drx_nl_begin_genl(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	ret = drx_nl_ask(nl, nlh, parse_family, &id);
	if (ret)
		return ret;
	if (!id)
		return -EBADMSG;
	*ret_id = id;
	return 0;
}
