// SPDX-License-Identifier: MIT
/*
 * Ratios, all from one run, on one device: fragments of 4 KiB in random order
 * against what the same bytes cost otherwise. Each time is the device's own, by
 * events, the median of 11 after 3 that warm up. And the records that one core
 * of the host hands to the device. Results are compared with the CPU's before a
 * figure is printed.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>

#include "gpu/gpu.h"
#include "kernel/reference/reference.h"

namespace
{

struct Layout {
	uint64_t records;
	uint32_t nr;
};

/* Pieces of @len in random order; the last may be shorter. */
Layout cut(Gpu &gpu, uint64_t bytes, uint64_t len, std::mt19937 &random,
	   std::vector<devrx_desc> *records)
{
	std::vector<uint64_t> order((bytes + len - 1) / len);
	uint64_t pos = 0;

	std::iota(order.begin(), order.end(), 0);
	std::shuffle(order.begin(), order.end(), random);
	records->clear();
	for (uint64_t i : order) {
		const uint64_t at = i * len, n = std::min(len, bytes - at);

		records->push_back({ (uint32_t)at, (uint32_t)n, pos });
		pos += n;
	}
	return { gpu.put(records->data(), records->size() * sizeof(devrx_desc),
			 0),
		 (uint32_t)records->size() };
}

float median_ms(Gpu &gpu, const std::function<void()> &start)
{
	std::vector<float> times;
	CUevent from, to;

	gpu.must(gpu.cu.cuEventCreate(&from, 0), "cuEventCreate");
	gpu.must(gpu.cu.cuEventCreate(&to, 0), "cuEventCreate");
	for (int i = 0; i < 14; i++) {
		float ms;

		gpu.must(gpu.cu.cuEventRecord(from, nullptr), "cuEventRecord");
		start();
		gpu.must(gpu.cu.cuEventRecord(to, nullptr), "cuEventRecord");
		gpu.must(gpu.cu.cuEventSynchronize(to), "kernel");
		gpu.must(gpu.cu.cuEventElapsedTime(&ms, from, to), "time");
		if (i >= 3) /* the first ones warm up */
			times.push_back(ms);
	}
	std::sort(times.begin(), times.end());
	return times[times.size() / 2];
}

void must_equal(const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return;
	printf("not ok bench: %s is %llx, not %llx\n", what,
	       (unsigned long long)got, (unsigned long long)want);
	exit(1);
}

class Bench
{
      public:
	Bench(Gpu &g, uint64_t bytes)
	    : gpu(g), bytes(bytes), content(bytes), random(2009)
	{
		for (uint64_t i = 0; i + 4 <= bytes; i += 4)
			*(uint32_t *)&content[i] = (uint32_t)random();
		args.source = gpu.put(content.data(), bytes, 0);
		out = gpu.put(nullptr, 4 * bytes, 0);
		result = gpu.put(nullptr, 8, 0);
	}

	/* GB/s of the stream. */
	double rate(kernels::Kernel kernel, const Layout &layout, uint64_t to)
	{
		args.records = layout.records;
		args.nr_records = layout.nr;
		args.out = to;
		return gbps(median_ms(gpu, [&] { gpu.start(kernel, args); }));
	}

	double gbps(float ms)
	{
		return (double)bytes / ms / 1e6;
	}

	/* One launch more, for its result. */
	uint64_t once(kernels::Kernel kernel, const Layout &layout,
		      uint64_t source, size_t size)
	{
		const uint64_t was = args.source;
		uint64_t value = 0;

		gpu.must(gpu.cu.cuMemsetD8(result, 0, 8), "cuMemsetD8");
		args.records = layout.records;
		args.nr_records = layout.nr;
		args.out = result;
		args.source = source;
		gpu.start(kernel, args);
		gpu.get(result, &value, size);
		args.source = was;
		return value;
	}

	double copy()
	{
		return gbps(median_ms(gpu, [&] {
			gpu.must(gpu.cu.cuMemcpyDtoDAsync(out, args.source,
							  bytes, nullptr),
				 "cuMemcpyDtoD");
		}));
	}

	Gpu &gpu;
	const uint64_t bytes;
	std::vector<uint8_t> content;
	std::mt19937 random;
	devrx_kernel_args args = {};
	uint64_t out, result;
};

/* A figure and its limit; a limit of 0 is none. */
struct Figure {
	const char *name;
	double value, wanted;
	const char *unit; /* "" for a ratio */
};

} // namespace

int bench(Gpu &gpu, const char *json)
{
	std::vector<devrx_desc> records;
	size_t free_bytes, all_bytes;

	gpu.must(gpu.cu.cuMemGetInfo(&free_bytes, &all_bytes), "cuMemGetInfo");
	/* The source once, the results four times, the records. */
	Bench b(gpu,
		std::min<uint64_t>(1ull << 30, free_bytes / 6) & ~0xfffull);
	const Layout whole = cut(gpu, b.bytes, b.bytes, b.random, &records);
	const Layout segments = cut(gpu, b.bytes, 1448, b.random, &records);
	const Layout odd = cut(gpu, b.bytes, 1447, b.random, &records);
	const Layout pages = cut(gpu, b.bytes, 4096, b.random, &records);
	const uint32_t crc =
		drx_ref_crc32c(records.data(), pages.nr, b.content.data(), 0);

	const double copy = b.copy();
	const double gather = b.rate(kernels::GATHER, pages, b.out);
	must_equal("crc32c of what was gathered",
		   b.once(kernels::CRC32C, whole, b.out, 4), crc);
	const double gather_odd = b.rate(kernels::GATHER, odd, b.out);
	const double gather_segments = b.rate(kernels::GATHER, segments, b.out);
	const double sum = b.rate(kernels::SUM, pages, b.result);
	must_equal("sum", b.once(kernels::SUM, pages, b.args.source, 8),
		   drx_ref_sum(records.data(), pages.nr, b.content.data()));
	const double crc32c = b.rate(kernels::CRC32C, pages, b.result);
	must_equal("crc32c", b.once(kernels::CRC32C, pages, b.args.source, 4),
		   crc);
	const double crc32c_odd = b.rate(kernels::CRC32C, odd, b.result);

	b.args.from = DEVRX_NUMBER_U8;
	b.args.to = DEVRX_NUMBER_F32;
	b.args.scale = 1 / 255.0f;
	const double cast = b.rate(kernels::CAST, pages, b.out);
	const double cast_whole = b.rate(kernels::CAST, whole, b.out);
	b.args.from = DEVRX_NUMBER_BF16;
	const double cast16 = b.rate(kernels::CAST, pages, b.out);
	const double cast16_whole = b.rate(kernels::CAST, whole, b.out);

	gpu.clear();

	const Figure figures[] = {
		{ "gather-4k/memcpy", gather / copy, 0.9, "" },
		{ "crc32c/sum", crc32c / sum, 0.8, "" },
		{ "cast-u8-4k/contiguous", cast / cast_whole, 0.9, "" },
		{ "cast-bf16-4k/contiguous", cast16 / cast16_whole, 0.9, "" },
		{ "records", ring_rate(gpu) / 1e6, 20, " million/s" },
		{ "gather-1448/memcpy", gather_segments / copy, 0, "" },
		{ "gather-1447/memcpy", gather_odd / copy, 0, "" },
		{ "crc32c-1447/crc32c-4k", crc32c_odd / crc32c, 0, "" },
		{ "memcpy", copy, 0, " GB/s" },
		{ "gather", gather, 0, " GB/s" },
		{ "sum", sum, 0, " GB/s" },
		{ "crc32c", crc32c, 0, " GB/s" },
		{ "cast-u8-f32", cast, 0, " GB/s" },
		{ "cast-bf16-f32", cast16, 0, " GB/s" },
	};
	std::string list;
	bool missed = false;
	char text[200];

	printf("# %s, compute capability %d.%d, CUDA %d.%d, %llu MiB of "
	       "stream; GB/s of the stream\n",
	       gpu.name.c_str(), gpu.major, gpu.minor, gpu.driver / 1000,
	       gpu.driver % 1000 / 10, (unsigned long long)(b.bytes >> 20));
	printf("| figure | | at least | |\n|---|---|---|---|\n");
	for (const Figure &f : figures) {
		const bool met = f.value >= f.wanted;

		missed |= !met;
		if (f.wanted > 0)
			printf("| %s | %.3f%s | %g | %s |\n", f.name, f.value,
			       f.unit, f.wanted, met ? "met" : "**missed**");
		else
			printf("| %s | %.3f%s | | |\n", f.name, f.value,
			       f.unit);
		snprintf(text, sizeof(text),
			 "%s{\"name\":\"%s\",\"value\":%.4f,\"unit\":\"%s\","
			 "\"wanted\":%g,\"met\":%s}",
			 list.empty() ? "" : ",", f.name, f.value,
			 f.unit + (*f.unit == ' '), f.wanted,
			 met ? "true" : "false");
		list += text;
	}
	if (json) {
		FILE *file = fopen(json, "w");

		if (!file) {
			perror(json);
			exit(1);
		}
		fprintf(file,
			"{\"device\":\"%s\",\"compute_capability\":\"%d.%d\","
			"\"driver\":%d,\"bytes\":%llu,\"rows\":[%s]}\n",
			gpu.name.c_str(), gpu.major, gpu.minor, gpu.driver,
			(unsigned long long)b.bytes, list.c_str());
		if (fclose(file)) {
			perror(json);
			exit(1);
		}
	}
	return missed ? 3 : 0;
}
