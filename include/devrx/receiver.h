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
 * more threads open a receiver for each, on a queue of its own. Where the memory's
 * provider writes (see enum devrx_tier, and below), and on zcrx-device reads, it is
 * called in devrx_receiver_wait(): no other thread may call devrx_memory_read() or
 * _write() on that memory meanwhile.
 *
 * Fork: a child has no part in the receiver. Calls that would touch the ring
 * return -EPERM there (cause "forked"); info, stats and cause still answer, and
 * devrx_receiver_close() drops the child's copy without touching the parent's;
 * call it, or exec, or exit: until then the child's descriptors keep the queue
 * taken after the parent's end.
 *
 * Payload around the queue: on tier zcrx-device bytes may come that the NIC did not
 * place (a flow that no rule steers, or not yet; payload that was not split from
 * its header), and into a dmabuf the kernel copies nothing. They are fetched, by
 * system calls, wait in the connection's backlog, and are written into the memory
 * by its provider, in places that fragments had: in those of a few of the first
 * ones, which are kept back (of the memory's chunks and of max_fragments no more
 * than 1 in 128, and 16); in those that are released while there is a backlog; or,
 * without any, in those of the same connection's next bytes, which come to the
 * backlog. They are delivered in stream order, with COPIED. A connection whose
 * bytes find no place, because the queue brings nothing for anybody and no such
 * fragment is out, ends after recovery_timeout_ms (seen in devrx_receiver_wait()
 * only, nothing wakes a caller who polls devrx_receiver_fd()), or with 4 MiB of
 * them. What it needs is a provider that can read and write; without it the
 * connection ends at once.
 *
 * Holding fragments: on tier zcrx-device, and on zcrx-host where the memory is the
 * area, an area that has no free chunk makes the NIC drop packets, and TCP then
 * waits for seconds. So before that, connections of which you hold much are paused:
 * nothing more of them comes, TCP's window closes, and they go on when enough was
 * released. One that holds more than its share is paused alone, the others go on;
 * and if fragments of all of them, or of some that have ended, fill the area up to
 * the last mark, all are paused. devrx_receiver_wait() says -ENOBUFS once for each
 * time (cause "held-by-caller").
 * The area has to have room for what you hold, for the NIC's ring (rx_ring in
 * struct devrx_queue_info), for a chunk for each of cq_entries, which the kernel
 * may bring in one go, and for the sockets' receive buffers. These grow by
 * themselves, to 32 MiB as Linux is set up; so devrx_receiver_add() limits them to
 * a part of the area (SO_RCVBUF, SO_BUF_LOCK), but to no less than they are, 128
 * KiB at first, and leaves those alone that you have set. Where the area is too
 * small for all that, drops are possible, and cause "area-short" says so
 * (devrx_receiver_cause() after open or add, which return 0; area_short in struct
 * devrx_receiver_stats). Sizing: one connection may hold 5/8 of what the ring
 * leaves; among many, one may hold a quarter before it is paused. On the other
 * tiers, what you hold keeps nobody's packets out.
 *
 * The NIC: that it goes down, comes back up or vanishes is in no completion of the
 * kernel's. With DEVRX_RECEIVER_F_EVENTS the receiver listens to netlink for it, in
 * devrx_receiver_wait(); what it hears is counted and told. While the NIC is down
 * nothing is lost: TCP goes on when it is up again. When it has gone (its driver is
 * removed, it is unplugged, deleted, or moved to another network namespace) what
 * had come from it is delivered; then, when nothing more comes at the moment, each
 * connection ends with -ENODEV (cause "nic-missing"), those that could go on by
 * another NIC included. Fragments are released, and the receiver is closed, as ever.
 * Without the flag connections on a NIC that has gone wait for ever. The netlink socket
 * keeps the network namespace of devrx_receiver_open() alive, as any socket does.
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
struct epoll_event; /* sys/epoll.h */

/*
 * How bytes get into the memory, where they are before a fragment is delivered.
 *
 * On the tiers below zcrx-device "the provider writes" means: the bytes come into
 * buffers of devrx, and the memory's provider writes each fragment on, into a
 * chunk of its own, whatever its length.
 */
enum devrx_tier {
	/* With a queue zcrx-device; where memory, NIC or kernel cannot do that
	 * (causes no-dmabuf-area, attach-refused, nic-not-pci, nic-unsupported,
	 * or no dmabuf at all) zcrx-host, and devrx_receiver_info() says why.
	 * What can be mended is an error. Without a queue recv. */
	DEVRX_TIER_BEST = 0,
	/* The NIC writes into the memory's dmabuf. */
	DEVRX_TIER_ZCRX_DEVICE = 1,
	/* The NIC writes into host pages; what it cannot place there the kernel
	 * copies. They are those of the memory where it has an address and no
	 * dmabuf (kind "host"). For any other memory devrx pins as many as the
	 * memory has, but from 16 to 64 MiB (and 64 chunks), and the provider
	 * writes. */
	DEVRX_TIER_ZCRX_HOST = 2,
	/* Without a queue, unprivileged, from Linux 6.1 on: the kernel copies
	 * out of the sockets into the memory. Where the CPU cannot write that
	 * at any time (a device's memory; a dmabuf that is not known to be host
	 * memory), the provider writes. Never chosen where a queue is given. */
	DEVRX_TIER_RECV = 3,
	/* Without a queue, from Linux 7.1 on, with CAP_NET_ADMIN: zero-copy
	 * receive without a NIC, so that the kernel copies each page. Into the
	 * memory where zcrx-host would be given its pages; else devrx pins 4
	 * MiB, and the provider writes. It costs more than recv and is never
	 * chosen by itself: for tests of a program's zcrx side anywhere. */
	DEVRX_TIER_ZCRX_COPY = 4,
};

/* Ask for IORING_SETUP_CQE_MIXED (Linux 6.18) instead of CQE32: half the
 * completion memory for anything that is not data. */
#define DEVRX_RECEIVER_F_CQE_MIXED (1u << 0)
/* Never pause a connection, and leave its receive buffer alone: see "Holding
 * fragments" above. */
#define DEVRX_RECEIVER_F_NO_FLOW_CONTROL (1u << 1)
/* chunk_len is the most: where kernel, NIC or memory refuse it, half of it is
 * tried, and so on down to the page size. On tier best a tier's page-sized chunks
 * are better than a lower tier. What was got, and what was said to each length
 * above it, is in devrx_receiver_info(). */
#define DEVRX_RECEIVER_F_CHUNK_AT_MOST (1u << 2)
/* Listen to what becomes of the NIC, and tell it: see "The NIC" above, and fragments
 * with DEVRX_FRAGMENT_EVENT. Needs a queue. */
#define DEVRX_RECEIVER_F_EVENTS (1u << 3)

/**
 * struct devrx_receiver_opts - how to receive
 * @size: sizeof(struct devrx_receiver_opts), set by DEVRX_RECEIVER_OPTS_INIT
 * @tier: enum devrx_tier; anything but BEST is had or the open fails
 * @chunk_len: bytes in which the NIC takes memory, a power of two from the
 *      page size to what NIC and memory allow, had or the open fails, but with
 *      DEVRX_RECEIVER_F_CHUNK_AT_MOST; 0 for the page size. Linux 7.0. A chunk
 *      goes back to the NIC when all fragments in it are released.
 *      On tier zcrx-copy the page size. Where the provider writes the memory has
 *      at most 1048576 chunks, and what is behind them is not used.
 *      On tier recv a chunk holds one fragment, whatever its length: 0 for 64
 *      KiB, or less so that there are 16, or more so that there are no more
 *      than 32768; what is behind the last whole one is not used
 * @max_fragments: fragments out at once, 0 for one per chunk (at least 4096,
 *      at most 1048576; never more than there are chunks on tier recv and where
 *      the provider writes)
 * @cq_entries: data completions that fit in the queue, at most 32768; 0 for 4096,
 *      or where fragments may be held up (see "Holding fragments") for an eighth
 *      of the chunks if that is less, but at least 64; a small one costs
 *      re-arming (see overflows in struct devrx_receiver_stats), never data
 * @bind_timeout_ms: how long to wait for a queue that still belongs to a
 *      receiver being torn down, 0 for 2000
 * @flags: DEVRX_RECEIVER_F_*; unknown bits are refused, on tier recv CQE_MIXED,
 *      and without a queue EVENTS
 * @recovery_timeout_ms: on zcrx-device, how long bytes that the kernel could not
 *      put into the memory may wait for a place in it, 0 for 2000; see "Payload
 *      around the queue" above
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
	uint32_t recovery_timeout_ms;
	uint32_t reserved;
	struct devrx_cause *cause;
};

#define DEVRX_RECEIVER_OPTS_INIT                                               \
	{                                                                      \
		sizeof(struct devrx_receiver_opts), DEVRX_TIER_BEST, 0, 0, 0,  \
			0, 0, 0, 0, NULL                                       \
	}

/* These bytes were copied into the memory, by a CPU or by the memory's provider. On
 * zcrx-device what came around the queue, always on recv, zcrx-copy and where the
 * provider writes; else on zcrx-host the kernel does not tell which of them it
 * copied, only how many (bytes_copied in struct devrx_receiver_stats). */
#define DEVRX_FRAGMENT_COPIED (1u << 0)
/* The peer closed in order: the stream is complete. Last of its connection. */
#define DEVRX_FRAGMENT_EOF (1u << 1)
/* The connection ended otherwise; see error. Last of its connection. */
#define DEVRX_FRAGMENT_ERROR (1u << 2)
/* No new bytes: this fragment went to devrx_receiver_release_after(), and the
 * device failed; see error. It comes at any time, after its connection's last
 * fragment, too. There is nothing to release. */
#define DEVRX_FRAGMENT_LOST (1u << 3)
/* Nothing received, and of no connection: @user is an enum devrx_event. There is
 * nothing to release. Only for those who asked for it. */
#define DEVRX_FRAGMENT_EVENT (1u << 4)

/*
 * What happened, and what the fragment's @error says. Changes that came between two
 * calls are told as one LINK_DOWN and, where the NIC is up again, one LINK_UP.
 */
enum devrx_event {
	/* The NIC was taken down, or its carrier has gone: -ENETDOWN. */
	DEVRX_EVENT_LINK_DOWN = 1,
	/* It is up, and has a carrier: 0. */
	DEVRX_EVENT_LINK_UP = 2,
	/* It has gone for good: -ENODEV. Connections end, see "The NIC". */
	DEVRX_EVENT_NIC_GONE = 3,
	/* The epoll set has @position events: see devrx_receiver_epoll(). */
	DEVRX_EVENT_EPOLL = 4,
	/* The NIC found no free chunk in the area, and dropped what came (Linux 7.2;
	 * once, until something was released): -ENOBUFS. */
	DEVRX_EVENT_AREA_EMPTY = 5,
	/* A write of devrx/write.h, whose cookie is @position, has ended: 0, or why it
	 * failed. */
	DEVRX_EVENT_WRITTEN = 6,
};

/**
 * struct devrx_fragment - one received piece of one connection
 * @offset: where it starts in the memory, bytes; where there are several see
 *      devrx_receiver_add_area()
 * @position: where it starts in the connection's stream, bytes from 0; with EVENT
 *      see enum devrx_event
 * @user: the value given to devrx_receiver_add(); with EVENT an enum devrx_event
 * @token: identifies the fragment for its release; opaque, 0 where there is
 *      nothing to release
 * @length: bytes; 0 with EOF and ERROR; with DEVRX_EVENT_WRITTEN those of the write
 * @flags: DEVRX_FRAGMENT_*
 * @error: with LOST what the fence said (cause "device-lost"); with EVENT see enum
 *      devrx_event; with ERROR a
 *      negative errno; else 0. -ECANCELED after
 *      devrx_receiver_remove(); -ECONNRESET, -ETIMEDOUT, ... from TCP; -ENODEV (cause
 *      "nic-missing") with DEVRX_RECEIVER_F_EVENTS where the NIC has gone; -ENOMEM
 *      (cause "area-exhausted") where a host area is too small for the NIC's
 *      ring and the sockets;
 *      -EBADMSG where payload that came around the queue is lost: it found
 *      no place in time (cause "payload-not-in-area"), or the NIC left it in
 *      its headers in a way in which the kernel gives it to nobody
 *      ("header-split-inexact"); where the provider copies, what it returns
 *      (cause "upload-failed"), what came from that piece on being lost; on
 *      tier recv
 *      -EPROTONOSUPPORT for a socket that is no stream; -EPROTO (cause
 *      "bad-completion") where the kernel told a place outside the memory
 *
 * Fragments of one connection come in stream order with no gap and no overlap,
 * each connection's last one has EOF or ERROR, and none follows it; those with
 * LOST and EVENT aside, which are no part of that.
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
 * @nr_chunks: chunks in the memory, those that are used; in all of them together
 * @max_fragments: in force
 * @cq_entries: as rounded
 * @rq_entries: entries of the refill ring, on tier recv of the buffer ring
 * @zcrx_id: the kernel's number of the zcrx instance in its ring, 0 on tier recv
 * @flags: DEVRX_RECEIVER_F_* in force
 * @areas: memories, 1 and those of devrx_receiver_add_area()
 * @reason: why this tier and no better one; where BEST had to do with less, the
 *      cause's identifier and text, cut to fit
 * @chunk_reason: with DEVRX_RECEIVER_F_CHUNK_AT_MOST each longer length that was
 *      refused, with the cause's identifier and text where it is another one
 *      than of the length before, cut to fit; empty where nothing was
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
	uint32_t areas;
	char reason[192];
	char chunk_reason[256];
};

/**
 * struct devrx_receiver_stats - counters since open
 * @size: sizeof(struct devrx_receiver_stats), set by the caller
 * @bytes: delivered
 * @bytes_copied: of them, copied by the kernel into a host area as it counts
 *      them (Linux 7.2; it leaves out what it copies from a packet's head);
 *      else those with DEVRX_FRAGMENT_COPIED
 * @fragments: delivered, those without data left out
 * @released: fragments given back, those behind a fence once it passed, and those
 *      that were written to a file
 * @fragments_out: delivered and not yet given back
 * @connections: open now
 * @connections_total: ever added
 * @waits: calls of devrx_receiver_wait()
 * @enters: io_uring_enter() system calls
 * @overflows: times a full completion queue ended a receive that was re-armed
 * @starved: times an empty area of host pages, or on tier recv a lack of chunks,
 *      ended a receive that was re-armed
 * @refill_flushes: times a full refill ring was emptied by a system call
 * @bad_releases: fragments refused by devrx_receiver_release(),
 *      devrx_receiver_release_after() and devrx_receiver_write()
 * @fragments_fenced: of fragments_out, those behind a fence
 * @lost: fragments behind a fence that failed; not in released
 * @drains: on zcrx-device, times a receive ended at payload around the queue
 * @bytes_drained: of it, fetched out of the sockets; bytes_copied has those that
 *      were delivered, and those that came behind them to make a place
 * @unrecovered: connections that ended with -EBADMSG
 * @stalls: times a connection was paused because fragments were held
 * @stall_ns: time in which at least one was
 * @paused: connections that are, now
 * @rcvbufs_limited: connections added whose sockets' receive buffers were limited
 * @area_short: times that open and add found the area too small for the NIC's ring
 *      and the receive buffers
 * @link_downs: with DEVRX_RECEIVER_F_EVENTS, times the NIC went down, or away
 * @nic_gone: with that flag, 1 where it has gone for good
 * @uploads: batches that the memory's provider copied in the background, where it
 *      can (devrx/provider.h): of @bytes and @fragments the newest are on their way
 * @area_empty: times the NIC found no free chunk in the area and began to drop, as the
 *      kernel tells it (Linux 7.2): once, until something was released
 * @bytes_written: to files, by devrx_receiver_write() (devrx/write.h)
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
	uint64_t drains;
	uint64_t bytes_drained;
	uint64_t unrecovered;
	uint64_t stalls;
	uint64_t stall_ns;
	uint64_t paused;
	uint64_t rcvbufs_limited;
	uint64_t area_short;
	uint64_t link_downs;
	uint64_t nic_gone;
	uint64_t uploads;
	uint64_t area_empty;
	uint64_t bytes_written;
};

/**
 * devrx_receiver_open - bind one memory to one queue, or to none
 * @ret: new receiver on success, untouched on error; devrx_receiver_close()
 * @mem: the memory; borrowed until close, in one receiver at a time
 * @q: the queue; borrowed until close, in one receiver at a time. NULL for tiers
 *      recv and zcrx-copy
 * @opts: settings, or NULL for the defaults; borrowed for the call
 *
 * A queue is never given up for tier recv, nor the other way round: with @q tier
 * BEST is one of zcrx's or fails, without it tier BEST is recv.
 *
 * Needs, but on tier recv, CAP_NET_ADMIN in the initial user namespace, which the
 * kernel checks before anything else (linux/io_uring/zcrx.c), for tier zcrx-copy
 * too. Nothing after open needs it. Host pages that devrx pins count towards
 * RLIMIT_MEMLOCK, but with CAP_IPC_LOCK.
 *
 * Context: may sleep up to @opts->bind_timeout_ms.
 * Return: 0, or with the cause's identifier
 *   -EPERM       cap-net-admin; io-uring-disabled;
 *   -EINVAL      opts-invalid, a tier without the @q that it needs and one with a
 *                @q that it does not take included; chunk-len: not a power of two, or below the
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
 *                dmabuf areas in it; nodev-missing: no tier zcrx-copy in it;
 *                recv-missing: not all that tier recv needs in it;
 *                tier-unavailable: @opts->tier cannot be had with this
 *                memory, which has no dmabuf or, below zcrx-device, no
 *                provider that writes; nic-unsupported: the driver offers no
 *                queue to providers; nic-not-pci: @mem is NVIDIA's, whose
 *                driver would crash the kernel for a NIC that is no PCI
 *                device; chunk-unsupported: kernel, driver or tier zcrx-copy
 *                take page-sized chunks only; cqe-mixed-missing; attach-refused;
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
 *   -ESTALE, -EIO, others  upload-failed: the memory's provider could not write
 *                a first byte, and returned that;
 *   others       attach-refused where the exporter's errno passes through,
 *                else os-error.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_open(struct devrx_receiver **ret,
				  struct devrx_memory *mem,
				  struct devrx_queue *q,
				  const struct devrx_receiver_opts *opts);

/* Memories of one receiver, at most: open's and the added ones. */
#define DEVRX_AREAS_MAX 64
/* A fragment's offset has the number of its memory from this bit on. */
#define DEVRX_AREA_SHIFT 48

/* Which memory of its receiver a fragment is in: 0 is open's. */
static inline unsigned int
devrx_fragment_area(const struct devrx_fragment *frag)
{
	return (unsigned int)(frag->offset >> DEVRX_AREA_SHIFT);
}

/* Where it starts in that memory, bytes. */
static inline uint64_t devrx_fragment_offset(const struct devrx_fragment *frag)
{
	return frag->offset & ((UINT64_C(1) << DEVRX_AREA_SHIFT) - 1);
}

/**
 * devrx_receiver_add_area - give a receiver more memory
 * @rx: the receiver, on tier zcrx-device, or on zcrx-host where its memory has no
 *      dmabuf but an address
 * @mem: another memory from the same provider; borrowed until close, in one
 *      receiver at a time
 *
 * For a receiver that runs short: after DEVRX_EVENT_AREA_EMPTY, -ENOBUFS, or the
 * cause "area-short". The NIC is given the new memory's chunks as well as those of
 * the others, paused connections go on, and sockets that are added from now on may
 * hold more. Where max_fragments was 0 it grows, too. There is no way to take a
 * memory away but devrx_receiver_close(): the kernel knows none (Linux 7.3,
 * ZCRX_CTRL_ADD_AREA in linux/io_uring/zcrx.c).
 *
 * From now on fragments may be in any of the memories: devrx_fragment_area() and
 * devrx_fragment_offset() say which and where. Those of the first one have the
 * offsets that they always had. A device ring takes fragments of the others only
 * with DEVRX_DEVICE_RING_F_WINDOWS (devrx/ring.h), where a window has the memory's number
 * in its upper 16 bits.
 *
 * Context: may sleep, allocates.
 * Return: the memory's number, from 1 on and one more each time; or, nothing being
 *   changed,
 *   -EINVAL      @mem is NULL; area-other-kind: it is from another provider;
 *   -EOPNOTSUPP  area-unsupported: the tier, a shared queue (devrx/share.h), or a
 *                kernel before Linux 7.3;
 *   -EEXIST      area-twice: its dmabuf is one of the receiver's already;
 *   -ENOSPC      areas-full: there are DEVRX_AREAS_MAX;
 *   -EBUSY       memory-bound: it is in a receiver; attach-refused;
 *   -ERANGE      chunk-refused: it is no multiple of the receiver's chunk_len, or
 *                lies in smaller pieces;
 *   -EFBIG       area-too-large;
 *   -ENODEV      nic-missing: the NIC has gone;
 *   -ENOMEM      memlock, out-of-memory;
 *   -EOPNOTSUPP, -EPERM and others as devrx_receiver_open().
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_add_area(struct devrx_receiver *rx,
				      struct devrx_memory *mem);

/**
 * devrx_receiver_add - receive a connection
 * @rx: the receiver
 * @sockfd: connected TCP socket; borrowed, keep it open until its last
 *      fragment came
 * @user: comes back in each of its fragments
 *
 * The receive starts with the next devrx_receiver_wait(). The growth of the socket's
 * receive buffer may be limited ("Holding fragments" above), and stays so when the
 * connection is removed.
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
 * with -ECANCELED (or EOF, if that was faster; or -EBADMSG, if there was no place
 * for bytes around the queue). Bytes left in the socket stay
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
 * io_uring_enter(); no allocation, no lock but that of a share (devrx/share.h);
 * where the provider writes, what that costs for each fragment, and where it copies in
 * the background the wait for the oldest batch, whatever @timeout_ns. For payload
 * around the queue: system calls to fetch it, memory for it, the provider's copies.
 * In a second without anything, one poll() for each 64 sockets.
 *
 * While fences are pending each call asks the first of each timeline, and gives
 * back what has passed. A device wakes nobody, so a call that has to wait looks
 * again after 32 us, then after twice as long, up to each ms: chunks get back
 * to a NIC that has run out of them although nothing arrives.
 *
 * Return: the number of fragments (events count, too), 0 after @timeout_ns; or
 *   -EINVAL   @n is 0;
 *   -ENOBUFS  nothing was delivered, and nothing can be before fragments are
 *             released: all of max_fragments are out (less those that are
 *             kept for payload around the queue), or every connection waits
 *             for a chunk of a host area, or for a place, or is paused (cause
 *             "held-by-caller"). Also, once, where some were paused and
 *             there is nothing of the others at the moment. Not while some
 *             are behind a fence: then it waits for that;
 *   -ENOTCONN no connection is added, none of the ended ones has its last
 *             fragment still to come, and no write (devrx/write.h) is under
 *             way: there is nothing to wait for, whatever
 *             fences are pending (devrx_receiver_poll_fences());
 *   -EINTR    a signal came before anything else;
 *   -EPERM    forked.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_wait(struct devrx_receiver *rx,
				  struct devrx_fragment *frags, unsigned int n,
				  int64_t timeout_ns);

/**
 * devrx_receiver_fd - a descriptor for poll(), epoll and what is built on them
 * @rx: the receiver
 *
 * Readable when devrx_receiver_wait() has something to do. The loop is: call
 * devrx_receiver_wait() with a timeout of 0 until it returns no fragments, then
 * sleep until the descriptor is readable. Do so once after this call, too, and
 * after every devrx_receiver_add(), _remove() and _release(): a receive is armed
 * in devrx_receiver_wait() and nowhere else. Who keeps to that may also use
 * EPOLLET; who polls level-triggered may as well call devrx_receiver_wait() once
 * each time the descriptor is readable. It is cleared in the calls that return
 * no fragments: do not read from it, write to it or close it. It may be readable
 * without a fragment, and it says nothing about fences, which nobody signals:
 * while some are pending sleep no longer than you can let the chunks wait. And there
 * is an end that the kernel signals to nobody: a reset that arrives together with
 * the bytes before it. devrx_receiver_wait() looks for those about once a second, at
 * a thousand connections each time, when nothing else comes: so sleep for some
 * seconds at most, then call it.
 *
 * It is an eventfd, made by the first call, and belongs to the receiver; later
 * calls return the same. (The ring's own descriptor is of no use: with
 * DEFER_TASKRUN nothing wakes who sleeps on it.)
 *
 * Return: the descriptor; -EMFILE, -ENFILE, -ENOMEM, or what the kernel has
 *   against it (cause "os-error"); -EPERM (forked).
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_fd(struct devrx_receiver *rx);

/**
 * devrx_receiver_epoll - wait for an epoll set, too
 * @rx: the receiver, of any tier
 * @epfd: an epoll set of the caller's; borrowed. Negative: take off the one that
 *      there is
 * @events: array for its events; borrowed
 * @n: its length, at least 1
 *
 * For a program that has a loop of epoll_wait() and moves over to devrx one socket at
 * a time: devrx_receiver_wait() waits for @epfd, too, and tells what it has by a
 * fragment with DEVRX_FRAGMENT_EVENT, @user DEVRX_EVENT_EPOLL and as @position how
 * many of @events are filled, as epoll_wait() would fill them. There is one set at a
 * time; with it a wait without connections is not -ENOTCONN. While the wait returns
 * -ENOBUFS, the set is looked at without waiting.
 *
 * Who has @events: from devrx_receiver_wait() on the kernel, which writes to it in the
 * receiver's calls only; from the delivery of that fragment to the next
 * devrx_receiver_wait() the caller, who serves what it says. What is level-triggered
 * and was not served comes again at once, as with epoll_wait().
 *
 * A fragment with @error is the last one, and there is no set any more: -ECANCELED
 * after it was taken off; what the kernel has against it, as -EINVAL where it is no
 * epoll set. Until then, or devrx_receiver_close(), @epfd and @events stay.
 *
 * Return: 0; -EINVAL (@events, @n); -EBADF (no descriptor); -EEXIST (there is a
 *   set); -EOPNOTSUPP (cause "epoll-missing": before Linux 6.15; poll
 *   devrx_receiver_fd() in the set instead); to take off: -ENOENT (there is none),
 *   -EBUSY (the submission queue is full, wait and try again); -EPERM (forked).
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_epoll(struct devrx_receiver *rx, int epfd,
				   struct epoll_event *events, unsigned int n);

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
 * yet is lost, as on zcrx-device what was fetched; what is still in the socket can
 * be read.
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
 * devrx_tier_name - "zcrx-device", "zcrx-host", "recv", "zcrx-copy"
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
