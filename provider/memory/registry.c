// SPDX-License-Identifier: MIT
/*
 * The kinds that devrx brings, by number and by name. A table that nothing
 * can change: a provider from outside is named in the options, never here.
 */
#include <devrx/provider.h>

#include <string.h>

#include "memory/kinds.h"

/* In order of preference: device memory, what else a NIC can write to as a
 * dmabuf, and what is for tests only last. */
static const struct devrx_provider *const providers[] = {
	&drx_cuda_provider,    &drx_vulkan_provider, &drx_udmabuf_provider,
	&drx_dmaheap_provider, &drx_host_provider,   &drx_drm_provider,
	&drx_vram_provider,
};

const struct devrx_provider *devrx_provider_at(unsigned int idx)
{
	if (idx >= sizeof(providers) / sizeof(providers[0]))
		return NULL;
	return providers[idx];
}

const struct devrx_provider *devrx_provider_find(const char *name)
{
	const struct devrx_provider *provider;
	unsigned int i;

	if (!name)
		return NULL;
	for (i = 0; (provider = devrx_provider_at(i)); i++) {
		if (!strcmp(provider->name, name))
			return provider;
	}
	return NULL;
}
