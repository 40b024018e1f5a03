// SPDX-License-Identifier: MIT
/*
 * zcrx by liburing and nothing else: the shortest loop there can be. It takes each
 * completion, and puts its chunk into the refill ring at once. It has no flow
 * control, no recovery, does not know which fragments are out, and ends at the first
 * thing that is not as it should be: what any receiver pays at least.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <liburing.h>

#include "bench/way.h"
#include "bench/uapi.h"

#define CQ_ENTRIES 4096
#define REGION_HEADER 4096u

struct state {
	struct io_uring ring;
	bool open;
	void *region;
	size_t region_len;
	uint32_t zcrx_id;
	uint64_t area_token;
	uint32_t *rq_tail;
	uint32_t rq_mask;
	struct zcrx_rqe *rqes;
};

static int open_ring(struct bench_run *run, struct state *s)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
			 IORING_SETUP_CQE32,
		.cq_entries = CQ_ENTRIES,
	};
	int err = io_uring_queue_init_params(128, &s->ring, &params);

	s->open = !err;
	return err ? bench_error(run, "io_uring_setup", err) : 0;
}

static int register_queue(struct bench_run *run, struct state *s)
{
	struct zcrx_area area = {
		.len = run->info.len,
		.flags = ZCRX_AREA_DMABUF,
		.dmabuf_fd = (uint32_t)run->info.dmabuf_fd,
	};
	struct zcrx_region region = {
		.flags = REGION_USER,
	};
	struct zcrx_ifq reg = {
		.if_idx = run->queue_info.ifindex,
		.if_rxq = run->queue_info.index,
		.rq_entries = ZCRX_RQ_ENTRIES,
		.area = (uintptr_t)&area,
		.region = (uintptr_t)&region,
	};
	int err;

	s->region_len =
		REGION_HEADER + reg.rq_entries * sizeof(struct zcrx_rqe);
	s->region = mmap(NULL, s->region_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->region == MAP_FAILED) {
		s->region = NULL;
		return bench_error(run, "mmap", -errno);
	}
	region.user_addr = (uintptr_t)s->region;
	region.size = s->region_len;
	/* The ring that had the queue before goes in its own time. */
	for (int tries = 0; tries < 200; tries++) {
		err = io_uring_register((unsigned int)s->ring.ring_fd,
					REGISTER_ZCRX_IFQ, &reg, 1);
		if (err != -EEXIST)
			break;
		(void)usleep(10000);
	}
	if (err)
		return bench_error(run, "registering the queue", err);
	s->zcrx_id = reg.zcrx_id;
	s->area_token = area.token;
	s->rq_mask = reg.rq_entries - 1;
	s->rq_tail = (void *)((char *)s->region + reg.offsets.tail);
	s->rqes = (void *)((char *)s->region + reg.offsets.rqes);
	return 0;
}

static int way_open(struct bench_run *run)
{
	struct state *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return bench_error(run, "calloc", -ENOMEM);
	run->state = s;
	err = open_ring(run, s);
	return err ? err : register_queue(run, s);
}

static int way_add(struct bench_run *run, unsigned int i)
{
	struct state *s = run->state;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	if (!sqe)
		return bench_error(run, "io_uring_get_sqe", -EBUSY);
	io_uring_prep_rw(OP_RECV_ZC, sqe, run->fds[i], NULL, 0, 0);
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->file_index = s->zcrx_id;
	sqe->user_data = i;
	return 0;
}

static int receive(struct bench_run *run, uint64_t bytes)
{
	struct state *s = run->state;
	struct io_uring_cqe *cqe;
	uint32_t tail = *s->rq_tail; /* written by this loop only */
	unsigned int head, n;
	int rc;

	while (bytes) {
		rc = bench_interrupted(run);
		if (rc)
			return rc;
		rc = io_uring_submit_and_wait(&s->ring, 1);
		if (rc < 0)
			return bench_error(run, "io_uring_enter", rc);
		n = 0;
		io_uring_for_each_cqe(&s->ring, head, cqe)
		{
			const struct zcrx_cqe *z = (const void *)(cqe + 1);
			struct zcrx_rqe *rqe = &s->rqes[tail & s->rq_mask];

			n++;
			/* The queue was full: what is left comes when it is
			 * asked for. */
			if (!(cqe->flags & IORING_CQE_F_MORE)) {
				if (cqe->res != -ENOSPC)
					return bench_error(run, "RECV_ZC",
							   cqe->res);
				rc = way_add(run, (unsigned int)cqe->user_data);
				if (rc)
					return rc;
				continue;
			}
			bytes -= (uint64_t)cqe->res;
			run->events++;
			rqe->off = (z->off & ZCRX_OFFSET_MASK) | s->area_token;
			rqe->len = (uint32_t)cqe->res;
			tail++;
		}
		/* The kernel reads the entries after the tail. */
		io_uring_smp_store_release(s->rq_tail, tail);
		io_uring_cq_advance(&s->ring, n);
	}
	return 0;
}

static void way_close(struct bench_run *run)
{
	struct state *s = run->state;

	if (!s)
		return;
	if (s->open)
		io_uring_queue_exit(&s->ring);
	if (s->region)
		(void)munmap(s->region, s->region_len);
	free(s);
}

const struct bench_way bench_raw_4k = {
	.name = "raw-zcrx-4k",
	.summary = "zcrx by the shortest loop there can be",
	.flags = BENCH_WAY_NIC | BENCH_WAY_DMABUF,
	.open = way_open,
	.add = way_add,
	.receive = receive,
	.close = way_close,
};
