/* SPDX-License-Identifier: MIT */
/*
 * CUDA source compiled for the CPU: enough of the language to run kernel/cuda
 * without a GPU, byte by byte under ASAN. Each thread of a block is a fiber;
 * at a barrier it hands over to the next, in an order drawn anew each time, so
 * that a missing barrier shows. Blocks run one after the other. This proves
 * the arithmetic and the bounds; it proves nothing about a GPU's memory.
 *
 * Included once in a program or library, by the file that includes
 * kernel/cuda/kernels.cu.
 */
#ifndef CUDA_ON_CPU_H
#define CUDA_ON_CPU_H

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __constant__ const
#define __shared__ static
#define __launch_bounds__(...)

struct alignas(16) ulonglong2 {
	unsigned long long x, y;
};

struct cuda_dim {
	unsigned x;
};
static cuda_dim threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_cpu
{

struct Fiber {
	ucontext_t context;
	std::vector<char> stack;
	enum { READY, AT_BARRIER, ENDED } state;
	int barrier; /* of the block, or of its warp */
};

static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static std::function<void()> body;

inline void fiber_main()
{
	body();
	fibers[threadIdx.x].state = Fiber::ENDED;
	swapcontext(&fibers[threadIdx.x].context, &scheduler);
}

enum { BLOCK, WARP };

inline void wait(int barrier)
{
	const unsigned me = threadIdx.x;

	fibers[me].state = Fiber::AT_BARRIER;
	fibers[me].barrier = barrier;
	swapcontext(&fibers[me].context, &scheduler);
}

/* Threads first..last that all wait at this barrier go on. False: not yet. */
inline bool release(unsigned first, unsigned last, int barrier)
{
	for (unsigned i = first; i < last; i++)
		if (fibers[i].state != Fiber::AT_BARRIER ||
		    fibers[i].barrier != barrier)
			return false;
	for (unsigned i = first; i < last; i++)
		fibers[i].state = Fiber::READY;
	return true;
}

inline void run_block(unsigned threads, std::mt19937 &random)
{
	fibers.resize(threads);
	for (Fiber &f : fibers) {
		f.stack.resize(64 << 10);
		getcontext(&f.context);
		f.context.uc_stack.ss_sp = f.stack.data();
		f.context.uc_stack.ss_size = f.stack.size();
		f.context.uc_link = nullptr;
		makecontext(&f.context, fiber_main, 0);
		f.state = Fiber::READY;
	}
	for (;;) {
		std::vector<unsigned> ready;
		bool ended = true;

		for (unsigned i = 0; i < threads; i++) {
			if (fibers[i].state == Fiber::READY)
				ready.push_back(i);
			ended = ended && fibers[i].state == Fiber::ENDED;
		}
		if (ended)
			return;
		if (ready.empty()) {
			bool any = release(0, threads, BLOCK);

			for (unsigned i = 0; i < threads; i += 32)
				any |= release(i, i + 32, WARP);
			if (!any) {
				fprintf(stderr, "a barrier that not all "
						"threads reach\n");
				abort();
			}
			continue;
		}
		std::shuffle(ready.begin(), ready.end(), random);
		for (unsigned i : ready) {
			threadIdx.x = i;
			swapcontext(&scheduler, &fibers[i].context);
		}
	}
}

inline void launch(unsigned blocks, unsigned threads,
		   std::function<void()> kernel)
{
	static std::mt19937 random(2009);

	body = kernel;
	gridDim.x = blocks;
	blockDim.x = threads;
	for (unsigned b = 0; b < blocks; b++) {
		blockIdx.x = b;
		run_block(threads, random);
	}
}

} // namespace cuda_on_cpu

static inline void __syncthreads()
{
	cuda_on_cpu::wait(cuda_on_cpu::BLOCK);
}

static inline void __syncwarp()
{
	cuda_on_cpu::wait(cuda_on_cpu::WARP);
}

template <class T> static inline T __ldcg(const T *at)
{
	return *at;
}

template <class T> static inline T atomicAdd(T *at, T value)
{
	const T old = *at;

	*at += value;
	return old;
}

static inline unsigned atomicXor(unsigned *at, unsigned value)
{
	const unsigned old = *at;

	*at ^= value;
	return old;
}

static inline unsigned __dp4a(unsigned a, unsigned b, unsigned sum)
{
	for (int i = 0; i < 32; i += 8)
		sum += (a >> i & 255) * (b >> i & 255);
	return sum;
}

static inline unsigned __funnelshift_r(unsigned low, unsigned high,
				       unsigned shift)
{
	shift &= 31;
	return shift ? low >> shift | high << (32 - shift) : low;
}

static inline float __uint_as_float(unsigned bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline unsigned __float_as_uint(float value)
{
	unsigned bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* The file is compiled with -ffp-contract=off. */
static inline float __fmul_rn(float a, float b)
{
	return a * b;
}

static inline float __fadd_rn(float a, float b)
{
	return a + b;
}

#endif
