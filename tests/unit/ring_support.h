/* SPDX-License-Identifier: MIT */
/* A device ring in memory, and fragments for it. */
#ifndef RING_SUPPORT_H
#define RING_SUPPORT_H

#include <cstring>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include "deliver/ring.h"
}

constexpr uint64_t GiB = UINT64_C(1) << 30;

/* A ring of @nr records in memory that is as long as it must be and no longer. */
class Ring
{
      public:
	explicit Ring(uint32_t nr, uint32_t flags = 0)
	    : memory(static_cast<char *>(std::aligned_alloc(
		      128, (DEVRX_DEVICE_RING_LEN(nr) + 127) / 128 * 128)))
	{
		struct devrx_device_ring_opts opts =
			DEVRX_DEVICE_RING_OPTS_INIT;

		memset(memory.get(), 0xa5, DEVRX_DEVICE_RING_LEN(nr));
		opts.flags = flags;
		EXPECT_EQ(devrx_device_ring_create(&ring, memory.get(),
						   DEVRX_DEVICE_RING_LEN(nr),
						   &opts),
			  0);
		shared = static_cast<struct devrx_desc_ring *>(
			static_cast<void *>(memory.get()));
	}
	~Ring()
	{
		devrx_device_ring_destroy(ring);
	}
	Ring(const Ring &) = delete;

	int push(const std::vector<devrx_fragment> &frags,
		 const uint64_t *dests = nullptr)
	{
		return devrx_device_ring_push(
			ring, frags.data(),
			static_cast<unsigned int>(frags.size()), dests);
	}
	/* Indices close to their end. */
	void start_at(uint32_t idx)
	{
		ring->tail = ring->head = ring->taken = idx;
		shared->tail = shared->head = idx;
	}

	struct Free {
		void operator()(char *p) const
		{
			std::free(p);
		}
	};
	std::unique_ptr<char, Free> memory;
	struct devrx_device_ring *ring = nullptr;
	struct devrx_desc_ring *shared = nullptr;
};

inline devrx_fragment fragment(uint64_t offset, uint32_t length,
			       uint64_t position)
{
	devrx_fragment frag = {};

	frag.offset = offset;
	frag.length = length;
	frag.position = position;
	frag.token = 1;
	return frag;
}

inline std::vector<devrx_fragment> fragments(unsigned int n, uint64_t first = 0)
{
	std::vector<devrx_fragment> ret;

	for (uint64_t i = first; i < first + n; i++)
		ret.push_back(fragment(i * 4096 + 1, 1448, i * 1448));
	return ret;
}

inline devrx_fragment last(uint16_t flags)
{
	devrx_fragment frag = {};

	frag.flags = flags;
	return frag;
}

#endif /* RING_SUPPORT_H */
