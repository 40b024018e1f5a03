// SPDX-License-Identifier: MIT
/*
 * Fragments behind a Vulkan timeline semaphore. The driver's call is the test's:
 * it counts, and it fails.
 */
#include <cerrno>
#include <vector>

#include <devrx/vulkan.h>

#include "fence_support.h"

namespace
{

/* A device whose only call is vkGetSemaphoreCounterValue(). */
struct Timeline {
	uint64_t value = 0;
	int result = 0; /* VkResult */

	static int counter(void *device, void *semaphore, uint64_t *ret)
	{
		const auto *me = static_cast<const Timeline *>(device);

		EXPECT_EQ(semaphore, device);
		*ret = me->value;
		return me->result;
	}
	devrx_vulkan_point point(uint64_t at)
	{
		devrx_vulkan_point ret = {};

		ret.device = this;
		ret.get_semaphore_counter_value =
			reinterpret_cast<devrx_vulkan_function>(counter);
		ret.semaphore = reinterpret_cast<uintptr_t>(this);
		ret.value = at;
		return ret;
	}
};

TEST(FenceVulkan, ReleasesUpToTheCounter)
{
	Rig rig;
	Out out(rig, 6);
	Timeline timeline;
	devrx_vulkan_point points[3];

	for (unsigned int i = 0; i < 3; i++) {
		points[i] = timeline.point(i + 1);
		EXPECT_EQ(after(rig, &out.frags[2 * i], 2,
				devrx_vulkan_fence(&points[i])),
			  0);
	}
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 6);
	timeline.value = 2;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 2);
	EXPECT_EQ(rig.stats().released, 4u);
	timeline.value = 3;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(rig.stats().lost, 0u);
	rig.expect_all_returned();
}

/* What had passed is released; what had not is LOST, each fragment once. */
TEST(FenceVulkan, LostDeviceLosesWhatIsBehindIt)
{
	Rig rig;
	Out out(rig, 6);
	Timeline timeline;
	devrx_vulkan_point points[3];
	devrx_fragment frags[8];

	for (unsigned int i = 0; i < 3; i++) {
		points[i] = timeline.point(i + 1);
		EXPECT_EQ(after(rig, &out.frags[2 * i], 2,
				devrx_vulkan_fence(&points[i])),
			  0);
	}
	timeline.value = 1;
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 4);
	timeline.result = -4; /* VK_ERROR_DEVICE_LOST */
	EXPECT_EQ(devrx_receiver_poll_fences(rig.rx), 0);
	EXPECT_EQ(rig.stats().released, 2u);
	EXPECT_EQ(rig.stats().lost, 4u);
	EXPECT_EQ(rig.why(), "device-lost");
	ASSERT_EQ(devrx_receiver_wait(rig.rx, frags, 8, 0), 4);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(frags[i].flags, DEVRX_FRAGMENT_LOST);
		EXPECT_EQ(frags[i].error, -EIO);
		EXPECT_EQ(frags[i].position, out.frags[2 + i].position);
	}
	rig.expect_all_returned();
}

} // namespace
