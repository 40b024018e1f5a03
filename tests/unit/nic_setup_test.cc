// SPDX-License-Identifier: MIT
/*
 * Replies as drivers that were never here would give them, up to the commands that make
 * their NICs ready; and replies that nobody should give.
 */
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include <devrx/queue.h>
#include <linux/ethtool_netlink.h>

#include "nic_messages.h"

extern "C" {
#include "nic/plan.h"
#include "nic/uapi_netdev.h"
}

namespace
{

using namespace nic;
using Lines = std::vector<std::string>;
using SetupPtr = std::unique_ptr<drx_setup, void (*)(drx_setup *)>;

SetupPtr fresh(const char *driver = "")
{
	SetupPtr s(static_cast<drx_setup *>(calloc(1, sizeof(drx_setup))),
		   drx_setup_free);

	s->ifindex = 7;
	s->hds_thresh = UINT32_MAX;
	snprintf(s->ifname, sizeof(s->ifname), "eth0");
	snprintf(s->driver, sizeof(s->driver), "%s", driver);
	return s;
}

using Parse = int (*)(const void *msg, size_t len, void *arg);

int parse(Parse fn, const Payload &p, drx_setup *s)
{
	return fn(Exact(p.bytes, p.bytes.size()).get(), p.bytes.size(), s);
}

Payload channels(uint32_t combined, uint32_t max)
{
	return genl(ETHTOOL_MSG_CHANNELS_GET_REPLY)
		.u32(ETHTOOL_A_CHANNELS_RX_MAX, 0)
		.u32(ETHTOOL_A_CHANNELS_COMBINED_MAX, max)
		.u32(ETHTOOL_A_CHANNELS_RX_COUNT, 0)
		.u32(ETHTOOL_A_CHANNELS_COMBINED_COUNT, combined);
}

/* -1: not in the reply. */
Payload rings(int split, int64_t thresh)
{
	Payload p = genl(ETHTOOL_MSG_RINGS_GET_REPLY);

	if (split >= 0)
		p.u8(DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT, uint8_t(split));
	if (thresh >= 0)
		p.u32(DRX_ETHTOOL_A_RINGS_HDS_THRESH, uint32_t(thresh));
	return p;
}

Payload bit(uint32_t index, const char *name, bool value)
{
	Payload p;

	p.u32(ETHTOOL_A_BITSET_BIT_INDEX, index)
		.attr(ETHTOOL_A_BITSET_BIT_NAME, str(name));
	if (value)
		p.attr(ETHTOOL_A_BITSET_BIT_VALUE, {});
	return p;
}

/* As net/ethtool/features.c: what can be switched with a mask of all features, what is
 * on as a list. */
Payload features(bool can_gro_hw, bool gro_hw, bool can_ntuple, bool ntuple)
{
	Payload hw, active;

	hw.nest(ETHTOOL_A_BITSET_BITS_BIT, bit(0, "tx-checksum-ipv4", true))
		.nest(ETHTOOL_A_BITSET_BITS_BIT,
		      bit(30, "rx-gro-hw", can_gro_hw))
		.nest(ETHTOOL_A_BITSET_BITS_BIT,
		      bit(40, "rx-ntuple-filter", can_ntuple));
	active.nest(ETHTOOL_A_BITSET_BITS_BIT,
		    bit(0, "tx-checksum-ipv4", false));
	if (gro_hw)
		active.nest(ETHTOOL_A_BITSET_BITS_BIT,
			    bit(30, "rx-gro-hw", false));
	if (ntuple)
		active.nest(ETHTOOL_A_BITSET_BITS_BIT,
			    bit(40, "rx-ntuple-filter", false));
	return genl(ETHTOOL_MSG_FEATURES_GET_REPLY)
		.nest(ETHTOOL_A_FEATURES_HW,
		      Payload()
			      .u32(ETHTOOL_A_BITSET_SIZE, 64)
			      .nest(ETHTOOL_A_BITSET_BITS, hw))
		.nest(ETHTOOL_A_FEATURES_ACTIVE,
		      Payload()
			      .attr(ETHTOOL_A_BITSET_NOMASK, {})
			      .u32(ETHTOOL_A_BITSET_SIZE, 64)
			      .nest(ETHTOOL_A_BITSET_BITS, active));
}

Payload queue(uint32_t ifindex, uint32_t id, uint16_t user = 0,
	      uint32_t type = DRX_NETDEV_QUEUE_TYPE_RX)
{
	Payload p = genl(DRX_NETDEV_CMD_QUEUE_GET);

	p.u32(DRX_NETDEV_A_QUEUE_ID, id)
		.u32(DRX_NETDEV_A_QUEUE_TYPE, type)
		.u32(DRX_NETDEV_A_QUEUE_IFINDEX, ifindex);
	if (user)
		p.nest(user, Payload());
	return p;
}

struct Driver {
	const char *name;
	uint32_t combined, max;
	int split;
	int64_t thresh;
	bool can_gro_hw, ntuple;
	Lines commands;
};

class NicSetupDriver : public testing::TestWithParam<Driver>
{
};

TEST_P(NicSetupDriver, FromItsRepliesToItsCommands)
{
	const Driver &d = GetParam();
	const uint16_t port = 9000;
	const drx_want want = { DEVRX_QUEUE_LAST, &port, 1, nullptr };
	SetupPtr s = fresh(d.name);
	drx_plan plan = {};
	Lines commands;
	char text[512];

	ASSERT_EQ(parse(drx_parse_setup_channels, channels(d.combined, d.max),
			s.get()),
		  0);
	ASSERT_EQ(parse(drx_parse_setup_rings, rings(d.split, d.thresh),
			s.get()),
		  0);
	ASSERT_EQ(parse(drx_parse_setup_features,
			features(d.can_gro_hw, false, true, d.ntuple), s.get()),
		  0);
	s->nr_indir = 128;
	for (uint32_t i = 0; i < 128; i++)
		s->indir[i] = i % d.combined;
	s->has_rules = true;
	s->picks_location = true;
	ASSERT_EQ(drx_plan_make(&plan, s.get(), &want, nullptr), 0);
	for (uint32_t i = 0; i < plan.nr; i++) {
		drx_step_text(&plan.steps[i], "eth0", false, text,
			      sizeof(text));
		if (plan.steps[i].kind != DRX_STEP_RULE)
			commands.push_back(text);
	}
	drx_plan_free(&plan);
	EXPECT_EQ(commands, d.commands);
}

const Driver drivers[] = {
	/* "auto", which is not in the reply; no threshold. */
	{ "mlx5_core",
	  8,
	  8,
	  -1,
	  -1,
	  true,
	  true,
	  { "ethtool -K eth0 rx-gro-hw on", "ethtool -G eth0 tcp-data-split on",
	    "ethtool -X eth0 equal 7" } },
	/* It has the feature too, and the split does not depend on it. */
	{ "bnxt_en",
	  8,
	  74,
	  1,
	  256,
	  true,
	  false,
	  { "ethtool -G eth0 tcp-data-split on hds-thresh 0",
	    "ethtool -X eth0 equal 7",
	    "ethtool -K eth0 rx-ntuple-filter on" } },
	{ "gve",
	  1,
	  16,
	  1,
	  -1,
	  false,
	  false,
	  { "ethtool -L eth0 combined 2", "ethtool -G eth0 tcp-data-split on",
	    "ethtool -X eth0 equal 1",
	    "ethtool -K eth0 rx-ntuple-filter on" } },
	/* It splits by default, above a threshold. */
	{ "fbnic",
	  2,
	  32,
	  2,
	  1536,
	  false,
	  true,
	  { "ethtool -G eth0 tcp-data-split on hds-thresh 0",
	    "ethtool -X eth0 equal 1" } },
};

INSTANTIATE_TEST_SUITE_P(All, NicSetupDriver, testing::ValuesIn(drivers),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(NicSetup, FeaturesByTheirNames)
{
	for (int bits = 0; bits < 16; bits++) {
		SetupPtr s = fresh();

		ASSERT_EQ(
			parse(drx_parse_setup_features,
			      features(bits & 1, bits & 2, bits & 4, bits & 8),
			      s.get()),
			0);
		EXPECT_EQ(s->feature[DRX_FEATURE_GRO_HW].can, bool(bits & 1));
		EXPECT_EQ(s->feature[DRX_FEATURE_GRO_HW].on, bool(bits & 2));
		EXPECT_EQ(s->feature[DRX_FEATURE_NTUPLE].can, bool(bits & 4));
		EXPECT_EQ(s->feature[DRX_FEATURE_NTUPLE].on, bool(bits & 8));
	}
}

/* A bit that says to be longer than what is left. */
TEST(NicSetup, ABitThatIsCutOff)
{
	SetupPtr s = fresh();
	Payload bits;

	bits.nest(ETHTOOL_A_BITSET_BITS_BIT, bit(30, "rx-gro-hw", true));
	const struct nlattr cut = { 100, ETHTOOL_A_BITSET_BITS_BIT };
	for (uint8_t byte : raw(cut))
		bits.bytes.push_back(byte);
	EXPECT_EQ(parse(drx_parse_setup_features,
			genl(ETHTOOL_MSG_FEATURES_GET_REPLY)
				.nest(ETHTOOL_A_FEATURES_HW,
				      Payload().nest(ETHTOOL_A_BITSET_BITS,
						     bits)),
			s.get()),
		  -EBADMSG);
}

TEST(NicSetup, QueuesAndTheirUsers)
{
	SetupPtr s = fresh();

	for (uint32_t id = 0; id < 4; id++)
		ASSERT_EQ(parse(drx_parse_setup_queue, queue(7, id), s.get()),
			  0);
	ASSERT_EQ(parse(drx_parse_setup_queue,
			queue(7, 1, DRX_NETDEV_A_QUEUE_IO_URING), s.get()),
		  0);
	ASSERT_EQ(parse(drx_parse_setup_queue,
			queue(7, 2, DRX_NETDEV_A_QUEUE_XSK), s.get()),
		  0);
	/* Of another NIC, of another kind, of more than there can be. */
	ASSERT_EQ(parse(drx_parse_setup_queue,
			queue(8, 3, DRX_NETDEV_A_QUEUE_DMABUF), s.get()),
		  0);
	ASSERT_EQ(parse(drx_parse_setup_queue,
			queue(7, 9, 0, DRX_NETDEV_QUEUE_TYPE_TX), s.get()),
		  0);
	ASSERT_EQ(parse(drx_parse_setup_queue, queue(7, UINT32_MAX), s.get()),
		  0);
	EXPECT_EQ(drx_setup_queues(s.get()), 4u);
	EXPECT_FALSE(s->used[0]);
	EXPECT_TRUE(s->used[1]);
	EXPECT_TRUE(s->used[2]);
	EXPECT_FALSE(s->used[3]);
}

TEST(NicSetup, MoreChannelsThanAnyNicHas)
{
	SetupPtr s = fresh();

	EXPECT_EQ(parse(drx_parse_setup_channels, channels(1025, 2048),
			s.get()),
		  -EBADMSG);
	EXPECT_EQ(drx_setup_queues(s.get()), 0u);
}

struct Kind {
	const char *name;
	Parse parse;
	Payload payload;
};

const Kind kinds[] = {
	{ "channels", drx_parse_setup_channels, channels(4, 16) },
	{ "rings", drx_parse_setup_rings, rings(2, 256) },
	{ "features", drx_parse_setup_features,
	  features(true, true, true, true) },
	{ "queue", drx_parse_setup_queue,
	  queue(7, 1, DRX_NETDEV_A_QUEUE_IO_URING) },
};

/* Each prefix in memory of just that size: whole, or malformed. */
TEST(NicSetupHostile, CutOffAnywhere)
{
	for (const Kind &kind : kinds) {
		for (size_t n = 0; n <= kind.payload.bytes.size(); n++) {
			SetupPtr s = fresh();
			const int ret = kind.parse(
				Exact(kind.payload.bytes, n).get(), n, s.get());

			EXPECT_EQ(ret, kind.payload.ends.count(n) ? 0 : -EBADMSG)
				<< kind.name << " of " << n;
		}
	}
}

/* Each byte another one: an answer, and nothing read outside. */
TEST(NicSetupHostile, EachByteBent)
{
	for (const Kind &kind : kinds) {
		for (size_t at = 0; at < kind.payload.bytes.size(); at++) {
			for (unsigned value :
			     { 0x00, 0x01, 0x7f, 0x80, 0xff }) {
				Bytes bent = kind.payload.bytes;
				SetupPtr s = fresh();

				bent[at] = uint8_t(value);
				const int ret = kind.parse(
					Exact(bent, bent.size()).get(),
					bent.size(), s.get());
				EXPECT_TRUE(ret == 0 || ret == -EBADMSG);
			}
		}
	}
}

} /* namespace */
