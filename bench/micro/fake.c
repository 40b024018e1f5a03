// SPDX-License-Identifier: MIT
/* A kernel of plain memory (fake.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "micro/fake.h"

#define HDR_TAIL 64u
#define HDR_RQES 128u
#define SQ_ENTRIES 256u

/* The fake kernel; one ring is enough. */
static struct {
	uint32_t sq_head, sq_tail, sq_flags;
	uint32_t cq_head, cq_tail;
	struct io_uring_sqe sqes[SQ_ENTRIES];
	struct io_uring_cqe cqes[2 * FAKE_CQ_ENTRIES * 2];
	uint32_t cq_mask;
	bool mixed;
	const struct drx_zcrx_rqe *rqes;
	uint32_t *rq_head;
	const uint32_t *rq_tail;
	uint32_t rq_nr;
	uint64_t user_data[FAKE_CONNECTIONS_MAX]; /* of the armed receives */
	unsigned int nr_armed;
	unsigned int next;
	bool again; /* the next receive is one of user_data[next] */
	unsigned int around; /* pieces in kernel memory */
	uint64_t chunk; /* the next one, round and round */
} fake;

static int fake_setup(struct io_uring *ring, unsigned int entries,
		      struct io_uring_params *params)
{
	(void)entries;
	fake.mixed = params->flags & DRX_IORING_SETUP_CQE_MIXED;
	fake.cq_mask = (fake.mixed ? 2 : 1) * FAKE_CQ_ENTRIES - 1;
	params->cq_entries = fake.cq_mask + 1;
	memset(ring, 0, sizeof(*ring));
	ring->sq.khead = &fake.sq_head;
	ring->sq.ktail = &fake.sq_tail;
	ring->sq.kflags = &fake.sq_flags;
	ring->sq.sqes = fake.sqes;
	ring->sq.ring_mask = SQ_ENTRIES - 1;
	ring->sq.ring_entries = SQ_ENTRIES;
	ring->cq.khead = &fake.cq_head;
	ring->cq.ktail = &fake.cq_tail;
	ring->cq.cqes = fake.cqes;
	ring->cq.ring_mask = fake.cq_mask;
	ring->cq.ring_entries = fake.cq_mask + 1;
	ring->flags = params->flags;
	ring->ring_fd = -1;
	return 0;
}

static void fake_exit(struct io_uring *ring)
{
	(void)ring;
}

/* Remember what is armed; there is never anything to wait for. */
static int fake_enter(struct io_uring *ring, bool wait,
		      struct __kernel_timespec *ts)
{
	struct io_uring_sq *sq = &ring->sq;

	(void)wait;
	(void)ts;
	for (; sq->sqe_head != sq->sqe_tail; sq->sqe_head++) {
		fake.user_data[fake.again ? fake.next : fake.nr_armed++] =
			sq->sqes[sq->sqe_head & sq->ring_mask].user_data;
		fake.again = false;
	}
	fake.sq_head = sq->sqe_head;
	return 0;
}

static int fake_reg(struct io_uring *ring, unsigned int opcode, void *arg,
		    unsigned int nr_args)
{
	struct drx_zcrx_ifq_reg *reg = arg;
	struct drx_region_desc *region;

	(void)ring;
	(void)nr_args;
	if (opcode != DRX_IORING_REGISTER_ZCRX_IFQ)
		return -EINVAL;
	region = (void *)(uintptr_t)reg->region_ptr;
	reg->offsets.tail = HDR_TAIL;
	reg->offsets.rqes = HDR_RQES;
	fake.rq_head = (void *)(uintptr_t)region->user_addr;
	fake.rq_tail = (void *)(uintptr_t)(region->user_addr + HDR_TAIL);
	fake.rqes = (void *)(uintptr_t)(region->user_addr + HDR_RQES);
	fake.rq_nr = reg->rq_entries;
	return 0;
}

/* What is left in kernel memory; of what bytes they are nobody asks. */
static int fake_drain(int sockfd, void *buf, size_t len)
{
	(void)sockfd;
	if (!fake.around || len < FAKE_LEN)
		return -EAGAIN;
	fake.around--;
	memset(buf, 0, FAKE_LEN);
	return FAKE_LEN;
}

const struct drx_uring_ops fake_ops = {
	.setup = fake_setup,
	.exit = fake_exit,
	.enter = fake_enter,
	.reg = fake_reg,
	.drain = fake_drain,
};

const struct devrx_features fake_features = {
	.size = sizeof(fake_features),
	.flags = DEVRX_FEATURE_RECV_ZC | DEVRX_FEATURE_DMABUF_AREA |
		 DEVRX_FEATURE_CQE_MIXED,
	.max_area_len = UINT64_MAX,
	.rq_hdr_size = HDR_RQES,
	.rq_hdr_align = 64,
};

unsigned int fake_nr_armed(void)
{
	return fake.nr_armed;
}

static struct io_uring_cqe *cqe_at(uint32_t tail)
{
	const uint32_t idx = tail & fake.cq_mask;

	return &fake.cqes[fake.mixed ? idx : 2 * idx];
}

void fake_post(unsigned int n)
{
	uint32_t tail = fake.cq_tail;

	while (n--) {
		struct io_uring_cqe *cqe = cqe_at(tail);
		struct drx_zcrx_cqe *data = (void *)(cqe + 1);

		fake.next = (fake.next + 7919) % fake.nr_armed;
		cqe->user_data = fake.user_data[fake.next];
		cqe->res = FAKE_LEN;
		cqe->flags = IORING_CQE_F_MORE |
			     (fake.mixed ? DRX_IORING_CQE_F_32 : 0);
		data->off = fake.chunk++ % FAKE_CHUNKS * FAKE_PAGE;
		tail += fake.mixed ? 2 : 1;
	}
	__atomic_store_n(&fake.cq_tail, tail, __ATOMIC_RELEASE);
}

void fake_post_around(void)
{
	struct io_uring_cqe *cqe = cqe_at(fake.cq_tail);

	fake.next = (fake.next + 7919) % fake.nr_armed;
	fake.again = true;
	fake.around = 1;
	cqe->user_data = fake.user_data[fake.next];
	cqe->res = -ENOMEM;
	cqe->flags = 0;
	__atomic_store_n(&fake.cq_tail, fake.cq_tail + 1, __ATOMIC_RELEASE);
}

unsigned int fake_take(void)
{
	uint32_t tail = __atomic_load_n(fake.rq_tail, __ATOMIC_ACQUIRE);
	unsigned int n = 0;

	for (uint32_t i = *fake.rq_head; i != tail; i++, n++) {
		if (fake.rqes[i & (fake.rq_nr - 1)].off >=
		    FAKE_CHUNKS * FAKE_PAGE)
			abort();
	}
	__atomic_store_n(fake.rq_head, tail, __ATOMIC_RELEASE);
	return n;
}

void fake_forget(void)
{
	memset(&fake, 0, sizeof(fake));
}
