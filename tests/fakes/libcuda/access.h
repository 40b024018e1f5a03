/* SPDX-License-Identifier: MIT */
/* While a kernel runs the device's bytes are at their addresses; see access.c. */
#ifndef DEVRX_FAKE_CUDA_ACCESS_H
#define DEVRX_FAKE_CUDA_ACCESS_H

#include "fake.h"

/* Between the two fake_open() says what is to be there, for kernels of @ctx. */
void fake_access_begin(const struct fake_context *ctx);
void fake_access_end(void);

#endif /* DEVRX_FAKE_CUDA_ACCESS_H */
