/* SPDX-License-Identifier: MIT */
/*
 * The kernel's zcrx interface, mirrored: linux/include/uapi/linux/io_uring/
 * zcrx.h and query.h of Linux 7.3 (both dual-licensed, MIT among them).
 *
 * Why a mirror: liburing 2.15 stops at Linux 7.1, a distribution's kernel
 * headers may be older still, and what the running kernel can do is asked of
 * the kernel. The names are ours, so that a newer liburing does not clash.
 * Each group says since which Linux the kernel knows it.
 */
#ifndef DRX_UAPI_ZCRX_H
#define DRX_UAPI_ZCRX_H

#include <assert.h>
#include <stdint.h>

/* io_uring.h: opcodes and flags that older headers lack. */
#define DRX_IORING_OP_RECV_ZC 58u /* 6.15 */
#define DRX_IORING_OP_EPOLL_WAIT 59u /* 6.15 */
#define DRX_IORING_OP_WRITEV_FIXED 61u /* 6.15 */
#define DRX_IORING_REGISTER_ZCRX_IFQ 32u /* 6.15 */
#define DRX_IORING_REGISTER_QUERY 35u /* 6.18 */
#define DRX_IORING_REGISTER_ZCRX_CTRL 36u /* 6.19 */
#define DRX_IORING_SETUP_CQE_MIXED (1u << 18) /* 6.18 */
#define DRX_IORING_CQE_F_SKIP (1u << 5) /* 6.18 */
#define DRX_IORING_CQE_F_32 (1u << 15) /* 6.18 */
#define DRX_IORING_MEM_REGION_TYPE_USER 1u /* 6.13 */

/* Refill ring, area and data completions: 6.15. */
struct drx_zcrx_rqe {
	uint64_t off;
	uint32_t len;
	uint32_t pad;
};

struct drx_zcrx_cqe {
	uint64_t off;
	uint64_t pad;
};

#define DRX_ZCRX_AREA_SHIFT 48
#define DRX_ZCRX_AREA_MASK (~((UINT64_C(1) << DRX_ZCRX_AREA_SHIFT) - 1))
#define DRX_ZCRX_RQ_MAX_ENTRIES 32768u

struct drx_zcrx_offsets {
	uint32_t head;
	uint32_t tail;
	uint32_t rqes;
	uint32_t resv2;
	uint64_t resv[2];
};

#define DRX_ZCRX_AREA_DMABUF 1u /* 6.16 */

struct drx_zcrx_area_reg {
	uint64_t addr;
	uint64_t len;
	uint64_t rq_area_token;
	uint32_t flags;
	uint32_t dmabuf_fd;
	uint64_t resv2[2];
};

#define DRX_ZCRX_REG_IMPORT 1u /* 6.19 */
#define DRX_ZCRX_REG_NODEV 2u /* 7.1 */

#define DRX_ZCRX_FEATURE_RX_PAGE_SIZE (1u << 0) /* 7.0 */
#define DRX_ZCRX_FEATURE_EVENT (1u << 1) /* 7.2 */

/* Events and statistics: 7.2. */
#define DRX_ZCRX_EVENT_ALLOC_FAIL 0u
#define DRX_ZCRX_EVENT_COPY 1u
#define DRX_ZCRX_EVENT_DESC_F_STATS (1u << 0)

struct drx_zcrx_stats {
	uint64_t copy_count;
	uint64_t copy_bytes;
};

struct drx_zcrx_event_desc {
	uint64_t user_data;
	uint32_t type_mask;
	uint32_t flags;
	uint64_t stats_offset;
	uint64_t resv2[9];
};

struct drx_zcrx_ifq_reg {
	uint32_t if_idx;
	uint32_t if_rxq;
	uint32_t rq_entries;
	uint32_t flags;
	uint64_t area_ptr;
	uint64_t region_ptr;
	struct drx_zcrx_offsets offsets;
	uint32_t zcrx_id; /* 6.16 */
	uint32_t rx_buf_len; /* 7.0 */
	uint64_t event_desc; /* 7.2 */
	uint64_t resv[2];
};

struct drx_region_desc {
	uint64_t user_addr;
	uint64_t size;
	uint32_t flags;
	uint32_t id;
	uint64_t mmap_offset;
	uint64_t resv[4];
};

/* Control operations: 6.19; ARM_EVENT 7.2, ADD_AREA 7.3. */
#define DRX_ZCRX_CTRL_FLUSH_RQ 0u
#define DRX_ZCRX_CTRL_EXPORT 1u
#define DRX_ZCRX_CTRL_ARM_EVENT 2u
#define DRX_ZCRX_CTRL_ADD_AREA 3u

struct drx_zcrx_ctrl {
	uint32_t zcrx_id;
	uint32_t op;
	uint64_t resv[2];
	union {
		struct {
			uint32_t zcrx_fd;
			uint32_t resv1[11];
		} zc_export;
		struct {
			uint64_t resv[6];
		} zc_flush;
		struct {
			uint32_t event_type;
			uint32_t resv[11];
		} zc_arm_event;
		struct {
			uint64_t area_ptr;
			uint64_t resv[5];
		} zc_area;
	} u;
};

/* Queries: OPCODES 6.18, ZCRX 6.19, ZCRX_EVENT 7.2. */
#define DRX_QUERY_OPCODES 0u
#define DRX_QUERY_ZCRX 1u
#define DRX_QUERY_ZCRX_EVENT 3u

struct drx_query_hdr {
	uint64_t next_entry;
	uint64_t query_data;
	uint32_t query_op;
	uint32_t size;
	int32_t result;
	uint32_t resv[3];
};

struct drx_query_opcode {
	uint32_t nr_request_opcodes;
	uint32_t nr_register_opcodes;
	uint64_t feature_flags;
	uint64_t ring_setup_flags;
	uint64_t enter_flags;
	uint64_t sqe_flags;
	uint32_t nr_query_opcodes;
	uint32_t pad;
};

struct drx_query_zcrx {
	uint64_t register_flags;
	uint64_t area_flags;
	uint32_t nr_ctrl_opcodes;
	uint32_t features;
	uint32_t rq_hdr_size;
	uint32_t rq_hdr_alignment;
	uint64_t resv2;
};

static_assert(sizeof(struct drx_zcrx_rqe) == 16, "refill entry");
static_assert(sizeof(struct drx_zcrx_cqe) == 16, "second half of a CQE32");
static_assert(sizeof(struct drx_zcrx_area_reg) == 48, "area registration");
static_assert(sizeof(struct drx_zcrx_event_desc) == 96, "event descriptor");
static_assert(sizeof(struct drx_zcrx_ifq_reg) == 96, "queue registration");
static_assert(sizeof(struct drx_region_desc) == 64, "region descriptor");
static_assert(sizeof(struct drx_zcrx_ctrl) == 72, "control");
static_assert(sizeof(struct drx_query_hdr) == 40, "query header");
static_assert(sizeof(struct drx_query_zcrx) == 40, "zcrx query");

#endif /* DRX_UAPI_ZCRX_H */
