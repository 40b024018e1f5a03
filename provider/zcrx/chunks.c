// SPDX-License-Identifier: MIT
/*
 * How long chunks are to be.
 *
 * A chunk length is an exact demand, or with DEVRX_RECEIVER_F_CHUNK_AT_MOST the
 * most: what the kernel refuses is tried with half of it, down to the page. No
 * kernel tells what NIC and memory allow; it sees that when it imports the area
 * and asks the driver, both before the queue is restarted (linux/io_uring/zcrx.c,
 * net/core/netdev_rx_queue.c, 7.3), so a refused length costs the traffic nothing.
 * Each try is a whole open, whose failure leaves nothing: what slots, refill ring
 * and staging are hangs on the length.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "zcrx/receiver.h"

/* What to try after @len, which @why was said of; 0 for nothing. */
static uint32_t next_len(uint32_t len, const struct devrx_cause *why)
{
	const uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	if (len <= page)
		return 0;
	/* Who cannot choose refuses whatever is not the page. */
	if (!strcmp(why->id, "chunk-unsupported"))
		return page;
	if (!strcmp(why->id, "chunk-refused") ||
	    !strcmp(why->id, "zcrx-einval"))
		return len / 2;
	return 0;
}

static __attribute__((format(printf, 2, 3))) void
append(char text[static DRX_CHUNK_REASON_LEN], const char *fmt, ...)
{
	const size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text + len, DRX_CHUNK_REASON_LEN - len, fmt, ap);
	va_end(ap);
}

int drx_receiver_open_chunks(struct devrx_receiver **ret,
			     struct devrx_memory *mem, struct devrx_queue *q,
			     const struct drx_ifq_queue *queue,
			     const struct devrx_receiver_opts *opts,
			     const struct devrx_features *features,
			     const struct drx_uring_ops *ops)
{
	struct devrx_receiver_opts own = *opts;
	char reason[DRX_CHUNK_REASON_LEN] = "";
	struct devrx_cause first = { 0 }; /* of those with one identifier */
	struct devrx_cause why = { 0 };
	uint32_t next, refused = 0;
	int err;

	own.cause = &why;
	for (;;) {
		err = drx_receiver_open_tier(ret, mem, q, queue, &own, features,
					     ops);
		if (!err || !(opts->flags & DEVRX_RECEIVER_F_CHUNK_AT_MOST))
			break;
		next = next_len(own.chunk_len, &why);
		if (!next)
			break;
		if (strcmp(first.id, why.id)) {
			append(reason, "%s%" PRIu32 ": %s: %s",
			       refused ? "; " : "", own.chunk_len, why.id,
			       why.text);
			first = why;
		} else {
			append(reason, "; %" PRIu32 " too", own.chunk_len);
		}
		refused = own.chunk_len;
		own.chunk_len = next;
	}
	if (!err)
		memcpy((*ret)->info.chunk_reason, reason, sizeof(reason));
	else if (opts->cause)
		*opts->cause = why;
	return err;
}
