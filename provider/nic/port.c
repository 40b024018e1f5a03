// SPDX-License-Identifier: MIT
/*
 * A source port with which the answers reach a queue.
 *
 * The port is chosen and bound in one call, because what is free now may be taken
 * a moment later: only bind() knows, and what it refuses is followed by the next
 * port that hashes right. Ports are those that the kernel itself would choose
 * from: ip_local_port_range, the socket's own range, not the reserved ones.
 */
#include "nic/port.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <netinet/in.h>

#include <devrx/queue.h>

#include "nic/nic.h"
#include "nic/rss.h"
#include "util/cause.h"

/* The kernel's own where nobody has set another (linux/net/ipv4/af_inet.c). */
#define DEFAULT_FIRST 32768
#define DEFAULT_LAST 60999

/* linux/in.h since 6.3. */
#define DRX_IP_LOCAL_PORT_RANGE 51

static uint16_t port_of(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET)
		return ((const struct sockaddr_in *)addr)->sin_port;
	return ((const struct sockaddr_in6 *)addr)->sin6_port;
}

/* The address as it is on the wire. Return: bytes. */
static size_t wire_address(const struct sockaddr *addr, uint8_t *to)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;

	if (addr->sa_family == AF_INET) {
		memcpy(to, &((const struct sockaddr_in *)addr)->sin_addr, 4);
		return 4;
	}
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(to, &v6->sin6_addr.s6_addr[12], 4);
		return 4;
	}
	memcpy(to, &v6->sin6_addr, 16);
	return 16;
}

static bool is_zero(const uint8_t *addr, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (addr[i])
			return false;
	return true;
}

/* The answers' flow: from the remote end to ours. Return: NULL or what is wrong.
 */
static const char *make_flow(const struct sockaddr *local,
			     const struct sockaddr *remote, uint32_t len,
			     struct drx_rss_flow *ret)
{
	const char *shape = "the addresses have to be of one family, IPv4 or "
			    "IPv6, and as long as it says";
	struct drx_rss_flow flow = { 0 };

	if (!local || !remote || len < sizeof(sa_family_t) ||
	    local->sa_family != remote->sa_family)
		return shape;
	if (!(local->sa_family == AF_INET &&
	      len >= sizeof(struct sockaddr_in)) &&
	    !(local->sa_family == AF_INET6 &&
	      len >= sizeof(struct sockaddr_in6)))
		return shape;
	flow.addr_len = wire_address(remote, flow.src);
	if (wire_address(local, flow.dst) != flow.addr_len)
		return shape;
	if (is_zero(flow.src, flow.addr_len) ||
	    is_zero(flow.dst, flow.addr_len))
		return "the hash covers both addresses, so neither may be any";
	if (port_of(local))
		return "the local port is chosen here and has to be 0";
	flow.src_port = port_of(remote);
	if (!flow.src_port)
		return "the hash covers the remote port";
	*ret = flow;
	return NULL;
}

void drx_ports_parse(struct drx_ports *ports, const char *range)
{
	unsigned int first, last;

	if (sscanf(range, "%u %u", &first, &last) != 2 || !first ||
	    first > last || last > UINT16_MAX)
		return;
	ports->first = (uint16_t)first;
	ports->last = (uint16_t)last;
}

bool drx_port_reserved(const char *list, uint16_t port)
{
	unsigned long first, last;
	char *end;

	for (;;) {
		first = last = strtoul(list, &end, 10);
		if (end == list)
			return false;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (port >= first && port <= last)
			return true;
		if (*end != ',')
			return false;
		list = end + 1;
	}
}

void drx_ports_narrow(struct drx_ports *ports, uint32_t own)
{
	const uint16_t first = own & UINT16_MAX;
	const uint16_t last = (uint16_t)(own >> 16);
	const struct drx_ports all = *ports;

	/* As inet_sk_get_local_port_range() does it. */
	if (first >= all.first && first <= all.last)
		ports->first = first;
	if (last >= all.first && last <= all.last)
		ports->last = last;
	if (ports->first > ports->last)
		*ports = all;
}

/* A file's first line, for free(); NULL where there is none. */
static char *first_line(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return NULL;
	if (getline(&line, &room, f) < 0) {
		free(line);
		line = NULL;
	}
	(void)fclose(f);
	return line;
}

static void read_range(int sockfd, struct drx_ports *ports)
{
	char *line = first_line("/proc/sys/net/ipv4/ip_local_port_range");
	uint32_t own = 0;
	socklen_t len = sizeof(own);

	ports->first = DEFAULT_FIRST;
	ports->last = DEFAULT_LAST;
	if (line)
		drx_ports_parse(ports, line);
	free(line);
	if (!getsockopt(sockfd, IPPROTO_IP, DRX_IP_LOCAL_PORT_RANGE, &own,
			&len))
		drx_ports_narrow(ports, own);
}

/* 0, or the errno of the bind() that has the last word. */
static int try_port(int sockfd, const struct sockaddr *local, uint16_t port)
{
	struct sockaddr_in6 own6;
	struct sockaddr_in own4;

	if (local->sa_family == AF_INET) {
		memcpy(&own4, local, sizeof(own4));
		own4.sin_port = port;
		return bind(sockfd, (struct sockaddr *)&own4, sizeof(own4)) ?
			       -errno :
			       0;
	}
	memcpy(&own6, local, sizeof(own6));
	own6.sin6_port = port;
	return bind(sockfd, (struct sockaddr *)&own6, sizeof(own6)) ? -errno :
								      0;
}

/* 0; -EADDRINUSE where none of the ports will do; what else bind() says. */
static int bind_one(int sockfd, const struct sockaddr *local,
		    const struct drx_rss *rss, struct drx_rss_flow *flow,
		    uint32_t index, const struct drx_ports *ports)
{
	const uint32_t nr = (uint32_t)ports->last - ports->first + 1;
	char *reserved =
		first_line("/proc/sys/net/ipv4/ip_local_reserved_ports");
	uint32_t start = 0, i;
	int ret = -EADDRINUSE;

	/* Not the same for all: two programs shall not meet at each port. */
	(void)!getrandom(&start, sizeof(start), GRND_NONBLOCK);
	for (i = 0; i < nr && ret == -EADDRINUSE; i++) {
		const uint32_t at = (start % nr + i) % nr;
		const uint16_t port = (uint16_t)(ports->first + at);

		flow->dst_port = htons(port);
		if (drx_rss_queue(rss, flow) != index ||
		    (reserved && drx_port_reserved(reserved, port)))
			continue;
		ret = try_port(sockfd, local, flow->dst_port);
	}
	free(reserved);
	return ret;
}

int devrx_queue_bind_port(const struct devrx_queue *q, int sockfd,
			  const struct sockaddr *local,
			  const struct sockaddr *remote, uint32_t len,
			  struct devrx_cause *cause)
{
	char ifname[IF_NAMESIZE] = "";
	struct drx_ports ports;
	const char *wrong;
	struct drx_rss_flow flow;
	struct drx_rss rss;
	int ret;

	if (!q)
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"give the queue to reach", "no queue");
	wrong = make_flow(local, remote, len, &flow);
	if (wrong)
		return drx_fail(cause, -EINVAL, "opts-invalid",
				"give the addresses that will be on the wire",
				"%s", wrong);
	ret = drx_rss_read(&rss, drx_queue_ifindex(q), cause);
	if (ret)
		return ret;
	(void)if_indextoname(drx_queue_ifindex(q), ifname);
	ret = drx_rss_judge(&rss, ifname, drx_queue_index(q), flow.addr_len,
			    cause);
	if (ret)
		return ret;
	read_range(sockfd, &ports);
	ret = bind_one(sockfd, local, &rss, &flow, drx_queue_index(q), &ports);
	if (ret == -EADDRINUSE)
		return drx_fail(cause, ret, "ports-used",
				"sysctl net.ipv4.ip_local_port_range",
				"no port of %u to %u is free and leads to "
				"queue %" PRIu32,
				ports.first, ports.last, drx_queue_index(q));
	return ret ? drx_fail_os(cause, ret, "bind") : 0;
}
