// SPDX-License-Identifier: MIT
/*
 * libdrm and its drivers' libraries, found at run time: nothing is linked, so that
 * a program which wants no DRM memory needs none of them. Each call has a table of
 * its own; nothing here is global.
 */
#include "memory/drm_dl.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "util/cause.h"

#define ENTRY(name)                                                            \
	{                                                                      \
		"drm" #name, offsetof(struct drx_drm, name)                    \
	}

static const struct drx_drm_entry entries[] = {
	ENTRY(GetVersion), ENTRY(FreeVersion), ENTRY(GetDevice2),
	ENTRY(FreeDevice), ENTRY(Ioctl),       ENTRY(PrimeHandleToFD),
};

static const struct drx_drm_library libdrm = {
	"libdrm.so.2",
	"apt install libdrm2",
	entries,
	sizeof(entries) / sizeof(entries[0]),
};

int drx_drm_load_library(const struct drx_drm_library *library, void *table,
			 void **ret, struct devrx_cause *cause)
{
	const char *why;
	void *lib;
	size_t i;

	lib = dlopen(library->name, RTLD_NOW | RTLD_LOCAL);
	for (i = 0; lib && i < library->nr_entries; i++) {
		void *found = dlsym(lib, library->entries[i].symbol);

		if (!found)
			break;
		memcpy((char *)table + library->entries[i].offset, &found,
		       sizeof(found));
	}
	if (lib && i == library->nr_entries) {
		*ret = lib;
		return 0;
	}

	why = dlerror();
	(void)drx_fail(cause, -ENOENT, "drm-library-missing", library->next,
		       "%s cannot be loaded: %.160s", library->name,
		       why ? why : "no reason given");
	if (lib)
		(void)dlclose(lib);
	return -ENOENT;
}

void drx_drm_unload_library(void *lib)
{
	(void)dlclose(lib);
}

int drx_drm_load(struct drx_drm *drm, struct devrx_cause *cause)
{
	return drx_drm_load_library(&libdrm, drm, &drm->lib, cause);
}

void drx_drm_unload(struct drx_drm *drm)
{
	drx_drm_unload_library(drm->lib);
}
