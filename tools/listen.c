// SPDX-License-Identifier: MIT
/* TCP sockets of the command (listen.h). */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "listen.h"
#include "report.h"

#define RETRY_MS 50

int64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void endpoint_text(const struct sockaddr_storage *addr, socklen_t len,
			  char ret[static ENDPOINT_LEN])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	char host[64] = "?", port[8] = "?";
	struct sockaddr_in in4;

	/* An IPv4 peer of a dual-stack socket, written as people know it. */
	if (addr->ss_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memset(&in4, 0, sizeof(in4));
		in4.sin_family = AF_INET;
		in4.sin_port = in6->sin6_port;
		memcpy(&in4.sin_addr, &in6->sin6_addr.s6_addr[12], 4);
		(void)getnameinfo((const struct sockaddr *)&in4, sizeof(in4),
				  host, sizeof(host), port, sizeof(port),
				  NI_NUMERICHOST | NI_NUMERICSERV);
	} else {
		(void)getnameinfo((const struct sockaddr *)addr, len, host,
				  sizeof(host), port, sizeof(port),
				  NI_NUMERICHOST | NI_NUMERICSERV);
	}
	snprintf(ret, ENDPOINT_LEN, strchr(host, ':') ? "[%s]:%s" : "%s:%s",
		 host, port);
}

static int resolve(const char *host, const char *port, int flags,
		   struct addrinfo **ret, struct devrx_cause *cause)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_protocol = IPPROTO_TCP,
				  .ai_flags = flags };
	int rc = getaddrinfo(host, port, &hints, ret);

	if (!rc)
		return 0;
	cause_set(cause, "address", "give a numeric address: [::1]:9000",
		  "address \"%s\": %s", host,
		  rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	return rc == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
}

static void bind_cause(int err, const char *host, const char *port,
		       struct devrx_cause *cause)
{
	char next[64];

	if (err == EADDRINUSE) {
		snprintf(next, sizeof(next), "ss -ltnp 'sport = :%s'", port);
		cause_set(cause, "port-in-use", next,
			  "port %s is in use: another program listens on it",
			  port);
	} else if (err == EADDRNOTAVAIL) {
		cause_set(cause, "address", "ip address",
			  "cannot listen on %s: no NIC here has that address",
			  host);
	} else if (err == EACCES) {
		cause_set(cause, "port-access", "take a port above 1023",
			  "cannot listen on port %s: no permission", port);
	} else {
		cause_set(cause, "os-error", NULL,
			  "cannot listen on %s port %s: %s", host, port,
			  strerror(err));
	}
}

/*
 * A receiver sends nothing, so it never learns that its peer has gone when the
 * peer's last packet, a reset maybe, was lost. Probes tell within half a
 * minute. Accepted sockets inherit this.
 */
static void watch_peers(int fd)
{
	const int on = 1, idle = 10, interval = 5, probes = 3;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval,
			 sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static int bind_one(const struct addrinfo *ai)
{
	int fd =
		socket(ai->ai_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	const int on = 1, off = 0;
	int err;

	if (fd < 0)
		return -errno;
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off,
				 sizeof(off));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	watch_peers(fd);
	if (!bind(fd, ai->ai_addr, ai->ai_addrlen))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

int listen_bind(const char *host, const char *port, struct devrx_cause *cause)
{
	const char *any = host[0] ? host : "::";
	struct addrinfo *list;
	int rc = resolve(any, port, AI_PASSIVE, &list, cause);

	if (rc)
		return rc;
	rc = bind_one(list);
	freeaddrinfo(list);
	if ((rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL) && !host[0]) {
		/* A kernel without IPv6. */
		any = "0.0.0.0";
		rc = resolve(any, port, AI_PASSIVE, &list, cause);
		if (rc)
			return rc;
		rc = bind_one(list);
		freeaddrinfo(list);
	}
	if (rc < 0)
		bind_cause(-rc, any, port, cause);
	return rc;
}

uint16_t listen_port(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	(void)getsockname(fd, (struct sockaddr *)&addr, &len);
	/* Both families have it at the same place. */
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

int listen_start(int fd, char ret[static ENDPOINT_LEN],
		 struct devrx_cause *cause)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char port[8] = "?";
	int rc = 0;

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		rc = -errno;
	else
		endpoint_text(&addr, len, ret);
	/* Two programs may bind with SO_REUSEADDR; only one may listen. */
	if (!rc && listen(fd, SOMAXCONN) < 0) {
		rc = -errno;
		(void)getnameinfo((struct sockaddr *)&addr, len, NULL, 0, port,
				  sizeof(port), NI_NUMERICSERV);
	}
	if (rc)
		bind_cause(-rc, "", port, cause);
	return rc;
}

/*
 * Chunks that wait in a socket are missing in the area, and an empty area makes
 * the NIC drop packets: TCP then stalls for seconds. So all sockets together
 * get a quarter of it. What one wait takes out of the sockets is another
 * quarter at most, which leaves the NIC half. The kernel doubles the value, to
 * count a chunk in full for each packet in it.
 */
void listen_limit_buffers(int fd, uint64_t area_len, unsigned int connections)
{
	uint64_t share = area_len / 4 / connections;
	unsigned long long largest = 6 << 20;
	FILE *rmem = fopen("/proc/sys/net/ipv4/tcp_rmem", "re");
	int half;

	if (rmem) {
		if (fscanf(rmem, "%*u %*u %llu", &largest) != 1)
			largest = 6 << 20;
		(void)fclose(rmem);
	}
	if (largest <= share)
		return;
	half = (int)(share / 2); /* below tcp_rmem's maximum, so it fits */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &half,
				 sizeof(half));
}

int listen_accept(int fd, char ret_peer[static ENDPOINT_LEN])
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	/*
	 * Not SOCK_NONBLOCK: io_uring would answer -EAGAIN instead of waiting.
	 */
	int conn = accept4(fd, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC);

	if (conn < 0) {
		/* These are of the connection, not of the socket: accept(2). */
		if (errno == ECONNABORTED || errno == EINTR ||
		    errno == EPROTO || errno == ENETDOWN ||
		    errno == EHOSTUNREACH || errno == ENETUNREACH)
			return -EAGAIN;
		return -errno;
	}
	endpoint_text(&addr, len, ret_peer);
	return conn;
}

/* One address, once. */
static int connect_one(const struct addrinfo *ai, int64_t deadline)
{
	int fd =
		socket(ai->ai_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int64_t left = deadline - now_ns();
	socklen_t len = sizeof(int);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		err = errno;
		if (err == EINPROGRESS) {
			err = ETIMEDOUT;
			if (poll(&pfd, 1,
				 left > 0 ? (int)(left / 1000000) + 1 : 0) > 0)
				(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err,
						 &len);
		}
	}
	if (!err)
		return fd;
	close(fd);
	return -err;
}

int listen_connect(const char *host, const char *port, unsigned int deadline_ms,
		   struct devrx_cause *cause)
{
	int64_t deadline = now_ns() + (int64_t)deadline_ms * 1000000;
	struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	struct addrinfo *list;
	int rc = resolve(host, port, 0, &list, cause);

	if (rc)
		return rc;
	for (;;) {
		for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
			rc = connect_one(ai, deadline);
			if (rc >= 0)
				break;
		}
		if (rc >= 0 || now_ns() >= deadline)
			break;
		/* Nobody listens yet, or an address is still being set up. */
		if (rc != -ECONNREFUSED && rc != -ENETUNREACH &&
		    rc != -EHOSTUNREACH && rc != -ETIMEDOUT &&
		    rc != -EADDRNOTAVAIL && rc != -ECONNRESET)
			break;
		(void)nanosleep(&pause, NULL);
	}
	freeaddrinfo(list);
	if (rc < 0)
		cause_set(cause, "connect", "is the receiver ready there?",
			  "cannot connect to %s port %s: %s", host, port,
			  strerror(-rc));
	return rc;
}
