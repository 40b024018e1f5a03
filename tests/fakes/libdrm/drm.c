// SPDX-License-Identifier: MIT
/*
 * A fake libdrm.so.2: the calls that devrx makes, on cards that are regular files.
 * A card's text says what it is and what fails there, in words between blanks:
 *
 *   driver=NAME          as drmGetVersion() says it
 *   pci=0000:03:00.0     its address; without one it is no PCI device
 *   create=ERRNO         DRM_IOCTL_MODE_CREATE_DUMB fails
 *   export=ERRNO         drmPrimeHandleToFD() fails
 *   device=ERRNO         drmGetDevice2() fails, with its negative errno
 *   render=PATH          its render node; without one it has none
 *   as=pipe              what is exported has no length
 *
 * A buffer is a memfd, which is of the right length and no dmabuf. What a caller
 * must not do is an abort(). Of one thread only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>

#include "card.h"

#define FAKE_API __attribute__((visibility("default")))

enum { HANDLES_MAX = 8 };

static int buffers[HANDLES_MAX] = { -1, -1, -1, -1, -1, -1, -1, -1 };
static int nr_buffers, nr_versions, nr_devices;

/* Handles, versions and devices that are out. */
FAKE_API int devrx_fake_drm_count(void)
{
	return nr_buffers + nr_versions + nr_devices;
}

FAKE_API drmVersionPtr drmGetVersion(int fd)
{
	char text[256], name[64];
	drmVersionPtr ret;

	if (!card_text(fd, text, sizeof(text))) {
		errno = ENOTTY;
		return NULL;
	}
	card_word(fd, "driver", name, sizeof(name));
	ret = calloc(1, sizeof(*ret));
	if (!ret)
		abort();
	ret->name = strdup(name);
	ret->name_len = (int)strlen(name);
	nr_versions++;
	return ret;
}

FAKE_API void drmFreeVersion(drmVersionPtr version)
{
	free(version->name);
	free(version);
	nr_versions--;
}

FAKE_API int drmGetDevice2(int fd, uint32_t flags, drmDevicePtr *ret)
{
	unsigned int domain, bus, dev, func;
	drmDevicePtr device;
	char pci[32], render[128];

	if (flags || card_number(fd, "device"))
		return -card_number(fd, "device");
	device = calloc(1, sizeof(*device));
	if (device)
		device->nodes = calloc(DRM_NODE_MAX, sizeof(*device->nodes));
	if (!device || !device->nodes)
		abort();
	card_word(fd, "render", render, sizeof(render));
	if (render[0]) {
		device->available_nodes = 1 << DRM_NODE_RENDER;
		device->nodes[DRM_NODE_RENDER] = strdup(render);
	}
	card_word(fd, "pci", pci, sizeof(pci));
	device->bustype = DRM_BUS_PLATFORM;
	if (sscanf(pci, "%x:%x:%x.%x", &domain, &bus, &dev, &func) == 4) {
		device->bustype = DRM_BUS_PCI;
		device->businfo.pci = calloc(1, sizeof(*device->businfo.pci));
		if (!device->businfo.pci)
			abort();
		device->businfo.pci->domain = (uint16_t)domain;
		device->businfo.pci->bus = (uint8_t)bus;
		device->businfo.pci->dev = (uint8_t)dev;
		device->businfo.pci->func = (uint8_t)func;
	}
	nr_devices++;
	*ret = device;
	return 0;
}

FAKE_API void drmFreeDevice(drmDevicePtr *device)
{
	free((*device)->nodes[DRM_NODE_RENDER]);
	free((*device)->nodes);
	free((*device)->businfo.pci);
	free(*device);
	*device = NULL;
	nr_devices--;
}

static int create(int card, struct drm_mode_create_dumb *dumb)
{
	int i, fd;

	if (card_number(card, "create")) {
		errno = card_number(card, "create");
		return -1;
	}
	for (i = 0; i < HANDLES_MAX && buffers[i] >= 0; i++)
		;
	if (i == HANDLES_MAX || dumb->bpp != 32)
		abort();
	dumb->pitch = dumb->width * 4;
	dumb->size = (uint64_t)dumb->pitch * dumb->height;
	fd = memfd_create("fake dumb buffer", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)dumb->size))
		abort();
	dumb->handle = (uint32_t)i + 1;
	buffers[i] = fd;
	nr_buffers++;
	return 0;
}

static bool is_handle(uint32_t handle)
{
	return handle && handle <= HANDLES_MAX && buffers[handle - 1] >= 0;
}

FAKE_API int drmIoctl(int fd, unsigned long request, void *arg)
{
	const struct drm_gem_close *gone = arg;

	if (request == DRM_IOCTL_MODE_CREATE_DUMB)
		return create(fd, arg);
	if (request != DRM_IOCTL_GEM_CLOSE || !is_handle(gone->handle))
		abort();
	(void)close(buffers[gone->handle - 1]);
	buffers[gone->handle - 1] = -1;
	nr_buffers--;
	return 0;
}

FAKE_API int drmPrimeHandleToFD(int fd, uint32_t handle, uint32_t flags,
				int *ret)
{
	char as[16];
	int ends[2];

	if (flags != (DRM_CLOEXEC | DRM_RDWR))
		abort();
	if (card_number(fd, "export")) {
		errno = card_number(fd, "export");
		return -1;
	}
	if (!is_handle(handle)) {
		errno = ENOENT;
		return -1;
	}
	card_word(fd, "as", as, sizeof(as));
	if (!strcmp(as, "pipe")) {
		if (pipe2(ends, O_CLOEXEC))
			return -1;
		(void)close(ends[1]);
		*ret = ends[0];
		return 0;
	}
	*ret = fcntl(buffers[handle - 1], F_DUPFD_CLOEXEC, 0);
	return *ret < 0 ? -1 : 0;
}
