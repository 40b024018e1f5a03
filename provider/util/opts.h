/* SPDX-License-Identifier: MIT */
/*
 * Options and results that grow: structs whose first member is their size.
 *
 * An older caller's struct is shorter: the members it lacks count as zero. A
 * newer caller's is longer: what we do not know must be zero, or we would
 * silently ignore what was asked. The lowest room: includes no other.
 */
#ifndef DRX_OPTS_H
#define DRX_OPTS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Copy the caller's @opts into @own (of @own_size bytes). @first_size is the
 * struct's size in the release that introduced it. Return 0, or -EINVAL where
 * the size is below @first_size or bytes beyond ours are not zero.
 */
int drx_opts_get(void *own, size_t own_size, const void *opts,
		 size_t first_size);

/*
 * Copy @own out into the caller's @ret, as much as its size member allows,
 * and leave that member as it is. Return 0, or -EINVAL where it is below
 * @first_size.
 */
int drx_info_put(void *ret, const void *own, size_t own_size,
		 size_t first_size);

#endif /* DRX_OPTS_H */
