// SPDX-License-Identifier: MIT
/* Kind "drm" of a library that was built without libdrm's headers. */
#include <cerrno>

#include <gtest/gtest.h>

#include <devrx/drm.h>
#include <devrx/provider.h>

extern "C" const struct devrx_provider drx_drm_provider;

namespace
{

TEST(DrmNotBuilt, SaysSo)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_backing backing = {};
	devrx_cause cause = {};
	char here;
	auto *const untouched = reinterpret_cast<devrx_memory *>(&here);
	devrx_memory *mem = untouched;

	opts.cause = &cause;
	EXPECT_STREQ(drx_drm_provider.name, "drm");
	EXPECT_EQ(drx_drm_provider.probe(&cause), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "drm-not-built");
	EXPECT_EQ(drx_drm_provider.probe(nullptr), -EOPNOTSUPP);
	cause = {};
	EXPECT_EQ(drx_drm_provider.alloc(&opts, &backing, &cause), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "drm-not-built");
	cause = {};
	EXPECT_EQ(devrx_drm_import(&mem, -1, 1, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "drm-not-built");
	EXPECT_EQ(devrx_drm_import(&mem, -1, 1, nullptr), -EOPNOTSUPP);
	EXPECT_EQ(mem, untouched);
}

} // namespace
