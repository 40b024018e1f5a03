// SPDX-License-Identifier: MIT
/*
 * Gather: each way of it, and what is to hold for all: each byte where it belongs, no
 * byte beside, batches in order.
 */
#include "memory_cuda_support.h"
#include "memory_gather_support.h"

using namespace memory_support;

namespace
{

/* Without a mapping: bytes by calls only. */
devrx_provider closed_provider(bool readable = true, bool writable = true)
{
	devrx_provider p = *devrx_provider_find("host");

	p.alloc = [](const devrx_memory_opts *o, devrx_backing *ret,
		     devrx_cause *why) {
		const int err = devrx_provider_find("host")->alloc(o, ret, why);

		if (!err) {
			ret->priv = ret->host_addr;
			ret->host_addr = nullptr;
		}
		return err;
	};
	p.free = [](devrx_backing *b) {
		b->host_addr = b->priv;
		devrx_provider_find("host")->free(b);
	};
	if (readable)
		p.read = [](devrx_backing *b, uint64_t off, void *buf,
			    size_t len) {
			memcpy(buf, static_cast<char *>(b->priv) + off, len);
			return 0;
		};
	else
		p.read = nullptr;
	if (writable)
		p.write = [](devrx_backing *b, uint64_t off, const void *buf,
			     size_t len) {
			memcpy(static_cast<char *>(b->priv) + off, buf, len);
			return 0;
		};
	else
		p.write = nullptr;
	return p;
}

TEST(MemoryGather, ByTheCpu)
{
	const Memory to = make("host", 1 << 20), from = make("host", 1 << 18);
	Rig rig(to.get(), from.get());
	devrx_fence fence;

	ASSERT_EQ(rig.open(), 0) << rig.cause.text;
	/* To look whether it can be written has changed nothing. */
	rig.expect_there();
	EXPECT_EQ(rig.info().way, DEVRX_GATHER_CPU);
	EXPECT_STREQ(rig.info().by, "the CPU");
	const auto spans = rig.spans(300, 3);
	EXPECT_EQ(devrx_gather_copy(rig.gather, spans.data(),
				    static_cast<unsigned>(spans.size()),
				    &fence),
		  0);
	rig.expect_there();
	uint64_t bytes = 0;
	for (const devrx_span &s : spans)
		bytes += s.length;
	EXPECT_EQ(rig.info().bytes, bytes);
	EXPECT_EQ(devrx_gather_wait(rig.gather), 0);
}

TEST(MemoryGather, ByWayOfABuffer)
{
	const devrx_provider closed = closed_provider();

	for (const bool to_closed : { false, true }) {
		const Memory to =
			make("host", 1 << 20, to_closed ? &closed : nullptr);
		const Memory from =
			make("host", 1 << 20, to_closed ? nullptr : &closed);
		Rig rig(to.get(), from.get());

		ASSERT_EQ(rig.open(), 0) << rig.cause.text;
		EXPECT_EQ(rig.info().way, DEVRX_GATHER_BOUNCE);
		const auto spans = rig.spans(300, 4);
		EXPECT_EQ(devrx_gather_copy(rig.gather, spans.data(),
					    static_cast<unsigned>(spans.size()),
					    nullptr),
			  0);
		rig.expect_there();
		/* More than the buffer holds. */
		const devrx_span all = { 0, 0, 1 << 20 };
		EXPECT_EQ(devrx_gather_copy(rig.gather, &all, 1, nullptr), 0);
		rig.want = rig.source;
		rig.expect_there();
	}
}

TEST(MemoryGather, BytesThatNobodyReads)
{
	const devrx_provider unreadable = closed_provider(false, true);
	const devrx_provider unwritable = closed_provider(true, false);
	const Memory host = make("host", 4096);
	const Memory a = make(nullptr, 4096, &unreadable);
	const Memory b = make(nullptr, 4096, &unwritable);
	devrx_gather_opts opts = DEVRX_GATHER_OPTS_INIT;
	devrx_gather *gather = nullptr;
	devrx_cause cause = {};

	opts.cause = &cause;
	EXPECT_EQ(devrx_gather_open(&gather, host.get(), a.get(), &opts),
		  -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "gather-unreadable");
	EXPECT_EQ(devrx_gather_open(&gather, b.get(), host.get(), &opts),
		  -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "gather-unreadable");
	EXPECT_EQ(gather, nullptr);
}

TEST(MemoryGather, WhatIsWrongIsRefused)
{
	const Memory to = make("host", 8192), from = make("host", 4096);
	devrx_gather_opts opts = DEVRX_GATHER_OPTS_INIT;
	devrx_cause cause = {};
	Rig rig(to.get(), from.get());
	std::vector<devrx_span> many(DEVRX_GATHER_SPANS + 1);
	const auto refuse = [&](devrx_memory *t, devrx_memory *f) {
		devrx_gather *gather = nullptr;

		cause = {};
		opts.cause = &cause;
		EXPECT_EQ(devrx_gather_open(&gather, t, f, &opts), -EINVAL);
		EXPECT_STREQ(cause.id, "opts-invalid");
		EXPECT_EQ(gather, nullptr);
	};

	refuse(nullptr, from.get());
	refuse(to.get(), nullptr);
	refuse(to.get(), to.get());
	opts.stream = &opts;
	refuse(to.get(), from.get());
	opts.size = 3;
	EXPECT_EQ(devrx_gather_open(&rig.gather, to.get(), from.get(), &opts),
		  -EINVAL);
	ASSERT_EQ(rig.open(), 0);
	EXPECT_EQ(devrx_gather_copy(rig.gather, many.data(), many.size(),
				    nullptr),
		  -EINVAL);
	EXPECT_EQ(devrx_gather_copy(rig.gather, many.data(), many.size() - 1,
				    nullptr),
		  0);
	for (const devrx_span &bad :
	     { devrx_span{ 4096, 0, 1 }, devrx_span{ 0, 8192, 1 },
	       devrx_span{ 1, 0, 4096 }, devrx_span{ 0, 8000, 193 },
	       devrx_span{ UINT64_MAX, 0, 2 }, devrx_span{ 0, UINT64_MAX, 2 },
	       devrx_span{ 0, 0, UINT64_MAX } }) {
		const devrx_span two[] = { { 0, 0, 1 }, bad };

		EXPECT_EQ(devrx_gather_copy(rig.gather, two, 2, nullptr),
			  -ERANGE);
	}
	rig.expect_there();
	devrx_gather_close(nullptr);
}

TEST(MemoryGather, AForkedChildHasNoPart)
{
	const Memory to = make("host", 8192), from = make("host", 4096);
	devrx_gather *gather = nullptr;
	const pid_t pid = fork();

	if (!pid)
		_exit(devrx_gather_open(&gather, to.get(), from.get(),
					nullptr) == -EPERM ?
			      0 :
			      1);
	int status = 0;
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* ---- by the device ---- */

class CudaGather : public Cuda
{
      protected:
	void SetUp() override
	{
		Cuda::SetUp();
		Context(0);
		to = Alloc(nullptr, 2 * Unit);
		from = Alloc(nullptr, Unit);
		ASSERT_TRUE(to && from);
	}
	void TearDown() override
	{
		to.reset();
		from.reset();
		EXPECT_EQ(fake.count("pinned"), 0);
		Cuda::TearDown();
	}
	Memory to, from;
};

TEST_F(CudaGather, ByAKernelOrByCopies)
{
	Rig rig(to.get(), from.get());
	devrx_fence fence;

	fake.add("late=2");
	ASSERT_EQ(rig.open(), 0) << rig.cause.text;
	EXPECT_EQ(rig.info().way, DEVRX_GATHER_DEVICE);
	EXPECT_NE(std::string(rig.info().by)
			  .find(
#ifdef DEVRX_TEST_GATHER_KERNEL
				  "a CUDA kernel, devrx fake GPU"
#else
				  "CUDA's copies, devrx fake GPU"
#endif
				  ),
		  std::string::npos)
		<< rig.info().by;
	const auto spans = rig.spans(500, 5);
	ASSERT_EQ(devrx_gather_copy(rig.gather, spans.data(),
				    static_cast<unsigned>(spans.size()),
				    &fence),
		  1);
	EXPECT_EQ(rig.info().batches_out, 1u);
	EXPECT_EQ(fence.poll(fence.object), -EAGAIN);
	while (fence.poll(fence.object) == -EAGAIN)
		;
	EXPECT_EQ(rig.info().batches_out, 0u);
	rig.expect_there();
}

TEST_F(CudaGather, BatchesInTheirOrder)
{
	Rig rig(to.get(), from.get());
	std::vector<devrx_fence> fences(DEVRX_GATHER_BATCHES);
	devrx_fence more;

	fake.add("late=1000000");
	ASSERT_EQ(rig.open(), 0);
	/* Each writes over the one before: the last one is what counts. */
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < DEVRX_GATHER_BATCHES; i++) {
			const auto spans = rig.spans(50, 100 + round * 50 + i);

			ASSERT_EQ(devrx_gather_copy(
					  rig.gather, spans.data(),
					  static_cast<unsigned>(spans.size()),
					  &fences[i]),
				  1);
		}
		const devrx_span one = { 0, 0, 1 };
		EXPECT_EQ(devrx_gather_copy(rig.gather, &one, 1, &more),
			  -EAGAIN);
		EXPECT_EQ(fences[0].poll(fences[0].object), -EAGAIN);
		EXPECT_EQ(devrx_gather_wait(rig.gather), 0);
		/* Their fences have still to be asked. */
		EXPECT_EQ(devrx_gather_copy(rig.gather, &one, 1, &more),
			  -EAGAIN);
		for (const devrx_fence &f : fences)
			EXPECT_EQ(f.poll(f.object), 0);
	}
	rig.expect_there();
}

/* A batch is done when those before it are, whoever asks. */
TEST_F(CudaGather, TheLastFenceFirst)
{
	Rig rig(to.get(), from.get());
	devrx_fence fences[3];

	fake.add("late=1");
	ASSERT_EQ(rig.open(), 0);
	for (unsigned i = 0; i < 3; i++) {
		const auto spans = rig.spans(50, 300 + i);

		ASSERT_EQ(devrx_gather_copy(rig.gather, spans.data(),
					    static_cast<unsigned>(spans.size()),
					    &fences[i]),
			  1);
	}
	EXPECT_EQ(fences[2].poll(fences[2].object), 0);
	EXPECT_EQ(rig.info().batches_out, 0u);
	rig.expect_there();
	EXPECT_EQ(fences[0].poll(fences[0].object), 0);
	EXPECT_EQ(fences[1].poll(fences[1].object), 0);
}

TEST_F(CudaGather, WithoutFences)
{
	Rig rig(to.get(), from.get());

	fake.add("late=3");
	ASSERT_EQ(rig.open(), 0);
	for (unsigned i = 0; i < 100; i++) {
		const auto spans = rig.spans(20, 200 + i);
		int rc;

		while ((rc = devrx_gather_copy(
				rig.gather, spans.data(),
				static_cast<unsigned>(spans.size()),
				nullptr)) == -EAGAIN)
			;
		ASSERT_EQ(rc, 1);
	}
	EXPECT_EQ(devrx_gather_wait(rig.gather), 0);
	rig.expect_there();
}

TEST_F(CudaGather, OnTheCallersStream)
{
	Rig rig(to.get(), from.get());
	void *stream = nullptr;
	devrx_fence fence;

	ASSERT_EQ(fake.StreamCreate(&stream, 1), 0);
	fake.add("late=1000000");
	ASSERT_EQ(rig.open(stream), 0) << rig.cause.text;
	const auto spans = rig.spans(100, 6);
	ASSERT_EQ(devrx_gather_copy(rig.gather, spans.data(),
				    static_cast<unsigned>(spans.size()),
				    &fence),
		  1);
	EXPECT_EQ(fake.StreamSynchronize(stream), 0);
	EXPECT_EQ(fence.poll(fence.object), 0);
	rig.expect_there();
	devrx_gather_close(rig.gather);
	rig.gather = nullptr;
	EXPECT_EQ(fake.StreamDestroy(stream), 0);
}

TEST_F(CudaGather, ADeviceThatIsLost)
{
	Rig rig(to.get(), from.get());
	devrx_fence fence;

	ASSERT_EQ(rig.open(), 0);
	const auto spans = rig.spans(10, 7);
	ASSERT_EQ(devrx_gather_copy(rig.gather, spans.data(), 10, &fence), 1);
	fake.add("lost=719");
	EXPECT_EQ(fence.poll(fence.object), -EIO);
	EXPECT_EQ(devrx_gather_copy(rig.gather, spans.data(), 10, &fence),
		  -EIO);
	EXPECT_EQ(devrx_gather_wait(rig.gather), -EIO);
	devrx_gather_close(rig.gather);
	rig.gather = nullptr;
	fake.script("backing=memfd");
	ForgetContext();
}

TEST_F(CudaGather, OpeningFailsAtEachCall)
{
	for (const char *call :
	     { "cuStreamCreate", "cuEventCreate", "cuModuleLoadData",
	       "cuModuleGetFunction", "cuMemAlloc" }) {
#ifndef DEVRX_TEST_GATHER_KERNEL
		if (call != std::string("cuStreamCreate") &&
		    call != std::string("cuEventCreate"))
			continue;
#endif
		Rig rig(to.get(), from.get());

		fake.add((std::string(call) + "=2").c_str());
		EXPECT_EQ(rig.open(), -ENOMEM) << call;
		EXPECT_STREQ(rig.cause.id, "out-of-memory") << call;
		EXPECT_EQ(rig.gather, nullptr);
		fake.add("works");
		EXPECT_EQ(fake.count("pinned"), 0);
	}
}

TEST_F(CudaGather, BetweenTwoGpusTheCpuCopies)
{
	const Memory other = Alloc("1");
	Rig rig(to.get(), other.get());

	ASSERT_EQ(rig.open(), 0) << rig.cause.text;
	EXPECT_EQ(rig.info().way, DEVRX_GATHER_BOUNCE);
}

TEST_F(CudaGather, OfTwoKindsTheCpuCopies)
{
	const Memory host = make("host", 1 << 20);
	Rig rig(to.get(), host.get());

	ASSERT_EQ(rig.open(), 0) << rig.cause.text;
	EXPECT_EQ(rig.info().way, DEVRX_GATHER_BOUNCE);
	const auto spans = rig.spans(100, 8);
	EXPECT_EQ(devrx_gather_copy(rig.gather, spans.data(),
				    static_cast<unsigned>(spans.size()),
				    nullptr),
		  0);
	rig.expect_there();
}

} // namespace
