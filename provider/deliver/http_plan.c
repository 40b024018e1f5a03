// SPDX-License-Identifier: MIT
#include "deliver/http_plan.h"

bool drx_plan_take(struct drx_plan *plan, uint64_t most, struct drx_range *ret)
{
	if (plan->nr_back) {
		*ret = plan->back[--plan->nr_back];
	} else if (plan->next < plan->end) {
		ret->first = plan->next;
		ret->end = plan->end - plan->next > most ? plan->next + most :
							   plan->end;
		plan->next = ret->end;
	} else {
		return false;
	}
	plan->nr_out++;
	return true;
}

void drx_plan_settle(struct drx_plan *plan, uint64_t end,
		     struct drx_range *range)
{
	plan->end = end;
	if (plan->next > end)
		plan->next = end;
	if (range->end > end)
		range->end = end;
}

void drx_plan_extend(struct drx_plan *plan, struct drx_range *range)
{
	range->end = plan->end;
	plan->next = plan->end;
}

void drx_plan_return(struct drx_plan *plan, const struct drx_range *range,
		     uint64_t at)
{
	plan->nr_out--;
	if (at >= range->end)
		return;
	plan->back[plan->nr_back].first = at;
	plan->back[plan->nr_back++].end = range->end;
}

bool drx_plan_is_done(const struct drx_plan *plan)
{
	return plan->next >= plan->end && !plan->nr_out && !plan->nr_back;
}
