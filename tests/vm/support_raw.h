/* SPDX-License-Identifier: MIT */
/*
 * zcrx without devrx: the kernel's own answers, by io_uring_register(2) and
 * the mirrored structs.
 */
#ifndef DEVRX_TESTS_VM_SUPPORT_RAW_H
#define DEVRX_TESTS_VM_SUPPORT_RAW_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <liburing.h>

#include "support_net.h"
#include "zcrx/uapi_zcrx.h"

namespace vm
{

/* Anonymous memory, faulted in; not in children. */
class Mapping
{
      public:
	/* @single: in pages that do not touch each other. */
	explicit Mapping(size_t len = 0, bool single = false);
	Mapping(Mapping &&other) noexcept;
	Mapping &operator=(Mapping &&other) noexcept;
	~Mapping();
	char *get() const
	{
		return addr_;
	}
	size_t len() const
	{
		return len_;
	}
	uint64_t addr() const
	{
		return reinterpret_cast<uintptr_t>(addr_);
	}

      private:
	char *addr_;
	size_t len_;
};

constexpr unsigned int ring_flags_cqe32 = IORING_SETUP_SINGLE_ISSUER |
					  IORING_SETUP_DEFER_TASKRUN |
					  IORING_SETUP_CQE32;
constexpr unsigned int ring_flags_mixed = IORING_SETUP_SINGLE_ISSUER |
					  IORING_SETUP_DEFER_TASKRUN |
					  DRX_IORING_SETUP_CQE_MIXED;

class RawRing
{
      public:
	explicit RawRing(unsigned int flags = ring_flags_cqe32,
			 unsigned int cq_entries = 8192);
	~RawRing();
	RawRing(const RawRing &) = delete;

	int err() const
	{
		return err_;
	}
	struct io_uring *ring()
	{
		return &ring_;
	}
	/* 0 or a negative errno. */
	int reg(unsigned int op, void *arg, unsigned int nr = 1);
	int ctrl(struct drx_zcrx_ctrl *ctrl);
	void close();

      private:
	struct io_uring ring_;
	int err_;
	bool open_;
};

/* A registration that the kernel takes; a test changes one thing of it. */
struct Registration {
	explicit Registration(size_t area_len = 1 << 20,
			      uint32_t rq_entries = 1024);
	/* For a queue of a NIC; without it the area stands alone (NODEV). */
	void on_queue(uint32_t ifindex, uint32_t rxq);
	int submit(RawRing *ring);

	Mapping area_mem;
	Mapping region_mem;
	struct drx_zcrx_area_reg area = {};
	struct drx_region_desc region = {};
	struct drx_zcrx_event_desc events = {};
	struct drx_zcrx_ifq_reg reg = {};
};

/* A completion as it was, the ring's entry being gone. */
struct Cqe {
	uint64_t user_data;
	int res;
	uint32_t flags;
	uint64_t off; /* with F_32, or in a ring of CQE32 */
};

/*
 * An instance without a NIC on a ring of its own, and TCP over loopback to it:
 * the kernel copies everything, in the formats of the real thing.
 */
class Nodev
{
      public:
	explicit Nodev(size_t area_len = 1 << 20, uint32_t rq_entries = 1024,
		       unsigned int flags = ring_flags_cqe32);
	int err() const
	{
		return err_;
	}
	RawRing ring;
	Registration regn;

	/* A connected pair: 0 sends, 1 is received from. */
	bool connect(int fds[2]);
	/* Queue a receive and submit it; @len 0: no limit. */
	int recv(int fd, uint64_t user_data, uint32_t len = 0);
	int recv_id(int fd, uint64_t user_data, uint32_t zcrx_id);
	/* The next completion; false at the deadline. */
	bool next(Cqe *cqe, double seconds = patience);

	/* Put an entry into the refill ring; false when it is full. */
	bool refill(uint64_t off, uint32_t len, uint32_t pad = 0);
	bool refill(const Cqe &cqe)
	{
		return refill((cqe.off & ~DRX_ZCRX_AREA_MASK) |
				      regn.area.rq_area_token,
			      uint32_t(cqe.res));
	}
	/* Have the kernel take the refill ring; its answer. */
	int flush();
	/* Flush until the ring is empty: the kernel stops at bad entries. */
	bool flush_all();
	uint32_t refill_left() const;
	const char *data(const Cqe &cqe) const
	{
		return regn.area_mem.get() + (cqe.off & ~DRX_ZCRX_AREA_MASK);
	}

      private:
	uint32_t *word(uint32_t off) const
	{
		return reinterpret_cast<uint32_t *>(regn.region_mem.get() +
						    off);
	}
	int err_;
};

/* Does this kernel have the mode without a NIC? */
bool has_nodev();

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_RAW_H */
