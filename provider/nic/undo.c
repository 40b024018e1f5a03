// SPDX-License-Identifier: MIT
/*
 * Leave a NIC as it was found. Steps are undone in reverse, each only if the NIC
 * is as the step left it: what somebody has changed since is theirs. A step is out
 * of the journal only when it is undone, so dying in between loses nothing, and
 * nothing is undone twice.
 */
#include "nic/reserve.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* A ring's end is worked off by the kernel after the process has gone. */
#define NAP_NS 5000000L
#define NAPS 2000u

static void tell(const struct drx_undo_log *log, enum drx_undone what,
		 const struct drx_step *step, const char *ifname, int err,
		 const char *why)
{
	if (log && log->fn)
		log->fn(log->ctx, what, step, ifname, err, why);
}

static int real_read(void *ctx, struct drx_setup **ret,
		     struct devrx_cause *cause)
{
	return drx_setup_read(ret, *(uint32_t *)ctx, cause);
}

static int real_make(void *ctx, struct drx_step *step, bool undo, char *why,
		     size_t len)
{
	return drx_step_make(step, *(uint32_t *)ctx, undo, why, len);
}

static bool real_nap(void *ctx, unsigned int round)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };

	(void)ctx;
	if (round >= NAPS)
		return false;
	(void)nanosleep(&nap, NULL);
	return true;
}

struct drx_nic_io drx_nic_real(uint32_t *ifindex)
{
	return (struct drx_nic_io){ .read = real_read,
				    .make = real_make,
				    .nap = real_nap,
				    .ctx = ifindex };
}

/* Until nothing has the queue: neither split nor channels change below a provider
 * (net/ethtool/rings.c, channels.c). Somebody else's, not bound by us, never goes;
 * then the kernel says no itself. */
static int wait_free(const struct drx_nic_io *io, uint32_t queue)
{
	struct drx_setup *setup;
	bool used;
	int ret;

	for (unsigned int round = 0;; round++) {
		ret = io->read(io->ctx, &setup, NULL);
		if (ret)
			return ret;
		used = queue < DRX_SETUP_QUEUES_MAX && setup->used[queue];
		drx_setup_free(setup);
		if (!used || !io->nap(io->ctx, round))
			return 0;
	}
}

/* One step. Out of the journal unless it fails. */
static int undo_step(const struct drx_journal_file *file,
		     const struct drx_nic_io *io, struct drx_journal *journal,
		     uint32_t i, const struct drx_undo_log *log)
{
	struct drx_step *step = &journal->steps[i];
	enum drx_step_state state;
	struct drx_setup *setup;
	char why[128] = "";
	int ret;

	ret = io->read(io->ctx, &setup, NULL);
	if (ret)
		return ret;
	state = drx_step_state(step, setup);
	/* Commands are said with the name that it has now. */
	memcpy(journal->ifname, setup->ifname, sizeof(journal->ifname));
	drx_setup_free(setup);
	if (state == DRX_STEP_AFTER) {
		ret = io->make(io->ctx, step, true, why, sizeof(why));
		/* Deleted in the moment since. */
		if (ret == -ENOENT && step->kind == DRX_STEP_RULE)
			ret = 0;
		if (ret) {
			tell(log, DRX_UNDONE_FAILED, step, journal->ifname, ret,
			     why);
			return ret;
		}
		tell(log, DRX_UNDONE, step, journal->ifname, 0, "");
	} else if (state == DRX_STEP_OTHER && step->done) {
		tell(log, DRX_UNDONE_OTHER, step, journal->ifname, 0, "");
	}
	drx_journal_drop(journal, i);
	return drx_journal_save(file, journal);
}

/* The NIC has gone, and all that was changed of it. */
static int forget(const struct drx_journal_file *file,
		  struct drx_journal *journal)
{
	while (journal->nr_steps)
		drx_journal_drop(journal, journal->nr_steps - 1);
	journal->nr_owners = 0;
	return drx_journal_save(file, journal);
}

static bool is_held(const struct drx_journal *journal, uint32_t queue)
{
	for (uint32_t i = 0; i < journal->nr_owners; i++)
		if (journal->owners[i].queue == queue)
			return true;
	return false;
}

/* Rules to @queue, or where nobody is left everything. */
static int undo(const struct drx_journal_file *file,
		const struct drx_nic_io *io, struct drx_journal *journal,
		uint32_t queue, const struct drx_undo_log *log)
{
	const bool all = !journal->nr_owners;
	int ret, result = 0;

	for (uint32_t i = journal->nr_steps; i-- > 0;) {
		const struct drx_step *step = &journal->steps[i];

		if (!all && (step->kind != DRX_STEP_RULE ||
			     step->queue != queue || is_held(journal, queue)))
			continue;
		ret = undo_step(file, io, journal, i, log);
		if (ret == -ENODEV)
			return forget(file, journal);
		if (ret == -EPERM || ret == -EACCES)
			return -EPERM;
		if (ret)
			result = -EINPROGRESS;
	}
	return result;
}

/* Owner @i leaves. */
static int leave(const struct drx_journal_file *file,
		 const struct drx_nic_io *io, struct drx_journal *journal,
		 uint32_t i, const struct drx_undo_log *log)
{
	const struct drx_owner owner = journal->owners[i];
	int ret;

	ret = journal->nr_steps ? wait_free(io, owner.queue) : 0;
	if (ret == -ENODEV)
		return forget(file, journal);
	if (ret)
		return ret;
	journal->owners[i] = journal->owners[journal->nr_owners - 1];
	journal->nr_owners--;
	/* Steps without an owner are found again: drx_leave_dead(). */
	ret = drx_journal_save(file, journal);
	return ret ? ret : undo(file, io, journal, owner.queue, log);
}

int drx_leave(const struct drx_journal_file *file, const struct drx_nic_io *io,
	      const struct drx_owner *owner, const struct drx_undo_log *log)
{
	struct drx_journal journal;
	int ret = drx_journal_load(file, &journal);

	if (ret)
		return ret;
	for (uint32_t i = 0; i < journal.nr_owners; i++) {
		if (journal.owners[i].pid == owner->pid &&
		    journal.owners[i].start == owner->start &&
		    journal.owners[i].queue == owner->queue) {
			ret = leave(file, io, &journal, i, log);
			break;
		}
	}
	drx_journal_free(&journal);
	return ret;
}

int drx_leave_dead(const struct drx_journal_file *file,
		   const struct drx_nic_io *io, bool kept,
		   const struct drx_undo_log *log)
{
	struct drx_journal journal;
	const struct drx_owner *owner;
	int ret = drx_journal_load(file, &journal);
	int one;

	if (ret)
		return ret;
	for (uint32_t i = journal.nr_owners; i-- > 0;) {
		owner = &journal.owners[i];
		if (i >= journal.nr_owners ||
		    (owner->pid ? drx_owner_lives(owner) : !kept))
			continue;
		one = leave(file, io, &journal, i, log);
		if (one)
			ret = one;
	}
	/* What could not be undone when the last one left. */
	if (!ret && !journal.nr_owners && journal.nr_steps)
		ret = undo(file, io, &journal, 0, log);
	drx_journal_free(&journal);
	return ret;
}
