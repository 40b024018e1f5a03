// SPDX-License-Identifier: MIT
/*
 * The device ring's producer: fragments become records.
 *
 * The layout, and which store pairs with which load, are in devrx/desc.h; the
 * letters here are those. The memory is the caller's and the other side may be
 * broken, so what the producer goes by is in a struct of its own, and of what
 * is shared it reads head only, which is checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/ring.h"
#include "util/cause.h"
#include "util/opts.h"

int devrx_device_ring_create(struct devrx_device_ring **ret, void *addr,
			     size_t len,
			     const struct devrx_device_ring_opts *opts)
{
	static const struct devrx_device_ring_opts defaults =
		DEVRX_DEVICE_RING_OPTS_INIT;
	struct devrx_device_ring_opts own;
	struct devrx_desc_ring *shared = addr;
	struct devrx_device_ring *ring;
	uint32_t nr = DEVRX_DEVICE_RING_NR_MAX;

	if (drx_opts_get(&own, sizeof(own), opts ? opts : &defaults,
			 sizeof(own)))
		return -EINVAL;
	if (own.flags & ~DEVRX_DEVICE_RING_F_WINDOWS || own.reserved)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"a flag is unknown or a reserved member is not "
				"zero");
	if (!ret || !addr || (uintptr_t)addr % 128)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"the address %p is no multiple of 128", addr);
	while (nr && DEVRX_DEVICE_RING_LEN(nr) > len)
		nr /= 2;
	if (!nr)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"%zu bytes have no room for one record, which "
				"needs %zu",
				len, DEVRX_DEVICE_RING_LEN(1));
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return drx_fail_os(own.cause, -ENOMEM, "allocating");

	memset(addr, 0, DEVRX_DEVICE_RING_LEN(nr));
	shared->layout = DEVRX_DESC_LAYOUT;
	shared->nr = nr;
	shared->flags = own.flags & DEVRX_DEVICE_RING_F_WINDOWS ?
				DEVRX_DESC_F_WINDOWS :
				0;
	shared->records = sizeof(*shared);
	shared->windows =
		shared->records + nr * (uint32_t)sizeof(struct devrx_desc);
	/* Last: who finds it finds a ring. */
	__atomic_store_n(&shared->magic, DEVRX_DESC_MAGIC, __ATOMIC_RELEASE);
	ring->shared = shared;
	ring->records = (struct devrx_desc *)(shared + 1);
	ring->windows = (uint32_t *)(ring->records + nr);
	ring->mask = nr - 1;
	ring->offset_max = own.flags & DEVRX_DEVICE_RING_F_WINDOWS ?
				   UINT64_MAX :
				   UINT32_MAX;
	*ret = ring;
	return 0;
}

void devrx_device_ring_destroy(struct devrx_device_ring *ring)
{
	free(ring);
}

/*
 * See how far the consumer is. It can only have moved on from where it was to
 * where records are; anything else would make us overwrite what is in use.
 */
static bool look_at_head(struct devrx_device_ring *ring)
{
	uint32_t head =
		__atomic_load_n(&ring->shared->head, __ATOMIC_ACQUIRE); /* A */

	if (head - ring->head > ring->tail - ring->head)
		return false;
	ring->head = head;
	return true;
}

int devrx_device_ring_push(struct devrx_device_ring *ring,
			   const struct devrx_fragment *frags, unsigned int n,
			   const uint64_t *dests)
{
	/* One loop for both sources of destinations. */
	const char *dest = (const char *)dests;
	const size_t step = dests ? sizeof(*dests) : sizeof(*frags);
	const struct devrx_fragment *const behind = frags + n;
	const struct devrx_fragment *frag = frags;
	struct devrx_desc *const records = ring->records;
	uint32_t *const windows = ring->windows;
	const uint64_t offset_max = ring->offset_max;
	const uint32_t nr = ring->mask + 1;
	uint32_t tail = ring->tail;
	uint32_t end;

	if (ring->finished)
		return -EPIPE;
	if (!n)
		return 0;
	if (!dest)
		dest = (const char *)&frags->position;
	if (nr - (tail - ring->head) < n && !look_at_head(ring))
		return -EPROTO;
	end = ring->head + nr;
	/* Twice at most: to the end of the array, and from its start. */
	for (;;) {
		const uint32_t first = tail & ring->mask;
		const uint32_t room = end - tail;
		struct devrx_desc *desc = &records[first];
		struct devrx_desc *const stop =
			desc + (room < nr - first ? room : nr - first);

		for (; frag != behind; frag++, dest += step) {
			if (!frag->token)
				continue;
			if (desc == stop || frag->offset > offset_max)
				break;
			if (offset_max > UINT32_MAX)
				windows[desc - records] =
					(uint32_t)(frag->offset >> 32);
			desc->source = (uint32_t)frag->offset;
			desc->length = frag->length;
			memcpy(&desc->destination, dest,
			       sizeof(desc->destination));
			desc++;
		}
		tail += (uint32_t)(desc - &records[first]);
		if (frag == behind || desc != stop || tail == end)
			break;
	}
	ring->tail = tail;
	__atomic_store_n(&ring->shared->tail, tail, __ATOMIC_RELEASE); /* B */
	if (frag == frags && tail != end)
		return -ERANGE;
	return (int)(frag - frags);
}

void devrx_device_ring_fence(const struct devrx_device_ring *ring,
			     struct devrx_fence *ret)
{
	*ret = devrx_fence_u32(&ring->shared->head, ring->tail);
}

static uint64_t offset_in(const struct devrx_device_ring *ring, const void *at)
{
	return (uint64_t)((const char *)at - (const char *)ring->shared);
}

int devrx_device_ring_take(struct devrx_device_ring *ring, uint32_t max,
			   uint32_t flags, struct devrx_device_batch *ret)
{
	const uint32_t first = ring->taken & ring->mask;
	uint32_t nr = ring->tail - ring->taken;
	uint64_t base = 0;
	uint32_t i;

	if (!max || flags & ~DEVRX_DEVICE_TAKE_F_ONE_WINDOW)
		return -EINVAL;
	if (nr > max)
		nr = max;
	if (nr > ring->mask + 1 - first)
		nr = ring->mask + 1 - first;
	if (!nr)
		return 0;
	if (flags & DEVRX_DEVICE_TAKE_F_ONE_WINDOW) {
		const uint32_t window = ring->windows[first];

		for (i = 1; i < nr && ring->windows[first + i] == window; i++)
			continue;
		nr = i;
		base = (uint64_t)window << 32;
	}
	ring->taken += nr;
	*ret = (struct devrx_device_batch){
		.records = offset_in(ring, ring->records + first),
		.windows = offset_in(ring, ring->windows + first),
		.base = base,
		.nr = nr,
		.to = ring->taken,
	};
	return (int)nr;
}

int devrx_device_ring_retire(struct devrx_device_ring *ring, uint32_t to)
{
	if (!look_at_head(ring))
		return -EPROTO;
	if (to - ring->head > ring->taken - ring->head)
		return -EINVAL;
	__atomic_store_n(&ring->shared->head, to, __ATOMIC_RELEASE); /* D */
	return 0;
}

void devrx_device_ring_finish(struct devrx_device_ring *ring)
{
	ring->finished = true;
	__atomic_store_n(&ring->shared->finished, 1, __ATOMIC_RELEASE); /* E */
}
