/* SPDX-License-Identifier: MIT */
/*
 * For the tests of kind "drm": the fake libdrm, a card for a test, and a check that
 * each leaves nothing behind.
 */
#ifndef MEMORY_DRM_SUPPORT_H
#define MEMORY_DRM_SUPPORT_H

#include "memory_support.h"

#include <string>

#include "fakes/fake_drm.h"

namespace memory_support
{

class Drm : public testing::Test
{
      protected:
	void SetUp() override
	{
		char name[] = "/tmp/devrx-drm-XXXXXX";

		fds_ = OpenFds();
		ASSERT_TRUE(fake.load(DEVRX_FAKE_DRM_DIR "/libdrm.so.2"));
		ASSERT_NE(mkdtemp(name), nullptr);
		path = std::string(name) + "/card";
	}

	void TearDown() override
	{
		(void)unlink(path.c_str());
		(void)rmdir(path.substr(0, path.rfind('/')).c_str());
		EXPECT_EQ(fake.count(), 0) << "leaked";
		EXPECT_EQ(OpenFds(), fds_);
	}

	/* Options for a card with that text. */
	devrx_memory_opts Card(const std::string &text)
	{
		devrx_memory_opts opts = Good("drm", &cause);

		cause = {};
		EXPECT_TRUE(WriteFile(path.c_str(), text));
		opts.device = path.c_str();
		return opts;
	}

	FakeDrm fake;
	std::string path;
	devrx_cause cause = {};

      private:
	int fds_ = 0;
};

} // namespace memory_support

#endif /* MEMORY_DRM_SUPPORT_H */
