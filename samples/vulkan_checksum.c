// SPDX-License-Identifier: MIT
/*
 * One TCP connection into a Vulkan device's memory; a shader makes the CRC-32C of
 * the stream where the NIC has put it.
 *
 *	vulkan_checksum NIC|- PORT devrx_crc32c.spv
 * The shader is devrx's own (in share/devrx once installed). A batch is a submission,
 * and goes back to the NIC when the timeline says that it is done.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <devrx/devrx.h>

#include "vulkan_shader.h"

enum { BATCH = 64 };

/* What the shader needs beside the received bytes, in memory of its own. */
struct work {
	uint32_t crc[4]; /* two, in turn: this launch's and the one before's */
	struct devrx_desc records[BATCH];
};

struct checksum {
	struct devrx_memory *mem, *work;
	struct devrx_vulkan_handles vk, work_vk;
	struct devrx_vulkan_point point; /* the last submission's end */
	struct shader shader;
};

static int get_memory(struct checksum *c, struct devrx_cause *cause)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_vulkan_device same = { .size = sizeof(same) };
	int rc;

	mo.kind = "vulkan";
	mo.len = 16 << 20;
	mo.cause = cause;
	rc = devrx_memory_alloc(&c->mem, &mo);
	if (rc)
		return rc;
	c->vk.size = c->work_vk.size = sizeof(c->vk);
	(void)devrx_vulkan_handles(c->mem, &c->vk);
	same.instance = c->vk.instance;
	same.physical_device = c->vk.physical_device;
	same.device = c->vk.device;
	same.queue = c->vk.queue;
	same.get_instance_proc_addr = c->vk.get_instance_proc_addr;
	same.queue_family = c->vk.queue_family;
	if (c->vk.external_family == VK_QUEUE_FAMILY_FOREIGN_EXT)
		same.flags = DEVRX_VULKAN_F_FOREIGN;
	mo.len = sizeof(struct work);
	rc = devrx_vulkan_alloc(&c->work, &same, &mo);
	return rc ? rc : devrx_vulkan_handles(c->work, &c->work_vk);
}

/* The CRC goes on where the last launch has left it. */
static int submit(struct checksum *c, const struct devrx_desc *records,
		  uint32_t nr)
{
	const uint64_t now = c->shader.submitted % 2 * sizeof(uint32_t);
	const uint64_t before = sizeof(uint32_t) - now;
	const uint64_t at = offsetof(struct work, records);
	struct devrx_kernel_args args = {
		.records = c->work_vk.address + at,
		.nr_records = nr,
		.source = c->vk.address,
		.out = c->work_vk.address + now,
		.before = c->shader.submitted ? c->work_vk.address + before : 0,
	};
	VkCommandBuffer to = c->shader.commands;
	VkBuffer work = (VkBuffer)c->work_vk.buffer;

	if (shader_begin(&c->shader))
		return -EIO;
	(void)devrx_vulkan_acquire(c->work, to, 0, 0);
	vkCmdUpdateBuffer(to, work, at, nr * sizeof(records[0]), records);
	vkCmdFillBuffer(to, work, now, sizeof(uint32_t), 0);
	(void)devrx_vulkan_acquire(c->mem, to, 0, 0);
	shader_launch(&c->shader, &args, 4);
	(void)devrx_vulkan_release(c->mem, to, 0, 0);
	(void)devrx_vulkan_release(c->work, to, 0, 0);
	return shader_submit(&c->shader) ? -EIO : 0;
}

/* 0 to go on, 1 at the end, or a negative errno. */
static int take(struct checksum *c, struct devrx_receiver *rx,
		const struct devrx_fragment *frags, int n)
{
	struct devrx_desc records[BATCH];
	struct devrx_fence fence;
	uint32_t nr = 0;
	int rc = 0;

	for (int i = 0; i < n; i++) {
		if (frags[i].error) /* or LOST: the device has failed */
			return frags[i].error;
		if (frags[i].flags & DEVRX_FRAGMENT_EOF)
			rc = 1;
		if (!frags[i].length)
			continue;
		records[nr].source = (uint32_t)frags[i].offset;
		records[nr].length = frags[i].length;
		records[nr++].destination = frags[i].position;
	}
	if (!nr)
		return rc;
	/* The point is free for the next fence once the last has been seen to pass. */
	if (shader_wait(&c->shader) || devrx_receiver_poll_fences(rx) ||
	    submit(c, records, nr))
		return -EIO;
	c->point = shader_point(&c->shader);
	fence = devrx_vulkan_fence(&c->point);
	(void)devrx_receiver_release_after(rx, frags, (unsigned int)n, &fence);
	return rc;
}

static int receive(struct checksum *c, const char *nic, int fd,
		   struct devrx_cause *cause)
{
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_fragment frags[BATCH];
	struct devrx_queue *queue = NULL;
	struct devrx_receiver *rx = NULL;
	uint32_t crc[2] = { 0, 0 };
	int rc, n, sockfd = -1;

	qo.ifname = nic;
	qo.cause = ro.cause = cause;
	rc = strcmp(nic, "-") ? devrx_queue_reserve(&queue, &qo) : 0;
	if (!rc)
		rc = devrx_receiver_open(&rx, c->mem, queue, &ro);
	/* What came before the receiver was there would not be in its memory. */
	if (!rc && listen(fd, 1))
		rc = -errno;
	if (!rc) {
		fprintf(stderr, "vulkan_checksum: ready\n");
		sockfd = accept(fd, NULL, NULL);
		rc = devrx_receiver_add(rx, sockfd, 0);
	}
	while (!rc) {
		n = devrx_receiver_wait(rx, frags, BATCH, -1);
		rc = n < 0 ? n : take(c, rx, frags, n);
	}
	if (rc == 1 && shader_wait(&c->shader))
		rc = -EIO;
	if (rc == 1 && c->shader.submitted)
		rc = devrx_memory_read(c->work, 0, crc, sizeof(crc));
	if (rc == 0 || rc == 1)
		printf("%08x\n", crc[(c->shader.submitted + 1) % 2]);
	if (rc < 0 && rx)
		(void)devrx_receiver_cause(rx, cause);
	devrx_receiver_close(rx, DEVRX_CLOSE_F_ABANDON);
	devrx_queue_restore(queue);
	if (sockfd >= 0)
		close(sockfd);
	return rc < 0 ? rc : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	struct devrx_cause cause = { 0 };
	struct checksum c = { 0 };
	int fd, rc, on = 1;

	if (argc != 4) {
		fprintf(stderr, "usage: vulkan_checksum NIC|- PORT SPV\n");
		return 2;
	}
	addr.sin6_port = htons((uint16_t)atoi(argv[2]));
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		perror("vulkan_checksum: bind");
		return 1;
	}
	rc = get_memory(&c, &cause);
	if (!rc && shader_open(&c.shader, &c.vk, argv[3]))
		rc = -EIO;
	if (!rc)
		rc = receive(&c, argv[1], fd, &cause);
	shader_close(&c.shader);
	devrx_memory_free(c.work);
	devrx_memory_free(c.mem);
	close(fd);
	if (rc)
		fprintf(stderr, "vulkan_checksum: %s\nnext: %s\n",
			cause.text[0] ? cause.text : strerror(-rc), cause.next);
	return rc ? 1 : 0;
}
