/* SPDX-License-Identifier: MIT */
/*
 * A fake CUDA driver: the calls that devrx makes, and those that its tests need
 * to be a caller with contexts and memory of its own.
 *
 * It is no GPU, and its name, "devrx fake GPU", says so wherever it is printed.
 * Its "device addresses" are reserved and not accessible, so that code which
 * touches device memory with the CPU crashes here as it would there. What is
 * behind them, in this order: the device of kernel/vram; a udmabuf; a memfd,
 * which is a descriptor of the right length and no dmabuf.
 *
 * It runs kernels, by name: their CUDA source, compiled for the CPU. That shows
 * what a program does with them and in which order, and nothing of a GPU's
 * memory, compiler or speed.
 *
 * One lock around every call. Contexts and devices are in context.c, memory in
 * memory.c and work.c, streams and events in stream.c, launches in launch.c,
 * kernels in kernels.cc with what they may touch in access.c, the script that
 * makes calls fail in script.c.
 */
#ifndef DEVRX_FAKE_CUDA_H
#define DEVRX_FAKE_CUDA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/cuda_api.h"

#define FAKE_API __attribute__((visibility("default")))
#define FAKE_NAME "devrx fake GPU"

enum { FAKE_DEVICES_MAX = 4 };

enum fake_backing { FAKE_AUTO, FAKE_VRAM, FAKE_UDMABUF, FAKE_MEMFD, FAKE_NONE };

/* What a script may set, with what holds where it does not. */
struct fake_settings {
	int version;
	int devices;
	int pcie; /* what the PCIe mapping flag returns; 0: it works */
	int lost; /* what calls that reach the device return */
	long lost_at; /* from this one of them on */
	enum fake_backing backing;
	unsigned int shift; /* added to what cuMemAlloc() finds */
	bool no_cloexec;
	int late; /* asked for this time at the latest, an event passes */
	bool capturing; /* some thread captures a graph in the default mode */
	int attrs[160]; /* by number; -1 for one that the driver does not know */
};
extern struct fake_settings fake_set;

/*
 * script.c: begin and end a call. fake_begin() takes the lock and returns what the
 * script wants it to return; where that is not 0 the lock is not held.
 */
int fake_begin(const char *name, bool reaches_device);
int fake_end(int result);
/* What the device returns for ever, once it is lost; else 0. */
int fake_lost(void);
/* From now on it is. */
void fake_break(int result);

/* context.c */
struct fake_context {
	struct fake_context *next;
	int dev;
	int retains; /* of a primary one */
	bool primary;
	bool alive;
};
/* The thread's current context where it is alive, else a CUresult. */
int fake_current(struct fake_context **ret);
long fake_count_contexts(void);
void fake_reset_contexts(void);

/* memory.c */
void fake_context_gone(struct fake_context *ctx);
long fake_count_memory(const char *what);
void fake_reset_memory(void);

/* stream.c */
/* A context's end; NULL for all of them. */
void fake_streams_gone(const struct fake_context *ctx);
long fake_count_streams(void);
long fake_count_events(void);

/* work.c */
long fake_count_pinned(void);
void fake_reset_pinned(void);

#endif /* DEVRX_FAKE_CUDA_H */
