// SPDX-License-Identifier: MIT
/*
 * The fake ring; see fake_ring.h. Where a rule is the kernel's, its function
 * stands beside it.
 */
#include "fake_ring.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
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
	FakeRing::op_setup,
	FakeRing::op_exit,
	FakeRing::op_enter,
	FakeRing::op_reg,
};

FakeRing::FakeRing(uint64_t seed) : rng(seed)
{
	make_current();
}

FakeRing::~FakeRing()
{
	stop();
	if (dmabuf && base)
		(void)munmap(base, area.len);
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
	default:
		fake->violation("register opcode " + std::to_string(opcode));
		return -EINVAL;
	}
}

/* The area as the NIC writes it: the host's pages, or the "dmabuf", which is
 * a memfd here. */
int FakeRing::map_area()
{
	void *map;

	dmabuf = area.flags & DRX_ZCRX_AREA_DMABUF;
	if (!dmabuf) {
		base = reinterpret_cast<unsigned char *>(area.addr);
		return area.dmabuf_fd || !base ? -EFAULT : 0;
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
	base = static_cast<unsigned char *>(map);
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
	if (nr_args != 1 || reg.flags || reg.zcrx_id || reg.resv[0] ||
	    reg.resv[1] || area.rq_area_token || area.resv2[0] ||
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
	err = map_area();
	if (err)
		return err;

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
	const size_t nr = area.len / chunk_len;
	refs.assign(nr, 0);
	user_refs.assign(nr, 0);
	in_refills.assign(nr, 0);
	for (uint32_t i = 0; i < nr; i++)
		free_list.push_back(i);
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

/* zcrx_flush_rq(): the entries go to the area's free list. */
int FakeRing::ctrl(struct drx_zcrx_ctrl *arg, unsigned int nr_args)
{
	if (nr_args || arg->zcrx_id != zcrx_id || arg->resv[0] || arg->resv[1])
		return -EINVAL;
	if (arg->op != DRX_ZCRX_CTRL_FLUSH_RQ)
		return -EOPNOTSUPP;
	flushes++;
	if (flush_error)
		return flush_error;
	(void)take_refills(rq_nr, false);
	return 0;
}

/* -- chunks ---------------------------------------------------------------- */

void FakeRing::put_chunk(uint32_t chunk, bool to_pool)
{
	if (--refs[chunk])
		return;
	if (to_pool)
		pool.push_back(chunk);
	else
		free_list.push_back(chunk);
}

/* io_zcrx_ring_refill(), zcrx_parse_rq(), zcrx_put_refill_niov() */
unsigned int FakeRing::take_refills(unsigned int max, bool to_pool)
{
	const uint32_t tail = __atomic_load_n(rq_ktail, __ATOMIC_ACQUIRE);
	unsigned int n = 0;

	if (tail - rq_head > rq_nr) {
		violation("the refill ring's tail ran over its head");
		return 0;
	}
	while (rq_head != tail && n < max) {
		const struct drx_zcrx_rqe rqe = rqes[rq_head & (rq_nr - 1)];
		const uint64_t off = rqe.off & ~DRX_ZCRX_AREA_MASK;
		uint32_t chunk, same = 1;

		n++;
		rq_head++;
		if ((rqe.off & DRX_ZCRX_AREA_MASK) != area_token) {
			violation("refill of another area");
			continue;
		}
		if (off >= area.len || rqe.pad) {
			violation("refill entry outside the area, or padded");
			continue;
		}
		chunk = static_cast<uint32_t>(off / chunk_len);
		/* Entries of one chunk side by side are one. */
		while (rq_head != tail && n < max) {
			const struct drx_zcrx_rqe *next =
				&rqes[rq_head & (rq_nr - 1)];

			if ((next->off & ~DRX_ZCRX_AREA_MASK) / chunk_len !=
			    chunk)
				break;
			same++;
			n++;
			rq_head++;
		}
		if (same > user_refs[chunk]) {
			violation("chunk " + std::to_string(chunk) +
				  " returned " + std::to_string(same) +
				  " times with " +
				  std::to_string(user_refs[chunk]) + " held");
			continue;
		}
		user_refs[chunk] -= same;
		while (same--)
			put_chunk(chunk, to_pool);
	}
	__atomic_store_n(rq_khead, rq_head, __ATOMIC_RELEASE);
	return n;
}

void FakeRing::nic_refills(unsigned int n)
{
	(void)take_refills(n, true);
}

/* io_pp_zc_alloc_netmems() */
bool FakeRing::get_chunk(uint32_t *chunk)
{
	if (pool.empty() && !idle_nic)
		(void)take_refills(256, true);
	if (pool.empty() && !free_list.empty()) {
		pool.push_back(free_list.front());
		free_list.pop_front();
	}
	if (pool.empty())
		return false;
	*chunk = pool.front();
	pool.pop_front();
	refs[*chunk] = 1;
	return true;
}

void FakeRing::nic_takes(unsigned int n)
{
	while (n-- && !free_list.empty())
		free_list.pop_front();
}

uint64_t FakeRing::chunks_free() const
{
	return pool.size() + free_list.size();
}

uint64_t FakeRing::refs_out() const
{
	uint64_t n = 0;

	for (uint32_t r : user_refs)
		n += r;
	return n;
}

void FakeRing::fill(uint64_t at, int fd, uint64_t position, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		base[at + i] = fake_byte(fd, position + i);
}

/* -- completions ------------------------------------------------------------ */

bool FakeRing::cq_empty() const
{
	return __atomic_load_n(&cq_tail, __ATOMIC_RELAXED) ==
	       __atomic_load_n(&cq_head, __ATOMIC_RELAXED);
}

void FakeRing::cq_commit()
{
	__atomic_store_n(&cq_tail, cached_tail, __ATOMIC_RELEASE);
}

/* io_cqe_cache_refill(): room for one completion, or false. */
bool FakeRing::cq_place(bool wide, bool from_overflow, uint32_t *idx)
{
	const uint32_t head = __atomic_load_n(&cq_head, __ATOMIC_ACQUIRE);
	const uint32_t need = mixed && wide ? 2 : 1;
	uint32_t off = cached_tail & (cq_entries - 1);

	if (cached_tail - head > cq_entries) {
		violation("the completion queue's head ran over its tail");
		return false;
	}
	if (!from_overflow && !overflow.empty())
		return false;
	if (need == 2 && off + 1 == cq_entries) {
		if (cached_tail - head == cq_entries)
			return false;
		cqes[off].user_data = 0;
		cqes[off].res = 0;
		cqes[off].flags = DRX_IORING_CQE_F_SKIP;
		cached_tail++;
		fillers++;
		off = 0;
	}
	if (std::min(cq_entries - (cached_tail - head), cq_entries - off) <
	    need)
		return false;
	*idx = mixed ? off : off * 2;
	cached_tail += need;
	return true;
}

/* io_zcrx_queue_cqe(): never goes to the overflow list. */
bool FakeRing::post_data(uint64_t user_data, uint32_t len, uint64_t off)
{
	uint32_t idx;

	if (!cq_place(true, false, &idx))
		return false;
	cqes[idx].user_data = user_data;
	cqes[idx].res = static_cast<int32_t>(len);
	cqes[idx].flags = IORING_CQE_F_MORE | (mixed ? DRX_IORING_CQE_F_32 : 0);
	auto *half = reinterpret_cast<struct drx_zcrx_cqe *>(&cqes[idx + 1]);
	half->off = off | (cqe_has_token ? area_token : 0);
	half->pad = 0;
	return true;
}

bool FakeRing::post_short(const Overflow &cqe, bool from_overflow)
{
	uint32_t idx;

	if (!cq_place(false, from_overflow, &idx))
		return false;
	cqes[idx].user_data = cqe.user_data;
	cqes[idx].res = cqe.res;
	cqes[idx].flags = cqe.flags;
	return true;
}

void FakeRing::post(uint64_t user_data, int res, uint32_t flags)
{
	const Overflow cqe = { user_data, res, flags };

	if (!post_short(cqe, false)) {
		overflow.push_back(cqe);
		__atomic_or_fetch(&sq_flags, IORING_SQ_CQ_OVERFLOW,
				  __ATOMIC_RELAXED);
	}
}

void FakeRing::flush_overflow()
{
	while (!overflow.empty() && post_short(overflow.front(), true))
		overflow.pop_front();
	if (overflow.empty())
		__atomic_and_fetch(&sq_flags, ~IORING_SQ_CQ_OVERFLOW,
				   __ATOMIC_RELAXED);
	cq_commit();
}

void FakeRing::forge(uint64_t user_data, int res, uint32_t flags, uint64_t off)
{
	uint32_t idx;
	const bool wide = !mixed || flags & DRX_IORING_CQE_F_32;

	if (!cq_place(wide, true, &idx)) {
		violation("no room for a forged completion");
		return;
	}
	cqes[idx].user_data = user_data;
	cqes[idx].res = res;
	cqes[idx].flags = flags;
	if (wide)
		reinterpret_cast<struct drx_zcrx_cqe *>(&cqes[idx + 1])->off =
			off;
	cq_commit();
}

/* -- sockets ---------------------------------------------------------------- */

void FakeRing::send(int fd, uint64_t len)
{
	sockets[fd].unsent += len;
}

void FakeRing::end(int fd, int error)
{
	sockets[fd].ends = true;
	sockets[fd].error = error;
}

void FakeRing::send_copied(int fd, uint64_t len)
{
	Socket &socket = sockets[fd];

	while (len) {
		const auto n =
			static_cast<uint32_t>(std::min<uint64_t>(len, PAGE));

		socket.queue.push_back(
			{ NO_CHUNK, 0, n, true, socket.position });
		socket.position += n;
		len -= n;
	}
}

void FakeRing::inject(int fd, int res)
{
	sockets[fd].inject.push_back(res);
}

uint64_t FakeRing::armed(int fd) const
{
	const auto it = sockets.find(fd);

	return it == sockets.end() || !it->second.armed ? 0 :
							  it->second.user_data;
}

uint64_t FakeRing::left(int fd) const
{
	const auto it = sockets.find(fd);
	uint64_t len;

	if (it == sockets.end())
		return 0;
	len = it->second.unsent;
	for (const Piece &piece : it->second.queue)
		len += piece.len;
	return len;
}

void FakeRing::finish(Socket &socket, int res)
{
	socket.armed = false;
	post(socket.user_data, res, 0);
}

/* The NIC places packets of one socket; false where it could not. */
bool FakeRing::nic(int fd, Socket &socket)
{
	bool done = false;

	while (socket.unsent) {
		uint64_t most = std::min<uint64_t>(socket.unsent, piece_max);
		uint32_t len;

		if (nic_chunk == NO_CHUNK) {
			if (!get_chunk(&nic_chunk))
				return done;
			nic_fill = 0;
		}
		most = std::min<uint64_t>(most, chunk_len - nic_fill);
		len = static_cast<uint32_t>(most);
		if (shuffle && most > piece_min)
			len = static_cast<uint32_t>(
				piece_min + rng() % (most - piece_min + 1));
		const uint32_t off = nic_fill;
		fill(static_cast<uint64_t>(nic_chunk) * chunk_len + off, fd,
		     socket.position, len);
		refs[nic_chunk]++;
		socket.queue.push_back(
			{ nic_chunk, off, len, false, socket.position });
		socket.position += len;
		socket.unsent -= len;
		nic_fill += len;
		done = true;
		if (!pack || nic_fill == chunk_len) {
			put_chunk(nic_chunk, true);
			nic_chunk = NO_CHUNK;
		}
		if (shuffle && rng() % 4 == 0)
			break;
	}
	return done;
}

/* io_zcrx_recv(): deliver what is in the socket; false where nothing came. */
bool FakeRing::receive(Socket &socket)
{
	bool done = false;

	if (!socket.inject.empty()) {
		const int res = socket.inject.front();

		socket.inject.pop_front();
		finish(socket, res);
		return true;
	}
	for (uint32_t i = 0; i < burst && !socket.queue.empty(); i++) {
		Piece piece = socket.queue.front();

		if (piece.copied) {
			if (dmabuf) {
				finish(socket, uncopyable);
				return true;
			}
			/* io_alloc_fallback_niov(): the free list only. */
			if (free_list.empty()) {
				finish(socket, -ENOMEM);
				return true;
			}
			piece.chunk = free_list.front();
			piece.off = 0;
			free_list.pop_front();
			refs[piece.chunk] = 1;
			int fd = -1;
			for (auto &s : sockets)
				if (&s.second == &socket)
					fd = s.first;
			fill(static_cast<uint64_t>(piece.chunk) * chunk_len, fd,
			     piece.position, piece.len);
		}
		if (!post_data(socket.user_data, piece.len,
			       static_cast<uint64_t>(piece.chunk) * chunk_len +
				       piece.off)) {
			if (piece.copied)
				put_chunk(piece.chunk, false);
			nospc++;
			finish(socket, -ENOSPC);
			return true;
		}
		if (piece.copied && stats) {
			__atomic_add_fetch(&stats->copy_count, 1,
					   __ATOMIC_RELAXED);
			__atomic_add_fetch(&stats->copy_bytes, piece.len,
					   __ATOMIC_RELAXED);
		}
		user_refs[piece.chunk]++;
		most_in_chunk = std::max(most_in_chunk, user_refs[piece.chunk]);
		socket.queue.pop_front();
		done = true;
	}
	if (socket.queue.empty() && !socket.unsent && socket.ends) {
		finish(socket, socket.error);
		return true;
	}
	return done;
}

void FakeRing::world()
{
	std::vector<std::pair<const int, Socket> *> order;

	for (auto &s : sockets)
		order.push_back(&s);
	if (shuffle)
		std::shuffle(order.begin(), order.end(), rng);
	for (auto *s : order) {
		if (shuffle && rng() % 3 == 0)
			continue;
		if (s->second.unsent)
			(void)nic(s->first, s->second);
		if (s->second.armed)
			(void)receive(s->second);
	}
	if (!hold_cancelled) {
		for (Socket *socket : cancelled)
			finish(*socket, -ECANCELED);
		cancelled.clear();
	}
	cq_commit();
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
		/* io_recvzc_prep() */
		request.valid = sqe->opcode == DRX_IORING_OP_RECV_ZC ?
					sqe->ioprio == IORING_RECV_MULTISHOT &&
						!sqe->len && !sqe->addr &&
						!sqe->off && !sqe->msg_flags &&
						!sqe->flags &&
						sqe->file_index == zcrx_id :
					!sqe->cancel_flags && !sqe->flags;
		to.push_back(request);
	}
	__atomic_store_n(&sq_head, sq->sqe_head, __ATOMIC_RELEASE);
	return n;
}

void FakeRing::handle(const Request &request)
{
	if (request.opcode == IORING_OP_ASYNC_CANCEL) {
		cancels++;
		for (auto &s : sockets) {
			Socket &socket = s.second;

			if (!socket.armed || socket.user_data != request.target)
				continue;
			if (std::find(cancelled.begin(), cancelled.end(),
				      &socket) != cancelled.end())
				break;
			if (hold_cancelled)
				cancelled.push_back(&socket);
			else
				finish(socket, -ECANCELED);
			post(request.user_data, 0, 0);
			return;
		}
		post(request.user_data, -ENOENT, 0);
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
