// SPDX-License-Identifier: MIT
#include "support_softnic.h"

#include <algorithm>
#include <chrono>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace softnic
{

static std::string in(const std::string &command, const char *ns)
{
	/* busybox, should it come first in PATH, has another ip. */
	if (!ns)
		return command;
	return std::string("/usr/sbin/ip netns exec ") + ns + " " + command;
}

int sh(const std::string &command, const char *ns)
{
	const std::string quiet =
		"{ " + in(command, ns) + "; } >/dev/null 2>&1";
	const int status = system(quiet.c_str());

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string output_of(const std::string &command, const char *ns)
{
	FILE *pipe = popen((in(command, ns) + " 2>&1").c_str(), "r");
	std::string all;
	char buf[4096];
	size_t n;

	while (pipe && (n = fread(buf, 1, sizeof(buf), pipe)) > 0)
		all.append(buf, n);
	if (pipe)
		pclose(pipe);
	return all;
}

int cycles(int otherwise)
{
	const char *asked = getenv("DEVRX_CYCLES");

	return asked ? atoi(asked) : otherwise;
}

bool wait_for(const std::function<bool()> &done)
{
	using namespace std::chrono;
	const auto deadline = steady_clock::now() + seconds(60);

	while (!done()) {
		if (steady_clock::now() > deadline)
			return false;
		std::this_thread::sleep_for(milliseconds(20));
	}
	return true;
}

Inside::Inside(const char *ns)
{
	const int fd = open((std::string("/run/netns/") + ns).c_str(),
			    O_RDONLY | O_CLOEXEC);

	before = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || before < 0 || setns(fd, CLONE_NEWNET)) {
		perror(ns);
		abort();
	}
	close(fd);
}

Inside::~Inside()
{
	if (setns(before, CLONE_NEWNET))
		abort();
	close(before);
}

static bool open_frames(FrameSocket *frames, int ioctls)
{
	std::array<unsigned char, 6> mac = {};
	struct ifreq ifr = {};

	strcpy(ifr.ifr_name, "snb");
	if (ioctl(ioctls, SIOCGIFHWADDR, &ifr))
		return false;
	memcpy(mac.data(), ifr.ifr_hwaddr.sa_data, mac.size());
	const Inside sna("sna");
	return frames->open("sna", mac);
}

/* `ip netns exec` gives us a /sys of our own, with no debugfs on it. */
static std::string debugfs_of(const std::string &dev_port)
{
	static const char where[] = "/tmp/devrx-debugfs";
	static const bool mounted = (mkdir(where, 0700), true) &&
				    !mount("none", where, "debugfs", 0, "");

	return mounted ? std::string(where) + "/devrx_softnic/" + dev_port : "";
}

/* The names of ethtool -S, in the order of their values. */
static std::vector<std::string> stat_names(int fd)
{
	std::vector<char> room(sizeof(ethtool_gstrings) +
			       4096 * ETH_GSTRING_LEN);
	auto *strings = reinterpret_cast<ethtool_gstrings *>(room.data());
	std::vector<std::string> names;
	struct ifreq ifr = {};

	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_STATS;
	strcpy(ifr.ifr_name, "snb");
	ifr.ifr_data = room.data();
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		return names;
	for (uint32_t i = 0; i < strings->len && i < 4096; i++)
		names.emplace_back(reinterpret_cast<char *>(strings->data) +
				   i * ETH_GSTRING_LEN);
	return names;
}

static int socket_in_snb()
{
	const Inside snb("snb");

	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* Of OnPair. */
static Pair *shared;

Pair::Pair()
{
	const std::string ip = "/usr/sbin/ip ";

	/* The names are taken by one at a time. */
	delete shared;
	shared = nullptr;

	sh(ip + "netns del sna; " + ip + "netns del snb");
	if (sh(ip + "netns add sna && " + ip + "netns add snb && " + ip +
	       "link add sna netns sna type devrx_softnic && " + ip +
	       "-n sna link set snap netns snb name snb && " + ip +
	       "-n sna addr add 10.78.0.1/24 dev sna && " + ip +
	       "-n snb addr add 10.78.0.2/24 dev snb && " + ip +
	       "-n sna link set sna up && " + ip + "-n snb link set snb up"))
		return;
	if (sh("ethtool -G snb tcp-data-split on", "snb") ||
	    sh("ethtool -X snb equal 3", "snb") ||
	    sh("ethtool -N snb flow-type tcp4 dst-port 9000 action 3", "snb") ||
	    sh("ethtool -N snb flow-type tcp6 dst-port 9000 action 3", "snb"))
		return;

	std::string port = output_of("cat /sys/class/net/snb/dev_port", "snb");
	port.erase(port.find_last_not_of('\n') + 1);
	debugfs = debugfs_of(port);
	ioctls = socket_in_snb();
	if (ioctls < 0 || !open_frames(&frames, ioctls))
		return;
	names = stat_names(ioctls);
	is_up = wait_for([] {
		return output_of("cat /sys/class/net/sna/operstate", "sna") ==
		       "up\n";
	});
}

Pair::~Pair()
{
	if (ioctls >= 0)
		close(ioctls);
	sh("/usr/sbin/ip -n sna link del sna");
	sh("/usr/sbin/ip netns del sna; /usr/sbin/ip netns del snb");
}

void Pair::close_ioctls()
{
	close(ioctls);
	ioctls = -1;
}

std::map<std::string, uint64_t> Pair::counters() const
{
	std::vector<uint64_t> room(names.size() + 1);
	auto *stats = reinterpret_cast<ethtool_stats *>(room.data());
	std::map<std::string, uint64_t> all;
	struct ifreq ifr = {};

	stats->cmd = ETHTOOL_GSTATS;
	strcpy(ifr.ifr_name, "snb");
	ifr.ifr_data = reinterpret_cast<char *>(room.data());
	if (ioctl(ioctls, SIOCETHTOOL, &ifr))
		return all;
	for (size_t i = 0; i < names.size(); i++)
		all[names[i]] = room[i + 1];
	return all;
}

bool Pair::set_mtu(unsigned mtu) const
{
	const std::string m = std::to_string(mtu);

	return !sh("/usr/sbin/ip -n sna link set sna mtu " + m +
		   " && /usr/sbin/ip -n snb link set snb mtu " + m);
}

bool Pair::fault(const std::string &name, uint32_t value) const
{
	std::ofstream file(debugfs + "/" + name);

	file << value << std::flush;
	return file.good();
}

std::string Pair::fault(const std::string &name) const
{
	std::ifstream file(debugfs + "/" + name);
	std::string line;

	std::getline(file, line);
	return line;
}

bool Pair::inject(size_t payload, uint16_t port) const
{
	Frame frame;

	frame.payload = payload;
	frame.port = port;
	return inject(frame);
}

bool Pair::inject(const Frame &frame) const
{
	return frames.send(frame);
}

namespace
{

class EndOfTests : public testing::Environment
{
	void TearDown() override
	{
		delete shared;
		shared = nullptr;
	}
};

const auto *const end_of_tests =
	testing::AddGlobalTestEnvironment(new EndOfTests);

} // namespace

static const char *const faults[] = {
	"linear_head", "drop_every", "payload_in_pages", "no_chunk",
	"fail_alloc",  "fail_start", "stopped_queues",
};

void OnPair::SetUp()
{
	if (!shared)
		shared = new Pair;
	pair = shared;
	ASSERT_TRUE(pair->up());
	for (const char *fault : faults)
		ASSERT_TRUE(pair->fault(fault, 0)) << fault;
	ASSERT_NO_FATAL_FAILURE(drain_wire());
	before = pair->counters();
}

/* A wire keeps the order: when queue 3 has dropped this frame, what an earlier
 * test sent there has been counted.
 */
void OnPair::drain_wire() const
{
	const auto dropped = [&] {
		return pair->counters().at("rx_q3_drop_bad");
	};
	const uint64_t already = dropped();
	Frame frame;

	frame.payload = 1;
	frame.port = PORT;
	frame.bad_checksum = true;
	ASSERT_TRUE(pair->inject(frame));
	ASSERT_TRUE(wait_for([&] { return dropped() > already; }));
}

void OnPair::TearDown()
{
	for (const char *fault : faults)
		pair->fault(fault, 0);
}

uint64_t OnPair::counted(const std::string &name) const
{
	return pair->counters().at(name) - before.at(name);
}

bool OnPair::comes_to(const std::string &name, uint64_t value) const
{
	return wait_for([&] { return counted("rx_q3_" + name) == value; });
}

void OnPair::inject(int frames, size_t payload) const
{
	for (int i = 0; i < frames; i++)
		ASSERT_TRUE(pair->inject(payload));
}

Provider::Provider(unsigned index)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_queue_opts qo = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	const Inside snb("snb");

	mo.kind = "udmabuf";
	mo.len = 16 << 20;
	mo.cause = &cause;
	qo.ifname = "snb";
	qo.index = index;
	qo.cause = &cause;
	/* With the best tier, a queue that fails would be tried once more. */
	ro.tier = DEVRX_TIER_ZCRX_DEVICE;
	/* The kernel ends an earlier one's ring when it gets to it. */
	ro.bind_timeout_ms = 30000;
	ro.cause = &cause;
	error = devrx_memory_alloc(&memory, &mo);
	if (!error)
		error = devrx_queue_reserve(&queue, &qo);
	if (!error)
		error = devrx_receiver_open(&receiver, memory, queue, &ro);
}

Provider::~Provider()
{
	devrx_receiver_close(receiver, DEVRX_CLOSE_F_ABANDON);
	devrx_queue_restore(queue);
	devrx_memory_free(memory);
}

static int listen_in_snb(struct sockaddr_in *at)
{
	const Inside snb("snb");
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, reinterpret_cast<sockaddr *>(at), sizeof(*at)) ||
	    listen(fd, 1)) {
		close(fd);
		return -1;
	}
	return fd;
}

Connection::Connection(uint16_t port)
{
	struct sockaddr_in at = {};
	const struct timeval patience = { 60, 0 };

	at.sin_family = AF_INET;
	at.sin_port = htons(port);
	at.sin_addr.s_addr = inet_addr("10.78.0.2");
	const int listener = listen_in_snb(&at);
	if (listener < 0)
		return;

	const Inside sna("sna");
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	/* Who closes a ring may see EINTR without a signal in what the thread
	 * does next (see devrx_receiver_close()), here and below. A connect()
	 * that was interrupted goes on waiting when it is called again.
	 */
	if (TEMP_FAILURE_RETRY(connect(fd, reinterpret_cast<sockaddr *>(&at),
				       sizeof(at)))) {
		close(fd);
	} else {
		sender = fd;
		receiver = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
		setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &patience,
			   sizeof(patience));
	}
	close(listener);
}

Connection::~Connection()
{
	/* No TIME_WAIT, which would keep the namespace. */
	const struct linger now = { 1, 0 };

	for (const int fd : { sender, receiver }) {
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
	}
}

bool send_pattern(int fd, uint64_t len)
{
	std::vector<unsigned char> buf(256 << 10);
	uint64_t at = 0;

	while (at < len) {
		const size_t n = std::min<uint64_t>(buf.size(), len - at);
		size_t sent = 0;

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(at + i);
		while (sent < n) {
			const ssize_t r = TEMP_FAILURE_RETRY(send(
				fd, buf.data() + sent, n - sent, MSG_NOSIGNAL));
			if (r <= 0)
				return false;
			sent += static_cast<size_t>(r);
		}
		at += n;
	}
	return true;
}

bool stream(Connection &c, uint64_t len)
{
	bool sent = false, right = true;
	std::thread thread([&] { sent = send_pattern(c.sender, len); });
	std::vector<unsigned char> buf(256 << 10);
	uint64_t at = 0;

	while (at < len && right) {
		const ssize_t n = TEMP_FAILURE_RETRY(
			recv(c.receiver, buf.data(), buf.size(), 0));

		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n && right; i++)
			right = buf[static_cast<size_t>(i)] ==
				pattern(at + static_cast<uint64_t>(i));
		at += static_cast<uint64_t>(n);
	}
	if (!right || at < len)
		shutdown(c.sender, SHUT_RDWR);
	thread.join();
	return sent && right && at == len;
}

} // namespace softnic
