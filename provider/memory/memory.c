// SPDX-License-Identifier: MIT
/*
 * A memory: what a provider handed back, behind the public calls.
 *
 * The invariant: a struct devrx_memory that a caller can see holds a backing
 * that was checked, whoever provided it. It is whole pages, at least what was
 * asked for, with a dmabuf exactly that dmabuf, and its placement is more than
 * unknown only where a proof stands beside it.
 *
 * Its second invariant: only the process that made a memory touches what is
 * behind it. The mappings are not in a forked child (see drx_map()), so there
 * every call that would use them is refused.
 */
#include "memory/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/dmabuf.h"
#include "memory/kinds.h"
#include "util/alive.h"
#include "util/cause.h"
#include "util/opts.h"

/* What each struct measured in version 0.1: nobody's is shorter. */
#define END_OF(type, member)                                                   \
	(offsetof(type, member) + sizeof(((type *)NULL)->member))
enum {
	OPTS_SIZE_0_1 = END_OF(struct devrx_memory_opts, cause),
	INFO_SIZE_0_1 = END_OF(struct devrx_memory_info, proof),
	PROVIDER_SIZE_0_1 = END_OF(struct devrx_provider, gather_wait),
};

/* Tail padding would turn into a member whose old value is garbage. */
_Static_assert(sizeof(void *) != 8 ||
		       (OPTS_SIZE_0_1 == sizeof(struct devrx_memory_opts) &&
			INFO_SIZE_0_1 == sizeof(struct devrx_memory_info) &&
			PROVIDER_SIZE_0_1 == sizeof(struct devrx_provider)),
	       "public structs have no tail padding");

struct devrx_memory {
	struct devrx_provider provider; /* a copy, complete whatever its size */
	struct devrx_backing backing;
	const uint32_t *alive; /* util/alive.h */
	pid_t owner; /* for words only */
	int bound; /* 1 while a receiver has it; atomic */
};

static const char *placement_name(uint32_t placement)
{
	switch (placement) {
	case DEVRX_PLACEMENT_HOST:
		return "host";
	case DEVRX_PLACEMENT_DEVICE:
		return "device";
	default:
		return "unknown";
	}
}

/* A placement without a proof, or one that we do not know, is a mere claim. */
static void settle_placement(struct devrx_backing *backing)
{
	backing->proof[sizeof(backing->proof) - 1] = '\0';
	if (backing->placement == DEVRX_PLACEMENT_UNKNOWN)
		return;
	if (backing->placement <= DEVRX_PLACEMENT_DEVICE && backing->proof[0])
		return;
	(void)snprintf(backing->proof, sizeof(backing->proof),
		       "the provider claimed placement %" PRIu32 " (%s) "
		       "without a proof",
		       backing->placement, placement_name(backing->placement));
	backing->placement = DEVRX_PLACEMENT_UNKNOWN;
}

/* Trust no provider's lengths: the kernel would refuse them without a word. */
static int check_backing(const struct devrx_memory *mem,
			 const struct devrx_memory_opts *opts,
			 struct devrx_cause *cause)
{
	const struct devrx_backing *backing = &mem->backing;
	const char *name = mem->provider.name;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t len;
	int err;

	if (!backing->len || backing->len % page || backing->len < opts->len)
		return drx_fail(cause, -EPROTO, "backing-invalid", NULL,
				"kind %s gave %" PRIu64 " bytes where %" PRIu64
				" were asked for, in pages of %" PRIu64,
				name, backing->len, opts->len, page);
	if (backing->dmabuf_fd < 0)
		return 0;
	err = drx_dmabuf_len(backing->dmabuf_fd, &len);
	if (err)
		return drx_fail(cause, -EPROTO, "backing-invalid", NULL,
				"kind %s gave descriptor %d, whose length "
				"cannot be had: %s",
				name, backing->dmabuf_fd, strerror(-err));
	if (len != backing->len)
		return drx_fail(cause, -EPROTO, "backing-invalid", NULL,
				"kind %s gave %" PRIu64 " bytes of a dmabuf "
				"of %" PRIu64 ": zcrx takes whole ones only",
				name, backing->len, len);
	return 0;
}

/* A provider is free to fail without a cause; our caller still gets one. */
static int alloc_backing(struct devrx_memory *mem,
			 const struct devrx_memory_opts *opts,
			 struct devrx_cause *cause)
{
	struct devrx_cause why = { 0 };
	int err;

	err = mem->provider.alloc(opts, &mem->backing, opts->cause);
	if (!err)
		return 0;
	if (err > 0)
		return drx_fail(cause, -EPROTO, "backing-invalid", NULL,
				"kind %s returned %d, which is neither 0 nor "
				"a negative errno",
				mem->provider.name, err);
	if (!opts->cause->id[0])
		(void)drx_fail_os(&why, err, mem->provider.name);
	else
		why = *opts->cause;
	if (cause)
		*cause = why;
	return err;
}

int drx_memory_create(struct devrx_memory **ret,
		      const struct devrx_provider *provider,
		      struct devrx_memory_opts *opts)
{
	struct devrx_cause *cause = opts->cause;
	struct devrx_cause why = { 0 };
	struct devrx_memory *mem;
	int err;

	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return drx_fail_os(cause, -ENOMEM, "calloc");
	mem->provider = *provider;
	mem->owner = getpid();
	mem->backing.dmabuf_fd = -1;
	mem->alive = drx_alive_new();
	if (!mem->alive) {
		err = drx_fail_os(cause, -ENOMEM, "mmap");
		goto err_free_mem;
	}

	opts->cause = &why;
	err = alloc_backing(mem, opts, cause);
	opts->cause = cause;
	if (err)
		goto err_free_mem;

	err = check_backing(mem, opts, cause);
	if (err)
		goto err_free_backing;

	settle_placement(&mem->backing);
	if (opts->placement != DEVRX_PLACEMENT_UNKNOWN &&
	    opts->placement != mem->backing.placement) {
		err = drx_fail(cause, -EOPNOTSUPP, "placement-unproved", NULL,
			       "placement %s was required, kind %s gives %s: "
			       "%s",
			       placement_name(opts->placement),
			       mem->provider.name,
			       placement_name(mem->backing.placement),
			       mem->backing.proof);
		goto err_free_backing;
	}

	*ret = mem;
	return 0;

err_free_backing:
	mem->provider.free(&mem->backing);
err_free_mem:
	drx_alive_free(mem->alive);
	free(mem);
	return err;
}

int drx_memory_get_opts(struct devrx_memory_opts *own,
			const struct devrx_memory_opts *opts)
{
	int err;

	err = drx_opts_get(own, sizeof(*own), opts, OPTS_SIZE_0_1);
	if (!err)
		return 0;
	/* A struct too short to be one of ours holds no cause to write to. */
	if (opts->size < OPTS_SIZE_0_1)
		return err;
	return drx_fail(opts->cause, err, "opts-invalid", NULL,
			"the options are %zu bytes, of which this version "
			"knows %zu, and the rest is not zero",
			opts->size, sizeof(*own));
}

int drx_memory_check_opts(const struct devrx_memory_opts *opts,
			  uint32_t known_flags)
{
	if (opts->placement > DEVRX_PLACEMENT_DEVICE)
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"placement %" PRIu32 " is not one of enum "
				"devrx_placement",
				opts->placement);
	if (opts->flags & ~known_flags)
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"flags 0x%" PRIx32
				" hold unknown bits 0x%" PRIx32,
				opts->flags, opts->flags & ~known_flags);
	return 0;
}

static int pick_provider(struct devrx_provider *ret,
			 const struct devrx_memory_opts *opts)
{
	const struct devrx_provider *found;

	if (!opts->kind == !opts->provider)
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"%s kind and provider are set; exactly one "
				"must be",
				opts->kind ? "both" : "neither of");
	if (opts->kind) {
		found = devrx_provider_find(opts->kind);
		if (!found)
			return drx_fail(opts->cause, -EINVAL, "kind-unknown",
					"devrx info",
					"no kind of memory is called \"%.64s\"",
					opts->kind);
		*ret = *found;
		return 0;
	}
	if (drx_opts_get(ret, sizeof(*ret), opts->provider, PROVIDER_SIZE_0_1))
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"the provider's size is %zu, this version "
				"knows %zu",
				opts->provider->size, sizeof(*ret));
	if (!ret->name || !ret->probe || !ret->alloc || !ret->free)
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"the provider lacks name, probe, alloc or "
				"free");
	if (!ret->upload != !ret->upload_begin ||
	    !ret->upload != !ret->upload_end ||
	    !ret->upload != !ret->upload_mark ||
	    !ret->upload != !ret->upload_wait)
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"the provider has some of its calls for "
				"uploads, and not all five");
	if (!ret->gather != !ret->gather_begin ||
	    !ret->gather != !ret->gather_end ||
	    !ret->gather != !ret->gather_wait)
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"the provider has some of its calls for "
				"gathering, and not all four");
	return 0;
}

int devrx_memory_alloc(struct devrx_memory **ret,
		       const struct devrx_memory_opts *opts)
{
	struct devrx_memory_opts own;
	struct devrx_provider provider;
	int err;

	if (!opts)
		return -EINVAL;
	err = drx_memory_get_opts(&own, opts);
	if (err)
		return err;
	err = drx_memory_check_opts(&own, DEVRX_MEMORY_F_HUGETLB);
	if (err)
		return err;
	err = pick_provider(&provider, &own);
	if (err)
		return err;
	if (!own.len)
		return drx_fail(own.cause, -EINVAL, "memory-len", NULL,
				"a memory of 0 bytes was asked for");
	return drx_memory_create(ret, &provider, &own);
}

int devrx_memory_info(const struct devrx_memory *mem,
		      struct devrx_memory_info *ret)
{
	struct devrx_memory_info own = {
		.size = sizeof(own),
		.kind = mem->provider.name,
		.len = mem->backing.len,
		.device_addr = mem->backing.device_addr,
		.host_addr = mem->backing.host_addr,
		.dmabuf_fd = mem->backing.dmabuf_fd,
		.placement = mem->backing.placement,
	};

	memcpy(own.proof, mem->backing.proof, sizeof(own.proof));
	return drx_info_put(ret, &own, sizeof(own), INFO_SIZE_0_1);
}

/* May @len bytes at @off be copied? No sum is formed, so none can wrap. */
static int check_copy(const struct devrx_memory *mem, uint64_t off, size_t len)
{
	if (!drx_alive(mem->alive))
		return -EPERM;
	if (off > mem->backing.len || len > mem->backing.len - off)
		return -ERANGE;
	return 0;
}

int devrx_memory_read(struct devrx_memory *mem, uint64_t off, void *buf,
		      size_t len)
{
	int err;

	err = check_copy(mem, off, len);
	if (err)
		return err;
	if (!mem->provider.read)
		return -EOPNOTSUPP;
	return len ? mem->provider.read(&mem->backing, off, buf, len) : 0;
}

int devrx_memory_write(struct devrx_memory *mem, uint64_t off, const void *buf,
		       size_t len)
{
	int err;

	err = check_copy(mem, off, len);
	if (err)
		return err;
	if (!mem->provider.write)
		return -EOPNOTSUPP;
	return len ? mem->provider.write(&mem->backing, off, buf, len) : 0;
}

int devrx_memory_free(struct devrx_memory *mem)
{
	if (!mem)
		return 0;
	if (!drx_alive(mem->alive)) {
		/*
		 * Only the descriptor and this struct are the child's own.
		 * The provider must not run: the addresses that it would
		 * unmap may belong to something else by now.
		 */
		if (mem->backing.dmabuf_fd >= 0)
			(void)close(mem->backing.dmabuf_fd);
		drx_alive_free(mem->alive);
		free(mem);
		return 0;
	}
	if (__atomic_exchange_n(&mem->bound, 1, __ATOMIC_ACQUIRE))
		return -EBUSY;
	mem->provider.free(&mem->backing);
	drx_alive_free(mem->alive);
	free(mem);
	return 0;
}

int drx_memory_bind(struct devrx_memory *mem, struct devrx_cause *cause)
{
	if (!drx_alive(mem->alive))
		return drx_fail(cause, -EPERM, "forked", NULL,
				"the memory belongs to process %ld, which "
				"this one was forked from",
				(long)mem->owner);
	/* Acquire: pairs with the release in drx_memory_unbind(). */
	if (__atomic_exchange_n(&mem->bound, 1, __ATOMIC_ACQUIRE))
		return drx_fail(cause, -EBUSY, "memory-bound", NULL,
				"the memory already has a receiver; close "
				"that one first");
	return 0;
}

void drx_memory_unbind(struct devrx_memory *mem)
{
	/* Release: what the receiver did is seen by the next to bind. */
	__atomic_store_n(&mem->bound, 0, __ATOMIC_RELEASE);
}

bool drx_memory_wants_pci(const struct devrx_memory *mem)
{
	char exporter[32];

	if (mem->backing.dmabuf_fd < 0)
		return false;
	if (drx_dmabuf_exporter(mem->backing.dmabuf_fd, exporter,
				sizeof(exporter)))
		return !strcmp(mem->provider.name, drx_cuda_provider.name);
	return drx_dmabuf_wants_pci(exporter);
}

bool drx_memory_is_ours(const struct devrx_memory *mem)
{
	return drx_alive(mem->alive);
}

void *drx_memory_host(const struct devrx_memory *mem, uint64_t *len)
{
	if (len)
		*len = mem->backing.len;
	return mem->backing.host_addr;
}

const struct devrx_provider *drx_memory_provider(struct devrx_memory *mem,
						 struct devrx_backing **ret)
{
	*ret = &mem->backing;
	return &mem->provider;
}

int drx_memory_backing(struct devrx_memory *mem,
		       void (*free)(struct devrx_backing *backing),
		       struct devrx_backing **ret)
{
	if (!drx_alive(mem->alive))
		return -EPERM;
	/* Not the name: a provider of the caller's own may have the same. */
	if (mem->provider.free != free)
		return -EINVAL;
	*ret = &mem->backing;
	return 0;
}
