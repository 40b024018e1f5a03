/* SPDX-License-Identifier: MIT */
/* Names to addresses, and connections to those. */
#ifndef DRX_HTTP_SOCKET_H
#define DRX_HTTP_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "deliver/http_url.h"

enum { DRX_ADDRESSES_MAX = 8 };

struct drx_addresses {
	unsigned int nr;
	socklen_t len[DRX_ADDRESSES_MAX];
	struct sockaddr_storage addr[DRX_ADDRESSES_MAX];
};

/* Look up @url's host. Return 0 or -EHOSTUNREACH ("http-resolve"). */
int drx_resolve(struct drx_addresses *ret, const struct drx_url *url,
		struct devrx_cause *cause);
/*
 * Begin to connect to address @idx, from @port where that is not 0. Return a
 * descriptor, which is writable when it is connected or has failed; or a negative
 * errno ("http-port", "http-connect", "os-error").
 */
int drx_connect_begin(const struct drx_addresses *to, unsigned int idx,
		      uint16_t port, struct devrx_cause *cause);
/* How it ended; @fd is as a receiver wants it where that is 0. */
int drx_connect_end(int fd);
/* All of @buf, at once. Return 0 or a negative errno, and then @fd is of no use. */
int drx_send(int fd, const char *buf, size_t len);
/* Close it, so that its port can be used again at once. */
void drx_hang_up(int fd);

#endif /* DRX_HTTP_SOCKET_H */
