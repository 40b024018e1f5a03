// SPDX-License-Identifier: MIT
/*
 * Who has the bytes, and copies of them for the host.
 *
 * Where the memory's type is one that the host sees, or it is somebody else's, the
 * CPU maps the dmabuf: its exporter makes caches agree with every device that
 * writes to it, of which Vulkan knows only its own. Where that cannot be had the
 * bytes go through a staging buffer, on a queue that nobody else submits to.
 *
 * A barrier that acquires from outside has no source: no queue did the work
 * that it waits for. What had been written when the commands were submitted is
 * what they see.
 */
#include <errno.h>
#include <string.h>

#include "memory/dmabuf.h"
#include "memory/vulkan_memory.h"
#include "util/cause.h"

enum { STAGING_LEN = 256 << 10 };

#define ACCESS                                                                 \
	(VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |              \
	 VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT)
#define STAGES                                                                 \
	(VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT)

void drx_vulkan_acquire(const struct drx_vulkan_memory *m, VkCommandBuffer to,
			uint64_t off, uint64_t len)
{
	const VkBufferMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
		.dstAccessMask = ACCESS,
		.srcQueueFamilyIndex = m->dev.external_family,
		.dstQueueFamilyIndex = m->dev.family,
		.buffer = m->buffer,
		.offset = off,
		.size = len,
	};

	m->dev.vk.CmdPipelineBarrier(to, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
				     STAGES, 0, 0, NULL, 1, &barrier, 0, NULL);
}

void drx_vulkan_release(const struct drx_vulkan_memory *m, VkCommandBuffer to,
			uint64_t off, uint64_t len)
{
	const VkBufferMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
		.srcAccessMask = ACCESS,
		.srcQueueFamilyIndex = m->dev.family,
		.dstQueueFamilyIndex = m->dev.external_family,
		.buffer = m->buffer,
		.offset = off,
		.size = len,
	};

	m->dev.vk.CmdPipelineBarrier(to, STAGES,
				     VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 0,
				     NULL, 1, &barrier, 0, NULL);
}

/*
 * A type that the host sees without flushes, of which Vulkan promises one; and
 * cached where there is such, or each read of the host's crosses the bus.
 */
static uint32_t host_type(const struct drx_vulkan *dev, uint32_t bits)
{
	const VkMemoryPropertyFlags want = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
					   VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	VkPhysicalDeviceMemoryProperties all;
	uint32_t i, best = UINT32_MAX;

	dev->vk.GetPhysicalDeviceMemoryProperties(dev->physical, &all);
	for (i = all.memoryTypeCount; i-- > 0;) {
		const VkMemoryPropertyFlags has =
			all.memoryTypes[i].propertyFlags;

		if (!(bits & 1u << i) || (has & want) != want)
			continue;
		if (best == UINT32_MAX ||
		    has & VK_MEMORY_PROPERTY_HOST_CACHED_BIT ||
		    !(all.memoryTypes[best].propertyFlags &
		      VK_MEMORY_PROPERTY_HOST_CACHED_BIT))
			best = i;
	}
	return best;
}

static VkResult get_staging(struct drx_vulkan_memory *m, const char **call)
{
	const VkBufferCreateInfo buffer = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = STAGING_LEN,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
			 VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	VkMemoryAllocateInfo memory = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
	};
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
		.queueFamilyIndex = m->dev.family,
	};
	VkCommandBufferAllocateInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	struct drx_vulkan_staging *s = &m->staging;
	struct drx_vulkan *dev = &m->dev;
	VkMemoryRequirements need;
	VkResult result;

	*call = "vkCreateBuffer";
	result = dev->vk.CreateBuffer(dev->device, &buffer, NULL, &s->buffer);
	if (result)
		return result;
	dev->vk.GetBufferMemoryRequirements(dev->device, s->buffer, &need);
	memory.allocationSize = need.size;
	memory.memoryTypeIndex = host_type(dev, need.memoryTypeBits);
	*call = "vkAllocateMemory";
	result = dev->vk.AllocateMemory(dev->device, &memory, NULL, &s->memory);
	if (result)
		return result;
	*call = "vkBindBufferMemory";
	result = dev->vk.BindBufferMemory(dev->device, s->buffer, s->memory, 0);
	if (result)
		return result;
	*call = "vkMapMemory";
	result = dev->vk.MapMemory(dev->device, s->memory, 0, VK_WHOLE_SIZE, 0,
				   &s->host);
	if (result)
		return result;
	*call = "vkCreateCommandPool";
	result = dev->vk.CreateCommandPool(dev->device, &pool, NULL, &s->pool);
	if (result)
		return result;
	commands.commandPool = s->pool;
	*call = "vkAllocateCommandBuffers";
	return dev->vk.AllocateCommandBuffers(dev->device, &commands,
					      &s->commands);
}

int drx_vulkan_get_copies(struct drx_vulkan_memory *m,
			  struct devrx_cause *cause)
{
	const VkFenceCreateInfo fence = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
	};
	const char *call = "vkCreateFence";
	VkResult result;

	result = m->dev.vk.CreateFence(m->dev.device, &fence, NULL, &m->fence);
	if (!result && !m->cpu.host_addr && m->dev.copy_queue)
		result = get_staging(m, &call);
	return result ? drx_vulkan_fail(cause, result, call) : 0;
}

void drx_vulkan_put_copies(struct drx_vulkan_memory *m)
{
	struct drx_vulkan *dev = &m->dev;

	/* The pool takes its command buffer along. */
	dev->vk.DestroyCommandPool(dev->device, m->staging.pool, NULL);
	dev->vk.DestroyBuffer(dev->device, m->staging.buffer, NULL);
	dev->vk.FreeMemory(dev->device, m->staging.memory, NULL);
	dev->vk.DestroyFence(dev->device, m->fence, NULL);
}

/* Copy @len bytes at @off to the staging buffer, or from it, and wait. */
static VkResult copy_once(struct drx_vulkan_memory *m, uint64_t off,
			  uint64_t len, bool in)
{
	static const VkCommandBufferBeginInfo once = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	const VkMemoryBarrier to_host = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_HOST_READ_BIT,
	};
	const VkBufferCopy region = { in ? 0 : off, in ? off : 0, len };
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &m->staging.commands,
	};
	struct drx_vulkan_staging *s = &m->staging;
	struct drx_vulkan *dev = &m->dev;
	VkResult result;

	result = dev->vk.BeginCommandBuffer(s->commands, &once);
	if (result)
		return result;
	drx_vulkan_acquire(m, s->commands, off, len);
	dev->vk.CmdCopyBuffer(s->commands, in ? s->buffer : m->buffer,
			      in ? m->buffer : s->buffer, 1, &region);
	drx_vulkan_release(m, s->commands, off, len);
	if (!in)
		dev->vk.CmdPipelineBarrier(s->commands,
					   VK_PIPELINE_STAGE_TRANSFER_BIT,
					   VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
					   &to_host, 0, NULL, 0, NULL);
	result = dev->vk.EndCommandBuffer(s->commands);
	if (result)
		return result;
	result = dev->vk.QueueSubmit(dev->copy_queue, 1, &submit, m->fence);
	if (result)
		return result;
	result = dev->vk.WaitForFences(dev->device, 1, &m->fence, VK_TRUE,
				       UINT64_MAX);
	return result ? result : dev->vk.ResetFences(dev->device, 1, &m->fence);
}

static int copy(struct drx_vulkan_memory *m, uint64_t off, char *out,
		const char *in, size_t len)
{
	VkResult result;
	size_t nr;

	if (!m->staging.commands)
		return -EOPNOTSUPP;
	for (; len; off += nr, len -= nr) {
		nr = len < STAGING_LEN ? len : STAGING_LEN;
		if (in) {
			memcpy(m->staging.host, in, nr);
			in += nr;
		}
		result = copy_once(m, off, nr, in);
		if (result)
			return drx_vulkan_errno(result);
		if (out) {
			memcpy(out, m->staging.host, nr);
			out += nr;
		}
	}
	return 0;
}

int drx_vulkan_read(struct devrx_backing *backing, uint64_t off, void *buf,
		    size_t len)
{
	struct drx_vulkan_memory *m = backing->priv;

	return m->cpu.host_addr ? drx_dmabuf_read(&m->cpu, off, buf, len) :
				  copy(m, off, buf, NULL, len);
}

int drx_vulkan_write(struct devrx_backing *backing, uint64_t off,
		     const void *buf, size_t len)
{
	struct drx_vulkan_memory *m = backing->priv;

	return m->cpu.host_addr ? drx_dmabuf_write(&m->cpu, off, buf, len) :
				  copy(m, off, NULL, buf, len);
}
