// SPDX-License-Identifier: MIT
/*
 * Reservations of real NICs: planned, made, listed, ended.
 *
 * A NIC that is right already needs no journal. So a process without a /run/devrx
 * to write to can use what somebody has prepared.
 */
#include "nic/reservations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <devrx/reserve.h>

#include "nic/guard.h"
#include "nic/plan.h"
#include "nic/reserve.h"
#include "nic/uapi_netdev.h"
#include "util/cause.h"

#define NICS_MAX 256
#define COMMAND_LEN 8192

static int fail_journal(int err, struct devrx_cause *cause)
{
	return drx_fail(cause, err, "journal-failed",
			err == -EBADMSG ? "rm -r " DRX_JOURNAL_DIR :
					  "run it as root",
			"cannot use " DRX_JOURNAL_DIR
			", where changes of a NIC are written down: %s",
			strerror(-err));
}

static struct drx_want want_of(const struct devrx_queue_opts *opts)
{
	return (struct drx_want){ .index = opts->index,
				  .ports = opts->ports,
				  .nr_ports = opts->nr_ports };
}

/* Without a journal, if nothing has to change. */
static int use_as_is(uint32_t *ret_queue, uint32_t ifindex,
		     const struct devrx_queue_opts *opts, int err)
{
	const struct drx_want want = want_of(opts);
	struct drx_setup *setup;
	struct drx_plan plan;
	int ret;

	ret = drx_setup_read(&setup, ifindex, opts->cause);
	if (ret)
		return ret;
	ret = drx_plan_make(&plan, setup, &want, opts->cause);
	drx_setup_free(setup);
	if (ret)
		return ret;
	if (plan.nr)
		ret = fail_journal(err, opts->cause);
	else
		*ret_queue = plan.queue;
	drx_plan_free(&plan);
	return ret;
}

struct guard_arg {
	struct drx_reservation *res;
	const char *program;
};

static int start_guard(void *ctx, struct devrx_cause *cause)
{
	const struct guard_arg *arg = ctx;

	return drx_guard_start(&arg->res->guard, arg->program, &arg->res->owner,
			       arg->res->ifindex, cause);
}

/*
 * A driver that splits by default reports "on" where the core has not been asked
 * for it, and refuses a provider. To ask where it has been asked changes nothing
 * (net/ethtool/rings.c), and whoever may not ask may not bind a provider either.
 */
static void ask_for_split(uint32_t ifindex)
{
	struct drx_step step = {
		.kind = DRX_STEP_RINGS,
		.rings = { .split_after = DRX_ETHTOOL_TCP_DATA_SPLIT_ENABLED },
	};

	(void)drx_step_make(&step, ifindex, false, NULL, 0);
}

int drx_reservation_make(struct drx_reservation *ret_res, uint32_t *ret_queue,
			 const struct drx_look *look,
			 const struct devrx_queue_opts *opts)
{
	const bool keep = opts->flags & DEVRX_QUEUE_F_KEEP;
	const bool guarded = !keep && !(opts->flags & DEVRX_QUEUE_F_NO_GUARD);
	struct drx_reservation res = { .ifindex = look->ifindex,
				       .netns = drx_netns(),
				       .guard = -1 };
	struct guard_arg arg = { &res, opts->guard };
	struct drx_want want = want_of(opts);
	struct drx_nic_io io = drx_nic_real(&res.ifindex);
	struct drx_journal_file file;
	int ret;

	ret = drx_owner_self(&res.owner, UINT32_MAX);
	if (ret)
		return drx_fail_os(opts->cause, ret, "/proc/self/stat");
	res.pid = res.owner.pid;
	if (keep)
		res.owner.pid = 0;
	ret = drx_journal_open(&file, DRX_JOURNAL_DIR, res.netns, res.ifindex,
			       true);
	if (ret)
		return use_as_is(ret_queue, look->ifindex, opts, ret);
	ret = drx_reserve(&file, &io, &want, &res.owner,
			  guarded ? start_guard : NULL, &arg, opts->cause);
	drx_journal_close(&file);
	if (ret) {
		if (res.guard >= 0)
			drx_guard_end(res.guard);
		return ret;
	}
	ask_for_split(res.ifindex);
	res.made = true;
	*ret_queue = res.owner.queue;
	*ret_res = res;
	return 0;
}

int drx_reservation_end(struct drx_reservation *res)
{
	struct drx_nic_io io = drx_nic_real(&res->ifindex);
	struct drx_journal_file file;
	int ret = -EXDEV;

	/* A child of the owner has a copy, and a NIC of that number may be
	 * another one in another namespace. */
	if (!res->made)
		return 0;
	res->made = false;
	if (res->pid != (uint32_t)getpid())
		return 0;
	if (res->netns == drx_netns()) {
		ret = drx_journal_open(&file, DRX_JOURNAL_DIR, res->netns,
				       res->ifindex, false);
		if (!ret) {
			ret = drx_leave(&file, &io, &res->owner, NULL);
			drx_journal_close(&file);
		}
	}
	/* What could not be undone here may be undone by the guard, which has
	 * the capabilities of the start. */
	if (res->guard >= 0 && !ret)
		drx_guard_end(res->guard);
	else if (res->guard >= 0)
		(void)close(res->guard);
	res->guard = -1;
	return ret ? -EINPROGRESS : 0;
}

static void print_step(const struct drx_step *step, const char *ifname,
		       bool undo, devrx_command_fn fn, void *ctx)
{
	char command[COMMAND_LEN];

	(void)drx_step_text(step, ifname, undo, command, sizeof(command));
	fn(ctx, command);
}

int devrx_queue_plan(const struct devrx_queue_opts *opts, devrx_command_fn fn,
		     void *ctx)
{
	struct drx_setup *setup;
	struct devrx_queue_opts own;
	struct drx_want want;
	struct drx_look look;
	struct drx_plan plan;
	int ret;

	ret = drx_queue_opts_get(&own, opts);
	if (ret)
		return ret;
	ret = drx_look_read(&look, own.ifname, 0, own.index, own.cause);
	if (!ret)
		ret = drx_look_judge_unmendable(&look, own.cause);
	if (!ret)
		ret = drx_setup_read(&setup, look.ifindex, own.cause);
	if (ret)
		return ret;
	want = want_of(&own);
	ret = drx_plan_make(&plan, setup, &want, own.cause);
	drx_setup_free(setup);
	if (ret)
		return ret;
	for (uint32_t i = 0; fn && i < plan.nr; i++)
		print_step(&plan.steps[i], look.ifname, false, fn, ctx);
	ret = (int)plan.nr;
	drx_plan_free(&plan);
	return ret;
}

struct undo_arg {
	devrx_undo_fn fn;
	void *ctx;
	bool denied;
};

static void tell_undo(void *ctx, enum drx_undone what,
		      const struct drx_step *step, const char *ifname, int err,
		      const char *why)
{
	struct undo_arg *arg = ctx;
	char command[COMMAND_LEN];

	(void)why;
	if (err == -EPERM || err == -EACCES)
		arg->denied = true;
	if (!arg->fn)
		return;
	(void)drx_step_text(step, ifname, true, command, sizeof(command));
	arg->fn(arg->ctx, (enum devrx_undo)what, ifname, command, err);
}

static int undo_one(uint32_t ifindex, bool kept, struct undo_arg *arg,
		    struct devrx_cause *cause)
{
	const struct drx_undo_log log = { tell_undo, arg };
	struct drx_nic_io io = drx_nic_real(&ifindex);
	struct drx_journal_file file;
	int ret;

	ret = drx_journal_open(&file, DRX_JOURNAL_DIR, drx_netns(), ifindex,
			       false);
	if (ret == -ENOENT)
		return 0;
	if (ret)
		return fail_journal(ret, cause);
	ret = drx_leave_dead(&file, &io, kept, &log);
	drx_journal_close(&file);
	if (ret == -EPERM && arg->denied)
		return drx_fail(cause, ret, "reserve-denied",
				"run it with CAP_NET_ADMIN",
				"undoing the changes of a NIC needs "
				"CAP_NET_ADMIN");
	if (ret == -EINPROGRESS)
		return drx_fail(cause, ret, "undo-refused", "devrx status",
				"the NIC refused to have all changes undone "
				"now; they are still written down");
	return ret ? fail_journal(ret, cause) : 0;
}

int devrx_queue_undo(const char *ifname, uint32_t flags, devrx_undo_fn fn,
		     void *ctx, struct devrx_cause *cause)
{
	struct undo_arg arg = { .fn = fn, .ctx = ctx };
	uint32_t nics[NICS_MAX];
	struct drx_look look;
	int nr = 1, ret = 0, one;

	if (flags & ~DEVRX_UNDO_F_KEPT)
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"give 0 or DEVRX_UNDO_F_KEPT",
				"unknown flags %#" PRIx32
				" to devrx_queue_undo()",
				flags);
	if (ifname) {
		ret = drx_look_read(&look, ifname, 0, 0, cause);
		if (ret)
			return ret;
		nics[0] = look.ifindex;
	} else {
		nr = drx_journal_list(DRX_JOURNAL_DIR, drx_netns(), nics,
				      NICS_MAX);
		if (nr < 0)
			return fail_journal(nr, cause);
	}
	for (int i = 0; i < nr; i++) {
		one = undo_one(nics[i], flags & DEVRX_UNDO_F_KEPT, &arg, cause);
		if (one)
			ret = one;
	}
	return ret;
}

static void tell_owner(const struct drx_journal *journal,
		       const struct drx_owner *owner, devrx_reservation_fn fn,
		       void *ctx)
{
	struct devrx_reservation res = {
		.size = sizeof(res),
		.since = owner->since,
		.ifindex = journal->ifindex,
		.queue = owner->queue,
		.pid = owner->pid,
		.alive = drx_owner_lives(owner),
		.changes = journal->nr_steps,
	};
	struct drx_look look;

	memcpy(res.ifname, journal->ifname, sizeof(res.ifname));
	/* Its name now, where it was given another. */
	if (!drx_look_read(&look, NULL, journal->ifindex, owner->queue, NULL)) {
		memcpy(res.ifname, look.ifname, sizeof(res.ifname));
		res.user = look.user;
	}
	fn(ctx, &res);
}

int devrx_queue_list(devrx_reservation_fn fn, void *ctx,
		     struct devrx_cause *cause)
{
	struct drx_journal_file file;
	struct drx_journal journal;
	uint32_t nics[NICS_MAX];
	int nr, ret, total = 0;

	if (!fn)
		return -EINVAL;
	nr = drx_journal_list(DRX_JOURNAL_DIR, drx_netns(), nics, NICS_MAX);
	if (nr < 0)
		return fail_journal(nr, cause);
	for (int i = 0; i < nr; i++) {
		/* Without the lock, for which one must be able to write: it is
		 * replaced as a whole. */
		ret = drx_journal_peek(&file, DRX_JOURNAL_DIR, drx_netns(),
				       nics[i]);
		if (!ret) {
			ret = drx_journal_load(&file, &journal);
			drx_journal_close(&file);
		}
		if (ret)
			return fail_journal(ret, cause);
		for (uint32_t j = 0; j < journal.nr_owners; j++)
			tell_owner(&journal, &journal.owners[j], fn, ctx);
		total += (int)journal.nr_owners;
		drx_journal_free(&journal);
	}
	return total;
}
