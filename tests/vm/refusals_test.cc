// SPDX-License-Identifier: MIT
/*
 * Each refusal of zcrx that a software NIC can provoke, provoked: the errno and
 * the cause, and that a correct open works right after it. What devrx's own
 * look finds first is asked of the kernel as well, in raw_test.cc.
 */
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

class Refusals : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(queue_is_free());
		ASSERT_EQ(make_memory(&mem, "udmabuf", 4 * MiB), outcome(0));
	}

	void TearDown() override
	{
		rx.reset();
		EXPECT_EQ(works_now(), "");
	}

	Outcome open(devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT)
	{
		const Outcome o = reserve(&q);

		return o.err ? o : open_receiver(&rx, mem, q, opts);
	}

	Memory mem, other_mem;
	Queue q, other_q;
	Receiver rx, other_rx;
};

TEST_F(Refusals, WithoutCapNetAdmin)
{
	EXPECT_EQ(in_child([] {
			  Memory mem;
			  Queue q;
			  Receiver rx;
			  Outcome o = make_memory(&mem, "udmabuf", 4 * MiB);

			  if (!o.err)
				  o = reserve(&q);
			  if (o.err || !drop_cap(CAP_NET_ADMIN))
				  return outcome(-EPROTO, "test-broken");
			  return open_receiver(&rx, mem, q);
		  }),
		  outcome(-EPERM, "cap-net-admin"));
}

TEST_F(Refusals, HeaderSplitOff)
{
	ASSERT_EQ(set_rings(nic, split_off, -1), 0);
	Defer undo([] { EXPECT_EQ(set_rings(nic, split_on, 0), 0); });

	EXPECT_EQ(reserve(&q), outcome(-EINVAL, "hds-off"));
}

TEST_F(Refusals, HeaderSplitOffAfterReserving)
{
	ASSERT_EQ(reserve(&q), outcome(0));
	ASSERT_EQ(set_rings(nic, split_off, -1), 0);
	Defer undo([] { EXPECT_EQ(set_rings(nic, split_on, 0), 0); });

	EXPECT_EQ(open_receiver(&rx, mem, q), outcome(-EINVAL, "hds-off"));
}

TEST_F(Refusals, HeaderSplitThreshold)
{
	ASSERT_EQ(set_rings(nic, -1, 1), 0);
	Defer undo([] { EXPECT_EQ(set_rings(nic, -1, 0), 0); });

	EXPECT_EQ(reserve(&q), outcome(-EINVAL, "hds-thresh"));
}

TEST_F(Refusals, HeaderSplitThresholdAfterReserving)
{
	ASSERT_EQ(reserve(&q), outcome(0));
	ASSERT_EQ(set_rings(nic, -1, 1), 0);
	Defer undo([] { EXPECT_EQ(set_rings(nic, -1, 0), 0); });

	EXPECT_EQ(open_receiver(&rx, mem, q), outcome(-EINVAL, "hds-thresh"));
}

TEST_F(Refusals, QueueIndexTooHigh)
{
	EXPECT_EQ(reserve(&q, nic, queue + 1), outcome(-ERANGE, "queue-range"));
	EXPECT_EQ(reserve(&q, nic, 4000000), outcome(-ERANGE, "queue-range"));
}

TEST_F(Refusals, NoSuchNic)
{
	EXPECT_EQ(reserve(&q, "no-such-nic"), outcome(-ENODEV, "nic-missing"));
}

TEST_F(Refusals, NicInAnotherNamespace)
{
	EXPECT_EQ(reserve(&q, "softnic0"), outcome(-ENODEV, "nic-missing"));
}

TEST_F(Refusals, Loopback)
{
	EXPECT_EQ(reserve(&q, "lo", 0),
		  outcome(-EOPNOTSUPP, "nic-unsupported"));
}

TEST_F(Refusals, Dummy)
{
	if (run({ "/usr/sbin/ip", "link", "add", "drxdummy", "type", "dummy" }))
		GTEST_SKIP() << "no dummy NIC in this kernel (modprobe dummy)";
	Defer undo([] {
		(void)run({ "/usr/sbin/ip", "link", "del", "drxdummy" });
	});

	EXPECT_EQ(reserve(&q, "drxdummy", 0),
		  outcome(-EOPNOTSUPP, "nic-unsupported"));
}

TEST_F(Refusals, Veth)
{
	if (run({ "/usr/sbin/ip", "link", "add", "drxveth0", "type", "veth",
		  "peer", "name", "drxveth1" }))
		GTEST_SKIP() << "no veth in this kernel (modprobe veth)";
	Defer undo([] {
		(void)run({ "/usr/sbin/ip", "link", "del", "drxveth0" });
	});

	EXPECT_EQ(reserve(&q, "drxveth0", 0),
		  outcome(-EOPNOTSUPP, "nic-unsupported"));
}

TEST_F(Refusals, XdpAttached)
{
	const XdpPass xdp(nic);

	ASSERT_EQ(xdp.err(), 0);
	EXPECT_EQ(reserve(&q), outcome(-EEXIST, "xdp-attached"));
}

TEST_F(Refusals, XdpAttachedAfterReserving)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	/* A queue that is taken looks the same, and is waited for. */
	opts.bind_timeout_ms = 1;
	ASSERT_EQ(reserve(&q), outcome(0));
	const XdpPass xdp(nic);

	ASSERT_EQ(xdp.err(), 0);
	EXPECT_EQ(open_receiver(&rx, mem, q, opts),
		  outcome(-EEXIST, "xdp-attached"));
}

TEST_F(Refusals, AfXdpHasTheQueue)
{
	XskSocket xsk(nic, queue);

	if (xsk.err() == -EAFNOSUPPORT)
		GTEST_SKIP() << "no AF_XDP in this kernel";
	ASSERT_EQ(xsk.err(), 0);
	EXPECT_EQ(queue_user(), uint32_t(DEVRX_QUEUE_USER_XSK));
	EXPECT_EQ(open(), outcome(-EBUSY, "xsk-attached"));
}

TEST_F(Refusals, QueueTakenBeyondTheDeadline)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	ASSERT_EQ(open(), outcome(0));
	EXPECT_EQ(queue_user(), uint32_t(DEVRX_QUEUE_USER_IO_URING));
	ASSERT_EQ(make_memory(&other_mem, "udmabuf", 4 * MiB), outcome(0));
	ASSERT_EQ(reserve(&other_q), outcome(0));
	opts.bind_timeout_ms = 150;
	const double begin = now();

	EXPECT_EQ(open_receiver(&other_rx, other_mem, other_q, opts),
		  outcome(-EEXIST, "queue-busy"));
	EXPECT_GE(now() - begin, 0.15);
	EXPECT_LT(now() - begin, patience);
	EXPECT_EQ(transfer(rx, mem, MiB), "") << "the owner is disturbed";
}

TEST_F(Refusals, QueueGivenBackWithinTheDeadline)
{
	ASSERT_EQ(open(), outcome(0));
	ASSERT_EQ(make_memory(&other_mem, "udmabuf", 4 * MiB), outcome(0));
	ASSERT_EQ(reserve(&other_q), outcome(0));
	ASSERT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	EXPECT_EQ(open_receiver(&other_rx, other_mem, other_q), outcome(0));
	EXPECT_EQ(transfer(other_rx, other_mem, MiB), "");
	other_rx.reset();
}

TEST_F(Refusals, ChunkLargerThanThePiecesOfTheMemory)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.chunk_len = 8192;
	ASSERT_EQ(import_memory(&other_mem, Fd(raw_udmabuf(4 * MiB)).get()),
		  outcome(0));
	ASSERT_EQ(reserve(&q), outcome(0));
	EXPECT_EQ(open_receiver(&rx, other_mem, q, opts),
		  outcome(-ERANGE, "chunk-refused"));
}

TEST_F(Refusals, ChunkDoesNotDivideTheMemory)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	ASSERT_EQ(make_memory(&other_mem, "udmabuf", 5 * 4096), outcome(0));
	ASSERT_EQ(reserve(&q), outcome(0));
	opts.chunk_len = 8192;
	EXPECT_EQ(open_receiver(&rx, other_mem, q, opts),
		  outcome(-ERANGE, "chunk-refused"));
}

TEST_F(Refusals, ChunkNoPowerOfTwo)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.chunk_len = 12288;
	EXPECT_EQ(open(opts), outcome(-EINVAL, "chunk-len"));
}

TEST_F(Refusals, ChunkBelowThePage)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.chunk_len = 2048;
	EXPECT_EQ(open(opts), outcome(-EINVAL, "chunk-len"));
}

TEST_F(Refusals, LockedMemoryLimit)
{
	EXPECT_EQ(in_child([] {
			  const struct rlimit limit = { 64 << 10, 64 << 10 };
			  Memory mem;
			  Queue q;
			  Receiver rx;
			  Outcome o = make_memory(&mem, "host", 4 * MiB);

			  if (!o.err)
				  o = reserve(&q);
			  if (o.err || setrlimit(RLIMIT_MEMLOCK, &limit) ||
			      !drop_cap(CAP_IPC_LOCK))
				  return outcome(-EPROTO, "test-broken");
			  return open_receiver(&rx, mem, q);
		  }),
		  outcome(-ENOMEM, "memlock"));
}

uint64_t udmabuf_limit()
{
	std::ifstream file("/sys/module/udmabuf/parameters/size_limit_mb");
	uint64_t mib = 0;

	file >> mib;
	return mib * MiB;
}

TEST_F(Refusals, LargerThanUdmabufMakes)
{
	const uint64_t limit = udmabuf_limit();

	ASSERT_GT(limit, 0u);
	EXPECT_EQ(make_memory(&other_mem, "udmabuf", limit + 4096),
		  outcome(-EFBIG, "udmabuf-limit"));
	/* The kernel itself says no more than this. */
	const Fd fd(raw_udmabuf(limit + 4096));

	EXPECT_EQ(fd.get(), -1);
	EXPECT_EQ(errno, EINVAL);
}

/* Address space without memory behind it. */
int huge_alloc(const devrx_memory_opts *opts, devrx_backing *ret, devrx_cause *)
{
	ret->len = opts->len;
	ret->host_addr =
		mmap(nullptr, opts->len, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ret->placement = DEVRX_PLACEMENT_UNKNOWN;
	return ret->host_addr == MAP_FAILED ? -errno : 0;
}

void huge_free(devrx_backing *backing)
{
	(void)munmap(backing->host_addr, backing->len);
}

int huge_probe(devrx_cause *)
{
	return 0;
}

TEST_F(Refusals, LargerThanTheKernelsAreas)
{
	struct devrx_features features = {};
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *huge = nullptr;
	devrx_provider provider = {};

	features.size = sizeof(features);
	ASSERT_EQ(devrx_features_probe(&features, nullptr), 0);
	provider.size = sizeof(provider);
	provider.name = "huge";
	provider.summary = "address space";
	provider.probe = huge_probe;
	provider.alloc = huge_alloc;
	provider.free = huge_free;
	opts.provider = &provider;
	opts.len = features.max_area_len + 4096;
	ASSERT_EQ(devrx_memory_alloc(&huge, &opts), 0);
	other_mem.reset(huge);
	ASSERT_EQ(reserve(&q), outcome(0));
	EXPECT_EQ(open_receiver(&rx, other_mem, q),
		  outcome(-EFBIG, "area-too-large"));
	/* Bound and unbound again. */
	EXPECT_EQ(devrx_memory_free(other_mem.release()), 0);
}

TEST_F(Refusals, MemoryThatCannotBePinned)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *none = nullptr;
	devrx_provider provider = {};

	provider.size = sizeof(provider);
	provider.name = "none";
	provider.summary = "address space";
	provider.probe = huge_probe;
	provider.alloc = huge_alloc;
	provider.free = huge_free;
	opts.provider = &provider;
	opts.len = MiB;
	ASSERT_EQ(devrx_memory_alloc(&none, &opts), 0);
	other_mem.reset(none);
	ASSERT_EQ(reserve(&q), outcome(0));
	EXPECT_EQ(open_receiver(&rx, other_mem, q),
		  outcome(-EFAULT, "os-error"));
}

/* An exporter that refuses the NIC is vram, told to: vram_life_test.cc. */

TEST_F(Refusals, OneMemoryTwice)
{
	ASSERT_EQ(open(), outcome(0));
	ASSERT_EQ(reserve(&other_q), outcome(0));
	EXPECT_EQ(open_receiver(&other_rx, mem, other_q),
		  outcome(-EBUSY, "memory-bound"));
	EXPECT_EQ(devrx_memory_free(mem.get()), -EBUSY);
	EXPECT_EQ(transfer(rx, mem, MiB), "") << "the owner is disturbed";
}

TEST_F(Refusals, OneQueueTwice)
{
	ASSERT_EQ(open(), outcome(0));
	ASSERT_EQ(make_memory(&other_mem, "udmabuf", 4 * MiB), outcome(0));
	EXPECT_EQ(open_receiver(&other_rx, other_mem, q),
		  outcome(-EBUSY, "queue-bound"));
	EXPECT_EQ(devrx_queue_restore(q.get()), -EBUSY);
	EXPECT_EQ(transfer(rx, mem, MiB), "") << "the owner is disturbed";
}

TEST_F(Refusals, TierDeviceWithoutDmabuf)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	ASSERT_EQ(make_memory(&other_mem, "host", MiB), outcome(0));
	ASSERT_EQ(reserve(&q), outcome(0));
	opts.tier = DEVRX_TIER_ZCRX_DEVICE;
	EXPECT_EQ(open_receiver(&rx, other_mem, q, opts),
		  outcome(-EOPNOTSUPP, "tier-unavailable"));
}

/* What no CPU can write. */
TEST_F(Refusals, TierHostWithoutAWayIntoTheMemory)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	devrx_provider provider = {};
	devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *blind = nullptr;

	provider.size = sizeof(provider);
	provider.name = "blind";
	provider.summary = "a dmabuf and no way in";
	provider.probe = huge_probe;
	provider.alloc = [](const devrx_memory_opts *, devrx_backing *ret,
			    devrx_cause *) {
		ret->dmabuf_fd = raw_udmabuf(4 * MiB);
		ret->len = 4 * MiB;
		return ret->dmabuf_fd < 0 ? -errno : 0;
	};
	provider.free = [](devrx_backing *backing) {
		(void)::close(backing->dmabuf_fd);
	};
	mo.provider = &provider;
	mo.len = 4 * MiB;
	ASSERT_EQ(devrx_memory_alloc(&blind, &mo), 0);
	other_mem.reset(blind);
	ASSERT_EQ(reserve(&q), outcome(0));
	opts.tier = DEVRX_TIER_ZCRX_HOST;
	EXPECT_EQ(open_receiver(&rx, other_mem, q, opts),
		  outcome(-EOPNOTSUPP, "tier-unavailable"));
	opts.tier = DEVRX_TIER_ZCRX_DEVICE;
	EXPECT_EQ(open_receiver(&rx, other_mem, q, opts), outcome(0));
}

TEST_F(Refusals, PartOfADmabuf)
{
	const Fd fd(raw_udmabuf(4 * MiB));

	ASSERT_GE(fd.get(), 0);
	EXPECT_EQ(import_memory(&other_mem, fd.get(), 2 * MiB),
		  outcome(-EINVAL, "dmabuf-partial"));
	EXPECT_EQ(import_memory(&other_mem, fd.get(), 8 * MiB),
		  outcome(-EINVAL, "dmabuf-partial"));
	EXPECT_EQ(import_memory(&other_mem, fd.get(), 4 * MiB), outcome(0));
}

TEST_F(Refusals, NotADmabuf)
{
	const Fd fd(::open("/dev/null", O_RDWR | O_CLOEXEC));

	ASSERT_GE(fd.get(), 0);
	EXPECT_EQ(import_memory(&other_mem, fd.get()),
		  outcome(-EINVAL, "not-a-dmabuf"));
	EXPECT_EQ(import_memory(&other_mem, -1),
		  outcome(-EBADF, "not-a-dmabuf"));
}

TEST_F(Refusals, OptionsThatAreNone)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.cq_entries = 32769;
	EXPECT_EQ(open(opts), outcome(-EINVAL, "opts-invalid"));
	opts.cq_entries = 0;
	opts.flags = 1u << 31;
	EXPECT_EQ(open(opts), outcome(-EINVAL, "opts-invalid"));
}

/* No refusal: a queue can be taken while its NIC is down. */
TEST_F(Refusals, NicDownIsNone)
{
	ASSERT_TRUE(nic_down());
	Defer undo([] { (void)nic_up(); });

	ASSERT_EQ(open(), outcome(0));
	undo.now();
	EXPECT_EQ(transfer(rx, mem, MiB), "");
}

} /* namespace */
