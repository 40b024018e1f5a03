// SPDX-License-Identifier: MIT
/* Submissions that are not waited for, and the timeline that tells of their end. */
#include "kernels/vulkan_device.h"

namespace kernels
{

void VulkanDevice::record(VkCommandBuffer to, const Launch &launch) const
{
	vk.CmdBindPipeline(to, VK_PIPELINE_BIND_POINT_COMPUTE,
			   pipelines[launch.kernel]);
	vk.CmdPushConstants(to, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
			    sizeof(launch.args), &launch.args);
	vk.CmdDispatch(to, launch.blocks, 1, 1);
}

/* What shaders wrote is seen by @stage. */
void VulkanDevice::barrier(VkCommandBuffer to, VkPipelineStageFlags stage,
			   VkAccessFlags access) const
{
	VkMemoryBarrier barrier = {};

	barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
	barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
	barrier.dstAccessMask = access;
	vk.CmdPipelineBarrier(to, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, stage,
			      0, 1, &barrier, 0, nullptr, 0, nullptr);
}

uint64_t VulkanDevice::submit(const std::vector<Launch> &launches,
			      const Record &before, const Record &after)
{
	const unsigned slot = unsigned(submitted % in_flight);
	const VkCommandBuffer to = commands[slot];
	const uint64_t value = submitted + 1;
	VkTimelineSemaphoreSubmitInfo ti = {};
	VkCommandBufferBeginInfo bi = {};
	VkSubmitInfo si = {};

	if (!wait(values[slot]))
		return 0;
	bi.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
	bi.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
	if (vk.BeginCommandBuffer(to, &bi))
		return 0;
	/* A launch may read what the one before it wrote. */
	barrier(to, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
		VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
	if (before)
		before(to);
	for (const Launch &launch : launches)
		record(to, launch);
	if (after)
		after(to);
	barrier(to, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
	if (vk.EndCommandBuffer(to))
		return 0;
	ti.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
	ti.signalSemaphoreValueCount = 1;
	ti.pSignalSemaphoreValues = &value;
	si.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
	si.pNext = &ti;
	si.commandBufferCount = 1;
	si.pCommandBuffers = &to;
	si.signalSemaphoreCount = 1;
	si.pSignalSemaphores = &timeline;
	if (vk.QueueSubmit(queue, 1, &si, VK_NULL_HANDLE))
		return 0;
	submitted = values[slot] = value;
	return value;
}

bool VulkanDevice::wait(uint64_t value)
{
	VkSemaphoreWaitInfo info = {};

	info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
	info.semaphoreCount = 1;
	info.pSemaphores = &timeline;
	info.pValues = &value;
	return vk.WaitSemaphores(device, &info, UINT64_MAX) == VK_SUCCESS;
}

devrx_vulkan_point VulkanDevice::point(uint64_t value) const
{
	devrx_vulkan_point ret = {};

	ret.device = device;
	ret.get_semaphore_counter_value =
		(devrx_vulkan_function)vk.GetSemaphoreCounterValue;
	ret.semaphore = (uint64_t)timeline;
	ret.value = value;
	return ret;
}

devrx_vulkan_device VulkanDevice::lend() const
{
	devrx_vulkan_device ret = {};

	ret.size = sizeof(ret);
	ret.instance = instance;
	ret.physical_device = physical;
	ret.device = device;
	ret.get_instance_proc_addr =
		(devrx_vulkan_get_proc)(void (*)(void))vk.GetInstanceProcAddr;
	ret.queue_family = family;
	ret.flags = foreign ? DEVRX_VULKAN_F_FOREIGN : 0;
	return ret;
}

} // namespace kernels
