// SPDX-License-Identifier: MIT
/* Fragments on their way to a file; the idea is in write.h. */
#include "zcrx/write.h"

#include <devrx/write.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "memory/memory.h"
#include "util/cause.h"
#include "zcrx/receiver.h"

#define BOUNCE_LEN (UINT32_C(256) << 10)
/* A registered buffer is no longer than this (linux/io_uring/rsrc.c). */
#define BUFFER_MAX (UINT64_C(1) << 30)
#define BUFFERS_MAX 256u
/* Of chunks and slots, so much at once. */
#define PART 4u
/* A length that the kernel takes in one request (MAX_RW_COUNT is less than 2 GiB). */
#define REQUEST_MAX (UINT32_C(1) << 30)

static struct devrx_memory *memory_of(const struct devrx_receiver *rx,
				      uint64_t at)
{
	return rx->areas ? rx->areas->mem[at >> DEVRX_AREA_SHIFT] : rx->mem;
}

/* Where the CPU has what is at @at, or NULL: nowhere. */
static unsigned char *address_of(const struct devrx_receiver *rx, uint64_t at)
{
	unsigned char *host = drx_memory_host(memory_of(rx, at), NULL);

	return host ? host + (at & ~DRX_ZCRX_AREA_MASK) : NULL;
}

/* A caller's numbers: are they in a memory? */
static bool inside(const struct devrx_receiver *rx,
		   const struct devrx_fragment *frag)
{
	const uint64_t off = devrx_fragment_offset(frag);
	uint64_t len;

	if (devrx_fragment_area(frag) >= rx->info.areas)
		return false;
	(void)drx_memory_host(memory_of(rx, frag->offset), &len);
	return off < len && frag->length <= len - off;
}

/* The registered buffers of one memory, from number @nr on: how many there are then,
 * or 0 where it has no address or they are too many. */
static uint32_t add_buffers(struct iovec *iov, uint32_t nr,
			    const struct devrx_memory *mem)
{
	uint64_t off, len, all;
	char *host = drx_memory_host(mem, &all);

	for (off = 0; off < all; off += len, nr++) {
		if (!host || nr == BUFFERS_MAX)
			return 0;
		len = all - off < BUFFER_MAX ? all - off : BUFFER_MAX;
		iov[nr] = (struct iovec){ host + off, len };
	}
	return nr;
}

/* The memories there are; where that is refused, requests do without. */
static void register_buffers(struct devrx_receiver *rx)
{
	struct drx_writes *writes = &rx->writes;
	struct iovec iov[BUFFERS_MAX];
	uint32_t nr = 0, i;

	if (!drx_uring_has_opcode(rx->ops, &rx->ring,
				  (int)DRX_IORING_OP_WRITEV_FIXED))
		return;
	for (i = 0; i < rx->info.areas; i++) {
		writes->first_buffer[i] = nr;
		nr = add_buffers(iov, nr,
				 memory_of(rx,
					   (uint64_t)i << DEVRX_AREA_SHIFT));
		if (!nr)
			return;
	}
	if (rx->ops->reg(&rx->ring, IORING_REGISTER_BUFFERS, iov, nr) >= 0)
		writes->areas = rx->info.areas;
}

/* Which registered buffer has all of a fragment; -1 for none. */
static int buffer_of(const struct devrx_receiver *rx,
		     const struct devrx_fragment *frag)
{
	const uint32_t area = devrx_fragment_area(frag);
	const uint64_t first = devrx_fragment_offset(frag) / BUFFER_MAX;
	const uint64_t last =
		(devrx_fragment_offset(frag) + frag->length - 1) / BUFFER_MAX;

	if (area >= rx->writes.areas || first != last)
		return -1;
	return (int)(rx->writes.first_buffer[area] + first);
}

static int init(struct devrx_receiver *rx)
{
	struct drx_writes *writes = &rx->writes;
	const uint64_t nr = rx->info.nr_chunks < rx->slots.nr ?
				    rx->info.nr_chunks :
				    rx->slots.nr;

	writes->w = calloc(DRX_WRITES_MAX, sizeof(*writes->w));
	if (!writes->w)
		return -ENOMEM;
	/* Of two, one; of one there would be none left. */
	writes->limit = nr < PART ? nr > 1 : (uint32_t)(nr / PART);
	writes->bounce_len = rx->info.chunk_len > BOUNCE_LEN ?
				     rx->info.chunk_len :
				     BOUNCE_LEN;
	register_buffers(rx);
	return 0;
}

void drx_writes_fini(struct drx_writes *writes, bool mapped)
{
	uint32_t i;

	for (i = 0; mapped && writes->w && i < DRX_WRITES_MAX; i++)
		if (writes->w[i].bounce)
			(void)munmap(writes->w[i].bounce, writes->bounce_len);
	free(writes->w);
}

/* The tokens of @w open their slots again. */
static void give_back(struct devrx_receiver *rx, const struct drx_write *w)
{
	uint32_t i;

	for (i = 0; i < w->nr; i++)
		rx->slots.slot[w->tokens[i] & rx->slots.mask].token =
			w->tokens[i];
}

/* Into @w what goes with one request that begins with the first of @n fragments.
 * Each token expires at once, so that none is taken twice. */
static void take(struct devrx_receiver *rx, struct drx_write *w,
		 const struct devrx_fragment *frags, uint32_t n, bool bounce)
{
	const uint32_t most = bounce ? rx->writes.bounce_len : REQUEST_MAX;
	const uint32_t room = rx->writes.limit - rx->writes.fragments;

	w->len = 0;
	w->buf_index = bounce ? -1 : buffer_of(rx, frags);
	if (n > DRX_WRITE_FRAGMENTS)
		n = DRX_WRITE_FRAGMENTS;
	if (n > room)
		n = room;
	for (w->nr = 0; w->nr < n; w->nr++) {
		const struct devrx_fragment *frag = &frags[w->nr];
		struct drx_slot *slot = drx_slot_find(&rx->slots, frag->token);

		if (!slot || !frag->length || !inside(rx, frag) ||
		    frag->length > most - w->len ||
		    !address_of(rx, frag->offset) != bounce ||
		    (!bounce && buffer_of(rx, frag) != w->buf_index))
			break;
		drx_slot_expire(slot);
		w->tokens[w->nr] = frag->token;
		w->iov[w->nr] = (struct iovec){
			address_of(rx, frag->offset),
			frag->length,
		};
		w->len += frag->length;
	}
	w->nr_iov = w->nr;
}

/* The provider reads the bytes, into one piece. */
static int read_all(struct devrx_receiver *rx, struct drx_write *w,
		    const struct devrx_fragment *frags)
{
	unsigned char *to;
	uint32_t i;
	int err;

	if (!w->bounce) {
		to = mmap(NULL, rx->writes.bounce_len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (to == MAP_FAILED)
			return -ENOMEM;
		(void)madvise(to, rx->writes.bounce_len, MADV_DONTFORK);
		w->bounce = to;
	}
	to = w->bounce;
	for (i = 0; i < w->nr; to += frags[i].length, i++) {
		err = devrx_memory_read(memory_of(rx, frags[i].offset),
					devrx_fragment_offset(&frags[i]), to,
					frags[i].length);
		if (err)
			return err;
	}
	w->iov[0] = (struct iovec){ w->bounce, w->len };
	w->nr_iov = 1;
	return 0;
}

static struct drx_write *free_one(const struct drx_writes *writes)
{
	uint32_t i;

	for (i = 0; i < DRX_WRITES_MAX; i++)
		if (writes->w[i].state == DRX_WRITE_FREE)
			return &writes->w[i];
	return NULL;
}

static int cannot_read(struct devrx_receiver *rx, int err)
{
	struct devrx_memory_info info = { .size = sizeof(info) };

	(void)devrx_memory_info(rx->mem, &info);
	rx->has_cause = true;
	if (err == -ENOMEM)
		return drx_fail_os(&rx->cause, err, "mmap");
	if (err == -EOPNOTSUPP)
		return drx_fail(&rx->cause, err, "write-unsupported", NULL,
				"memory of kind %s has no address, and its "
				"provider does not read it",
				info.kind);
	return drx_copy_failed(&rx->cause, err, "reading", info.kind);
}

static int write_some(struct devrx_receiver *rx, int fd, uint64_t offset,
		      const struct devrx_fragment *frags, unsigned int n,
		      uint64_t cookie)
{
	struct drx_writes *writes = &rx->writes;
	struct drx_write *w = free_one(writes);
	bool bounce;
	int err;

	if (!w || writes->fragments >= writes->limit)
		return -EAGAIN;
	if (!frags->length || !inside(rx, frags))
		return -EINVAL;
	bounce = !address_of(rx, frags->offset);
	take(rx, w, frags, n, bounce);
	err = bounce ? read_all(rx, w, frags) : 0;
	if (err) {
		give_back(rx, w);
		return cannot_read(rx, err);
	}
	w->fd = fd;
	w->offset = offset;
	w->cookie = cookie;
	w->first_iov = 0;
	w->result = 0;
	w->state = DRX_WRITE_TO_SUBMIT;
	writes->nr++;
	writes->fragments += w->nr;
	return (int)w->nr;
}

int devrx_receiver_write(struct devrx_receiver *rx, int fd, uint64_t offset,
			 const struct devrx_fragment *frags, unsigned int n,
			 uint64_t cookie)
{
	int ret = 0;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (!n || offset > INT64_MAX || !frags->token)
		return -EINVAL;
	if (!drx_slot_find(&rx->slots, frags->token)) {
		rx->stats.bad_releases++;
		return -ESTALE;
	}
	if (fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	drx_share_lock(rx);
	if (!rx->writes.w)
		ret = init(rx);
	if (!ret)
		ret = write_some(rx, fd, offset, frags, n, cookie);
	drx_share_unlock(rx);
	return ret;
}

bool drx_writes_unarmed(const struct devrx_receiver *rx)
{
	uint32_t i;

	for (i = 0; rx->writes.nr && i < DRX_WRITES_MAX; i++)
		if (rx->writes.w[i].state == DRX_WRITE_TO_SUBMIT)
			return true;
	return false;
}

void drx_writes_arm(struct devrx_receiver *rx)
{
	struct drx_writes *writes = &rx->writes;
	uint32_t i;

	for (i = 0; writes->nr && i < DRX_WRITES_MAX; i++) {
		struct drx_write *w = &writes->w[i];
		struct io_uring_sqe *sqe;

		if (w->state != DRX_WRITE_TO_SUBMIT)
			continue;
		sqe = drx_next_sqe(rx);
		if (!sqe)
			return; /* the next wait tries again */
		io_uring_prep_writev(sqe, w->fd, &w->iov[w->first_iov],
				     w->nr_iov - w->first_iov,
				     w->offset + (uint32_t)w->result);
		if (w->buf_index >= 0) {
			sqe->opcode = DRX_IORING_OP_WRITEV_FIXED;
			sqe->buf_index = (uint16_t)w->buf_index;
		}
		sqe->user_data = DRX_UD_WRITE | i;
		w->state = DRX_WRITE_SUBMITTED;
	}
}

/* @n bytes more are written. */
static void advance(struct drx_write *w, uint32_t n)
{
	w->result += (int)n;
	while (n) {
		struct iovec *iov = &w->iov[w->first_iov];

		if (n < iov->iov_len) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= n;
			return;
		}
		n -= (uint32_t)iov->iov_len;
		w->first_iov++;
	}
}

/* It is all written. */
static void release_all(struct devrx_receiver *rx, const struct drx_write *w)
{
	uint32_t i;

	for (i = 0; i < w->nr; i++)
		drx_release_slot(
			rx, &rx->slots.slot[w->tokens[i] & rx->slots.mask]);
	drx_release_publish(rx);
	rx->stats.released += w->nr;
	rx->stats.bytes_written += w->len;
	if (rx->starved.head != DRX_NONE)
		drx_conns_unstarve(rx);
}

void drx_writes_reap(struct devrx_receiver *rx, uint32_t idx, int res)
{
	struct drx_writes *writes = &rx->writes;
	struct drx_write *w;

	if (!writes->w || idx >= DRX_WRITES_MAX)
		return;
	w = &writes->w[idx];
	if (w->state != DRX_WRITE_SUBMITTED)
		return;
	if (res > 0 && (uint32_t)res < w->len - (uint32_t)w->result) {
		advance(w, (uint32_t)res);
		w->state = DRX_WRITE_TO_SUBMIT;
		return;
	}
	/* No file takes nothing and says so. */
	w->result = res > 0 ? (int)w->len : res ? res : -EIO;
	w->state = DRX_WRITE_TO_TELL;
	writes->nr--;
	writes->nr_to_tell++;
	writes->fragments -= w->nr;
	if (w->result < 0)
		give_back(rx, w);
	else
		release_all(rx, w);
	rx->events.pending = true;
}

unsigned int drx_writes_deliver(struct devrx_receiver *rx,
				struct devrx_fragment *frags, unsigned int n)
{
	struct drx_writes *writes = &rx->writes;
	unsigned int got = 0;
	uint32_t i;

	for (i = 0; writes->nr_to_tell && got < n && i < DRX_WRITES_MAX; i++) {
		struct drx_write *w = &writes->w[i];

		if (w->state != DRX_WRITE_TO_TELL)
			continue;
		frags[got++] = (struct devrx_fragment){
			.position = w->cookie,
			.user = DEVRX_EVENT_WRITTEN,
			.length = w->len,
			.flags = DEVRX_FRAGMENT_EVENT,
			.error = (int16_t)(w->result < 0 ? w->result : 0),
		};
		w->state = DRX_WRITE_FREE;
		writes->nr_to_tell--;
	}
	return got;
}
