// SPDX-License-Identifier: MIT
/*
 * Tier recv into kinds of memory that only the VM has. Over the softnic link, as
 * an ordinary NIC: no queue is reserved, and nothing steers.
 */
#include <cerrno>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sys/ioctl.h>

#include "support_cuda.h"

namespace
{

using namespace vm;

/* Open on @mem without a queue; four streams, longer together than the memory. */
std::string receives(const Memory &mem, bool direct)
{
	Receiver rx;
	const Outcome o = open_receiver(&rx, mem, Queue());

	if (o.err)
		return std::string(o.id) + ": " + o.text;
	const ReceiverInfo info = receiver_info(rx);
	if (info.tier != DEVRX_TIER_RECV)
		return "not tier recv";
	if (direct != (info.rq_entries >= info.nr_chunks))
		return std::string("another path: ") + info.reason;
	const std::string error = transfer(rx, mem, 8 * MiB, 4, other_port);
	if (!error.empty())
		return error;
	const ReceiverStats s = stats(rx);
	if (s.bytes != 32 * MiB || s.bytes_copied != s.bytes)
		return "bytes " + std::to_string(s.bytes) + ", copied " +
		       std::to_string(s.bytes_copied);
	return "";
}

TEST(Recv, HostMemory)
{
	Memory mem;

	ASSERT_EQ(make_memory(&mem, "host", 16 * MiB), outcome(0));
	EXPECT_EQ(receives(mem, true), "");
}

TEST(Recv, Udmabuf)
{
	Memory mem;

	ASSERT_EQ(make_memory(&mem, "udmabuf", 16 * MiB), outcome(0));
	EXPECT_EQ(receives(mem, true), "");
}

TEST(Recv, DmaHeap)
{
	Memory mem;

	ASSERT_EQ(make_memory(&mem, "dmaheap", 16 * MiB), outcome(0));
	EXPECT_EQ(receives(mem, true), "");
}

/* A heap's buffer that this process may only read. */
TEST(Recv, ReadOnlyDmabuf)
{
	struct dma_heap_allocation_data data = {};
	const Fd heap(open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC));
	Memory mem;
	Receiver rx;

	ASSERT_GE(heap.get(), 0);
	data.len = MiB;
	data.fd_flags = O_RDONLY | O_CLOEXEC;
	ASSERT_EQ(ioctl(heap.get(), DMA_HEAP_IOCTL_ALLOC, &data), 0);
	const Fd fd(int(data.fd));
	ASSERT_EQ(import_memory(&mem, fd.get()), outcome(0));
	ASSERT_NE(memory_info(mem).host_addr, nullptr);
	EXPECT_EQ(open_receiver(&rx, mem, Queue()),
		  outcome(-EOPNOTSUPP, "tier-unavailable"));
}

class RecvVram : public Vram
{
};

TEST_F(RecvVram, EachLayout)
{
	for (const char *layout : { "page", "64k", "1m", "block" }) {
		SCOPED_TRACE(layout);
		ASSERT_EQ(make_vram(&mem, layout, 16 * MiB), outcome(0));
		EXPECT_EQ(receives(mem, false), "");
		mem.reset();
	}
}

/* As a dmabuf alone, no CPU gets at it. */
TEST_F(RecvVram, ImportedIsRefused)
{
	Memory imported;

	ASSERT_EQ(make_vram(&mem, "64k", MiB), outcome(0));
	ASSERT_EQ(import_memory(&imported, memory_info(mem).dmabuf_fd),
		  outcome(0));
	EXPECT_EQ(open_receiver(&rx, imported, Queue()),
		  outcome(-EOPNOTSUPP, "tier-unavailable"));
}

class RecvFakeCuda : public FakeCudaVm
{
};

TEST_F(RecvFakeCuda, Memory)
{
	ASSERT_EQ(make_cuda(16 * MiB), outcome(0));
	EXPECT_EQ(receives(mem, false), "");
}

/* The context goes while bytes come: that connection ends, and says why. */
TEST_F(RecvFakeCuda, ContextDestroyed)
{
	const uint64_t len = 16 * MiB;
	std::vector<Fd> fds;

	make_tensor(len);
	ASSERT_EQ(make_registered(&mem, tensor, len), outcome(0));
	ASSERT_EQ(open_receiver(&rx, mem, Queue()), outcome(0));
	Listener listener(other_port);
	Sender sender(other_port, { { 20 * MiB, false } });
	Follower follower(mem, 1);
	ASSERT_EQ(add_all(rx, &listener, &sender, 1, &fds), "");
	EXPECT_EQ(drain(rx, &follower, 30,
			[&] { return follower.bytes() > 0; }),
		  "");
	ASSERT_FALSE(follower.ended());
	EXPECT_EQ(fake.CtxDestroy(ctx), 0);
	ctx = nullptr;
	devrx_fragment frag = {};
	/* Its bytes cannot be read any more, only counted. */
	do {
		ASSERT_EQ(devrx_receiver_wait(rx.get(), &frag, 1, 5000000000),
			  1);
		EXPECT_EQ(devrx_receiver_release(rx.get(), &frag, 1), 0);
	} while (!(frag.flags & DEVRX_FRAGMENT_ERROR));
	EXPECT_EQ(frag.error, -ESTALE);
	EXPECT_EQ(cause_id(rx), "upload-failed");
	EXPECT_EQ(stats(rx).fragments_out, 0u);
}

} // namespace
