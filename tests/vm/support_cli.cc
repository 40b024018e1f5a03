// SPDX-License-Identifier: MIT
#include "support_cli.h"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "support_devrx.h"
#include "support_net.h"
#include "support_raw.h"

namespace vm
{

std::string slurp(const std::string &path)
{
	std::ifstream file(path, std::ios::binary);
	std::ostringstream text;

	text << file.rdbuf();
	return text.str();
}

Tool::~Tool()
{
	if (pid_ > 0) {
		(void)kill(pid_, SIGKILL);
		(void)waitpid(pid_, nullptr, 0);
	}
}

void Tool::start(const std::vector<std::string> &args, int cap,
		 const char *verb)
{
	std::vector<std::string> all = { "devrx", verb };
	std::vector<char *> argv;

	all.insert(all.end(), args.begin(), args.end());
	for (std::string &arg : all)
		argv.push_back(arg.data());
	argv.push_back(nullptr);
	/* What an earlier one has said is not its. */
	(void)close(output("out"));
	(void)close(output("err"));
	pid_ = fork();
	if (pid_)
		return;
	(void)dup2(output("out"), 1);
	(void)dup2(output("err"), 2);
	if (cap >= 0)
		(void)drop_cap_bounding(unsigned(cap));
	(void)execvp("devrx", argv.data());
	_exit(127);
}

bool Tool::ready()
{
	return poll_until(patience,
			  [&] {
				  return ended() || err().find(": ready on") !=
							    std::string::npos;
			  }) &&
	       !ended();
}

void Tool::send_signal(int sig)
{
	(void)kill(pid_, sig);
}

int Tool::wait()
{
	if (!poll_until(patience, [&] { return ended(); }))
		return -1;
	return WIFEXITED(status_) ? WEXITSTATUS(status_) :
				    1000 + WTERMSIG(status_);
}

int Tool::output(const char *name)
{
	return open((dir_ + "/std" + name).c_str(),
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

bool Tool::ended()
{
	if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_)
		pid_ = 0;
	return pid_ <= 0;
}

} /* namespace vm */
