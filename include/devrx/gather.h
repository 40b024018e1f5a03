/* SPDX-License-Identifier: MIT */
/*
 * Gather: bytes from where they landed to where they belong, by the device.
 *
 *	devrx_gather_open(&gather, tensor, area, &opts);
 *	...
 *	rc = devrx_gather_copy(gather, spans, n, &fence);
 *	if (rc > 0)
 *		devrx_receiver_release_after(rx, frags, nr_frags, &fence);
 *	else if (!rc)
 *		devrx_receiver_release(rx, frags, nr_frags);
 *
 * Who copies:
 *
 *	kind "cuda", both on one device: a kernel (devrx_gather of devrx/kernels.h) on a
 *		stream, or the driver's copies where the library was built without nvcc
 *	kind "vulkan", both on one VkDevice: one vkCmdCopyBuffer() for a batch
 *	a provider of yours with the calls for it (devrx/provider.h)
 *	all others: the CPU, within devrx_gather_copy(); where it has no mapping of
 *		one of the two, through a buffer of 256 KiB
 *
 * devrx_gather_info() says which it is. Threads: calls on one gather come one at a
 * time, and calls on its memories count as such (devrx/memory.h).
 */
#ifndef DEVRX_GATHER_H
#define DEVRX_GATHER_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>
#include <devrx/fence.h>
#include <devrx/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

struct devrx_gather;

/* Batches that may be under way. */
#define DEVRX_GATHER_BATCHES 16
/* Spans of one batch, at most. */
#define DEVRX_GATHER_SPANS 4096

enum devrx_gather_way {
	DEVRX_GATHER_DEVICE = 1, /* the provider's: the device copies */
	DEVRX_GATHER_CPU = 2, /* both are mapped: the CPU does */
	DEVRX_GATHER_BOUNCE =
		3, /* read into a buffer, and written from there */
};

/**
 * struct devrx_span - some bytes, from one memory to the other
 * @from: where they are, bytes from the start of the memory to copy from
 * @to: where they belong, bytes from the start of the memory to copy to
 * @length: bytes
 *
 * Since: 0.1
 */
struct devrx_span {
	uint64_t from;
	uint64_t to;
	uint64_t length;
};

/**
 * struct devrx_gather_opts - how to copy
 * @size: sizeof(struct devrx_gather_opts), set by DEVRX_GATHER_OPTS_INIT
 * @stream: kind "cuda": CUstream on which the copies are put, borrowed until
 *      devrx_gather_close(): what the caller launches on it after
 *      devrx_gather_copy() sees the bytes, without waiting for a fence. NULL for
 *      a stream of devrx's own. Refused where the device does not copy
 * @cause: filled in on failure, also of devrx_gather_copy(); may be NULL
 *
 * Since: 0.1
 */
struct devrx_gather_opts {
	size_t size;
	void *stream;
	struct devrx_cause *cause;
};

#define DEVRX_GATHER_OPTS_INIT                                                 \
	{                                                                      \
		sizeof(struct devrx_gather_opts), NULL, NULL                   \
	}

/**
 * struct devrx_gather_info - who copies, and how much was copied
 * @size: sizeof(struct devrx_gather_info), set by the caller before the call
 * @way: enum devrx_gather_way
 * @batches_out: under way
 * @bytes: of all batches that were begun
 * @by: in words
 *
 * Since: 0.1
 */
struct devrx_gather_info {
	size_t size;
	uint32_t way;
	uint32_t batches_out;
	uint64_t bytes;
	char by[64];
};

/**
 * devrx_gather_open - get ready to copy from one memory to another
 * @ret: new gather on success, untouched on error
 * @to: the memory to copy to; borrowed until devrx_gather_close()
 * @from: the memory to copy from, another one; borrowed until then
 * @opts: NULL for the defaults; borrowed for the call
 *
 * Where the CPU is to copy, the first and the last byte of @to are written and put
 * back, to see whether it can: nobody else writes there meanwhile.
 *
 * Context: may sleep, allocates.
 * Return: 0 or
 *   -EINVAL      opts-invalid: an argument is NULL, both are one memory, a size is
 *                wrong, or a stream was given and the device does not copy;
 *   -EOPNOTSUPP  gather-unreadable: the bytes of @from can be read by nobody, or
 *                those of @to written;
 *   -EPERM       forked: a memory is this process's parent's;
 *   -ENOMEM      out-of-memory; -EIO, -ESTALE and others as the device says
 *                (cuda-error, vulkan-error, ...).
 * Since: 0.1
 */
DEVRX_API int devrx_gather_open(struct devrx_gather **ret,
				struct devrx_memory *to,
				struct devrx_memory *from,
				const struct devrx_gather_opts *opts);

/**
 * devrx_gather_copy - copy a batch
 * @gather: the gather
 * @spans: what to copy, all of it or nothing; not needed after the call. No two of
 *      them overlap where they go to
 * @n: how many, up to DEVRX_GATHER_SPANS
 * @fence: for devrx_receiver_release_after(); filled in where 1 is returned, and
 *      then it is to be asked until it passes or fails. May be NULL for one who
 *      uses devrx_gather_wait() only
 *
 * Batches are done in the order of the calls. Allocates nothing.
 *
 * Return: 1: under way, and @fence says when it is done; 0: done; or, nothing being
 *   begun,
 *   -EAGAIN      DEVRX_GATHER_BATCHES are under way: let their fences be asked
 *                (devrx_receiver_poll_fences()), or devrx_gather_wait();
 *   -EINVAL      @n is too large;
 *   -ERANGE      a span is not in its memory;
 *   -EIO, others what the device or the provider says; of the CPU's ways a part may
 *                have been copied.
 * Since: 0.1
 */
DEVRX_API int devrx_gather_copy(struct devrx_gather *gather,
				const struct devrx_span *spans, unsigned int n,
				struct devrx_fence *fence);

/**
 * devrx_gather_wait - until all that was begun is done
 * @gather: the gather
 *
 * Fences that have not passed pass, or fail, when they are asked next.
 *
 * Return: 0, or what the first batch failed with that failed since open.
 * Since: 0.1
 */
DEVRX_API int devrx_gather_wait(struct devrx_gather *gather);

/**
 * devrx_gather_info - who copies, and how much was copied
 *
 * Return: 0, or -EINVAL where @ret->size is smaller than in version 0.1.
 * Since: 0.1
 */
DEVRX_API int devrx_gather_info(const struct devrx_gather *gather,
				struct devrx_gather_info *ret);

/**
 * devrx_gather_close - end it
 * @gather: the gather, taken; NULL is allowed
 *
 * Waits as devrx_gather_wait() does. Fences that a receiver still has must have been
 * asked before (devrx_receiver_poll_fences() returns 0), or that receiver be closed.
 * Since: 0.1
 */
DEVRX_API void devrx_gather_close(struct devrx_gather *gather);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_GATHER_H */
