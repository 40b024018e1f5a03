// SPDX-License-Identifier: MIT
/*
 * provider/zcrx/share.c: who may share what, and who gives it back. That bytes come
 * is shown on the real kernel (tests/vm/share_test.cc).
 */
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_rig.h"

#include <devrx/share.h>

namespace
{

int open_fds()
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

/* A receiver that is shared, and the fake of the next one's ring. */
class Share : public testing::Test
{
      protected:
	void SetUp() override
	{
		rig.must_open();
		opts.cause = &cause;
	}
	void share_it()
	{
		ASSERT_EQ(devrx_receiver_share(&share, rig.rx), 0) << rig.why();
		next.make_current();
	}
	int open()
	{
		return devrx_share_open(&rx, share, &opts);
	}

	Rig rig;
	FakeRing next;
	devrx_share *share = nullptr;
	devrx_receiver *rx = nullptr;
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	devrx_cause cause = {};
};

TEST_F(Share, TheLastOneGivesItBack)
{
	/* Each of the three may be the last. */
	for (int last = 0; last < 3; last++) {
		const int fds = open_fds();

		share_it();
		ASSERT_EQ(open(), 0) << cause.id;
		EXPECT_EQ(next.imports, unsigned(last + 1));
		EXPECT_EQ(next.registrations, 0u);
		for (int i = 1; i <= 3; i++) {
			switch ((last + i) % 3) {
			case 0:
				EXPECT_EQ(rig.close(), 0);
				break;
			case 1:
				EXPECT_EQ(devrx_receiver_close(rx, 0), 0);
				break;
			default:
				devrx_share_close(share);
			}
		}
		rig.must_open();
		EXPECT_EQ(open_fds(), fds);
	}
}

TEST_F(Share, IsWhatTheFirstOneIs)
{
	struct devrx_receiver_info info = {};

	info.size = sizeof(info);
	share_it();
	opts.max_fragments = 100;
	ASSERT_EQ(open(), 0) << cause.id;
	EXPECT_EQ(devrx_receiver_info(rx, &info), 0);
	EXPECT_EQ(info.tier, uint32_t(DEVRX_TIER_ZCRX_DEVICE));
	EXPECT_EQ(info.chunk_len, rig.info().chunk_len);
	EXPECT_EQ(info.rq_entries, rig.info().rq_entries);
	EXPECT_EQ(info.max_fragments, 100u);
	EXPECT_EQ(devrx_receiver_close(rx, 0), 0);
	devrx_share_close(share);
	devrx_share_close(nullptr);
}

TEST_F(Share, NotTwice)
{
	devrx_share *other = nullptr;

	share_it();
	EXPECT_EQ(devrx_receiver_share(&other, rig.rx), -EEXIST);
	EXPECT_EQ(other, nullptr);
	devrx_share_close(share);
}

TEST_F(Share, ExportFails)
{
	rig.fake.export_error = -EMFILE;
	EXPECT_EQ(devrx_receiver_share(&share, rig.rx), -EMFILE);
	EXPECT_EQ(rig.why(), "os-error");
	EXPECT_EQ(share, nullptr);
	rig.fake.export_error = 0;
	share_it();
	devrx_share_close(share);
}

TEST_F(Share, ImportFails)
{
	share_it();
	next.reg_errors = { -EPERM, -ENOMEM };
	EXPECT_EQ(open(), -EPERM);
	EXPECT_STREQ(cause.id, "cap-net-admin");
	EXPECT_EQ(open(), -ENOMEM);
	EXPECT_STREQ(cause.id, "out-of-memory");
	next.setup_error = -EPERM;
	EXPECT_EQ(open(), -EPERM);
	EXPECT_STREQ(cause.id, "io-uring-disabled");
	EXPECT_EQ(rx, nullptr);
	next.setup_error = 0;
	EXPECT_EQ(open(), 0);
	EXPECT_EQ(devrx_receiver_close(rx, 0), 0);
	devrx_share_close(share);
}

TEST_F(Share, NotWhatTheFirstOneIs)
{
	const struct {
		void (*spoil)(devrx_receiver_opts &opts);
		const char *word;
	} cases[] = {
		{ [](auto &o) { o.tier = DEVRX_TIER_ZCRX_HOST; }, "zcrx-host" },
		{ [](auto &o) { o.chunk_len = 65536; }, "65536" },
		{ [](auto &o) { o.flags = DEVRX_RECEIVER_F_CQE_MIXED; },
		  "flags" },
		{ [](auto &o) { o.flags = DEVRX_RECEIVER_F_EVENTS; }, "flags" },
	};

	share_it();
	for (const auto &c : cases) {
		opts = DEVRX_RECEIVER_OPTS_INIT;
		opts.cause = &cause;
		c.spoil(opts);
		EXPECT_EQ(open(), -EINVAL);
		EXPECT_STREQ(cause.id, "opts-invalid");
		EXPECT_NE(strstr(cause.text, c.word), nullptr) << cause.text;
	}
	opts = DEVRX_RECEIVER_OPTS_INIT;
	opts.size = 1;
	EXPECT_EQ(open(), -EINVAL);
	EXPECT_EQ(devrx_share_open(&rx, nullptr, nullptr), -EINVAL);
	EXPECT_EQ(devrx_share_open(nullptr, share, nullptr), -EINVAL);
	EXPECT_EQ(next.imports, 0u);
	devrx_share_close(share);
}

TEST_F(Share, InAChild)
{
	int status = 0;

	share_it();
	const pid_t pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		devrx_share *other = nullptr;
		const bool right =
			open() == -EPERM && !strcmp(cause.id, "forked") &&
			devrx_receiver_share(&other, rig.rx) == -EPERM;

		devrx_share_close(share);
		_exit(!right ||
		      devrx_receiver_close(rig.rx, DEVRX_CLOSE_F_ABANDON));
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	ASSERT_EQ(open(), 0) << "here nothing has changed";
	EXPECT_EQ(devrx_receiver_close(rx, 0), 0);
	devrx_share_close(share);
}

/* Between two locks others have queued: what this one queues comes behind it. */
TEST_F(Share, TheRefillRingGoesOnWhereAnotherOneWas)
{
	std::vector<devrx_fragment> frags;

	share_it();
	const int fd = rig.added();
	rig.fake.send(fd, 5 * 4096);
	rig.fake.idle_nic = true;
	ASSERT_EQ(rig.wait(&frags, 64, -1), 5);
	uint32_t *tail = rig.rx->ifq.rq.ktail;
	const uint32_t before = *tail;

	/* As if by another one: the first fragment's chunk. */
	drx_share_lock(rig.rx);
	EXPECT_TRUE(drx_refill_push(&rig.rx->ifq.rq,
				    frags[0].offset | rig.rx->ifq.area_token));
	const uint32_t wrong = rig.rx->ifq.rq.tail - 1;
	drx_share_unlock(rig.rx);
	EXPECT_EQ(*tail, before + 1);
	rig.rx->ifq.rq.tail =
		wrong; /* what a receiver that was not there has */
	frags.erase(frags.begin());
	EXPECT_EQ(devrx_receiver_release(rig.rx, frags.data(), 4), 0);
	EXPECT_EQ(*tail, before + 5);
	devrx_share_close(share);
}

TEST(ShareRefused, OtherTiers)
{
	Rig rig(false); /* host memory */
	devrx_share *share = nullptr;

	rig.must_open();
	EXPECT_EQ(devrx_receiver_share(&share, rig.rx), -EOPNOTSUPP);
	EXPECT_EQ(rig.why(), "share-unsupported");
}

TEST(ShareRefused, OldKernels)
{
	Rig rig;
	devrx_share *share = nullptr;

	rig.features = fake_features(ALL_FEATURES & ~DEVRX_FEATURE_IMPORT);
	rig.must_open();
	EXPECT_EQ(devrx_receiver_share(&share, rig.rx), -EOPNOTSUPP);
	EXPECT_EQ(rig.why(), "share-unsupported");
	EXPECT_EQ(share, nullptr);
}

} // namespace
