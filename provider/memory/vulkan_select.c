// SPDX-License-Identifier: MIT
/*
 * Which device: by the loader's index, by UUID or by PCI address.
 *
 * Without a name it is the first that is no CPU: beside a GPU's driver Mesa's
 * lavapipe is often installed, and which comes first is the loader's whim.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/vulkan_memory.h"
#include "util/cause.h"

#define DRI "/dev/dri"
enum { DEVICES_MAX = 32 };

static const char what_there_is[] = "vulkaninfo --summary";

/* "GPU-" or nothing, then 32 hex digits with dashes where they please. */
static bool parse_uuid(const char *text, uint8_t ret[VK_UUID_SIZE])
{
	char byte[3] = { 0 };
	size_t nr = 0;

	if (!strncmp(text, "GPU-", 4))
		text += 4;
	for (; *text; text++) {
		if (*text == '-')
			continue;
		if (nr == 2 * VK_UUID_SIZE ||
		    !strchr("0123456789abcdefABCDEF", *text))
			return false;
		byte[nr % 2] = *text;
		if (nr % 2)
			ret[nr / 2] = (uint8_t)strtoul(byte, NULL, 16);
		nr++;
	}
	return nr == 2 * VK_UUID_SIZE;
}

static bool has_uuid(struct drx_vulkan *dev, VkPhysicalDevice physical,
		     const uint8_t *uuid)
{
	VkPhysicalDeviceIDProperties id = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
	};
	VkPhysicalDeviceProperties2 all = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &id,
	};

	dev->vk.GetPhysicalDeviceProperties2(physical, &all);
	return !memcmp(id.deviceUUID, uuid, VK_UUID_SIZE);
}

static bool is_at(struct drx_vulkan *dev, VkPhysicalDevice physical,
		  const char *addr)
{
	VkPhysicalDevicePCIBusInfoPropertiesEXT pci = {
		.sType =
			VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT,
		/* No device is there: a driver that does not know the struct
		 * leaves it alone. */
		.pciDomain = UINT32_MAX,
	};
	VkPhysicalDeviceProperties2 all = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &pci,
	};
	unsigned int domain, bus, device, function;
	char rest;

	if (sscanf(addr, "%x:%x:%x.%x%c", &domain, &bus, &device, &function,
		   &rest) != 4)
		return false;
	dev->vk.GetPhysicalDeviceProperties2(physical, &all);
	return pci.pciDomain == domain && pci.pciBus == bus &&
	       pci.pciDevice == device && pci.pciFunction == function;
}

static bool is_cpu(struct drx_vulkan *dev, VkPhysicalDevice physical)
{
	VkPhysicalDeviceProperties2 all = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
	};

	dev->vk.GetPhysicalDeviceProperties2(physical, &all);
	return all.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

/* The index of the device that @name says, or @nr. */
static uint32_t find(struct drx_vulkan *dev, const VkPhysicalDevice *devices,
		     uint32_t nr, const char *name)
{
	uint8_t uuid[VK_UUID_SIZE];
	bool by_uuid = name && parse_uuid(name, uuid);
	bool by_addr = name && strchr(name, ':');
	unsigned long value;
	uint32_t i;
	char *end;

	if (name && !by_uuid && !by_addr) {
		value = strtoul(name, &end, 10);
		return *name >= '0' && *name <= '9' && !*end && value < nr ?
			       (uint32_t)value :
			       nr;
	}
	for (i = 0; i < nr; i++) {
		if (by_uuid ? has_uuid(dev, devices[i], uuid) :
		    by_addr ? is_at(dev, devices[i], name) :
			      !is_cpu(dev, devices[i]))
			return i;
	}
	return name ? nr : 0;
}

/* A render node that we may not open: its device the driver does not show. */
static bool may_not_open(char *ret, size_t size)
{
	DIR *dir = opendir(DRI);
	struct dirent *entry;
	bool refused = false;
	int fd;

	while (dir && !refused && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "render", 6))
			continue;
		(void)snprintf(ret, size, DRI "/%.32s", entry->d_name);
		fd = open(ret, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			(void)close(fd);
		else
			refused = errno == EACCES || errno == EPERM;
	}
	if (dir)
		(void)closedir(dir);
	return refused;
}

static int fail_find(struct devrx_cause *cause, const char *name, uint32_t nr)
{
	char node[64];

	if (may_not_open(node, sizeof(node)))
		return drx_fail(cause, -EACCES, "vulkan-access",
				"ls -l " DRI "  # usually: join group render",
				"no permission to open %s, so the driver does "
				"not show its device",
				node);
	if (!name)
		return drx_fail(cause, -ENODEV, "vulkan-no-device",
				what_there_is, "no driver shows a device");
	return drx_fail(cause, -ENODEV, "vulkan-no-device", what_there_is,
			"device \"%.64s\" was asked for; there are %u, named "
			"by index, UUID or PCI address (0000:3b:00.0)",
			name, nr);
}

int drx_vulkan_select(struct drx_vulkan *dev, const char *name,
		      struct devrx_cause *cause)
{
	VkPhysicalDevice devices[DEVICES_MAX];
	uint32_t nr = DEVICES_MAX, idx;
	VkResult result;

	/* VK_INCOMPLETE is no error: nobody has that many. */
	result = dev->vk.EnumeratePhysicalDevices(dev->instance, &nr, devices);
	if (result < 0 && result != VK_ERROR_INITIALIZATION_FAILED)
		return drx_vulkan_fail(cause, result,
				       "vkEnumeratePhysicalDevices");
	/* What the loader says where every driver refused. */
	if (result < 0)
		nr = 0;
	idx = find(dev, devices, nr, name);
	if (idx >= nr)
		return fail_find(cause, name, nr);
	dev->physical = devices[idx];
	return 0;
}
