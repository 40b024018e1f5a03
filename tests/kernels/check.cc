// SPDX-License-Identifier: MIT
#include "kernels/check.h"

#include <cstdio>
#include <cstring>

#include "kernel/reference/reference.h"

namespace kernels
{

const char *const kernel_name[NR] = { "devrx_gather", "devrx_crc32c",
				      "devrx_sum", "devrx_histogram",
				      "devrx_cast" };

uint64_t Stream::begin() const
{
	return records.empty() ? 0 : records.front().destination;
}

uint64_t Stream::end() const
{
	return records.empty() ?
		       0 :
		       records.back().destination + records.back().length;
}

namespace
{

const size_t GUARD = 64;

/* One launch, with its memory. */
class Run
{
      public:
	Run(Device &d, const Stream &s, const Setup &setup)
	    : device(d), setup(setup)
	{
		args.records =
			device.put(s.records.data(),
				   s.records.size() * sizeof(devrx_desc), 0);
		args.nr_records = s.records.size();
		args.source = device.put(s.source.data(), s.source.size(),
					 setup.source_misalign);
	}

	~Run()
	{
		device.clear();
	}

	/* A result of @len bytes between guards; its address. */
	uint64_t result(size_t len, unsigned misalign)
	{
		want.assign(GUARD + len + GUARD, 0xa5);
		where = 0;
		misaligned = misalign;
		return prepare();
	}

	uint64_t prepare()
	{
		where = device.put(want.data(), want.size(), misaligned);
		return where + GUARD;
	}

	uint8_t *wanted()
	{
		return want.data() + GUARD;
	}

	/* Launch, and compare with what wanted() has become. */
	std::string compare(Kernel kernel)
	{
		const std::string error =
			device.launch(kernel, args, setup.blocks);
		std::vector<uint8_t> got(want.size());
		char text[160];

		if (!error.empty())
			return std::string(kernel_name[kernel]) + ": " + error;
		device.get(where, got.data(), got.size());
		for (size_t i = 0; i < got.size(); i++) {
			if (got[i] == want[i])
				continue;
			snprintf(text, sizeof(text),
				 "%s: byte %lld of the result (%zu) is %02x, "
				 "not %02x",
				 kernel_name[kernel],
				 (long long)i - (long long)GUARD,
				 got.size() - 2 * GUARD, got[i], want[i]);
			return text;
		}
		return "";
	}

	devrx_kernel_args args = {};

      private:
	Device &device;
	const Setup setup;
	std::vector<uint8_t> want;
	uint64_t where = 0;
	unsigned misaligned = 0;
};

} // namespace

std::string check_gather(Device &device, const Stream &s, const Setup &setup)
{
	Run run(device, s, setup);

	run.args.out =
		run.result(s.end() - s.begin(), setup.out_misalign) - s.begin();
	drx_ref_gather(s.records.data(), s.records.size(), s.source.data(),
		       run.wanted(), s.begin());
	return run.compare(GATHER);
}

std::string check_sum(Device &device, const Stream &s, const Setup &setup)
{
	Run run(device, s, setup);
	/* Added to what is there, with a carry between the halves. */
	uint64_t sum = 0xfffffff0;

	run.result(sizeof(sum), 0);
	memcpy(run.wanted(), &sum, sizeof(sum));
	run.args.out = run.prepare();
	sum += drx_ref_sum(s.records.data(), s.records.size(), s.source.data());
	memcpy(run.wanted(), &sum, sizeof(sum));
	return run.compare(SUM);
}

std::string check_histogram(Device &device, const Stream &s, const Setup &setup)
{
	Run run(device, s, setup);
	uint64_t bins[256];

	for (uint64_t &bin : bins)
		bin = 0xffffffff;
	run.result(sizeof(bins), 0);
	memcpy(run.wanted(), bins, sizeof(bins));
	run.args.out = run.prepare();
	drx_ref_histogram(s.records.data(), s.records.size(), s.source.data(),
			  bins);
	memcpy(run.wanted(), bins, sizeof(bins));
	return run.compare(HISTOGRAM);
}

namespace
{

std::string crc32c_from(Device &device, const Stream &s, const Setup &setup,
			const uint32_t *before)
{
	Run run(device, s, setup);
	uint32_t crc = 0;

	run.result(sizeof(crc), 0);
	memcpy(run.wanted(), &crc, sizeof(crc));
	run.args.out = run.prepare();
	run.args.before = before ? device.put(before, sizeof(*before), 0) : 0;
	crc = drx_ref_crc32c(s.records.data(), s.records.size(),
			     s.source.data(), before ? *before : 0);
	memcpy(run.wanted(), &crc, sizeof(crc));
	return run.compare(CRC32C);
}

} // namespace

std::string check_crc32c(Device &device, const Stream &s, const Setup &setup)
{
	const size_t half = s.records.size() / 2;
	Stream first = s, second = s;
	std::string error = crc32c_from(device, s, setup, nullptr);
	uint32_t before;

	if (!error.empty())
		return error;
	first.records.resize(half);
	second.records.erase(second.records.begin(),
			     second.records.begin() + half);
	before = drx_ref_crc32c(first.records.data(), half, s.source.data(), 0);
	error = crc32c_from(device, second, setup, &before);
	return error.empty() ? "" : error + " (going on)";
}

std::string check_cast(Device &device, const Stream &s, const Setup &setup,
		       uint32_t from, uint32_t to, float scale, float bias)
{
	const uint64_t in = drx_ref_number_size(from);
	const uint64_t size = drx_ref_number_size(to);
	/* Numbers of the result; the first one at a multiple of 16 bytes. */
	const uint64_t first = s.begin() / in & ~7ull;
	const uint64_t last = (s.end() + in - 1) / in;
	Run run(device, s, setup);
	std::string error;
	char text[100];

	run.args.out = run.result((last - first) * size, 0) - first * size;
	run.args.from = from;
	run.args.to = to;
	run.args.scale = scale;
	run.args.bias = bias;
	drx_ref_cast(s.records.data(), s.records.size(), s.source.data(),
		     run.wanted(), first, from, to, scale, bias);
	error = run.compare(CAST);
	snprintf(text, sizeof(text), " (type %u to %u, * %a + %a)", from, to,
		 (double)scale, (double)bias);
	return error.empty() ? "" : error + text;
}

std::string check_all(Device &device, const Stream &s, const Setup &setup)
{
	/* Another pair of types, and other factors, for each stream and setup. */
	static unsigned nr;
	std::string error = check_gather(device, s, setup);

	if (error.empty())
		error = check_sum(device, s, setup);
	if (error.empty())
		error = check_histogram(device, s, setup);
	if (s.holes)
		return error;
	if (error.empty())
		error = check_crc32c(device, s, setup);
	for (uint32_t from = 0; error.empty() && from <= DEVRX_NUMBER_F32;
	     from++, nr++) {
		const Affine &a = affine[nr % affine.size()];

		error = check_cast(device, s, setup, from,
				   DEVRX_NUMBER_BF16 + nr % 3, a.scale, a.bias);
	}
	return error;
}

} // namespace kernels
