/* SPDX-License-Identifier: MIT */
/*
 * Flow control: receives are cancelled while the area still has room.
 *
 * An area with no free chunk makes the NIC drop packets, and TCP then waits for
 * a retransmission timeout. A socket that nobody reads closes its window instead,
 * and nothing is dropped. So a connection whose chunks the caller keeps is paused:
 * its receive is cancelled, what the kernel had taken before still comes, and it
 * is armed again when enough has been given back.
 *
 *	|<-------------------------- the area --------------------------->|
 *	|  the NIC's ring  |  sockets  |  on the way  |  out, up to high  |
 *
 * "Sockets" is what all receive buffers may hold. They fill up again while the
 * kernel takes out of them what was there, so more than that may come before a
 * receive stops: "on the way". Below the mark, connections that hold more than
 * their share are paused alone, early enough for all others to have theirs.
 *
 * Nothing is counted while fragments pass: a slot knows its connection, and when
 * enough have gone by for a mark to be near, all slots are looked at (flow.c).
 * How big the sockets may be is in rcvbuf.c.
 *
 * It is for areas whose chunks fragments hold, filled by a NIC. With staging, on
 * zcrx-copy and on recv what the caller does not release fills up nothing but the
 * memory, and what is behind it waits in the sockets.
 */
#ifndef DRX_FLOW_H
#define DRX_FLOW_H

#include <stdbool.h>
#include <stdint.h>

struct devrx_receiver;
struct drx_conn;

/*
 * @seen: a bit for each chunk, for a look; NULL without flow control
 * @nr_chunks: in the area
 * @shift: from a chunk's index to its offset, or from chunks to bytes
 * @ring: entries of the NIC's ring, as it tells
 * @room: chunks that the NIC's ring leaves
 * @way: chunks on the way: what the completion queue takes, or a guess if that is
 *	more than a quarter of the room
 * @rmem_max: bytes to which the kernel lets a receive buffer grow by itself
 * @rcvbuf_max: bytes to which anybody may set one
 * @sockets: what all sockets' receive buffers may hold, in units of 64 KiB
 * @chunks: out at the last look, or no more than that
 * @high: chunks out at which all connections are paused
 * @fair: ... at which those are that hold a share
 * @share: chunks of one connection
 * @look_fragments: look when so many were ever delivered and a mark is near; or,
 * @look_given: while some are paused, when so many were ever given back; or
 * @dirty: at once
 * @nr_paused: connections in state DRX_CONN_PAUSED
 * @since_ns: when the first of them came
 * @tell: one was paused, and the caller does not know
 */
struct drx_flow {
	uint64_t *seen;
	uint64_t nr_chunks;
	uint32_t shift;
	uint32_t ring;
	uint32_t room;
	uint32_t way;
	uint32_t rmem_max;
	uint32_t rcvbuf_max;
	uint32_t chunks;
	uint32_t high;
	uint32_t fair;
	uint32_t share;
	uint64_t sockets;
	uint64_t look_fragments;
	uint64_t look_given;
	uint64_t nr_paused;
	int64_t since_ns;
	bool dirty;
	bool tell;
};

/* flow.c */
/* After the memory's plan: @ring chunks are the NIC's (0: unknown). 0 or -ENOMEM. */
int drx_flow_init(struct devrx_receiver *rx, uint32_t ring);
/* For so many chunks, to be freed; NULL where there is no memory. */
uint64_t *drx_flow_seen_new(uint64_t nr_chunks);
/* The area has more chunks, and @seen is as long as that. */
void drx_flow_grown(struct devrx_receiver *rx);
void drx_flow_fini(struct drx_flow *flow);
/* With the completion queue there. */
void drx_flow_opened(struct devrx_receiver *rx);
/* Chunks that all sockets may hold. */
uint64_t drx_flow_sockets(const struct drx_flow *flow);
/* Before the kernel is entered: pause and resume what is due. */
void drx_flow_look(struct devrx_receiver *rx);
/* The receive of @conn ended with @res: true where that was to pause it. */
bool drx_flow_ended(struct devrx_receiver *rx, struct drx_conn *conn, int res);
/* A cancellation, of @user_data with DRX_UD_CANCEL, was answered with @res. */
void drx_flow_cancelled(struct devrx_receiver *rx, uint64_t user_data, int res);
/* One more, or less, is on the list of those that are paused. */
void drx_flow_pause(struct devrx_receiver *rx);
void drx_flow_resume(struct devrx_receiver *rx);
/* -ENOBUFS, with the cause. */
int drx_flow_tell(struct devrx_receiver *rx);
/* Time in which some were paused, up to now. */
uint64_t drx_flow_stall_ns(const struct devrx_receiver *rx);

/* rcvbuf.c */
/* The kernel's limits, into @flow. */
void drx_rcvbuf_init(struct drx_flow *flow);
/* Say so where ring and sockets leave the caller too little of the area. */
void drx_rcvbuf_check(struct devrx_receiver *rx);
/* @conn was added: how much may its socket come to hold? */
void drx_rcvbuf_add(struct devrx_receiver *rx, struct drx_conn *conn);
/* @conn goes. */
void drx_rcvbuf_remove(struct devrx_receiver *rx, struct drx_conn *conn);

#endif /* DRX_FLOW_H */
