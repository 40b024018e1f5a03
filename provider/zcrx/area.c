// SPDX-License-Identifier: MIT
/*
 * One memory as a zcrx area.
 *
 * A memory with a dmabuf is registered by it, and the NIC alone ever writes
 * there (tier zcrx-device). Memory without one is registered by its host
 * address, and the kernel may copy into it (tier zcrx-host). What the kernel
 * would refuse with a bare errno is refused here, with the reason.
 */
#include "zcrx/area.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "util/cause.h"

static int plan_tier(struct drx_area *area,
		     const struct devrx_memory_info *info, uint32_t tier,
		     const struct devrx_features *features,
		     struct devrx_cause *cause)
{
	int has_dmabuf = info->dmabuf_fd >= 0;

	switch (tier) {
	case DEVRX_TIER_BEST:
	case DEVRX_TIER_ZCRX_DEVICE:
	case DEVRX_TIER_ZCRX_HOST:
		break;
	default:
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"tier %" PRIu32 " is unknown", tier);
	}
	if (tier == DEVRX_TIER_ZCRX_DEVICE && !has_dmabuf)
		return drx_fail(cause, -EOPNOTSUPP, "tier-unavailable",
				"use memory with a dmabuf, for example udmabuf",
				"zcrx-device was required, and memory of kind "
				"%s has no dmabuf",
				info->kind);
	if (tier == DEVRX_TIER_ZCRX_HOST && has_dmabuf)
		return drx_fail(cause, -EOPNOTSUPP, "tier-unavailable",
				"use memory of kind host, or tier zcrx-device",
				"zcrx-host was required, and the kernel takes "
				"memory of kind %s by its dmabuf only",
				info->kind);
	if (!has_dmabuf && !info->host_addr)
		return drx_fail(cause, -EOPNOTSUPP, "tier-unavailable", NULL,
				"memory of kind %s has neither a dmabuf nor a "
				"host address",
				info->kind);
	if (has_dmabuf && !(features->flags & DEVRX_FEATURE_DMABUF_AREA))
		return drx_fail(cause, -EOPNOTSUPP, "no-dmabuf-area",
				"boot Linux 6.16 or later",
				"Linux %s has zcrx but takes no dmabuf areas",
				features->release);
	if (has_dmabuf) {
		area->tier = DEVRX_TIER_ZCRX_DEVICE;
		area->reg.flags = DRX_ZCRX_AREA_DMABUF;
		area->reg.dmabuf_fd = (uint32_t)info->dmabuf_fd;
		(void)snprintf(area->reason, sizeof(area->reason),
			       "the memory has a dmabuf, which the NIC is "
			       "given: the best tier");
	} else {
		area->tier = DEVRX_TIER_ZCRX_HOST;
		area->reg.addr = (uintptr_t)info->host_addr;
		(void)snprintf(area->reason, sizeof(area->reason),
			       "memory of kind %s has no dmabuf, so the NIC is "
			       "given its host pages; zcrx-device needs one",
			       info->kind);
	}
	return 0;
}

static int plan_chunk(struct drx_area *area, uint32_t chunk_len,
		      const struct devrx_memory_info *info,
		      const struct devrx_features *features,
		      struct devrx_cause *cause)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	area->chunk_len = chunk_len ? chunk_len : page;
	if (area->chunk_len < page || area->chunk_len & (area->chunk_len - 1))
		return drx_fail(
			cause, -EINVAL, "chunk-len", NULL,
			"a chunk of %" PRIu32 " bytes was asked for; "
			"it must be a power of two of at least %" PRIu32,
			area->chunk_len, page);
	if (area->chunk_len > page &&
	    !(features->flags & DEVRX_FEATURE_LARGE_CHUNKS))
		return drx_fail(cause, -EOPNOTSUPP, "chunk-unsupported",
				"leave the chunk length at 0",
				"chunks of %" PRIu32 " bytes were asked for; "
				"Linux %s has %" PRIu32 " only (7.0 has more)",
				area->chunk_len, features->release, page);
	if (info->len % area->chunk_len)
		return drx_fail(cause, -ERANGE, "chunk-refused", NULL,
				"the memory's %" PRIu64 " bytes are not a "
				"multiple of the chunk's %" PRIu32,
				info->len, area->chunk_len);
	return 0;
}

int drx_area_plan(struct drx_area *ret, const struct devrx_memory_info *info,
		  const struct devrx_receiver_opts *opts,
		  const struct devrx_features *features,
		  struct devrx_cause *cause)
{
	struct drx_area area = { .reg.len = info->len };
	int err;

	if (!(features->flags & DEVRX_FEATURE_RECV_ZC))
		return drx_fail(cause, -EOPNOTSUPP, "zcrx-missing",
				"boot Linux 6.15 or later with "
				"CONFIG_IO_URING_ZCRX",
				"Linux %s has no zero-copy receive",
				features->release);
	err = plan_tier(&area, info, opts->tier, features, cause);
	if (err)
		return err;
	if (info->len > features->max_area_len)
		return drx_fail(cause, -EFBIG, "area-too-large",
				"allocate less, or boot Linux 7.3.2 or later",
				"the memory has %" PRIu64 " MiB; Linux %s "
				"handles areas of up to %" PRIu64 " MiB",
				info->len >> 20, features->release,
				features->max_area_len >> 20);
	err = plan_chunk(&area, opts->chunk_len, info, features, cause);
	if (err)
		return err;
	*ret = area;
	return 0;
}
