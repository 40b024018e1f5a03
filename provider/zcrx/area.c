// SPDX-License-Identifier: MIT
/*
 * One memory as a zcrx area.
 *
 * A memory with a dmabuf is registered by it, and the NIC alone ever writes
 * there (tier zcrx-device). Host memory is registered by its address, and the
 * kernel may copy into it (tiers zcrx-host, zcrx-copy); for any other memory
 * these tiers have an area of devrx's. What the kernel would refuse with a bare
 * errno is refused here, with the reason.
 */
#include "zcrx/area.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "util/cause.h"
#include "zcrx/stage.h"

static int plan_device(struct drx_area *area,
		       const struct devrx_memory_info *info,
		       const struct devrx_features *features,
		       struct devrx_cause *cause)
{
	if (info->dmabuf_fd < 0)
		return drx_fail(cause, -EOPNOTSUPP, "tier-unavailable",
				"use memory with a dmabuf, for example udmabuf",
				"zcrx-device was required, and memory of kind "
				"%s has no dmabuf",
				info->kind);
	if (!(features->flags & DEVRX_FEATURE_DMABUF_AREA))
		return drx_fail(cause, -EOPNOTSUPP, "no-dmabuf-area",
				"boot Linux 6.16 or later",
				"Linux %s has zcrx but takes no dmabuf areas",
				features->release);
	area->reg.flags = DRX_ZCRX_AREA_DMABUF;
	area->reg.dmabuf_fd = (uint32_t)info->dmabuf_fd;
	(void)snprintf(area->reason, sizeof(area->reason),
		       "the memory has a dmabuf, which the NIC is given: the "
		       "best tier");
	return 0;
}

/*
 * The kernel can pin what has an address and no dmabuf: pages of this process. A
 * dmabuf's mapping it cannot, and there is other memory that has neither.
 */
static void plan_pages(struct drx_area *area,
		       const struct devrx_memory_info *info)
{
	area->staged = info->dmabuf_fd >= 0 || !info->host_addr;
	if (!area->staged)
		area->reg.addr = (uintptr_t)info->host_addr;
}

static int plan_host(struct drx_area *area,
		     const struct devrx_memory_info *info)
{
	plan_pages(area, info);
	if (area->staged)
		(void)snprintf(area->reason, sizeof(area->reason),
			       "the NIC is given host pages of devrx, and "
			       "memory of kind %s is written by its provider",
			       info->kind);
	else
		(void)snprintf(area->reason, sizeof(area->reason),
			       "memory of kind %s has no dmabuf, so the NIC is "
			       "given its host pages; zcrx-device needs one",
			       info->kind);
	return 0;
}

static int plan_copy(struct drx_area *area,
		     const struct devrx_memory_info *info,
		     const struct devrx_features *features,
		     struct devrx_cause *cause)
{
	if (!(features->flags & DEVRX_FEATURE_NODEV))
		return drx_fail(cause, -EOPNOTSUPP, "nodev-missing",
				"boot Linux 7.1 or later, or use tier recv",
				"Linux %s has no zero-copy receive without a "
				"NIC",
				features->release);
	plan_pages(area, info);
	(void)snprintf(area->reason, sizeof(area->reason),
		       "it was asked for: the kernel copies out of the sockets "
		       "into %s",
		       area->staged ? "host pages of devrx, and the memory's "
				      "provider writes on" :
				      "the memory");
	return 0;
}

static int plan_tier(struct drx_area *area,
		     const struct devrx_memory_info *info,
		     const struct devrx_features *features,
		     struct devrx_cause *cause)
{
	switch (area->tier) {
	case DEVRX_TIER_ZCRX_DEVICE:
		return plan_device(area, info, features, cause);
	case DEVRX_TIER_ZCRX_HOST:
		return plan_host(area, info);
	case DEVRX_TIER_ZCRX_COPY:
		return plan_copy(area, info, features, cause);
	default:
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"tier %" PRIu32 " is unknown", area->tier);
	}
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
	if (area->chunk_len > page && area->tier == DEVRX_TIER_ZCRX_COPY)
		return drx_fail(cause, -EOPNOTSUPP, "chunk-unsupported",
				"leave the chunk length at 0",
				"chunks of %" PRIu32 " bytes were asked for; "
				"without a NIC the kernel has %" PRIu32 " only",
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
	struct drx_area area = { .reg.len = info->len, .tier = opts->tier };
	int err;

	if (area.tier == DEVRX_TIER_BEST)
		area.tier = info->dmabuf_fd >= 0 ? DEVRX_TIER_ZCRX_DEVICE :
						   DEVRX_TIER_ZCRX_HOST;

	if (!(features->flags & DEVRX_FEATURE_RECV_ZC))
		return drx_fail(cause, -EOPNOTSUPP, "zcrx-missing",
				"boot Linux 6.15 or later with "
				"CONFIG_IO_URING_ZCRX",
				"Linux %s has no zero-copy receive",
				features->release);
	err = plan_tier(&area, info, features, cause);
	if (err)
		return err;
	if (!area.staged && info->len > features->max_area_len)
		return drx_fail(cause, -EFBIG, "area-too-large",
				"allocate less, or boot Linux 7.3.2 or later",
				"the memory has %" PRIu64 " MiB; Linux %s "
				"handles areas of up to %" PRIu64 " MiB",
				info->len >> 20, features->release,
				features->max_area_len >> 20);
	err = plan_chunk(&area, opts->chunk_len, info, features, cause);
	if (err)
		return err;
	area.nr_chunks = info->len / area.chunk_len;
	if (area.staged) {
		area.reg.len =
			drx_stage_len(info->len, area.chunk_len, area.tier);
		if (area.nr_chunks > DRX_AREA_STAGED_CHUNKS_MAX)
			area.nr_chunks = DRX_AREA_STAGED_CHUNKS_MAX;
	}
	*ret = area;
	return 0;
}
