/* SPDX-License-Identifier: MIT */
/* All kernels, for one image. */
#include "kernel/cuda/cast.cuh"
#include "kernel/cuda/crc32c.cuh"
#include "kernel/cuda/gather.cuh"
#include "kernel/cuda/histogram.cuh"
#include "kernel/cuda/sum.cuh"
