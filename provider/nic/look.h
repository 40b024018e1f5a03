/* SPDX-License-Identifier: MIT */
/*
 * Read one NIC and one of its queues into a plain struct; judge it later.
 *
 * Reading (look.c) knows the kernel and no rule; judging (judge.c) knows the
 * rules and no kernel. Between them stands struct drx_look, which a test can
 * fill in by hand. What a kernel cannot tell stays at its "unknown".
 */
#ifndef DRX_LOOK_H
#define DRX_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <devrx/queue.h>

/* What ethtool's rings say about header split. */
enum drx_split_support {
	DRX_SPLIT_UNKNOWN, /* the kernel has no such question */
	DRX_SPLIT_NONE, /* the driver reports nothing about it */
	DRX_SPLIT_REPORTED,
};

struct drx_look {
	uint32_t ifindex;
	uint32_t index; /* the queue asked for; DEVRX_QUEUE_LAST resolved */
	uint32_t nr_queues; /* rx queues in use; 0: unknown */
	uint32_t max_queues; /* rx queues the driver allocated; 0: unknown */
	uint32_t hds_thresh; /* UINT32_MAX: not reported */
	uint32_t napi_id; /* 0: unknown */
	uint32_t rx_ring; /* entries of its ring; 0: unknown */
	enum drx_split_support split_support;
	enum devrx_data_split data_split;
	enum devrx_queue_user user;
	uint8_t xdp; /* XDP_ATTACHED_*, linux/if_link.h */
	bool up;
	bool loopback;
	char ifname[16];
	char driver[32];
	char bus[32]; /* its parent device's, "pci"; empty: it has none */
};

/*
 * Read the NIC called @ifname, or where that is NULL the one numbered
 * @ifindex, and its queue @index. @ret is untouched on error. 0; -ENODEV
 * (nic-missing) or another errno of netlink, with the cause.
 */
int drx_look_read(struct drx_look *ret, const char *ifname, uint32_t ifindex,
		  uint32_t index, struct devrx_cause *cause);

/*
 * The kernel's checks, in its order, on what was read: 0, or the errno with
 * the cause. In judge.c.
 */
int drx_look_judge(const struct drx_look *look, struct devrx_cause *cause);
/* One by one: 0, or the errno with the cause. */
int drx_judge_support(const struct drx_look *look, struct devrx_cause *cause);
int drx_judge_range(const struct drx_look *look, struct devrx_cause *cause);
int drx_judge_split(const struct drx_look *look, struct devrx_cause *cause);
int drx_judge_thresh(const struct drx_look *look, struct devrx_cause *cause);
int drx_judge_xdp(const struct drx_look *look, struct devrx_cause *cause);
/* The part of it that no reservation can mend. In judge.c. */
int drx_look_judge_unmendable(const struct drx_look *look,
			      struct devrx_cause *cause);
/* Is the NIC a PCI device? 0 or -EOPNOTSUPP (nic-not-pci). In judge.c. */
int drx_look_judge_pci(const struct drx_look *look, struct devrx_cause *cause);

/*
 * A cause's next command is meant for a shell, and a NIC's name may hold
 * anything but blanks, '/' and ':'. One that a shell could misread gets no
 * command. In judge.c.
 */
bool drx_nic_is_plain(const char *name);

/*
 * The parsers, one per kind of reply, each of the type drx_nl_fn with a
 * struct drx_look as its argument: they read what follows the struct nlmsghdr
 * and return 0 or -EBADMSG. For look.c and for tests.
 */
int drx_parse_link(const void *msg, size_t len, void *look);
int drx_parse_rings(const void *msg, size_t len, void *look);
int drx_parse_channels(const void *msg, size_t len, void *look);
int drx_parse_queue(const void *msg, size_t len, void *look);

#endif /* DRX_LOOK_H */
