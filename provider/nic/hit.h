/* SPDX-License-Identifier: MIT */
/* Which rx queues have a NAPI: one reply message after the other; see hit.c. */
#ifndef DRX_HIT_H
#define DRX_HIT_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>

struct drx_hit {
	uint32_t ifindex; /* asked for, as is */
	uint32_t napi_id;
	uint32_t nr; /* rx queues with it */
	uint32_t index; /* the first of them */
};

/* Of the type drx_nl_fn; @hit is a struct drx_hit. 0 or -EBADMSG. */
int drx_parse_hit(const void *msg, size_t len, void *hit);

/* Does that say which queue? 0 or -EOPNOTSUPP (napi-shared). */
int drx_hit_judge(const struct drx_hit *hit, struct devrx_cause *cause);

#endif /* DRX_HIT_H */
