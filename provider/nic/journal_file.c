// SPDX-License-Identifier: MIT
/*
 * The journal on disk, and who its owners are.
 *
 * The lock is a file of its own, since the journal's is replaced. It goes with the
 * journal; one that was removed while it was waited for is not the lock any more.
 */
#include "nic/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The table of a NIC's RSS twice, and some. */
#define FILE_MAX (8u << 20)

static uint64_t inode(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint64_t)st.st_ino;
}

uint64_t drx_netns(void)
{
	return inode("/proc/thread-self/ns/net");
}

uint64_t drx_pidns(void)
{
	return inode("/proc/self/ns/pid");
}

/* Its start, and whether it has not ended, from /proc. */
static int read_start(uint32_t pid, uint64_t *ret, bool *ret_lives)
{
	char path[32], text[1024];
	const char *at;
	char state = 0;
	ssize_t len;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (len <= 0)
		return -ESRCH;
	text[len] = '\0';
	/* The second word may hold anything, brackets too. */
	at = strrchr(text, ')');
	if (!at || sscanf(at,
			  ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			  "%*s %*s %*s %*s %*s %*s %*s %" SCNu64,
			  &state, ret) != 2)
		return -EBADMSG;
	*ret_lives = state != 'Z' && state != 'X';
	return 0;
}

int drx_owner_self(struct drx_owner *ret, uint32_t queue)
{
	struct drx_owner owner = {
		.pid = (uint32_t)getpid(),
		.queue = queue,
		.pidns = drx_pidns(),
		.since = (uint64_t)time(NULL),
	};
	bool lives;
	int err = read_start(owner.pid, &owner.start, &lives);

	if (!err)
		*ret = owner;
	return err;
}

bool drx_owner_lives(const struct drx_owner *owner)
{
	uint64_t start;
	bool lives;
	int err;

	if (!owner->pid || owner->pidns != drx_pidns())
		return true;
	err = read_start(owner->pid, &start, &lives);
	if (err)
		return err != -ENOENT && err != -ESRCH;
	return lives && start == owner->start;
}

static int lock(struct drx_journal_file *file)
{
	char name[sizeof(file->name) + 8];
	struct stat is, was;
	int fd, err;

	(void)snprintf(name, sizeof(name), "%s.lock", file->name);
	for (;;) {
		fd = openat(file->dir, name,
			    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		err = 0;
		while (flock(fd, LOCK_EX) && !err)
			err = errno == EINTR ? 0 : -errno;
		if (!err && fstat(fd, &was))
			err = -errno;
		if (!err && !fstatat(file->dir, name, &is, 0) &&
		    is.st_ino == was.st_ino) {
			file->lock = fd;
			return 0;
		}
		(void)close(fd);
		if (err)
			return err;
	}
}

int drx_journal_peek(struct drx_journal_file *ret, const char *dir,
		     uint64_t netns, uint32_t ifindex)
{
	struct drx_journal_file file = { .lock = -1 };

	(void)snprintf(file.name, sizeof(file.name), "%" PRIu64 "-%" PRIu32,
		       netns, ifindex);
	file.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file.dir < 0)
		return -errno;
	*ret = file;
	return 0;
}

int drx_journal_open(struct drx_journal_file *ret, const char *dir,
		     uint64_t netns, uint32_t ifindex, bool make)
{
	int err;

	if (make && mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	err = drx_journal_peek(ret, dir, netns, ifindex);
	if (err)
		return err;
	err = lock(ret);
	if (err)
		(void)close(ret->dir);
	return err;
}

void drx_journal_close(struct drx_journal_file *file)
{
	char name[sizeof(file->name) + 8];

	/* Nothing to lock: who waits for it looks again. What a death has left
	 * before it was renamed goes too. */
	if (file->lock >= 0 && faccessat(file->dir, file->name, F_OK, 0) &&
	    errno == ENOENT) {
		(void)snprintf(name, sizeof(name), "%s.new", file->name);
		(void)unlinkat(file->dir, name, 0);
		(void)snprintf(name, sizeof(name), "%s.lock", file->name);
		(void)unlinkat(file->dir, name, 0);
	}
	if (file->lock >= 0)
		(void)close(file->lock);
	(void)close(file->dir);
}

/* All of a file, to be freed. */
static int slurp(int fd, char **ret, size_t *ret_len)
{
	struct stat st;
	size_t len = 0;
	ssize_t n;
	char *text;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < 0 || st.st_size > (off_t)FILE_MAX)
		return -EBADMSG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (len < (size_t)st.st_size) {
		n = read(fd, text + len, (size_t)st.st_size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = -errno;

			free(text);
			return err;
		}
		if (!n)
			break;
		len += (size_t)n;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

int drx_journal_load(const struct drx_journal_file *file,
		     struct drx_journal *ret)
{
	char *text = NULL;
	size_t len = 0;
	int fd, err;

	fd = openat(file->dir, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		*ret = (struct drx_journal){ 0 };
		return 0;
	}
	if (fd < 0)
		return -errno;
	err = slurp(fd, &text, &len);
	(void)close(fd);
	if (err)
		return err;
	err = drx_journal_decode(ret, text, len);
	free(text);
	return err;
}

static int put_file(const struct drx_journal_file *file, const char *name,
		    const char *text, size_t len)
{
	int fd = openat(file->dir, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0644);
	size_t done = 0;
	int err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (!err && done < len) {
		n = write(fd, text + done, len - done);
		if (n < 0)
			err = errno == EINTR ? 0 : -errno;
		else
			done += (size_t)n;
	}
	if (!err && fsync(fd))
		err = -errno;
	(void)close(fd);
	return err;
}

int drx_journal_save(const struct drx_journal_file *file,
		     const struct drx_journal *journal)
{
	char name[sizeof(file->name) + 8];
	size_t len = 0;
	char *text;
	int err;

	if (!journal->nr_owners && !journal->nr_steps) {
		if (unlinkat(file->dir, file->name, 0) && errno != ENOENT)
			return -errno;
		return fsync(file->dir) ? -errno : 0;
	}
	text = drx_journal_encode(journal, &len);
	if (!text)
		return -ENOMEM;
	(void)snprintf(name, sizeof(name), "%s.new", file->name);
	err = put_file(file, name, text, len);
	free(text);
	if (!err && renameat(file->dir, name, file->dir, file->name))
		err = -errno;
	if (!err && fsync(file->dir))
		err = -errno;
	if (err)
		(void)unlinkat(file->dir, name, 0);
	return err;
}

int drx_journal_list(const char *dir, uint64_t netns, uint32_t *ret,
		     unsigned int max)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	unsigned int nr = 0;
	uint64_t ns;
	uint32_t ifindex;
	int end;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (nr < max && (entry = readdir(d))) {
		end = 0;
		if (sscanf(entry->d_name, "%" SCNu64 "-%" SCNu32 "%n", &ns,
			   &ifindex, &end) == 2 &&
		    !entry->d_name[end] && ns == netns)
			ret[nr++] = ifindex;
	}
	(void)closedir(d);
	return (int)nr;
}
