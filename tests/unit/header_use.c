// SPDX-License-Identifier: MIT
/*
 * The public headers as a C11 program writes them: initialisers, and layouts
 * that leave no stray bytes at a struct's end, which could never become a
 * member without breaking somebody.
 */
#include <devrx/devrx.h>
#include <devrx/kernels.h>

struct devrx_memory_opts header_use_memory(void);
struct devrx_queue_opts header_use_queue(void);
struct devrx_receiver_opts header_use_receiver(void);

struct devrx_memory_opts header_use_memory(void)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;

	return opts;
}

struct devrx_queue_opts header_use_queue(void)
{
	struct devrx_queue_opts opts = DEVRX_QUEUE_OPTS_INIT;

	return opts;
}

struct devrx_receiver_opts header_use_receiver(void)
{
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	return opts;
}

#define SIZE_FIRST(type)                                                       \
	_Static_assert(offsetof(struct type, size) == 0, #type ": size first")
SIZE_FIRST(devrx_features);
SIZE_FIRST(devrx_memory_opts);
SIZE_FIRST(devrx_memory_info);
SIZE_FIRST(devrx_provider);
SIZE_FIRST(devrx_queue_opts);
SIZE_FIRST(devrx_queue_info);
SIZE_FIRST(devrx_receiver_opts);
SIZE_FIRST(devrx_receiver_info);
SIZE_FIRST(devrx_receiver_stats);
SIZE_FIRST(devrx_device_ring_opts);
SIZE_FIRST(devrx_framing_opts);
SIZE_FIRST(devrx_http_head);
SIZE_FIRST(devrx_gather_opts);
SIZE_FIRST(devrx_gather_info);
SIZE_FIRST(devrx_http_opts);
SIZE_FIRST(devrx_http_request);
SIZE_FIRST(devrx_http_result);
SIZE_FIRST(devrx_vulkan_device);
SIZE_FIRST(devrx_vulkan_handles);

/* The released layout. Members are only ever added at the end. */
#ifdef __LP64__
#define ENDS_WITH(type, last, len)                                             \
	_Static_assert(                                                        \
		sizeof(struct type) == (len) &&                                \
			offsetof(struct type, last) +                          \
					sizeof(((struct type *)0)->last) ==    \
				(len),                                         \
		#type ": length and last member")
ENDS_WITH(devrx_cause, next, 512);
ENDS_WITH(devrx_features, release, 96);
ENDS_WITH(devrx_memory_opts, cause, 56);
ENDS_WITH(devrx_memory_info, proof, 176);
ENDS_WITH(devrx_backing, priv, 168);
ENDS_WITH(devrx_provider, gather_wait, 136);
ENDS_WITH(devrx_queue_opts, reserved, 56);
ENDS_WITH(devrx_queue_info, reserved, 96);
ENDS_WITH(devrx_receiver_opts, cause, 48);
ENDS_WITH(devrx_receiver_info, chunk_reason, 496);
ENDS_WITH(devrx_receiver_stats, bytes_written, 232);
ENDS_WITH(devrx_fence, poll, 40);
ENDS_WITH(devrx_cuda_event, stream, 24);
ENDS_WITH(devrx_device_ring_opts, cause, 24);
ENDS_WITH(devrx_device_batch, to, 32);
ENDS_WITH(devrx_fragment, error, 40);
ENDS_WITH(devrx_kernel_args, reserved, 56);
ENDS_WITH(devrx_framing_opts, cause, 40);
ENDS_WITH(devrx_piece, flags, 32);
ENDS_WITH(devrx_http_head, location, 2360);
ENDS_WITH(devrx_gather_opts, cause, 24);
ENDS_WITH(devrx_gather_info, by, 88);
ENDS_WITH(devrx_span, length, 24);
ENDS_WITH(devrx_http_opts, cause, 72);
ENDS_WITH(devrx_http_request, cause, 80);
ENDS_WITH(devrx_http_result, url, 2360);
ENDS_WITH(devrx_vulkan_device, flags, 56);
ENDS_WITH(devrx_vulkan_handles, memory_flags, 88);
ENDS_WITH(devrx_vulkan_point, value, 32);
#endif
