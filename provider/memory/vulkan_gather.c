// SPDX-License-Identifier: MIT
/*
 * Gathering on the device: one vkCmdCopyBuffer() for a batch, between two buffers of
 * one VkDevice, with a fence behind it.
 *
 * Both buffers are somebody else's too: the NIC writes into the one, and what reads
 * the other may be no work of this queue. So each batch acquires what it touches and
 * gives it back (vulkan_copy.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <devrx/gather.h>

#include "memory/vulkan_memory.h"
#include "util/cause.h"

struct batch {
	VkCommandBuffer commands;
	VkFence fence;
};

struct drx_vulkan_gather {
	struct drx_vulkan_memory *to, *from;
	VkQueue queue; /* that nobody else submits to */
	VkCommandPool pool;
	VkBufferCopy *regions; /* of the batch that is recorded */
	unsigned int nr_batches;
	struct batch batches[];
};

static struct drx_vulkan *device_of(struct drx_vulkan_gather *g)
{
	return &g->to->dev;
}

static VkResult make(struct drx_vulkan_gather *g, const char **call)
{
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
		.queueFamilyIndex = device_of(g)->family,
	};
	const VkFenceCreateInfo fence = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
	};
	VkCommandBufferAllocateInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	struct drx_vulkan *dev = device_of(g);
	VkResult result;
	unsigned int i;

	*call = "vkCreateCommandPool";
	result = dev->vk.CreateCommandPool(dev->device, &pool, NULL, &g->pool);
	commands.commandPool = g->pool;
	for (i = 0; i < g->nr_batches && !result; i++) {
		*call = "vkAllocateCommandBuffers";
		result = dev->vk.AllocateCommandBuffers(
			dev->device, &commands, &g->batches[i].commands);
		if (result)
			break;
		*call = "vkCreateFence";
		result = dev->vk.CreateFence(dev->device, &fence, NULL,
					     &g->batches[i].fence);
	}
	return result;
}

void drx_vulkan_gather_end(void *state)
{
	struct drx_vulkan_gather *g = state;
	struct drx_vulkan *dev = device_of(g);
	unsigned int i;

	for (i = 0; i < g->nr_batches; i++)
		dev->vk.DestroyFence(dev->device, g->batches[i].fence, NULL);
	/* The pool takes its command buffers along. */
	dev->vk.DestroyCommandPool(dev->device, g->pool, NULL);
	free(g->regions);
	free(g);
}

int drx_vulkan_gather_begin(struct devrx_backing *to,
			    struct devrx_backing *from, unsigned int batches,
			    unsigned int spans, void *stream, void **ret,
			    char by[64], struct devrx_cause *cause)
{
	struct drx_vulkan_memory *m = to->priv, *other = from->priv;
	struct drx_vulkan_gather *g;
	const char *call;
	VkResult result;

	if (m->dev.device != other->dev.device || stream ||
	    (!m->dev.copy_queue && !other->dev.copy_queue))
		return -EXDEV;
	g = calloc(1, sizeof(*g) + batches * sizeof(g->batches[0]));
	if (!g)
		return drx_fail_os(cause, -ENOMEM, "calloc");
	g->to = m;
	g->from = other;
	g->queue = other->dev.copy_queue ? other->dev.copy_queue :
					   m->dev.copy_queue;
	g->nr_batches = batches;
	g->regions = calloc(spans, sizeof(*g->regions));
	if (!g->regions) {
		free(g);
		return drx_fail_os(cause, -ENOMEM, "calloc");
	}
	result = make(g, &call);
	if (result) {
		drx_vulkan_gather_end(g);
		return drx_vulkan_fail(cause, result, call);
	}
	(void)snprintf(by, 64, "a Vulkan copy, %.44s", m->dev.name);
	*ret = g;
	return 0;
}

/* The bytes of all spans, and of what lies between them, on one side. */
static void range_of(const struct devrx_span *spans, unsigned int n, bool to,
		     uint64_t *off, uint64_t *len)
{
	uint64_t first = UINT64_MAX, end = 0, at;
	unsigned int i;

	for (i = 0; i < n; i++) {
		at = to ? spans[i].to : spans[i].from;
		first = at < first ? at : first;
		end = at + spans[i].length > end ? at + spans[i].length : end;
	}
	*off = first;
	*len = end - first;
}

static VkResult record(struct drx_vulkan_gather *g, VkCommandBuffer commands,
		       const struct devrx_span *spans, unsigned int n)
{
	static const VkCommandBufferBeginInfo once = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	struct drx_vulkan *dev = device_of(g);
	uint64_t to, to_len, from, from_len;
	unsigned int i, nr = 0;
	VkResult result;

	for (i = 0; i < n; i++) {
		/* Vulkan has no copy of nothing. */
		if (!spans[i].length)
			continue;
		g->regions[nr].srcOffset = spans[i].from;
		g->regions[nr].dstOffset = spans[i].to;
		g->regions[nr++].size = spans[i].length;
	}
	range_of(spans, n, true, &to, &to_len);
	range_of(spans, n, false, &from, &from_len);
	result = dev->vk.BeginCommandBuffer(commands, &once);
	if (result)
		return result;
	drx_vulkan_acquire(g->from, commands, from, from_len);
	drx_vulkan_acquire(g->to, commands, to, to_len);
	dev->vk.CmdCopyBuffer(commands, g->from->buffer, g->to->buffer, nr,
			      g->regions);
	drx_vulkan_release(g->to, commands, to, to_len);
	drx_vulkan_release(g->from, commands, from, from_len);
	return dev->vk.EndCommandBuffer(commands);
}

int drx_vulkan_gather(void *state, const struct devrx_span *spans,
		      unsigned int n, unsigned int batch)
{
	struct drx_vulkan_gather *g = state;
	struct drx_vulkan *dev = device_of(g);
	struct batch *b = &g->batches[batch];
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &b->commands,
	};
	VkResult result;

	result = dev->vk.ResetFences(dev->device, 1, &b->fence);
	if (!result)
		result = record(g, b->commands, spans, n);
	if (!result)
		result = dev->vk.QueueSubmit(g->queue, 1, &submit, b->fence);
	return drx_vulkan_errno(result);
}

int drx_vulkan_gather_wait(void *state, unsigned int batch, int wait)
{
	struct drx_vulkan_gather *g = state;
	struct drx_vulkan *dev = device_of(g);
	VkFence fence = g->batches[batch].fence;
	VkResult result;

	result = wait ? dev->vk.WaitForFences(dev->device, 1, &fence, VK_TRUE,
					      UINT64_MAX) :
			dev->vk.GetFenceStatus(dev->device, fence);
	return result == VK_NOT_READY ? -EAGAIN : drx_vulkan_errno(result);
}
