/* SPDX-License-Identifier: MIT */
/* The command "devrx" as a process of its own, in this thread's namespace. */
#ifndef DEVRX_TESTS_VM_SUPPORT_CLI_H
#define DEVRX_TESTS_VM_SUPPORT_CLI_H

#include <string>
#include <sys/types.h>
#include <vector>

namespace vm
{

/* All of a file; "" where there is none. */
std::string slurp(const std::string &path);

/* A run of the command, its output in files. It is killed with the object. */
class Tool
{
      public:
	explicit Tool(const std::string &dir) : dir_(dir)
	{
	}
	~Tool();
	Tool(const Tool &) = delete;

	/* "devrx @verb" and @args; @cap is taken from it unless negative. */
	void start(const std::vector<std::string> &args, int cap = -1,
		   const char *verb = "recv");
	/* Peers may connect; false at the deadline, or when it has ended. */
	bool ready();
	void send_signal(int sig);
	/* Its exit code; 1000 and the signal when it was killed, -1 at the
	 * deadline. */
	int wait();

	std::string out() const
	{
		return slurp(dir_ + "/stdout");
	}
	std::string err() const
	{
		return slurp(dir_ + "/stderr");
	}

      private:
	int output(const char *name);
	bool ended();

	std::string dir_;
	pid_t pid_ = -1;
	int status_ = 0;
};

} /* namespace vm */

#endif /* DEVRX_TESTS_VM_SUPPORT_CLI_H */
