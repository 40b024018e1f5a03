/* SPDX-License-Identifier: MIT */
/*
 * The receiver inside: what its files share.
 *
 *	tiers.c		which tier it is to be
 *	chunks.c	how long its chunks are to be
 *	areas.c		more of them
 *	receiver.c	open and close
 *	info.c		what was got, counters
 *	connection.c	add and remove
 *	arm.c		arming and ending
 *	wait.c		the call for it, and the kernel's part
 *	reap.c		completions become fragments
 *	wake.c		a descriptor to poll
 *	release.c	fragments become refill entries
 *	fences.c	... when a device is done with them
 *	recover.c, spares.c	payload that the kernel could not place
 *	flow.c, rcvbuf.c	what the caller and the sockets may hold
 *	write.c		to a file
 *	events.c, epoll.c	the NIC down, up, away; a program's epoll set
 *	hangup.c	ends that the kernel does not tell of
 *	share.c		several receivers of one queue
 *	recv_open.c, recv.c	what is different on tier recv
 *	stage.c, upload.c, pipeline.c	... where the memory's provider has to write
 */
#ifndef DRX_RECEIVER_H
#define DRX_RECEIVER_H

#include <assert.h>
#include <stdbool.h>
#include <devrx/features.h>
#include <devrx/fence.h>
#include <devrx/receiver.h>

#include "util/alive.h"
#include "zcrx/areas.h"
#include "zcrx/events.h"
#include "zcrx/fences.h"
#include "zcrx/flow.h"
#include "zcrx/hangup.h"
#include "zcrx/ifq.h"
#include "zcrx/pipeline.h"
#include "zcrx/recover.h"
#include "zcrx/recv.h"
#include "zcrx/share.h"
#include "zcrx/slots.h"
#include "zcrx/stage.h"
#include "zcrx/upload.h"
#include "zcrx/uring.h"
#include "zcrx/write.h"

/* No connection. */
#define DRX_NONE UINT32_MAX

enum drx_conn_state {
	DRX_CONN_FREE = 0,
	DRX_CONN_TO_ARM, /* on the list to_arm */
	DRX_CONN_ARMED, /* its receive is in the kernel */
	DRX_CONN_STARVED, /* on the list starved, until a release */
	DRX_CONN_LAST, /* it has ended; its backlog comes first */
	DRX_CONN_PAUSED, /* on the list paused, until enough is released */
	DRX_CONN_ENDING, /* on the list ending: its last fragment is due */
};

/*
 * @position: bytes delivered, which is where the next fragment starts
 * @user_data: of its receives: index and generation (see below), so that a late
 *	completion of an earlier connection is told from this one's. With
 *	DRX_CONN_FREE the index is another one's, and nothing is told from it
 * @next: on the list that @state names, or on the free list
 * @error: with ENDING, what its last fragment says
 * @empty_bytes: delivered to all connections when the area was last empty for
 *	this one; on zcrx-device where its stream stood when nothing more came of
 *	payload around the queue
 * @empty_rounds: times it was empty since, with nothing delivered and nothing out
 * @removed: devrx_receiver_remove() was called
 * @pausing: with ARMED, its receive is being cancelled (flow.c)
 * @orphaned: with ARMED, its receive is being cancelled, the NIC having gone
 * @lost: bytes of it are, so what comes behind them is dropped (pipeline.c)
 * @nudged: with ARMED, its receive is being cancelled, to be armed again (hangup.c)
 * @steals: it is armed, or was last, so that what comes goes to the backlog
 * @rcvbuf: what its socket may hold, in units of 64 KiB (rcvbuf.c)
 * @stolen: bytes that came so
 * @held: chunks that were out at the last look (flow.c)
 * @backlog: what comes before anything that is still to be received, or NULL
 */
struct drx_conn {
	uint64_t user;
	uint64_t position;
	uint64_t user_data;
	uint64_t empty_bytes;
	uint32_t next;
	int32_t fd;
	int16_t error;
	uint8_t state;
	bool removed : 1;
	bool pausing : 1;
	bool orphaned : 1;
	bool lost : 1;
	bool nudged : 1;
	uint8_t empty_rounds;
	bool steals;
	uint16_t rcvbuf;
	uint32_t stolen;
	uint32_t held;
	struct drx_backlog *backlog;
}; /* from index to address is one shift */
static_assert(sizeof(struct drx_conn) == 64, "a power of two");

/* A queue of connections, first in, first out. */
struct drx_conn_list {
	uint32_t head;
	uint32_t tail;
};

/*
 * user_data of a receive: index (low half) and generation of its connection. Bit
 * 63 marks what is no receive, bit 62 is DRX_UD_STEAL; both: its cancellation.
 */
#define DRX_UD_IGNORE (UINT64_C(1) << 63)
#define DRX_UD_GENERATION_MASK UINT32_C(0x3fffffff)
/* What comes is not to be delivered but stolen, see recover.h; at most so many
 * bytes with one receive. */
#define DRX_UD_STEAL (UINT64_C(1) << 62)
#define DRX_STEAL_LEN (UINT32_C(64) << 10)
#define DRX_UD_CANCEL (DRX_UD_IGNORE | DRX_UD_STEAL)
/* What is no connection's, see events.h. */
#define DRX_UD_WATCH (DRX_UD_IGNORE | 1)
#define DRX_UD_EPOLL (DRX_UD_IGNORE | 2)
#define DRX_UD_AREA_EMPTY (DRX_UD_IGNORE | 3)
/* A request of write.c, whose number is the low half. */
#define DRX_UD_WRITE (DRX_UD_IGNORE | UINT64_C(1) << 32)

struct devrx_receiver {
	/* Each wait and release. */
	const uint32_t *alive; /* util/alive.h */
	struct io_uring_cqe *cqes;
	uint32_t *cq_khead;
	const uint32_t *cq_ktail;
	uint32_t cq_mask;
	bool cqe_mixed;
	struct drx_conn *conns;
	uint64_t conn_mask; /* length of the array, a power of two, less 1 */
	uint32_t nr_conns; /* the length */
	struct drx_slots slots;
	uint64_t area_len;
	struct drx_areas *areas; /* where there are several, or NULL */
	uint16_t frag_flags[2]; /* of each fragment with data; its error, 0 */
	bool slots_are_chunks; /* tier recv, and with staging */
	struct drx_ifq ifq; /* all tiers but recv */
	struct devrx_share *share; /* whose refill ring it is, or NULL */
	struct drx_recv recv; /* tier recv */
	struct drx_stage stage;
	struct drx_upload upload;
	struct drx_pipeline pipeline;
	struct drx_fences fences;
	struct drx_recover recover;
	struct drx_flow flow; /* tiers zcrx-device and zcrx-host */
	struct drx_events events;
	struct drx_writes writes;
	struct drx_hangups hangups;
	struct devrx_receiver_stats stats;

	/* When a connection begins or ends. */
	struct drx_conn_list to_arm;
	struct drx_conn_list starved;
	uint64_t nr_starved; /* on that list */
	struct drx_conn_list paused;
	struct drx_conn_list ending;
	uint32_t free_conn;
	uint32_t *by_fd; /* connection of a descriptor, or DRX_NONE */
	uint32_t nr_by_fd;
	int wake_fd; /* of devrx_receiver_fd(), or -1 */

	/* Open and close. */
	const struct drx_uring_ops *ops;
	struct io_uring ring;
	struct devrx_memory *mem;
	struct devrx_queue *q; /* NULL without one, and in tests */
	bool bound; /* @mem, and @q where there is one */
	struct devrx_features features;
	struct devrx_receiver_info info;
	uint32_t max_fragments; /* as asked for */
	char ifname[16]; /* for causes */
	struct devrx_cause cause;
	bool has_cause;
};

/* The receiver is the opener's; in a child after fork it is dead. */
static inline bool drx_receiver_alive(const struct devrx_receiver *rx)
{
	return drx_alive(rx->alive);
}

int drx_receiver_forked(struct devrx_receiver *rx);

static inline bool drx_is_recv(const struct devrx_receiver *rx)
{
	return rx->recv.ring;
}

/* Around whatever queues refill entries or calls the memory's provider. */
static inline void drx_share_lock(struct devrx_receiver *rx)
{
	if (__builtin_expect(rx->share != NULL, 0))
		drx_share_enter(rx);
}

static inline void drx_share_unlock(struct devrx_receiver *rx)
{
	if (__builtin_expect(rx->share != NULL, 0))
		drx_share_leave(rx);
}

/* Where the fragment in @slot is, or was last. */
static inline uint64_t drx_place_of(const struct devrx_receiver *rx,
				    const struct drx_slot *slot)
{
	if (rx->upload.provider)
		return drx_upload_place(&rx->upload, &rx->slots, slot);
	return rx->areas ? slot->chunk : slot->chunk & ~DRX_ZCRX_AREA_MASK;
}

/* info.c */
/* Delivered and not given back. */
uint64_t drx_fragments_out(const struct devrx_receiver *rx);

/* Is a mark near, or is it time to look whether one still is? */
static inline bool drx_flow_due(const struct devrx_receiver *rx)
{
	const struct drx_flow *flow = &rx->flow;

	return flow->seen &&
	       (flow->dirty ||
		(rx->stats.fragments >= flow->look_fragments &&
		 drx_fragments_out(rx) >= flow->fair) ||
		rx->stats.released + rx->stats.lost >= flow->look_given);
}

/* The connection that @user_data names, or NULL where it ended before. */
static inline struct drx_conn *drx_conn_of(struct devrx_receiver *rx,
					   uint64_t user_data)
{
	struct drx_conn *conn = &rx->conns[user_data & rx->conn_mask];

	return conn->user_data == user_data ? conn : NULL;
}

/* The user_data of the receive that @conn has armed, or will have. */
static inline uint64_t drx_conn_armed_ud(const struct drx_conn *conn)
{
	return conn->user_data | (conn->steals ? DRX_UD_STEAL : 0);
}

/* tiers.c */
/*
 * devrx_receiver_open() below the checks of caller and NIC: @q may be NULL,
 * @ops may be a test's. Without @queue the tier is recv or zcrx-copy.
 */
int drx_receiver_open(struct devrx_receiver **ret, struct devrx_memory *mem,
		      struct devrx_queue *q, const struct drx_ifq_queue *queue,
		      const struct devrx_receiver_opts *opts,
		      const struct devrx_features *features,
		      const struct drx_uring_ops *ops);

/* chunks.c */
#define DRX_CHUNK_REASON_LEN                                                   \
	sizeof(((struct devrx_receiver_info *)0)->chunk_reason)
/* The same for one tier; with BEST the one that the memory suggests. */
int drx_receiver_open_chunks(struct devrx_receiver **ret,
			     struct devrx_memory *mem, struct devrx_queue *q,
			     const struct drx_ifq_queue *queue,
			     const struct devrx_receiver_opts *opts,
			     const struct devrx_features *features,
			     const struct drx_uring_ops *ops);

/* receiver.c */
/* The same for one tier and one length of chunks. */
int drx_receiver_open_tier(struct devrx_receiver **ret,
			   struct devrx_memory *mem, struct devrx_queue *q,
			   const struct drx_ifq_queue *queue,
			   const struct devrx_receiver_opts *opts,
			   const struct devrx_features *features,
			   const struct drx_uring_ops *ops);

/* How many fragments may be out, where @asked were asked for (0: any). */
uint32_t drx_receiver_fragments(uint32_t asked, uint64_t nr_chunks);

/* connection.c */
/* At least one free connection: 0 or -ENOMEM. */
int drx_conns_grow(struct devrx_receiver *rx);
void drx_conn_list_init(struct drx_conn_list *list);
void drx_conn_push(struct devrx_receiver *rx, struct drx_conn_list *list,
		   struct drx_conn *conn);
struct drx_conn *drx_conn_pop(struct devrx_receiver *rx,
			      struct drx_conn_list *list);
/* Put @conn on the list that goes with @state. */
void drx_conn_enter(struct devrx_receiver *rx, struct drx_conn *conn,
		    enum drx_conn_state state);
/* Take @conn off the list that its state names: as long as that. */
void drx_conn_leave(struct devrx_receiver *rx, struct drx_conn *conn);
/* Its last fragment is due, with @error or, for 0, EOF; behind its backlog. */
void drx_conn_end(struct devrx_receiver *rx, struct drx_conn *conn, int error);
/* From now on completions for @conn are late ones. */
void drx_conn_disown(struct devrx_receiver *rx, struct drx_conn *conn);
/* Forget @conn; its last fragment was delivered. */
void drx_conn_free(struct devrx_receiver *rx, struct drx_conn *conn);
/* The last fragments of connections that have ended. */
unsigned int drx_conns_last(struct devrx_receiver *rx,
			    struct devrx_fragment *frags, unsigned int n);

/* arm.c */
/* A submission; submits the full queue first where there is none free. NULL where
 * that does not help. */
struct io_uring_sqe *drx_next_sqe(struct devrx_receiver *rx);
/* Queue submissions for connections to arm, as many as the ring takes. */
void drx_conns_arm(struct devrx_receiver *rx);
/* All starved connections may try again. */
void drx_conns_unstarve(struct devrx_receiver *rx);
/* A receive ended with @res (0 or negative errno): arm again, or end. */
void drx_conn_ended(struct devrx_receiver *rx, struct drx_conn *conn, int res);
/* Cancel an armed receive; its last completion still comes. 0 or -EBUSY. */
int drx_conn_cancel(struct devrx_receiver *rx, const struct drx_conn *conn);
/* Give up on an armed @conn: cancel its receive, end it with @error. */
void drx_conn_abort(struct devrx_receiver *rx, struct drx_conn *conn,
		    int error);

/* reap.c */
/* Completions become fragments, at most @n; their bytes are still to be copied
 * where the memory's provider does that in the background. */
unsigned int drx_reap(struct devrx_receiver *rx, struct devrx_fragment *frags,
		      unsigned int n);

/* wake.c; all only where there is such a descriptor */
/* What happens from now on makes it readable. */
void drx_wake_clear(const struct devrx_receiver *rx);
/* It is readable: there is more that the kernel will not signal. */
void drx_wake_signal(const struct devrx_receiver *rx);
/* Is there something to do that will not? */
bool drx_wake_unfinished(const struct devrx_receiver *rx);

/* release.c */
/* Hand a chunk back that was never delivered; false where there is neither room
 * in the refill ring nor a slot to park it in. */
bool drx_release_chunk(struct devrx_receiver *rx, uint64_t chunk);
/* Hand an expired slot's chunk back, or park it; the caller publishes. */
void drx_release_slot(struct devrx_receiver *rx, struct drx_slot *slot);
/* Show the kernel what was handed back. */
void drx_release_publish(struct devrx_receiver *rx);
/* Parked slots into the refill ring, as many as it takes. */
void drx_release_parked(struct devrx_receiver *rx);
/* Have the kernel empty the refill ring, where it can; false where not. */
bool drx_refill_flush(struct devrx_receiver *rx);

#endif /* DRX_RECEIVER_H */
