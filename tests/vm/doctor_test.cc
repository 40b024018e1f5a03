// SPDX-License-Identifier: MIT
/*
 * Each precondition broken by itself: devrx doctor names that one and no other, and the
 * command that it prints mends it. Where the kernel refuses a receiver for it, that
 * refusal has the same name.
 */
#include <csignal>
#include <functional>
#include <memory>
#include <vector>

#include <linux/capability.h>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "support_bare.h"

namespace
{

using namespace vm;
using softnic::sh;

/* The value of @key in the first object of @json at or after @at. */
std::string value(const std::string &json, const std::string &key, size_t at)
{
	const std::string begin = "\"" + key + "\": \"";
	const size_t from = json.find(begin, at);

	if (from == std::string::npos)
		return "";
	const size_t start = from + begin.size();
	return json.substr(start, json.find('"', start) - start);
}

struct Found {
	std::vector<std::string> failed; /* identifiers */
	std::string next; /* of the first */
	int exit;
	std::string all;
};

class Doctor : public OnBarePair
{
      protected:
	/* Ready, until the end of the test. */
	void SetUp() override
	{
		OnBarePair::SetUp();
		ASSERT_EQ(devrx("reserve bb --port 9000"), 0);
		ASSERT_EQ(doctor().failed, std::vector<std::string>());
	}

	static Found from(int exit, const std::string &json)
	{
		Found found = { {}, "", exit, json };

		for (size_t at = json.find("{\"id\""); at != std::string::npos;
		     at = json.find("{\"id\"", at + 1)) {
			if (value(json, "state", at) != "fail")
				continue;
			if (found.failed.empty())
				found.next = value(json, "next", at);
			found.failed.push_back(value(json, "id", at));
		}
		return found;
	}

	static Found doctor(const std::string &args = "bb")
	{
		std::string json;
		const int exit = devrx("doctor -j " + args, &json);

		return from(exit, json);
	}

	/* Exactly @id; with @args if not the NIC alone. */
	static void names(const char *id, const std::string &args = "bb")
	{
		const Found found = doctor(args);

		EXPECT_EQ(found.failed, std::vector<std::string>{ id })
			<< found.all;
		EXPECT_EQ(found.exit, 3);
	}

	/* And the command that it prints mends it. */
	static void names_and_mends(const char *id,
				    const std::string &args = "bb")
	{
		names(id, args);
		const std::string next = doctor(args).next;
		EXPECT_EQ(sh(next), 0) << next;
		const Found after = doctor(args);
		EXPECT_EQ(after.failed, std::vector<std::string>())
			<< "after: " << next << "\n"
			<< after.all;
		EXPECT_EQ(after.exit, 0) << after.all;
	}

	/* "devrx recv --as-is" is refused for the same. */
	void recv_says(const char *id, const std::string &nic = "bb",
		       const std::vector<std::string> &more = { "--queue",
								"3" },
		       int cap = -1)
	{
		const std::string own = dir + "/refused";
		std::vector<std::string> args = { "--nic",     nic,
						  "--as-is",   "--json",
						  "--timeout", "1",
						  "--listen",  ":9002" };

		(void)run({ "mkdir", "-p", own });
		Tool refused(own);
		args.insert(args.end(), more.begin(), more.end());
		refused.start(args, cap);
		EXPECT_EQ(refused.wait(), 3);
		const std::string json = refused.out();
		EXPECT_EQ(value(json, "id", json.find("\"errors\"")), id)
			<< json;
	}
};

TEST_F(Doctor, HeaderSplitOff)
{
	ASSERT_EQ(sh("ethtool -G bb tcp-data-split off"), 0);
	recv_says("hds-off");
	names_and_mends("hds-off");
}

/* An older ethtool cannot type what mends it. */
TEST_F(Doctor, ThresholdOfTheSplit)
{
	ASSERT_EQ(set_rings("bb", -1, 256), 0);
	recv_says("hds-thresh");
	names("hds-thresh");
	EXPECT_EQ(doctor().next,
		  "ethtool -G bb tcp-data-split on hds-thresh 0");
	if (!sh("ethtool --help | grep -q hds-thresh"))
		names_and_mends("hds-thresh");
	ASSERT_EQ(set_rings("bb", -1, 0), 0);
}

TEST_F(Doctor, XdpProgram)
{
	const XdpPass xdp("bb", true);

	ASSERT_EQ(xdp.err(), 0);
	recv_says("xdp-attached");
	names_and_mends("xdp-attached");
}

TEST_F(Doctor, AfXdpSocket)
{
	{
		const XskSocket xsk("bb", 3);

		ASSERT_EQ(xsk.err(), 0);
		names("xsk-attached", "bb --queue 3");
		recv_says("xsk-attached");
	}
	EXPECT_TRUE(doctor().failed.empty());
}

TEST_F(Doctor, SomebodyReceives)
{
	tool->start({ "--nic", "bb" });
	ASSERT_TRUE(tool->ready());
	names("queue-busy");
	recv_says("queue-busy");
	tool->send_signal(SIGTERM);
	EXPECT_EQ(tool->wait(), 128 + SIGTERM);
	EXPECT_TRUE(doctor().failed.empty());
}

TEST_F(Doctor, NicDown)
{
	ASSERT_EQ(sh("/usr/sbin/ip link set dev bb down"), 0);
	names_and_mends("nic-down");
}

TEST_F(Doctor, RssLeadsThere)
{
	ASSERT_EQ(sh("ethtool -X bb default"), 0);
	names_and_mends("rss-shared");
}

TEST_F(Doctor, RulesSwitchedOff)
{
	ASSERT_EQ(sh("ethtool -K bb ntuple off"), 0);
	names_and_mends("ntuple-off");
}

TEST_F(Doctor, NoRules)
{
	ASSERT_EQ(sh("ethtool -N bb delete 0 && ethtool -N bb delete 1"), 0);
	names_and_mends("port-unsteered");
}

TEST_F(Doctor, NoRuleForIpv6)
{
	ASSERT_EQ(sh("ethtool -N bb delete 1"), 0);
	names_and_mends("port-unsteered");
}

TEST_F(Doctor, AnotherPort)
{
	names_and_mends("port-unsteered", "bb --port 9001");
	ASSERT_EQ(sh("ethtool -N bb delete 2 && ethtool -N bb delete 3"), 0);
}

/* One command takes the other rule away, the next puts the right one there. */
TEST_F(Doctor, ThePortGoesElsewhere)
{
	ASSERT_EQ(sh("ethtool -N bb delete 0 && ethtool -N bb flow-type tcp4 "
		     "dst-port 9000 action 1"),
		  0);
	names("port-steered");
	ASSERT_EQ(sh(doctor().next), 0);
	names_and_mends("port-unsteered");
}

TEST_F(Doctor, QueueOutOfRange)
{
	names("queue-range", "bb --queue 5");
	recv_says("queue-range", "bb", { "--queue", "5" });
	EXPECT_EQ(sh(doctor("bb --queue 5").next), 0);
	for (const std::string &id : doctor("bb --queue 5").failed)
		EXPECT_NE(id, "queue-range");
	EXPECT_EQ(sh("ethtool -L bb combined 4"), 0);
}

TEST_F(Doctor, NoSuchNic)
{
	names("nic-missing", "none");
	recv_says("nic-missing", "none");
	EXPECT_EQ(sh(doctor("none").next), 0);
}

TEST_F(Doctor, NicsThatCannot)
{
	ASSERT_EQ(sh("/usr/sbin/ip link add va type veth peer name vb"), 0);
	for (const char *name : { "lo", "va" }) {
		const Found found = doctor(name);

		EXPECT_EQ(found.failed,
			  std::vector<std::string>{ "nic-unsupported" });
		recv_says("nic-unsupported", name);
		/* The driver, what it lacks, what is possible instead. */
		EXPECT_NE(found.all.find(*name == 'l' ? "driver loopback" :
							"driver veth"),
			  std::string::npos);
		EXPECT_NE(found.all.find("reports no header split"),
			  std::string::npos);
		EXPECT_NE(found.all.find("only the tier recv is left"),
			  std::string::npos);
	}
	ASSERT_EQ(sh("/usr/sbin/ip link del va"), 0);
}

TEST_F(Doctor, IoUringDisabled)
{
	const Defer undo([] { sh("sysctl -qw kernel.io_uring_disabled=0"); });

	ASSERT_EQ(sh("sysctl -qw kernel.io_uring_disabled=2"), 0);
	recv_says("io-uring-disabled");
	names_and_mends("io-uring-disabled");
}

TEST_F(Doctor, NoCapability)
{
	tool->start({ "-j", "bb" }, CAP_NET_ADMIN, "doctor");
	const int exit = tool->wait();
	const Found found = from(exit, tool->out());

	EXPECT_EQ(found.failed, std::vector<std::string>{ "cap-net-admin" });
	recv_says("cap-net-admin", "bb", {}, CAP_NET_ADMIN);
	EXPECT_EQ(exit, 3);
}

TEST_F(Doctor, LockedMemory)
{
	struct rlimit old, low = { 65536, 65536 };

	ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &old), 0);
	const Defer undo([&] { (void)setrlimit(RLIMIT_MEMLOCK, &old); });
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	tool->start({ "-j", "bb", "--memory", "host" }, CAP_IPC_LOCK, "doctor");
	const int exit = tool->wait();
	const Found found = from(exit, tool->out());

	EXPECT_EQ(found.failed, std::vector<std::string>{ "memlock" })
		<< found.all;
	EXPECT_EQ(found.next, "ulimit -l unlimited");
	recv_says("memlock", "bb", { "--memory", "host", "--queue", "3" },
		  CAP_IPC_LOCK);
}

TEST_F(Doctor, UdmabufsLimit)
{
	const std::string limit =
		"/sys/module/udmabuf/parameters/size_limit_mb";
	std::string was = slurp(limit);

	if (was.empty())
		GTEST_SKIP() << "no udmabuf here";
	was.pop_back();
	ASSERT_EQ(sh("echo 1 > " + limit), 0);
	recv_says("udmabuf-limit");
	names_and_mends("udmabuf-limit");
	ASSERT_EQ(sh("echo " + was + " > " + limit), 0);
}

/* In the default state all that is missing is named at once, and what is printed mends
 * all of it in the order of the lines. */
class DoctorOnABareNic : public OnBarePair
{
};

TEST_F(DoctorOnABareNic, OneQueue)
{
	ASSERT_EQ(sh("ethtool -L bb combined 1 && ethtool -G bb tcp-data-split "
		     "on"),
		  0);
	std::string json;
	EXPECT_EQ(devrx("doctor -j bb", &json), 3);
	EXPECT_NE(json.find("\"id\": \"queue-alone\", \"state\": \"fail\""),
		  std::string::npos)
		<< json;
	EXPECT_EQ(value(json, "next", json.find("queue-alone")),
		  "ethtool -L bb combined 2");
	ASSERT_EQ(sh("ethtool -L bb combined 4 && ethtool -G bb tcp-data-split "
		     "off"),
		  0);
}

TEST_F(DoctorOnABareNic, FromNothingToReady)
{
	std::string json;

	EXPECT_EQ(devrx("doctor -j bb", &json), 3);
	std::vector<std::string> commands;
	for (size_t at = json.find("\"state\": \"fail\"");
	     at != std::string::npos;
	     at = json.find("\"state\": \"fail\"", at + 1))
		commands.push_back(value(json, "next", at));
	EXPECT_EQ(commands.size(), 3u) << json;
	for (const std::string &command : commands)
		EXPECT_EQ(sh(command), 0) << command;
	EXPECT_EQ(devrx("doctor bb", &json), 0) << json;
	EXPECT_EQ(json.find("FAIL"), std::string::npos);
	tool->start({ "--nic", "bb", "--as-is", "--verify", "7" });
	ASSERT_TRUE(tool->ready());
	EXPECT_EQ(send(9000), 0);
	EXPECT_EQ(tool->wait(), 0);
	ASSERT_EQ(sh("ethtool -N bb delete 0 && ethtool -N bb delete 1 && "
		     "ethtool -X bb default && ethtool -G bb tcp-data-split "
		     "off"),
		  0);
}

} /* namespace */
