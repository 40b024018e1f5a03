// SPDX-License-Identifier: MIT
/* provider/util/cause.c: how a cause is filled in and cut. */
#include <cerrno>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

extern "C" {
#include "util/cause.h"
}

namespace
{

/* A cause between two guards, filled with something that is not a string. */
struct Guarded {
	unsigned char before[16];
	devrx_cause cause;
	unsigned char after[16];

	Guarded()
	{
		memset(static_cast<void *>(this), 0xa5, sizeof(*this));
	}
	bool intact() const
	{
		unsigned char want[16];

		memset(want, 0xa5, sizeof(want));
		return !memcmp(before, want, sizeof(want)) &&
		       !memcmp(after, want, sizeof(want));
	}
};

TEST(Fail, FillsInAllThree)
{
	Guarded g;

	EXPECT_EQ(drx_fail(&g.cause, -EINVAL, "hds-off",
			   "ethtool -G eth0 tcp-data-split on",
			   "%s does not split, queue %d", "eth0", 3),
		  -EINVAL);
	EXPECT_STREQ(g.cause.id, "hds-off");
	EXPECT_STREQ(g.cause.text, "eth0 does not split, queue 3");
	EXPECT_STREQ(g.cause.next, "ethtool -G eth0 tcp-data-split on");
	EXPECT_TRUE(g.intact());
}

TEST(Fail, NextMayBeNull)
{
	Guarded g;

	EXPECT_EQ(drx_fail(&g.cause, -ENODEV, "nic-missing", nullptr, "gone"),
		  -ENODEV);
	EXPECT_STREQ(g.cause.next, "");
	EXPECT_TRUE(g.intact());
}

TEST(Fail, CauseMayBeNull)
{
	EXPECT_EQ(drx_fail(nullptr, -EBUSY, "queue-bound", "wait", "%d", 1),
		  -EBUSY);
}

TEST(Fail, ReplacesAnEarlierCause)
{
	Guarded g;

	drx_fail(&g.cause, -EINVAL, "a-long-earlier-one", "do this", "long %s",
		 "earlier text");
	drx_fail(&g.cause, -EINVAL, "later", nullptr, "short");
	EXPECT_STREQ(g.cause.id, "later");
	EXPECT_STREQ(g.cause.text, "short");
	EXPECT_STREQ(g.cause.next, "");
}

struct CutCase {
	const char *name;
	int slack; /* string length minus the longest that fits */
};

class FailCuts : public testing::TestWithParam<CutCase>
{
};

TEST_P(FailCuts, EachStringToItsArrayAndTerminatesIt)
{
	const int slack = GetParam().slack;
	Guarded g;
	const std::string id(sizeof(g.cause.id) - 1 + slack, 'i');
	const std::string text(sizeof(g.cause.text) - 1 + slack, 't');
	const std::string next(sizeof(g.cause.next) - 1 + slack, 'n');

	EXPECT_EQ(drx_fail(&g.cause, -EIO, id.c_str(), next.c_str(), "%s",
			   text.c_str()),
		  -EIO);
	EXPECT_EQ(g.cause.id, id.substr(0, sizeof(g.cause.id) - 1));
	EXPECT_EQ(g.cause.text, text.substr(0, sizeof(g.cause.text) - 1));
	EXPECT_EQ(g.cause.next, next.substr(0, sizeof(g.cause.next) - 1));
	EXPECT_TRUE(g.intact());
}

const CutCase cuts[] = {
	{ "OneByteToSpare", -1 },
	{ "JustFits", 0 },
	{ "OneByteTooLong", 1 },
	{ "MuchTooLong", 5000 },
};
INSTANTIATE_TEST_SUITE_P(All, FailCuts, testing::ValuesIn(cuts),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

struct OsCase {
	const char *name;
	int err;
	const char *id;
};

class FailOs : public testing::TestWithParam<OsCase>
{
};

TEST_P(FailOs, NamesTheCallAndKeepsTheErrno)
{
	Guarded g;

	EXPECT_EQ(drx_fail_os(&g.cause, GetParam().err, "UDMABUF_CREATE"),
		  GetParam().err);
	EXPECT_STREQ(g.cause.id, GetParam().id);
	EXPECT_NE(strstr(g.cause.text, "UDMABUF_CREATE"), nullptr)
		<< g.cause.text;
	EXPECT_STREQ(g.cause.next, "");
	EXPECT_TRUE(g.intact());
	EXPECT_EQ(drx_fail_os(nullptr, GetParam().err, "UDMABUF_CREATE"),
		  GetParam().err);
}

const OsCase os_cases[] = {
	{ "NoMemory", -ENOMEM, "out-of-memory" },
	{ "TooManyFiles", -EMFILE, "os-error" },
	{ "IoError", -EIO, "os-error" },
	{ "NotAnErrno", -99999, "os-error" },
};
INSTANTIATE_TEST_SUITE_P(All, FailOs, testing::ValuesIn(os_cases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(FailOsText, SaysWhatTheErrnoMeans)
{
	devrx_cause cause;

	drx_fail_os(&cause, -EMFILE, "open(/dev/udmabuf)");
	EXPECT_NE(strstr(cause.text, strerror(EMFILE)), nullptr) << cause.text;
}

} // namespace
