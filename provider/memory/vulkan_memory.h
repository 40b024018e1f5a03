/* SPDX-License-Identifier: MIT */
/* What the files of kind "vulkan" share; vulkan.c has the overview. */
#ifndef DRX_VULKAN_MEMORY_H
#define DRX_VULKAN_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/provider.h>
#include <devrx/vulkan.h>

#include "memory/vulkan_api.h"

/* What the area's buffer is for; asked of the driver in the same words. */
#define DRX_VULKAN_USAGE                                                       \
	(VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |                                  \
	 VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT | \
	 VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT)

/* A device, ours or the caller's. */
struct drx_vulkan {
	struct drx_vk_entries vk;
	void *lib; /* NULL where the caller has the loader */
	bool own; /* instance and device are ours to destroy */
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	uint32_t family;
	VkQueue queue; /* lent to the caller, and never used */
	VkQueue copy_queue; /* for read and write, or NULL */
	uint32_t external_family;
	VkPhysicalDeviceType type;
	char name[48];
};

/* A buffer to copy through, where the host cannot map the memory. */
struct drx_vulkan_staging {
	VkBuffer buffer;
	VkDeviceMemory memory;
	void *host;
	VkCommandPool pool;
	VkCommandBuffer commands;
};

/* One memory of kind "vulkan", behind struct devrx_backing.priv. */
struct drx_vulkan_memory {
	struct drx_vulkan dev;
	VkBuffer buffer;
	VkDeviceMemory memory;
	uint64_t len;
	VkDeviceAddress addr;
	VkMemoryPropertyFlags flags; /* of its type */
	bool imported;
	VkFence fence; /* of copies; idle, it tells whether the device is lost */
	/* The dmabuf as the CPU sees it: mapped, or host_addr is NULL. */
	struct devrx_backing cpu;
	struct drx_vulkan_staging staging;
};

enum drx_vulkan_use { DRX_VULKAN_EXPORT, DRX_VULKAN_IMPORT };

/* ---- vulkan_dl.c ---- */

/* Load the loader, which dev->lib holds until drx_vulkan_close(). */
int drx_vulkan_load(struct drx_vulkan *dev, struct devrx_cause *cause);
/* Find what is called on dev->instance, and on dev->device. */
int drx_vulkan_find_instance(struct drx_vulkan *dev, struct devrx_cause *cause);
int drx_vulkan_find_device(struct drx_vulkan *dev, struct devrx_cause *cause);

/* ---- vulkan_error.c ---- */

/* The errno for a VkResult: 0 for what is not an error. */
int drx_vulkan_errno(VkResult result);
/* Fill in the cause for @call, which returned @result; return its errno. */
int drx_vulkan_fail(struct devrx_cause *cause, VkResult result,
		    const char *call);

/* ---- vulkan_select.c ---- */

/*
 * Choose dev->physical by index, UUID or PCI address; with a NULL @name the first
 * that is no CPU or, where there is none, the first.
 */
int drx_vulkan_select(struct drx_vulkan *dev, const char *name,
		      struct devrx_cause *cause);

/* ---- vulkan_device.c ---- */

/*
 * A device of our own: the loader, an instance, the device that @name says, if it
 * can do what @use asks. drx_vulkan_close() undoes it, here and below.
 */
int drx_vulkan_open(struct drx_vulkan *dev, const char *name,
		    enum drx_vulkan_use use, struct devrx_cause *cause);
/* The same with the caller's device. @from is complete. */
int drx_vulkan_borrow(struct drx_vulkan *dev,
		      const struct devrx_vulkan_device *from,
		      enum drx_vulkan_use use, struct devrx_cause *cause);
void drx_vulkan_close(struct drx_vulkan *dev);
/* All that drx_vulkan_open() does but for the device, and undone. */
int drx_vulkan_probe(struct devrx_cause *cause);

/* ---- vulkan_alloc.c ---- */

/*
 * Memory of m->len bytes or more, exported; @ret gets all but priv and the
 * placement. drx_vulkan_put_memory() undoes it, here and below; the caller closes
 * ret->dmabuf_fd.
 */
int drx_vulkan_get_memory(struct drx_vulkan_memory *m,
			  struct devrx_backing *ret, struct devrx_cause *cause);
/* Memory that is ret->dmabuf_fd, of m->len bytes. */
int drx_vulkan_get_import(struct drx_vulkan_memory *m,
			  struct devrx_backing *ret, struct devrx_cause *cause);
void drx_vulkan_put_memory(struct drx_vulkan_memory *m);

/* ---- vulkan_place.c ---- */

/* The placement and its proof; @exporter is NULL where nobody knows it. */
void drx_vulkan_place(const struct drx_vulkan_memory *m, const char *exporter,
		      struct devrx_backing *ret);

/* ---- vulkan_copy.c ---- */

/* Record that m->dev's queue family has @len bytes at @off, or no longer. */
void drx_vulkan_acquire(const struct drx_vulkan_memory *m, VkCommandBuffer to,
			uint64_t off, uint64_t len);
void drx_vulkan_release(const struct drx_vulkan_memory *m, VkCommandBuffer to,
			uint64_t off, uint64_t len);
/* Make what the copies need. drx_vulkan_put_copies() undoes it, halves too. */
int drx_vulkan_get_copies(struct drx_vulkan_memory *m,
			  struct devrx_cause *cause);
void drx_vulkan_put_copies(struct drx_vulkan_memory *m);
/* The vtable's. */
int drx_vulkan_read(struct devrx_backing *backing, uint64_t off, void *buf,
		    size_t len);
int drx_vulkan_write(struct devrx_backing *backing, uint64_t off,
		     const void *buf, size_t len);

/* ---- vulkan_gather.c: the vtable's ---- */

int drx_vulkan_gather_begin(struct devrx_backing *to,
			    struct devrx_backing *from, unsigned int batches,
			    unsigned int spans, void *stream, void **ret,
			    char by[64], struct devrx_cause *cause);
void drx_vulkan_gather_end(void *state);
int drx_vulkan_gather(void *state, const struct devrx_span *spans,
		      unsigned int n, unsigned int batch);
int drx_vulkan_gather_wait(void *state, unsigned int batch, int wait);

/* ---- vulkan.c ---- */

/* With m->dev there: allocate or import, and fill in @ret. */
int drx_vulkan_finish(struct drx_vulkan_memory *m, struct devrx_backing *ret,
		      struct devrx_cause *cause);
/* The vtable's, for every memory of this kind. */
void drx_vulkan_free(struct devrx_backing *backing);

#endif /* DRX_VULKAN_MEMORY_H */
