/* SPDX-License-Identifier: MIT */
/*
 * Kernels in GLSL, on the Vulkan device that the loader lists first (choose
 * with VK_DRIVER_FILES). With the validation layer; what it says is kept. The
 * loader is opened, not linked, so that a program starts without one.
 */
#ifndef KERNELS_VULKAN_DEVICE_H
#define KERNELS_VULKAN_DEVICE_H

#include <functional>
#include <string>
#include <vector>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <devrx/vulkan.h>

#include "kernels/check.h"

namespace kernels
{

/* The calls that are made, each by its name less the "vk". */
#define KERNELS_VK_CALLS(X)                                                    \
	X(EnumerateInstanceLayerProperties)                                    \
	X(CreateInstance)                                                      \
	X(DestroyInstance)                                                     \
	X(CreateDebugUtilsMessengerEXT)                                        \
	X(DestroyDebugUtilsMessengerEXT)                                       \
	X(EnumeratePhysicalDevices)                                            \
	X(EnumerateDeviceExtensionProperties)                                  \
	X(GetPhysicalDeviceProperties)                                         \
	X(GetPhysicalDeviceFeatures2)                                          \
	X(GetPhysicalDeviceQueueFamilyProperties)                              \
	X(GetPhysicalDeviceMemoryProperties)                                   \
	X(CreateDevice)                                                        \
	X(DestroyDevice)                                                       \
	X(GetDeviceQueue)                                                      \
	X(CreatePipelineLayout)                                                \
	X(DestroyPipelineLayout)                                               \
	X(CreateShaderModule)                                                  \
	X(DestroyShaderModule)                                                 \
	X(CreateComputePipelines)                                              \
	X(DestroyPipeline)                                                     \
	X(CreateCommandPool)                                                   \
	X(DestroyCommandPool)                                                  \
	X(AllocateCommandBuffers)                                              \
	X(CreateBuffer)                                                        \
	X(DestroyBuffer)                                                       \
	X(GetBufferMemoryRequirements)                                         \
	X(GetBufferDeviceAddress)                                              \
	X(AllocateMemory)                                                      \
	X(FreeMemory)                                                          \
	X(BindBufferMemory)                                                    \
	X(MapMemory)                                                           \
	X(BeginCommandBuffer)                                                  \
	X(EndCommandBuffer)                                                    \
	X(CmdBindPipeline)                                                     \
	X(CmdPushConstants)                                                    \
	X(CmdDispatch)                                                         \
	X(CmdPipelineBarrier)                                                  \
	X(QueueSubmit)                                                         \
	X(QueueWaitIdle)                                                       \
	X(CreateSemaphore)                                                     \
	X(DestroySemaphore)                                                    \
	X(WaitSemaphores)                                                      \
	X(GetSemaphoreCounterValue)

struct VulkanCalls {
#define MEMBER(name) PFN_vk##name name;
	KERNELS_VK_CALLS(MEMBER)
#undef MEMBER
	PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
};

struct Launch {
	Kernel kernel;
	devrx_kernel_args args;
	unsigned blocks;
};

class VulkanDevice : public Device
{
      public:
	/* @spirv: folder of the modules. @memory: with what devrx/vulkan.h asks
	 * of a caller's device. What is missing on this machine, or nothing; then
	 * the other calls may be made. */
	std::string open(const std::string &spirv, bool memory = false);
	~VulkanDevice() override;

	uint64_t put(const void *bytes, size_t len, unsigned misalign) override;
	void get(uint64_t addr, void *bytes, size_t len) override;
	std::string launch(Kernel kernel, const devrx_kernel_args &args,
			   unsigned blocks) override;
	void clear() override;

	/* The device as devrx is to know it. */
	devrx_vulkan_device lend() const;
	/* Where the host sees what put() gave. */
	char *host(uint64_t addr) const;
	/* One submission, not waited for: what @before records, the launches, what
	 * @after records. The value that the timeline has when it is done, or 0
	 * where the device is lost. */
	using Record = std::function<void(void *command_buffer)>;
	uint64_t submit(const std::vector<Launch> &launches,
			const Record &before, const Record &after);
	bool wait(uint64_t value);
	devrx_vulkan_point point(uint64_t value) const;

	std::string name; /* of the device */
	std::string complaints; /* of the validation layer */

      private:
	struct Buffer {
		VkBuffer buffer;
		VkDeviceMemory memory;
		uint64_t addr, len;
		char *host;
	};

	static const unsigned in_flight = 4;

	std::string pick(bool memory);
	std::string build(const std::string &spirv);
	void find_calls();
	bool has_layer() const;
	bool has(const char *extension) const;
	void make_device(bool memory);
	void record(VkCommandBuffer to, const Launch &launch) const;
	void barrier(VkCommandBuffer to, VkPipelineStageFlags stage,
		     VkAccessFlags access) const;

	VulkanCalls vk = {};
	void *loader = nullptr;
	VkInstance instance = VK_NULL_HANDLE;
	VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
	VkPhysicalDevice physical = VK_NULL_HANDLE;
	VkDevice device = VK_NULL_HANDLE;
	VkQueue queue = VK_NULL_HANDLE;
	VkCommandPool pool = VK_NULL_HANDLE;
	VkCommandBuffer commands[in_flight] = {};
	uint64_t values[in_flight] = {}; /* each done at this one */
	VkSemaphore timeline = VK_NULL_HANDLE;
	uint64_t submitted = 0;
	bool foreign = false;
	VkPipelineLayout layout = VK_NULL_HANDLE;
	VkPipeline pipelines[NR] = {};
	uint32_t family = 0, memory_type = 0;
	std::vector<Buffer> buffers;
};

} // namespace kernels

#endif
