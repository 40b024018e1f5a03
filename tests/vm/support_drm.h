/* SPDX-License-Identifier: MIT */
/*
 * The VM's cards. Their drivers are loaded when a test first wants them, but for
 * vgem's, which the suite loads: so the first card is always vgem's.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_DRM_H
#define DEVRX_TESTS_VM_SUPPORT_DRM_H

#include <string>

#include "support_devrx.h"

namespace vm
{

struct Card {
	const char *driver; /* as the card says it */
	const char *module;
};

constexpr Card vgem = { "vgem", "vgem" };
constexpr Card virtio_gpu = { "virtio_gpu", "virtio-gpu" };
constexpr Card bochs = { "bochs-drm", "bochs" };
constexpr Card qxl = { "qxl", "qxl" };

/* A dumb buffer of @card; its driver is loaded first. */
inline Outcome make_drm(Memory *ret, const Card &card, uint64_t len,
			const char *device = nullptr)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = nullptr;
	devrx_cause cause = {};
	int err;

	(void)run({ "modprobe", "-q", card.module });
	opts.kind = "drm";
	opts.device = device ? device : card.driver;
	opts.len = len;
	opts.cause = &cause;
	err = devrx_memory_alloc(&mem, &opts);
	if (!err)
		ret->reset(mem);
	return outcome(err, cause);
}

/* What a machine without @card says, or a library without libdrm. */
#define SKIP_WITHOUT_CARD(got)                                                 \
	do {                                                                   \
		if ((got) == outcome(-ENODEV, "drm-no-device") ||              \
		    (got) == outcome(-EOPNOTSUPP, "drm-not-built"))            \
			GTEST_SKIP() << (got).text;                            \
	} while (0)

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_DRM_H */
