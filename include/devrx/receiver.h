/* SPDX-License-Identifier: MIT */
/*
 * Receive: bytes of TCP connections land in a memory, and you are told where.
 *
 *	devrx_receiver_open(&rx, mem, queue, &opts);
 *	devrx_receiver_add(rx, sockfd, user);
 *	while ((n = devrx_receiver_wait(rx, frags, 64, -1)) > 0) {
 *		... frags[i].offset, frags[i].length: bytes in the memory ...
 *		devrx_receiver_release(rx, frags, n);
 *	}
 *	devrx_receiver_close(rx, 0);
 *
 * A fragment is a value: copy it, keep it, release it later and in any order.
 * Until it is released its bytes stay where they are; afterwards the NIC may
 * overwrite them at any moment.
 *
 * Without a NIC that can do this, give NULL for the queue: all that is said here
 * holds on tier "recv", where the kernel copies out of the sockets.
 *
 * Threads: all calls on one receiver come from the thread that opened it,
 * because its ring is IORING_SETUP_SINGLE_ISSUER (zcrx requires DEFER_TASKRUN,
 * and that requires SINGLE_ISSUER: linux/io_uring/zcrx.c, io_uring.c). For
 * more threads open a receiver for each, on a queue of its own. On tier recv the
 * memory's provider may be called in devrx_receiver_wait(), to write: no other
 * thread may call devrx_memory_read() or _write() on that memory meanwhile.
 *
 * Fork: a child has no part in the receiver. Calls that would touch the ring
 * return -EPERM there (cause "forked"); info, stats and cause still answer, and
 * devrx_receiver_close() drops the child's copy without touching the parent's;
 * call it, or exec, or exit: until then the child's descriptors keep the queue
 * taken after the parent's end.
 *
 * Holding fragments: on zcrx's tiers an area that has no free chunk makes the NIC
 * drop packets, and TCP then waits for seconds. So before that, connections of
 * which you hold much are paused: nothing more of them comes, TCP's window
 * closes, and they go on when enough was released. One that holds more than its
 * share is paused alone, the others go on; and if fragments of all of them, or of
 * some that have ended, fill the area up to the last mark, all are paused.
 * devrx_receiver_wait() says -ENOBUFS once for each time (cause
 * "held-by-caller"). What the area has room for: what you hold, the
 * sockets' receive buffers, a chunk for each of cq_entries, and the NIC's ring.
 * For the second, receive buffers
 * (SO_RCVBUF) that are larger than their part of a quarter of the area, or could
 * grow to more by themselves, are set to that part, down to 32 KiB; so with less
 * memory than that needs all goes on, but drops are possible. Sizing: one
 * connection may hold half of what the NIC's ring leaves, or more; among many, one
 * may hold a quarter before it is paused.
 *
 * Sockets: TCP over IPv4 or IPv6, connected or accepted, without O_NONBLOCK,
 * borrowed from the caller. After devrx_receiver_add() nobody else may read from
 * the socket until its last fragment came; writing to it is free. On tier recv any
 * stream socket that recv() reads will do (TCP and AF_UNIX are tested).
 */
#ifndef DEVRX_RECEIVER_H
#define DEVRX_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>
#include <devrx/memory.h>
#include <devrx/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

struct devrx_receiver;

/* How bytes get into the memory. */
enum devrx_tier {
	/* The best that memory and queue allow; devrx_receiver_info() tells. */
	DEVRX_TIER_BEST = 0,
	/* The NIC writes into the memory's dmabuf. */
	DEVRX_TIER_ZCRX_DEVICE = 1,
	/* The NIC writes into the memory's host pages; what it cannot place
	 * there the kernel copies. Needs memory of kind "host". */
	DEVRX_TIER_ZCRX_HOST = 2,
	/* Without a queue, unprivileged, from Linux 6.1 on: the kernel copies
	 * out of the sockets into the memory. Where the CPU cannot write that
	 * at any time (a device's memory; a dmabuf that is not known to be host
	 * memory), the kernel copies into buffers of devrx, and the memory's
	 * provider on into a chunk, before the fragment is delivered. Never
	 * chosen where a queue is given. */
	DEVRX_TIER_RECV = 3,
};

/* Ask for IORING_SETUP_CQE_MIXED (Linux 6.18) instead of CQE32: half the
 * completion memory for anything that is not data. */
#define DEVRX_RECEIVER_F_CQE_MIXED (1u << 0)
/* Never pause a connection (see "Holding fragments" above), and leave SO_RCVBUF
 * alone. */
#define DEVRX_RECEIVER_F_NO_FLOW_CONTROL (1u << 1)

/**
 * struct devrx_receiver_opts - how to receive
 * @size: sizeof(struct devrx_receiver_opts), set by DEVRX_RECEIVER_OPTS_INIT
 * @tier: enum devrx_tier; anything but BEST is had or the open fails
 * @chunk_len: bytes in which the NIC takes memory, a power of two from the
 *      page size to what NIC and memory allow; 0 for the page size. Linux 7.0.
 *      On tier recv a chunk holds one fragment, whatever its length: 0 for 64
 *      KiB, or less so that there are 16, or more so that there are no more
 *      than 32768; what is behind the last whole one is not used
 * @max_fragments: fragments out at once, 0 for one per chunk (at least 4096,
 *      at most 1048576; on tier recv never more than there are chunks)
 * @cq_entries: data completions that fit in the queue, 0 for 4096, or on zcrx's
 *      tiers less, for an eighth of the chunks (at least 64); at most 32768; a small one costs re-arming (see overflows in struct
 *      devrx_receiver_stats), never data
 * @bind_timeout_ms: how long to wait for a queue that still belongs to a
 *      receiver being torn down, 0 for 2000
 * @flags: DEVRX_RECEIVER_F_*; unknown bits are refused, and on tier recv all
 * @reserved: 0
 * @cause: filled in on failure; may be NULL
 *
 * Since: 0.1
 */
struct devrx_receiver_opts {
	size_t size;
	uint32_t tier;
	uint32_t chunk_len;
	uint32_t max_fragments;
	uint32_t cq_entries;
	uint32_t bind_timeout_ms;
	uint32_t flags;
	uint64_t reserved;
	struct devrx_cause *cause;
};

#define DEVRX_RECEIVER_OPTS_INIT                                               \
	{                                                                      \
		sizeof(struct devrx_receiver_opts), DEVRX_TIER_BEST, 0, 0, 0,  \
			0, 0, 0, NULL                                          \
	}

/* These bytes were copied into the memory by a CPU. Never on zcrx-device, always
 * on recv; on zcrx-host the kernel does not tell which of them it copied, only how
 * many (bytes_copied in struct devrx_receiver_stats). */
#define DEVRX_FRAGMENT_COPIED (1u << 0)
/* The peer closed in order: the stream is complete. Last of its connection. */
#define DEVRX_FRAGMENT_EOF (1u << 1)
/* The connection ended otherwise; see error. Last of its connection. */
#define DEVRX_FRAGMENT_ERROR (1u << 2)
/* No new bytes: this fragment went to devrx_receiver_release_after(), and the
 * device failed; see error. It comes at any time, after its connection's last
 * fragment, too. There is nothing to release. */
#define DEVRX_FRAGMENT_LOST (1u << 3)

/**
 * struct devrx_fragment - one received piece of one connection
 * @offset: where it starts in the memory, bytes
 * @position: where it starts in the connection's stream, bytes from 0
 * @user: the value given to devrx_receiver_add()
 * @token: identifies the fragment for its release; opaque, 0 where there is
 *      nothing to release
 * @length: bytes; 0 with EOF and ERROR
 * @flags: DEVRX_FRAGMENT_*
 * @error: with LOST what the fence said (cause "device-lost"); with ERROR a
 *      negative errno; else 0. -ECANCELED after
 *      devrx_receiver_remove(); -ECONNRESET, -ETIMEDOUT, ... from TCP; -ENOMEM
 *      (cause "area-exhausted") where a host area is too small for the NIC's
 *      ring and the sockets;
 *      -EBADMSG (cause "payload-not-in-area") where payload could not be put
 *      into a dmabuf: it came around the flow rule, or the NIC did not split
 *      it off; on tier recv what the memory's provider returns (cause
 *      "upload-failed"), the piece that it was to write being lost, and
 *      -EPROTONOSUPPORT for a socket that is no stream; -EPROTO (cause
 *      "bad-completion") where the kernel told a place outside the memory
 *
 * Fragments of one connection come in stream order with no gap and no overlap,
 * each connection's last one has EOF or ERROR, and none follows it; those with
 * LOST aside, which are no part of that.
 * Since: 0.1
 */
struct devrx_fragment {
	uint64_t offset;
	uint64_t position;
	uint64_t user;
	uint64_t token;
	uint32_t length;
	uint16_t flags;
	int16_t error;
};

/**
 * struct devrx_receiver_info - what was got
 * @size: sizeof(struct devrx_receiver_info), set by the caller before the call
 * @tier: enum devrx_tier, never BEST
 * @chunk_len: bytes
 * @nr_chunks: chunks in the memory; on tier recv those that are used
 * @max_fragments: in force
 * @cq_entries: as rounded
 * @rq_entries: entries of the refill ring, on tier recv of the buffer ring
 * @zcrx_id: the kernel's number of the zcrx instance in its ring, 0 on tier recv
 * @flags: DEVRX_RECEIVER_F_* in force
 * @reason: why this tier and no better one
 *
 * Since: 0.1
 */
struct devrx_receiver_info {
	size_t size;
	uint32_t tier;
	uint32_t chunk_len;
	uint64_t nr_chunks;
	uint32_t max_fragments;
	uint32_t cq_entries;
	uint32_t rq_entries;
	uint32_t zcrx_id;
	uint32_t flags;
	uint32_t reserved;
	char reason[192];
};

/**
 * struct devrx_receiver_stats - counters since open
 * @size: sizeof(struct devrx_receiver_stats), set by the caller
 * @bytes: delivered
 * @bytes_copied: of them, copied by the kernel into a host area as it counts
 *      them (Linux 7.2; it leaves out what it copies from a packet's head);
 *      0 on zcrx-device, where no copy can happen; all on recv
 * @fragments: delivered, those without data left out
 * @released: fragments given back, those behind a fence once it passed
 * @fragments_out: delivered and not yet given back
 * @connections: open now
 * @connections_total: ever added
 * @waits: calls of devrx_receiver_wait()
 * @enters: io_uring_enter() system calls
 * @overflows: times a full completion queue ended a receive that was re-armed
 * @starved: times an empty host area, or on tier recv a lack of chunks, ended a
 *      receive that was re-armed
 * @refill_flushes: times a full refill ring was emptied by a system call
 * @bad_releases: fragments refused by devrx_receiver_release() and
 *      devrx_receiver_release_after()
 * @fragments_fenced: of fragments_out, those behind a fence
 * @lost: fragments behind a fence that failed; not in released
 * @stalls: times a connection was paused because fragments were held
 * @stall_ns: time in which at least one was
 * @paused: connections that are, now
 * @rcvbufs_lowered: times a socket's SO_RCVBUF was set to less than it had, or
 *      could have grown to
 *
 * Since: 0.1
 */
struct devrx_receiver_stats {
	size_t size;
	uint64_t bytes;
	uint64_t bytes_copied;
	uint64_t fragments;
	uint64_t released;
	uint64_t fragments_out;
	uint64_t connections;
	uint64_t connections_total;
	uint64_t waits;
	uint64_t enters;
	uint64_t overflows;
	uint64_t starved;
	uint64_t refill_flushes;
	uint64_t bad_releases;
	uint64_t fragments_fenced;
	uint64_t lost;
	uint64_t stalls;
	uint64_t stall_ns;
	uint64_t paused;
	uint64_t rcvbufs_lowered;
};

/**
 * devrx_receiver_open - bind one memory to one queue, or to none
 * @ret: new receiver on success, untouched on error; devrx_receiver_close()
 * @mem: the memory; borrowed until close, in one receiver at a time
 * @q: the queue; borrowed until close, in one receiver at a time. NULL for tier
 *      recv
 * @opts: settings, or NULL for the defaults; borrowed for the call
 *
 * A queue is never given up for tier recv, nor the other way round: with @q tier
 * BEST is one of zcrx's or fails, without it tier BEST is recv.
 *
 * Needs, with @q, CAP_NET_ADMIN in the initial user namespace, which the kernel
 * checks before anything else (linux/io_uring/zcrx.c). Nothing after open needs it.
 *
 * Context: may sleep up to @opts->bind_timeout_ms.
 * Return: 0, or with the cause's identifier
 *   -EPERM       cap-net-admin; io-uring-disabled;
 *   -EINVAL      opts-invalid, a zcrx tier without @q and tier recv with it
 *                included; chunk-len: not a power of two, or below the
 *                page size; hds-off, hds-thresh: changed since the queue was
 *                reserved; zcrx-einval: the kernel refused for a reason it
 *                does not tell;
 *   -ENODEV      nic-missing: the NIC has gone;
 *   -ERANGE      queue-range: the NIC has lost the queue; chunk-refused: the
 *                memory lies in smaller pieces than the chunk, or the driver
 *                has a lower limit; on tier recv the memory is no multiple
 *                of it, or has more than 32768;
 *   -EEXIST      queue-busy: another provider has the queue and did not go
 *                within the deadline; xdp-attached;
 *   -EBUSY       memory-bound, queue-bound: @mem or @q is in another receiver
 *                of this process; xsk-attached: AF_XDP has the queue;
 *                attach-refused: the dmabuf's exporter refused the NIC;
 *   -EOPNOTSUPP  zcrx-missing: no zcrx in this kernel; no-dmabuf-area: no
 *                dmabuf areas in it; recv-missing: not all that tier recv
 *                needs in it; tier-unavailable: @opts->tier cannot be
 *                had with this memory, tier recv not where the host cannot
 *                write it; nic-unsupported: the driver offers no
 *                queue to providers; nic-not-pci: @mem is NVIDIA's, whose
 *                driver would crash the kernel for a NIC that is no PCI
 *                device; chunk-unsupported: kernel or driver take
 *                page-sized chunks only; cqe-mixed-missing; attach-refused;
 *   -EFBIG       area-too-large: above the running kernel's limit, see
 *                max_area_len in devrx/features.h;
 *   -ENOMEM      memlock: RLIMIT_MEMLOCK; out-of-memory;
 *   -ENODATA     no-provider-adopted: the driver's new page pool did not take
 *                the memory (header split off in the driver);
 *   -ENOSYS      io-uring-missing; attach-refused;
 *   -EPROTO      zcrx-layout: the kernel told places outside the refill ring's
 *                region;
 *   -ENETDOWN, -EAGAIN  nic-down: the driver wants the NIC up;
 *   -EFAULT      os-error: the memory's host pages cannot be pinned;
 *   -EPERM       forked: the memory is that of this process's parent;
 *   -ESTALE, -EIO, others  upload-failed: on tier recv the memory's provider
 *                could not write a first byte, and returned that;
 *   others       attach-refused where the exporter's errno passes through,
 *                else os-error.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_open(struct devrx_receiver **ret,
				  struct devrx_memory *mem,
				  struct devrx_queue *q,
				  const struct devrx_receiver_opts *opts);

/**
 * devrx_receiver_add - receive a connection
 * @rx: the receiver
 * @sockfd: connected TCP socket; borrowed, keep it open until its last
 *      fragment came
 * @user: comes back in each of its fragments
 *
 * The receive starts with the next devrx_receiver_wait(). On zcrx's tiers the
 * socket's SO_RCVBUF may be lowered, now and when more are added ("Holding
 * fragments" above; rcvbufs_lowered in struct devrx_receiver_stats); it stays so
 * when the connection is removed.
 *
 * Context: may allocate.
 * Return: 0; -EBADF (not a descriptor); -EINVAL (cause "socket-nonblocking":
 *   io_uring ends the receive of a socket with O_NONBLOCK instead of waiting,
 *   so clear it); -EEXIST (already added); -ENOMEM; -EPERM (forked). What the
 *   kernel has against the socket itself (-ENOTSOCK, -EPROTONOSUPPORT for UDP,
 *   MPTCP and kTLS, -ENOTCONN) comes as the connection's ERROR fragment.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_add(struct devrx_receiver *rx, int sockfd,
				 uint64_t user);

/**
 * devrx_receiver_remove - stop receiving a connection
 * @rx: the receiver
 * @sockfd: as given to devrx_receiver_add()
 *
 * What arrived before is still delivered; then comes the last fragment, ERROR
 * with -ECANCELED (or EOF, if that was faster). Bytes left in the socket stay
 * there; those already in the memory cannot be read with recv() (-EFAULT). On
 * tier recv all that was taken out of the socket is delivered, and recv() goes on
 * where that ends.
 *
 * Return: 0; -ENOENT (not added, or already ended); -EBUSY (the submission
 *   queue is full, wait and try again); -EPERM (forked).
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_remove(struct devrx_receiver *rx, int sockfd);

/**
 * devrx_receiver_wait - the next fragments
 * @rx: the receiver
 * @frags: array to fill
 * @n: its length, at least 1
 * @timeout_ns: how long to wait for the first one: 0 not at all, negative
 *      for ever
 *
 * Returns as soon as there is one fragment, with as many as there are. Cost:
 * no system call while completions are at hand, otherwise one
 * io_uring_enter(); no allocation, no lock; on tier recv, for memory that is
 * written by its provider, what that costs for each fragment.
 *
 * While fences are pending each call asks the first of each timeline, and gives
 * back what has passed. A device wakes nobody, so a call that has to wait looks
 * again after 32 us, then after twice as long, up to each ms: chunks get back
 * to a NIC that has run out of them although nothing arrives.
 *
 * Return: the number of fragments, 0 after @timeout_ns; or
 *   -EINVAL   @n is 0;
 *   -ENOBUFS  nothing was delivered, and nothing can be before fragments are
 *             released: all of max_fragments are out, or every connection
 *             waits for a chunk of a host area, or is paused (cause
 *             "held-by-caller"). Also, once, where some were paused and
 *             there is nothing of the others at the moment. Not while some
 *             are behind a fence: then it waits for that;
 *   -ENOTCONN no connection is added, and none of the ended ones has its last
 *             fragment still to come: there is nothing to wait for, whatever
 *             fences are pending (devrx_receiver_poll_fences());
 *   -EINTR    a signal came before anything else;
 *   -EPERM    forked.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_wait(struct devrx_receiver *rx,
				  struct devrx_fragment *frags, unsigned int n,
				  int64_t timeout_ns);

/**
 * devrx_receiver_release - give fragments back, now
 * @rx: the receiver that delivered them
 * @frags: the fragments; only their tokens count. Those with token 0 (EOF,
 *      ERROR) are skipped
 * @n: how many
 *
 * Each is checked: one that was released before, is not out, or belongs to
 * another receiver is left alone, all others are given back.
 *
 * Cost: no system call, but for a full refill ring (see refill_flushes).
 *
 * Return: 0, or -ESTALE where at least one was refused; -EPERM (forked).
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_release(struct devrx_receiver *rx,
				     const struct devrx_fragment *frags,
				     unsigned int n);

/**
 * devrx_receiver_info - what open got
 *
 * Return: 0, or -EINVAL where @ret->size is smaller than in version 0.1.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_info(const struct devrx_receiver *rx,
				  struct devrx_receiver_info *ret);

/**
 * devrx_receiver_stats - a snapshot of the counters
 *
 * Return: 0, or -EINVAL where @ret->size is smaller than in version 0.1.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_stats(const struct devrx_receiver *rx,
				   struct devrx_receiver_stats *ret);

/**
 * devrx_receiver_cause - why the receiver's last failure happened
 * @rx: the receiver
 * @ret: filled in with the cause of the last ERROR fragment or failed call
 *
 * Return: 0, or -ENODATA where nothing has failed yet.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_cause(const struct devrx_receiver *rx,
				   struct devrx_cause *ret);

/* Close although fragments are out: they are never released. */
#define DEVRX_CLOSE_F_ABANDON (1u << 0)

/**
 * devrx_receiver_close - stop receiving and give the queue back
 * @rx: the receiver, taken on success; NULL is allowed
 * @flags: 0 or DEVRX_CLOSE_F_ABANDON
 *
 * Connections that are still added are not closed, only no longer received.
 * With ABANDON the bytes of fragments that are out stay readable until the
 * memory is bound anew or freed.
 *
 * On tier recv, what the kernel had taken out of a socket and was not delivered
 * yet is lost; what is still in the socket can be read.
 *
 * The kernel tears its side down in its own time: the queue may stay taken for
 * some milliseconds more, which the next open waits for. And a blocking system
 * call that this thread makes next may end once with -EINTR (or -EAGAIN under
 * a socket timeout) although no signal came.
 *
 * Fences are asked once more, and not waited for: let the device finish first.
 *
 * Return: 0; -EINVAL (unknown flag); -EBUSY (cause "fragments-out") while
 *   fragments are out, or behind a fence, and ABANDON is not given: nothing
 *   that is out has changed.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_close(struct devrx_receiver *rx, uint32_t flags);

/**
 * devrx_tier_name - "zcrx-device", "zcrx-host", "recv"
 *
 * Return: static storage; "unknown" for anything else.
 * Since: 0.1
 */
DEVRX_API const char *devrx_tier_name(uint32_t tier);

/**
 * devrx_placement_name - "device", "host", "unknown"
 *
 * Return: static storage.
 * Since: 0.1
 */
DEVRX_API const char *devrx_placement_name(uint32_t placement);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_RECEIVER_H */
