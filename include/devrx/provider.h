/* SPDX-License-Identifier: MIT */
/*
 * How a kind of memory is provided: the table behind devrx/memory.h.
 *
 * The kinds that devrx brings are found by name. A provider outside the tree
 * fills in a struct devrx_provider and hands it to devrx_memory_alloc() in
 * opts.provider: there is no registry, so nothing is global and two parts of
 * one program cannot disagree. samples/own_provider.c is a complete one.
 */
#ifndef DEVRX_PROVIDER_H
#define DEVRX_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>
#include <devrx/memory.h>

struct devrx_span; /* devrx/gather.h */

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct devrx_backing - what a provider's alloc hands back
 * @len: bytes, a multiple of the page size, at least what was asked for; with
 *      a dmabuf exactly its length as lseek() tells it
 * @device_addr: address for the owning device, or 0
 * @host_addr: CPU mapping, or NULL
 * @dmabuf_fd: dmabuf (O_CLOEXEC), or -1 for memory that is registered by its
 *      host address; the provider closes it in free
 * @placement: enum devrx_placement. DEVICE or HOST without a @proof, or a value
 *      that devrx does not know, counts as UNKNOWN
 * @proof: one phrase: how the placement was proved, or why it is unknown
 * @priv: the provider's own
 *
 * The struct is zeroed before alloc, dmabuf_fd set to -1. What breaks these
 * rules is freed again and the allocation fails with "backing-invalid".
 * Since: 0.1
 */
struct devrx_backing {
	uint64_t len;
	uint64_t device_addr;
	void *host_addr;
	int32_t dmabuf_fd;
	uint32_t placement;
	char proof[128];
	void *priv;
};

/**
 * struct devrx_provider - one kind of memory
 * @size: sizeof(struct devrx_provider)
 * @name: kind, lower case; valid as long as the provider
 * @summary: one line for "devrx info"
 * @probe: 0 if memory could be had on this machine now, else a negative errno
 *      with the cause filled in. Allocates nothing that stays. Required
 * @alloc: allocate opts->len bytes and fill in @ret; on error nothing stays
 *      and the cause is filled in. opts is a complete, checked copy; refuse
 *      the flags and the device that you do not have. Required
 * @free: undo alloc. Not called in a forked child. Required
 * @read, @write: copy @len bytes at @off; the range is already checked. NULL
 *      where the host cannot reach the memory. Below tier zcrx-device @write is
 *      called in devrx_receiver_open() and devrx_receiver_wait(), for each
 *      fragment, unless kernel or NIC write at host_addr themselves (enum
 *      devrx_tier); on zcrx-device both are in devrx_receiver_wait(), for
 *      payload around the queue. @write returns when @buf may be used again and
 *      what reads the memory sees the bytes
 *
 * @upload_begin: get ready for @upload from the @len bytes at @buf, which stay
 *      where they are until @upload_end, in up to @batches batches at a time: pin
 *      them, where that helps. 0, or a negative errno, and then @write is used.
 *      All five are there or none; those without them are written by @write
 * @upload_end: undo @upload_begin, after all that was begun is done or was given
 *      up
 * @upload: begin to copy @len bytes at @buf to @off; they stay as they are until
 *      the batch is done. A negative errno: these bytes are lost
 * @upload_mark: what was begun since the last mark is batch @batch, from 0, which
 *      is free. A negative errno: all of it is lost, no copy of it is at work any
 *      more, and the batch is not waited for
 * @upload_wait: is batch @batch done, so that what reads the memory sees the
 *      bytes? 0; -EAGAIN: not yet, never with @wait, which waits for it; any
 *      other negative errno: its bytes are lost. Free again unless -EAGAIN.
 *      Batches are asked in the order of their marks
 *
 * With the five a receiver writes several batches in the background while it
 * takes more from the kernel. Since: 0.1
 *
 * @gather_begin: get ready to copy from @from to @to, two memories whose @free is
 *      this provider's, in up to @batches batches of up to @spans spans at a time,
 *      on @stream, or with NULL on one of its own. 0 with its own state in @ret, and
 *      in @by how it copies, in words; -EXDEV: these two it cannot, or not on a
 *      @stream, and then the CPU copies; other errnos fail devrx_gather_open(). All
 *      four are there or none
 * @gather_end: undo @gather_begin, after all that was begun is done
 * @gather: begin batch @batch, which is free, of @n spans inside of their memories,
 *      @n not 0, behind the batches before it. A negative errno: nothing of it was
 *      begun
 * @gather_wait: is batch @batch done, so that what reads the memory sees the bytes?
 *      As @upload_wait
 *
 * The four are behind devrx/gather.h. Since: 0.1
 *
 * Threads: calls for one backing come one at a time; alloc and probe may run
 * on several threads at once.
 * @probe and @alloc return any negative errno; it reaches the caller unchanged.
 * The cause they are given is never NULL in alloc, and may be NULL in probe.
 * Since: 0.1
 */
struct devrx_provider {
	size_t size;
	const char *name;
	const char *summary;
	int (*probe)(struct devrx_cause *cause);
	int (*alloc)(const struct devrx_memory_opts *opts,
		     struct devrx_backing *ret, struct devrx_cause *cause);
	void (*free)(struct devrx_backing *backing);
	int (*read)(struct devrx_backing *backing, uint64_t off, void *buf,
		    size_t len);
	int (*write)(struct devrx_backing *backing, uint64_t off,
		     const void *buf, size_t len);
	int (*upload_begin)(struct devrx_backing *backing, const void *buf,
			    size_t len, unsigned int batches);
	void (*upload_end)(struct devrx_backing *backing);
	int (*upload)(struct devrx_backing *backing, uint64_t off,
		      const void *buf, size_t len);
	int (*upload_mark)(struct devrx_backing *backing, unsigned int batch);
	int (*upload_wait)(struct devrx_backing *backing, unsigned int batch,
			   int wait);
	int (*gather_begin)(struct devrx_backing *to,
			    struct devrx_backing *from, unsigned int batches,
			    unsigned int spans, void *stream, void **ret,
			    char by[64], struct devrx_cause *cause);
	void (*gather_end)(void *state);
	int (*gather)(void *state, const struct devrx_span *spans,
		      unsigned int n, unsigned int batch);
	int (*gather_wait)(void *state, unsigned int batch, int wait);
};

/**
 * devrx_provider_at - the providers that devrx brings, in order of preference
 * @idx: 0, 1, ...
 *
 * Return: the provider, or NULL past the last one. Static storage.
 * Since: 0.1
 */
DEVRX_API const struct devrx_provider *devrx_provider_at(unsigned int idx);

/**
 * devrx_provider_find - the provider of a name
 * @name: "udmabuf", ...; borrowed for the call
 *
 * Return: the provider, or NULL. Static storage.
 * Since: 0.1
 */
DEVRX_API const struct devrx_provider *devrx_provider_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_PROVIDER_H */
