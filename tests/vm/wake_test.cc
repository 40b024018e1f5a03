// SPDX-License-Identifier: MIT
/* devrx_receiver_fd() on zcrx: a loop that sleeps on nothing but the descriptor
 * gets every byte; and the sample that is such a loop. */
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <libgen.h>
#include <sstream>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

struct Loop {
	const char *kind;
	uint32_t events;
	uint32_t flags;
};

class Wake : public testing::TestWithParam<Loop>
{
      protected:
	void SetUp() override
	{
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

		ASSERT_TRUE(queue_is_free());
		opts.flags = GetParam().flags;
		ASSERT_EQ(make_memory(&mem, GetParam().kind, 32 * MiB),
			  outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
		set = Fd(epoll_create1(EPOLL_CLOEXEC));
		struct epoll_event event = {};
		event.events = GetParam().events;
		ASSERT_EQ(epoll_ctl(set.get(), EPOLL_CTL_ADD,
				    devrx_receiver_fd(rx.get()), &event),
			  0);
	}

	/* Until nothing comes; what the last wait said. */
	int empty(Follower *follower)
	{
		devrx_fragment frags[64];
		int n;

		while ((n = devrx_receiver_wait(rx.get(), frags, 64, 0)) > 0) {
			for (int i = 0; i < n; i++)
				EXPECT_TRUE(follower->take(frags[i]))
					<< follower->error();
			EXPECT_EQ(devrx_receiver_release(rx.get(), frags,
							 unsigned(n)),
				  0);
		}
		return n;
	}

	bool woken(double seconds)
	{
		struct epoll_event event;
		int n;

		/* The end of an earlier ring interrupts it once. */
		do
			n = epoll_wait(set.get(), &event, 1,
				       int(seconds * 1000));
		while (n < 0 && errno == EINTR);
		return n == 1;
	}

	Memory mem;
	Queue q;
	Receiver rx;
	Fd set;
};

TEST_P(Wake, SleepsOnNothingElse)
{
	std::vector<Stream> plan;
	std::vector<Fd> fds;

	for (unsigned int i = 0; i < 16; i++)
		plan.push_back({ 2 * MiB, i % 2 == 1 });
	Listener listener(steered_port);
	ASSERT_TRUE(listener.ok());
	Sender sender(steered_port, plan);
	Follower follower(mem, 16);
	ASSERT_EQ(add_all(rx, &listener, &sender, plan.size(), &fds), "");
	int n;

	while ((n = empty(&follower)) != -ENOTCONN && !HasFailure()) {
		ASSERT_TRUE(!n || n == -EINTR) << n;
		ASSERT_TRUE(woken(patience)) << follower.bytes() << " bytes";
	}
	EXPECT_EQ(follower.bytes(), 32 * MiB);
	EXPECT_EQ(follower.ended(), 16u);
	EXPECT_EQ(sender.join(), "");
}

TEST_P(Wake, NotWithoutData)
{
	std::vector<Fd> fds;

	Listener listener(steered_port);
	ASSERT_TRUE(listener.ok());
	Sender sender(steered_port, { { 100, false, End::Linger } });
	Follower follower(mem, 1);
	ASSERT_EQ(add_all(rx, &listener, &sender, 1, &fds), "");
	do {
		const int n = empty(&follower);

		ASSERT_TRUE(!n || n == -EINTR) << n;
	} while (follower.bytes() < 100 && woken(patience));
	EXPECT_EQ(follower.bytes(), 100u);
	EXPECT_EQ(empty(&follower), 0);
	EXPECT_FALSE(woken(0));
	sender.finish();
	EXPECT_TRUE(woken(patience));
	EXPECT_EQ(sender.join(), "");
}

INSTANTIATE_TEST_SUITE_P(Loops, Wake,
			 testing::Values(Loop{ "udmabuf", EPOLLIN, 0 },
					 Loop{ "udmabuf", EPOLLIN | EPOLLET,
					       DEVRX_RECEIVER_F_CQE_MIXED },
					 Loop{ "host", EPOLLIN | EPOLLET, 0 }),
			 [](const testing::TestParamInfo<Loop> &info) {
				 return std::string(info.param.kind) +
					(info.param.events & EPOLLET ? "Edge" :
								       "Level");
			 });

TEST(WakeSample, EpollReceive)
{
	char self[512] = "", out[] = "/tmp/epoll_receive.XXXXXX";
	std::string text;
	int status = -1;

	ASSERT_TRUE(queue_is_free());
	ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	const std::string program =
		std::string(dirname(self)) + "/../../samples/epoll_receive";
	if (access(program.c_str(), X_OK))
		GTEST_SKIP() << "the samples were not built";
	const Fd fd(mkstemp(out));
	const std::string port = std::to_string(steered_port);
	const pid_t pid = fork();

	if (!pid) {
		(void)dup2(fd.get(), 1);
		(void)dup2(fd.get(), 2);
		(void)execl(program.c_str(), "epoll_receive", port.c_str(), nic,
			    nullptr);
		_exit(127);
	}
	ASSERT_GT(pid, 0);
	const auto says = [&](const char *what) {
		std::ostringstream all;

		all << std::ifstream(out).rdbuf();
		text = all.str();
		return text.find(what) != std::string::npos;
	};
	const auto ended = [&] {
		return waitpid(pid, &status, WNOHANG) == pid;
	};

	EXPECT_TRUE(poll_until(patience, [&] { return says("listening on"); }))
		<< text;
	{
		Sender sender(steered_port,
			      { { 3 * MiB, false }, { 1000, true } });

		EXPECT_EQ(sender.join(), "");
	}
	EXPECT_TRUE(poll_until(patience, [&] {
		return says(": 3145728 bytes, end of stream") &&
		       says(": 1000 bytes, end of stream");
	})) << text;
	(void)kill(pid, SIGTERM);
	EXPECT_TRUE(poll_until(patience, ended));
	EXPECT_EQ(status, 0) << text;
	EXPECT_TRUE(says("signal 15: 2 connections, 3146728 bytes")) << text;
	(void)unlink(out);
	EXPECT_TRUE(queue_is_free());
}

} /* namespace */
