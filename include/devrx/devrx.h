/* SPDX-License-Identifier: MIT */
/*
 * devrx: network bytes land straight in device memory, and the program is told
 * where.
 *
 * Reading order: memory.h (what a NIC can write into), queue.h (where it comes
 * from), receiver.h (the fragments), fence.h (when a device is done with them),
 * ring.h and desc.h (fragments for a device), gather.h (into place), framing.h
 * (messages), http.h (a URL into a memory), error.h (what went wrong),
 * features.h (what this kernel can do), provider.h (a kind of memory of your
 * own), cuda.h, vulkan.h and drm.h (what memory of those kinds has beyond that).
 *
 * Rules that hold everywhere:
 *  - objects are opaque; options are structs whose first member is their size,
 *    initialised with DEVRX_..._OPTS_INIT. Unknown flags and non-zero reserved
 *    members are refused, so that they can gain a meaning.
 *  - pointers and descriptors are borrowed unless the comment says taken or
 *    returned; on an error nothing of the caller's has changed.
 *  - the library never prints, exits, handles signals or reads the
 *    environment, and keeps no global state.
 */
#ifndef DEVRX_DEVRX_H
#define DEVRX_DEVRX_H

#include <devrx/cuda.h>
#include <devrx/desc.h>
#include <devrx/drm.h>
#include <devrx/error.h>
#include <devrx/features.h>
#include <devrx/fence.h>
#include <devrx/framing.h>
#include <devrx/gather.h>
#include <devrx/http.h>
#include <devrx/memory.h>
#include <devrx/provider.h>
#include <devrx/queue.h>
#include <devrx/receiver.h>
#include <devrx/reserve.h>
#include <devrx/ring.h>
#include <devrx/share.h>
#include <devrx/vulkan.h>
#include <devrx/write.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DEVRX_VERSION_MAJOR 0
#define DEVRX_VERSION_MINOR 1
#define DEVRX_VERSION_PATCH 0

/**
 * devrx_version - the library's own version
 *
 * Return: "0.1.0", static storage.
 * Since: 0.1
 */
DEVRX_API const char *devrx_version(void);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_DEVRX_H */
