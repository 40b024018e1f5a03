/* SPDX-License-Identifier: MIT */
/*
 * One netlink socket, one question at a time.
 *
 * Whatever comes in is taken for hostile: a reply counts only if it comes from
 * the kernel, for our port and the running sequence number; lengths are checked
 * before anything is read; nothing waits for ever. Parsers take (buffer, len)
 * and never a socket, so that tests can feed them made-up messages.
 */
#ifndef DRX_NETLINK_H
#define DRX_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/netlink.h>

struct mnl_socket;

/* Room for one datagram: the kernel fills dumps in pieces of at most 32 KiB
 * and never more than the receive buffer it was last offered.
 */
#define DRX_NL_BUF 16384

struct drx_nl {
	struct mnl_socket *sock;
	uint32_t portid;
	uint32_t seq;
	char extack[128]; /* the kernel's sentence for the last error, or "" */
	unsigned char buf[DRX_NL_BUF] __attribute__((aligned(8)));
};

/*
 * Called once per reply message with what follows its struct nlmsghdr. A
 * negative return ends the request with that error.
 */
typedef int (*drx_nl_fn)(const void *msg, size_t len, void *arg);

/* 0 or negative errno; @nl needs drx_nl_close() after success only. */
int drx_nl_open(struct drx_nl *nl, int bus);
void drx_nl_close(struct drx_nl *nl);

/* The id of a generic netlink family; -ENOENT where the kernel has none. */
int drx_nl_family(struct drx_nl *nl, const char *name, uint16_t *ret_id);

/*
 * Begin a request in @nl->buf; attributes are added with mnl_attr_put_*().
 * @flags: NLM_F_DUMP or 0. The extra header is zeroed.
 */
struct nlmsghdr *drx_nl_begin(struct drx_nl *nl, uint16_t type, uint16_t flags,
			      size_t extra_len);
struct nlmsghdr *drx_nl_begin_genl(struct drx_nl *nl, uint16_t family,
				   uint8_t cmd, uint8_t version,
				   uint16_t flags);

/* A request of the family "ethtool", whose id is @family, about one NIC; @header is the
 * command's attribute of that name. */
struct nlmsghdr *drx_nl_begin_ethtool(struct drx_nl *nl, uint16_t family,
				      uint8_t cmd, uint16_t header,
				      uint32_t ifindex);

/*
 * Send it, hand each reply to @fn (NULL: drop them), and return the kernel's
 * verdict: 0 or its errno, with its sentence in @nl->extack; -ETIMEDOUT,
 * -EMSGSIZE (reply too large), -EBADMSG (malformed reply).
 */
int drx_nl_ask(struct drx_nl *nl, const struct nlmsghdr *req, drx_nl_fn fn,
	       void *arg);

/*
 * One received datagram of @len bytes, aligned to 4. Returns 1 when the
 * request is over, 0 when more is to come, or a negative errno. Uses @nl's
 * portid, seq and extack only.
 */
int drx_nl_feed(struct drx_nl *nl, const void *buf, size_t len, drx_nl_fn fn,
		void *arg);

/*
 * Sort @len bytes of attributes (aligned to 4) by type into @tb, of @max + 1
 * entries: NULL where absent, the last one where repeated; types above @max
 * are skipped. -EBADMSG where one does not fit in @len.
 */
int drx_nl_attrs(const void *attrs, size_t len, const struct nlattr **tb,
		 uint16_t max);

/* The same after a fixed header of @hdr bytes at the start of a message. */
int drx_nl_attrs_after(const void *msg, size_t len, size_t hdr,
		       const struct nlattr **tb, uint16_t max);

/*
 * Read a value into @ret, which stays as it is where @attr is NULL. 0, or
 * -EBADMSG where the length is not the type's; for a string where it is not
 * terminated or does not fit.
 */
int drx_nl_get_u8(const struct nlattr *attr, uint8_t *ret);
int drx_nl_get_u16(const struct nlattr *attr, uint16_t *ret);
int drx_nl_get_u32(const struct nlattr *attr, uint32_t *ret);
int drx_nl_get_str(const struct nlattr *attr, char *ret, size_t size);

#endif /* DRX_NETLINK_H */
