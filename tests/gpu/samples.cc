// SPDX-License-Identifier: MIT
/*
 * What the samples on CUDA print for a stream, as the CPU makes it: run.sh sends the
 * stream to them and compares.
 */
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "gpu/gpu.h"
#include "kernel/reference/reference.h"

namespace
{

void print_checksum(const std::vector<uint8_t> &stream)
{
	printf("%08x\n", drx_ref_crc32c_bytes(0, stream.data(), stream.size()));
}

void print_histogram(const std::vector<uint8_t> &stream)
{
	uint64_t count[256] = {};

	for (uint8_t byte : stream)
		count[byte]++;
	for (int i = 0; i < 256; i++)
		printf("%d %" PRIu64 "\n", i, count[i]);
}

void print_sum(const std::vector<uint8_t> &stream)
{
	uint64_t sum = 0;

	for (uint8_t byte : stream)
		sum += byte;
	printf("%" PRIu64 "\n", sum);
}

void print_vector_add(const std::vector<uint8_t> &stream)
{
	for (size_t i = 0; i < stream.size() / sizeof(float); i++) {
		float number;

		memcpy(&number, &stream[i * sizeof(float)], sizeof(float));
		number += (float)i;
		(void)fwrite(&number, sizeof(number), 1, stdout);
	}
}

const struct {
	const char *name;
	void (*print)(const std::vector<uint8_t> &stream);
} samples[] = {
	{ "cuda_checksum", print_checksum },
	{ "cuda_histogram", print_histogram },
	{ "cuda_vector_add", print_vector_add },
	{ "bring_your_own_tensor", print_sum },
};

} // namespace

int print_sample(const char *name, const char *path)
{
	std::ifstream file(path, std::ios::binary);
	const std::vector<uint8_t> stream{ std::istreambuf_iterator<char>(file),
					   {} };

	if (!file) {
		fprintf(stderr, "%s cannot be read\n", path);
		return 2;
	}
	for (const auto &sample : samples)
		if (!strcmp(sample.name, name)) {
			sample.print(stream);
			return ferror(stdout) || fflush(stdout) ? 1 : 0;
		}
	fprintf(stderr, "there is no sample '%s' on CUDA\n", name);
	return 2;
}
