// SPDX-License-Identifier: MIT
/*
 * The guard. It is a program of its own, not a fork of its owner: a fork would keep
 * the owner's ring, dmabufs and memory alive, and with them what has to end first.
 * It waits for the process, not for a socket's end, since that may have been
 * inherited by the owner's other children.
 */
#include "nic/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <devrx/reserve.h>

#include "nic/reserve.h"
#include "util/cause.h"

extern char **environ;

/* In the guard these are its socket and nothing; all else is closed. */
static int set_up_files(posix_spawn_file_actions_t *files, int end)
{
	int err = posix_spawn_file_actions_adddup2(files, end, 0);

	for (int fd = 1; fd < 3 && !err; fd++)
		err = posix_spawn_file_actions_addopen(files, fd, "/dev/null",
						       O_WRONLY, 0);
	return err ? err : posix_spawn_file_actions_addclosefrom_np(files, 3);
}

/* A session of its own, so that a terminal's signals pass it by; and none that
 * the owner blocks or ignores. */
static int spawn(pid_t *ret, const char *program, char *const argv[], int end)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	(void)sigemptyset(&none);
	err = posix_spawn_file_actions_init(&files);
	if (err)
		return -err;
	err = posix_spawnattr_init(&attr);
	if (err) {
		(void)posix_spawn_file_actions_destroy(&files);
		return -err;
	}
	err = set_up_files(&files, end);
	if (!err)
		err = posix_spawnattr_setsigmask(&attr, &none);
	if (!err)
		err = posix_spawnattr_setflags(
			&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	if (!err)
		err = posix_spawnp(ret, program, &files, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	return -err;
}

/* It has gone into the background when the process that was started ends. */
static int wait_ready(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno == EINTR)
			continue;
		/* The program wants no children: then nobody can say. */
		return errno == ECHILD ? 0 : -errno;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ECHILD;
}

int drx_guard_start(int *ret_fd, const char *program,
		    const struct drx_owner *owner, uint32_t ifindex,
		    struct devrx_cause *cause)
{
	const char *name = program ? program : "devrx";
	char pid[16], start[24], nic[16];
	char self[] = "devrx", verb[] = "guard";
	char *argv[] = { self, verb, pid, start, nic, NULL };
	int ends[2];
	pid_t child;
	int ret;

	(void)snprintf(pid, sizeof(pid), "%" PRIu32, owner->pid);
	(void)snprintf(start, sizeof(start), "%" PRIu64, owner->start);
	(void)snprintf(nic, sizeof(nic), "%" PRIu32, ifindex);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return drx_fail_os(cause, -errno, "socketpair");
	ret = spawn(&child, name, argv, ends[0]);
	(void)close(ends[0]);
	if (!ret)
		ret = wait_ready(child);
	if (!ret) {
		*ret_fd = ends[1];
		return 0;
	}
	(void)close(ends[1]);
	return drx_fail(
		cause, ret, "guard-failed",
		"install the command devrx, or name a guard in struct "
		"devrx_queue_opts",
		"cannot start \"%s guard\", which undoes the changes of "
		"the NIC if this process is killed: %s",
		name, ret == -ECHILD ? "it ended at once" : strerror(-ret));
}

void drx_guard_end(int fd)
{
	/* A guard that was killed has closed its end; send() raises no SIGPIPE. */
	(void)send(fd, "", 1, MSG_NOSIGNAL);
	(void)close(fd);
}

/* Until the owner has ended (true), or says that it is not needed any more. */
static bool owner_ended(int owner)
{
	struct pollfd fds[] = { { .fd = owner, .events = POLLIN },
				{ .fd = 0, .events = POLLIN } };
	char byte;

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return true;
		}
		if (fds[0].revents)
			return true;
		if (fds[1].revents && read(0, &byte, 1) == 1)
			return false;
		if (fds[1].revents)
			fds[1].fd = -1;
	}
}

static uint64_t argument(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	return errno || *end || end == text ? 0 : n;
}

/* Ending while something is half undone would do no harm, but help nobody. */
static void ignore_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
				       SIGPIPE };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], SIG_IGN);
}

int devrx_guard(int argc, char **argv)
{
	struct drx_owner owner = { 0 };
	struct drx_journal_file file;
	struct drx_nic_io io;
	uint32_t ifindex;
	int fd = -1;

	if (argc != 5)
		return 2;
	owner.pid = (uint32_t)argument(argv[2]);
	owner.start = argument(argv[3]);
	ifindex = (uint32_t)argument(argv[4]);
	if (!owner.pid || !owner.start || !ifindex)
		return 2;
	owner.pidns = drx_pidns();
	ignore_signals();
	fd = (int)syscall(SYS_pidfd_open, (pid_t)owner.pid, 0);
	if (fd < 0 && errno != ESRCH)
		return 1;
	switch (fork()) {
	case -1:
		return 1;
	case 0:
		break;
	default:
		return 0;
	}
	(void)chdir("/");
	/* Another process may have its number by now. */
	if (fd >= 0 && drx_owner_lives(&owner) && !owner_ended(fd))
		return 0;
	if (fd >= 0)
		(void)close(fd);
	io = drx_nic_real(&ifindex);
	if (drx_journal_open(&file, DRX_JOURNAL_DIR, drx_netns(), ifindex,
			     false))
		return 1;
	(void)drx_leave_dead(&file, &io, false, NULL);
	drx_journal_close(&file);
	return 0;
}
