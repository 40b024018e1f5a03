// SPDX-License-Identifier: MIT
/*
 * Kind "drm" of a library that was built without libdrm's headers: each call is
 * there, and says so.
 */
#include <devrx/drm.h>

#include <errno.h>

#include "memory/kinds.h"
#include "util/cause.h"

static int not_built(struct devrx_cause *cause)
{
	return drx_fail(cause, -EOPNOTSUPP, "drm-not-built",
			"apt install libdrm-dev  # then build devrx anew",
			"this libdevrx was built without libdrm's headers");
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

const struct devrx_provider drx_drm_provider = {
	.size = sizeof(struct devrx_provider),
	.name = "drm",
	.summary = "a DRM card's memory; left out of this build",
	.probe = not_built,
	.alloc = none_alloc,
	.free = none_free,
};

int devrx_drm_import(struct devrx_memory **ret, int drm_fd, uint32_t handle,
		     const struct devrx_memory_opts *opts)
{
	(void)ret;
	(void)drm_fd;
	(void)handle;
	return not_built(opts ? opts->cause : NULL);
}
