/* SPDX-License-Identifier: MIT */
/*
 * Fences: fragments are given back when a device has finished with them.
 *
 *	launch(stream, frags, n);
 *	count = launch_write(stream, word);
 *	fence = devrx_fence_u32(word, count);
 *	devrx_receiver_release_after(rx, frags, n, &fence);
 *
 * A fence is a value. It is made of what the device writes into host memory
 * when it is done, or of a function that asks the device:
 *
 *	a word that counts		devrx_fence_u32(), devrx_fence_u64()
 *	a CUDA event			devrx_cuda_fence() in devrx/cuda.h
 *	an event, a timeline, ...	devrx_fence_poll()
 *
 * Fences belong to a timeline: the order in which one device queue works. On
 * one timeline they pass in the order in which they were handed in, so only the
 * first that has not passed is asked. Different timelines do not wait for one
 * another.
 */
#ifndef DEVRX_FENCE_H
#define DEVRX_FENCE_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>
#include <devrx/receiver.h>

#ifdef __cplusplus
extern "C" {
#endif

enum devrx_fence_kind {
	DEVRX_FENCE_U32 = 1,
	DEVRX_FENCE_U64 = 2,
	DEVRX_FENCE_POLL = 3,
};

/**
 * struct devrx_fence - a point in a device's work
 * @kind: enum devrx_fence_kind
 * @reserved: 0
 * @value: what the word must have reached
 * @timeline: fences with the same one pass in order; NULL for a fence that
 *      has one of its own
 * @object: the word, or what @poll is called with; borrowed until it passed
 * @poll: see devrx_fence_poll()
 *
 * Made by the functions below, not by hand.
 * Since: 0.1
 */
struct devrx_fence {
	uint32_t kind;
	uint32_t reserved;
	uint64_t value;
	const void *timeline;
	void *object;
	int (*poll)(void *object);
};

/**
 * devrx_fence_u32 - passes when a free-running 32-bit counter reaches a value
 * @word: aligned, in memory that the host sees coherently. The device stores
 *      into it with release at system scope, after its last access to the
 *      bytes; here it is read with acquire
 * @value: reached when (int32_t)(*word - value) >= 0: so within 2^31 steps
 *
 * The word is the timeline. A ring's head (devrx/desc.h) is such a word, and
 * so is one that a stream writes (cuStreamWriteValue32()).
 * Since: 0.1
 */
static inline struct devrx_fence devrx_fence_u32(const uint32_t *word,
						 uint32_t value)
{
	struct devrx_fence fence = {
		DEVRX_FENCE_U32, 0, value, word, NULL, NULL
	};

	return fence;
}

/**
 * devrx_fence_u64 - passes when *word >= value; else as devrx_fence_u32()
 *
 * Since: 0.1
 */
static inline struct devrx_fence devrx_fence_u64(const uint64_t *word,
						 uint64_t value)
{
	struct devrx_fence fence = {
		DEVRX_FENCE_U64, 0, value, word, NULL, NULL
	};

	return fence;
}

/**
 * devrx_fence_poll - passes when a function says so
 * @poll: 0: passed; -EAGAIN: not yet; any other negative errno: the device has
 *      failed, and touches the bytes no more. It is called on the receiver's
 *      thread, must not block, and must not call the receiver. After it has
 *      returned anything but -EAGAIN it is not called again for this fence
 * @object: what it is called with; borrowed until then
 * @timeline: fences with the same one pass in order (a stream, a queue, a
 *      semaphore); NULL where that is not known: then each is asked each time
 *
 * Since: 0.1
 */
static inline struct devrx_fence
devrx_fence_poll(int (*poll)(void *object), void *object, const void *timeline)
{
	struct devrx_fence fence = { DEVRX_FENCE_POLL, 0,      0,
				     timeline,	       object, poll };

	return fence;
}

/**
 * devrx_receiver_release_after - give fragments back when a device is done
 * @rx: the receiver that delivered them
 * @frags: the fragments, checked as by devrx_receiver_release(); from now on
 *      they are released: a second time is refused
 * @n: how many; one fence for many is cheapest
 * @fence: passes after the device's last access to their bytes; a value, not
 *      needed after the call. What it points to is borrowed until it passed,
 *      failed, or the receiver was closed
 *
 * Never waits. The bytes stay where they are until devrx_receiver_wait(),
 * devrx_receiver_poll_fences() or devrx_receiver_close() finds that the fence
 * has passed; then they are the NIC's. Fences of one timeline pass in the order
 * of the calls, different timelines independently.
 *
 * A fence that fails says that the device has stopped: what it was to do with
 * those bytes is not done. devrx_receiver_wait() then delivers each of these
 * fragments once more, with LOST, its length, position and user, and its chunk
 * goes back to the NIC. A fence that never passes keeps its chunks until
 * devrx_receiver_close() with ABANDON.
 *
 * Cost: no system call, no allocation, no lock; the fence is not asked here.
 *
 * Return: 0, or -ESTALE where at least one was refused; -EINVAL: @fence is NULL
 *   or not made by the functions above, and nothing has changed; -EPERM
 *   (forked).
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_release_after(struct devrx_receiver *rx,
					   const struct devrx_fragment *frags,
					   unsigned int n,
					   const struct devrx_fence *fence);

/**
 * devrx_receiver_poll_fences - give back what devices are done with, now
 *
 * What devrx_receiver_wait() does by itself, for a loop that does not wait: one
 * that is busy otherwise, or has no connection left. LOST fragments come with
 * the next wait.
 *
 * Return: the number of fragments that are still behind a fence; -EPERM
 *   (forked).
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_poll_fences(struct devrx_receiver *rx);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_FENCE_H */
