/* SPDX-License-Identifier: MIT */
/*
 * One compute shader, launched again and again, on the device of a memory: what
 * any program has that computes with Vulkan.
 */
#ifndef VULKAN_SHADER_H
#define VULKAN_SHADER_H

#include <vulkan/vulkan_core.h>

#include <devrx/kernels.h>
#include <devrx/vulkan.h>

struct shader {
	VkDevice device;
	VkQueue queue;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkCommandPool pool;
	VkCommandBuffer commands;
	VkSemaphore timeline;
	uint64_t submitted; /* what the timeline reaches after the last one */
};

/* From the file at @path, on @vk's device and queue; shader_close() in any case. */
VkResult shader_open(struct shader *s, const struct devrx_vulkan_handles *vk,
		     const char *path);
/* Wait for the last submission's end. */
VkResult shader_wait(const struct shader *s);
/* Record into s->commands; the last submission has ended. */
VkResult shader_begin(struct shader *s);
/* After all transfers that were recorded. */
void shader_launch(struct shader *s, const struct devrx_kernel_args *args,
		   uint32_t blocks);
/* Not waited for: when it is done the timeline reaches s->submitted. */
VkResult shader_submit(struct shader *s);
/* The last submission's end, for a fence. */
struct devrx_vulkan_point shader_point(const struct shader *s);
void shader_close(struct shader *s);

#endif
