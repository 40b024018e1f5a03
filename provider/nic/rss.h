/* SPDX-License-Identifier: MIT */
/*
 * Receive side scaling: to which queue a NIC's hash brings a flow.
 *
 * Read once over netlink into a plain struct, judged, then asked for as many
 * flows as one likes; a test can fill the struct in by hand.
 */
#ifndef DRX_RSS_H
#define DRX_RSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <devrx/error.h>

/* More than the NICs of Linux 7.3 have, and what a datagram has room for. */
#define DRX_RSS_KEY_MAX 256
#define DRX_RSS_INDIR_MAX 4096

/* What is hashed of a TCP segment over IPv6: two addresses, two ports. */
#define DRX_RSS_INPUT_MAX 36

struct drx_rss {
	uint32_t hfunc; /* 1 is Toeplitz; 0: not reported */
	uint32_t xfrm; /* DRX_RXH_XFRM_*, uapi_netdev.h */
	uint32_t tcp4; /* fields hashed, RXH_*; 0: not reported (before 6.17) */
	uint32_t tcp6;
	uint32_t key_len;
	uint32_t nr_indir;
	uint8_t key[DRX_RSS_KEY_MAX];
	uint32_t indir[DRX_RSS_INDIR_MAX];
};

/* One flow as it arrives at the NIC; addresses and ports in network order. */
struct drx_rss_flow {
	size_t addr_len; /* 4 or 16 */
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t src_port;
	uint16_t dst_port;
};

/*
 * The main table of the NIC numbered @ifindex. @ret is untouched on error. 0;
 * -EOPNOTSUPP (rss-missing), -ENODEV (nic-missing), or another errno of
 * netlink, with the cause.
 */
int drx_rss_read(struct drx_rss *ret, uint32_t ifindex,
		 struct devrx_cause *cause);

/*
 * Can a flow of @addr_len's family be brought to queue @index of @ifname? 0;
 * -EOPNOTSUPP (rss-hash) where the hash is none that drx_rss_queue() knows;
 * -ENOENT (rss-queue) where the table does not have the queue.
 */
int drx_rss_judge(const struct drx_rss *rss, const char *ifname, uint32_t index,
		  size_t addr_len, struct devrx_cause *cause);

/* The flow's queue, on what drx_rss_judge() has let pass. */
uint32_t drx_rss_queue(const struct drx_rss *rss,
		       const struct drx_rss_flow *flow);

/* Of @len bytes; the key has @len + 4 at least. */
uint32_t drx_rss_toeplitz(const uint8_t *key, const uint8_t *in, size_t len);

/* The reply's parser, of the type drx_nl_fn; @rss is a struct drx_rss. */
int drx_parse_rss(const void *msg, size_t len, void *rss);

#endif /* DRX_RSS_H */
