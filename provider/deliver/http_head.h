/* SPDX-License-Identifier: MIT */
/* The head of an HTTP response, by llhttp. http_head_none.c stands in without. */
#ifndef DRX_HTTP_HEAD_H
#define DRX_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include <devrx/framing.h>

/* Is HTTP built in? */
bool drx_http_built(void);

/*
 * Understand @len bytes at @buf, a head with the empty line that ends it. Return 0,
 * or -EBADMSG with a phrase about what is wrong in @why; -EOPNOTSUPP where HTTP is
 * not built in.
 */
int drx_http_head_parse(struct devrx_http_head *ret, const char *buf,
			size_t len, const char **why);

#endif /* DRX_HTTP_HEAD_H */
