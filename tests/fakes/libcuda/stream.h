/* SPDX-License-Identifier: MIT */
/* The device's queue: stream.c has it, launch.c and work.c put work into it. */
#ifndef DEVRX_FAKE_CUDA_STREAM_H
#define DEVRX_FAKE_CUDA_STREAM_H

#include "fake.h"

/* The head of what is queued; freed with free() once it has run. */
struct fake_work {
	struct fake_work *next;
	struct fake_context *ctx;
	const void *stream;
	uint64_t nr;
	void (*run)(struct fake_work *work);
};

/* Is @handle, NULL allowed, a stream of the current context? A CUresult. */
int fake_stream(const void *handle, struct fake_context **ret);
void fake_queue(struct fake_work *work, struct fake_context *ctx,
		const void *stream);
/* Do what is queued on a stream, or all; a CUresult. */
int fake_finish(const void *stream);
int fake_finish_all(void);

#endif /* DEVRX_FAKE_CUDA_STREAM_H */
