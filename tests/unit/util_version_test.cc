// SPDX-License-Identifier: MIT
/* The version that the library tells is the one that the build knows. */
#include <string>

#include <gtest/gtest.h>

#include <devrx/devrx.h>

TEST(Version, EqualsTheProjects)
{
	EXPECT_STREQ(devrx_version(), DEVRX_TEST_VERSION);
}

TEST(Version, EqualsTheHeaders)
{
	EXPECT_EQ(devrx_version(), std::to_string(DEVRX_VERSION_MAJOR) + "." +
					   std::to_string(DEVRX_VERSION_MINOR) +
					   "." +
					   std::to_string(DEVRX_VERSION_PATCH));
}
