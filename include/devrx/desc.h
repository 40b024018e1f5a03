/* SPDX-License-Identifier: MIT */
/*
 * The descriptor ring's layout: what a host and a device both see. Layout only,
 * for C, C++ and CUDA; a GLSL block in std430 has the same members with uvec2
 * in the place of uint64_t. What is done with it is in ring.h.
 *
 *	header	struct devrx_desc_ring, 384 bytes
 *	records	nr of struct devrx_desc, 16 bytes each
 *	windows	nr of uint32_t
 *
 * A record is what NCCL's unpack kernels read as loadMeta (nccl/src/device/
 * network/unpack/unpack_defs.h): copy length bytes from source in the memory to
 * destination in a buffer. A record without bytes asks for nothing.
 *
 * Its source has 32 bits, which reach 4 GiB. So the memory is cut into windows
 * of 4 GiB, and each record has the number of its window beside it, in an array
 * of its own: record i starts at byte (uint64_t)windows[i] << 32 | source. The
 * NIC hands out chunks in any order, so neighbours in the ring may well lie in
 * different windows; with the number at each record there is no window that
 * "is current", any thread may take any record, and a change costs nothing.
 * In a memory of at most 4 GiB all windows are 0, and need not be read.
 *
 * Indices run freely through 32 bits; record i is at i modulo nr, and tail less
 * head is how many there are. Who writes which word, once the ring is made:
 *
 *	tail, finished, records, windows	the host
 *	head					who consumes: the device, or
 *						the host for its launches
 *
 * How they are ordered, wherever the two sides run. On a GPU this is at system
 * scope (cuda::thread_scope_system). Vulkan has no scope that reaches the host:
 * there consumers are launches, ordered by their submission.
 *
 *	producer				consumer
 *	load.acquire head leaves room	(A)	load.acquire finished	(F)
 *	store records, windows			load.acquire tail	(C)
 *	store.release tail		(B)	load records, then payload
 *	store.release finished		(E)	store.release head	(D)
 *
 * (B) pairs with (C): no record is read before it is written, and no payload
 * before the kernel's completion told of it. (D) pairs with (A): no record is
 * overwritten while it is still read; and, as a fence of devrx/fence.h, no
 * payload is given back to the NIC while it is still read. (E) pairs with (F):
 * who sees finished, and then an empty ring, has seen the last record; so
 * finished is read before tail.
 *
 * Payload that a NIC wrote into device memory may need more than (B) before a
 * kernel that is already running sees it: see devrx_device_ring_push().
 */
#ifndef DEVRX_DESC_H
#define DEVRX_DESC_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
#define DEVRX_DESC_ALIGN(n) alignas(n)
#define DEVRX_DESC_ASSERT(cond, text) static_assert(cond, text)
#else
#define DEVRX_DESC_ALIGN(n) _Alignas(n)
#define DEVRX_DESC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

/**
 * struct devrx_desc - one piece to copy, or to look at
 * @source: where it starts in the memory, bytes, low 32 bits
 * @length: bytes
 * @destination: where it belongs in the consumer's buffer, bytes
 */
struct devrx_desc {
	DEVRX_DESC_ALIGN(16) uint32_t source;
	uint32_t length;
	uint64_t destination;
};

/* "drxr", and the layout's number. */
#define DEVRX_DESC_MAGIC UINT32_C(0x72787264)
#define DEVRX_DESC_LAYOUT UINT32_C(1)

/* windows[] is to be read: records may lie beyond 4 GiB. */
#define DEVRX_DESC_F_WINDOWS (1u << 0)

/**
 * struct devrx_desc_ring - the ring's header
 * @tail: index behind the last record
 * @finished: 1 once no more records will come
 * @head: index of the first record that is not consumed
 * @magic: DEVRX_DESC_MAGIC
 * @layout: DEVRX_DESC_LAYOUT
 * @nr: records, a power of two
 * @flags: DEVRX_DESC_F_*
 * @records: where they start, bytes from the header's start
 * @windows: where they start, bytes from the header's start
 *
 * Each side's word has 128 bytes for itself: a GPU's line, and on a CPU two
 * that are fetched together. Offsets instead of pointers, because the device
 * sees the memory at another address.
 */
struct devrx_desc_ring {
	DEVRX_DESC_ALIGN(128) uint32_t tail;
	uint32_t finished;
	uint32_t pad_tail[30];

	uint32_t head;
	uint32_t pad_head[31];

	uint32_t magic;
	uint32_t layout;
	uint32_t nr;
	uint32_t flags;
	uint32_t records;
	uint32_t windows;
	uint32_t pad[26];
};

DEVRX_DESC_ASSERT(sizeof(struct devrx_desc) == 16, "loadMeta");
DEVRX_DESC_ASSERT(offsetof(struct devrx_desc, length) == 4, "loadMeta");
DEVRX_DESC_ASSERT(offsetof(struct devrx_desc, destination) == 8, "loadMeta");
DEVRX_DESC_ASSERT(sizeof(struct devrx_desc_ring) == 384, "three lines");
DEVRX_DESC_ASSERT(offsetof(struct devrx_desc_ring, finished) == 4, "line 0");
DEVRX_DESC_ASSERT(offsetof(struct devrx_desc_ring, head) == 128, "line 1");
DEVRX_DESC_ASSERT(offsetof(struct devrx_desc_ring, magic) == 256, "line 2");
DEVRX_DESC_ASSERT(offsetof(struct devrx_desc_ring, windows) == 276, "line 2");

#endif /* DEVRX_DESC_H */
