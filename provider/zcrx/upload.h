/* SPDX-License-Identifier: MIT */
/*
 * Memory that is written by its provider: what was received lies in a buffer of
 * ours, and the provider writes it into a chunk before it is told of.
 *
 * The chunk is the one of the slot's index: whoever has a slot, a free list or a
 * fragment that is out, has the chunk, so nothing else keeps account of them.
 */
#ifndef DRX_UPLOAD_H
#define DRX_UPLOAD_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/provider.h>

#include "zcrx/slots.h"

struct devrx_receiver;
struct drx_conn;

/*
 * @provider: the memory's; NULL where the kernel or the NIC writes into it
 * @backing: what @provider is called with
 * @shift: from a chunk's index to its offset
 */
struct drx_upload {
	const struct devrx_provider *provider;
	struct devrx_backing *backing;
	uint32_t shift;
};

/*
 * Make ready for @mem in chunks of @chunk_len, and write a byte to see whether
 * that can be done: 0, or an errno with the cause tier-unavailable (which names
 * @tier) or upload-failed.
 */
int drx_upload_init(struct drx_upload *ret, struct devrx_memory *mem,
		    uint32_t chunk_len, uint32_t tier,
		    struct devrx_cause *cause);

/* Where the chunk of @slot begins. */
static inline uint64_t drx_upload_place(const struct drx_upload *up,
					const struct drx_slots *slots,
					const struct drx_slot *slot)
{
	return (uint64_t)(slot - slots->slot - 1) << up->shift;
}

static inline int drx_upload_write(const struct drx_upload *up, uint64_t off,
				   const void *buf, size_t len)
{
	return up->provider->write(up->backing, off, buf, len);
}

/* Fill in the cause "upload-failed", @what being "reading" or "writing into"; @err,
 * which the provider returned, as an errno. */
int drx_copy_failed(struct devrx_cause *cause, int err, const char *what,
		    const char *kind);
/* The same for bytes of a receiver's, of which it is the last cause. */
int drx_upload_cause(struct devrx_receiver *rx, int err);
/* A fragment of @len bytes that is not told of: its slot and its chunk go back. */
void drx_upload_drop(struct devrx_receiver *rx, struct drx_slot *slot,
		     uint32_t len);
/* The provider returned @err for bytes of @conn, which are lost: it ends. */
void drx_upload_failed(struct devrx_receiver *rx, struct drx_conn *conn,
		       int err);

#endif /* DRX_UPLOAD_H */
