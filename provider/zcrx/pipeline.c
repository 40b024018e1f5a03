// SPDX-License-Identifier: MIT
/* Uploads in the background; the idea is in pipeline.h. */
#include "zcrx/pipeline.h"

#include <errno.h>
#include <stdlib.h>

#include "zcrx/receiver.h"

#define ERRNO_MAX 4095

/* Of the buffers no more than half are in batches: the others are the kernel's. */
static uint32_t batch_len(uint64_t nr_buffers)
{
	const uint64_t len = nr_buffers / (2 * DRX_PIPELINE_BATCHES);

	if (len < 1)
		return 1;
	return len < DRX_PIPELINE_BATCH_MAX ? (uint32_t)len :
					      DRX_PIPELINE_BATCH_MAX;
}

int drx_pipeline_init(struct devrx_receiver *rx, const void *buf,
		      uint64_t buf_len, uint64_t nr)
{
	const struct drx_upload *up = &rx->upload;
	struct drx_batch *batch;

	if (!up->provider || !up->provider->upload)
		return 0;
	batch = calloc(DRX_PIPELINE_BATCHES, sizeof(*batch));
	if (!batch)
		return -ENOMEM;
	/* It can write all the same, as was seen. */
	if (up->provider->upload_begin(up->backing, buf, buf_len,
				       DRX_PIPELINE_BATCHES)) {
		free(batch);
		return 0;
	}
	rx->pipeline = (struct drx_pipeline){
		.batch = batch,
		.len = batch_len(nr),
	};
	return 0;
}

static struct drx_batch *batch_at(struct drx_pipeline *p, uint32_t i)
{
	return &p->batch[(p->first + i) % DRX_PIPELINE_BATCHES];
}

static int batch_wait(struct devrx_receiver *rx, uint32_t i, bool wait)
{
	const struct drx_upload *up = &rx->upload;
	const uint32_t idx = (rx->pipeline.first + i) % DRX_PIPELINE_BATCHES;

	return up->provider->upload_wait(up->backing, idx, wait);
}

void drx_pipeline_forget(struct devrx_receiver *rx)
{
	free(rx->pipeline.batch);
	rx->pipeline = (struct drx_pipeline){ .batch = NULL };
}

void drx_pipeline_fini(struct devrx_receiver *rx)
{
	struct drx_pipeline *p = &rx->pipeline;
	uint32_t i;

	if (!p->batch)
		return;
	for (i = 0; i < p->nr; i++)
		if (!batch_at(p, i)->done)
			(void)batch_wait(rx, i, true);
	rx->upload.provider->upload_end(rx->upload.backing);
	drx_pipeline_forget(rx);
}

uint32_t drx_pipeline_held(const struct drx_pipeline *p)
{
	uint32_t held = 0, i;

	for (i = 0; i < p->nr; i++) {
		const struct drx_batch *b =
			&p->batch[(p->first + i) % DRX_PIPELINE_BATCHES];

		held += b->nr - b->told;
	}
	return held;
}

/* Its buffers are the kernel's again. */
static void give_buffers_back(struct devrx_receiver *rx, struct drx_batch *b)
{
	uint32_t i;

	for (i = 0; i < b->nr; i++) {
		struct drx_slot *slot =
			&rx->slots.slot[b->frags[i].token & rx->slots.mask];

		if (drx_is_recv(rx))
			drx_recv_put(&rx->recv, (uint32_t)slot->chunk);
		else if (drx_refill_push(&rx->ifq.rq, slot->chunk))
			slot->chunk = DRX_NO_CHUNK; /* else with the slot */
	}
	if (drx_is_recv(rx))
		drx_recv_publish(&rx->recv);
	else
		drx_refill_publish(&rx->ifq.rq);
}

/* Bytes of @conn from @position on are lost, whatever it has become since. What
 * came behind them has its user_data still, and is dropped in its turn. */
static void conn_lost(struct devrx_receiver *rx, struct drx_conn *conn,
		      uint64_t position, int err)
{
	conn->lost = true;
	conn->position = position;
	err = drx_upload_cause(rx, err);
	if (conn->state == DRX_CONN_ENDING) {
		conn->error = (int16_t)err;
		return;
	}
	/* If it cannot be queued, late completions come: they are turned away. */
	if (conn->state == DRX_CONN_ARMED)
		(void)drx_conn_cancel(rx, conn);
	else
		drx_conn_leave(rx, conn);
	drx_conn_end(rx, conn, err);
}

/* What is lost of @b, all of it where @err says so, and what came behind. */
static void drop_lost(struct devrx_receiver *rx, struct drx_batch *b, int err)
{
	uint32_t i, n = 0;

	for (i = 0; i < b->nr; i++) {
		const struct devrx_fragment *frag = &b->frags[i];
		struct drx_slot *slot =
			&rx->slots.slot[frag->token & rx->slots.mask];
		struct drx_conn *conn = drx_conn_of(rx, slot->user_data);
		const int error = err ? err : frag->error;

		if (conn && !conn->lost && error)
			conn_lost(rx, conn, frag->position, error);
		if (error || (conn && conn->lost))
			drx_upload_drop(rx, slot, frag->length);
		else
			b->frags[n++] = *frag;
	}
	b->nr = n;
}

/* The oldest one: false while its bytes are not there. */
static bool batch_done(struct devrx_receiver *rx, struct drx_batch *b,
		       bool wait)
{
	int err = b->error;

	if (b->done)
		return true;
	if (!err)
		err = batch_wait(rx, 0, wait);
	if (err == -EAGAIN)
		return false;
	b->done = true;
	give_buffers_back(rx, b);
	drop_lost(rx, b, err);
	return true;
}

/* The bytes of @frag, which are at @buf. */
void drx_pipeline_upload(struct devrx_receiver *rx, struct devrx_fragment *frag,
			 const void *buf)
{
	const struct drx_upload *up = &rx->upload;
	int err = up->provider->upload(up->backing, frag->offset, buf,
				       frag->length);

	/* Told in its turn: what came before is on its way. */
	frag->error = (int16_t)(err > 0 || err < -ERRNO_MAX ? -EIO : err);
}

/* One batch of what the kernel has told of; false where that is nothing. */
static bool begin(struct devrx_receiver *rx)
{
	struct drx_pipeline *p = &rx->pipeline;
	struct drx_batch *b = batch_at(p, p->nr);
	const struct drx_upload *up = &rx->upload;

	b->nr = drx_reap(rx, b->frags, p->len);
	if (!b->nr)
		return false;
	b->told = 0;
	b->done = false;
	b->error = up->provider->upload_mark(
		up->backing, (p->first + p->nr) % DRX_PIPELINE_BATCHES);
	p->nr++;
	rx->stats.uploads++;
	return true;
}

unsigned int drx_pipeline_collect(struct devrx_receiver *rx,
				  struct devrx_fragment *frags, unsigned int n,
				  bool wait)
{
	struct drx_pipeline *p = &rx->pipeline;
	unsigned int got = 0;

	while (p->nr < DRX_PIPELINE_BATCHES && rx->ending.head == DRX_NONE &&
	       begin(rx))
		;
	while (p->nr && got < n) {
		struct drx_batch *b = batch_at(p, 0);

		if (!batch_done(rx, b, wait && !got))
			break;
		for (; b->told < b->nr && got < n; b->told++)
			frags[got++] = b->frags[b->told];
		if (b->told < b->nr)
			break;
		p->first = (p->first + 1) % DRX_PIPELINE_BATCHES;
		p->nr--;
	}
	return got;
}
