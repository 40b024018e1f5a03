/* SPDX-License-Identifier: MIT */
/*
 * A fake of the kernel's side of zero-copy receive, in plain memory.
 *
 * It stands behind struct drx_uring_ops: the submission and completion queues,
 * the refill ring, the sockets, the NIC and its pool of chunks, as Linux 7.3
 * moves them (io_uring/zcrx.c, io_uring/net.c, io_cqe_cache_refill()). The
 * library above it is the one that users get. What a kernel would let pass or
 * only suffer from is noted as a violation, and the test fails.
 *
 * No time passes here: who waits for what can still come gets it at once, who
 * waits for what cannot come gets -ETIME, or a violation where no limit was
 * given.
 */
#ifndef FAKE_RING_H
#define FAKE_RING_H

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <liburing.h> /* has C++ of its own: not inside extern "C" */

extern "C" {
#include "zcrx/receiver.h"
}

/* The byte at @position of what socket @fd's peer sends. */
static inline unsigned char fake_byte(int fd, uint64_t position)
{
	const uint64_t x = (position / 8 + 1) * 0x9e3779b97f4a7c15 ^
			   static_cast<uint64_t>(fd) * 0xc2b2ae3d27d4eb4f;

	return static_cast<unsigned char>((x ^ x >> 29) >> position % 8 * 8);
}

class FakeRing
{
      public:
	explicit FakeRing(uint64_t seed = 1);
	~FakeRing();
	FakeRing(const FakeRing &) = delete;
	FakeRing &operator=(const FakeRing &) = delete;

	/* The table for drx_receiver_open(); it reaches the fake that was last
	 * made current. */
	static const struct drx_uring_ops ops;
	void make_current();

	/* The peer of @fd sends @len bytes, which reach the socket when the NIC
	 * has chunks; then closes, or breaks the connection with @error. */
	void send(int fd, uint64_t len);
	void end(int fd, int error = 0);
	/* @len bytes came around the queue, into kernel memory. */
	void send_copied(int fd, uint64_t len);
	/* A byte that the kernel gives neither to a receive nor to recvmsg():
	 * linear within an unreadable packet. */
	void send_stuck(int fd);
	/* The next receive on @fd ends with @res before any data. */
	void inject(int fd, int res);
	/* A completion of the test's making, whatever the rules. */
	void forge(uint64_t user_data, int res, uint32_t flags, uint64_t off);
	/* user_data of the receive that is armed on @fd, 0 where none is. */
	uint64_t armed(int fd) const;
	/* Bytes for @fd that were not put into a completion. */
	uint64_t left(int fd) const;
	/* The NIC takes @n entries out of the refill ring now. */
	void nic_refills(unsigned int n);
	/* The kernel does its work now, though nobody entered it. */
	void work();
	/* Completions of cancelled receives wait until this is cleared. */
	bool hold_cancelled = false;
	void forget_cancelled()
	{
		cancelled.clear();
		hold_cancelled = false;
	}
	/* Chunks that NIC, sockets and completions could still get. */
	uint64_t chunks_free() const;
	/* References to chunks that the program has. */
	uint64_t refs_out() const;
	/* The NIC keeps @n free chunks for itself. */
	void nic_takes(unsigned int n);

	/* Faults, each until changed. */
	int setup_error = 0;
	std::deque<int> reg_errors; /* for the next registrations */
	std::function<void(struct drx_zcrx_ifq_reg &)> reg_answer;
	std::deque<int> enter_errors; /* before anything is submitted; 0: none */
	int flush_error = 0;
	int export_error = 0;
	int arm_error = 0;
	std::deque<int> area_errors; /* for the next added areas */
	/* Writes to files, which are real: what the next ones return, 0 for the
	 * truth; no more bytes at once than this; and not before that is off. */
	std::deque<int> write_errors;
	size_t write_max = SIZE_MAX;
	bool hold_writes = false;
	int buffers_error = 0; /* of registering buffers */
	bool writes_fixed = true; /* Linux 6.15 */
	bool alloc_events = false; /* tell of an empty area */
	std::function<void()> on_enter; /* before anything else */
	bool idle_nic = false; /* never looks at the refill ring */
	int drain_end =
		-ENODEV; /* of recvmsg() where the NIC's payload begins */
	std::deque<int> drain_errors; /* of the next drains; 0: none */
	uint32_t drain_max = UINT32_MAX; /* bytes that one gives */
	int uncopyable = -ENOMEM; /* payload in kernel memory, dmabuf area */

	/* How the NIC and the sockets behave. */
	uint32_t piece_min = 1;
	uint32_t piece_max = UINT32_MAX; /* bytes of one packet */
	bool pack = true; /* several pieces in one chunk */
	uint32_t burst = UINT32_MAX; /* completions of a socket at a time */
	bool shuffle = false; /* random sockets, at random times */
	uint64_t area_token =
		0; /* as Linux has it; a kernel may have another */
	bool cqe_has_token = true; /* since 7.3 */

	/* What was seen. */
	unsigned int registrations = 0;
	unsigned int enters = 0;
	unsigned int flushes = 0;
	unsigned int imports = 0;
	unsigned int areas_added = 0;
	unsigned int writes = 0, fixed_writes = 0;
	std::vector<struct iovec> buffers; /* registered */
	unsigned int arms = 0; /* of the event that the area is empty */
	unsigned int exits = 0;
	unsigned int cancels = 0;
	unsigned int receives = 0;
	unsigned int polls = 0; /* of descriptors, which are real */
	unsigned int drains = 0; /* recvmsg() */
	uint64_t drained = 0; /* bytes */
	unsigned int thieves = 0; /* receives with a limit */
	unsigned int nospc = 0; /* receives ended by a full queue */
	unsigned int fillers = 0; /* IORING_CQE_F_SKIP */
	unsigned int most_in_chunk = 0; /* references to one chunk at once */
	bool waited = false; /* the last enter: was it to wait, */
	bool limited = false; /* with a limit, */
	int64_t limit_ns = 0; /* and which */
	std::vector<int64_t> tries_ns; /* when each registration came */
	struct io_uring_params params = {};
	struct drx_zcrx_ifq_reg reg = {};
	struct drx_zcrx_area_reg area = {};
	struct drx_region_desc region = {};
	struct drx_zcrx_event_desc events = {};
	std::vector<std::string> violations;
	struct io_uring *ring = nullptr;

	/* A second thread plays the kernel from here until stop(): it posts
	 * completions and takes refill entries while the program runs. */
	void start();
	void stop();

      private:
	struct Piece {
		uint32_t chunk;
		uint32_t off;
		uint32_t len;
		bool copied;
		uint64_t position;
		bool stuck;
	};
	/* What the peer has still to send. */
	struct Segment {
		uint64_t len;
		bool copied;
		bool stuck;
	};
	struct Socket {
		bool armed = false;
		uint64_t user_data = 0;
		uint64_t limit = 0; /* bytes of the receive, 0: any */
		std::deque<Segment> unsent;
		uint64_t position = 0;
		bool ends = false;
		int error = 0;
		std::deque<Piece> queue;
		std::deque<int> inject;
	};
	struct Overflow {
		uint64_t user_data;
		int res;
		uint32_t flags;
	};
	struct Request {
		uint8_t opcode;
		int fd;
		uint64_t user_data;
		uint64_t target;
		uint32_t len;
		bool valid;
		uint64_t off; /* of a write, and */
		std::vector<struct iovec> iov;
	};

	static int op_setup(struct io_uring *ring, unsigned int entries,
			    struct io_uring_params *params);
	static void op_exit(struct io_uring *ring);
	static int op_enter(struct io_uring *ring, bool wait,
			    struct __kernel_timespec *ts);
	static int op_reg(struct io_uring *ring, unsigned int opcode, void *arg,
			  unsigned int nr_args);
	static int op_drain(int fd, void *buf, size_t len);
	int setup(struct io_uring *ring, unsigned int entries,
		  struct io_uring_params *params);
	int enter(bool wait, struct __kernel_timespec *ts);
	int register_ifq(struct drx_zcrx_ifq_reg *arg, unsigned int nr_args);
	static int map_area(const struct drx_zcrx_area_reg &area,
			    unsigned char **ret);
	int add_area(const struct drx_zcrx_ctrl *arg);
	void add_chunks(size_t nr);
	int ctrl(struct drx_zcrx_ctrl *arg, unsigned int nr_args);
	int export_registration(struct drx_zcrx_ctrl *arg) const;
	int arm_event(const struct drx_zcrx_ctrl *arg);
	void tell_empty();
	bool empty_told = false;
	int import_registration(struct drx_zcrx_ifq_reg *arg);

	unsigned int submit(std::vector<Request> &to);
	void handle(const Request &request);
	void cancel(const Request &request);
	bool answer(const Request &request);
	int probe(void *arg, unsigned int nr_args) const;
	int register_buffers(const struct iovec *iov, unsigned int nr);
	bool write(const Request &request);
	void world();
	bool nic(int fd, Socket &socket);
	bool receive(Socket &socket);
	int drain(int fd, unsigned char *buf, size_t len);
	void finish(Socket &socket, int res);
	void flush_overflow();
	bool cq_empty() const;
	bool cq_place(bool wide, bool overflow, uint32_t *idx);
	bool post_data(uint64_t user_data, uint32_t len, uint32_t chunk,
		       uint32_t off);
	void post(uint64_t user_data, int res, uint32_t flags);
	bool post_short(const Overflow &cqe, bool overflow);
	void cq_commit();
	bool get_chunk(uint32_t *chunk);
	void put_chunk(uint32_t chunk, bool to_pool);
	unsigned int take_refills(unsigned int max, bool to_pool);
	void fill(uint32_t chunk, uint32_t off, int fd, uint64_t position,
		  uint32_t len);
	void violation(const std::string &text);
	void kernel_thread();

	std::mt19937_64 rng;
	std::map<int, Socket> sockets;
	std::vector<Socket *> cancelled;
	std::vector<Request> writing;
	std::vector<Request> polled; /* until their descriptor is ready */

	/* Queues. */
	int ring_fd = -1;
	bool mixed = false;
	uint32_t sq_head = 0, sq_tail = 0, sq_flags = 0;
	std::vector<struct io_uring_sqe> sqes;
	uint32_t cq_head = 0, cq_tail = 0, cq_flags = 0;
	uint32_t cached_tail = 0; /* posted, not yet shown */
	uint32_t cq_entries = 0;
	std::vector<struct io_uring_cqe> cqes;
	std::deque<Overflow> overflow;

	/* The interface queue. */
	bool registered = false;
	uint32_t zcrx_id = 0;
	uint32_t *rq_khead = nullptr;
	uint32_t *rq_ktail = nullptr;
	struct drx_zcrx_rqe *rqes = nullptr;
	struct drx_zcrx_stats *stats = nullptr;
	uint32_t rq_head = 0;
	uint32_t rq_nr = 0;

	/* The area and its chunks. */
	struct Area {
		unsigned char *base;
		uint64_t len;
		uint32_t first; /* chunk */
	};
	std::vector<Area> areas; /* the registered one, and added ones */
	const Area &area_of(uint32_t chunk) const;
	bool find_chunk(uint64_t refill, uint32_t *chunk);
	bool dmabuf = false;
	bool nodev = false; /* no NIC: all is copied out of the sockets */
	uint32_t chunk_len = 0;
	std::vector<uint32_t> refs; /* pool's count */
	std::vector<uint32_t> user_refs;
	std::vector<uint32_t> in_refills; /* scratch of take_refills() */
	std::deque<uint32_t> pool; /* the NIC's cache */
	std::deque<uint32_t> free_list;
	static constexpr uint32_t NO_CHUNK = UINT32_MAX;
	uint32_t nic_chunk = NO_CHUNK; /* being filled */
	uint32_t nic_fill = 0;

	/* Threads. */
	bool threaded = false;
	std::thread thread;
	std::atomic<bool> stopping{ false };
	std::atomic<bool> has_requests{ false };
	std::mutex requests_lock;
	std::vector<Request> requests;
};

#endif /* FAKE_RING_H */
