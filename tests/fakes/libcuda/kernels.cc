// SPDX-License-Identifier: MIT
/*
 * devrx's kernels and the samples', by their source; and what each touches, as
 * its manual says: devrx/kernels.h, or the sample.
 */
#include "kernels.h"

#include <cstring>

#include "kernels/cuda_on_cpu.h"

#include "kernel/cuda/kernels.cu"
#include "samples/cuda_vector_add.cu"

namespace
{

const devrx_kernel_args &args_of(void *const *params)
{
	return *static_cast<const devrx_kernel_args *>(params[0]);
}

template <void (*kernel)(devrx_kernel_args)>
void run(unsigned blocks, unsigned threads, void *const *params)
{
	const devrx_kernel_args args = args_of(params);

	cuda_on_cpu::launch(blocks, threads, [=] { kernel(args); });
}

const devrx_desc *records(const devrx_kernel_args &args)
{
	return reinterpret_cast<const devrx_desc *>(args.records);
}

/* The records, and the bytes that they name. */
bool open_source(const devrx_kernel_args &args)
{
	if (!fake_open(args.records, args.nr_records * sizeof(devrx_desc),
		       false))
		return false;
	for (uint32_t i = 0; i < args.nr_records; i++)
		if (!fake_open(args.source + records(args)[i].source,
			       records(args)[i].length, false))
			return false;
	return true;
}

template <size_t len> bool open_result(void *const *params)
{
	const devrx_kernel_args &args = args_of(params);

	return open_source(args) &&
	       (!args.before ||
		fake_open(args.before, sizeof(uint32_t), false)) &&
	       fake_open(args.out, len, true);
}

bool open_gather(void *const *params)
{
	const devrx_kernel_args &args = args_of(params);

	if (!open_source(args))
		return false;
	for (uint32_t i = 0; i < args.nr_records; i++)
		if (!fake_open(args.out + records(args)[i].destination,
			       records(args)[i].length, true))
			return false;
	return true;
}

/* Numbers of which every byte is there. */
bool open_cast(void *const *params)
{
	static const unsigned size[] = { 1, 2, 2, 2, 4 };
	const devrx_kernel_args &args = args_of(params);

	if (!open_source(args))
		return false;
	if (!args.nr_records)
		return true;
	const devrx_desc &end = records(args)[args.nr_records - 1];
	const uint64_t first =
		(records(args)[0].destination + size[args.from] - 1) /
		size[args.from];
	const uint64_t last = (end.destination + end.length) / size[args.from];

	return first >= last || fake_open(args.out + first * size[args.to],
					  (last - first) * size[args.to], true);
}

/* Its parameters, in their order. */
struct VectorAdd {
	const float *a, *b;
	float *out;
	uint64_t from, to;

	explicit VectorAdd(void *const *params)
	    : a(*static_cast<const float **>(params[0])),
	      b(*static_cast<const float **>(params[1])),
	      out(*static_cast<float **>(params[2])),
	      from(*static_cast<const uint64_t *>(params[3])),
	      to(*static_cast<const uint64_t *>(params[4]))
	{
	}
};

bool open_vector_add(void *const *params)
{
	const VectorAdd v(params);
	const uint64_t first = v.from * sizeof(float);
	const size_t len = (v.to - v.from) * sizeof(float);

	return fake_open(reinterpret_cast<uint64_t>(v.a) + first, len, false) &&
	       fake_open(reinterpret_cast<uint64_t>(v.b) + first, len, false) &&
	       fake_open(reinterpret_cast<uint64_t>(v.out) + first, len, true);
}

void run_vector_add(unsigned blocks, unsigned threads, void *const *params)
{
	const VectorAdd v(params);

	cuda_on_cpu::launch(blocks, threads,
			    [=] { vector_add(v.a, v.b, v.out, v.from, v.to); });
}

constexpr unsigned block = DEVRX_KERNEL_BLOCK;
constexpr size_t args_len = sizeof(devrx_kernel_args);

const fake_kernel all[] = {
	{ "devrx_gather", block, { args_len }, open_gather, run<devrx_gather> },
	{ "devrx_crc32c",
	  block,
	  { args_len },
	  open_result<sizeof(uint32_t)>,
	  run<devrx_crc32c> },
	{ "devrx_sum",
	  block,
	  { args_len },
	  open_result<sizeof(uint64_t)>,
	  run<devrx_sum> },
	{ "devrx_histogram",
	  block,
	  { args_len },
	  open_result<256 * sizeof(uint64_t)>,
	  run<devrx_histogram> },
	{ "vector_add", 0, { 8, 8, 8, 8, 8 }, open_vector_add, run_vector_add },
	{ "devrx_cast", block, { args_len }, open_cast, run<devrx_cast> },
};

} // namespace

const fake_kernel *fake_kernel_named(const char *name)
{
	for (const fake_kernel &kernel : all)
		if (!strcmp(kernel.name, name))
			return &kernel;
	return nullptr;
}
