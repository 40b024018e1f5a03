// SPDX-License-Identifier: MIT
/*
 * Which queue, and what has to change for it.
 *
 * The order is the drivers': queues before what refers to them; hardware GRO
 * before the split, where mlx5 has the one depend on the other; the queue leaves
 * RSS before rules lead to it, so that no other traffic meets a provider; rules
 * last. What is right already is left alone.
 */
#include "nic/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <devrx/queue.h>

#include "nic/look.h"
#include "nic/uapi_netdev.h"
#include "util/cause.h"

static bool is_wanted(const struct drx_want *want, const struct drx_rule *rule)
{
	if (!rule->family)
		return false;
	for (uint32_t i = 0; i < want->nr_ports; i++)
		if (want->ports[i] == rule->port)
			return true;
	return false;
}

/* A rule that brings others' traffic to the queue. */
static bool has_foreign_rule(const struct drx_setup *setup,
			     const struct drx_want *want, uint32_t queue)
{
	for (uint32_t i = 0; i < setup->nr_rules; i++)
		if (setup->rules[i].queue == queue &&
		    !is_wanted(want, &setup->rules[i]))
			return true;
	return false;
}

static bool is_taken(const struct drx_want *want, uint32_t queue)
{
	return want->taken && queue < DRX_SETUP_QUEUES_MAX &&
	       want->taken[queue];
}

static int fail_range(const struct drx_setup *setup, uint32_t queue,
		      struct devrx_cause *cause)
{
	char next[96] = "";

	if (drx_nic_is_plain(setup->ifname))
		(void)snprintf(next, sizeof(next), "ethtool -l %s",
			       setup->ifname);
	return drx_fail(cause, -ERANGE, "queue-range", next,
			"rx queue %" PRIu32 " of NIC %s asked for, which has "
			"%" PRIu32 " and can have %" PRIu32
			"; one at least is for all other traffic",
			queue, setup->ifname, drx_setup_queues(setup),
			drx_setup_queues_max(setup));
}

static int choose_last(uint32_t *ret, const struct drx_setup *setup,
		       const struct drx_want *want, struct devrx_cause *cause)
{
	const uint32_t nr = drx_setup_queues(setup);

	for (uint32_t queue = nr; queue-- > 1;) {
		if (queue < DRX_SETUP_QUEUES_MAX && !setup->used[queue] &&
		    !is_taken(want, queue) &&
		    !has_foreign_rule(setup, want, queue)) {
			*ret = queue;
			return 0;
		}
	}
	*ret = nr ? nr : 1;
	if (*ret < drx_setup_queues_max(setup))
		return 0;
	if (nr < 2)
		return fail_range(setup, 1, cause);
	return drx_fail(
		cause, -EBUSY, "queue-taken", "devrx status",
		"each of NIC %s's rx queues but the first is in use: by "
		"a provider, an AF_XDP socket, a reservation or a flow "
		"rule",
		setup->ifname);
}

static int choose_index(const struct drx_setup *setup,
			const struct drx_want *want, uint32_t queue,
			struct devrx_cause *cause)
{
	if (queue >= drx_setup_queues(setup) &&
	    queue >= drx_setup_queues_max(setup))
		return fail_range(setup, queue, cause);
	if (!queue && drx_setup_queues(setup) < 2 &&
	    drx_setup_queues_max(setup) < 2)
		return fail_range(setup, queue, cause);
	if (is_taken(want, queue))
		return drx_fail(cause, -EBUSY, "queue-taken", "devrx status",
				"rx queue %" PRIu32 " of NIC %s is reserved by "
				"another process",
				queue, setup->ifname);
	/* Rules of others that lead to it are wanted by whoever names it. */
	return 0;
}

static struct drx_step *add(struct drx_plan *plan, enum drx_step_kind kind)
{
	struct drx_step *step = &plan->steps[plan->nr++];

	step->kind = kind;
	step->queue = plan->queue;
	return step;
}

static uint32_t plan_channels(struct drx_plan *plan,
			      const struct drx_setup *setup)
{
	const uint32_t now = drx_setup_queues(setup);
	const bool combined = setup->channels.combined_max > 0;
	struct drx_step *step;
	uint32_t total = plan->queue + 1;

	if (total < 2)
		total = 2;
	if (total <= now)
		return now;
	step = add(plan, DRX_STEP_CHANNELS);
	step->channels.combined = combined;
	step->channels.before =
		combined ? setup->channels.combined : setup->channels.rx;
	step->channels.after = step->channels.before + (total - now);
	return total;
}

static void plan_feature(struct drx_plan *plan, const struct drx_setup *setup,
			 enum drx_feature which)
{
	struct drx_step *step;

	if (!setup->feature[which].can || setup->feature[which].on)
		return;
	step = add(plan, DRX_STEP_FEATURE);
	step->feature.which = which;
	step->feature.after = true;
}

static void plan_rings(struct drx_plan *plan, const struct drx_setup *setup)
{
	const bool on = setup->split == DRX_ETHTOOL_TCP_DATA_SPLIT_ENABLED;
	const bool thresh =
		setup->hds_thresh && setup->hds_thresh != UINT32_MAX;
	struct drx_step *step;

	if (on && !thresh)
		return;
	/* mlx5 refuses the split without it (mlx5e_set_ringparam()). */
	if (!on && !strcmp(setup->driver, "mlx5_core"))
		plan_feature(plan, setup, DRX_FEATURE_GRO_HW);
	step = add(plan, DRX_STEP_RINGS);
	step->rings.split_before = setup->split;
	step->rings.split_after = DRX_ETHTOOL_TCP_DATA_SPLIT_ENABLED;
	step->rings.thresh_before = setup->hds_thresh;
	step->rings.thresh_after = thresh ? 0 : setup->hds_thresh;
}

/* Which queues may get what the reserved one had: those that the table has, or if
 * there are none, all that nobody has. */
static uint32_t others(uint32_t *ret, const struct drx_plan *plan,
		       const struct drx_setup *setup, const uint32_t *indir,
		       uint32_t total, bool own)
{
	bool has[DRX_SETUP_QUEUES_MAX] = { false };
	uint32_t nr = 0;

	for (uint32_t i = 0; !own && i < setup->nr_indir; i++)
		if (indir[i] < DRX_SETUP_QUEUES_MAX)
			has[indir[i]] = true;
	for (uint32_t queue = 0; queue < total && queue < DRX_SETUP_QUEUES_MAX;
	     queue++)
		if (queue != plan->queue &&
		    (own ? !setup->used[queue] : has[queue]))
			ret[nr++] = queue;
	if (!nr)
		ret[nr++] = plan->queue ? 0 : 1;
	return nr;
}

/* Only what led to the queue moves; a driver's own table becomes one that ethtool
 * could make, where the queue is the last. */
static int plan_rss(struct drx_plan *plan, const struct drx_setup *setup,
		    uint32_t total)
{
	const uint32_t nr = setup->nr_indir;
	const bool own =
		drx_indir_is_equal(setup->indir, nr, drx_setup_queues(setup));
	uint32_t free_queues[DRX_SETUP_QUEUES_MAX];
	uint32_t nr_free, moved = 0;
	struct drx_step *step;
	uint32_t *after;
	bool has = false;

	if (!nr)
		return 0;
	after = calloc(own ? nr : 2ul * nr, sizeof(*after));
	if (!after)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++) {
		after[i] = own ? i % total : setup->indir[i];
		has |= after[i] == plan->queue;
	}
	if (!has) {
		free(after);
		return 0;
	}
	nr_free = others(free_queues, plan, setup, after, total, own);
	for (uint32_t i = 0; i < nr; i++) {
		if (own && plan->queue == total - 1 && nr_free == total - 1)
			after[i] = i % (total - 1);
		else if (after[i] == plan->queue)
			after[i] = free_queues[moved++ % nr_free];
	}
	step = add(plan, DRX_STEP_RSS);
	step->rss.nr = nr;
	step->rss.nr_before = own ? 0 : nr;
	step->rss.after = after;
	if (!own)
		memcpy(after + nr, setup->indir, nr * sizeof(*after));
	return 0;
}

/* From the end, as ethtool does: the least urgent place. */
static uint32_t free_location(const struct drx_plan *plan,
			      const struct drx_setup *setup)
{
	bool taken;

	for (uint32_t location = setup->rule_table; location-- > 0;) {
		taken = false;
		for (uint32_t i = 0; i < setup->nr_rules && !taken; i++)
			taken = setup->rules[i].location == location;
		for (uint32_t i = 0; i < plan->nr && !taken; i++)
			taken = plan->steps[i].kind == DRX_STEP_RULE &&
				plan->steps[i].rule.location == location;
		if (!taken)
			return location;
	}
	return UINT32_MAX; /* the driver says that it is full */
}

static int plan_rule(struct drx_plan *plan, const struct drx_setup *setup,
		     uint8_t family, uint16_t port, struct devrx_cause *cause)
{
	const struct drx_rule *rule;
	struct drx_step *step;
	char next[96] = "";

	for (uint32_t i = 0; i < setup->nr_rules; i++) {
		rule = &setup->rules[i];
		if (rule->family != family || rule->port != port)
			continue;
		if (rule->queue == plan->queue)
			return 0;
		if (drx_nic_is_plain(setup->ifname))
			(void)snprintf(next, sizeof(next),
				       "ethtool -N %s delete %" PRIu32,
				       setup->ifname, rule->location);
		return drx_fail(cause, -EBUSY, "port-steered", next,
				"flow rule %" PRIu32
				" of NIC %s leads TCP port "
				"%u elsewhere than to rx queue %" PRIu32,
				rule->location, setup->ifname, port,
				plan->queue);
	}
	step = add(plan, DRX_STEP_RULE);
	step->rule.family = family;
	step->rule.port = port;
	step->rule.queue = plan->queue;
	step->rule.location = UINT32_MAX;
	if (!setup->picks_location)
		step->rule.location = free_location(plan, setup);
	return 0;
}

static int plan_rules(struct drx_plan *plan, const struct drx_setup *setup,
		      const struct drx_want *want, struct devrx_cause *cause)
{
	int ret = 0;

	if (!want->nr_ports)
		return 0;
	if (!setup->has_rules)
		return drx_fail(cause, -EOPNOTSUPP, "nic-steering",
				"take a NIC with flow rules (ethtool -n), or "
				"one whose queues all go to the receiver",
				"NIC %s (driver %s) has no flow rules, so a "
				"port cannot be brought to one of its queues",
				setup->ifname, setup->driver);
	plan_feature(plan, setup, DRX_FEATURE_NTUPLE);
	for (uint32_t i = 0; i < want->nr_ports && !ret; i++) {
		ret = plan_rule(plan, setup, 4, want->ports[i], cause);
		if (!ret)
			ret = plan_rule(plan, setup, 6, want->ports[i], cause);
	}
	return ret;
}

int drx_plan_make(struct drx_plan *ret_plan, const struct drx_setup *setup,
		  const struct drx_want *want, struct devrx_cause *cause)
{
	struct drx_plan plan = { .queue = want->index };
	uint32_t total;
	int ret;

	if (want->index == DEVRX_QUEUE_LAST)
		ret = choose_last(&plan.queue, setup, want, cause);
	else
		ret = choose_index(setup, want, plan.queue, cause);
	if (ret)
		return ret;
	/* Channels, two features, rings, RSS; two rules for each port. */
	plan.steps = calloc(5ul + 2ul * want->nr_ports, sizeof(*plan.steps));
	if (!plan.steps)
		return drx_fail_os(cause, -ENOMEM, "drx_plan_make");
	total = plan_channels(&plan, setup);
	plan_rings(&plan, setup);
	ret = plan_rss(&plan, setup, total);
	if (ret)
		(void)drx_fail_os(cause, ret, "drx_plan_make");
	else
		ret = plan_rules(&plan, setup, want, cause);
	if (ret) {
		drx_plan_free(&plan);
		return ret;
	}
	*ret_plan = plan;
	return 0;
}

void drx_plan_free(struct drx_plan *plan)
{
	for (uint32_t i = 0; i < plan->nr; i++)
		drx_step_free(&plan->steps[i]);
	free(plan->steps);
	plan->steps = NULL;
	plan->nr = 0;
}
