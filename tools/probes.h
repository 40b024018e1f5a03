/* SPDX-License-Identifier: MIT */
/*
 * Static probes (USDT) of the command, for bpftrace, perf and gdb: a nop each while
 * nobody looks. devrx-recv(1) lists them. Without <sys/sdt.h> there are none.
 */
#ifndef DEVRX_TOOLS_PROBES_H
#define DEVRX_TOOLS_PROBES_H

#ifdef DEVRX_SDT
#include <sys/sdt.h>
#define PROBE1(name, a) DTRACE_PROBE1(devrx, name, a)
#define PROBE2(name, a, b) DTRACE_PROBE2(devrx, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(devrx, name, a, b, c)
#else
#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif /* DEVRX_TOOLS_PROBES_H */
