// SPDX-License-Identifier: MIT
/*
 * devmem TCP: the queue bound to the dmabuf by netlink, recvmsg() for where the bytes
 * are, setsockopt() to give them back, tokens that follow each other as one.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "bench/uapi.h"
#include "bench/way.h"

#define BUF_LEN (1u << 20)
/* The kernel takes so many at once (net/core/sock.c, sock_devmem_dontneed). */
#define TOKENS 128u
#define FRAGS 1024u

struct state {
	struct mnl_socket *nl; /* the binding lives as long as it */
	int epoll_fd;
	char *buf;
	char control[FRAGS * CMSG_SPACE(sizeof(struct devmem_cmsg))];
	struct devmem_token tokens[TOKENS];
	unsigned int nr_tokens, nr_frags;
};

static int left_behind(const struct nlmsghdr *msg, const struct nlattr *attr)
{
	return (int)((const char *)mnl_nlmsg_get_payload_tail(msg) -
		     (const char *)attr);
}

/* One question; what @family_id is for, or NULL, is taken from the answer. 0 or a
 * negative errno, the kernel's among them. */
static int ask(struct mnl_socket *nl, struct nlmsghdr *req, uint16_t *family_id)
{
	char buf[8192];
	struct nlmsghdr *reply = (struct nlmsghdr *)buf;
	const struct nlmsgerr *verdict;
	struct nlattr *attr;
	ssize_t n;

	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_sendto(nl, req, req->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < (ssize_t)sizeof(*reply))
			return n < 0 ? -errno : -EBADMSG;
		if (reply->nlmsg_type == NLMSG_ERROR) {
			verdict = mnl_nlmsg_get_payload(reply);
			return verdict->error;
		}
		if (!family_id)
			continue;
		attr = mnl_nlmsg_get_payload_offset(reply,
						    sizeof(struct genlmsghdr));
		for (; mnl_attr_ok(attr, left_behind(reply, attr));
		     attr = mnl_attr_next(attr))
			if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
				*family_id = mnl_attr_get_u16(attr);
	}
}

static struct nlmsghdr *request(char *buf, uint16_t family, uint8_t command)
{
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	req->nlmsg_type = family;
	genl = mnl_nlmsg_put_extra_header(req, sizeof(*genl));
	genl->cmd = command;
	genl->version = 1;
	return req;
}

static int bind_once(struct bench_run *run, struct mnl_socket *nl,
		     uint16_t family)
{
	char buf[512];
	struct nlmsghdr *req = request(buf, family, NETDEV_CMD_BIND_RX_6_12);
	struct nlattr *queue;

	mnl_attr_put_u32(req, A_DMABUF_IFINDEX, run->queue_info.ifindex);
	mnl_attr_put_u32(req, A_DMABUF_FD, (uint32_t)run->info.dmabuf_fd);
	queue = mnl_attr_nest_start(req, A_DMABUF_QUEUES);
	mnl_attr_put_u32(req, A_QUEUE_TYPE, QUEUE_TYPE_RX);
	mnl_attr_put_u32(req, A_QUEUE_ID, run->queue_info.index);
	mnl_attr_nest_end(req, queue);
	return ask(nl, req, NULL);
}

static int bind_queue(struct bench_run *run, struct state *s)
{
	char buf[512];
	struct nlmsghdr *req = request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	uint16_t family = 0;
	int err;

	s->nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!s->nl || mnl_socket_bind(s->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return bench_error(run, "netlink", -errno);
	mnl_attr_put_strz(req, CTRL_ATTR_FAMILY_NAME, "netdev");
	err = ask(s->nl, req, &family);
	/* Whoever had the queue goes in its own time. */
	for (int tries = 0; !err && tries < 200; tries++) {
		err = bind_once(run, s->nl, family);
		if (err != -EEXIST)
			break;
		(void)usleep(10000);
		err = 0;
	}
	return err ? bench_error(run, "binding the queue", err) : 0;
}

static int way_open(struct bench_run *run)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return bench_error(run, "calloc", -ENOMEM);
	run->state = s;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return bench_error(run, "epoll_create1", -errno);
	s->buf = aligned_alloc(4096, BUF_LEN);
	if (!s->buf)
		return bench_error(run, "aligned_alloc", -ENOMEM);
	return bind_queue(run, s);
}

static int way_add(struct bench_run *run, unsigned int i)
{
	struct state *s = run->state;
	struct epoll_event event = { .events = EPOLLIN,
				     .data.fd = run->fds[i] };

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, run->fds[i], &event))
		return bench_error(run, "epoll_ctl", -errno);
	return 0;
}

static int give_back(struct bench_run *run, struct state *s, int fd)
{
	const unsigned int n = s->nr_tokens;

	s->nr_tokens = s->nr_frags = 0;
	if (n && setsockopt(fd, SOL_SOCKET, OPT_DEVMEM_DONTNEED, s->tokens,
			    (socklen_t)(n * sizeof(s->tokens[0]))) < 0)
		return bench_error(run, "SO_DEVMEM_DONTNEED", -errno);
	return 0;
}

static int note(struct bench_run *run, struct state *s, int fd, uint32_t token)
{
	struct devmem_token *last = s->tokens;
	int err;

	/* Room for it, whether it goes with the last one or not. */
	if (s->nr_frags == FRAGS || s->nr_tokens == TOKENS) {
		err = give_back(run, s, fd);
		if (err)
			return err;
	}
	s->nr_frags++;
	if (s->nr_tokens)
		last += s->nr_tokens - 1;
	if (s->nr_tokens && last->start + last->count == token) {
		last->count++;
		return 0;
	}
	s->tokens[s->nr_tokens++] =
		(struct devmem_token){ .start = token, .count = 1 };
	return 0;
}

/* What is there of one connection: bytes, or a negative errno. */
static ssize_t take(struct bench_run *run, int fd)
{
	struct state *s = run->state;
	struct iovec iov = { s->buf, BUF_LEN };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = s->control,
		.msg_controllen = sizeof(s->control),
	};
	ssize_t n = recvmsg(fd, &msg, FLAG_SOCK_DEVMEM);
	int err = 0;

	if (n <= 0)
		return bench_error(run, "recvmsg", n ? -errno : 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c && !err;
	     c = CMSG_NXTHDR(&msg, c)) {
		struct devmem_cmsg frag;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		memcpy(&frag, CMSG_DATA(c), sizeof(frag));
		run->events++;
		if (c->cmsg_type == CMSG_DEVMEM_DMABUF)
			err = note(run, s, fd, frag.frag_token);
		else if (c->cmsg_type == CMSG_DEVMEM_LINEAR)
			err = bench_put(run, s->buf, frag.frag_size);
	}
	if (!err)
		err = give_back(run, s, fd);
	return err ? err : n;
}

static int receive(struct bench_run *run, uint64_t bytes)
{
	struct epoll_event ready[BENCH_CONNECTIONS_MAX];
	struct state *s = run->state;
	ssize_t n;
	int nr, err;

	while (bytes) {
		err = bench_interrupted(run);
		if (err)
			return err;
		nr = 1;
		ready[0].data.fd = run->fds[0];
		if (run->nr_fds > 1)
			nr = epoll_wait(s->epoll_fd, ready,
					BENCH_CONNECTIONS_MAX, -1);
		if (nr < 0)
			return bench_error(run, "epoll_wait", -errno);
		for (int i = 0; i < nr; i++) {
			n = take(run, ready[i].data.fd);
			if (n < 0)
				return (int)n;
			bytes -= (uint64_t)n;
		}
	}
	return 0;
}

static void way_close(struct bench_run *run)
{
	struct state *s = run->state;

	if (!s)
		return;
	if (s->nl)
		(void)mnl_socket_close(s->nl);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	free(s->buf);
	free(s);
}

const struct bench_way bench_devmem = {
	.name = "devmem-tcp",
	.summary = "devmem TCP: recvmsg() and tokens",
	.flags = BENCH_WAY_NIC | BENCH_WAY_DMABUF,
	.open = way_open,
	.add = way_add,
	.receive = receive,
	.close = way_close,
};
