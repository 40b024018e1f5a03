/* SPDX-License-Identifier: MIT */
/*
 * Payload that the kernel could not put into a dmabuf: fetched, written into the
 * memory, delivered in its turn.
 *
 * It came around the queue's flow rule, or the NIC left it with the headers. The
 * kernel ends the receive; the bytes are still in the socket, from where they
 * are read into a backlog, a buffer of the connection. What comes behind them
 * has to come behind them.
 *
 * The way on is into the memory, all of which is the kernel's: of an area no
 * byte is ours before the kernel has told of it. So a place to write to is what
 * was a fragment, a range that the caller gave back and that the kernel did not
 * get: a spare. Its slot has the record of its chunk, so that one refill entry
 * goes back for it in the end. Spares come from
 *
 *	- what the caller releases, where the fragment's length is our record, not
 *	  the caller's (@places);
 *	- without any, a stolen piece: the connection is armed so that what comes
 *	  for it goes to the end of its backlog, which leaves its place behind.
 *
 * A few spares are kept from the first fragments on (@reserve), since what comes
 * around the queue may be a stream's last bytes, with nothing left to steal.
 *
 *	         data in kernel memory
 *	ARMED ----------------------------> drained: backlog, TO_ARM
 *	  ^                                   | spares: delivered piece by piece
 *	  +-- backlog empty ------------------+ no spare: armed to steal
 *	                                      | none in time: the connection ends
 *
 * spares.c has places and spares, recover.c the backlog. Both are cold: in wait
 * and release one test of @on stands for all of it.
 */
#ifndef DRX_RECOVER_H
#define DRX_RECOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <devrx/provider.h>
#include <devrx/receiver.h>

struct drx_conn;
struct drx_slot;

/*
 * Bytes of a connection between socket and memory.
 * @next: the list of all, in the order in which they are served
 * @start, @len: what is in use of @buf
 * @since: when bytes last came or went, by CLOCK_MONOTONIC
 * @conn: index
 * @late: that is too long ago
 * @ended: the connection has, with @error and @cause, behind these bytes
 */
struct drx_backlog {
	struct drx_backlog *next;
	unsigned char *buf;
	size_t start;
	size_t len;
	size_t size;
	int64_t since;
	uint32_t conn;
	bool late;
	bool ended;
	int16_t error;
	struct devrx_cause cause;
};

/*
 * One for each slot.
 * @token: of the fragment whose length is @len; 0 for none
 * @next: the spare below
 */
struct drx_place {
	uint64_t token;
	uint32_t len;
	uint32_t next;
};

/*
 * @on: there is a backlog, or a spare is missing
 * @provider: NULL where nothing can be recovered: on other tiers, and with a
 *	memory that the host can not both read and write
 * @spare: slot of the topmost one, 0 for none
 * @nr_out: fragments out that have a place, at most: those delivered when @on
 *	was not set for them are not counted
 */
struct drx_recover {
	bool on;
	uint32_t spare;
	uint32_t nr_spares;
	uint32_t reserve;
	uint64_t nr_out;
	struct drx_place *places;
	struct drx_backlog *first;
	const struct devrx_provider *provider;
	int64_t timeout_ns;
};

/* spares.c */
/* With the slots there; @timeout_ms 0 is the default. 0 or -ENOMEM. */
int drx_recover_init(struct devrx_receiver *rx, uint32_t timeout_ms);
/* Places for slots 1 to @nr, to be freed; NULL where there is no memory. */
struct drx_place *drx_places_new(uint32_t nr);
/* @larger takes the place of those for @nr slots. */
void drx_places_replace(struct drx_recover *r, struct drx_place *larger,
			uint32_t nr);
/* Forget the backlogs; of what was fetched and not delivered nothing is left. */
void drx_recover_fini(struct devrx_receiver *rx);
/* What backlogs hold becomes at most @n fragments, as far as spares go. */
unsigned int drx_recover_deliver(struct devrx_receiver *rx,
				 struct devrx_fragment *frags, unsigned int n);
/* After a reap: remember the places of @got fragments, deliver some more. */
unsigned int drx_recover_reaped(struct devrx_receiver *rx,
				struct devrx_fragment *frags, unsigned int got,
				unsigned int n);
/* devrx_receiver_release(), but for the check of the process. */
int drx_recover_release(struct devrx_receiver *rx,
			const struct devrx_fragment *frags, unsigned int n);
/* Take care of an expired @slot, as a spare if one is wanted; false where its
 * length is not known. */
bool drx_recover_keep(struct devrx_receiver *rx, struct drx_slot *slot);
/* Is another spare wanted? */
bool drx_recover_wants(const struct devrx_receiver *rx);
/* @slot, not free and not out, is a spare of @len bytes. */
void drx_recover_add(struct devrx_receiver *rx, struct drx_slot *slot,
		     uint32_t len);
/* Backlogs came or went: give back what is no longer wanted. */
void drx_recover_settle(struct devrx_receiver *rx);

/* recover.c */
/* The receive of @conn ended at payload in kernel memory. */
void drx_recover_drain(struct devrx_receiver *rx, struct drx_conn *conn);
/* A piece at @off for an armed thief. False where it has to stay in the queue. */
bool drx_recover_steal(struct devrx_receiver *rx, struct drx_conn *conn,
		       uint64_t off, uint32_t len);
/* The connection ends with @error, behind its backlog. */
void drx_recover_end(struct devrx_receiver *rx, struct drx_conn *conn,
		     int error);
/* @len bytes from the front of @b were delivered. */
void drx_recover_delivered(struct devrx_receiver *rx, struct drx_backlog *b,
			   uint32_t len);
/* @err: of the provider's write. The connection of @b ends now. */
void drx_recover_write_failed(struct devrx_receiver *rx, struct drx_backlog *b,
			      int err);
/*
 * Before a wait until @end (negative: for ever) with nothing to deliver: when to
 * look again. 0: do not wait, since some backlog has waited too long. The caller
 * may have been busy meanwhile, and the kernel have what it waits for: so it is
 * given up only if the kernel was asked once more and nothing came.
 */
int64_t drx_recover_wait(struct devrx_receiver *rx, int64_t end);
/* Give those up; false where there is none. */
bool drx_recover_expire(struct devrx_receiver *rx);

#endif /* DRX_RECOVER_H */
