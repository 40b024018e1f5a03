/* SPDX-License-Identifier: MIT */
/*
 * A fake Vulkan loader and driver: the calls that devrx makes, and those that its
 * tests need to be a caller with a device and timeline semaphores of its own.
 *
 * It is no GPU, and its name, "devrx fake Vulkan", says so wherever it is printed.
 * It runs no shader; a queue's copies are done when they are submitted. Device
 * addresses are reserved and not accessible. An exported descriptor is a udmabuf
 * where the script says so, else a memfd, which is of the right length and no
 * dmabuf. What Vulkan forbids and the library might do is an abort().
 *
 * One lock around every call. Devices are in device.c, memory in memory.c, what
 * queues do in work.c, the script that makes calls fail in script.c.
 */
#ifndef DEVRX_FAKE_VULKAN_H
#define DEVRX_FAKE_VULKAN_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/vulkan_api.h"

#define FAKE_API __attribute__((visibility("default")))
#define FAKE_NAME "devrx fake Vulkan"

enum { FAKE_DEVICES_MAX = 4 };

/* What a script may set, with what holds where it does not. */
struct fake_settings {
	int devices;
	int types[FAKE_DEVICES_MAX]; /* VkPhysicalDeviceType */
	int minor; /* of Vulkan 1.x */
	int queues; /* of the first compute family */
	int visible; /* 1: the host sees the device's own memory */
	int local; /* 0: there is no such memory */
	int bar_mib; /* of the heap that the host sees */
	uint64_t unit; /* that memory comes in */
	uint64_t extra; /* bytes of a dmabuf beyond its memory */
	uint64_t limit; /* maxMemoryAllocationSize */
	bool udmabuf;
	bool dedicated; /* external memory wants an allocation to itself */
	char without[8][48]; /* extensions, features and entry points */
	int lost; /* what calls that reach the device return */
	long lost_at; /* from this one of them on */
};
extern struct fake_settings fake_set;

enum fake_kind {
	FAKE_INSTANCES,
	FAKE_DEVICES,
	FAKE_BUFFERS,
	FAKE_MEMORIES,
	FAKE_FENCES,
	FAKE_POOLS,
	FAKE_SEMAPHORES,
	FAKE_KINDS,
};

/*
 * script.c: begin and end a call. fake_begin() takes the lock and returns what the
 * script wants it to return; where that is not 0 the lock is not held.
 */
VkResult fake_begin(const char *name, bool reaches_device);
VkResult fake_end(VkResult result);
/* Does the script take @name away? */
bool fake_without(const char *name);
/* One more of @kind, or one fewer; with the lock held. */
void fake_add(enum fake_kind kind, int nr);

struct fake_device {
	int idx;
	bool memory_fd; /* VK_KHR_external_memory_fd is enabled */
};

struct fake_memory {
	uint64_t size;
	uint32_t type;
	int fd; /* the bytes */
	char *host;
	void *addr; /* reserved */
	bool exported;
};

struct fake_buffer {
	uint64_t size;
	VkBufferUsageFlags usage;
	bool external;
	struct fake_memory *memory;
};

/* Non-dispatchable handles are pointers where pointers have 64 bits. */
#define FAKE_HANDLE(type, ptr) ((type)(uintptr_t)(ptr))
#define FAKE_OF(type, handle) ((struct type *)(uintptr_t)(handle))

#endif /* DEVRX_FAKE_VULKAN_H */
