// SPDX-License-Identifier: MIT
/*
 * The fake ring's system calls: set-up, registration, enter, and a thread that
 * plays the kernel. What the kernel then does is in fake_kernel.cc.
 */
#include "fake_ring.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

namespace
{

FakeRing *current;

constexpr uint32_t HDR_TAIL = 64;
constexpr uint32_t HDR_RQES = 128;
constexpr uint32_t PAGE = 4096;

FakeRing *fake_of(struct io_uring *ring)
{
	return static_cast<FakeRing *>(ring->sq.ring_ptr);
}

uint32_t round_up_pow2(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

int64_t now_ns()
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

} // namespace

const struct drx_uring_ops FakeRing::ops = {
	FakeRing::op_setup, FakeRing::op_exit,	FakeRing::op_enter,
	FakeRing::op_reg,   FakeRing::op_drain,
};

FakeRing::FakeRing(uint64_t seed) : rng(seed)
{
	make_current();
}

FakeRing::~FakeRing()
{
	stop();
	for (const Area &a : areas)
		if (dmabuf)
			(void)munmap(a.base, a.len);
	if (current == this)
		current = nullptr;
}

void FakeRing::make_current()
{
	current = this;
}

void FakeRing::violation(const std::string &text)
{
	if (violations.size() < 20)
		violations.push_back(text);
}

/* -- set-up ---------------------------------------------------------------- */

int FakeRing::op_setup(struct io_uring *ring, unsigned int entries,
		       struct io_uring_params *params)
{
	return current->setup(ring, entries, params);
}

int FakeRing::setup(struct io_uring *r, unsigned int entries,
		    struct io_uring_params *p)
{
	const uint32_t wide = IORING_SETUP_CQE32 | DRX_IORING_SETUP_CQE_MIXED;

	params = *p;
	if (setup_error)
		return setup_error;
	/* io_uring_sanitise_params(), io_uring_fill_params() */
	if ((p->flags & wide) == wide)
		return -EINVAL;
	if (p->flags & IORING_SETUP_DEFER_TASKRUN &&
	    !(p->flags & IORING_SETUP_SINGLE_ISSUER))
		return -EINVAL;
	if (!entries || !p->cq_entries)
		return -EINVAL;
	p->sq_entries = round_up_pow2(entries);
	p->cq_entries = round_up_pow2(p->cq_entries);
	if (p->cq_entries < p->sq_entries || p->cq_entries > 65536)
		return -EINVAL;

	ring = r;
	mixed = p->flags & DRX_IORING_SETUP_CQE_MIXED;
	sqes.assign(p->sq_entries, {});
	cq_entries = p->cq_entries;
	cqes.resize(static_cast<size_t>(cq_entries) * (mixed ? 1 : 2));
	memset(cqes.data(), 0xa5, cqes.size() * sizeof(cqes[0]));
	ring_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	memset(r, 0, sizeof(*r));
	r->sq.ring_ptr = this;
	r->sq.khead = &sq_head;
	r->sq.ktail = &sq_tail;
	r->sq.kflags = &sq_flags;
	r->sq.sqes = sqes.data();
	r->sq.ring_mask = p->sq_entries - 1;
	r->sq.ring_entries = p->sq_entries;
	r->cq.khead = &cq_head;
	r->cq.ktail = &cq_tail;
	r->cq.kflags = &cq_flags;
	r->cq.cqes = cqes.data();
	r->cq.ring_mask = cq_entries - 1;
	r->cq.ring_entries = cq_entries;
	r->flags = p->flags;
	r->ring_fd = ring_fd;
	r->enter_ring_fd = ring_fd;
	return 0;
}

void FakeRing::op_exit(struct io_uring *ring)
{
	FakeRing *fake = fake_of(ring);

	fake->stop();
	fake->exits++;
	fake->registered = false;
	fake->ring = nullptr;
	(void)close(fake->ring_fd);
	fake->ring_fd = -1;
}

int FakeRing::op_reg(struct io_uring *ring, unsigned int opcode, void *arg,
		     unsigned int nr_args)
{
	FakeRing *fake = fake_of(ring);

	switch (opcode) {
	case DRX_IORING_REGISTER_ZCRX_IFQ:
		return fake->register_ifq(
			static_cast<struct drx_zcrx_ifq_reg *>(arg), nr_args);
	case DRX_IORING_REGISTER_ZCRX_CTRL:
		return fake->ctrl(static_cast<struct drx_zcrx_ctrl *>(arg),
				  nr_args);
	case IORING_REGISTER_PROBE:
		return fake->probe(arg, nr_args);
	case IORING_REGISTER_BUFFERS:
		return fake->register_buffers(
			static_cast<const struct iovec *>(arg), nr_args);
	case IORING_REGISTER_EVENTFD: /* there is nobody to be woken */
		return nr_args == 1 ? 0 : -EINVAL;
	default:
		fake->violation("register opcode " + std::to_string(opcode));
		return -EINVAL;
	}
}

int FakeRing::op_drain(int fd, void *buf, size_t len)
{
	return current->drain(fd, static_cast<unsigned char *>(buf), len);
}

int FakeRing::probe(void *arg, unsigned int nr_args) const
{
	auto *p = static_cast<struct io_uring_probe *>(arg);
	const uint8_t last = writes_fixed ? DRX_IORING_OP_WRITEV_FIXED :
					    DRX_IORING_OP_RECV_ZC;

	if (nr_args <= last)
		return -EINVAL;
	p->last_op = last;
	p->ops_len = last + 1;
	for (uint8_t i = 0; i <= last; i++)
		p->ops[i] = { i, 0, IO_URING_OP_SUPPORTED, 0 };
	return 0;
}

/* io_sqe_buffers_register() */
int FakeRing::register_buffers(const struct iovec *iov, unsigned int nr)
{
	if (buffers_error)
		return buffers_error;
	if (!buffers.empty() || !nr)
		return -EBUSY;
	for (unsigned int i = 0; i < nr; i++)
		if (!iov[i].iov_len || iov[i].iov_len > 1 << 30)
			return -EFAULT;
	buffers.assign(iov, iov + nr);
	return 0;
}

/* False where it has to wait. */
bool FakeRing::write(const Request &request)
{
	std::vector<struct iovec> iov;
	size_t left = write_max;
	int res = 0;

	if (hold_writes)
		return false;
	for (const struct iovec &one : request.iov) {
		const size_t len = std::min(left, one.iov_len);

		if (len)
			iov.push_back({ one.iov_base, len });
		left -= len;
	}
	if (!write_errors.empty()) {
		res = write_errors.front();
		write_errors.pop_front();
	}
	if (!res) {
		const ssize_t n = pwritev(request.fd, iov.data(),
					  static_cast<int>(iov.size()),
					  static_cast<off_t>(request.off));
		res = n < 0 ? -errno : static_cast<int>(n);
	} else if (res > 0) {
		res = 0; /* the file takes nothing */
	}
	post(request.user_data, res, 0);
	return true;
}

/* An area as the NIC writes it: the host's pages, or the "dmabuf", which is
 * a memfd here. */
int FakeRing::map_area(const struct drx_zcrx_area_reg &area,
		       unsigned char **ret)
{
	void *map;

	if (!(area.flags & DRX_ZCRX_AREA_DMABUF)) {
		*ret = reinterpret_cast<unsigned char *>(area.addr);
		return area.dmabuf_fd || !*ret ? -EFAULT : 0;
	}
	if (area.addr)
		return -EINVAL;
	if (lseek(static_cast<int>(area.dmabuf_fd), 0, SEEK_END) !=
	    static_cast<off_t>(area.len))
		return -EINVAL;
	map = mmap(nullptr, area.len, PROT_READ | PROT_WRITE, MAP_SHARED,
		   static_cast<int>(area.dmabuf_fd), 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret = static_cast<unsigned char *>(map);
	return 0;
}

void FakeRing::add_chunks(size_t nr)
{
	const size_t first = refs.size();

	refs.resize(first + nr);
	user_refs.resize(first + nr);
	in_refills.resize(first + nr);
	for (size_t i = first; i < first + nr; i++)
		free_list.push_back(static_cast<uint32_t>(i));
}

/* add_area(): of the first one's kind and chunks, numbered as they come. */
int FakeRing::add_area(const struct drx_zcrx_ctrl *arg)
{
	auto *user = reinterpret_cast<struct drx_zcrx_area_reg *>(
		arg->u.zc_area.area_ptr);
	const struct drx_zcrx_area_reg own = *user;
	unsigned char *at = nullptr;
	int err;

	for (uint64_t resv : arg->u.zc_area.resv)
		if (resv)
			return -EINVAL;
	if (own.rq_area_token || own.resv2[0] || own.resv2[1] ||
	    !(own.flags & DRX_ZCRX_AREA_DMABUF) == dmabuf)
		return -EINVAL;
	if (own.len % chunk_len)
		return -ERANGE;
	if (!area_errors.empty()) {
		err = area_errors.front();
		area_errors.pop_front();
		if (err)
			return err;
	}
	err = map_area(own, &at);
	if (err)
		return err;
	user->rq_area_token = areas.size() << DRX_ZCRX_AREA_SHIFT;
	areas.push_back({ at, own.len, static_cast<uint32_t>(refs.size()) });
	add_chunks(own.len / chunk_len);
	areas_added++;
	return 0;
}

/* io_register_zcrx(), io_allocate_rbuf_ring() */
int FakeRing::register_ifq(struct drx_zcrx_ifq_reg *arg, unsigned int nr_args)
{
	auto *user_area =
		reinterpret_cast<struct drx_zcrx_area_reg *>(arg->area_ptr);
	auto *user_region =
		reinterpret_cast<struct drx_region_desc *>(arg->region_ptr);
	int err;

	if (arg->flags & DRX_ZCRX_REG_IMPORT)
		return import_registration(arg);
	registrations++;
	tries_ns.push_back(now_ns());
	reg = *arg;
	area = *user_area;
	region = *user_region;
	if (arg->event_desc)
		events = *reinterpret_cast<struct drx_zcrx_event_desc *>(
			arg->event_desc);
	if (!(params.flags & IORING_SETUP_DEFER_TASKRUN))
		return -EINVAL;
	nodev = reg.flags == DRX_ZCRX_REG_NODEV;
	if (nodev &&
	    (reg.if_idx || reg.if_rxq || area.flags & DRX_ZCRX_AREA_DMABUF))
		return -EINVAL;
	if (nodev && reg.rx_buf_len && reg.rx_buf_len != PAGE)
		return -EOPNOTSUPP;
	if (nr_args != 1 || (reg.flags && !nodev) || reg.zcrx_id ||
	    reg.resv[0] || reg.resv[1] || area.rq_area_token || area.resv2[0] ||
	    area.resv2[1] || registered)
		return -EINVAL;
	if (!reg.rq_entries || reg.rq_entries > DRX_ZCRX_RQ_MAX_ENTRIES)
		return -EINVAL;
	reg.rq_entries = round_up_pow2(reg.rq_entries);
	if (region.flags != DRX_IORING_MEM_REGION_TYPE_USER ||
	    region.user_addr % PAGE || region.size % PAGE ||
	    region.size < HDR_RQES + reg.rq_entries * sizeof(*rqes))
		return -EINVAL;
	if (arg->event_desc &&
	    (events.stats_offset < HDR_RQES + reg.rq_entries * sizeof(*rqes) ||
	     events.stats_offset % 8 ||
	     events.stats_offset + sizeof(*stats) > region.size))
		return -ERANGE;
	if (reg.rx_buf_len &&
	    (reg.rx_buf_len < PAGE || (reg.rx_buf_len & (reg.rx_buf_len - 1))))
		return -EINVAL;
	chunk_len = reg.rx_buf_len ? reg.rx_buf_len : PAGE;
	if (area.len % chunk_len)
		return -ERANGE;
	if (!reg_errors.empty()) {
		err = reg_errors.front();
		reg_errors.pop_front();
		if (err)
			return err;
	}
	dmabuf = area.flags & DRX_ZCRX_AREA_DMABUF;
	unsigned char *base = nullptr;
	err = map_area(area, &base);
	if (err)
		return err;
	areas.push_back({ base, area.len, 0 });

	auto *mem = reinterpret_cast<unsigned char *>(region.user_addr);
	rq_khead = reinterpret_cast<uint32_t *>(mem);
	rq_ktail = reinterpret_cast<uint32_t *>(mem + HDR_TAIL);
	rqes = reinterpret_cast<struct drx_zcrx_rqe *>(mem + HDR_RQES);
	if (*rq_khead || *rq_ktail)
		violation("the refill ring's header is not zero (6.x kernels "
			  "do not clear it)");
	rq_head = 0;
	rq_nr = reg.rq_entries;
	if (arg->event_desc)
		stats = reinterpret_cast<struct drx_zcrx_stats *>(
			mem + events.stats_offset);
	add_chunks(area.len / chunk_len);
	registered = true;
	zcrx_id = 7;

	reg.zcrx_id = zcrx_id;
	reg.offsets.head = 0;
	reg.offsets.tail = HDR_TAIL;
	reg.offsets.rqes = HDR_RQES;
	area.rq_area_token = area_token;
	if (reg_answer)
		reg_answer(reg);
	*arg = reg;
	*user_area = area;
	return 0;
}

/* zcrx_export() */
int FakeRing::export_registration(struct drx_zcrx_ctrl *arg) const
{
	const auto *words = reinterpret_cast<const uint32_t *>(&arg->u);

	for (size_t i = 0; i < sizeof(arg->u) / sizeof(*words); i++)
		if (words[i])
			return -EINVAL;
	if (export_error)
		return export_error;
	arg->u.zc_export.zcrx_fd = static_cast<uint32_t>(
		::open("/dev/null", O_RDONLY | O_CLOEXEC));
	return 0;
}

/* Only an event that was told of can be armed. */
int FakeRing::arm_event(const struct drx_zcrx_ctrl *arg)
{
	arms++;
	if (arg->u.zc_arm_event.event_type != DRX_ZCRX_EVENT_ALLOC_FAIL ||
	    !empty_told)
		violation("an event is armed that was not told");
	if (arm_error)
		return arm_error;
	empty_told = false;
	return 0;
}

/* import_zcrx(): nothing but a descriptor, and where the ring is set up alike. */
int FakeRing::import_registration(struct drx_zcrx_ifq_reg *arg)
{
	struct drx_zcrx_ifq_reg only = {};

	only.if_idx = arg->if_idx;
	only.flags = DRX_ZCRX_REG_IMPORT;
	if (memcmp(&only, arg, sizeof(only)) || registered ||
	    !(params.flags & IORING_SETUP_DEFER_TASKRUN))
		return -EINVAL;
	if (!reg_errors.empty()) {
		const int err = reg_errors.front();

		reg_errors.pop_front();
		if (err)
			return err;
	}
	if (fcntl(static_cast<int>(arg->if_idx), F_GETFD) < 0)
		return -EBADF;
	arg->zcrx_id = zcrx_id;
	imports++;
	return 0;
}

/* zcrx_flush_rq(): the entries go to the area's free list. */
int FakeRing::ctrl(struct drx_zcrx_ctrl *arg, unsigned int nr_args)
{
	if (nr_args || arg->zcrx_id != zcrx_id || arg->resv[0] || arg->resv[1])
		return -EINVAL;
	if (arg->op == DRX_ZCRX_CTRL_EXPORT)
		return export_registration(arg);
	if (arg->op == DRX_ZCRX_CTRL_ARM_EVENT)
		return arm_event(arg);
	if (arg->op == DRX_ZCRX_CTRL_ADD_AREA)
		return add_area(arg);
	if (arg->op != DRX_ZCRX_CTRL_FLUSH_RQ)
		return -EOPNOTSUPP;
	flushes++;
	if (flush_error)
		return flush_error;
	(void)take_refills(rq_nr, false);
	return 0;
}

/* -- submissions ------------------------------------------------------------ */

unsigned int FakeRing::submit(std::vector<Request> &to)
{
	struct io_uring_sq *sq = &ring->sq;
	unsigned int n = 0;

	for (; sq->sqe_head != sq->sqe_tail; sq->sqe_head++, n++) {
		const struct io_uring_sqe *sqe =
			&sq->sqes[sq->sqe_head & sq->ring_mask];
		Request request = {};

		request.opcode = sqe->opcode;
		request.fd = sqe->fd;
		request.user_data = sqe->user_data;
		request.target = sqe->addr;
		request.len = sqe->len;
		request.valid = !sqe->flags;
		switch (sqe->opcode) {
		case DRX_IORING_OP_RECV_ZC: /* io_recvzc_prep() */
			request.valid &= sqe->ioprio == IORING_RECV_MULTISHOT &&
					 !sqe->addr && !sqe->off &&
					 !sqe->msg_flags &&
					 sqe->file_index == zcrx_id;
			break;
		case DRX_IORING_OP_WRITEV_FIXED: /* io_prep_writev_fixed() */
		case IORING_OP_WRITEV: {
			const auto *iov =
				reinterpret_cast<struct iovec *>(sqe->addr);
			const bool fixed = sqe->opcode != IORING_OP_WRITEV;

			request.off = sqe->off;
			request.iov.assign(iov, iov + sqe->len);
			request.valid &= sqe->len && !sqe->rw_flags &&
					 (fixed || !sqe->buf_index);
			for (const struct iovec &one : request.iov) {
				if (!fixed)
					break;
				const auto &buf = buffers.at(sqe->buf_index);
				const auto *begin =
					static_cast<char *>(buf.iov_base);
				const auto *at =
					static_cast<char *>(one.iov_base);

				request.valid &=
					at >= begin &&
					at + one.iov_len <= begin + buf.iov_len;
			}
			writes++;
			fixed_writes += fixed;
			break;
		}
		case IORING_OP_POLL_ADD: /* io_poll_add_prep(), once */
			request.valid &= sqe->poll32_events == POLLIN &&
					 !sqe->buf_index && !sqe->off &&
					 !sqe->addr && !sqe->len;
			break;
		default:
			request.valid &= !sqe->cancel_flags;
		}
		to.push_back(request);
	}
	__atomic_store_n(&sq_head, sq->sqe_head, __ATOMIC_RELEASE);
	return n;
}

void FakeRing::cancel(const Request &request)
{
	cancels++;
	for (auto &s : sockets) {
		Socket &socket = s.second;

		if (!socket.armed || socket.user_data != request.target)
			continue;
		if (std::find(cancelled.begin(), cancelled.end(), &socket) !=
		    cancelled.end())
			break;
		if (hold_cancelled)
			cancelled.push_back(&socket);
		else
			finish(socket, -ECANCELED);
		post(request.user_data, 0, 0);
		return;
	}
	post(request.user_data, -ENOENT, 0);
}

/* A descriptor that is polled: true once it was ready. */
bool FakeRing::answer(const Request &request)
{
	struct pollfd pfd = { request.fd, POLLIN, 0 };

	if (::poll(&pfd, 1, 0) != 1)
		return false;
	post(request.user_data, pfd.revents, 0);
	return true;
}

void FakeRing::handle(const Request &request)
{
	if (request.opcode == IORING_OP_ASYNC_CANCEL && request.valid) {
		cancel(request);
		return;
	}
	if (request.opcode == IORING_OP_POLL_ADD && request.valid) {
		polls++;
		polled.push_back(request);
		return;
	}
	if ((request.opcode == IORING_OP_WRITEV ||
	     request.opcode == DRX_IORING_OP_WRITEV_FIXED) &&
	    request.valid) {
		writing.push_back(request);
		return;
	}
	if (request.opcode != DRX_IORING_OP_RECV_ZC || !request.valid) {
		violation("a submission that the kernel refuses");
		post(request.user_data, -EINVAL, 0);
		return;
	}
	receives++;
	Socket &socket = sockets[request.fd];
	if (socket.armed) {
		violation("a second receive on socket " +
			  std::to_string(request.fd));
		return;
	}
	socket.armed = true;
	socket.user_data = request.user_data;
	socket.limit = request.len;
	thieves += request.len != 0;
}

int FakeRing::op_enter(struct io_uring *ring, bool wait,
		       struct __kernel_timespec *ts)
{
	return fake_of(ring)->enter(wait, ts);
}

int FakeRing::enter(bool wait, struct __kernel_timespec *ts)
{
	std::vector<Request> batch;
	unsigned int n;

	enters++;
	if (on_enter)
		on_enter();
	waited = wait;
	limited = wait && ts;
	limit_ns = limited ? ts->tv_sec * 1000000000 + ts->tv_nsec : 0;
	if (ts &&
	    (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= 1000000000))
		violation("a timespec that the kernel refuses");
	if (!enter_errors.empty()) {
		const int err = enter_errors.front();

		enter_errors.pop_front();
		if (err)
			return err;
	}
	n = submit(batch);

	if (threaded) {
		const int64_t until = limited ? now_ns() + limit_ns : 0;

		if (n) {
			const std::lock_guard<std::mutex> guard(requests_lock);

			requests.insert(requests.end(), batch.begin(),
					batch.end());
			has_requests.store(true, std::memory_order_release);
		}
		while (wait && cq_empty()) {
			if (until && now_ns() >= until)
				return -ETIME;
			std::this_thread::yield();
		}
		return static_cast<int>(n);
	}

	for (const Request &request : batch)
		handle(request);
	flush_overflow();
	world();
	for (int i = 0; wait && cq_empty() && i < 100; i++) {
		flush_overflow();
		world();
	}
	if (wait && cq_empty()) {
		if (ts)
			return -ETIME;
		violation("sleeps for ever");
		return -EINTR;
	}
	return static_cast<int>(n);
}

/* -- a thread as the kernel -------------------------------------------------- */

void FakeRing::kernel_thread()
{
	while (!stopping.load(std::memory_order_acquire)) {
		if (has_requests.load(std::memory_order_acquire)) {
			std::vector<Request> batch;
			{
				const std::lock_guard<std::mutex> guard(
					requests_lock);
				batch.swap(requests);
				has_requests.store(false,
						   std::memory_order_relaxed);
			}
			for (const Request &request : batch)
				handle(request);
		}
		flush_overflow();
		world();
		std::this_thread::yield();
	}
}

void FakeRing::start()
{
	threaded = true;
	stopping = false;
	thread = std::thread(&FakeRing::kernel_thread, this);
}

void FakeRing::stop()
{
	if (!thread.joinable())
		return;
	stopping.store(true, std::memory_order_release);
	thread.join();
	threaded = false;
}
