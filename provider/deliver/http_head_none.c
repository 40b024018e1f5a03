// SPDX-License-Identifier: MIT
/* Instead of http_head.c, where there is no llhttp. */
#include <errno.h>

#include "deliver/http_head.h"

bool drx_http_built(void)
{
	return false;
}

int drx_http_head_parse(struct devrx_http_head *ret, const char *buf,
			size_t len, const char **why)
{
	(void)ret;
	(void)buf;
	(void)len;
	*why = "this library was built without llhttp";
	return -EOPNOTSUPP;
}
