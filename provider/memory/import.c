// SPDX-License-Identifier: MIT
/*
 * Import: a dmabuf that somebody else made.
 *
 * The invariant: the caller's descriptor is only looked at and duplicated, and
 * the memory is the whole dmabuf. An import is one more provider, which no
 * name finds; the descriptor travels beside its options.
 *
 * What the exporter says of itself decides the placement. udmabuf, the system
 * heap and devrx_vram can hold nothing but host memory. Any other is unknown: zcrx
 * attaches statically (dma_buf_attach() without move_notify), and that makes
 * amdgpu and xe move a buffer from device to host memory without an error. The
 * name would not tell those two apart from others: all of DRM says "drm".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/kinds.h"
#include "util/cause.h"

struct import_request {
	struct devrx_memory_opts opts;
	int fd;
};

static void place_by_exporter(struct devrx_backing *backing)
{
	char name[40];

	if (drx_dmabuf_exporter(backing->dmabuf_fd, name, sizeof(name))) {
		(void)snprintf(backing->proof, sizeof(backing->proof),
			       "the exporter's name cannot be read from /proc");
		return;
	}
	if (drx_dmabuf_host_only(name)) {
		backing->placement = DEVRX_PLACEMENT_HOST;
		(void)snprintf(backing->proof, sizeof(backing->proof),
			       "exporter %s, which has only host memory", name);
		return;
	}
	(void)snprintf(backing->proof, sizeof(backing->proof),
		       "exporter %s: a static attachment may move it to host "
		       "memory (amdgpu and xe do)",
		       name);
}

static int import_alloc(const struct devrx_memory_opts *opts,
			struct devrx_backing *ret, struct devrx_cause *cause)
{
	const struct import_request *req =
		(const void *)((const char *)opts -
			       offsetof(struct import_request, opts));
	struct devrx_backing got = { .dmabuf_fd = -1 };
	int err;

	err = drx_dmabuf_check(req->fd);
	if (!err)
		err = drx_dmabuf_len(req->fd, &got.len);
	if (err)
		return drx_fail(cause, err, "not-a-dmabuf", NULL,
				"descriptor %d is %s", req->fd,
				err == -EBADF ? "not open" : "not a dmabuf");
	if (opts->len && opts->len != got.len)
		return drx_fail(cause, -EINVAL, "dmabuf-partial", NULL,
				"%" PRIu64 " bytes were asked for of a dmabuf "
				"of %" PRIu64 ": zcrx takes whole ones only",
				opts->len, got.len);

	got.dmabuf_fd = fcntl(req->fd, F_DUPFD_CLOEXEC, 0);
	if (got.dmabuf_fd < 0)
		return drx_fail_os(cause, -errno, "fcntl(F_DUPFD_CLOEXEC)");
	err = drx_dmabuf_map(&got);
	if (err) {
		err = drx_fail_os(cause, err, "mmap");
		goto err_close_dmabuf;
	}
	place_by_exporter(&got);
	*ret = got;
	return 0;

err_close_dmabuf:
	(void)close(got.dmabuf_fd);
	return err;
}

static const struct devrx_provider import_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "import",
	.summary = "somebody else's dmabuf",
	.alloc = import_alloc,
	.free = drx_dmabuf_free,
	.read = drx_dmabuf_read,
	.write = drx_dmabuf_write,
};

int devrx_memory_import(struct devrx_memory **ret, int dmabuf_fd,
			const struct devrx_memory_opts *opts)
{
	struct import_request req = {
		.opts = DEVRX_MEMORY_OPTS_INIT,
		.fd = dmabuf_fd,
	};
	int err;

	if (opts) {
		err = drx_memory_get_opts(&req.opts, opts);
		if (err)
			return err;
		err = drx_memory_check_opts(&req.opts, 0);
		if (err)
			return err;
	}
	return drx_memory_create(ret, &import_provider, &req.opts);
}
