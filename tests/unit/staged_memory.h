/* SPDX-License-Identifier: MIT */
/* A memory that is a dmabuf (a memfd plays it) and is written by calls. */
#ifndef STAGED_MEMORY_H
#define STAGED_MEMORY_H

#include <cerrno>
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <unistd.h>

#include "background.h"
#include "fake_rig.h"

/* Of the memory that was made last. */
struct Written {
	unsigned int writes = 0;
	/* What the next writes return; by their number, from 0. */
	std::function<int(unsigned int)> answer;
};
inline Written written;

inline int written_write(struct devrx_backing *backing, uint64_t off,
			 const void *buf, size_t len)
{
	const int err = written.answer ? written.answer(written.writes) : 0;

	written.writes++;
	if (err)
		return err;
	/* The mapping that tests read is read-only: nothing else writes. */
	EXPECT_EQ(pwrite(backing->dmabuf_fd >= 0 ?
				 backing->dmabuf_fd :
				 static_cast<int>(reinterpret_cast<intptr_t>(
					 backing->priv)),
			 buf, len, static_cast<off_t>(off)),
		  static_cast<ssize_t>(len));
	return 0;
}

inline int written_read(struct devrx_backing *backing, uint64_t off, void *buf,
			size_t len)
{
	EXPECT_EQ(pread(backing->dmabuf_fd >= 0 ?
				backing->dmabuf_fd :
				static_cast<int>(reinterpret_cast<intptr_t>(
					backing->priv)),
			buf, len, static_cast<off_t>(off)),
		  static_cast<ssize_t>(len));
	return 0;
}

/* Memory that has neither a dmabuf nor an address. */
inline int remote_alloc(const struct devrx_memory_opts *opts,
			struct devrx_backing *ret, struct devrx_cause *cause)
{
	const int err = fake_provider.alloc(opts, ret, cause);

	if (err)
		return err;
	(void)munmap(ret->host_addr, ret->len);
	ret->host_addr = nullptr;
	ret->priv = reinterpret_cast<void *>(intptr_t{ ret->dmabuf_fd });
	ret->dmabuf_fd = -1;
	return 0;
}

inline void remote_free(struct devrx_backing *backing)
{
	(void)close(
		static_cast<int>(reinterpret_cast<intptr_t>(backing->priv)));
}

inline struct devrx_memory *written_memory(uint64_t len, bool dmabuf = true,
					   bool in_background = false)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_provider provider = fake_provider;
	struct devrx_memory *mem = nullptr;

	written = Written();
	provider.read = written_read;
	provider.write = written_write;
	if (!dmabuf) {
		provider.alloc = remote_alloc;
		provider.free = remote_free;
	}
	if (in_background)
		background::add_to(&provider);
	opts.provider = &provider;
	opts.len = len;
	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), 0);
	return mem;
}

#endif /* STAGED_MEMORY_H */
