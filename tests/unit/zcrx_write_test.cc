// SPDX-License-Identifier: MIT
/* Fragments go to a file as requests of the ring, and come back when it has them. */
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "fake_rig.h"

#include <devrx/write.h>

namespace
{

constexpr uint64_t PAGE = 4096;
using Frags = std::vector<devrx_fragment>;

class Write : public testing::Test
{
      protected:
	explicit Write(bool dmabuf = true, uint64_t pages = 64)
	    : rig(dmabuf, pages * PAGE)
	{
		rig.fake.pack = false;
		rig.fake.piece_min = 1;
		rig.fake.piece_max = PAGE;
		file = memfd_create("file", MFD_CLOEXEC);
	}
	~Write() override
	{
		(void)close(file);
	}
	void open()
	{
		rig.must_open();
		fd = rig.added();
	}
	/* @len bytes more have come; all that is out. */
	void receive(uint64_t len)
	{
		Frags frags;

		rig.fake.send(fd, len);
		for (int quiet = 0; quiet < 3; quiet++)
			while (rig.wait(&frags, 64, 0) > 0)
				for (const auto &frag : frags)
					if (frag.token)
						held.push_back(frag);
	}
	int write(uint64_t cookie, size_t first = 0)
	{
		return devrx_receiver_write(rig.rx, file, held[first].position,
					    &held[first],
					    unsigned(held.size() - first),
					    cookie);
	}
	/* Events of writes that came, until nothing does. */
	Frags ended()
	{
		Frags frags, ret;

		/* A call without a result may have asked for the rest. */
		for (int quiet = 0; quiet < 10; quiet++)
			while (rig.wait(&frags, 64, 0) > 0)
				for (const auto &frag : frags)
					if (frag.flags & DEVRX_FRAGMENT_EVENT)
						ret.push_back(frag);
		return ret;
	}
	/* The file has the stream's first @len bytes. */
	void expect_file(uint64_t len)
	{
		std::vector<unsigned char> got(len + 1);

		ASSERT_EQ(pread(file, got.data(), got.size(), 0), ssize_t(len));
		for (uint64_t i = 0; i < len; i++)
			ASSERT_EQ(got[i], fake_byte(fd, i)) << "byte " << i;
	}

	Rig rig;
	int fd = -1, file;
	Frags held;
};

class WriteHost : public Write
{
      protected:
	WriteHost() : Write(false, 8)
	{
	}
};

TEST_F(Write, ComesBackWhenItIsDone)
{
	open();
	receive(10 * PAGE);
	ASSERT_EQ(held.size(), 10u);
	rig.fake.hold_writes = true;
	EXPECT_EQ(write(77), 10);
	EXPECT_EQ(rig.fake.writes, 0u) << "in a wait and nowhere else";
	EXPECT_TRUE(ended().empty());
	EXPECT_EQ(rig.fake.writes, 1u);
	EXPECT_EQ(rig.stats().fragments_out, 10u);
	EXPECT_EQ(rig.release(held), -ESTALE);
	EXPECT_EQ(rig.close(0), -EBUSY);
	EXPECT_EQ(rig.why(), "fragments-out");

	rig.fake.hold_writes = false;
	const Frags events = ended();
	ASSERT_EQ(events.size(), 1u);
	EXPECT_EQ(events[0].user, uint64_t(DEVRX_EVENT_WRITTEN));
	EXPECT_EQ(events[0].position, 77u);
	EXPECT_EQ(events[0].length, 10 * PAGE);
	EXPECT_EQ(events[0].error, 0);
	EXPECT_EQ(events[0].token, 0u);
	expect_file(10 * PAGE);
	EXPECT_EQ(rig.fake.fixed_writes, 1u);
	EXPECT_EQ(rig.stats().bytes_written, 10 * PAGE);
	EXPECT_EQ(rig.stats().released, 10u);
	EXPECT_EQ(rig.release(held), -ESTALE) << "they are given back";
	rig.expect_all_returned();
}

TEST_F(Write, ManyAtATime)
{
	open();
	uint64_t sent = 0;

	for (int round = 0; round < 50; round++) {
		receive(7 * PAGE + 100);
		sent += 7 * PAGE + 100;
		for (size_t at = 0; at < held.size();) {
			const int n = write(uint64_t(round), at);

			if (n == -EAGAIN) {
				for (const auto &event : ended())
					EXPECT_EQ(event.error, 0);
				continue;
			}
			ASSERT_GT(n, 0);
			at += size_t(n);
		}
		held.clear();
	}
	(void)ended();
	expect_file(sent);
	EXPECT_EQ(rig.stats().bytes_written, sent);
	rig.expect_all_returned();
}

/* The kernel takes less than was asked for, in the middle of a fragment too. */
TEST_F(Write, ShortWritesAreGoneOnWith)
{
	open();
	receive(10 * PAGE);
	rig.fake.write_max = 3 * PAGE / 2 + 1;
	EXPECT_EQ(write(1), 10);
	const Frags events = ended();
	ASSERT_EQ(events.size(), 1u);
	EXPECT_EQ(events[0].error, 0);
	EXPECT_EQ(rig.fake.writes, 7u);
	EXPECT_EQ(rig.fake.fixed_writes, 7u);
	expect_file(10 * PAGE);
	rig.expect_all_returned();
}

/* The caller has what it had, and may write it once more. */
TEST_F(Write, AFailureGivesThemBackToTheCaller)
{
	for (const int err :
	     { -ENOSPC, -EIO, -EINVAL, 1 /* takes nothing */ }) {
		held.clear();
		Rig &r = rig;
		if (!r.rx)
			open();
		receive(5 * PAGE);
		ASSERT_EQ(held.size(), 5u);
		const uint64_t before = r.stats().bytes_written;
		r.fake.write_errors = { err };
		EXPECT_EQ(write(2), 5);
		Frags events = ended();
		ASSERT_EQ(events.size(), 1u);
		EXPECT_EQ(events[0].error, err < 0 ? err : -EIO);
		EXPECT_EQ(events[0].position, 2u);
		EXPECT_EQ(r.stats().fragments_out, 5u);
		EXPECT_EQ(r.stats().bytes_written, before);
		EXPECT_EQ(write(3), 5);
		events = ended();
		ASSERT_EQ(events.size(), 1u);
		EXPECT_EQ(events[0].error, 0);
		EXPECT_EQ(r.stats().fragments_out, 0u);
	}
	receive(3 * PAGE);
	rig.fake.write_errors = { -ENOSPC };
	held.erase(held.begin(), held.begin() + 5);
	EXPECT_EQ(write(4), 3);
	EXPECT_EQ(ended().at(0).error, -ENOSPC);
	EXPECT_EQ(rig.release(held), 0) << "or give them back";
	rig.expect_all_returned();
	expect_file(20 * PAGE);
}

/* After a short write, what failed is told as a failure of all. */
TEST_F(Write, AFailureInTheMiddle)
{
	open();
	receive(4 * PAGE);
	rig.fake.write_max = PAGE;
	rig.fake.write_errors = { 0, -ENOSPC };
	EXPECT_EQ(write(1), 4);
	EXPECT_EQ(ended().at(0).error, -ENOSPC);
	EXPECT_EQ(rig.stats().fragments_out, 4u);
	EXPECT_EQ(write(1), 4);
	EXPECT_EQ(ended().at(0).error, 0);
	expect_file(4 * PAGE);
}

TEST_F(Write, WithoutRegisteredBuffers)
{
	rig.fake.buffers_error = -ENOMEM;
	open();
	receive(5 * PAGE);
	EXPECT_EQ(write(1), 5);
	EXPECT_EQ(ended().at(0).error, 0);
	EXPECT_EQ(rig.fake.writes, 1u);
	EXPECT_EQ(rig.fake.fixed_writes, 0u);
	expect_file(5 * PAGE);
}

TEST_F(Write, OnAnOldKernel)
{
	rig.fake.writes_fixed = false;
	open();
	receive(5 * PAGE);
	EXPECT_EQ(write(1), 5);
	EXPECT_EQ(ended().at(0).error, 0);
	EXPECT_EQ(rig.fake.fixed_writes, 0u);
	EXPECT_TRUE(rig.fake.buffers.empty());
	expect_file(5 * PAGE);
}

TEST_F(Write, NoMoreThanAPart)
{
	open();
	rig.fake.hold_writes = true;
	receive(30 * PAGE);
	ASSERT_EQ(held.size(), 30u);
	EXPECT_EQ(write(1), 16) << "a quarter of the chunks";
	EXPECT_EQ(write(2, 16), -EAGAIN);
	EXPECT_EQ(rig.stats().fragments_out, 30u);
	EXPECT_TRUE(ended().empty());
	rig.fake.hold_writes = false;
	EXPECT_EQ(ended().size(), 1u);
	EXPECT_EQ(write(2, 16), 14);
	EXPECT_EQ(ended().size(), 1u);
	expect_file(30 * PAGE);
}

class WriteMany : public Write
{
      protected:
	WriteMany() : Write(true, 512)
	{
	}
};

TEST_F(WriteMany, NoMoreRequestsThanThereAre)
{
	open();
	rig.fake.hold_writes = true;
	receive((DRX_WRITES_MAX + 1) * PAGE);
	ASSERT_EQ(held.size(), DRX_WRITES_MAX + 1u);
	for (size_t i = 0; i < DRX_WRITES_MAX; i++)
		ASSERT_EQ(devrx_receiver_write(rig.rx, file, i * PAGE, &held[i],
					       1, i),
			  1);
	EXPECT_EQ(write(99, DRX_WRITES_MAX), -EAGAIN);
	rig.fake.hold_writes = false;
	EXPECT_EQ(ended().size(), size_t(DRX_WRITES_MAX));
	EXPECT_EQ(write(99, DRX_WRITES_MAX), 1);
	EXPECT_EQ(ended().size(), 1u);
	expect_file((DRX_WRITES_MAX + 1) * PAGE);
}

TEST_F(WriteMany, NoMoreFragmentsInOne)
{
	open();
	receive(100 * PAGE);
	ASSERT_EQ(held.size(), 100u);
	EXPECT_EQ(write(1), DRX_WRITE_FRAGMENTS);
	EXPECT_EQ(write(2, DRX_WRITE_FRAGMENTS), 100 - DRX_WRITE_FRAGMENTS);
	EXPECT_EQ(ended().size(), 2u);
	expect_file(100 * PAGE);
}

/* A call that has room for one event gets one. */
TEST_F(Write, EachEventIsDelivered)
{
	Frags frags;

	open();
	receive(3 * PAGE);
	for (size_t i = 0; i < 3; i++)
		ASSERT_EQ(devrx_receiver_write(rig.rx, file, i * PAGE, &held[i],
					       1, i),
			  1);
	uint64_t cookies = 0;
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(rig.wait(&frags, 1, 0), 1);
		cookies |= UINT64_C(1) << frags[0].position;
	}
	EXPECT_EQ(cookies, 7u);
	EXPECT_EQ(rig.wait(&frags, 1, 0), 0);
}

/* A wait without connections waits for writes. */
TEST_F(Write, AfterTheLastConnection)
{
	Frags frags;

	open();
	receive(3 * PAGE);
	rig.fake.end(fd);
	ASSERT_EQ(rig.wait(&frags, 8, 0), 1);
	EXPECT_EQ(write(5), 3);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(frags[0].position, 5u);
	EXPECT_EQ(rig.wait(&frags, 8, -1), -ENOTCONN);
	rig.expect_all_returned();
}

/* All slots are out, most of them the caller's: data is first in the queue, and
 * the completion behind it comes after a release. */
TEST_F(Write, WhileTheCallerHoldsAllOthers)
{
	rig.opts.max_fragments = 16;
	rig.opts.flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL;
	open();
	receive(30 * PAGE);
	ASSERT_EQ(held.size(), 16u);
	EXPECT_EQ(write(1), 4);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
	EXPECT_EQ(rig.release(Frags(held.begin() + 4, held.end())), 0);
	(void)rig.drain();
	EXPECT_EQ(rig.events.size(), 1u);
	EXPECT_EQ(rig.streams[fd].got, 30 * PAGE);
	expect_file(4 * PAGE);
}

/* A host area without a chunk: a write that ends is as good as a release. */
TEST_F(WriteHost, AStarvedConnectionWaitsForIt)
{
	Frags frags;

	open();
	rig.fake.send_copied(fd, 16 * PAGE);
	receive(0);
	ASSERT_EQ(held.size(), 8u);
	EXPECT_EQ(write(1), 2);
	EXPECT_EQ(rig.release(Frags(held.begin() + 2, held.begin() + 3)), 0);
	ASSERT_EQ(rig.wait(&frags, 1, -1), 1);
	ASSERT_EQ(rig.wait(&frags, 8, -1), 1);
	EXPECT_EQ(frags[0].user, uint64_t(DEVRX_EVENT_WRITTEN));
	EXPECT_EQ(rig.wait(&frags, 8, -1), 2);
	EXPECT_EQ(rig.wait(nullptr, 8, -1), -ENOBUFS);
}

/* A token counts once in a call, and what it opens is the receiver's to say. */
TEST_F(Write, WhatIsNotOutIsNotTaken)
{
	open();
	receive(6 * PAGE);
	const Frags all = held;
	held = { all[0], all[1], all[0], all[2] };
	EXPECT_EQ(write(1), 2);
	held = { all[0] };
	EXPECT_EQ(write(1), -ESTALE);
	EXPECT_EQ(rig.stats().bad_releases, 1u);
	held = { all[2], devrx_fragment{}, all[3] };
	EXPECT_EQ(write(2), 1);
	held = { devrx_fragment{} };
	EXPECT_EQ(write(2), -EINVAL);
	held = { all[3] };
	held[0].length = 0;
	EXPECT_EQ(write(2), -EINVAL);
	/* Beyond the memory, in another one, and around the end of all. */
	for (const uint64_t off : { 64 * PAGE, 64 * PAGE - 100,
				    UINT64_C(1) << 48, UINT64_MAX - 1 }) {
		held = { all[3] };
		held[0].offset = off;
		EXPECT_EQ(write(2), -EINVAL) << off;
	}
	held = { all[3] };
	EXPECT_EQ(devrx_receiver_write(rig.rx, file, 0, held.data(), 0, 0),
		  -EINVAL);
	EXPECT_EQ(devrx_receiver_write(rig.rx, file, UINT64_C(1) << 63,
				       held.data(), 1, 0),
		  -EINVAL);
	EXPECT_EQ(devrx_receiver_write(rig.rx, -1, 0, held.data(), 1, 0),
		  -EBADF);
	EXPECT_EQ(ended().size(), 2u);
	EXPECT_EQ(rig.release(Frags(all.begin() + 3, all.end())), 0);
	rig.expect_all_returned();
}

/* Late, double and invented completions are nobody's. */
TEST_F(Write, CompletionsOfNoWrite)
{
	open();
	EXPECT_EQ(rig.wait(nullptr, 8, 0), 0);
	rig.fake.forge(DRX_UD_WRITE | 3, 100, 0, 0);
	EXPECT_TRUE(ended().empty());
	receive(PAGE);
	EXPECT_EQ(write(1), 1);
	EXPECT_EQ(ended().size(), 1u);
	for (const uint64_t idx :
	     { 0, DRX_WRITES_MAX - 1, DRX_WRITES_MAX, 0x7fffffff })
		rig.fake.forge(DRX_UD_WRITE | idx, 4096, 0, 0);
	EXPECT_TRUE(ended().empty());
	EXPECT_EQ(rig.stats().bytes_written, PAGE);
}

TEST_F(Write, InAddedMemoriesEachHasItsRequest)
{
	rig.opts.flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL;
	open();
	EXPECT_EQ(rig.grow(64 * PAGE), 1);
	rig.fake.nic_takes(60); /* of the first */
	receive(12 * PAGE);
	ASSERT_EQ(held.size(), 12u);
	ASSERT_EQ(devrx_fragment_area(&held[3]), 0u);
	ASSERT_EQ(devrx_fragment_area(&held[4]), 1u);
	EXPECT_EQ(write(1), 4);
	EXPECT_EQ(write(2, 4), 8);
	EXPECT_EQ(ended().size(), 2u);
	EXPECT_EQ(rig.fake.buffers.size(), 2u);
	EXPECT_EQ(rig.fake.fixed_writes, 2u);
	expect_file(12 * PAGE);
	/* One that came later is not registered, and works. */
	EXPECT_EQ(rig.grow(64 * PAGE), 2);
	rig.fake.nic_takes(56);
	held.clear();
	rig.fake.idle_nic = true; /* so that it is the next one's turn */
	receive(12 * PAGE);
	ASSERT_EQ(devrx_fragment_area(&held.back()), 2u);
	held = { held.back() };
	EXPECT_EQ(write(3), 1);
	EXPECT_EQ(ended().size(), 1u);
	EXPECT_EQ(rig.fake.writes, 3u);
	EXPECT_EQ(rig.fake.fixed_writes, 2u);
	unsigned char last;
	ASSERT_EQ(pread(file, &last, 1, off_t(24 * PAGE - 1)), 1);
	EXPECT_EQ(last, fake_byte(fd, 24 * PAGE - 1));
}

/* The ring's queue of submissions is full of receives. */
TEST_F(Write, WaitsForASubmission)
{
	rig.opts.cq_entries = 1; /* and as many submissions */
	open();
	receive(4 * PAGE);
	for (int i = 0; i < 20 && held.size() < 4; i++)
		receive(0);
	ASSERT_EQ(held.size(), 4u);
	for (size_t i = 0; i < 4; i++)
		ASSERT_EQ(devrx_receiver_write(rig.rx, file, i * PAGE, &held[i],
					       1, i),
			  1);
	size_t n = 0;
	for (int i = 0; i < 20; i++)
		n += ended().size();
	EXPECT_EQ(n, 4u);
	expect_file(4 * PAGE);
}

TEST_F(Write, GivenUpWithTheReceiver)
{
	open();
	receive(4 * PAGE);
	rig.fake.hold_writes = true;
	EXPECT_EQ(write(1), 4);
	EXPECT_TRUE(ended().empty());
	EXPECT_EQ(rig.close(DEVRX_CLOSE_F_ABANDON), 0);
}

TEST_F(Write, Mixed)
{
	rig.opts.flags = DEVRX_RECEIVER_F_CQE_MIXED;
	rig.opts.cq_entries = 8;
	open();
	uint64_t sent = 0;
	for (int round = 0; round < 30; round++) {
		held.clear();
		receive(3 * PAGE);
		sent += 3 * PAGE;
		int n = 0;
		for (size_t at = 0; at < held.size(); at += size_t(n)) {
			n = write(1, at);
			ASSERT_GT(n, 0);
		}
		EXPECT_FALSE(ended().empty());
	}
	expect_file(sent);
	rig.expect_all_returned();
}

/* -- where the CPU has no address ----------------------------------------- */

int without_address(const struct devrx_memory_opts *opts,
		    struct devrx_backing *ret, struct devrx_cause *cause)
{
	const int err = fake_provider.alloc(opts, ret, cause);

	if (!err) {
		ret->priv = ret->host_addr;
		ret->host_addr = nullptr;
	}
	return err;
}

void without_address_free(struct devrx_backing *backing)
{
	backing->host_addr = backing->priv;
	fake_provider.free(backing);
}

int without_address_read(struct devrx_backing *backing, uint64_t off, void *buf,
			 size_t len)
{
	struct devrx_backing own = *backing;

	own.host_addr = own.priv;
	return fake_provider.read(&own, off, buf, len);
}

struct devrx_provider far_provider(bool reads)
{
	struct devrx_provider far = fake_provider;

	far.alloc = without_address;
	far.free = without_address_free;
	far.read = reads ? without_address_read : nullptr;
	return far;
}

TEST(WriteFromADevice, IsReadByItsProvider)
{
	const struct devrx_provider far = far_provider(true);
	Rig rig(fake_memory(true, 512 * PAGE, &far));
	const int file = memfd_create("file", MFD_CLOEXEC);
	Frags frags;
	uint64_t sent = 0;
	unsigned int requests = 0;

	rig.fake.pack = false;
	rig.must_open();
	const int fd = rig.added();
	for (int round = 0; round < 20; round++) {
		rig.fake.send(fd, 100 * PAGE + 1);
		sent += 100 * PAGE + 1;
		while (rig.wait(&frags, 64, 0) > 0) {
			for (size_t at = 0; at < frags.size();) {
				if (frags[at].flags & DEVRX_FRAGMENT_EVENT) {
					EXPECT_EQ(frags[at++].error, 0);
					continue;
				}
				const int n = devrx_receiver_write(
					rig.rx, file, frags[at].position,
					&frags[at], unsigned(frags.size() - at),
					0);
				ASSERT_GT(n, 0);
				requests++;
				at += size_t(n);
			}
		}
	}
	EXPECT_EQ(rig.fake.fixed_writes, 0u);
	EXPECT_EQ(rig.fake.writes, requests);
	EXPECT_EQ(rig.stats().bytes_written, sent);
	std::vector<unsigned char> got(sent + 1);
	ASSERT_EQ(pread(file, got.data(), got.size(), 0), ssize_t(sent));
	for (uint64_t i = 0; i < sent; i++)
		ASSERT_EQ(got[i], fake_byte(fd, i)) << i;
	rig.expect_all_returned();
	(void)close(file);
}

/* What the provider says is told at once, and nothing is taken. */
TEST(WriteFromADevice, ThatFails)
{
	const struct devrx_provider far = far_provider(true);
	const struct devrx_provider blind = far_provider(false);
	const int file = memfd_create("file", MFD_CLOEXEC);
	Frags frags;

	Rig rig(fake_memory(true, 64 * PAGE, &far));
	rig.must_open();
	rig.fake.send(rig.added(), 3 * PAGE);
	ASSERT_GT(rig.wait(&frags, 8, 0), 0);
	fake_read_errors = { 0, -EIO };
	EXPECT_EQ(devrx_receiver_write(rig.rx, file, 0, frags.data(),
				       unsigned(frags.size()), 0),
		  -EIO);
	EXPECT_EQ(rig.why(), "upload-failed");
	EXPECT_EQ(rig.release(frags), 0);
	rig.expect_all_returned();

	struct devrx_cause cause = {};
	struct devrx_memory *mem = fake_memory(true, 64 * PAGE, &blind);
	struct devrx_receiver *rx = nullptr;
	const struct drx_ifq_queue queue = { 3, 1, 0, nullptr };
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	const struct devrx_features features = fake_features();
	FakeRing fake;
	struct devrx_fragment frag;
	opts.cause = &cause;
	ASSERT_EQ(drx_receiver_open(&rx, mem, nullptr, &queue, &opts, &features,
				    &FakeRing::ops),
		  0);
	const int sock = ::open("/dev/null", O_RDONLY);
	ASSERT_EQ(devrx_receiver_add(rx, sock, 0), 0);
	fake.send(sock, PAGE);
	ASSERT_EQ(devrx_receiver_wait(rx, &frag, 1, 0), 1);
	EXPECT_EQ(devrx_receiver_write(rx, file, 0, &frag, 1, 0), -EOPNOTSUPP);
	ASSERT_EQ(devrx_receiver_cause(rx, &cause), 0);
	EXPECT_STREQ(cause.id, "write-unsupported");
	EXPECT_EQ(devrx_receiver_release(rx, &frag, 1), 0);
	EXPECT_EQ(devrx_receiver_close(rx, 0), 0);
	EXPECT_EQ(devrx_memory_free(mem), 0);
	(void)close(sock);
	(void)close(file);
}

} // namespace
