// SPDX-License-Identifier: MIT
/* Instances, physical devices, devices, and how their calls are found. */
#include "fake.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The address of each is its handle. */
static struct physical {
	int idx;
} physicals[FAKE_DEVICES_MAX] = { { 0 }, { 1 }, { 2 }, { 3 } };
static struct queue {
	int idx;
} queues[2];

static const char *const extensions[] = {
	VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
	VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
	VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
	VK_EXT_PCI_BUS_INFO_EXTENSION_NAME,
};
enum { NR_EXTENSIONS = sizeof(extensions) / sizeof(extensions[0]) };

FAKE_API VkResult vkCreateInstance(const VkInstanceCreateInfo *info,
				   const VkAllocationCallbacks *alloc,
				   VkInstance *ret)
{
	VkResult result = fake_begin("vkCreateInstance", false);

	(void)info;
	(void)alloc;
	if (result)
		return result;
	*ret = malloc(1);
	fake_add(FAKE_INSTANCES, 1);
	return fake_end(VK_SUCCESS);
}

FAKE_API void vkDestroyInstance(VkInstance instance,
				const VkAllocationCallbacks *alloc)
{
	(void)alloc;
	if (fake_begin("vkDestroyInstance", false))
		return;
	fake_add(FAKE_INSTANCES, -1);
	free(instance);
	fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkEnumeratePhysicalDevices(VkInstance instance, uint32_t *nr,
					     VkPhysicalDevice *ret)
{
	VkResult result = fake_begin("vkEnumeratePhysicalDevices", false);
	uint32_t i;

	(void)instance;
	if (result)
		return result;
	if (*nr > (uint32_t)fake_set.devices)
		*nr = (uint32_t)fake_set.devices;
	for (i = 0; i < *nr; i++)
		ret[i] = (VkPhysicalDevice)&physicals[i];
	return fake_end(VK_SUCCESS);
}

FAKE_API void vkGetPhysicalDeviceProperties2(VkPhysicalDevice physical,
					     VkPhysicalDeviceProperties2 *ret)
{
	const int idx = ((struct physical *)physical)->idx;
	VkPhysicalDevicePCIBusInfoPropertiesEXT *pci;
	VkPhysicalDeviceMaintenance3Properties *limit;
	VkPhysicalDeviceIDProperties *id;
	VkBaseOutStructure *next;

	ret->properties.apiVersion =
		VK_MAKE_API_VERSION(0, 1, (uint32_t)fake_set.minor, 0);
	ret->properties.deviceType = (VkPhysicalDeviceType)fake_set.types[idx];
	(void)snprintf(ret->properties.deviceName,
		       sizeof(ret->properties.deviceName), FAKE_NAME " %d",
		       idx);
	for (next = ret->pNext; next; next = next->pNext) {
		if (next->sType ==
		    VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES) {
			id = (void *)next;
			memset(id->deviceUUID, 0x10 + idx, VK_UUID_SIZE);
		} else if (next->sType ==
			   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT) {
			pci = (void *)next;
			pci->pciDomain = 0;
			pci->pciBus = 0x3b + (uint32_t)idx;
			pci->pciDevice = 0;
			pci->pciFunction = 0;
		} else if (next->sType ==
			   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES) {
			limit = (void *)next;
			limit->maxMemoryAllocationSize = fake_set.limit;
		}
	}
}

FAKE_API void vkGetPhysicalDeviceFeatures2(VkPhysicalDevice physical,
					   VkPhysicalDeviceFeatures2 *ret)
{
	VkPhysicalDeviceVulkan12Features *v12 = ret->pNext;

	(void)physical;
	ret->features.shaderInt64 = !fake_without("shaderInt64");
	v12->timelineSemaphore = !fake_without("timelineSemaphore");
	v12->bufferDeviceAddress = !fake_without("bufferDeviceAddress");
}

/* The first family only copies; of the others one has enough queues. */
FAKE_API void vkGetPhysicalDeviceQueueFamilyProperties(
	VkPhysicalDevice physical, uint32_t *nr, VkQueueFamilyProperties *ret)
{
	const VkQueueFlags compute =
		fake_without("compute") ? 0 : VK_QUEUE_COMPUTE_BIT;

	(void)physical;
	*nr = 2;
	if (!ret)
		return;
	memset(ret, 0, 2 * sizeof(*ret));
	ret[0].queueFlags = VK_QUEUE_TRANSFER_BIT;
	ret[0].queueCount = 2;
	ret[1].queueFlags = compute | VK_QUEUE_TRANSFER_BIT;
	ret[1].queueCount = (uint32_t)fake_set.queues;
}

FAKE_API VkResult vkEnumerateDeviceExtensionProperties(
	VkPhysicalDevice physical, const char *layer, uint32_t *nr,
	VkExtensionProperties *ret)
{
	uint32_t had = 0;
	int i;

	(void)physical;
	(void)layer;
	for (i = 0; i < NR_EXTENSIONS; i++) {
		if (fake_without(extensions[i]))
			continue;
		if (ret && had < *nr)
			strcpy(ret[had].extensionName, extensions[i]);
		had++;
	}
	*nr = had;
	return VK_SUCCESS;
}

FAKE_API VkResult vkCreateDevice(VkPhysicalDevice physical,
				 const VkDeviceCreateInfo *info,
				 const VkAllocationCallbacks *alloc,
				 VkDevice *ret)
{
	VkResult result = fake_begin("vkCreateDevice", true);
	struct fake_device *dev;
	uint32_t i;

	(void)alloc;
	if (result)
		return result;
	dev = calloc(1, sizeof(*dev));
	dev->idx = ((struct physical *)physical)->idx;
	for (i = 0; i < info->enabledExtensionCount; i++) {
		if (fake_without(info->ppEnabledExtensionNames[i]))
			abort();
		dev->memory_fd |=
			!strcmp(info->ppEnabledExtensionNames[i],
				VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME);
	}
	for (i = 0; i < info->queueCreateInfoCount; i++) {
		if (info->pQueueCreateInfos[i].queueCount >
		    (uint32_t)fake_set.queues)
			abort();
	}
	*ret = (VkDevice)dev;
	fake_add(FAKE_DEVICES, 1);
	return fake_end(VK_SUCCESS);
}

FAKE_API void vkDestroyDevice(VkDevice device,
			      const VkAllocationCallbacks *alloc)
{
	(void)alloc;
	if (fake_begin("vkDestroyDevice", false))
		return;
	fake_add(FAKE_DEVICES, -1);
	free(device);
	fake_end(VK_SUCCESS);
}

FAKE_API void vkGetDeviceQueue(VkDevice device, uint32_t family, uint32_t idx,
			       VkQueue *ret)
{
	(void)device;
	if (family != 1 || idx >= (uint32_t)fake_set.queues)
		abort();
	*ret = (VkQueue)&queues[idx];
}

/* Every call is exported, so its own name finds it here. */
static void *self(const char *name)
{
	Dl_info here;
	void *lib, *found;

	if (!dladdr(&physicals, &here))
		abort();
	lib = dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD);
	found = dlsym(lib, name);
	(void)dlclose(lib);
	return found;
}

static PFN_vkVoidFunction lookup(const char *name)
{
	void *found = fake_without(name) ? NULL : self(name);
	PFN_vkVoidFunction ret;

	memcpy(&ret, &found, sizeof(ret));
	return ret;
}

FAKE_API PFN_vkVoidFunction vkGetDeviceProcAddr(VkDevice device,
						const char *name)
{
	if (!strncmp(name, "vkGetMemoryFd", 13) &&
	    !((struct fake_device *)device)->memory_fd)
		return NULL;
	return lookup(name);
}

FAKE_API PFN_vkVoidFunction vkGetInstanceProcAddr(VkInstance instance,
						  const char *name)
{
	(void)instance;
	return lookup(name);
}
