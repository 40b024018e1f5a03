// SPDX-License-Identifier: MIT
/*
 * The memory: allocated and exported, or somebody else's and imported.
 *
 * The invariant: the buffer is as long as the dmabuf, so that wherever the NIC
 * may write a shader may read. Drivers round: the dmabuf's length is known only
 * once it is there, and where it is longer than the buffer both are made anew.
 *
 * Which type of memory: the device's own where it has any, and of those first one
 * that the host sees too, because that is what other devices can reach: through
 * a PCI BAR, of which a GPU may show only a part. Types with properties that need
 * a feature of their own are left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/vulkan_memory.h"
#include "util/cause.h"

#define DMA_BUF VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT
#define PLAIN                                                                  \
	(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |                                 \
	 VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |                                 \
	 VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |                                \
	 VK_MEMORY_PROPERTY_HOST_CACHED_BIT)

/* How often a driver may answer with a longer dmabuf than was asked for. */
enum { TRIES = 4 };

/* A buffer of m->len bytes, and what memory it needs. */
static int make_buffer(struct drx_vulkan_memory *m, VkMemoryRequirements *need,
		       struct devrx_cause *cause)
{
	const VkExternalMemoryBufferCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = DMA_BUF,
	};
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = &external,
		.size = m->len,
		.usage = DRX_VULKAN_USAGE,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
	};
	struct drx_vulkan *dev = &m->dev;
	VkResult result;

	result = dev->vk.CreateBuffer(dev->device, &info, NULL, &m->buffer);
	if (result) {
		m->buffer = VK_NULL_HANDLE;
		return drx_vulkan_fail(cause, result, "vkCreateBuffer");
	}
	dev->vk.GetBufferMemoryRequirements(dev->device, m->buffer, need);
	return 0;
}

/* Must such memory have an allocation to itself? */
static bool dedicated_only(const struct drx_vulkan *dev)
{
	const VkPhysicalDeviceExternalBufferInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
		.usage = DRX_VULKAN_USAGE,
		.handleType = DMA_BUF,
	};
	VkExternalBufferProperties found = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
	};

	dev->vk.GetPhysicalDeviceExternalBufferProperties(dev->physical, &info,
							  &found);
	return found.externalMemoryProperties.externalMemoryFeatures &
	       VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT;
}

/*
 * Allocate @size bytes of memory type @type for m->buffer and bind them. @fd >= 0
 * is imported, and the driver's on success; else the memory can be exported.
 */
static VkResult bind(struct drx_vulkan_memory *m, uint64_t size, uint32_t type,
		     int fd, const char **call)
{
	const VkMemoryDedicatedAllocateInfo dedicated = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
		.buffer = m->buffer,
	};
	VkMemoryAllocateFlagsInfo flags = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
		.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
	};
	const VkExportMemoryAllocateInfo export = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.pNext = &flags,
		.handleTypes = DMA_BUF,
	};
	const VkImportMemoryFdInfoKHR import = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.pNext = &flags,
		.handleType = DMA_BUF,
		.fd = fd,
	};
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = fd < 0 ? (const void *)&export : (const void *)&import,
		.allocationSize = size,
		.memoryTypeIndex = type,
	};
	const VkBufferDeviceAddressInfo where = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
		.buffer = m->buffer,
	};
	struct drx_vulkan *dev = &m->dev;
	VkResult result;

	if (dedicated_only(dev))
		flags.pNext = &dedicated;
	*call = "vkAllocateMemory";
	result = dev->vk.AllocateMemory(dev->device, &info, NULL, &m->memory);
	if (result) {
		m->memory = VK_NULL_HANDLE;
		return result;
	}
	*call = "vkBindBufferMemory";
	result = dev->vk.BindBufferMemory(dev->device, m->buffer, m->memory, 0);
	if (result)
		return result;
	m->addr = dev->vk.GetBufferDeviceAddress(dev->device, &where);
	return VK_SUCCESS;
}

/* The best of the types in @bits with all of @with; false where there is none. */
static bool choose_type(struct drx_vulkan_memory *m, uint32_t bits,
			VkMemoryPropertyFlags with, uint64_t size,
			uint32_t *ret)
{
	VkPhysicalDeviceMemoryProperties all;
	const VkMemoryType *type;
	uint32_t i;

	m->dev.vk.GetPhysicalDeviceMemoryProperties(m->dev.physical, &all);
	for (i = 0; i < all.memoryTypeCount; i++) {
		type = &all.memoryTypes[i];
		if (!(bits & 1u << i) || type->propertyFlags & ~PLAIN ||
		    (type->propertyFlags & with) != with ||
		    all.memoryHeaps[type->heapIndex].size < size)
			continue;
		m->flags = type->propertyFlags;
		*ret = i;
		return true;
	}
	return false;
}

/* Is any type in @bits the device's own, however small? */
static bool any_local(struct drx_vulkan_memory *m, uint32_t bits)
{
	uint32_t type;

	return choose_type(m, bits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0,
			   &type);
}

static int check_limit(const struct drx_vulkan_memory *m, uint64_t size,
		       struct devrx_cause *cause)
{
	VkPhysicalDeviceMaintenance3Properties limit = {
		.sType =
			VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
	};
	VkPhysicalDeviceProperties2 all = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &limit,
	};

	m->dev.vk.GetPhysicalDeviceProperties2(m->dev.physical, &all);
	if (size <= limit.maxMemoryAllocationSize)
		return 0;
	return drx_fail(cause, -EFBIG, "vulkan-limit",
			"vulkaninfo | grep maxMemoryAllocationSize",
			"%" PRIu64 " bytes were asked for; %.48s allocates at "
			"most %" PRIu64 " at once",
			size, m->dev.name, limit.maxMemoryAllocationSize);
}

static int get_any(struct drx_vulkan_memory *m,
		   const VkMemoryRequirements *need, struct devrx_cause *cause)
{
	static const VkMemoryPropertyFlags local[] = {
		VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
			VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
		VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
	};
	static const VkMemoryPropertyFlags other[] = {
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
		0,
	};
	bool is_local = any_local(m, need->memoryTypeBits);
	const VkMemoryPropertyFlags *wish = is_local ? local : other;
	size_t i;
	VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
	const char *call = "vkGetPhysicalDeviceMemoryProperties";
	uint32_t type;
	int err;

	err = check_limit(m, need->size, cause);
	if (err)
		return err;
	/* A full BAR is not a full device: then the rest of its memory. */
	for (i = 0; i < 2 && result == VK_ERROR_OUT_OF_DEVICE_MEMORY; i++) {
		m->dev.vk.FreeMemory(m->dev.device, m->memory, NULL);
		m->memory = VK_NULL_HANDLE;
		if (choose_type(m, need->memoryTypeBits, wish[i], need->size,
				&type))
			result = bind(m, need->size, type, -1, &call);
	}
	return result ? drx_vulkan_fail(cause, result, call) : 0;
}

static int export(struct drx_vulkan_memory *m, struct devrx_backing *ret,
		  struct devrx_cause *cause)
{
	const VkMemoryGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
		.memory = m->memory,
		.handleType = DMA_BUF,
	};
	VkResult result;
	int fd = -1, err;

	result = m->dev.vk.GetMemoryFdKHR(m->dev.device, &info, &fd);
	if (result)
		return drx_vulkan_fail(cause, result, "vkGetMemoryFdKHR");
	/* Drivers differ in this. */
	err = fcntl(fd, F_SETFD, FD_CLOEXEC) ? -errno : 0;
	if (!err)
		err = drx_dmabuf_len(fd, &ret->len);
	if (err) {
		(void)close(fd);
		return drx_fail_os(cause, err, "vkGetMemoryFdKHR's descriptor");
	}
	ret->dmabuf_fd = fd;
	ret->device_addr = m->addr;
	return 0;
}

/* Allocate for m->len bytes and export; what there is stays in @m on error. */
static int try_len(struct drx_vulkan_memory *m, struct devrx_backing *ret,
		   struct devrx_cause *cause)
{
	VkMemoryRequirements need;
	int err;

	err = make_buffer(m, &need, cause);
	if (!err)
		err = get_any(m, &need, cause);
	return err ? err : export(m, ret, cause);
}

int drx_vulkan_get_memory(struct drx_vulkan_memory *m,
			  struct devrx_backing *ret, struct devrx_cause *cause)
{
	uint64_t asked = m->len;
	int i, err;

	for (i = 0; i < TRIES; i++) {
		err = try_len(m, ret, cause);
		if (!err && ret->len == m->len)
			return 0;
		drx_vulkan_put_memory(m);
		if (err)
			return err;
		(void)close(ret->dmabuf_fd);
		ret->dmabuf_fd = -1;
		if (ret->len < m->len)
			break;
		m->len = ret->len;
	}
	return drx_fail(cause, -EOPNOTSUPP, "vulkan-no-export", NULL,
			"for %" PRIu64 " bytes %.48s exports a dmabuf of "
			"%" PRIu64 ", of which its buffer has %" PRIu64,
			asked, m->dev.name, ret->len, m->len);
}

int drx_vulkan_get_import(struct drx_vulkan_memory *m,
			  struct devrx_backing *ret, struct devrx_cause *cause)
{
	VkMemoryFdPropertiesKHR fits = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR,
	};
	struct drx_vulkan *dev = &m->dev;
	const char *call = "vkGetMemoryFdPropertiesKHR";
	VkMemoryRequirements need;
	VkResult result;
	uint32_t type = 0;
	int fd, err;

	err = make_buffer(m, &need, cause);
	if (err)
		return err;
	result = dev->vk.GetMemoryFdPropertiesKHR(dev->device, DMA_BUF,
						  ret->dmabuf_fd, &fits);
	if (!result && need.size > m->len)
		err = drx_fail(cause, -EOPNOTSUPP, "vulkan-no-import", NULL,
			       "%.48s wants %" PRIu64 " bytes for a buffer of "
			       "%" PRIu64 ", which is all the dmabuf has",
			       dev->name, need.size, m->len);
	else if (!result &&
		 !choose_type(m, need.memoryTypeBits & fits.memoryTypeBits, 0,
			      0, &type))
		err = drx_fail(cause, -EOPNOTSUPP, "vulkan-no-import", NULL,
			       "%.48s has no memory type for this dmabuf",
			       dev->name);
	if (err)
		goto err_put;
	fd = result ? -1 : fcntl(ret->dmabuf_fd, F_DUPFD_CLOEXEC, 0);
	if (!result && fd < 0) {
		err = drx_fail_os(cause, -errno, "fcntl(F_DUPFD_CLOEXEC)");
		goto err_put;
	}
	if (!result)
		result = bind(m, need.size, type, fd, &call);
	if (result == VK_ERROR_INVALID_EXTERNAL_HANDLE)
		err = drx_fail(cause, -EOPNOTSUPP, "vulkan-no-import", NULL,
			       "%s: %.48s does not take this dmabuf", call,
			       dev->name);
	else if (result)
		err = drx_vulkan_fail(cause, result, call);
	/* With the memory there it is the driver's. */
	if (err && fd >= 0 && !m->memory)
		(void)close(fd);
	if (err)
		goto err_put;
	ret->device_addr = m->addr;
	return 0;

err_put:
	drx_vulkan_put_memory(m);
	return err;
}

void drx_vulkan_put_memory(struct drx_vulkan_memory *m)
{
	struct drx_vulkan *dev = &m->dev;

	/* Vulkan ignores what is null. */
	dev->vk.DestroyBuffer(dev->device, m->buffer, NULL);
	dev->vk.FreeMemory(dev->device, m->memory, NULL);
	m->buffer = VK_NULL_HANDLE;
	m->memory = VK_NULL_HANDLE;
}
