/* SPDX-License-Identifier: MIT */
/*
 * What was changed of one NIC, for whom: a file per NIC below /run/devrx.
 *
 * A change is in the file, on disk, before it is made, so that whoever comes later
 * can undo it whatever happened in between. The file is replaced as a whole by
 * rename(), so it is never half-written. Who reads or writes holds a lock.
 *
 * Steps belong to all owners together: the last one to leave has them undone, in
 * reverse. Only a flow rule goes with the queue that it leads to.
 */
#ifndef DRX_JOURNAL_H
#define DRX_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>

#include "nic/step.h"

#define DRX_JOURNAL_DIR "/run/devrx"
#define DRX_OWNERS_MAX 64

/* Who holds a queue: a process, or where @pid is 0 whoever asks, until it is
 * undone by hand. */
struct drx_owner {
	uint32_t pid;
	uint32_t queue;
	uint64_t start; /* of the process, in clock ticks since boot */
	uint64_t pidns; /* its namespace's inode */
	uint64_t since; /* seconds since 1970 */
};

struct drx_journal {
	uint32_t ifindex;
	char ifname[16];
	char driver[32];
	uint32_t nr_owners;
	struct drx_owner owners[DRX_OWNERS_MAX];
	uint32_t nr_steps;
	struct drx_step *steps;
};

void drx_journal_free(struct drx_journal *journal);

/* Takes over what @step owns. 0 or -ENOMEM. */
int drx_journal_add(struct drx_journal *journal, const struct drx_step *step);
void drx_journal_drop(struct drx_journal *journal, uint32_t step);

/* As text, to be freed; NULL where memory is short. */
char *drx_journal_encode(const struct drx_journal *journal, size_t *ret_len);
/* 0, -EBADMSG or -ENOMEM; on success drx_journal_free() is due. */
int drx_journal_decode(struct drx_journal *ret, const char *text, size_t len);

/* This process, holding @queue from now on. 0 or a negative errno of /proc. */
int drx_owner_self(struct drx_owner *ret, uint32_t queue);
/* Does it live, as far as can be seen from here? In doubt it does. */
bool drx_owner_lives(const struct drx_owner *owner);

/* The calling thread's namespaces: an inode, or 0. */
uint64_t drx_netns(void);
uint64_t drx_pidns(void);

/* The file of one NIC, locked. */
struct drx_journal_file {
	int dir;
	int lock;
	char name[48];
};

/*
 * Lock the file of NIC @ifindex of network namespace @netns in @dir, which is made
 * where it is missing and @make says so. Waits for who has it. 0, -ENOENT without
 * @make, or another errno.
 */
int drx_journal_open(struct drx_journal_file *ret, const char *dir,
		     uint64_t netns, uint32_t ifindex, bool make);
/* To load only, without the lock and the right to write. */
int drx_journal_peek(struct drx_journal_file *ret, const char *dir,
		     uint64_t netns, uint32_t ifindex);
void drx_journal_close(struct drx_journal_file *file);

/* What is in it; an empty journal where there is none. 0 or a negative errno. */
int drx_journal_load(const struct drx_journal_file *file,
		     struct drx_journal *ret);
/* On disk when it returns 0; one without owners and steps is removed. */
int drx_journal_save(const struct drx_journal_file *file,
		     const struct drx_journal *journal);

/* NICs of @netns that have one: at most @max numbers into @ret; how many, or a
 * negative errno. */
int drx_journal_list(const char *dir, uint64_t netns, uint32_t *ret,
		     unsigned int max);

#endif /* DRX_JOURNAL_H */
