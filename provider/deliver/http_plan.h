/* SPDX-License-Identifier: MIT */
/* Which bytes of a resource are still to be asked for. Pure. */
#ifndef DRX_HTTP_PLAN_H
#define DRX_HTTP_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/http.h>

/* Bytes first to end, end not included. */
struct drx_range {
	uint64_t first;
	uint64_t end;
};

/*
 * Asked for in order from @next to @end; what a connection could not bring comes
 * back, and goes first. Each connection has one range at most, so there are no more
 * to come back than connections.
 */
struct drx_plan {
	uint64_t next;
	uint64_t end; /* DEVRX_HTTP_UNKNOWN: nobody has said it yet */
	unsigned int nr_out; /* ranges that connections have */
	unsigned int nr_back;
	struct drx_range back[DEVRX_HTTP_CONNECTIONS_MAX];
};

/* Take up to @most bytes, or one that came back. False: there is nothing to take. */
bool drx_plan_take(struct drx_plan *plan, uint64_t most, struct drx_range *ret);
/* The resource, or what is wanted of it, ends at @end; @range, which is out, too. */
void drx_plan_settle(struct drx_plan *plan, uint64_t end,
		     struct drx_range *range);
/* Make @range, which is out, all that was not taken yet as well. */
void drx_plan_extend(struct drx_plan *plan, struct drx_range *range);
/* Of what was taken as @range all before @at was brought: what is left comes back. */
void drx_plan_return(struct drx_plan *plan, const struct drx_range *range,
		     uint64_t at);
bool drx_plan_is_done(const struct drx_plan *plan);

#endif /* DRX_HTTP_PLAN_H */
