// SPDX-License-Identifier: MIT
/* From what was read about a NIC to errno, cause and next command. */
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include <linux/if_link.h>

extern "C" {
#include "nic/look.h"
}

namespace
{

/* A NIC with which nothing is wrong; each case spoils it. */
struct drx_look good()
{
	struct drx_look look = {};

	look.ifindex = 7;
	look.index = 3;
	look.nr_queues = 4;
	look.max_queues = 8;
	look.split_support = DRX_SPLIT_REPORTED;
	look.data_split = DEVRX_DATA_SPLIT_ON;
	look.hds_thresh = 0;
	look.user = DEVRX_QUEUE_USER_NONE;
	look.up = true;
	snprintf(look.ifname, sizeof(look.ifname), "eth0");
	snprintf(look.driver, sizeof(look.driver), "bnxt_en");
	return look;
}

void driver(struct drx_look *look, const char *name)
{
	snprintf(look->driver, sizeof(look->driver), "%s", name);
}

void rename(struct drx_look *look, const char *name)
{
	snprintf(look->ifname, sizeof(look->ifname), "%s", name);
}

struct JudgeCase {
	const char *name;
	void (*spoil)(struct drx_look *look);
	int err;
	const char *id;
	const char *next;
	const char *in_text;
};

const JudgeCase judge_cases[] = {
	{ "Good", [](struct drx_look *) {}, 0, "", "", "" },
	{ "NothingKnown",
	  [](struct drx_look *l) {
		  l->split_support = DRX_SPLIT_UNKNOWN;
		  l->data_split = DEVRX_DATA_SPLIT_UNKNOWN;
		  l->hds_thresh = UINT32_MAX;
		  l->nr_queues = l->max_queues = 0;
		  l->user = DEVRX_QUEUE_USER_UNKNOWN;
	  },
	  0, "", "", "" },
	{ "ThresholdNotReported",
	  [](struct drx_look *l) { l->hds_thresh = UINT32_MAX; }, 0, "", "",
	  "" },
	{ "SomebodyElseHasIt",
	  [](struct drx_look *l) { l->user = DEVRX_QUEUE_USER_IO_URING; }, 0,
	  "", "", "" },
	{ "Down", [](struct drx_look *l) { l->up = false; }, 0, "", "", "" },
	{ "Netkit",
	  [](struct drx_look *l) {
		  l->split_support = DRX_SPLIT_NONE;
		  l->data_split = DEVRX_DATA_SPLIT_UNKNOWN;
		  l->hds_thresh = UINT32_MAX;
		  driver(l, "netkit");
	  },
	  0, "", "", "" },
	{ "NoSplitAtAll",
	  [](struct drx_look *l) {
		  l->split_support = DRX_SPLIT_NONE;
		  driver(l, "veth");
	  },
	  -EOPNOTSUPP, "nic-unsupported",
	  "take a NIC whose driver takes memory providers: mlx5, bnxt, gve, "
	  "fbnic or devrx_softnic",
	  "driver veth" },
	{ "NoSplitAndNoDriverName",
	  [](struct drx_look *l) {
		  l->split_support = DRX_SPLIT_NONE;
		  driver(l, "");
	  },
	  -EOPNOTSUPP, "nic-unsupported",
	  "take a NIC whose driver takes memory providers: mlx5, bnxt, gve, "
	  "fbnic or devrx_softnic",
	  "driver unknown" },
	{ "FirstQueueTooMany", [](struct drx_look *l) { l->index = 4; },
	  -ERANGE, "queue-range", "ethtool -L eth0 combined 5", "0 to 3" },
	{ "BeyondWhatTheDriverHas", [](struct drx_look *l) { l->index = 8; },
	  -ERANGE, "queue-range", "ethtool -l eth0", "0 to 3" },
	{ "BeyondWhatADownNicHas",
	  [](struct drx_look *l) {
		  l->index = 8;
		  l->nr_queues = 0;
		  l->up = false;
	  },
	  -ERANGE, "queue-range", "ethtool -l eth0", "0 to 7" },
	{ "LastOfADownNic",
	  [](struct drx_look *l) {
		  l->index = DEVRX_QUEUE_LAST;
		  l->nr_queues = 0;
		  l->up = false;
	  },
	  -ENETDOWN, "nic-down", "ip link set dev eth0 up", "down" },
	{ "LastOfASilentNic",
	  [](struct drx_look *l) {
		  l->index = DEVRX_QUEUE_LAST;
		  l->nr_queues = 0;
	  },
	  -ENETDOWN, "nic-down", "ask for a queue by its number", "how many" },
	{ "SplitOff",
	  [](struct drx_look *l) { l->data_split = DEVRX_DATA_SPLIT_OFF; },
	  -EINVAL, "hds-off", "ethtool -G eth0 tcp-data-split on", "is off" },
	{ "SplitAuto",
	  [](struct drx_look *l) { l->data_split = DEVRX_DATA_SPLIT_UNKNOWN; },
	  -EINVAL, "hds-off", "ethtool -G eth0 tcp-data-split on", "is auto" },
	{ "SplitOffAndThreshold",
	  [](struct drx_look *l) {
		  l->data_split = DEVRX_DATA_SPLIT_OFF;
		  l->hds_thresh = 256;
	  },
	  -EINVAL, "hds-off", "ethtool -G eth0 tcp-data-split on hds-thresh 0",
	  "is off" },
	{ "SplitOffOnMlx5",
	  [](struct drx_look *l) {
		  l->data_split = DEVRX_DATA_SPLIT_OFF;
		  driver(l, "mlx5_core");
	  },
	  -EINVAL, "hds-off",
	  "ethtool -K eth0 rx-gro-hw on && ethtool -G eth0 tcp-data-split on",
	  "is off" },
	{ "Threshold", [](struct drx_look *l) { l->hds_thresh = 256; }, -EINVAL,
	  "hds-thresh", "ethtool -G eth0 tcp-data-split on hds-thresh 0",
	  "256 bytes" },
	{ "XdpInTheDriver",
	  [](struct drx_look *l) { l->xdp = XDP_ATTACHED_DRV; }, -EEXIST,
	  "xdp-attached", "ip link set dev eth0 xdpdrv off", "XDP" },
	{ "XdpGeneric", [](struct drx_look *l) { l->xdp = XDP_ATTACHED_SKB; },
	  -EEXIST, "xdp-attached", "ip link set dev eth0 xdpgeneric off",
	  "XDP" },
	{ "XdpInTheHardware",
	  [](struct drx_look *l) { l->xdp = XDP_ATTACHED_HW; }, -EEXIST,
	  "xdp-attached", "ip link set dev eth0 xdpoffload off", "XDP" },
	{ "XdpSeveral", [](struct drx_look *l) { l->xdp = XDP_ATTACHED_MULTI; },
	  -EEXIST, "xdp-attached", "ip link set dev eth0 xdp off", "XDP" },
	/* The kernel's order: what it would say first. */
	{ "RangeBeforeSplit",
	  [](struct drx_look *l) {
		  l->index = 4;
		  l->data_split = DEVRX_DATA_SPLIT_OFF;
	  },
	  -ERANGE, "queue-range", "ethtool -L eth0 combined 5", "" },
	{ "ThresholdBeforeXdp",
	  [](struct drx_look *l) {
		  l->hds_thresh = 1;
		  l->xdp = XDP_ATTACHED_DRV;
	  },
	  -EINVAL, "hds-thresh",
	  "ethtool -G eth0 tcp-data-split on hds-thresh 0", "above 1 bytes" },
	{ "UnsupportedBeforeRange",
	  [](struct drx_look *l) {
		  l->split_support = DRX_SPLIT_NONE;
		  l->index = 99;
	  },
	  -EOPNOTSUPP, "nic-unsupported",
	  "take a NIC whose driver takes memory providers: mlx5, bnxt, gve, "
	  "fbnic or devrx_softnic",
	  "eth0" },
	/* A name that a shell would run gets no command. */
	{ "NameForAShell",
	  [](struct drx_look *l) {
		  l->data_split = DEVRX_DATA_SPLIT_OFF;
		  rename(l, "$(reboot)");
	  },
	  -EINVAL, "hds-off", "", "$(reboot)" },
	{ "NameLikeAnOption",
	  [](struct drx_look *l) {
		  l->index = 4;
		  rename(l, "-x");
	  },
	  -ERANGE, "queue-range", "", "-x" },
};

class NicJudge : public testing::TestWithParam<JudgeCase>
{
};

TEST_P(NicJudge, GivesErrnoCauseAndCommand)
{
	const JudgeCase &c = GetParam();
	struct devrx_cause cause = {};
	struct drx_look look = good();

	c.spoil(&look);
	EXPECT_EQ(drx_look_judge(&look, &cause), c.err);
	EXPECT_STREQ(cause.id, c.id);
	EXPECT_STREQ(cause.next, c.next);
	EXPECT_NE(std::string(cause.text).find(c.in_text), std::string::npos)
		<< cause.text;
	EXPECT_EQ(cause.text[0] != '\0', c.err != 0);
	EXPECT_LT(strlen(cause.text), sizeof(cause.text) - 1) << "cut off";
}

TEST_P(NicJudge, NeedsNoCause)
{
	struct drx_look look = good();

	GetParam().spoil(&look);
	EXPECT_EQ(drx_look_judge(&look, nullptr), GetParam().err);
}

INSTANTIATE_TEST_SUITE_P(All, NicJudge, testing::ValuesIn(judge_cases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* Memory that may be given to PCI devices only. */

struct BusCase {
	const char *name;
	const char *bus;
	int err;
	const char *in_text;
};

const BusCase bus_cases[] = {
	{ "Pci", "pci", 0, "" },
	{ "Platform", "platform", -EOPNOTSUPP, "on bus platform" },
	{ "SubFunction", "auxiliary", -EOPNOTSUPP, "on bus auxiliary" },
	{ "Longer", "pci-epf", -EOPNOTSUPP, "on bus pci-epf" },
	{ "Shorter", "pc", -EOPNOTSUPP, "on bus pc;" },
	{ "NoParent", "", -EOPNOTSUPP, "on bus none" },
};

class NicBus : public testing::TestWithParam<BusCase>
{
};

TEST_P(NicBus, OnlyPciIsPci)
{
	struct devrx_cause cause = {};
	struct drx_look look = good();

	snprintf(look.bus, sizeof(look.bus), "%s", GetParam().bus);
	EXPECT_EQ(drx_look_judge_pci(&look, &cause), GetParam().err);
	EXPECT_EQ(drx_look_judge_pci(&look, nullptr), GetParam().err);
	EXPECT_STREQ(cause.id, GetParam().err ? "nic-not-pci" : "");
	EXPECT_NE(std::string(cause.text).find(GetParam().in_text),
		  std::string::npos)
		<< cause.text;
}

TEST(NicBusText, LongestNamesAreNotCutOff)
{
	struct devrx_cause cause = {};
	struct drx_look look = good();

	memset(look.ifname, 'n', sizeof(look.ifname) - 1);
	memset(look.driver, 'd', sizeof(look.driver) - 1);
	memset(look.bus, 'b', sizeof(look.bus) - 1);
	EXPECT_EQ(drx_look_judge_pci(&look, &cause), -EOPNOTSUPP);
	EXPECT_LT(strlen(cause.text), sizeof(cause.text) - 1) << "cut off";
}

INSTANTIATE_TEST_SUITE_P(All, NicBus, testing::ValuesIn(bus_cases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} // namespace
