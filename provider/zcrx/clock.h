/* SPDX-License-Identifier: MIT */
/* The time that deadlines are in. */
#ifndef DRX_CLOCK_H
#define DRX_CLOCK_H

#include <stdint.h>
#include <time.h>

#define DRX_NS_PER_S INT64_C(1000000000)

static inline int64_t drx_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * DRX_NS_PER_S + ts.tv_nsec;
}

#endif /* DRX_CLOCK_H */
