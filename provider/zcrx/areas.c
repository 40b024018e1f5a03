// SPDX-License-Identifier: MIT
/*
 * A receiver grows: another memory becomes another area.
 *
 * The kernel takes no area back, so all that can fail comes before it is asked, in
 * room of its own; what follows its word cannot fail.
 */
#include "zcrx/areas.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "memory/memory.h"
#include "nic/nic.h"
#include "util/cause.h"
#include "zcrx/explain.h"
#include "zcrx/receiver.h"

/* For all that is as long as there are fragments or chunks. */
struct room {
	struct drx_areas *areas;
	struct drx_slots slots;
	struct drx_fences fences;
	struct drx_place *places;
	uint64_t *seen;
};

uint64_t drx_areas_chunk(const struct devrx_receiver *rx, uint64_t place)
{
	const uint64_t chunk = (place & ~DRX_ZCRX_AREA_MASK) >>
			       __builtin_ctz(rx->info.chunk_len);

	return rx->areas ?
		       rx->areas->first_chunk[place >> DRX_ZCRX_AREA_SHIFT] +
			       chunk :
		       chunk;
}

struct devrx_backing *drx_areas_backing(const struct devrx_receiver *rx,
					uint64_t place)
{
	struct devrx_memory *mem =
		rx->areas ? rx->areas->mem[place >> DRX_ZCRX_AREA_SHIFT] :
			    rx->mem;
	struct devrx_backing *backing;

	(void)drx_memory_provider(mem, &backing);
	return backing;
}

void drx_areas_fini(struct devrx_receiver *rx)
{
	uint32_t i;

	if (!rx->areas)
		return;
	for (i = 1; i < rx->areas->nr; i++)
		drx_memory_unbind(rx->areas->mem[i]);
	free(rx->areas);
}

static uint32_t nr_areas(const struct devrx_receiver *rx)
{
	return rx->areas ? rx->areas->nr : 1;
}

/* Can this receiver have another area at all? */
static int check_receiver(const struct devrx_receiver *rx,
			  struct devrx_cause *cause)
{
	if ((rx->info.tier != DEVRX_TIER_ZCRX_DEVICE &&
	     rx->info.tier != DEVRX_TIER_ZCRX_HOST) ||
	    rx->slots_are_chunks)
		return drx_fail(cause, -EOPNOTSUPP, "area-unsupported",
				"close the receiver, and open one on a larger "
				"memory",
				"on tier %s the memory is no area of the NIC's",
				devrx_tier_name(rx->info.tier));
	if (rx->share)
		return drx_fail(cause, -EOPNOTSUPP, "area-unsupported",
				"open the first receiver on a larger memory",
				"the queue is shared, and other threads know "
				"one area only");
	if (!(rx->features.flags & DEVRX_FEATURE_ADD_AREA))
		return drx_fail(cause, -EOPNOTSUPP, "area-unsupported",
				"boot Linux 7.3 or later",
				"Linux %s has one area for each queue",
				rx->features.release);
	/* Areas are numbered from 0 on, and their tokens are their numbers. */
	if (rx->ifq.area_token)
		return drx_fail(cause, -EPROTO, "zcrx-layout",
				"report it with the output of devrx info",
				"the first area's token is %#" PRIx64,
				rx->ifq.area_token);
	if (nr_areas(rx) == DEVRX_AREAS_MAX)
		return drx_fail(cause, -ENOSPC, "areas-full", NULL,
				"the receiver has %d areas, the most there are",
				DEVRX_AREAS_MAX);
	return 0;
}

/* The kernel would take one dmabuf twice, and hand out each of its bytes twice. */
static int check_twice(const struct devrx_receiver *rx, int fd,
		       struct devrx_cause *cause)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	struct stat own, other;
	uint32_t i;

	if (fd < 0)
		return 0; /* pages: a memory is in one receiver at a time */
	if (fstat(fd, &own))
		return drx_fail_os(cause, -errno, "fstat of the dmabuf");
	for (i = 0; i < nr_areas(rx); i++) {
		(void)devrx_memory_info(rx->areas ? rx->areas->mem[i] : rx->mem,
					&info);
		if (!fstat(info.dmabuf_fd, &other) &&
		    own.st_dev == other.st_dev && own.st_ino == other.st_ino)
			return drx_fail(cause, -EEXIST, "area-twice", NULL,
					"the memory's dmabuf is area %" PRIu32
					" of the receiver already",
					i);
	}
	return 0;
}

/* A memory has a copy of its provider. What is read and written is by one of them
 * for all areas (spares.c). */
static bool same_provider(const struct devrx_provider *a,
			  const struct devrx_provider *b)
{
	return !strcmp(a->name, b->name) && a->read == b->read &&
	       a->write == b->write && a->free == b->free;
}

static int plan(struct drx_area *ret, const struct devrx_receiver *rx,
		struct devrx_memory *mem, struct devrx_cause *cause)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	const struct devrx_receiver_opts opts = {
		.tier = rx->info.tier,
		.chunk_len = rx->info.chunk_len,
	};
	struct devrx_backing *backing;
	const struct devrx_provider *first =
		drx_memory_provider(rx->mem, &backing);
	int err;

	err = devrx_memory_info(mem, &info);
	if (err)
		return err;
	if (!same_provider(drx_memory_provider(mem, &backing), first))
		return drx_fail(cause, -EINVAL, "area-other-kind", NULL,
				"the memory is of kind %s, and the receiver's "
				"is of kind %s",
				info.kind, first->name);
	err = drx_area_plan(ret, &info, &opts, &rx->features, cause);
	if (err)
		return err;
	/* Of a provider that gives memory with a dmabuf and without. */
	if (ret->staged)
		return drx_fail(cause, -EINVAL, "area-other-kind", NULL,
				"the memory has a dmabuf or no address, unlike "
				"the receiver's, whose pages the NIC has");
	err = check_twice(rx, info.dmabuf_fd, cause);
	if (err)
		return err;
	if (rx->q && drx_memory_wants_pci(mem))
		return drx_queue_check(rx->q, true, cause);
	return 0;
}

static void room_fini(struct room *room, const struct devrx_receiver *rx)
{
	if (room->areas != rx->areas)
		free(room->areas);
	drx_slots_fini(&room->slots);
	drx_fences_fini(&room->fences);
	free(room->places);
	free(room->seen);
}

static int room_init(struct room *room, const struct devrx_receiver *rx,
		     uint32_t nr, uint64_t nr_chunks)
{
	int err;

	*room = (struct room){ .areas = rx->areas };
	if (!room->areas) {
		room->areas = calloc(1, sizeof(*room->areas));
		if (!room->areas)
			return -ENOMEM;
		room->areas->nr = 1;
		room->areas->len[0] = rx->area_len;
		room->areas->mem[0] = rx->mem;
	}
	err = drx_slots_init(&room->slots, nr);
	if (!err)
		err = drx_fences_init(&room->fences, nr);
	if (!err && rx->recover.places) {
		room->places = drx_places_new(nr);
		err = room->places ? 0 : -ENOMEM;
	}
	if (!err && rx->flow.seen) {
		room->seen = drx_flow_seen_new(nr_chunks);
		err = room->seen ? 0 : -ENOMEM;
	}
	if (err)
		room_fini(room, rx);
	return err;
}

/* Tokens stay what they are: a slot keeps its index and its generation. */
static void move_in(struct devrx_receiver *rx, struct room *room)
{
	const uint32_t nr = rx->slots.nr;

	rx->areas = room->areas;
	drx_slots_replace(&rx->slots, &room->slots);
	drx_fences_replace(&rx->fences, &room->fences, nr);
	if (room->places)
		drx_places_replace(&rx->recover, room->places, nr);
	if (room->seen) {
		free(rx->flow.seen);
		rx->flow.seen = room->seen;
	}
}

/* The kernel's number of the new area: the next one. */
static int add(struct devrx_receiver *rx, const struct drx_area *area,
	       struct devrx_cause *cause)
{
	struct drx_zcrx_area_reg reg = area->reg;
	struct drx_zcrx_ctrl ctrl = {
		.zcrx_id = rx->ifq.zcrx_id,
		.op = DRX_ZCRX_CTRL_ADD_AREA,
		.u.zc_area.area_ptr = (uintptr_t)&reg,
	};
	int err = rx->ops->reg(&rx->ring, DRX_IORING_REGISTER_ZCRX_CTRL, &ctrl,
			       0);

	if (err == -EFAULT && area->tier == DEVRX_TIER_ZCRX_DEVICE)
		return drx_fail(cause, -ENODEV, "nic-missing", NULL,
				"%s has gone, and takes no more memory",
				rx->ifname);
	return err ? drx_explain_register(err, rx->q, area, cause) : 0;
}

static int add_area(struct devrx_receiver *rx, struct devrx_memory *mem,
		    struct devrx_cause *cause)
{
	const uint32_t idx = nr_areas(rx);
	struct drx_area area;
	uint64_t nr_chunks;
	struct room room;
	uint32_t nr;
	int err;

	err = check_receiver(rx, cause);
	if (err)
		return err;
	err = plan(&area, rx, mem, cause);
	if (err)
		return err;
	err = drx_memory_bind(mem, cause);
	if (err)
		return err;
	nr_chunks = rx->info.nr_chunks + area.nr_chunks;
	nr = drx_receiver_fragments(rx->max_fragments, nr_chunks);
	err = room_init(&room, rx, nr, nr_chunks);
	if (err) {
		err = drx_fail_os(cause, err, "allocating");
		goto err_unbind;
	}
	err = add(rx, &area, cause);
	if (err)
		goto err_room;

	move_in(rx, &room);
	rx->areas->mem[idx] = mem;
	rx->areas->len[idx] = area.reg.len;
	rx->areas->first_chunk[idx] = rx->info.nr_chunks;
	rx->areas->nr++;
	rx->info.nr_chunks = nr_chunks;
	rx->info.max_fragments = nr;
	rx->info.areas = rx->areas->nr;
	if (rx->flow.seen)
		drx_flow_grown(rx);
	drx_events_area_added(rx);
	if (rx->starved.head != DRX_NONE)
		drx_conns_unstarve(rx);
	return (int)idx;

err_room:
	room_fini(&room, rx);
err_unbind:
	drx_memory_unbind(mem);
	return err;
}

int devrx_receiver_add_area(struct devrx_receiver *rx, struct devrx_memory *mem)
{
	struct devrx_cause why = { 0 };
	int ret;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (!mem)
		return -EINVAL;
	ret = add_area(rx, mem, &why);
	if (ret < 0) {
		rx->has_cause = true;
		rx->cause = why;
	}
	return ret;
}
