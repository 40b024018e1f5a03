/* SPDX-License-Identifier: MIT */
/* What a machine spends while something is received: read before, and after. */
#ifndef DEVRX_TOOLS_BENCH_COUNT_H
#define DEVRX_TOOLS_BENCH_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * @ns: CLOCK_MONOTONIC
 * @user_us, @system_us: of this process
 * @ticks: of the machine, /proc/stat: system, hard and soft interrupts
 * @idle_calls: times that this machine's only CPU had nothing to do; -1 unknown
 * @copy_ns, @placed_bytes: a softnic's own counters: the copy that stands for DMA,
 *	and what it put into memory that is bound to a queue; -1 for another NIC
 */
struct bench_count {
	int64_t ns;
	int64_t user_us, system_us;
	int64_t ticks_system, ticks_irq;
	int64_t idle_calls;
	int64_t copy_ns, placed_bytes;
};

/* Read it all: the clock last, or at the end first. @nic may be NULL. */
void bench_count_begin(struct bench_count *count, const char *nic);
void bench_count_end(struct bench_count *count, const char *nic);

/* Seconds of one tick of the above. */
double bench_tick_seconds(void);

/* TCP segments that went out on all of @fds together: on a connection that only
 * receives those are its acknowledgements. */
uint64_t bench_segments_out(const int *fds, unsigned int nr);

/*
 * Count this thread's system calls from now on; a descriptor for
 * bench_syscalls_end(), or a negative errno where the kernel does not let us. It makes
 * them slower, so not while anything is timed.
 */
int bench_syscalls_begin(void);
/* How many there were, those of the counting left out; -1 for @fd < 0. */
int64_t bench_syscalls_end(int fd);

#endif /* DEVRX_TOOLS_BENCH_COUNT_H */
