// SPDX-License-Identifier: MIT
/*
 * Flow control: the look at all slots, and what follows from it.
 *
 * With n connections, S chunks that their sockets may hold, W chunks on the way and
 * R chunks that the NIC's ring leaves:
 *
 *	high = R - S - W	fair + (n - 1) * share = high	share = fair / n
 *
 * One connection that keeps all it gets is paused at fair. Even if all others come
 * to their share, none of them has to wait for it. Where all together hold too much
 * nevertheless, for example for connections that have gone, all are paused.
 */
#include "zcrx/flow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/cause.h"
#include "zcrx/clock.h"
#include "zcrx/receiver.h"

/* Chunks in the NIC's ring where it does not tell. */
#define RING_DEFAULT 1024u

uint64_t *drx_flow_seen_new(uint64_t nr_chunks)
{
	return calloc(nr_chunks / 64 + 1, sizeof(uint64_t));
}

/* What the NIC's ring leaves of all chunks. In a small area it is never full. */
static void set_room(struct drx_flow *flow, uint64_t nr)
{
	uint32_t ring = flow->ring ? flow->ring : RING_DEFAULT;

	flow->nr_chunks = nr;
	ring = ring < nr / 4 ? ring : (uint32_t)(nr / 4);
	flow->room = nr < UINT32_MAX ? (uint32_t)nr - ring : UINT32_MAX - ring;
}

int drx_flow_init(struct devrx_receiver *rx, uint32_t ring)
{
	struct drx_flow *flow = &rx->flow;

	flow->seen = drx_flow_seen_new(rx->info.nr_chunks);
	if (!flow->seen)
		return -ENOMEM;
	flow->shift = (uint32_t)__builtin_ctz(rx->info.chunk_len);
	flow->ring = ring;
	set_room(flow, rx->info.nr_chunks);
	drx_rcvbuf_init(flow);
	flow->dirty = true;
	return 0;
}

static void set_way(struct devrx_receiver *rx)
{
	struct drx_flow *flow = &rx->flow;

	flow->way = flow->room / 4;
	if (flow->way > rx->info.cq_entries)
		flow->way = rx->info.cq_entries;
}

void drx_flow_opened(struct devrx_receiver *rx)
{
	if (!rx->flow.seen)
		return;
	set_way(rx);
	drx_rcvbuf_check(rx);
}

void drx_flow_grown(struct devrx_receiver *rx)
{
	set_room(&rx->flow, rx->info.nr_chunks);
	set_way(rx);
	rx->flow.dirty = true; /* the paused may go on */
}

void drx_flow_fini(struct drx_flow *flow)
{
	free(flow->seen);
}

uint64_t drx_flow_sockets(const struct drx_flow *flow)
{
	return (flow->sockets << 16) >> flow->shift;
}

static void set_marks(struct drx_flow *flow, uint64_t nr)
{
	const uint64_t least = flow->room / 4 + 1;
	const uint64_t others = drx_flow_sockets(flow) + flow->way;
	const uint64_t high =
		flow->room > others + least ? flow->room - others : least;
	const uint64_t fair = high * nr / (2 * nr - 1);

	flow->high = (uint32_t)high;
	flow->fair = fair ? (uint32_t)fair : 1;
	flow->share = fair >= nr ? (uint32_t)(fair / nr) : 1;
}

/* With so few chunks out nobody is paused, */
static uint32_t all_low(const struct drx_flow *flow)
{
	return flow->fair - flow->fair / 4;
}

/* ... nor one that has so few of them. */
static uint32_t share_low(const struct drx_flow *flow)
{
	return flow->share - (flow->share + 3) / 4;
}

/*
 * Count the chunks that are out, in all and for each connection. A chunk with
 * several fragments counts once, for the connection of one of them.
 */
static void count(struct devrx_receiver *rx)
{
	struct drx_flow *flow = &rx->flow;
	const struct drx_slots *s = &rx->slots;
	uint32_t i;

	for (i = 0; i < rx->nr_conns; i++)
		rx->conns[i].held = 0;
	memset(flow->seen, 0, (flow->nr_chunks / 64 + 1) * sizeof(*flow->seen));
	flow->chunks = 0;
	for (i = 1; i <= s->nr; i++) {
		const struct drx_slot *slot = &s->slot[i];
		struct drx_conn *conn;
		uint64_t chunk, bit;

		if (!drx_slot_is_out(slot, i))
			continue;
		chunk = drx_areas_chunk(rx, slot->chunk);
		bit = UINT64_C(1) << chunk % 64;
		if (flow->seen[chunk / 64] & bit)
			continue;
		flow->seen[chunk / 64] |= bit;
		flow->chunks++;
		conn = drx_conn_of(rx, slot->user_data);
		if (conn)
			conn->held++;
	}
}

void drx_flow_pause(struct devrx_receiver *rx)
{
	struct drx_flow *flow = &rx->flow;

	if (!flow->nr_paused++)
		flow->since_ns = drx_now_ns();
}

void drx_flow_resume(struct devrx_receiver *rx)
{
	struct drx_flow *flow = &rx->flow;

	if (--flow->nr_paused)
		return;
	rx->stats.stall_ns += (uint64_t)(drx_now_ns() - flow->since_ns);
	flow->tell = false;
}

uint64_t drx_flow_stall_ns(const struct devrx_receiver *rx)
{
	const struct drx_flow *flow = &rx->flow;

	return rx->stats.stall_ns +
	       (flow->nr_paused ? (uint64_t)(drx_now_ns() - flow->since_ns) :
				  0);
}

static void pause_now(struct devrx_receiver *rx, struct drx_conn *conn)
{
	drx_conn_enter(rx, conn, DRX_CONN_PAUSED);
	rx->stats.stalls++;
	rx->flow.tell = true;
}

static bool holds_too_much(const struct drx_flow *flow,
			   const struct drx_conn *conn)
{
	return flow->chunks >= flow->high ||
	       (flow->chunks >= flow->fair && conn->held >= flow->share);
}

/* May a paused @conn go on? Some way below its share: not for each chunk. */
static bool holds_little(const struct drx_flow *flow,
			 const struct drx_conn *conn)
{
	return flow->chunks <= all_low(flow) ||
	       (flow->chunks < flow->high && conn->held <= share_low(flow));
}

static bool is_running(const struct drx_conn *conn)
{
	return conn->state == DRX_CONN_ARMED && !conn->pausing;
}

static void pause_some(struct devrx_receiver *rx)
{
	struct drx_flow *flow = &rx->flow;
	struct drx_conn_list to_arm = rx->to_arm;
	struct drx_conn *conn;
	uint32_t i;

	drx_conn_list_init(&rx->to_arm);
	while ((conn = drx_conn_pop(rx, &to_arm)))
		if (holds_too_much(flow, conn))
			pause_now(rx, conn);
		else
			drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
	for (i = 0; i < rx->nr_conns; i++) {
		conn = &rx->conns[i];
		if (!is_running(conn) || conn->removed ||
		    !holds_too_much(flow, conn))
			continue;
		if (drx_conn_cancel(rx, conn))
			flow->dirty = true; /* at the next wait */
		else
			conn->pausing = true;
	}
}

/* First paused, first armed. */
static void resume_some(struct devrx_receiver *rx)
{
	struct drx_conn_list paused = rx->paused;
	struct drx_conn *conn;

	drx_conn_list_init(&rx->paused);
	while ((conn = drx_conn_pop(rx, &paused)))
		if (holds_little(&rx->flow, conn)) {
			drx_flow_resume(rx);
			drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
			if (conn->backlog) /* it could not go on */
				conn->backlog->since = drx_now_ns();
		} else {
			drx_conn_push(rx, &rx->paused, conn);
		}
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Before what would change nothing? A fragment that comes adds at most one chunk
 * to the count, and one that goes back takes at most one from it.
 */
static void plan_next(struct devrx_receiver *rx)
{
	struct drx_flow *flow = &rx->flow;
	const uint32_t all = all_low(flow), low = share_low(flow);
	uint64_t come = flow->chunks < flow->fair ? flow->fair - flow->chunks :
			flow->chunks < flow->high ? flow->high - flow->chunks :
						    UINT64_MAX;
	uint64_t go = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < rx->nr_conns; i++) {
		const struct drx_conn *conn = &rx->conns[i];

		if (flow->chunks >= flow->fair && is_running(conn))
			come = lesser(come, conn->held < flow->share ?
						    flow->share - conn->held :
						    1);
		if (conn->state != DRX_CONN_PAUSED && !conn->pausing)
			continue;
		go = lesser(go, conn->held > low ? conn->held - low : 1);
		go = lesser(go, flow->chunks > all ? flow->chunks - all : 1);
	}
	/* Many looks for the last few chunks would cost more than they are
	 * worth. */
	if (come < flow->nr_chunks / 64)
		come = flow->nr_chunks / 64;
	flow->look_fragments =
		come == UINT64_MAX ? UINT64_MAX : rx->stats.fragments + come;
	flow->look_given = go == UINT64_MAX ?
				   UINT64_MAX :
				   rx->stats.released + rx->stats.lost + go;
}

void drx_flow_look(struct devrx_receiver *rx)
{
	struct drx_flow *flow = &rx->flow;
	const uint64_t out = drx_fragments_out(rx);

	if (!rx->stats.connections)
		return;
	flow->dirty = false;
	set_marks(flow, rx->stats.connections);
	if (out <= all_low(flow))
		flow->chunks = (uint32_t)out;
	else
		count(rx);
	if (flow->chunks >= flow->fair)
		pause_some(rx);
	if (flow->nr_paused)
		resume_some(rx);
	plan_next(rx);
}

bool drx_flow_ended(struct devrx_receiver *rx, struct drx_conn *conn, int res)
{
	if (!conn->pausing)
		return false;
	conn->pausing = false;
	rx->flow.dirty = true;
	if (res != -ECANCELED && res != -ENOSPC && res != -EINTR)
		return false;
	pause_now(rx, conn);
	return true;
}

void drx_flow_cancelled(struct devrx_receiver *rx, uint64_t user_data, int res)
{
	struct drx_conn *conn = drx_conn_of(rx, user_data & ~DRX_UD_CANCEL);

	/* While a receive is at work, the kernel does not find it. */
	if (!conn || !conn->pausing || res != -ENOENT)
		return;
	if (!drx_conn_cancel(rx, conn))
		return;
	conn->pausing = false;
	rx->flow.dirty = true; /* at the next wait */
}

int drx_flow_tell(struct devrx_receiver *rx)
{
	const struct drx_flow *flow = &rx->flow;

	rx->flow.tell = false;
	rx->has_cause = true;
	return drx_fail(&rx->cause, -ENOBUFS, "held-by-caller",
			"release fragments, or give the memory more bytes",
			"%" PRIu64 " of %" PRIu64 " connections are paused: "
			"%" PRIu32 " of %" PRIu64 " chunks are out, "
			"and the NIC and the sockets need the others",
			flow->nr_paused, rx->stats.connections, flow->chunks,
			flow->nr_chunks);
}
