// SPDX-License-Identifier: MIT
/* What a machine spends while something is received (count.h). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/count.h"
#include "listen.h"

static int ethtool(int fd, const char *nic, void *arg)
{
	struct ifreq ifr = { .ifr_data = arg };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", nic);
	return ioctl(fd, SIOCETHTOOL, &ifr);
}

static void count_softnic(struct bench_count *count, const char *nic)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_gstrings *names = NULL;
	struct ethtool_stats *stats = NULL;
	const char *name;
	int fd;

	count->copy_ns = count->placed_bytes = -1;
	if (!nic)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (!ethtool(fd, nic, &info) && !strcmp(info.driver, "devrx_softnic")) {
		names = calloc(1, sizeof(*names) + (size_t)info.n_stats *
							   ETH_GSTRING_LEN);
		stats = calloc(1, sizeof(*stats) +
					  info.n_stats * sizeof(uint64_t));
	}
	if (names && stats) {
		names->cmd = ETHTOOL_GSTRINGS;
		names->string_set = ETH_SS_STATS;
		names->len = info.n_stats;
		stats->cmd = ETHTOOL_GSTATS;
		stats->n_stats = info.n_stats;
		if (ethtool(fd, nic, names) || ethtool(fd, nic, stats))
			info.n_stats = 0;
		for (uint32_t i = 0; i < info.n_stats; i++) {
			name = (const char *)names->data +
			       (size_t)i * ETH_GSTRING_LEN;
			if (!strncmp(name, "rx_copy_ns", ETH_GSTRING_LEN))
				count->copy_ns = (int64_t)stats->data[i];
			if (!strncmp(name, "rx_placed_bytes", ETH_GSTRING_LEN))
				count->placed_bytes = (int64_t)stats->data[i];
		}
	}
	free(names);
	free(stats);
	close(fd);
}

static void count_machine(struct bench_count *count)
{
	int64_t t[7] = { 0 };
	FILE *file = fopen("/proc/stat", "re");

	if (file) {
		if (fscanf(file,
			   "cpu %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
			   " %" SCNd64 " %" SCNd64 " %" SCNd64,
			   &t[0], &t[1], &t[2], &t[3], &t[4], &t[5],
			   &t[6]) != 7)
			memset(t, 0, sizeof(t));
		(void)fclose(file);
	}
	count->ticks_system = t[2];
	count->ticks_irq = t[5] + t[6];
}

/* Where a clock counts instructions it runs while the CPU is idle, too, so that
 * nothing was counted then; worth a look with one CPU only. */
static void count_idle(struct bench_count *count)
{
	FILE *file = NULL;
	char line[256];

	count->idle_calls = -1;
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		file = fopen("/proc/timer_list", "re");
	if (!file)
		return;
	while (count->idle_calls < 0 && fgets(line, sizeof(line), file))
		(void)sscanf(line, " .idle_calls : %" SCNd64,
			     &count->idle_calls);
	(void)fclose(file);
}

static void count_process(struct bench_count *count)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	count->user_us = usage.ru_utime.tv_sec * INT64_C(1000000) +
			 usage.ru_utime.tv_usec;
	count->system_us = usage.ru_stime.tv_sec * INT64_C(1000000) +
			   usage.ru_stime.tv_usec;
}

void bench_count_begin(struct bench_count *count, const char *nic)
{
	count_softnic(count, nic);
	count_idle(count);
	count_machine(count);
	count_process(count);
	count->ns = now_ns();
}

void bench_count_end(struct bench_count *count, const char *nic)
{
	count->ns = now_ns();
	count_process(count);
	count_machine(count);
	count_idle(count);
	count_softnic(count, nic);
}

double bench_tick_seconds(void)
{
	return 1.0 / (double)sysconf(_SC_CLK_TCK);
}

uint64_t bench_segments_out(const int *fds, unsigned int nr)
{
	uint64_t segments = 0;

	while (nr--) {
		struct tcp_info info = { 0 };
		socklen_t len = sizeof(info);

		if (!getsockopt(fds[nr], IPPROTO_TCP, TCP_INFO, &info, &len))
			segments += info.tcpi_segs_out;
	}
	return segments;
}

static int tracepoint(const char *dir)
{
	char path[128];
	FILE *file;
	int id = -ENOENT;

	snprintf(path, sizeof(path), "%s/events/raw_syscalls/sys_enter/id",
		 dir);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fscanf(file, "%d", &id) != 1)
		id = -ENOENT;
	(void)fclose(file);
	return id;
}

int bench_syscalls_begin(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
	};
	int id = tracepoint("/sys/kernel/tracing");
	long fd;

	if (id < 0)
		id = tracepoint("/sys/kernel/debug/tracing");
	if (id < 0)
		return id;
	attr.config = (uint64_t)id;
	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1,
		     PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

int64_t bench_syscalls_end(int fd)
{
	int64_t n = -1;

	if (fd < 0)
		return -1;
	if (read(fd, &n, sizeof(n)) != sizeof(n))
		n = -1;
	close(fd);
	/* The read() itself. */
	return n > 0 ? n - 1 : n;
}
