// SPDX-License-Identifier: MIT
/* Kind "vulkan" of a library that was built without Vulkan's headers. */
#include <cerrno>

#include <gtest/gtest.h>

#include <devrx/provider.h>
#include <devrx/vulkan.h>

extern "C" const struct devrx_provider drx_vulkan_provider;

namespace
{

devrx_memory *untouched()
{
	static char here;

	return reinterpret_cast<devrx_memory *>(&here);
}

TEST(VulkanNotBuilt, SaysSo)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = untouched();
	devrx_backing backing = {};
	devrx_cause cause = {};

	opts.cause = &cause;
	EXPECT_EQ(drx_vulkan_provider.probe(&cause), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "vulkan-not-built");
	EXPECT_EQ(drx_vulkan_provider.probe(nullptr), -EOPNOTSUPP);
	cause = {};
	EXPECT_EQ(drx_vulkan_provider.alloc(&opts, &backing, &cause),
		  -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "vulkan-not-built");
	cause = {};
	EXPECT_EQ(devrx_vulkan_alloc(&mem, nullptr, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "vulkan-not-built");
	cause = {};
	EXPECT_EQ(devrx_vulkan_import(&mem, 0, nullptr, &opts), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "vulkan-not-built");
	EXPECT_EQ(devrx_vulkan_import(&mem, 0, nullptr, nullptr), -EOPNOTSUPP);
	EXPECT_EQ(mem, untouched());
}

/* Nothing can be of this kind, and no semaphore is asked. */
TEST(VulkanNotBuilt, HasNoMemory)
{
	struct devrx_vulkan_handles h = {};
	devrx_cause cause = {};

	EXPECT_EQ(devrx_vulkan_handles(untouched(), &h), -EINVAL);
	EXPECT_EQ(devrx_vulkan_acquire(untouched(), nullptr, 0, 0), -EINVAL);
	EXPECT_EQ(devrx_vulkan_release(untouched(), nullptr, 0, 0), -EINVAL);
	EXPECT_EQ(devrx_vulkan_check(untouched(), &cause), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	EXPECT_EQ(devrx_vulkan_point_poll(nullptr), -EOPNOTSUPP);
}

} // namespace
