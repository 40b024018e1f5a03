/* SPDX-License-Identifier: MIT */
/* What the fake's bytes are in: memory with a descriptor, counted. */
#ifndef DEVRX_FAKE_CUDA_BACKING_H
#define DEVRX_FAKE_CUDA_BACKING_H

#include <stdbool.h>
#include <stddef.h>

struct store;

/* NULL where it cannot be had. The first user is the caller. */
struct store *store_new(size_t len);
void store_get(struct store *store);
void store_put(struct store *store);
size_t store_len(const struct store *store);
/* 0 or -1. */
int store_copy(struct store *store, size_t off, void *buf, size_t len, bool in);
/* A new descriptor for that range, or -1 where there is none. */
int store_export(struct store *store, size_t off, size_t len);

#endif /* DEVRX_FAKE_CUDA_BACKING_H */
