// SPDX-License-Identifier: MIT
/* From a NIC as it is to the commands that make it ready, and what is refused. */
#include <gtest/gtest.h>

#include <vector>

#include <devrx/queue.h>

#include "nic_fake.h"

namespace
{

using namespace nic;
using Lines = std::vector<std::string>;

struct Planned {
	int err;
	uint32_t queue;
	Lines commands;
	devrx_cause cause;
};

Planned plan(const FakeNic &nic, uint32_t index = DEVRX_QUEUE_LAST,
	     std::vector<uint16_t> ports = { 9000 },
	     const bool *taken = nullptr)
{
	const drx_want want = { index, ports.data(), uint32_t(ports.size()),
				taken };
	Planned p = {};
	drx_setup *setup = nic.setup();
	drx_plan plan = {};
	char text[8192];

	p.err = drx_plan_make(&plan, setup, &want, &p.cause);
	drx_setup_free(setup);
	if (p.err)
		return p;
	p.queue = plan.queue;
	for (uint32_t i = 0; i < plan.nr; i++) {
		drx_step_text(&plan.steps[i], "eth0", false, text,
			      sizeof(text));
		p.commands.push_back(text);
	}
	drx_plan_free(&plan);
	return p;
}

TEST(NicPlan, Softnic)
{
	const Planned p = plan(softnic());

	EXPECT_EQ(p.err, 0);
	EXPECT_EQ(p.queue, 3u);
	EXPECT_EQ(
		p.commands,
		(Lines{ "ethtool -G eth0 tcp-data-split on",
			"ethtool -X eth0 equal 3",
			"ethtool -N eth0 flow-type tcp4 dst-port 9000 action 3",
			"ethtool -N eth0 flow-type tcp6 dst-port 9000 action "
			"3" }));
}

TEST(NicPlan, OneQueueGetsASecond)
{
	const Planned p = plan(softnic(1));

	EXPECT_EQ(p.queue, 1u);
	EXPECT_EQ(p.commands[0], "ethtool -L eth0 combined 2");
	EXPECT_EQ(p.commands[2], "ethtool -X eth0 equal 1");
}

TEST(NicPlan, AnIndexBeyondGrowsTheNic)
{
	const Planned p = plan(softnic(), 6);

	EXPECT_EQ(p.queue, 6u);
	EXPECT_EQ(p.commands[0], "ethtool -L eth0 combined 7");
	EXPECT_EQ(p.commands[2], "ethtool -X eth0 equal 6");
}

TEST(NicPlan, Mlx5WantsHardwareGroFirst)
{
	const Planned p = plan(mlx5());

	EXPECT_EQ(p.commands[0], "ethtool -K eth0 rx-gro-hw on");
	EXPECT_EQ(p.commands[1], "ethtool -G eth0 tcp-data-split on");
	/* It picks no places: from the end, as ethtool does. */
	EXPECT_EQ(p.commands[3], "ethtool -N eth0 flow-type tcp4 dst-port 9000 "
				 "action 7 loc 1023");
	EXPECT_EQ(p.commands[4], "ethtool -N eth0 flow-type tcp6 dst-port 9000 "
				 "action 7 loc 1022");
}

TEST(NicPlan, BnxtHasAThresholdAndRulesThatAreOff)
{
	const Planned p = plan(bnxt());

	EXPECT_EQ(p.commands[0],
		  "ethtool -G eth0 tcp-data-split on hds-thresh 0");
	EXPECT_EQ(p.commands[2], "ethtool -K eth0 rx-ntuple-filter on");
}

TEST(NicPlan, NothingForANicThatIsRight)
{
	FakeNic nic = softnic();

	nic.now.split = split_on;
	nic.now.own_table = false;
	for (size_t i = 0; i < nic.now.indir.size(); i++)
		nic.now.indir[i] = i % 3;
	nic.now.rules = { { 5, 3, 4, 9000 }, { 6, 3, 6, 9000 } };
	EXPECT_EQ(plan(nic).commands, Lines());
	/* Only the other half of a pair. */
	nic.now.rules.pop_back();
	EXPECT_EQ(plan(nic).commands, (Lines{ "ethtool -N eth0 flow-type tcp6 "
					      "dst-port 9000 action 3" }));
	/* Only the threshold, and the split with it. */
	nic.now.thresh = 4;
	EXPECT_EQ(plan(nic, 3, {}).commands,
		  (Lines{ "ethtool -G eth0 tcp-data-split on hds-thresh 0" }));
}

/* What led elsewhere stays where it is. */
TEST(NicPlan, OnlyTheQueuesEntriesMove)
{
	FakeNic nic = softnic();
	const std::vector<uint16_t> ports;
	const drx_want want = { 3, ports.data(), 0, nullptr };
	drx_setup *setup;
	drx_plan made = {};

	nic.now.own_table = false;
	for (size_t i = 0; i < nic.now.indir.size(); i++)
		nic.now.indir[i] = i < 96 ? 1 : i < 100 ? 0 : 3;
	setup = nic.setup();
	ASSERT_EQ(drx_plan_make(&made, setup, &want, nullptr), 0);
	ASSERT_EQ(made.nr, 2u);
	const drx_step &step = made.steps[1];
	ASSERT_EQ(step.kind, DRX_STEP_RSS);
	for (uint32_t i = 0; i < 100; i++)
		EXPECT_EQ(step.rss.after[i], nic.now.indir[i]);
	/* Not to queue 2, which somebody has left out. */
	for (uint32_t i = 100; i < 128; i++)
		EXPECT_EQ(step.rss.after[i], i % 2);
	EXPECT_EQ(step.rss.nr_before, 128u);
	EXPECT_EQ(0, memcmp(step.rss.after + 128, nic.now.indir.data(),
			    128 * sizeof(uint32_t)));
	drx_plan_free(&made);
	drx_setup_free(setup);
}

TEST(NicPlan, AMiddleQueue)
{
	const Planned p = plan(softnic(), 1);

	/* 32 entries to share among three. */
	EXPECT_EQ(p.commands[1], "ethtool -X eth0 weight 43 0 43 42");
}

/* The first one, where it is the only one: all else goes to the second. */
TEST(NicPlan, QueueZero)
{
	const Planned p = plan(softnic(1), 0);

	EXPECT_EQ(p.queue, 0u);
	EXPECT_EQ(p.commands[0], "ethtool -L eth0 combined 2");
	EXPECT_EQ(p.commands[2], "ethtool -X eth0 weight 0 128");
}

/* One that has a provider gets nothing more. */
TEST(NicPlan, AQueueInUseGetsNoMore)
{
	FakeNic nic = softnic();

	nic.used[2] = true;
	EXPECT_EQ(plan(nic, 3).commands[1], "ethtool -X eth0 weight 48 48 32");
}

TEST(NicPlan, TheLastIsTheLastThatIsFree)
{
	bool taken[DRX_SETUP_QUEUES_MAX] = {};
	FakeNic nic = softnic();

	nic.used[3] = true;
	EXPECT_EQ(plan(nic).queue, 2u);
	taken[2] = true;
	EXPECT_EQ(plan(nic, DEVRX_QUEUE_LAST, { 9000 }, taken).queue, 1u);
	/* Somebody else's traffic goes there. */
	nic.now.rules = { { 5, 1, 4, 22 } };
	const Planned grown = plan(nic, DEVRX_QUEUE_LAST, { 9000 }, taken);
	EXPECT_EQ(grown.queue, 4u);
	EXPECT_EQ(grown.commands[0], "ethtool -L eth0 combined 5");
	nic.now.channels.combined_max = 4;
	const Planned none = plan(nic, DEVRX_QUEUE_LAST, { 9000 }, taken);
	EXPECT_EQ(none.err, -EBUSY);
	EXPECT_STREQ(none.cause.id, "queue-taken");
}

TEST(NicPlan, Refused)
{
	bool taken[DRX_SETUP_QUEUES_MAX] = {};
	FakeNic nic = softnic();
	Planned p = plan(nic, 16);

	EXPECT_EQ(p.err, -ERANGE);
	EXPECT_STREQ(p.cause.id, "queue-range");
	EXPECT_STREQ(p.cause.next, "ethtool -l eth0");

	taken[2] = true;
	p = plan(nic, 2, { 9000 }, taken);
	EXPECT_EQ(p.err, -EBUSY);
	EXPECT_STREQ(p.cause.id, "queue-taken");

	nic.now.rules = { { 5, 1, 4, 9000 } };
	p = plan(nic);
	EXPECT_EQ(p.err, -EBUSY);
	EXPECT_STREQ(p.cause.id, "port-steered");
	EXPECT_STREQ(p.cause.next, "ethtool -N eth0 delete 5");

	nic.now.rules.clear();
	nic.has_rules = false;
	p = plan(nic);
	EXPECT_EQ(p.err, -EOPNOTSUPP);
	EXPECT_STREQ(p.cause.id, "nic-steering");
	/* Who steers nothing needs no rules. */
	EXPECT_EQ(plan(nic, 3, {}).err, 0);

	/* The only queue is for all other traffic. */
	FakeNic alone("veth", 1, 1);
	for (uint32_t index : { DEVRX_QUEUE_LAST, 0u }) {
		p = plan(alone, index);
		EXPECT_EQ(p.err, -ERANGE);
		EXPECT_STREQ(p.cause.id, "queue-range");
	}
}

/* A name that a shell could misread gets no command. */
TEST(NicPlan, NoCommandForAStrangeName)
{
	FakeNic nic = softnic();
	drx_step step = {};
	char text[64] = "untouched";

	step.kind = DRX_STEP_CHANNELS;
	EXPECT_EQ(drx_step_text(&step, "$(reboot)", false, text, sizeof(text)),
		  0);
	EXPECT_STREQ(text, "");
}

} /* namespace */
