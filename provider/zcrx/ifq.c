// SPDX-License-Identifier: MIT
/* The interface queue: one registration, tried until the queue is free. */
#include "zcrx/ifq.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "zcrx/receiver.h"

/* The first pause before another try; doubled up to the last. */
#define RETRY_FIRST_NS 500000L
#define RETRY_LAST_NS 16000000L

static size_t align_up(size_t len, size_t to)
{
	return (len + to - 1) & ~(to - 1);
}

/*
 * With an entry for each chunk the ring cannot fill up as long as a chunk
 * holds one fragment; 32768 is the kernel's limit (IO_RQ_MAX_ENTRIES).
 */
uint32_t drx_ifq_rq_entries(uint64_t nr_chunks)
{
	uint32_t nr = 64;

	while (nr < nr_chunks && nr < DRX_ZCRX_RQ_MAX_ENTRIES)
		nr *= 2;
	return nr;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Register, and while the queue is taken, again until the deadline. */
static int register_until(struct io_uring *ring,
			  const struct drx_uring_ops *ops,
			  struct drx_zcrx_ifq_reg *reg, uint32_t timeout_ms)
{
	struct timespec pause = { .tv_nsec = RETRY_FIRST_NS };
	int64_t deadline = now_ms() + timeout_ms;
	int err;

	for (;;) {
		err = ops->reg(ring, DRX_IORING_REGISTER_ZCRX_IFQ, reg, 1);
		if (err != -EEXIST || now_ms() >= deadline)
			return err;
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < RETRY_LAST_NS)
			pause.tv_nsec *= 2;
	}
}

/*
 * Private pages, hidden from children (a child that inherits them keeps the
 * queue taken) and zeroed: before 7.1 the kernel does not clear the header.
 */
static void *region_map(size_t len)
{
	void *region = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (region == MAP_FAILED)
		return NULL;
	if (madvise(region, len, MADV_DONTFORK)) {
		(void)munmap(region, len);
		return NULL;
	}
	return region;
}

int drx_ifq_register(struct drx_ifq *ret, struct io_uring *ring,
		     const struct drx_uring_ops *ops,
		     const struct drx_ifq_queue *queue,
		     const struct drx_area *area,
		     const struct devrx_features *features, uint32_t timeout_ms)
{
	bool has_stats = features->flags & DEVRX_FEATURE_EVENTS;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint32_t nr = drx_ifq_rq_entries(area->reg.len / area->chunk_len);
	size_t hdr = align_up(features->rq_hdr_size, features->rq_hdr_align);
	size_t stats_off = hdr + nr * sizeof(struct drx_zcrx_rqe);
	size_t len = align_up(stats_off + sizeof(struct drx_zcrx_stats), page);
	struct drx_zcrx_area_reg area_reg = area->reg;
	struct drx_zcrx_event_desc events = {
		.user_data = DRX_UD_AREA_EMPTY,
		.type_mask = 1u << DRX_ZCRX_EVENT_ALLOC_FAIL,
		.flags = DRX_ZCRX_EVENT_DESC_F_STATS,
		.stats_offset = stats_off,
	};
	struct drx_region_desc region_desc = {
		.size = len,
		.flags = DRX_IORING_MEM_REGION_TYPE_USER,
	};
	struct drx_zcrx_ifq_reg reg = {
		.if_idx = queue ? queue->ifindex : 0,
		.if_rxq = queue ? queue->index : 0,
		.flags = queue ? 0 : DRX_ZCRX_REG_NODEV,
		.rq_entries = nr,
		.area_ptr = (uintptr_t)&area_reg,
		.region_ptr = (uintptr_t)&region_desc,
		/* Page-sized chunks are asked for by 0: a driver that cannot
		 * choose refuses any other value, 4096 included. */
		.rx_buf_len = area->chunk_len > page ? area->chunk_len : 0,
		.event_desc = has_stats ? (uintptr_t)&events : 0,
	};
	char *region;
	int err;

	region = region_map(len);
	if (!region)
		return -ENOMEM;
	region_desc.user_addr = (uintptr_t)region;

	err = register_until(ring, ops, &reg, timeout_ms);
	if (err)
		goto err_unmap;
	/* What lies where is the kernel's word; believe it within bounds. */
	if (reg.rq_entries != nr || reg.offsets.head > hdr - sizeof(uint32_t) ||
	    reg.offsets.tail > hdr - sizeof(uint32_t) ||
	    reg.offsets.rqes + nr * sizeof(struct drx_zcrx_rqe) > stats_off) {
		err = -EPROTO;
		goto err_unmap;
	}
	/* And the length of chunks, which Linux 7.0 and later tell. */
	if (reg.rx_buf_len && reg.rx_buf_len != area->chunk_len) {
		err = -ERANGE;
		goto err_unmap;
	}

	*ret = (struct drx_ifq){
		.region = region,
		.region_len = len,
		.stats = has_stats ? (const void *)(region + stats_off) : NULL,
		.area_token = area_reg.rq_area_token,
		.zcrx_id = reg.zcrx_id,
		.chunk_len = area->chunk_len,
		.rq = {
			.rqes = (void *)(region + reg.offsets.rqes),
			.mask = nr - 1,
			.nr = nr,
			.khead = (const void *)(region + reg.offsets.head),
			.ktail = (void *)(region + reg.offsets.tail),
		},
	};
	return 0;

err_unmap:
	(void)munmap(region, len);
	return err;
}

void drx_ifq_fini(struct drx_ifq *ifq)
{
	(void)munmap(ifq->region, ifq->region_len);
}
