// SPDX-License-Identifier: MIT
/*
 * The calls of devrx/vulkan.h: memory on the caller's device, somebody else's
 * dmabuf, and what holds for any memory of kind "vulkan".
 */
#include <devrx/vulkan.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/host.h"
#include "memory/kinds.h"
#include "memory/memory.h"
#include "memory/vulkan_memory.h"
#include "util/cause.h"
#include "util/opts.h"

/* What each struct measured in version 0.1. */
enum {
	DEVICE_SIZE_0_1 = sizeof(struct devrx_vulkan_device),
	HANDLES_SIZE_0_1 = sizeof(struct devrx_vulkan_handles),
};

/* What the options carry to alloc beside themselves. */
struct vulkan_request {
	struct devrx_memory_opts opts;
	struct devrx_vulkan_device vk;
	bool borrow; /* @vk is the caller's, else a device of ours */
	int fd; /* to import, or -1 */
};

static int open_device(struct drx_vulkan *dev, const struct vulkan_request *req,
		       struct devrx_cause *cause)
{
	enum drx_vulkan_use use =
		req->fd < 0 ? DRX_VULKAN_EXPORT : DRX_VULKAN_IMPORT;

	return req->borrow ? drx_vulkan_borrow(dev, &req->vk, use, cause) :
			     drx_vulkan_open(dev, req->opts.device, use, cause);
}

/* A descriptor of our own in @ret, and the length in @m. */
static int take_dmabuf(struct drx_vulkan_memory *m,
		       const struct vulkan_request *req,
		       struct devrx_backing *ret, struct devrx_cause *cause)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int err;

	err = drx_dmabuf_check(req->fd);
	if (!err)
		err = drx_dmabuf_len(req->fd, &m->len);
	if (err)
		return drx_fail(cause, err, "not-a-dmabuf", NULL,
				"descriptor %d is %s", req->fd,
				err == -EBADF ? "not open" : "not a dmabuf");
	if (req->opts.len && req->opts.len != m->len)
		return drx_fail(cause, -EINVAL, "dmabuf-partial", NULL,
				"%" PRIu64 " bytes were asked for of a dmabuf "
				"of %" PRIu64 ": zcrx takes whole ones only",
				req->opts.len, m->len);
	if (!m->len || m->len % page)
		return drx_fail(cause, -EPROTO, "backing-invalid", NULL,
				"the dmabuf has %" PRIu64
				" bytes, which are not whole pages of "
				"%" PRIu64,
				m->len, page);
	m->imported = true;
	ret->len = m->len;
	ret->dmabuf_fd = fcntl(req->fd, F_DUPFD_CLOEXEC, 0);
	if (ret->dmabuf_fd < 0)
		return drx_fail_os(cause, -errno, "fcntl(F_DUPFD_CLOEXEC)");
	return 0;
}

static int request_alloc(const struct devrx_memory_opts *opts,
			 struct devrx_backing *ret, struct devrx_cause *cause)
{
	const struct vulkan_request *req =
		(const void *)((const char *)opts -
			       offsetof(struct vulkan_request, opts));
	struct drx_vulkan_memory *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return drx_fail_os(cause, -ENOMEM, "calloc");
	err = req->fd < 0 ? drx_round_len(opts, &m->len, cause) :
			    take_dmabuf(m, req, ret, cause);
	if (err)
		goto err_free;
	err = open_device(&m->dev, req, cause);
	if (err)
		goto err_close_fd;
	err = drx_vulkan_finish(m, ret, cause);
	if (err)
		goto err_close;
	return 0;

err_close:
	drx_vulkan_close(&m->dev);
err_close_fd:
	if (ret->dmabuf_fd >= 0)
		(void)close(ret->dmabuf_fd);
	ret->dmabuf_fd = -1;
err_free:
	free(m);
	return err;
}

static const struct devrx_provider request_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "vulkan",
	.summary = "memory on a Vulkan device of the caller's",
	.alloc = request_alloc,
	.free = drx_vulkan_free,
	.read = drx_vulkan_read,
	.write = drx_vulkan_write,
	.gather_begin = drx_vulkan_gather_begin,
	.gather_end = drx_vulkan_gather_end,
	.gather = drx_vulkan_gather,
	.gather_wait = drx_vulkan_gather_wait,
};

/* Copy the caller's @vk, and refuse one that cannot be a device. */
static int get_device(struct vulkan_request *req,
		      const struct devrx_vulkan_device *vk)
{
	struct devrx_cause *cause = req->opts.cause;
	const char *lacks = NULL;

	if (drx_opts_get(&req->vk, sizeof(req->vk), vk, DEVICE_SIZE_0_1))
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"struct devrx_vulkan_device is %zu bytes, of "
				"which this version knows %zu, and the rest is "
				"not zero",
				vk->size, sizeof(req->vk));
	if (!req->vk.get_instance_proc_addr)
		lacks = "get_instance_proc_addr";
	if (!req->vk.device)
		lacks = "device";
	if (!req->vk.physical_device)
		lacks = "physical_device";
	if (!req->vk.instance)
		lacks = "instance";
	if (lacks)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"struct devrx_vulkan_device has no %s", lacks);
	if (req->vk.flags & ~DEVRX_VULKAN_F_FOREIGN)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"flags 0x%" PRIx32 " of struct "
				"devrx_vulkan_device hold unknown bits",
				req->vk.flags);
	if (req->opts.device)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"device \"%.64s\" was asked for beside a "
				"device of the caller's",
				req->opts.device);
	req->borrow = true;
	return 0;
}

/* Both calls: check what they were given, and make the memory. */
static int create(struct devrx_memory **ret, struct vulkan_request *req,
		  const struct devrx_vulkan_device *vk,
		  const struct devrx_memory_opts *opts)
{
	int err = 0;

	if (opts) {
		err = drx_memory_get_opts(&req->opts, opts);
		if (!err)
			err = drx_memory_check_opts(&req->opts, 0);
	}
	if (!err && vk)
		err = get_device(req, vk);
	return err ? err :
		     drx_memory_create(ret, &request_provider, &req->opts);
}

int devrx_vulkan_alloc(struct devrx_memory **ret,
		       const struct devrx_vulkan_device *vk,
		       const struct devrx_memory_opts *opts)
{
	struct vulkan_request req = {
		.opts = DEVRX_MEMORY_OPTS_INIT,
		.fd = -1,
	};

	if (!vk || !opts)
		return -EINVAL;
	return create(ret, &req, vk, opts);
}

int devrx_vulkan_import(struct devrx_memory **ret, int dmabuf_fd,
			const struct devrx_vulkan_device *vk,
			const struct devrx_memory_opts *opts)
{
	struct vulkan_request req = {
		.opts = DEVRX_MEMORY_OPTS_INIT,
		/* No descriptor is negative, and -1 means no import. */
		.fd = dmabuf_fd < 0 ? INT32_MAX : dmabuf_fd,
	};

	return create(ret, &req, vk, opts);
}

/* Our half of a memory. */
static int find(struct devrx_memory *mem, struct drx_vulkan_memory **ret)
{
	struct devrx_backing *backing;
	int err = drx_memory_backing(mem, drx_vulkan_free, &backing);

	if (!err)
		*ret = backing->priv;
	return err;
}

int devrx_vulkan_handles(struct devrx_memory *mem,
			 struct devrx_vulkan_handles *ret)
{
	struct devrx_vulkan_handles own = { .size = sizeof(own) };
	struct drx_vulkan_memory *m;
	int err = find(mem, &m);

	if (err)
		return err;
	own.instance = m->dev.instance;
	own.physical_device = m->dev.physical;
	own.device = m->dev.device;
	own.queue = m->dev.queue;
	own.get_instance_proc_addr = (devrx_vulkan_get_proc)(void (*)(
		void))m->dev.vk.GetInstanceProcAddr;
	own.queue_family = m->dev.family;
	memcpy(&own.buffer, &m->buffer, sizeof(m->buffer));
	memcpy(&own.memory, &m->memory, sizeof(m->memory));
	own.address = m->addr;
	own.external_family = m->dev.external_family;
	own.memory_flags = m->flags;
	return drx_info_put(ret, &own, sizeof(own), HANDLES_SIZE_0_1);
}

/* Our half of a memory, and a range of it of which 0 bytes are the rest. */
static int find_range(struct devrx_memory *mem, struct drx_vulkan_memory **ret,
		      uint64_t off, uint64_t *len)
{
	int err = find(mem, ret);

	if (err)
		return err;
	if (off >= (*ret)->len || *len > (*ret)->len - off)
		return -ERANGE;
	if (!*len)
		*len = (*ret)->len - off;
	return 0;
}

int devrx_vulkan_acquire(struct devrx_memory *mem, void *command_buffer,
			 uint64_t off, uint64_t len)
{
	struct drx_vulkan_memory *m;
	int err = find_range(mem, &m, off, &len);

	if (!err)
		drx_vulkan_acquire(m, command_buffer, off, len);
	return err;
}

int devrx_vulkan_release(struct devrx_memory *mem, void *command_buffer,
			 uint64_t off, uint64_t len)
{
	struct drx_vulkan_memory *m;
	int err = find_range(mem, &m, off, &len);

	if (!err)
		drx_vulkan_release(m, command_buffer, off, len);
	return err;
}

int devrx_vulkan_check(struct devrx_memory *mem, struct devrx_cause *cause)
{
	struct drx_vulkan_memory *m;
	VkResult result;
	int err = find(mem, &m);

	if (err)
		return drx_fail(cause, err, "opts-invalid", NULL, "%s",
				err == -EPERM ? "the memory is another "
						"process's" :
						"the memory is not of kind "
						"vulkan");
	result = m->dev.vk.GetFenceStatus(m->dev.device, m->fence);
	return result < 0 ?
		       drx_vulkan_fail(cause, result, "devrx_vulkan_check") :
		       0;
}

int devrx_vulkan_point_poll(void *point)
{
	const struct devrx_vulkan_point *p = point;
	PFN_vkGetSemaphoreCounterValue get =
		(PFN_vkGetSemaphoreCounterValue)p->get_semaphore_counter_value;
	VkSemaphore semaphore;
	uint64_t value = 0;
	VkResult result;

	memcpy(&semaphore, &p->semaphore, sizeof(semaphore));
	result = get(p->device, semaphore, &value);
	if (result < 0)
		return drx_vulkan_errno(result);
	if (value == UINT64_MAX && p->value != UINT64_MAX)
		return -EIO;
	return value >= p->value ? 0 : -EAGAIN;
}
