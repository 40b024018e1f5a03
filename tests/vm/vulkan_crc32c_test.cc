// SPDX-License-Identifier: MIT
/*
 * "devrx recv --crc32c" and samples/vulkan_checksum, on lavapipe: the CRC-32C that a
 * shader makes of fragments where they lie is that of the bytes that were sent.
 */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <libgen.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "kernel/reference/reference.h"
#include "support_devrx.h"

namespace
{

using namespace vm;

std::string hex_of(uint64_t len)
{
	char hex[9];

	snprintf(hex, sizeof(hex), "%08x",
		 drx_ref_crc32c_bytes(0, Pattern::get().at(0, 0), len));
	return hex;
}

std::string build_dir()
{
	char self[512] = "";

	EXPECT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	return std::string(dirname(self)) + "/../..";
}

class Crc32c : public testing::Test
{
      protected:
	void SetUp() override
	{
		char name[] = "/tmp/crc32c-XXXXXX";

		ASSERT_NE(mkdtemp(name), nullptr);
		dir = name;
		ASSERT_TRUE(queue_is_free());
	}

	void TearDown() override
	{
		if (pid > 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, nullptr, 0);
		}
		if (HasFailure())
			printf("--- output:\n%s%s---\n", text("out").c_str(),
			       text("err").c_str());
		/* By default the layer writes to the standard output. */
		EXPECT_EQ(text("out").find("VUID"), std::string::npos);
		EXPECT_EQ(text("out").find("Validation"), std::string::npos);
		EXPECT_TRUE(queue_is_free());
		(void)run({ "rm", "-r", dir });
	}

	/* What one of the two has written. */
	std::string text(const char *name) const
	{
		std::ifstream file(dir + "/" + name);
		std::ostringstream all;

		all << file.rdbuf();
		return all.str();
	}

	int output(const char *name) const
	{
		return open((dir + "/" + name).c_str(),
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}

	/* A program under the validation layer. */
	void start(std::vector<std::string> args)
	{
		std::vector<char *> argv;

		for (std::string &arg : args)
			argv.push_back(arg.data());
		argv.push_back(nullptr);
		pid = fork();
		if (pid)
			return;
		(void)setenv("VK_INSTANCE_LAYERS",
			     "VK_LAYER_KHRONOS_validation", 1);
		(void)dup2(output("out"), 1);
		(void)dup2(output("err"), 2);
		(void)execvp(argv[0], argv.data());
		_exit(127);
	}

	void start_recv(std::vector<std::string> more = {})
	{
		std::vector<std::string> all = {
			"devrx",    "recv",	 "--nic", nic,	    "--memory",
			"vulkan",   "--size",	 "8M",	  "--json", "--crc32c",
			"--digest", "--timeout", "60"
		};

		all.insert(all.end(), more.begin(), more.end());
		start(all);
	}

	bool ended()
	{
		if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid)
			pid = 0;
		return pid <= 0;
	}

	/* Vulkan takes its time to start. */
	bool ready()
	{
		return poll_until(patience,
				  [&] {
					  return ended() ||
						 text("err").find("ready") !=
							 std::string::npos;
				  }) &&
		       !ended();
	}

	int wait()
	{
		if (!poll_until(patience, [&] { return ended(); }))
			return -1;
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
	}

	/* Send @len bytes to what was started. */
	void expect_success(uint64_t len)
	{
		ASSERT_TRUE(ready());
		Sender sender(steered_port, { { len, false } });

		EXPECT_EQ(sender.join(), "");
		EXPECT_EQ(wait(), 0);
	}

	bool said(const std::string &words) const
	{
		return text("out").find(words) != std::string::npos;
	}

	std::string dir;
	pid_t pid = -1;
	int status = 0;
};

/* More than its memory has room for. */
TEST_F(Crc32c, Recv20MiBInAnAreaOf8)
{
	start_recv();
	expect_success(20 * MiB);
	EXPECT_TRUE(said("\"crc32c\": \"" + hex_of(20 * MiB) + "\""));
	EXPECT_TRUE(said("\"crc32c_by\": \"llvmpipe"));
	EXPECT_TRUE(said("\"digest\": \""));
	EXPECT_TRUE(said("\"placement\": \"host\""));
}

TEST_F(Crc32c, RecvOneByte)
{
	start_recv();
	expect_success(1);
	EXPECT_TRUE(said("\"crc32c\": \"" + hex_of(1) + "\""));
}

TEST_F(Crc32c, RecvNothing)
{
	start_recv();
	expect_success(0);
	EXPECT_TRUE(said("\"crc32c\": \"00000000\""));
}

/* There is no CRC of a stream that has not come to its end. */
TEST_F(Crc32c, RecvPeerResets)
{
	start_recv();
	ASSERT_TRUE(ready());
	Sender sender(steered_port, { { MiB, false, End::Reset } });

	EXPECT_EQ(sender.join(), "");
	EXPECT_EQ(wait(), 1);
	EXPECT_TRUE(said("\"crc32c\": null"));
}

TEST_F(Crc32c, RecvInterrupted)
{
	start_recv();
	ASSERT_TRUE(ready());
	Sender sender(steered_port, { { MiB, false, End::Linger } });

	ASSERT_TRUE(poll_until(patience, [&] { return sender.sent() == MiB; }));
	(void)kill(pid, SIGINT);
	EXPECT_EQ(wait(), 130);
	EXPECT_TRUE(said("\"crc32c\": null"));
}

TEST_F(Crc32c, RecvRefusesOtherMemory)
{
	start({ "devrx", "recv", "--nic", nic, "--crc32c" });
	EXPECT_EQ(wait(), 2);
	EXPECT_NE(text("err").find("--memory vulkan"), std::string::npos);
}

TEST_F(Crc32c, RecvRefusesASecondConnection)
{
	start_recv({ "--connections", "2" });
	EXPECT_EQ(wait(), 2);
	EXPECT_NE(text("err").find("one connection"), std::string::npos);
}

class Crc32cSample : public Crc32c, public testing::WithParamInterface<uint64_t>
{
};

TEST_P(Crc32cSample, PrintsTheCrcOfTheStream)
{
	const std::string dir = build_dir();

	start({ dir + "/samples/vulkan_checksum", nic,
		std::to_string(steered_port),
		dir + "/kernel/devrx_crc32c.spv" });
	expect_success(GetParam());
	EXPECT_EQ(text("out"), hex_of(GetParam()) + "\n");
}

/* Its memory has 16 MiB. */
INSTANTIATE_TEST_SUITE_P(All, Crc32cSample,
			 testing::Values(0, 1, 20 * MiB - 5));

} /* namespace */
