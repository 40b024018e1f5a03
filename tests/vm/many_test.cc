// SPDX-License-Identifier: MIT
/*
 * A receiver per thread and queue: connections go to the thread whose queue they
 * arrive on, those that are opened here arrive where they are wanted, and no
 * byte is copied. RSS spreads over queues 1 to 3.
 */
#include <arpa/inet.h>
#include <cerrno>
#include <condition_variable>
#include <fcntl.h>
#include <csignal>
#include <fstream>
#include <libgen.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

constexpr unsigned int nr_queues = 3;

/* A new NIC's key is random, and some spread few ports badly. This one is the
 * specification's (Microsoft).
 */
constexpr char key[] =
	"6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:"
	"ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa";

class Many : public testing::Test
{
      protected:
	void SetUp() override
	{
		ASSERT_EQ(run({ "ethtool", "-X", nic, "hkey", key }), 0);
		ASSERT_EQ(run({ "ethtool", "-X", nic, "start", "1", "equal",
				"3" }),
			  0);
		for (unsigned int i = 0; i < nr_queues; i++) {
			ASSERT_TRUE(queue_is_free(patience, 1 + i));
			ASSERT_EQ(reserve(&queues[i], nic, 1 + i), outcome(0));
			raw[i] = queues[i].get();
		}
	}
	void TearDown() override
	{
		EXPECT_EQ(run({ "ethtool", "-X", nic, "equal", "3" }), 0);
	}

	Queue queues[nr_queues];
	devrx_queue *raw[nr_queues] = {};
	devrx_cause cause = {};
};

/* A thread with a receiver, which takes connections from the one that accepts. */
class Worker
{
      public:
	Worker(devrx_queue *q, unsigned int streams)
	    : thread_([this, q, streams] { error_ = work(q, streams); })
	{
	}
	/* What comes before is not in its memory. */
	bool opens() const
	{
		return poll_until(patience, [&] { return open_.load(); });
	}
	void take(Fd fd, unsigned int stream)
	{
		const std::lock_guard lock(mutex_);

		inbox_.emplace_back(std::move(fd), stream);
		came_.notify_one();
		taken++;
	}
	/* What went wrong, or "". */
	std::string join()
	{
		{
			const std::lock_guard lock(mutex_);

			last_ = true;
			came_.notify_one();
		}
		thread_.join();
		return error_;
	}

	unsigned int taken = 0;
	ReceiverStats stats = {};

      private:
	using Box = std::vector<std::pair<Fd, unsigned int>>;

	/* What has come; with @sleep not before something has, or will not. */
	Box look(bool sleep)
	{
		std::unique_lock lock(mutex_);

		if (sleep)
			came_.wait(lock,
				   [&] { return last_ || !inbox_.empty(); });
		return std::exchange(inbox_, Box());
	}

	std::string work(devrx_queue *q, unsigned int streams)
	{
		devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
		devrx_receiver *open = nullptr;
		Memory mem;
		Receiver rx;
		std::string error;
		Box mine;
		bool idle = true;

		opts.bind_timeout_ms = uint32_t(patience * 1000);
		if (make_memory(&mem, "udmabuf", 16 * MiB).err ||
		    devrx_receiver_open(&open, mem.get(), q, &opts))
			return "the receiver does not open";
		rx.reset(open);
		open_ = true;
		Follower follower(mem, streams);

		for (;;) {
			Box box = look(idle);

			if (idle && box.empty())
				break;
			for (auto &[fd, stream] : box) {
				if (devrx_receiver_add(rx.get(), fd.get(),
						       stream))
					return "add";
				mine.emplace_back(std::move(fd), stream);
			}
			/* Until all have ended, or some more have come. */
			error = drain(rx, &follower, patience, [&] {
				const std::lock_guard lock(mutex_);

				return !inbox_.empty();
			});
			if (!error.empty())
				return error;
			idle = follower.ended() == mine.size();
		}
		stats = vm::stats(rx);
		for (const auto &[fd, stream] : mine)
			if (follower.end(stream) != DEVRX_FRAGMENT_EOF)
				return "stream " + std::to_string(stream) +
				       " has no end";
		return "";
	}

	std::mutex mutex_;
	std::condition_variable came_;
	Box inbox_;
	bool last_ = false;
	std::atomic<bool> open_{ false };
	std::string error_;
	std::thread thread_;
};

TEST_F(Many, AcceptedConnectionsGoToTheThreadOfTheirQueue)
{
	constexpr unsigned int n = 48;
	constexpr uint64_t len = 512 << 10;
	std::vector<std::unique_ptr<Worker>> workers;
	std::vector<Stream> plan;
	uint64_t bytes = 0;

	for (devrx_queue *q : raw)
		workers.push_back(std::make_unique<Worker>(q, n));
	for (unsigned int i = 0; i < n; i++)
		plan.push_back({ len + i, i % 2 == 1 });
	for (auto &worker : workers)
		EXPECT_TRUE(worker->opens());
	Listener listener(other_port);
	EXPECT_TRUE(listener.ok());
	Sender sender(other_port, plan);
	for (unsigned int i = 0; i < n; i++) {
		Peer peer = {};
		Fd fd = listener.accept(&peer);
		const int stream = fd.get() < 0 ? -1 : sender.stream_of(peer);

		if (stream < 0) {
			ADD_FAILURE() << "nobody connects";
			break;
		}
		const int place =
			devrx_queue_find(raw, nr_queues, fd.get(), &cause);

		if (place < 0) {
			ADD_FAILURE() << outcome(place, cause);
			break;
		}
		workers[unsigned(place)]->take(std::move(fd), unsigned(stream));
	}
	if (HasFailure())
		sender.stop();
	for (auto &worker : workers) {
		EXPECT_EQ(worker->join(), "");
		EXPECT_GT(worker->taken, 0u);
		EXPECT_EQ(worker->stats.bytes_copied, 0u);
		EXPECT_EQ(worker->stats.drains, 0u);
		EXPECT_EQ(worker->stats.connections_total, worker->taken);
		bytes += worker->stats.bytes;
	}
	EXPECT_EQ(bytes, n * len + n * (n - 1) / 2);
	EXPECT_EQ(sender.join(), "");
}

/* Both ends of the connections that are opened here. */
struct Ends {
	sockaddr_storage local = {}, remote = {};
	uint32_t len;

	Ends(const char *from, const char *to, uint16_t port)
	{
		auto *in = reinterpret_cast<sockaddr_in *>(&local);
		auto *in6 = reinterpret_cast<sockaddr_in6 *>(&local);

		len = sizeof(*in6);
		local.ss_family = remote.ss_family =
			strchr(from, ':') ? AF_INET6 : AF_INET;
		if (local.ss_family == AF_INET6) {
			(void)inet_pton(AF_INET6, from, &in6->sin6_addr);
			in6 = reinterpret_cast<sockaddr_in6 *>(&remote);
			(void)inet_pton(AF_INET6, to, &in6->sin6_addr);
			in6->sin6_port = htons(port);
			return;
		}
		len = sizeof(*in);
		(void)inet_pton(AF_INET, from, &in->sin_addr);
		in = reinterpret_cast<sockaddr_in *>(&remote);
		(void)inet_pton(AF_INET, to, &in->sin_addr);
		in->sin_port = htons(port);
	}
	Fd socket() const
	{
		return Fd(::socket(local.ss_family, SOCK_STREAM | SOCK_CLOEXEC,
				   0));
	}
	int bind(devrx_queue *q, const Fd &fd, devrx_cause *cause) const
	{
		*cause = {};
		return devrx_queue_bind_port(
			q, fd.get(), reinterpret_cast<const sockaddr *>(&local),
			reinterpret_cast<const sockaddr *>(&remote), len,
			cause);
	}
	int connect(const Fd &fd) const
	{
		return ::connect(fd.get(),
				 reinterpret_cast<const sockaddr *>(&remote),
				 len) ?
			       -errno :
			       0;
	}
};

uint16_t port_of(const Fd &fd)
{
	sockaddr_in6 addr = {};
	socklen_t len = sizeof(addr);

	if (getsockname(fd.get(), reinterpret_cast<sockaddr *>(&addr), &len))
		return 0;
	return ntohs(addr.sin6_port); /* where IPv4 has it too */
}

constexpr uint16_t server_port = 9100;

/* In "peer": the i-th connection is sent stream i, one after the other. */
class Server
{
      public:
	Server(unsigned int n, size_t len)
	    : thread_([this, n, len] { in_peer([&] { serve(n, len); }); })
	{
		EXPECT_TRUE(
			poll_until(patience, [&] { return ready_.load(); }));
	}
	~Server()
	{
		thread_.join();
	}
	std::string error;

      private:
	void serve(unsigned int n, size_t len)
	{
		Listener listener(server_port);

		ready_ = true;
		for (unsigned int i = 0; i < n; i++) {
			const Fd fd = listener.accept(nullptr);
			const char *at = Pattern::get().at(i, 0);
			size_t left = len;

			while (left) {
				const ssize_t sent =
					send(fd.get(), at, left, MSG_NOSIGNAL);

				if (sent <= 0)
					return;
				at += sent;
				left -= size_t(sent);
			}
		}
	}

	std::atomic<bool> ready_{ false };
	std::thread thread_;
};

TEST_F(Many, ConnectionsOpenedHereArriveWhereTheyAreWanted)
{
	const Ends ends[] = {
		{ "10.77.0.2", "10.77.0.1", server_port },
		{ "fd77::2", "fd77::1", server_port },
		{ "::ffff:10.77.0.2", "::ffff:10.77.0.1", server_port },
	};
	constexpr unsigned int n = 27;
	constexpr size_t len = 200000;
	Memory mem[nr_queues];
	Receiver rx[nr_queues];
	std::vector<Fd> fds;

	for (unsigned int i = 0; i < nr_queues; i++) {
		ASSERT_EQ(make_memory(&mem[i], "udmabuf", 16 * MiB),
			  outcome(0));
		ASSERT_EQ(open_receiver(&rx[i], mem[i], queues[i]), outcome(0));
	}
	Server server(n, len);

	for (unsigned int i = 0; i < n; i++) {
		const Ends &e = ends[i / 3 % 3];
		Fd fd = e.socket();
		int err = e.bind(raw[i % 3], fd, &cause);

		EXPECT_EQ(outcome(err, cause), outcome(0));
		err = e.connect(fd);
		EXPECT_EQ(err, 0) << strerror(-err);
		EXPECT_EQ(devrx_queue_find(raw, nr_queues, fd.get(), &cause),
			  int(i % 3))
			<< cause.text;
		EXPECT_EQ(devrx_receiver_add(rx[i % 3].get(), fd.get(), i), 0);
		fds.push_back(std::move(fd));
	}
	/* The server sends in order, and each of these gets a third of it. */
	std::vector<std::unique_ptr<Follower>> followers;

	for (const Memory &m : mem)
		followers.push_back(std::make_unique<Follower>(m, n));
	EXPECT_TRUE(poll_until(patience, [&] {
		unsigned int ended = 0;

		for (unsigned int i = 0; i < nr_queues; i++) {
			const double once = now();

			EXPECT_EQ(drain(rx[i], followers[i].get(), patience,
					[&] { return now() > once; }),
				  "");
			ended += followers[i]->ended();
		}
		return ended == n || HasFailure();
	}));
	for (unsigned int i = 0; i < nr_queues; i++) {
		EXPECT_EQ(followers[i]->bytes(), n / 3 * len);
		EXPECT_EQ(stats(rx[i]).bytes_copied, 0u);
		EXPECT_EQ(stats(rx[i]).drains, 0u);
	}
}

/* What is known is from the last packet. */
TEST_F(Many, AFlowThatMovesIsFoundWhereItWent)
{
	Listener listener(other_port);
	char byte = 0;

	ASSERT_TRUE(listener.ok());
	const Fd peer(connect_peer(other_port, false));
	const Fd fd = listener.accept(nullptr);

	ASSERT_GE(fd.get(), 0);
	const int before = devrx_queue_find(raw, 3, fd.get(), &cause);

	ASSERT_GE(before, 0) << cause.text;
	const unsigned int after = unsigned(before + 1) % 3;
	const std::string port = std::to_string(other_port);

	ASSERT_EQ(run({ "ethtool", "-N", nic, "flow-type", "tcp4", "dst-port",
			port, "action", std::to_string(after + 1), "loc",
			"20" }),
		  0);
	Defer undo([] {
		EXPECT_EQ(run({ "ethtool", "-N", nic, "delete", "20" }), 0);
	});
	ASSERT_EQ(write(peer.get(), "x", 1), 1);
	ASSERT_TRUE(poll_in(fd.get(), patience));
	ASSERT_EQ(read(fd.get(), &byte, 1), 1);
	EXPECT_EQ(devrx_queue_find(raw, 3, fd.get(), &cause), int(after));
	/* Not among those that are asked about. */
	EXPECT_EQ(devrx_queue_find(&raw[before], 1, fd.get(), &cause), -ENOENT);
	EXPECT_STREQ(cause.id, "queue-other");
	/* The same queue twice is the first of them. */
	devrx_queue *const twice[] = { raw[before], raw[after], raw[after] };

	EXPECT_EQ(devrx_queue_find(twice, 3, fd.get(), &cause), 1);
}

TEST_F(Many, AQueueOutsideTheTableNeedsARule)
{
	const Ends ends("10.77.0.2", "10.77.0.1", server_port);
	const Fd fd = ends.socket();
	Queue outside;

	ASSERT_EQ(reserve(&outside, nic, 0), outcome(0));
	EXPECT_EQ(outcome(ends.bind(outside.get(), fd, &cause), cause),
		  outcome(-ENOENT, "rss-queue"));
	EXPECT_NE(strstr(cause.next, "ethtool -N softnic1 flow-type tcp4"),
		  nullptr)
		<< cause.next;
	EXPECT_EQ(port_of(fd), 0);
}

TEST_F(Many, AHashWithoutPortsCannotBeChosenBy)
{
	const Ends ends("10.77.0.2", "10.77.0.1", server_port);
	const Fd fd = ends.socket();

	ASSERT_EQ(run({ "ethtool", "-N", nic, "rx-flow-hash", "tcp4", "sd" }),
		  0);
	Defer undo([] {
		EXPECT_EQ(run({ "ethtool", "-N", nic, "rx-flow-hash", "tcp4",
				"sdfn" }),
			  0);
	});
	EXPECT_EQ(outcome(ends.bind(raw[0], fd, &cause), cause),
		  outcome(-EOPNOTSUPP, "rss-hash"));
	EXPECT_STREQ(cause.next, "ethtool -N softnic1 rx-flow-hash tcp4 sdfn");
	undo.now();
	EXPECT_EQ(outcome(ends.bind(raw[0], fd, &cause), cause), outcome(0));
}

/* Of a socket that may have ports 40000 to 40029 only. */
Fd narrow_socket(const Ends &ends)
{
	const uint32_t range = 40029u << 16 | 40000;
	Fd fd = ends.socket();

	EXPECT_EQ(setsockopt(fd.get(), IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */,
			     &range, sizeof(range)),
		  0);
	return fd;
}

TEST_F(Many, PortsThatAreTakenArePassedOver)
{
	const Ends ends("10.77.0.2", "10.77.0.1", server_port);
	std::vector<Fd> fds;
	std::vector<bool> seen(30);

	/* All that lead there, one after the other. */
	for (;;) {
		Fd fd = narrow_socket(ends);
		const int err = ends.bind(raw[1], fd, &cause);
		const uint16_t port = port_of(fd);

		if (err) {
			EXPECT_EQ(outcome(err, cause),
				  outcome(-EADDRINUSE, "ports-used"));
			EXPECT_EQ(port, 0);
			break;
		}
		ASSERT_GE(port, 40000);
		ASSERT_LE(port, 40029);
		EXPECT_FALSE(seen[port - 40000]);
		seen[port - 40000] = true;
		fds.push_back(std::move(fd));
	}
	EXPECT_GT(fds.size(), 1u);
	EXPECT_LT(fds.size(), 30u) << "of other queues";
	/* One is free again. */
	fds.pop_back();
	const Fd fd = narrow_socket(ends);

	EXPECT_EQ(outcome(ends.bind(raw[1], fd, &cause), cause), outcome(0));
}

TEST_F(Many, ReservedPortsAreLeftAlone)
{
	const Ends ends("10.77.0.2", "10.77.0.1", server_port);
	const Fd fd = narrow_socket(ends);
	const auto reserved = [](const char *list) {
		std::ofstream file(
			"/proc/sys/net/ipv4/ip_local_reserved_ports");

		file << list << std::endl;
		return file.good();
	};

	ASSERT_TRUE(reserved("39000,40000-40029"));
	Defer undo([&] { EXPECT_TRUE(reserved("")); });
	EXPECT_EQ(outcome(ends.bind(raw[1], fd, &cause), cause),
		  outcome(-EADDRINUSE, "ports-used"));
	undo.now();
	EXPECT_EQ(outcome(ends.bind(raw[1], fd, &cause), cause), outcome(0));
}

TEST_F(Many, WhatBindRefusesIsSaid)
{
	const Ends ends("10.77.0.2", "10.77.0.1", server_port);
	const Ends foreign("10.77.0.77", "10.77.0.1", server_port);
	const Fd fd = ends.socket();

	EXPECT_EQ(outcome(foreign.bind(raw[0], fd, &cause), cause),
		  outcome(-EADDRNOTAVAIL, "os-error"));
	EXPECT_EQ(outcome(ends.bind(raw[0], fd, &cause), cause), outcome(0));
	EXPECT_EQ(outcome(ends.bind(raw[0], fd, &cause), cause),
		  outcome(-EINVAL, "os-error"))
		<< "bound already";
}

/* The sample: what it says of each queue is what came there. */
TEST_F(Many, Sample)
{
	constexpr unsigned int n = 24;
	char self[512] = "", out[] = "/tmp/threads_receive.XXXXXX";
	std::string text;
	int status = -1;

	ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	const std::string program =
		std::string(dirname(self)) + "/../../samples/threads_receive";
	if (access(program.c_str(), X_OK))
		GTEST_SKIP() << "the samples were not built";
	const Fd fd(mkstemp(out));
	const std::string port = std::to_string(other_port);
	const pid_t pid = fork();

	if (!pid) {
		(void)dup2(fd.get(), 1);
		(void)dup2(fd.get(), 2);
		(void)execl(program.c_str(), "threads_receive", port.c_str(),
			    nic, "1", "3", nullptr);
		_exit(127);
	}
	ASSERT_GT(pid, 0);
	/* How often it says that. */
	const auto says = [&](const std::string &what) {
		std::ostringstream all;
		unsigned int times = 0;
		size_t at = 0;

		all << std::ifstream(out).rdbuf();
		text = all.str();
		while ((at = text.find(what, at)) != std::string::npos) {
			at += what.size();
			times++;
		}
		return times;
	};

	EXPECT_TRUE(poll_until(patience, [&] { return says("listening"); }))
		<< text;
	{
		Sender sender(other_port,
			      std::vector<Stream>(n, { 100000, false }));

		EXPECT_EQ(sender.join(), "");
	}
	EXPECT_TRUE(poll_until(patience, [&] {
		return says(": a connection of 100000 bytes") == n;
	})) << text;
	(void)kill(pid, SIGTERM);
	EXPECT_TRUE(poll_until(patience, [&] {
		return waitpid(pid, &status, WNOHANG) == pid;
	}));
	EXPECT_EQ(status, 0) << text;
	for (int i = 1; i <= 3; i++) {
		const std::string queue = "queue " + std::to_string(i) + ": ";
		const unsigned int took = says(queue + "a connection");

		EXPECT_GT(took, 0u);
		EXPECT_EQ(says(queue + std::to_string(took) + " connections, " +
			       std::to_string(took) + "00000 bytes, 0 copied"),
			  1u)
			<< text;
	}
	(void)unlink(out);
}

/* Nothing of it needs a privilege. */
TEST_F(Many, WithoutCapabilities)
{
	const Outcome o = in_child([&] {
		const Ends ends("10.77.0.2", "10.77.0.1", server_port);
		const Fd fd = ends.socket();

		if (!drop_cap(CAP_NET_ADMIN) || !drop_cap(CAP_NET_BIND_SERVICE))
			return outcome(-EPERM, "drop");
		return outcome(ends.bind(raw[2], fd, &cause), cause);
	});

	EXPECT_EQ(o, outcome(0));
}

} /* namespace */
