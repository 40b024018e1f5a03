// SPDX-License-Identifier: MIT
/* URLs, and which bytes are still to be asked for. */
#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include "deliver/http_plan.h"
#include "deliver/http_url.h"
}

namespace
{

std::string print(const drx_url &url)
{
	char text[DEVRX_HTTP_URL_MAX];

	drx_url_print(text, &url);
	return text;
}

TEST(HttpUrl, Parts)
{
	drx_url url;

	ASSERT_EQ(drx_url_parse(&url, "HTTP://Host-1.example:8080/a/b?c=/#f",
				nullptr),
		  0);
	EXPECT_STREQ(url.host, "Host-1.example");
	EXPECT_STREQ(url.authority, "Host-1.example:8080");
	EXPECT_EQ(url.port, 8080);
	EXPECT_STREQ(url.path, "/a/b?c=/");
	ASSERT_EQ(drx_url_parse(&url, "http://h", nullptr), 0);
	EXPECT_STREQ(url.path, "/");
	EXPECT_STREQ(url.authority, "h");
	EXPECT_EQ(url.port, 80);
	ASSERT_EQ(drx_url_parse(&url, "http://h:80?q", nullptr), 0);
	EXPECT_EQ(print(url), "http://h/?q");
	ASSERT_EQ(drx_url_parse(&url, "http://[fe80::1%25eth0]:1/", nullptr),
		  0);
	EXPECT_STREQ(url.host, "fe80::1%25eth0");
	EXPECT_STREQ(url.authority, "[fe80::1%25eth0]:1");
}

TEST(HttpUrl, ThoseThatAreNone)
{
	devrx_cause cause;
	drx_url url;

	for (const char *text : { "",
				  "h",
				  "ftp://h/",
				  "http:/h",
				  "http://",
				  "http:///p",
				  "http://:80/",
				  "http://h:/",
				  "http://h:0/",
				  "http://h:65536/",
				  "http://h:123456/",
				  "http://h:1x/",
				  "http://u@h/",
				  "http://u:p@h/",
				  "http://h /",
				  "http://h/a b",
				  "http://h/\r\nX",
				  "http://h/\x7f",
				  "http://[::1/",
				  "http://[]/",
				  "http://[::1]x/",
				  "http://h\"/",
				  "http://a,b/" }) {
		cause = {};
		EXPECT_EQ(drx_url_parse(&url, text, &cause), -EINVAL) << text;
		EXPECT_STREQ(cause.id, "http-url") << text;
	}
	cause = {};
	EXPECT_EQ(drx_url_parse(&url, "https://h/", &cause), -EPROTONOSUPPORT);
	EXPECT_STREQ(cause.id, "http-tls");
	const std::string longest = "http://h/" + std::string(2047 - 9, 'x');
	EXPECT_EQ(drx_url_parse(&url, longest.c_str(), &cause), 0);
	EXPECT_EQ(print(url).substr(0, 1700), longest.substr(0, 1700));
	EXPECT_EQ(drx_url_parse(&url, (longest + "x").c_str(), &cause),
		  -EINVAL);
	EXPECT_EQ(
		drx_url_parse(&url,
			      ("http://" + std::string(256, 'h') + "/").c_str(),
			      &cause),
		-EINVAL);
}

TEST(HttpUrl, WhereARedirectLeads)
{
	drx_url base, url;
	devrx_cause cause = {};

	ASSERT_EQ(drx_url_parse(&base, "http://h:8080/a/b/c?d=/e", nullptr), 0);
	const std::map<std::string, std::string> cases = {
		{ "http://x/y", "http://x/y" },
		{ "//x/y", "http://x/y" },
		{ "/y", "http://h:8080/y" },
		{ "y", "http://h:8080/a/b/y" },
		{ "../y", "http://h:8080/a/b/../y" },
		{ "?q", "http://h:8080/a/b/c?q" },
		{ "y?u=http://z/", "http://h:8080/a/b/y?u=http://z/" },
	};
	for (const auto &c : cases) {
		ASSERT_EQ(drx_url_follow(&url, &base, c.first.c_str(), &cause),
			  0)
			<< c.first << cause.text;
		EXPECT_EQ(print(url), c.second);
	}
	EXPECT_EQ(drx_url_follow(&url, &base, "https://x/", &cause),
		  -EPROTONOSUPPORT);
	EXPECT_EQ(drx_url_follow(&url, &base, "ftp://x/", &cause), -EINVAL);
	EXPECT_EQ(drx_url_follow(&url, &base, "a b", &cause), -EINVAL);
	EXPECT_EQ(drx_url_follow(&url, &base,
				 ("/" + std::string(2047, 'x')).c_str(),
				 &cause),
		  -EINVAL);
	ASSERT_EQ(drx_url_parse(&url, "http://H:8080/", nullptr), 0);
	EXPECT_TRUE(drx_url_same_origin(&base, &url));
	ASSERT_EQ(drx_url_parse(&url, "http://h/", nullptr), 0);
	EXPECT_FALSE(drx_url_same_origin(&base, &url));
}

/* Whoever takes and gives back as he likes: each byte is brought once. */
TEST(HttpPlan, EachByteOnce)
{
	for (unsigned seed = 0; seed < 200; seed++) {
		std::mt19937 random(seed);
		const uint64_t first = random() % 1000, len = random() % 5000;
		std::vector<int> brought(first + len);
		std::vector<drx_range> out;
		drx_plan plan = {};
		drx_range r;

		plan.next = first;
		plan.end = first + len;
		while (!drx_plan_is_done(&plan)) {
			if (out.size() < 64 && random() % 2 &&
			    drx_plan_take(&plan, 1 + random() % 300, &r)) {
				out.push_back(r);
				continue;
			}
			if (out.empty())
				continue;
			const size_t i = random() % out.size();
			const drx_range back = out[i];
			const uint64_t at =
				back.first +
				(random() % 2 ? back.end - back.first :
						random() % (back.end -
							    back.first + 1));

			for (uint64_t b = back.first; b < at; b++)
				brought[b]++;
			drx_plan_return(&plan, &back, at);
			out.erase(out.begin() + static_cast<long>(i));
		}
		EXPECT_TRUE(out.empty());
		for (uint64_t b = first; b < first + len; b++)
			ASSERT_EQ(brought[b], 1) << seed << " " << b;
	}
}

TEST(HttpPlan, AnEndThatIsKnownLate)
{
	drx_plan plan = {};
	drx_range r;

	plan.next = 10;
	plan.end = DEVRX_HTTP_UNKNOWN;
	ASSERT_TRUE(drx_plan_take(&plan, 100, &r));
	EXPECT_EQ(r.end, 110u);
	drx_plan_settle(&plan, 50, &r);
	EXPECT_EQ(r.end, 50u);
	EXPECT_FALSE(drx_plan_is_done(&plan));
	drx_plan_return(&plan, &r, 50);
	EXPECT_TRUE(drx_plan_is_done(&plan));
	/* All of what is left is one's. */
	plan = {};
	plan.end = 1000;
	ASSERT_TRUE(drx_plan_take(&plan, 100, &r));
	drx_plan_extend(&plan, &r);
	EXPECT_EQ(r.end, 1000u);
	drx_range none;
	EXPECT_FALSE(drx_plan_take(&plan, 100, &none));
	drx_plan_return(&plan, &r, 300);
	ASSERT_TRUE(drx_plan_take(&plan, 100, &r));
	EXPECT_EQ(r.first, 300u);
	EXPECT_EQ(r.end, 1000u);
}

} // namespace
