/* SPDX-License-Identifier: MIT */
/* The kinds of memory that devrx brings; registry.c lists them. */
#ifndef DRX_KINDS_H
#define DRX_KINDS_H

#include <devrx/provider.h>

extern const struct devrx_provider drx_host_provider;
extern const struct devrx_provider drx_udmabuf_provider;
extern const struct devrx_provider drx_dmaheap_provider;
extern const struct devrx_provider drx_cuda_provider;
extern const struct devrx_provider drx_drm_provider;
extern const struct devrx_provider drx_vram_provider;
extern const struct devrx_provider drx_vulkan_provider;

/*
 * Make a memory of @provider, a complete table, with @opts, which are checked
 * and ours: opts->cause is borrowed for the call and put back after it. On
 * success the memory is in @ret, on error nothing stays.
 */
int drx_memory_create(struct devrx_memory **ret,
		      const struct devrx_provider *provider,
		      struct devrx_memory_opts *opts);

/*
 * Refuse a placement or a flag outside @known_flags that this version does
 * not know. Return 0 or -EINVAL with the cause "opts-invalid".
 */
int drx_memory_check_opts(const struct devrx_memory_opts *opts,
			  uint32_t known_flags);

/*
 * Copy the caller's @opts into @own, all but its cause checked for size only.
 * Return 0 or -EINVAL with the cause "opts-invalid".
 */
int drx_memory_get_opts(struct devrx_memory_opts *own,
			const struct devrx_memory_opts *opts);

#endif /* DRX_KINDS_H */
