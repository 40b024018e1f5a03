// SPDX-License-Identifier: MIT
/*
 * Kind "cuda" against real zcrx, on the fake CUDA driver. What is shown is our half
 * and the kernel's; no GPU is in it, and the memory calls itself fake.
 */
#include <csignal>
#include <cstdio>
#include <cstring>
#include <vector>

#include "support_cuda.h"

namespace
{

using namespace vm;

constexpr uint64_t area_len = 32 * MiB;

class FakeCudaBreaks : public FakeCudaVm
{
      protected:
	/*
	 * Receive a stream of @len bytes without looking at them, and call @break_it
	 * when half are there. "" where it came to its end and nothing is out.
	 */
	template <typename Fn> std::string breaks(uint64_t len, Fn break_it)
	{
		Listener listener(steered_port, int(area_len / 4));
		Sender sender(steered_port, { { len, false } });
		std::vector<devrx_fragment> frags(64);
		const double end = now() + patience;
		std::vector<Fd> fds;
		bool broken = false, over = false;
		uint64_t bytes = 0;
		std::string error;

		error = add_all(rx, &listener, &sender, 1, &fds);
		while (error.empty() && !over) {
			const int n = wait_for_some(
				rx, frags.data(), unsigned(frags.size()), 1e-6);

			if (n < 0 || now() > end)
				return "wait: " + std::to_string(n);
			for (int i = 0; i < n; i++) {
				bytes += frags[i].length;
				over |= frags[i].flags & DEVRX_FRAGMENT_EOF;
				if (frags[i].flags & DEVRX_FRAGMENT_ERROR)
					return "error " +
					       std::to_string(frags[i].error) +
					       " " + cause_id(rx);
			}
			if (!broken && bytes >= len / 2) {
				break_it();
				broken = true;
			}
			if (n && devrx_receiver_release(rx.get(), frags.data(),
							size_t(n)))
				return "release";
		}
		if (error.empty())
			error = sender.join();
		if (error.empty() && (bytes != len || !broken))
			error = std::to_string(bytes) + " bytes";
		if (error.empty() && stats(rx).fragments_out)
			error = "fragments are out";
		return error;
	}
};

TEST_F(FakeCudaVm, SaysThatItIsAFake)
{
	ASSERT_EQ(make_cuda(2 * MiB), outcome(0));
	const MemoryInfo info = memory_info(mem);

	EXPECT_EQ(info.placement, uint32_t(DEVRX_PLACEMENT_HOST));
	EXPECT_STREQ(info.proof,
		     "devrx fake GPU 0, cuMemAlloc: exporter devrx_vram, which "
		     "has only host memory");
	EXPECT_EQ(info.host_addr, nullptr);
}

/* A memfd: /proc names no exporter, and what kind "cuda" made may be NVIDIA's. */
TEST_F(FakeCudaVm, WhatMayBeNvidiasIsRefusedOnASoftwareNic)
{
	fake.script("backing=memfd");
	ASSERT_EQ(make_cuda(2 * MiB), outcome(0));
	EXPECT_EQ(open_on(0, DEVRX_TIER_ZCRX_DEVICE),
		  outcome(-EOPNOTSUPP, "nic-not-pci"));
	/* But the NIC can be given host pages instead. */
	ASSERT_EQ(open_on(), outcome(0));
	EXPECT_EQ(receiver_info(rx).tier, uint32_t(DEVRX_TIER_ZCRX_HOST));
	EXPECT_NE(std::string(receiver_info(rx).reason).find("nic-not-pci"),
		  std::string::npos);
	EXPECT_EQ(transfer(rx, mem, 4 * MiB, 2), "");
}

TEST_F(FakeCudaVm, InfoPrintsThatItIsAFake)
{
	std::string out(8192, '\0');
	FILE *pipe = popen(("LD_LIBRARY_PATH=" + dir +
			    " devrx info --memory cuda --device 1")
				   .c_str(),
			   "r");

	ASSERT_NE(pipe, nullptr);
	out.resize(fread(out.data(), 1, out.size(), pipe));
	EXPECT_EQ(pclose(pipe), 0);
	EXPECT_NE(out.find("placement   host: devrx fake GPU 1, cuMemAlloc: "
			   "exporter devrx_vram"),
		  out.npos)
		<< out;
	EXPECT_NE(out.find("yes cuda"), out.npos) << out;
}

TEST_F(FakeCudaVm, CpuThatTouchesDeviceMemoryDies)
{
	ASSERT_EQ(make_cuda(2 * MiB), outcome(0));
	const auto *addr =
		reinterpret_cast<volatile char *>(memory_info(mem).device_addr);

	EXPECT_EXIT({ (void)*addr; }, testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(FakeCudaVm, SixtyFourConnectionsEveryByteInOrder)
{
	constexpr unsigned int connections = 64;
	constexpr uint64_t each = 2 * MiB;
	const int64_t before = vram_stats()["read_bytes"];

	ASSERT_EQ(make_cuda(area_len), outcome(0));
	ASSERT_EQ(open_on(65536), outcome(0));
	EXPECT_EQ(receiver_info(rx).tier, uint32_t(DEVRX_TIER_ZCRX_DEVICE));

	Listener listener(steered_port, int(area_len / connections / 2));
	Follower follower(mem, connections);
	std::vector<Stream> plan;
	std::vector<Fd> fds;

	ASSERT_TRUE(listener.ok());
	for (unsigned int i = 0; i < connections; i++)
		plan.push_back({ each, i % 2 == 1 });
	Sender sender(steered_port, plan);
	const double begin = now();

	ASSERT_EQ(add_all(rx, &listener, &sender, connections, &fds), "");
	ASSERT_EQ(drain(rx, &follower), "");
	ASSERT_EQ(sender.join(), "");
	for (unsigned int i = 0; i < connections; i++) {
		EXPECT_EQ(follower.position(i), each) << "stream " << i;
		EXPECT_EQ(follower.end(i), DEVRX_FRAGMENT_EOF)
			<< "stream " << i;
	}
	EXPECT_EQ(stats(rx).bytes, connections * each);
	EXPECT_EQ(stats(rx).bytes_copied, 0u);
	/* Each byte was copied out by the driver, once, and no CPU mapped it. */
	EXPECT_EQ(vram_stats()["read_bytes"] - before,
		  int64_t(connections * each));
	EXPECT_EQ(devrx_cuda_flush_writes(mem.get()), 0);
	EXPECT_EQ(check(), outcome(0));
	printf("  fake cuda on vram, chunk 65536, %u MiB %5.1f s\n",
	       unsigned(connections * each / MiB), now() - begin);
}

/* By way of host memory that CUDA pins, copied on while the next comes. */
TEST_F(FakeCudaVm, ZcrxHostCopiesInTheBackground)
{
	constexpr unsigned int connections = 16;
	constexpr uint64_t each = 2 * MiB;
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	fake.script("backing=vram late=3");
	ASSERT_EQ(make_cuda(8 * MiB), outcome(0));
	ASSERT_EQ(reserve(&q), outcome(0));
	opts.tier = DEVRX_TIER_ZCRX_HOST;
	ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
	EXPECT_EQ(fake.count("pinned"), 1);

	Listener listener(steered_port, int(8 * MiB / connections / 2));
	Follower follower(mem, connections);
	std::vector<Stream> plan;
	std::vector<Fd> fds;

	ASSERT_TRUE(listener.ok());
	for (unsigned int i = 0; i < connections; i++)
		plan.push_back({ each, i % 2 == 1 });
	Sender sender(steered_port, plan);

	ASSERT_EQ(add_all(rx, &listener, &sender, connections, &fds), "");
	ASSERT_EQ(drain(rx, &follower), "");
	ASSERT_EQ(sender.join(), "");
	for (unsigned int i = 0; i < connections; i++) {
		EXPECT_EQ(follower.position(i), each) << "stream " << i;
		EXPECT_EQ(follower.end(i), DEVRX_FRAGMENT_EOF)
			<< "stream " << i;
	}
	EXPECT_EQ(stats(rx).bytes, connections * each);
	EXPECT_EQ(stats(rx).bytes_copied, connections * each);
	EXPECT_GT(stats(rx).uploads, 0u);
	EXPECT_LT(stats(rx).uploads, stats(rx).fragments)
		<< "several fragments are one batch";
	rx.reset();
	EXPECT_EQ(fake.count("pinned"), 0);
	EXPECT_EQ(fake.count("events"), 0);
}

/* A part of a tensor, and not a byte beside it. */
TEST_F(FakeCudaVm, RegisteredPartIsAllThatTheNicWrites)
{
	const uint64_t off = 3 * MiB + page, len = 8 * MiB;
	Memory whole;

	fake.script("backing=udmabuf");
	make_tensor(16 * MiB);
	std::vector<char> pattern(16 * MiB, 0x5a), after(16 * MiB);
	ASSERT_EQ(make_registered(&whole, tensor, 0), outcome(0));
	ASSERT_EQ(devrx_memory_write(whole.get(), 0, pattern.data(),
				     pattern.size()),
		  0);
	ASSERT_EQ(make_registered(&mem, tensor + off, len), outcome(0));
	EXPECT_EQ(memory_info(mem).device_addr, tensor + off);
	ASSERT_EQ(open_on(), outcome(0));
	/* Twice around, so that every chunk is used. */
	EXPECT_EQ(transfer(rx, mem, 2 * len, 4), "");
	rx.reset();

	ASSERT_EQ(devrx_memory_read(whole.get(), 0, after.data(), after.size()),
		  0);
	EXPECT_EQ(memcmp(after.data(), pattern.data(), off), 0);
	EXPECT_EQ(memcmp(&after[off + len], pattern.data(),
			 after.size() - off - len),
		  0);
	EXPECT_NE(memcmp(&after[off], pattern.data(), len), 0);
}

TEST_F(FakeCudaBreaks, ContextDestroyedInMidStream)
{
	ASSERT_EQ(fake.Init(0), 0);
	ASSERT_EQ(fake.CtxCreate(&ctx, 0, 0), 0);
	ASSERT_EQ(make_cuda(area_len), outcome(0));
	ASSERT_EQ(open_on(), outcome(0));
	char byte = 0;

	/* The kernel has the dmabuf: the stream goes on, into nobody's memory. */
	EXPECT_EQ(breaks(16 * MiB,
			 [&] {
				 EXPECT_EQ(check(), outcome(0));
				 EXPECT_EQ(fake.CtxDestroy(ctx), 0);
				 ctx = nullptr;
			 }),
		  "");
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -ESTALE);
	EXPECT_EQ(check(), outcome(-ESTALE, "cuda-context-destroyed"));
}

TEST_F(FakeCudaBreaks, TensorFreedInMidStream)
{
	make_tensor(area_len);
	ASSERT_EQ(make_registered(&mem, tensor, area_len), outcome(0));
	ASSERT_EQ(open_on(), outcome(0));
	char byte = 0;

	EXPECT_EQ(breaks(16 * MiB,
			 [&] {
				 EXPECT_EQ(check(), outcome(0));
				 EXPECT_EQ(fake.MemFree(tensor), 0);
			 }),
		  "");
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -ESTALE);
	EXPECT_EQ(check(), outcome(-ESTALE, "cuda-memory-freed"));
	/* The pages are there while somebody may write to them. */
	EXPECT_EQ(vram_stats()["buffers"], 1);
}

TEST_F(FakeCudaBreaks, DeviceLostInMidStream)
{
	ASSERT_EQ(make_cuda(area_len), outcome(0));
	ASSERT_EQ(open_on(), outcome(0));
	char byte = 0;

	EXPECT_EQ(breaks(16 * MiB,
			 [&] {
				 EXPECT_EQ(check(), outcome(0));
				 fake.add("lost@1=719");
			 }),
		  "");
	EXPECT_EQ(devrx_memory_read(mem.get(), 0, &byte, 1), -EIO);
	EXPECT_EQ(check(), outcome(-EIO, "cuda-device-lost"));
	rx.reset();
	mem.reset();
	/* A lost device frees nothing; the process's end does. */
	fake.script("");
}

/* The bytes that it was to copy are lost, and the stream ends where they begin. */
TEST_F(FakeCudaBreaks, DeviceLostWhileItCopies)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	ASSERT_EQ(make_cuda(area_len), outcome(0));
	ASSERT_EQ(reserve(&q), outcome(0));
	opts.tier = DEVRX_TIER_ZCRX_HOST;
	ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
	EXPECT_EQ(breaks(16 * MiB, [&] { fake.add("lost@1=719"); }),
		  "error -5 upload-failed");
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	rx.reset();
	mem.reset();
	fake.script("");
}

} /* namespace */
