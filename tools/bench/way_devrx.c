// SPDX-License-Identifier: MIT
/* devrx: wait for a batch of fragments, give it back. */
#include <errno.h>

#include "bench/way.h"

#define BATCH 256u

static int failed(struct bench_run *run, int err)
{
	struct devrx_receiver *rx = run->state;

	if (bench_interrupted(run))
		return -EINTR;
	if (!rx || devrx_receiver_cause(rx, &run->cause) || !run->cause.text[0])
		return bench_error(run, "the receiver", err);
	return err;
}

static int way_open(struct bench_run *run)
{
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_receiver *rx;
	int err;

	opts.tier = run->way->tier;
	opts.chunk_len = run->way->len;
	opts.cause = &run->cause;
	err = devrx_receiver_open(
		&rx, run->memory,
		run->way->flags & BENCH_WAY_NIC ? run->queue : NULL, &opts);
	if (!err)
		run->state = rx;
	return err;
}

static int way_add(struct bench_run *run, unsigned int i)
{
	int err = devrx_receiver_add(run->state, run->fds[i], i);

	return err ? failed(run, err) : 0;
}

/* Which of @n fragments says that it is no data. */
static int ended(struct bench_run *run, const struct devrx_fragment *frags,
		 int n)
{
	for (int i = 0; i < n; i++)
		if (frags[i].error)
			return failed(run, frags[i].error);
	return failed(run, -ECONNRESET);
}

static int receive(struct bench_run *run, uint64_t bytes)
{
	struct devrx_fragment frags[BATCH];
	uint32_t flags;
	int n, err;

	while (bytes) {
		err = bench_interrupted(run);
		if (err)
			return err;
		n = devrx_receiver_wait(run->state, frags, BATCH, -1);
		if (n < 0)
			return failed(run, n);
		flags = 0;
		for (int i = 0; i < n; i++) {
			flags |= frags[i].flags;
			bytes -= frags[i].length;
		}
		if (flags & (DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR))
			return ended(run, frags, n);
		run->events += (unsigned int)n;
		err = devrx_receiver_release(run->state, frags,
					     (unsigned int)n);
		if (err)
			return failed(run, err);
	}
	return 0;
}

static void way_close(struct bench_run *run)
{
	(void)devrx_receiver_close(run->state, DEVRX_CLOSE_F_ABANDON);
}

#define WAY_DEVRX                                                              \
	.open = way_open, .add = way_add, .receive = receive, .close = way_close

const struct bench_way bench_device_4k = {
	.name = "devrx-zcrx-device-4k",
	.summary = "devrx, the NIC writes the memory, chunks of 4 KiB",
	.flags = BENCH_WAY_NIC | BENCH_WAY_DMABUF,
	.tier = DEVRX_TIER_ZCRX_DEVICE,
	.len = 4096,
	WAY_DEVRX,
};

const struct bench_way bench_device_16k = {
	.name = "devrx-zcrx-device-16k",
	.summary = "the same with chunks of 16 KiB",
	.flags = BENCH_WAY_NIC | BENCH_WAY_DMABUF,
	.tier = DEVRX_TIER_ZCRX_DEVICE,
	.len = 16384,
	WAY_DEVRX,
};

const struct bench_way bench_device_64k = {
	.name = "devrx-zcrx-device-64k",
	.summary = "the same with chunks of 64 KiB",
	.flags = BENCH_WAY_NIC | BENCH_WAY_DMABUF,
	.tier = DEVRX_TIER_ZCRX_DEVICE,
	.len = 65536,
	WAY_DEVRX,
};

const struct bench_way bench_host_4k = {
	.name = "devrx-zcrx-host-4k",
	.summary = "devrx, the NIC writes memory of the host",
	.flags = BENCH_WAY_NIC | BENCH_WAY_HOST,
	.tier = DEVRX_TIER_ZCRX_HOST,
	.len = 4096,
	WAY_DEVRX,
};

const struct bench_way bench_recv = {
	.name = "devrx-recv",
	.summary = "devrx without a NIC's help (tier recv)",
	.tier = DEVRX_TIER_RECV,
	WAY_DEVRX,
};
