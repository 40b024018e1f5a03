// SPDX-License-Identifier: MIT
/*
 * What the tests of provider/memory share: options that are right but for what
 * a case changes, and a child process in which the machine can be made to lack
 * things (device nodes, descriptors, permissions) for real.
 */
#ifndef MEMORY_SUPPORT_H
#define MEMORY_SUPPORT_H

#include <gtest/gtest.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include <devrx/memory.h>
#include <devrx/provider.h>

namespace memory_support
{

struct Free {
	void operator()(devrx_memory *mem) const
	{
		EXPECT_EQ(devrx_memory_free(mem), 0);
	}
};
using Memory = std::unique_ptr<devrx_memory, Free>;

inline uint64_t PageLen()
{
	return static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

/* Options that every kind can fulfil where it exists. */
inline devrx_memory_opts Good(const char *kind, devrx_cause *cause)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;

	opts.kind = kind;
	opts.len = PageLen();
	opts.cause = cause;
	return opts;
}

inline struct devrx_memory_info Info(const devrx_memory *mem)
{
	struct devrx_memory_info info = {};

	info.size = sizeof(info);
	EXPECT_EQ(devrx_memory_info(mem, &info), 0);
	return info;
}

/* The size of the pages mapped at @addr in KiB, or 0. */
inline int PageKiB(const void *addr)
{
	std::ifstream smaps("/proc/self/smaps");
	char start[40];
	std::string line;
	bool here = false;
	int kib = 0;

	(void)snprintf(start, sizeof(start), "%lx-",
		       reinterpret_cast<unsigned long>(addr));
	while (std::getline(smaps, line)) {
		here = here || !line.compare(0, strlen(start), start);
		if (here &&
		    sscanf(line.c_str(), "KernelPageSize: %d kB", &kib) == 1)
			return kib;
	}
	return 0;
}

/* How many descriptors are open: asks without needing one. */
inline int OpenFds()
{
	int nr = 0;

	for (int fd = 0; fd < 4096; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

/* A pointer that no call may touch when it fails. */
inline devrx_memory *Untouched()
{
	static char here;

	return reinterpret_cast<devrx_memory *>(&here);
}

/* Expect that @opts cannot be had: errno, cause, and nothing left behind. */
inline void ExpectRefused(const devrx_memory_opts &opts, int want,
			  const char *id)
{
	devrx_memory *mem = Untouched();
	int fds = OpenFds();

	EXPECT_EQ(devrx_memory_alloc(&mem, &opts), want);
	EXPECT_EQ(mem, Untouched());
	EXPECT_EQ(OpenFds(), fds);
	if (!opts.cause)
		return;
	EXPECT_STREQ(opts.cause->id, id);
	EXPECT_STRNE(opts.cause->text, "");
}

/* What a child process hands back. */
struct Outcome {
	int rc;
	int extra;
	devrx_cause cause;
	char skip[256];
};

/* Run @fn in a child, where it may break what it likes. */
template <typename Fn> Outcome InChild(Fn fn)
{
	void *shared = mmap(nullptr, sizeof(Outcome), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	Outcome out = {};
	int status = 0;

	if (shared == MAP_FAILED) {
		ADD_FAILURE() << "mmap: " << strerror(errno);
		return out;
	}
	auto *there = new (shared) Outcome();
	pid_t pid = fork();
	if (pid == 0) {
		fn(*there);
		_exit(0);
	}
	EXPECT_GT(pid, 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
		<< "the child died, status " << status;
	out = *there;
	munmap(shared, sizeof(Outcome));
	return out;
}

/* Say why this machine cannot do something; always false. */
inline bool CannotDo(Outcome &out, const char *what)
{
	(void)snprintf(out.skip, sizeof(out.skip), "%s: %s", what,
		       strerror(errno));
	return false;
}

inline bool WriteFile(const char *path, const std::string &text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write(fd, text.data(), text.size()) ==
				       static_cast<ssize_t>(text.size());

	if (fd >= 0)
		close(fd);
	return good;
}

/*
 * In a child: an empty /dev and an empty /sys/module of its own. Works as root
 * and where user namespaces are allowed.
 */
inline bool PrivateDev(Outcome &out)
{
	unsigned int uid = geteuid(), gid = getegid();

	if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS))
		return CannotDo(out, "mount namespace (be root, or allow user "
				     "namespaces)");
	if (uid && !(WriteFile("/proc/self/setgroups", "deny") &&
		     WriteFile("/proc/self/gid_map",
			       "0 " + std::to_string(gid) + " 1") &&
		     WriteFile("/proc/self/uid_map",
			       "0 " + std::to_string(uid) + " 1")))
		return CannotDo(out, "user namespace");
	if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
	    mount("none", "/dev", "tmpfs", 0, "mode=755") ||
	    mount("none", "/sys/module", "tmpfs", 0, "mode=755"))
		return CannotDo(out, "mount of a private /dev and /sys/module");
	return true;
}

/* In a child: let file modes count, even for root. */
inline bool ObeyFileModes(Outcome &out)
{
	__user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	__user_cap_data_struct data[2] = {};

	if (syscall(SYS_capset, &head, data))
		return CannotDo(out, "capset");
	return true;
}

/* In a child: exactly @nr more descriptors can be opened. */
inline bool LeaveDescriptors(Outcome &out, int nr)
{
	rlimit limit = { 256, 256 };
	int fd, last = -1;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return CannotDo(out, "setrlimit(RLIMIT_NOFILE)");
	while ((fd = dup(STDERR_FILENO)) >= 0)
		last = fd;
	for (; nr > 0; nr--, last--)
		close(last);
	return true;
}

} // namespace memory_support

#endif /* MEMORY_SUPPORT_H */
