// SPDX-License-Identifier: MIT
/*
 * Beginnings and ends on the real kernel: connections that end while their
 * bytes are held, receivers that end while bytes are out, processes that are
 * killed or fork, a NIC that goes down, packets around the rule of a host area.
 */
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

/* Is the peer of a socket of [::] an IPv4 one? */
bool is_ipv4(int fd)
{
	struct sockaddr_in6 addr = {};
	socklen_t len = sizeof(addr);

	return !getpeername(fd, reinterpret_cast<sockaddr *>(&addr), &len) &&
	       IN6_IS_ADDR_V4MAPPED(&addr.sin6_addr);
}

class Life : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_TRUE(queue_is_free());
	}

	void open(const char *kind = "udmabuf", uint64_t len = 32 * MiB,
		  devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT)
	{
		ASSERT_EQ(make_memory(&mem, kind, len), outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
	}

	/* Start @plan's streams and add them. */
	void start(std::vector<Stream> plan, uint16_t port = steered_port)
	{
		const size_t n = plan.size();

		Listener listener(port);

		ASSERT_TRUE(listener.ok());
		sender = std::make_unique<Sender>(port, std::move(plan));
		ASSERT_EQ(add_all(rx, &listener, sender.get(), n, &fds), "");
	}

	/* Wait without releasing until all connections have ended. */
	std::vector<devrx_fragment> collect(Follower *follower)
	{
		const double deadline = now() + patience;
		std::vector<devrx_fragment> held;
		devrx_fragment frags[64];

		while (now() < deadline) {
			int n = devrx_receiver_wait(rx.get(), frags, 64,
						    50000000);

			if (n == -ENOTCONN)
				return held;
			for (int i = 0; i < n; i++) {
				EXPECT_TRUE(follower->take(frags[i]))
					<< follower->error();
				held.push_back(frags[i]);
			}
		}
		ADD_FAILURE() << "deadline";
		return held;
	}

	bool all_readable(const std::vector<devrx_fragment> &held)
	{
		View view(mem);

		for (const devrx_fragment &frag : held)
			if (frag.length &&
			    !view.equal(frag,
					Pattern::get().at(unsigned(frag.user),
							  frag.position)))
				return false;
		return true;
	}

	Memory mem;
	Queue q;
	Receiver rx;
	std::unique_ptr<Sender> sender;
	std::vector<Fd> fds;
};

TEST_F(Life, FragmentsOutliveTheirConnection)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { MiB, false }, { MiB, true } }));
	Follower follower(mem, 2);
	const std::vector<devrx_fragment> held = collect(&follower);

	EXPECT_EQ(follower.bytes(), 2 * MiB);
	fds.clear();
	sender.reset();
	/* Other connections come and go through the rest of the memory. */
	EXPECT_EQ(transfer(rx, mem, 8 * MiB, 4), "");
	EXPECT_TRUE(all_readable(held));
	EXPECT_EQ(stats(rx).fragments_out, follower.fragments());
	EXPECT_EQ(devrx_receiver_release(rx.get(), held.data(),
					 unsigned(held.size())),
		  0);
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	EXPECT_EQ(transfer(rx, mem, 16 * MiB, 4), "");
}

TEST_F(Life, CloseWaitsForTheLastFragment)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 100000, false } }));
	Follower follower(mem, 1);
	const std::vector<devrx_fragment> held = collect(&follower);

	EXPECT_EQ(devrx_receiver_close(rx.get(), 0), -EBUSY);
	EXPECT_EQ(cause_id(rx), "fragments-out");
	EXPECT_EQ(queue_user(), uint32_t(DEVRX_QUEUE_USER_IO_URING));
	EXPECT_EQ(transfer(rx, mem, MiB), "") << "close has changed something";
	EXPECT_EQ(devrx_receiver_release(rx.get(), held.data(),
					 unsigned(held.size())),
		  0);
	EXPECT_EQ(devrx_receiver_release(rx.get(), held.data(), 1), -ESTALE);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	EXPECT_TRUE(queue_is_free());
	EXPECT_EQ(works_now(), "");
}

TEST_F(Life, AbandonedBytesStayReadable)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 4 * MiB, false } }));
	Follower follower(mem, 1);
	const std::vector<devrx_fragment> held = collect(&follower);

	ASSERT_EQ(devrx_receiver_close(rx.release(), DEVRX_CLOSE_F_ABANDON), 0);
	EXPECT_TRUE(queue_is_free());
	/* The queue goes on with another memory. */
	EXPECT_EQ(works_now(), "");
	EXPECT_TRUE(all_readable(held));
}

TEST_F(Life, CloseWithConnectionsLeavesThemOpen)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 1000, false, End::Linger } }));
	Follower follower(mem, 1);

	ASSERT_EQ(drain(rx, &follower, patience,
			[&] { return follower.bytes() == 1000; }),
		  "");
	ASSERT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	EXPECT_EQ(send(fds[0].get(), "x", 1, MSG_NOSIGNAL), 1);
	sender->finish();
	EXPECT_EQ(sender->join(), "");
	EXPECT_TRUE(queue_is_free());
}

TEST_F(Life, OpenedAgainRightAfterClose)
{
	ASSERT_NO_FATAL_FAILURE(open("udmabuf", 4 * MiB));
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(transfer(rx, mem, 200000), "") << "round " << i;
		ASSERT_EQ(devrx_receiver_close(rx.release(), 0), 0);
		ASSERT_EQ(open_receiver(&rx, mem, q), outcome(0))
			<< "round " << i;
	}
	EXPECT_EQ(transfer(rx, mem, 200000), "");
}

TEST_F(Life, OwnerKilledInMidTransfer)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		Follower *follower;

		open();
		start({ { 16 * MiB, false }, { 16 * MiB, true } });
		follower = new Follower(mem, 2);
		(void)drain(rx, follower, patience,
			    [&] { return follower->bytes() > 4 * MiB; });
		/* Not released, not closed, in the midst of it. */
		devrx_fragment frags[64];

		(void)devrx_receiver_wait(rx.get(), frags, 64, 1000000000);
		_exit(write(ready[1], "x", 1) != 1 || pause());
	}
	ASSERT_GT(pid, 0);
	(void)close(ready[1]);
	EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the child never got so far";
	(void)close(ready[0]);
	(void)kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	/* Straight after it: the open waits for the queue. */
	EXPECT_EQ(works_now(), "");
}

TEST_F(Life, ForkedChildHasNoPart)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 16 * MiB, false } }));
	Follower follower(mem, 1);

	ASSERT_EQ(drain(rx, &follower, patience,
			[&] { return follower.bytes() > MiB; }),
		  "");
	EXPECT_EQ(in_child([&] {
			  devrx_fragment frag = {};
			  char byte;

			  if (devrx_receiver_wait(rx.get(), &frag, 1, 0) !=
				      -EPERM ||
			      devrx_receiver_add(rx.get(), 0, 0) != -EPERM ||
			      devrx_receiver_remove(rx.get(), fds[0].get()) !=
				      -EPERM ||
			      devrx_receiver_release(rx.get(), &frag, 1) !=
				      -EPERM ||
			      devrx_memory_read(mem.get(), 0, &byte, 1) !=
				      -EPERM)
				  return outcome(-EPROTO, "a call got through");
			  if (cause_id(rx) != "forked")
				  return outcome(-EPROTO, "no cause");
			  if (devrx_receiver_close(rx.release(), 0) ||
			      devrx_memory_free(mem.release()))
				  return outcome(-EPROTO, "not dropped");
			  return outcome(0);
		  }),
		  outcome(0));
	EXPECT_EQ(drain(rx, &follower), "");
	EXPECT_EQ(follower.bytes(), 16 * MiB);
	EXPECT_EQ(follower.end(0), DEVRX_FRAGMENT_EOF);
}

/* A child that only inherited, and does nothing, must not keep the queue once
 * it has given the descriptors away by exec. */
TEST_F(Life, ChildThatExecsDoesNotKeepTheQueue)
{
	int status;
	pid_t pid;

	ASSERT_NO_FATAL_FAILURE(open());
	pid = fork();
	if (!pid) {
		(void)execlp("sleep", "sleep", "30", nullptr);
		_exit(127);
	}
	ASSERT_GT(pid, 0);
	const std::string exe = "/proc/" + std::to_string(pid) + "/comm";

	EXPECT_TRUE(poll_until(patience, [&] {
		char name[16] = "";
		const Fd fd(::open(exe.c_str(), O_RDONLY | O_CLOEXEC));

		return read(fd.get(), name, 5) == 5 && !strcmp(name, "sleep");
	}));
	ASSERT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	EXPECT_TRUE(queue_is_free());
	EXPECT_EQ(works_now(), "");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
}

TEST_F(Life, NicDownAndUpLosesNothing)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(start({ { 16 * MiB, false } }));
	Follower follower(mem, 1);
	std::vector<devrx_fragment> held;
	devrx_fragment frags[64];

	/* Some of it is held across the interruption. */
	while (held.size() < 200) {
		int n = wait_for_some(rx, frags, 64);

		ASSERT_GT(n, 0);
		for (int i = 0; i < n; i++) {
			ASSERT_TRUE(follower.take(frags[i]))
				<< follower.error();
			held.push_back(frags[i]);
		}
	}
	ASSERT_TRUE(nic_down());
	Defer undo([] { (void)nic_up(); });

	/* The kernel does not always say who, but it must not say nobody. */
	EXPECT_NE(queue_user(), uint32_t(DEVRX_QUEUE_USER_NONE));
	undo.now();
	EXPECT_TRUE(all_readable(held));
	EXPECT_EQ(devrx_receiver_release(rx.get(), held.data(),
					 unsigned(held.size())),
		  0);
	EXPECT_EQ(drain(rx, &follower), "");
	EXPECT_EQ(follower.bytes(), 16 * MiB);
	EXPECT_EQ(follower.end(0), DEVRX_FRAGMENT_EOF);
	EXPECT_EQ(sender->join(), "");
}

TEST_F(Life, PeerResets)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(
		start({ { MiB, false, End::Reset }, { MiB, true } }));
	Follower follower(mem, 2);

	ASSERT_EQ(drain(rx, &follower), "");
	EXPECT_EQ(follower.end(0), DEVRX_FRAGMENT_ERROR);
	EXPECT_EQ(follower.end_error(0), -ECONNRESET);
	/* What had come before is delivered, and the other one is whole. */
	EXPECT_LE(follower.position(0), MiB);
	EXPECT_EQ(follower.end(1), DEVRX_FRAGMENT_EOF);
	EXPECT_EQ(follower.position(1), MiB);
}

TEST_F(Life, Removed)
{
	ASSERT_NO_FATAL_FAILURE(open());
	ASSERT_NO_FATAL_FAILURE(
		start({ { 5000, false, End::Linger }, { 4 * MiB, true } }));
	Follower follower(mem, 2);

	ASSERT_EQ(drain(rx, &follower, patience,
			[&] { return follower.position(0) == 5000; }),
		  "");
	/* Stream 0 is the one over IPv4, whatever was accepted first. */
	int removed = -1;

	for (const Fd &each : fds)
		if (is_ipv4(each.get()))
			removed = each.get();
	ASSERT_GE(removed, 0);
	EXPECT_EQ(devrx_receiver_remove(rx.get(), removed), 0);
	EXPECT_EQ(drain(rx, &follower), "");
	EXPECT_EQ(follower.end(0), DEVRX_FRAGMENT_ERROR);
	EXPECT_EQ(follower.end_error(0), -ECANCELED);
	EXPECT_EQ(follower.position(0), 5000u);
	EXPECT_EQ(follower.end(1), DEVRX_FRAGMENT_EOF);
	EXPECT_EQ(follower.position(1), 4 * MiB);
	EXPECT_EQ(devrx_receiver_remove(rx.get(), removed), -ENOENT);
	/* It is the caller's again. */
	EXPECT_EQ(devrx_receiver_add(rx.get(), removed, 0), 0);
	EXPECT_EQ(devrx_receiver_remove(rx.get(), removed), 0);
}

TEST_F(Life, UnsteeredConnectionIsCopiedIntoAHostArea)
{
	struct devrx_features features = {};

	features.size = sizeof(features);
	ASSERT_EQ(devrx_features_probe(&features, nullptr), 0);
	ASSERT_NO_FATAL_FAILURE(open("host"));
	EXPECT_EQ(transfer(rx, mem, 4 * MiB, 2, other_port), "");
	EXPECT_EQ(stats(rx).bytes, 8 * MiB);
	if (features.flags & DEVRX_FEATURE_EVENTS) {
		EXPECT_GT(stats(rx).bytes_copied, 0u);
		EXPECT_LE(stats(rx).bytes_copied, 8 * MiB);
	}
	const uint64_t copied = stats(rx).bytes_copied;

	EXPECT_EQ(transfer(rx, mem, 4 * MiB, 2), "");
	EXPECT_EQ(stats(rx).bytes_copied, copied) << "steered, yet copied";
}

class LifeMixed : public Life, public testing::WithParamInterface<uint32_t>
{
};

TEST_P(LifeMixed, SmallCompletionQueueLosesNothing)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.cq_entries = 16;
	opts.flags = GetParam();
	ASSERT_NO_FATAL_FAILURE(open("udmabuf", 32 * MiB, opts));
	EXPECT_EQ(receiver_info(rx).cq_entries, 16u);
	EXPECT_EQ(transfer(rx, mem, 4 * MiB, 8), "");
	EXPECT_EQ(stats(rx).bytes, 32 * MiB);
	EXPECT_GT(stats(rx).overflows, 0u);
}

TEST_P(LifeMixed, ShortStreams)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.flags = GetParam();
	ASSERT_NO_FATAL_FAILURE(open("udmabuf", 4 * MiB, opts));
	ASSERT_NO_FATAL_FAILURE(start(
		{ { 0, false }, { 1, false }, { 0, true }, { 1, true } }));
	Follower follower(mem, 4);

	ASSERT_EQ(drain(rx, &follower), "");
	for (unsigned int i = 0; i < 4; i++) {
		EXPECT_EQ(follower.end(i), DEVRX_FRAGMENT_EOF) << i;
		EXPECT_EQ(follower.position(i), i % 2) << i;
	}
	EXPECT_EQ(stats(rx).fragments, 2u);
}

INSTANTIATE_TEST_SUITE_P(Rings, LifeMixed,
			 testing::Values(0u, DEVRX_RECEIVER_F_CQE_MIXED),
			 [](const testing::TestParamInfo<uint32_t> &info) {
				 return std::string(info.param ? "Mixed" :
								 "Cqe32");
			 });

/* The NIC's memory is all in the caller's hands, and flows again afterwards. With
 * flow control it would not come to that (flow_test.cc). */
TEST_F(Life, EverythingHeldThenReleased)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	opts.flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL;
	ASSERT_NO_FATAL_FAILURE(open("udmabuf", 2 * MiB, opts));
	ASSERT_NO_FATAL_FAILURE(start({ { 8 * MiB, false } }));
	Follower follower(mem, 1);
	std::vector<devrx_fragment> held;
	const double deadline = now() + patience;
	devrx_fragment frags[64];
	int quiet = 0;

	/* Until nothing comes any more: the area is full. A sender that is slow
	 * to begin looks the same.
	 */
	while (quiet < 2 || follower.bytes() <= MiB) {
		int n = wait_for_some(rx, frags, 64, 0.1);

		ASSERT_GE(n, 0);
		ASSERT_LT(now(), deadline);
		quiet = n ? 0 : quiet + 1;
		for (int i = 0; i < n; i++) {
			ASSERT_TRUE(follower.take(frags[i]))
				<< follower.error();
			held.push_back(frags[i]);
		}
	}
	EXPECT_LT(follower.bytes(), 8 * MiB);
	EXPECT_TRUE(all_readable(held));
	EXPECT_EQ(devrx_receiver_release(rx.get(), held.data(),
					 unsigned(held.size())),
		  0);
	EXPECT_EQ(drain(rx, &follower), "");
	EXPECT_EQ(follower.bytes(), 8 * MiB);
	EXPECT_EQ(follower.end(0), DEVRX_FRAGMENT_EOF);
}

TEST_F(Life, MaxFragmentsOut)
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	devrx_fragment frags[64];

	opts.max_fragments = 8;
	ASSERT_NO_FATAL_FAILURE(open("udmabuf", 8 * MiB, opts));
	ASSERT_NO_FATAL_FAILURE(start({ { MiB, false } }));
	Follower follower(mem, 1);
	unsigned int out = 0;

	while (out < 8) {
		int n = wait_for_some(rx, frags + out, 64 - out);

		ASSERT_GT(n, 0);
		for (int i = 0; i < n; i++)
			ASSERT_TRUE(follower.take(frags[out + unsigned(i)]));
		out += unsigned(n);
	}
	EXPECT_EQ(out, 8u);
	EXPECT_EQ(wait_for_some(rx, frags + 8, 8), -ENOBUFS);
	EXPECT_EQ(devrx_receiver_release(rx.get(), frags, 8), 0);
	EXPECT_EQ(drain(rx, &follower), "");
	EXPECT_EQ(follower.bytes(), MiB);
}

} /* namespace */
