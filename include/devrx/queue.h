/* SPDX-License-Identifier: MIT */
/*
 * A receive queue of a NIC, reserved for one receiver.
 *
 * zcrx takes a queue only where the NIC splits headers from data and offers
 * its queues to memory providers; the kernel answers anything else with a bare
 * errno. devrx_queue_reserve() looks first, in the order in which the kernel
 * checks, and names what is missing and the command that mends it.
 *
 * By itself it changes nothing on the NIC. With DEVRX_QUEUE_F_CONFIGURE it makes the
 * NIC ready, and devrx_queue_restore() undoes that; <devrx/reserve.h> says how, and
 * what happens where a process dies before.
 *
 * Threads: one queue, one thread at a time; devrx_queue_find() and
 * devrx_queue_bind_port() are for any thread, also beside the one whose receiver
 * has the queue, between reserve and restore.
 *
 * Many queues: a receiver per thread and queue, and each connection in the
 * receiver whose queue it arrives on. devrx_queue_find() says which that is for a
 * connection that was accepted, devrx_queue_bind_port() makes one that is to be
 * opened arrive there.
 */
#ifndef DEVRX_QUEUE_H
#define DEVRX_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct devrx_queue;
struct sockaddr; /* <sys/socket.h> */

/* The NIC's last receive queue. */
#define DEVRX_QUEUE_LAST UINT32_MAX

/* Change what zero-copy receive needs changed, and undo it: <devrx/reserve.h>. */
#define DEVRX_QUEUE_F_CONFIGURE (1u << 0)
/* With the former: not for this process but for whoever asks, until
 * devrx_queue_undo(). */
#define DEVRX_QUEUE_F_KEEP (1u << 1)
/* Without a guard; then a death is mended by the next reservation only. */
#define DEVRX_QUEUE_F_NO_GUARD (1u << 2)

#define DEVRX_QUEUE_PORTS_MAX 64

/**
 * struct devrx_queue_opts - which queue
 * @size: sizeof(struct devrx_queue_opts), set by DEVRX_QUEUE_OPTS_INIT
 * @ifname: the NIC's name in this network namespace; borrowed for the call
 * @index: rx queue, or DEVRX_QUEUE_LAST; with DEVRX_QUEUE_F_CONFIGURE that is the
 *         last one that nobody uses, made where there is only one
 * @flags: DEVRX_QUEUE_F_...
 * @cause: filled in on failure; may be NULL
 * @ports: with DEVRX_QUEUE_F_CONFIGURE: TCP ports (host order, not 0) whose packets
 *         are steered to the queue, over IPv4 and IPv6; borrowed for the call
 * @guard: the program that is started as "devrx guard PID START NIC" and undoes the
 *         changes if this process is killed; NULL: "devrx", looked for in PATH. It is
 *         a child for a moment only, which is waited for
 * @nr_ports: how many ports, at most DEVRX_QUEUE_PORTS_MAX
 * @reserved: 0
 *
 * Since: 0.1
 */
struct devrx_queue_opts {
	size_t size;
	const char *ifname;
	uint32_t index;
	uint32_t flags;
	struct devrx_cause *cause;
	const uint16_t *ports;
	const char *guard;
	uint32_t nr_ports;
	uint32_t reserved;
};

#define DEVRX_QUEUE_OPTS_INIT                                                  \
	{                                                                      \
		sizeof(struct devrx_queue_opts), NULL, DEVRX_QUEUE_LAST, 0,    \
			NULL, NULL, NULL, 0, 0                                 \
	}

/* Header split, as the NIC reports it. */
enum devrx_data_split {
	DEVRX_DATA_SPLIT_UNKNOWN = 0, /* not reported: no support, or "auto" */
	DEVRX_DATA_SPLIT_OFF = 1,
	DEVRX_DATA_SPLIT_ON = 2,
};

/* Who has the queue. */
enum devrx_queue_user {
	DEVRX_QUEUE_USER_UNKNOWN = 0, /* the kernel cannot say */
	DEVRX_QUEUE_USER_NONE = 1, /* nobody whom this kernel would name */
	DEVRX_QUEUE_USER_IO_URING = 2,
	DEVRX_QUEUE_USER_DEVMEM = 3,
	DEVRX_QUEUE_USER_XSK = 4,
};

/**
 * struct devrx_queue_info - the queue as the kernel reports it now
 * @size: sizeof(struct devrx_queue_info), set by the caller before the call
 * @ifindex: the NIC
 * @index: the rx queue
 * @nr_queues: rx queues in use, 0 where the kernel cannot say
 * @data_split: enum devrx_data_split
 * @hds_thresh: bytes, UINT32_MAX where the NIC does not report it
 * @napi_id: 0 where unknown; SO_INCOMING_NAPI_ID of its connections
 * @user: enum devrx_queue_user
 * @xdp: 1 where an XDP program is attached to the NIC
 * @ifname: the NIC's name
 * @driver: its driver, or an empty string
 * @rx_ring: entries of the queue's ring, 0 where the kernel cannot say
 * @reserved: 0
 *
 * Since: 0.1
 */
struct devrx_queue_info {
	size_t size;
	uint32_t ifindex;
	uint32_t index;
	uint32_t nr_queues;
	uint32_t data_split;
	uint32_t hds_thresh;
	uint32_t napi_id;
	uint32_t user;
	uint32_t xdp;
	char ifname[16];
	char driver[32];
	uint32_t rx_ring;
	uint32_t reserved;
};

/**
 * devrx_queue_reserve - look at a queue and hold it for a receiver
 * @ret: the queue on success, untouched on error; give back with
 *       devrx_queue_restore()
 * @opts: which; borrowed for the call
 *
 * Needs no privilege, but for DEVRX_QUEUE_F_CONFIGURE where something has to
 * change. Asks the kernel over netlink (families ethtool and netdev); what an older kernel cannot tell is left for it to check. A queue
 * that somebody else has is no error here: the owner may be on its way out,
 * so devrx_receiver_open() waits for it.
 *
 * Context: may sleep.
 * Return: 0 or
 *   -EINVAL      opts-invalid: @opts NULL or of a wrong size, no name;
 *                hds-off: the NIC can split headers and does not;
 *                hds-thresh: it splits only packets above a threshold;
 *   -ENODEV      nic-missing: no NIC of that name in this namespace;
 *   -ERANGE      queue-range: the NIC has fewer rx queues;
 *   -EOPNOTSUPP  nic-unsupported: the driver reports no header split at all
 *                (veth, virtio-net, lo, ...);
 *   -EEXIST      xdp-attached: zcrx and XDP exclude each other;
 *   -ENETDOWN    nic-down: DEVRX_QUEUE_LAST asked for, and the NIC does not
 *                tell how many queues it has while it is down;
 *   -ENOMEM      out-of-memory; other errnos of netlink: os-error;
 * and with DEVRX_QUEUE_F_CONFIGURE, which leaves the NIC as it was on an error:
 *   -EBUSY       queue-taken: reserved by another process, or each queue is in
 *                use; port-steered: a flow rule leads a port elsewhere;
 *   -EPERM       reserve-denied: CAP_NET_ADMIN is missing;
 *   -EOPNOTSUPP  nic-steering: the NIC has no flow rules;
 *   others       nic-refused: the driver's errno for a change, which is in the
 *                cause as a command, with the driver's sentence if it has one;
 *                journal-failed: /run/devrx cannot be written; guard-failed: the
 *                guard cannot be started.
 * The errnos are the kernel's own for the same fault
 * (linux/net/core/netdev_rx_queue.c, io_uring/zcrx.c; 7.3).
 * Since: 0.1
 */
DEVRX_API int devrx_queue_reserve(struct devrx_queue **ret,
				  const struct devrx_queue_opts *opts);

/**
 * devrx_queue_info - the queue, read anew from the kernel
 * @q: the queue
 * @ret: filled in up to @ret->size bytes
 *
 * Context: may sleep.
 * Return: 0; -EINVAL where @ret->size is smaller than in version 0.1;
 *   -ENODEV where the NIC has gone; other errnos of netlink.
 * Since: 0.1
 */
DEVRX_API int devrx_queue_info(const struct devrx_queue *q,
			       struct devrx_queue_info *ret);

/**
 * devrx_queue_find - on which of these queues a connection arrives
 * @queues: @nr of them, of one NIC or of several; borrowed for the call
 * @nr: how many, at least 1
 * @sockfd: a connected TCP socket, as accept() returns it; it is not changed
 * @cause: filled in on failure; may be NULL
 *
 * By the NAPI of the last packet that came (SO_INCOMING_NAPI_ID) and the NAPIs
 * of the queues, read anew at each call: a NIC may number them anew whenever it
 * or a queue of it is restarted. So the answer is as old as the connection's
 * last packet: ask between accept() and devrx_receiver_add(). What moves flows
 * (ethtool -X, -L, a flow rule) takes them away from their receiver: payload in
 * kernel memory is then copied, payload in another receiver's memory is lost, and
 * the connection ends with an error.
 *
 * Needs no privilege. One netlink request for each NIC.
 *
 * Context: may sleep.
 * Return: the queue's place in @queues, or
 *   -EINVAL      opts-invalid: no queues, or NULL among them;
 *   -ENOENT      queue-other: it arrives on none of them;
 *   -EAGAIN      napi-unknown: nothing has come for it from a NIC: it is not
 *                connected, or its peer is on this machine. SYN and ACK count,
 *                so what accept() returns is not concerned;
 *   -EOPNOTSUPP  napi-unsupported: a kernel without CONFIG_NET_RX_BUSY_POLL, or
 *                before 6.8; napi-shared: several rx queues of the NIC have
 *                that NAPI;
 *   -ENODEV      nic-missing: the NIC has gone;
 *   -ENOMEM      out-of-memory; others (-EBADF, -ENOTSOCK, of netlink): os-error.
 * The option: linux/net/core/sock.c, sk_getsockopt() (7.3).
 * Since: 0.1
 */
DEVRX_API int devrx_queue_find(struct devrx_queue *const *queues,
			       unsigned int nr, int sockfd,
			       struct devrx_cause *cause);

/**
 * devrx_queue_bind_port - bind a socket so that the answers reach the queue
 * @q: the queue
 * @sockfd: a TCP socket, neither bound nor connected, without SO_REUSEADDR and
 *          SO_REUSEPORT
 * @local: our address on the NIC, the port 0
 * @remote: the address and port that connect() will be called with
 * @len: bytes of each: a struct sockaddr_in or sockaddr_in6, both of one family
 *       and neither the "any" address; IPv4 in IPv6 (::ffff:a.b.c.d) is hashed
 *       as IPv4
 * @cause: filled in on failure; may be NULL
 *
 * Reads the NIC's hash key and indirection table (RSS), and binds @sockfd to
 * @local with a free port whose flow from @remote hashes to @q. On an error the
 * socket is not bound. It binds rather than tells the port because between the two
 * another program may take it. connect() then finds the port taken by nobody: a
 * port that any other socket has on @local is not taken, which SO_REUSEADDR would
 * undo.
 *
 * Ports are those that the kernel would choose from: net.ipv4.ip_local_port_range
 * of the calling thread's network namespace, within it the socket's
 * IP_LOCAL_PORT_RANGE, without net.ipv4.ip_local_reserved_ports.
 *
 * It is RSS's main table that is computed. A flow rule outranks it and is not
 * looked at; nor is what changes an address or a port on the way (NAT on this
 * machine, a tunnel). devrx_queue_find() after connect() says where it went.
 *
 * Needs no privilege. Where the queue is left out of RSS, which is the usual way
 * to reserve one, no port leads to it: give the connection a flow rule instead,
 * or a NIC whose table has the receivers' queues only.
 *
 * Context: may sleep.
 * Return: 0 or
 *   -EINVAL      opts-invalid: @q NULL, addresses not as described;
 *   -ENOENT      rss-queue: the indirection table does not have the queue;
 *   -EADDRINUSE  ports-used: no port that leads there is free;
 *   -EOPNOTSUPP  rss-missing: the NIC has no RSS, or the kernel (before 6.3)
 *                does not tell; rss-hash: the hash is not Toeplitz over both
 *                addresses and ports, with none or one of the two symmetric
 *                input transformations, or its key is too short. Before 6.17
 *                the kernel does not tell the fields: all four are assumed;
 *   -ENODEV      nic-missing: the NIC has gone;
 *   -ENOMEM      out-of-memory; others (-EBADF, -EINVAL for a socket that is
 *                bound, -EADDRNOTAVAIL, of netlink): os-error.
 * linux/Documentation/networking/scaling.rst; net/ethtool/rss.c (7.3).
 * Since: 0.1
 */
DEVRX_API int devrx_queue_bind_port(const struct devrx_queue *q, int sockfd,
				    const struct sockaddr *local,
				    const struct sockaddr *remote, uint32_t len,
				    struct devrx_cause *cause);

/**
 * devrx_queue_restore - give a queue back as it was found
 * @q: the queue, taken unless a receiver is open on it; NULL is allowed
 *
 * With DEVRX_QUEUE_F_CONFIGURE from the network namespace of the reservation.
 *
 * Context: may sleep: up to 10 s, until the kernel has worked off the end of the ring.
 * Return: 0; -EBUSY while a receiver is open on it: close that first;
 *   -EINPROGRESS: not all changes could be undone now (the capability was dropped,
 *   the NIC refuses). They are left to the guard, which tries when this process ends,
 *   and to devrx_queue_undo().
 * Since: 0.1
 */
DEVRX_API int devrx_queue_restore(struct devrx_queue *q);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_QUEUE_H */
