// SPDX-License-Identifier: MIT
/* Fill in a caller's struct devrx_cause: one place decides how it is cut. */
#include "util/cause.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int drx_fail(struct devrx_cause *cause, int err, const char *id,
	     const char *next, const char *fmt, ...)
{
	va_list ap;

	if (!cause)
		return err;
	(void)snprintf(cause->id, sizeof(cause->id), "%s", id);
	(void)snprintf(cause->next, sizeof(cause->next), "%s",
		       next ? next : "");
	va_start(ap, fmt);
	(void)vsnprintf(cause->text, sizeof(cause->text), fmt, ap);
	va_end(ap);
	return err;
}

int drx_fail_os(struct devrx_cause *cause, int err, const char *call)
{
	if (err == -ENOMEM)
		return drx_fail(cause, err, "out-of-memory", NULL,
				"%s: out of memory", call);
	return drx_fail(cause, err, "os-error", NULL, "%s failed: %s", call,
			strerror(-err));
}
