// SPDX-License-Identifier: MIT
#include "support_raw.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <devrx/features.h>

namespace vm
{

Mapping::Mapping(size_t len, bool single) : addr_(nullptr), len_(len)
{
	void *addr;

	if (!len)
		return;
	addr = mmap(nullptr, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		abort();
	(void)madvise(addr, len, MADV_DONTFORK);
	if (single) {
		(void)madvise(addr, len, MADV_NOHUGEPAGE);
		fault_scattered(addr, len);
	}
	memset(addr, 0, len);
	addr_ = static_cast<char *>(addr);
}

Mapping::Mapping(Mapping &&other) noexcept
    : addr_(std::exchange(other.addr_, nullptr)), len_(other.len_)
{
}

Mapping &Mapping::operator=(Mapping &&other) noexcept
{
	std::swap(addr_, other.addr_);
	std::swap(len_, other.len_);
	return *this;
}

Mapping::~Mapping()
{
	if (addr_)
		(void)munmap(addr_, len_);
}

RawRing::RawRing(unsigned int flags, unsigned int cq_entries)
{
	struct io_uring_params params = {};

	params.flags = flags | IORING_SETUP_CQSIZE;
	params.cq_entries = cq_entries;
	err_ = io_uring_queue_init_params(64, &ring_, &params);
	open_ = !err_;
	if (open_)
		(void)io_uring_ring_dontfork(&ring_);
}

RawRing::~RawRing()
{
	close();
}

void RawRing::close()
{
	if (open_)
		io_uring_queue_exit(&ring_);
	open_ = false;
}

int RawRing::reg(unsigned int op, void *arg, unsigned int nr)
{
	return io_uring_register(unsigned(ring_.ring_fd), op, arg, nr);
}

int RawRing::ctrl(struct drx_zcrx_ctrl *ctrl)
{
	return reg(DRX_IORING_REGISTER_ZCRX_CTRL, ctrl, 0);
}

Registration::Registration(size_t area_len, uint32_t rq_entries)
    : area_mem(area_len),
      region_mem((4096 + size_t(rq_entries) * 16 + 64 + 4095) / 4096 * 4096)
{
	area.addr = area_mem.addr();
	area.len = area_len;
	region.user_addr = region_mem.addr();
	region.size = region_mem.len();
	region.flags = DRX_IORING_MEM_REGION_TYPE_USER;
	reg.rq_entries = rq_entries;
	reg.flags = DRX_ZCRX_REG_NODEV;
	reg.area_ptr = reinterpret_cast<uintptr_t>(&area);
	reg.region_ptr = reinterpret_cast<uintptr_t>(&region);
}

void Registration::on_queue(uint32_t ifindex, uint32_t rxq)
{
	reg.flags = 0;
	reg.if_idx = ifindex;
	reg.if_rxq = rxq;
}

int Registration::submit(RawRing *ring)
{
	return ring->reg(DRX_IORING_REGISTER_ZCRX_IFQ, &reg);
}

Nodev::Nodev(size_t area_len, uint32_t rq_entries, unsigned int flags)
    : ring(flags), regn(area_len, rq_entries)
{
	err_ = ring.err() ? ring.err() : regn.submit(&ring);
}

/* The end of an earlier ring is work of this task, which interrupts what it
 * sleeps in, without any signal. */
static bool retry_interrupted(const std::function<int()> &call)
{
	int ret;

	do {
		ret = call();
	} while (ret < 0 && errno == EINTR);
	return ret >= 0 || errno == EISCONN;
}

bool Nodev::connect(int fds[2])
{
	struct sockaddr_in addr = {};
	struct sockaddr *any = reinterpret_cast<sockaddr *>(&addr);
	socklen_t len = sizeof(addr);
	const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	Fd out(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* Over loopback these answer at once, so they need no deadline. */
	if (bind(listener.get(), any, sizeof(addr)) ||
	    listen(listener.get(), 1) ||
	    getsockname(listener.get(), any, &len) || !retry_interrupted([&] {
		    return ::connect(out.get(), any, len);
	    }) ||
	    !retry_interrupted([&] {
		    fds[1] = accept4(listener.get(), nullptr, nullptr,
				     SOCK_CLOEXEC);
		    return fds[1];
	    }))
		return false;
	fds[0] = out.take();
	return true;
}

int Nodev::recv(int fd, uint64_t user_data, uint32_t len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring.ring());

	if (!sqe)
		return -EBUSY;
	io_uring_prep_rw(int(DRX_IORING_OP_RECV_ZC), sqe, fd, nullptr, len, 0);
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->file_index = regn.reg.zcrx_id;
	sqe->user_data = user_data;
	return io_uring_submit(ring.ring());
}

int Nodev::recv_id(int fd, uint64_t user_data, uint32_t zcrx_id)
{
	const uint32_t own = std::exchange(regn.reg.zcrx_id, zcrx_id);
	const int ret = recv(fd, user_data);

	regn.reg.zcrx_id = own;
	return ret;
}

bool Nodev::next(Cqe *ret, double seconds)
{
	const double deadline = now() + seconds;
	struct io_uring_cqe *cqe;

	for (;;) {
		struct __kernel_timespec ts = { 0, 100000000 };
		int err = io_uring_wait_cqe_timeout(ring.ring(), &cqe, &ts);

		if (err && now() > deadline)
			return false;
		if (err)
			continue;
		const bool big = ring.ring()->flags & IORING_SETUP_CQE32 ||
				 cqe->flags & DRX_IORING_CQE_F_32;
		const bool skip = cqe->flags & DRX_IORING_CQE_F_SKIP;

		*ret = { cqe->user_data, cqe->res, cqe->flags, 0 };
		if (big)
			memcpy(&ret->off, cqe + 1, sizeof(ret->off));
		/* liburing counts places; a big one in a mixed queue has two. */
		const bool mixed =
			ring.ring()->flags & DRX_IORING_SETUP_CQE_MIXED;
		io_uring_cq_advance(ring.ring(), mixed && big ? 2 : 1);
		if (!skip)
			return true;
	}
}

bool Nodev::refill(uint64_t off, uint32_t len, uint32_t pad)
{
	uint32_t *tail = word(regn.reg.offsets.tail);
	struct drx_zcrx_rqe *rqes = reinterpret_cast<struct drx_zcrx_rqe *>(
		regn.region_mem.get() + regn.reg.offsets.rqes);

	if (refill_left() == regn.reg.rq_entries)
		return false;
	rqes[*tail & (regn.reg.rq_entries - 1)] = { off, len, pad };
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	return true;
}

uint32_t Nodev::refill_left() const
{
	return *word(regn.reg.offsets.tail) -
	       __atomic_load_n(word(regn.reg.offsets.head), __ATOMIC_ACQUIRE);
}

int Nodev::flush()
{
	struct drx_zcrx_ctrl ctrl = {};

	ctrl.zcrx_id = regn.reg.zcrx_id;
	ctrl.op = DRX_ZCRX_CTRL_FLUSH_RQ;
	return ring.ctrl(&ctrl);
}

bool Nodev::flush_all()
{
	uint32_t before;

	do {
		before = refill_left();
		if (flush())
			return false;
	} while (refill_left() && refill_left() != before);
	return !refill_left();
}

bool has_nodev()
{
	struct devrx_features features = {};

	features.size = sizeof(features);
	return !devrx_features_probe(&features, nullptr) &&
	       features.flags & DEVRX_FEATURE_NODEV;
}

} /* namespace vm */
