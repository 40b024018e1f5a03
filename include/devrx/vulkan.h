/* SPDX-License-Identifier: MIT */
/*
 * Vulkan memory: what kind "vulkan" adds to memory.h. No header of Vulkan's is
 * needed: dispatchable handles are pointers here, the others 64-bit numbers. The
 * loader, libvulkan.so.1, is loaded when the first memory is made; a library that
 * was built without Vulkan's headers says "vulkan-not-built".
 *
 * Whose device: devrx_memory_alloc() makes an instance and a device of its own,
 * one for each memory, and devrx_vulkan_handles() lends them. With a device of
 * your own use devrx_vulkan_alloc() or devrx_vulkan_import(); several memories
 * on one device are had that way too.
 *
 * A device, ours or yours, has Vulkan 1.2, the extensions VK_KHR_external_memory_fd
 * and VK_EXT_external_memory_dma_buf, and the features bufferDeviceAddress,
 * timelineSemaphore and shaderInt64 (which devrx/kernels.h needs). Ours has
 * VK_EXT_queue_family_foreign where the driver does.
 *
 * The memory is one VkBuffer, bound at offset 0 of one VkDeviceMemory: a storage
 * buffer, source and target of transfers, with a buffer device address
 * (device_addr of struct devrx_memory_info). Offsets of fragments count from that
 * address. A descriptor reaches maxStorageBufferRange bytes, the address all of
 * them: no windows are needed.
 *
 * When does a shader see what the NIC wrote? Where it was submitted after
 * devrx_receiver_wait() had returned the fragment, behind devrx_vulkan_acquire()
 * of its bytes in the same command buffer or an earlier one. Bytes that arrive
 * later, for a shader that runs already, it may never see: Vulkan has no call
 * for that. Submit per batch.
 *
 * Threads: as memory.h. devrx_vulkan_acquire(), _release() and a fence's poll
 * only read of the memory what never changes: they may run on any thread, beside
 * calls on the same memory, by Vulkan's own rules for the command buffer.
 *
 * Fork: Vulkan has no part in a child. All calls but devrx_memory_free() return
 * -EPERM there.
 */
#ifndef DEVRX_VULKAN_H
#define DEVRX_VULKAN_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>
#include <devrx/fence.h>
#include <devrx/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* PFN_vkVoidFunction and PFN_vkGetInstanceProcAddr: cast Vulkan's to them. */
typedef void (*devrx_vulkan_function)(void);
typedef devrx_vulkan_function (*devrx_vulkan_get_proc)(void *instance,
						       const char *name);

/* The caller's device has VK_EXT_queue_family_foreign enabled. */
#define DEVRX_VULKAN_F_FOREIGN (1u << 0)

/**
 * struct devrx_vulkan_device - a device of the caller's
 * @size: sizeof(struct devrx_vulkan_device)
 * @instance: VkInstance, made for Vulkan 1.2 or newer
 * @physical_device: VkPhysicalDevice
 * @device: VkDevice, with the extensions and features listed above enabled. Of
 *      these the version, the extensions' commands and what the physical device
 *      supports are checked; a feature that was not enabled nobody can see
 * @queue: VkQueue of @queue_family for the copies of devrx_memory_read() and
 *      _write() where the host cannot map the memory: devrx submits to it within
 *      those calls only, and nobody else may meanwhile; NULL for none
 * @get_instance_proc_addr: vkGetInstanceProcAddr of the loader that made them
 * @queue_family: the one whose queues read the memory
 * @flags: DEVRX_VULKAN_F_*; unknown bits are refused
 *
 * All of it is borrowed until devrx_memory_free() of every memory on it.
 * Since: 0.1
 */
struct devrx_vulkan_device {
	size_t size;
	void *instance;
	void *physical_device;
	void *device;
	void *queue;
	devrx_vulkan_get_proc get_instance_proc_addr;
	uint32_t queue_family;
	uint32_t flags;
};

/**
 * struct devrx_vulkan_handles - what a memory is to Vulkan
 * @size: sizeof(struct devrx_vulkan_handles), set by the caller before the call
 * @instance, @physical_device, @device: VkInstance, VkPhysicalDevice, VkDevice
 * @queue: VkQueue for the caller's work, which devrx does not use; NULL on a
 *      device of the caller's
 * @get_instance_proc_addr: with it every other function is found
 * @queue_family: of @queue; the family that devrx_vulkan_acquire() acquires for
 * @queue_index: of @queue in its family
 * @buffer: VkBuffer, all of the memory
 * @memory: VkDeviceMemory, to which @buffer is bound at 0
 * @address: its buffer device address
 * @external_family: where it is acquired from: VK_QUEUE_FAMILY_FOREIGN_EXT or
 *      VK_QUEUE_FAMILY_EXTERNAL
 * @memory_flags: VkMemoryPropertyFlags of its type
 *
 * Borrowed until devrx_memory_free(); the caller's work on them has ended, and what
 * it made of @device is destroyed, before that.
 * Since: 0.1
 */
struct devrx_vulkan_handles {
	size_t size;
	void *instance;
	void *physical_device;
	void *device;
	void *queue;
	devrx_vulkan_get_proc get_instance_proc_addr;
	uint32_t queue_family;
	uint32_t queue_index;
	uint64_t buffer;
	uint64_t memory;
	uint64_t address;
	uint32_t external_family;
	uint32_t memory_flags;
};

/**
 * devrx_vulkan_alloc - allocate memory of a Vulkan device of the caller's
 * @ret: new memory of kind "vulkan" on success, untouched on error; free it with
 *       devrx_memory_free()
 * @vk: the device; the struct is borrowed for the call, what it names until the
 *       memory is freed
 * @opts: @len, @placement, @flags (none yet) and @cause count, a @device is
 *       refused
 *
 * Context: may sleep.
 * Return: 0 or what devrx_memory_alloc() returns for kind "vulkan", and
 *   -EINVAL      opts-invalid: @vk NULL or of a wrong size, a handle missing, a
 *                flag or a queue family that does not exist;
 *   -EOPNOTSUPP  vulkan-unsupported: an extension is not enabled, or the device
 *                lacks what is listed above.
 * Since: 0.1
 */
DEVRX_API int devrx_vulkan_alloc(struct devrx_memory **ret,
				 const struct devrx_vulkan_device *vk,
				 const struct devrx_memory_opts *opts);

/**
 * devrx_vulkan_import - let a Vulkan device read somebody else's dmabuf
 * @ret: as above
 * @dmabuf_fd: borrowed; devrx keeps a duplicate, and Vulkan one. The memory is
 *       that dmabuf, all of it
 * @vk: the device; NULL for one of devrx's own, chosen by opts->device as
 *       devrx_memory_alloc() does
 * @opts: @device (without @vk), @len, @placement, @flags (none yet) and @cause
 *       count; NULL for any. @len is 0 or exactly the dmabuf's length
 *
 * Context: may sleep.
 * Return: 0 or what devrx_vulkan_alloc() returns, and
 *   -EINVAL      not-a-dmabuf; dmabuf-partial: opts->len is not the whole dmabuf;
 *   -EBADF       not-a-dmabuf: not an open fd;
 *   -EOPNOTSUPP  vulkan-no-import: the device cannot read this dmabuf.
 * Since: 0.1
 */
DEVRX_API int devrx_vulkan_import(struct devrx_memory **ret, int dmabuf_fd,
				  const struct devrx_vulkan_device *vk,
				  const struct devrx_memory_opts *opts);

/**
 * devrx_vulkan_handles - what a memory is to Vulkan
 * @mem: memory of kind "vulkan"
 * @ret: filled in up to @ret->size bytes
 *
 * Return: 0; -EINVAL where @mem is of another kind or @ret->size is smaller than
 *   in version 0.1; -EPERM in a forked child.
 * Since: 0.1
 */
DEVRX_API int devrx_vulkan_handles(struct devrx_memory *mem,
				   struct devrx_vulkan_handles *ret);

/**
 * devrx_vulkan_acquire - record that shaders now read what the NIC has written
 * @mem: memory of kind "vulkan"
 * @command_buffer: VkCommandBuffer in the recording state, of the memory's queue
 *       family, outside of a render pass
 * @off: first byte
 * @len: bytes; 0 for all from @off on
 *
 * Records one buffer memory barrier, from nothing (top of pipe) to the compute and
 * transfer stages' reads and writes, which acquires the range from
 * external_family. A range may hold several fragments, and chunks between them
 * that the NIC is writing: nothing of Vulkan's touches those.
 *
 * Return: 0; -ERANGE where the range is not in the memory; -EINVAL where @mem is
 *   of another kind; -EPERM in a forked child.
 * Since: 0.1
 */
DEVRX_API int devrx_vulkan_acquire(struct devrx_memory *mem,
				   void *command_buffer, uint64_t off,
				   uint64_t len);

/**
 * devrx_vulkan_release - record that shaders have done with a range
 *
 * The other half: after the last access, in the same queue. It gives the range to
 * external_family again; then signal the value that the fragments' release waits
 * for. Arguments and errors are those of devrx_vulkan_acquire().
 * Since: 0.1
 */
DEVRX_API int devrx_vulkan_release(struct devrx_memory *mem,
				   void *command_buffer, uint64_t off,
				   uint64_t len);

/**
 * devrx_vulkan_check - does the memory's device still work?
 * @mem: memory of kind "vulkan"
 * @cause: filled in on failure; may be NULL
 *
 * Ask it when a call failed or a fence did. It never waits for the device, so it
 * cannot say that one is lost before the driver knows.
 *
 * Return: 0 or
 *   -EIO         vulkan-device-lost: the device failed, or what ran on it;
 *   -EINVAL      opts-invalid: @mem is of another kind;
 *   -EPERM       opts-invalid: in a forked child;
 *   other errnos vulkan-error, out-of-memory.
 * Since: 0.1
 */
DEVRX_API int devrx_vulkan_check(struct devrx_memory *mem,
				 struct devrx_cause *cause);

/**
 * struct devrx_vulkan_point - a value on a timeline semaphore, for a fence
 * @device: VkDevice
 * @get_semaphore_counter_value: vkGetSemaphoreCounterValue of @device
 * @semaphore: VkSemaphore of type timeline
 * @value: passed when the semaphore's counter has reached it
 *
 * The caller's storage, kept until the fence has passed or failed.
 * Since: 0.1
 */
struct devrx_vulkan_point {
	void *device;
	devrx_vulkan_function get_semaphore_counter_value;
	uint64_t semaphore;
	uint64_t value;
};

/**
 * devrx_vulkan_point_poll - has a timeline semaphore reached a point?
 * @point: struct devrx_vulkan_point
 *
 * Never waits, allocates nothing. A counter that stands at UINT64_MAX is taken for
 * a device that was lost: drivers leave it so, and no counting gets there.
 *
 * Return: 0: yes; -EAGAIN: not yet; -EIO: the device is lost; -ENOMEM;
 *   -EOPNOTSUPP: the library was built without Vulkan.
 * Since: 0.1
 */
DEVRX_API int devrx_vulkan_point_poll(void *point);

/**
 * devrx_vulkan_fence - passes when a timeline semaphore reaches a value
 * @point: borrowed until then
 *
 * The semaphore is the timeline. A device that is lost fails the fence: its
 * fragments come back with LOST, see devrx_receiver_release_after().
 * Since: 0.1
 */
static inline struct devrx_fence
devrx_vulkan_fence(struct devrx_vulkan_point *point)
{
	return devrx_fence_poll(devrx_vulkan_point_poll, point,
				(const void *)(uintptr_t)point->semaphore);
}

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_VULKAN_H */
