// SPDX-License-Identifier: MIT
/*
 * The command "devrx recv" on the real kernel: what it receives is what was
 * sent; each bad input has its exit code, one sentence and a next step; and
 * however it ends, the queue is free and no half-written file stays.
 */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <set>
#include <linux/capability.h>
#include <sstream>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_cli.h"
#include "support_devrx.h"
#include "support_raw.h"

namespace
{

using namespace vm;

class Cli : public testing::Test
{
      protected:
	void SetUp() override
	{
		char log[] = "/tmp/cli-log-XXXXXX",
		     out[] = "/tmp/cli-out-XXXXXX";

		ASSERT_NE(mkdtemp(log), nullptr);
		ASSERT_NE(mkdtemp(out), nullptr);
		log_dir = log;
		out_dir = out;
		tool = std::make_unique<Tool>(log_dir);
		ASSERT_TRUE(queue_is_free());
	}

	void TearDown() override
	{
		if (HasFailure())
			printf("--- standard error:\n%s---\n",
			       tool->err().c_str());
		tool.reset();
		EXPECT_TRUE(queue_is_free()) << "the queue is still taken";
		EXPECT_EQ(works_now(), "");
		(void)run({ "rm", "-r", log_dir, out_dir });
	}

	static std::vector<std::string> args(std::vector<std::string> more = {})
	{
		std::vector<std::string> all = { "--nic",     nic,
						 "--queue",   "3",
						 "--size",    "8M",
						 "--timeout", "120" };

		all.insert(all.end(), more.begin(), more.end());
		return all;
	}

	/* What is in the output's directory, sorted. */
	std::string files() const
	{
		std::set<std::string> names;
		std::string all;
		DIR *dir = opendir(out_dir.c_str());

		while (struct dirent *entry = dir ? readdir(dir) : nullptr)
			names.insert(entry->d_name);
		if (dir)
			(void)closedir(dir);
		for (const std::string &name : names)
			if (name != "." && name != "..")
				all += name + " ";
		return all;
	}

	/* One sentence that has @words, and below it the next step. */
	void expect_sentence(const char *words)
	{
		std::istringstream text(tool->err());
		unsigned int sentences = 0, steps = 0;
		std::string line;

		while (std::getline(text, line)) {
			if (line.rfind("devrx recv: ready", 0) == 0)
				continue;
			if (line.rfind("next: ", 0) == 0) {
				EXPECT_GT(line.size(), 6u);
				steps++;
				continue;
			}
			EXPECT_EQ(line.rfind("devrx", 0), 0u) << line;
			EXPECT_NE(line.find(words), std::string::npos) << line;
			sentences++;
		}
		EXPECT_EQ(sentences, 1u) << tool->err();
		EXPECT_EQ(steps, 1u) << tool->err();
	}

	std::string log_dir, out_dir;
	std::unique_ptr<Tool> tool;
};

/* The SHA-256 of a file by another program. */
std::string sha256sum(const std::string &path)
{
	FILE *pipe = popen(("sha256sum " + path).c_str(), "r");
	char text[65] = "";

	if (!pipe)
		return "";
	if (fread(text, 1, 64, pipe) != 64)
		text[0] = '\0';
	(void)pclose(pipe);
	return text;
}

TEST_F(Cli, FilesAndDigestsEqual)
{
	constexpr uint64_t len = 3 * MiB + 1;
	const std::string path = out_dir + "/file";

	tool->start(args({ "--connections", "2", "--digest", "--out", path,
			   "--json", "--cqe-mixed" }));
	ASSERT_TRUE(tool->ready());
	Sender sender(steered_port, { { len, false }, { len, true } });

	EXPECT_EQ(sender.join(), "");
	EXPECT_EQ(tool->wait(), 0);
	const std::string first = slurp(path + ".0"),
			  second = slurp(path + ".1");
	const std::string json = tool->out();

	/* Which came first is not said. */
	const std::string a(Pattern::get().at(0, 0), len),
		b(Pattern::get().at(1, 0), len);

	EXPECT_TRUE((first == a && second == b) || (first == b && second == a));
	EXPECT_NE(json.find(sha256sum(path + ".0")), std::string::npos) << json;
	EXPECT_NE(json.find(sha256sum(path + ".1")), std::string::npos) << json;
	EXPECT_NE(json.find("\"tier\": \"zcrx-device\""), std::string::npos)
		<< json;
	EXPECT_NE(json.find("\"bytes\": " + std::to_string(2 * len)),
		  std::string::npos)
		<< json;
	EXPECT_NE(json.find("\"bytes_copied\": 0"), std::string::npos) << json;
	EXPECT_EQ(files(), "file.0 file.1 ") << "more than what was asked for";
}

TEST_F(Cli, EmptyFile)
{
	const std::string path = out_dir + "/file";

	tool->start(args({ "--out", path }));
	ASSERT_TRUE(tool->ready());
	Sender sender(steered_port, { { 0, false } });

	EXPECT_EQ(sender.join(), "");
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_EQ(files(), "file ");
	EXPECT_EQ(slurp(path), "");
}

TEST_F(Cli, PatternOfItsOwnSender)
{
	tool->start(args({ "--connections", "4", "--verify", "7", "--json" }));
	ASSERT_TRUE(tool->ready());
	EXPECT_EQ(run({ "/usr/sbin/ip", "netns", "exec", "peer", "devrx",
			"send", "10.77.0.2:9000", "--pattern", "7", "--bytes",
			"4M", "--connections", "4" }),
		  0);
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_NE(tool->out().find("\"verified\": true"), std::string::npos)
		<< tool->out();
}

/* The tiers that copy, into memory that is not the kernel's to write. */
class CliTier : public Cli
{
      protected:
	void receives(std::vector<std::string> tier_args, const char *tier)
	{
		tier_args.insert(tier_args.end(), { "--tier", tier, "--json" });
		tool->start(tier_args);
		ASSERT_TRUE(tool->ready());
		Sender sender(steered_port, { { 3 * MiB + 1, false } });

		EXPECT_EQ(sender.join(), "");
		EXPECT_EQ(tool->wait(), 0);
		const std::string json = tool->out();

		EXPECT_NE(json.find("\"tier\": \"" + std::string(tier) + "\""),
			  std::string::npos)
			<< json;
		EXPECT_NE(json.find("\"bytes_copied\": 3145729"),
			  std::string::npos)
			<< json;
	}
};

TEST_F(CliTier, ZcrxHost)
{
	receives(args(), "zcrx-host");
}

TEST_F(CliTier, ZcrxCopy)
{
	if (!has_nodev())
		GTEST_SKIP() << "this kernel has no zcrx without a NIC";
	receives({ "--memory", "udmabuf", "--size", "8M", "--cqe-mixed",
		   "--timeout", "120" },
		 "zcrx-copy");
}

TEST_F(Cli, WrongBytesAreNoticed)
{
	tool->start(args({ "--verify", "8", "--json" }));
	ASSERT_TRUE(tool->ready());
	Sender sender(steered_port, { { MiB, false } });

	EXPECT_EQ(tool->wait(), 1);
	EXPECT_NE(tool->out().find("\"verified\": false"), std::string::npos)
		<< tool->out();
	sender.stop();
}

TEST_F(Cli, NoSuchNic)
{
	tool->start({ "--nic", "no-such-nic" });
	EXPECT_EQ(tool->wait(), 3);
	expect_sentence("no-such-nic");
}

TEST_F(Cli, QueueOutOfRange)
{
	tool->start({ "--nic", nic, "--queue", "99" });
	EXPECT_EQ(tool->wait(), 3);
	expect_sentence("99");
}

TEST_F(Cli, WithoutCapNetAdmin)
{
	tool->start(args(), CAP_NET_ADMIN);
	EXPECT_EQ(tool->wait(), 3);
	expect_sentence("CAP_NET_ADMIN");
}

TEST_F(Cli, AreaTooLarge)
{
	tool->start({ "--nic", nic, "--queue", "3", "--size", "2048G" });
	EXPECT_EQ(tool->wait(), 3);
	expect_sentence("at most");
}

TEST_F(Cli, HeaderSplitOff)
{
	ASSERT_EQ(set_rings(nic, split_off, -1), 0);
	Defer undo([] { EXPECT_EQ(set_rings(nic, split_on, 0), 0); });

	tool->start(args({ "--as-is" }));
	EXPECT_EQ(tool->wait(), 3);
	expect_sentence("tcp-data-split");
}

TEST_F(Cli, PortInUse)
{
	const Listener listener(steered_port);

	ASSERT_TRUE(listener.ok());
	tool->start(args());
	EXPECT_EQ(tool->wait(), 3);
	expect_sentence("9000");
}

TEST_F(Cli, BadOption)
{
	tool->start(args({ "--chunk", "four" }));
	EXPECT_EQ(tool->wait(), 2);
	expect_sentence("four");
}

TEST_F(Cli, PeerResets)
{
	tool->start(args({ "--out", out_dir + "/file" }));
	ASSERT_TRUE(tool->ready());
	Sender sender(steered_port, { { MiB, false, End::Reset } });

	EXPECT_EQ(sender.join(), "");
	EXPECT_EQ(tool->wait(), 1);
	expect_sentence("reset");
	EXPECT_EQ(files(), "");
}

/* No completion tells of it: the tool listens. Without a connection, with one that
 * is waited for. */
class CliNic : public Cli, public testing::WithParamInterface<bool>
{
};

TEST_P(CliNic, Goes)
{
	const bool connected = GetParam();
	const char *dir = getenv("DEVRX_VM_DIR");

	ASSERT_NE(dir, nullptr);
	tool->start(args({ "--metrics", out_dir + "/metrics", "--out",
			   out_dir + "/file" }));
	ASSERT_TRUE(tool->ready());
	std::vector<Stream> plan;
	if (connected)
		plan.push_back({ 100000, false, End::Linger });
	Sender sender(steered_port, plan);
	/* Anew each second. */
	const double end = now() + patience;
	while (connected && now() < end &&
	       slurp(out_dir + "/metrics").find("} 100000\n") ==
		       std::string::npos)
		usleep(10000);
	ASSERT_EQ(run({ "/usr/sbin/ip", "link", "del", nic }), 0);
	const double gone = now();
	EXPECT_EQ(tool->wait(), 1);
	EXPECT_LT(now() - gone, 10) << "--timeout is 120";
	EXPECT_NE(tool->err().find("has gone"), std::string::npos);
	EXPECT_EQ(files(), "metrics ");
	sender.stop();
	EXPECT_EQ(run({ std::string(dir) + "/link.sh", "renew" }), 0);
}

INSTANTIATE_TEST_SUITE_P(All, CliNic, testing::Bool(), [](const auto &info) {
	return info.param ? "Connected" : "Alone";
});

TEST_F(Cli, PeerSilent)
{
	tool->start({ "--nic", nic, "--queue", "3", "--size", "8M", "--timeout",
		      "1", "--out", out_dir + "/file" });
	ASSERT_TRUE(tool->ready());
	Sender sender(steered_port, { { 1000, false, End::Linger } });

	EXPECT_EQ(tool->wait(), 1);
	expect_sentence("1 s");
	EXPECT_EQ(files(), "");
	sender.stop();
}

TEST_F(Cli, DiskFull)
{
	ASSERT_EQ(mount("full", out_dir.c_str(), "tmpfs", 0, "size=1m"), 0);
	Defer undo([&] { EXPECT_EQ(umount(out_dir.c_str()), 0); });

	tool->start(args({ "--out", out_dir + "/file" }));
	ASSERT_TRUE(tool->ready());
	Sender sender(steered_port, { { 8 * MiB, false } });

	EXPECT_EQ(tool->wait(), 4);
	expect_sentence("No space left");
	EXPECT_EQ(files(), "");
	sender.stop();
}

/* On a disk whose file system takes O_DIRECT, and segments of a page each. What the
 * kernel cannot pin for that goes through the page cache after all. */
class CliDisk : public Cli, public testing::WithParamInterface<const char *>
{
      protected:
	void SetUp() override
	{
		Cli::SetUp();
		ASSERT_EQ(run({ "/sbin/modprobe", "brd", "rd_nr=1",
				"rd_size=32768" }),
			  0);
		ASSERT_EQ(run({ "/usr/bin/busybox", "mke2fs", "-b", "4096",
				"/dev/ram0" }),
			  0);
		ASSERT_EQ(mount("/dev/ram0", out_dir.c_str(), "ext2", 0, ""),
			  0);
		set_mtu(4148);
	}
	void TearDown() override
	{
		set_mtu(1500);
		EXPECT_EQ(umount(out_dir.c_str()), 0);
		Cli::TearDown();
	}
};

TEST_P(CliDisk, WholePagesGoPastThePageCache)
{
	constexpr uint64_t len = 4 * MiB + 77;
	const bool pinned = GetParam() != std::string("vram");

	tool->start(args({ "--memory", GetParam(), "--json", "--out",
			   out_dir + "/file" }));
	ASSERT_TRUE(tool->ready());
	Sender sender(steered_port, { { len, false } });

	EXPECT_EQ(sender.join(), "");
	EXPECT_EQ(tool->wait(), 0);
	EXPECT_TRUE(slurp(out_dir + "/file") ==
		    std::string(Pattern::get().at(0, 0), len));
	const std::string json = tool->out();
	const std::string direct = "\"bytes_written_direct\": ";

	EXPECT_NE(json.find("\"bytes_written\": " + std::to_string(len)),
		  json.npos)
		<< json;
	ASSERT_NE(json.find(direct), json.npos);
	EXPECT_EQ(json[json.find(direct) + direct.size()] != '0', pinned)
		<< json;
}

INSTANTIATE_TEST_SUITE_P(Kinds, CliDisk,
			 testing::Values("udmabuf", "host", "vram"),
			 [](const auto &info) {
				 return std::string(info.param);
			 });

struct SignalCase {
	const char *name;
	int sig;
	int want;
	bool midway;
};

void PrintTo(const SignalCase &c, std::ostream *out)
{
	*out << c.name;
}

class CliSignal : public Cli, public testing::WithParamInterface<SignalCase>
{
};

TEST_P(CliSignal, LeavesNothingBehind)
{
	const SignalCase &c = GetParam();

	tool->start(args({ "--out", out_dir + "/file" }));
	ASSERT_TRUE(tool->ready());
	std::unique_ptr<Sender> sender;

	if (c.midway) {
		sender = std::make_unique<Sender>(
			steered_port,
			std::vector<Stream>{ { MiB, false, End::Linger } });
		/* All of it is there, and the stream has not ended. */
		ASSERT_TRUE(poll_until(patience,
				       [&] { return sender->sent() == MiB; }));
		EXPECT_EQ(queue_user(), uint32_t(DEVRX_QUEUE_USER_IO_URING));
	}
	tool->send_signal(c.sig);
	EXPECT_EQ(tool->wait(), c.want);
	EXPECT_EQ(files(), "");
}

const SignalCase signal_cases[] = {
	{ "CtrlCBeforeAnyoneCame", SIGINT, 130, false },
	{ "CtrlCInMidTransfer", SIGINT, 130, true },
	{ "Terminated", SIGTERM, 143, true },
	{ "HungUp", SIGHUP, 129, true },
};

INSTANTIATE_TEST_SUITE_P(All, CliSignal, testing::ValuesIn(signal_cases),
			 [](const testing::TestParamInfo<SignalCase> &info) {
				 return std::string(info.param.name);
			 });

} /* namespace */
