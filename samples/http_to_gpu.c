// SPDX-License-Identifier: MIT
/*
 * A file of any web server into a GPU's memory, and its CRC-32C, which the GPU makes:
 * weights for a model, say.
 *
 *	http_to_gpu NIC|- URL devrx_kernels.fatbin
 *
 * devrx_http_get() puts the copies that bring the bytes into their place on our
 * stream, and returns before the device has done them; the kernel that we launch on
 * that stream sees them all. With "-" the kernel of the operating system copies (tier
 * recv), which needs neither a NIC nor a privilege.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <devrx/devrx.h>

#include "cuda_device.h"

#define CONNECTIONS 4
#define AREA_LEN (32u << 20)

struct fetch {
	struct cuda cu;
	struct devrx_memory *area; /* where bytes land */
	struct devrx_memory *file; /* where they belong */
	struct devrx_queue *queue;
	struct devrx_receiver *rx;
	struct devrx_http *http;
	struct devrx_http_result result;
	CUdeviceptr scratch; /* a record, and the CRC */
};

static int alloc(struct devrx_memory **ret, uint64_t len,
		 struct devrx_cause *cause)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;

	opts.kind = "cuda"; /* in the current context */
	opts.len = len;
	opts.cause = cause;
	return devrx_memory_alloc(ret, &opts);
}

static int connect_to(struct fetch *f, const char *nic,
		      struct devrx_cause *cause)
{
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_http_opts ho = DEVRX_HTTP_OPTS_INIT;
	uint16_t ports[CONNECTIONS];
	int rc = 0;

	ho.connections = CONNECTIONS;
	ho.stream = f->cu.stream;
	ho.cause = ro.cause = qo.cause = cause;
	/* The NIC is to lead our ends of the connections to its queue. */
	if (strcmp(nic, "-") != 0) {
		rc = devrx_http_ports(ports, CONNECTIONS, cause);
		qo.ifname = nic;
		qo.index = DEVRX_QUEUE_LAST;
		qo.flags = DEVRX_QUEUE_F_CONFIGURE;
		qo.ports = ho.ports = ports;
		qo.nr_ports = ho.nr_ports = CONNECTIONS;
		if (!rc)
			rc = devrx_queue_reserve(&f->queue, &qo);
	}
	if (!rc)
		rc = devrx_receiver_open(&f->rx, f->area, f->queue, &ro);
	return rc ? rc : devrx_http_open(&f->http, f->rx, f->area, &ho);
}

/* How long is it? Then all of it, into memory of that length. */
static int get(struct fetch *f, const char *url, struct devrx_cause *cause)
{
	struct devrx_http_request get = DEVRX_HTTP_REQUEST_INIT;
	int rc;

	f->result.size = sizeof(f->result);
	get.cause = cause;
	rc = devrx_http_get(f->http, url, &get, &f->result);
	if (!rc && (f->result.total == DEVRX_HTTP_UNKNOWN ||
		    f->result.total > UINT32_MAX || !f->result.total)) {
		fprintf(stderr, "its length is not known, or not for here\n");
		rc = -EFBIG;
	}
	if (!rc)
		rc = alloc(&f->file, f->result.total, cause);
	get.to = f->file;
	return rc ? rc : devrx_http_get(f->http, url, &get, &f->result);
}

/* On the stream, behind the copies: one record, which is all of the file. */
static int checksum(struct fetch *f, uint32_t *ret)
{
	const struct devrx_desc all = { 0, (uint32_t)f->result.total, 0 };
	struct devrx_memory_info info = { .size = sizeof(info) };
	struct devrx_kernel_args args = { .nr_records = 1 };

	if (cuda_failed(cuMemAlloc(&f->scratch, 64), "cuMemAlloc") ||
	    cuda_failed(cuMemcpyHtoD(f->scratch, &all, sizeof(all)),
			"cuMemcpyHtoD") ||
	    cuda_failed(cuMemsetD32Async(f->scratch + 32, 0, 1, f->cu.stream),
			"cuMemsetD32Async"))
		return -EIO;
	(void)devrx_memory_info(f->file, &info);
	args.records = f->scratch;
	args.source = info.device_addr;
	args.out = f->scratch + 32;
	if (cuda_launch(&f->cu, "devrx_crc32c", &args) ||
	    cuda_failed(cuStreamSynchronize(f->cu.stream),
			"cuStreamSynchronize") ||
	    cuda_failed(cuMemcpyDtoH(ret, args.out, sizeof(*ret)),
			"cuMemcpyDtoH"))
		return -EIO;
	return 0;
}

static int run(struct fetch *f, char **argv, struct devrx_cause *cause)
{
	struct devrx_receiver_stats stats = { .size = sizeof(stats) };
	uint32_t crc = 0;
	int rc;

	rc = alloc(&f->area, AREA_LEN, cause);
	if (!rc)
		rc = connect_to(f, argv[1], cause);
	if (!rc)
		rc = get(f, argv[2], cause);
	if (!rc)
		rc = checksum(f, &crc);
	if (rc)
		return rc;
	(void)devrx_receiver_stats(f->rx, &stats);
	printf("%08x  %llu bytes, %llu copied on their way, gathered by %s\n",
	       crc, (unsigned long long)f->result.done,
	       (unsigned long long)stats.bytes_copied, f->result.gathered_by);
	return 0;
}

int main(int argc, char **argv)
{
	struct devrx_cause cause = { 0 };
	struct fetch f = { 0 };
	int rc;

	if (argc != 4) {
		fprintf(stderr,
			"usage: http_to_gpu NIC|- URL devrx_kernels.fatbin\n");
		return 2;
	}
	rc = cuda_open(&f.cu, argv[3]);
	if (!rc)
		rc = run(&f, argv, &cause);
	devrx_http_close(f.http);
	(void)devrx_receiver_close(f.rx, 0);
	(void)devrx_queue_restore(f.queue);
	(void)devrx_memory_free(f.file);
	(void)devrx_memory_free(f.area);
	if (f.scratch)
		(void)cuMemFree(f.scratch);
	cuda_close(&f.cu);
	return cuda_exit("http_to_gpu", rc, &cause);
}
