// SPDX-License-Identifier: MIT
/*
 * The samples as programs: what they print is what the CPU makes of the bytes that
 * were sent. Those on CUDA get the fake driver from the loader's path, and the
 * images that nvcc made; the fake looks at no more of them than what they are.
 */
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <libgen.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "kernel/reference/reference.h"
#include "support_vram.h"

namespace
{

using namespace vm;

const uint8_t *sent()
{
	return reinterpret_cast<const uint8_t *>(Pattern::get().at(0, 0));
}

class Sample : public Vram
{
      protected:
	void SetUp() override
	{
		char name[] = "/tmp/sample-XXXXXX", self[512] = "";

		Vram::SetUp();
		if (IsSkipped())
			return;
		ASSERT_NE(mkdtemp(name), nullptr);
		dir = name;
		ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1),
			  0);
		build = std::string(dirname(self)) + "/../..";
	}

	void TearDown() override
	{
		if (dir.empty())
			return;
		if (pid > 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, nullptr, 0);
		}
		if (HasFailure())
			printf("--- stderr:\n%s---\n", text("err").c_str());
		(void)run({ "rm", "-r", dir });
		Vram::TearDown();
	}

	std::string text(const char *name) const
	{
		std::ifstream file(dir + "/" + name, std::ios::binary);
		std::ostringstream all;

		all << file.rdbuf();
		return all.str();
	}

	int output(const char *name) const
	{
		return open((dir + "/" + name).c_str(),
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}

	/* A sample and its images, in build/. */
	void start(const std::string &sample,
		   const std::vector<std::string> &images, const char *script)
	{
		std::vector<std::string> args = {
			build + "/samples/" + sample, nic,
			std::to_string(steered_port)
		};
		std::vector<char *> argv;

		for (const std::string &image : images)
			args.push_back(build + "/" + image);
		for (std::string &arg : args)
			argv.push_back(arg.data());
		argv.push_back(nullptr);
		pid = fork();
		if (pid)
			return;
		(void)setenv("LD_LIBRARY_PATH",
			     (build + "/tests/fakes/libcuda").c_str(), 1);
		(void)setenv("DEVRX_FAKE_CUDA", script, 1);
		(void)dup2(output("out"), 1);
		(void)dup2(output("err"), 2);
		(void)execv(argv[0], argv.data());
		_exit(127);
	}

	bool ended()
	{
		if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid)
			pid = 0;
		return pid <= 0;
	}

	/* Its exit code, 1000 where it was killed, -1 at the deadline. */
	int wait()
	{
		if (!poll_until(patience, [&] { return ended(); }))
			return -1;
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
	}

	bool is_ready()
	{
		return poll_until(patience,
				  [&] {
					  return ended() ||
						 text("err").find("ready\n") !=
							 std::string::npos;
				  }) &&
		       !ended();
	}

	void expect_success(uint64_t len)
	{
		ASSERT_TRUE(is_ready());
		Sender sender(steered_port, { { len, false } });

		EXPECT_EQ(sender.join(), "");
		EXPECT_EQ(wait(), 0);
	}

	std::string build, dir;

      private:
	pid_t pid = -1;
	int status = 0;
};

class CudaSample : public Sample, public testing::WithParamInterface<uint64_t>
{
      protected:
	void start_cuda(const std::string &sample,
			const std::vector<std::string> &more = {},
			const char *script = "backing=vram")
	{
		std::vector<std::string> images = {
			"kernel/devrx_kernels.fatbin"
		};

		images.insert(images.end(), more.begin(), more.end());
		if (access((build + "/samples/" + sample).c_str(), X_OK))
			GTEST_SKIP() << "the CUDA samples were not built: no "
					"CUDA toolkit (cuda.h, nvcc)";
		start(sample, images, script);
		expect_success(GetParam());
	}
};

TEST_P(CudaSample, Checksum)
{
	char want[16];

	start_cuda("cuda_checksum");
	if (IsSkipped())
		return;
	snprintf(want, sizeof(want), "%08x\n",
		 drx_ref_crc32c_bytes(0, sent(), GetParam()));
	EXPECT_EQ(text("out"), want);
}

TEST_P(CudaSample, Histogram)
{
	uint64_t bins[256] = {};
	std::string want;

	start_cuda("cuda_histogram");
	if (IsSkipped())
		return;
	for (uint64_t i = 0; i < GetParam(); i++)
		bins[sent()[i]]++;
	for (int i = 0; i < 256; i++)
		want += std::to_string(i) + " " + std::to_string(bins[i]) +
			"\n";
	EXPECT_EQ(text("out"), want);
}

TEST_P(CudaSample, VectorAdd)
{
	const uint64_t nr = GetParam() / sizeof(float);
	uint64_t wrong = 0;

	start_cuda("cuda_vector_add", { "samples/cuda_vector_add.fatbin" });
	if (IsSkipped())
		return;
	const std::string out = text("out");

	ASSERT_EQ(out.size(), nr * sizeof(float));
	for (uint64_t i = 0; i < nr; i++) {
		float in, got;

		memcpy(&in, sent() + i * sizeof(in), sizeof(in));
		memcpy(&got, &out[i * sizeof(got)], sizeof(got));
		const float want = in + float(i);

		wrong +=
			!(got == want || (std::isnan(got) && std::isnan(want)));
	}
	EXPECT_EQ(wrong, 0u) << "of " << nr;
	EXPECT_EQ(text("err").find("not complete") != std::string::npos,
		  GetParam() % sizeof(float) != 0);
}

/* A part of an allocation, which vram's dmabufs do not have. */
TEST_P(CudaSample, BringYourOwnTensor)
{
	uint64_t sum = 0;

	start_cuda("bring_your_own_tensor", {}, "backing=udmabuf");
	if (IsSkipped())
		return;
	for (uint64_t i = 0; i < GetParam(); i++)
		sum += sent()[i];
	EXPECT_EQ(text("out"), std::to_string(sum) + "\n");
	EXPECT_NE(text("err").find("cuda-unaligned: 16777216 bytes at "),
		  std::string::npos);
	EXPECT_NE(text("err").find("16773120 bytes of 16777216: devrx fake "
				   "GPU 0, registered: exporter udmabuf"),
		  std::string::npos);
}

/* The last is more than the memory has room for. */
INSTANTIATE_TEST_SUITE_P(All, CudaSample, testing::Values(0, 1, 20 * MiB - 5),
			 [](const auto &i) {
				 return std::to_string(i.param) + "Bytes";
			 });

TEST_F(Sample, Receive)
{
	unsigned long long at, offset, position = 0;
	unsigned int length;
	std::string line;

	start("receive", {}, "");
	/* It listens before it has the queue, and does not say when it has. */
	ASSERT_TRUE(poll_until(patience,
			       [&] { return ended() || !queue_is_free(0); }));
	Sender sender(steered_port, { { MiB, false } });
	EXPECT_EQ(sender.join(), "");
	EXPECT_EQ(wait(), 0);
	std::istringstream lines(text("out"));
	while (std::getline(lines, line)) {
		ASSERT_EQ(sscanf(line.c_str(),
				 "stream %llu: %u bytes at memory offset %llu",
				 &at, &length, &offset),
			  3)
			<< line;
		ASSERT_EQ(at, position);
		ASSERT_LE(offset + length, 64 * MiB);
		position += length;
	}
	EXPECT_EQ(position, MiB);
}

} /* namespace */
