// SPDX-License-Identifier: MIT
/*
 * What tests/gpu checks of the device ring, with its kernels on the CPU: their
 * threads are fibers of one thread, the host is another. It shows that the
 * checks pass where all is right and fail where it is not; a GPU's memory model
 * is not in it.
 */
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "gpu/ring.h"
#include "kernels/cuda_on_cpu.h"

static inline uint32_t load_acquire(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline void store_release(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static inline uint64_t nanoseconds()
{
	return (uint64_t)std::chrono::duration_cast<std::chrono::nanoseconds>(
		       std::chrono::steady_clock::now().time_since_epoch())
		.count();
}

#include "gpu/consumer.cu"

namespace
{

int poll_flag(void *flag)
{
	return static_cast<std::atomic<bool> *>(flag)->load() ? 0 : -EAGAIN;
}

class CpuDevice : public RingDevice
{
      public:
	~CpuDevice() override
	{
		wait();
		clear();
	}

	void *share(size_t len, uint64_t *device) override
	{
		void *at = nullptr;

		if (posix_memalign(&at, 4096, len))
			abort();
		all.push_back(at);
		*device = (uint64_t)at;
		return at;
	}

	uint64_t new_result() override
	{
		uint64_t at;

		memset(share(sizeof(consumer_result), &at), 0,
		       sizeof(consumer_result));
		return at;
	}

	consumer_result result(uint64_t at) override
	{
		return *(consumer_result *)at;
	}

	void consume(const consumer_args &args) override
	{
		add(0, [this, args] {
			std::this_thread::sleep_for(delay);
			cuda_on_cpu::launch(1, CONSUMER_THREADS,
					    [&] { devrx_test_consume(args); });
		});
	}

	void consume_batch(const consumer_args &args, unsigned lane) override
	{
		add(lane, [this, args] {
			std::this_thread::sleep_for(delay);
			cuda_on_cpu::launch(2, CONSUMER_THREADS, [&] {
				devrx_test_consume_batch(args);
			});
		});
	}

	devrx_fence fence(unsigned lane) override
	{
		auto flag = std::make_unique<std::atomic<bool>>(false);
		std::atomic<bool> *at = flag.get();

		flags.push_back(std::move(flag));
		add(lane, [at] { at->store(true); });
		return devrx_fence_poll(poll_flag, at, nullptr);
	}

	bool store(uint64_t word, uint32_t value, unsigned lane) override
	{
		add(lane,
		    [word, value] { store_release((uint32_t *)word, value); });
		return can_store;
	}

	void wait() override
	{
		if (!worker.joinable())
			return;
		{
			std::lock_guard<std::mutex> lock(mutex);
			over = true;
		}
		changed.notify_one();
		worker.join();
	}

	void clear() override
	{
		for (void *at : all)
			free(at);
		all.clear();
		flags.clear();
	}

	std::chrono::milliseconds delay{ 0 };
	bool can_store = true;

      private:
	void add(unsigned lane, std::function<void()> job)
	{
		std::lock_guard<std::mutex> lock(mutex);

		lanes[lane].push_back(std::move(job));
		changed.notify_one();
		if (worker.joinable())
			return;
		over = false;
		worker = std::thread([this] { work(); });
	}

	/* Lanes go on in any order, one of them at a time. */
	void work()
	{
		std::mt19937 random(2009);

		for (;;) {
			std::function<void()> job;
			{
				std::unique_lock<std::mutex> lock(mutex);
				changed.wait(lock, [&] {
					return over || !lanes[0].empty() ||
					       !lanes[1].empty();
				});
				unsigned lane = random() % 2;
				if (lanes[lane].empty())
					lane = !lane;
				if (lanes[lane].empty())
					return;
				job = std::move(lanes[lane].front());
				lanes[lane].pop_front();
			}
			job();
		}
	}

	std::vector<void *> all;
	std::vector<std::unique_ptr<std::atomic<bool>>> flags;
	std::deque<std::function<void()>> lanes[2];
	std::mutex mutex;
	std::condition_variable changed;
	std::thread worker;
	bool over = false;
};

struct RateCase {
	const char *name;
	RateSetup setup;
};

const RateCase rates[] = {
	{ "None", { 0, false, false } },
	{ "One", { 1, false, false } },
	{ "ManyTimesAround", { 5 * ring_records + 77, false, false } },
	{ "Windows", { 2 * ring_records + 1, true, false } },
	{ "FullBeforeTheLaunch", { ring_records, true, true } },
};

class GpuRingRate : public testing::TestWithParam<RateCase>
{
};

TEST_P(GpuRingRate, EachRecordOnceAndInOrder)
{
	CpuDevice device;
	double rate = 0;

	EXPECT_EQ(check_rate(device, GetParam().setup, &rate), "");
	EXPECT_EQ(rate > 0, GetParam().setup.total > 0);
}

INSTANTIATE_TEST_SUITE_P(All, GpuRingRate, testing::ValuesIn(rates),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

struct ReleaseCase {
	const char *name;
	Release how;
};

const ReleaseCase releases[] = {
	{ "Head", Release::HEAD },
	{ "Event", Release::EVENT },
	{ "Word", Release::WORD },
};

class GpuRingRelease : public testing::TestWithParam<ReleaseCase>
{
};

TEST_P(GpuRingRelease, SlotsComeBackAfterTheirFence)
{
	CpuDevice device;

	EXPECT_EQ(check_release(device, GetParam().how, 20000, false), "");
}

TEST_P(GpuRingRelease, OneThatComesBackEarlierIsNoticed)
{
	CpuDevice device;

	device.delay = std::chrono::milliseconds(2);
	EXPECT_NE(check_release(device, GetParam().how, 2000, true)
			  .find("records are wrong"),
		  std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(All, GpuRingRelease, testing::ValuesIn(releases),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

TEST(GpuRing, DeviceThatCannotStoreIsASkip)
{
	CpuDevice device;

	device.can_store = false;
	EXPECT_EQ(check_release(device, Release::WORD, 100, false), "-");
}

/* A record that is not as it was pushed, one that is missing, a lost consumer. */

class SpoiltDevice : public CpuDevice
{
      public:
	std::function<void(devrx_desc_ring *)> spoil;

	void consume(const consumer_args &args) override
	{
		spoil((devrx_desc_ring *)args.ring);
		CpuDevice::consume(args);
	}
};

devrx_desc *record(devrx_desc_ring *ring, uint32_t i)
{
	return (devrx_desc *)((char *)ring + ring->records) + i;
}

TEST(GpuRing, SpoiltRecordsAreNoticed)
{
	const std::function<void(devrx_desc_ring *)> spoils[] = {
		[](devrx_desc_ring *r) { record(r, 5)->destination++; },
		[](devrx_desc_ring *r) { record(r, 5)->length++; },
		[](devrx_desc_ring *r) { record(r, 5)->source ^= 1; },
		[](devrx_desc_ring *r) { *record(r, 5) = *record(r, 4); },
		[](devrx_desc_ring *r) {
			((uint32_t *)((char *)r + r->windows))[5] ^= 1;
		},
	};

	for (const auto &spoil : spoils) {
		SpoiltDevice device;
		double rate;

		device.spoil = spoil;
		EXPECT_EQ(check_rate(device, { 1000, true, true }, &rate),
			  "1 records are wrong, one is 5");
	}
}

TEST(GpuRing, MissingRecordsAreNoticed)
{
	SpoiltDevice device;
	double rate;

	device.spoil = [](devrx_desc_ring *r) { r->tail -= 3; };
	EXPECT_EQ(check_rate(device, { 1000, false, true }, &rate),
		  "997 records of 1000 were consumed");
}

TEST(GpuRing, TailBeyondTheRingEndsTheKernel)
{
	SpoiltDevice device;
	double rate;

	device.spoil = [](devrx_desc_ring *r) { r->tail += r->nr; };
	EXPECT_EQ(check_rate(device, { 1000, false, true }, &rate),
		  "the kernel gave up after 0 records");
}

} // namespace
