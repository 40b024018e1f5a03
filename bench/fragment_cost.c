// SPDX-License-Identifier: MIT
/*
 * What a fragment costs in steady state: wait and release, over and over.
 *
 *	fragment_cost BATCH CONNECTIONS ROUNDS [mixed] [device]
 *
 * The ring is a fake: plain memory, filled between two calls by the loop below.
 * It is to be run under callgrind, which counts the instructions of
 * devrx_receiver_wait() and devrx_receiver_release() and of nothing else; see
 * fragment_cost.sh. With "device" fragments go into a device ring, whose
 * consumer takes no time, and come back behind its fence. Prints the number of
 * fragments that went all the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <devrx/memory.h>
#include <devrx/ring.h>

#include "zcrx/receiver.h"

#define PAGE 4096u
#define NR_CHUNKS 4096u
#define HDR_TAIL 64u
#define HDR_RQES 128u
#define SQ_ENTRIES 256u
#define CQ_ENTRIES 512u
#define BATCH_MAX 256u
#define CONNECTIONS_MAX 20000u
#define RECORDS 1024u

/* The fake kernel; one ring is enough. */
static struct {
	uint32_t sq_head, sq_tail, sq_flags;
	uint32_t cq_head, cq_tail;
	struct io_uring_sqe sqes[SQ_ENTRIES];
	struct io_uring_cqe cqes[2 * CQ_ENTRIES * 2];
	uint32_t cq_mask;
	bool mixed;
	const struct drx_zcrx_rqe *rqes;
	uint32_t *rq_head;
	const uint32_t *rq_tail;
	uint32_t rq_nr;
	uint64_t user_data[CONNECTIONS_MAX]; /* of the armed receives */
	unsigned int nr_armed;
	uint64_t chunk; /* the next one, round and round */
} fake;

static int fake_setup(struct io_uring *ring, unsigned int entries,
		      struct io_uring_params *params)
{
	(void)entries;
	fake.mixed = params->flags & DRX_IORING_SETUP_CQE_MIXED;
	fake.cq_mask = (fake.mixed ? 2 : 1) * CQ_ENTRIES - 1;
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
	for (; sq->sqe_head != sq->sqe_tail; sq->sqe_head++)
		fake.user_data[fake.nr_armed++] =
			sq->sqes[sq->sqe_head & sq->ring_mask].user_data;
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

static const struct drx_uring_ops fake_ops = {
	.setup = fake_setup,
	.exit = fake_exit,
	.enter = fake_enter,
	.reg = fake_reg,
};

/* @n pieces of data, of connections that lie far apart from one another. */
static void fake_post(unsigned int n)
{
	static unsigned int next;
	uint32_t tail = fake.cq_tail;

	while (n--) {
		uint32_t idx = tail & fake.cq_mask;
		struct io_uring_cqe *cqe =
			&fake.cqes[fake.mixed ? idx : 2 * idx];
		struct drx_zcrx_cqe *data = (void *)(cqe + 1);

		next = (next + 7919) % fake.nr_armed;
		cqe->user_data = fake.user_data[next];
		cqe->res = 1448;
		cqe->flags = IORING_CQE_F_MORE |
			     (fake.mixed ? DRX_IORING_CQE_F_32 : 0);
		data->off = fake.chunk++ % NR_CHUNKS * PAGE;
		tail += fake.mixed ? 2 : 1;
	}
	__atomic_store_n(&fake.cq_tail, tail, __ATOMIC_RELEASE);
}

/* Take all refill entries; each must be the chunk of a fragment. */
static unsigned int fake_take(void)
{
	uint32_t tail = __atomic_load_n(fake.rq_tail, __ATOMIC_ACQUIRE);
	unsigned int n = 0;

	for (uint32_t i = *fake.rq_head; i != tail; i++, n++) {
		if (fake.rqes[i & (fake.rq_nr - 1)].off >= NR_CHUNKS * PAGE)
			abort();
	}
	__atomic_store_n(fake.rq_head, tail, __ATOMIC_RELEASE);
	return n;
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "fragment_cost: %s: %s\n", what, strerror(-err));
	exit(1);
}

static struct devrx_receiver *open_receiver(struct devrx_memory *mem,
					    uint32_t flags)
{
	const struct drx_ifq_queue queue = { .ifindex = 1 };
	const struct devrx_features features = {
		.size = sizeof(features),
		.flags = DEVRX_FEATURE_RECV_ZC | DEVRX_FEATURE_CQE_MIXED,
		.max_area_len = UINT64_MAX,
		.rq_hdr_size = HDR_RQES,
		.rq_hdr_align = 64,
	};
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_receiver *rx;
	int err;

	opts.flags = flags;
	opts.cq_entries = CQ_ENTRIES;
	err = drx_receiver_open(&rx, mem, NULL, &queue, &opts, &features,
				&fake_ops);
	if (err)
		fail("opening the receiver", err);
	return rx;
}

static void add_connections(struct devrx_receiver *rx, unsigned int n)
{
	struct rlimit limit;
	int err, fd;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (unsigned int i = 0; i < n; i++) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail("opening descriptors", -errno);
		err = devrx_receiver_add(rx, fd, i);
		if (err)
			fail("adding a connection", err);
	}
}

static bool has_word(int argc, char **argv, const char *word)
{
	for (int i = 4; i < argc; i++) {
		if (!strcmp(argv[i], word))
			return true;
	}
	return false;
}

/* Through a device and back; 0, or what failed. */
static int through_device(struct devrx_receiver *rx,
			  const struct devrx_fragment *frags, unsigned int n)
{
	static _Alignas(128) char memory[DEVRX_DEVICE_RING_LEN(RECORDS)];
	static struct devrx_device_ring *ring;
	struct devrx_desc_ring *shared = (void *)memory;
	struct devrx_fence fence;
	int err = 0;

	if (!ring)
		err = devrx_device_ring_create(&ring, memory, sizeof(memory),
					       NULL);
	if (err)
		return err;
	if (devrx_device_ring_push(ring, frags, n, NULL) != (int)n)
		return -EPROTO;
	devrx_device_ring_fence(ring, &fence);
	err = devrx_receiver_release_after(rx, frags, n, &fence);
	if (err)
		return err;
	devrx_desc_consumed(shared, shared->tail);
	return devrx_receiver_poll_fences(rx);
}

int main(int argc, char **argv)
{
	struct devrx_memory_opts mem_opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_fragment frags[BATCH_MAX];
	unsigned long batch, connections, rounds, done = 0;
	struct devrx_receiver *rx;
	struct devrx_memory *mem;
	bool device;
	int err;

	if (argc < 4) {
		fprintf(stderr, "usage: fragment_cost BATCH CONNECTIONS ROUNDS "
				"[mixed] [device]\n");
		return 2;
	}
	batch = strtoul(argv[1], NULL, 10);
	connections = strtoul(argv[2], NULL, 10);
	rounds = strtoul(argv[3], NULL, 10);
	if (!batch || batch > BATCH_MAX || !connections ||
	    connections > CONNECTIONS_MAX) {
		fprintf(stderr,
			"fragment_cost: 1 to %u fragments, 1 to %u "
			"connections\n",
			BATCH_MAX, CONNECTIONS_MAX);
		return 2;
	}

	device = has_word(argc, argv, "device");
	mem_opts.kind = "host";
	mem_opts.len = (uint64_t)NR_CHUNKS * PAGE;
	err = devrx_memory_alloc(&mem, &mem_opts);
	if (err)
		fail("allocating", err);
	rx = open_receiver(mem, has_word(argc, argv, "mixed") ?
					DEVRX_RECEIVER_F_CQE_MIXED :
					0);
	add_connections(rx, (unsigned int)connections);
	/* Arm them all: the one wait that enters the kernel. It and what it
	 * costs is the same for any number of rounds. */
	if (devrx_receiver_wait(rx, frags, 1, 0))
		fail("arming", -EPROTO);
	if (fake.nr_armed != connections)
		fail("arming", -EPROTO);

	for (unsigned long i = 0; i < rounds; i++) {
		fake_post((unsigned int)batch);
		err = devrx_receiver_wait(rx, frags, BATCH_MAX, -1);
		if (err != (int)batch)
			fail("waiting", err < 0 ? err : -EPROTO);
		err = device ? through_device(rx, frags, (unsigned int)batch) :
			       devrx_receiver_release(rx, frags,
						      (unsigned int)batch);
		if (err)
			fail("releasing", err);
		if (fake_take() != batch)
			fail("refilling", -EPROTO);
		done += batch;
	}
	printf("%lu\n", done);
	err = devrx_receiver_close(rx, 0);
	if (err)
		fail("closing", err);
	return -devrx_memory_free(mem);
}
