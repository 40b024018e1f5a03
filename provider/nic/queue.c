// SPDX-License-Identifier: MIT
/*
 * A NIC queue held for a receiver: looked at, judged, and where it is asked for
 * made ready and given back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_link.h>

#include "nic/look.h"
#include "nic/nic.h"
#include "nic/reservations.h"
#include "util/cause.h"
#include "util/opts.h"

struct devrx_queue {
	uint32_t ifindex;
	uint32_t index;
	bool bound;
	struct drx_reservation reservation;
};

struct devrx_queue *drx_queue_new(uint32_t ifindex, uint32_t index)
{
	struct devrx_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->ifindex = ifindex;
	q->index = index;
	return q;
}

uint32_t drx_queue_ifindex(const struct devrx_queue *q)
{
	return q->ifindex;
}

uint32_t drx_queue_index(const struct devrx_queue *q)
{
	return q->index;
}

#define FLAGS                                                                  \
	(DEVRX_QUEUE_F_CONFIGURE | DEVRX_QUEUE_F_KEEP | DEVRX_QUEUE_F_NO_GUARD)

int drx_queue_opts_get(struct devrx_queue_opts *ret,
		       const struct devrx_queue_opts *opts)
{
	/* As version 0.1 began. */
	const size_t first = offsetof(struct devrx_queue_opts, ports);
	struct devrx_cause *cause = NULL;
	int err;

	if (!opts)
		return -EINVAL;
	err = drx_opts_get(ret, sizeof(*ret), opts, first);
	if (err) {
		if (opts->size >= first)
			cause = opts->cause;
		return drx_fail(cause, err, "opts-invalid",
				"begin with DEVRX_QUEUE_OPTS_INIT",
				"struct devrx_queue_opts of %zu bytes: %s",
				opts->size,
				opts->size < first ?
					"too short" :
					"asks for what this version does not "
					"know");
	}
	cause = ret->cause;
	if (ret->flags & ~FLAGS || ret->reserved)
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"set flags to DEVRX_QUEUE_F_... and reserved "
				"to 0",
				"unknown flags %#" PRIx32
				" in struct devrx_queue_opts",
				ret->flags);
	if (!ret->ifname || !ret->ifname[0])
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"set ifname, as \"ip -brief link\" shows it",
				"no NIC named in struct devrx_queue_opts");
	if (ret->nr_ports > DEVRX_QUEUE_PORTS_MAX ||
	    (ret->nr_ports && !ret->ports))
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"give at most 64 ports",
				"%" PRIu32 " ports in struct devrx_queue_opts",
				ret->nr_ports);
	for (uint32_t i = 0; i < ret->nr_ports; i++)
		if (!ret->ports[i])
			return drx_fail(cause, -EINVAL, "opts-invalid",
					"give the port that is listened on",
					"port 0 in struct devrx_queue_opts");
	return 0;
}

/* A leased queue is made ready at its NIC, which is in another namespace. */
static bool is_ours_to_configure(const struct drx_look *look,
				 const struct devrx_queue_opts *opts)
{
	return opts->flags & DEVRX_QUEUE_F_CONFIGURE &&
	       strcmp(look->driver, "netkit") != 0;
}

static int configure(struct drx_reservation *res, struct drx_look *look,
		     const struct devrx_queue_opts *opts)
{
	uint32_t queue;
	int ret;

	ret = drx_look_judge_unmendable(look, opts->cause);
	if (!ret)
		ret = drx_reservation_make(res, &queue, look, opts);
	return ret ? ret :
		     drx_look_read(look, NULL, look->ifindex, queue,
				   opts->cause);
}

int devrx_queue_reserve(struct devrx_queue **ret_q,
			const struct devrx_queue_opts *opts)
{
	struct drx_reservation res = { .guard = -1 };
	struct devrx_queue_opts own;
	struct devrx_queue *q;
	struct drx_look look;
	int ret;

	if (!ret_q)
		return -EINVAL;
	ret = drx_queue_opts_get(&own, opts);
	if (ret)
		return ret;
	ret = drx_look_read(&look, own.ifname, 0, own.index, own.cause);
	if (!ret && is_ours_to_configure(&look, &own))
		ret = configure(&res, &look, &own);
	if (!ret)
		ret = drx_look_judge(&look, own.cause);
	if (ret)
		goto err_end;
	q = drx_queue_new(look.ifindex, look.index);
	if (!q) {
		ret = drx_fail_os(own.cause, -ENOMEM, "devrx_queue_reserve");
		goto err_end;
	}
	/* What is kept goes by devrx_queue_undo() only. */
	res.made &= !(own.flags & DEVRX_QUEUE_F_KEEP);
	q->reservation = res;
	*ret_q = q;
	return 0;

err_end:
	(void)drx_reservation_end(&res);
	return ret;
}

int devrx_queue_info(const struct devrx_queue *q, struct devrx_queue_info *ret)
{
	struct devrx_queue_info info = { .size = sizeof(info) };
	struct drx_look look;
	int err;

	if (!q || !ret || ret->size < sizeof(info))
		return -EINVAL;
	err = drx_look_read(&look, NULL, q->ifindex, q->index, NULL);
	if (err)
		return err;
	info.ifindex = look.ifindex;
	info.index = look.index;
	info.nr_queues = look.nr_queues;
	info.data_split = look.data_split;
	info.hds_thresh = look.hds_thresh;
	info.napi_id = look.napi_id;
	info.user = look.user;
	info.rx_ring = look.rx_ring;
	info.xdp = look.xdp != XDP_ATTACHED_NONE;
	memcpy(info.ifname, look.ifname, sizeof(info.ifname));
	memcpy(info.driver, look.driver, sizeof(info.driver));
	return drx_info_put(ret, &info, sizeof(info), sizeof(info));
}

int devrx_queue_restore(struct devrx_queue *q)
{
	int ret;

	if (!q)
		return 0;
	if (q->bound)
		return -EBUSY;
	ret = drx_reservation_end(&q->reservation);
	free(q);
	return ret;
}

int drx_queue_bind(struct devrx_queue *q, struct devrx_cause *cause)
{
	if (q->bound)
		return drx_fail(cause, -EBUSY, "queue-bound",
				"close the receiver that has it, or reserve "
				"another queue",
				"queue %" PRIu32 " is bound to a receiver "
				"already",
				q->index);
	q->bound = true;
	return 0;
}

void drx_queue_unbind(struct devrx_queue *q)
{
	q->bound = false;
}

int drx_queue_check(const struct devrx_queue *q, bool pci,
		    struct devrx_cause *cause)
{
	struct drx_look look;
	int ret;

	ret = drx_look_read(&look, NULL, q->ifindex, q->index, cause);
	/* First: no command mends it. */
	if (!ret && pci)
		ret = drx_look_judge_pci(&look, cause);
	return ret ? ret : drx_look_judge(&look, cause);
}
