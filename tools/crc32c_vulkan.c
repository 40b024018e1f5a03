// SPDX-License-Identifier: MIT
/*
 * crc32c.h by Vulkan. Device and loader are the memory's own: nothing is linked.
 *
 * A second memory on that device has a batch's records and two CRCs, which launches
 * write in turn: each goes on from what the last one left.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <devrx/kernels.h>

#include "crc32c.h"
#include "crc32c_spirv.h"
#include "report.h"

/* A workgroup for so many bytes: enough for a GPU, not too dear for a CPU. */
#define BYTES_PER_BLOCK (128u << 10)

#define CALLS(X)                                                               \
	X(CreateShaderModule)                                                  \
	X(DestroyShaderModule)                                                 \
	X(CreatePipelineLayout)                                                \
	X(DestroyPipelineLayout)                                               \
	X(CreateComputePipelines)                                              \
	X(DestroyPipeline)                                                     \
	X(CreateCommandPool)                                                   \
	X(DestroyCommandPool)                                                  \
	X(AllocateCommandBuffers)                                              \
	X(CreateSemaphore)                                                     \
	X(DestroySemaphore)                                                    \
	X(WaitSemaphores)                                                      \
	X(GetSemaphoreCounterValue)                                            \
	X(BeginCommandBuffer)                                                  \
	X(EndCommandBuffer)                                                    \
	X(CmdUpdateBuffer)                                                     \
	X(CmdFillBuffer)                                                       \
	X(CmdPipelineBarrier)                                                  \
	X(CmdBindPipeline)                                                     \
	X(CmdPushConstants)                                                    \
	X(CmdDispatch)                                                         \
	X(QueueSubmit)                                                         \
	X(GetPhysicalDeviceProperties)

/* The second memory. */
struct work {
	uint32_t crc[4]; /* two, and the records' alignment */
	struct devrx_desc records[CRC32C_BATCH];
};

struct crc32c {
	struct devrx_memory *mem, *work;
	struct devrx_vulkan_handles vk, work_vk;
	struct devrx_vulkan_point point; /* the last submission's end */
	VkDevice device;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkCommandPool pool;
	VkCommandBuffer commands;
	VkSemaphore timeline;
	char device_name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
#define POINTER(name) PFN_vk##name name;
	CALLS(POINTER)
#undef POINTER
};

/* The library knows best whether the device was lost. */
static int fail(const struct crc32c *c, const char *what, VkResult result,
		struct devrx_cause *cause)
{
	int rc = devrx_vulkan_check(c->mem, cause);

	if (rc)
		return rc;
	cause_set(cause, "vulkan-error", NULL, "%s: %s says VkResult %d", what,
		  c->device_name, result);
	return -EIO;
}

static int find_calls(struct crc32c *c, struct devrx_cause *cause)
{
	const char *missing = NULL;

#define FIND(name)                                                             \
	c->name = (PFN_vk##name)c->vk.get_instance_proc_addr(c->vk.instance,   \
							     "vk" #name);      \
	if (!c->name)                                                          \
		missing = "vk" #name;
	CALLS(FIND)
#undef FIND
	if (!missing)
		return 0;
	cause_set(cause, "vulkan-error", NULL, "the loader has no %s", missing);
	return -EIO;
}

static int get_work(struct crc32c *c, struct devrx_cause *cause)
{
	const struct devrx_vulkan_device same = {
		.size = sizeof(same),
		.instance = c->vk.instance,
		.physical_device = c->vk.physical_device,
		.device = c->vk.device,
		.queue = c->vk.queue,
		.get_instance_proc_addr = c->vk.get_instance_proc_addr,
		.queue_family = c->vk.queue_family,
		.flags = c->vk.external_family == VK_QUEUE_FAMILY_FOREIGN_EXT ?
				 DEVRX_VULKAN_F_FOREIGN :
				 0,
	};
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	int rc;

	mo.len = sizeof(struct work);
	mo.cause = cause;
	rc = devrx_vulkan_alloc(&c->work, &same, &mo);
	if (rc)
		return rc;
	c->work_vk.size = sizeof(c->work_vk);
	return devrx_vulkan_handles(c->work, &c->work_vk);
}

static VkResult make_pipeline(struct crc32c *c)
{
	const VkShaderModuleCreateInfo module = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = sizeof(crc32c_spirv),
		.pCode = crc32c_spirv,
	};
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
	VkResult result;

	result = c->CreatePipelineLayout(c->device, &layout, NULL, &c->layout);
	pipeline.layout = c->layout;
	if (!result)
		result = c->CreateShaderModule(c->device, &module, NULL,
					       &pipeline.stage.module);
	if (!result)
		result = c->CreateComputePipelines(c->device, VK_NULL_HANDLE, 1,
						   &pipeline, NULL,
						   &c->pipeline);
	c->DestroyShaderModule(c->device, pipeline.stage.module, NULL);
	return result;
}

static VkResult make_commands(struct crc32c *c)
{
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
		.queueFamilyIndex = c->vk.queue_family,
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
	VkResult result;

	result = c->CreateCommandPool(c->device, &pool, NULL, &c->pool);
	commands.commandPool = c->pool;
	if (!result)
		result = c->AllocateCommandBuffers(c->device, &commands,
						   &c->commands);
	if (!result)
		result = c->CreateSemaphore(c->device, &semaphore, NULL,
					    &c->timeline);
	c->point.device = c->device;
	c->point.semaphore = (uint64_t)c->timeline;
	c->point.get_semaphore_counter_value =
		(devrx_vulkan_function)c->GetSemaphoreCounterValue;
	return result;
}

static VkResult wait(const struct crc32c *c)
{
	const VkSemaphoreWaitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
		.semaphoreCount = 1,
		.pSemaphores = &c->timeline,
		.pValues = &c->point.value,
	};

	return c->WaitSemaphores(c->device, &info, UINT64_MAX);
}

static void record(struct crc32c *c, const struct devrx_desc *records,
		   uint32_t nr, uint64_t bytes)
{
	const VkMemoryBarrier transferred = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask =
			VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
	};
	const uint64_t base = c->work_vk.address, launches = c->point.value;
	const uint64_t now = launches % 2 * sizeof(uint32_t);
	const uint64_t before = sizeof(uint32_t) - now;
	const struct devrx_kernel_args args = {
		.records = base + offsetof(struct work, records),
		.nr_records = nr,
		.source = c->vk.address,
		.out = base + now,
		.before = launches ? base + before : 0,
	};
	VkBuffer work = (VkBuffer)c->work_vk.buffer;

	(void)devrx_vulkan_acquire(c->work, c->commands, 0, 0);
	if (nr)
		c->CmdUpdateBuffer(c->commands, work,
				   offsetof(struct work, records),
				   nr * sizeof(records[0]), records);
	c->CmdFillBuffer(c->commands, work, now, sizeof(uint32_t), 0);
	c->CmdPipelineBarrier(c->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
			      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
			      &transferred, 0, NULL, 0, NULL);
	(void)devrx_vulkan_acquire(c->mem, c->commands, 0, 0);
	c->CmdBindPipeline(c->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
			   c->pipeline);
	c->CmdPushConstants(c->commands, c->layout, VK_SHADER_STAGE_COMPUTE_BIT,
			    0, sizeof(args), &args);
	c->CmdDispatch(c->commands, 1 + (uint32_t)(bytes / BYTES_PER_BLOCK), 1,
		       1);
	(void)devrx_vulkan_release(c->mem, c->commands, 0, 0);
	(void)devrx_vulkan_release(c->work, c->commands, 0, 0);
}

static VkResult submit(struct crc32c *c)
{
	const uint64_t value = c->point.value + 1;
	const VkTimelineSemaphoreSubmitInfo values = {
		.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
		.signalSemaphoreValueCount = 1,
		.pSignalSemaphoreValues = &value,
	};
	const VkSubmitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.pNext = &values,
		.commandBufferCount = 1,
		.pCommandBuffers = &c->commands,
		.signalSemaphoreCount = 1,
		.pSignalSemaphores = &c->timeline,
	};
	VkResult result = c->EndCommandBuffer(c->commands);

	if (!result)
		result = c->QueueSubmit(c->vk.queue, 1, &info, VK_NULL_HANDLE);
	if (!result)
		c->point.value = value;
	return result;
}

/* With no records the CRC stays what it was. */
static VkResult launch(struct crc32c *c, const struct devrx_desc *records,
		       uint32_t nr, uint64_t bytes)
{
	static const VkCommandBufferBeginInfo once = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	VkResult result = c->BeginCommandBuffer(c->commands, &once);

	if (result)
		return result;
	record(c, records, nr, bytes);
	return submit(c);
}

static int setup(struct crc32c *c, struct devrx_cause *cause)
{
	VkPhysicalDeviceProperties properties;
	VkResult result;
	int rc;

	c->vk.size = sizeof(c->vk);
	rc = devrx_vulkan_handles(c->mem, &c->vk);
	if (!rc)
		rc = find_calls(c, cause);
	if (rc)
		return rc;
	c->device = c->vk.device;
	c->GetPhysicalDeviceProperties(c->vk.physical_device, &properties);
	memcpy(c->device_name, properties.deviceName, sizeof(c->device_name));
	rc = get_work(c, cause);
	if (rc)
		return rc;
	result = make_pipeline(c);
	if (!result)
		result = make_commands(c);
	/* A driver may compile at the first launch, for seconds. Under traffic the
	 * memory would fill up meanwhile, and TCP wait longer and longer. */
	if (!result)
		result = launch(c, NULL, 0, 0);
	if (!result)
		result = wait(c);
	return result ? fail(c, "making the shader", result, cause) : 0;
}

int crc32c_open(struct crc32c **ret, struct devrx_memory *mem,
		struct devrx_cause *cause)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	struct crc32c *c;
	int rc;

	(void)devrx_memory_info(mem, &info);
	if (info.len > 1ull << 32) {
		cause_set(cause, "area-too-large", "devrx recv --size 4G",
			  "--crc32c reads at most 4 GiB of memory");
		return -EFBIG;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->mem = mem;
	rc = setup(c, cause);
	if (rc)
		crc32c_close(c);
	else
		*ret = c;
	return rc;
}

const char *crc32c_device(const struct crc32c *c)
{
	return c->device_name;
}

int crc32c_submit(struct crc32c *c, struct devrx_receiver *rx,
		  const struct devrx_fragment *frags, unsigned int n,
		  struct devrx_cause *cause)
{
	struct devrx_desc records[CRC32C_BATCH];
	uint64_t bytes = 0;
	VkResult result;
	uint32_t nr = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (!frags[i].length)
			continue;
		records[nr].source = (uint32_t)frags[i].offset;
		records[nr].length = frags[i].length;
		records[nr++].destination = frags[i].position;
		bytes += frags[i].length;
	}
	if (!nr)
		return 0;
	/* Then the command buffer is free; and the point, once its fence was seen to
	 * have passed. */
	result = wait(c);
	if (!result) {
		(void)devrx_receiver_poll_fences(rx);
		result = launch(c, records, nr, bytes);
	}
	return result ? fail(c, "a submission", result, cause) : 0;
}

struct devrx_fence crc32c_fence(struct crc32c *c)
{
	return devrx_vulkan_fence(&c->point);
}

int crc32c_result(struct crc32c *c, uint32_t *ret, struct devrx_cause *cause)
{
	VkResult result = wait(c);
	uint32_t crc[2];
	int rc;

	if (result)
		return fail(c, "waiting for it", result, cause);
	rc = devrx_memory_read(c->work, 0, crc, sizeof(crc));
	if (!rc)
		*ret = c->point.value ? crc[(c->point.value - 1) % 2] : 0;
	return rc;
}

void crc32c_close(struct crc32c *c)
{
	if (!c)
		return;
	if (c->timeline)
		(void)wait(c);
	if (c->device) { /* Vulkan ignores what is null. */
		c->DestroySemaphore(c->device, c->timeline, NULL);
		c->DestroyCommandPool(c->device, c->pool, NULL);
		c->DestroyPipeline(c->device, c->pipeline, NULL);
		c->DestroyPipelineLayout(c->device, c->layout, NULL);
	}
	(void)devrx_memory_free(c->work);
	free(c);
}
