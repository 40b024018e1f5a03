// SPDX-License-Identifier: MIT
/* Options and results that grow; the rule is in opts.h. */
#include "util/opts.h"

#include <errno.h>
#include <string.h>

int drx_opts_get(void *own, size_t own_size, const void *opts,
		 size_t first_size)
{
	const unsigned char *bytes = opts;
	size_t size, i;

	memcpy(&size, opts, sizeof(size));
	if (size < first_size)
		return -EINVAL;
	for (i = own_size; i < size; i++) {
		if (bytes[i])
			return -EINVAL;
	}
	memset(own, 0, own_size);
	memcpy(own, opts, size < own_size ? size : own_size);
	return 0;
}

int drx_info_put(void *ret, const void *own, size_t own_size, size_t first_size)
{
	size_t size;

	memcpy(&size, ret, sizeof(size));
	if (size < first_size)
		return -EINVAL;
	if (size > own_size)
		size = own_size;
	memcpy((char *)ret + sizeof(size), (const char *)own + sizeof(size),
	       size - sizeof(size));
	return 0;
}
