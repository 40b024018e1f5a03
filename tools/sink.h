/* SPDX-License-Identifier: MIT */
/*
 * Where a connection's bytes go: a SHA-256, a check against the pattern, a
 * file, any of them, or nowhere.
 *
 * A file is written under a temporary name beside its own and renamed when the
 * stream is complete, so that a half of it never stays. What is no regular
 * file (a pipe, /dev/null) is written to directly.
 *
 * The calls return 0 or an exit code (EXIT_TRANSFER for wrong bytes,
 * EXIT_OUTPUT where they could not be written), with the cause filled in.
 */
#ifndef DEVRX_TOOLS_SINK_H
#define DEVRX_TOOLS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct devrx_cause;
struct evp_md_ctx_st;

#define SINK_IOV 64
#define SINK_HEX_LEN 65

struct sink_opts {
	const char *out; /* file name, or NULL */
	uint64_t seed;
	bool digest;
	bool verify;
};

struct sink {
	const struct sink_opts *opts;
	struct evp_md_ctx_st *md;
	char *path;
	char *temp; /* NULL where the file is written directly */
	int fd;
	int direct_fd; /* the same with O_DIRECT, or -1 */
	bool no_direct; /* it was refused; a write may still have that */
	uint32_t memory_align; /* what that wants of addresses */
	int err; /* negative errno of what failed last */
	unsigned int nr_iov;
	uint64_t position; /* bytes taken so far */
	struct iovec iov[SINK_IOV];
	char hex[SINK_HEX_LEN]; /* the digest, after sink_commit() */
};

/* @idx of @total connections names the file: FILE, or FILE.@idx. */
int sink_open(struct sink *s, const struct sink_opts *opts, unsigned int idx,
	      unsigned int total, struct devrx_cause *cause);

/* The stream's next bytes; they must stay as they are until sink_flush(). */
int sink_put(struct sink *s, const void *buf, size_t len,
	     struct devrx_cause *cause);

/* The same, but for a file: digest and pattern only. */
int sink_check(struct sink *s, const void *buf, size_t len,
	       struct devrx_cause *cause);

/* Is there a file that can be written anywhere at any time? */
bool sink_is_file(const struct sink *s);

/* Can @len bytes at @buf be written with O_DIRECT, at byte @position of the file? */
bool sink_direct(const struct sink *s, const void *buf, uint64_t position,
		 size_t len);
/* From now on they cannot. */
void sink_no_direct(struct sink *s);

/* Write to byte @position of the file. */
int sink_write_at(struct sink *s, const void *buf, size_t len,
		  uint64_t position, struct devrx_cause *cause);

/* A write that somebody else made failed with @err, a negative errno. */
int sink_failed(struct sink *s, int err, uint64_t position,
		struct devrx_cause *cause);

/* Done with all that sink_put() was given. */
int sink_flush(struct sink *s, struct devrx_cause *cause);

/* The stream is complete: make the digest, give the file its name. */
int sink_commit(struct sink *s, struct devrx_cause *cause);

/* Forget it all, the temporary file too; after sink_commit() harmless. */
void sink_drop(struct sink *s);

#endif /* DEVRX_TOOLS_SINK_H */
