// SPDX-License-Identifier: MIT
/* Kind "cuda" on a fake driver: has an event passed? */
#include "memory_cuda_support.h"

#include <thread>

using namespace memory_support;

namespace
{

/* A caller with a memory, a stream, and an event recorded on it. */
class CudaEvent : public Cuda
{
      protected:
	void SetUp() override
	{
		Cuda::SetUp();
		ctx_ = Context(0);
		mem = Alloc();
		ASSERT_TRUE(mem);
		event.mem = mem.get();
		ASSERT_EQ(fake.StreamCreate(&event.stream, 1), 0);
		ASSERT_EQ(fake.EventCreate(&event.event, 2), 0);
	}

	void TearDown() override
	{
		if (ctx_) {
			EXPECT_EQ(fake.EventDestroy(event.event), 0);
			EXPECT_EQ(fake.StreamDestroy(event.stream), 0);
		}
		mem.reset();
		Cuda::TearDown();
	}

	void Record()
	{
		ASSERT_EQ(fake.EventRecord(event.event, event.stream), 0);
	}

	void DestroyContext()
	{
		ASSERT_EQ(fake.CtxDestroy(ctx_), 0);
		ForgetContext();
		ctx_ = nullptr;
	}

	Memory mem;
	devrx_cuda_event event = {};

      private:
	void *ctx_ = nullptr;
};

TEST_F(CudaEvent, PassesWhenTheStreamHasComeToIt)
{
	fake.add("late=3");
	Record();
	EXPECT_EQ(devrx_cuda_event_poll(&event), -EAGAIN);
	EXPECT_EQ(devrx_cuda_event_poll(&event), -EAGAIN);
	EXPECT_EQ(devrx_cuda_event_poll(&event), 0);
	EXPECT_EQ(devrx_cuda_event_poll(&event), 0);
	Record();
	EXPECT_EQ(devrx_cuda_event_poll(&event), -EAGAIN);
	EXPECT_EQ(fake.StreamSynchronize(event.stream), 0);
	EXPECT_EQ(devrx_cuda_event_poll(&event), 0);
}

TEST_F(CudaEvent, IsNeverWaitedFor)
{
	fake.add("late=1000000");
	Record();
	for (int i = 0; i < 100; i++)
		ASSERT_EQ(devrx_cuda_event_poll(&event), -EAGAIN);
	EXPECT_EQ(fake.count("cuEventSynchronize"), 0);
	EXPECT_EQ(fake.count("cuStreamSynchronize"), 0);
}

TEST_F(CudaEvent, NeverRecordedHasPassed)
{
	EXPECT_EQ(devrx_cuda_event_poll(&event), 0);
}

TEST_F(CudaEvent, FenceIsOfTheStream)
{
	const devrx_fence fence = devrx_cuda_fence(&event);

	EXPECT_EQ(fence.timeline, event.stream);
	EXPECT_EQ(fence.object, &event);
	EXPECT_EQ(fence.poll, devrx_cuda_event_poll);
}

/* Its thread has no context, and gets none. */
TEST_F(CudaEvent, AsksOnAnyThread)
{
	int first = 1, second = 1, result = 1;
	void *current = this;

	Record();
	std::thread([&] {
		first = devrx_cuda_event_poll(&event);
		second = devrx_cuda_event_poll(&event);
		result = fake.CtxGetCurrent(&current);
	}).join();
	EXPECT_EQ(first, -EAGAIN);
	EXPECT_EQ(second, 0);
	EXPECT_EQ(result, 0);
	EXPECT_EQ(current, nullptr);
}

/* A framework captures a graph meanwhile; asking would end that, and would be
 * told to be an error: of bytes that the device still reads. */
TEST_F(CudaEvent, AsksBesideACapture)
{
	fake.add("capture=1");
	Record();
	EXPECT_EQ(devrx_cuda_event_poll(&event), -EAGAIN);
	EXPECT_EQ(devrx_cuda_event_poll(&event), 0);
	/* For itself only: the thread is as strict as it was. */
	EXPECT_EQ(fake.EventQuery(event.event), 900);
}

struct Answer {
	const char *name;
	const char *script;
	int want;
};

const Answer answers[] = {
	{ "Device", "cuEventQuery=719", -EIO },
	{ "Captured", "cuEventQuery=907", -EIO },
	{ "NotAnEvent", "cuEventQuery=400", -EINVAL },
	{ "Context", "cuCtxPushCurrent=709", -ESTALE },
	/* The errno of "not yet", of something else: it would be for ever. */
	{ "NotReadyAtAll", "cuEventQuery=802", -EIO },
	{ "CaptureMode", "cuThreadExchangeStreamCaptureMode=999", -EIO },
};

class CudaEventAnswer : public CudaEvent,
			public testing::WithParamInterface<Answer>
{
};

TEST_P(CudaEventAnswer, IsAnErrno)
{
	void *before = nullptr, *after = this;

	Record();
	EXPECT_EQ(fake.CtxGetCurrent(&before), 0);
	fake.add(GetParam().script);
	EXPECT_EQ(devrx_cuda_event_poll(&event), GetParam().want);
	EXPECT_EQ(fake.CtxGetCurrent(&after), 0);
	EXPECT_EQ(after, before);
	fake.add("works");
}

INSTANTIATE_TEST_SUITE_P(All, CudaEventAnswer, testing::ValuesIn(answers),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST_F(CudaEvent, ContextDestroyed)
{
	Record();
	DestroyContext();
	EXPECT_EQ(devrx_cuda_event_poll(&event), -ESTALE);
	EXPECT_EQ(devrx_cuda_check(mem.get(), &cause), -ESTALE);
	EXPECT_STREQ(cause.id, "cuda-context-destroyed");
}

TEST_F(CudaEvent, OtherMemoryIsNotCudas)
{
	devrx_memory_opts opts = Good("host", nullptr);
	devrx_memory *raw = nullptr;

	ASSERT_EQ(devrx_memory_alloc(&raw, &opts), 0);
	const Memory host(raw);

	event.mem = raw;
	EXPECT_EQ(devrx_cuda_event_poll(&event), -EINVAL);
}

TEST_F(CudaEvent, ForkedChildIsRefused)
{
	Record();
	const Outcome out = InChild(
		[&](Outcome &o) { o.rc = devrx_cuda_event_poll(&event); });

	EXPECT_EQ(out.rc, -EPERM);
	EXPECT_EQ(devrx_cuda_event_poll(&event), -EAGAIN);
}

} // namespace
