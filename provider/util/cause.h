/* SPDX-License-Identifier: MIT */
/* Fill in a caller's struct devrx_cause. The lowest room: includes no other. */
#ifndef DRX_CAUSE_H
#define DRX_CAUSE_H

#include <devrx/error.h>

/*
 * Write @id, a sentence and the next command into @cause (NULL is allowed) and
 * return @err, so that a failing branch is one statement. @next may be NULL.
 */
int drx_fail(struct devrx_cause *cause, int err, const char *id,
	     const char *next, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * The same for a system call that failed with @err: id "os-error" (or
 * "out-of-memory" for -ENOMEM) and the call's name in the sentence.
 */
int drx_fail_os(struct devrx_cause *cause, int err, const char *call);

#endif /* DRX_CAUSE_H */
