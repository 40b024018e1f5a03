// SPDX-License-Identifier: MIT
/*
 * Fragments handed to a device and given back when it is done with them: 256
 * MiB through an area of 16 MiB. A thread plays the device: it knows nothing but
 * the ring's records and the memory, compares every byte, and counts what it has
 * done in two words, which are the fences.
 */
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "support_vram.h"

namespace
{

using namespace vm;

constexpr uint64_t area_len = 16 * MiB;
constexpr uint64_t stream_len = 16 * MiB;
constexpr unsigned int nr_streams = 16;
constexpr uint32_t nr_records = 256;

/* Where the bytes belong: a stretch of 4 GiB for each stream. */
uint64_t destination(const devrx_fragment &frag)
{
	return frag.user << 32 | frag.position;
}

class Device
{
      public:
	Device(const Memory &mem, devrx_desc_ring *ring)
	    : view(mem), shared(ring), thread([this] { run(); })
	{
	}
	~Device()
	{
		join();
	}
	void join()
	{
		if (thread.joinable())
			thread.join();
	}

	/* Read after join(). */
	uint64_t bytes = 0;
	uint64_t records = 0;
	uint64_t positions[nr_streams] = {};
	std::string error;

	/* Records that are done: the other fence, besides the ring's head. */
	uint64_t count = 0;

      private:
	void run()
	{
		uint32_t head = 0;
		int n;

		while ((n = devrx_desc_available(shared, head)) >= 0) {
			if (!n) {
				std::this_thread::yield();
				continue;
			}
			for (; n > 0; n--, head++)
				look(devrx_desc_source(shared, head),
				     *devrx_desc_at(shared, head));
			devrx_desc_consumed(shared, head);
			__atomic_store_n(&count, records, __ATOMIC_RELEASE);
		}
	}

	void look(uint64_t source, const devrx_desc &desc)
	{
		const unsigned int stream = unsigned(desc.destination >> 32);
		const uint64_t position = uint32_t(desc.destination);
		const char *got = view.at(source, desc.length);

		records++;
		bytes += desc.length;
		if (!error.empty())
			return;
		if (stream >= nr_streams || position != positions[stream] ||
		    position + desc.length > stream_len)
			error = "a gap or an overlap";
		else if (!got ||
			 memcmp(got, Pattern::get().at(stream, position),
				desc.length))
			error = "wrong bytes";
		else
			positions[stream] += desc.length;
		if (!error.empty())
			error += " at position " + std::to_string(position) +
				 " of stream " + std::to_string(stream);
	}

	View view;
	devrx_desc_ring *shared;
	std::thread thread;
};

class Deliver : public Vram, public testing::WithParamInterface<const char *>
{
};

TEST_P(Deliver, ReleaseBehindFences)
{
	alignas(128) static char memory[DEVRX_DEVICE_RING_LEN(nr_records)];
	std::vector<Stream> plan(nr_streams, { stream_len, false });
	devrx_device_ring *ring = nullptr;
	const double deadline = now() + 5 * patience;
	uint64_t pushed = 0, most = 0;
	unsigned int ended = 0, rounds = 0;
	std::vector<Fd> fds;

	if (!strcmp(GetParam(), "vram"))
		ASSERT_EQ(make_vram(&mem, "64k", area_len), outcome(0));
	else
		ASSERT_EQ(make_memory(&mem, GetParam(), area_len), outcome(0));
	ASSERT_EQ(open_on(), outcome(0));
	ASSERT_EQ(devrx_device_ring_create(&ring, memory, sizeof(memory),
					   nullptr),
		  0);
	Listener listener(steered_port);
	ASSERT_TRUE(listener.ok());
	Device device(mem, reinterpret_cast<devrx_desc_ring *>(memory));
	const Defer finish([&] {
		devrx_device_ring_finish(ring);
		device.join();
		devrx_device_ring_destroy(ring);
	});
	Sender sender(steered_port, plan);
	ASSERT_EQ(add_all(rx, &listener, &sender, nr_streams, &fds), "");

	while (ended < nr_streams) {
		devrx_fragment frags[64];
		uint64_t dests[64];
		int n = devrx_receiver_wait(rx.get(), frags, 64, 50000000);

		ASSERT_LT(now(), deadline) << ended << " streams ended";
		if (n == -EINTR)
			continue;
		ASSERT_GE(n, 0);
		for (int i = 0; i < n; i++) {
			ASSERT_EQ(frags[i].error, 0);
			ended += frags[i].flags == DEVRX_FRAGMENT_EOF;
			dests[i] = destination(frags[i]);
		}
		for (int done = 0, took; done < n; done += took) {
			devrx_fence fence = {};

			took = devrx_device_ring_push(ring, frags + done,
						      unsigned(n - done),
						      dests + done);
			ASSERT_GE(took, 0);
			for (int i = done; i < done + took; i++)
				pushed += frags[i].token != 0;
			if (rounds++ % 2)
				fence = devrx_fence_u64(&device.count, pushed);
			else
				devrx_device_ring_fence(ring, &fence);
			ASSERT_EQ(devrx_receiver_release_after(
					  rx.get(), frags + done,
					  unsigned(took), &fence),
				  0);
			if (took < n - done) { /* full: let the device work */
				ASSERT_GE(devrx_receiver_poll_fences(rx.get()),
					  0);
				std::this_thread::yield();
			}
			ASSERT_LT(now(), deadline) << "the device is stuck";
		}
		most = std::max(most, stats(rx).fragments_fenced);
	}
	ASSERT_TRUE(poll_until(patience, [&] {
		return devrx_receiver_poll_fences(rx.get()) == 0;
	}));
	devrx_device_ring_finish(ring);
	device.join();
	EXPECT_EQ(sender.join(), "");
	EXPECT_EQ(device.error, "");
	EXPECT_EQ(device.bytes, nr_streams * stream_len);
	EXPECT_EQ(device.records, pushed);
	for (uint64_t position : device.positions)
		EXPECT_EQ(position, stream_len);
	EXPECT_EQ(stats(rx).bytes, nr_streams * stream_len);
	EXPECT_EQ(stats(rx).bytes_copied, 0u);
	EXPECT_EQ(stats(rx).released, stats(rx).fragments);
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	EXPECT_EQ(stats(rx).lost, 0u);
	EXPECT_GT(most, 0u) << "no fence was ever pending";
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	RecordProperty("fragments", std::to_string(pushed));
	RecordProperty("most_fenced", std::to_string(most));
}

INSTANTIATE_TEST_SUITE_P(All, Deliver, testing::Values("udmabuf", "vram"),
			 [](const auto &i) { return std::string(i.param); });

} /* namespace */
