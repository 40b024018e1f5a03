// SPDX-License-Identifier: MIT
/* What the fake does with memory: copies, exports, flushes. */
#include "fake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "backing.h"
#include "mapping.h"
#include "stream.h"

/* Host memory that is registered: out of it copies are in the background. */
struct pinned {
	struct pinned *next;
	const char *addr;
	size_t len;
};
static struct pinned *pinned;

struct upload {
	struct fake_work work;
	uint64_t to;
	const void *from;
	size_t len;
};

struct within {
	struct fake_work work;
	uint64_t to, from;
	size_t len;
};

long fake_count_pinned(void)
{
	const struct pinned *p;
	long nr = 0;

	for (p = pinned; p; p = p->next)
		nr++;
	return nr;
}

void fake_reset_pinned(void)
{
	while (pinned) {
		struct pinned *p = pinned;

		pinned = p->next;
		free(p);
	}
}

static bool is_pinned(const char *addr, size_t len)
{
	const struct pinned *p;

	for (p = pinned; p; p = p->next) {
		if (addr >= p->addr && addr + len <= p->addr + p->len)
			return true;
	}
	return false;
}

static int move(uint64_t addr, void *buf, size_t len, bool in)
{
	struct memory *m;
	size_t off, part;
	char *at;

	for (; len; len -= part, addr += part, buf = (char *)buf + part) {
		m = fake_at(addr);
		if (!m)
			return DRX_CU_INVALID_VALUE;
		off = addr - m->addr;
		at = (char *)(uintptr_t)m->addr;
		part = len < m->len - off ? len : m->len - off;
		if (!m->store)
			memcpy(in ? at + off : buf, in ? buf : at + off, part);
		else if (store_copy(m->store, off, buf, part, in))
			return DRX_CU_UNKNOWN;
	}
	return 0;
}

static int copy(uint64_t addr, void *buf, size_t len, bool in)
{
	struct fake_context *ctx;
	int result = fake_current(&ctx);

	return result ? result : move(addr, buf, len, in);
}

static void upload(struct fake_work *work)
{
	struct upload *up = (struct upload *)work;

	if (move(up->to, (void *)(uintptr_t)up->from, up->len, true))
		fake_break(DRX_CU_ILLEGAL_ADDRESS);
}

static int queue_upload(void *stream, uint64_t to, const void *from, size_t len)
{
	struct fake_context *ctx;
	struct upload *up;
	int result = fake_stream(stream, &ctx);

	if (!result && !fake_at(to))
		result = DRX_CU_INVALID_VALUE;
	if (result)
		return result;
	up = calloc(1, sizeof(*up));
	if (!up)
		abort();
	up->work.run = upload;
	up->to = to;
	up->from = from;
	up->len = len;
	fake_queue(&up->work, ctx, stream);
	return 0;
}

/* After what is queued on the stream, and on no other: not the default one. */
static int copy_behind(void *stream, uint64_t addr, void *buf, size_t len,
		       bool in)
{
	struct fake_context *ctx;
	int result = fake_stream(stream, &ctx);

	if (!result && !stream)
		result = DRX_CU_INVALID_VALUE;
	if (!result)
		result = fake_finish(stream);
	return result ? result : copy(addr, buf, len, in);
}

FAKE_API int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t len,
				  void *stream)
{
	BEGIN("cuMemcpyDtoHAsync");
	return fake_end(copy_behind(stream, from, to, len, false));
}

FAKE_API int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t len,
				  void *stream)
{
	BEGIN("cuMemcpyHtoDAsync");
	if (stream && is_pinned(from, len))
		return fake_end(queue_upload(stream, to, from, len));
	return fake_end(
		copy_behind(stream, to, (void *)(uintptr_t)from, len, true));
}

static void copy_within(struct fake_work *work)
{
	struct within *w = (struct within *)work;
	char *buf = malloc(w->len);

	if (!buf)
		abort();
	if (move(w->from, buf, w->len, false) || move(w->to, buf, w->len, true))
		fake_break(DRX_CU_ILLEGAL_ADDRESS);
	free(buf);
}

FAKE_API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t len,
				  void *stream)
{
	struct fake_context *ctx;
	struct within *w;
	int result;

	BEGIN("cuMemcpyDtoDAsync");
	result = fake_stream(stream, &ctx);
	if (!result && (!stream || !fake_at(to) || !fake_at(from)))
		result = DRX_CU_INVALID_VALUE;
	if (result)
		return fake_end(result);
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	w->work.run = copy_within;
	w->to = to;
	w->from = from;
	w->len = len;
	fake_queue(&w->work, ctx, stream);
	return fake_end(0);
}

FAKE_API int cuMemHostRegister_v2(void *addr, size_t len, unsigned int flags)
{
	struct fake_context *ctx;
	struct pinned *p;
	int result;

	BEGIN("cuMemHostRegister");
	result = fake_current(&ctx);
	if (!result && (!addr || !len || flags))
		result = DRX_CU_INVALID_VALUE;
	if (result)
		return fake_end(result);
	p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->addr = addr;
	p->len = len;
	p->next = pinned;
	pinned = p;
	return fake_end(0);
}

FAKE_API int cuMemHostUnregister(void *addr)
{
	struct pinned **link = &pinned;
	struct pinned *p;

	BEGIN("cuMemHostUnregister");
	while (*link && (*link)->addr != addr)
		link = &(*link)->next;
	p = *link;
	if (!p)
		return fake_end(DRX_CU_INVALID_VALUE);
	*link = p->next;
	free(p);
	return fake_end(0);
}

/* On the default stream, which does not wait for those that do not for it. */
FAKE_API int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t len)
{
	BEGIN("cuMemcpyDtoH");
	return fake_end(copy(from, to, len, false));
}

FAKE_API int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t len)
{
	BEGIN("cuMemcpyHtoD");
	return fake_end(copy(to, (void *)(uintptr_t)from, len, true));
}

FAKE_API int cuMemGetHandleForAddressRange(void *ret, uint64_t addr, size_t len,
					   int type, uint64_t flags)
{
	struct memory *m;
	int fd;

	BEGIN("cuMemGetHandleForAddressRange");
	m = fake_at(addr);
	if (type != DRX_CU_RANGE_DMA_BUF_FD || addr % 4096 || len % 4096 ||
	    !m || !m->store || !fake_at(addr + len - 1))
		return fake_end(DRX_CU_INVALID_VALUE);
	if (flags && fake_set.pcie)
		return fake_end(fake_set.pcie);
	fd = store_export(m->store, addr - m->addr, len);
	if (fd < 0)
		return fake_end(DRX_CU_NOT_SUPPORTED);
	if (fake_set.no_cloexec)
		(void)fcntl(fd, F_SETFD, 0);
	*(int *)ret = fd;
	return fake_end(0);
}

FAKE_API int cuFlushGPUDirectRDMAWrites(int target, int scope)
{
	struct fake_context *ctx;
	int result;

	BEGIN("cuFlushGPUDirectRDMAWrites");
	result = fake_current(&ctx);
	if (!result && (target != DRX_CU_FLUSH_TARGET_CURRENT_CTX ||
			scope != DRX_CU_FLUSH_TO_OWNER))
		result = DRX_CU_INVALID_VALUE;
	return fake_end(result);
}
