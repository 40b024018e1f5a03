/* SPDX-License-Identifier: MIT */
/*
 * One change of a NIC, with what was there before.
 *
 * A step can be made, undone, said as a command for a shell, and compared with
 * the NIC: is the NIC as it was before the step, as after it, or has somebody
 * else been at it? It says nothing about who made it (journal.h).
 */
#ifndef DRX_STEP_H
#define DRX_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nic/setup.h"

enum drx_step_kind {
	DRX_STEP_CHANNELS,
	DRX_STEP_FEATURE,
	DRX_STEP_RINGS,
	DRX_STEP_RSS,
	DRX_STEP_RULE,
	DRX_NR_STEP_KINDS,
};

struct drx_step {
	enum drx_step_kind kind;
	bool done; /* made for certain; else perhaps */
	uint32_t queue; /* the one it is for */
	union {
		struct {
			bool combined; /* else rx channels */
			uint32_t before, after;
		} channels;
		struct {
			enum drx_feature which;
			bool before, after;
		} feature;
		struct {
			uint8_t split_before, split_after;
			/* UINT32_MAX: not reported, and not asked for */
			uint32_t thresh_before, thresh_after;
		} rings;
		struct {
			uint32_t nr;
			/* 0: the driver's own table */
			uint32_t nr_before;
			uint32_t *after; /* @nr entries, then @nr_before */
		} rss;
		/* Its queue is @queue. */
		struct drx_rule rule;
	};
};

enum drx_step_state {
	DRX_STEP_BEFORE,
	DRX_STEP_AFTER,
	DRX_STEP_OTHER,
};

/* What it owns. */
void drx_step_free(struct drx_step *step);

/* Compare with @setup; fills in a rule's place where it was not known. */
enum drx_step_state drx_step_state(struct drx_step *step,
				   const struct drx_setup *setup);

/* The table that a driver makes for @queues queues. */
bool drx_indir_is_equal(const uint32_t *indir, uint32_t nr, uint32_t queues);

/*
 * The command that makes it, or with @undo undoes it, as a person would type it;
 * "" for a NIC whose name a shell could misread. As snprintf().
 */
int drx_step_text(const struct drx_step *step, const char *ifname, bool undo,
		  char *buf, size_t len);

/*
 * Make it, or undo it: 0 or the kernel's errno, with its sentence in @why, which
 * may be empty.
 */
int drx_step_make(struct drx_step *step, uint32_t ifindex, bool undo, char *why,
		  size_t len);

#endif /* DRX_STEP_H */
