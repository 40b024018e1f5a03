// SPDX-License-Identifier: MIT
/*
 * Kernels over fragments in memory of kind "cuda", release behind CUDA events, and
 * what breaks meanwhile; on the fake CUDA driver. It does its work as late as it may,
 * so bytes that go back too early are other bytes when the kernel reads them.
 */
#include <algorithm>
#include <cstdio>
#include <functional>
#include <set>
#include <vector>

#include "kernel/reference/reference.h"
#include "support_cuda_stream.h"

namespace
{

using namespace vm;

constexpr unsigned int nr_connections = 4;
constexpr uint64_t each = 16 * MiB;
constexpr uint64_t batch_len = MiB;

class CudaStream : public FakeCudaStream
{
      protected:
	/* Launch over what is pending of a connection. */
	void flush(unsigned int conn, std::vector<devrx_fragment> *pending)
	{
		devrx_fence fence = {};

		if (pending->empty())
			return;
		ASSERT_EQ(launch(conn, *pending, &fence), 0);
		ASSERT_EQ(devrx_receiver_release_after(rx.get(),
						       pending->data(),
						       pending->size(), &fence),
			  0);
		pending->clear();
		most = std::max(most, stats(rx).fragments_fenced);
	}

	/* Four connections at once, each stream's CRC from the device. */
	void receive_round(Listener *listener, double deadline)
	{
		std::vector<devrx_fragment> pending[nr_connections];
		uint64_t lengths[nr_connections] = {};
		Sender sender(steered_port,
			      std::vector<Stream>(nr_connections,
						  { each, false }));
		std::vector<Fd> fds;
		unsigned int ended = 0;

		for (unsigned int i = 0; i < nr_connections; i++)
			begin(i);
		ASSERT_EQ(add_all(rx, listener, &sender, nr_connections, &fds),
			  "");
		while (ended < nr_connections) {
			devrx_fragment frags[64];
			const int n = wait_for_some(rx, frags, 64, 0.05);

			ASSERT_LT(now(), deadline) << ended << " ended";
			ASSERT_GE(n, 0);
			for (int i = 0; i < n; i++) {
				const auto conn = unsigned(frags[i].user);
				const bool last =
					frags[i].flags == DEVRX_FRAGMENT_EOF;

				ASSERT_EQ(frags[i].error, 0);
				ended += last;
				if (frags[i].length)
					pending[conn].push_back(frags[i]);
				lengths[conn] += frags[i].length;
				if (last || pending[conn].size() == batch_max ||
				    lengths[conn] % batch_len < frags[i].length)
					flush(conn, &pending[conn]);
				ASSERT_FALSE(HasFatalFailure());
			}
		}
		ASSERT_EQ(sender.join(), "");
		for (unsigned int i = 0; i < nr_connections; i++) {
			EXPECT_EQ(lengths[i], each);
			EXPECT_EQ(crc_of(i), want[i]) << "connection " << i;
		}
	}

	uint32_t want[nr_connections] = {};
	uint64_t most = 0; /* fragments behind fences at once */
};

TEST_F(CudaStream, Of256MiBThrough16MiB)
{
	Listener listener(steered_port);
	const double begun = now();

	start_device();
	ASSERT_EQ(make_cuda(16 * MiB), outcome(0));
	ASSERT_EQ(open_on(), outcome(0));
	ASSERT_TRUE(listener.ok());
	for (unsigned int i = 0; i < nr_connections; i++)
		want[i] =
			drx_ref_crc32c_bytes(0, Pattern::get().at(i, 0), each);
	for (int i = 0; i < 4 && !HasFailure(); i++)
		receive_round(&listener, begun + 5 * patience);
	ASSERT_FALSE(HasFailure());
	EXPECT_EQ(devrx_receiver_poll_fences(rx.get()), 0);
	EXPECT_EQ(stats(rx).bytes, 256 * MiB);
	EXPECT_EQ(stats(rx).bytes_copied, 0u);
	EXPECT_EQ(stats(rx).released, stats(rx).fragments);
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	EXPECT_EQ(stats(rx).lost, 0u);
	EXPECT_GT(most, 0u) << "no fence was ever pending";
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	printf("  fake cuda on vram: 256 MiB, %u launches, %.1f s\n", launches,
	       now() - begun);
}

/*
 * Something breaks in mid-stream, behind a launch that is not done. What was behind
 * its event, or behind one that was recorded before the program noticed, comes back
 * LOST, each once; the stream goes on without the device, in the chunks of the lost
 * ones too, and in the end nothing is out.
 */
class CudaStreamBreaks : public FakeCudaStream
{
      protected:
	static constexpr uint64_t len = 20 * MiB, area = 4 * MiB;

	void receive(int want, const std::function<void()> &break_it)
	{
		/* First the queue: what comes before is not in the memory. */
		ASSERT_EQ(open_on(), outcome(0));
		Listener listener(steered_port);
		ASSERT_TRUE(listener.ok());
		Sender sender(steered_port, { { len, false } });
		const double deadline = now() + patience;
		std::vector<Fd> fds;
		bool over = false;

		ASSERT_EQ(add_all(rx, &listener, &sender, 1, &fds), "");
		while (!over) {
			devrx_fragment frags[64];
			std::vector<devrx_fragment> batch;
			const int n = wait_for_some(rx, frags, 64, 0.05);

			ASSERT_LT(now(), deadline);
			ASSERT_GE(n, 0);
			for (int i = 0; i < n; i++) {
				if (frags[i].flags & DEVRX_FRAGMENT_LOST) {
					take_lost(frags[i], want);
					continue;
				}
				ASSERT_EQ(frags[i].error, 0);
				over |= frags[i].flags == DEVRX_FRAGMENT_EOF;
				bytes += frags[i].length;
				if (frags[i].length)
					batch.push_back(frags[i]);
			}
			give_back(batch);
			if (!broken && bytes >= len / 2) {
				EXPECT_GT(stats(rx).fragments_fenced, 0u);
				break_it();
				broken = true;
			}
			ASSERT_FALSE(HasFailure());
		}
		ASSERT_EQ(sender.join(), "");
		EXPECT_EQ(bytes, len);
	}

	/* After the last of the stream: nothing is out, each loss was told. */
	void expect_nothing_leaked()
	{
		EXPECT_TRUE(broken);
		EXPECT_EQ(devrx_receiver_poll_fences(rx.get()), 0);
		EXPECT_GT(lost.size(), 0u);
		EXPECT_EQ(stats(rx).lost, lost.size());
		EXPECT_EQ(stats(rx).released + lost.size(),
			  stats(rx).fragments);
		EXPECT_EQ(stats(rx).fragments_out, 0u);
		EXPECT_EQ(cause_id(rx), "device-lost");
		EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	}

	/* Fragments that went behind an event, by position; and came LOST. */
	std::set<uint64_t> behind, lost;

      private:
	void give_back(const std::vector<devrx_fragment> &batch)
	{
		devrx_fence fence = {};

		if (batch.empty())
			return;
		if (lost.empty() && !launch(0, batch, &fence)) {
			for (const devrx_fragment &frag : batch)
				behind.insert(frag.position);
			EXPECT_EQ(devrx_receiver_release_after(
					  rx.get(), batch.data(), batch.size(),
					  &fence),
				  0);
		} else {
			EXPECT_TRUE(broken);
			EXPECT_EQ(devrx_receiver_release(rx.get(), batch.data(),
							 batch.size()),
				  0);
		}
	}

	void take_lost(const devrx_fragment &frag, int want)
	{
		EXPECT_TRUE(broken);
		EXPECT_EQ(frag.error, want);
		EXPECT_EQ(frag.token, 0u);
		EXPECT_EQ(behind.count(frag.position), 1u);
		EXPECT_TRUE(lost.insert(frag.position).second) << "twice";
	}

	bool broken = false;
	uint64_t bytes = 0;
};

TEST_F(CudaStreamBreaks, DeviceIsLost)
{
	start_device();
	ASSERT_EQ(make_cuda(area), outcome(0));
	receive(-EIO, [&] { fake.add("lost@1=719"); });
	ASSERT_FALSE(HasFailure());
	expect_nothing_leaked();
	EXPECT_EQ(check(), outcome(-EIO, "cuda-device-lost"));
	fake.add("works");
}

TEST_F(CudaStreamBreaks, ContextIsDestroyed)
{
	start_device();
	ASSERT_EQ(make_cuda(area), outcome(0));
	receive(-ESTALE, [&] {
		EXPECT_EQ(fake.CtxDestroy(ctx), 0);
		ctx = nullptr;
	});
	ASSERT_FALSE(HasFailure());
	expect_nothing_leaked();
	EXPECT_EQ(check(), outcome(-ESTALE, "cuda-context-destroyed"));
}

/* A program that goes on although devrx_cuda_check() would tell: its next kernel
 * reads an address that is nobody's, which is the device's end for it. */
TEST_F(CudaStreamBreaks, TensorIsFreed)
{
	make_tensor(area);
	start_device();
	ASSERT_EQ(make_registered(&mem, tensor, area), outcome(0));
	receive(-EIO, [&] {
		EXPECT_EQ(fake.MemFree(tensor), 0);
		EXPECT_EQ(check(), outcome(-ESTALE, "cuda-memory-freed"));
	});
	ASSERT_FALSE(HasFailure());
	expect_nothing_leaked();
	EXPECT_EQ(check(), outcome(-EIO, "cuda-device-lost"));
	/* Its pages are there while somebody may write to them; and the CRCs. */
	EXPECT_EQ(vram_stats()["buffers"], 2);
	fake.add("works");
}

} /* namespace */
