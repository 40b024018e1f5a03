/* SPDX-License-Identifier: MIT */
/*
 * One queue, several threads: receivers that share a registration.
 *
 *	thread A				thread B
 *	devrx_receiver_open(&a, mem, q, NULL);
 *	devrx_receiver_share(&share, a);
 *						devrx_share_open(&b, share, NULL);
 *	devrx_receiver_add(a, one, 1);		devrx_receiver_add(b, two, 2);
 *						devrx_share_close(share);
 *
 * Each receiver has a ring, connections and fragments of its own, and belongs to
 * its thread as any other does; a fragment is given back to the receiver that
 * delivered it. Memory, queue and refill ring are common, and live as long as one
 * of them does: the first one may be closed before the others. Among themselves
 * they take a lock for each devrx_receiver_wait() and devrx_receiver_release(),
 * never while they sleep; a receiver that shares nothing takes none.
 *
 * Where each thread can have a queue of its own, that is simpler and needs no
 * lock (samples/threads_receive.c).
 */
#ifndef DEVRX_SHARE_H
#define DEVRX_SHARE_H

#include <devrx/error.h>
#include <devrx/receiver.h>

#ifdef __cplusplus
extern "C" {
#endif

struct devrx_share;

/**
 * devrx_receiver_share - let other threads receive from this receiver's queue
 * @ret: new share on success, untouched on error; devrx_share_close()
 * @rx: a receiver of tier zcrx-device. From now on its memory and queue are in
 *      use until the last receiver of the share is closed
 *
 * Called on @rx's thread, once for any number of others: -EEXIST after that. What
 * the area holds is shared without quota: limit the fragments of each (opts.
 * max_fragments), or one that gives nothing back stops all: @rx's flow control
 * counts what @rx holds, and no other.
 *
 * Return: 0, or with the receiver's cause (devrx_receiver_cause())
 *   -EOPNOTSUPP  share-unsupported: another tier, more memories than one
 *                (devrx_receiver_add_area()), or Linux before 6.19;
 *   -EEXIST      there is a share of @rx already;
 *   -EMFILE, -ENFILE, -ENOMEM  os-error, out-of-memory;
 *   -EPERM       forked.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_share(struct devrx_share **ret,
				   struct devrx_receiver *rx);

/**
 * devrx_share_open - another receiver on the same queue
 * @ret: new receiver on success, untouched on error; devrx_receiver_close(). It is
 *      the calling thread's
 * @share: from devrx_receiver_share(); any thread
 * @opts: as for devrx_receiver_open(), or NULL. tier and chunk_len are 0 or what
 *      the first receiver's are, flags 0 or the same, NO_FLOW_CONTROL besides;
 *      bind_timeout_ms means nothing
 *
 * Needs CAP_NET_ADMIN once more: the kernel asks for it here too (linux/io_uring/
 * zcrx.c, io_register_zcrx()). DEVRX_EVENTs of the NIC are the first receiver's, and
 * so are the copies that the kernel counts; this one watches no marks (flow
 * control), since the area is not its alone.
 *
 * Return: 0, or with the cause
 *   -EINVAL      opts-invalid: another tier, chunk length or flag than the
 *                first receiver's;
 *   -EPERM       cap-net-admin; forked: @share is of another process;
 *   -EBADF, -EMFILE, -ENFILE, -ENOMEM  os-error, out-of-memory, memlock;
 *   others of devrx_receiver_open() where no ring can be had.
 * Since: 0.1
 */
DEVRX_API int devrx_share_open(struct devrx_receiver **ret,
			       struct devrx_share *share,
			       const struct devrx_receiver_opts *opts);

/**
 * devrx_share_close - no more receivers will be opened
 * @share: NULL is allowed; any thread. Receivers of it go on
 *
 * Since: 0.1
 */
DEVRX_API void devrx_share_close(struct devrx_share *share);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_SHARE_H */
