// SPDX-License-Identifier: MIT
/* Fragments to a file on the real kernel: registered buffers, O_DIRECT, a full disk. */
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <linux/fs.h>
#include <memory>
#include <sys/ioctl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

constexpr const char *disk = "/dev/ram0";

class Write : public testing::TestWithParam<const char *>
{
      protected:
	void SetUp() override
	{
		ASSERT_EQ(run({ "/sbin/modprobe", "brd", "rd_nr=1",
				"rd_size=32768" }),
			  0);
		ASSERT_TRUE(queue_is_free());
		ASSERT_EQ(make_memory(&mem, GetParam(), 16 * MiB), outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q), outcome(0));
		file = Fd(::open(disk, O_RDWR | O_CLOEXEC));
		ASSERT_GE(file.get(), 0);
		direct = Fd(::open(disk, O_RDWR | O_CLOEXEC | O_DIRECT));
		ASSERT_GE(direct.get(), 0);
	}
	void TearDown() override
	{
		/* Its pages are the kernel's until then. */
		if (file.get() >= 0) {
			EXPECT_EQ(ioctl(file.get(), BLKFLSBUF, 0), 0);
		}
	}
	void start(uint64_t len)
	{
		Listener listener(steered_port);

		ASSERT_TRUE(listener.ok());
		follower = std::make_unique<Follower>(mem, 1);
		sender = std::make_unique<Sender>(
			steered_port, std::vector<Stream>{ { len, false } });
		ASSERT_EQ(add_all(rx, &listener, sender.get(), 1, &fds), "");
	}
	/* Hand @frags over, with @fd; what does not go any more is given back. */
	void write(const std::vector<devrx_fragment> &frags, int fd)
	{
		for (size_t at = 0; at < frags.size();) {
			const unsigned int left = unsigned(frags.size() - at);
			const int n = devrx_receiver_write(rx.get(), fd,
							   frags[at].position,
							   &frags[at], left,
							   uint64_t(fd));

			if (n == -EAGAIN) {
				receive(nullptr);
				continue;
			}
			ASSERT_GT(n, 0);
			at += unsigned(n);
		}
	}
	/* One wait: fragments to @ret, or kept for the next; events counted. */
	int receive(std::vector<devrx_fragment> *ret)
	{
		devrx_fragment frags[64];
		const int n = wait_for_some(rx, frags, 64);

		for (int i = 0; i < n; i++) {
			if (!(frags[i].flags & DEVRX_FRAGMENT_EVENT)) {
				EXPECT_TRUE(follower->take(frags[i]))
					<< follower->error();
				if (frags[i].length)
					later.push_back(frags[i]);
				continue;
			}
			EXPECT_EQ(frags[i].user, uint64_t(DEVRX_EVENT_WRITTEN));
			if (frags[i].error) {
				errors.push_back(frags[i].error);
				continue;
			}
			written += frags[i].length;
			if (frags[i].position == uint64_t(direct.get()))
				written_direct += frags[i].length;
		}
		if (ret)
			ret->swap(later);
		return n;
	}
	/* To the end: whole pages go past the page cache, all others through it. */
	void write_stream()
	{
		std::vector<devrx_fragment> frags, some;
		int n = 0;

		while (n != -ENOTCONN) {
			frags.clear();
			n = receive(&frags);
			ASSERT_TRUE(n > 0 || n == -ENOTCONN) << n;
			for (size_t i = 0; i < frags.size(); i++) {
				const bool whole = is_whole(frags[i]);

				some.push_back(frags[i]);
				if (i + 1 < frags.size() &&
				    is_whole(frags[i + 1]) == whole)
					continue;
				ASSERT_NO_FATAL_FAILURE(
					write(some, whole ? direct.get() :
							    file.get()));
				some.clear();
			}
		}
	}
	static bool is_whole(const devrx_fragment &frag)
	{
		return frag.position % 4096 == 0 && frag.length % 4096 == 0;
	}
	void expect_disk(uint64_t len)
	{
		std::vector<char> got(len);
		Fd fresh(::open(disk, O_RDONLY | O_CLOEXEC));

		ASSERT_EQ(pread(fresh.get(), got.data(), len, 0), ssize_t(len));
		EXPECT_EQ(memcmp(got.data(), Pattern::get().at(0, 0), len), 0);
	}

	Memory mem;
	Queue q;
	Receiver rx;
	Fd file, direct;
	std::unique_ptr<Follower> follower;
	std::unique_ptr<Sender> sender;
	std::vector<Fd> fds;
	std::vector<devrx_fragment> later;
	std::vector<int> errors;
	uint64_t written = 0, written_direct = 0;
};

TEST_P(Write, EveryByteIsThere)
{
	constexpr uint64_t len = 8 * MiB + 77;

	ASSERT_NO_FATAL_FAILURE(start(len));
	ASSERT_NO_FATAL_FAILURE(write_stream());
	EXPECT_EQ(written, len);
	EXPECT_TRUE(errors.empty());
	EXPECT_EQ(stats(rx).bytes_written, len);
	EXPECT_EQ(stats(rx).fragments_out, 0u);
	EXPECT_EQ(sender->join(), "");
	expect_disk(len);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
}

/* Segments of a page each: whole pages of the stream, up to the first that the sender
 * does not fill. */
class WriteDirect : public Write
{
      protected:
	void SetUp() override
	{
		Write::SetUp();
		set_mtu(4148);
	}
	void TearDown() override
	{
		if (sender)
			sender->stop();
		set_mtu(1500);
		Write::TearDown();
	}
};

/* The disk reads what the NIC wrote, and the CPU has no part in it. */
TEST_P(WriteDirect, PastThePageCache)
{
	constexpr uint64_t len = 4 * MiB;

	ASSERT_NO_FATAL_FAILURE(start(len));
	ASSERT_NO_FATAL_FAILURE(write_stream());
	EXPECT_EQ(written, len);
	EXPECT_GE(written_direct, 4096u);
	printf("  %llu of %llu bytes past the page cache\n",
	       (unsigned long long)written_direct, (unsigned long long)len);
	EXPECT_TRUE(errors.empty());
	expect_disk(len);
}

INSTANTIATE_TEST_SUITE_P(Pinned, WriteDirect,
			 testing::Values("udmabuf", "host"),
			 [](const auto &info) {
				 return std::string(info.param);
			 });

/* What the kernel refuses is out as before, and can go another way. */
TEST_P(Write, RefusalsComeBack)
{
	std::vector<devrx_fragment> frags;

	ASSERT_NO_FATAL_FAILURE(start(100000));
	while (frags.empty())
		ASSERT_GT(receive(&frags), 0);
	frags.resize(1);
	frags[0].length--; /* of the caller's own accord */
	ASSERT_NO_FATAL_FAILURE(write(frags, direct.get()));
	while (errors.empty())
		ASSERT_GT(receive(nullptr), 0);
	EXPECT_EQ(errors[0], -EINVAL) << "an odd length";
	frags[0].length++;

	/* Behind the disk's end. */
	ASSERT_EQ(devrx_receiver_write(rx.get(), file.get(), 32 * MiB,
				       frags.data(), 1, 0),
		  1);
	while (errors.size() < 2)
		ASSERT_GT(receive(nullptr), 0);
	EXPECT_EQ(errors[1], -ENOSPC);
	EXPECT_EQ(written, 0u);

	ASSERT_NO_FATAL_FAILURE(write(frags, file.get()));
	while (!written)
		ASSERT_GT(receive(nullptr), 0);
	EXPECT_EQ(written, frags[0].length);
	expect_disk(frags[0].length);
	sender->stop();
}

INSTANTIATE_TEST_SUITE_P(Kinds, Write,
			 testing::Values("udmabuf", "host", "vram"),
			 [](const auto &info) {
				 return std::string(info.param);
			 });

} // namespace
