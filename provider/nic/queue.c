// SPDX-License-Identifier: MIT
/*
 * A NIC queue held for a receiver: look, judge, remember; change nothing.
 *
 * drx_look_judge() answers as the kernel would, in the kernel's order
 * (linux/net/core/netdev_rx_queue.c, __netif_mp_open_rxq(); 7.3), with the
 * reason that the kernel keeps to itself. Who has the queue is not judged: a
 * former owner's queue is freed some time after its ring, so the receiver
 * tries until a deadline.
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
#include "util/cause.h"
#include "util/opts.h"

struct devrx_queue {
	uint32_t ifindex;
	uint32_t index;
	bool bound;
};

bool drx_nic_is_plain(const char *name)
{
	return name[0] != '-' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "._-@")] == '\0';
}

static int judge_support(const struct drx_look *look, struct devrx_cause *cause)
{
	/*
	 * A netkit has no rings of its own; a queue leased to it is a real
	 * NIC's, whose split only the kernel can see from here (7.1).
	 */
	if (look->split_support != DRX_SPLIT_NONE ||
	    strcmp(look->driver, "netkit") == 0)
		return 0;
	return drx_fail(cause, -EOPNOTSUPP, "nic-unsupported",
			"take a NIC whose driver takes memory providers: mlx5, "
			"bnxt, gve, fbnic or devrx_softnic",
			"NIC %s (driver %s) reports no header split, which "
			"zero-copy receive needs; without it only the tier "
			"recv is left",
			look->ifname,
			look->driver[0] ? look->driver : "unknown");
}

static int judge_range(const struct drx_look *look, struct devrx_cause *cause)
{
	uint32_t nr = look->nr_queues ? look->nr_queues : look->max_queues;
	char next[192] = "";

	if (look->index == DEVRX_QUEUE_LAST) {
		if (!look->up && drx_nic_is_plain(look->ifname))
			(void)snprintf(next, sizeof(next),
				       "ip link set dev %s up", look->ifname);
		return drx_fail(
			cause, -ENETDOWN, "nic-down",
			next[0] ? next : "ask for a queue by its number",
			"NIC %s does not tell how many rx queues it "
			"has%s, so its last one is unknown",
			look->ifname, look->up ? "" : " while it is down");
	}
	if (!nr || look->index < nr)
		return 0;
	if (!drx_nic_is_plain(look->ifname))
		;
	else if (look->index < look->max_queues)
		(void)snprintf(next, sizeof(next),
			       "ethtool -L %s combined %" PRIu32, look->ifname,
			       look->index + 1);
	else
		(void)snprintf(next, sizeof(next), "ethtool -l %s",
			       look->ifname);
	return drx_fail(cause, -ERANGE, "queue-range", next,
			"rx queue %" PRIu32 " of NIC %s asked for, which has "
			"%" PRIu32 " (0 to %" PRIu32 ")",
			look->index, look->ifname, nr, nr - 1);
}

static int judge_split(const struct drx_look *look, struct devrx_cause *cause)
{
	bool thresh = look->hds_thresh && look->hds_thresh != UINT32_MAX;
	char next[192] = "";
	int at = 0;

	if (look->split_support != DRX_SPLIT_REPORTED ||
	    (look->data_split == DEVRX_DATA_SPLIT_ON && !thresh))
		return 0;
	/* mlx5 refuses the split without hardware GRO (mlx5e_set_ringparam()). */
	if (drx_nic_is_plain(look->ifname) &&
	    strcmp(look->driver, "mlx5_core") == 0)
		at = snprintf(next, sizeof(next),
			      "ethtool -K %s rx-gro-hw on && ", look->ifname);
	/*
	 * The threshold's mender names the split too: a driver that splits by
	 * default reports "on" where the kernel wants it asked for.
	 */
	if (drx_nic_is_plain(look->ifname))
		(void)snprintf(next + at, sizeof(next) - (size_t)at,
			       "ethtool -G %s tcp-data-split on%s",
			       look->ifname, thresh ? " hds-thresh 0" : "");
	if (look->data_split != DEVRX_DATA_SPLIT_ON)
		return drx_fail(cause, -EINVAL, "hds-off", next,
				"NIC %s does not split headers from data: "
				"tcp-data-split is %s, zero-copy receive needs "
				"on",
				look->ifname,
				look->data_split == DEVRX_DATA_SPLIT_OFF ?
					"off" :
					"auto");
	return drx_fail(cause, -EINVAL, "hds-thresh", next,
			"NIC %s splits only packets above %" PRIu32 " bytes: "
			"hds-thresh must be 0 for zero-copy receive",
			look->ifname, look->hds_thresh);
}

static int judge_xdp(const struct drx_look *look, struct devrx_cause *cause)
{
	static const char *const off[] = {
		[XDP_ATTACHED_DRV] = "xdpdrv",
		[XDP_ATTACHED_SKB] = "xdpgeneric",
		[XDP_ATTACHED_HW] = "xdpoffload",
	};
	const char *mode = NULL;
	char next[192] = "";

	if (look->xdp == XDP_ATTACHED_NONE)
		return 0;
	if (look->xdp < sizeof(off) / sizeof(off[0]))
		mode = off[look->xdp];
	if (drx_nic_is_plain(look->ifname))
		(void)snprintf(next, sizeof(next), "ip link set dev %s %s off",
			       look->ifname, mode ? mode : "xdp");
	return drx_fail(cause, -EEXIST, "xdp-attached", next,
			"an XDP program is attached to NIC %s; XDP and "
			"zero-copy receive exclude each other",
			look->ifname);
}

int drx_look_judge(const struct drx_look *look, struct devrx_cause *cause)
{
	int ret;

	ret = judge_support(look, cause);
	if (!ret)
		ret = judge_range(look, cause);
	if (!ret)
		ret = judge_split(look, cause);
	if (!ret)
		ret = judge_xdp(look, cause);
	return ret;
}

/*
 * The parent device stands for the one that does the DMA. Where they differ (a
 * sub-function on the bus "auxiliary", a queue leased to a netkit) nothing that
 * is visible here says whether that one is a PCI device, so it is not one.
 */
int drx_look_judge_pci(const struct drx_look *look, struct devrx_cause *cause)
{
	if (strcmp(look->bus, "pci") == 0)
		return 0;
	return drx_fail(cause, -EOPNOTSUPP, "nic-not-pci",
			"take a NIC that is a PCI device, or memory of another "
			"kind",
			"NIC %s (driver %s) is no PCI device but on bus %s; "
			"the memory's driver, NVIDIA's, takes every NIC for "
			"one, and the kernel would crash",
			look->ifname,
			look->driver[0] ? look->driver : "unknown",
			look->bus[0] ? look->bus : "none");
}

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

int devrx_queue_reserve(struct devrx_queue **ret_q,
			const struct devrx_queue_opts *opts)
{
	struct devrx_cause *cause = NULL;
	struct devrx_queue_opts own;
	struct devrx_queue *q;
	struct drx_look look;
	int ret;

	if (!ret_q || !opts)
		return -EINVAL;
	ret = drx_opts_get(&own, sizeof(own), opts, sizeof(own));
	if (ret) {
		/* A struct of version 0.1 at least has the member. */
		if (opts->size >= sizeof(own))
			cause = opts->cause;
		return drx_fail(cause, ret, "opts-invalid",
				"begin with DEVRX_QUEUE_OPTS_INIT",
				"struct devrx_queue_opts of %zu bytes: %s",
				opts->size,
				opts->size < sizeof(own) ?
					"too short" :
					"asks for what this version does not "
					"know");
	}
	cause = own.cause;
	if (own.flags)
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"set flags to 0",
				"unknown flags %#" PRIx32
				" in struct devrx_queue_opts",
				own.flags);
	if (!own.ifname || !own.ifname[0])
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"set ifname, as \"ip -brief link\" shows it",
				"no NIC named in struct devrx_queue_opts");

	ret = drx_look_read(&look, own.ifname, 0, own.index, cause);
	if (ret)
		return ret;
	ret = drx_look_judge(&look, cause);
	if (ret)
		return ret;

	q = drx_queue_new(look.ifindex, look.index);
	if (!q)
		return drx_fail_os(cause, -ENOMEM, "devrx_queue_reserve");
	*ret_q = q;
	return 0;
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
	if (!q)
		return 0;
	if (q->bound)
		return -EBUSY;
	free(q);
	return 0;
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
