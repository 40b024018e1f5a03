// SPDX-License-Identifier: MIT
/* A step compared with the NIC, and as a command; netlink is in step_make.c. */
#include "nic/step.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nic/look.h"
#include "nic/uapi_netdev.h"

void drx_step_free(struct drx_step *step)
{
	if (step->kind == DRX_STEP_RSS)
		free(step->rss.after);
}

bool drx_indir_is_equal(const uint32_t *indir, uint32_t nr, uint32_t queues)
{
	if (!queues)
		return false;
	for (uint32_t i = 0; i < nr; i++)
		if (indir[i] != i % queues)
			return false;
	return true;
}

static enum drx_step_state of_value(uint32_t now, uint32_t before,
				    uint32_t after)
{
	if (now == before)
		return DRX_STEP_BEFORE;
	return now == after ? DRX_STEP_AFTER : DRX_STEP_OTHER;
}

static enum drx_step_state of_rings(const struct drx_step *step,
				    const struct drx_setup *setup)
{
	const bool thresh = step->rings.thresh_before != UINT32_MAX;

	if (setup->split == step->rings.split_before &&
	    (!thresh || setup->hds_thresh == step->rings.thresh_before))
		return DRX_STEP_BEFORE;
	if (setup->split == step->rings.split_after &&
	    (!thresh || setup->hds_thresh == step->rings.thresh_after))
		return DRX_STEP_AFTER;
	return DRX_STEP_OTHER;
}

static enum drx_step_state of_rss(const struct drx_step *step,
				  const struct drx_setup *setup)
{
	const size_t entry = sizeof(setup->indir[0]);

	if (setup->nr_indir == step->rss.nr &&
	    !memcmp(setup->indir, step->rss.after, step->rss.nr * entry))
		return DRX_STEP_AFTER;
	if (!step->rss.nr_before)
		return drx_indir_is_equal(setup->indir, setup->nr_indir,
					  drx_setup_queues(setup)) ?
			       DRX_STEP_BEFORE :
			       DRX_STEP_OTHER;
	return setup->nr_indir == step->rss.nr_before &&
			       !memcmp(setup->indir,
				       step->rss.after + step->rss.nr,
				       step->rss.nr_before * entry) ?
		       DRX_STEP_BEFORE :
		       DRX_STEP_OTHER;
}

/* A rule is ours by what it says, at the place where it was put. */
static enum drx_step_state of_rule(struct drx_step *step,
				   const struct drx_setup *setup)
{
	const struct drx_rule *rule;

	for (uint32_t i = 0; i < setup->nr_rules; i++) {
		rule = &setup->rules[i];
		if (step->rule.location != UINT32_MAX &&
		    rule->location != step->rule.location)
			continue;
		if (rule->family == step->rule.family &&
		    rule->port == step->rule.port &&
		    rule->queue == step->queue) {
			step->rule.location = rule->location;
			return DRX_STEP_AFTER;
		}
		/* Ours was deleted, and its place taken. */
		if (step->rule.location != UINT32_MAX)
			return DRX_STEP_OTHER;
	}
	return DRX_STEP_BEFORE;
}

enum drx_step_state drx_step_state(struct drx_step *step,
				   const struct drx_setup *setup)
{
	switch (step->kind) {
	case DRX_STEP_CHANNELS:
		return of_value(step->channels.combined ?
					setup->channels.combined :
					setup->channels.rx,
				step->channels.before, step->channels.after);
	case DRX_STEP_FEATURE:
		return of_value(setup->feature[step->feature.which].on,
				step->feature.before, step->feature.after);
	case DRX_STEP_RINGS:
		return of_rings(step, setup);
	case DRX_STEP_RSS:
		return of_rss(step, setup);
	default:
		return of_rule(step, setup);
	}
}

static const char *split_word(uint8_t split)
{
	switch (split) {
	case DRX_ETHTOOL_TCP_DATA_SPLIT_ENABLED:
		return "on";
	case DRX_ETHTOOL_TCP_DATA_SPLIT_DISABLED:
		return "off";
	default:
		return "auto";
	}
}

static int rings_text(const struct drx_step *step, const char *ifname,
		      bool undo, char *buf, size_t len)
{
	const uint32_t thresh =
		undo ? step->rings.thresh_before : step->rings.thresh_after;
	const char *split = split_word(undo ? step->rings.split_before :
					      step->rings.split_after);
	char tail[32] = "";

	if (step->rings.thresh_before != step->rings.thresh_after)
		(void)snprintf(tail, sizeof(tail), " hds-thresh %" PRIu32,
			       thresh);
	return snprintf(buf, len, "ethtool -G %s tcp-data-split %s%s", ifname,
			split, tail);
}

/* Entries per queue, as weights: what ethtool can say of a table. */
static int weights_text(const uint32_t *indir, uint32_t nr, const char *ifname,
			char *buf, size_t len)
{
	uint32_t last = 0, count;
	int at = snprintf(buf, len, "ethtool -X %s weight", ifname);

	for (uint32_t i = 0; i < nr; i++)
		if (indir[i] > last)
			last = indir[i];
	for (uint32_t queue = 0; queue <= last; queue++) {
		count = 0;
		for (uint32_t i = 0; i < nr; i++)
			count += indir[i] == queue;
		at += snprintf(at < (int)len ? buf + at : NULL,
			       at < (int)len ? len - (size_t)at : 0,
			       " %" PRIu32, count);
	}
	return at;
}

static int rss_text(const struct drx_step *step, const char *ifname, bool undo,
		    char *buf, size_t len)
{
	const uint32_t *indir = step->rss.after + (undo ? step->rss.nr : 0);
	const uint32_t nr = undo ? step->rss.nr_before : step->rss.nr;
	uint32_t queues = 0;

	if (!nr)
		return snprintf(buf, len, "ethtool -X %s default", ifname);
	for (uint32_t i = 0; i < nr; i++)
		if (indir[i] >= queues)
			queues = indir[i] + 1;
	if (drx_indir_is_equal(indir, nr, queues))
		return snprintf(buf, len, "ethtool -X %s equal %" PRIu32,
				ifname, queues);
	return weights_text(indir, nr, ifname, buf, len);
}

static int rule_text(const struct drx_step *step, const char *ifname, bool undo,
		     char *buf, size_t len)
{
	char place[32] = "";

	if (undo && step->rule.location == UINT32_MAX)
		return snprintf(buf, len, "ethtool -n %s", ifname);
	if (undo)
		return snprintf(buf, len, "ethtool -N %s delete %" PRIu32,
				ifname, step->rule.location);
	if (step->rule.location != UINT32_MAX)
		(void)snprintf(place, sizeof(place), " loc %" PRIu32,
			       step->rule.location);
	return snprintf(buf, len,
			"ethtool -N %s flow-type tcp%u dst-port %u action "
			"%" PRIu32 "%s",
			ifname, step->rule.family, step->rule.port, step->queue,
			place);
}

int drx_step_text(const struct drx_step *step, const char *ifname, bool undo,
		  char *buf, size_t len)
{
	if (!drx_nic_is_plain(ifname))
		return snprintf(buf, len, "%s", "");
	switch (step->kind) {
	case DRX_STEP_CHANNELS:
		return snprintf(buf, len, "ethtool -L %s %s %" PRIu32, ifname,
				step->channels.combined ? "combined" : "rx",
				undo ? step->channels.before :
				       step->channels.after);
	case DRX_STEP_FEATURE:
		return snprintf(buf, len, "ethtool -K %s %s %s", ifname,
				drx_feature_name(step->feature.which),
				(undo ? step->feature.before :
					step->feature.after) ?
					"on" :
					"off");
	case DRX_STEP_RINGS:
		return rings_text(step, ifname, undo, buf, len);
	case DRX_STEP_RSS:
		return rss_text(step, ifname, undo, buf, len);
	default:
		return rule_text(step, ifname, undo, buf, len);
	}
}
