// SPDX-License-Identifier: MIT
/*
 * A thread for each of several queues, with a receiver of its own; one listening
 * socket, whose connections go to the thread whose queue they arrive on.
 *
 *	threads_receive PORT NIC FIRST COUNT
 *
 * takes queues FIRST to FIRST + COUNT - 1, over which the NIC spreads the
 * connections: ethtool -X NIC start FIRST equal COUNT. SIGINT and SIGTERM end it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <devrx/devrx.h>

#define MAX_WORKERS 64

/* Posted by each thread when its receiver is open, or will not be. */
static sem_t ready;

struct worker {
	struct devrx_receiver *rx;
	int inbox[2]; /* a pipe of descriptors, closed when no more come */
	unsigned int index;
	int rc;
	pthread_t thread;
};

/* Each thread's, and its queue, which main has reserved. */
static struct worker workers[MAX_WORKERS];
static struct devrx_queue *queues[MAX_WORKERS];

/* All that there is, without waiting. 0 where the thread may sleep. */
static int receive(struct worker *w)
{
	struct devrx_fragment frags[64];
	int n;

	while ((n = devrx_receiver_wait(w->rx, frags, 64, 0)) > 0) {
		for (int i = 0; i < n; i++)
			if (frags[i].flags &
			    (DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR)) {
				printf("queue %u: a connection of %llu bytes\n",
				       w->index,
				       (unsigned long long)frags[i].position);
				close((int)frags[i].user);
			}
		devrx_receiver_release(w->rx, frags, (unsigned int)n);
	}
	return n == -ENOTCONN || n == -EINTR ? 0 : n;
}

static int serve(struct worker *w)
{
	struct pollfd fds[] = { { w->inbox[0], POLLIN, 0 },
				{ devrx_receiver_fd(w->rx), POLLIN, 0 } };
	int rc, sockfd;

	while (!(rc = receive(w))) {
		if (poll(fds, 2, -1) < 0 || !fds[0].revents)
			continue;
		if (read(w->inbox[0], &sockfd, sizeof(sockfd)) <= 0)
			return 0;
		if (devrx_receiver_add(w->rx, sockfd, (uint64_t)sockfd))
			close(sockfd);
	}
	return rc;
}

static void *work(void *arg)
{
	struct devrx_receiver_stats stats = { .size = sizeof(stats) };
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_cause cause = { 0 };
	struct devrx_memory *mem = NULL;
	struct worker *w = arg;

	mo.kind = "udmabuf";
	mo.len = 64 << 20;
	mo.cause = ro.cause = &cause;
	w->rc = devrx_memory_alloc(&mem, &mo);
	/* By the thread that will receive: a receiver is for one. */
	if (!w->rc)
		w->rc = devrx_receiver_open(&w->rx, mem, queues[w - workers],
					    &ro);
	sem_post(&ready);
	if (!w->rc) {
		w->rc = serve(w);
		if (w->rc)
			(void)devrx_receiver_cause(w->rx, &cause);
		(void)devrx_receiver_stats(w->rx, &stats);
		printf("queue %u: %llu connections, %llu bytes, %llu copied\n",
		       w->index, (unsigned long long)stats.connections_total,
		       (unsigned long long)stats.bytes,
		       (unsigned long long)stats.bytes_copied);
	}
	devrx_receiver_close(w->rx, DEVRX_CLOSE_F_ABANDON);
	devrx_memory_free(mem);
	if (w->rc) {
		fprintf(stderr, "threads_receive: queue %u: %s\nnext: %s\n",
			w->index, cause.text, cause.next);
		kill(getpid(), SIGTERM);
	}
	return NULL;
}

static void accept_all(int listen_fd, int signal_fd, unsigned int nr)
{
	struct pollfd fds[] = { { listen_fd, POLLIN, 0 },
				{ signal_fd, POLLIN, 0 } };
	struct devrx_cause cause;
	int sockfd, i;

	while (poll(fds, 2, -1) >= 0 && !fds[1].revents) {
		sockfd = accept(listen_fd, NULL, NULL);
		if (sockfd < 0)
			continue;
		i = devrx_queue_find(queues, nr, sockfd, &cause);
		if (i < 0)
			fprintf(stderr, "%s\n", cause.text);
		if (i < 0 ||
		    write(workers[i].inbox[1], &sockfd, sizeof(sockfd)) < 0)
			close(sockfd);
	}
}

static int open_listener(const char *port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

	addr.sin6_port = htons((uint16_t)atoi(port));
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 64))
		return -1;
	printf("listening on port %s\n", port);
	return fd;
}

int main(int argc, char **argv)
{
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_cause cause = { 0 };
	unsigned int nr, i, started = 0;
	int listen_fd, signal_fd, rc = 0;
	sigset_t set;

	nr = argc == 5 ? (unsigned int)atoi(argv[4]) : 0;
	if (nr < 1 || nr > MAX_WORKERS) {
		fputs("usage: threads_receive PORT NIC FIRST COUNT\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	sem_init(&ready, 0, 0);
	qo.ifname = argv[2];
	qo.cause = &cause;
	for (; started < nr && !rc; started += !rc) {
		struct worker *w = &workers[started];

		qo.index = w->index = (unsigned int)atoi(argv[3]) + started;
		rc = devrx_queue_reserve(&queues[started], &qo);
		if (!rc)
			rc = pipe(w->inbox) ||
			     pthread_create(&w->thread, NULL, work, w);
	}
	for (i = 0; i < started; i++)
		sem_wait(&ready);
	/* Not before: what comes earlier is not in the receivers' memory. */
	listen_fd = rc ? -1 : open_listener(argv[1]);
	if (listen_fd >= 0)
		accept_all(listen_fd, signal_fd, nr);
	else
		fprintf(stderr, "threads_receive: %s\nnext: %s\n",
			cause.text[0] ? cause.text : strerror(errno),
			cause.next);
	for (i = 0; i < started; i++) {
		close(workers[i].inbox[1]);
		pthread_join(workers[i].thread, NULL);
		rc = rc ? rc : workers[i].rc;
	}
	for (i = 0; i < nr; i++)
		devrx_queue_restore(queues[i]);
	return rc || listen_fd < 0;
}
