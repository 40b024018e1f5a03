// SPDX-License-Identifier: MIT
#include "gpu/ring.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace
{

using Clock = std::chrono::steady_clock;

constexpr uint64_t timeout_ns = 10'000'000'000;
constexpr unsigned batch = 64;

double seconds_since(Clock::time_point begin)
{
	return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct RingDelete {
	void operator()(devrx_device_ring *ring) const
	{
		devrx_device_ring_destroy(ring);
	}
};
using Ring = std::unique_ptr<devrx_device_ring, RingDelete>;

/* A ring in memory of @device, and what its kernels are told of it. */
struct Shared {
	Shared(RingDevice &device, uint32_t nr, uint32_t flags)
	{
		devrx_device_ring_opts opts = DEVRX_DEVICE_RING_OPTS_INIT;
		const size_t len = DEVRX_DEVICE_RING_LEN(nr);
		devrx_device_ring *made = nullptr;

		opts.flags = flags;
		header = static_cast<devrx_desc_ring *>(
			device.share(len, &args.ring));
		args.result = device.new_result();
		args.timeout_ns = timeout_ns;
		if (!devrx_device_ring_create(&made, header, len, &opts))
			ring.reset(made);
	}

	devrx_desc_ring *header;
	consumer_args args = {};
	Ring ring;
};

std::string judge(const consumer_result &r, uint64_t total)
{
	if (r.wrong)
		return std::to_string(r.wrong) + " records are wrong, one is " +
		       std::to_string(r.first_wrong);
	if (r.gave_up)
		return "the kernel gave up after " +
		       std::to_string(r.consumed) + " records";
	if (r.consumed != total)
		return std::to_string(r.consumed) + " records of " +
		       std::to_string(total) + " were consumed";
	return "";
}

uint32_t head_of(const Shared &shared)
{
	return __atomic_load_n(&shared.header->head, __ATOMIC_ACQUIRE);
}

/* Push @total records. What went wrong, or nothing. */
std::string produce(const Shared &shared, const RateSetup &setup)
{
	std::vector<devrx_fragment> table(CONSUMER_PERIOD);
	Clock::time_point progress = Clock::now();

	for (unsigned i = 0; i < CONSUMER_PERIOD; i++) {
		table[i].token = 1;
		table[i].offset = consumer_offset(i, setup.windows);
		table[i].length = consumer_length(i);
	}
	for (uint64_t sent = 0; sent < setup.total;) {
		devrx_fragment *frags = &table[sent % CONSUMER_PERIOD];
		const unsigned n = (unsigned)std::min<uint64_t>(
			batch,
			std::min(setup.total - sent,
				 CONSUMER_PERIOD - sent % CONSUMER_PERIOD));
		int taken;

		for (unsigned i = 0; i < n; i++)
			frags[i].position = sent + i;
		taken = devrx_device_ring_push(shared.ring.get(), frags, n,
					       nullptr);
		if (taken < 0)
			return std::string("push: ") + strerror(-taken);
		sent += (unsigned)taken;
		if (taken)
			progress = Clock::now();
		else if (seconds_since(progress) > timeout_ns / 1e9)
			return "the ring stays full: the device consumes "
			       "nothing";
	}
	return "";
}

} // namespace

std::string check_rate(RingDevice &device, const RateSetup &setup, double *rate)
{
	Shared shared(device, ring_records,
		      setup.windows ? DEVRX_DEVICE_RING_F_WINDOWS : 0);
	Clock::time_point begin;
	std::string error;

	if (!shared.ring)
		return "no ring could be made";
	if (!setup.before)
		device.consume(shared.args);
	begin = Clock::now();
	error = produce(shared, setup);
	devrx_device_ring_finish(shared.ring.get());
	if (setup.before)
		device.consume(shared.args);
	while (error.empty() && !setup.before &&
	       head_of(shared) != (uint32_t)setup.total &&
	       seconds_since(begin) < timeout_ns / 1e9 * 6)
		continue;
	*rate = (double)setup.total / seconds_since(begin);
	device.wait();
	if (error.empty())
		error = judge(device.result(shared.args.result), setup.total);
	shared.ring.reset();
	device.clear();
	return error;
}

namespace
{

bool passed(const devrx_fence &fence)
{
	const auto *word = static_cast<const uint32_t *>(fence.timeline);

	if (fence.kind == DEVRX_FENCE_POLL)
		return !fence.poll(fence.object);
	return (int32_t)(__atomic_load_n(word, __ATOMIC_ACQUIRE) -
			 (uint32_t)fence.value) >= 0;
}

/* Fragments that the device has, and how their slots come back. */
struct Out {
	devrx_fence fence;
	std::vector<uint32_t> slots;
	uint32_t to; /* of the batch, where the host moves head */
};

class Releaser
{
      public:
	Releaser(RingDevice &d, Release h, bool e)
	    : device(d), how(h), early(e),
	      shared(d, 1024, DEVRX_DEVICE_RING_F_WINDOWS), random(2009)
	{
		payload = static_cast<char *>(
			d.share(slots * CONSUMER_SLOT, &shared.args.memory));
		for (uint32_t i = 0; i < slots; i++)
			free_slots.push_back(i);
	}

	std::string run(uint64_t total);

      private:
	static constexpr uint32_t slots = 256;

	std::string push(uint64_t sent, uint64_t total, unsigned *ret);
	std::string launch(uint64_t first, std::vector<uint32_t> *used);
	void collect();

	RingDevice &device;
	const Release how;
	const bool early;
	Shared shared;
	std::mt19937 random;
	char *payload;
	std::vector<uint32_t> free_slots;
	std::deque<Out> out;
	unsigned lane = 0;
};

/* Some free slots, with the bytes that belong to their numbers. */
std::string Releaser::push(uint64_t sent, uint64_t total, unsigned *ret)
{
	const unsigned n = (unsigned)std::min<uint64_t>(
		std::min<uint64_t>(1 + random() % batch, free_slots.size()),
		total - sent);
	std::vector<devrx_fragment> frags(n);
	std::vector<uint32_t> used;
	int taken;

	*ret = 0;
	for (unsigned i = 0; i < n; i++) {
		const uint32_t slot = free_slots[free_slots.size() - 1 - i];

		for (unsigned k = 0; k < CONSUMER_SLOT / 8; k++) {
			const uint64_t word = consumer_word(sent + i, k);

			memcpy(payload + slot * CONSUMER_SLOT + 8 * k, &word,
			       8);
		}
		frags[i].token = 1;
		frags[i].offset = slot * CONSUMER_SLOT;
		frags[i].length = CONSUMER_SLOT;
		frags[i].position = sent + i;
		used.push_back(slot);
	}
	taken = devrx_device_ring_push(shared.ring.get(), frags.data(), n,
				       nullptr);
	if (taken < 0)
		return std::string("push: ") + strerror(-taken);
	*ret = (unsigned)taken;
	if (!taken)
		return "";
	used.resize((unsigned)taken);
	if (early) /* the fault: back into use while the device reads it */
		std::shuffle(free_slots.begin(), free_slots.end(), random);
	else
		free_slots.resize(free_slots.size() - (unsigned)taken);
	if (how != Release::HEAD)
		return launch(sent, &used);
	out.push_back({ {}, used, 0 });
	devrx_device_ring_fence(shared.ring.get(), &out.back().fence);
	return "";
}

/* What was pushed, as launches; a batch ends where the ring does. */
std::string Releaser::launch(uint64_t first, std::vector<uint32_t> *used)
{
	consumer_args args = shared.args;
	devrx_device_batch b;
	size_t at = 0;
	int n;

	while ((n = devrx_device_ring_take(shared.ring.get(), batch, 0, &b)) >
	       0) {
		args.first = first + at;
		args.records = b.records;
		args.windows = b.windows;
		args.nr = b.nr;
		device.consume_batch(args, lane);
		out.push_back({ {}, {}, b.to });
		out.back().slots.assign(used->begin() + (long)at,
					used->begin() + (long)at + n);
		at += (size_t)n;
		if (how == Release::WORD) {
			const uint64_t word =
				shared.args.ring +
				offsetof(struct devrx_desc_ring, head);

			if (!device.store(word, b.to, lane))
				return "-";
			out.back().fence =
				devrx_fence_u32(&shared.header->head, b.to);
		} else {
			out.back().fence = device.fence(lane);
			/* Two lanes, and head behind the slower of them. */
			lane = !lane;
		}
	}
	return n < 0 ? "take failed" : "";
}

void Releaser::collect()
{
	while (!out.empty() && passed(out.front().fence)) {
		Out &done = out.front();

		if (how == Release::EVENT)
			(void)devrx_device_ring_retire(shared.ring.get(),
						       done.to);
		if (!early)
			free_slots.insert(free_slots.end(), done.slots.begin(),
					  done.slots.end());
		out.pop_front();
		/* Any slot may be the next. */
		if (!(random() % 8))
			std::shuffle(free_slots.begin(), free_slots.end(),
				     random);
	}
}

std::string Releaser::run(uint64_t total)
{
	Clock::time_point progress = Clock::now();
	std::string error;
	uint64_t sent = 0;

	if (!shared.ring)
		return "no ring could be made";
	if (how == Release::HEAD)
		device.consume(shared.args);
	while (error.empty() && (sent < total || !out.empty())) {
		const size_t before = out.size();
		unsigned n = 0;

		if (sent < total && !free_slots.empty())
			error = push(sent, total, &n);
		if (!error.empty())
			break;
		sent += n;
		collect();
		if (n || out.size() < before)
			progress = Clock::now();
		else if (seconds_since(progress) > timeout_ns / 1e9)
			error = "no fence passes";
	}
	devrx_device_ring_finish(shared.ring.get());
	device.wait();
	if (error.empty())
		error = judge(device.result(shared.args.result), total);
	return error;
}

} // namespace

std::string check_release(RingDevice &device, Release how, uint64_t total,
			  bool early)
{
	std::string error;

	{
		Releaser releaser(device, how, early);

		error = releaser.run(total);
	}
	device.clear();
	return error;
}
