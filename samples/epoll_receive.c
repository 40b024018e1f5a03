// SPDX-License-Identifier: MIT
/*
 * A receiver in a loop of epoll: connections come and go, and signals, the
 * listening socket and all that is received wake the same epoll_wait().
 *
 *	epoll_receive PORT [NIC]
 *
 * With PORT 0 the kernel chooses one. Without a NIC the tier is recv, which needs
 * neither a NIC nor a privilege. SIGINT and SIGTERM end it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <devrx/devrx.h>

/* What is asked of epoll, in its data. */
enum source { LISTENER, SIGNAL, RECEIVER };

struct server {
	struct devrx_memory *mem;
	struct devrx_queue *queue;
	struct devrx_receiver *rx;
	int epfd, listen_fd, signal_fd;
	unsigned long long connections, bytes;
};

static int watch(const struct server *s, int fd, enum source source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = source };

	if (fd < 0)
		return fd;
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
	return rc;
}

static int open_listener(struct server *s, const char *port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(addr);
	int on = 1;

	addr.sin6_port = htons((uint16_t)atoi(port));
	s->listen_fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (s->listen_fd < 0 ||
	    setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on,
		       sizeof(on)) ||
	    bind(s->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(s->listen_fd, 64) ||
	    getsockname(s->listen_fd, (struct sockaddr *)&addr, &len))
		return -errno;
	printf("listening on port %d\n", ntohs(addr.sin6_port));
	return 0;
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
	return s->signal_fd < 0 ? -errno : 0;
}

/* The descriptor is all that this program wants to know of a connection. */
static void take_connection(struct server *s)
{
	int fd = accept(s->listen_fd, NULL, NULL);

	if (fd < 0)
		return;
	if (devrx_receiver_add(s->rx, fd, (uint64_t)fd))
		close(fd);
	else
		s->connections++;
}

static void take_fragment(struct server *s, const struct devrx_fragment *frag)
{
	s->bytes += frag->length;
	if (!(frag->flags & (DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR)))
		return;
	printf("connection %llu: %llu bytes, %s\n",
	       (unsigned long long)frag->user,
	       (unsigned long long)frag->position,
	       frag->error ? strerror(-frag->error) : "end of stream");
	close((int)frag->user);
}

/*
 * All that there is, without waiting: before each epoll_wait(), because that is
 * also how new connections get going. 0 where the loop may sleep.
 */
static int receive(struct server *s)
{
	struct devrx_fragment frags[64];
	int n;

	while ((n = devrx_receiver_wait(s->rx, frags, 64, 0)) > 0) {
		for (int i = 0; i < n; i++)
			take_fragment(s, &frags[i]);
		devrx_receiver_release(s->rx, frags, (unsigned int)n);
	}
	/* No connection yet, or a signal: as good as nothing. */
	return n == -ENOTCONN || n == -EINTR ? 0 : n;
}

static int serve(struct server *s)
{
	struct signalfd_siginfo info;
	struct epoll_event events[8];
	int rc;

	while (!(rc = receive(s))) {
		int n = epoll_wait(s->epfd, events, 8, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u32 == LISTENER)
				take_connection(s);
			if (events[i].data.u32 != SIGNAL ||
			    read(s->signal_fd, &info, sizeof(info)) < 0)
				continue;
			printf("signal %u: %llu connections, %llu bytes\n",
			       info.ssi_signo, s->connections, s->bytes);
			return 0;
		}
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct server s = { .listen_fd = -1, .signal_fd = -1 };
	struct devrx_cause cause = { 0 };
	int rc;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: epoll_receive PORT [NIC]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	s.epfd = epoll_create1(EPOLL_CLOEXEC);
	rc = s.epfd < 0 ? -errno : open_receiver(&s, argv[2], &cause);
	if (!rc)
		rc = open_signals(&s);
	if (!rc)
		rc = open_listener(&s, argv[1]);
	if (!rc)
		rc = watch(&s, s.listen_fd, LISTENER);
	if (!rc)
		rc = watch(&s, s.signal_fd, SIGNAL);
	if (!rc)
		rc = watch(&s, devrx_receiver_fd(s.rx), RECEIVER);
	if (!rc)
		rc = serve(&s);
	if (rc && s.rx)
		(void)devrx_receiver_cause(s.rx, &cause);
	devrx_receiver_close(s.rx, DEVRX_CLOSE_F_ABANDON);
	devrx_queue_restore(s.queue);
	devrx_memory_free(s.mem);
	if (rc)
		fprintf(stderr, "epoll_receive: %s\nnext: %s\n",
			cause.text[0] ? cause.text : strerror(-rc), cause.next);
	return rc ? 1 : 0;
}
