// SPDX-License-Identifier: MIT
/* Memory that is written by its provider: the first byte, and failures. */
#include <errno.h>
#include <string.h>

#include "memory/memory.h"
#include "util/cause.h"
#include "zcrx/receiver.h"

#define ERRNO_MAX 4095

int drx_copy_failed(struct devrx_cause *cause, int err, const char *what,
		    const char *kind)
{
	if (err > 0 || err < -ERRNO_MAX)
		err = -EIO;
	return drx_fail(cause, err, "upload-failed", NULL,
			"%s memory of kind %s: %s", what, kind, strerror(-err));
}

int drx_upload_init(struct drx_upload *ret, struct devrx_memory *mem,
		    uint32_t chunk_len, uint32_t tier,
		    struct devrx_cause *cause)
{
	struct drx_upload up = { .shift = (uint32_t)__builtin_ctz(chunk_len) };
	int err = -EOPNOTSUPP;

	up.provider = drx_memory_provider(mem, &up.backing);
	if (up.provider->write)
		err = drx_upload_write(&up, 0, "", 1);
	if (err == -EOPNOTSUPP)
		return drx_fail(cause, err, "tier-unavailable",
				"use memory of another kind",
				"tier %s writes with the CPU, and memory of "
				"kind %s cannot be written by it",
				devrx_tier_name(tier), up.provider->name);
	if (err)
		return drx_copy_failed(cause, err, "writing into",
				       up.provider->name);
	*ret = up;
	return 0;
}

int drx_upload_cause(struct devrx_receiver *rx, int err)
{
	rx->has_cause = true;
	return drx_copy_failed(&rx->cause, err, "writing into",
			       rx->upload.provider->name);
}

__attribute__((cold)) void drx_upload_failed(struct devrx_receiver *rx,
					     struct drx_conn *conn, int err)
{
	drx_conn_abort(rx, conn, drx_upload_cause(rx, err));
}

__attribute__((noinline, cold)) void
drx_upload_drop(struct devrx_receiver *rx, struct drx_slot *slot, uint32_t len)
{
	drx_slot_expire(slot);
	drx_release_slot(rx, slot);
	rx->stats.bytes -= len;
	rx->stats.fragments--;
}
