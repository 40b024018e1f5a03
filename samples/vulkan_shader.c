// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "vulkan_shader.h"

static VkResult load(struct shader *s, const char *path, VkShaderModule *ret)
{
	static uint32_t code[1 << 14];
	FILE *file = fopen(path, "rb");
	const VkShaderModuleCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = file ? fread(code, 1, sizeof(code), file) : 0,
		.pCode = code,
	};

	if (file)
		fclose(file);
	if (!info.codeSize) {
		perror(path);
		return VK_ERROR_INITIALIZATION_FAILED;
	}
	return vkCreateShaderModule(s->device, &info, NULL, ret);
}

/* No descriptors: the arguments are push constants, with addresses in them. */
static VkResult make_pipeline(struct shader *s, const char *path)
{
	const VkPushConstantRange args = { VK_SHADER_STAGE_COMPUTE_BIT, 0,
					   sizeof(struct devrx_kernel_args) };
	const VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.pushConstantRangeCount = 1,
		.pPushConstantRanges = &args,
	};
	VkComputePipelineCreateInfo pipeline = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage.sType =
			VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
		.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT,
		.stage.pName = "main",
	};
	VkResult rc = load(s, path, &pipeline.stage.module);

	if (rc)
		return rc;
	rc = vkCreatePipelineLayout(s->device, &layout, NULL, &s->layout);
	pipeline.layout = s->layout;
	if (!rc)
		rc = vkCreateComputePipelines(s->device, VK_NULL_HANDLE, 1,
					      &pipeline, NULL, &s->pipeline);
	vkDestroyShaderModule(s->device, pipeline.stage.module, NULL);
	return rc;
}

VkResult shader_open(struct shader *s, const struct devrx_vulkan_handles *vk,
		     const char *path)
{
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
		.queueFamilyIndex = vk->queue_family,
	};
	VkCommandBufferAllocateInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandBufferCount = 1,
	};
	const VkSemaphoreTypeCreateInfo type = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
		.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
	};
	const VkSemaphoreCreateInfo semaphore = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &type,
	};
	VkResult rc;

	s->device = vk->device;
	s->queue = vk->queue;
	rc = make_pipeline(s, path);
	if (!rc)
		rc = vkCreateCommandPool(s->device, &pool, NULL, &s->pool);
	commands.commandPool = s->pool;
	if (!rc)
		rc = vkAllocateCommandBuffers(s->device, &commands,
					      &s->commands);
	if (!rc)
		rc = vkCreateSemaphore(s->device, &semaphore, NULL,
				       &s->timeline);
	return rc;
}

VkResult shader_wait(const struct shader *s)
{
	const VkSemaphoreWaitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
		.semaphoreCount = 1,
		.pSemaphores = &s->timeline,
		.pValues = &s->submitted,
	};

	return vkWaitSemaphores(s->device, &info, UINT64_MAX);
}

VkResult shader_begin(struct shader *s)
{
	const VkCommandBufferBeginInfo once = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};

	return vkBeginCommandBuffer(s->commands, &once);
}

void shader_launch(struct shader *s, const struct devrx_kernel_args *args,
		   uint32_t blocks)
{
	const VkMemoryBarrier transferred = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask =
			VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
	};

	vkCmdPipelineBarrier(s->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
			     VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
			     &transferred, 0, NULL, 0, NULL);
	vkCmdBindPipeline(s->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
			  s->pipeline);
	vkCmdPushConstants(s->commands, s->layout, VK_SHADER_STAGE_COMPUTE_BIT,
			   0, sizeof(*args), args);
	vkCmdDispatch(s->commands, blocks, 1, 1);
}

VkResult shader_submit(struct shader *s)
{
	const uint64_t value = s->submitted + 1;
	const VkTimelineSemaphoreSubmitInfo values = {
		.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
		.signalSemaphoreValueCount = 1,
		.pSignalSemaphoreValues = &value,
	};
	const VkSubmitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.pNext = &values,
		.commandBufferCount = 1,
		.pCommandBuffers = &s->commands,
		.signalSemaphoreCount = 1,
		.pSignalSemaphores = &s->timeline,
	};
	VkResult rc = vkEndCommandBuffer(s->commands);

	if (!rc)
		rc = vkQueueSubmit(s->queue, 1, &info, VK_NULL_HANDLE);
	if (!rc)
		s->submitted = value;
	return rc;
}

struct devrx_vulkan_point shader_point(const struct shader *s)
{
	const struct devrx_vulkan_point ret = {
		.device = s->device,
		.semaphore = (uint64_t)s->timeline,
		.value = s->submitted,
		.get_semaphore_counter_value =
			(devrx_vulkan_function)vkGetSemaphoreCounterValue,
	};

	return ret;
}

void shader_close(struct shader *s)
{
	if (!s->device)
		return;
	if (s->timeline)
		(void)shader_wait(s);
	vkDestroySemaphore(s->device, s->timeline, NULL);
	vkDestroyCommandPool(s->device, s->pool, NULL);
	vkDestroyPipeline(s->device, s->pipeline, NULL);
	vkDestroyPipelineLayout(s->device, s->layout, NULL);
}
