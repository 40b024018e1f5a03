// SPDX-License-Identifier: MIT
/*
 * Reserve a queue: each step is in the journal as planned, then made, then looked
 * at, then in the journal as made. A step that is refused takes those before it
 * with it.
 */
#include "nic/reserve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/cause.h"

static int fail_journal(int err, struct devrx_cause *cause)
{
	return drx_fail(
		cause, err, "journal-failed",
		"run it as root, or give it a directory " DRX_JOURNAL_DIR
		" of its own",
		"cannot write down in " DRX_JOURNAL_DIR
		" what is to be changed: %s; so nothing is",
		strerror(-err));
}

static int fail_denied(const char *what, struct devrx_cause *cause)
{
	return drx_fail(cause, -EPERM, "reserve-denied",
			"run it with CAP_NET_ADMIN, or type what \"devrx "
			"reserve --dry-run\" prints",
			"%s needs CAP_NET_ADMIN", what);
}

static int fail_step(const struct drx_journal *journal,
		     const struct drx_step *step, int err, const char *why,
		     struct devrx_cause *cause)
{
	char command[192];
	int len = drx_step_text(step, journal->ifname, false, command,
				sizeof(command));

	if (len >= (int)sizeof(command))
		(void)snprintf(command, sizeof(command), "ethtool %s",
			       journal->ifname);
	if (err == -EPERM) {
		(void)snprintf(command, sizeof(command), "changing NIC %s",
			       journal->ifname);
		return fail_denied(command, cause);
	}
	return drx_fail(cause, err, "nic-refused", command,
			"NIC %s (driver %s) refuses a change: %s%s%s",
			journal->ifname, journal->driver, strerror(-err),
			why[0] ? ": " : "", why);
}

/* Make it, and see that it is made. */
static int make(const struct drx_nic_io *io, struct drx_step *step, char *why,
		size_t len)
{
	enum drx_step_state state;
	struct drx_setup *setup;
	int ret;

	ret = io->make(io->ctx, step, false, why, len);
	if (ret)
		return ret;
	ret = io->read(io->ctx, &setup, NULL);
	if (ret)
		return ret;
	state = drx_step_state(step, setup);
	drx_setup_free(setup);
	if (state == DRX_STEP_AFTER)
		return 0;
	(void)snprintf(why, len, "it was accepted and did not happen");
	return -EOPNOTSUPP;
}

/* One more step; in the journal whatever becomes of it, and what it owns too. */
static int take_step(const struct drx_journal_file *file,
		     const struct drx_nic_io *io, struct drx_journal *journal,
		     struct drx_step *planned, struct devrx_cause *cause)
{
	struct drx_step *step;
	char why[128] = "";
	int ret;

	ret = drx_journal_add(journal, planned);
	if (ret)
		return drx_fail_os(cause, ret, "drx_reserve");
	if (planned->kind == DRX_STEP_RSS)
		planned->rss.after = NULL;
	ret = drx_journal_save(file, journal);
	if (ret) {
		drx_journal_drop(journal, journal->nr_steps - 1);
		return fail_journal(ret, cause);
	}
	step = &journal->steps[journal->nr_steps - 1];
	ret = make(io, step, why, sizeof(why));
	if (ret)
		return fail_step(journal, step, ret, why, cause);
	step->done = true;
	ret = drx_journal_save(file, journal);
	return ret ? fail_journal(ret, cause) : 0;
}

static int make_plan(const struct drx_journal_file *file,
		     const struct drx_nic_io *io, struct drx_journal *journal,
		     struct drx_plan *plan, struct devrx_cause *cause)
{
	int ret = 0;

	for (uint32_t i = 0; i < plan->nr && !ret; i++)
		ret = take_step(file, io, journal, &plan->steps[i], cause);
	return ret;
}

static void taken_queues(const struct drx_journal *journal, bool *taken)
{
	memset(taken, 0, DRX_SETUP_QUEUES_MAX * sizeof(*taken));
	/* One that is kept for whoever asks is free. */
	for (uint32_t i = 0; i < journal->nr_owners; i++)
		if (journal->owners[i].pid &&
		    journal->owners[i].queue < DRX_SETUP_QUEUES_MAX)
			taken[journal->owners[i].queue] = true;
}

static int reserve(const struct drx_journal_file *file,
		   const struct drx_nic_io *io, struct drx_journal *journal,
		   const struct drx_setup *setup, struct drx_want *want,
		   struct drx_owner *owner,
		   int (*guard)(void *ctx, struct devrx_cause *cause),
		   void *ctx, struct devrx_cause *cause)
{
	bool taken[DRX_SETUP_QUEUES_MAX];
	struct drx_plan plan;
	int ret;

	taken_queues(journal, taken);
	want->taken = taken;
	ret = drx_plan_make(&plan, setup, want, cause);
	want->taken = NULL;
	if (ret)
		return ret;
	owner->queue = plan.queue;
	if (journal->nr_owners == DRX_OWNERS_MAX) {
		drx_plan_free(&plan);
		return drx_fail(cause, -EBUSY, "queue-taken", "devrx status",
				"NIC %s has %u reservations, and no more are "
				"possible",
				setup->ifname, DRX_OWNERS_MAX);
	}
	journal->ifindex = setup->ifindex;
	memcpy(journal->ifname, setup->ifname, sizeof(journal->ifname));
	memcpy(journal->driver, setup->driver, sizeof(journal->driver));
	for (char *at = journal->driver; *at; at++)
		if (*at == ' ' || *at == '\n')
			*at = '_';
	journal->owners[journal->nr_owners++] = *owner;
	ret = drx_journal_save(file, journal);
	if (ret)
		ret = fail_journal(ret, cause);
	if (!ret && guard && (plan.nr || journal->nr_steps))
		ret = guard(ctx, cause);
	if (!ret)
		ret = make_plan(file, io, journal, &plan, cause);
	drx_plan_free(&plan);
	return ret;
}

int drx_reserve(const struct drx_journal_file *file,
		const struct drx_nic_io *io, struct drx_want *want,
		struct drx_owner *owner,
		int (*guard)(void *ctx, struct devrx_cause *cause), void *ctx,
		struct devrx_cause *cause)
{
	struct drx_journal journal;
	struct drx_setup *setup;
	int ret;

	ret = drx_leave_dead(file, io, false, NULL);
	if (ret == -EPERM)
		return fail_denied("undoing what a process that has died left "
				   "on the NIC",
				   cause);
	if (ret && ret != -EINPROGRESS)
		return fail_journal(ret, cause);
	ret = drx_journal_load(file, &journal);
	if (ret)
		return fail_journal(ret, cause);
	ret = io->read(io->ctx, &setup, cause);
	if (!ret) {
		ret = reserve(file, io, &journal, setup, want, owner, guard,
			      ctx, cause);
		drx_setup_free(setup);
	}
	drx_journal_free(&journal);
	if (ret)
		(void)drx_leave(file, io, owner, NULL);
	return ret;
}
