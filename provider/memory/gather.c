// SPDX-License-Identifier: MIT
/*
 * Gather: by the provider of both memories where it can, else by the CPU.
 *
 * A batch that the device does has a slot, from devrx_gather_copy() until its fence
 * was asked and gave an answer. The answer is kept in the slot, so that waiting for
 * a batch in another way than by its fence loses nothing.
 */
#include <devrx/gather.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/memory.h"
#include "util/cause.h"
#include "util/opts.h"

enum { BOUNCE_LEN = 256 << 10 };

struct slot {
	struct devrx_gather *gather;
	enum {
		SLOT_FREE,
		SLOT_BUSY, /* the device has it */
		SLOT_ANSWERED, /* err is what its fence will say */
	} state;
	int err;
	bool fenced; /* somebody has its fence */
};

struct devrx_gather {
	struct devrx_memory *to, *from;
	const struct devrx_provider *provider; /* of DEVICE */
	void *state;
	struct devrx_gather_info info;
	struct slot slots[DEVRX_GATHER_BATCHES];
	unsigned int next; /* slot, in the order of the batches */
	unsigned int oldest; /* that is not answered */
	int err; /* of the first that failed */
	unsigned char *to_host, *from_host;
	unsigned char *bounce;
	uint64_t to_len, from_len;
};

static int open_device(struct devrx_gather *g, void *stream,
		       struct devrx_cause *cause)
{
	struct devrx_backing *to, *from;
	const struct devrx_provider *a = drx_memory_provider(g->to, &to);
	const struct devrx_provider *b = drx_memory_provider(g->from, &from);
	int err;

	/* Not the name: two providers may have the same. */
	if (!a->gather || a->free != b->free)
		return -EXDEV;
	err = a->gather_begin(to, from, DEVRX_GATHER_BATCHES,
			      DEVRX_GATHER_SPANS, stream, &g->state, g->info.by,
			      cause);
	if (err)
		return err;
	g->provider = a;
	g->info.way = DEVRX_GATHER_DEVICE;
	return 0;
}

/* Where the CPU may write without a word to anybody; the answer costs nothing. */
static unsigned char *writable(struct devrx_memory *mem, uint64_t len)
{
	unsigned char *host = drx_memory_host(mem, NULL);
	unsigned char first, last;
	bool yes;

	if (!host || !drx_memory_host_readable(mem))
		return NULL;
	first = host[0];
	last = host[len - 1];
	yes = drx_memory_host_writable(mem);
	if (host[0] != first)
		host[0] = first;
	if (host[len - 1] != last)
		host[len - 1] = last;
	return yes ? host : NULL;
}

static int open_cpu(struct devrx_gather *g, struct devrx_cause *cause)
{
	struct devrx_backing *backing;

	g->to_host = writable(g->to, g->to_len);
	if (drx_memory_host_readable(g->from))
		g->from_host = drx_memory_host(g->from, NULL);
	if (g->to_host && g->from_host) {
		g->info.way = DEVRX_GATHER_CPU;
		(void)snprintf(g->info.by, sizeof(g->info.by), "the CPU");
		return 0;
	}
	if (!drx_memory_provider(g->to, &backing)->write ||
	    !drx_memory_provider(g->from, &backing)->read)
		return drx_fail(cause, -EOPNOTSUPP, "gather-unreadable", NULL,
				"neither the device nor the CPU can copy: "
				"these bytes are read, or written, by nobody");
	g->info.way = DEVRX_GATHER_BOUNCE;
	(void)snprintf(g->info.by, sizeof(g->info.by),
		       "the CPU, by way of host memory");
	g->bounce = malloc(BOUNCE_LEN);
	return g->bounce ? 0 : drx_fail_os(cause, -ENOMEM, "malloc");
}

int devrx_gather_open(struct devrx_gather **ret, struct devrx_memory *to,
		      struct devrx_memory *from,
		      const struct devrx_gather_opts *opts)
{
	static const struct devrx_gather_opts defaults = DEVRX_GATHER_OPTS_INIT;
	struct devrx_gather_opts own;
	struct devrx_gather *g;
	unsigned int i;
	int err;

	if (drx_opts_get(&own, sizeof(own), opts ? opts : &defaults,
			 sizeof(own)))
		return -EINVAL;
	if (!ret || !to || !from || to == from)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"two memories are needed, and two different "
				"ones");
	if (!drx_memory_is_ours(to) || !drx_memory_is_ours(from))
		return drx_fail(own.cause, -EPERM, "forked", NULL,
				"a memory belongs to the process that this one "
				"was forked from");
	g = calloc(1, sizeof(*g));
	if (!g)
		return drx_fail_os(own.cause, -ENOMEM, "calloc");
	g->to = to;
	g->from = from;
	(void)drx_memory_host(to, &g->to_len);
	(void)drx_memory_host(from, &g->from_len);
	for (i = 0; i < DEVRX_GATHER_BATCHES; i++)
		g->slots[i].gather = g;
	err = open_device(g, own.stream, own.cause);
	if (err == -EXDEV)
		err = own.stream ?
			      drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				       "a stream was given, and no device "
				       "copies from the one memory to the "
				       "other on one") :
			      open_cpu(g, own.cause);
	if (err) {
		free(g->bounce);
		free(g);
		return err;
	}
	*ret = g;
	return 0;
}

static void answer(struct devrx_gather *g, struct slot *slot, int err)
{
	slot->state = slot->fenced ? SLOT_ANSWERED : SLOT_FREE;
	slot->err = err;
	g->info.batches_out--;
	g->oldest = (g->oldest + 1) % DEVRX_GATHER_BATCHES;
	if (err && !g->err)
		g->err = err;
}

/* Ask about the oldest batch. -EAGAIN without @wait: it is not done. */
static int ask_oldest(struct devrx_gather *g, bool wait)
{
	struct slot *slot = &g->slots[g->oldest];
	int err = g->provider->gather_wait(g->state, g->oldest, wait);

	if (err == -EAGAIN)
		return err;
	answer(g, slot, err);
	return 0;
}

/* A fence's: @object is a slot. Those before it are done before it. */
static int poll_slot(void *object)
{
	struct slot *slot = object;

	while (slot->state == SLOT_BUSY)
		if (ask_oldest(slot->gather, false))
			return -EAGAIN;
	slot->state = SLOT_FREE;
	return slot->err;
}

static bool in_range(const struct devrx_gather *g,
		     const struct devrx_span *span)
{
	return span->from <= g->from_len &&
	       span->length <= g->from_len - span->from &&
	       span->to <= g->to_len && span->length <= g->to_len - span->to;
}

static int bounce(struct devrx_gather *g, uint64_t from, uint64_t to,
		  uint64_t len)
{
	uint64_t nr;
	int err = 0;

	for (; len && !err; from += nr, to += nr, len -= nr) {
		nr = len < BOUNCE_LEN ? len : BOUNCE_LEN;
		err = devrx_memory_read(g->from, from, g->bounce, nr);
		if (!err)
			err = devrx_memory_write(g->to, to, g->bounce, nr);
	}
	return err;
}

static int copy_now(struct devrx_gather *g, const struct devrx_span *spans,
		    unsigned int n)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		if (g->bounce)
			err = bounce(g, spans[i].from, spans[i].to,
				     spans[i].length);
		else
			memcpy(g->to_host + spans[i].to,
			       g->from_host + spans[i].from, spans[i].length);
	if (err && !g->err)
		g->err = err;
	return err;
}

/* 1 with the fence, or what the provider says. */
static int copy_later(struct devrx_gather *g, const struct devrx_span *spans,
		      unsigned int n, struct devrx_fence *fence)
{
	struct slot *slot = &g->slots[g->next];
	int err;

	if (slot->state == SLOT_BUSY && !slot->fenced)
		(void)ask_oldest(g, false);
	if (slot->state != SLOT_FREE)
		return -EAGAIN;
	err = g->provider->gather(g->state, spans, n, g->next);
	if (err) {
		if (!g->err)
			g->err = err;
		return err;
	}
	slot->state = SLOT_BUSY;
	slot->fenced = fence;
	g->info.batches_out++;
	g->next = (g->next + 1) % DEVRX_GATHER_BATCHES;
	if (fence)
		*fence = devrx_fence_poll(poll_slot, slot, g);
	return 1;
}

int devrx_gather_copy(struct devrx_gather *g, const struct devrx_span *spans,
		      unsigned int n, struct devrx_fence *fence)
{
	uint64_t bytes = 0;
	unsigned int i;
	int rc;

	if (n > DEVRX_GATHER_SPANS)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (!in_range(g, &spans[i]))
			return -ERANGE;
		bytes += spans[i].length;
	}
	if (!bytes)
		return 0;
	rc = g->provider ? copy_later(g, spans, n, fence) :
			   copy_now(g, spans, n);
	if (rc >= 0)
		g->info.bytes += bytes;
	return rc;
}

int devrx_gather_wait(struct devrx_gather *g)
{
	while (g->info.batches_out)
		(void)ask_oldest(g, true);
	return g->err;
}

int devrx_gather_info(const struct devrx_gather *g,
		      struct devrx_gather_info *ret)
{
	struct devrx_gather_info own = g->info;

	own.size = sizeof(own);
	return drx_info_put(ret, &own, sizeof(own), sizeof(own));
}

void devrx_gather_close(struct devrx_gather *g)
{
	if (!g)
		return;
	(void)devrx_gather_wait(g);
	if (g->provider)
		g->provider->gather_end(g->state);
	free(g->bounce);
	free(g);
}
