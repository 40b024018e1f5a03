/* SPDX-License-Identifier: MIT */
/*
 * Uploads in the background, where the memory's provider can.
 *
 *	kernel -> batch: fragments, their copies begun -> done -> told of
 *
 * Completions become fragments in a batch of ours first. Their bytes are copied
 * from the buffers of the area, or of tier recv, while more are taken from the
 * kernel; when a batch is done its buffers go back, and the caller gets it. So
 * the device copies one batch, the kernel fills the next, and the caller works on
 * the one before.
 *
 * Batches are told of in the order in which they were begun. The last fragment of
 * a connection is behind all that was begun before its end was seen: while one is
 * due no new batch is begun.
 */
#ifndef DRX_PIPELINE_H
#define DRX_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/receiver.h>

#define DRX_PIPELINE_BATCHES 4u
#define DRX_PIPELINE_BATCH_MAX 64u

/*
 * @nr: fragments
 * @told: of them, those that the caller has
 * @done: their bytes are there
 * @error: of the whole batch, from the beginning; of one fragment it is in that
 */
struct drx_batch {
	uint32_t nr;
	uint32_t told;
	bool done;
	int error;
	struct devrx_fragment frags[DRX_PIPELINE_BATCH_MAX];
};

/*
 * @batch: NULL where uploads are not in the background
 * @len: fragments of one batch at most
 * @first: index of the oldest one
 * @nr: batches begun and not told of
 */
struct drx_pipeline {
	struct drx_batch *batch;
	uint32_t len;
	uint32_t first;
	uint32_t nr;
};

/*
 * For @nr buffers at @buf of together @buf_len bytes: 0, or -ENOMEM; without a
 * pipeline where the provider has none or cannot now.
 */
int drx_pipeline_init(struct devrx_receiver *rx, const void *buf,
		      uint64_t buf_len, uint64_t nr);
/* Waits for what was begun. Before the buffers go. */
void drx_pipeline_fini(struct devrx_receiver *rx);
/* In a child: neither device nor buffers are there. */
void drx_pipeline_forget(struct devrx_receiver *rx);

/*
 * Begin what the kernel has told of; then fragments, at most @n, whose bytes are
 * there. With @wait the oldest batch is waited for.
 */
unsigned int drx_pipeline_collect(struct devrx_receiver *rx,
				  struct devrx_fragment *frags, unsigned int n,
				  bool wait);

/* Begin to copy the bytes of @frag, which are at @buf, while drx_reap() makes a
 * batch. Its slot's chunk is what goes back when they are copied. */
void drx_pipeline_upload(struct devrx_receiver *rx, struct devrx_fragment *frag,
			 const void *buf);

/* Fragments in slots that the caller does not have. */
uint32_t drx_pipeline_held(const struct drx_pipeline *p);

#endif /* DRX_PIPELINE_H */
