// SPDX-License-Identifier: MIT
/*
 * Which tier it is to be.
 *
 * The choice is made once, at open. With a queue the best tier is zcrx-device, and
 * where that cannot be had, because of what memory, NIC or kernel are, zcrx-host
 * is next. What somebody can mend (a missing capability, a queue that is taken,
 * header split off) is an error and no reason for less.
 */
#include <stdio.h>
#include <string.h>

#include "zcrx/receiver.h"

/* Is @why what a dmabuf area cannot be had for, whatever anybody does? */
static bool is_for_good(const struct devrx_cause *why)
{
	static const char *const ids[] = {
		"no-dmabuf-area",
		"attach-refused",
		"nic-not-pci",
		"nic-unsupported",
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (!strcmp(why->id, ids[i]))
			return true;
	return false;
}

/*
 * The two tiers of a memory that has a dmabuf. Where the lower one does not suit
 * the memory either, the failure is the higher one's.
 */
static int open_best(struct devrx_receiver **ret, struct devrx_memory *mem,
		     struct devrx_queue *q, const struct drx_ifq_queue *queue,
		     const struct devrx_receiver_opts *opts,
		     const struct devrx_features *features,
		     const struct drx_uring_ops *ops)
{
	struct devrx_receiver_opts own = *opts;
	struct devrx_cause device = { 0 }, host = { 0 };
	const struct devrx_cause *why = &device;
	int err, below;

	own.tier = DEVRX_TIER_ZCRX_DEVICE;
	own.cause = &device;
	err = drx_receiver_open_chunks(ret, mem, q, queue, &own, features, ops);
	if (!err)
		return 0;
	if (is_for_good(&device)) {
		own.tier = DEVRX_TIER_ZCRX_HOST;
		own.cause = &host;
		below = drx_receiver_open_chunks(ret, mem, q, queue, &own,
						 features, ops);
		if (!below) {
			(void)snprintf((*ret)->info.reason,
				       sizeof((*ret)->info.reason),
				       "zcrx-device cannot be had: %s: %.125s",
				       device.id, device.text);
			return 0;
		}
		if (strcmp(host.id, "tier-unavailable")) {
			why = &host;
			err = below;
		}
	}
	if (opts->cause)
		*opts->cause = *why;
	return err;
}

int drx_receiver_open(struct devrx_receiver **ret, struct devrx_memory *mem,
		      struct devrx_queue *q, const struct drx_ifq_queue *queue,
		      const struct devrx_receiver_opts *opts,
		      const struct devrx_features *features,
		      const struct drx_uring_ops *ops)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	int err;

	err = devrx_memory_info(mem, &info);
	if (err)
		return err;
	if (opts->tier == DEVRX_TIER_BEST && queue && info.dmabuf_fd >= 0)
		return open_best(ret, mem, q, queue, opts, features, ops);
	return drx_receiver_open_chunks(ret, mem, q, queue, opts, features,
					ops);
}
