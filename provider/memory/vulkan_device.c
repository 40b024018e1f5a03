// SPDX-License-Identifier: MIT
/*
 * The device: one of our own, or the caller's.
 *
 * The invariant: a struct drx_vulkan that these calls hand out has every entry
 * point, and its physical device can do what the kind needs. A caller's device
 * is taken at its word for what no call can ask, its enabled features.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/vulkan_memory.h"
#include "util/cause.h"

enum { FAMILIES_MAX = 64 };

static const char *const needed[] = {
	VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
	VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
};

/* The extensions of dev->physical, to be freed; NULL where memory is short. */
static VkExtensionProperties *list_extensions(const struct drx_vulkan *dev,
					      uint32_t *nr)
{
	VkExtensionProperties *list;

	*nr = 0;
	(void)dev->vk.EnumerateDeviceExtensionProperties(dev->physical, NULL,
							 nr, NULL);
	list = calloc(*nr + 1, sizeof(*list));
	if (list)
		(void)dev->vk.EnumerateDeviceExtensionProperties(
			dev->physical, NULL, nr, list);
	return list;
}

static bool has(const VkExtensionProperties *list, uint32_t nr,
		const char *name)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (!strcmp(list[i].extensionName, name))
			return true;
	}
	return false;
}

/* Lavapipe's dmabufs are udmabufs: without the node it exports none. */
static int fail_use(const struct drx_vulkan *dev, enum drx_vulkan_use use,
		    struct devrx_cause *cause, const char *lacks)
{
	const char *node = NULL;
	int fd;

	if (dev->type == VK_PHYSICAL_DEVICE_TYPE_CPU) {
		fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			(void)close(fd);
		else
			node = errno == EACCES || errno == EPERM ?
				       "; no permission to open /dev/udmabuf, "
				       "which it makes them by" :
				       "; there is no /dev/udmabuf, which it "
				       "makes them by";
	}
	return drx_fail(
		cause, -EOPNOTSUPP,
		use == DRX_VULKAN_IMPORT ? "vulkan-no-import" :
					   "vulkan-no-export",
		node ? "modprobe udmabuf; ls -l /dev/udmabuf" :
		       "vulkaninfo | grep dma_buf  # a newer driver has it",
		"%.48s %s dmabufs: it has no %s%s", dev->name,
		use == DRX_VULKAN_IMPORT ? "imports no" : "exports no", lacks,
		node ? node : "");
}

static int check_extensions(struct drx_vulkan *dev, enum drx_vulkan_use use,
			    struct devrx_cause *cause)
{
	VkExtensionProperties *list;
	uint32_t nr;
	size_t i;
	int err = 0;

	list = list_extensions(dev, &nr);
	if (!list)
		return drx_fail_os(cause, -ENOMEM, "calloc");
	for (i = 0; !err && i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!has(list, nr, needed[i]))
			err = fail_use(dev, use, cause, needed[i]);
	}
	/* The name of what is outside: a NIC shares no driver with the GPU. */
	if (dev->own &&
	    has(list, nr, VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME))
		dev->external_family = VK_QUEUE_FAMILY_FOREIGN_EXT;
	free(list);
	return err;
}

static int check_features(const struct drx_vulkan *dev,
			  struct devrx_cause *cause)
{
	VkPhysicalDeviceVulkan12Features v12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
	};
	VkPhysicalDeviceFeatures2 features = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &v12,
	};
	const char *lacks = NULL;

	dev->vk.GetPhysicalDeviceFeatures2(dev->physical, &features);
	if (!features.features.shaderInt64)
		lacks = "shaderInt64";
	if (!v12.timelineSemaphore)
		lacks = "timelineSemaphore";
	if (!v12.bufferDeviceAddress)
		lacks = "bufferDeviceAddress";
	if (!lacks)
		return 0;
	return drx_fail(cause, -EOPNOTSUPP, "vulkan-unsupported",
			"vulkaninfo --summary  # another device, or a newer "
			"driver",
			"%.48s has no %s", dev->name, lacks);
}

static int check_external(const struct drx_vulkan *dev, enum drx_vulkan_use use,
			  struct devrx_cause *cause)
{
	const VkPhysicalDeviceExternalBufferInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
		.usage = DRX_VULKAN_USAGE,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	VkExternalBufferProperties found = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
	};
	VkExternalMemoryFeatureFlags want =
		use == DRX_VULKAN_IMPORT ?
			VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT :
			VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT;

	dev->vk.GetPhysicalDeviceExternalBufferProperties(dev->physical, &info,
							  &found);
	if (found.externalMemoryProperties.externalMemoryFeatures & want)
		return 0;
	return fail_use(dev, use, cause,
			use == DRX_VULKAN_IMPORT ? "buffers of that kind" :
						   "buffers to export");
}

/* Can dev->physical do what @use asks? In the order of what to mend first. */
static int check_physical(struct drx_vulkan *dev, enum drx_vulkan_use use,
			  struct devrx_cause *cause)
{
	VkPhysicalDeviceProperties2 all = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
	};
	uint32_t version;
	int err;

	dev->vk.GetPhysicalDeviceProperties2(dev->physical, &all);
	(void)snprintf(dev->name, sizeof(dev->name), "%.47s",
		       all.properties.deviceName);
	dev->type = all.properties.deviceType;
	version = all.properties.apiVersion;
	if (version < VK_API_VERSION_1_2)
		return drx_fail(cause, -EOPNOTSUPP, "vulkan-unsupported",
				"vulkaninfo --summary  # another device, or a "
				"newer driver",
				"%.48s has Vulkan %u.%u, not 1.2", dev->name,
				VK_API_VERSION_MAJOR(version),
				VK_API_VERSION_MINOR(version));
	err = check_features(dev, cause);
	if (!err)
		err = check_extensions(dev, use, cause);
	return err ? err : check_external(dev, use, cause);
}

/*
 * The family to compute on: with two queues, so that the caller's and ours are
 * not the same, where one has that many.
 */
static int choose_family(struct drx_vulkan *dev, uint32_t *nr_queues,
			 struct devrx_cause *cause)
{
	VkQueueFamilyProperties families[FAMILIES_MAX];
	uint32_t nr = FAMILIES_MAX, i;

	*nr_queues = 0;
	dev->vk.GetPhysicalDeviceQueueFamilyProperties(dev->physical, &nr,
						       families);
	for (i = 0; i < nr && *nr_queues < 2; i++) {
		if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) ||
		    families[i].queueCount <= *nr_queues)
			continue;
		dev->family = i;
		*nr_queues = families[i].queueCount < 2 ? 1 : 2;
	}
	if (*nr_queues)
		return 0;
	return drx_fail(cause, -EOPNOTSUPP, "vulkan-unsupported",
			"vulkaninfo --summary  # another device",
			"%.48s has no queue to compute on", dev->name);
}

static int make_device(struct drx_vulkan *dev, struct devrx_cause *cause)
{
	static const float priorities[2] = { 1, 1 };
	const char *extensions[3] = {
		needed[0], needed[1], VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME
	};
	VkPhysicalDeviceVulkan12Features v12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.bufferDeviceAddress = VK_TRUE,
		.timelineSemaphore = VK_TRUE,
	};
	const VkPhysicalDeviceFeatures features = { .shaderInt64 = VK_TRUE };
	VkDeviceQueueCreateInfo queues = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.pQueuePriorities = priorities,
	};
	const VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &v12,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queues,
		.enabledExtensionCount =
			dev->external_family == VK_QUEUE_FAMILY_FOREIGN_EXT ?
				3 :
				2,
		.ppEnabledExtensionNames = extensions,
		.pEnabledFeatures = &features,
	};
	VkResult result;
	int err;

	err = choose_family(dev, &queues.queueCount, cause);
	if (err)
		return err;
	queues.queueFamilyIndex = dev->family;
	result = dev->vk.CreateDevice(dev->physical, &info, NULL, &dev->device);
	if (result) {
		dev->device = NULL;
		return drx_vulkan_fail(cause, result, "vkCreateDevice");
	}
	err = drx_vulkan_find_device(dev, cause);
	if (err)
		return err;
	dev->vk.GetDeviceQueue(dev->device, dev->family, 0, &dev->queue);
	if (queues.queueCount > 1)
		dev->vk.GetDeviceQueue(dev->device, dev->family, 1,
				       &dev->copy_queue);
	return 0;
}

static int make_instance(struct drx_vulkan *dev, struct devrx_cause *cause)
{
	const VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pEngineName = "devrx",
		.apiVersion = VK_API_VERSION_1_2,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	PFN_vkCreateInstance create;
	VkResult result;

	create = (PFN_vkCreateInstance)dev->vk.GetInstanceProcAddr(
		NULL, "vkCreateInstance");
	result = create ? create(&info, NULL, &dev->instance) :
			  VK_ERROR_INCOMPATIBLE_DRIVER;
	if (result) {
		dev->instance = NULL;
		return drx_vulkan_fail(cause, result, "vkCreateInstance");
	}
	return drx_vulkan_find_instance(dev, cause);
}

/* As far as the physical device; drx_vulkan_close() in any case. */
static int open_physical(struct drx_vulkan *dev, const char *name,
			 enum drx_vulkan_use use, struct devrx_cause *cause)
{
	int err;

	memset(dev, 0, sizeof(*dev));
	dev->own = true;
	dev->external_family = VK_QUEUE_FAMILY_EXTERNAL;
	err = drx_vulkan_load(dev, cause);
	if (!err)
		err = make_instance(dev, cause);
	if (!err)
		err = drx_vulkan_select(dev, name, cause);
	return err ? err : check_physical(dev, use, cause);
}

int drx_vulkan_open(struct drx_vulkan *dev, const char *name,
		    enum drx_vulkan_use use, struct devrx_cause *cause)
{
	int err = open_physical(dev, name, use, cause);

	if (!err)
		err = make_device(dev, cause);
	if (err)
		drx_vulkan_close(dev);
	return err;
}

int drx_vulkan_probe(struct devrx_cause *cause)
{
	struct drx_vulkan dev;
	int err = open_physical(&dev, NULL, DRX_VULKAN_EXPORT, cause);

	drx_vulkan_close(&dev);
	return err;
}

static int check_family(const struct drx_vulkan *dev, struct devrx_cause *cause)
{
	uint32_t nr = 0;

	dev->vk.GetPhysicalDeviceQueueFamilyProperties(dev->physical, &nr,
						       NULL);
	if (dev->family < nr)
		return 0;
	return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
			"queue family %u is not one of the device's %u",
			dev->family, nr);
}

int drx_vulkan_borrow(struct drx_vulkan *dev,
		      const struct devrx_vulkan_device *from,
		      enum drx_vulkan_use use, struct devrx_cause *cause)
{
	int err;

	memset(dev, 0, sizeof(*dev));
	dev->vk.GetInstanceProcAddr = (PFN_vkGetInstanceProcAddr)(void (*)(
		void))from->get_instance_proc_addr;
	dev->instance = from->instance;
	dev->physical = from->physical_device;
	dev->device = from->device;
	dev->copy_queue = from->queue;
	dev->family = from->queue_family;
	dev->external_family = from->flags & DEVRX_VULKAN_F_FOREIGN ?
				       VK_QUEUE_FAMILY_FOREIGN_EXT :
				       VK_QUEUE_FAMILY_EXTERNAL;
	err = drx_vulkan_find_instance(dev, cause);
	if (!err)
		err = check_family(dev, cause);
	if (!err)
		err = check_physical(dev, use, cause);
	return err ? err : drx_vulkan_find_device(dev, cause);
}

void drx_vulkan_close(struct drx_vulkan *dev)
{
	/* A driver may lack the call, and then nothing was made with it. */
	if (dev->own && dev->device && dev->vk.DestroyDevice)
		dev->vk.DestroyDevice(dev->device, NULL);
	if (dev->own && dev->instance && dev->vk.DestroyInstance)
		dev->vk.DestroyInstance(dev->instance, NULL);
	if (dev->lib)
		(void)dlclose(dev->lib);
	memset(dev, 0, sizeof(*dev));
}
