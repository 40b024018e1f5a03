// SPDX-License-Identifier: MIT
/*
 * Tier recv: completions become fragments, fragments become buffers again.
 *
 * The completion queue's ordering is in wait.c, the buffer ring's in recv.h. A
 * completion with data names the one buffer that it fills from its beginning.
 */
#include <errno.h>

#include "util/cause.h"
#include "zcrx/receiver.h"

/* A full completion queue ended the receive, with data all the same. */
static __attribute__((noinline, cold)) void over(struct devrx_receiver *rx,
						 struct drx_conn *conn)
{
	if (conn->removed) {
		drx_conn_end(rx, conn, -ECANCELED);
		return;
	}
	rx->stats.overflows++;
	drx_conn_enter(rx, conn, DRX_CONN_TO_ARM);
}

/* The data of @cqe becomes @frag; 1, or 0 where it got lost. */
static inline unsigned int deliver(struct devrx_receiver *rx,
				   struct drx_conn *conn,
				   const struct io_uring_cqe *cqe,
				   struct devrx_fragment *frag)
{
	struct drx_recv *recv = &rx->recv;
	const uint32_t bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	struct drx_slot *slot = rx->slots.free[rx->slots.nr_free - 1];
	const uint32_t len = (uint32_t)cqe->res;
	const bool later = rx->pipeline.batch;
	uint64_t off = (uint64_t)bid << recv->shift;
	int err;

	if (rx->upload.provider && !later) {
		const unsigned char *buf = recv->base + off;

		off = drx_upload_place(&rx->upload, &rx->slots, slot);
		err = drx_upload_write(&rx->upload, off, buf, len);
		drx_recv_put(recv, bid);
		if (__builtin_expect(err != 0, 0)) {
			drx_upload_failed(rx, conn, err);
			return 0;
		}
	}
	frag->offset = off;
	frag->position = conn->position;
	frag->user = conn->user;
	frag->token = drx_slot_fill(slot, later ? bid : off);
	frag->length = len;
	frag->flags = DEVRX_FRAGMENT_COPIED;
	frag->error = 0;
	if (later) {
		slot->user_data = cqe->user_data;
		frag->offset = drx_upload_place(&rx->upload, &rx->slots, slot);
		drx_pipeline_upload(rx, frag, recv->base + off);
	}
	rx->slots.nr_free--;
	conn->position += len;
	rx->stats.bytes += len;
	rx->stats.fragments++;
	if (__builtin_expect(!(cqe->flags & IORING_CQE_F_MORE), 0))
		over(rx, conn);
	return 1;
}

/* A completion of what is no receive. */
static void reap_ours(struct devrx_receiver *rx, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data & DRX_UD_STEAL)
		drx_hangups_cancelled(rx, cqe->user_data, cqe->res);
	else
		drx_events_reap(rx, cqe->user_data, cqe->res);
}

/* The end of a receive, data that nobody waits for, or nonsense. */
static __attribute__((noinline, cold)) void
reap_other(struct devrx_receiver *rx, struct drx_conn *conn,
	   const struct io_uring_cqe *cqe)
{
	struct drx_recv *recv = &rx->recv;
	const uint32_t bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	if (cqe->user_data & DRX_UD_IGNORE)
		reap_ours(rx, cqe);
	if (cqe->flags & IORING_CQE_F_BUFFER && bid < recv->nr)
		drx_recv_put(recv, bid);
	/* Not armed: its end was told before, and is on a list already. */
	if (!conn || conn->state != DRX_CONN_ARMED)
		return;
	if (cqe->res > 0) {
		rx->has_cause = true;
		(void)drx_fail(&rx->cause, 0, "bad-completion", NULL,
			       "the kernel told of %d bytes in buffer %u of "
			       "%u with %u bytes each",
			       cqe->res, bid, recv->nr, 1u << recv->shift);
		drx_conn_abort(rx, conn, -EPROTO);
		return;
	}
	drx_conn_ended(rx, conn, cqe->res);
}

/* Does @cqe tell of a whole piece, in a buffer that there is? */
static inline bool is_data(const struct drx_recv *recv,
			   const struct io_uring_cqe *cqe)
{
	return cqe->flags & IORING_CQE_F_BUFFER && cqe->res > 0 &&
	       (uint32_t)cqe->res <= UINT32_C(1) << recv->shift &&
	       cqe->flags >> IORING_CQE_BUFFER_SHIFT < recv->nr;
}

unsigned int drx_recv_reap(struct devrx_receiver *rx,
			   struct devrx_fragment *frags, unsigned int n)
{
	struct drx_recv *recv = &rx->recv;
	const uint32_t tail =
		__atomic_load_n(rx->cq_ktail, __ATOMIC_ACQUIRE); /* C */
	uint32_t head = *rx->cq_khead; /* nobody else writes it */
	unsigned int got = 0;

	for (; head != tail && got != n; head++) {
		const struct io_uring_cqe *cqe = &rx->cqes[head & rx->cq_mask];
		struct drx_conn *conn = drx_conn_of(rx, cqe->user_data);
		const bool data = conn && is_data(recv, cqe);

		if (data && !rx->slots.nr_free)
			break;
		if (__builtin_expect(data, 1))
			got += deliver(rx, conn, cqe, &frags[got]);
		else
			reap_other(rx, conn, cqe);
	}
	__atomic_store_n(rx->cq_khead, head, __ATOMIC_RELEASE); /* D */
	drx_recv_publish(recv);
	return got;
}

void drx_recv_give_back(struct devrx_receiver *rx, struct drx_slot *slot)
{
	/* Otherwise the chunk is the slot's own. */
	if (!rx->upload.provider)
		drx_recv_put(&rx->recv,
			     (uint32_t)(slot->chunk >> rx->recv.shift));
	drx_slot_free(&rx->slots, slot);
}
