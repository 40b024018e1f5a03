/* SPDX-License-Identifier: MIT */
/* What is mapped where: memory.c makes it, work.c works on it. */
#ifndef DEVRX_FAKE_CUDA_MAPPING_H
#define DEVRX_FAKE_CUDA_MAPPING_H

#include "fake.h"

/* One mapping: an allocation, or a piece of a reservation. */
struct memory {
	struct memory *next;
	uint64_t addr;
	size_t len;
	uint64_t id;
	struct fake_context *ctx; /* NULL: of cuMemMap() */
	struct store *store;
	unsigned int type;
	int dev;
	bool managed;
	void *range; /* to unmap with it; NULL: of a reservation */
	size_t range_len;
};

/* What covers @addr, or NULL. */
struct memory *fake_at(uint64_t addr);

#define BEGIN(name)                                                            \
	do {                                                                   \
		int scripted_ = fake_begin(name, true);                        \
		if (scripted_)                                                 \
			return scripted_;                                      \
	} while (0)

#endif /* DEVRX_FAKE_CUDA_MAPPING_H */
