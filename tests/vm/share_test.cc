// SPDX-License-Identifier: MIT
/* Several threads receive from one queue, into one memory, by one refill ring. */
#include <cerrno>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <devrx/share.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

/* A thread with connections and a receiver of its own, the first one's or not. */
struct Part {
	std::vector<Fd> fds;
	std::vector<unsigned int> streams;
	std::string error;
	uint64_t bytes = 0;
	unsigned int eofs = 0;
	std::promise<void> opened; /* or not */
};

class Share : public testing::Test
{
      protected:
	static constexpr unsigned int nr_parts = 3;

	void open(const char *kind)
	{
		ASSERT_TRUE(queue_is_free());
		ASSERT_EQ(make_memory(&mem, kind, 32 * MiB), outcome(0));
		ASSERT_EQ(reserve(&q), outcome(0));
		ASSERT_EQ(open_receiver(&rx, mem, q), outcome(0));
		ASSERT_EQ(devrx_receiver_share(&share, rx.get()), 0)
			<< cause_id(rx);
	}
	/* @n connections, in turn to the parts. */
	void connect(unsigned int n, uint64_t len)
	{
		Listener listener(steered_port, int(32 * MiB / n / 4));
		std::vector<Stream> plan;

		ASSERT_TRUE(listener.ok());
		for (unsigned int i = 0; i < n; i++)
			plan.push_back({ len + i, i % 2 == 1 });
		sender = std::make_unique<Sender>(steered_port, plan);
		for (unsigned int i = 0; i < n; i++) {
			Peer peer = {};
			Fd fd = listener.accept(&peer);
			const int stream = sender->stream_of(peer);

			ASSERT_GE(stream, 0);
			parts[i % nr_parts].fds.push_back(std::move(fd));
			parts[i % nr_parts].streams.push_back(unsigned(stream));
		}
	}
	void receive(const Receiver &own, Part *part, unsigned int n) const
	{
		Follower follower(mem, n);

		for (size_t i = 0; i < part->fds.size(); i++)
			if (devrx_receiver_add(own.get(), part->fds[i].get(),
					       part->streams[i])) {
				part->error = "add";
				return;
			}
		part->error = drain(own, &follower);
		part->bytes = follower.bytes();
		for (unsigned int stream : part->streams)
			part->eofs +=
				follower.end(stream) == DEVRX_FRAGMENT_EOF;
	}
	/* On a thread of its own: a receiver of the share. */
	std::thread other(Part *part, unsigned int n)
	{
		return std::thread([=] {
			devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
			devrx_receiver *raw = nullptr;
			devrx_cause cause = {};

			opts.cause = &cause;
			const int err = devrx_share_open(&raw, share, &opts);

			if (err)
				part->error = cause.text;
			part->opened.set_value();
			if (err)
				return;
			Receiver own(raw);
			receive(own, part, n);
			if (vm::stats(own).fragments_out)
				part->error += " fragments are out";
		});
	}
	void expect_all(unsigned int n, uint64_t len)
	{
		uint64_t bytes = 0;
		unsigned int eofs = 0;

		for (const Part &part : parts) {
			EXPECT_EQ(part.error, "");
			EXPECT_GT(part.bytes, 0u);
			bytes += part.bytes;
			eofs += part.eofs;
		}
		EXPECT_EQ(bytes, n * len + n * (n - 1) / 2);
		EXPECT_EQ(eofs, n);
	}

	Memory mem;
	Queue q;
	Receiver rx;
	devrx_share *share = nullptr;
	std::unique_ptr<Sender> sender;
	Part parts[nr_parts];
};

TEST_F(Share, ThreeThreadsOnOneQueue)
{
	constexpr unsigned int n = 48;
	constexpr uint64_t len = 2 * MiB;

	ASSERT_NO_FATAL_FAILURE(open("udmabuf"));
	ASSERT_NO_FATAL_FAILURE(connect(n, len));
	std::thread one = other(&parts[1], n), two = other(&parts[2], n);

	receive(rx, &parts[0], n);
	one.join();
	two.join();
	expect_all(n, len);
	EXPECT_EQ(stats(rx).bytes, parts[0].bytes);
	EXPECT_EQ(stats(rx).bytes_copied, 0u);
	devrx_share_close(share);
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	EXPECT_TRUE(queue_is_free());
}

/* The first one goes; memory and queue are the others' until they have ended. */
TEST_F(Share, TheFirstOneGoesInMidStream)
{
	constexpr unsigned int n = 12;
	constexpr uint64_t len = 8 * MiB;
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	ASSERT_NO_FATAL_FAILURE(open("udmabuf"));
	ASSERT_NO_FATAL_FAILURE(connect(n, len));
	std::thread one = other(&parts[1], n), two = other(&parts[2], n);
	{
		Follower follower(mem, n);

		for (size_t i = 0; i < parts[0].fds.size(); i++)
			ASSERT_EQ(devrx_receiver_add(rx.get(),
						     parts[0].fds[i].get(),
						     parts[0].streams[i]),
				  0);
		EXPECT_EQ(drain(rx, &follower, patience,
				[&] { return follower.bytes() >= MiB; }),
			  "");
	}
	EXPECT_EQ(devrx_receiver_close(rx.release(), 0), 0);
	parts[0].fds.clear(); /* what is unread in them holds chunks */
	for (int i = 1; i < 3; i++)
		parts[i].opened.get_future().wait();
	devrx_share_close(share);
	one.join();
	two.join();
	for (int i = 1; i < 3; i++) {
		EXPECT_EQ(parts[i].error, "");
		EXPECT_EQ(parts[i].eofs, n / nr_parts);
	}
	/* All is given back: the memory can be bound anew. */
	EXPECT_TRUE(queue_is_free());
	ASSERT_EQ(open_receiver(&rx, mem, q, opts), outcome(0));
}

} // namespace
