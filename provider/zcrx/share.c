// SPDX-License-Identifier: MIT
/* Several receivers of one queue; see share.h. */
#include "zcrx/share.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/memory.h"
#include "nic/nic.h"
#include "util/cause.h"
#include "util/opts.h"
#include "zcrx/explain.h"
#include "zcrx/receiver.h"

void drx_share_enter(struct devrx_receiver *rx)
{
	(void)pthread_mutex_lock(&rx->share->lock); /* no error is possible */
	rx->ifq.rq.tail = *rx->ifq.rq.ktail;
}

void drx_share_leave(struct devrx_receiver *rx)
{
	drx_refill_publish(&rx->ifq.rq);
	(void)pthread_mutex_unlock(&rx->share->lock);
}

/* In a child nobody else is there, and the lock may be held by one who is not. */
void drx_share_put(struct devrx_share *share, bool alive)
{
	uint32_t refs;

	if (alive)
		(void)pthread_mutex_lock(&share->lock);
	refs = --share->refs;
	if (alive)
		(void)pthread_mutex_unlock(&share->lock);
	if (refs)
		return;
	(void)close(share->fd);
	if (alive)
		drx_ifq_fini(&share->ifq);
	if (share->q)
		drx_queue_unbind(share->q);
	if (share->bound)
		drx_memory_unbind(share->mem);
	(void)pthread_mutex_destroy(&share->lock);
	free(share);
}

static int export_registration(struct devrx_receiver *rx, int *ret)
{
	struct drx_zcrx_ctrl ctrl = {
		.zcrx_id = rx->ifq.zcrx_id,
		.op = DRX_ZCRX_CTRL_EXPORT,
	};
	int err = rx->ops->reg(&rx->ring, DRX_IORING_REGISTER_ZCRX_CTRL, &ctrl,
			       0);

	if (!err)
		*ret = (int)ctrl.u.zc_export.zcrx_fd;
	return err;
}

int devrx_receiver_share(struct devrx_share **ret, struct devrx_receiver *rx)
{
	struct devrx_share *share;
	int err;

	if (!drx_receiver_alive(rx))
		return drx_receiver_forked(rx);
	if (rx->share)
		return -EEXIST;
	rx->has_cause = true;
	if (rx->info.tier != DEVRX_TIER_ZCRX_DEVICE)
		return drx_fail(&rx->cause, -EOPNOTSUPP, "share-unsupported",
				NULL,
				"a receiver of tier %s cannot be shared, one "
				"of zcrx-device can",
				devrx_tier_name(rx->info.tier));
	if (!(rx->features.flags & DEVRX_FEATURE_IMPORT))
		return drx_fail(&rx->cause, -EOPNOTSUPP, "share-unsupported",
				"boot Linux 6.19 or later",
				"Linux %s cannot export a registration",
				rx->features.release);
	if (rx->areas)
		return drx_fail(&rx->cause, -EOPNOTSUPP, "share-unsupported",
				"share it before it has more memory",
				"a receiver of %" PRIu32 " memories cannot be "
				"shared",
				rx->areas->nr);
	share = calloc(1, sizeof(*share));
	if (!share)
		return drx_fail_os(&rx->cause, -ENOMEM, "allocating");
	err = export_registration(rx, &share->fd);
	if (err) {
		free(share);
		return drx_fail_os(&rx->cause, err, "exporting the queue");
	}
	(void)pthread_mutex_init(&share->lock, NULL); /* cannot fail */
	share->refs = 2; /* the caller's, and @rx */
	share->owner = getpid();
	share->ifq = rx->ifq;
	share->mem = rx->mem;
	share->q = rx->q;
	share->bound = rx->bound;
	share->tier = rx->info.tier;
	share->flags = rx->info.flags & DEVRX_RECEIVER_F_CQE_MIXED;
	share->features = rx->features;
	share->ops = rx->ops;
	memcpy(share->ifname, rx->ifname, sizeof(share->ifname));
	rx->q = NULL;
	rx->bound = false;
	rx->share = share;
	*ret = share;
	return 0;
}

int drx_share_import(struct devrx_receiver *rx, struct devrx_share *share,
		     struct devrx_cause *cause)
{
	struct drx_zcrx_ifq_reg reg = {
		.if_idx = (uint32_t)share->fd,
		.flags = DRX_ZCRX_REG_IMPORT,
	};
	int err =
		rx->ops->reg(&rx->ring, DRX_IORING_REGISTER_ZCRX_IFQ, &reg, 1);

	if (err == -EPERM)
		return drx_explain_no_cap(cause);
	if (err)
		return drx_fail_os(cause, err, "importing the queue");
	rx->ifq = share->ifq;
	rx->ifq.zcrx_id = reg.zcrx_id;
	rx->ifq.stats = NULL; /* they are of all, and the first one's */
	(void)pthread_mutex_lock(&share->lock);
	share->refs++;
	(void)pthread_mutex_unlock(&share->lock);
	rx->share = share;
	return 0;
}

int devrx_share_open(struct devrx_receiver **ret, struct devrx_share *share,
		     const struct devrx_receiver_opts *opts)
{
	static const struct devrx_receiver_opts defaults =
		DEVRX_RECEIVER_OPTS_INIT;
	struct drx_ifq_queue queue = { .share = share };
	struct devrx_receiver_opts own;
	int err;

	if (drx_opts_get(&own, sizeof(own), opts ? opts : &defaults,
			 sizeof(own)))
		return -EINVAL;
	if (!ret || !share)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"share or result is NULL");
	if (getpid() != share->owner)
		return drx_fail(own.cause, -EPERM, "forked", NULL,
				"the share belongs to another process");
	if (own.tier != DEVRX_TIER_BEST && own.tier != share->tier)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"tier %s was asked for, and the share's is %s",
				devrx_tier_name(own.tier),
				devrx_tier_name(share->tier));
	if (own.chunk_len && own.chunk_len != share->ifq.chunk_len)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"chunks of %" PRIu32 " bytes were asked for, "
				"and the share's have %" PRIu32,
				own.chunk_len, share->ifq.chunk_len);
	if (own.flags & ~(share->flags | DEVRX_RECEIVER_F_NO_FLOW_CONTROL))
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"flags %#" PRIx32 " were asked for, and the "
				"first receiver's ring has %#" PRIx32,
				own.flags, share->flags);
	own.tier = share->tier;
	own.chunk_len = share->ifq.chunk_len;
	own.flags = share->flags;
	err = drx_receiver_open_tier(ret, share->mem, NULL, &queue, &own,
				     &share->features, share->ops);
	if (!err)
		memcpy((*ret)->ifname, share->ifname, sizeof(share->ifname));
	return err;
}

void devrx_share_close(struct devrx_share *share)
{
	if (share)
		drx_share_put(share, getpid() == share->owner);
}
