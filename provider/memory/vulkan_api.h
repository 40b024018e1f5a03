/* SPDX-License-Identifier: MIT */
/*
 * The part of Vulkan that we call: each entry point's name once, less its "vk".
 * Types and values are those of Vulkan's own header, whose functions are not
 * declared: nothing of it is linked.
 */
#ifndef DRX_VULKAN_API_H
#define DRX_VULKAN_API_H

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan_core.h>

/* Found with an instance. */
#define DRX_VK_INSTANCE_ENTRIES(X)                                             \
	X(DestroyInstance)                                                     \
	X(EnumeratePhysicalDevices)                                            \
	X(GetPhysicalDeviceProperties2)                                        \
	X(GetPhysicalDeviceFeatures2)                                          \
	X(GetPhysicalDeviceMemoryProperties)                                   \
	X(GetPhysicalDeviceQueueFamilyProperties)                              \
	X(GetPhysicalDeviceExternalBufferProperties)                           \
	X(EnumerateDeviceExtensionProperties)                                  \
	X(CreateDevice)                                                        \
	X(GetDeviceProcAddr)

/* Found with a device. */
#define DRX_VK_DEVICE_ENTRIES(X)                                               \
	X(DestroyDevice)                                                       \
	X(GetDeviceQueue)                                                      \
	X(CreateBuffer)                                                        \
	X(DestroyBuffer)                                                       \
	X(GetBufferMemoryRequirements)                                         \
	X(GetBufferDeviceAddress)                                              \
	X(AllocateMemory)                                                      \
	X(FreeMemory)                                                          \
	X(BindBufferMemory)                                                    \
	X(MapMemory)                                                           \
	X(GetMemoryFdKHR)                                                      \
	X(GetMemoryFdPropertiesKHR)                                            \
	X(CreateFence)                                                         \
	X(DestroyFence)                                                        \
	X(GetFenceStatus)                                                      \
	X(WaitForFences)                                                       \
	X(ResetFences)                                                         \
	X(CreateCommandPool)                                                   \
	X(DestroyCommandPool)                                                  \
	X(AllocateCommandBuffers)                                              \
	X(BeginCommandBuffer)                                                  \
	X(EndCommandBuffer)                                                    \
	X(CmdPipelineBarrier)                                                  \
	X(CmdCopyBuffer)                                                       \
	X(QueueSubmit)

#define DRX_VK_MEMBER(name) PFN_vk##name name;
struct drx_vk_entries {
	PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
	DRX_VK_INSTANCE_ENTRIES(DRX_VK_MEMBER)
	DRX_VK_DEVICE_ENTRIES(DRX_VK_MEMBER)
};
#undef DRX_VK_MEMBER

#endif /* DRX_VULKAN_API_H */
