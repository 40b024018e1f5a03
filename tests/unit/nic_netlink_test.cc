// SPDX-License-Identifier: MIT
/* provider/nic/netlink.c: replies made by hand, then the real kernel. */
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <random>
#include <string>

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/time.h>

extern "C" {
#include "nic/netlink.h"
}
#include "nic_messages.h"

using namespace nic;

namespace
{

const uint32_t SEQ = 5, PORT = 77;
const uint16_t REPLY = NLMSG_MIN_TYPE;

/* A datagram through drx_nl_feed(), and what came out of it. */
class NicFeed : public testing::Test
{
      protected:
	void SetUp() override
	{
		nl_ = std::make_unique<struct drx_nl>();
		nl_->seq = SEQ;
		nl_->portid = PORT;
	}

	int feed(const Bytes &b)
	{
		return feed(b, b.size());
	}

	int feed(const Bytes &b, size_t n)
	{
		Exact exact(b, n);

		calls_ = 0;
		nl_->extack[0] = '\0';
		return drx_nl_feed(nl_.get(), exact.get(), n, count, this);
	}

	static int count(const void *, size_t len, void *self)
	{
		auto *t = static_cast<NicFeed *>(self);

		t->calls_++;
		t->len_ = len;
		return t->answer_;
	}

	std::unique_ptr<struct drx_nl> nl_;
	int calls_ = 0;
	int answer_ = 0;
	size_t len_ = 0;
};

Bytes reply(uint32_t seq = SEQ, uint32_t port = PORT, uint16_t flags = 0)
{
	return message(REPLY, flags, seq, port, Bytes(12, 0x11));
}

/* NLMSG_ERROR with the request's header only, or with @body behind it. */
Bytes verdict(int err, uint16_t flags = NLM_F_CAPPED, const Bytes &tlvs = {},
	      const Bytes &body = {})
{
	struct nlmsgerr head = {};

	head.error = err;
	head.msg.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + body.size());
	head.msg.nlmsg_seq = SEQ;
	Bytes b = raw(head);
	b.insert(b.end(), body.begin(), body.end());
	b.insert(b.end(), tlvs.begin(), tlvs.end());
	return message(NLMSG_ERROR, flags, SEQ, PORT, b);
}

Bytes sentence(const char *text)
{
	return Payload()
		.u32(NLMSGERR_ATTR_OFFS, 24)
		.attr(NLMSGERR_ATTR_MSG, str(text))
		.bytes;
}

Bytes operator+(Bytes a, const Bytes &b)
{
	a.insert(a.end(), b.begin(), b.end());
	return a;
}

TEST_F(NicFeed, HandsOverAReplyAndWaitsForTheVerdict)
{
	EXPECT_EQ(feed(reply()), 0);
	EXPECT_EQ(calls_, 1);
	EXPECT_EQ(len_, 12u);
	EXPECT_EQ(feed(verdict(0)), 1);
	EXPECT_EQ(calls_, 0);
	EXPECT_EQ(feed(reply() + reply() + verdict(0)), 1);
	EXPECT_EQ(calls_, 2);
}

TEST_F(NicFeed, IgnoresWhatIsNotForUs)
{
	EXPECT_EQ(feed(reply(SEQ - 1)), 0);
	EXPECT_EQ(calls_, 0);
	EXPECT_EQ(feed(reply(SEQ, PORT + 1)), 0);
	EXPECT_EQ(calls_, 0);
	EXPECT_EQ(feed(reply(SEQ, 0)), 0);
	EXPECT_EQ(calls_, 0);
	EXPECT_EQ(feed(message(NLMSG_ERROR, 0, SEQ - 1, PORT,
			       raw(nlmsgerr{ -EPERM, {} }))),
		  0)
		<< "the verdict on another request";
	EXPECT_EQ(feed(reply(SEQ - 1) + reply()), 0);
	EXPECT_EQ(calls_, 1);
	EXPECT_EQ(feed(Bytes()), 0);
}

TEST_F(NicFeed, AcceptsNoReplyCallback)
{
	Bytes b = reply() + verdict(0);
	Exact exact(b, b.size());

	EXPECT_EQ(drx_nl_feed(nl_.get(), exact.get(), b.size(), nullptr,
			      nullptr),
		  1);
}

TEST_F(NicFeed, ReturnsTheKernelsErrno)
{
	EXPECT_EQ(feed(verdict(-EOPNOTSUPP)), -EOPNOTSUPP);
	EXPECT_STREQ(nl_->extack, "");
}

TEST_F(NicFeed, KeepsTheKernelsSentence)
{
	EXPECT_EQ(feed(verdict(-EINVAL, NLM_F_CAPPED | NLM_F_ACK_TLVS,
			       sentence("no can do"))),
		  -EINVAL);
	EXPECT_STREQ(nl_->extack, "no can do");
	EXPECT_EQ(feed(verdict(-EINVAL, NLM_F_ACK_TLVS, sentence("uncapped"),
			       Bytes(20, 0xff))),
		  -EINVAL);
	EXPECT_STREQ(nl_->extack, "uncapped");
}

TEST_F(NicFeed, DropsABadSentenceAndKeepsTheErrno)
{
	const uint16_t flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
	Bytes open = Payload().attr(NLMSGERR_ATTR_MSG, Bytes(8, 'x')).bytes;
	Bytes cut = sentence("no can do");

	cut.resize(cut.size() - 4);
	EXPECT_EQ(feed(verdict(-EINVAL, flags, open)), -EINVAL);
	EXPECT_STREQ(nl_->extack, "");
	EXPECT_EQ(feed(verdict(-EINVAL, flags, cut)), -EINVAL);
	EXPECT_STREQ(nl_->extack, "");
	EXPECT_EQ(feed(verdict(-EINVAL, flags,
			       sentence(std::string(500, 'y').c_str()))),
		  -EINVAL);
	EXPECT_STREQ(nl_->extack, "");
}

TEST_F(NicFeed, RefusesMalformedVerdicts)
{
	EXPECT_EQ(feed(verdict(1)), -EBADMSG) << "a positive errno";
	EXPECT_EQ(feed(message(NLMSG_ERROR, 0, SEQ, PORT, raw(-EPERM))),
		  -EBADMSG)
		<< "too short";
	Bytes b = verdict(-EINVAL, NLM_F_ACK_TLVS, sentence("x"));
	auto *inner =
		reinterpret_cast<struct nlmsgerr *>(b.data() + NLMSG_HDRLEN);
	inner->msg.nlmsg_len = 0;
	EXPECT_EQ(feed(b), -EBADMSG) << "a request of no length";
	inner->msg.nlmsg_len = UINT32_MAX;
	EXPECT_EQ(feed(b), -EBADMSG) << "a request of every length";
}

TEST_F(NicFeed, EndsADump)
{
	EXPECT_EQ(feed(message(NLMSG_DONE, NLM_F_MULTI, SEQ, PORT, raw(0))), 1);
	EXPECT_EQ(feed(message(NLMSG_DONE, NLM_F_MULTI, SEQ, PORT, {})), 1);
	EXPECT_EQ(feed(message(NLMSG_DONE, NLM_F_MULTI, SEQ, PORT,
			       raw(-EOPNOTSUPP))),
		  -EOPNOTSUPP);
	EXPECT_EQ(feed(message(NLMSG_DONE, NLM_F_MULTI | NLM_F_ACK_TLVS, SEQ,
			       PORT, raw(-ENODEV) + sentence("gone"))),
		  -ENODEV);
	EXPECT_STREQ(nl_->extack, "gone");
	EXPECT_EQ(feed(message(NLMSG_DONE, 0, SEQ, PORT, Bytes(2))), -EBADMSG);
}

TEST_F(NicFeed, ReportsLossAndInconsistency)
{
	EXPECT_EQ(feed(message(NLMSG_OVERRUN, 0, SEQ, PORT, {})), -ENOBUFS);
	EXPECT_EQ(feed(reply(SEQ, PORT, NLM_F_DUMP_INTR)), -EAGAIN);
	EXPECT_EQ(calls_, 0);
	EXPECT_EQ(feed(message(NLMSG_NOOP, 0, SEQ, PORT, {}) + verdict(0)), 1);
}

TEST_F(NicFeed, StopsAtAParsersError)
{
	answer_ = -EBADMSG;
	EXPECT_EQ(feed(reply() + reply() + verdict(0)), -EBADMSG);
	EXPECT_EQ(calls_, 1);
}

TEST_F(NicFeed, EachPrefixIsWholeOrMalformed)
{
	Bytes one = reply();
	Bytes all =
		one + reply() +
		verdict(-EINVAL, NLM_F_CAPPED | NLM_F_ACK_TLVS, sentence("no"));

	for (size_t n = 0; n < all.size(); n++) {
		bool whole = n % one.size() == 0 && n <= 2 * one.size();

		EXPECT_EQ(feed(all, n), whole ? 0 : -EBADMSG) << n;
	}
	EXPECT_EQ(feed(all), -EINVAL);
}

TEST_F(NicFeed, BentBytesNeverReadOutside)
{
	Bytes good = reply() + message(NLMSG_DONE, NLM_F_ACK_TLVS, SEQ, PORT,
				       raw(-EIO) + sentence("bad"));
	std::mt19937 rng(21);

	good = verdict(-EINVAL, NLM_F_ACK_TLVS, sentence("no"), Bytes(8)) +
	       good;
	for (int round = 0; round < 50000; round++) {
		Bytes bad = good;

		for (unsigned int k = 0; k <= rng() % 4; k++)
			bad[rng() % bad.size()] = static_cast<uint8_t>(rng());
		ASSERT_LE(feed(bad, rng() % (bad.size() + 1)), 1);
		ASSERT_LT(strlen(nl_->extack), sizeof(nl_->extack));
	}
}

/* Attributes. */

TEST(NicAttrs, SortsByTypeSkipsTheUnknownTakesTheLast)
{
	Bytes b = Payload().u8(1, 10).u8(9, 1).u8(1, 11).bytes;
	const struct nlattr *tb[3];
	uint8_t v = 0;
	Exact exact(b, b.size());

	ASSERT_EQ(drx_nl_attrs(exact.get(), b.size(), tb, 2), 0);
	EXPECT_EQ(tb[0], nullptr);
	EXPECT_EQ(tb[2], nullptr);
	ASSERT_NE(tb[1], nullptr);
	EXPECT_EQ(drx_nl_get_u8(tb[1], &v), 0);
	EXPECT_EQ(v, 11);
}

TEST(NicAttrs, AnAbsentValueStaysAsItWas)
{
	uint8_t a = 1;
	uint16_t b = 2;
	uint32_t c = 3;
	char s[4] = "s";

	EXPECT_EQ(drx_nl_get_u8(nullptr, &a), 0);
	EXPECT_EQ(drx_nl_get_u16(nullptr, &b), 0);
	EXPECT_EQ(drx_nl_get_u32(nullptr, &c), 0);
	EXPECT_EQ(drx_nl_get_str(nullptr, s, sizeof(s)), 0);
	EXPECT_EQ(a, 1);
	EXPECT_EQ(b, 2);
	EXPECT_EQ(c, 3u);
	EXPECT_STREQ(s, "s");
}

TEST(NicAttrs, RefusesImpossibleLengths)
{
	const struct nlattr *tb[2];
	const struct nlattr heads[] = {
		{ 0, 1 }, { 3, 1 }, { 9, 1 }, { 0xffff, 1 }
	};

	for (const struct nlattr &head : heads) {
		Bytes b = raw(head);

		b.resize(8);
		Exact exact(b, b.size());
		EXPECT_EQ(drx_nl_attrs(exact.get(), b.size(), tb, 1), -EBADMSG)
			<< head.nla_len;
	}
}

TEST(NicAttrs, RefusesAMessageShorterThanItsHeader)
{
	const struct nlattr *tb[2];
	Bytes b(16);

	for (size_t n = 0; n < 16; n++) {
		Exact exact(b, n);
		EXPECT_EQ(drx_nl_attrs_after(exact.get(), n, 16, tb, 1),
			  -EBADMSG);
	}
	Exact exact(b, 16);
	EXPECT_EQ(drx_nl_attrs_after(exact.get(), 16, 16, tb, 1), 0);
}

/* The kernel itself. */

class NicKernel : public testing::Test
{
      protected:
	void open(int bus)
	{
		nl_ = std::make_unique<struct drx_nl>();
		ASSERT_EQ(drx_nl_open(nl_.get(), bus), 0);
	}

	void TearDown() override
	{
		if (nl_ && nl_->sock)
			drx_nl_close(nl_.get());
	}

	std::unique_ptr<struct drx_nl> nl_;
};

TEST_F(NicKernel, ResolvesAFamily)
{
	uint16_t id = 1;

	ASSERT_NO_FATAL_FAILURE(open(NETLINK_GENERIC));
	EXPECT_EQ(drx_nl_family(nl_.get(), "nlctrl", &id), 0);
	EXPECT_EQ(id, GENL_ID_CTRL);
	EXPECT_EQ(drx_nl_family(nl_.get(), "devrx-no-such", &id), -ENOENT);
	EXPECT_EQ(id, GENL_ID_CTRL) << "untouched on error";
}

TEST_F(NicKernel, SocketIsClosedOnExec)
{
	ASSERT_NO_FATAL_FAILURE(open(NETLINK_ROUTE));
	EXPECT_TRUE(fcntl(mnl_socket_get_fd(nl_->sock), F_GETFD) & FD_CLOEXEC);
}

TEST_F(NicKernel, RefusesWithItsErrno)
{
	ASSERT_NO_FATAL_FAILURE(open(NETLINK_ROUTE));
	struct nlmsghdr *nlh = drx_nl_begin(nl_.get(), RTM_GETLINK, 0,
					    sizeof(struct ifinfomsg));
	static_cast<struct ifinfomsg *>(mnl_nlmsg_get_payload(nlh))->ifi_index =
		INT32_MAX;
	EXPECT_EQ(drx_nl_ask(nl_.get(), nlh, nullptr, nullptr), -ENODEV);
}

TEST_F(NicKernel, DumpsToItsEnd)
{
	int links = 0;
	auto count = [](const void *, size_t, void *n) {
		++*static_cast<int *>(n);
		return 0;
	};

	ASSERT_NO_FATAL_FAILURE(open(NETLINK_ROUTE));
	struct nlmsghdr *nlh = drx_nl_begin(nl_.get(), RTM_GETLINK, NLM_F_DUMP,
					    sizeof(struct ifinfomsg));
	EXPECT_EQ(drx_nl_ask(nl_.get(), nlh, count, &links), 0);
	EXPECT_GE(links, 1);
}

/* A request without NLM_F_REQUEST gets no answer; signals buy no more time. */
TEST_F(NicKernel, GivesUpOnSilenceDespiteSignals)
{
	const struct itimerval tick = { { 0, 20000 }, { 0, 20000 } };
	const struct itimerval stop = {};
	struct sigaction act = {}, old = {};

	ASSERT_NO_FATAL_FAILURE(open(NETLINK_ROUTE));
	struct nlmsghdr *nlh = drx_nl_begin(nl_.get(), RTM_GETLINK, 0,
					    sizeof(struct ifinfomsg));
	nlh->nlmsg_flags = 0;
	act.sa_handler = [](int) {};
	ASSERT_EQ(sigaction(SIGALRM, &act, &old), 0);
	setitimer(ITIMER_REAL, &tick, nullptr);
	time_t began = time(nullptr);
	EXPECT_EQ(drx_nl_ask(nl_.get(), nlh, nullptr, nullptr), -ETIMEDOUT);
	EXPECT_LE(time(nullptr) - began, 60);
	setitimer(ITIMER_REAL, &stop, nullptr);
	sigaction(SIGALRM, &old, nullptr);
}

} // namespace
