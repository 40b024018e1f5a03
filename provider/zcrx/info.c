// SPDX-License-Identifier: MIT
/* What can be asked of a receiver. */
#include <errno.h>

#include "util/cause.h"
#include "util/opts.h"
#include "zcrx/receiver.h"

uint64_t drx_fragments_out(const struct devrx_receiver *rx)
{
	return rx->slots.nr - rx->slots.nr_free - rx->slots.nr_parked -
	       rx->fences.nr_lost - rx->recover.nr_spares -
	       drx_pipeline_held(&rx->pipeline);
}

int devrx_receiver_info(const struct devrx_receiver *rx,
			struct devrx_receiver_info *ret)
{
	return drx_info_put(ret, &rx->info, sizeof(rx->info),
			    sizeof(struct devrx_receiver_info));
}

int devrx_receiver_stats(const struct devrx_receiver *rx,
			 struct devrx_receiver_stats *ret)
{
	struct devrx_receiver_stats own = rx->stats;

	own.fragments_out = drx_fragments_out(rx);
	own.fragments_fenced = rx->fences.nr;
	own.stall_ns = drx_flow_stall_ns(rx);
	own.paused = rx->flow.nr_paused;
	own.link_downs = rx->events.watch.downs;
	own.nic_gone = rx->events.watch.link == DRX_LINK_GONE;
	/* The kernel adds to it at any time; a torn read is impossible for an
	 * aligned word and nothing else hangs on its value. */
	if (rx->frag_flags[0] & DEVRX_FRAGMENT_COPIED)
		own.bytes_copied = own.bytes;
	else if (rx->ifq.stats && drx_receiver_alive(rx))
		own.bytes_copied += __atomic_load_n(&rx->ifq.stats->copy_bytes,
						    __ATOMIC_RELAXED);
	return drx_info_put(ret, &own, sizeof(own),
			    sizeof(struct devrx_receiver_stats));
}

int devrx_receiver_cause(const struct devrx_receiver *rx,
			 struct devrx_cause *ret)
{
	if (!rx->has_cause)
		return -ENODATA;
	*ret = rx->cause;
	return 0;
}

const char *devrx_tier_name(uint32_t tier)
{
	switch (tier) {
	case DEVRX_TIER_BEST:
		return "best";
	case DEVRX_TIER_ZCRX_DEVICE:
		return "zcrx-device";
	case DEVRX_TIER_ZCRX_HOST:
		return "zcrx-host";
	case DEVRX_TIER_RECV:
		return "recv";
	case DEVRX_TIER_ZCRX_COPY:
		return "zcrx-copy";
	default:
		return "unknown";
	}
}

const char *devrx_placement_name(uint32_t placement)
{
	switch (placement) {
	case DEVRX_PLACEMENT_DEVICE:
		return "device";
	case DEVRX_PLACEMENT_HOST:
		return "host";
	default:
		return "unknown";
	}
}

int drx_receiver_forked(struct devrx_receiver *rx)
{
	rx->has_cause = true;
	return drx_fail(&rx->cause, -EPERM, "forked",
			"open a receiver in the child",
			"the receiver belongs to the process that opened it, "
			"and this is a child of it");
}
