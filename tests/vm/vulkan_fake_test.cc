// SPDX-License-Identifier: MIT
/*
 * Kind "vulkan" against real zcrx, on the fake Vulkan driver, for what lavapipe
 * does not do: fail in mid-stream. Its memory is a udmabuf, so the NIC's bytes
 * really land in it. The test plays the shaders: it counts the timeline on.
 */
#include <cerrno>
#include <deque>
#include <libgen.h>
#include <unistd.h>

#include <devrx/vulkan.h>

#include "fakes/fake_vulkan.h"
#include "support_devrx.h"

namespace
{

using namespace vm;

constexpr uint64_t area_len = 16 * MiB;
constexpr uint64_t stream_len = 16 * MiB;

class FakeVulkanVm : public testing::Test
{
      protected:
	void SetUp() override
	{
		VkSemaphoreCreateInfo info = {};
		char self[512] = "";

		ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1),
			  0);
		ASSERT_TRUE(fake.load(std::string(dirname(self)) +
				      "/../fakes/libvulkan/libvulkan.so.1"))
			<< fake.why();
		loaded = true;
		fake.script("udmabuf=1 visible=1");
		ASSERT_EQ(make_memory(&mem, "vulkan", area_len), outcome(0));
		handles.size = sizeof(handles);
		ASSERT_EQ(devrx_vulkan_handles(mem.get(), &handles), 0);
		fake.call(&create, "vkCreateSemaphore");
		fake.call(&destroy, "vkDestroySemaphore");
		fake.call(&signal, "vkSignalSemaphore");
		ASSERT_EQ(create(device(), &info, nullptr, &semaphore),
			  VK_SUCCESS);
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q), outcome(0));
	}

	void TearDown() override
	{
		rx.reset();
		q.reset();
		if (!loaded)
			return;
		fake.script("");
		if (semaphore)
			destroy(device(), semaphore, nullptr);
		mem.reset();
		for (const char *what : { "instances", "devices", "buffers",
					  "memories", "fences", "pools" })
			EXPECT_EQ(fake.count(what), 0) << what;
		fake.unload();
		EXPECT_TRUE(queue_is_free());
	}

	VkDevice device()
	{
		return static_cast<VkDevice>(handles.device);
	}

	devrx_fence fence(uint64_t value)
	{
		devrx_vulkan_point point = {};

		point.device = handles.device;
		fake.call(&point.get_semaphore_counter_value,
			  "vkGetSemaphoreCounterValue");
		point.semaphore = uint64_t(semaphore);
		point.value = value;
		points.push_back(point);
		return devrx_vulkan_fence(&points.back());
	}

	int reach(uint64_t value)
	{
		VkSemaphoreSignalInfo info = {};

		info.semaphore = semaphore;
		info.value = value;
		return signal(device(), &info);
	}

	FakeVulkan fake;
	bool loaded = false;
	struct devrx_vulkan_handles handles = {};
	PFN_vkCreateSemaphore create;
	PFN_vkDestroySemaphore destroy;
	PFN_vkSignalSemaphore signal;
	VkSemaphore semaphore = VK_NULL_HANDLE;
	std::deque<devrx_vulkan_point> points;
	Memory mem;
	Queue q;
	Receiver rx;
};

TEST_F(FakeVulkanVm, SaysThatItIsAFake)
{
	const MemoryInfo info = memory_info(mem);

	EXPECT_EQ(info.placement, uint32_t(DEVRX_PLACEMENT_HOST));
	EXPECT_STREQ(info.proof,
		     "devrx fake Vulkan 0, a discrete GPU: exporter udmabuf, "
		     "which has only host memory");
}

/*
 * Fragments go behind the timeline, batch after batch. At half of the stream the
 * device is lost, with batches under way: each of their fragments comes back
 * once, LOST, and the stream goes on to its end.
 */
TEST_F(FakeVulkanVm, DeviceLostInMidStream)
{
	uint64_t bytes = 0, lost_bytes = 0, behind = 0, value = 0;
	bool lost = false, over = false;
	std::vector<devrx_fragment> fresh;
	std::vector<Fd> fds;
	devrx_cause cause = {};

	Listener listener(steered_port);
	ASSERT_TRUE(listener.ok());
	Sender sender(steered_port, { { stream_len, false } });
	ASSERT_EQ(add_all(rx, &listener, &sender, 1, &fds), "");
	const double deadline = now() + patience;

	while (!over || stats(rx).fragments_out) {
		devrx_fragment frags[64];
		const int n = devrx_receiver_wait(rx.get(), frags, 64, 1000);

		ASSERT_LT(now(), deadline);
		if (n == -ENOTCONN || n == -EINTR || n == 0) {
			if (n == -ENOTCONN)
				break;
			continue;
		}
		ASSERT_GT(n, 0);
		for (int i = 0; i < n; i++) {
			if (frags[i].flags & DEVRX_FRAGMENT_LOST) {
				EXPECT_TRUE(lost);
				lost_bytes += frags[i].length;
				continue;
			}
			ASSERT_EQ(frags[i].error, 0);
			/* Nothing is missing between those that are new. */
			EXPECT_EQ(frags[i].position, bytes);
			bytes += frags[i].length;
			over |= frags[i].flags & DEVRX_FRAGMENT_EOF;
		}
		if (lost) {
			/* What is LOST is given back already. */
			fresh.clear();
			for (int i = 0; i < n; i++) {
				if (!(frags[i].flags & DEVRX_FRAGMENT_LOST))
					fresh.push_back(frags[i]);
			}
			ASSERT_EQ(
				devrx_receiver_release(rx.get(), fresh.data(),
						       unsigned(fresh.size())),
				0);
			continue;
		}
		const devrx_fence passes = fence(++value);
		ASSERT_EQ(devrx_receiver_release_after(rx.get(), frags,
						       unsigned(n), &passes),
			  0);
		/* The device is three batches behind. */
		if (value > 3) {
			ASSERT_EQ(reach(value - 3), VK_SUCCESS);
		}
		if (bytes >= stream_len / 2) {
			ASSERT_GE(devrx_receiver_poll_fences(rx.get()), 1);
			behind = stats(rx).fragments_fenced;
			fake.add("lost@1=-4");
			lost = true;
		}
	}
	EXPECT_EQ(sender.join(), "");
	EXPECT_TRUE(lost);
	EXPECT_EQ(bytes, stream_len);
	EXPECT_GT(behind, 0u);
	EXPECT_EQ(stats(rx).lost, behind);
	EXPECT_GT(lost_bytes, 0u);
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	EXPECT_EQ(stats(rx).fragments_fenced, 0u);
	EXPECT_EQ(cause_id(rx), "device-lost");
	EXPECT_EQ(devrx_vulkan_check(mem.get(), &cause), -EIO);
	EXPECT_STREQ(cause.id, "vulkan-device-lost");
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

} /* namespace */
