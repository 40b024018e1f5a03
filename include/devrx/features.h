/* SPDX-License-Identifier: MIT */
/*
 * What the running kernel can do for zero-copy receive.
 *
 * Asked of the kernel itself (IORING_REGISTER_QUERY, IORING_REGISTER_PROBE), not
 * concluded from a version number, but for what no query tells: the largest
 * area, offsets that wrap above 4 GiB, and dmabuf areas before Linux 6.19.
 */
#ifndef DEVRX_FEATURES_H
#define DEVRX_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* IORING_OP_RECV_ZC exists (Linux 6.15). */
#define DEVRX_FEATURE_RECV_ZC (1u << 0)
/* dmabuf areas (6.16; asked since 6.19, before that by the release). */
#define DEVRX_FEATURE_DMABUF_AREA (1u << 1)
/* IORING_SETUP_CQE_MIXED (6.18). */
#define DEVRX_FEATURE_CQE_MIXED (1u << 2)
/* ZCRX_CTRL_FLUSH_RQ and EXPORT, ZCRX_REG_IMPORT (6.19). */
#define DEVRX_FEATURE_FLUSH (1u << 3)
#define DEVRX_FEATURE_IMPORT (1u << 4)
/* rx_buf_len above the page size (7.0). */
#define DEVRX_FEATURE_LARGE_CHUNKS (1u << 5)
/* ZCRX_REG_NODEV: the copy-only mode without a NIC (7.1). */
#define DEVRX_FEATURE_NODEV (1u << 6)
/* Events and copy statistics (7.2). */
#define DEVRX_FEATURE_EVENTS (1u << 7)
/* ZCRX_CTRL_ADD_AREA (7.3). */
#define DEVRX_FEATURE_ADD_AREA (1u << 8)

/**
 * struct devrx_features - the running kernel
 * @size: sizeof(struct devrx_features), set by the caller before the call
 * @flags: DEVRX_FEATURE_*
 * @reserved: 0
 * @max_area_len: largest area in bytes that works without wrapped offsets:
 *      1 GiB through Linux 7.1, 4 GiB for 7.2 and 7.3.0-7.3.1, else 1 TiB
 * @rq_hdr_size: bytes before the refill ring's entries
 * @rq_hdr_align: its alignment
 * @release: the kernel's release, as uname -r
 *
 * Since: 0.1
 */
struct devrx_features {
	size_t size;
	uint32_t flags;
	uint32_t reserved;
	uint64_t max_area_len;
	uint32_t rq_hdr_size;
	uint32_t rq_hdr_align;
	char release[64];
};

/**
 * devrx_features_probe - ask the running kernel
 * @ret: filled in up to @ret->size bytes
 * @cause: filled in on failure; may be NULL
 *
 * Needs no privilege and leaves nothing behind.
 *
 * Return: 0, a kernel without zcrx included (flags tell); or
 *   -EINVAL  opts-invalid: @ret->size smaller than in version 0.1;
 *   -ENOSYS  io-uring-missing: no io_uring in this kernel;
 *   -EPERM   io-uring-disabled: kernel.io_uring_disabled forbids it, or a
 *            seccomp filter does;
 *   -ENOMEM, -EMFILE  os-error.
 * Since: 0.1
 */
DEVRX_API int devrx_features_probe(struct devrx_features *ret,
				   struct devrx_cause *cause);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_FEATURES_H */
