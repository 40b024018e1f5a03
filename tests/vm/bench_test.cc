// SPDX-License-Identifier: MIT
/*
 * devrx bench on the real kernel: every way that it knows receives by the same queue of
 * the software NIC, one after the other, and what goes through the NIC's queue is in the
 * memory that it is said to be in.
 */
#include <csignal>
#include <cstdlib>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "support_cli.h"
#include "support_devrx.h"

namespace
{

using namespace vm;

class Bench : public testing::Test
{
      protected:
	void SetUp() override
	{
		char dir[] = "/tmp/bench-XXXXXX";

		ASSERT_NE(mkdtemp(dir), nullptr);
		tool_dir = dir;
		tool = std::make_unique<Tool>(tool_dir);
		ASSERT_TRUE(queue_is_free());
	}

	void TearDown() override
	{
		if (HasFailure())
			printf("--- standard error:\n%s---\n%s",
			       tool->err().c_str(), tool->out().c_str());
		tool.reset();
		if (sender.joinable())
			sender.join();
		EXPECT_TRUE(queue_is_free()) << "the queue is still taken";
		EXPECT_EQ(works_now(), "");
		(void)run({ "rm", "-r", tool_dir });
	}

	/* With a sender in the other namespace. */
	void start(std::vector<std::string> more)
	{
		std::vector<std::string> args = { "--listen", "10.77.0.2:9000",
						  "--nic",    nic,
						  "--queue",  "3",
						  "--json" };

		args.insert(args.end(), more.begin(), more.end());
		tool->start(args, -1, "bench");
		ASSERT_TRUE(tool->ready());
		sender = std::thread([this] {
			sent = run({ "/usr/sbin/ip", "netns", "exec", "peer",
				     "devrx", "bench", "--send",
				     "10.77.0.2:9000" });
		});
	}

	/* The tool's exit code; after it, @sent is the sender's. */
	int ends()
	{
		const int code = tool->wait();

		sender.join();
		return code;
	}

	/* The row of @way; "" without one. */
	std::string row(const std::string &way) const
	{
		const std::string json = tool->out();
		const size_t at = json.find("\"name\": \"" + way + "\"");

		return at == std::string::npos ?
			       "" :
			       json.substr(at, json.find("}", at) - at) +
				       json.substr(json.find("}", at), 400);
	}

	std::string tool_dir;
	std::unique_ptr<Tool> tool;
	std::thread sender;
	int sent = -1;
};

uint64_t number_of(const std::string &row, const std::string &member)
{
	const size_t at = row.find("\"" + member + "\": ");

	return at == std::string::npos ?
		       UINT64_MAX :
		       strtoull(row.c_str() + at + member.size() + 4, nullptr,
				10);
}

/* Bytes that the NIC has received. */
uint64_t received()
{
	return strtoull(
		slurp("/sys/class/net/softnic1/statistics/rx_bytes").c_str(),
		nullptr, 10);
}

TEST_F(Bench, EveryWayReceives)
{
	start({ "--bytes", "4M", "--rounds", "1", "--connections", "4" });
	EXPECT_EQ(ends(), 0);
	EXPECT_EQ(sent, 0);
	for (const char *way :
	     { "floor", "raw-zcrx-4k", "devrx-zcrx-device-4k",
	       "devrx-zcrx-device-16k", "devrx-zcrx-device-64k",
	       "devrx-zcrx-host-4k", "devrx-recv", "recv-mapped",
	       "recv-memcpy-1m", "epoll-recv-memcpy-64k", "multishot-memcpy",
	       "tcp-zerocopy-receive", "devmem-tcp" }) {
		const std::string it = row(way);
		const std::string name = way;
		const bool queue =
			name.find("zcrx-device") != std::string::npos ||
			name == "raw-zcrx-4k" || name == "devmem-tcp";

		ASSERT_NE(it, "") << way;
		EXPECT_EQ(number_of(it, "bytes"), 4 * MiB) << it;
		/* The last small segments may be elsewhere. */
		if (queue) {
			EXPECT_GE(number_of(it, "nic_placed_bytes"),
				  4 * MiB - 65536)
				<< it;
		}
	}
}

/* Memory that no CPU can map: what would write it by itself is skipped, and says so;
 * the copies of the others are uploads. */
TEST_F(Bench, IntoMemoryThatTheCpuCannotMap)
{
	start({ "--bytes", "2M", "--rounds", "1", "--memory", "vram", "--ways",
		"devrx-zcrx-device-4k,recv-mapped,recv-memcpy-1m" });
	EXPECT_EQ(ends(), 0);
	EXPECT_EQ(sent, 0);
	EXPECT_EQ(number_of(row("devrx-zcrx-device-4k"), "bytes"), 2 * MiB);
	EXPECT_EQ(number_of(row("recv-memcpy-1m"), "bytes"), 2 * MiB);
	EXPECT_NE(row("recv-mapped").find("\"skipped\": \"the CPU cannot"),
		  std::string::npos)
		<< row("recv-mapped");
}

class BenchEnd : public Bench, public testing::WithParamInterface<const char *>
{
};

/* In the middle of it; the queue is free again, which TearDown() looks at. */
TEST_P(BenchEnd, BySignal)
{
	start({ "--bytes", "1T", "--rounds", "1", "--ways", GetParam() });
	const uint64_t before = received();
	EXPECT_TRUE(poll_until(patience,
			       [&] { return received() > before + 32 * MiB; }));
	tool->send_signal(SIGINT);
	EXPECT_EQ(ends(), 128 + SIGINT);
	EXPECT_NE(sent, 0);
	EXPECT_NE(tool->err().find("ended by signal 2"), std::string::npos)
		<< tool->err();
}

INSTANTIATE_TEST_SUITE_P(Ways, BenchEnd,
			 testing::Values("raw-zcrx-4k", "devmem-tcp",
					 "devrx-zcrx-device-4k"),
			 [](const auto &info) {
				 std::string name = info.param;

				 for (char &c : name)
					 if (c == '-')
						 c = '_';
				 return name;
			 });

} // namespace
