// SPDX-License-Identifier: MIT
/* The life of fragments, step by step (cycle.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <devrx/framing.h>
#include <devrx/memory.h>
#include <devrx/provider.h>
#include <devrx/ring.h>

#include "micro/cycle.h"
#include "micro/fake.h"

#define RECORDS 1024u

static struct {
	struct cycle_opts opts;
	struct devrx_memory *mem;
	struct devrx_receiver *rx;
	struct devrx_device_ring *ring;
	struct devrx_framing *framing;
	struct devrx_fragment frags[CYCLE_BATCH_MAX];
	unsigned int messages;
	struct devrx_cause cause; /* of opening */
	int fds[FAKE_CONNECTIONS_MAX];
} c;

static _Alignas(128) char ring_memory[DEVRX_DEVICE_RING_LEN(RECORDS)];

static void must(const char *what, int err)
{
	if (!err)
		return;
	fprintf(stderr, "cycle: %s: %s %s\n", what, strerror(-err),
		c.cause.text);
	exit(1);
}

/* -- a memfd in place of a dmabuf: recovery is for those only ---------------- */

static int memfd_probe(struct devrx_cause *cause)
{
	(void)cause;
	return 0;
}

static int memfd_alloc(const struct devrx_memory_opts *opts,
		       struct devrx_backing *ret, struct devrx_cause *cause)
{
	const int fd = memfd_create("bench", MFD_CLOEXEC);

	(void)cause;
	if (fd < 0 || ftruncate(fd, (off_t)opts->len))
		return -errno;
	ret->host_addr = mmap(NULL, opts->len, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_POPULATE, fd, 0);
	if (ret->host_addr == MAP_FAILED)
		return -ENOMEM;
	ret->len = opts->len;
	ret->dmabuf_fd = fd;
	return 0;
}

static void memfd_free(struct devrx_backing *backing)
{
	(void)munmap(backing->host_addr, backing->len);
	(void)close(backing->dmabuf_fd);
}

static int memfd_read(struct devrx_backing *backing, uint64_t off, void *buf,
		      size_t len)
{
	memcpy(buf, (char *)backing->host_addr + off, len);
	return 0;
}

static int memfd_write(struct devrx_backing *backing, uint64_t off,
		       const void *buf, size_t len)
{
	memcpy((char *)backing->host_addr + off, buf, len);
	return 0;
}

static const struct devrx_provider memfd = {
	.size = sizeof(memfd),
	.name = "memfd",
	.summary = "a memfd in place of a dmabuf",
	.probe = memfd_probe,
	.alloc = memfd_alloc,
	.free = memfd_free,
	.read = memfd_read,
	.write = memfd_write,
};

/* -- opening ----------------------------------------------------------------- */

static void open_memory(void)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	const uint32_t prefix = FAKE_LEN - sizeof(prefix);

	if (c.opts.kind == CYCLE_RECOVER)
		opts.provider = &memfd;
	else
		opts.kind = "host";
	opts.len = (uint64_t)FAKE_CHUNKS * FAKE_PAGE;
	must("allocating", devrx_memory_alloc(&c.mem, &opts));
	for (uint64_t at = 0; at < opts.len; at += FAKE_PAGE)
		must("writing",
		     devrx_memory_write(c.mem, at, &prefix, sizeof(prefix)));
}

static void open_receiver(void)
{
	const struct drx_ifq_queue queue = { .ifindex = 1 };
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	if (c.opts.mixed)
		opts.flags = DEVRX_RECEIVER_F_CQE_MIXED;
	if (c.opts.kind == CYCLE_RECOVER)
		opts.tier = DEVRX_TIER_ZCRX_DEVICE;
	opts.cause = &c.cause;
	opts.cq_entries = FAKE_CQ_ENTRIES;
	must("opening the receiver",
	     drx_receiver_open(&c.rx, c.mem, NULL, &queue, &opts,
			       &fake_features, &fake_ops));
}

static void add_connections(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (unsigned int i = 0; i < c.opts.connections; i++) {
		c.fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (c.fds[i] < 0)
			must("opening descriptors", -errno);
		must("adding a connection",
		     devrx_receiver_add(c.rx, c.fds[i], i));
	}
	/* Arm them all: the one wait that enters the kernel. It and what it
	 * costs is the same for any number of rounds. */
	if (devrx_receiver_wait(c.rx, c.frags, 1, 0) ||
	    fake_nr_armed() != c.opts.connections)
		must("arming", -EPROTO);
}

void cycle_open(const struct cycle_opts *opts)
{
	struct devrx_framing_opts fopts = DEVRX_FRAMING_OPTS_INIT;

	c.opts = *opts;
	open_memory();
	open_receiver();
	add_connections();
	if (opts->kind == CYCLE_DEVICE)
		must("the device ring",
		     devrx_device_ring_create(&c.ring, ring_memory,
					      sizeof(ring_memory), NULL));
	fopts.kind = DEVRX_FRAMING_PREFIXED;
	fopts.prefix = sizeof(uint32_t);
	if (opts->kind == CYCLE_FRAMING)
		must("framing",
		     devrx_framing_create(&c.framing, c.mem, &fopts));
	if (opts->kind != CYCLE_RECOVER)
		return;
	/* Places to put things come from fragments that were there before. */
	for (unsigned int i = 0; i < 64; i++) {
		fake_post(1);
		if (devrx_receiver_wait(c.rx, c.frags, 1, 0) != 1)
			must("waiting", -EPROTO);
		must("releasing", devrx_receiver_release(c.rx, c.frags, 1));
		(void)fake_take();
	}
}

void cycle_close(void)
{
	devrx_framing_destroy(c.framing);
	if (c.ring)
		(void)devrx_device_ring_destroy(c.ring);
	must("closing", devrx_receiver_close(c.rx, DEVRX_CLOSE_F_ABANDON));
	for (unsigned int i = 0; i < c.opts.connections; i++)
		(void)close(c.fds[i]);
	must("freeing", devrx_memory_free(c.mem));
	memset(&c, 0, sizeof(c));
	fake_forget();
}

/* -- steps ------------------------------------------------------------------- */

void cycle_post(void)
{
	if (c.opts.kind == CYCLE_RECOVER)
		fake_post_around();
	else
		fake_post(c.opts.batch);
}

void cycle_wait(void)
{
	const int n = devrx_receiver_wait(c.rx, c.frags, CYCLE_BATCH_MAX, -1);

	if (n != (int)c.opts.batch)
		must("waiting", n < 0 ? n : -EPROTO);
	/* The receive has ended: the next wait arms it anew. Nothing more is there. */
	if (c.opts.kind == CYCLE_RECOVER) {
		struct devrx_fragment none;

		must("arming", devrx_receiver_wait(c.rx, &none, 1, 0));
	}
}

void cycle_release(void)
{
	must("releasing", devrx_receiver_release(c.rx, c.frags, c.opts.batch));
}

void cycle_push(void)
{
	if (devrx_device_ring_push(c.ring, c.frags, c.opts.batch, NULL) !=
	    (int)c.opts.batch)
		must("pushing", -EPROTO);
}

void cycle_release_after(void)
{
	struct devrx_fence fence;

	devrx_device_ring_fence(c.ring, &fence);
	must("releasing behind a fence",
	     devrx_receiver_release_after(c.rx, c.frags, c.opts.batch, &fence));
}

void cycle_give_back(void)
{
	struct devrx_desc_ring *shared = (void *)ring_memory;

	devrx_desc_consumed(shared, shared->tail);
	must("giving back", devrx_receiver_poll_fences(c.rx));
}

void cycle_frame(void)
{
	struct devrx_piece piece;
	int rc;

	for (unsigned int i = 0; i < c.opts.batch; i++) {
		must("pushing", devrx_framing_push(c.framing, &c.frags[i]));
		while ((rc = devrx_framing_next(c.framing, &piece)) > 0)
			c.messages += !!(piece.flags & DEVRX_PIECE_LAST);
		must("framing", rc);
	}
}

void cycle_end(void)
{
	const unsigned int n = fake_take();

	/* What was recovered is kept, for the next one to be put there. */
	if (n != (c.opts.kind == CYCLE_RECOVER ? 0 : c.opts.batch) ||
	    (c.framing && c.messages != c.opts.batch))
		must("refilling", -EPROTO);
	c.messages = 0;
}
