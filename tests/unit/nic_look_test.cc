// SPDX-License-Identifier: MIT
/* The parsers of provider/nic/look.c on messages made by hand. */
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <string>

#include <linux/ethtool_netlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

extern "C" {
#include "nic/look.h"
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
}
#include "nic_messages.h"

using namespace nic;

namespace
{

int parse(drx_nl_fn fn, const Bytes &b, size_t n, struct drx_look *look)
{
	Exact exact(b, n);

	return fn(exact.get(), n, look);
}

int parse(drx_nl_fn fn, const Payload &p, struct drx_look *look)
{
	return parse(fn, p.bytes, p.bytes.size(), look);
}

struct drx_look fresh()
{
	struct drx_look look = {};

	look.ifindex = 7;
	look.index = 2;
	look.hds_thresh = UINT32_MAX;
	return look;
}

/* Rings. */

struct RingsCase {
	const char *name;
	int split; /* -1: attribute absent */
	int64_t thresh; /* -1: attribute absent */
	enum drx_split_support want_support;
	enum devrx_data_split want_split;
	uint32_t want_thresh;
};

const RingsCase rings_cases[] = {
	{ "On", 2, -1, DRX_SPLIT_REPORTED, DEVRX_DATA_SPLIT_ON, UINT32_MAX },
	{ "Off", 1, -1, DRX_SPLIT_REPORTED, DEVRX_DATA_SPLIT_OFF, UINT32_MAX },
	{ "SaidToBeUnknown", 0, -1, DRX_SPLIT_REPORTED,
	  DEVRX_DATA_SPLIT_UNKNOWN, UINT32_MAX },
	{ "FromTheFuture", 9, -1, DRX_SPLIT_REPORTED, DEVRX_DATA_SPLIT_UNKNOWN,
	  UINT32_MAX },
	{ "Absent", -1, -1, DRX_SPLIT_NONE, DEVRX_DATA_SPLIT_UNKNOWN,
	  UINT32_MAX },
	{ "AutoShowsAsThresholdOnly", -1, 0, DRX_SPLIT_REPORTED,
	  DEVRX_DATA_SPLIT_UNKNOWN, 0 },
	{ "OnWithThresholdZero", 2, 0, DRX_SPLIT_REPORTED, DEVRX_DATA_SPLIT_ON,
	  0 },
	{ "OnWithThreshold256", 2, 256, DRX_SPLIT_REPORTED, DEVRX_DATA_SPLIT_ON,
	  256 },
};

Payload rings(int split, int64_t thresh)
{
	Payload p = genl(ETHTOOL_MSG_RINGS_GET_REPLY);

	p.nest(ETHTOOL_A_RINGS_HEADER,
	       Payload()
		       .u32(ETHTOOL_A_HEADER_DEV_INDEX, 7)
		       .attr(ETHTOOL_A_HEADER_DEV_NAME, str("eth0")));
	p.u32(ETHTOOL_A_RINGS_RX_MAX, 8192).u32(ETHTOOL_A_RINGS_RX, 1024);
	if (split >= 0)
		p.u8(DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT,
		     static_cast<uint8_t>(split));
	p.u8(ETHTOOL_A_RINGS_TX_PUSH, 0);
	if (thresh >= 0)
		p.u32(DRX_ETHTOOL_A_RINGS_HDS_THRESH,
		      static_cast<uint32_t>(thresh))
			.u32(DRX_ETHTOOL_A_RINGS_HDS_THRESH + 1, 1023);
	return p;
}

class NicRings : public testing::TestWithParam<RingsCase>
{
};

TEST_P(NicRings, ReadsSplitAndThreshold)
{
	struct drx_look look = fresh();
	const RingsCase &c = GetParam();

	ASSERT_EQ(parse(drx_parse_rings, rings(c.split, c.thresh), &look), 0);
	EXPECT_EQ(look.split_support, c.want_support);
	EXPECT_EQ(look.data_split, c.want_split);
	EXPECT_EQ(look.hds_thresh, c.want_thresh);
}

INSTANTIATE_TEST_SUITE_P(All, NicRings, testing::ValuesIn(rings_cases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(NicRingsHostile, WrongSizesAreRefusedAndChangeNothing)
{
	struct drx_look look = fresh();

	EXPECT_EQ(parse(drx_parse_rings,
			genl(0).u32(DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT, 2),
			&look),
		  -EBADMSG);
	EXPECT_EQ(parse(drx_parse_rings,
			genl(0).u8(DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT, 2)
				.u8(DRX_ETHTOOL_A_RINGS_HDS_THRESH, 0),
			&look),
		  -EBADMSG);
	EXPECT_EQ(parse(drx_parse_rings,
			genl(0).attr(DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT, {}),
			&look),
		  -EBADMSG);
	EXPECT_EQ(look.split_support, DRX_SPLIT_UNKNOWN);
	EXPECT_EQ(look.data_split, DEVRX_DATA_SPLIT_UNKNOWN);
	EXPECT_EQ(look.hds_thresh, UINT32_MAX);
}

/* Channels. */

TEST(NicChannels, CountsRxAndCombined)
{
	struct drx_look look = fresh();

	ASSERT_EQ(parse(drx_parse_channels,
			genl(0).u32(ETHTOOL_A_CHANNELS_RX_COUNT, 3)
				.u32(ETHTOOL_A_CHANNELS_COMBINED_COUNT, 4),
			&look),
		  0);
	EXPECT_EQ(look.nr_queues, 7u);
	ASSERT_EQ(parse(drx_parse_channels, genl(0), &look), 0);
	EXPECT_EQ(look.nr_queues, 0u);
	EXPECT_EQ(parse(drx_parse_channels,
			genl(0).u32(ETHTOOL_A_CHANNELS_RX_COUNT, UINT32_MAX)
				.u32(ETHTOOL_A_CHANNELS_COMBINED_COUNT, 1),
			&look),
		  -EBADMSG);
}

/* Queues. */

Payload queue(uint32_t id, uint32_t type, uint32_t ifindex = 7)
{
	return genl(DRX_NETDEV_CMD_QUEUE_GET)
		.u32(DRX_NETDEV_A_QUEUE_ID, id)
		.u32(DRX_NETDEV_A_QUEUE_TYPE, type)
		.u32(DRX_NETDEV_A_QUEUE_IFINDEX, ifindex)
		.u32(DRX_NETDEV_A_QUEUE_NAPI_ID, 8192 + id);
}

struct UserCase {
	const char *name;
	int attr; /* -1: none */
	enum devrx_queue_user want;
};

const UserCase user_cases[] = {
	{ "Nobody", -1, DEVRX_QUEUE_USER_NONE },
	{ "IoUring", DRX_NETDEV_A_QUEUE_IO_URING, DEVRX_QUEUE_USER_IO_URING },
	{ "Devmem", DRX_NETDEV_A_QUEUE_DMABUF, DEVRX_QUEUE_USER_DEVMEM },
	{ "Xsk", DRX_NETDEV_A_QUEUE_XSK, DEVRX_QUEUE_USER_XSK },
	{ "SomethingNewer", DRX_NETDEV_A_QUEUE_XSK + 1, DEVRX_QUEUE_USER_NONE },
};

class NicQueueUser : public testing::TestWithParam<UserCase>
{
};

TEST_P(NicQueueUser, IsNamed)
{
	struct drx_look look = fresh();
	Payload p = queue(2, DRX_NETDEV_QUEUE_TYPE_RX);

	if (GetParam().attr >= 0)
		p.nest(static_cast<uint16_t>(GetParam().attr), Payload());
	ASSERT_EQ(parse(drx_parse_queue, p, &look), 0);
	EXPECT_EQ(look.user, GetParam().want);
	EXPECT_EQ(look.napi_id, 8194u);
}

INSTANTIATE_TEST_SUITE_P(All, NicQueueUser, testing::ValuesIn(user_cases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(NicQueues, CountsRxOfThisNicOnly)
{
	struct drx_look look = fresh();

	for (uint32_t id = 0; id < 4; id++) {
		ASSERT_EQ(parse(drx_parse_queue,
				queue(id, DRX_NETDEV_QUEUE_TYPE_RX), &look),
			  0);
		ASSERT_EQ(parse(drx_parse_queue,
				queue(id, DRX_NETDEV_QUEUE_TYPE_TX), &look),
			  0);
		ASSERT_EQ(parse(drx_parse_queue,
				queue(id, DRX_NETDEV_QUEUE_TYPE_RX, 8), &look),
			  0);
	}
	EXPECT_EQ(look.nr_queues, 4u);
	EXPECT_EQ(look.napi_id, 8194u);
	EXPECT_EQ(look.index, 2u);
}

TEST(NicQueues, LastIsTheLastOneSeen)
{
	struct drx_look look = fresh();

	look.index = DEVRX_QUEUE_LAST;
	for (uint32_t id = 0; id < 3; id++) {
		Payload p = queue(id, DRX_NETDEV_QUEUE_TYPE_RX);

		if (id == 1)
			p.nest(DRX_NETDEV_A_QUEUE_IO_URING, Payload());
		ASSERT_EQ(parse(drx_parse_queue, p, &look), 0);
	}
	EXPECT_EQ(look.nr_queues, 3u);
	EXPECT_EQ(look.napi_id, 8194u);
	EXPECT_EQ(look.user, DEVRX_QUEUE_USER_NONE);
}

TEST(NicQueues, AnotherQueuesUserDoesNotCount)
{
	struct drx_look look = fresh();

	ASSERT_EQ(parse(drx_parse_queue,
			queue(1, DRX_NETDEV_QUEUE_TYPE_RX)
				.nest(DRX_NETDEV_A_QUEUE_IO_URING, Payload()),
			&look),
		  0);
	EXPECT_EQ(look.user, DEVRX_QUEUE_USER_UNKNOWN);
}

TEST(NicQueues, WithoutAnIdIsMalformed)
{
	struct drx_look look = fresh();

	EXPECT_EQ(parse(drx_parse_queue,
			genl(0).u32(DRX_NETDEV_A_QUEUE_IFINDEX, 7), &look),
		  -EBADMSG);
	EXPECT_EQ(look.nr_queues, 0u);
}

/* Link. */

Payload link(int index, unsigned int flags)
{
	struct ifinfomsg info = {};

	info.ifi_index = index;
	info.ifi_flags = flags;
	return Payload(raw(info));
}

Payload whole_link()
{
	return link(7, IFF_UP)
		.attr(IFLA_IFNAME, str("eth0"))
		.u32(IFLA_NUM_RX_QUEUES, 16)
		.attr(IFLA_PARENT_DEV_NAME, str("0000:3b:00.0"))
		.attr(IFLA_PARENT_DEV_BUS_NAME, str("pci"))
		.nest(IFLA_XDP, Payload()
					.u8(IFLA_XDP_ATTACHED, XDP_ATTACHED_SKB)
					.u32(IFLA_XDP_PROG_ID, 3));
}

TEST(NicLink, ReadsNameFlagsAndXdp)
{
	struct drx_look look = {};

	ASSERT_EQ(parse(drx_parse_link, whole_link(), &look), 0);
	EXPECT_STREQ(look.ifname, "eth0");
	EXPECT_EQ(look.ifindex, 7u);
	EXPECT_EQ(look.max_queues, 16u);
	EXPECT_STREQ(look.bus, "pci");
	EXPECT_EQ(look.xdp, XDP_ATTACHED_SKB);
	EXPECT_TRUE(look.up);
	EXPECT_FALSE(look.loopback);
}

TEST(NicLink, WithoutXdpNestNothingIsAttached)
{
	struct drx_look look = {};

	ASSERT_EQ(parse(drx_parse_link,
			link(1, IFF_LOOPBACK).attr(IFLA_IFNAME, str("lo")),
			&look),
		  0);
	EXPECT_EQ(look.xdp, XDP_ATTACHED_NONE);
	EXPECT_TRUE(look.loopback);
	EXPECT_FALSE(look.up);
	EXPECT_STREQ(look.bus, "") << "no parent device";
}

TEST(NicLink, RefusesBadNamesAndNumbers)
{
	struct drx_look look = {};

	EXPECT_EQ(parse(drx_parse_link, link(7, 0), &look), -EBADMSG);
	EXPECT_EQ(parse(drx_parse_link,
			link(0, 0).attr(IFLA_IFNAME, str("eth0")), &look),
		  -EBADMSG);
	EXPECT_EQ(parse(drx_parse_link,
			link(-1, 0).attr(IFLA_IFNAME, str("eth0")), &look),
		  -EBADMSG);
	EXPECT_EQ(
		parse(drx_parse_link,
		      link(7, 0).attr(IFLA_IFNAME, Bytes{ 'e', 't', 'h', '0' }),
		      &look),
		-EBADMSG)
		<< "not terminated";
	EXPECT_EQ(parse(drx_parse_link,
			link(7, 0).attr(IFLA_IFNAME, str("sixteen-letters!")),
			&look),
		  -EBADMSG)
		<< "does not fit";
	EXPECT_EQ(parse(drx_parse_link,
			link(7, 0)
				.attr(IFLA_IFNAME, str("eth0"))
				.attr(IFLA_PARENT_DEV_BUS_NAME,
				      Bytes{ 'p', 'c', 'i' }),
			&look),
		  -EBADMSG)
		<< "a bus that is not terminated";
	EXPECT_EQ(parse(drx_parse_link, link(7, 0).attr(IFLA_IFNAME, {}),
			&look),
		  -EBADMSG);
	EXPECT_EQ(parse(drx_parse_link,
			link(7, 0)
				.attr(IFLA_IFNAME, str("eth0"))
				.attr(IFLA_XDP, Bytes{ 9, 0, 2, 0, 1 }),
			&look),
		  -EBADMSG)
		<< "a nest whose attribute is longer than the nest";
}

/* Every message, cut everywhere and bent everywhere. */

struct Kind {
	const char *name;
	drx_nl_fn fn;
	Payload (*make)();
};

const Kind kinds[] = {
	{ "Link", drx_parse_link, whole_link },
	{ "Rings", drx_parse_rings, [] { return rings(2, 256); } },
	{ "Channels", drx_parse_channels,
	  [] {
		  return genl(0)
			  .u32(ETHTOOL_A_CHANNELS_RX_COUNT, 3)
			  .u32(ETHTOOL_A_CHANNELS_COMBINED_COUNT, 4);
	  } },
	{ "Queue", drx_parse_queue,
	  [] {
		  return queue(2, DRX_NETDEV_QUEUE_TYPE_RX)
			  .nest(DRX_NETDEV_A_QUEUE_IO_URING, Payload());
	  } },
};

class NicHostile : public testing::TestWithParam<Kind>
{
};

/* Well formed at the end of an attribute; malformed anywhere else. */
TEST_P(NicHostile, EachPrefixIsWholeOrMalformed)
{
	Payload p = GetParam().make();
	bool complete = false;

	for (size_t n = 0; n <= p.bytes.size(); n++) {
		struct drx_look look = fresh();
		int ret = parse(GetParam().fn, p.bytes, n, &look);

		if (!p.ends.count(n)) {
			EXPECT_EQ(ret, -EBADMSG) << n;
			continue;
		}
		/* Only what must be there can be missed at a boundary. */
		if (ret == 0)
			complete = true;
		else
			EXPECT_EQ(ret, -EBADMSG) << n;
		EXPECT_FALSE(complete && ret) << n;
	}
	EXPECT_TRUE(complete);
}

TEST_P(NicHostile, BentBytesNeverReadOutside)
{
	Bytes good = GetParam().make().bytes;
	std::mt19937 rng(20);
	unsigned int refused = 0;

	for (int round = 0; round < 20000; round++) {
		struct drx_look look = fresh();
		Bytes bad = good;

		for (unsigned int k = 0; k <= rng() % 4; k++)
			bad[rng() % bad.size()] = static_cast<uint8_t>(rng());
		int ret = parse(GetParam().fn, bad, rng() % (bad.size() + 1),
				&look);
		ASSERT_TRUE(ret == 0 || ret == -EBADMSG) << ret;
		refused += ret != 0;
	}
	EXPECT_GT(refused, 1000u);
}

INSTANTIATE_TEST_SUITE_P(All, NicHostile, testing::ValuesIn(kinds),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

} // namespace
