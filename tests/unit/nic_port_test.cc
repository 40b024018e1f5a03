// SPDX-License-Identifier: MIT
/* devrx_queue_bind_port(): which ports may be taken, and what it refuses without a
 * NIC that has RSS. That answers reach the queue is the VM's to show. */
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <devrx/queue.h>

extern "C" {
#include "nic/nic.h"
#include "nic/port.h"
}

namespace
{

TEST(NicPorts, RangeIsReadOrLeftAlone)
{
	const struct {
		const char *line;
		uint16_t first, last;
	} cases[] = {
		{ "1024\t2000\n", 1024, 2000 }, { "5 5", 5, 5 },
		{ "1 65535\n", 1, 65535 },	{ "", 32768, 60999 },
		{ "0 7", 32768, 60999 },	{ "9 7", 32768, 60999 },
		{ "9 65536", 32768, 60999 },	{ "9", 32768, 60999 },
		{ "-9 10", 32768, 60999 },	{ "x 7", 32768, 60999 },
	};

	for (const auto &c : cases) {
		struct drx_ports ports = { 32768, 60999 };

		drx_ports_parse(&ports, c.line);
		EXPECT_EQ(ports.first, c.first) << c.line;
		EXPECT_EQ(ports.last, c.last) << c.line;
	}
}

TEST(NicPorts, ASocketsOwnRangeNarrowsIt)
{
	const struct {
		uint32_t low, high;
		uint16_t first, last;
	} cases[] = {
		{ 0, 0, 1000, 2000 },	    { 1500, 0, 1500, 2000 },
		{ 0, 1500, 1000, 1500 },    { 1200, 1300, 1200, 1300 },
		{ 10, 1300, 1000, 1300 },   { 1200, 9000, 1200, 2000 },
		{ 1300, 1300, 1300, 1300 },
	};

	for (const auto &c : cases) {
		struct drx_ports ports = { 1000, 2000 };

		drx_ports_narrow(&ports, c.high << 16 | c.low);
		EXPECT_EQ(ports.first, c.first) << c.low << " " << c.high;
		EXPECT_EQ(ports.last, c.last) << c.low << " " << c.high;
	}
}

TEST(NicPorts, ReservedOnesAreKnown)
{
	const char list[] = "80,8000-8002,9000\n";

	for (uint16_t port : { 80, 8000, 8001, 8002, 9000 })
		EXPECT_TRUE(drx_port_reserved(list, port)) << port;
	for (uint16_t port : { 1, 79, 81, 7999, 8003, 9001, 65535 })
		EXPECT_FALSE(drx_port_reserved(list, port)) << port;
	for (const char *other : { "", "\n", "x", ",", "-", "80-", "80,," })
		EXPECT_FALSE(drx_port_reserved(other, 9000)) << other;
}

struct Ends {
	struct sockaddr_in local4 = {}, remote4 = {};
	struct sockaddr_in6 local6 = {}, remote6 = {};

	Ends()
	{
		local4.sin_family = remote4.sin_family = AF_INET;
		local6.sin6_family = remote6.sin6_family = AF_INET6;
		inet_pton(AF_INET, "127.0.0.1", &local4.sin_addr);
		inet_pton(AF_INET, "127.0.0.2", &remote4.sin_addr);
		inet_pton(AF_INET6, "::1", &local6.sin6_addr);
		inet_pton(AF_INET6, "fd00::2", &remote6.sin6_addr);
		remote4.sin_port = remote6.sin6_port = htons(9000);
	}
};

class NicBindPort : public testing::Test
{
      protected:
	void SetUp() override
	{
		q = drx_queue_new(if_nametoindex("lo"), 0);
		ASSERT_NE(q, nullptr);
		fd = socket(AF_INET6, SOCK_STREAM, 0);
		fd4 = socket(AF_INET, SOCK_STREAM, 0);
	}
	void TearDown() override
	{
		struct sockaddr_in6 addr = {};
		socklen_t len = sizeof(addr);

		if (fd >= 0) {
			EXPECT_EQ(getsockname(fd, (struct sockaddr *)&addr,
					      &len),
				  0);
			EXPECT_EQ(addr.sin6_port, 0) << "bound in spite of all";
			close(fd);
		}
		close(fd4);
		EXPECT_EQ(devrx_queue_restore(q), 0);
	}

	int bind6()
	{
		cause = {};
		return devrx_queue_bind_port(q, fd,
					     (struct sockaddr *)&ends.local6,
					     (struct sockaddr *)&ends.remote6,
					     sizeof(ends.local6), &cause);
	}
	int bind4(socklen_t len = sizeof(struct sockaddr_in))
	{
		cause = {};
		return devrx_queue_bind_port(q, fd4,
					     (struct sockaddr *)&ends.local4,
					     (struct sockaddr *)&ends.remote4,
					     len, &cause);
	}

	Ends ends;
	struct devrx_queue *q = nullptr;
	struct devrx_cause cause = {};
	int fd = -1, fd4 = -1;
};

TEST_F(NicBindPort, WellFormedGetsAsFarAsTheNic)
{
	EXPECT_EQ(bind4(), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "rss-missing");
	if (fd >= 0) {
		EXPECT_EQ(bind6(), -EOPNOTSUPP);
		EXPECT_STREQ(cause.id, "rss-missing");
	}
}

TEST_F(NicBindPort, NullArguments)
{
	struct sockaddr *local = (struct sockaddr *)&ends.local4;

	EXPECT_EQ(devrx_queue_bind_port(nullptr, fd4, local, local, 16, &cause),
		  -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	EXPECT_EQ(devrx_queue_bind_port(q, fd4, nullptr, local, 16, nullptr),
		  -EINVAL);
	EXPECT_EQ(devrx_queue_bind_port(q, fd4, local, nullptr, 16, nullptr),
		  -EINVAL);
}

TEST_F(NicBindPort, Lengths)
{
	EXPECT_EQ(bind4(0), -EINVAL);
	EXPECT_EQ(bind4(1), -EINVAL);
	EXPECT_EQ(bind4(sizeof(ends.local4) - 1), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	EXPECT_EQ(devrx_queue_bind_port(q, fd, (struct sockaddr *)&ends.local6,
					(struct sockaddr *)&ends.remote6,
					sizeof(ends.local6) - 1, nullptr),
		  -EINVAL);
}

/* One change each to what is otherwise good. */
TEST_F(NicBindPort, Addresses)
{
	const struct {
		const char *name;
		std::function<void(Ends *)> change;
	} cases[] = {
		{ "any local",
		  [](Ends *e) { e->local4.sin_addr.s_addr = INADDR_ANY; } },
		{ "any remote",
		  [](Ends *e) { e->remote4.sin_addr.s_addr = INADDR_ANY; } },
		{ "a local port", [](Ends *e) { e->local4.sin_port = 1; } },
		{ "no remote port", [](Ends *e) { e->remote4.sin_port = 0; } },
		{ "another family",
		  [](Ends *e) { e->remote4.sin_family = AF_INET6; } },
		{ "no family",
		  [](Ends *e) {
			  e->local4.sin_family = e->remote4.sin_family =
				  AF_UNIX;
		  } },
	};

	for (const auto &c : cases) {
		ends = Ends();
		c.change(&ends);
		EXPECT_EQ(bind4(), -EINVAL) << c.name;
		EXPECT_STREQ(cause.id, "opts-invalid") << c.name;
		EXPECT_STRNE(cause.text, "") << c.name;
	}
}

TEST_F(NicBindPort, MixedFamiliesInIpv6)
{
	inet_pton(AF_INET6, "::ffff:127.0.0.2", &ends.remote6.sin6_addr);
	EXPECT_EQ(bind6(), -EINVAL);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &ends.local6.sin6_addr);
	EXPECT_EQ(bind6(), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "rss-missing");
	inet_pton(AF_INET6, "::ffff:0.0.0.0", &ends.local6.sin6_addr);
	EXPECT_EQ(bind6(), -EINVAL);
}

TEST_F(NicBindPort, AVanishedNic)
{
	struct devrx_queue *gone = drx_queue_new(INT32_MAX, 0);

	EXPECT_EQ(devrx_queue_bind_port(gone, fd4,
					(struct sockaddr *)&ends.local4,
					(struct sockaddr *)&ends.remote4,
					sizeof(ends.local4), &cause),
		  -ENODEV);
	EXPECT_STREQ(cause.id, "nic-missing");
	EXPECT_EQ(devrx_queue_restore(gone), 0);
}

} // namespace
