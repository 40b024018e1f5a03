// SPDX-License-Identifier: MIT
/*
 * One TCP stream from namespace "peer" to 10.77.0.2 in namespace "rx": a process
 * that writes and one that discards. Prints how long the measured part took, in
 * ns, from before its first byte is written to after its last is discarded, and
 * what the NIC counted meanwhile. Where a nanosecond is an instruction (./run vm
 * --icount) that is what the whole machine executed for it. Run by
 * softnic_cost_guest.sh.
 *
 * Before it the same connection carries WARM bytes, so that windows are open and
 * memory has been touched; both sides are at rest when the clock starts.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 9000
#define WARM (16l << 20)
#define CHUNK (256l << 10)

static const char *const counters[] = { "rx_copy_ns", "rx_placed_bytes",
					"rx_paged_bytes" };
#define NR_COUNTERS 3

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void enter(const char *netns)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(2, "%s", path);
	close(fd);
}

static void ethtool(int fd, const char *nic, void *arg)
{
	struct ifreq ifr = { .ifr_data = arg };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", nic);
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		err(2, "%s: ethtool", nic);
}

/* The NIC's counters, by their ethtool names; all 0 without a NIC. */
static void count(int fd, const char *nic, uint64_t *values)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_gstrings *names;
	struct ethtool_stats *stats;
	unsigned int i, n;

	memset(values, 0, NR_COUNTERS * sizeof(*values));
	if (!nic)
		return;
	ethtool(fd, nic, &info);
	names = calloc(1, sizeof(*names) + info.n_stats * ETH_GSTRING_LEN);
	stats = calloc(1, sizeof(*stats) + info.n_stats * sizeof(uint64_t));
	if (!names || !stats)
		err(2, NULL);
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	names->len = info.n_stats;
	stats->cmd = ETHTOOL_GSTATS;
	stats->n_stats = info.n_stats;
	ethtool(fd, nic, names);
	ethtool(fd, nic, stats);
	for (n = 0; n < NR_COUNTERS; n++)
		for (i = 0; i < info.n_stats; i++)
			if (!strncmp((char *)names->data + i * ETH_GSTRING_LEN,
				     counters[n], ETH_GSTRING_LEN))
				values[n] = stats->data[i];
	free(names);
	free(stats);
}

/* How often the CPU had nothing to do: then clocks run without instructions. */
static long idle_calls(void)
{
	FILE *file = fopen("/proc/timer_list", "r");
	char line[256];
	long calls = -1;

	if (!file)
		err(2, "/proc/timer_list");
	while (calls < 0 && fgets(line, sizeof(line), file))
		sscanf(line, " .idle_calls : %ld", &calls);
	fclose(file);
	if (calls < 0)
		errx(2, "/proc/timer_list does not say idle_calls");
	return calls;
}

static void send_bytes(int fd, const char *from, long left)
{
	ssize_t n;

	for (; left; left -= n) {
		n = write(fd, from, left < CHUNK ? left : CHUNK);
		if (n <= 0)
			err(2, "write");
	}
}

static void discard(int fd, long left)
{
	ssize_t n;

	for (; left; left -= n) {
		n = recv(fd, NULL, left, MSG_TRUNC);
		if (n <= 0)
			errx(2, "the stream ended early");
	}
}

static void sender(const struct sockaddr_in *to, long bytes, int go, int report)
{
	uint64_t start;
	char *from, c;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter("peer");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		err(2, "connect");
	from = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (from == MAP_FAILED)
		err(2, "mmap");

	send_bytes(fd, from, WARM);
	if (read(go, &c, 1) != 1)
		exit(2);
	start = now();
	send_bytes(fd, from, bytes);
	if (write(report, &start, sizeof(start)) != sizeof(start))
		exit(2);
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(PORT) };
	uint64_t before[NR_COUNTERS], after[NR_COUNTERS], start, end;
	int go[2], report[2], listening, fd, one = 1;
	const char *nic = argc > 2 ? argv[2] : NULL;
	long mib = argc > 1 ? atol(argv[1]) : 0;
	long idle;

	if (argc < 2 || argc > 3 || mib < 1 || mib > 65536) {
		fprintf(stderr, "usage: softnic_cost MIB [NIC]\n");
		return 2;
	}
	inet_pton(AF_INET, "10.77.0.2", &addr.sin_addr);
	enter("rx");
	listening = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listening, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(listening, 1) || pipe(go) || pipe(report))
		err(2, "listen");
	if (!fork())
		sender(&addr, mib << 20, go[0], report[1]);
	close(report[1]);
	fd = accept(listening, NULL, NULL);
	if (fd < 0)
		err(2, "accept");

	discard(fd, WARM);
	count(listening, nic, before);
	idle = idle_calls();
	if (write(go[1], "", 1) != 1)
		err(2, "go");
	discard(fd, mib << 20);
	end = now();
	idle = idle_calls() - idle;
	count(listening, nic, after);
	if (read(report[0], &start, sizeof(start)) != sizeof(start))
		errx(2, "the sender failed");
	wait(NULL);

	if (idle)
		errx(1, "the CPU was idle %ld times: no count", idle);
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", end - start,
	       after[0] - before[0], after[1] - before[1],
	       after[2] - before[2]);
	return 0;
}
