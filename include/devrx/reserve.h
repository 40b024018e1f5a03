/* SPDX-License-Identifier: MIT */
/*
 * What a reservation changes of a NIC, and how it is undone.
 *
 * devrx_queue_reserve() with DEVRX_QUEUE_F_CONFIGURE makes the fewest changes that
 * zero-copy receive needs: a second queue where there is one, header split with
 * threshold 0, the queue taken out of RSS, a flow rule per port and IP version. Each
 * is written to a file below /run/devrx before it is made, with what was there
 * before, and undone, newest first,
 *
 *   - by devrx_queue_restore(),
 *   - where the process ends without it, SIGKILL included, by its guard: a process
 *     that waits for that (see struct devrx_queue_opts),
 *   - where the guard was killed too, by the next reservation on the NIC, or by
 *     devrx_queue_undo(), which "devrx restore" calls.
 *
 * Undone is only what is still as it was made; what somebody has changed since is
 * left alone. Several processes may hold queues of one NIC: a flow rule goes with its
 * queue, all else when the last of them has left.
 *
 * A reservation belongs to the process that made it: a program that goes into the
 * background by fork() does so before. RSS contexts are not looked at.
 *
 * Needs CAP_NET_ADMIN over the NIC's network namespace and a /run/devrx that can be
 * written; a process that drops the capability later leaves undoing to its guard.
 *
 * Threads: any; each call is of the calling thread's network namespace.
 */
#ifndef DEVRX_RESERVE_H
#define DEVRX_RESERVE_H

#include <stddef.h>
#include <stdint.h>

#include <devrx/error.h>
#include <devrx/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called with each command, ended by '\0', in the order in which they are to run. */
typedef void (*devrx_command_fn)(void *ctx, const char *command);

/**
 * devrx_queue_plan - what devrx_queue_reserve() would change, as commands
 * @opts: as for devrx_queue_reserve(); DEVRX_QUEUE_F_CONFIGURE is implied
 * @fn: called for each change; may be NULL
 * @ctx: for @fn
 *
 * Changes nothing and needs no privilege. The commands are ethtool's, for a shell. An
 * RSS table that is not the driver's own is said as weights, of which ethtool makes
 * one with the same shares; devrx_queue_reserve() moves only the entries of the
 * queue.
 *
 * Context: may sleep.
 * Return: the number of changes, 0 where nothing has to change, or as
 *   devrx_queue_reserve().
 * Since: 0.1
 */
DEVRX_API int devrx_queue_plan(const struct devrx_queue_opts *opts,
			       devrx_command_fn fn, void *ctx);

enum devrx_undo {
	DEVRX_UNDO_DONE = 0, /* undone by this command */
	DEVRX_UNDO_OTHER = 1, /* somebody has changed it since: left alone */
	DEVRX_UNDO_FAILED = 2, /* refused now: the command to try again */
};

/* @ifname: the NIC; @command: what undoes it; @err: 0, or with DEVRX_UNDO_FAILED a
 * negative errno. Strings are the library's, for the call. */
typedef void (*devrx_undo_fn)(void *ctx, enum devrx_undo what,
			      const char *ifname, const char *command, int err);

/* Also what is kept (DEVRX_QUEUE_F_KEEP) for whoever asks. */
#define DEVRX_UNDO_F_KEPT (1u << 0)

/**
 * devrx_queue_undo - undo what reservations left behind
 * @ifname: one NIC, or NULL for all of this network namespace
 * @flags: DEVRX_UNDO_F_KEPT or 0
 * @fn: told of each change; may be NULL
 * @ctx: for @fn
 * @cause: filled in on failure; may be NULL
 *
 * What processes that live hold is left to them. A process in another PID namespace
 * counts as alive, since it cannot be seen.
 *
 * Context: may sleep: up to 10 s for a queue whose ring is on its way out.
 * Return: 0, also where there is nothing to undo;
 *   -EINVAL      opts-invalid: unknown flags;
 *   -ENODEV      nic-missing: no NIC of that name in this namespace;
 *   -EINPROGRESS undo-refused: the NIC refused something, which @fn was told; it
 *                stays written down;
 *   -EPERM       reserve-denied: needs CAP_NET_ADMIN;
 *   others       journal-failed: /run/devrx cannot be read or written; -EBADMSG:
 *                a file in it is none of ours.
 * Since: 0.1
 */
DEVRX_API int devrx_queue_undo(const char *ifname, uint32_t flags,
			       devrx_undo_fn fn, void *ctx,
			       struct devrx_cause *cause);

/**
 * struct devrx_reservation - a queue that is held
 * @size: sizeof(struct devrx_reservation)
 * @since: when it was made, seconds since 1970
 * @ifindex: the NIC
 * @queue: its rx queue
 * @pid: the holder, in its own PID namespace; 0 where it is kept for whoever asks
 * @alive: 1, or 0 where the holder has died and nothing was undone yet
 * @user: enum devrx_queue_user, who receives on it now
 * @changes: of the NIC, for all its reservations together
 * @ifname: the NIC's name
 *
 * Since: 0.1
 */
struct devrx_reservation {
	size_t size;
	uint64_t since;
	uint32_t ifindex;
	uint32_t queue;
	uint32_t pid;
	uint32_t alive;
	uint32_t user;
	uint32_t changes;
	char ifname[16];
};

typedef void (*devrx_reservation_fn)(void *ctx,
				     const struct devrx_reservation *res);

/**
 * devrx_queue_list - the reservations of this network namespace
 * @fn: called for each
 * @ctx: for @fn
 * @cause: filled in on failure; may be NULL
 *
 * Context: may sleep.
 * Return: how many; -EINVAL: @fn is NULL; others: journal-failed, as
 *   devrx_queue_undo().
 * Since: 0.1
 */
DEVRX_API int devrx_queue_list(devrx_reservation_fn fn, void *ctx,
			       struct devrx_cause *cause);

enum devrx_check {
	DEVRX_CHECK_PASS = 0,
	DEVRX_CHECK_FAIL = 1,
	DEVRX_CHECK_UNKNOWN = 2, /* it cannot be seen */
};

/* @line: id is the cause that this line stands for, text what was found, next the
 * command that mends it, or "". For the call. */
typedef void (*devrx_check_fn)(void *ctx, enum devrx_check state,
			       const struct devrx_cause *line);

/* The memory is NVIDIA's, whose driver takes PCI devices only. */
#define DEVRX_CHECK_F_PCI (1u << 0)

/**
 * devrx_queue_diagnose - each precondition of a NIC's queue, one by one
 * @opts: which queue, and the ports that are to reach it; flags are ignored
 * @flags: DEVRX_CHECK_F_PCI or 0
 * @fn: called with each, in the order in which the kernel asks for them; then what it
 *      does not ask for, and without which nothing comes, or the wrong thing
 * @ctx: for @fn
 *
 * The identifiers are those of the causes that a receiver would be refused with
 * (nic-missing, nic-not-pci, nic-unsupported, queue-range, hds-off, hds-thresh,
 * xdp-attached, queue-busy, xsk-attached, nic-down), that a reservation would
 * (port-steered, nic-steering), or that nobody is refused with: queue-alone (the NIC
 * has one queue), rss-shared (other traffic comes to the queue), ntuple-off (flow rules
 * are switched off), port-unsteered (no rule leads the port to it).
 *
 * Changes nothing and needs no privilege. After a line without which there are no
 * others (no such NIC) it ends.
 *
 * Context: may sleep.
 * Return: the number of lines that failed; -EINVAL, opts-invalid or @fn is NULL;
 *   other errnos of netlink: os-error.
 * Since: 0.1
 */
DEVRX_API int devrx_queue_diagnose(const struct devrx_queue_opts *opts,
				   uint32_t flags, devrx_check_fn fn,
				   void *ctx);

/**
 * devrx_guard - be a guard: what the program "devrx" does as "devrx guard"
 * @argc: as main() has it, of a program started as struct devrx_queue_opts says
 * @argv: ... with @argv[1] being "guard"
 *
 * For programs that are their own guard (opts.guard = "/proc/self/exe"): call it first
 * in main() where argv[1] is "guard", and exit with what it returns. It goes on in the
 * background, closes all files, and undoes what the process that started it has
 * left when that ends.
 *
 * Return: an exit code, 0 for good.
 * Since: 0.1
 */
DEVRX_API int devrx_guard(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif /* DEVRX_RESERVE_H */
