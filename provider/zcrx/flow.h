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
 * "Sockets" is what all receive buffers may hold. What is in them when a receive
 * was last allowed to run may come once more on top of the mark ("on the way"):
 * so high is the area less the ring and less twice the sockets. Below it,
 * connections that hold more than their share are paused alone, early enough for
 * all others to have theirs.
 *
 * Nothing is counted while fragments pass: a slot knows its connection, and when
 * enough have gone by for a mark to be near, all slots are looked at (flow.c).
 * How big the sockets may be is in rcvbuf.c.
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
 * @shift: from a chunk's index to its offset
 * @room: chunks that the NIC's ring leaves
 * @rmem_max: bytes to which the kernel lets a receive buffer grow by itself
 * @fit_for: connections for which the buffers were last made to fit
 * @sockets: bytes that all sockets' receive buffers may hold
 * @chunks: out at the last look
 * @high: chunks out at which all connections are paused
 * @fair: ... at which those are that hold a share
 * @share: chunks of one connection
 * @look_out: look when so many fragments are out, and
 * @look_fragments: so many were ever delivered; or,
 * @look_given: while some are paused, so many were ever given back; or
 * @dirty: at once
 * @look: number of the last look
 * @nr_paused: connections in state DRX_CONN_PAUSED
 * @since_ns: when the first of them came
 * @tell: one was paused, and the caller does not know
 */
struct drx_flow {
	uint64_t *seen;
	uint64_t nr_chunks;
	uint32_t shift;
	uint32_t room;
	uint32_t rmem_max;
	uint32_t fit_for;
	uint64_t sockets;
	uint32_t chunks;
	uint32_t high;
	uint32_t fair;
	uint32_t share;
	uint32_t look_out;
	uint32_t look;
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
void drx_flow_fini(struct drx_flow *flow);
/* Before the kernel is entered: pause and resume what is due. */
void drx_flow_look(struct devrx_receiver *rx);
/* The receive of @conn ended with @res: true where that was to pause it. */
bool drx_flow_ended(struct devrx_receiver *rx, struct drx_conn *conn, int res);
/* The kernel did not find the receive of @conn that was to be cancelled. */
void drx_flow_missed(struct devrx_receiver *rx, struct drx_conn *conn);
/* @conn comes to, or leaves, the list of those that are paused. */
void drx_flow_pause(struct devrx_receiver *rx);
void drx_flow_resume(struct devrx_receiver *rx);
/* -ENOBUFS, with the cause. */
int drx_flow_tell(struct devrx_receiver *rx);
/* Time in which some were paused, up to now. */
uint64_t drx_flow_stall_ns(const struct devrx_receiver *rx);

/* rcvbuf.c */
/* The kernel's limit for what grows by itself, in bytes. */
uint32_t drx_rcvbuf_max(void);
/* @conn was added, or is about to go: make the buffers fit. */
void drx_rcvbuf_add(struct devrx_receiver *rx, struct drx_conn *conn);
void drx_rcvbuf_remove(struct devrx_receiver *rx, struct drx_conn *conn);

#endif /* DRX_FLOW_H */
