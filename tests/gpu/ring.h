/* SPDX-License-Identifier: MIT */
/*
 * The device ring with a consumer that is not the host: what is checked, for a
 * GPU (ring_gpu.cc) and for the same kernels on the CPU (tests/unit).
 */
#ifndef GPU_RING_H
#define GPU_RING_H

#include <cstddef>
#include <cstdint>
#include <string>

#include <devrx/fence.h>
#include <devrx/ring.h>

#include "gpu/consumer.h"

/* What runs the kernels of consumer.cu. Two lanes, each of which works in order. */
class RingDevice
{
      public:
	virtual ~RingDevice() = default;
	/* Host memory that the device sees at @device, until clear(). */
	virtual void *share(size_t len, uint64_t *device) = 0;
	/* A result of zeros, in the device's memory, until clear(). */
	virtual uint64_t new_result() = 0;
	virtual consumer_result result(uint64_t at) = 0;
	/* Start, without waiting. */
	virtual void consume(const consumer_args &args) = 0;
	virtual void consume_batch(const consumer_args &args,
				   unsigned lane) = 0;
	/* Passes after what the lane has been given so far. */
	virtual devrx_fence fence(unsigned lane) = 0;
	/* Then store @value at the device address @word. False: cannot. */
	virtual bool store(uint64_t word, uint32_t value, unsigned lane) = 0;
	/* All lanes are done. */
	virtual void wait() = 0;
	virtual void clear() = 0;
};

/* How the host learns that fragments are done with. */
enum class Release { HEAD, EVENT, WORD };

/*
 * @total: records
 * @windows: more than 4 GiB of memory
 * @before: all records are there before the kernel is started, at most
 *      ring_records; for tools that let the host and the device take turns
 */
struct RateSetup {
	uint64_t total;
	bool windows;
	bool before;
};

constexpr uint32_t ring_records = 1 << 16;

/*
 * A host that pushes as fast as it can, a kernel that keeps running: each record
 * once, in order, as it was pushed. What went wrong, or nothing; into @rate the
 * records per second, until the device had consumed the last.
 */
std::string check_rate(RingDevice &device, const RateSetup &setup,
		       double *rate);

/*
 * @total fragments in 256 slots of payload, each used again as soon as its fence
 * has passed, and not before but for @early, which a consumer must notice. "-"
 * where this device cannot.
 */
std::string check_release(RingDevice &device, Release how, uint64_t total,
			  bool early);

#endif
