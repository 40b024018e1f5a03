/* SPDX-License-Identifier: MIT */
/*
 * What a reservation may change of a NIC, read into a plain struct: channels,
 * features, header split, RSS's main table, flow rules, who has which queue.
 *
 * Reading knows the kernel and no rule; planning (plan.c) knows the rules and no
 * kernel. Between them stands struct drx_setup, which a test can fill in by hand.
 */
#ifndef DRX_SETUP_H
#define DRX_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>

#include "nic/rss.h"

/* More than any NIC of Linux 7.3 has. */
#define DRX_SETUP_QUEUES_MAX 1024
/* The largest table of rules that is read; larger ones are refused. */
#define DRX_SETUP_RULES_MAX 65536

enum drx_feature {
	DRX_FEATURE_NTUPLE,
	DRX_FEATURE_GRO_HW,
	DRX_NR_FEATURES,
};

/* A feature's two bits; both false where the driver lacks it. */
struct drx_feature_state {
	bool can; /* be switched */
	bool on;
};

/* Counts as the driver has them: combined channels, or rx channels alone. */
struct drx_channels {
	uint32_t combined;
	uint32_t combined_max;
	uint32_t rx;
	uint32_t rx_max;
};

/* Of a rule what matters here; the other fields only by their absence. */
struct drx_rule {
	uint32_t location;
	uint32_t queue; /* UINT32_MAX: to no queue, or to an RSS context */
	uint8_t family; /* 4 or 6 where it is TCP by local port alone, else 0 */
	uint16_t port; /* local, in host order; then only */
};

struct drx_setup {
	uint32_t ifindex;
	char ifname[16];
	char driver[32];
	struct drx_channels channels;
	uint32_t nr_listed; /* rx queues of a NIC that is up, for want of those */
	uint8_t split; /* DRX_ETHTOOL_TCP_DATA_SPLIT_* */
	uint32_t hds_thresh; /* UINT32_MAX: not reported */
	struct drx_feature_state feature[DRX_NR_FEATURES];
	uint32_t nr_indir; /* 0: no RSS */
	uint32_t indir[DRX_RSS_INDIR_MAX];
	bool has_rules; /* the driver takes flow rules */
	bool picks_location; /* ... and finds a place for them itself */
	uint32_t rule_table; /* places */
	uint32_t nr_rules;
	struct drx_rule *rules;
	/* A provider or an AF_XDP socket has it. */
	bool used[DRX_SETUP_QUEUES_MAX];
};

/* The kernel's name of a feature ("rx-ntuple-filter"). */
const char *drx_feature_name(enum drx_feature feature);

/*
 * Read the NIC numbered @ifindex; on success drx_setup_free() is due. 0, -ENODEV
 * (nic-missing), -ENOMEM, or another errno with the cause.
 */
int drx_setup_read(struct drx_setup **ret, uint32_t ifindex,
		   struct devrx_cause *cause);
void drx_setup_free(struct drx_setup *setup);

/* rx queues in use. */
uint32_t drx_setup_queues(const struct drx_setup *setup);
uint32_t drx_setup_queues_max(const struct drx_setup *setup);

/* The parsers of replies, each of the type drx_nl_fn; @setup is a struct
 * drx_setup. */
int drx_parse_setup_channels(const void *msg, size_t len, void *setup);
int drx_parse_setup_rings(const void *msg, size_t len, void *setup);
int drx_parse_setup_features(const void *msg, size_t len, void *setup);
int drx_parse_setup_queue(const void *msg, size_t len, void *setup);

#endif /* DRX_SETUP_H */
