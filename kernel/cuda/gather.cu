/* SPDX-License-Identifier: MIT */
/* The gather kernel alone, for the image that the library has in itself. */
#include "kernel/cuda/gather.cuh"
