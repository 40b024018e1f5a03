// SPDX-License-Identifier: MIT
/* provider/nic/rss.c: the hash against its specification's numbers, a NIC's
 * answer made by hand, and which NICs no port can be chosen for. */
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <random>
#include <string>
#include <tuple>

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <net/if.h>

extern "C" {
#include "nic/netlink.h"
#include "nic/rss.h"
#include "nic/uapi_netdev.h"
}
#include "nic_messages.h"

using namespace nic;

namespace
{

/* Microsoft's "Verifying the RSS hash calculation": the key, and of each flow the
 * hash over the addresses, and over addresses and ports.
 */
const uint8_t key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
	0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

struct Vector {
	const char *dst;
	uint16_t dst_port;
	const char *src;
	uint16_t src_port;
	uint32_t addresses;
	uint32_t ports;
};

const Vector vectors[] = {
	{ "161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2,
	  0x51ccc178 },
	{ "65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea },
	{ "12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de,
	  0x5c2b394a },
	{ "209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176,
	  0xafc7327f },
	{ "202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5,
	  0x10e828a2 },
	{ "3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5,
	  0x40207d3d },
	{ "ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c,
	  0xdde51bbf },
	{ "fe80::200:f8ff:fe21:67cf", 38024,
	  "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985,
	  0x02d1feef },
};

struct drx_rss_flow flow_of(const Vector &v)
{
	const int family = strchr(v.src, ':') ? AF_INET6 : AF_INET;
	struct drx_rss_flow flow = {};

	flow.addr_len = family == AF_INET ? 4 : 16;
	EXPECT_EQ(inet_pton(family, v.src, flow.src), 1);
	EXPECT_EQ(inet_pton(family, v.dst, flow.dst), 1);
	flow.src_port = htons(v.src_port);
	flow.dst_port = htons(v.dst_port);
	return flow;
}

/* A NIC of @n entries, each a queue of its own: the queue is the hash's rest. */
std::unique_ptr<struct drx_rss> rss_of(uint32_t n)
{
	auto rss = std::make_unique<struct drx_rss>();

	*rss = {};
	rss->hfunc = DRX_ETH_RSS_HASH_TOP;
	rss->key_len = sizeof(key);
	memcpy(rss->key, key, sizeof(key));
	rss->nr_indir = n;
	for (uint32_t i = 0; i < n; i++)
		rss->indir[i] = i;
	return rss;
}

TEST(NicToeplitz, HasThePublishedHashes)
{
	for (const Vector &v : vectors) {
		const struct drx_rss_flow flow = flow_of(v);
		uint8_t in[36];
		const size_t n = flow.addr_len;

		memcpy(in, flow.src, n);
		memcpy(in + n, flow.dst, n);
		memcpy(in + 2 * n, &flow.src_port, 2);
		memcpy(in + 2 * n + 2, &flow.dst_port, 2);
		EXPECT_EQ(drx_rss_toeplitz(key, in, 2 * n), v.addresses)
			<< v.src;
		EXPECT_EQ(drx_rss_toeplitz(key, in, 2 * n + 4), v.ports)
			<< v.src;
	}
}

TEST(NicRss, TheHashSelectsTheEntry)
{
	for (uint32_t n : { 1u, 128u, 1024u, 4096u, 100u })
		for (const Vector &v : vectors) {
			const struct drx_rss_flow flow = flow_of(v);

			EXPECT_EQ(drx_rss_queue(rss_of(n).get(), &flow),
				  v.ports % n);
		}
}

/* What the hash is over, written out for the first of the flows. */
TEST(NicRss, SymmetricHashesAreOverWhatTheKernelsDocumentSays)
{
	const uint8_t x[] = { 161 ^ 66, 142 ^ 9,   100 ^ 149, 80 ^ 187,
			      161 ^ 66, 142 ^ 9,   100 ^ 149, 80 ^ 187,
			      6 ^ 10,	230 ^ 234, 6 ^ 10,    230 ^ 234 };
	const uint8_t o[] = { 161 | 66, 142 | 9,   100 | 149, 80 | 187,
			      161 ^ 66, 142 ^ 9,   100 ^ 149, 80 ^ 187,
			      6 | 10,	230 | 234, 6 ^ 10,    230 ^ 234 };
	const struct drx_rss_flow flow = flow_of(vectors[0]);
	auto rss = rss_of(4096);

	rss->xfrm = DRX_RXH_XFRM_SYM_XOR;
	EXPECT_EQ(drx_rss_queue(rss.get(), &flow),
		  drx_rss_toeplitz(key, x, sizeof(x)) % 4096);
	rss->xfrm = DRX_RXH_XFRM_SYM_OR_XOR;
	EXPECT_EQ(drx_rss_queue(rss.get(), &flow),
		  drx_rss_toeplitz(key, o, sizeof(o)) % 4096);
}

/* Both directions of a flow, which is what they are for. */
TEST(NicRss, SymmetricHashesAreTheSameBothWays)
{
	for (uint32_t xfrm : { 0, 1, 2 })
		for (const Vector &v : vectors) {
			const struct drx_rss_flow flow = flow_of(v);
			struct drx_rss_flow back = flow;
			auto rss = rss_of(4096);

			memcpy(back.src, flow.dst, sizeof(back.src));
			memcpy(back.dst, flow.src, sizeof(back.dst));
			back.src_port = flow.dst_port;
			back.dst_port = flow.src_port;
			rss->xfrm = xfrm;
			EXPECT_EQ(drx_rss_queue(rss.get(), &flow) ==
					  drx_rss_queue(rss.get(), &back),
				  xfrm != 0)
				<< v.src;
		}
}

/* A NIC's answer. */

int parse(const Bytes &b, size_t n, struct drx_rss *rss)
{
	Exact exact(b, n);

	return drx_parse_rss(exact.get(), n, rss);
}

int parse(const Payload &p, struct drx_rss *rss)
{
	return parse(p.bytes, p.bytes.size(), rss);
}

Bytes table(const std::vector<uint32_t> &queues)
{
	Bytes b(queues.size() * 4);

	memcpy(b.data(), queues.data(), b.size());
	return b;
}

Payload whole()
{
	return genl(DRX_ETHTOOL_MSG_RSS_GET)
		.nest(DRX_ETHTOOL_A_RSS_HEADER, Payload().u32(1, 7))
		.u32(DRX_ETHTOOL_A_RSS_HFUNC, 1)
		.attr(DRX_ETHTOOL_A_RSS_INDIR, table({ 1, 2, 3, 1 }))
		.attr(DRX_ETHTOOL_A_RSS_HKEY, Bytes(key, key + sizeof(key)))
		.u32(DRX_ETHTOOL_A_RSS_INPUT_XFRM, 2)
		.nest(DRX_ETHTOOL_A_RSS_FLOW_HASH,
		      Payload()
			      .u32(DRX_ETHTOOL_A_FLOW_TCP4, 0xf0)
			      .attr(DRX_ETHTOOL_A_FLOW_TCP6,
				    raw(uint64_t(0x30))));
}

TEST(NicRssReply, IsRead)
{
	auto rss = rss_of(0);

	ASSERT_EQ(parse(whole(), rss.get()), 0);
	EXPECT_EQ(rss->hfunc, 1u);
	EXPECT_EQ(rss->xfrm, 2u);
	EXPECT_EQ(rss->key_len, 40u);
	EXPECT_EQ(memcmp(rss->key, key, 40), 0);
	ASSERT_EQ(rss->nr_indir, 4u);
	EXPECT_EQ(rss->indir[0], 1u);
	EXPECT_EQ(rss->indir[2], 3u);
	EXPECT_EQ(rss->tcp4, 0xf0u);
	EXPECT_EQ(rss->tcp6, 0x30u);
}

TEST(NicRssReply, LeavesUnknownWhatIsLeftOut)
{
	struct drx_rss rss = {};

	ASSERT_EQ(parse(genl(DRX_ETHTOOL_MSG_RSS_GET), &rss), 0);
	EXPECT_EQ(rss.hfunc, 0u);
	EXPECT_EQ(rss.key_len, 0u);
	EXPECT_EQ(rss.nr_indir, 0u);
	EXPECT_EQ(rss.tcp4, 0u);
}

TEST(NicRssReply, OnlyWholeAttributesAreTaken)
{
	const Payload p = whole();

	for (size_t n = 0; n <= p.bytes.size(); n++) {
		auto rss = rss_of(0);

		EXPECT_EQ(parse(p.bytes, n, rss.get()),
			  p.ends.count(n) ? 0 : -EBADMSG)
			<< n;
	}
}

TEST(NicRssReply, RefusesWhatNoNicHas)
{
	const struct {
		const char *name;
		uint16_t type;
		size_t len;
		int want;
	} cases[] = {
		{ "the longest table", DRX_ETHTOOL_A_RSS_INDIR, 4096 * 4, 0 },
		{ "an entry more", DRX_ETHTOOL_A_RSS_INDIR, 4097 * 4,
		  -EBADMSG },
		{ "half an entry", DRX_ETHTOOL_A_RSS_INDIR, 6, -EBADMSG },
		{ "the longest key", DRX_ETHTOOL_A_RSS_HKEY, 256, 0 },
		{ "a byte more", DRX_ETHTOOL_A_RSS_HKEY, 257, -EBADMSG },
		{ "a short function", DRX_ETHTOOL_A_RSS_HFUNC, 3, -EBADMSG },
		{ "a long transformation", DRX_ETHTOOL_A_RSS_INPUT_XFRM, 8,
		  -EBADMSG },
		{ "fields that are no attributes", DRX_ETHTOOL_A_RSS_FLOW_HASH,
		  3, -EBADMSG },
	};

	for (const auto &c : cases) {
		struct drx_rss rss = {};

		EXPECT_EQ(parse(genl(0).attr(c.type, Bytes(c.len)), &rss),
			  c.want)
			<< c.name;
	}
}

TEST(NicRssReply, FieldsOfAnOddWidthAreMalformed)
{
	struct drx_rss rss = {};

	EXPECT_EQ(parse(genl(0).nest(DRX_ETHTOOL_A_RSS_FLOW_HASH,
				     Payload().attr(DRX_ETHTOOL_A_FLOW_TCP4,
						    Bytes(2))),
			&rss),
		  -EBADMSG);
}

/* Bytes of any kind end in 0 or -EBADMSG and never beyond the message. */
TEST(NicRssReply, SurvivesNoise)
{
	std::mt19937 random(2009);
	const Payload p = whole();

	for (int i = 0; i < 20000; i++) {
		Bytes b = p.bytes;
		auto rss = rss_of(0);

		for (int k = 0; k < 4; k++)
			b[random() % b.size()] = uint8_t(random());
		const int ret = parse(b, random() % (b.size() + 1), rss.get());

		EXPECT_TRUE(!ret || ret == -EBADMSG) << ret;
		EXPECT_LE(rss->nr_indir, uint32_t(DRX_RSS_INDIR_MAX));
		EXPECT_LE(rss->key_len, uint32_t(DRX_RSS_KEY_MAX));
	}
}

/* Judgement. */

struct Case {
	const char *name;
	void (*change)(struct drx_rss *);
	size_t addr_len;
	int want;
	const char *id;
	const char *next;
};

const Case cases[] = {
	{ "Good4", [](struct drx_rss *) {}, 4, 0, "", "" },
	{ "Good6", [](struct drx_rss *) {}, 16, 0, "", "" },
	{ "AllFour", [](struct drx_rss *r) { r->tcp4 = 0xf0; }, 4, 0, "", "" },
	{ "OtherFields", [](struct drx_rss *r) { r->tcp4 = 0x30; }, 4,
	  -EOPNOTSUPP, "rss-hash", "ethtool -N eth0 rx-flow-hash tcp4 sdfn" },
	{ "OtherFields6", [](struct drx_rss *r) { r->tcp6 = 0x2f0; }, 16,
	  -EOPNOTSUPP, "rss-hash", "ethtool -N eth0 rx-flow-hash tcp6 sdfn" },
	{ "OnlyTheOtherFamilys", [](struct drx_rss *r) { r->tcp6 = 0x30; }, 4,
	  0, "", "" },
	{ "Xor", [](struct drx_rss *r) { r->hfunc = 2; }, 4, -EOPNOTSUPP,
	  "rss-hash", "ethtool -X eth0 hfunc toeplitz" },
	{ "NotTold", [](struct drx_rss *r) { r->hfunc = 0; }, 4, -EOPNOTSUPP,
	  "rss-hash", "ethtool -X eth0 hfunc toeplitz" },
	{ "OrXor", [](struct drx_rss *r) { r->xfrm = 2; }, 4, 0, "", "" },
	{ "BothAtOnce", [](struct drx_rss *r) { r->xfrm = 3; }, 4, -EOPNOTSUPP,
	  "rss-hash", nullptr },
	{ "KeyJustLongEnough4", [](struct drx_rss *r) { r->key_len = 16; }, 4,
	  0, "", "" },
	{ "KeyTooShort4", [](struct drx_rss *r) { r->key_len = 15; }, 4,
	  -EOPNOTSUPP, "rss-hash", nullptr },
	{ "KeyTooShort6", [](struct drx_rss *r) { r->key_len = 39; }, 16,
	  -EOPNOTSUPP, "rss-hash", nullptr },
	{ "NotInTheTable", [](struct drx_rss *r) { r->nr_indir = 3; }, 4,
	  -ENOENT, "rss-queue",
	  "ethtool -N eth0 flow-type tcp4 src-ip ADDRESS src-port PORT action "
	  "3 (of the peer)" },
};

class NicRssJudge : public testing::TestWithParam<Case>
{
};

TEST_P(NicRssJudge, NamesWhatIsWrongAndWhatMendsIt)
{
	struct devrx_cause cause = {};
	auto rss = rss_of(8);

	GetParam().change(rss.get());
	EXPECT_EQ(drx_rss_judge(rss.get(), "eth0", 3, GetParam().addr_len,
				&cause),
		  GetParam().want);
	EXPECT_STREQ(cause.id, GetParam().id);
	if (GetParam().next)
		EXPECT_STREQ(cause.next, GetParam().next);
	else
		EXPECT_STRNE(cause.next, "");
}

TEST_P(NicRssJudge, GivesAShellNoNameThatItCouldMisread)
{
	struct devrx_cause cause = {};
	auto rss = rss_of(8);

	GetParam().change(rss.get());
	(void)drx_rss_judge(rss.get(), "a;reboot", 3, GetParam().addr_len,
			    &cause);
	EXPECT_EQ(strstr(cause.next, "reboot"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(All, NicRssJudge, testing::ValuesIn(cases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* This machine's loopback has none. */
TEST(NicRss, ANicWithoutIsNamed)
{
	struct devrx_cause cause = {};
	struct drx_rss rss = {};

	rss.nr_indir = 77;
	EXPECT_EQ(drx_rss_read(&rss, if_nametoindex("lo"), &cause),
		  -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "rss-missing");
	EXPECT_EQ(drx_rss_read(&rss, INT32_MAX, &cause), -ENODEV);
	EXPECT_STREQ(cause.id, "nic-missing");
	EXPECT_EQ(rss.nr_indir, 77u) << "untouched";
}

} // namespace
