// SPDX-License-Identifier: MIT
/* Gather by a Vulkan device: a fake driver, which does a batch when it is submitted. */
#include "memory_gather_support.h"
#include "memory_vulkan_support.h"

using namespace memory_support;

namespace
{

constexpr uint64_t LEN = 256 << 10;

class VulkanGather : public Vulkan
{
      protected:
	void SetUp() override
	{
		Vulkan::SetUp();
		MakeDevice();
		to = AllocThere(LEN);
		from = AllocThere(LEN);
		ASSERT_TRUE(to && from);
	}
	void TearDown() override
	{
		to.reset();
		from.reset();
		Vulkan::TearDown();
	}
	/* As many as there are regions, at most, of one command buffer. */
	static int Copy(Rig *rig, const std::vector<devrx_span> &spans,
			devrx_fence *fence)
	{
		return devrx_gather_copy(rig->gather, spans.data(),
					 static_cast<unsigned>(spans.size()),
					 fence);
	}
	Memory to, from;
};

TEST_F(VulkanGather, ByOneCopyForABatch)
{
	Rig rig(to.get(), from.get());
	devrx_fence fence;

	ASSERT_EQ(rig.open(), 0) << rig.cause.text;
	EXPECT_EQ(rig.info().way, DEVRX_GATHER_DEVICE);
	EXPECT_EQ(std::string(rig.info().by).substr(0, 15), "a Vulkan copy, ");
	for (unsigned i = 0; i < 40; i++) {
		ASSERT_EQ(Copy(&rig, rig.spans(80, i), &fence), 1);
		EXPECT_EQ(fence.poll(fence.object), 0);
	}
	rig.expect_there();
}

TEST_F(VulkanGather, OneThatHasNoBytesIsLeftOut)
{
	Rig rig(to.get(), from.get());
	devrx_fence fence;

	ASSERT_EQ(rig.open(), 0);
	const std::vector<devrx_span> spans = { { 0, 100, 0 }, { 7, 9, 50 } };
	std::copy_n(rig.source.begin() + 7, 50, rig.want.begin() + 9);
	ASSERT_EQ(Copy(&rig, spans, &fence), 1);
	EXPECT_EQ(devrx_gather_wait(rig.gather), 0);
	EXPECT_EQ(fence.poll(fence.object), 0);
	rig.expect_there();
}

TEST_F(VulkanGather, OfTwoDevicesTheCpuCopies)
{
	const Memory other = Alloc(LEN);
	Rig rig(to.get(), other.get());

	ASSERT_EQ(rig.open(), 0) << rig.cause.text;
	EXPECT_NE(rig.info().way, DEVRX_GATHER_DEVICE);
	EXPECT_EQ(Copy(&rig, rig.spans(80, 1), nullptr), 0);
	rig.expect_there();
	/* And there is no stream of Vulkan's. */
	Rig streamed(to.get(), from.get());
	EXPECT_EQ(streamed.open(this), -EINVAL);
	EXPECT_STREQ(streamed.cause.id, "opts-invalid");
}

TEST_F(VulkanGather, OpeningFailsAtEachCall)
{
	for (const char *call :
	     { "vkCreateCommandPool", "vkAllocateCommandBuffers",
	       "vkCreateFence" }) {
		const long fences = fake.count("fences");
		const long pools = fake.count("pools");
		Rig rig(to.get(), from.get());

		/* VK_ERROR_OUT_OF_DEVICE_MEMORY */
		fake.add((std::string(call) + "=-2").c_str());
		EXPECT_EQ(rig.open(), -ENOMEM) << call;
		EXPECT_EQ(rig.gather, nullptr);
		fake.add("works");
		EXPECT_EQ(fake.count("fences"), fences) << call;
		EXPECT_EQ(fake.count("pools"), pools) << call;
	}
}

TEST_F(VulkanGather, ABatchThatCannotBeBegun)
{
	for (const char *call : { "vkResetFences", "vkBeginCommandBuffer",
				  "vkEndCommandBuffer", "vkQueueSubmit" }) {
		Rig rig(to.get(), from.get());
		devrx_fence fence;

		ASSERT_EQ(rig.open(), 0);
		fake.add((std::string(call) + "=-4").c_str()); /* lost */
		const Bytes before = rig.want;
		EXPECT_EQ(Copy(&rig, rig.spans(10, 3), &fence), -EIO) << call;
		fake.add("works");
		EXPECT_EQ(rig.info().batches_out, 0u);
		rig.want = before;
		rig.expect_there();
		EXPECT_EQ(devrx_gather_wait(rig.gather), -EIO);
	}
}

TEST_F(VulkanGather, ADeviceThatIsLostMeanwhile)
{
	for (const bool wait : { false, true }) {
		Rig rig(to.get(), from.get());
		devrx_fence fence;

		ASSERT_EQ(rig.open(), 0);
		ASSERT_EQ(Copy(&rig, rig.spans(10, 4), &fence), 1);
		fake.add(wait ? "vkWaitForFences=-4" : "vkGetFenceStatus=-4");
		if (wait) {
			EXPECT_EQ(devrx_gather_wait(rig.gather), -EIO);
		}
		EXPECT_EQ(fence.poll(fence.object), -EIO);
		fake.add("works");
	}
}

} // namespace
