// SPDX-License-Identifier: MIT
/*
 * Names to addresses, and connections to those.
 *
 * A connection that we end is reset. It is ended where nothing is to come on it any
 * more, or nothing that anybody wants; and one that was closed in order would keep
 * its local port for a minute (TIME_WAIT), which a NIC's rule may have been made for.
 */
#include "deliver/http_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cause.h"

int drx_resolve(struct drx_addresses *ret, const struct drx_url *url,
		struct devrx_cause *cause)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG,
	};
	struct addrinfo *list, *ai;
	char port[8];
	int rc;

	(void)snprintf(port, sizeof(port), "%u", url->port);
	rc = getaddrinfo(url->host, port, &hints, &list);
	/* A machine without a configured address still has its loopback. */
	if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY) {
		const struct addrinfo any = {
			.ai_socktype = SOCK_STREAM,
			.ai_flags = AI_NUMERICSERV,
		};

		rc = getaddrinfo(url->host, port, &any, &list);
	}
	if (rc)
		return drx_fail(cause, -EHOSTUNREACH, "http-resolve", NULL,
				"%s has no address: %s", url->host,
				gai_strerror(rc));
	ret->nr = 0;
	for (ai = list; ai && ret->nr < DRX_ADDRESSES_MAX; ai = ai->ai_next) {
		memcpy(&ret->addr[ret->nr], ai->ai_addr, ai->ai_addrlen);
		ret->len[ret->nr++] = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	return 0;
}

/* Any address of @family, and @port. */
static socklen_t any_address(struct sockaddr_storage *ret, int family,
			     uint16_t port)
{
	struct sockaddr_in6 *six = (void *)ret;
	struct sockaddr_in *four = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		six->sin6_port = htons(port);
		return sizeof(*six);
	}
	four->sin_port = htons(port);
	return sizeof(*four);
}

static int bind_port(int fd, int family, uint16_t port)
{
	struct sockaddr_storage any;
	const socklen_t len = any_address(&any, family, port);
	const int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)&any, len))
		return -errno;
	return 0;
}

int drx_connect_begin(const struct drx_addresses *to, unsigned int idx,
		      uint16_t port, struct devrx_cause *cause)
{
	const struct sockaddr *addr = (const void *)&to->addr[idx];
	int fd, err;

	fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return drx_fail_os(cause, -errno, "socket");
	err = port ? bind_port(fd, addr->sa_family, port) : 0;
	if (err) {
		(void)drx_fail(cause, err, "http-port", NULL,
			       "local port %u cannot be had: %s", port,
			       strerror(-err));
	} else if (connect(fd, addr, to->len[idx]) && errno != EINPROGRESS) {
		err = -errno;
		(void)drx_fail(cause, err, "http-connect", NULL,
			       "cannot connect: %s", strerror(-err));
	}
	if (err) {
		(void)close(fd);
		return err;
	}
	return fd;
}

int drx_connect_end(int fd)
{
	const int one = 1;
	socklen_t len = sizeof(int);
	int err = 0, flags;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	if (err)
		return -err;
	/* A request is one write. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK))
		return -errno;
	return 0;
}

int drx_send(int fd, const char *buf, size_t len)
{
	/* There is room: nothing that was sent before is still on its way. */
	const ssize_t sent = send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0)
		return -errno;
	return (size_t)sent == len ? 0 : -EPIPE;
}

void drx_hang_up(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
}

/* One port that is free for both families, kept by the two descriptors. */
static int hold_port(int fds[2], uint16_t *ret)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int err;

	fds[1] = -1;
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[0] < 0)
		return -errno;
	err = bind_port(fds[0], AF_INET, 0);
	if (err)
		return err;
	if (getsockname(fds[0], (struct sockaddr *)&addr, &len))
		return -errno;
	*ret = ntohs(((struct sockaddr_in *)(void *)&addr)->sin_port);
	fds[1] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[1] < 0) /* a kernel without IPv6 */
		return 0;
	len = sizeof(int);
	(void)setsockopt(fds[1], IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, len);
	err = bind_port(fds[1], AF_INET6, *ret);
	return err == -EADDRNOTAVAIL ? 0 : err;
}

int devrx_http_ports(uint16_t *ret, unsigned int n, struct devrx_cause *cause)
{
	int fds[DEVRX_HTTP_CONNECTIONS_MAX][2];
	unsigned int held = 0, tries = 0;
	int err = 0;

	if (!n || n > DEVRX_HTTP_CONNECTIONS_MAX)
		return -EINVAL;
	while (held < n && !err) {
		err = hold_port(fds[held], &ret[held]);
		/* Free for IPv4, and not for IPv6: another one. */
		if (err == -EADDRINUSE && ++tries < 64) {
			(void)close(fds[held][0]);
			(void)close(fds[held][1]);
			err = 0;
			continue;
		}
		held++;
	}
	while (held--) {
		if (fds[held][0] >= 0)
			(void)close(fds[held][0]);
		if (fds[held][1] >= 0)
			(void)close(fds[held][1]);
	}
	return err ? drx_fail(cause, err, "http-port", NULL,
			      "%u free local ports cannot be had: %s", n,
			      strerror(-err)) :
		     0;
}
