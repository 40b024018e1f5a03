// SPDX-License-Identifier: MIT
/*
 * What queues do: copies, done at submission, and semaphores that count. A copy of
 * external memory that no barrier acquired for the queue's family, or whose range
 * is not given back, is an abort().
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

enum { OPS_MAX = 512, COMMANDS_MAX = 16 };

/* One command buffer; dispatchable handles are pointers. */
struct commands {
	struct op {
		enum { COPY, ACQUIRE, RELEASE } what;
		VkBuffer from, to;
		VkBufferCopy range;
	} ops[OPS_MAX];
	int nr;
	bool recording;
};

struct pool {
	struct commands *commands[COMMANDS_MAX];
	int nr;
};

struct fence {
	bool signalled;
};

struct semaphore {
	uint64_t value;
};

FAKE_API VkResult vkCreateFence(VkDevice device, const VkFenceCreateInfo *info,
				const VkAllocationCallbacks *alloc,
				VkFence *ret)
{
	VkResult result = fake_begin("vkCreateFence", true);

	(void)device;
	(void)info;
	(void)alloc;
	if (result)
		return result;
	*ret = FAKE_HANDLE(VkFence, calloc(1, sizeof(struct fence)));
	fake_add(FAKE_FENCES, 1);
	return fake_end(VK_SUCCESS);
}

FAKE_API void vkDestroyFence(VkDevice device, VkFence fence,
			     const VkAllocationCallbacks *alloc)
{
	(void)device;
	(void)alloc;
	if (!fence || fake_begin("vkDestroyFence", false))
		return;
	free(FAKE_OF(fence, fence));
	fake_add(FAKE_FENCES, -1);
	fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkGetFenceStatus(VkDevice device, VkFence fence)
{
	VkResult result = fake_begin("vkGetFenceStatus", true);

	(void)device;
	if (result)
		return result;
	return fake_end(FAKE_OF(fence, fence)->signalled ? VK_SUCCESS :
							   VK_NOT_READY);
}

FAKE_API VkResult vkWaitForFences(VkDevice device, uint32_t nr,
				  const VkFence *fences, VkBool32 all,
				  uint64_t timeout)
{
	VkResult result = fake_begin("vkWaitForFences", true);

	(void)device;
	(void)all;
	(void)timeout;
	if (result)
		return result;
	/* Nothing here is ever under way: it would wait for ever. */
	if (nr != 1 || !FAKE_OF(fence, fences[0])->signalled)
		abort();
	return fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkResetFences(VkDevice device, uint32_t nr,
				const VkFence *fences)
{
	VkResult result = fake_begin("vkResetFences", true);

	(void)device;
	if (result)
		return result;
	if (nr != 1)
		abort();
	FAKE_OF(fence, fences[0])->signalled = false;
	return fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkCreateCommandPool(VkDevice device,
				      const VkCommandPoolCreateInfo *info,
				      const VkAllocationCallbacks *alloc,
				      VkCommandPool *ret)
{
	VkResult result = fake_begin("vkCreateCommandPool", true);

	(void)device;
	(void)alloc;
	if (result)
		return result;
	if (info->queueFamilyIndex != 1)
		abort();
	*ret = FAKE_HANDLE(VkCommandPool, calloc(1, sizeof(struct pool)));
	fake_add(FAKE_POOLS, 1);
	return fake_end(VK_SUCCESS);
}

FAKE_API void vkDestroyCommandPool(VkDevice device, VkCommandPool pool,
				   const VkAllocationCallbacks *alloc)
{
	(void)device;
	(void)alloc;
	if (!pool || fake_begin("vkDestroyCommandPool", false))
		return;
	while (FAKE_OF(pool, pool)->nr)
		free(FAKE_OF(pool, pool)->commands[--FAKE_OF(pool, pool)->nr]);
	free(FAKE_OF(pool, pool));
	fake_add(FAKE_POOLS, -1);
	fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkAllocateCommandBuffers(
	VkDevice device, const VkCommandBufferAllocateInfo *info,
	VkCommandBuffer *ret)
{
	VkResult result = fake_begin("vkAllocateCommandBuffers", true);
	struct pool *pool = FAKE_OF(pool, info->commandPool);

	(void)device;
	if (result)
		return result;
	if (info->commandBufferCount != 1 || pool->nr == COMMANDS_MAX)
		abort();
	pool->commands[pool->nr] = calloc(1, sizeof(struct commands));
	*ret = (VkCommandBuffer)pool->commands[pool->nr++];
	return fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkBeginCommandBuffer(VkCommandBuffer commands,
				       const VkCommandBufferBeginInfo *info)
{
	VkResult result = fake_begin("vkBeginCommandBuffer", false);

	(void)info;
	if (result)
		return result;
	((struct commands *)commands)->nr = 0;
	((struct commands *)commands)->recording = true;
	return fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkEndCommandBuffer(VkCommandBuffer commands)
{
	VkResult result = fake_begin("vkEndCommandBuffer", false);

	if (result)
		return result;
	((struct commands *)commands)->recording = false;
	return fake_end(VK_SUCCESS);
}

static struct op *record(VkCommandBuffer to)
{
	struct commands *commands = (struct commands *)to;

	if (!commands->recording || commands->nr == OPS_MAX)
		abort();
	return &commands->ops[commands->nr++];
}

FAKE_API void
vkCmdPipelineBarrier(VkCommandBuffer commands, VkPipelineStageFlags from,
		     VkPipelineStageFlags to, VkDependencyFlags flags,
		     uint32_t nr_memory, const VkMemoryBarrier *memory,
		     uint32_t nr, const VkBufferMemoryBarrier *barriers,
		     uint32_t nr_images, const VkImageMemoryBarrier *images)
{
	const VkBufferMemoryBarrier *b = barriers;
	struct op *op;

	(void)from;
	(void)to;
	(void)flags;
	(void)nr_memory;
	(void)memory;
	(void)images;
	if (fake_begin("vkCmdPipelineBarrier", false))
		return;
	if (nr > 1 || nr_images)
		abort();
	if (nr) {
		op = record(commands);
		/* To or from outside, by its name; the other is ours. */
		if (b->srcQueueFamilyIndex == 1 &&
		    b->dstQueueFamilyIndex >= VK_QUEUE_FAMILY_FOREIGN_EXT)
			op->what = RELEASE;
		else if (b->dstQueueFamilyIndex == 1 &&
			 b->srcQueueFamilyIndex >= VK_QUEUE_FAMILY_FOREIGN_EXT)
			op->what = ACQUIRE;
		else
			abort();
		op->to = b->buffer;
		op->range.dstOffset = b->offset;
		op->range.size = b->size;
	}
	fake_end(VK_SUCCESS);
}

FAKE_API void vkCmdCopyBuffer(VkCommandBuffer commands, VkBuffer from,
			      VkBuffer to, uint32_t nr,
			      const VkBufferCopy *ranges)
{
	struct op *op;
	uint32_t i;

	if (fake_begin("vkCmdCopyBuffer", false))
		return;
	if (!nr)
		abort();
	for (i = 0; i < nr; i++) {
		if (!ranges[i].size)
			abort();
		op = record(commands);
		op->what = COPY;
		op->from = from;
		op->to = to;
		op->range = ranges[i];
	}
	fake_end(VK_SUCCESS);
}

/* Is there, of @ops, a barrier @what for all these bytes? */
static bool barrier(const struct op *ops, int nr, int what, VkBuffer buffer,
		    uint64_t off, uint64_t len)
{
	int i;

	for (i = 0; i < nr; i++) {
		if ((int)ops[i].what == what && ops[i].to == buffer &&
		    ops[i].range.dstOffset <= off &&
		    off + len <= ops[i].range.dstOffset + ops[i].range.size)
			return true;
	}
	return false;
}

static void check(const struct commands *c, int at, VkBuffer buffer,
		  uint64_t off)
{
	const struct op *op = &c->ops[at];

	if (off + op->range.size > FAKE_OF(fake_buffer, buffer)->size)
		abort();
	if (FAKE_OF(fake_buffer, buffer)->external &&
	    (!barrier(c->ops, at, ACQUIRE, buffer, off, op->range.size) ||
	     !barrier(op + 1, c->nr - at - 1, RELEASE, buffer, off,
		      op->range.size)))
		abort();
}

static void run(const struct commands *c)
{
	const struct op *op;
	int i;

	for (i = 0; i < c->nr; i++) {
		op = &c->ops[i];
		if (op->what != COPY)
			continue;
		check(c, i, op->from, op->range.srcOffset);
		check(c, i, op->to, op->range.dstOffset);
		memcpy(FAKE_OF(fake_buffer, op->to)->memory->host +
			       op->range.dstOffset,
		       FAKE_OF(fake_buffer, op->from)->memory->host +
			       op->range.srcOffset,
		       op->range.size);
	}
}

FAKE_API VkResult vkQueueSubmit(VkQueue queue, uint32_t nr,
				const VkSubmitInfo *submits, VkFence fence)
{
	VkResult result = fake_begin("vkQueueSubmit", true);

	(void)queue;
	if (result)
		return result;
	if (nr != 1 || submits->commandBufferCount != 1)
		abort();
	run((struct commands *)submits->pCommandBuffers[0]);
	if (fence)
		FAKE_OF(fence, fence)->signalled = true;
	return fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkCreateSemaphore(VkDevice device,
				    const VkSemaphoreCreateInfo *info,
				    const VkAllocationCallbacks *alloc,
				    VkSemaphore *ret)
{
	VkResult result = fake_begin("vkCreateSemaphore", true);

	(void)device;
	(void)info;
	(void)alloc;
	if (result)
		return result;
	*ret = FAKE_HANDLE(VkSemaphore, calloc(1, sizeof(struct semaphore)));
	fake_add(FAKE_SEMAPHORES, 1);
	return fake_end(VK_SUCCESS);
}

FAKE_API void vkDestroySemaphore(VkDevice device, VkSemaphore semaphore,
				 const VkAllocationCallbacks *alloc)
{
	(void)device;
	(void)alloc;
	if (fake_begin("vkDestroySemaphore", false))
		return;
	free(FAKE_OF(semaphore, semaphore));
	fake_add(FAKE_SEMAPHORES, -1);
	fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkSignalSemaphore(VkDevice device,
				    const VkSemaphoreSignalInfo *info)
{
	VkResult result = fake_begin("vkSignalSemaphore", true);

	(void)device;
	if (result)
		return result;
	FAKE_OF(semaphore, info->semaphore)->value = info->value;
	return fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkGetSemaphoreCounterValue(VkDevice device,
					     VkSemaphore semaphore,
					     uint64_t *ret)
{
	VkResult result = fake_begin("vkGetSemaphoreCounterValue", true);

	(void)device;
	if (result)
		return result;
	*ret = FAKE_OF(semaphore, semaphore)->value;
	return fake_end(VK_SUCCESS);
}
