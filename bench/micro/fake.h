/* SPDX-License-Identifier: MIT */
/*
 * A kernel of plain memory: one ring, whose completions are written by whoever
 * measures, between two calls of the library.
 */
#ifndef DEVRX_BENCH_MICRO_FAKE_H
#define DEVRX_BENCH_MICRO_FAKE_H

#include "zcrx/receiver.h"

#define FAKE_PAGE 4096u
#define FAKE_CHUNKS 4096u
#define FAKE_CQ_ENTRIES 512u
#define FAKE_CONNECTIONS_MAX 20000u
#define FAKE_LEN 1448u /* of each piece: a segment's */

extern const struct drx_uring_ops fake_ops;
extern const struct devrx_features fake_features;

/* Connections whose receives are armed. */
unsigned int fake_nr_armed(void);

/* @n pieces of data, of connections that lie far apart from one another. */
void fake_post(unsigned int n);

/* The end of one connection's receive, with one piece left in kernel memory. */
void fake_post_around(void);

/* There never was a ring. */
void fake_forget(void);

/* Take all refill entries, each of which must be the chunk of a fragment; how many. */
unsigned int fake_take(void);

#endif /* DEVRX_BENCH_MICRO_FAKE_H */
