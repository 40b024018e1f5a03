// SPDX-License-Identifier: MIT
/*
 * Everything at once: random calls against a plain account of what must hold,
 * and a kernel that runs on a thread of its own.
 */
#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "fake_rig.h"

#include <devrx/write.h>

namespace
{

class Model : public testing::TestWithParam<uint64_t>
{
      protected:
	Model()
	    : rng(GetParam() * 1000003),
	      rig(GetParam() % 2, (8 << rng() % 5) * 4096, GetParam())
	{
	}

	uint64_t pick(uint64_t n)
	{
		return rng() % n;
	}

	void configure()
	{
		rig.fake.shuffle = true;
		rig.fake.piece_max = 1 + static_cast<uint32_t>(pick(5000));
		rig.fake.pack = pick(2);
		rig.fake.burst = 1 + static_cast<uint32_t>(pick(20));
		rig.fake.area_token = pick(4) << DRX_ZCRX_AREA_SHIFT;
		rig.fake.cqe_has_token = pick(2);
		grows = !pick(2);
		if (grows) { /* Linux 7.3 */
			rig.fake.area_token = 0;
			rig.fake.cqe_has_token = true;
		}
		rig.fake.alloc_events = pick(2);
		rig.opts.cq_entries = 1u << pick(8);
		rig.opts.flags = pick(2) ? DEVRX_RECEIVER_F_CQE_MIXED : 0;
		rig.opts.chunk_len = 4096u << pick(3);
		rig.opts.max_fragments =
			pick(3) ? 0 : 200 + static_cast<uint32_t>(pick(200));
		/* What waits for a place gets one, however late. */
		rig.opts.recovery_timeout_ms = UINT32_MAX;
		rig.must_open();
		/* A spare for the last bytes, of an area that has some left. */
		copies = rig.info().tier == DEVRX_TIER_ZCRX_DEVICE &&
			 rig.info().nr_chunks >= 32;
		if (copies) {
			rig.rx->recover.reserve =
				1 + static_cast<uint32_t>(pick(4));
			rig.rx->recover.on = true;
		}
	}

	/* Connections that are added and did not end, from their streams. */
	bool live(int fd)
	{
		const auto it = rig.streams.find(fd);

		return it != rig.streams.end() && !it->second.ended;
	}

	void step()
	{
		switch (pick(22)) {
		case 0:
			if (sockets.size() < 40)
				sockets.push_back(rig.socket());
			break;
		case 1:
		case 2:
			add();
			break;
		case 3:
			remove();
			break;
		case 4:
		case 5:
			if (!sockets.empty() && (pick(3) || !copies))
				rig.fake.send(any(), pick(6000));
			else if (!sockets.empty())
				rig.fake.send_copied(any(), 1 + pick(6000));
			break;
		case 6:
			end();
			break;
		case 7:
			rig.fake.idle_nic = !pick(4);
			break;
		case 8:
			bad_release();
			break;
		case 9:
			close();
			break;
		case 10:
		case 11:
		case 12:
			release();
			break;
		case 13:
		case 14:
			release_after();
			break;
		case 15:
			advance();
			break;
		case 16:
			settle();
			EXPECT_EQ(devrx_receiver_poll_fences(rig.rx),
				  static_cast<int>(nr_fenced()));
			break;
		case 17:
			grow();
			break;
		case 18:
		case 19:
			write();
			break;
		default:
			wait();
		}
	}

	int any()
	{
		return sockets[pick(sockets.size())];
	}

	void add()
	{
		if (sockets.empty())
			return;
		const int fd = any();
		const bool was = live(fd);
		const bool over = finished.count(fd);

		/* A socket whose stream is over gives its end once more. */
		if (over)
			return;
		EXPECT_EQ(rig.add(fd), was ? -EEXIST : 0);
	}

	void grow()
	{
		if (!grows || rig.more.size() == 5 || pick(20))
			return;
		const int area =
			rig.grow(rig.info().chunk_len * (1 + pick(40)));

		EXPECT_EQ(area, static_cast<int>(rig.more.size())) << rig.why();
	}

	void remove()
	{
		if (sockets.empty() || pick(3))
			return;
		const int fd = any();
		const int err = devrx_receiver_remove(rig.rx, fd);

		if (!live(fd)) {
			EXPECT_EQ(err, -ENOENT);
			return;
		}
		EXPECT_TRUE(err == 0 || err == -ENOENT) << err;
	}

	void end()
	{
		if (sockets.empty() || pick(4))
			return;
		const int fd = any();

		finished.insert(fd);
		rig.fake.end(fd, pick(3) ? 0 : -ECONNRESET);
	}

	void wait()
	{
		std::vector<devrx_fragment> frags;
		const uint64_t limit = rig.info().max_fragments;

		settle();
		const int got = rig.wait(
			&frags, 1 + static_cast<unsigned int>(pick(64)), 0);
		bool some = false;

		for (int fd : sockets)
			some |= live(fd);
		if (got == -ENOTCONN) {
			EXPECT_FALSE(some);
			EXPECT_TRUE(writing.empty());
		} else if (got == -ENOBUFS) {
			EXPECT_TRUE(rig.stats().paused ||
				    held.size() + rig.rx->slots.nr_parked +
						    rig.rx->recover.nr_spares +
						    writing_out() ==
					    limit);
			EXPECT_EQ(nr_fenced(), 0u);
		} else {
			EXPECT_GE(got, 0);
		}
		for (const auto &frag : frags) {
			if (frag.flags & DEVRX_FRAGMENT_EVENT)
				written(frag);
			if (!frag.token)
				continue;
			for (const auto &other : held)
				ASSERT_FALSE(overlap(frag, other));
			for (const auto &group : fenced)
				for (const auto &other : group.frags)
					ASSERT_FALSE(overlap(frag, other));
			held.push_back(frag);
			EXPECT_EQ(rig.read(frag, &firsts[frag.token], 1), 0);
		}
	}

	static bool overlap(const devrx_fragment &a, const devrx_fragment &b)
	{
		return a.offset < b.offset + b.length &&
		       b.offset < a.offset + a.length;
	}

	/* Some of what is held. */
	std::vector<devrx_fragment> some_held()
	{
		std::vector<devrx_fragment> back;

		std::shuffle(held.begin(), held.end(), rng);
		const size_t n = pick(held.size() + 1);
		back.assign(held.end() - static_cast<long>(n), held.end());
		held.resize(held.size() - n);
		for (const auto &frag : back)
			EXPECT_TRUE(unchanged(frag)) << "its bytes changed";
		return back;
	}

	void over(const std::vector<devrx_fragment> &back)
	{
		released.insert(released.end(), back.begin(), back.end());
		if (released.size() > 1000)
			released.erase(released.begin(), released.end() - 500);
	}

	void release()
	{
		const std::vector<devrx_fragment> back = some_held();

		EXPECT_EQ(rig.release(back), 0);
		over(back);
	}

	/* -- a file, each write at a place of its own ------------------------- */

	void write()
	{
		std::vector<devrx_fragment> frags = some_held();

		rig.fake.hold_writes = pick(3) == 0;
		rig.fake.write_max = pick(2) ? SIZE_MAX : 1 + pick(9000);
		if (!pick(4))
			rig.fake.write_errors = { pick(2) ? 0 : -ENOSPC,
						  -ENOSPC };
		if (frags.empty())
			return;
		const int n = devrx_receiver_write(
			rig.rx, file, next_write << 20, frags.data(),
			static_cast<unsigned int>(frags.size()), next_write);
		const long took = n > 0 ? n : 0;

		EXPECT_TRUE(n > 0 || n == -EAGAIN) << n;
		held.insert(held.end(), frags.begin() + took, frags.end());
		frags.resize(static_cast<size_t>(took));
		if (took)
			writing[next_write++] = frags;
	}

	void written(const devrx_fragment &event)
	{
		const auto it = writing.find(event.position);
		off_t at = static_cast<off_t>(event.position << 20);
		unsigned char first;

		ASSERT_EQ(event.user, uint64_t(DEVRX_EVENT_WRITTEN));
		ASSERT_NE(it, writing.end());
		for (const auto &frag : it->second) {
			if (event.error) {
				EXPECT_TRUE(unchanged(frag));
				held.push_back(frag);
				continue;
			}
			EXPECT_EQ(pread(file, &first, 1, at), 1);
			EXPECT_EQ(first, firsts[frag.token]);
			at += frag.length;
		}
		if (!event.error)
			over(it->second);
		writing.erase(it);
	}

	/* Fragments that are out and not in the account: with a write, or back from
	 * one that failed and was not told of. */
	size_t writing_out() const
	{
		const struct drx_writes &writes = rig.rx->writes;
		size_t nr = 0;

		for (int i = 0; writes.w && i < DRX_WRITES_MAX; i++)
			if (writes.w[i].state == DRX_WRITE_TO_SUBMIT ||
			    writes.w[i].state == DRX_WRITE_SUBMITTED ||
			    (writes.w[i].state == DRX_WRITE_TO_TELL &&
			     writes.w[i].result < 0))
				nr += writes.w[i].nr;
		return nr;
	}

	/* -- devices: a few words that count, and events ---------------------- */

	struct Group {
		std::vector<devrx_fragment> frags;
		unsigned int lane;
		uint64_t value;
		std::shared_ptr<int> event;
	};

	static int poll_event(void *object)
	{
		return *static_cast<int *>(object);
	}

	void release_after()
	{
		const unsigned int lane = static_cast<unsigned int>(pick(4));
		Group group = { some_held(), lane, ++next_value[lane],
				std::make_shared<int>(-EAGAIN) };
		devrx_fence fence = {};

		switch (lane) {
		case 0:
			fence = devrx_fence_u64(&word64, group.value);
			break;
		case 1:
			fence = devrx_fence_u32(
				&word32, static_cast<uint32_t>(group.value));
			break;
		default:
			fence = devrx_fence_poll(poll_event, group.event.get(),
						 lane == 2 ? &rng : nullptr);
		}
		EXPECT_EQ(devrx_receiver_release_after(
				  rig.rx, group.frags.data(),
				  static_cast<unsigned int>(group.frags.size()),
				  &fence),
			  0);
		over(group.frags);
		if (!group.frags.empty())
			fenced.push_back(group);
	}

	/* A device gets on. Until now its bytes must be as they were. */
	void advance()
	{
		const unsigned int lane = static_cast<unsigned int>(pick(4));

		for (auto &group : fenced) {
			if (passed(group) || group.lane != lane)
				continue;
			for (const auto &frag : group.frags)
				ASSERT_TRUE(unchanged(frag))
					<< "overwritten under the device";
			if (lane == 0)
				word64 = group.value;
			else if (lane == 1)
				word32 = static_cast<uint32_t>(group.value);
			*group.event = pick(4) || lane < 2 ? 0 : -EIO;
			if (pick(2))
				break;
		}
	}

	bool passed(const Group &group) const
	{
		if (group.lane == 0)
			return word64 >= group.value;
		if (group.lane == 1)
			return static_cast<int32_t>(
				       word32 -
				       static_cast<uint32_t>(group.value)) >= 0;
		return *group.event != -EAGAIN;
	}

	/* The receiver looks at the fences now. */
	void settle()
	{
		std::vector<Group> left;

		for (auto &group : fenced) {
			if (!passed(group))
				left.push_back(group);
			else if (*group.event == -EIO)
				for (const auto &frag : group.frags)
					rig.expect_lost(frag, -EIO);
		}
		/* What an event is about stays until it was asked. */
		done = std::move(fenced);
		fenced = std::move(left);
	}

	size_t nr_fenced() const
	{
		size_t nr = 0;

		for (const auto &group : fenced)
			nr += group.frags.size();
		return nr;
	}

	/* The bytes of a held fragment are what they were. */
	bool unchanged(const devrx_fragment &frag)
	{
		unsigned char first;
		const auto it = firsts.find(frag.token);

		EXPECT_EQ(rig.read(frag, &first, 1), 0);
		return it == firsts.end() || it->second == first;
	}

	void bad_release()
	{
		std::vector<devrx_fragment> frags;
		const uint64_t before = rig.stats().bad_releases;

		if (!released.empty())
			frags.push_back(released[pick(released.size())]);
		devrx_fragment forged = {};
		forged.token = rng() | 1;
		frags.push_back(forged);
		EXPECT_EQ(rig.release(frags), -ESTALE);
		EXPECT_EQ(rig.stats().bad_releases, before + frags.size());
	}

	void close()
	{
		if (held.empty())
			return;
		settle();
		EXPECT_EQ(rig.close(), -EBUSY);
	}

	std::mt19937_64 rng;
	CopyRig rig;
	bool copies = false;
	bool grows = false;
	std::vector<int> sockets;
	std::set<int> finished;
	std::vector<devrx_fragment> held, released;
	std::map<uint64_t, unsigned char> firsts;
	std::map<uint64_t, std::vector<devrx_fragment>> writing;
	uint64_t next_write = 0;
	const int file = memfd_create("file", MFD_CLOEXEC);
	std::vector<Group> fenced, done;
	uint64_t word64 = 0;
	uint32_t word32 = UINT32_MAX - 100;
	uint64_t next_value[4] = { 0, UINT32_MAX - 100, 0, 0 };
};

TEST_P(Model, Holds)
{
	SCOPED_TRACE("seed " + std::to_string(GetParam()));
	configure();
	for (int i = 0; i < 3000 && !HasFatalFailure(); i++) {
		step();
		ASSERT_EQ(rig.stats().fragments_fenced, nr_fenced());
		ASSERT_EQ(rig.stats().fragments_out,
			  held.size() + nr_fenced() + writing_out());
		ASSERT_FALSE(HasNonfatalFailure()) << "step " << i;
	}
	/* All that is left comes, and everything goes back. */
	rig.fake.idle_nic = false;
	rig.fake.hold_writes = false;
	EXPECT_GT(next_write, 2u);
	EXPECT_GT(next_value[0] + next_value[2] + next_value[3], 50u);
	while (nr_fenced() && !HasFatalFailure()) {
		advance();
		settle();
		EXPECT_EQ(devrx_receiver_poll_fences(rig.rx),
			  static_cast<int>(nr_fenced()));
	}
	for (int fd : sockets)
		rig.fake.end(fd);
	for (int i = 0; i < 1000000; i++) {
		/* What a removed one left in its socket holds chunks, too. */
		for (int fd : sockets)
			if (!live(fd) && rig.fake.left(fd)) {
				EXPECT_EQ(rig.add(fd), 0);
			}
		EXPECT_EQ(rig.release(held), 0);
		held.clear();
		std::vector<devrx_fragment> frags;
		const int got = rig.wait(&frags, 64, 0);
		if (got == -ENOTCONN)
			break;
		ASSERT_GE(got, 0);
		for (const auto &frag : frags)
			if (frag.flags & DEVRX_FRAGMENT_EVENT)
				written(frag);
			else
				held.push_back(frag);
	}
	EXPECT_TRUE(writing.empty());
	EXPECT_EQ(rig.wait(nullptr, 1, 0), -ENOTCONN) << "some never ended";
	for (int fd : sockets)
		EXPECT_EQ(rig.fake.left(fd), 0u) << fd;
	EXPECT_GT(rig.stats().bytes, 10000u) << "nothing was tested";
	EXPECT_EQ(rig.release(held), 0);
	EXPECT_TRUE(rig.lost.empty()) << "lost, and not told";
	rig.expect_all_returned();
	EXPECT_EQ(rig.close(), 0);
	(void)::close(file);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Model, testing::Range<uint64_t>(1, 25));

/* -- two threads --------------------------------------------------------------- */

class Threads : public testing::TestWithParam<bool>
{
};

TEST_P(Threads, AKernelThatNeverSleeps)
{
	Rig rig(!GetParam(), 32 * 4096, 5);
	std::vector<devrx_fragment> frags, held;
	std::vector<int> fds;
	std::mt19937_64 rng(9);
	int got;

	rig.fake.shuffle = true;
	rig.fake.piece_min = 200;
	rig.fake.piece_max = 1448;
	rig.opts.cq_entries = 64;
	/* What it holds is no reason to stop. */
	rig.opts.flags = DEVRX_RECEIVER_F_NO_FLOW_CONTROL |
			 (GetParam() ? DEVRX_RECEIVER_F_CQE_MIXED : 0);
	rig.features.flags &= ~DEVRX_FEATURE_FLUSH; /* a second consumer */
	rig.must_open();
	for (int i = 0; i < 8; i++) {
		fds.push_back(rig.added());
		rig.fake.send(fds.back(), 150000);
		rig.fake.end(fds.back());
	}
	rig.fake.start();
	while ((got = rig.wait(&frags, 32, 2000000000)) > 0) {
		held.insert(held.end(), frags.begin(), frags.end());
		std::shuffle(held.begin(), held.end(), rng);
		const size_t n = held.size() > 20 ? held.size() - rng() % 20 :
						    held.size() / 2;
		const std::vector<devrx_fragment> back(
			held.end() - static_cast<long>(n), held.end());
		held.resize(held.size() - n);
		EXPECT_EQ(rig.release(back), 0);
	}
	EXPECT_EQ(got, -ENOTCONN) << "or it came to a standstill";
	EXPECT_EQ(rig.release(held), 0);
	rig.fake.stop();
	for (int fd : fds) {
		EXPECT_EQ(rig.streams[fd].got, 150000u);
		EXPECT_TRUE(rig.streams[fd].eof);
	}
	for (int i = 0; i < 100; i++) {
		rig.fake.nic_refills(64);
		EXPECT_EQ(devrx_receiver_release(rig.rx, nullptr, 0), 0);
	}
	rig.expect_all_returned();
}

INSTANTIATE_TEST_SUITE_P(Layouts, Threads, testing::Bool(), [](const auto &i) {
	return std::string(i.param ? "Mixed" : "Wide");
});

} // namespace
