/* SPDX-License-Identifier: MIT */
/*
 * Shaders over fragments where they lie: CRC-32C of each stream and the sum of all
 * bytes, a submission for each batch, its timeline value as the fence.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_VULKAN_H
#define DEVRX_TESTS_VM_SUPPORT_VULKAN_H

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "kernels/vulkan_device.h"
#include "support_devrx.h"

namespace vm
{

class Shaders
{
      public:
	/* Fragments in a batch. */
	static constexpr unsigned int batch_max = 256;

	/* @mem lies on @device. Room for @launches of a stream's part. */
	Shaders(kernels::VulkanDevice &device, const Memory &mem,
		unsigned int streams, unsigned int launches = 1 << 16);

	/* Process what devrx_receiver_wait() gave; the fence of the batch, or what
	 * went wrong. Without the bytes of any there is nothing to wait for. */
	std::string take(const devrx_fragment *frags, int n,
			 devrx_fence *fence);
	/* After the last batch's end. */
	uint32_t crc32c(unsigned int stream) const;
	uint64_t sum() const;
	uint64_t submissions() const
	{
		return submissions_;
	}

      private:
	devrx_kernel_args args_of(const std::vector<devrx_desc> &records);

	kernels::VulkanDevice &device_;
	devrx_memory *mem_;
	uint64_t source_, sum_;
	/* A CRC for each launch: zero before it, read by the next. */
	uint64_t slots_;
	unsigned int next_slot_ = 0, nr_slots_;
	std::vector<uint64_t> crcs_; /* each stream's newest slot, or 0 */
	/* Records, around and around; nobody overtakes four submissions. */
	uint64_t records_;
	unsigned int next_record_ = 0;
	std::deque<devrx_vulkan_point> points_; /* kept: fences point here */
	uint64_t submissions_ = 0;
};

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_VULKAN_H */
