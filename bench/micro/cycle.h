/* SPDX-License-Identifier: MIT */
/*
 * The life of fragments in steady state, step by step, on a fake kernel: what is
 * measured is one step at a time, by counting (fragment_cost.c) or by the clock
 * (fragment_time.cc).
 */
#ifndef DEVRX_BENCH_MICRO_CYCLE_H
#define DEVRX_BENCH_MICRO_CYCLE_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CYCLE_BATCH_MAX 256u

/*
 * @CYCLE_PLAIN: post, wait, release
 * @CYCLE_DEVICE: post, wait, push, release_after, give_back; the consumer of the
 *	device ring takes no time
 * @CYCLE_FRAMING: post, wait, frame, release; each fragment is a message behind its
 *	length
 * @CYCLE_RECOVER: post, wait, release; each fragment came around the queue
 */
enum cycle_kind {
	CYCLE_PLAIN,
	CYCLE_DEVICE,
	CYCLE_FRAMING,
	CYCLE_RECOVER,
};

struct cycle_opts {
	enum cycle_kind kind;
	unsigned int batch; /* 1 with CYCLE_RECOVER */
	unsigned int connections; /* 1 with CYCLE_FRAMING */
	bool mixed; /* a queue of CQE_MIXED */
};

/* There is one at a time. All of these end the program where something is wrong. */
void cycle_open(const struct cycle_opts *opts);
void cycle_post(void);
void cycle_wait(void);
void cycle_release(void);
void cycle_push(void);
void cycle_release_after(void);
void cycle_give_back(void);
void cycle_frame(void);
/* All of the batch went all the way. */
void cycle_end(void);
void cycle_close(void);

#ifdef __cplusplus
}
#endif

#endif /* DEVRX_BENCH_MICRO_CYCLE_H */
