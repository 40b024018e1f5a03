// SPDX-License-Identifier: MIT
/* Pairs come and go by rtnetlink, wherever their ends are. */
#include "support_softnic.h"

#include <cerrno>

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <unistd.h>

extern "C" {
#include "nic/netlink.h"
}

using namespace softnic;

namespace
{

const char IP[] = "/usr/sbin/ip ";

/* Everything happens in two namespaces, t1 and t2. */
class SoftnicLink : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_EQ(sh(std::string(IP) + "netns add t1 && " + IP +
			     "netns add t2"),
			  0);
	}

	void TearDown() override
	{
		sh(std::string(IP) + "netns del t1; " + IP + "netns del t2");
	}

	/* ip link ... in t1; the exit code */
	int link(const std::string &args)
	{
		return sh(std::string(IP) + "-n t1 link " + args);
	}

	bool is_there(const std::string &dev, const char *ns = "t1")
	{
		const Inside inside(ns);

		return if_nametoindex(dev.c_str());
	}
};

TEST_F(SoftnicLink, TheOtherEndIsNamedAfterTheFirst)
{
	ASSERT_EQ(link("add foo type devrx_softnic"), 0);
	EXPECT_TRUE(is_there("foo"));
	EXPECT_TRUE(is_there("foop"));
}

TEST_F(SoftnicLink, BothGetNamesWhenNoneIsGiven)
{
	ASSERT_EQ(link("add type devrx_softnic"), 0);
	EXPECT_TRUE(is_there("softnic0"));
	EXPECT_TRUE(is_there("softnic1"));
}

TEST_F(SoftnicLink, MakesAnyNumberOfPairs)
{
	const int many = 20;
	std::string add, del;

	for (int i = 0; i < many; i++) {
		const std::string name = "s" + std::to_string(i);

		add += "link add " + name + " type devrx_softnic\n" +
		       "link set " + name + "p netns t2 up\n" + "link set " +
		       name + " up\n";
		del += "link del " + name + "\n";
	}
	ASSERT_EQ(sh("printf '" + add + "' | " + IP + "-n t1 -batch -"), 0);
	EXPECT_EQ(output_of("sh -c 'cat /sys/class/net/s*/carrier | sort | "
			    "uniq -c'",
			    "t2"),
		  "     20 1\n");
	ASSERT_EQ(sh("printf '" + del + "' | " + IP + "-n t1 -batch -"), 0);
	EXPECT_EQ(output_of("ls /sys/class/net", "t2"), "lo\n");
}

TEST_F(SoftnicLink, HasTheQueuesAskedFor)
{
	ASSERT_EQ(link("add foo numrxqueues 7 type devrx_softnic"), 0);
	for (const char *dev : { "foo", "foop" })
		EXPECT_EQ(sh(std::string("ls /sys/class/net/") + dev +
				     "/queues/rx-6",
			     "t1"),
			  0);
	EXPECT_NE(sh("ls /sys/class/net/foo/queues/rx-7", "t1"), 0);
}

struct Refused {
	const char *name;
	const char *args;
};

class RefusedLink : public SoftnicLink,
		    public testing::WithParamInterface<Refused>
{
};

TEST_P(RefusedLink, LeavesNothingBehind)
{
	ASSERT_EQ(link("add takenp type dummy"), 0);
	EXPECT_NE(link(GetParam().args), 0);
	EXPECT_EQ(output_of("ls /sys/class/net", "t1"), "lo\ntakenp\n");
}

const Refused refused[] = {
	{ "TooManyQueues", "add foo numrxqueues 17 type devrx_softnic" },
	{ "DifferentQueues",
	  "add foo numrxqueues 2 numtxqueues 3 type devrx_softnic" },
	{ "PeerNameTooLong", "add abcdefghijklmno type devrx_softnic" },
	{ "PeerNameTaken", "add taken type devrx_softnic" },
	{ "MulticastAddress",
	  "add foo address 01:00:00:00:00:01 type devrx_softnic" },
};

INSTANTIATE_TEST_SUITE_P(All, RefusedLink, testing::ValuesIn(refused),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* What a program of its own can say: see VETH_INFO_PEER. */
TEST_F(SoftnicLink, TakesThePeersAttributesAsVethDoes)
{
	const int t2 = open("/run/netns/t2", O_RDONLY | O_CLOEXEC);
	struct drx_nl nl;
	const Inside t1("t1");

	ASSERT_EQ(drx_nl_open(&nl, NETLINK_ROUTE), 0);
	struct nlmsghdr *req =
		drx_nl_begin(&nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
			     sizeof(struct ifinfomsg));
	mnl_attr_put_strz(req, IFLA_IFNAME, "here");
	struct nlattr *info = mnl_attr_nest_start(req, IFLA_LINKINFO);
	mnl_attr_put_str(req, IFLA_INFO_KIND, "devrx_softnic");
	struct nlattr *data = mnl_attr_nest_start(req, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(req, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(req, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(req, IFLA_IFNAME, "there");
	mnl_attr_put_u32(req, IFLA_NET_NS_FD, static_cast<uint32_t>(t2));
	mnl_attr_put_u32(req, IFLA_NUM_RX_QUEUES, 2);
	mnl_attr_nest_end(req, peer);
	mnl_attr_nest_end(req, data);
	mnl_attr_nest_end(req, info);
	EXPECT_EQ(drx_nl_ask(&nl, req, nullptr, nullptr), 0) << nl.extack;
	drx_nl_close(&nl);
	close(t2);

	EXPECT_TRUE(is_there("here"));
	EXPECT_TRUE(is_there("there", "t2"));
	EXPECT_NE(sh("ls /sys/class/net/there/queues/rx-2", "t2"), 0);
	EXPECT_EQ(sh("ls /sys/class/net/here/queues/rx-3", "t1"), 0);
}

struct End {
	const char *name;
	const char *command;
};

class EndOfPair : public SoftnicLink, public testing::WithParamInterface<End>
{
};

TEST_P(EndOfPair, TakesTheOtherEndAlong)
{
	const std::string round =
		std::string(IP) + "netns add t1; " + IP + "netns add t2; " +
		IP + "-n t1 link add one type devrx_softnic && " + IP +
		"-n t1 link set onep netns t2 && " + IP +
		"-n t1 link set one up && " + IP +
		"-n t2 link set onep up && " + IP + GetParam().command;

	for (int i = 0; i < cycles(3); i++) {
		ASSERT_EQ(sh(round), 0) << i;
		EXPECT_TRUE(wait_for([&] {
			return access("/run/netns/t1", F_OK) ||
			       !is_there("one");
		}));
		EXPECT_TRUE(wait_for([&] {
			return access("/run/netns/t2", F_OK) ||
			       !is_there("onep", "t2");
		}));
	}
}

const End ends[] = {
	{ "DelOfTheFirst", "-n t1 link del one" },
	{ "DelOfTheSecond", "-n t2 link del onep" },
	{ "NetnsOfTheFirst", "netns del t1" },
	{ "NetnsOfTheSecond", "netns del t2" },
};

INSTANTIATE_TEST_SUITE_P(All, EndOfPair, testing::ValuesIn(ends),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} // namespace
