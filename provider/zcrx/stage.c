// SPDX-License-Identifier: MIT
/* Staging: from an area of our own into the memory; the idea is in stage.h. */
#include "zcrx/stage.h"

#include <sys/mman.h>

#include "zcrx/receiver.h"

/*
 * Of a NIC the area holds what its ring and the sockets do: from 16 MiB, twice
 * and more what drivers fill a ring with, on with the memory up to 64 MiB, all
 * of it pinned. Without a NIC it holds what completions tell of and no more, and
 * shall stay in a cache.
 */
#define NIC_LEN_MIN (UINT64_C(16) << 20)
#define NIC_LEN_MAX (UINT64_C(64) << 20)
#define COPY_LEN (UINT64_C(4) << 20)
#define CHUNKS_MIN 64u

uint64_t drx_stage_len(uint64_t len, uint32_t chunk_len, uint32_t tier)
{
	const uint64_t least = (uint64_t)CHUNKS_MIN * chunk_len;

	if (tier == DEVRX_TIER_ZCRX_COPY)
		len = COPY_LEN;
	if (tier != DEVRX_TIER_ZCRX_COPY && len < NIC_LEN_MIN)
		len = NIC_LEN_MIN;
	if (len > NIC_LEN_MAX)
		len = NIC_LEN_MAX;
	if (len < least)
		len = least;
	return len / chunk_len * chunk_len;
}

int drx_stage_init(struct drx_stage *ret, struct drx_area *area,
		   struct devrx_cause *cause)
{
	struct devrx_memory_opts opts = {
		.size = sizeof(opts),
		.kind = "host",
		.len = area->reg.len,
		.cause = cause,
	};
	struct devrx_memory_info info = { .size = sizeof(info) };
	struct devrx_memory *mem;
	int err;

	err = devrx_memory_alloc(&mem, &opts);
	if (err)
		return err;
	(void)devrx_memory_info(mem, &info); /* cannot fail */
	/* Fewer pieces for the NIC, where the machine has them: no promise. */
	(void)madvise(info.host_addr, info.len, MADV_HUGEPAGE);
	area->reg.addr = (uintptr_t)info.host_addr;
	*ret = (struct drx_stage){ .mem = mem, .base = info.host_addr };
	return 0;
}

void drx_stage_fini(struct drx_stage *stage)
{
	(void)devrx_memory_free(stage->mem); /* nobody else has bound it */
}

uint32_t drx_stage_move(struct devrx_receiver *rx,
			const struct io_uring_cqe *cqe,
			struct devrx_fragment *frags, uint32_t n)
{
	const struct drx_slots *slots = &rx->slots;
	struct devrx_fragment *to = frags;
	uint32_t i;

	for (i = 0; i < n; i++, frags++, cqe += 2) {
		struct drx_conn *conn = drx_conn_of(rx, cqe->user_data);
		struct drx_slot *slot =
			&slots->slot[frags->token & slots->mask];
		uint64_t place = drx_upload_place(&rx->upload, slots, slot);
		int err = 0;

		if (rx->pipeline.batch) {
			const void *from = rx->stage.base + frags->offset;

			frags->offset = place;
			drx_pipeline_upload(rx, frags, from);
			to++;
			continue;
		}
		if (conn)
			err = drx_upload_write(&rx->upload, place,
					       rx->stage.base + frags->offset,
					       frags->length);
		if (__builtin_expect(!conn || err, 0)) {
			if (conn) {
				conn->position = frags->position;
				drx_upload_failed(rx, conn, err);
			}
			drx_upload_drop(rx, slot, frags->length);
			continue;
		}
		/* Where the ring is full, the chunk goes with the slot. */
		if (drx_refill_push(&rx->ifq.rq, slot->chunk))
			slot->chunk = DRX_NO_CHUNK;
		frags->offset = place;
		*to++ = *frags;
	}
	drx_refill_publish(&rx->ifq.rq);
	return n - (uint32_t)(frags - to);
}
