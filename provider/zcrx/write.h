/* SPDX-License-Identifier: MIT */
/*
 * Writes to files, as requests of the receiver's ring.
 *
 *	free -> to submit -> submitted -> [to submit ->] to tell -> free
 *
 * While a request is not free its fragments' slots are neither out nor free: their
 * tokens have expired, so that nobody gives them back, and when a request fails the
 * tokens are put back. No more than a part of all slots is so, since completions of
 * writes stand in the queue behind data for which there has to be a slot.
 */
#ifndef DRX_WRITE_H
#define DRX_WRITE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <devrx/receiver.h>

#define DRX_WRITES_MAX 64
#define DRX_WRITE_FRAGMENTS 64

enum drx_write_state {
	DRX_WRITE_FREE = 0,
	DRX_WRITE_TO_SUBMIT,
	DRX_WRITE_SUBMITTED,
	DRX_WRITE_TO_TELL,
};

/*
 * @buf_index: of the registered buffer that all of it is in, or -1
 * @result: bytes written, or a negative errno
 * @nr: fragments
 * @iov: what is left to be written begins at @first_iov, of @nr_iov
 * @bounce: where the provider reads to; kept for the next one
 */
struct drx_write {
	enum drx_write_state state;
	int fd;
	int buf_index;
	int result;
	uint64_t offset;
	uint64_t cookie;
	uint32_t len;
	uint32_t nr;
	uint32_t first_iov;
	uint32_t nr_iov;
	struct iovec iov[DRX_WRITE_FRAGMENTS];
	uint64_t tokens[DRX_WRITE_FRAGMENTS];
	unsigned char *bounce;
};

/*
 * @w: the requests, or NULL before the first call
 * @nr: to submit, and submitted
 * @nr_to_tell: that have their result
 * @fragments: of all of them
 * @limit: of @fragments
 * @bounce_len: of each
 * @areas: the first so many memories are registered
 * @first_buffer: ... and the number of the first buffer of each
 */
struct drx_writes {
	struct drx_write *w;
	uint32_t nr;
	uint32_t nr_to_tell;
	uint32_t fragments;
	uint32_t limit;
	uint32_t bounce_len;
	uint32_t areas;
	uint32_t first_buffer[DEVRX_AREAS_MAX];
};

/* @mapped: not in a child, which has none of the mappings. */
void drx_writes_fini(struct drx_writes *writes, bool mapped);
/* Queue submissions, as many as the ring takes. */
void drx_writes_arm(struct devrx_receiver *rx);
/* Is there one to be submitted? */
bool drx_writes_unarmed(const struct devrx_receiver *rx);
/* The completion of request @idx. */
void drx_writes_reap(struct devrx_receiver *rx, uint32_t idx, int res);
unsigned int drx_writes_deliver(struct devrx_receiver *rx,
				struct devrx_fragment *frags, unsigned int n);

#endif /* DRX_WRITE_H */
