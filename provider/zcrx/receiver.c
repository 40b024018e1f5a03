// SPDX-License-Identifier: MIT
/*
 * A receiver's beginning and end.
 *
 * Open builds everything in locals of its own and publishes last; close is
 * allowed only when nothing of the caller's would be lost, or when the caller
 * says so.
 */
#include "zcrx/receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/memory.h"
#include "nic/nic.h"
#include "util/cause.h"
#include "util/opts.h"
#include "zcrx/clock.h"
#include "zcrx/explain.h"

#define FLAGS                                                                  \
	(DEVRX_RECEIVER_F_CQE_MIXED | DEVRX_RECEIVER_F_NO_FLOW_CONTROL |       \
	 DEVRX_RECEIVER_F_CHUNK_AT_MOST | DEVRX_RECEIVER_F_EVENTS)
#define SQ_ENTRIES 256u
#define CQ_ENTRIES_DEFAULT 4096u
#define CQ_ENTRIES_MAX 32768u
/* Of a mixed queue: in one with two entries a short completion leaves no two
 * side by side, and no data would ever fit again. */
#define CQ_ENTRIES_MIXED_MIN 2u
#define CQ_ENTRIES_FLOW_MIN 64u
#define BIND_TIMEOUT_MS_DEFAULT 2000u
#define FRAGMENTS_DEFAULT_MIN 4096u
#define FRAGMENTS_MAX (1u << 20)

static int check_opts(const struct devrx_receiver_opts *opts, bool recv,
		      const struct devrx_features *features,
		      struct devrx_cause *cause)
{
	if (opts->flags & ~FLAGS || opts->reserved)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"a flag is unknown or a reserved member is not "
				"zero");
	if (opts->max_fragments > FRAGMENTS_MAX)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"max_fragments is %" PRIu32 ", the most is %u",
				opts->max_fragments, FRAGMENTS_MAX);
	if (opts->cq_entries > CQ_ENTRIES_MAX)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"cq_entries is %" PRIu32 ", the most is %u",
				opts->cq_entries, CQ_ENTRIES_MAX);
	if (opts->flags & DEVRX_RECEIVER_F_CQE_MIXED && recv)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"DEVRX_RECEIVER_F_CQE_MIXED needs a queue: the "
				"completions of tier recv are all small");
	if (opts->flags & DEVRX_RECEIVER_F_CQE_MIXED &&
	    !(features->flags & DEVRX_FEATURE_CQE_MIXED))
		return drx_fail(cause, -EOPNOTSUPP, "cqe-mixed-missing",
				"leave DEVRX_RECEIVER_F_CQE_MIXED out",
				"Linux %s has no IORING_SETUP_CQE_MIXED (6.18)",
				features->release);
	return 0;
}

/*
 * What the kernel puts into the queue in one go, while sockets fill up again, no
 * mark can stop: under flow control no more than an eighth of the area.
 */
static uint32_t cq_default(const struct devrx_receiver *rx)
{
	uint32_t cq = CQ_ENTRIES_DEFAULT;

	while (rx->flow.seen && cq > CQ_ENTRIES_FLOW_MIN &&
	       cq > rx->info.nr_chunks / 8)
		cq /= 2;
	return cq;
}

static int setup_ring(struct devrx_receiver *rx, bool recv,
		      const struct devrx_receiver_opts *opts,
		      struct devrx_cause *cause)
{
	bool mixed = opts->flags & DEVRX_RECEIVER_F_CQE_MIXED;
	uint32_t cq = opts->cq_entries ? opts->cq_entries : cq_default(rx);
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_CQSIZE | IORING_SETUP_TASKRUN_FLAG |
			 (recv	? 0 :
			  mixed ? DRX_IORING_SETUP_CQE_MIXED :
				  IORING_SETUP_CQE32),
		/* A piece of data takes two of a mixed queue's entries. */
		.cq_entries = mixed ? 2 * cq : cq,
	};
	uint32_t sq = cq < SQ_ENTRIES ? cq : SQ_ENTRIES;
	int err;

	if (mixed && cq < CQ_ENTRIES_MIXED_MIN)
		params.cq_entries = 2 * CQ_ENTRIES_MIXED_MIN;
	err = rx->ops->setup(&rx->ring, sq, &params);
	if (err)
		return recv ? drx_explain_recv_setup(err, cause) :
			      drx_explain_setup(err, cause);
	rx->cqes = rx->ring.cq.cqes;
	rx->cq_khead = rx->ring.cq.khead;
	rx->cq_ktail = rx->ring.cq.ktail;
	rx->cq_mask = rx->ring.cq.ring_mask;
	rx->cqe_mixed = mixed;
	rx->info.cq_entries = mixed ? params.cq_entries / 2 : params.cq_entries;
	rx->info.flags = opts->flags;
	return 0;
}

uint32_t drx_receiver_fragments(uint32_t asked, uint64_t nr_chunks)
{
	if (asked)
		return asked;
	if (nr_chunks < FRAGMENTS_DEFAULT_MIN)
		return FRAGMENTS_DEFAULT_MIN;
	return nr_chunks < FRAGMENTS_MAX ? (uint32_t)nr_chunks : FRAGMENTS_MAX;
}

/* @one_each: a chunk holds one fragment. */
static uint32_t fragments_for(uint32_t asked, bool one_each, uint64_t nr_chunks)
{
	if (!one_each)
		return drx_receiver_fragments(asked, nr_chunks);
	return asked && asked < nr_chunks ? asked : (uint32_t)nr_chunks;
}

static int register_ifq(struct devrx_receiver *rx,
			const struct drx_ifq_queue *queue,
			const struct drx_area *area, uint32_t timeout_ms,
			struct devrx_cause *cause)
{
	int err;

	if (queue && queue->share)
		return drx_share_import(rx, queue->share, cause);
	err = drx_ifq_register(&rx->ifq, &rx->ring, rx->ops, queue, area,
			       &rx->features, timeout_ms);
	return err ? drx_explain_register(err, rx->q, area, cause) : 0;
}

/* What the memory's provider has to do, and with which buffers of ours. */
static int prepare_upload(struct devrx_receiver *rx, struct drx_area *area,
			  struct devrx_cause *cause)
{
	const bool recv = area->tier == DEVRX_TIER_RECV;
	int err;

	rx->slots_are_chunks = recv || area->staged;
	if (recv || area->staged || area->tier == DEVRX_TIER_ZCRX_COPY)
		rx->frag_flags[0] = DEVRX_FRAGMENT_COPIED;
	if (recv ? area->reg.addr != 0 : !area->staged)
		return 0;
	err = drx_upload_init(&rx->upload, rx->mem, area->chunk_len, area->tier,
			      cause);
	return err || recv ? err : drx_stage_init(&rx->stage, area, cause);
}

int drx_receiver_open_tier(struct devrx_receiver **ret,
			   struct devrx_memory *mem, struct devrx_queue *q,
			   const struct drx_ifq_queue *queue,
			   const struct devrx_receiver_opts *opts,
			   const struct devrx_features *features,
			   const struct drx_uring_ops *ops)
{
	struct devrx_memory_info mem_info = { .size = sizeof(mem_info) };
	uint32_t timeout_ms = opts->bind_timeout_ms ? opts->bind_timeout_ms :
						      BIND_TIMEOUT_MS_DEFAULT;
	struct devrx_receiver *rx;
	struct drx_area area;
	bool recv = !queue && opts->tier != DEVRX_TIER_ZCRX_COPY;
	int err;

	err = check_opts(opts, recv, features, opts->cause);
	if (err)
		return err;
	err = devrx_memory_info(mem, &mem_info);
	if (err)
		return err;
	if (opts->flags & DEVRX_RECEIVER_F_EVENTS && !queue)
		return drx_fail(opts->cause, -EINVAL, "opts-invalid", NULL,
				"DEVRX_RECEIVER_F_EVENTS needs a queue: there "
				"is no NIC to be heard of");
	err = recv ? drx_recv_plan(&area, mem, &mem_info, opts) :
		     drx_area_plan(&area, &mem_info, opts, features,
				   opts->cause);
	if (err)
		return err;
	if (q && area.tier == DEVRX_TIER_ZCRX_DEVICE &&
	    drx_memory_wants_pci(mem)) {
		err = drx_queue_check(q, true, opts->cause);
		if (err)
			return err;
	}

	rx = calloc(1, sizeof(*rx));
	if (!rx)
		return drx_fail_os(opts->cause, -ENOMEM, "allocating");
	rx->ops = ops;
	rx->mem = mem;
	rx->q = q;
	rx->features = *features;
	rx->area_len = area.reg.len;
	rx->free_conn = DRX_NONE;
	rx->wake_fd = -1;
	rx->hangups.nap_ns = DRX_NS_PER_S;
	drx_conn_list_init(&rx->to_arm);
	drx_conn_list_init(&rx->starved);
	drx_conn_list_init(&rx->paused);
	drx_conn_list_init(&rx->ending);
	rx->info = (struct devrx_receiver_info){
		.tier = area.tier,
		.chunk_len = area.chunk_len,
		.nr_chunks = recv ? drx_recv_chunks(&area) : area.nr_chunks,
		.areas = 1,
	};
	memcpy(rx->info.reason, area.reason, sizeof(rx->info.reason));
	drx_events_init(rx);
	memcpy(rx->ifname, "the NIC", sizeof("the NIC"));
	err = drx_conns_grow(rx);
	if (err) {
		err = drx_fail_os(opts->cause, err, "allocating");
		goto err_free;
	}
	err = prepare_upload(rx, &area, opts->cause);
	if (err)
		goto err_free;
	rx->info.max_fragments = fragments_for(
		opts->max_fragments, rx->slots_are_chunks, rx->info.nr_chunks);
	rx->max_fragments = opts->max_fragments;

	rx->alive = drx_alive_new();
	if (!rx->alive) {
		err = drx_fail_os(opts->cause, -ENOMEM, "mmap");
		goto err_stage;
	}
	err = drx_slots_init(&rx->slots, rx->info.max_fragments);
	if (err) {
		err = drx_fail_os(opts->cause, err, "allocating");
		goto err_alive;
	}
	err = drx_fences_init(&rx->fences, rx->slots.nr);
	if (err) {
		err = drx_fail_os(opts->cause, err, "allocating");
		goto err_slots;
	}
	err = drx_recover_init(rx, opts->recovery_timeout_ms);
	if (err) {
		err = drx_fail_os(opts->cause, err, "allocating");
		goto err_fences;
	}
	/* With staging no fragment holds a chunk of the area. */
	if (queue && !queue->share && !rx->slots_are_chunks &&
	    !(opts->flags & DEVRX_RECEIVER_F_NO_FLOW_CONTROL)) {
		err = drx_flow_init(rx, queue->ring);
		if (err) {
			err = drx_fail_os(opts->cause, err, "allocating");
			goto err_recover;
		}
	}
	err = setup_ring(rx, recv, opts, opts->cause);
	if (err)
		goto err_flow;
	drx_flow_opened(rx);
	if (recv)
		err = drx_recv_register(&rx->recv, &rx->ring, ops, &area,
					opts->cause);
	else
		err = register_ifq(rx, queue, &area, timeout_ms, opts->cause);
	if (err)
		goto err_ring;
	if (recv)
		err = drx_pipeline_init(rx, rx->recv.base, rx->recv.bounce_len,
					rx->recv.nr);
	else if (rx->stage.mem)
		err = drx_pipeline_init(rx, rx->stage.base, area.reg.len,
					area.reg.len / area.chunk_len);
	if (err) {
		err = drx_fail_os(opts->cause, err, "allocating");
		goto err_buffers;
	}
	rx->info.rq_entries = recv ? rx->recv.mask + 1u : rx->ifq.rq.nr;
	rx->info.zcrx_id = rx->ifq.zcrx_id;
	*ret = rx;
	return 0;

err_buffers:
	if (recv)
		drx_recv_fini(&rx->recv);
	else
		drx_ifq_fini(&rx->ifq);
err_ring:
	ops->exit(&rx->ring);
err_flow:
	drx_flow_fini(&rx->flow);
err_recover:
	drx_recover_fini(rx);
err_fences:
	drx_fences_fini(&rx->fences);
err_slots:
	drx_slots_fini(&rx->slots);
err_alive:
	drx_alive_free(rx->alive);
err_stage:
	drx_stage_fini(&rx->stage);
err_free:
	free(rx->conns);
	free(rx);
	return err;
}

/* Without a queue. For tier recv the kernel is asked nothing that open does not
 * see fail. */
static int open_alone(struct devrx_receiver **ret, struct devrx_memory *mem,
		      const struct devrx_receiver_opts *opts)
{
	struct devrx_features features = { .size = sizeof(features) };
	int err;

	if (opts->tier == DEVRX_TIER_ZCRX_COPY) {
		err = devrx_features_probe(&features, opts->cause);
		if (err)
			return err;
	}
	err = drx_memory_bind(mem, opts->cause);
	if (err)
		return err;
	err = drx_receiver_open(ret, mem, NULL, NULL, opts, &features,
				&drx_uring_kernel);
	if (err)
		drx_memory_unbind(mem);
	else
		(*ret)->bound = true;
	return err;
}

int devrx_receiver_open(struct devrx_receiver **ret, struct devrx_memory *mem,
			struct devrx_queue *q,
			const struct devrx_receiver_opts *opts)
{
	static const struct devrx_receiver_opts defaults =
		DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_features features = { .size = sizeof(features) };
	struct devrx_queue_info info = { .size = sizeof(info) };
	struct devrx_receiver_opts own;
	struct drx_ifq_queue queue;
	struct drx_watch watch = { .fd = -1 };
	int err;

	if (drx_opts_get(&own, sizeof(own), opts ? opts : &defaults,
			 sizeof(own)))
		return -EINVAL;
	if (!ret || !mem)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"memory or result is NULL");
	if (!q)
		return open_alone(ret, mem, &own);
	if (own.tier == DEVRX_TIER_RECV || own.tier == DEVRX_TIER_ZCRX_COPY)
		return drx_fail(own.cause, -EINVAL, "opts-invalid", NULL,
				"tier %s takes no queue: give NULL for it",
				devrx_tier_name(own.tier));
	err = devrx_features_probe(&features, own.cause);
	if (err)
		return err;
	err = drx_memory_bind(mem, own.cause);
	if (err)
		return err;
	err = drx_queue_bind(q, own.cause);
	if (err)
		goto err_memory;
	err = drx_queue_check(q, false, own.cause);
	if (err)
		goto err_queue;
	err = devrx_queue_info(q, &info);
	if (err) {
		err = drx_fail_os(own.cause, err, "reading the queue");
		goto err_queue;
	}
	queue = (struct drx_ifq_queue){
		.ifindex = info.ifindex,
		.index = info.index,
		.ring = info.rx_ring,
	};
	if (own.flags & DEVRX_RECEIVER_F_EVENTS)
		err = drx_watch_open(&watch, info.ifindex);
	if (err) {
		err = drx_fail_os(own.cause, err, "watching the NIC");
		goto err_queue;
	}
	err = drx_receiver_open(ret, mem, q, &queue, &own, &features,
				&drx_uring_kernel);
	if (err)
		goto err_watch;
	if (watch.fd >= 0)
		drx_events_watch(*ret, &watch);
	(*ret)->bound = true;
	memcpy((*ret)->ifname, info.ifname, sizeof((*ret)->ifname));
	return 0;

err_watch:
	if (watch.fd >= 0)
		drx_watch_close(&watch);
err_queue:
	drx_queue_unbind(q);
err_memory:
	drx_memory_unbind(mem);
	return err;
}

/*
 * In a child the ring and the refill region are not mapped (DONTFORK), and
 * something else may lie at their addresses by now: only the descriptor, which
 * was inherited, and our own heap are given back.
 */
static void close_forked(struct devrx_receiver *rx)
{
	drx_pipeline_forget(rx);
	(void)close(rx->ring.ring_fd);
}

int devrx_receiver_close(struct devrx_receiver *rx, uint32_t flags)
{
	if (!rx)
		return 0;
	if (flags & ~DEVRX_CLOSE_F_ABANDON)
		return -EINVAL;
	if (!drx_receiver_alive(rx)) {
		close_forked(rx);
	} else {
		drx_share_lock(rx);
		if (!(flags & DEVRX_CLOSE_F_ABANDON))
			drx_fences_poll(rx);
		drx_share_unlock(rx);
		if (drx_fragments_out(rx) && !(flags & DEVRX_CLOSE_F_ABANDON)) {
			rx->has_cause = true;
			return drx_fail(&rx->cause, -EBUSY, "fragments-out",
					"release them, let the device finish, "
					"or close with DEVRX_CLOSE_F_ABANDON",
					"%" PRIu64
					" fragments are out, %" PRIu32
					" of them behind a fence, %" PRIu32
					" on their way to a file",
					drx_fragments_out(rx), rx->fences.nr,
					rx->writes.fragments);
		}
		drx_pipeline_fini(rx);
		rx->ops->exit(&rx->ring);
		if (drx_is_recv(rx))
			drx_recv_fini(&rx->recv);
		else if (!rx->share)
			drx_ifq_fini(&rx->ifq);
	}
	drx_writes_fini(&rx->writes, drx_receiver_alive(rx));
	drx_events_fini(rx);
	if (rx->wake_fd >= 0)
		(void)close(rx->wake_fd);
	if (rx->q)
		drx_queue_unbind(rx->q);
	if (rx->bound)
		drx_memory_unbind(rx->mem);
	drx_areas_fini(rx);
	if (rx->share)
		drx_share_put(rx->share, drx_receiver_alive(rx));
	drx_flow_fini(&rx->flow);
	drx_recover_fini(rx);
	drx_stage_fini(&rx->stage);
	drx_fences_fini(&rx->fences);
	drx_slots_fini(&rx->slots);
	drx_alive_free(rx->alive);
	free(rx->conns);
	free(rx->by_fd);
	free(rx);
	return 0;
}
