// SPDX-License-Identifier: MIT
/* Where a connection's bytes go (sink.h). */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pattern.h"
#include "report.h"
#include "sink.h"

static int out_of_memory(struct sink *s, struct devrx_cause *cause)
{
	s->err = -ENOMEM;
	cause_set(cause, "out-of-memory", NULL, "out of memory");
	return EXIT_ENVIRONMENT;
}

static int output_error(struct sink *s, const char *what, int err,
			struct devrx_cause *cause)
{
	const char *next = "check that the directory exists and is writable";
	const char *id = "output";

	s->err = -err;
	if (err == ENOSPC || err == EDQUOT || err == EFBIG) {
		next = "free some space, or give --out a place with more";
		id = "disk-full";
	}
	cause_set(cause, id, next, "cannot %s %s at byte %llu: %s", what,
		  s->path, (unsigned long long)s->position, strerror(err));
	return EXIT_OUTPUT;
}

/* A file with the permissions that a plain creat() would give. */
static int open_temp(struct sink *s)
{
	mode_t mask = umask(0);
	int fd;

	(void)umask(mask);
	fd = mkostemp(s->temp, O_CLOEXEC);
	if (fd >= 0)
		(void)fchmod(fd, 0666 & ~mask);
	return fd;
}

/*
 * Once more with O_DIRECT, where the file system has that and tells what it wants;
 * Linux 6.1 does. Whole pages are written so, and only those: a page that is written
 * both ways at a time could keep either.
 */
static void open_direct(struct sink *s)
{
#ifdef STATX_DIOALIGN
	const uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	struct statx st;

	if (statx(s->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) ||
	    !(st.stx_mask & STATX_DIOALIGN) || !st.stx_dio_offset_align ||
	    st.stx_dio_offset_align > page)
		return;
	s->memory_align = st.stx_dio_mem_align ? st.stx_dio_mem_align : 1;
	s->direct_fd = open(s->temp, O_WRONLY | O_CLOEXEC | O_DIRECT);
#else
	(void)s;
#endif
}

bool sink_is_file(const struct sink *s)
{
	return s->temp;
}

bool sink_direct(const struct sink *s, const void *buf, uint64_t position,
		 size_t len)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return s->direct_fd >= 0 && !s->no_direct && position % page == 0 &&
	       len % page == 0 && (uintptr_t)buf % s->memory_align == 0;
}

void sink_no_direct(struct sink *s)
{
	s->no_direct = true;
}

static void close_direct(struct sink *s)
{
	if (s->direct_fd >= 0)
		close(s->direct_fd);
	s->direct_fd = -1;
}

static int open_file(struct sink *s, unsigned int idx, unsigned int total,
		     struct devrx_cause *cause)
{
	struct stat st;
	int rc;

	rc = total == 1 ? asprintf(&s->path, "%s", s->opts->out) :
			  asprintf(&s->path, "%s.%u", s->opts->out, idx);
	if (rc < 0) {
		s->path = NULL;
		return out_of_memory(s, cause);
	}
	if (!stat(s->path, &st) && !S_ISREG(st.st_mode)) {
		s->fd = open(s->path, O_WRONLY | O_CLOEXEC);
	} else {
		if (asprintf(&s->temp, "%s.part-XXXXXX", s->path) < 0) {
			s->temp = NULL;
			return out_of_memory(s, cause);
		}
		s->fd = open_temp(s);
	}
	if (s->fd >= 0) {
		if (s->temp)
			open_direct(s);
		return 0;
	}
	rc = errno;
	free(s->temp);
	s->temp = NULL;
	return output_error(s, "create", rc, cause);
}

int sink_open(struct sink *s, const struct sink_opts *opts, unsigned int idx,
	      unsigned int total, struct devrx_cause *cause)
{
	memset(s, 0, sizeof(*s));
	s->opts = opts;
	s->fd = -1;
	s->direct_fd = -1;
	if (opts->digest) {
		s->md = EVP_MD_CTX_new();
		if (!s->md || !EVP_DigestInit_ex(s->md, EVP_sha256(), NULL))
			return out_of_memory(s, cause);
	}
	return opts->out ? open_file(s, idx, total, cause) : 0;
}

static int check_pattern(struct sink *s, const void *buf, size_t len,
			 struct devrx_cause *cause)
{
	size_t at = pattern_check(s->opts->seed, s->position, buf, len);

	if (at == len)
		return 0;
	s->err = -EBADMSG;
	cause_set(cause, "wrong-byte",
		  "does the sender use the same --pattern seed?",
		  "byte %llu of the stream is 0x%02x, where the pattern of "
		  "seed %llu has 0x%02x",
		  (unsigned long long)(s->position + at),
		  ((const uint8_t *)buf)[at], (unsigned long long)s->opts->seed,
		  pattern_byte(s->opts->seed, s->position + at));
	return EXIT_TRANSFER;
}

int sink_check(struct sink *s, const void *buf, size_t len,
	       struct devrx_cause *cause)
{
	int rc = s->opts->verify ? check_pattern(s, buf, len, cause) : 0;

	if (!rc && s->md && !EVP_DigestUpdate(s->md, buf, len))
		return out_of_memory(s, cause);
	s->position += rc ? 0 : len;
	return rc;
}

int sink_put(struct sink *s, const void *buf, size_t len,
	     struct devrx_cause *cause)
{
	int rc = sink_check(s, buf, len, cause);

	if (rc)
		return rc;
	if (s->fd >= 0) {
		if (s->nr_iov == SINK_IOV) {
			rc = sink_flush(s, cause);
			if (rc)
				return rc;
		}
		s->iov[s->nr_iov].iov_base = (void *)(uintptr_t)buf;
		s->iov[s->nr_iov].iov_len = len;
		s->nr_iov++;
	}
	return 0;
}

int sink_write_at(struct sink *s, const void *buf, size_t len,
		  uint64_t position, struct devrx_cause *cause)
{
	const char *at = buf;

	while (len) {
		const ssize_t n = pwrite(s->fd, at, len, (off_t)position);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sink_failed(s, -errno, position, cause);
		at += n;
		len -= (size_t)n;
		position += (uint64_t)n;
	}
	return 0;
}

int sink_failed(struct sink *s, int err, uint64_t position,
		struct devrx_cause *cause)
{
	s->position = position;
	return output_error(s, "write", -err, cause);
}

int sink_flush(struct sink *s, struct devrx_cause *cause)
{
	struct iovec *iov = s->iov;
	unsigned int left = s->nr_iov;

	s->nr_iov = 0;
	while (left) {
		ssize_t n = writev(s->fd, iov, (int)left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return output_error(s, "write", errno, cause);
		while (left && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			left--;
		}
		if (left) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int finish_digest(struct sink *s, struct devrx_cause *cause)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (!EVP_DigestFinal_ex(s->md, md, &len))
		return out_of_memory(s, cause);
	for (unsigned int i = 0; i < len && 2 * i + 2 < SINK_HEX_LEN; i++)
		snprintf(s->hex + 2 * i, 3, "%02x", md[i]);
	return 0;
}

int sink_commit(struct sink *s, struct devrx_cause *cause)
{
	int rc = sink_flush(s, cause);

	close_direct(s);
	if (!rc && s->fd >= 0) {
		/* Some file systems find out that they are full only now. */
		rc = close(s->fd) ? output_error(s, "write", errno, cause) : 0;
		s->fd = -1;
	}
	if (!rc && s->temp) {
		if (rename(s->temp, s->path))
			return output_error(s, "rename the temporary file to",
					    errno, cause);
		free(s->temp);
		s->temp = NULL;
	}
	if (!rc && s->md)
		rc = finish_digest(s, cause);
	return rc;
}

void sink_drop(struct sink *s)
{
	close_direct(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->temp)
		(void)unlink(s->temp);
	free(s->temp);
	s->temp = NULL;
	free(s->path);
	s->path = NULL;
	EVP_MD_CTX_free(s->md);
	s->md = NULL;
	s->nr_iov = 0;
}
