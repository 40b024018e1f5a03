// SPDX-License-Identifier: MIT
/*
 * Kind "vulkan" of a library that was built without Vulkan's headers: each call
 * is there, and says so.
 */
#include <devrx/vulkan.h>

#include <errno.h>

#include "memory/kinds.h"
#include "util/cause.h"

static int not_built(struct devrx_cause *cause)
{
	return drx_fail(cause, -EOPNOTSUPP, "vulkan-not-built",
			"apt install libvulkan-dev  # then build devrx anew",
			"this libdevrx was built without Vulkan's headers");
}

static int none_alloc(const struct devrx_memory_opts *opts,
		      struct devrx_backing *ret, struct devrx_cause *cause)
{
	(void)opts;
	(void)ret;
	return not_built(cause);
}

static void none_free(struct devrx_backing *backing)
{
	(void)backing;
}

const struct devrx_provider drx_vulkan_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "vulkan",
	.summary = "a Vulkan device's memory; left out of this build",
	.probe = not_built,
	.alloc = none_alloc,
	.free = none_free,
};

int devrx_vulkan_alloc(struct devrx_memory **ret,
		       const struct devrx_vulkan_device *vk,
		       const struct devrx_memory_opts *opts)
{
	(void)ret;
	(void)vk;
	return not_built(opts ? opts->cause : NULL);
}

int devrx_vulkan_import(struct devrx_memory **ret, int dmabuf_fd,
			const struct devrx_vulkan_device *vk,
			const struct devrx_memory_opts *opts)
{
	(void)ret;
	(void)dmabuf_fd;
	(void)vk;
	return not_built(opts ? opts->cause : NULL);
}

/* No memory is of this kind. */
int devrx_vulkan_handles(struct devrx_memory *mem,
			 struct devrx_vulkan_handles *ret)
{
	(void)mem;
	(void)ret;
	return -EINVAL;
}

int devrx_vulkan_acquire(struct devrx_memory *mem, void *command_buffer,
			 uint64_t off, uint64_t len)
{
	(void)mem;
	(void)command_buffer;
	(void)off;
	(void)len;
	return -EINVAL;
}

int devrx_vulkan_release(struct devrx_memory *mem, void *command_buffer,
			 uint64_t off, uint64_t len)
{
	return devrx_vulkan_acquire(mem, command_buffer, off, len);
}

int devrx_vulkan_check(struct devrx_memory *mem, struct devrx_cause *cause)
{
	(void)mem;
	return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
			"the memory is not of kind vulkan");
}

int devrx_vulkan_point_poll(void *point)
{
	(void)point;
	return -EOPNOTSUPP;
}
