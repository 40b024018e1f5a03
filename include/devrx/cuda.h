/* SPDX-License-Identifier: MIT */
/*
 * CUDA memory: what kind "cuda" adds to memory.h. No header of CUDA's is needed;
 * the driver, libcuda.so.1 for CUDA 11.7 or newer, is loaded when the first
 * memory is made.
 *
 * Contexts: devrx_memory_alloc() with a NULL device allocates in the calling
 * thread's current context or, where it has none, in device 0's primary one; with
 * a device in that device's primary one, which the CUDA runtime uses too. After
 * each call of devrx the thread's current context is what it was before.
 * A primary context is retained while a memory is in it. Any other must outlive
 * the memory.
 *
 * When does a kernel see what the NIC wrote? A kernel launched after
 * devrx_receiver_wait() returned the fragment sees its bytes: the launch orders
 * them. A kernel that already runs, and is told of the fragment through memory,
 * may read stale bytes on some machines: call devrx_cuda_flush_writes() between
 * wait and telling it. Such a kernel must not read the bytes through the read-only
 * cache (__ldg(), const __restrict__), which nothing makes coherent.
 *
 * devrx_memory_read() and _write() do not wait for work of yours on the device,
 * and your streams not for them: they are done when they return.
 *
 * When may the NIC have the bytes again? When a kernel that reads them has ended.
 * Record an event behind it, and release behind that:
 *
 *	cuLaunchKernel(kernel, ..., stream, args, NULL);
 *	cuEventRecord(event.event, stream);
 *	fence = devrx_cuda_fence(&event);
 *	devrx_receiver_release_after(rx, frags, n, &fence);
 */
#ifndef DEVRX_CUDA_H
#define DEVRX_CUDA_H

#include <stdint.h>

#include <devrx/error.h>
#include <devrx/fence.h>
#include <devrx/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * devrx_cuda_register - use device memory that you have from CUDA already
 * @ret: new memory of kind "cuda" on success, untouched on error; free it with
 *       devrx_memory_free(), which leaves the device memory to you
 * @device_ptr: CUdeviceptr, as from cuMemAlloc(), cudaMalloc(), cuMemMap() or
 *       a tensor's data pointer; borrowed until devrx_memory_free()
 * @len: bytes, all of them allocated, over several mappings that touch each
 *       other where need be; 0 for what is left of @device_ptr's allocation
 * @opts: @placement, @flags (none yet) and @cause count, a @device is refused;
 *       NULL for any placement
 *
 * The memory is exactly that range, so it must begin and end at pages of the
 * host (4 KiB on amd64): a page more, and a NIC could write into a neighbour. The
 * cause says which whole pages are in the range. The current context is used
 * where it is on the pointer's device, else that device's primary one.
 *
 * Finish your own work on the range first: a memset or a copy within the device
 * returns before it is done, and would overwrite what the NIC has written.
 *
 * Keep the memory allocated. After cuMemFree() the NIC goes on writing into the
 * old pages, which nobody sees any more; devrx_cuda_check() finds that out, and
 * devrx_memory_read() returns -ESTALE. A caching allocator (PyTorch's) frees
 * nothing when a tensor goes: it hands the pages to the next one, and no call can
 * tell. Keep the tensor.
 *
 * Context: may sleep.
 * Return: 0 or what devrx_memory_alloc() returns for kind "cuda", and
 *   -EINVAL      cuda-not-device: host memory, managed memory, or no pointer of
 *                CUDA's;
 *                cuda-range: not all of it is allocated, or the driver does not
 *                export all of it;
 *                cuda-unaligned: it does not begin or end at a page.
 * Since: 0.1
 */
DEVRX_API int devrx_cuda_register(struct devrx_memory **ret,
				  uint64_t device_ptr, uint64_t len,
				  const struct devrx_memory_opts *opts);

/**
 * devrx_cuda_flush_writes - let running kernels see what the NIC has written
 * @mem: memory of kind "cuda"
 *
 * What had arrived before the call is visible to its device after it. Where
 * the device orders such writes by itself this costs nothing. For the memory's
 * own device; others are not asked.
 *
 * Return: 0; -EOPNOTSUPP where the device neither orders nor flushes them (then
 *   launch a kernel per batch); -EINVAL where @mem is of another kind; -EPERM in
 *   a forked child; -ESTALE, -EIO: devrx_cuda_check() says why.
 * Since: 0.1
 */
DEVRX_API int devrx_cuda_flush_writes(struct devrx_memory *mem);

/**
 * devrx_cuda_check - is the device memory still there?
 * @mem: memory of kind "cuda"
 * @cause: filled in on failure; may be NULL
 *
 * Ask it when a call failed, or a stream brings bytes that do not appear.
 *
 * Return: 0 or
 *   -ESTALE      cuda-memory-freed: it was freed while registered;
 *                cuda-context-destroyed: its context is gone, and it with it;
 *   -EIO         cuda-device-lost: the device, or a kernel on it, failed;
 *   -EINVAL      opts-invalid: @mem is of another kind;
 *   -EPERM       opts-invalid: in a forked child; cuda-error;
 *   other errnos cuda-error, with CUDA's name for it in the text.
 * Since: 0.1
 */
DEVRX_API int devrx_cuda_check(struct devrx_memory *mem,
			       struct devrx_cause *cause);

/**
 * struct devrx_cuda_event - a point in a stream's work, for a fence
 * @mem: memory of kind "cuda", any on the event's device; borrowed: the driver is
 *      reached through it
 * @event: CUevent or cudaEvent_t; CU_EVENT_DISABLE_TIMING makes it cheapest
 * @stream: CUstream or cudaStream_t that it is recorded on. It tells timelines
 *      apart and is not used otherwise; NULL, the default stream's, is none: then
 *      each event is asked each time
 *
 * The caller's storage. It and the event are left alone until the fence has
 * passed or failed: record again, and the fence waits for that; destroy the
 * event, and the answer is anybody's.
 * Since: 0.1
 */
struct devrx_cuda_event {
	struct devrx_memory *mem;
	void *event;
	void *stream;
};

/**
 * devrx_cuda_event_poll - has an event passed?
 * @event: struct devrx_cuda_event. To CUDA an event that was never recorded has
 *      passed
 *
 * Never waits, allocates nothing. The thread's current context is afterwards what
 * it was; a graph that this or another thread is capturing is not disturbed.
 *
 * Return: 0: yes; -EAGAIN: not yet; or, and devrx_cuda_check() says why,
 *   -EIO         the device failed, or an event recorded in a graph's capture;
 *   -ESTALE      the memory's context is gone;
 *   -EINVAL      the memory is of another kind, or the event is none;
 *   -EPERM       in a forked child;
 *   other errnos as "cuda-error" has them.
 * Since: 0.1
 */
DEVRX_API int devrx_cuda_event_poll(void *event);

/**
 * devrx_cuda_fence - passes when an event does
 * @event: recorded already; borrowed until then
 *
 * A device that fails, or a context that is destroyed, fails the fence: its
 * fragments come back with LOST, see devrx_receiver_release_after().
 * Since: 0.1
 */
static inline struct devrx_fence
devrx_cuda_fence(struct devrx_cuda_event *event)
{
	return devrx_fence_poll(devrx_cuda_event_poll, event, event->stream);
}

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_CUDA_H */
