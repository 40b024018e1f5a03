/* SPDX-License-Identifier: MIT */
/*
 * A NIC in memory that refuses what a driver refuses, for plans and journals. Its
 * twin is the softnic in the VM; the other drivers' rules are from their sources
 * (Linux 7.3) and were not seen on hardware.
 */
#ifndef NIC_FAKE_H
#define NIC_FAKE_H

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

extern "C" {
#include "nic/plan.h"
#include "nic/reserve.h"
#include "nic/uapi_netdev.h"
}

namespace nic
{

constexpr uint8_t split_auto = DRX_ETHTOOL_TCP_DATA_SPLIT_UNKNOWN;
constexpr uint8_t split_off = DRX_ETHTOOL_TCP_DATA_SPLIT_DISABLED;
constexpr uint8_t split_on = DRX_ETHTOOL_TCP_DATA_SPLIT_ENABLED;

/* What ethtool shows of it. */
struct State {
	drx_channels channels{};
	uint8_t split = split_off;
	uint32_t thresh = UINT32_MAX;
	bool ntuple = true, gro_hw = false;
	std::vector<uint32_t> indir;
	bool own_table = true; /* follows the number of queues */
	struct Rule {
		uint32_t location, queue;
		uint8_t family;
		uint16_t port;
		bool operator==(const Rule &o) const
		{
			return location == o.location && queue == o.queue &&
			       family == o.family && port == o.port;
		}
	};
	std::vector<Rule> rules;

	bool operator==(const State &o) const
	{
		return channels.combined == o.channels.combined &&
		       channels.rx == o.channels.rx && split == o.split &&
		       thresh == o.thresh && ntuple == o.ntuple &&
		       gro_hw == o.gro_hw && indir == o.indir &&
		       own_table == o.own_table && rules == o.rules;
	}
};

class FakeNic
{
      public:
	explicit FakeNic(const char *driver, uint32_t queues, uint32_t max,
			 uint32_t table = 128)
	    : driver(driver)
	{
		now.channels.combined = queues;
		now.channels.combined_max = max;
		now.indir.resize(table);
		spread();
	}

	State now;
	std::string driver;
	bool picks_location = true, has_rules = true, can_ntuple = true,
	     can_gro_hw = false;
	/* mlx5: the split needs hardware GRO. */
	bool split_needs_gro_hw = false;
	std::vector<bool> used = std::vector<bool>(DRX_SETUP_QUEUES_MAX);
	bool gone = false;
	/* Called before and after each change; what it returns, if not 0, is the
	 * answer. */
	std::function<int(const drx_step &, bool undo, bool after)> on_make;
	std::function<int()> on_read;

	void spread()
	{
		const uint32_t nr = now.channels.combined + now.channels.rx;

		for (size_t i = 0; i < now.indir.size(); i++)
			now.indir[i] = uint32_t(i % nr);
	}

	drx_setup *setup() const
	{
		drx_setup *s = static_cast<drx_setup *>(calloc(1, sizeof(*s)));

		s->ifindex = 7;
		snprintf(s->ifname, sizeof(s->ifname), "eth0");
		snprintf(s->driver, sizeof(s->driver), "%s", driver.c_str());
		s->channels = now.channels;
		s->split = now.split;
		s->hds_thresh = now.thresh;
		s->feature[DRX_FEATURE_NTUPLE] = { can_ntuple, now.ntuple };
		s->feature[DRX_FEATURE_GRO_HW] = { can_gro_hw, now.gro_hw };
		s->nr_indir = uint32_t(now.indir.size());
		for (size_t i = 0; i < now.indir.size(); i++)
			s->indir[i] = now.indir[i];
		s->has_rules = has_rules;
		s->picks_location = picks_location;
		s->rule_table = 1024;
		s->nr_rules = uint32_t(now.rules.size());
		s->rules = static_cast<drx_rule *>(
			calloc(now.rules.size() + 1, sizeof(drx_rule)));
		for (size_t i = 0; i < now.rules.size(); i++)
			s->rules[i] = { now.rules[i].location,
					now.rules[i].queue, now.rules[i].family,
					now.rules[i].port };
		for (size_t i = 0; i < used.size(); i++)
			s->used[i] = used[i];
		return s;
	}

	drx_nic_io io()
	{
		return { read, make, nap, this };
	}

	unsigned naps = 0;
	uint32_t next_place = 100;

      private:
	static int read(void *ctx, drx_setup **ret, devrx_cause *)
	{
		FakeNic *nic = static_cast<FakeNic *>(ctx);
		const int err = nic->on_read ? nic->on_read() : 0;

		if (nic->gone)
			return -ENODEV;
		if (!err)
			*ret = nic->setup();
		return err;
	}

	static bool nap(void *ctx, unsigned round)
	{
		FakeNic *nic = static_cast<FakeNic *>(ctx);

		nic->naps++;
		if (round == 3) /* the kernel has worked off the ring's end */
			nic->used.assign(nic->used.size(), false);
		return round < 10;
	}

	int channels(const drx_step &s, bool undo)
	{
		uint32_t nr = undo ? s.channels.before : s.channels.after;

		if (!nr || nr > now.channels.combined_max)
			return -EINVAL;
		/* net/ethtool/common.c */
		for (const State::Rule &rule : now.rules)
			if (rule.queue >= nr)
				return -EINVAL;
		for (uint32_t queue = nr; queue < used.size(); queue++)
			if (used[queue])
				return -EINVAL;
		for (uint32_t entry : now.indir)
			if (!now.own_table && entry >= nr)
				return -EINVAL;
		now.channels.combined = nr;
		if (now.own_table)
			spread();
		return 0;
	}

	int rings(const drx_step &s, bool undo)
	{
		const uint8_t split =
			undo ? s.rings.split_before : s.rings.split_after;

		if (split == split_on && split_needs_gro_hw && !now.gro_hw)
			return -EINVAL;
		/* net/ethtool/rings.c */
		for (bool bound : used)
			if (bound && split != split_on)
				return -EINVAL;
		now.split = split;
		if (s.rings.thresh_before != s.rings.thresh_after)
			now.thresh = undo ? s.rings.thresh_before :
					    s.rings.thresh_after;
		return 0;
	}

	int feature(const drx_step &s, bool undo)
	{
		const bool on = undo ? s.feature.before : s.feature.after;

		if (s.feature.which == DRX_FEATURE_NTUPLE) {
			now.ntuple = on;
			if (!on)
				now.rules.clear();
			return 0;
		}
		if (!on && split_needs_gro_hw && now.split == split_on)
			return -EINVAL;
		now.gro_hw = on;
		return 0;
	}

	int rss(const drx_step &s, bool undo)
	{
		const uint32_t nr = undo ? s.rss.nr_before : s.rss.nr;
		const uint32_t *from = s.rss.after + (undo ? s.rss.nr : 0);

		now.own_table = !nr;
		if (!nr) {
			spread();
			return 0;
		}
		for (uint32_t i = 0; i < nr; i++) {
			if (from[i] >= now.channels.combined)
				return -EINVAL;
			now.indir[i] = from[i];
		}
		return 0;
	}

	int rule(drx_step &s, bool undo)
	{
		if (undo) {
			for (size_t i = 0; i < now.rules.size(); i++) {
				if (now.rules[i].location != s.rule.location)
					continue;
				now.rules.erase(now.rules.begin() + long(i));
				return 0;
			}
			return -ENOENT;
		}
		if (!now.ntuple)
			return -EOPNOTSUPP;
		if (s.rule.location == UINT32_MAX) {
			if (!picks_location)
				return -ENOSPC;
			s.rule.location = next_place++;
		}
		now.rules.push_back({ s.rule.location, s.rule.queue,
				      s.rule.family, s.rule.port });
		return 0;
	}

	static int make(void *ctx, drx_step *s, bool undo, char *why,
			size_t len)
	{
		FakeNic *nic = static_cast<FakeNic *>(ctx);
		int err = nic->on_make ? nic->on_make(*s, undo, false) : 0;

		why[0] = '\0';
		if (!err && s->kind == DRX_STEP_CHANNELS)
			err = nic->channels(*s, undo);
		else if (!err && s->kind == DRX_STEP_RINGS)
			err = nic->rings(*s, undo);
		else if (!err && s->kind == DRX_STEP_FEATURE)
			err = nic->feature(*s, undo);
		else if (!err && s->kind == DRX_STEP_RSS)
			err = nic->rss(*s, undo);
		else if (!err)
			err = nic->rule(*s, undo);
		if (err)
			snprintf(why, len, "the driver's sentence");
		if (!err && nic->on_make)
			err = nic->on_make(*s, undo, true);
		return err;
	}
};

/* As they come, with one or several queues. */
inline FakeNic softnic(uint32_t queues = 4)
{
	FakeNic nic("devrx_softnic", queues, 16);

	nic.now.thresh = 0;
	return nic;
}

inline FakeNic mlx5()
{
	FakeNic nic("mlx5_core", 8, 8);

	nic.now.split = split_auto;
	nic.split_needs_gro_hw = nic.can_gro_hw = true;
	nic.picks_location = false;
	return nic;
}

inline FakeNic bnxt()
{
	FakeNic nic("bnxt_en", 8, 74);

	nic.now.thresh = 256;
	nic.now.ntuple = false;
	return nic;
}

inline FakeNic gve()
{
	FakeNic nic("gve", 1, 16);

	nic.now.ntuple = false;
	nic.picks_location = false;
	return nic;
}

inline FakeNic fbnic()
{
	FakeNic nic("fbnic", 2, 32, 256);

	nic.now.thresh = 1536;
	nic.picks_location = false;
	return nic;
}

} /* namespace nic */

#endif /* NIC_FAKE_H */
