// SPDX-License-Identifier: MIT
/*
 * An epoll server that moves over to devrx one socket at a time: its epoll set is
 * as it was, with a listener, signals and connections that it reads with recv();
 * what comes to a second port is received into a memory. One call waits for all of
 * it (IORING_OP_EPOLL_WAIT, Linux 6.15); epoll_receive.c is the other way round.
 *
 *	epoll_wait_receive PORT DEVRX-PORT [NIC]
 *
 * With port 0 the kernel chooses one. Without a NIC the tier is recv, which needs
 * neither a NIC nor a privilege. SIGINT and SIGTERM end it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <devrx/devrx.h>

#define MAX_EVENTS 16

struct server {
	struct devrx_memory *mem;
	struct devrx_queue *queue;
	struct devrx_receiver *rx;
	struct epoll_event events[MAX_EVENTS]; /* see devrx_receiver_epoll() */
	int epfd, listen_fd, devrx_listen_fd, signal_fd;
	unsigned long long bytes, devrx_bytes;
	bool done;
};

static int watch(const struct server *s, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_receiver(struct server *s, const char *nic,
			 struct devrx_cause *cause)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	int rc;

	mo.kind = nic ? "udmabuf" : "host";
	mo.len = 64 << 20;
	qo.ifname = nic;
	mo.cause = qo.cause = ro.cause = cause;
	rc = devrx_memory_alloc(&s->mem, &mo);
	if (!rc && nic)
		rc = devrx_queue_reserve(&s->queue, &qo);
	if (!rc)
		rc = devrx_receiver_open(&s->rx, s->mem, s->queue, &ro);
	return rc ? rc :
		    devrx_receiver_epoll(s->rx, s->epfd, s->events, MAX_EVENTS);
}

static int open_listener(const struct server *s, const char *port, int *ret)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(addr);
	int fd, on = 1;

	addr.sin6_port = htons((uint16_t)atoi(port));
	fd = *ret = socket(AF_INET6, SOCK_STREAM, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 64) || getsockname(fd, (struct sockaddr *)&addr, &len))
		return -errno;
	printf("listening on port %d\n", ntohs(addr.sin6_port));
	return watch(s, fd);
}

static int open_signals(struct server *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return s->signal_fd < 0 ? -errno : watch(s, s->signal_fd);
}

static void end(const char *how, int fd)
{
	printf("%s: connection %d has ended\n", how, fd);
	close(fd);
}

/* What a server of epoll does with what its set tells. */
static void serve_event(struct server *s, int ready)
{
	char buf[4096];
	ssize_t n;
	int fd;

	if (ready == s->signal_fd) {
		s->done = true;
	} else if (ready == s->listen_fd) {
		fd = accept(ready, NULL, NULL);
		if (fd >= 0 && watch(s, fd))
			close(fd);
	} else if (ready == s->devrx_listen_fd) {
		/* This one has moved over: it is in no epoll set. */
		fd = accept(ready, NULL, NULL);
		if (fd >= 0 && devrx_receiver_add(s->rx, fd, (uint64_t)fd))
			close(fd);
	} else {
		n = recv(ready, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			s->bytes += (unsigned long long)n;
		else if (!n || (errno != EAGAIN && errno != EINTR))
			end("recv", ready);
	}
}

static int take_fragment(struct server *s, const struct devrx_fragment *frag)
{
	s->devrx_bytes += frag->length;
	if (frag->flags & DEVRX_FRAGMENT_EVENT) {
		for (uint64_t i = 0; i < frag->position; i++)
			serve_event(s, s->events[i].data.fd);
		return frag->error;
	}
	if (frag->flags & (DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR))
		end("devrx", (int)frag->user);
	return 0;
}

static int serve(struct server *s)
{
	struct devrx_fragment frags[64];
	int n, rc = 0;

	while (!s->done && !rc) {
		n = devrx_receiver_wait(s->rx, frags, 64, -1);
		for (int i = 0; i < n && !rc; i++)
			rc = take_fragment(s, &frags[i]);
		if (n > 0)
			devrx_receiver_release(s->rx, frags, (unsigned int)n);
		else if (n != -EINTR)
			rc = n;
	}
	printf("%llu bytes by recv, %llu by devrx\n", s->bytes, s->devrx_bytes);
	return rc;
}

int main(int argc, char **argv)
{
	struct server s = { .listen_fd = -1, .signal_fd = -1 };
	struct devrx_cause cause = { 0 };
	int rc;

	if (argc != 3 && argc != 4) {
		fprintf(stderr,
			"usage: epoll_wait_receive PORT DEVRX-PORT [NIC]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	s.epfd = epoll_create1(EPOLL_CLOEXEC);
	rc = s.epfd < 0 ? -errno : open_receiver(&s, argv[3], &cause);
	if (!rc)
		rc = open_signals(&s);
	if (!rc)
		rc = open_listener(&s, argv[1], &s.listen_fd);
	if (!rc)
		rc = open_listener(&s, argv[2], &s.devrx_listen_fd);
	if (!rc)
		rc = serve(&s);
	if (rc && s.rx)
		(void)devrx_receiver_cause(s.rx, &cause);
	devrx_receiver_close(s.rx, DEVRX_CLOSE_F_ABANDON);
	devrx_queue_restore(s.queue);
	devrx_memory_free(s.mem);
	if (rc)
		fprintf(stderr, "epoll_wait_receive: %s\nnext: %s\n",
			cause.text[0] ? cause.text : strerror(-rc), cause.next);
	return rc ? 1 : 0;
}
