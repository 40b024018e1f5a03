// SPDX-License-Identifier: MIT
/*
 * Where Vulkan memory really is. A memory type that is "device local" is the
 * driver's word for the moment: the dmabuf's exporter decides, and zcrx attaches
 * statically, which lets amdgpu and xe move the buffer to host memory without an
 * error. So only an exporter that has nothing but host memory proves anything;
 * lavapipe's, udmabuf, is one.
 */
#include <stdio.h>

#include "memory/dmabuf.h"
#include "memory/vulkan_memory.h"

static const char *type_name(VkPhysicalDeviceType type)
{
	switch (type) {
	case VK_PHYSICAL_DEVICE_TYPE_CPU:
		return "a CPU";
	case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
		return "an integrated GPU";
	case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
		return "a discrete GPU";
	case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
		return "a virtual GPU";
	default:
		return "some device";
	}
}

void drx_vulkan_place(const struct drx_vulkan_memory *m, const char *exporter,
		      struct devrx_backing *ret)
{
	const char *type = type_name(m->dev.type);

	if (!exporter) {
		(void)snprintf(ret->proof, sizeof(ret->proof),
			       "%.32s, %s: the exporter's name cannot be read "
			       "from /proc",
			       m->dev.name, type);
	} else if (drx_dmabuf_host_only(exporter)) {
		ret->placement = DEVRX_PLACEMENT_HOST;
		(void)snprintf(ret->proof, sizeof(ret->proof),
			       "%.32s, %s: exporter %s, which has only host "
			       "memory",
			       m->dev.name, type, exporter);
	} else if (!m->imported &&
		   !(m->flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)) {
		(void)snprintf(
			ret->proof, sizeof(ret->proof),
			"%.32s, %s: exporter %.16s, of a memory type that "
			"is not the device's own",
			m->dev.name, type, exporter);
	} else {
		(void)snprintf(ret->proof, sizeof(ret->proof),
			       "%.32s, %s: exporter %.16s may move it to host "
			       "memory when a NIC attaches",
			       m->dev.name, type, exporter);
	}
}
