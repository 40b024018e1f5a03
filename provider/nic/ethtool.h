/* SPDX-License-Identifier: MIT */
/*
 * The one ioctl that netlink has not replaced: flow rules, and RSS's table before
 * Linux 6.17.
 */
#ifndef DRX_ETHTOOL_H
#define DRX_ETHTOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "nic/setup.h"

/* Each is 0 or a negative errno, about the NIC numbered @ifindex. */
int drx_ethtool_open(void); /* a descriptor for the others */

/* Whether and where there are rules; @setup's members about them are set. */
int drx_ethtool_rules(int fd, uint32_t ifindex, struct drx_setup *setup);
/*
 * Insert a rule: TCP of @rule->family to @rule->port goes to @rule->queue. It goes
 * to @rule->location, or where that is UINT32_MAX where the driver puts it, which is
 * filled in.
 */
int drx_ethtool_insert(int fd, uint32_t ifindex, struct drx_rule *rule);
int drx_ethtool_delete(int fd, uint32_t ifindex, uint32_t location);

/* RSS's main table: at most DRX_RSS_INDIR_MAX entries. */
int drx_ethtool_indir(int fd, uint32_t ifindex, uint32_t *ret_nr,
		      uint32_t *indir);
/* No entries: the driver's own table, which follows the number of queues. */
int drx_ethtool_set_indir(int fd, uint32_t ifindex, uint32_t nr,
			  const uint32_t *indir);

#endif /* DRX_ETHTOOL_H */
