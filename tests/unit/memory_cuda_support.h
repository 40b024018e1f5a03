/* SPDX-License-Identifier: MIT */
/*
 * For the tests of kind "cuda": the fake driver as new, a caller's context, and
 * a check that each test leaves nothing of it behind.
 */
#ifndef MEMORY_CUDA_SUPPORT_H
#define MEMORY_CUDA_SUPPORT_H

#include "memory_support.h"

#include <devrx/cuda.h>

#include "fakes/fake_cuda.h"

namespace memory_support
{

constexpr uint64_t Unit = UINT64_C(2) << 20;

class Cuda : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(fake.load(DEVRX_FAKE_CUDA_DIR "/libcuda.so.1"))
			<< fake.why();
		fake.script("backing=memfd");
		fds_ = OpenFds();
	}

	/* Whatever the script said, in the end nothing may be left. */
	void TearDown() override
	{
		void *ctx = nullptr;

		EXPECT_EQ(fake.Init(0), 0);
		EXPECT_EQ(fake.CtxGetCurrent(&ctx), 0);
		EXPECT_EQ(ctx, current_);
		if (current_) {
			EXPECT_EQ(fake.CtxDestroy(current_), 0);
		}
		for (const char *what :
		     { "contexts", "allocations", "reservations", "handles",
		       "streams", "events" })
			EXPECT_EQ(fake.count(what), 0) << what << " leaked";
		EXPECT_EQ(OpenFds(), fds_);
	}

	/* Be a caller with a context of its own on @dev. */
	void *Context(int dev)
	{
		EXPECT_EQ(fake.Init(0), 0);
		EXPECT_EQ(fake.CtxCreate(&current_, 0, dev), 0);
		return current_;
	}

	/* That context has gone; nobody destroys it again. */
	void ForgetContext()
	{
		current_ = nullptr;
	}

	devrx_memory_opts Opts()
	{
		cause = {};
		return Good("cuda", &cause);
	}

	Memory Alloc(const char *device = nullptr, uint64_t len = Unit)
	{
		devrx_memory_opts opts = Opts();
		devrx_memory *mem = nullptr;

		opts.device = device;
		opts.len = len;
		EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
		return Memory(mem);
	}

	Memory Register(uint64_t addr, uint64_t len)
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = nullptr;

		opts.cause = &cause;
		EXPECT_EQ(devrx_cuda_register(&mem, addr, len, &opts), 0)
			<< cause.text;
		return Memory(mem);
	}

	void ExpectRegisterRefused(uint64_t addr, uint64_t len, int want,
				   const char *id)
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *mem = Untouched();

		cause = {};
		opts.cause = &cause;
		EXPECT_EQ(devrx_cuda_register(&mem, addr, len, &opts), want);
		EXPECT_EQ(mem, Untouched());
		EXPECT_STREQ(cause.id, id) << cause.text;
	}

	FakeCuda fake;
	devrx_cause cause = {};

      private:
	void *current_ = nullptr;
	int fds_ = 0;
};

} // namespace memory_support

#endif /* MEMORY_CUDA_SUPPORT_H */
