// SPDX-License-Identifier: MIT
/*
 * The smallest complete receiver: one TCP connection into a dmabuf.
 *
 *	receive NIC PORT
 *
 * Needs CAP_NET_ADMIN and a NIC whose queues take memory providers; it is made
 * ready, and given back as it was. "devrx doctor NIC" says what a machine lacks.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <devrx/devrx.h>

/* One connection, from the first call to the last. */
static int receive(const char *nic, uint16_t port, int listen_fd,
		   struct devrx_cause *cause)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_memory *mem = NULL;
	struct devrx_queue *queue = NULL;
	struct devrx_receiver *rx = NULL;
	struct devrx_fragment frags[64];
	int rc, sockfd = -1;

	mo.kind = "udmabuf";
	mo.len = 64 << 20;
	qo.ifname = nic;
	qo.flags = DEVRX_QUEUE_F_CONFIGURE;
	qo.ports = &port;
	qo.nr_ports = 1;
	mo.cause = qo.cause = ro.cause = cause;
	rc = devrx_memory_alloc(&mem, &mo);
	if (!rc)
		rc = devrx_queue_reserve(&queue, &qo);
	if (!rc)
		rc = devrx_receiver_open(&rx, mem, queue, &ro);
	if (!rc) {
		sockfd = accept(listen_fd, NULL, NULL);
		rc = devrx_receiver_add(rx, sockfd, 0);
	}
	while (!rc) {
		int n = devrx_receiver_wait(rx, frags, 64, -1);

		for (int i = 0; i < n; i++) {
			printf("stream %llu: %u bytes at memory offset %llu\n",
			       (unsigned long long)frags[i].position,
			       frags[i].length,
			       (unsigned long long)frags[i].offset);
			if (frags[i].flags & DEVRX_FRAGMENT_EOF)
				rc = 1;
			if (frags[i].flags & DEVRX_FRAGMENT_ERROR)
				rc = frags[i].error;
		}
		if (n < 0)
			rc = n;
		else
			devrx_receiver_release(rx, frags, (unsigned int)n);
	}
	if (rc < 0 && rx)
		(void)devrx_receiver_cause(rx, cause);
	devrx_receiver_close(rx, 0);
	devrx_queue_restore(queue);
	devrx_memory_free(mem);
	if (sockfd >= 0)
		close(sockfd);
	return rc < 0 ? rc : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	struct devrx_cause cause = { 0 };
	int fd, rc, on = 1;

	if (argc != 3) {
		fprintf(stderr, "usage: receive NIC PORT\n");
		return 2;
	}
	addr.sin6_port = htons((uint16_t)atoi(argv[2]));
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		perror("receive: listen");
		return 1;
	}
	rc = receive(argv[1], (uint16_t)atoi(argv[2]), fd, &cause);
	close(fd);
	if (rc)
		fprintf(stderr, "receive: %s\nnext: %s\n",
			cause.text[0] ? cause.text : strerror(-rc), cause.next);
	return rc ? 1 : 0;
}
