// SPDX-License-Identifier: MIT
#include "support_vulkan.h"

#include <cstring>

namespace vm
{

namespace
{

/* Of one batch at most so many; four are under way, and one is being written, where
 * a launch may find the ring's rest too short. */
constexpr unsigned int nr_records = 8 * Shaders::batch_max;
/* On a CPU every further block costs, and brings nothing. */
constexpr unsigned int blocks = 1;

} /* namespace */

Shaders::Shaders(kernels::VulkanDevice &device, const Memory &mem,
		 unsigned int streams, unsigned int launches)
    : device_(device), mem_(mem.get()), nr_slots_(launches), crcs_(streams)
{
	const std::vector<char> zero(launches * sizeof(uint32_t));

	source_ = memory_info(mem).device_addr;
	slots_ = device.put(zero.data(), zero.size(), 0);
	sum_ = device.put(zero.data(), sizeof(uint64_t), 0);
	records_ = device.put(zero.data(), nr_records * sizeof(devrx_desc), 0);

	/* The first launch compiles. Under traffic the area would fill up
	 * meanwhile, and TCP wait longer and longer. */
	devrx_kernel_args args = {};
	args.out = sum_;
	device.wait(device.submit({ { kernels::SUM, args, blocks },
				    { kernels::CRC32C, args, blocks } },
				  nullptr, nullptr));
}

/* The arguments for @records, which are copied to where the device sees them. */
devrx_kernel_args Shaders::args_of(const std::vector<devrx_desc> &records)
{
	devrx_kernel_args args = {};

	/* Not around the end: a launch's records follow one another. */
	if (next_record_ + records.size() > nr_records)
		next_record_ = 0;
	args.records = records_ + next_record_ * sizeof(devrx_desc);
	args.nr_records = uint32_t(records.size());
	args.source = source_;
	memcpy(device_.host(args.records), records.data(),
	       records.size() * sizeof(devrx_desc));
	next_record_ += unsigned(records.size());
	return args;
}

std::string Shaders::take(const devrx_fragment *frags, int n,
			  devrx_fence *fence)
{
	std::map<unsigned int, std::vector<devrx_desc>> parts;
	std::vector<kernels::Launch> launches;

	if (n > int(batch_max))
		return "too many fragments for the records' ring";
	for (int i = 0; i < n; i++) {
		devrx_desc desc = {};

		desc.source = uint32_t(frags[i].offset);
		desc.length = frags[i].length;
		desc.destination = frags[i].position;
		if (desc.length)
			parts[unsigned(frags[i].user)].push_back(desc);
	}
	for (const auto &[stream, records] : parts) {
		devrx_kernel_args args = args_of(records);

		if (next_slot_ == nr_slots_)
			return "no slot is left";
		args.out = sum_;
		launches.push_back({ kernels::SUM, args, blocks });
		args.out = slots_ + sizeof(uint32_t) * next_slot_++;
		args.before = crcs_.at(stream);
		crcs_.at(stream) = args.out;
		launches.push_back({ kernels::CRC32C, args, blocks });
	}
	const uint64_t value = device_.submit(
		launches,
		[&](void *to) { (void)devrx_vulkan_acquire(mem_, to, 0, 0); },
		[&](void *to) { (void)devrx_vulkan_release(mem_, to, 0, 0); });

	if (!value)
		return "the device is lost";
	submissions_++;
	points_.push_back(device_.point(value));
	*fence = devrx_vulkan_fence(&points_.back());
	return "";
}

uint32_t Shaders::crc32c(unsigned int stream) const
{
	uint32_t ret = 0;

	if (crcs_.at(stream))
		memcpy(&ret, device_.host(crcs_.at(stream)), sizeof(ret));
	return ret;
}

uint64_t Shaders::sum() const
{
	uint64_t ret;

	memcpy(&ret, device_.host(sum_), sizeof(ret));
	return ret;
}

} /* namespace vm */
