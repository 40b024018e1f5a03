// SPDX-License-Identifier: MIT
/* The journal as text and as a file, whole, damaged, and wanted by many. */
#include <gtest/gtest.h>

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "nic_fake.h"

namespace
{

const char *const text = "devrx-journal 1\n"
			 "nic 7 eth0 devrx_softnic\n"
			 "owner 163 3 852 4026531836 1795834469\n"
			 "owner 0 2 1 18446744073709551615 0\n"
			 "step made 3 channels 1 2 4\n"
			 "step made 3 feature 1 0 1\n"
			 "step made 3 rings 0 2 4294967295 4294967295\n"
			 "step made 3 rss 4 2 0 1 2 0 1 0\n"
			 "step planned 3 rss 2 0 0 0\n"
			 "step made 3 rule 4 9000 0\n"
			 "step planned 3 rule 6 9000 4294967295\n"
			 "end\n";

int decode(const std::string &from, drx_journal *ret = nullptr)
{
	/* Of just that size, for the address sanitizer. */
	const std::vector<char> copy(from.begin(), from.end());
	drx_journal journal = {};
	const int err = drx_journal_decode(&journal, copy.data(), copy.size());

	if (err)
		return err;
	if (ret)
		*ret = journal;
	else
		drx_journal_free(&journal);
	return 0;
}

TEST(NicJournal, WhatIsWrittenIsRead)
{
	drx_journal journal = {};
	size_t len = 0;
	char *again;

	ASSERT_EQ(decode(text, &journal), 0);
	EXPECT_EQ(journal.nr_owners, 2u);
	EXPECT_EQ(journal.nr_steps, 7u);
	EXPECT_EQ(journal.owners[1].pidns, UINT64_MAX);
	EXPECT_EQ(journal.steps[5].rule.queue, 3u);
	EXPECT_TRUE(journal.steps[5].done);
	EXPECT_FALSE(journal.steps[6].done);
	EXPECT_EQ(journal.steps[3].rss.after[4], 1u);
	again = drx_journal_encode(&journal, &len);
	ASSERT_NE(again, nullptr);
	EXPECT_EQ(std::string(again, len), text);
	free(again);
	drx_journal_free(&journal);
}

TEST(NicJournal, CutOffAnywhere)
{
	const std::string whole = text;

	for (size_t len = 0; len < whole.size(); len++)
		EXPECT_EQ(decode(whole.substr(0, len)), -EBADMSG) << len;
	EXPECT_EQ(decode(whole + "x"), -EBADMSG);
	EXPECT_EQ(decode(whole + "\n"), -EBADMSG);
	EXPECT_EQ(decode(std::string(100, '\0')), -EBADMSG);
}

TEST(NicJournal, Nonsense)
{
	const std::string head = "devrx-journal 1\nnic 7 eth0 x\n";
	const char *const bad[] = {
		"devrx-journal 2\nnic 7 eth0 x\nend\n",
		"devrx-journal 1\nend\n",
		"devrx-journal 1\nowner 1 1 1 1 1\nend\n",
		"devrx-journal 1\nnic 0 eth0 x\nend\n",
		"devrx-journal 1\nnic 7 eth0\nend\n",
		"devrx-journal 1\nnic 7 0123456789abcdef x\nend\n",
		"devrx-journal 1\nnic 7 eth0 x y\nend\n",
	};
	const char *const bad_lines[] = {
		"nic 8 eth1 x",
		"owner 1 1 1 1",
		"owner 1 1 1 1 1 1",
		"owner 4294967296 1 1 1 1",
		"owner 1 1 18446744073709551616 1 1",
		"owner -1 1 1 1 1",
		"owner  1 1 1 1",
		"step 3 rule 4 9000 0",
		"step made 3 rule 5 9000 0",
		"step made 3 rule 4 65536 0",
		"step made 3 rule 4 9000 0 0",
		"step made 3 channels 2 1 1",
		"step made 3 feature 2 0 1",
		"step made 3 rings 256 2 0 0",
		"step made 3 rss 0 2 0 0",
		"step made 3 rss 4 0 0 0 0",
		"step made 3 rss 4097 0",
		"step made 3 rss 1 0 1024",
		"step made 3 rss 4294967295 4294967295",
		"step made 3 nonsense",
		"step made 3",
		"",
	};

	for (const char *one : bad)
		EXPECT_EQ(decode(one), -EBADMSG) << one;
	for (const char *line : bad_lines)
		EXPECT_EQ(decode(head + line + "\nend\n"), -EBADMSG) << line;
	EXPECT_EQ(decode(head + "end\n"), 0);
}

TEST(NicJournal, TooManyOwners)
{
	std::string many = "devrx-journal 1\nnic 7 eth0 x\n";

	for (int i = 0; i < DRX_OWNERS_MAX; i++)
		many += "owner 1 1 1 1 1\n";
	EXPECT_EQ(decode(many + "end\n"), 0);
	EXPECT_EQ(decode(many + "owner 1 1 1 1 1\nend\n"), -EBADMSG);
}

class NicJournalFile : public testing::Test
{
      protected:
	void SetUp() override
	{
		/* fsync() on a disk would take most of the time. */
		char name[] = "/dev/shm/nic-journal-XXXXXX";

		ASSERT_NE(mkdtemp(name), nullptr);
		dir = name;
	}

	void TearDown() override
	{
		EXPECT_EQ(rmdir(dir.c_str()), 0) << "something is left";
	}

	std::string dir;
};

/* Each adds one to what it found: without a lock, or with one that is not the
 * others', some would be lost. The last one to leave removes file and lock. */
TEST_F(NicJournalFile, OneAtATime)
{
	std::vector<std::thread> threads;

	for (int t = 0; t < 4; t++)
		threads.emplace_back([&] {
			for (int i = 0; i < 50; i++) {
				drx_journal_file file = {};
				drx_journal journal = {};

				ASSERT_EQ(drx_journal_open(&file, dir.c_str(),
							   1, 7, true),
					  0);
				ASSERT_EQ(drx_journal_load(&file, &journal), 0);
				/* Gone at every 16th, and begun anew. */
				journal.ifindex = 7;
				snprintf(journal.ifname, sizeof(journal.ifname),
					 "eth0");
				journal.owners[0].since++;
				journal.nr_owners =
					journal.owners[0].since % 16 != 0;
				ASSERT_EQ(drx_journal_save(&file, &journal), 0);
				drx_journal_free(&journal);
				drx_journal_close(&file);
			}
		});
	for (std::thread &thread : threads)
		thread.join();

	drx_journal_file file = {};
	drx_journal journal = {};
	ASSERT_EQ(drx_journal_open(&file, dir.c_str(), 1, 7, false), 0);
	ASSERT_EQ(drx_journal_load(&file, &journal), 0);
	EXPECT_EQ(journal.owners[0].since, 200u % 16);
	journal.nr_owners = 0;
	EXPECT_EQ(drx_journal_save(&file, &journal), 0);
	drx_journal_close(&file);
}

TEST_F(NicJournalFile, ListsItsNamespaceOnly)
{
	drx_journal journal = {};
	uint32_t nics[4] = {};

	journal.nr_owners = 1;
	journal.ifindex = 7;
	snprintf(journal.ifname, sizeof(journal.ifname), "eth0");
	for (uint64_t ns : { 1, 2 }) {
		drx_journal_file file = {};

		ASSERT_EQ(drx_journal_open(&file, dir.c_str(), ns, 7, true), 0);
		EXPECT_EQ(drx_journal_save(&file, &journal), 0);
		drx_journal_close(&file);
	}
	EXPECT_EQ(drx_journal_list(dir.c_str(), 1, nics, 4), 1);
	EXPECT_EQ(nics[0], 7u);
	EXPECT_EQ(drx_journal_list(dir.c_str(), 3, nics, 4), 0);
	journal.nr_owners = 0;
	for (uint64_t ns : { 1, 2 }) {
		drx_journal_file file = {};

		ASSERT_EQ(drx_journal_open(&file, dir.c_str(), ns, 7, false),
			  0);
		EXPECT_EQ(drx_journal_save(&file, &journal), 0);
		drx_journal_close(&file);
	}
}

TEST_F(NicJournalFile, NoDirectory)
{
	drx_journal_file file = {};
	uint32_t nics[1];

	EXPECT_EQ(drx_journal_open(&file, (dir + "/none").c_str(), 1, 7, false),
		  -ENOENT);
	EXPECT_EQ(drx_journal_open(&file, (dir + "/a/b").c_str(), 1, 7, true),
		  -ENOENT);
	EXPECT_EQ(drx_journal_list((dir + "/none").c_str(), 1, nics, 1), 0);
	/* Not one of ours. */
	drx_journal journal = {};
	ASSERT_EQ(drx_journal_open(&file, dir.c_str(), 1, 7, true), 0);
	const std::string path = dir + "/1-7";
	const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "hello\n", 6), 6);
	(void)close(fd);
	EXPECT_EQ(drx_journal_load(&file, &journal), -EBADMSG);
	EXPECT_EQ(unlink(path.c_str()), 0);
	drx_journal_close(&file);
}

/* A death before the rename leaves a file, one before that the lock. */
TEST_F(NicJournalFile, WhatADeathLeft)
{
	drx_journal_file file = {};

	for (const char *name : { "/1-7.new", "/1-7.lock" }) {
		const int fd = open((dir + name).c_str(),
				    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		ASSERT_GE(fd, 0);
		(void)close(fd);
	}
	ASSERT_EQ(drx_journal_open(&file, dir.c_str(), 1, 7, false), 0);
	drx_journal_close(&file);
}

TEST(NicOwner, WhoLives)
{
	drx_owner me = {}, other;

	ASSERT_EQ(drx_owner_self(&me, 3), 0);
	EXPECT_EQ(me.pid, uint32_t(getpid()));
	EXPECT_TRUE(drx_owner_lives(&me));
	/* Its number was given to another. */
	other = me;
	other.start++;
	EXPECT_FALSE(drx_owner_lives(&other));
	/* In a namespace that cannot be seen from here. */
	other.pidns++;
	EXPECT_TRUE(drx_owner_lives(&other));
	/* Kept. */
	other = me;
	other.pid = 0;
	other.start = 0;
	EXPECT_TRUE(drx_owner_lives(&other));
	/* A zombie holds nothing any more. */
	const pid_t pid = fork();
	if (!pid)
		_exit(0);
	siginfo_t info;
	ASSERT_EQ(waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT), 0);
	FILE *stat =
		fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
	ASSERT_NE(stat, nullptr);
	unsigned long long start = 0;
	EXPECT_EQ(fscanf(stat,
			 "%*d (%*[^)]) %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			 "%*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			 &start),
		  1);
	(void)fclose(stat);
	other = me;
	other.pid = uint32_t(pid);
	other.start = start;
	EXPECT_FALSE(drx_owner_lives(&other));
	ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
	EXPECT_FALSE(drx_owner_lives(&other));
}

} /* namespace */
