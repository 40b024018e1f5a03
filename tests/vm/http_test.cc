// SPDX-License-Identifier: MIT
/*
 * devrx get on the real kernel, from an nginx that knows nothing of it: a NIC in its
 * default state is made ready, the bytes land without a copy, the device gathers them
 * into their place, and the NIC is as it was.
 */
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_bare.h"

namespace
{

using namespace vm;
using softnic::output_of;
using softnic::sh;

constexpr uint64_t LEN = 24 * 1024 * 1024 + 12345;

class HttpNginx : public OnBarePair
{
      protected:
	void SetUp() override
	{
		OnBarePair::SetUp();
		if (HasFatalFailure())
			return;
		ASSERT_EQ(sh("mkdir " + dir + "/www && head -c " +
			     std::to_string(LEN) + " /dev/urandom > " + dir +
			     "/www/f"),
			  0);
		sum = output_of("sha256sum < " + dir + "/www/f").substr(0, 64);
		serve();
	}
	void TearDown() override
	{
		stop();
		OnBarePair::TearDown();
	}

	void serve()
	{
		std::ofstream(dir + "/nginx.conf")
			<< "user root; pid " << dir << "/pid; error_log " << dir
			<< "/error; worker_processes 2; events {} http { "
			   "access_log off; sendfile on; "
			   "client_body_temp_path /tmp; proxy_temp_path /tmp; "
			   "fastcgi_temp_path /tmp; uwsgi_temp_path /tmp; "
			   "scgi_temp_path /tmp; keepalive_requests 3; "
			   "server { listen 10.79.0.1:80; listen [::]:80; root "
			<< dir << "/www; location /slow/ { alias " << dir
			<< "/www/; limit_rate 2m; } } }\n";
		ASSERT_EQ(sh("/usr/sbin/nginx -e " + dir + "/error -c " + dir +
				     "/nginx.conf",
			     "barea"),
			  0)
			<< slurp(dir + "/error");
	}
	void stop() const
	{
		(void)sh("kill $(cat " + dir + "/pid) 2>/dev/null");
		(void)poll_until(patience, [&] {
			return access((dir + "/pid").c_str(), F_OK) != 0;
		});
	}

	/* The value of @key in the JSON object that @args print. */
	std::string get(const std::string &args)
	{
		code = devrx("get http://10.79.0.1/f --nic bb --digest --json "
			     "--quiet --deadline 110 " +
				     args,
			     &out);
		return out;
	}
	std::string value(const std::string &key) const
	{
		const std::string begin = "\"" + key + "\": ";
		size_t at = out.rfind(begin);

		if (at == std::string::npos)
			return "";
		at += begin.size();
		if (out[at] == '"')
			return out.substr(at + 1,
					  out.find('"', at + 1) - at - 1);
		return out.substr(at, out.find_first_of(",}", at) - at);
	}
	/* Bytes that came over the wire. */
	static uint64_t received()
	{
		return std::strtoull(output_of(
					     "awk '$1 == \"bb:\" { print $2 }' "
					     "/proc/net/dev")
					     .c_str(),
				     nullptr, 10);
	}
	void expect_all_of_it(const char *tier = "zcrx-device")
	{
		EXPECT_EQ(code, 0) << out;
		EXPECT_EQ(value("tier"), tier);
		EXPECT_EQ(value("bytes"), std::to_string(LEN));
		EXPECT_EQ(value("digest"), sum) << out;
		if (std::string(tier) == "zcrx-device") {
			EXPECT_EQ(value("bytes_copied"), "0");
		}
	}

	std::string sum, out;
	int code = -1;
};

TEST_F(HttpNginx, IntoUdmabuf)
{
	get("--connections 4 --request 1M");
	expect_all_of_it();
	EXPECT_EQ(value("gathered_by"), "the CPU");
	EXPECT_EQ(value("retries"), "0");
	/* nginx ends each connection after three requests. */
	EXPECT_GE(std::stoi(value("connections")), 8);
}

TEST_F(HttpNginx, OnEachOtherTier)
{
	get("--memory udmabuf --tier zcrx-host");
	expect_all_of_it("zcrx-host");
	for (const char *tier : { "zcrx-copy", "recv" }) {
		code = devrx(std::string("get http://10.79.0.1/f --digest "
					 "--json --quiet --deadline 110 "
					 "--memory udmabuf --tier ") +
				     tier,
			     &out);
		expect_all_of_it(tier);
	}
}

TEST_F(HttpNginx, ByIpv6)
{
	(void)sh("/usr/sbin/ip -n barea addr add fd79::1/64 dev ba nodad; "
		 "/usr/sbin/ip -n bareb addr add fd79::2/64 dev bb nodad");
	code = devrx("get http://[fd79::1]/f --nic bb --digest --json --quiet "
		     "--deadline 110",
		     &out);
	expect_all_of_it();
	(void)sh("/usr/sbin/ip -n bareb addr del fd79::2/64 dev bb");
}

TEST_F(HttpNginx, IntoVulkanMemory)
{
	get("--memory vulkan --area 32M");
	expect_all_of_it();
	EXPECT_EQ(value("gathered_by").substr(0, 15), "a Vulkan copy, ");
}

/* A driver that runs the kernel's source on the CPU; its memory is a udmabuf. */
TEST_F(HttpNginx, IntoCudaMemoryOfAFakeDriver)
{
	char self[512] = "";
	std::string fake;

	ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	fake = self;
	fake = fake.substr(0, fake.rfind("/vm/")) + "/fakes/libcuda";
	(void)setenv("LD_LIBRARY_PATH", fake.c_str(), 1);
	(void)setenv("DEVRX_FAKE_CUDA", "backing=udmabuf", 1);
	get("--memory cuda --area 32M");
	(void)unsetenv("LD_LIBRARY_PATH");
	(void)unsetenv("DEVRX_FAKE_CUDA");
	expect_all_of_it();
	EXPECT_EQ(value("gathered_by"), "a CUDA kernel, devrx fake GPU 0");
}

/* Software device memory, which no CPU can map. */
TEST_F(HttpNginx, IntoVramMemory)
{
	get("--memory vram");
	expect_all_of_it();
	EXPECT_EQ(value("gathered_by"), "the CPU, by way of host memory");
}

TEST_F(HttpNginx, IntoHostMemory)
{
	get("--memory host");
	expect_all_of_it("zcrx-host");
}

/* Its workers are killed, and others take their place. */
TEST_F(HttpNginx, AServerThatDies)
{
	const std::string workers =
		"pkill -KILL -P $(cat " + dir + "/pid) nginx";

	tool->start({ "http://10.79.0.1/slow/f", "--nic", "bb", "--digest",
		      "--json", "--quiet", "--deadline", "110", "--retries",
		      "50" },
		    -1, "get");
	const uint64_t before_bytes = received();
	for (int i = 1; i <= 3; i++) {
		ASSERT_TRUE(poll_until(patience, [&] {
			return received() >
			       before_bytes + i * UINT64_C(2000000);
		}));
		EXPECT_EQ(sh(workers), 0);
	}
	code = tool->wait();
	out = tool->out();
	expect_all_of_it();
	EXPECT_GE(std::stoi(value("retries")), 3) << out;
}

TEST_F(HttpNginx, InterruptedItLeavesNothing)
{
	tool->start({ "http://10.79.0.1/slow/f", "--nic", "bb", "--json",
		      "--out", dir + "/file" },
		    -1, "get");
	const uint64_t before_bytes = received();
	ASSERT_TRUE(poll_until(patience, [&] {
		return received() > before_bytes + 1000000;
	}));
	tool->send_signal(SIGINT);
	EXPECT_EQ(tool->wait(), 130);
	EXPECT_EQ(output_of("ls " + dir + " | grep file"), "");
	/* The NIC is as it was: the fixture looks. */
}

TEST_F(HttpNginx, WhatIsNotThere)
{
	EXPECT_EQ(devrx("get http://10.79.0.1/none --nic bb", &out), 1);
	EXPECT_NE(out.find("404"), std::string::npos) << out;
}

} /* namespace */
