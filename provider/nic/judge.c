// SPDX-License-Identifier: MIT
/*
 * Would the kernel take this queue? Its answer, in its order
 * (linux/net/core/netdev_rx_queue.c, __netif_mp_open_rxq(); 7.3), with the
 * reason that it keeps to itself. Who has the queue is not judged: a former
 * owner's queue is freed some time after its ring, so the receiver tries until
 * a deadline.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <linux/if_link.h>

#include "nic/look.h"
#include "util/cause.h"

bool drx_nic_is_plain(const char *name)
{
	return name[0] != '-' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "._-@")] == '\0';
}

int drx_judge_support(const struct drx_look *look, struct devrx_cause *cause)
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

int drx_judge_range(const struct drx_look *look, struct devrx_cause *cause)
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

/* What mends the split: with the threshold, whose mender names the split too, for a
 * driver that splits by default reports "on" where the kernel wants it asked for.
 */
static void mend_split(const struct drx_look *look, char *next, size_t len)
{
	const bool thresh = look->hds_thresh && look->hds_thresh != UINT32_MAX;
	int at = 0;

	next[0] = '\0';
	if (!drx_nic_is_plain(look->ifname))
		return;
	/* mlx5 refuses the split without hardware GRO (mlx5e_set_ringparam()). */
	if (strcmp(look->driver, "mlx5_core") == 0)
		at = snprintf(next, len, "ethtool -K %s rx-gro-hw on && ",
			      look->ifname);
	(void)snprintf(next + at, len - (size_t)at,
		       "ethtool -G %s tcp-data-split on%s", look->ifname,
		       thresh ? " hds-thresh 0" : "");
}

int drx_judge_split(const struct drx_look *look, struct devrx_cause *cause)
{
	char next[192];

	if (look->split_support != DRX_SPLIT_REPORTED ||
	    look->data_split == DEVRX_DATA_SPLIT_ON)
		return 0;
	mend_split(look, next, sizeof(next));
	return drx_fail(cause, -EINVAL, "hds-off", next,
			"NIC %s does not split headers from data: "
			"tcp-data-split is %s, zero-copy receive needs on",
			look->ifname,
			look->data_split == DEVRX_DATA_SPLIT_OFF ? "off" :
								   "auto");
}

int drx_judge_thresh(const struct drx_look *look, struct devrx_cause *cause)
{
	char next[192];

	if (look->split_support != DRX_SPLIT_REPORTED || !look->hds_thresh ||
	    look->hds_thresh == UINT32_MAX)
		return 0;
	mend_split(look, next, sizeof(next));
	return drx_fail(cause, -EINVAL, "hds-thresh", next,
			"NIC %s splits only packets above %" PRIu32 " bytes: "
			"hds-thresh must be 0 for zero-copy receive",
			look->ifname, look->hds_thresh);
}

int drx_judge_xdp(const struct drx_look *look, struct devrx_cause *cause)
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

	ret = drx_judge_support(look, cause);
	if (!ret)
		ret = drx_judge_range(look, cause);
	if (!ret)
		ret = drx_judge_split(look, cause);
	if (!ret)
		ret = drx_judge_thresh(look, cause);
	if (!ret)
		ret = drx_judge_xdp(look, cause);
	return ret;
}

int drx_look_judge_unmendable(const struct drx_look *look,
			      struct devrx_cause *cause)
{
	int ret = drx_judge_support(look, cause);

	return ret ? ret : drx_judge_xdp(look, cause);
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
