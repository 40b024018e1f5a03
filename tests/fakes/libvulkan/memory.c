// SPDX-License-Identifier: MIT
/* Buffers and memory, and their descriptors. */
#include "fake.h"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define DMA_BUF VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT
#define HOST_COHERENT                                                          \
	(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |                                 \
	 VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)

/* The first type is one that needs a feature: nobody may take it unasked. */
FAKE_API void
vkGetPhysicalDeviceMemoryProperties(VkPhysicalDevice physical,
				    VkPhysicalDeviceMemoryProperties *ret)
{
	const VkMemoryPropertyFlags own =
		fake_set.local ? VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT : 0;
	const VkMemoryPropertyFlags seen = fake_set.visible ? HOST_COHERENT : 0;

	(void)physical;
	memset(ret, 0, sizeof(*ret));
	ret->memoryTypeCount = 4;
	ret->memoryTypes[0].propertyFlags =
		VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
		VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD;
	ret->memoryTypes[1].propertyFlags = own;
	ret->memoryTypes[2].propertyFlags = own | seen;
	ret->memoryTypes[2].heapIndex = 1;
	ret->memoryTypes[3].propertyFlags =
		HOST_COHERENT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
	ret->memoryTypes[3].heapIndex = 2;
	ret->memoryHeapCount = 3;
	ret->memoryHeaps[0].size = UINT64_C(1) << 32;
	ret->memoryHeaps[1].size = (uint64_t)fake_set.bar_mib << 20;
	ret->memoryHeaps[2].size = UINT64_C(1) << 32;
}

FAKE_API void vkGetPhysicalDeviceExternalBufferProperties(
	VkPhysicalDevice physical,
	const VkPhysicalDeviceExternalBufferInfo *info,
	VkExternalBufferProperties *ret)
{
	VkExternalMemoryProperties *p = &ret->externalMemoryProperties;

	(void)physical;
	p->externalMemoryFeatures = 0;
	if (info->handleType != DMA_BUF)
		return;
	if (!fake_without("export"))
		p->externalMemoryFeatures |=
			VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT;
	if (!fake_without("import"))
		p->externalMemoryFeatures |=
			VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
	if (fake_set.dedicated)
		p->externalMemoryFeatures |=
			VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT;
}

FAKE_API VkResult vkCreateBuffer(VkDevice device,
				 const VkBufferCreateInfo *info,
				 const VkAllocationCallbacks *alloc,
				 VkBuffer *ret)
{
	VkResult result = fake_begin("vkCreateBuffer", true);
	struct fake_buffer *buffer;

	(void)device;
	(void)alloc;
	if (result)
		return result;
	buffer = calloc(1, sizeof(*buffer));
	buffer->size = info->size;
	buffer->usage = info->usage;
	buffer->external = info->pNext;
	*ret = FAKE_HANDLE(VkBuffer, buffer);
	fake_add(FAKE_BUFFERS, 1);
	return fake_end(VK_SUCCESS);
}

FAKE_API void vkDestroyBuffer(VkDevice device, VkBuffer buffer,
			      const VkAllocationCallbacks *alloc)
{
	(void)device;
	(void)alloc;
	if (!buffer || fake_begin("vkDestroyBuffer", false))
		return;
	free(FAKE_OF(fake_buffer, buffer));
	fake_add(FAKE_BUFFERS, -1);
	fake_end(VK_SUCCESS);
}

FAKE_API void vkGetBufferMemoryRequirements(VkDevice device, VkBuffer buffer,
					    VkMemoryRequirements *ret)
{
	const uint64_t unit = fake_set.unit;

	(void)device;
	ret->size =
		(FAKE_OF(fake_buffer, buffer)->size + unit - 1) / unit * unit;
	ret->alignment = 256;
	ret->memoryTypeBits = 0xf;
}

/* The bytes: the descriptor's, or new ones. */
static VkResult back(struct fake_memory *memory, int fd)
{
	memory->fd = fd;
	if (fd < 0) {
		memory->fd = memfd_create(FAKE_NAME,
					  MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (memory->fd < 0 ||
		    ftruncate(memory->fd,
			      (off_t)(memory->size + fake_set.extra)) ||
		    fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK))
			return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	memory->addr = mmap(NULL, memory->size, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	memory->host = mmap(NULL, memory->size, PROT_READ | PROT_WRITE,
			    MAP_SHARED, memory->fd, 0);
	if (memory->addr == MAP_FAILED || memory->host == MAP_FAILED)
		abort();
	return VK_SUCCESS;
}

FAKE_API VkResult vkAllocateMemory(VkDevice device,
				   const VkMemoryAllocateInfo *info,
				   const VkAllocationCallbacks *alloc,
				   VkDeviceMemory *ret)
{
	VkResult result = fake_begin("vkAllocateMemory", true);
	const VkBaseInStructure *next;
	struct fake_memory *memory;
	bool dedicated = false, external = false;
	int fd = -1;

	(void)device;
	(void)alloc;
	if (result)
		return result;
	memory = calloc(1, sizeof(*memory));
	memory->size = info->allocationSize;
	memory->type = info->memoryTypeIndex;
	for (next = info->pNext; next; next = next->pNext) {
		if (next->sType == VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR)
			fd = ((const VkImportMemoryFdInfoKHR *)next)->fd;
		external |= next->sType ==
			    VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
		dedicated |= next->sType ==
			     VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
	}
	memory->exported = external;
	if (memory->type == 0 || memory->type > 3 ||
	    ((external || fd >= 0) && dedicated != fake_set.dedicated))
		abort();
	result = back(memory, fd);
	if (result) {
		free(memory);
		return fake_end(result);
	}
	*ret = FAKE_HANDLE(VkDeviceMemory, memory);
	fake_add(FAKE_MEMORIES, 1);
	return fake_end(VK_SUCCESS);
}

FAKE_API void vkFreeMemory(VkDevice device, VkDeviceMemory handle,
			   const VkAllocationCallbacks *alloc)
{
	struct fake_memory *memory = FAKE_OF(fake_memory, handle);

	(void)device;
	(void)alloc;
	if (!memory || fake_begin("vkFreeMemory", false))
		return;
	(void)munmap(memory->addr, memory->size);
	(void)munmap(memory->host, memory->size);
	(void)close(memory->fd);
	free(memory);
	fake_add(FAKE_MEMORIES, -1);
	fake_end(VK_SUCCESS);
}

FAKE_API VkResult vkBindBufferMemory(VkDevice device, VkBuffer buffer,
				     VkDeviceMemory memory, VkDeviceSize off)
{
	VkResult result = fake_begin("vkBindBufferMemory", true);

	(void)device;
	if (result)
		return result;
	if (off || FAKE_OF(fake_buffer, buffer)->memory)
		abort();
	FAKE_OF(fake_buffer, buffer)->memory = FAKE_OF(fake_memory, memory);
	return fake_end(VK_SUCCESS);
}

FAKE_API VkDeviceAddress
vkGetBufferDeviceAddress(VkDevice device, const VkBufferDeviceAddressInfo *info)
{
	(void)device;
	return (uintptr_t)FAKE_OF(fake_buffer, info->buffer)->memory->addr;
}

FAKE_API VkResult vkMapMemory(VkDevice device, VkDeviceMemory memory,
			      VkDeviceSize off, VkDeviceSize len,
			      VkMemoryMapFlags flags, void **ret)
{
	VkResult result = fake_begin("vkMapMemory", true);

	(void)device;
	(void)len;
	(void)flags;
	if (result)
		return result;
	if (FAKE_OF(fake_memory, memory)->type != 3)
		abort();
	*ret = FAKE_OF(fake_memory, memory)->host + off;
	return fake_end(VK_SUCCESS);
}

static int make_udmabuf(const struct fake_memory *memory)
{
	struct udmabuf_create create = {
		.memfd = (uint32_t)memory->fd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = memory->size + fake_set.extra,
	};
	int node = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;

	fd = node < 0 ? -1 : ioctl(node, UDMABUF_CREATE, &create);
	(void)close(node);
	return fd;
}

FAKE_API VkResult vkGetMemoryFdKHR(VkDevice device,
				   const VkMemoryGetFdInfoKHR *info, int *ret)
{
	VkResult result = fake_begin("vkGetMemoryFdKHR", true);
	const struct fake_memory *memory = FAKE_OF(fake_memory, info->memory);

	(void)device;
	if (result)
		return result;
	if (!memory->exported)
		abort();
	/* As drivers do, without O_CLOEXEC. */
	*ret = fake_set.udmabuf ? make_udmabuf(memory) : dup(memory->fd);
	return fake_end(*ret < 0 ? VK_ERROR_TOO_MANY_OBJECTS : VK_SUCCESS);
}

FAKE_API VkResult vkGetMemoryFdPropertiesKHR(
	VkDevice device, VkExternalMemoryHandleTypeFlagBits type, int fd,
	VkMemoryFdPropertiesKHR *ret)
{
	VkResult result = fake_begin("vkGetMemoryFdPropertiesKHR", true);

	(void)device;
	(void)type;
	(void)fd;
	if (result)
		return result;
	ret->memoryTypeBits = fake_without("fd-types") ? 0 : 0xe;
	return fake_end(VK_SUCCESS);
}
