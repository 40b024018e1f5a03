// SPDX-License-Identifier: MIT
/* Counters by the standard ways: rtnetlink, qstats-get, page-pool-get. */
#include "support_softnic.h"

#include <sstream>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <net/if.h>

extern "C" {
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
}

using namespace softnic;

namespace
{

/* Of Linux 7.3's include/uapi/linux/netdev.h. */
enum {
	CMD_PAGE_POOL_GET = 5,
	CMD_PAGE_POOL_STATS_GET = 9,
	CMD_QSTATS_GET = 12,
	A_PAGE_POOL_ID = 1,
	A_PAGE_POOL_IFINDEX = 2,
	A_PAGE_POOL_DETACH_TIME = 6,
	A_PAGE_POOL_IO_URING = 8,
	A_STATS_INFO = 1,
	A_STATS_ALLOC_SLOW = 9,
	A_QSTATS_IFINDEX = 1,
	A_QSTATS_QUEUE_TYPE = 2,
	A_QSTATS_QUEUE_ID = 3,
	A_QSTATS_SCOPE = 4,
	A_QSTATS_RX_PACKETS = 8,
	A_QSTATS_RX_BYTES = 9,
	A_QSTATS_TX_PACKETS = 10,
	A_QSTATS_TX_BYTES = 11,
	A_QSTATS_RX_ALLOC_FAIL = 12,
	A_QSTATS_RX_HW_DROPS = 13,
	A_MAX = 32,
};

/* One answer: numbers by attribute; only presence for what is nested. */
struct Answer {
	std::map<uint16_t, uint64_t> has;
	std::map<uint16_t, uint64_t> nested;
};

uint64_t number(const struct nlattr *attr)
{
	switch (mnl_attr_get_payload_len(attr)) {
	case 4:
		return mnl_attr_get_u32(attr);
	case 8:
		return mnl_attr_get_u64(attr);
	default:
		return 0;
	}
}

int collect(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[A_MAX + 1] = {};
	auto *answers = static_cast<std::vector<Answer> *>(arg);
	Answer answer;
	int err = drx_nl_attrs_after(msg, len, GENL_HDRLEN, tb, A_MAX);

	if (err)
		return err;
	for (uint16_t i = 0; i <= A_MAX; i++)
		if (tb[i])
			answer.has[i] = number(tb[i]);
	if (tb[A_STATS_INFO] && tb[A_STATS_INFO]->nla_type & NLA_F_NESTED) {
		const struct nlattr *in[A_MAX + 1] = {};

		err = drx_nl_attrs(mnl_attr_get_payload(tb[A_STATS_INFO]),
				   mnl_attr_get_payload_len(tb[A_STATS_INFO]),
				   in, A_MAX);
		for (uint16_t i = 0; i <= A_MAX && !err; i++)
			if (in[i])
				answer.nested[i] = number(in[i]);
	}
	answers->push_back(answer);
	return err;
}

std::vector<Answer> dump(uint8_t cmd, bool by_queue = false)
{
	std::vector<Answer> answers;
	const Inside snb("snb");
	struct drx_nl nl;
	uint16_t family;

	EXPECT_EQ(drx_nl_open(&nl, NETLINK_GENERIC), 0);
	EXPECT_EQ(drx_nl_family(&nl, DRX_NETDEV_FAMILY, &family), 0);
	struct nlmsghdr *req =
		drx_nl_begin_genl(&nl, family, cmd, 1, NLM_F_DUMP);
	if (cmd == CMD_QSTATS_GET) {
		mnl_attr_put_u32(req, A_QSTATS_IFINDEX, if_nametoindex("snb"));
		if (by_queue)
			mnl_attr_put_u32(req, A_QSTATS_SCOPE, 1);
	}
	EXPECT_EQ(drx_nl_ask(&nl, req, collect, &answers), 0) << nl.extack;
	drx_nl_close(&nl);
	return answers;
}

/* By the attribute of qstats-get that has the same number. */
using Totals = std::map<uint16_t, uint64_t>;

Totals rtnl_totals()
{
	std::istringstream numbers(
		output_of("sh -c 'cd /sys/class/net/snb/statistics && "
			  "cat rx_packets rx_bytes tx_packets tx_bytes'",
			  "snb"));
	Totals totals;

	for (const uint16_t which : { A_QSTATS_RX_PACKETS, A_QSTATS_RX_BYTES,
				      A_QSTATS_TX_PACKETS, A_QSTATS_TX_BYTES })
		numbers >> totals[which];
	return totals;
}

using SoftnicStats = OnPair;

TEST_F(SoftnicStats, TheDeviceTotalsAreRtnetlinks)
{
	inject(10, 500);
	ASSERT_TRUE(comes_to("paged_packets", 10));

	/* Neighbour discovery and answers to what we inject come when they like:
	 * what counts is a sample in which rtnetlink's did not move.
	 */
	std::vector<Answer> all;
	Totals before, after;
	ASSERT_TRUE(wait_for([&] {
		before = rtnl_totals();
		all = dump(CMD_QSTATS_GET);
		after = rtnl_totals();
		return before == after;
	}));
	ASSERT_EQ(all.size(), 1u);
	EXPECT_GE(after.at(A_QSTATS_RX_PACKETS), 10u);
	for (const auto &[which, value] : after)
		EXPECT_EQ(all[0].has.at(which), value) << "attribute " << which;
}

/* Queues that are gone stay in the total. */
TEST_F(SoftnicStats, TheTotalOutlivesItsQueues)
{
	inject(10, 500);
	ASSERT_TRUE(comes_to("paged_packets", 10));
	const uint64_t before =
		dump(CMD_QSTATS_GET).at(0).has.at(A_QSTATS_RX_PACKETS);

	EXPECT_GE(before, 10u);
	EXPECT_EQ(sh("ethtool -L snb combined 8", "snb"), 0);
	EXPECT_EQ(dump(CMD_QSTATS_GET, true).size(), 16u);
	EXPECT_EQ(sh("ethtool -L snb combined 4", "snb"), 0);
	EXPECT_EQ(dump(CMD_QSTATS_GET, true).size(), 8u);
	EXPECT_GE(dump(CMD_QSTATS_GET).at(0).has.at(A_QSTATS_RX_PACKETS),
		  before);
}

TEST_F(SoftnicStats, AQueueCountsWhatItReceivedAndDropped)
{
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;
	const auto of_queue = [](uint16_t what) -> uint64_t {
		for (const auto &q : dump(CMD_QSTATS_GET, true))
			if (q.has.at(A_QSTATS_QUEUE_ID) == QUEUE &&
			    q.has.at(A_QSTATS_QUEUE_TYPE) == 0)
				return q.has.at(what);
		return UINT64_MAX;
	};
	const uint64_t packets = of_queue(A_QSTATS_RX_PACKETS);
	const uint64_t fails = of_queue(A_QSTATS_RX_ALLOC_FAIL);
	const uint64_t drops = of_queue(A_QSTATS_RX_HW_DROPS);

	ASSERT_TRUE(pair->fault("no_chunk", 2));
	inject(10, 500);
	ASSERT_TRUE(comes_to("placed_packets", 8));
	EXPECT_EQ(of_queue(A_QSTATS_RX_PACKETS), packets + 8);
	EXPECT_EQ(of_queue(A_QSTATS_RX_ALLOC_FAIL), fails + 2);
	EXPECT_EQ(of_queue(A_QSTATS_RX_HW_DROPS), drops + 2);
}

TEST_F(SoftnicStats, PagePoolsAreThereAndTheProvidersIsMarked)
{
	/* To ordinary pages, on another queue. */
	for (int i = 0; i < 10; i++)
		ASSERT_TRUE(pair->inject(500, 80));
	ASSERT_TRUE(
		wait_for([&] { return counted("rx_paged_packets") == 10; }));
	const Provider provider;
	ASSERT_EQ(provider.error, 0) << provider.cause.text;
	unsigned ifindex, pools = 0, providers = 0;
	{
		const Inside snb("snb");

		ifindex = if_nametoindex("snb");
	}
	inject(10, 500);
	ASSERT_TRUE(comes_to("placed_packets", 10));

	for (const auto &pool : dump(CMD_PAGE_POOL_GET)) {
		/* One of an earlier provider may wait for its last page. */
		if (pool.has.at(A_PAGE_POOL_IFINDEX) != ifindex ||
		    pool.has.count(A_PAGE_POOL_DETACH_TIME))
			continue;
		pools++;
		providers += pool.has.count(A_PAGE_POOL_IO_URING);
	}
	/* One for each of four queues, and the provider's. */
	EXPECT_GE(pools, 5u);
	EXPECT_EQ(providers, 1u);

	uint64_t slow = 0;
	for (const auto &pool : dump(CMD_PAGE_POOL_STATS_GET)) {
		const auto it = pool.nested.find(A_PAGE_POOL_IFINDEX);

		if (it != pool.nested.end() && it->second == ifindex)
			slow += pool.has.at(A_STATS_ALLOC_SLOW);
	}
	EXPECT_GT(slow, 0u);
}

} // namespace
