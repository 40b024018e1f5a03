// SPDX-License-Identifier: MIT
/*
 * One TCP connection into CUDA memory, and launches over its fragments.
 *
 * A batch of fragments becomes records in pinned memory, which the device reads
 * where they are, and a launch. They go back to the NIC when the event behind the
 * launch has passed: meanwhile the next ones arrive.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cuda_receive.h"

enum { BATCH = 64, BATCHES = 16 };

struct receive {
	struct cuda *cu;
	struct devrx_receiver *rx;
	uint64_t source; /* the memory's address on the device */
	struct devrx_desc (*records)[BATCH];
	struct devrx_cuda_event events[BATCHES];
	unsigned int nr; /* batches so far */
	cuda_work work;
	void *sample;
};

/* 0 to go on, 1 at the end, or a negative errno. */
static int take(struct receive *r, const struct devrx_fragment *frags, int n)
{
	struct devrx_cuda_event *event = &r->events[r->nr % BATCHES];
	struct devrx_desc *records = r->records[r->nr % BATCHES];
	struct devrx_kernel_args args = { .records = (uintptr_t)records,
					  .source = r->source };
	struct devrx_fence fence = devrx_cuda_fence(event);
	uint64_t end = 0;
	int rc = 0, err;

	/* Free for another batch once its launch has ended and its fence knows. */
	if (cuda_failed(cuEventSynchronize(event->event),
			"cuEventSynchronize") ||
	    devrx_receiver_poll_fences(r->rx) < 0)
		return -EIO;
	for (int i = 0; i < n; i++) {
		if (frags[i].error) /* or LOST: the device has failed */
			return frags[i].error;
		if (frags[i].flags & DEVRX_FRAGMENT_EOF)
			rc = 1;
		if (!frags[i].length)
			continue;
		records[args.nr_records].source = (uint32_t)frags[i].offset;
		records[args.nr_records].length = frags[i].length;
		records[args.nr_records++].destination = frags[i].position;
		end = frags[i].position + frags[i].length;
	}
	if (!args.nr_records)
		return rc;
	err = r->work(r->sample, &args, end);
	if (err)
		return err;
	if (cuda_failed(cuEventRecord(event->event, r->cu->stream),
			"cuEventRecord"))
		return -EIO;
	(void)devrx_receiver_release_after(r->rx, frags, (unsigned int)n,
					   &fence);
	r->nr++;
	return rc;
}

/* The receiver is open; @fd is bound. */
static int connection(struct receive *r, int fd)
{
	struct devrx_fragment frags[BATCH];
	int rc, n, sockfd;

	/* What came before the receiver was there would not be in its memory. */
	if (listen(fd, 1))
		return -errno;
	fprintf(stderr, "ready\n");
	sockfd = accept(fd, NULL, NULL);
	rc = devrx_receiver_add(r->rx, sockfd, 0);
	while (!rc) {
		n = devrx_receiver_wait(r->rx, frags, BATCH, -1);
		rc = n < 0 ? n : take(r, frags, n);
	}
	if (sockfd >= 0)
		close(sockfd);
	return rc < 0 ? rc : 0;
}

static int make_batches(struct receive *r, struct devrx_memory *mem)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	void *records;

	(void)devrx_memory_info(mem, &info);
	r->source = info.device_addr;
	if (cuda_failed(cuMemHostAlloc(&records, BATCHES * sizeof(*r->records),
				       0),
			"cuMemHostAlloc"))
		return -ENOMEM;
	r->records = records;
	for (int i = 0; i < BATCHES; i++) {
		CUevent event;

		if (cuda_failed(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING),
				"cuEventCreate"))
			return -ENOMEM;
		r->events[i].mem = mem;
		r->events[i].event = event;
		r->events[i].stream = r->cu->stream;
	}
	return 0;
}

int cuda_receive(struct cuda *cu, struct devrx_memory *mem, const char *nic,
		 const char *port, cuda_work work, void *sample,
		 struct devrx_cause *cause)
{
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	struct receive r = { .cu = cu, .work = work, .sample = sample };
	struct devrx_queue *queue = NULL;
	int fd, rc, on = 1;

	addr.sin6_port = htons((uint16_t)atoi(port));
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	qo.ifname = nic;
	qo.cause = ro.cause = cause;
	rc = make_batches(&r, mem);
	if (!rc && strcmp(nic, "-"))
		rc = devrx_queue_reserve(&queue, &qo);
	if (!rc)
		rc = devrx_receiver_open(&r.rx, mem, queue, &ro);
	if (!rc)
		rc = connection(&r, fd);
	if (rc && r.rx)
		(void)devrx_receiver_cause(r.rx, cause);
	/* Only then may the NIC have the memory for something else. */
	if (cuda_failed(cuStreamSynchronize(cu->stream),
			"cuStreamSynchronize") &&
	    !rc)
		rc = -EIO;
	devrx_receiver_close(r.rx, rc ? DEVRX_CLOSE_F_ABANDON : 0);
	devrx_queue_restore(queue);
	for (int i = 0; i < BATCHES && r.events[i].event; i++)
		(void)cuEventDestroy(r.events[i].event);
	if (r.records)
		(void)cuMemFreeHost(r.records);
	close(fd);
	return rc;
}
