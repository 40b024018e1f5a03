/* SPDX-License-Identifier: MIT */
/*
 * A Vulkan device of the tests' own on Mesa's lavapipe, and streams whose fragments
 * its shaders process where they lie. The validation layer watches, and has
 * nothing to say.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_VULKAN_VM_H
#define DEVRX_TESTS_VM_SUPPORT_VULKAN_VM_H

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <libgen.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "kernel/reference/reference.h"
#include "support_vulkan.h"

namespace vm
{

inline std::string build_dir()
{
	char self[512] = "";

	EXPECT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	return std::string(dirname(self)) + "/../..";
}

/* Of the first @len bytes of a stream. */
inline uint64_t sum_of(unsigned int stream, uint64_t len)
{
	const auto *bytes =
		reinterpret_cast<const uint8_t *>(Pattern::get().at(stream, 0));
	uint64_t sum = 0;

	for (uint64_t i = 0; i < len; i++)
		sum += bytes[i];
	return sum;
}

inline uint32_t crc_of(unsigned int stream, uint64_t len)
{
	return drx_ref_crc32c_bytes(0, Pattern::get().at(stream, 0), len);
}

class VulkanVm : public testing::Test
{
      protected:
	/* One device for all: it takes seconds to start. */
	static void SetUpTestSuite()
	{
		device = new kernels::VulkanDevice();
		missing = device->open(build_dir() + "/kernel", true);
		if (missing.empty())
			printf("on %s\n", device->name.c_str());
	}

	static void TearDownTestSuite()
	{
		delete device;
		device = nullptr;
	}

	void SetUp() override
	{
		if (!missing.empty())
			GTEST_SKIP() << missing;
	}

	void TearDown() override
	{
		rx.reset();
		q.reset();
		mem.reset();
		if (!missing.empty())
			return;
		device->clear();
		EXPECT_EQ(device->complaints, "");
		device->complaints.clear();
		EXPECT_TRUE(queue_is_free());
	}

	/* On the device of the tests'. */
	Outcome alloc(uint64_t len)
	{
		const devrx_vulkan_device vk = device->lend();
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *raw = nullptr;
		devrx_cause cause = {};
		int err;

		opts.len = len;
		opts.cause = &cause;
		err = devrx_vulkan_alloc(&raw, &vk, &opts);
		if (!err)
			mem.reset(raw);
		return outcome(err, cause);
	}

	Outcome import(int fd)
	{
		const devrx_vulkan_device vk = device->lend();
		devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
		devrx_memory *raw = nullptr;
		devrx_cause cause = {};
		int err;

		opts.cause = &cause;
		err = devrx_vulkan_import(&raw, fd, &vk, &opts);
		if (!err)
			mem.reset(raw);
		return outcome(err, cause);
	}

	Outcome open()
	{
		Outcome o = reserve(&q);

		return o.err ? o : open_receiver(&rx, mem, q);
	}

	/*
	 * @rounds times @streams streams of @len bytes each, every batch to the
	 * shaders and back behind its fence; then their results against the
	 * reference.
	 */
	void stream(unsigned int rounds, unsigned int streams, uint64_t len)
	{
		Shaders shaders(*device, mem, rounds * streams);
		const double begin = now();
		uint64_t most = 0, want = 0;

		for (unsigned int round = 0; round < rounds; round++)
			ASSERT_EQ(receive(&shaders, round * streams, streams,
					  len, &most),
				  "");
		ASSERT_TRUE(poll_until(patience, [&] {
			return devrx_receiver_poll_fences(rx.get()) == 0;
		}));
		for (unsigned int i = 0; i < rounds * streams; i++)
			EXPECT_EQ(shaders.crc32c(i), crc_of(i % streams, len))
				<< "stream " << i;
		for (unsigned int i = 0; i < streams; i++)
			want += rounds * sum_of(i, len);
		EXPECT_EQ(shaders.sum(), want);
		EXPECT_EQ(stats(rx).bytes, rounds * streams * len);
		EXPECT_EQ(stats(rx).bytes_copied, 0u);
		EXPECT_EQ(stats(rx).lost, 0u);
		EXPECT_EQ(stats(rx).fragments_out, 0u);
		EXPECT_EQ(stats(rx).released, stats(rx).fragments);
		EXPECT_GT(most, 0u) << "no fence was ever pending";
		printf("  %u streams, %u MiB in an area of %u MiB: %llu "
		       "submissions, %5.1f s\n",
		       rounds * streams, unsigned(rounds * streams * len / MiB),
		       unsigned(memory_info(mem).len / MiB),
		       (unsigned long long)shaders.submissions(),
		       now() - begin);
	}

	/* One round; @first is the first of its streams for the shaders. */
	std::string receive(Shaders *shaders, unsigned int first,
			    unsigned int streams, uint64_t len, uint64_t *most)
	{
		const double deadline = now() + 5 * patience;
		unsigned int ended = 0;
		std::vector<Fd> fds;

		Listener listener(steered_port);
		if (!listener.ok())
			return "no listener";
		Sender sender(steered_port,
			      std::vector<Stream>(streams, { len, false }));
		std::string error =
			add_all(rx, &listener, &sender, streams, &fds);
		while (error.empty() && ended < streams) {
			devrx_fragment frags[Shaders::batch_max];
			devrx_fence fence;
			const int n = devrx_receiver_wait(
				rx.get(), frags, Shaders::batch_max, 50000000);

			if (now() > deadline)
				return std::to_string(ended) + " have ended";
			if (!n || n == -EINTR)
				continue;
			if (n < 0)
				return strerror(-n);
			for (int i = 0; i < n; i++) {
				if (frags[i].error)
					return strerror(-frags[i].error);
				ended += frags[i].flags == DEVRX_FRAGMENT_EOF;
				frags[i].user += first;
			}
			error = shaders->take(frags, n, &fence);
			if (error.empty() &&
			    devrx_receiver_release_after(rx.get(), frags,
							 unsigned(n), &fence))
				return "not given back";
			*most = std::max(*most, stats(rx).fragments_fenced);
		}
		return error.empty() ? sender.join() : error;
	}

	static inline kernels::VulkanDevice *device;
	static inline std::string missing;
	Memory mem;
	Queue q;
	Receiver rx;
};

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_VULKAN_VM_H */
