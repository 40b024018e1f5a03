// SPDX-License-Identifier: MIT
/*
 * Reservations of made-up NICs: a death at any moment, a refusal, several owners,
 * others' hands. The NIC is a fake, the journal is the real one.
 */
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dirent.h>
#include <memory>

#include <devrx/queue.h>

#include "nic_fake.h"

namespace
{

using namespace nic;

/* A process that was there, and is not. */
uint32_t dead_pid()
{
	const pid_t pid = fork();

	if (!pid)
		_exit(0);
	(void)waitpid(pid, nullptr, 0);
	return uint32_t(pid);
}

class Reservation : public testing::Test
{
      protected:
	void SetUp() override
	{
		/* fsync() on a disk would take most of the time. */
		char name[] = "/dev/shm/nic-reserve-XXXXXX";

		ASSERT_NE(mkdtemp(name), nullptr);
		dir_ = name;
		run_ = dir_ + "/run";
	}

	void TearDown() override
	{
		EXPECT_EQ(left(), 0u) << "in " << run_;
		(void)rmdir(run_.c_str());
		(void)rmdir(dir_.c_str());
	}

	size_t left() const
	{
		DIR *d = opendir(run_.c_str());
		size_t nr = 0;

		while (d && readdir(d))
			nr++;
		if (d)
			(void)closedir(d);
		return nr ? nr - 2 : 0;
	}

	drx_journal_file open_file()
	{
		drx_journal_file file = {};

		EXPECT_EQ(drx_journal_open(&file, run_.c_str(), 1, 7, true), 0);
		return file;
	}

	/* As this process, or as one that is dead by the time anybody looks. */
	drx_owner owner(bool dead = false)
	{
		drx_owner me = {};

		EXPECT_EQ(drx_owner_self(&me, UINT32_MAX), 0);
		if (dead)
			me.pid = dead_pid();
		return me;
	}

	int reserve(FakeNic &nic, drx_owner *me, uint32_t index, uint16_t port,
		    drx_journal_file *file = nullptr)
	{
		const drx_nic_io io = nic.io();
		drx_journal_file own = {};
		drx_want want = { index, &port, 1, nullptr };
		int ret;

		if (!file)
			own = open_file();
		ret = drx_reserve(file ? file : &own, &io, &want, me, nullptr,
				  nullptr, &cause);
		if (!file)
			drx_journal_close(&own);
		return ret;
	}

	int leave(FakeNic &nic, const drx_owner &me)
	{
		const drx_undo_log log = { said, this };
		const drx_nic_io io = nic.io();
		drx_journal_file file = open_file();
		const int ret = drx_leave(&file, &io, &me, &log);

		drx_journal_close(&file);
		return ret;
	}

	int leave_dead(FakeNic &nic, bool kept = false,
		       drx_journal_file *file = nullptr)
	{
		const drx_undo_log log = { said, this };
		const drx_nic_io io = nic.io();
		drx_journal_file own = {};
		int ret;

		if (!file)
			own = open_file();
		ret = drx_leave_dead(file ? file : &own, &io, kept, &log);
		if (!file)
			drx_journal_close(&own);
		return ret;
	}

	static void said(void *ctx, drx_undone what, const drx_step *step,
			 const char *ifname, int err, const char *why)
	{
		Reservation *self = static_cast<Reservation *>(ctx);

		EXPECT_STREQ(ifname, "eth0");
		self->undone[what].push_back(step->kind);
		self->err = err;
		self->why = why;
	}

	/* From the @n-th look at the NIC or change of it on, nothing of this
	 * process reaches the NIC or the disk; true if there were so many. */
	template <typename F> bool dies_at(FakeNic &nic, int n, F &&run)
	{
		drx_journal_file file = open_file();
		const int dir = file.dir;
		const int lock = file.lock;
		bool dead = false;
		int at = 0;

		auto tick = [&] {
			if (!dead && at++ == n) {
				dead = true;
				file.dir = -1;
			}
			return dead ? -EIO : 0;
		};
		nic.on_read = tick;
		nic.on_make = [&](const drx_step &, bool, bool) {
			return tick();
		};
		run(&file);
		nic.on_read = nullptr;
		nic.on_make = nullptr;
		/* What the kernel does at its end. */
		(void)close(lock);
		(void)close(dir);
		return dead;
	}

	std::string dir_, run_;
	devrx_cause cause = {};
	std::vector<drx_step_kind> undone[3];
	int err = 0;
	std::string why;
};

const struct {
	const char *name;
	FakeNic (*make)();
} nics[] = {
	{ "softnic", [] { return softnic(); } },
	{ "softnic, one queue", [] { return softnic(1); } },
	{ "mlx5", mlx5 },
	{ "bnxt", bnxt },
	{ "gve", gve },
	{ "fbnic", fbnic },
};

TEST_F(Reservation, ThereAndBack)
{
	for (const auto &kind : nics) {
		FakeNic nic = kind.make();
		const State before = nic.now;
		drx_owner me = owner();

		SCOPED_TRACE(kind.name);
		ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0)
			<< cause.text;
		EXPECT_EQ(nic.now.split, split_on);
		EXPECT_TRUE(nic.now.thresh == 0 ||
			    nic.now.thresh == UINT32_MAX);
		EXPECT_EQ(nic.now.rules.size(), 2u);
		for (uint32_t entry : nic.now.indir)
			EXPECT_NE(entry, me.queue);
		/* Its ring takes a while to go. */
		nic.used[me.queue] = true;
		EXPECT_EQ(leave(nic, me), 0);
		EXPECT_EQ(nic.naps, 4u);
		EXPECT_TRUE(nic.now == before);
		/* Never twice. */
		undone[DRX_UNDONE].clear();
		EXPECT_EQ(leave(nic, me), 0);
		EXPECT_TRUE(undone[DRX_UNDONE].empty());
	}
}

TEST_F(Reservation, ADeathAtAnyMoment)
{
	int deaths = 0;

	for (const auto &kind : nics) {
		for (int n = 0;; n++) {
			FakeNic nic = kind.make();
			const State before = nic.now;
			drx_owner me = owner(true);
			int ret = 0;

			SCOPED_TRACE(std::string(kind.name) + " at " +
				     std::to_string(n));
			if (!dies_at(nic, n, [&](drx_journal_file *file) {
				    ret = reserve(nic, &me, DEVRX_QUEUE_LAST,
						  9000, file);
			    }))
				n = -2;
			else
				EXPECT_LT(ret, 0);
			deaths++;
			EXPECT_EQ(leave_dead(nic), 0);
			EXPECT_TRUE(nic.now == before);
			EXPECT_EQ(left(), 0u);
			if (n < 0)
				break;
		}
	}
	EXPECT_GT(deaths, 90);
}

/* Who undoes may die too, and the next one goes on. */
TEST_F(Reservation, ADeathWhileUndoing)
{
	for (const auto &kind : nics) {
		for (int n = 0;; n++) {
			FakeNic nic = kind.make();
			const State before = nic.now;
			drx_owner me = owner(true);
			bool died;

			SCOPED_TRACE(std::string(kind.name) + " at " +
				     std::to_string(n));
			ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0);
			died = dies_at(nic, n, [&](drx_journal_file *file) {
				(void)leave_dead(nic, false, file);
			});
			EXPECT_EQ(leave_dead(nic), 0);
			EXPECT_TRUE(nic.now == before);
			EXPECT_EQ(left(), 0u);
			if (!died)
				break;
		}
	}
}

/* One change after the other is refused: those before it are undone. */
TEST_F(Reservation, ARefusalAtAnyStep)
{
	for (const auto &kind : nics) {
		for (int n = 0;; n++) {
			FakeNic nic = kind.make();
			const State before = nic.now;
			drx_owner me = owner();
			int at = 0, ret;

			SCOPED_TRACE(std::string(kind.name) + " step " +
				     std::to_string(n));
			nic.on_make = [&](const drx_step &, bool undo,
					  bool after) {
				return !undo && !after && at++ == n ? -EINVAL :
								      0;
			};
			ret = reserve(nic, &me, DEVRX_QUEUE_LAST, 9000);
			if (!ret) {
				EXPECT_GE(n, 4);
				EXPECT_EQ(leave(nic, me), 0);
				break;
			}
			EXPECT_EQ(ret, -EINVAL);
			EXPECT_STREQ(cause.id, "nic-refused");
			EXPECT_NE(strstr(cause.text, "the driver's sentence"),
				  nullptr);
			EXPECT_EQ(strncmp(cause.next, "ethtool -", 9), 0);
			EXPECT_TRUE(nic.now == before);
			EXPECT_EQ(left(), 0u);
		}
	}
}

/* mlx5's rule of order, and gve's: undone in reverse, or it would be refused. */
TEST_F(Reservation, TheDriversAreStrict)
{
	FakeNic nic = mlx5();
	drx_step step = {};
	drx_owner me = owner();

	step.kind = DRX_STEP_RINGS;
	step.rings = { split_auto, split_on, 0, 0 };
	char text[64];
	const drx_nic_io io = nic.io();
	EXPECT_EQ(io.make(io.ctx, &step, false, text, sizeof(text)), -EINVAL);
	ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0);
	step.kind = DRX_STEP_FEATURE;
	step.feature = { DRX_FEATURE_GRO_HW, false, true };
	EXPECT_EQ(io.make(io.ctx, &step, true, text, sizeof(text)), -EINVAL);
	EXPECT_EQ(leave(nic, me), 0);
}

TEST_F(Reservation, AcceptedAndNotDone)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner me = owner();

	nic.on_make = [&](const drx_step &s, bool undo, bool after) {
		if (s.kind == DRX_STEP_RINGS && !undo && after)
			nic.now.split = split_off;
		return 0;
	};
	EXPECT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "nic-refused");
	EXPECT_NE(strstr(cause.text, "did not happen"), nullptr);
	EXPECT_TRUE(nic.now == before);
}

TEST_F(Reservation, WithoutPrivilege)
{
	FakeNic nic = softnic();
	drx_owner me = owner();

	nic.on_make = [](const drx_step &, bool, bool) { return -EPERM; };
	EXPECT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), -EPERM);
	EXPECT_STREQ(cause.id, "reserve-denied");
	EXPECT_EQ(left(), 0u);
}

/* What a dead one left cannot be undone either: that is said, and it stays. */
TEST_F(Reservation, WithoutPrivilegeAfterADeadOne)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner a = owner(true), b = owner();

	ASSERT_EQ(reserve(nic, &a, DEVRX_QUEUE_LAST, 9000), 0);
	nic.on_make = [](const drx_step &, bool, bool) { return -EPERM; };
	EXPECT_EQ(reserve(nic, &b, DEVRX_QUEUE_LAST, 9001), -EPERM);
	EXPECT_STREQ(cause.id, "reserve-denied");
	EXPECT_NE(strstr(cause.text, "has died"), nullptr);
	nic.on_make = nullptr;
	EXPECT_EQ(leave_dead(nic), 0);
	EXPECT_TRUE(nic.now == before);
}

/* It was dropped after the start: the guard, or somebody, has it yet to do. */
TEST_F(Reservation, PrivilegeDropped)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner me = owner();

	ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0);
	nic.on_make = [](const drx_step &, bool, bool) { return -EPERM; };
	EXPECT_EQ(leave(nic, me), -EPERM);
	nic.on_make = nullptr;
	EXPECT_FALSE(nic.now == before);
	EXPECT_EQ(leave_dead(nic), 0);
	EXPECT_TRUE(nic.now == before);
}

TEST_F(Reservation, TwoOwners)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner a = owner(), b = owner();

	ASSERT_EQ(reserve(nic, &a, DEVRX_QUEUE_LAST, 9000), 0);
	/* Not even by its number. */
	EXPECT_EQ(reserve(nic, &b, a.queue, 9001), -EBUSY);
	EXPECT_STREQ(cause.id, "queue-taken");
	ASSERT_EQ(reserve(nic, &b, DEVRX_QUEUE_LAST, 9001), 0);
	EXPECT_EQ(a.queue, 3u);
	EXPECT_EQ(b.queue, 2u);
	for (uint32_t entry : nic.now.indir)
		EXPECT_LT(entry, 2u);
	/* The first one goes: with its rules, and all else stays. */
	EXPECT_EQ(leave(nic, a), 0);
	EXPECT_EQ(nic.now.split, split_on);
	ASSERT_EQ(nic.now.rules.size(), 2u);
	EXPECT_EQ(nic.now.rules[0].port, 9001);
	EXPECT_EQ(nic.now.rules[1].port, 9001);
	/* Its queue may be had again meanwhile. */
	ASSERT_EQ(reserve(nic, &a, DEVRX_QUEUE_LAST, 9000), 0);
	EXPECT_EQ(a.queue, 3u);
	EXPECT_EQ(leave(nic, b), 0);
	EXPECT_EQ(leave(nic, a), 0);
	EXPECT_TRUE(nic.now == before);
}

/* The next one cleans up after a dead one, and takes its queue. */
TEST_F(Reservation, AfterADeadOne)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner a = owner(true), b = owner();

	ASSERT_EQ(reserve(nic, &a, DEVRX_QUEUE_LAST, 9000), 0);
	nic.used[a.queue] = true;
	ASSERT_EQ(reserve(nic, &b, DEVRX_QUEUE_LAST, 9001), 0);
	EXPECT_EQ(b.queue, a.queue);
	EXPECT_EQ(nic.now.rules.size(), 2u);
	EXPECT_EQ(leave(nic, b), 0);
	EXPECT_TRUE(nic.now == before);
}

TEST_F(Reservation, KeptForWhoeverAsks)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner kept = owner(), user = owner();

	kept.pid = 0;
	ASSERT_EQ(reserve(nic, &kept, DEVRX_QUEUE_LAST, 9000), 0);
	EXPECT_EQ(leave_dead(nic), 0);
	EXPECT_EQ(nic.now.rules.size(), 2u);
	ASSERT_EQ(reserve(nic, &user, DEVRX_QUEUE_LAST, 9000), 0);
	EXPECT_EQ(user.queue, kept.queue);
	EXPECT_EQ(nic.now.rules.size(), 2u);
	/* Undone by hand while it is in use: not below its user. */
	EXPECT_EQ(leave_dead(nic, true), 0);
	EXPECT_EQ(nic.now.rules.size(), 2u);
	EXPECT_EQ(leave(nic, user), 0);
	EXPECT_TRUE(nic.now == before);
}

TEST_F(Reservation, OthersChangesAreTheirs)
{
	FakeNic nic = bnxt();
	drx_owner me = owner();

	ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0);
	/* The rule's place has another rule; RSS another table; a threshold. */
	nic.now.rules[0].port = 22;
	nic.now.rules[0].queue = 1;
	nic.now.indir[5] = 2;
	nic.now.thresh = 64;
	State theirs = nic.now;
	EXPECT_EQ(leave(nic, me), 0);
	EXPECT_EQ(undone[DRX_UNDONE_OTHER],
		  (std::vector<drx_step_kind>{ DRX_STEP_RULE, DRX_STEP_RSS,
					       DRX_STEP_RINGS }));
	EXPECT_EQ(undone[DRX_UNDONE],
		  (std::vector<drx_step_kind>{ DRX_STEP_RULE,
					       DRX_STEP_FEATURE }));
	EXPECT_EQ(nic.now.indir, theirs.indir);
	EXPECT_EQ(nic.now.thresh, 64u);
	EXPECT_EQ(nic.now.split, split_on);
}

/* Somebody has undone it by hand already. */
TEST_F(Reservation, UndoneByOthers)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner me = owner();

	ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0);
	nic.now = before;
	EXPECT_EQ(leave(nic, me), 0);
	EXPECT_TRUE(nic.now == before);
	EXPECT_TRUE(undone[DRX_UNDONE].empty());
	EXPECT_TRUE(undone[DRX_UNDONE_OTHER].empty());
}

/* ... in the moment between the look and the change. */
TEST_F(Reservation, ARuleDeletedJustNow)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner me = owner();

	ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0);
	nic.on_make = [&](const drx_step &s, bool undo, bool after) {
		if (s.kind == DRX_STEP_RULE && undo && !after)
			nic.now.rules.clear();
		return 0;
	};
	EXPECT_EQ(leave(nic, me), 0);
	EXPECT_TRUE(nic.now == before);
}

/* A refusal to undo keeps that change, and only that, for later. */
TEST_F(Reservation, RefusedToUndo)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_owner me = owner();

	ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0);
	nic.on_make = [](const drx_step &s, bool, bool) {
		return s.kind == DRX_STEP_RINGS ? -EBUSY : 0;
	};
	EXPECT_EQ(leave(nic, me), -EINPROGRESS);
	EXPECT_EQ(undone[DRX_UNDONE_FAILED],
		  std::vector<drx_step_kind>{ DRX_STEP_RINGS });
	EXPECT_EQ(err, -EBUSY);
	EXPECT_EQ(why, "the driver's sentence");
	EXPECT_EQ(nic.now.split, split_on);
	EXPECT_EQ(nic.now.indir, before.indir);
	nic.on_make = nullptr;
	EXPECT_EQ(leave_dead(nic), 0);
	EXPECT_TRUE(nic.now == before);
}

TEST_F(Reservation, TheNicHasGone)
{
	FakeNic nic = softnic();
	drx_owner me = owner();

	ASSERT_EQ(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000), 0);
	nic.gone = true;
	EXPECT_EQ(leave(nic, me), 0);
	EXPECT_EQ(left(), 0u);
}

TEST_F(Reservation, NoGuardNoChange)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	const drx_nic_io io = nic.io();
	drx_journal_file file = open_file();
	drx_owner me = owner();
	const uint16_t port = 9000;
	drx_want want = { DEVRX_QUEUE_LAST, &port, 1, nullptr };
	bool changed = false;

	nic.on_make = [&](const drx_step &, bool, bool) {
		changed = true;
		return 0;
	};
	EXPECT_EQ(drx_reserve(
			  &file, &io, &want, &me,
			  [](void *, devrx_cause *) { return -ENOENT; },
			  nullptr, &cause),
		  -ENOENT);
	drx_journal_close(&file);
	EXPECT_FALSE(changed);
	EXPECT_TRUE(nic.now == before);
}

TEST_F(Reservation, NoRoomToWriteItDown)
{
	FakeNic nic = softnic();
	const State before = nic.now;
	drx_journal_file file = open_file();
	drx_owner me = owner();
	const int dir = file.dir;

	/* A place that can be read and not written. */
	file.dir = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(file.dir, 0);
	EXPECT_LT(reserve(nic, &me, DEVRX_QUEUE_LAST, 9000, &file), 0);
	EXPECT_STREQ(cause.id, "journal-failed");
	EXPECT_TRUE(nic.now == before);
	(void)close(file.dir);
	file.dir = dir;
	drx_journal_close(&file);
}

} /* namespace */
