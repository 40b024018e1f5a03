// SPDX-License-Identifier: MIT
/* The messages of RTNLGRP_LINK about one NIC; the rules are in watch.h. */
#include "nic/watch.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#include "nic/netlink.h"

static void note(struct drx_watch *watch, enum drx_link link)
{
	if (watch->link == DRX_LINK_GONE || watch->link == link)
		return;
	if (watch->link == DRX_LINK_UP)
		watch->downs++;
	watch->link = link;
}

static enum drx_link link_of(const struct ifinfomsg *info)
{
	const unsigned int up = IFF_UP | IFF_LOWER_UP;

	return (info->ifi_flags & up) == up ? DRX_LINK_UP : DRX_LINK_DOWN;
}

void drx_watch_feed(struct drx_watch *watch, const void *buf, size_t len)
{
	const struct nlmsghdr *nlh = buf;
	const struct ifinfomsg *info;
	size_t step;

	for (; len >= sizeof(*nlh) && nlh->nlmsg_len >= sizeof(*nlh) &&
	       nlh->nlmsg_len <= len;
	     nlh = (const void *)((const char *)nlh + step)) {
		step = NLMSG_ALIGN((size_t)nlh->nlmsg_len);
		if (step > len)
			step = len;
		len -= step;
		if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
			continue;
		info = mnl_nlmsg_get_payload(nlh);
		/* A bridge tells in the same words that a port has left it,
		 * for its own family. */
		if (info->ifi_family != AF_UNSPEC ||
		    (uint32_t)info->ifi_index != watch->ifindex)
			continue;
		if (nlh->nlmsg_type == RTM_NEWLINK)
			note(watch, link_of(info));
		else if (nlh->nlmsg_type == RTM_DELLINK)
			note(watch, DRX_LINK_GONE);
	}
}

static int take_answer(const void *msg, size_t len, void *arg)
{
	if (len < sizeof(struct ifinfomsg))
		return -EBADMSG;
	note(arg, link_of(msg));
	return 0;
}

/* How it is now. */
static int ask(struct drx_watch *watch)
{
	struct ifinfomsg *info;
	struct nlmsghdr *nlh;
	struct drx_nl nl;
	int err;

	err = drx_nl_open(&nl, NETLINK_ROUTE);
	if (err)
		return err;
	nlh = drx_nl_begin(&nl, RTM_GETLINK, 0, sizeof(*info));
	info = mnl_nlmsg_get_payload(nlh);
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)watch->ifindex;
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = drx_nl_ask(&nl, nlh, take_answer, watch);
	drx_nl_close(&nl);
	if (err != -ENODEV)
		return err;
	note(watch, DRX_LINK_GONE);
	return 0;
}

int drx_watch_open(struct drx_watch *ret, uint32_t ifindex)
{
	const struct sockaddr_nl group = { .nl_family = AF_NETLINK,
					   .nl_groups = RTMGRP_LINK };
	struct drx_watch watch = { .ifindex = ifindex };
	int err;

	watch.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  NETLINK_ROUTE);
	if (watch.fd < 0)
		return -errno;
	/* First the group, so that nothing is missed between the two. */
	err = bind(watch.fd, (const struct sockaddr *)&group, sizeof(group)) ?
		      -errno :
		      ask(&watch);
	if (err) {
		drx_watch_close(&watch);
		return err;
	}
	*ret = watch;
	return 0;
}

void drx_watch_close(struct drx_watch *watch)
{
	(void)close(watch->fd);
	watch->fd = -1;
}

void drx_watch_read(struct drx_watch *watch)
{
	/* A message about a NIC with many functions does not fit; then, as
	 * where the socket had no room for one, the state is asked for. */
	_Alignas(8) char buf[8192];
	struct sockaddr_nl from = { 0 };
	socklen_t from_len;
	bool lost = false;
	ssize_t n;

	for (;;) {
		from_len = sizeof(from);
		n = recvfrom(watch->fd, buf, sizeof(buf), MSG_TRUNC,
			     (struct sockaddr *)&from, &from_len);
		if (n < 0 && errno == ENOBUFS)
			lost = true;
		else if (n < 0 && errno != EINTR)
			break;
		if (n <= 0 || from.nl_pid) /* only the kernel is believed */
			continue;
		if ((size_t)n > sizeof(buf))
			lost = true;
		else
			drx_watch_feed(watch, buf, (size_t)n);
	}
	/* Where it cannot be asked, the next message tells. */
	if (lost)
		(void)ask(watch);
}
