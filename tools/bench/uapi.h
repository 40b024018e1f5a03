/* SPDX-License-Identifier: MIT */
/*
 * What the ways that need a NIC say to the kernel, as in Linux 7.3's include/uapi:
 * linux/io_uring/zcrx.h, linux/netdev.h, linux/uio.h and asm-generic/socket.h, which
 * headers of a distribution may lack.
 */
#ifndef DEVRX_TOOLS_BENCH_UAPI_H
#define DEVRX_TOOLS_BENCH_UAPI_H

#include <stdint.h>

/* io_uring: 6.15, areas of a dmabuf 6.16. */
enum {
	OP_RECV_ZC = 58,
	REGISTER_ZCRX_IFQ = 32,
	ZCRX_AREA_DMABUF = 1,
	REGION_USER = 1,
	ZCRX_RQ_ENTRIES = 32768,
};

/* The area's number is in the upper bits. */
#define ZCRX_OFFSET_MASK ((UINT64_C(1) << 48) - 1)

struct zcrx_rqe {
	uint64_t off;
	uint32_t len;
	uint32_t pad;
};

/* The second half of a completion of 32 bytes. */
struct zcrx_cqe {
	uint64_t off;
	uint64_t pad;
};

struct zcrx_area {
	uint64_t addr;
	uint64_t len;
	uint64_t token;
	uint32_t flags;
	uint32_t dmabuf_fd;
	uint64_t resv[2];
};

struct zcrx_region {
	uint64_t user_addr;
	uint64_t size;
	uint32_t flags;
	uint32_t id;
	uint64_t mmap_offset;
	uint64_t resv[4];
};

struct zcrx_ifq {
	uint32_t if_idx;
	uint32_t if_rxq;
	uint32_t rq_entries;
	uint32_t flags;
	uint64_t area;
	uint64_t region;
	struct {
		uint32_t head, tail, rqes, resv;
		uint64_t resv2[2];
	} offsets;
	uint32_t zcrx_id;
	uint32_t rx_buf_len;
	uint64_t events;
	uint64_t resv[2];
};

_Static_assert(sizeof(struct zcrx_area) == 48, "area");
_Static_assert(sizeof(struct zcrx_region) == 64, "region");
_Static_assert(sizeof(struct zcrx_ifq) == 96, "queue");

/* devmem TCP: 6.12. */
enum {
	NETDEV_CMD_BIND_RX_6_12 = 13,
	A_DMABUF_IFINDEX = 1,
	A_DMABUF_QUEUES = 2,
	A_DMABUF_FD = 3,
	A_QUEUE_ID = 1,
	A_QUEUE_TYPE = 3,
	QUEUE_TYPE_RX = 0,
	OPT_DEVMEM_DONTNEED = 80,
	CMSG_DEVMEM_LINEAR = 78,
	CMSG_DEVMEM_DMABUF = 79,
	FLAG_SOCK_DEVMEM = 0x2000000,
};

struct devmem_cmsg {
	uint64_t frag_offset;
	uint32_t frag_size;
	uint32_t frag_token;
	uint32_t dmabuf_id;
	uint32_t flags;
};

struct devmem_token {
	uint32_t start;
	uint32_t count;
};

#endif /* DEVRX_TOOLS_BENCH_UAPI_H */
