/* SPDX-License-Identifier: MIT */
/* Pages of this process: what the kinds made of them have in common. */
#ifndef DRX_HOST_H
#define DRX_HOST_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/memory.h>

/* The huge pages behind DEVRX_MEMORY_F_HUGETLB. */
#define DRX_HUGETLB_LEN (UINT64_C(2) << 20)

/*
 * Round opts->len up to whole pages of the size that opts->flags ask for.
 * Return 0, or -EINVAL with the cause "memory-len" where there is no such
 * length in this address space.
 */
int drx_round_len(const struct devrx_memory_opts *opts, uint64_t *ret,
		  struct devrx_cause *cause);

/*
 * Refuse opts->device for a kind that has only one of itself: 0, or -EINVAL
 * with the cause "opts-invalid".
 */
int drx_no_device(const struct devrx_memory_opts *opts,
		  struct devrx_cause *cause);

/*
 * mmap(), kept out of forked children. @ret is untouched on error, which is
 * returned as a negative errno.
 *
 * Why out of children: a private page that is not pinned yet becomes
 * copy-on-write at a fork. The parent's next write then moves the parent to a
 * copy while the NIC is given, or goes on using, the original: bytes get lost
 * in silence. And a child that keeps a mapping keeps the memory after its
 * owner is gone.
 */
int drx_map(uint64_t len, int prot, int flags, int fd, void **ret);

/*
 * Fill in the cause for @call, which failed with @err when it was to get @len
 * bytes of huge pages, and return the errno that the caller is to see.
 */
int drx_fail_hugetlb(struct devrx_cause *cause, int err, const char *call,
		     uint64_t len);

#endif /* DRX_HOST_H */
