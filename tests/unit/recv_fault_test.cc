// SPDX-License-Identifier: MIT
/* Tier recv: what a kernel may answer, and what it and a provider should not. */
#include <cerrno>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

#include "background.h"
#include "recv_support.h"

extern "C" {
#include "zcrx/explain.h"
}

using namespace recv_test;

namespace
{

/* -- what the kernel may answer -------------------------------------------- */

struct FaultCase {
	const char *name;
	int setup, reg;
	int err;
	const char *id;
};

const FaultCase fault_cases[] = {
	{ "NoDeferTaskrun", -EINVAL, 0, -EOPNOTSUPP, "recv-missing" },
	{ "Forbidden", -EPERM, 0, -EPERM, "io-uring-disabled" },
	{ "NoIoUring", -ENOSYS, 0, -ENOSYS, "io-uring-missing" },
	{ "NoDescriptor", -EMFILE, 0, -EMFILE, "os-error" },
	{ "NoBufferRings", 0, -EINVAL, -EOPNOTSUPP, "recv-missing" },
	{ "Odd", 0, -EEXIST, -EEXIST, "os-error" },
};

class Fault : public ::testing::TestWithParam<FaultCase>
{
};

INSTANTIATE_TEST_SUITE_P(, Fault, ::testing::ValuesIn(fault_cases),
			 [](const auto &p) {
				 return std::string(p.param.name);
			 });

TEST_P(Fault, HasACause)
{
	const FaultCase &c = GetParam();

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	for (bool direct : { true, false }) {
		Rig rig(direct ? host_memory(1 << 20) : remote_memory(1 << 20));

		faults.setup_error = c.setup;
		faults.reg_error = c.reg;
		EXPECT_EQ(rig.open_faulty(), c.err);
		EXPECT_STREQ(rig.cause.id, c.id) << rig.cause.text;
		EXPECT_EQ(rig.rx, nullptr);
	}
}

/* KiB of this process that no child would get, which what we map is. */
uint64_t hidden_from_children()
{
	std::ifstream smaps("/proc/self/smaps");
	uint64_t size = 0, sum = 0;
	std::string line;

	while (std::getline(smaps, line)) {
		if (line.rfind("Size:", 0) == 0)
			size = std::stoull(line.substr(5));
		else if (line.rfind("VmFlags:", 0) == 0 &&
			 line.find(" dc") != std::string::npos)
			sum += size;
	}
	return sum;
}

TEST(RecvOpen, NothingStaysOfAFailedOne)
{
	Rig direct(host_memory(1 << 20)), bounce(remote_memory(1 << 20));

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	const uint64_t before = hidden_from_children();
	EXPECT_GE(before, 1024u); /* the host memory */
	faults.reg_error = -EINVAL;
	EXPECT_EQ(direct.open_faulty(), -EOPNOTSUPP);
	EXPECT_EQ(bounce.open_faulty(), -EOPNOTSUPP);
	EXPECT_EQ(hidden_from_children(), before);
	/* Nor of one that was closed. */
	faults.reg_error = 0;
	for (Rig *rig : { &direct, &bounce }) {
		EXPECT_EQ(rig->open_faulty(), 0);
		EXPECT_GT(hidden_from_children(), before);
		EXPECT_EQ(rig->close(), 0);
		EXPECT_EQ(hidden_from_children(), before);
	}
}

TEST(RecvOpen, LockedMemory)
{
	struct rlimit old, low;
	devrx_cause cause = {};

	ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &old), 0);
	low = old;
	low.rlim_cur = 4096;
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	EXPECT_EQ(drx_explain_buffers(-ENOMEM, 16384, &cause), -ENOMEM);
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &old), 0);
	/* Root has CAP_IPC_LOCK as a rule, a user has not. */
	EXPECT_STREQ(cause.id, geteuid() ? "memlock" : "out-of-memory");
}

/* -- what a provider or a kernel should not do ----------------------------- */

TEST(RecvFault, UploadFails)
{
	for (int error : { -EIO, -ESTALE, 5, -4096 }) {
		Rig rig(remote_memory(1 << 20));
		const int want = error == -ESTALE ? -ESTALE : -EIO;

		RECV_OPEN(rig);
		rig.connect();
		rig.connect();
		rig.send(0, 5);
		rig.drain();
		remote->write_error = error;
		rig.send(0, 1 << 19);
		EXPECT_EQ(rig.wait(), 1);
		EXPECT_EQ(rig.conns[0].last, DEVRX_FRAGMENT_ERROR);
		EXPECT_EQ(rig.conns[0].error, want);
		EXPECT_EQ(rig.why(), "upload-failed");
		/* The others go on, and no buffer is missing. */
		remote->write_error = 0;
		rig.conns[0].to_send = 0;
		rig.conns[0].sent = rig.conns[0].got;
		rig.send(1, 4 << 20);
		rig.drain();
		EXPECT_EQ(rig.conns[1].got, 4u << 20);
		EXPECT_EQ(rig.stats().fragments_out, 0u);
	}
}

/* Of a few large buffers the kernel keeps half, whatever is under way. */
TEST(RecvFault, BatchesLeaveBuffers)
{
	Rig rig(background_memory(64 << 20));

	background::state.late = 1000;
	RECV_OPEN(rig);
	for (int conn = 0; conn < 16; conn++) {
		rig.connect();
		rig.send(conn, 2 << 20);
	}
	rig.drain();
	EXPECT_GT(background::state.copies_at_once, 4u);
	EXPECT_LE(background::state.copies_at_once, 32u)
		<< "of 64 buffers with 64 KiB";
	EXPECT_EQ(rig.stats().bytes, 32u << 20);
}

/* A device loses a batch; the other connection goes on. */
TEST(RecvFault, BatchIsLost)
{
	Rig rig(background_memory(1 << 20));

	RECV_OPEN(rig);
	rig.connect();
	rig.connect();
	rig.send(1, 5);
	rig.drain();
	background::state.wait_error = [](unsigned int) { return -EIO; };
	rig.send(1, 1 << 19);
	EXPECT_EQ(rig.wait(), 1);
	EXPECT_EQ(rig.conns[1].last, DEVRX_FRAGMENT_ERROR);
	EXPECT_EQ(rig.conns[1].error, -EIO);
	EXPECT_EQ(rig.why(), "upload-failed");
	background::state.wait_error = nullptr;
	rig.conns[1].to_send = 0;
	rig.conns[1].sent = rig.conns[1].got;
	rig.send(0, 4 << 20);
	rig.drain();
	EXPECT_EQ(rig.conns[0].got, 4u << 20);
	EXPECT_EQ(rig.stats().fragments_out, 0u);
}

/* All completions that are there, in order. */
template <typename Fn> void each_cqe(struct io_uring *ring, Fn fn)
{
	for (uint32_t i = *ring->cq.khead; i != *ring->cq.ktail; i++)
		fn(&ring->cq.cqes[i & ring->cq.ring_mask]);
}

/* One completion with data is spoilt; the rest of that receive is late data.
 * @lost: buffers that nobody can know of any more. */
void spoil(const std::function<void(struct io_uring_cqe *)> &how,
	   unsigned int lost)
{
	Rig rig(host_memory(1 << 20));
	bool done = false;
	Fragments held;

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	ASSERT_EQ(rig.open_faulty(), 0);
	rig.connect();
	rig.connect();
	rig.send(0, 5);
	rig.drain();
	faults.after_enter = [&](struct io_uring *ring) {
		each_cqe(ring, [&](struct io_uring_cqe *cqe) {
			if (!done && cqe->res > 0)
				how(cqe);
			done |= cqe->res > 0;
		});
	};
	rig.send(0, 1 << 19);
	EXPECT_EQ(rig.wait(), 1);
	EXPECT_EQ(rig.conns[0].error, -EPROTO);
	EXPECT_EQ(rig.why(), "bad-completion");
	rig.conns[0].to_send = 0;
	rig.conns[0].sent = rig.conns[0].got;
	rig.send(1, 4 << 20);
	rig.get(&held, 16 - lost);
	EXPECT_EQ(rig.release(held), 0);
	rig.drain(3);
	EXPECT_EQ(rig.conns[1].got, 4u << 20);
}

TEST(RecvFault, BufferThatIsNotThere)
{
	spoil(
		[](struct io_uring_cqe *cqe) {
			cqe->flags |= UINT32_C(0xffff)
				      << IORING_CQE_BUFFER_SHIFT;
		},
		1);
}

TEST(RecvFault, MoreThanABuffer)
{
	spoil([](struct io_uring_cqe *cqe) { cqe->res = 65537; }, 0);
}

TEST(RecvFault, DataWithoutABuffer)
{
	spoil(
		[](struct io_uring_cqe *cqe) {
			cqe->flags &= ~IORING_CQE_F_BUFFER;
		},
		1);
}

/* A receive that ends twice, the second time in place of another one. */
TEST(RecvFault, TwoEnds)
{
	Rig rig(host_memory(1 << 20));

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	ASSERT_EQ(rig.open_faulty(), 0);
	rig.connect();
	rig.connect();
	EXPECT_EQ(rig.wait(nullptr, 64, 0), 0);
	faults.after_enter = [&](struct io_uring *ring) {
		each_cqe(ring, [&](struct io_uring_cqe *cqe) {
			cqe->user_data = rig.rx->conns[0].user_data;
		});
	};
	rig.finish(0);
	rig.finish(1);
	EXPECT_EQ(rig.wait(), 1);
	EXPECT_TRUE(rig.conns[0].ended);
	EXPECT_EQ(rig.stats().connections, 1u);
	EXPECT_EQ(rig.wait(nullptr, 64, 0), 0);
}

/* The last completion of a receive has data, and the connection was removed
 * before that was seen. */
TEST(RecvFault, RemovedBeforeItsLastData)
{
	Rig rig(host_memory(1 << 20));
	Fragments frags;

	if (!here())
		GTEST_SKIP() << "no io_uring here";
	ASSERT_EQ(rig.open_faulty(), 0);
	rig.connect(Kind::Unix);
	EXPECT_EQ(rig.wait(nullptr, 64, 0), 0);
	faults.after_enter = [&](struct io_uring *ring) {
		struct io_uring_cqe *last = nullptr;

		each_cqe(ring, [&](struct io_uring_cqe *cqe) { last = cqe; });
		if (last)
			last->flags &= ~IORING_CQE_F_MORE;
	};
	rig.send(0, 150000);
	ASSERT_EQ(rig.wait(&frags, 1), 1);
	EXPECT_EQ(devrx_receiver_remove(rig.rx, rig.fd(0)), 0);
	ASSERT_GT(rig.wait(&frags), 1);
	EXPECT_TRUE(rig.conns[0].ended);
	EXPECT_EQ(rig.conns[0].error, -ECANCELED);
	frags.pop_back();
	EXPECT_EQ(rig.release(frags), 0);
}

} // namespace
