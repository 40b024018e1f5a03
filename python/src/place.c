// SPDX-License-Identifier: MIT
/* Where memory is to be: "cpu", "udmabuf", "cuda", "cuda:1", "vulkan:0", ... */
#include <errno.h>
#include <string.h>

#include "devrx_python.h"

bool place_parse(struct place *ret, const char *name)
{
	const char *colon = strchr(name, ':');
	const size_t len = colon ? (size_t)(colon - name) : strlen(name);

	if (!len || len >= PLACE_LEN || (colon && !colon[1]) ||
	    (colon && strlen(colon + 1) >= PLACE_LEN)) {
		PyErr_Format(PyExc_ValueError,
			     "device \"%.100s\": expected a kind, or "
			     "kind:device",
			     name);
		return false;
	}
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->kind, name, len);
	if (colon)
		strcpy(ret->device, colon + 1);
	/* As frameworks call it. */
	if (!strcmp(ret->kind, "cpu"))
		strcpy(ret->kind, "host");
	return true;
}

int place_alloc(struct devrx_memory **ret, const struct place *place,
		uint64_t len, struct devrx_memory *beside,
		struct devrx_cause *cause)
{
	struct devrx_vulkan_handles h = { .size = sizeof(h) };
	struct devrx_vulkan_device vk = { .size = sizeof(vk) };
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;

	opts.len = len ? len : 1;
	opts.cause = cause;
	/* A device for each memory is what devrx makes otherwise. */
	if (beside && !devrx_vulkan_handles(beside, &h)) {
		vk.instance = h.instance;
		vk.physical_device = h.physical_device;
		vk.device = h.device;
		vk.queue = h.queue;
		vk.queue_family = h.queue_family;
		vk.get_instance_proc_addr = h.get_instance_proc_addr;
		return devrx_vulkan_alloc(ret, &vk, &opts);
	}
	opts.kind = place->kind;
	opts.device = place->device[0] ? place->device : NULL;
	return devrx_memory_alloc(ret, &opts);
}
