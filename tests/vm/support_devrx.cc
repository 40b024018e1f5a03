// SPDX-License-Identifier: MIT
#include "support_devrx.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/udmabuf.h>
#include <ostream>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vm
{

std::ostream &operator<<(std::ostream &out, const Outcome &o)
{
	return out << o.err << " " << (o.id[0] ? o.id : "(no cause)")
		   << (o.text[0] ? ": " : "") << o.text;
}

Outcome outcome(int err, const char *id)
{
	Outcome o;

	o.err = err;
	(void)snprintf(o.id, sizeof(o.id), "%s", id);
	return o;
}

Outcome outcome(int err, const devrx_cause &cause)
{
	Outcome o;

	o.err = err;
	memcpy(o.id, cause.id, sizeof(o.id));
	memcpy(o.text, cause.text, sizeof(o.text));
	return o;
}

void MemoryDeleter::operator()(devrx_memory *mem) const
{
	(void)devrx_memory_free(mem);
}

void QueueDeleter::operator()(devrx_queue *q) const
{
	(void)devrx_queue_restore(q);
}

void ReceiverDeleter::operator()(devrx_receiver *rx) const
{
	(void)devrx_receiver_close(rx, DEVRX_CLOSE_F_ABANDON);
}

Outcome make_memory(Memory *ret, const char *kind, uint64_t len, uint32_t flags)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = nullptr;
	devrx_cause cause = {};
	int err;

	opts.kind = kind;
	opts.len = len;
	opts.flags = flags;
	opts.cause = &cause;
	err = devrx_memory_alloc(&mem, &opts);
	if (!err)
		ret->reset(mem);
	return outcome(err, cause);
}

int raw_udmabuf(uint64_t len)
{
	const Fd node(open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
	const Fd memfd(memfd_create("raw", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	struct udmabuf_create create = {};

	if (node.get() < 0 || memfd.get() < 0 ||
	    ftruncate(memfd.get(), off_t(len)) ||
	    fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_SHRINK))
		return -1;
	if (len <= 64 * MiB) {
		void *addr = mmap(nullptr, len, PROT_READ | PROT_WRITE,
				  MAP_SHARED, memfd.get(), 0);

		if (addr == MAP_FAILED)
			return -1;
		fault_scattered(addr, len);
		(void)munmap(addr, len);
	}
	create.memfd = uint32_t(memfd.get());
	create.flags = UDMABUF_FLAGS_CLOEXEC;
	create.size = len;
	return ioctl(node.get(), UDMABUF_CREATE, &create);
}

Outcome import_memory(Memory *ret, int fd, uint64_t len)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = nullptr;
	devrx_cause cause = {};
	int err;

	opts.len = len;
	opts.cause = &cause;
	err = devrx_memory_import(&mem, fd, &opts);
	if (!err)
		ret->reset(mem);
	return outcome(err, cause);
}

Outcome reserve(Queue *ret, const char *ifname, uint32_t index)
{
	devrx_queue_opts opts = DEVRX_QUEUE_OPTS_INIT;
	devrx_queue *q = nullptr;
	devrx_cause cause = {};
	int err;

	opts.ifname = ifname;
	opts.index = index;
	opts.cause = &cause;
	err = devrx_queue_reserve(&q, &opts);
	if (!err)
		ret->reset(q);
	return outcome(err, cause);
}

Outcome open_receiver(Receiver *ret, const Memory &mem, const Queue &q,
		      devrx_receiver_opts opts)
{
	devrx_receiver *rx = nullptr;
	devrx_cause cause = {};
	int err;

	/* The kernel ends an earlier ring when it gets to it. */
	if (!opts.bind_timeout_ms)
		opts.bind_timeout_ms = uint32_t(patience * 1000);
	opts.cause = &cause;
	err = devrx_receiver_open(&rx, mem.get(), q.get(), &opts);
	if (!err)
		ret->reset(rx);
	return outcome(err, cause);
}

uint32_t queue_user(uint32_t index)
{
	QueueInfo info = {};
	Queue q;

	info.size = sizeof(info);
	if (reserve(&q, nic, index).err || devrx_queue_info(q.get(), &info))
		return UINT32_MAX;
	return info.user;
}

bool queue_is_free(double seconds, uint32_t index)
{
	return poll_until(seconds, [&] {
		return queue_user(index) == DEVRX_QUEUE_USER_NONE;
	});
}

MemoryInfo memory_info(const Memory &mem)
{
	MemoryInfo info = {};

	info.size = sizeof(info);
	(void)devrx_memory_info(mem.get(), &info);
	return info;
}

ReceiverInfo receiver_info(const Receiver &rx)
{
	ReceiverInfo info = {};

	info.size = sizeof(info);
	(void)devrx_receiver_info(rx.get(), &info);
	return info;
}

ReceiverStats stats(const Receiver &rx)
{
	ReceiverStats ret = {};

	ret.size = sizeof(ret);
	(void)devrx_receiver_stats(rx.get(), &ret);
	return ret;
}

std::string cause_id(const Receiver &rx)
{
	devrx_cause cause = {};

	(void)devrx_receiver_cause(rx.get(), &cause);
	return cause.id;
}

View::View(const Memory &mem)
{
	add(mem);
}

void View::add(const Memory &mem)
{
	mems_.push_back(mem.get());
	hosts_.push_back(static_cast<const char *>(memory_info(mem).host_addr));
}

const char *View::at(uint64_t off, uint32_t len, unsigned int area)
{
	if (area >= mems_.size())
		return nullptr;
	if (hosts_[area])
		return hosts_[area] + off;
	copy_.resize(len);
	return devrx_memory_read(mems_[area], off, copy_.data(), len) ?
		       nullptr :
		       copy_.data();
}

bool View::equal(const devrx_fragment &frag, const char *want)
{
	const char *got = at(devrx_fragment_offset(&frag), frag.length,
			     devrx_fragment_area(&frag));

	return got && !memcmp(got, want, frag.length);
}

Follower::Follower(const Memory &mem, unsigned int streams)
    : view_(mem), positions_(streams), ends_(streams), end_errors_(streams)
{
}

bool Follower::fail(const devrx_fragment &frag, const char *what)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "stream %llu: %s: position %llu (expected %llu), offset "
		       "%llu, length %u, flags %#x, error %d",
		       (unsigned long long)frag.user, what,
		       (unsigned long long)frag.position,
		       frag.user < positions_.size() ?
			       (unsigned long long)positions_[frag.user] :
			       0,
		       (unsigned long long)frag.offset, frag.length, frag.flags,
		       frag.error);
	error_ = text;
	return false;
}

bool Follower::take(const devrx_fragment &frag)
{
	const uint16_t last = DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR;

	if (frag.user >= positions_.size())
		return fail(frag, "no such stream");
	if (ends_[frag.user])
		return fail(frag, "something after its end");
	if (frag.position != positions_[frag.user])
		return fail(frag, "a gap or an overlap");
	if (frag.flags & last) {
		if (frag.length || frag.token)
			return fail(frag, "an end with data");
		ends_[frag.user] = frag.flags & last;
		end_errors_[frag.user] = frag.error;
		ended_++;
		return true;
	}
	if (!frag.length || !frag.token || frag.error)
		return fail(frag, "data without length or token");
	if (frag.position + frag.length > Pattern::max_len)
		return fail(frag, "longer than what was sent");
	if (!view_.equal(frag,
			 Pattern::get().at(unsigned(frag.user), frag.position)))
		return fail(frag, "wrong bytes");
	positions_[frag.user] += frag.length;
	bytes_ += frag.length;
	fragments_++;
	return true;
}

int wait_for_some(const Receiver &rx, devrx_fragment *frags, unsigned int n,
		  double seconds)
{
	const double deadline = now() + seconds;
	int ret;

	do {
		const double left = deadline - now();

		ret = devrx_receiver_wait(rx.get(), frags, n,
					  left > 0 ? int64_t(left * 1e9) : 0);
	} while (ret == -EINTR);
	return ret;
}

std::string drain(const Receiver &rx, Follower *follower, double seconds,
		  const std::function<bool()> &until)
{
	const double deadline = now() + seconds;
	devrx_fragment frags[256];

	for (;;) {
		int n = devrx_receiver_wait(rx.get(), frags, 256, 50000000);

		if (n == -ENOTCONN)
			return "";
		if (n < 0 && n != -EINTR)
			return std::string("wait: ") + strerror(-n);
		for (int i = 0; i < n; i++)
			if (!(frags[i].flags & DEVRX_FRAGMENT_EVENT) &&
			    !follower->take(frags[i]))
				return follower->error();
		if (n > 0) {
			int err = devrx_receiver_release(rx.get(), frags,
							 unsigned(n));

			if (err)
				return std::string("release: ") +
				       strerror(-err);
		}
		if (until && until())
			return "";
		if (now() > deadline)
			return "deadline: " +
			       std::to_string(follower->bytes()) + " bytes, " +
			       std::to_string(follower->ended()) +
			       " streams ended";
	}
}

std::string add_all(const Receiver &rx, Listener *listener, Sender *sender,
		    size_t n, std::vector<Fd> *fds)
{
	for (size_t i = 0; i < n; i++) {
		Peer peer = {};
		Fd fd = listener->accept(&peer);
		int stream, err;

		if (fd.get() < 0)
			return "nobody connects";
		stream = sender->stream_of(peer);
		if (stream < 0)
			return "an unknown connection";
		err = devrx_receiver_add(rx.get(), fd.get(), uint64_t(stream));
		if (err)
			return std::string("add: ") + strerror(-err);
		fds->push_back(std::move(fd));
	}
	return "";
}

std::string transfer(const Receiver &rx, const Memory &mem, uint64_t len,
		     unsigned int streams, uint16_t port)
{
	Listener listener(port);
	std::vector<Stream> plan;
	Follower follower(mem, streams);
	std::vector<Fd> fds;
	std::string error;

	if (!listener.ok())
		return std::string("listen: ") + strerror(errno);
	for (unsigned int i = 0; i < streams; i++)
		plan.push_back({ len, i % 2 == 1 });
	Sender sender(port, plan);
	error = add_all(rx, &listener, &sender, streams, &fds);
	if (error.empty())
		error = drain(rx, &follower);
	if (!error.empty())
		return error;
	for (unsigned int i = 0; i < streams; i++) {
		if (follower.position(i) != len)
			return "stream " + std::to_string(i) + " has " +
			       std::to_string(follower.position(i)) + " bytes";
		if (follower.end(i) != DEVRX_FRAGMENT_EOF)
			return "stream " + std::to_string(i) + " ends with " +
			       strerror(-follower.end_error(i));
	}
	return sender.join();
}

std::string works_now()
{
	Memory mem;
	Queue q;
	Receiver rx;
	Outcome o;

	o = make_memory(&mem, "udmabuf", 8 * MiB);
	if (!o.err)
		o = reserve(&q);
	if (!o.err)
		o = open_receiver(&rx, mem, q);
	if (o.err)
		return std::string(o.id) + ": " + o.text;
	return transfer(rx, mem, MiB, 2);
}

Outcome in_child(const std::function<Outcome()> &fn, double seconds)
{
	Outcome o = outcome(-ETIME, "child-lost");
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return outcome(-errno, "pipe");
	pid = fork();
	if (!pid) {
		o = fn();
		if (write(fds[1], &o, sizeof(o)) != ssize_t(sizeof(o)))
			_exit(1);
		_exit(0);
	}
	(void)close(fds[1]);
	if (pid > 0 && poll_in(fds[0], seconds)) {
		Outcome got;

		if (read(fds[0], &got, sizeof(got)) == ssize_t(sizeof(got)))
			o = got;
	}
	(void)close(fds[0]);
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
	}
	return o;
}

bool drop_cap(unsigned int cap)
{
	struct __user_cap_header_struct hdr = { _LINUX_CAPABILITY_VERSION_3,
						0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &hdr, data))
		return false;
	data[cap / 32].effective &= ~(1u << (cap % 32));
	data[cap / 32].permitted &= ~(1u << (cap % 32));
	data[cap / 32].inheritable &= ~(1u << (cap % 32));
	return !syscall(SYS_capset, &hdr, data);
}

bool drop_cap_bounding(unsigned int cap)
{
	return !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && drop_cap(cap);
}

} /* namespace vm */
