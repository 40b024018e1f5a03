// SPDX-License-Identifier: MIT
/* Tier recv, its beginning and end: chunks, path, the buffer ring. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/memory.h"
#include "util/cause.h"
#include "zcrx/explain.h"
#include "zcrx/recv.h"

/* What a chunk is unless asked for: measured, a smaller one costs more
 * completions than it saves in the cache. */
#define CHUNK_LEN_DEFAULT (UINT32_C(64) << 10)
#define CHUNK_LEN_MAX (UINT32_C(1) << 30)
/* Of a small memory rather smaller chunks than fewer. */
#define CHUNKS_FEW 16u
/* Buffers of our own: as much as stays in a cache. */
#define BOUNCE_LEN (UINT32_C(4) << 20)
#define BOUNCE_MIN 16u

static int plan_tier(const struct devrx_receiver_opts *opts)
{
	switch (opts->tier) {
	case DEVRX_TIER_BEST:
	case DEVRX_TIER_RECV:
		return 0;
	case DEVRX_TIER_ZCRX_DEVICE:
	case DEVRX_TIER_ZCRX_HOST:
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"tier %s needs a queue, and none was given",
				devrx_tier_name(opts->tier));
	default:
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"tier %" PRIu32 " is unknown", opts->tier);
	}
}

static uint32_t default_chunk(uint64_t len)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	uint32_t chunk = CHUNK_LEN_DEFAULT;

	while (chunk > page && len / chunk < CHUNKS_FEW)
		chunk /= 2;
	while (chunk < CHUNK_LEN_MAX && len / chunk > DRX_RECV_CHUNKS_MAX)
		chunk *= 2;
	return chunk;
}

static int plan_chunk(struct drx_area *area, uint32_t chunk_len,
		      struct devrx_cause *cause)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	uint64_t len = area->reg.len;

	if (!chunk_len) {
		area->chunk_len = default_chunk(len);
		return 0;
	}
	if (chunk_len < page || chunk_len > CHUNK_LEN_MAX ||
	    chunk_len & (chunk_len - 1))
		return drx_fail(cause, -EINVAL, "chunk-len", NULL,
				"a chunk of %" PRIu32 " bytes was asked for; "
				"it must be a power of two from %" PRIu32
				" to %" PRIu32,
				chunk_len, page, CHUNK_LEN_MAX);
	if (len % chunk_len)
		return drx_fail(cause, -ERANGE, "chunk-refused", NULL,
				"the memory's %" PRIu64 " bytes are not a "
				"multiple of the chunk's %" PRIu32,
				len, chunk_len);
	if (len / chunk_len > DRX_RECV_CHUNKS_MAX)
		return drx_fail(cause, -ERANGE, "chunk-refused",
				"leave the chunk length at 0",
				"the memory's %" PRIu64 " bytes are more than "
				"%u chunks of %" PRIu32
				", the most of tier recv",
				len, DRX_RECV_CHUNKS_MAX, chunk_len);
	area->chunk_len = chunk_len;
	return 0;
}

int drx_recv_plan(struct drx_area *ret, struct devrx_memory *mem,
		  const struct devrx_memory_info *info,
		  const struct devrx_receiver_opts *opts)
{
	struct drx_area area = { .reg.len = info->len,
				 .tier = DEVRX_TIER_RECV };
	int err;

	err = plan_tier(opts);
	if (err)
		return err;
	err = plan_chunk(&area, opts->chunk_len, opts->cause);
	if (err)
		return err;
	if (drx_memory_host_writable(mem))
		area.reg.addr = (uintptr_t)info->host_addr;
	(void)snprintf(area.reason, sizeof(area.reason),
		       "no queue was given, so the kernel copies out of the "
		       "sockets, %s",
		       area.reg.addr ? "into the memory" :
				       "and the memory's provider copies into "
				       "it once more");
	*ret = area;
	return 0;
}

/* Pages of our own, hidden from children: what is copied on a write after a fork
 * is no longer what the kernel has. */
static void *map(size_t len)
{
	void *addr = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (addr == MAP_FAILED)
		return NULL;
	if (madvise(addr, len, MADV_DONTFORK)) {
		(void)munmap(addr, len);
		return NULL;
	}
	return addr;
}

static uint32_t nr_bounce(uint32_t nr_chunks, uint32_t chunk_len)
{
	uint32_t nr = BOUNCE_LEN / chunk_len;

	if (nr < BOUNCE_MIN)
		nr = BOUNCE_MIN;
	return nr < nr_chunks ? nr : nr_chunks;
}

int drx_recv_register(struct drx_recv *ret, struct io_uring *ring,
		      const struct drx_uring_ops *ops,
		      const struct drx_area *area, struct devrx_cause *cause)
{
	uint32_t nr = (uint32_t)drx_recv_chunks(area);
	struct io_uring_buf_reg reg = { .ring_entries = 1 };
	struct drx_recv recv = {
		.nr = nr,
		.base = (void *)(uintptr_t)area->reg.addr,
		.shift = (uint32_t)__builtin_ctz(area->chunk_len),
	};
	int err = -ENOMEM;

	if (!recv.base) {
		recv.nr = nr_bounce(nr, area->chunk_len);
		recv.bounce_len = (size_t)recv.nr << recv.shift;
		recv.base = map(recv.bounce_len);
		if (!recv.base)
			return drx_fail_os(cause, -ENOMEM, "mmap");
	}
	while (reg.ring_entries < recv.nr)
		reg.ring_entries *= 2;
	recv.mask = (uint16_t)(reg.ring_entries - 1);
	recv.ring_len = reg.ring_entries * sizeof(recv.ring->bufs[0]);
	recv.ring = map(recv.ring_len);
	if (!recv.ring) {
		err = drx_fail_os(cause, -ENOMEM, "mmap");
		goto err_bounce;
	}
	reg.ring_addr = (uintptr_t)recv.ring;
	err = ops->reg(ring, IORING_REGISTER_PBUF_RING, &reg, 1);
	if (err) {
		err = drx_explain_buffers(err, recv.ring_len, cause);
		goto err_ring;
	}
	for (uint32_t bid = 0; bid < recv.nr; bid++)
		drx_recv_put(&recv, bid);
	drx_recv_publish(&recv);
	*ret = recv;
	return 0;

err_ring:
	(void)munmap(recv.ring, recv.ring_len);
err_bounce:
	if (recv.bounce_len)
		(void)munmap(recv.base, recv.bounce_len);
	return err;
}

void drx_recv_fini(struct drx_recv *recv)
{
	(void)munmap(recv->ring, recv->ring_len);
	if (recv->bounce_len)
		(void)munmap(recv->base, recv->bounce_len);
}
