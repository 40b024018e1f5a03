// SPDX-License-Identifier: MIT
/*
 * io_uring: one multishot receive for each connection, into provided buffers of 64
 * KiB, a copy of each, and the buffers back into their ring in one go.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <liburing.h>

#include "bench/way.h"

#define NR_BUFS 256u
#define GROUP 0

struct state {
	struct io_uring ring;
	struct io_uring_buf_ring *bufs;
	char *base;
	bool open;
};

static char *buf_at(const struct bench_run *run, unsigned int id)
{
	const struct state *s = run->state;

	return s->base + (size_t)id * run->way->len;
}

static int way_open(struct bench_run *run)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = 4096,
	};
	struct state *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return bench_error(run, "calloc", -ENOMEM);
	run->state = s;
	err = io_uring_queue_init_params(128, &s->ring, &params);
	if (err)
		return bench_error(run, "io_uring_setup", err);
	s->open = true;
	s->base = aligned_alloc(4096, (size_t)NR_BUFS * run->way->len);
	if (!s->base)
		return bench_error(run, "aligned_alloc", -ENOMEM);
	s->bufs = io_uring_setup_buf_ring(&s->ring, NR_BUFS, GROUP, 0, &err);
	if (!s->bufs)
		return bench_error(run, "io_uring_setup_buf_ring", err);
	for (unsigned int i = 0; i < NR_BUFS; i++)
		io_uring_buf_ring_add(s->bufs, buf_at(run, i), run->way->len,
				      (unsigned short)i, NR_BUFS - 1, (int)i);
	io_uring_buf_ring_advance(s->bufs, NR_BUFS);
	return 0;
}

static int way_add(struct bench_run *run, unsigned int i)
{
	struct state *s = run->state;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	if (!sqe)
		return bench_error(run, "io_uring_get_sqe", -EBUSY);
	io_uring_prep_recv_multishot(sqe, run->fds[i], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	sqe->user_data = i;
	return 0;
}

/* One completion: its bytes, or a negative errno. */
static int take(struct bench_run *run, const struct io_uring_cqe *cqe,
		unsigned int *nr_back)
{
	struct state *s = run->state;
	unsigned int id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	int err = 0;

	/* Nothing to receive into for a moment: once more. */
	if (cqe->res == -ENOBUFS)
		return way_add(run, (unsigned int)cqe->user_data);
	if (cqe->res <= 0)
		return bench_error(run, "multishot recv", cqe->res);
	run->events++;
	err = bench_put(run, buf_at(run, id), (size_t)cqe->res);
	io_uring_buf_ring_add(s->bufs, buf_at(run, id), run->way->len,
			      (unsigned short)id, NR_BUFS - 1,
			      (int)(*nr_back)++);
	if (!err && !(cqe->flags & IORING_CQE_F_MORE))
		err = way_add(run, (unsigned int)cqe->user_data);
	return err ? err : cqe->res;
}

static int receive(struct bench_run *run, uint64_t bytes)
{
	struct state *s = run->state;
	struct io_uring_cqe *cqe;
	unsigned int head, n, nr_back;
	int rc;

	while (bytes) {
		rc = bench_interrupted(run);
		if (rc)
			return rc;
		rc = io_uring_submit_and_wait(&s->ring, 1);
		if (rc < 0)
			return bench_error(run, "io_uring_enter", rc);
		n = nr_back = 0;
		rc = 0;
		io_uring_for_each_cqe(&s->ring, head, cqe)
		{
			n++;
			rc = take(run, cqe, &nr_back);
			if (rc < 0)
				break;
			bytes -= (uint64_t)rc;
		}
		io_uring_buf_ring_cq_advance(&s->ring, s->bufs, (int)nr_back);
		io_uring_cq_advance(&s->ring, n - nr_back);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void way_close(struct bench_run *run)
{
	struct state *s = run->state;

	if (!s)
		return;
	if (s->bufs)
		(void)io_uring_free_buf_ring(&s->ring, s->bufs, NR_BUFS, GROUP);
	if (s->open)
		io_uring_queue_exit(&s->ring);
	free(s->base);
	free(s);
}

const struct bench_way bench_multishot = {
	.name = "multishot-memcpy",
	.summary = "io_uring multishot receive into 64 KiB buffers, and a copy",
	.len = 64u << 10,
	.open = way_open,
	.add = way_add,
	.receive = receive,
	.close = way_close,
};
