// SPDX-License-Identifier: MIT
/*
 * Vulkan's loader and its entry points, found when they are needed: nothing is
 * linked.
 *
 * Each memory has a table of its own, so nothing here is global, and calls go to
 * the driver without the loader's detour. Unlike CUDA's driver the loader takes
 * being unloaded: with the last instance it unloads drivers by itself.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "memory/vulkan_memory.h"
#include "util/cause.h"

#define LIBRARY "libvulkan.so.1"

#define ENTRY(name) { "vk" #name, offsetof(struct drx_vk_entries, name) },
static const struct entry {
	const char *name;
	size_t offset;
} of_instance[] = { DRX_VK_INSTANCE_ENTRIES(ENTRY) },
  of_device[] = { DRX_VK_DEVICE_ENTRIES(ENTRY) };
#undef ENTRY

int drx_vulkan_load(struct drx_vulkan *dev, struct devrx_cause *cause)
{
	const char *why;
	void *found;

	dev->lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	found = dev->lib ? dlsym(dev->lib, "vkGetInstanceProcAddr") : NULL;
	if (!found) {
		why = dlerror();
		return drx_fail(cause, -ENOENT, "vulkan-missing",
				"apt install libvulkan1 mesa-vulkan-drivers",
				"there is no Vulkan loader: %.160s",
				why ? why : LIBRARY);
	}
	/* Function pointers and void pointers are the same to dlsym(), not to C. */
	memcpy(&dev->vk.GetInstanceProcAddr, &found, sizeof(found));
	return 0;
}

static void put(struct drx_vulkan *dev, const struct entry *entry,
		PFN_vkVoidFunction found)
{
	memcpy((char *)&dev->vk + entry->offset, &found, sizeof(found));
}

int drx_vulkan_find_instance(struct drx_vulkan *dev, struct devrx_cause *cause)
{
	PFN_vkVoidFunction found;
	size_t i;

	for (i = 0; i < sizeof(of_instance) / sizeof(of_instance[0]); i++) {
		found = dev->vk.GetInstanceProcAddr(dev->instance,
						    of_instance[i].name);
		if (!found)
			return drx_fail(cause, -EOPNOTSUPP,
					"vulkan-unsupported", NULL,
					"the instance has no %s; it must be "
					"made for Vulkan 1.2",
					of_instance[i].name);
		put(dev, &of_instance[i], found);
	}
	return 0;
}

int drx_vulkan_find_device(struct drx_vulkan *dev, struct devrx_cause *cause)
{
	PFN_vkVoidFunction found;
	size_t i;

	for (i = 0; i < sizeof(of_device) / sizeof(of_device[0]); i++) {
		found = dev->vk.GetDeviceProcAddr(dev->device,
						  of_device[i].name);
		if (!found)
			return drx_fail(cause, -EOPNOTSUPP,
					"vulkan-unsupported", NULL,
					"the device has no %s; it must be made "
					"with VK_KHR_external_memory_fd and "
					"VK_EXT_external_memory_dma_buf, in an "
					"instance for Vulkan 1.2",
					of_device[i].name);
		put(dev, &of_device[i], found);
	}
	return 0;
}
