// SPDX-License-Identifier: MIT
/*
 * Kind "drm" on a fake libdrm: which card is taken, of those that a /dev/dri of the
 * test's own has.
 */
#include "memory_drm_support.h"

#include <cstring>
#include <functional>
#include <map>

using namespace memory_support;

namespace
{

using Cards = std::map<std::string, std::string>;

/* What is said of @device where /dev/dri has these nodes. */
Outcome Choose(const Cards &cards, const char *device,
	       const std::function<void(const devrx_provider *, Outcome &)>
		       &ask = nullptr)
{
	return InChild([&](Outcome &o) {
		devrx_memory_opts opts = Good("drm", &o.cause);
		devrx_memory *mem = nullptr;

		if (!PrivateDev(o) || mkdir("/dev/dri", 0755))
			return;
		for (const auto &[name, text] : cards)
			(void)WriteFile(("/dev/dri/" + name).c_str(), text);
		opts.device = device;
		o.rc = devrx_memory_alloc(&mem, &opts);
		if (!o.rc) {
			/* Carried back where a cause would be. */
			(void)snprintf(o.cause.text, sizeof(o.cause.text), "%s",
				       Info(mem).proof);
			(void)devrx_memory_free(mem);
		}
		if (ask)
			ask(devrx_provider_find("drm"), o);
	});
}

struct ChoiceCase {
	const char *name;
	Cards cards;
	const char *device;
	int rc;
	const char *id;
	const char *text;
};

const ChoiceCase choices[] = {
	{ "FirstByNumber",
	  { { "card2", "driver=two" }, { "card10", "driver=ten" } },
	  nullptr,
	  0,
	  "",
	  "driver two" },
	{ "FirstThatCan",
	  { { "card0", "driver=a create=38" }, { "card1", "driver=b" } },
	  nullptr,
	  0,
	  "",
	  "driver b" },
	{ "WhyTheFirstCannot",
	  { { "card0", "driver=a create=38" },
	    { "card1", "driver=b export=38" } },
	  nullptr,
	  -EOPNOTSUPP,
	  "drm-no-dumb",
	  "driver a" },
	{ "NoCardAtAll",
	  { { "renderD128", "driver=a" } },
	  nullptr,
	  -ENOENT,
	  "drm-missing",
	  "no card node" },
	{ "ByNode",
	  { { "card0", "driver=a" }, { "card1", "driver=b" } },
	  "card1",
	  0,
	  "",
	  "driver b" },
	{ "ByPath",
	  { { "card0", "driver=a" }, { "card1", "driver=b" } },
	  "/dev/dri/card1",
	  0,
	  "",
	  "driver b" },
	{ "ByDriver",
	  { { "card0", "driver=a" }, { "card1", "driver=b" } },
	  "b",
	  0,
	  "",
	  "driver b" },
	{ "ByAddress",
	  { { "card0", "driver=a pci=0000:03:00.0" },
	    { "card1", "driver=b pci=0001:af:1f.7" } },
	  "0001:af:1f.7",
	  0,
	  "",
	  "driver b" },
	{ "AddressOfNone",
	  { { "card0", "driver=a pci=0000:03:00.0" },
	    { "card1", "driver=b" },
	    { "card2", "driver=c pci=0000:04:00.0 device=2" } },
	  "0000:04:00.0",
	  -ENODEV,
	  "drm-no-device",
	  "0000:04:00.0" },
	{ "DriverOfNone",
	  { { "card0", "driver=a" } },
	  "b",
	  -ENODEV,
	  "drm-no-device",
	  "\"b\"" },
	{ "EmptyNameIsNone",
	  { { "card0", "driver=a" } },
	  "",
	  -ENODEV,
	  "drm-no-device",
	  "\"\"" },
	/* The one that was asked for cannot: no other will do. */
	{ "WantedOneCannot",
	  { { "card0", "driver=a export=38" }, { "card1", "driver=b" } },
	  "a",
	  -EOPNOTSUPP,
	  "drm-no-export",
	  "handle" },
};

void PrintTo(const ChoiceCase &c, std::ostream *out)
{
	*out << (c.device ? c.device : "(none)");
}

class DrmChoice : public Drm, public testing::WithParamInterface<ChoiceCase>
{
};

TEST_P(DrmChoice, IsThisCard)
{
	const ChoiceCase &c = GetParam();
	const Outcome out = Choose(c.cards, c.device);

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, c.rc) << out.cause.text;
	EXPECT_STREQ(out.cause.id, c.id);
	EXPECT_NE(strstr(out.cause.text, c.text), nullptr) << out.cause.text;
}

INSTANTIATE_TEST_SUITE_P(All, DrmChoice, testing::ValuesIn(choices),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(Drm, ProbeTakesWhatAllocWouldTake)
{
	const auto probe = [](const devrx_provider *drm, Outcome &o) {
		o.extra = drm->probe(&o.cause);
	};
	Outcome out = Choose({ { "card0", "driver=a create=38" },
			       { "card1", "driver=b" } },
			     nullptr, probe);

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.extra, 0) << out.cause.text;
	out = Choose({ { "card0", "driver=a export=38" } }, nullptr, probe);
	EXPECT_EQ(out.extra, -EOPNOTSUPP);
	EXPECT_STREQ(out.cause.id, "drm-no-export");
}

} // namespace
