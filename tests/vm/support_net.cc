// SPDX-License-Identifier: MIT
#include "support_net.h"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <linux/bpf.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <linux/rtnetlink.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

extern "C" {
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
}

namespace vm
{

double now()
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return double(ts.tv_sec) + double(ts.tv_nsec) / 1e9;
}

bool poll_until(double seconds, const std::function<bool()> &is_true)
{
	const double deadline = now() + seconds;
	const struct timespec pause = { 0, 2000000 };

	while (!is_true()) {
		if (now() >= deadline)
			return false;
		(void)nanosleep(&pause, nullptr);
	}
	return true;
}

bool poll_in(int fd, double seconds)
{
	const double deadline = now() + seconds;
	struct pollfd p = { fd, POLLIN, 0 };
	double left;
	int ret;

	/* A ring that ends interrupts its task, too. */
	do {
		left = deadline - now();
		ret = poll(&p, 1, left > 0 ? int(left * 1000) : 0);
	} while (ret < 0 && errno == EINTR);
	return ret > 0;
}

Fd::~Fd()
{
	reset();
}

void Fd::reset()
{
	if (fd_ >= 0)
		(void)close(fd_);
	fd_ = -1;
}

Pattern::Pattern()
{
	const size_t len = offset(63) + max_len;
	uint64_t state = 0x6465767278; /* any */
	void *addr;

	fd_ = memfd_create("pattern", MFD_CLOEXEC);
	if (fd_ < 0 || ftruncate(fd_, off_t(len)))
		abort();
	addr = mmap(nullptr, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
	if (addr == MAP_FAILED)
		abort();
	data_ = static_cast<char *>(addr);
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		memcpy(data_ + i, &z, sizeof(z));
	}
}

const Pattern &Pattern::get()
{
	static const Pattern pattern;

	return pattern;
}

static bool enter_netns(const char *name)
{
	const Fd fd(open(("/run/netns/" + std::string(name)).c_str(),
			 O_RDONLY | O_CLOEXEC));

	return fd.get() >= 0 && !setns(fd.get(), CLONE_NEWNET);
}

static int connect_here(uint16_t port, bool ipv6)
{
	struct sockaddr_in6 a6 = {};
	struct sockaddr_in a4 = {};
	const struct timeval limit = { time_t(patience), 0 };
	Fd fd(socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	int err;

	if (fd.get() < 0)
		return -1;
	(void)setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit,
			 sizeof(limit));
	a6.sin6_family = AF_INET6;
	a6.sin6_port = htons(port);
	(void)inet_pton(AF_INET6, "fd77::2", &a6.sin6_addr);
	a4.sin_family = AF_INET;
	a4.sin_port = htons(port);
	(void)inet_pton(AF_INET, "10.77.0.2", &a4.sin_addr);
	err = ipv6 ? connect(fd.get(), reinterpret_cast<sockaddr *>(&a6),
			     sizeof(a6)) :
		     connect(fd.get(), reinterpret_cast<sockaddr *>(&a4),
			     sizeof(a4));
	return err ? -1 : fd.take();
}

void in_peer(const std::function<void()> &fn)
{
	/* A thread, so that this one's namespace stays as it is. */
	std::thread([&] {
		if (enter_netns("peer"))
			fn();
	}).join();
}

void set_mtu(unsigned int mtu)
{
	const std::string text = std::to_string(mtu);

	EXPECT_EQ(run({ "/usr/sbin/ip", "link", "set", nic, "mtu", text }), 0);
	in_peer([&] {
		EXPECT_EQ(run({ "/usr/sbin/ip", "link", "set", "softnic0",
				"mtu", text }),
			  0);
	});
}

int connect_peer(uint16_t port, bool ipv6)
{
	int fd = -1, err = 0;

	in_peer([&] {
		fd = connect_here(port, ipv6);
		err = errno;
	});
	errno = err;
	return fd;
}

Sender::Sender(uint16_t port, std::vector<Stream> streams)
    : port_(port), streams_(std::move(streams))
{
	(void)Pattern::get();
	ports_.resize(streams_.size());
	thread_ = std::thread(&Sender::run, this);
}

Sender::~Sender()
{
	stop_ = true;
	if (thread_.joinable())
		thread_.join();
}

int Sender::stream_of(const Peer &peer)
{
	int found = -1;

	(void)poll_until(patience, [&] {
		const std::lock_guard<std::mutex> lock(mutex_);

		for (size_t i = 0; i < ports_.size(); i++)
			if (ports_[i] == peer.port &&
			    streams_[i].ipv6 == peer.ipv6)
				found = int(i);
		return found >= 0 || !error_.empty();
	});
	return found;
}

std::string Sender::join()
{
	if (thread_.joinable())
		thread_.join();
	return error_;
}

void Sender::run()
{
	std::string error = send_all();
	const std::lock_guard<std::mutex> lock(mutex_);

	error_ = std::move(error);
}

static std::string os_error(const char *what)
{
	return std::string(what) + ": " + strerror(errno);
}

static uint16_t local_port(int fd)
{
	struct sockaddr_in6 addr = {};
	socklen_t len = sizeof(addr);

	/* The port is at the same place in both families. */
	if (getsockname(fd, reinterpret_cast<sockaddr *>(&addr), &len))
		return 0;
	return ntohs(addr.sin6_port);
}

static void end_stream(Fd *fd, End end)
{
	const struct linger reset = { 1, 0 };

	if (end == End::Reset)
		(void)setsockopt(fd->get(), SOL_SOCKET, SO_LINGER, &reset,
				 sizeof(reset));
	fd->reset();
}

std::string Sender::send_all()
{
	double deadline = now() + patience; /* for the next byte */
	std::vector<struct pollfd> polls(streams_.size());
	std::vector<uint64_t> left(streams_.size());
	std::vector<Fd> fds(streams_.size());
	size_t open = streams_.size();

	sigset_t pipe;

	/* sendfile() to a peer that is gone would kill; it has no flag. */
	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
	if (!enter_netns("peer"))
		return os_error("netns peer");
	for (size_t i = 0; i < fds.size(); i++) {
		fds[i] = Fd(connect_here(port_, streams_[i].ipv6));
		if (fds[i].get() < 0)
			return os_error("connect");
		polls[i] = { fds[i].get(), POLLOUT, 0 };
		left[i] = streams_[i].len;
		(void)fcntl(fds[i].get(), F_SETFL, O_NONBLOCK);
		const std::lock_guard<std::mutex> lock(mutex_);
		ports_[i] = local_port(fds[i].get());
	}
	while (open) {
		if (stop_)
			return "stopped";
		if (now() > deadline)
			return "deadline";
		if (poll(polls.data(), polls.size(), 20) < 0)
			return os_error("poll");
		for (size_t i = 0; i < fds.size(); i++) {
			const uint64_t pos = streams_[i].len - left[i];
			off_t at = off_t(Pattern::offset(unsigned(i)) + pos);

			if (polls[i].fd < 0)
				continue;
			if (left[i] && polls[i].revents) {
				ssize_t n = sendfile(
					fds[i].get(), Pattern::get().fd(), &at,
					left[i] < 262144 ? left[i] : 262144);

				if (n < 0 && errno != EAGAIN)
					return os_error("sendfile");
				if (n > 0) {
					left[i] -= uint64_t(n);
					sent_ += uint64_t(n);
					deadline = now() + patience;
				}
			}
			if (left[i])
				continue;
			polls[i].events = 0;
			if (streams_[i].end == End::Linger && !finish_)
				continue;
			end_stream(&fds[i], streams_[i].end);
			polls[i].fd = -1;
			open--;
		}
	}
	return "";
}

Listener::Listener(uint16_t port, int rcvbuf)
    : fd_(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))
{
	struct sockaddr_in6 addr = {};
	const int on = 1, off = 0;

	addr.sin6_family = AF_INET6;
	addr.sin6_port = htons(port);
	(void)setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off,
			 sizeof(off));
	if (rcvbuf)
		(void)setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &rcvbuf,
				 sizeof(rcvbuf));
	if (bind(fd_.get(), reinterpret_cast<sockaddr *>(&addr),
		 sizeof(addr)) ||
	    listen(fd_.get(), 1024))
		fd_.reset();
}

Fd Listener::accept(Peer *peer, double seconds)
{
	struct sockaddr_in6 addr = {};
	socklen_t len = sizeof(addr);
	int fd;

	if (!poll_in(fd_.get(), seconds))
		return Fd();
	fd = accept4(fd_.get(), reinterpret_cast<sockaddr *>(&addr), &len,
		     SOCK_CLOEXEC);
	if (peer)
		*peer = { ntohs(addr.sin6_port),
			  !IN6_IS_ADDR_V4MAPPED(&addr.sin6_addr) };
	return Fd(fd);
}

void fault_scattered(void *addr, size_t len)
{
	const size_t page = 4096, nr = len / page;

	/* Every fourth page from each of four starts. */
	for (size_t start = 0; start < 4; start++)
		for (size_t i = (start * 3) % 4; i < nr; i += 4)
			memset(static_cast<char *>(addr) + i * page, 0, page);
}

int run(const std::vector<std::string> &argv)
{
	std::vector<char *> args;
	int status;
	pid_t pid;

	for (const std::string &arg : argv)
		args.push_back(const_cast<char *>(arg.c_str()));
	args.push_back(nullptr);
	pid = fork();
	if (!pid) {
		(void)alarm(unsigned(patience));
		(void)execvp(args[0], args.data());
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool nic_down()
{
	return !run({ "/usr/sbin/ip", "link", "set", nic, "down" });
}

bool nic_up()
{
	return !run({ "/usr/sbin/ip", "link", "set", nic, "up" }) &&
	       poll_until(patience, [] {
		       std::ifstream file("/sys/class/net/" + std::string(nic) +
					  "/operstate");
		       std::string state;

		       file >> state;
		       return state == "up";
	       });
}

bool nic_gro(bool on)
{
	return !run({ "ethtool", "-K", nic, "gro", on ? "on" : "off" });
}

/* Send one request and wait for its acknowledgement; what it answers goes to
 * @on_answer. 0 or a negative errno. */
static int netlink_talk(struct nlmsghdr *nlh, mnl_cb_t on_answer, void *data)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_GENERIC);
	char buf[8192];
	ssize_t len;
	int ret = -1;

	if (!nl)
		return -errno;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0) {
		ret = -errno;
		mnl_socket_close(nl);
		return ret;
	}
	do {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0) {
			ret = -1;
			break;
		}
		ret = mnl_cb_run(buf, size_t(len), 1, mnl_socket_get_portid(nl),
				 on_answer, data);
	} while (ret > MNL_CB_STOP);
	ret = ret < 0 ? -errno : 0;
	mnl_socket_close(nl);
	return ret;
}

static struct nlmsghdr *genl_put(char *buf, uint16_t type, uint8_t cmd)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	genl = static_cast<struct genlmsghdr *>(
		mnl_nlmsg_put_extra_header(nlh, sizeof(*genl)));
	genl->cmd = cmd;
	genl->version = 1;
	return nlh;
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	/* mnl_attr_for_each() is no C++. */
	const char *end =
		static_cast<const char *>(mnl_nlmsg_get_payload_tail(nlh));
	const struct nlattr *attr = static_cast<const struct nlattr *>(
		mnl_nlmsg_get_payload_offset(nlh, sizeof(struct genlmsghdr)));

	for (;
	     mnl_attr_ok(attr, int(end - reinterpret_cast<const char *>(attr)));
	     attr = mnl_attr_next(attr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			*static_cast<uint16_t *>(data) = mnl_attr_get_u16(attr);
	}
	return MNL_CB_OK;
}

int set_rings(const char *ifname, int data_split, int64_t hds_thresh)
{
	char buf[1024];
	uint16_t family = 0;
	struct nlmsghdr *nlh = genl_put(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	struct nlattr *nest;
	int err;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME);
	err = netlink_talk(nlh, on_family, &family);
	if (err)
		return err;
	nlh = genl_put(buf, family, ETHTOOL_MSG_RINGS_SET);
	nest = mnl_attr_nest_start(nlh, ETHTOOL_A_RINGS_HEADER);
	mnl_attr_put_strz(nlh, ETHTOOL_A_HEADER_DEV_NAME, ifname);
	mnl_attr_nest_end(nlh, nest);
	if (data_split >= 0)
		mnl_attr_put_u8(nlh, DRX_ETHTOOL_A_RINGS_TCP_DATA_SPLIT,
				uint8_t(data_split));
	if (hds_thresh >= 0)
		mnl_attr_put_u32(nlh, DRX_ETHTOOL_A_RINGS_HDS_THRESH,
				 uint32_t(hds_thresh));
	return netlink_talk(nlh, nullptr, nullptr);
}

/* As "ip link set dev @ifname xdpgeneric" does it. */
static int attach_xdp(const char *ifname, int prog)
{
	std::unique_ptr<struct drx_nl> nl(new struct drx_nl);
	struct ifinfomsg *info;
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	int err = drx_nl_open(nl.get(), NETLINK_ROUTE);

	if (err)
		return err;
	nlh = drx_nl_begin(nl.get(), RTM_SETLINK, 0, sizeof(*info));
	info = static_cast<struct ifinfomsg *>(mnl_nlmsg_get_payload(nlh));
	info->ifi_index = int(if_nametoindex(ifname));
	nest = mnl_attr_nest_start(nlh, IFLA_XDP);
	mnl_attr_put_u32(nlh, IFLA_XDP_FD, uint32_t(prog));
	mnl_attr_put_u32(nlh, IFLA_XDP_FLAGS, XDP_FLAGS_SKB_MODE);
	mnl_attr_nest_end(nlh, nest);
	err = drx_nl_ask(nl.get(), nlh, nullptr, nullptr);
	drx_nl_close(nl.get());
	return err;
}

XdpPass::XdpPass(const char *ifname, bool stays)
{
	/* r0 = XDP_PASS; exit */
	static const struct bpf_insn insns[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = uintptr_t(insns);
	attr.insn_cnt = 2;
	/* A NIC that splits headers takes no other program. */
	attr.prog_flags = BPF_F_XDP_HAS_FRAGS;
	attr.license = uintptr_t("MIT");
	/* The verifier gives up where its task has other work to do, such as
	 * the end of a ring. */
	for (int i = 0; i < 20 && prog_.get() < 0; i++) {
		prog_ = Fd(int(
			syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr))));
		err_ = prog_.get() < 0 ? -errno : 0;
		if (err_ != -EAGAIN)
			break;
	}
	if (!err_ && stays)
		err_ = attach_xdp(ifname, prog_.get());
	if (err_ || stays)
		return;
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = uint32_t(prog_.get());
	attr.link_create.target_ifindex = if_nametoindex(ifname);
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_SKB_MODE;
	link_ = Fd(int(syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr))));
	err_ = link_.get() < 0 ? -errno : 0;
}

XskSocket::XskSocket(const char *ifname, uint32_t queue)
    : fd_(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)), umem_(MAP_FAILED)
{
	constexpr size_t len = 64 * 4096;
	const int entries = 64;
	struct xdp_umem_reg reg = {};
	struct sockaddr_xdp addr = {};

	if (fd_.get() < 0) {
		err_ = -errno;
		return;
	}
	umem_ = mmap(nullptr, len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.addr = uintptr_t(umem_);
	reg.len = len;
	reg.chunk_size = 4096;
	addr.sxdp_family = AF_XDP;
	addr.sxdp_flags = XDP_COPY;
	addr.sxdp_ifindex = if_nametoindex(ifname);
	addr.sxdp_queue_id = queue;
	err_ = 0;
	if (umem_ == MAP_FAILED ||
	    setsockopt(fd_.get(), SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	    setsockopt(fd_.get(), SOL_XDP, XDP_UMEM_FILL_RING, &entries,
		       sizeof(entries)) ||
	    setsockopt(fd_.get(), SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries,
		       sizeof(entries)) ||
	    setsockopt(fd_.get(), SOL_XDP, XDP_RX_RING, &entries,
		       sizeof(entries)) ||
	    bind(fd_.get(), reinterpret_cast<sockaddr *>(&addr), sizeof(addr)))
		err_ = -errno;
}

XskSocket::~XskSocket()
{
	fd_.reset();
	if (umem_ != MAP_FAILED)
		(void)munmap(umem_, 64 * 4096);
}

} /* namespace vm */
