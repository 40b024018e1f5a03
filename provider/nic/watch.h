/* SPDX-License-Identifier: MIT */
/*
 * What becomes of one NIC: up, down, gone.
 *
 * A ring never hears of it: a receive on a NIC that has vanished just goes on
 * waiting. The kernel tells it to a netlink group that everybody may listen to
 * (RTNLGRP_LINK); a message of that group that gets lost is asked for.
 */
#ifndef DRX_WATCH_H
#define DRX_WATCH_H

#include <stddef.h>
#include <stdint.h>

enum drx_link {
	DRX_LINK_UNKNOWN,
	DRX_LINK_DOWN,
	DRX_LINK_UP, /* and the other end is there */
	DRX_LINK_GONE, /* removed, or in another network namespace: for good */
};

/*
 * @fd: readable when there is something to read, or -1
 * @link: enum drx_link
 * @downs: times it went down, or away
 */
struct drx_watch {
	int fd;
	uint32_t ifindex;
	uint32_t link;
	uint64_t downs;
};

/* 0 with the state that the NIC has, or a negative errno. */
int drx_watch_open(struct drx_watch *ret, uint32_t ifindex);
void drx_watch_close(struct drx_watch *watch);
/* Read what has come, without waiting. */
void drx_watch_read(struct drx_watch *watch);
/* One datagram of @len bytes, aligned to 4. For watch.c and for tests. */
void drx_watch_feed(struct drx_watch *watch, const void *buf, size_t len);

#endif /* DRX_WATCH_H */
