/* SPDX-License-Identifier: MIT */
/* Ends that the kernel does not tell of; see hangup.c. */
#ifndef DRX_HANGUP_H
#define DRX_HANGUP_H

#include <stdbool.h>
#include <stdint.h>

struct devrx_receiver;

/*
 * @nap_ns: a wait in which nothing comes looks once in this time, and no sooner;
 *	INT64_MAX: never, for tests in which no time passes
 * @next_ns: the next look is not before that
 * @napping: the kernel was entered for that time, not until the caller's deadline
 * @cursor: the connection that it begins with
 */
struct drx_hangups {
	int64_t nap_ns;
	int64_t next_ns;
	uint32_t cursor;
	bool napping;
};

/* A busy receiver asks at each so manieth visit to the kernel whether it is time. */
#define DRX_HANGUP_VISITS 1024u

/* If it is time to: true where receives were cancelled, so that something comes. */
bool drx_hangups_look(struct devrx_receiver *rx);
/* A cancellation, of @user_data with DRX_UD_CANCEL, was answered with @res. */
void drx_hangups_cancelled(struct devrx_receiver *rx, uint64_t user_data,
			   int res);

#endif /* DRX_HANGUP_H */
