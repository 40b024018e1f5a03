// SPDX-License-Identifier: MIT
#include "support_bare.h"

#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <net/if.h>

extern "C" {
#include "nic/setup.h"
}

namespace vm
{

using softnic::output_of;
using softnic::sh;

bool OnBarePair::made;

size_t journals()
{
	DIR *dir = opendir("/run/devrx");
	size_t nr = 0;

	while (struct dirent *entry = dir ? readdir(dir) : nullptr)
		nr += entry->d_name[0] != '.';
	if (dir)
		(void)closedir(dir);
	return nr;
}

size_t guards()
{
	DIR *dir = opendir("/proc");
	size_t nr = 0;

	while (struct dirent *entry = dir ? readdir(dir) : nullptr) {
		const std::string line = slurp(std::string("/proc/") +
					       entry->d_name + "/cmdline");

		nr += line.rfind(std::string("devrx\0guard", 11), 0) == 0;
	}
	if (dir)
		(void)closedir(dir);
	return nr;
}

void OnBarePair::SetUpTestSuite()
{
	const std::string ip = "/usr/sbin/ip ";

	sh(ip + "netns del barea; " + ip + "netns del bareb");
	made = !sh(ip + "netns add barea && " + ip + "netns add bareb && " +
		   ip + "link add ba netns barea type devrx_softnic && " + ip +
		   "-n barea link set bap netns bareb name bb && " + ip +
		   "-n barea addr add 10.79.0.1/24 dev ba && " + ip +
		   "-n bareb addr add 10.79.0.2/24 dev bb && " + ip +
		   "-n barea link set ba up && " + ip +
		   "-n bareb link set bb up && " + ip +
		   "-n bareb link set lo up");
}

void OnBarePair::TearDownTestSuite()
{
	sh("/usr/sbin/ip -n barea link del ba");
	sh("/usr/sbin/ip netns del barea; /usr/sbin/ip netns del bareb");
}

void OnBarePair::SetUp()
{
	char name[] = "/tmp/bare-XXXXXX";

	ASSERT_TRUE(made);
	ASSERT_NE(mkdtemp(name), nullptr);
	dir = name;
	inside.reset(new softnic::Inside("bareb"));
	tool.reset(new Tool(dir));
	ASSERT_EQ(journals(), 0u);
	ASSERT_TRUE(poll_until(patience, [] {
		return output_of("cat /sys/class/net/bb/operstate", "bareb") ==
		       "up\n";
	}));
	before = dump();
}

void OnBarePair::TearDown()
{
	if (HasFailure())
		printf("--- standard error:\n%s---\n", tool->err().c_str());
	tool.reset();
	EXPECT_TRUE(poll_until(patience, [] { return !guards(); }));
	(void)devrx_queue_undo(nullptr, DEVRX_UNDO_F_KEPT, nullptr, nullptr,
			       nullptr);
	/* A link that was down comes up again by and by. */
	(void)poll_until(patience, [&] { return dump() == before; });
	EXPECT_EQ(dump(), before);
	EXPECT_EQ(journals(), 0u);
	inside.reset();
	(void)run({ "rm", "-r", dir });
}

std::string OnBarePair::dump()
{
	return output_of("for o in -l -g -k -x -n -c -a; do echo \"$o\"; "
			 "ethtool $o bb 2>&1; done; /usr/sbin/ip -d link show "
			 "bb") +
	       quick_dump();
}

std::string OnBarePair::quick_dump()
{
	drx_setup *setup = nullptr;
	std::string text;

	if (drx_setup_read(&setup, if_nametoindex("bb"), nullptr))
		return "not read";
	text = "split " + std::to_string(setup->split) + " thresh " +
	       std::to_string(setup->hds_thresh) + " channels " +
	       std::to_string(setup->channels.combined) + " ntuple " +
	       std::to_string(setup->feature[DRX_FEATURE_NTUPLE].on) +
	       " rules " + std::to_string(setup->nr_rules) + " rss";
	for (uint32_t i = 0; i < setup->nr_indir; i++)
		text += " " + std::to_string(setup->indir[i]);
	for (uint32_t i = 0; i < DRX_SETUP_QUEUES_MAX; i++)
		if (setup->used[i])
			text += " used " + std::to_string(i);
	drx_setup_free(setup);
	return text;
}

int OnBarePair::devrx(const std::string &args, std::string *out)
{
	const std::string text =
		output_of("devrx " + args + " 2>&1; echo \"exit $?\"");
	const size_t at = text.rfind("exit ");

	if (out)
		*out = text.substr(0, at);
	return at == std::string::npos ? -1 : atoi(&text[at + 5]);
}

int OnBarePair::send(unsigned port, const char *bytes)
{
	return sh("devrx send 10.79.0.2:" + std::to_string(port) +
			  " --pattern 7 --bytes " + bytes,
		  "barea");
}

} /* namespace vm */
