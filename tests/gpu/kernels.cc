// SPDX-License-Identifier: MIT
/* The kernels on a real NVIDIA GPU, against the CPU reference. */
#include <cstdio>

#include "gpu/gpu.h"
#include "kernel/reference/reference.h"

namespace
{

int check(Gpu &gpu, bool everything)
{
	/* More blocks than there is work for, too. */
	const kernels::Setup setups[] = {
		{ 0, 0, 1 },   { 1, 0, 3 },   { 2, 1, 2 },   { 4, 8, 5 },
		{ 8, 4, 200 }, { 13, 7, 64 }, { 15, 15, 1 }, { 255, 3, 1000 },
	};
	int failed = 0;

	for (const kernels::Stream &s : kernels::streams()) {
		std::string error;

		for (const kernels::Setup &setup : setups)
			if (error.empty())
				error = kernels::check_all(gpu, s, setup);
		failed |= result_of("gpu/" + s.name, error);
	}
	for (uint32_t from = 0; everything && from <= DEVRX_NUMBER_F32;
	     from++) {
		const kernels::Stream s = kernels::numbers(from);
		std::string error;

		for (uint32_t to = DEVRX_NUMBER_BF16; to <= DEVRX_NUMBER_F32;
		     to++)
			for (const kernels::Affine &a : kernels::affine)
				if (error.empty())
					error = kernels::check_cast(
						gpu, s, { 0, 0, 8 }, from, to,
						a.scale, a.bias);
		failed |= result_of("gpu/cast-of-every-number-" +
					    std::to_string(from),
				    error);
	}
	return failed;
}

/*
 * More than 4 GiB of stream, from 80 times nearly the same 64 MiB: what the CPU
 * has to compute is short. Gathered bytes are checked by their CRC, which takes
 * two launches, for one reaches less than 4 GiB of memory.
 */
int check_long(Gpu &gpu)
{
	const uint64_t nr = 80, len = (64 << 20) - 5, half = nr / 2 * len;
	const uint64_t total = nr * len;
	std::vector<uint8_t> source(len + 1);
	std::vector<devrx_desc> records;
	size_t free_bytes, all_bytes;
	devrx_kernel_args args = {};
	uint32_t number = 1, crc = 0, once;
	uint64_t sum, got;

	gpu.must(gpu.cu.cuMemGetInfo(&free_bytes, &all_bytes), "cuMemGetInfo");
	if (free_bytes < total + (1ull << 30)) {
		printf("skip gpu/more-than-4G: less than 6 GiB of the GPU's "
		       "memory are free\n");
		return 0;
	}
	for (uint8_t &byte : source)
		byte = (uint8_t)((number = number * 1664525 + 1013904223) >>
				 24);
	for (uint64_t i = 0; i < nr; i++)
		records.push_back(
			{ (uint32_t)(i % 2), (uint32_t)len, i * len });
	sum = drx_ref_sum(records.data(), 2, source.data()) * (nr / 2);
	for (uint64_t i = 0; i < 2; i++)
		crc = drx_ref_crc32c(&records[i], 1, source.data(), crc);
	for (uint64_t i = 1, pair = crc; i < nr / 2; i++)
		crc = drx_ref_crc32c_combine(crc, (uint32_t)pair, 2 * len);

	const uint64_t out = gpu.put(nullptr, total, 0);
	const uint64_t result = gpu.put(nullptr, 32, 0);
	const devrx_desc one = { 0, (uint32_t)half, 0 };
	std::string error;
	auto run = [&](kernels::Kernel kernel, uint64_t to, size_t size) {
		gpu.must(gpu.cu.cuMemsetD8(result, 0, 8), "cuMemsetD8");
		args.out = to;
		gpu.start(kernel, args);
		got = 0;
		gpu.get(result, &got, size);
	};

	args.source = gpu.put(source.data(), source.size(), 0);
	args.records = gpu.put(records.data(), nr * sizeof(devrx_desc), 0);
	args.nr_records = nr;
	run(kernels::SUM, result, 8);
	if (got != sum)
		error += "sum ";
	run(kernels::CRC32C, result, 4);
	if (got != crc)
		error += "crc32c ";
	run(kernels::GATHER, out, 8);
	args.records = gpu.put(&one, sizeof(one), 0);
	args.nr_records = 1;
	args.source = out;
	run(kernels::CRC32C, result, 4);
	once = (uint32_t)got;
	args.before = gpu.put(&once, sizeof(once), 0);
	args.source = out + half;
	run(kernels::CRC32C, result, 4);
	if (got != crc)
		error += "gather ";
	gpu.clear();
	return result_of("gpu/more-than-4G",
			 error.empty() ? "" : "wrong: " + error);
}

} // namespace

int check_kernels(Gpu &gpu, bool everything)
{
	const int failed = check(gpu, everything);

	return everything ? failed | check_long(gpu) : failed;
}
