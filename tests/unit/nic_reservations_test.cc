// SPDX-License-Identifier: MIT
/* Reservations from outside: bad arguments, NICs that cannot, guards that are none. */
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" {
#include <devrx/devrx.h>

#include "nic/guard.h"
}

namespace
{

using Lines = std::vector<std::string>;

void collect(void *ctx, const char *command)
{
	static_cast<Lines *>(ctx)->push_back(command);
}

TEST(NicReservations, APlanForANicThatCannot)
{
	struct devrx_queue_opts opts = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_cause cause = {};
	Lines commands;

	EXPECT_EQ(devrx_queue_plan(nullptr, collect, &commands), -EINVAL);
	opts.ifname = "lo";
	opts.cause = &cause;
	EXPECT_EQ(devrx_queue_plan(&opts, collect, &commands), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "nic-unsupported");
	/* To make it ready is refused for the same, before anything is changed. */
	struct devrx_queue *q = nullptr;
	opts.flags = DEVRX_QUEUE_F_CONFIGURE;
	EXPECT_EQ(devrx_queue_reserve(&q, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "nic-unsupported");
	opts.ifname = "no-such-nic";
	EXPECT_EQ(devrx_queue_plan(&opts, collect, &commands), -ENODEV);
	EXPECT_STREQ(cause.id, "nic-missing");
	EXPECT_TRUE(commands.empty());
	EXPECT_EQ(q, nullptr);
}

TEST(NicReservations, Ports)
{
	const uint16_t ports[DEVRX_QUEUE_PORTS_MAX + 1] = { 1, 2, 0 };
	struct devrx_queue_opts opts = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_cause cause = {};

	opts.ifname = "lo";
	opts.cause = &cause;
	for (uint32_t nr : { 1u, 3u, DEVRX_QUEUE_PORTS_MAX + 1u }) {
		opts.nr_ports = nr;
		opts.ports = nr == 1 ? nullptr : ports;
		EXPECT_EQ(devrx_queue_plan(&opts, nullptr, nullptr), -EINVAL);
		EXPECT_STREQ(cause.id, "opts-invalid");
	}
	opts.ports = ports;
	opts.nr_ports = 2;
	EXPECT_EQ(devrx_queue_plan(&opts, nullptr, nullptr), -EOPNOTSUPP);
	opts.reserved = 1;
	EXPECT_EQ(devrx_queue_plan(&opts, nullptr, nullptr), -EINVAL);
}

TEST(NicReservations, UndoAndList)
{
	struct devrx_cause cause = {};

	EXPECT_EQ(devrx_queue_undo(nullptr, 2, nullptr, nullptr, &cause),
		  -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	EXPECT_EQ(devrx_queue_undo("no-such-nic", 0, nullptr, nullptr, &cause),
		  -ENODEV);
	EXPECT_STREQ(cause.id, "nic-missing");
	EXPECT_EQ(devrx_queue_list(nullptr, nullptr, &cause), -EINVAL);
}

struct Check {
	std::string id;
	enum devrx_check state;
	std::string next;
};

void note(void *ctx, enum devrx_check state, const struct devrx_cause *line)
{
	static_cast<std::vector<Check> *>(ctx)->push_back(
		{ line->id, state, line->next });
}

TEST(NicReservations, Diagnose)
{
	struct devrx_queue_opts opts = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_cause cause = {};
	std::vector<Check> lines;

	opts.ifname = "lo";
	opts.cause = &cause;
	EXPECT_EQ(devrx_queue_diagnose(&opts, 0, nullptr, nullptr), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	EXPECT_EQ(devrx_queue_diagnose(&opts, 2, note, &lines), -EINVAL);
	EXPECT_TRUE(lines.empty());
	EXPECT_EQ(devrx_queue_diagnose(&opts, DEVRX_CHECK_F_PCI, note, &lines),
		  2);
	ASSERT_EQ(lines.size(), 3u);
	EXPECT_EQ(lines[0].id, "nic-missing");
	EXPECT_EQ(lines[0].state, DEVRX_CHECK_PASS);
	EXPECT_EQ(lines[1].id, "nic-not-pci");
	EXPECT_EQ(lines[1].state, DEVRX_CHECK_FAIL);
	EXPECT_EQ(lines[2].id, "nic-unsupported");
	EXPECT_EQ(lines[2].state, DEVRX_CHECK_FAIL);
	lines.clear();
	opts.ifname = "no-such-nic";
	EXPECT_EQ(devrx_queue_diagnose(&opts, 0, note, &lines), 1);
	ASSERT_EQ(lines.size(), 1u);
	EXPECT_EQ(lines[0].next, "ip -brief link");
}

TEST(NicGuard, ThatCannotBeStarted)
{
	struct devrx_cause cause = {};
	struct drx_owner me = {};
	int fd = -1;

	ASSERT_EQ(drx_owner_self(&me, 0), 0);
	EXPECT_EQ(drx_guard_start(&fd, "/no/such/program", &me, 1, &cause),
		  -ENOENT);
	EXPECT_STREQ(cause.id, "guard-failed");
	EXPECT_NE(strstr(cause.text, "/no/such/program guard"), nullptr);
	EXPECT_EQ(drx_guard_start(&fd, "/bin/false", &me, 1, &cause), -ECHILD);
	EXPECT_NE(strstr(cause.text, "ended at once"), nullptr);
	EXPECT_EQ(fd, -1);
	/* One that is not there any more when it is told to end. */
	EXPECT_EQ(drx_guard_start(&fd, "/bin/true", &me, 1, &cause), 0);
	ASSERT_GE(fd, 0);
	drx_guard_end(fd);
}

TEST(NicGuard, BadArguments)
{
	char self[] = "devrx", verb[] = "guard", pid[] = "1", bad[] = "x1",
	     nic[] = "1";
	char *few[] = { self, verb, pid, nullptr };
	char *wrong[] = { self, verb, pid, bad, nic, nullptr };

	EXPECT_EQ(devrx_guard(3, few), 2);
	EXPECT_EQ(devrx_guard(5, wrong), 2);
}

} /* namespace */
