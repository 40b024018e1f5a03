// SPDX-License-Identifier: MIT
/*
 * Kind "drm": a dumb buffer of a card node as a dmabuf, by libdrm. Any driver with
 * dumb buffers and PRIME will do: vgem, virtio-gpu, or a display's. An amdgpu card
 * has better to offer, see drm_amdgpu.c.
 *
 * The invariant: only the dmabuf stays. It holds the GEM object, so handle and
 * card are closed before alloc returns, and what the CPU does goes through the
 * dmabuf.
 *
 * Whether a driver can do it is found by doing it. The capabilities do not say:
 * vgem denies DRM_CAP_DUMB_BUFFER and makes them all the same.
 */
#include <devrx/drm.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/drm_dl.h"
#include "memory/host.h"
#include "memory/kinds.h"
#include "util/cause.h"

#define DIRECTORY "/dev/dri/"
/* Numbers of card nodes; they share the minor numbers below 64. */
#define NR_CARDS 64
/*
 * Rows of one page of 1024 pixels with 32 bits: the one format that every driver
 * takes, at a pitch that none has to align. The kernel counts a dumb buffer's
 * bytes in 32 bits (linux/drivers/gpu/drm/drm_dumb_buffers.c).
 */
#define ROW_LEN UINT64_C(4096)
#define LEN_MAX (UINT32_MAX / ROW_LEN * ROW_LEN)
/* Not an errno: a card that was found may fail with ENODEV itself. */
#define NO_CARD 1

static void place(struct devrx_backing *backing, const char *driver)
{
	/*
	 * What these two make for CREATE_DUMB are shmem pages, which the driver has
	 * no way to move elsewhere (linux/drivers/gpu/drm: vgem/vgem_drv.c and
	 * drm_gem_shmem_helper.c; virtio/virtgpu_object.c, where what is in the
	 * device, "vram", never comes from CREATE_DUMB). It holds for a buffer that
	 * was just made, and only for that: a handle may be an imported buffer of
	 * another driver's.
	 */
	if (!strcmp(driver, "vgem") || !strcmp(driver, "virtio_gpu")) {
		backing->placement = DEVRX_PLACEMENT_HOST;
		(void)snprintf(backing->proof, sizeof(backing->proof),
			       "a dumb buffer of driver %s, which is shmem "
			       "pages",
			       driver);
		return;
	}
	/* linux/drivers/gpu/drm/tiny/bochs.c; a VRAM manager before. */
	if (!strcmp(driver, "bochs-drm")) {
		(void)snprintf(backing->proof, sizeof(backing->proof),
			       "driver %s: shmem pages in Linux 7.3, the "
			       "card's memory in older kernels",
			       driver);
		return;
	}
	/* amdgpu_dma_buf_pin() of linux/drivers/gpu/drm/amd/amdgpu. */
	if (!strcmp(driver, "amdgpu")) {
		(void)snprintf(backing->proof, sizeof(backing->proof),
			       "driver %s: made in VRAM, and moved to host "
			       "memory when a NIC attaches that cannot do "
			       "PCI P2P",
			       driver);
		return;
	}
	(void)snprintf(backing->proof, sizeof(backing->proof),
		       "driver %.32s: a static attachment may move it to host "
		       "memory (xe does)",
		       driver);
}

static int fail_create(struct devrx_cause *cause, int err, const char *path,
		       const char *driver, uint64_t len)
{
	switch (err) {
	case -ENOMEM:
	case -ENOSPC:
		return drx_fail(cause, -ENOMEM, "out-of-memory", NULL,
				"driver %.32s of %.64s has no %" PRIu64
				" bytes for a dumb buffer: %s",
				driver, path, len, strerror(-err));
	case -ENOSYS:
	case -EOPNOTSUPP:
	case -ENOTTY:
	case -EACCES: /* a render node */
	case -EINVAL:
		return drx_fail(cause, -EOPNOTSUPP, "drm-no-dumb",
				"ls -l /dev/dri  # then name a card node",
				"driver %.32s makes no dumb buffer of %" PRIu64
				" bytes on %.64s: %s",
				driver, len, path, strerror(-err));
	default:
		return drx_fail_os(cause, err,
				   "ioctl(DRM_IOCTL_MODE_CREATE_DUMB)");
	}
}

static int export_handle(const struct drx_drm *drm, int card, uint32_t handle,
			 int *ret, struct devrx_cause *cause)
{
	int fd;

	if (!drm->PrimeHandleToFD(card, handle, DRM_CLOEXEC | DRM_RDWR, &fd)) {
		*ret = fd;
		return 0;
	}
	switch (errno) {
	case ENOSYS:
	case EOPNOTSUPP:
	case ENOTTY:
	case EINVAL:
		return drx_fail(cause, -EOPNOTSUPP, "drm-no-export", NULL,
				"the driver exports no dmabuf of handle "
				"%" PRIu32 ": %s",
				handle, strerror(errno));
	case ENOENT:
		return drx_fail(cause, -EINVAL, "drm-handle", NULL,
				"there is no GEM handle %" PRIu32
				" on descriptor %d",
				handle, card);
	default:
		return drx_fail_os(cause, -errno, "drmPrimeHandleToFD");
	}
}

static int make_dumb(const struct drx_drm *drm, int card, const char *path,
		     const char *driver, uint64_t len, int *ret,
		     struct devrx_cause *cause)
{
	struct drm_mode_create_dumb dumb = {
		.width = ROW_LEN / 4,
		.height = (uint32_t)(len / ROW_LEN),
		.bpp = 32,
	};
	struct drm_gem_close gone = { 0 };
	int err;

	if (len > LEN_MAX)
		return drx_fail(cause, -EFBIG, "drm-limit", NULL,
				"%" PRIu64 " bytes were asked for; a dumb "
				"buffer has at most %" PRIu64,
				len, (uint64_t)LEN_MAX);
	if (drm->Ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		return fail_create(cause, -errno, path, driver, len);
	err = export_handle(drm, card, dumb.handle, ret, cause);
	gone.handle = dumb.handle;
	(void)drm->Ioctl(card, DRM_IOCTL_GEM_CLOSE, &gone);
	return err;
}

/* Make the buffer on @card, and leave nothing but its dmabuf. */
static int make_buffer(const struct drx_drm *drm, int card, const char *path,
		       const char *driver, uint64_t len,
		       struct devrx_backing *ret, struct devrx_cause *cause)
{
	struct devrx_backing got = { .dmabuf_fd = -1 };
	int err;

	if (!strcmp(driver, "amdgpu"))
		err = drx_amdgpu_dmabuf(drm, card, len, &got.dmabuf_fd, cause);
	else
		err = make_dumb(drm, card, path, driver, len, &got.dmabuf_fd,
				cause);
	if (err)
		return err;

	/* The driver may have rounded up; zcrx takes the whole dmabuf. */
	err = drx_dmabuf_len(got.dmabuf_fd, &got.len);
	if (err) {
		err = drx_fail_os(cause, err, "lseek");
		goto err_close_dmabuf;
	}
	err = drx_dmabuf_map(&got);
	if (err) {
		err = drx_fail_os(cause, err, "mmap");
		goto err_close_dmabuf;
	}
	place(&got, driver);
	*ret = got;
	return 0;

err_close_dmabuf:
	(void)close(got.dmabuf_fd);
	return err;
}

/* Is the card of @driver, open as @card, what opts.device says? */
static bool is_wanted(const struct drx_drm *drm, int card, const char *driver,
		      const char *name)
{
	drmDevicePtr dev = NULL;
	char addr[32] = "";

	if (!name || !strcmp(driver, name))
		return true;
	if (drm->GetDevice2(card, 0, &dev))
		return false;
	if (dev->bustype == DRM_BUS_PCI)
		(void)snprintf(addr, sizeof(addr), "%04x:%02x:%02x.%x",
			       dev->businfo.pci->domain, dev->businfo.pci->bus,
			       dev->businfo.pci->dev, dev->businfo.pci->func);
	drm->FreeDevice(&dev);
	return addr[0] && !strcmp(addr, name);
}

/*
 * A buffer of the card at @path. 0, a negative errno with the cause, or NO_CARD,
 * without a cause, where there is no such card or it is not the one called @name
 * (NULL: any is).
 */
static int try_card(const struct drx_drm *drm, const char *path,
		    const char *name, uint64_t len, struct devrx_backing *ret,
		    struct devrx_cause *cause)
{
	drmVersionPtr version;
	int card, err = NO_CARD;

	card = open(path, O_RDWR | O_CLOEXEC);
	if (card < 0) {
		switch (errno) {
		case EACCES:
		case EPERM:
			return drx_fail(cause, -EACCES, "drm-access",
					"ls -l /dev/dri  # then join the "
					"node's group, usually video",
					"no permission to open %.64s", path);
		case ENOENT:
		case ENOTDIR:
		case ENODEV:
		case ENXIO:
			return NO_CARD;
		default:
			return drx_fail_os(cause, -errno, path);
		}
	}
	version = drm->GetVersion(card);
	if (version) {
		if (is_wanted(drm, card, version->name, name))
			err = make_buffer(drm, card, path, version->name, len,
					  ret, cause);
		drm->FreeVersion(version);
	}
	(void)close(card);
	return err;
}

/* The first card, by number, that fits and can; else why the first could not. */
static int try_cards(const struct drx_drm *drm, const char *name, uint64_t len,
		     struct devrx_backing *ret, struct devrx_cause *cause)
{
	struct devrx_cause first = { 0 };
	char path[32];
	int i, err, first_err = 0;

	for (i = 0; i < NR_CARDS; i++) {
		struct devrx_cause why = { 0 };

		(void)snprintf(path, sizeof(path), DIRECTORY "card%d", i);
		err = try_card(drm, path, name, len, ret, &why);
		if (!err)
			return 0;
		if (err == NO_CARD || first_err)
			continue;
		first_err = err;
		first = why;
	}
	if (first_err) {
		if (cause)
			*cause = first;
		return first_err;
	}
	if (name)
		return drx_fail(cause, -ENODEV, "drm-no-device",
				"ls -l /dev/dri/by-path",
				"no card has the driver or the PCI address "
				"\"%.64s\"",
				name);
	return drx_fail(cause, -ENOENT, "drm-missing", "modprobe vgem",
			"there is no card node in " DIRECTORY);
}

static int get_buffer(const char *device, uint64_t len,
		      struct devrx_backing *ret, struct devrx_cause *cause)
{
	char path[256];
	struct drx_drm drm;
	int err, nr;

	err = drx_drm_load(&drm, cause);
	if (err)
		return err;
	if (!device || (device[0] != '/' && strncmp(device, "card", 4) != 0)) {
		err = try_cards(&drm, device, len, ret, cause);
	} else {
		nr = snprintf(path, sizeof(path), "%s%s",
			      device[0] == '/' ? "" : DIRECTORY, device);
		err = NO_CARD;
		if (nr > 0 && (size_t)nr < sizeof(path))
			err = try_card(&drm, path, NULL, len, ret, cause);
		if (err == NO_CARD)
			err = drx_fail(cause, -ENODEV, "drm-no-device",
				       "ls -l /dev/dri",
				       "\"%.64s\" is no card of DRM's", device);
	}
	drx_drm_unload(&drm);
	return err;
}

static int drm_probe(struct devrx_cause *cause)
{
	struct devrx_backing backing = { .dmabuf_fd = -1 };
	int err;

	err = get_buffer(NULL, (uint64_t)sysconf(_SC_PAGESIZE), &backing,
			 cause);
	if (!err)
		drx_dmabuf_free(&backing);
	return err;
}

static int drm_alloc(const struct devrx_memory_opts *opts,
		     struct devrx_backing *ret, struct devrx_cause *cause)
{
	uint64_t len;
	int err;

	if (opts->flags & DEVRX_MEMORY_F_HUGETLB)
		return drx_fail(cause, -EOPNOTSUPP, "hugetlb-unsupported", NULL,
				"a card's driver chooses the pages itself");
	err = drx_round_len(opts, &len, cause);
	if (err)
		return err;
	return get_buffer(opts->device, len, ret, cause);
}

const struct devrx_provider drx_drm_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "drm",
	.summary = "a dumb buffer of a DRM card; device is the card",
	.probe = drm_probe,
	.alloc = drm_alloc,
	.free = drx_dmabuf_free,
	.read = drx_dmabuf_read,
	.write = drx_dmabuf_write,
};

int devrx_drm_import(struct devrx_memory **ret, int drm_fd, uint32_t handle,
		     const struct devrx_memory_opts *opts)
{
	struct devrx_memory_opts own = DEVRX_MEMORY_OPTS_INIT;
	struct drx_drm drm;
	int dmabuf_fd = -1, err;

	/* What is wrong with the options shows before the handle is tried. */
	if (opts) {
		err = drx_memory_get_opts(&own, opts);
		if (!err)
			err = drx_memory_check_opts(&own, 0);
		if (err)
			return err;
	}
	err = drx_drm_load(&drm, own.cause);
	if (err)
		return err;
	err = export_handle(&drm, drm_fd, handle, &dmabuf_fd, own.cause);
	drx_drm_unload(&drm);
	if (err)
		return err;
	err = devrx_memory_import(ret, dmabuf_fd, &own);
	(void)close(dmabuf_fd);
	return err;
}
