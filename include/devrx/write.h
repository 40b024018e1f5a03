/* SPDX-License-Identifier: MIT */
/*
 * To a file: fragments are written from where they lie, and given back when that is
 * done.
 *
 *	n = devrx_receiver_write(rx, fd, position, frags, n, cookie);
 *	... devrx_receiver_wait() brings DEVRX_EVENT_WRITTEN with the cookie
 *
 * The writes are requests of the receiver's ring, several at a time. Memory that the
 * CPU can map is written by its address, from buffers registered with the kernel where
 * it can pin them (kind udmabuf and host; vectored since Linux 6.15): with O_DIRECT the
 * disk reads the bytes where the NIC put them, otherwise the page cache has the one
 * copy. Memory without an address is read by its provider into buffers of devrx while
 * those before are written.
 */
#ifndef DEVRX_WRITE_H
#define DEVRX_WRITE_H

#include <devrx/receiver.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * devrx_receiver_write - write fragments to a file, and give them back then
 * @rx: the receiver that delivered them, of any tier
 * @fd: a regular file or block device, open for writing; borrowed until the
 *      completion. With O_DIRECT @offset and each fragment's address and length have
 *      to be multiples of what the file asks for (statx(2), STATX_DIOALIGN)
 * @offset: where in the file the first byte belongs, bytes; the others follow
 * @frags: fragments in the order in which they are to be written; borrowed for the
 *      call. Those without a token (EOF, ERROR, EVENT) end what is taken
 * @n: how many, at least 1
 * @cookie: comes back with the completion
 *
 * Takes as many from the front as fit in one request (64; fewer where they are in
 * several memories, or long). From then on devrx_receiver_release() refuses them, and
 * they count as out. The request starts with the next devrx_receiver_wait() that has
 * nothing to deliver, and one of those delivers a fragment with DEVRX_FRAGMENT_EVENT,
 * @user DEVRX_EVENT_WRITTEN, @position the cookie and @length the bytes:
 *
 *   @error 0: all are written, and given back. Short writes are gone on with.
 *   @error negative: what the kernel said (-ENOSPC, -EINVAL for an alignment, ...).
 *      Some of the bytes may be in the file. The fragments are the caller's again,
 *      out, with the tokens that they had.
 *
 * Nothing is told of the disk's own cache: fdatasync(2) is the caller's.
 * Their completions stand in one queue with data: while the caller holds all other
 * fragments that may be out, devrx_receiver_wait() returns -ENOBUFS, although a write
 * would free some. It does not return -ENOTCONN while writes are under way, and
 * devrx_receiver_close() not 0 but with DEVRX_CLOSE_F_ABANDON: then what was not
 * written may or may not be.
 *
 * Cost: no system call of its own; where the provider reads, that. The first call
 * allocates, and registers the memories there are; it counts towards RLIMIT_MEMLOCK,
 * and where it is too much the pages are pinned for each request instead.
 *
 * Return: how many fragments were taken; or, with none taken,
 *   -EAGAIN   as much is under way as may be: 64 requests, and a quarter of the
 *             chunks and of max_fragments; wait, or write these yourself;
 *   -ESTALE   the first one is not out;
 *   -EINVAL   @n is 0, or the first one has no bytes, or a bad @offset;
 *   -EBADF    @fd is no descriptor;
 *   -EOPNOTSUPP (cause "write-unsupported") the memory has no address, and its
 *             provider does not read;
 *   -ENOMEM   out of memory;
 *   others    what the provider's read returned (cause "upload-failed");
 *   -EPERM    forked.
 * Since: 0.1
 */
DEVRX_API int devrx_receiver_write(struct devrx_receiver *rx, int fd,
				   uint64_t offset,
				   const struct devrx_fragment *frags,
				   unsigned int n, uint64_t cookie);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_WRITE_H */
