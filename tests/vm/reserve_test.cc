// SPDX-License-Identifier: MIT
/*
 * A NIC from its default state to ready and back, by the command and however it
 * ends.
 */
#include <csignal>
#include <cstdio>
#include <fstream>
#include <libgen.h>
#include <random>
#include <thread>
#include <unistd.h>

#include <linux/capability.h>

#include <gtest/gtest.h>

#include "support_bare.h"

namespace
{

using namespace vm;
using softnic::output_of;
using softnic::sh;

class Reserve : public vm::OnBarePair
{
};

TEST_F(Reserve, OneCommandAndBack)
{
	tool->start({ "--nic", "bb", "--verify", "7", "--json" });
	ASSERT_TRUE(tool->ready());
	EXPECT_EQ(guards(), 1u);
	std::string status;
	EXPECT_EQ(devrx("status", &status), 0);
	EXPECT_NE(status.find("io_uring"), std::string::npos) << status;
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	/* At once, and not by the guard. */
	EXPECT_EQ(dump(), before);
	EXPECT_EQ(journals(), 0u);
	const std::string json = tool->out();
	for (const char *want :
	     { "\"tier\": \"zcrx-device\"", "\"bytes_zero_copy\": 4194304",
	       "\"bytes_copied\": 0", "\"verified\": true", "\"queue\": 3" })
		EXPECT_NE(json.find(want), std::string::npos) << json;
	EXPECT_EQ(devrx("status", &status), 0);
	EXPECT_NE(status.find("no queue is reserved"), std::string::npos);
}

TEST_F(Reserve, CtrlC)
{
	for (int sig : { SIGINT, SIGTERM }) {
		tool->start({ "--nic", "bb" });
		ASSERT_TRUE(tool->ready());
		tool->send_signal(sig);
		EXPECT_EQ(tool->wait(), 128 + sig);
		EXPECT_EQ(dump(), before);
		EXPECT_EQ(journals(), 0u);
	}
}

/* The guard undoes it; and before there is one nothing was changed. */
TEST_F(Reserve, KilledAtAnyMoment)
{
	const int times = softnic::cycles(100);
	const std::string quick = quick_dump();
	std::mt19937 random(4711);
	double longest;
	int by_guard = 0, before_guard = 0;

	const double start = now();
	tool->start({ "--nic", "bb", "--size", "1M" });
	ASSERT_TRUE(tool->ready());
	longest = 1.2 * (now() - start);
	for (int i = 0; i < times; i++) {
		std::uniform_real_distribution<double> when(0, longest);

		if (i) {
			tool.reset(new Tool(dir));
			tool->start({ "--nic", "bb", "--size", "1M" });
			(void)usleep(useconds_t(when(random) * 1e6));
		}
		tool->send_signal(SIGKILL);
		ASSERT_EQ(tool->wait(), 1000 + SIGKILL);
		/* Whether there is one is settled by now, or it is on its way
		 * into the background: then it is counted. */
		ASSERT_TRUE(poll_until(patience, [] { return !guards(); }));
		if (!journals())
			by_guard++;
		else
			before_guard++;
		ASSERT_EQ(quick_dump(), quick) << "at the " << i << "th";
		ASSERT_EQ(devrx_queue_undo("bb", 0, nullptr, nullptr, nullptr),
			  0);
		ASSERT_EQ(journals(), 0u);
	}
	EXPECT_GT(by_guard, times / 4);
	printf("%d times nothing was left, %d times an owner without changes\n",
	       by_guard, before_guard);
}

TEST_F(Reserve, TheGuardIsKilledToo)
{
	std::string said;

	tool->start({ "--nic", "bb" });
	ASSERT_TRUE(tool->ready());
	sh("pkill -KILL -f 'devrx guard'");
	tool->send_signal(SIGKILL);
	EXPECT_EQ(tool->wait(), 1000 + SIGKILL);
	EXPECT_GE(journals(), 1u);
	EXPECT_NE(dump(), before);
	EXPECT_EQ(devrx("status", &said), 0);
	EXPECT_NE(said.find("dead"), std::string::npos) << said;
	EXPECT_EQ(devrx("restore bb", &said), 0);
	EXPECT_NE(said.find("undone: ethtool -G bb tcp-data-split off\n"),
		  std::string::npos)
		<< said;
	EXPECT_EQ(dump(), before);
	EXPECT_EQ(devrx("restore", &said), 0);
	EXPECT_NE(said.find("nothing to undo"), std::string::npos) << said;
}

/* What is left behind is undone by the next one before it begins. */
TEST_F(Reserve, TheNextOneCleansUp)
{
	tool->start({ "--nic", "bb", "--listen", ":9005" });
	ASSERT_TRUE(tool->ready());
	sh("pkill -KILL -f 'devrx guard'");
	tool.reset(new Tool(dir));
	tool->start({ "--nic", "bb", "--verify", "7" });
	ASSERT_TRUE(tool->ready());
	EXPECT_EQ(output_of("ethtool -n bb").find("9005"), std::string::npos);
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_EQ(dump(), before);
}

/* What it prints is what a person can type. */
TEST_F(Reserve, DryRunCanBeTyped)
{
	std::string commands, again;

	EXPECT_EQ(devrx("reserve bb --port 9000 --dry-run", &commands), 0);
	EXPECT_EQ(dump(), before) << "it changed something";
	std::ofstream(dir + "/commands") << commands;
	EXPECT_EQ(sh("sh -e " + dir + "/commands"), 0) << commands;
	EXPECT_EQ(devrx("reserve bb --port 9000 --dry-run", &again), 0);
	EXPECT_EQ(again, "devrx reserve: nothing has to change\n");
	/* Ready as it is: nothing is changed, and nothing undone. */
	const std::string typed = dump();
	tool->start({ "--nic", "bb", "--verify", "7" });
	ASSERT_TRUE(tool->ready());
	EXPECT_EQ(guards(), 0u);
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_EQ(dump(), typed);
	EXPECT_EQ(sh("ethtool -N bb delete 0 && ethtool -N bb delete 1 && "
		     "ethtool -X bb default && ethtool -G bb tcp-data-split "
		     "off"),
		  0);
}

TEST_F(Reserve, KeptUntilRestored)
{
	std::string said;

	EXPECT_EQ(devrx("reserve bb --port 9000", &said), 0) << said;
	EXPECT_EQ(devrx("status", &said), 0);
	EXPECT_NE(said.find("kept"), std::string::npos) << said;
	const std::string reserved = dump();
	tool->start({ "--nic", "bb", "--verify", "7" });
	ASSERT_TRUE(tool->ready());
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_EQ(dump(), reserved) << "it is kept";
	EXPECT_EQ(devrx("restore", &said), 0);
	EXPECT_EQ(dump(), before);
}

/* A program of the library's: its guard is the command, found in PATH. */
TEST_F(Reserve, TheSample)
{
	char self[512] = "";

	ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	const std::string program =
		std::string(dirname(self)) + "/../../samples/receive";
	if (access(program.c_str(), X_OK))
		GTEST_SKIP() << "the samples were not built";
	for (const bool killed : { false, true }) {
		std::string out;
		std::thread sample([&] {
			const softnic::Inside ns("bareb");
			out = output_of(program + " bb 9000; echo exit $?");
		});
		EXPECT_TRUE(poll_until(patience, [] {
			return quick_dump().find("used") != std::string::npos;
		}));
		EXPECT_EQ(guards(), 1u);
		if (killed)
			sh("pkill -KILL -x receive");
		else
			EXPECT_EQ(send(9000, "1M"), 0);
		sample.join();
		EXPECT_NE(out.find(killed ? "exit 137" : "exit 0"),
			  std::string::npos)
			<< out;
		EXPECT_TRUE(poll_until(patience, [] { return !guards(); }));
		EXPECT_EQ(dump(), before);
		EXPECT_EQ(journals(), 0u);
	}
}

TEST_F(Reserve, OneQueueBecomesTwo)
{
	ASSERT_EQ(sh("ethtool -L bb combined 1"), 0);
	const std::string one = dump();

	tool->start({ "--nic", "bb", "--verify", "7", "--json" });
	ASSERT_TRUE(tool->ready());
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_NE(tool->out().find("\"queue\": 1"), std::string::npos);
	EXPECT_EQ(dump(), one);
	ASSERT_EQ(sh("ethtool -L bb combined 4"), 0);
}

/* Each kind of step, from a value that is not the default, and back to that. */
TEST_F(Reserve, FromWhateverState)
{
	ASSERT_EQ(
		sh("ethtool -K bb ntuple off && ethtool -X bb weight 1 2 1 4"),
		0);
	ASSERT_EQ(set_rings("bb", split_off, 256), 0);
	const std::string odd = dump();

	EXPECT_NE(odd.find("split 1 thresh 256"), std::string::npos) << odd;
	EXPECT_NE(odd.find("ntuple 0"), std::string::npos) << odd;
	tool->start({ "--nic", "bb", "--verify", "7", "--json" });
	ASSERT_TRUE(tool->ready());
	EXPECT_NE(quick_dump().find(
			  "split 2 thresh 0 channels 4 ntuple 1 rules 2"),
		  std::string::npos)
		<< quick_dump();
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_NE(tool->out().find("\"bytes_zero_copy\": 4194304"),
		  std::string::npos)
		<< tool->out();
	EXPECT_EQ(dump(), odd);
	ASSERT_EQ(set_rings("bb", split_off, 0), 0);
	ASSERT_EQ(sh("ethtool -K bb ntuple on && ethtool -X bb default"), 0);
}

/* Neither takes the other's queue, nor what it needs when it leaves. */
TEST_F(Reserve, TwoProcesses)
{
	const std::string other_dir = dir + "/other";

	ASSERT_EQ(run({ "mkdir", other_dir }), 0);
	Tool other(other_dir);
	tool->start({ "--nic", "bb", "--verify", "7", "--json" });
	ASSERT_TRUE(tool->ready());
	other.start({ "--nic", "bb", "--listen", ":9001", "--verify", "7",
		      "--json" });
	ASSERT_TRUE(other.ready());
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	/* The first has left. */
	EXPECT_EQ(send(9001), 0);
	EXPECT_EQ(other.wait(), 0);
	EXPECT_NE(tool->out().find("\"queue\": 3"), std::string::npos);
	EXPECT_NE(other.out().find("\"queue\": 2"), std::string::npos);
	EXPECT_NE(other.out().find("\"bytes_zero_copy\": 4194304"),
		  std::string::npos)
		<< other.out();
	EXPECT_EQ(dump(), before);
}

/* What somebody changed since is theirs. */
TEST_F(Reserve, OthersChangesStay)
{
	tool->start({ "--nic", "bb", "--verify", "7" });
	ASSERT_TRUE(tool->ready());
	ASSERT_EQ(sh("ethtool -X bb weight 1 2 1 0"), 0);
	const std::string theirs = output_of("ethtool -x bb");
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_EQ(output_of("ethtool -x bb"), theirs);
	ASSERT_EQ(sh("ethtool -X bb default"), 0);
}

/* A user with the one capability, without a /run/devrx to write to: what is ready can be
 * used, what is not stays as it is.
 */
TEST_F(Reserve, WithoutADirectory)
{
	const std::string as =
		"setpriv --reuid 65534 --regid 65534 --clear-groups "
		"--inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin "
		"--bounding-set=-all,+net_admin devrx recv --nic bb --memory "
		"host --size 1M --timeout 1 2>&1; echo exit $?";

	if (sh("setpriv --version >/dev/null"))
		GTEST_SKIP() << "there is no setpriv here";
	(void)run({ "mkdir", "-p", "/run/devrx" });
	std::string said = output_of(as);
	EXPECT_NE(said.find("cannot use /run/devrx"), std::string::npos)
		<< said;
	EXPECT_NE(said.find("exit 3"), std::string::npos) << said;
	EXPECT_EQ(dump(), before);
	ASSERT_EQ(devrx("reserve bb --port 9000"), 0);
	said = output_of(as);
	EXPECT_NE(said.find("ready on"), std::string::npos) << said;
}

/* As man/devrx-reserve.1's unit has it: a user of its own, one capability, a directory
 * of its own. */
TEST_F(Reserve, AsAService)
{
	const std::string as =
		"setpriv --reuid 65534 --regid 65534 --clear-groups "
		"--no-new-privs --inh-caps=-all,+net_admin "
		"--ambient-caps=-all,+net_admin --bounding-set=-all,+net_admin "
		"devrx recv --nic bb --memory host --size 1M --verify 7 "
		"--json ";

	if (sh("setpriv --version >/dev/null"))
		GTEST_SKIP() << "there is no setpriv here";
	(void)run({ "mkdir", "-p", "/run/devrx" });
	ASSERT_EQ(run({ "chown", "65534:65534", "/run/devrx" }), 0);
	const Defer undo([] {
		(void)run({ "chown", "root:root", "/run/devrx" });
	});
	std::string out;
	std::thread service([&] {
		const softnic::Inside ns("bareb");
		out = output_of(as + "2>" + dir + "/service; echo exit $?");
	});
	EXPECT_TRUE(poll_until(patience, [&] {
		return slurp(dir + "/service").find("ready on") !=
		       std::string::npos;
	})) << slurp(dir + "/service");
	EXPECT_EQ(guards(), 1u);
	EXPECT_EQ(send(9000), 0);
	service.join();
	EXPECT_NE(out.find("exit 0"), std::string::npos)
		<< out << slurp(dir + "/service");
	EXPECT_NE(out.find("\"verified\": true"), std::string::npos) << out;
	EXPECT_EQ(dump(), before);
}

/* One sentence, and a next step. */
TEST_F(Reserve, WhatIsRefused)
{
	std::string said;

	/* Without the capability. */
	tool->start({ "--nic", "bb" }, CAP_NET_ADMIN);
	EXPECT_EQ(tool->wait(), 3);
	EXPECT_NE(tool->err().find("needs CAP_NET_ADMIN"), std::string::npos);
	EXPECT_NE(tool->err().find("next: "), std::string::npos);
	EXPECT_EQ(journals(), 0u);
	/* NICs that cannot. */
	EXPECT_EQ(devrx("reserve lo", &said), 3);
	EXPECT_NE(said.find("NIC lo (driver loopback) reports no header split"),
		  std::string::npos)
		<< said;
	/* A port that somebody steers elsewhere. */
	ASSERT_EQ(sh("ethtool -N bb flow-type tcp4 dst-port 9000 action 1"), 0);
	EXPECT_EQ(devrx("reserve bb --port 9000", &said), 3);
	EXPECT_NE(said.find("next: ethtool -N bb delete 0"), std::string::npos)
		<< said;
	ASSERT_EQ(sh("ethtool -N bb delete 0"), 0);
	EXPECT_EQ(devrx("reserve bb --queue 99", &said), 3);
	EXPECT_NE(said.find("rx queue 99 of NIC bb"), std::string::npos)
		<< said;
	EXPECT_EQ(devrx("reserve none", &said), 3);
	EXPECT_EQ(devrx("reserve", &said), 2);
	EXPECT_EQ(devrx("reserve bb --port 0", &said), 2);
}

} /* namespace */
