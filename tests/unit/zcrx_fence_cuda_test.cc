// SPDX-License-Identifier: MIT
/* Fragments behind CUDA events, on a fake driver. */
#include <cerrno>
#include <vector>

#include <devrx/cuda.h>

#include "fakes/fake_cuda.h"
#include "fence_support.h"

namespace
{

/* A memory of kind "cuda" in a context, and two streams with events in it. */
class FenceCuda : public testing::Test
{
      protected:
	void SetUp() override
	{
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;

		ASSERT_TRUE(fake.load(DEVRX_FAKE_CUDA_DIR "/libcuda.so.1"))
			<< fake.why();
		fake.script("backing=memfd");
		ASSERT_EQ(fake.Init(0), 0);
		ASSERT_EQ(fake.CtxCreate(&ctx, 0, 0), 0);
		opts.kind = "cuda";
		opts.len = 1;
		ASSERT_EQ(devrx_memory_alloc(&mem, &opts), 0);
		for (auto &stream : streams)
			ASSERT_EQ(fake.StreamCreate(&stream, 1), 0);
	}

	void TearDown() override
	{
		EXPECT_EQ(devrx_memory_free(mem), 0);
		if (ctx) {
			EXPECT_EQ(fake.CtxDestroy(ctx), 0);
		}
		fake.script("");
	}

	void record(devrx_cuda_event *event, int stream)
	{
		event->mem = mem;
		event->stream = streams[stream];
		ASSERT_EQ(fake.EventCreate(&event->event, 2), 0);
		ASSERT_EQ(fake.EventRecord(event->event, event->stream), 0);
	}

	/* Two fragments behind each of three events of one stream. */
	void put_behind(Rig &rig, const Out &out)
	{
		for (int i = 0; i < 3; i++) {
			record(&events[i], 0);
			ASSERT_EQ(after(rig, &out.frags[2 * i], 2,
					devrx_cuda_fence(&events[i])),
				  0);
		}
	}

	/* The last four of @out's fragments come LOST, once. */
	void expect_lost(Rig &rig, const Out &out, int error)
	{
		devrx_fragment frags[8];

		EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
		EXPECT_EQ(rig.stats().released, 2u);
		EXPECT_EQ(rig.stats().lost, 4u);
		EXPECT_EQ(rig.stats().fragments_out, 0u);
		EXPECT_EQ(rig.why(), "device-lost");
		ASSERT_EQ(devrx_receiver_wait(rig.rx, frags, 8, 0), 4);
		for (int i = 0; i < 4; i++) {
			EXPECT_EQ(frags[i].flags, DEVRX_FRAGMENT_LOST);
			EXPECT_EQ(frags[i].error, error);
			EXPECT_EQ(frags[i].position, out.frags[2 + i].position);
		}
		EXPECT_EQ(devrx_receiver_wait(rig.rx, frags, 8, 0), 0);
		rig.expect_all_returned();
	}

	FakeCuda fake;
	devrx_memory *mem = nullptr;
	void *ctx = nullptr;
	void *streams[2] = {};
	devrx_cuda_event events[3] = {};
};

TEST_F(FenceCuda, ReleasesInTheOrderOfAStream)
{
	Rig rig;
	Out out(rig, 6);

	fake.add("late=1000000");
	put_behind(rig, out);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 6);
	ASSERT_EQ(fake.EventSynchronize(events[1].event), 0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 2);
	EXPECT_EQ(rig.stats().released, 4u);
	ASSERT_EQ(fake.StreamSynchronize(streams[0]), 0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(rig.stats().lost, 0u);
	rig.expect_all_returned();
}

/* Of a stream only the first event that has not passed is asked. */
TEST_F(FenceCuda, AsksOneEventOfEachStream)
{
	Rig rig;
	Out out(rig, 3);

	fake.add("late=1000000");
	for (int i = 0; i < 3; i++) {
		record(&events[i], i == 2);
		ASSERT_EQ(after(rig, &out.frags[i], 1,
				devrx_cuda_fence(&events[i])),
			  0);
	}
	fake.add("");
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 3);
	EXPECT_EQ(fake.count("cuEventQuery"), 2);
	ASSERT_EQ(fake.StreamSynchronize(streams[1]), 0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	rig.expect_all_returned();
}

TEST_F(FenceCuda, FailedDeviceLosesWhatIsBehindIt)
{
	Rig rig;
	Out out(rig, 6);

	put_behind(rig, out);
	ASSERT_EQ(fake.EventSynchronize(events[0].event), 0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 4);
	fake.add("lost@1=719");
	expect_lost(rig, out, -EIO);
	EXPECT_EQ(devrx_cuda_check(mem, nullptr), -EIO);
	fake.add("works");
}

TEST_F(FenceCuda, DestroyedContextLosesWhatIsBehindIt)
{
	Rig rig;
	Out out(rig, 6);

	put_behind(rig, out);
	ASSERT_EQ(fake.EventSynchronize(events[0].event), 0);
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 4);
	ASSERT_EQ(fake.CtxDestroy(ctx), 0);
	ctx = nullptr;
	expect_lost(rig, out, -ESTALE);
}

} // namespace
