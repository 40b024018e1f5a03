/* SPDX-License-Identifier: MIT */
/*
 * Kind "cuda" in the VM, on the fake CUDA driver: its memory is kernel/vram's, or a
 * udmabuf, so the NIC's bytes really land in it.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_CUDA_H
#define DEVRX_TESTS_VM_SUPPORT_CUDA_H

#include <libgen.h>
#include <string>
#include <vector>

#include <devrx/cuda.h>

#include "fakes/fake_cuda.h"
#include "support_vram.h"

namespace vm
{

class FakeCudaVm : public Vram
{
      protected:
	void SetUp() override
	{
		char self[512] = "";

		Vram::SetUp();
		if (IsSkipped())
			return;
		ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1),
			  0);
		dir = std::string(dirname(self)) + "/../fakes/libcuda";
		ASSERT_TRUE(fake.load(dir + "/libcuda.so.1")) << fake.why();
		fake.script("backing=vram");
	}

	void TearDown() override
	{
		if (dir.empty()) { /* skipped */
			Vram::TearDown();
			return;
		}
		rx.reset();
		mem.reset();
		if (ctx) {
			EXPECT_EQ(fake.CtxDestroy(ctx), 0);
		}
		EXPECT_EQ(fake.count("contexts"), 0);
		EXPECT_EQ(fake.count("allocations"), 0);
		Vram::TearDown();
	}

	/* Be a caller with a context and memory of its own. */
	void make_tensor(uint64_t len)
	{
		ASSERT_EQ(fake.Init(0), 0);
		ASSERT_EQ(fake.CtxCreate(&ctx, 0, 0), 0);
		ASSERT_EQ(fake.MemAlloc(&tensor, len), 0);
	}

	Outcome make_cuda(uint64_t len)
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *raw = nullptr;
		devrx_cause cause = {};
		int err;

		opts.kind = "cuda";
		opts.len = len;
		opts.cause = &cause;
		err = devrx_memory_alloc(&raw, &opts);
		if (!err)
			mem.reset(raw);
		return outcome(err, cause);
	}

	Outcome make_registered(Memory *ret, uint64_t addr, uint64_t len)
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *raw = nullptr;
		devrx_cause cause = {};
		int err;

		opts.cause = &cause;
		err = devrx_cuda_register(&raw, addr, len, &opts);
		if (!err)
			ret->reset(raw);
		return outcome(err, cause);
	}

	Outcome check()
	{
		devrx_cause cause = {};
		const int err = devrx_cuda_check(mem.get(), &cause);

		return outcome(err, cause);
	}

	FakeCuda fake;
	std::string dir;
	void *ctx = nullptr;
	uint64_t tensor = 0;
};

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_CUDA_H */
