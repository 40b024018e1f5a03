/* SPDX-License-Identifier: MIT */
/*
 * Make a plan happen and undo it, so that a death at any moment leaves enough in
 * the journal to undo it later.
 */
#ifndef DRX_RESERVE_H
#define DRX_RESERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>

#include "nic/journal.h"
#include "nic/plan.h"

/* The NIC, or in a test something that behaves like one. */
struct drx_nic_io {
	int (*read)(void *ctx, struct drx_setup **ret,
		    struct devrx_cause *cause);
	int (*make)(void *ctx, struct drx_step *step, bool undo, char *why,
		    size_t len);
	/* Wait a little for what the kernel does by itself; false: no longer. */
	bool (*nap)(void *ctx, unsigned int round);
	void *ctx;
};

/* @ctx: the NIC's number, a uint32_t. */
struct drx_nic_io drx_nic_real(uint32_t *ifindex);

/* What became of a step, as it is undone. */
enum drx_undone {
	DRX_UNDONE, /* it was made, and is not any more */
	DRX_UNDONE_OTHER, /* somebody changed it since: left alone */
	DRX_UNDONE_FAILED, /* not now; it stays in the journal */
};

/* Told of each; @err and @why only with DRX_UNDONE_FAILED. */
struct drx_undo_log {
	void (*fn)(void *ctx, enum drx_undone what, const struct drx_step *step,
		   const char *ifname, int err, const char *why);
	void *ctx;
};

/*
 * Reserve a queue for @owner (whose queue is filled in), @file being locked:
 * first what owners that have died left behind is undone. @guard, if any, is
 * called before the first change is made, with the queue. 0, or an errno with the
 * cause: then nothing is changed.
 */
int drx_reserve(const struct drx_journal_file *file,
		const struct drx_nic_io *io, struct drx_want *want,
		struct drx_owner *owner,
		int (*guard)(void *ctx, struct devrx_cause *cause), void *ctx,
		struct devrx_cause *cause);

/*
 * @owner leaves: its rules go, and if nobody else is left all that was changed. 0;
 * -EINPROGRESS where something stays in the journal; -EPERM where nothing may be
 * changed; another errno of the journal's.
 */
int drx_leave(const struct drx_journal_file *file, const struct drx_nic_io *io,
	      const struct drx_owner *owner, const struct drx_undo_log *log);

/*
 * The same for all owners that have died, and with @kept for those that are no
 * process.
 */
int drx_leave_dead(const struct drx_journal_file *file,
		   const struct drx_nic_io *io, bool kept,
		   const struct drx_undo_log *log);

#endif /* DRX_RESERVE_H */
