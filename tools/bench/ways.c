// SPDX-License-Identifier: MIT
/* The list of ways, and what several of them need (way.h). */
#include <errno.h>
#include <string.h>

#include "bench/way.h"
#include "recv.h"
#include "report.h"

const struct bench_way *const bench_ways[] = {
	&bench_floor,	   &bench_raw_4k,      &bench_device_4k,
	&bench_device_16k, &bench_device_64k,  &bench_host_4k,
	&bench_recv,	   &bench_recv_mapped, &bench_recv_1m,
	&bench_epoll_64k,  &bench_multishot,   &bench_tcp_zerocopy,
	&bench_devmem,
};
const unsigned int bench_nr_ways = sizeof(bench_ways) / sizeof(bench_ways[0]);

int bench_put(struct bench_run *run, const void *buf, size_t len)
{
	const char *from = buf;
	size_t n;
	int err;

	for (; len; len -= n, from += n) {
		n = len;
		if (n > run->info.len - run->at)
			n = (size_t)(run->info.len - run->at);
		if (run->info.host_addr) {
			memcpy((char *)run->info.host_addr + run->at, from, n);
		} else {
			err = devrx_memory_write(run->memory, run->at, from, n);
			if (err)
				return bench_error(run, "the upload", err);
		}
		run->at += n;
		if (run->at == run->info.len)
			run->at = 0;
	}
	return 0;
}

int bench_error(struct bench_run *run, const char *call, int err)
{
	if (recv_signal())
		return bench_interrupted(run);
	cause_set(&run->cause, "os-error", NULL, "%s: %s: %s", run->way->name,
		  call, err ? strerror(-err) : "the connection was closed");
	return err ? err : -ECONNRESET;
}

int bench_interrupted(struct bench_run *run)
{
	if (!recv_signal())
		return 0;
	cause_set(&run->cause, "interrupted", NULL, "ended by signal %d (%s)",
		  recv_signal(), strsignal(recv_signal()));
	return -EINTR;
}
