// SPDX-License-Identifier: MIT
/*
 * The fake ring's NIC and sockets: chunks, completions, and what the kernel does
 * between them. Where a rule is the kernel's, its function stands beside it.
 */
#include "fake_ring.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace
{

constexpr uint32_t PAGE = 4096;

} // namespace

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

const FakeRing::Area &FakeRing::area_of(uint32_t chunk) const
{
	size_t i = areas.size() - 1;

	while (areas[i].first > chunk)
		i--;
	return areas[i];
}

/* zcrx_parse_rq(): the first area's token may be any, here. */
bool FakeRing::find_chunk(uint64_t refill, uint32_t *chunk)
{
	const uint64_t off = refill & ~DRX_ZCRX_AREA_MASK;
	const uint64_t i = (refill - area_token) >> DRX_ZCRX_AREA_SHIFT;

	if (i >= areas.size()) {
		violation("refill of another area");
		return false;
	}
	if (off >= areas[i].len) {
		violation("refill entry outside the area");
		return false;
	}
	*chunk = areas[i].first + static_cast<uint32_t>(off / chunk_len);
	return true;
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
		uint32_t chunk, same = 1;

		n++;
		rq_head++;
		if (rqe.pad)
			violation("refill entry padded");
		if (!find_chunk(rqe.off, &chunk))
			continue;
		/* Entries of one chunk side by side are one. */
		while (rq_head != tail && n < max) {
			const struct drx_zcrx_rqe *next =
				&rqes[rq_head & (rq_nr - 1)];

			if (next->off / chunk_len != rqe.off / chunk_len)
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

void FakeRing::fill(uint32_t chunk, uint32_t off, int fd, uint64_t position,
		    uint32_t len)
{
	const Area &in = area_of(chunk);
	unsigned char *at =
		in.base + uint64_t(chunk - in.first) * chunk_len + off;

	for (uint32_t i = 0; i < len; i++)
		at[i] = fake_byte(fd, position + i);
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
bool FakeRing::post_data(uint64_t user_data, uint32_t len, uint32_t chunk,
			 uint32_t off)
{
	const Area &in = area_of(chunk);
	const uint64_t token = area_token + (uint64_t(&in - areas.data())
					     << DRX_ZCRX_AREA_SHIFT);
	uint32_t idx;

	if (!cq_place(true, false, &idx))
		return false;
	cqes[idx].user_data = user_data;
	cqes[idx].res = static_cast<int32_t>(len);
	cqes[idx].flags = IORING_CQE_F_MORE | (mixed ? DRX_IORING_CQE_F_32 : 0);
	auto *half = reinterpret_cast<struct drx_zcrx_cqe *>(&cqes[idx + 1]);
	half->off = (uint64_t(chunk - in.first) * chunk_len + off) |
		    (cqe_has_token ? token : 0);
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

/* Once, until the event is armed again (zcrx_send_event()). */
void FakeRing::tell_empty()
{
	const uint32_t bit = 1u << DRX_ZCRX_EVENT_ALLOC_FAIL;

	if (!alloc_events || empty_told || !(events.type_mask & bit))
		return;
	empty_told = true;
	post(events.user_data, DRX_ZCRX_EVENT_ALLOC_FAIL, 0);
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
	if (wide) {
		auto *half =
			reinterpret_cast<struct drx_zcrx_cqe *>(&cqes[idx + 1]);

		half->off = off;
		half->pad = 0;
	}
	cq_commit();
}

/* -- sockets ---------------------------------------------------------------- */

void FakeRing::send(int fd, uint64_t len)
{
	sockets[fd].unsent.push_back({ len, false, false });
}

void FakeRing::end(int fd, int error)
{
	sockets[fd].ends = true;
	sockets[fd].error = error;
}

void FakeRing::send_copied(int fd, uint64_t len)
{
	sockets[fd].unsent.push_back({ len, true, false });
}

void FakeRing::send_stuck(int fd)
{
	sockets[fd].unsent.push_back({ 1, true, true });
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
	len = 0;
	for (const Segment &segment : it->second.unsent)
		len += segment.len;
	for (const Piece &piece : it->second.queue)
		len += piece.len;
	return len;
}

void FakeRing::finish(Socket &socket, int res)
{
	socket.armed = false;
	/* A cancellation is of this receive, not of the next one. */
	cancelled.erase(std::remove(cancelled.begin(), cancelled.end(),
				    &socket),
			cancelled.end());
	post(socket.user_data, res, 0);
}

/* The NIC places packets of one socket; false where it could not. */
bool FakeRing::nic(int fd, Socket &socket)
{
	bool done = false;

	while (!socket.unsent.empty()) {
		Segment &segment = socket.unsent.front();
		uint64_t most = std::min<uint64_t>(segment.len, piece_max);
		uint32_t len;

		if (segment.copied || nodev || !segment.len) {
			len = static_cast<uint32_t>(
				std::min<uint64_t>(most, PAGE));
			if (len)
				socket.queue.push_back({ NO_CHUNK, 0, len, true,
							 socket.position,
							 segment.stuck });
			socket.position += len;
			segment.len -= len;
			if (!segment.len)
				socket.unsent.pop_front();
			done = true;
			continue;
		}

		if (nic_chunk == NO_CHUNK) {
			if (!get_chunk(&nic_chunk)) {
				tell_empty();
				return done;
			}
			nic_fill = 0;
		}
		most = std::min<uint64_t>(most, chunk_len - nic_fill);
		len = static_cast<uint32_t>(most);
		if (shuffle && most > piece_min)
			len = static_cast<uint32_t>(
				piece_min + rng() % (most - piece_min + 1));
		const uint32_t off = nic_fill;
		fill(nic_chunk, off, fd, socket.position, len);
		refs[nic_chunk]++;
		socket.queue.push_back(
			{ nic_chunk, off, len, false, socket.position, false });
		socket.position += len;
		segment.len -= len;
		if (!segment.len)
			socket.unsent.pop_front();
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
			if (dmabuf || piece.stuck) {
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
			fill(piece.chunk, 0, fd, piece.position, piece.len);
		}
		/* io_recvzc(): what is over the limit stays in the socket. */
		if (socket.limit && piece.len > socket.limit)
			piece.len = static_cast<uint32_t>(socket.limit);
		if (!post_data(socket.user_data, piece.len, piece.chunk,
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
		Piece &front = socket.queue.front();
		if (piece.len == front.len) {
			socket.queue.pop_front();
		} else {
			front.off += piece.len;
			front.len -= piece.len;
			front.position += piece.len;
			refs[piece.chunk]++;
		}
		done = true;
		if (socket.limit) {
			socket.limit -= piece.len;
			if (!socket.limit) {
				finish(socket, 0);
				return true;
			}
		}
	}
	if (socket.queue.empty() && socket.unsent.empty() && socket.ends) {
		finish(socket, socket.error);
		return true;
	}
	return done;
}

/* tcp_recvmsg() with MSG_SOCK_DEVMEM | MSG_DONTWAIT. */
int FakeRing::drain(int fd, unsigned char *buf, size_t len)
{
	Socket &socket = sockets[fd];
	size_t got = 0;

	drains++;
	if (socket.armed)
		violation("recvmsg() while a receive is armed");
	if (!drain_errors.empty()) {
		const int err = drain_errors.front();

		drain_errors.pop_front();
		if (err)
			return err;
	}
	len = std::min<size_t>(len, drain_max);
	while (got < len && !socket.queue.empty()) {
		Piece &piece = socket.queue.front();
		const uint32_t n = static_cast<uint32_t>(
			std::min<size_t>(len - got, piece.len));

		if (!piece.copied || piece.stuck)
			break;
		for (uint32_t i = 0; i < n; i++)
			buf[got + i] = fake_byte(fd, piece.position + i);
		got += n;
		piece.position += n;
		piece.len -= n;
		if (!piece.len)
			socket.queue.pop_front();
	}
	drained += got;
	if (got)
		return static_cast<int>(got);
	if (!socket.queue.empty())
		return drain_end;
	if (socket.unsent.empty() && socket.ends)
		return socket.error;
	return -EAGAIN;
}

void FakeRing::work()
{
	world();
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
		if (!s->second.unsent.empty())
			(void)nic(s->first, s->second);
		if (s->second.armed)
			(void)receive(s->second);
	}
	if (!hold_cancelled) {
		while (!cancelled.empty())
			finish(*cancelled.front(), -ECANCELED);
	}
	writing.erase(std::remove_if(writing.begin(), writing.end(),
				     [this](const Request &request) {
					     return write(request);
				     }),
		      writing.end());
	polled.erase(std::remove_if(polled.begin(), polled.end(),
				    [this](const Request &request) {
					    return answer(request);
				    }),
		     polled.end());
	cq_commit();
}
