// SPDX-License-Identifier: MIT
/*
 * What a VkResult means: one table from it to an errno, a cause and a sentence.
 * What is not in the table is "vulkan-error" with its number.
 */
#include <errno.h>
#include <stddef.h>

#include "memory/vulkan_memory.h"
#include "util/cause.h"

static const struct row {
	VkResult result;
	int err;
	const char *id;
	const char *text;
	const char *next;
} rows[] = {
	{ VK_ERROR_OUT_OF_HOST_MEMORY, -ENOMEM, "out-of-memory",
	  "the driver has no host memory left", NULL },
	{ VK_ERROR_OUT_OF_DEVICE_MEMORY, -ENOMEM, "out-of-memory",
	  "the device has no memory left",
	  "vulkaninfo | grep -A8 memoryHeaps" },
	{ VK_ERROR_TOO_MANY_OBJECTS, -ENOMEM, "out-of-memory",
	  "the device has no more allocations",
	  "vulkaninfo | grep maxMemoryAllocationCount" },
	{ VK_ERROR_FRAGMENTATION, -ENOMEM, "out-of-memory",
	  "the device's memory is in too small pieces", NULL },
	{ VK_ERROR_DEVICE_LOST, -EIO, "vulkan-device-lost",
	  "the device, or what ran on it, failed",
	  "dmesg | tail  # then make the device anew" },
	{ VK_ERROR_INCOMPATIBLE_DRIVER, -ENODEV, "vulkan-no-device",
	  "the loader finds no driver",
	  "vulkaninfo --summary; ls /usr/share/vulkan/icd.d" },
	{ VK_ERROR_INITIALIZATION_FAILED, -EIO, "vulkan-error",
	  "the driver did not start", NULL },
	{ VK_ERROR_EXTENSION_NOT_PRESENT, -EOPNOTSUPP, "vulkan-unsupported",
	  "an extension is missing", NULL },
	{ VK_ERROR_FEATURE_NOT_PRESENT, -EOPNOTSUPP, "vulkan-unsupported",
	  "a feature is missing", NULL },
	{ VK_ERROR_LAYER_NOT_PRESENT, -EOPNOTSUPP, "vulkan-error",
	  "a layer is missing", NULL },
	{ VK_ERROR_INVALID_EXTERNAL_HANDLE, -EINVAL, "vulkan-error",
	  "the driver does not take this dmabuf", NULL },
};

/* What to do with a result that the table does not have. */
static const struct row other = { VK_SUCCESS, -EIO, "vulkan-error",
				  "the driver failed", NULL };

static const struct row *find(VkResult result)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].result == result)
			return &rows[i];
	}
	return &other;
}

int drx_vulkan_errno(VkResult result)
{
	return result < 0 ? find(result)->err : 0;
}

int drx_vulkan_fail(struct devrx_cause *cause, VkResult result,
		    const char *call)
{
	const struct row *row = find(result);

	return drx_fail(cause, row->err, row->id, row->next,
			"%s: %s (VkResult %d)", call, row->text, result);
}
