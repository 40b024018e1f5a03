// SPDX-License-Identifier: MIT
/*
 * devrx_queue_*() against the kernel of this machine: NICs that zero-copy
 * receive cannot use, in a network namespace of their own where allowed. The
 * NIC that it can use is the software one, in the VM.
 */
#include <gtest/gtest.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <devrx/queue.h>

extern "C" {
#include "nic/look.h"
#include "nic/netlink.h"
#include "nic/nic.h"
}

namespace
{

struct devrx_queue *const UNTOUCHED = reinterpret_cast<struct devrx_queue *>(8);

struct Reserve {
	explicit Reserve(const char *ifname)
	{
		opts.ifname = ifname;
		opts.cause = &cause;
	}

	int operator()()
	{
		return devrx_queue_reserve(&q, &opts);
	}

	struct devrx_queue_opts opts = DEVRX_QUEUE_OPTS_INIT;
	struct devrx_cause cause = {};
	struct devrx_queue *q = UNTOUCHED;
};

/* Options. */

TEST(NicReserve, RefusesNullArguments)
{
	Reserve r("lo");

	EXPECT_EQ(devrx_queue_reserve(nullptr, &r.opts), -EINVAL);
	EXPECT_EQ(devrx_queue_reserve(&r.q, nullptr), -EINVAL);
	EXPECT_EQ(r.q, UNTOUCHED);
}

TEST(NicReserve, RefusesASizeTooSmall)
{
	Reserve r("lo");

	r.opts.size = offsetof(struct devrx_queue_opts, ports) - 1;
	EXPECT_EQ(r(), -EINVAL);
	EXPECT_EQ(r.q, UNTOUCHED);
	EXPECT_STREQ(r.cause.id, "") << "not ours to write through";
}

TEST(NicReserve, RefusesWhatANewerCallerAsks)
{
	struct {
		struct devrx_queue_opts opts;
		uint64_t newer;
	} big = { DEVRX_QUEUE_OPTS_INIT, 1 };
	struct devrx_cause cause = {};
	struct devrx_queue *q = UNTOUCHED;

	big.opts.size = sizeof(big);
	big.opts.ifname = "lo";
	big.opts.cause = &cause;
	EXPECT_EQ(devrx_queue_reserve(&q, &big.opts), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	big.newer = 0;
	EXPECT_EQ(devrx_queue_reserve(&q, &big.opts), -EOPNOTSUPP);
	EXPECT_EQ(q, UNTOUCHED);
}

TEST(NicReserve, RefusesUnknownFlags)
{
	Reserve r("lo");

	r.opts.flags = DEVRX_QUEUE_F_NO_GUARD << 1;
	EXPECT_EQ(r(), -EINVAL);
	EXPECT_STREQ(r.cause.id, "opts-invalid");
	EXPECT_EQ(r.q, UNTOUCHED);
}

TEST(NicReserve, RefusesNoName)
{
	for (const char *name : { static_cast<const char *>(nullptr), "" }) {
		Reserve r(name);

		EXPECT_EQ(r(), -EINVAL);
		EXPECT_STREQ(r.cause.id, "opts-invalid");
		EXPECT_STRNE(r.cause.next, "");
	}
}

TEST(NicReserve, NamesTheMissingNic)
{
	const std::string names[] = {
		"devrx-none",
		"devrx-longer-than-a-name-may-be",
		std::string(127, 'x'),
		std::string(128, 'x'),
		std::string(100000, 'x'),
		"lo ",
		"../lo",
		"\xff\xfe",
	};

	for (const std::string &name : names) {
		Reserve r(name.c_str());

		EXPECT_EQ(r(), -ENODEV) << name.substr(0, 40);
		EXPECT_STREQ(r.cause.id, "nic-missing");
		EXPECT_STREQ(r.cause.next, "ip -brief link");
		EXPECT_EQ(r.q, UNTOUCHED);
	}
}

TEST(NicReserve, SaysThatLoopbackCannot)
{
	for (uint32_t index : { 0u, 99u, DEVRX_QUEUE_LAST }) {
		Reserve r("lo");

		r.opts.index = index;
		EXPECT_EQ(r(), -EOPNOTSUPP);
		EXPECT_STREQ(r.cause.id, "nic-unsupported");
		EXPECT_NE(strstr(r.cause.text, "loopback"), nullptr)
			<< r.cause.text;
		EXPECT_EQ(r.q, UNTOUCHED);
	}
}

TEST(NicReserve, NeedsNoCause)
{
	Reserve r("lo");

	r.opts.cause = nullptr;
	EXPECT_EQ(r(), -EOPNOTSUPP);
	r.opts.ifname = "devrx-none";
	EXPECT_EQ(r(), -ENODEV);
}

/* The object, on lo or on nothing. */

TEST(NicQueue, BoundOnceAndNotRestoredMeanwhile)
{
	struct devrx_queue *q = drx_queue_new(1, 0);
	struct devrx_cause cause = {};

	ASSERT_NE(q, nullptr);
	EXPECT_EQ(drx_queue_bind(q, &cause), 0);
	EXPECT_STREQ(cause.id, "");
	EXPECT_EQ(drx_queue_bind(q, &cause), -EBUSY);
	EXPECT_STREQ(cause.id, "queue-bound");
	EXPECT_EQ(drx_queue_bind(q, nullptr), -EBUSY);
	EXPECT_EQ(devrx_queue_restore(q), -EBUSY);
	drx_queue_unbind(q);
	EXPECT_EQ(drx_queue_bind(q, nullptr), 0);
	drx_queue_unbind(q);
	EXPECT_EQ(devrx_queue_restore(q), 0);
}

TEST(NicQueue, RestoreTakesNull)
{
	EXPECT_EQ(devrx_queue_restore(nullptr), 0);
}

TEST(NicQueue, InfoReadsTheNicAnew)
{
	struct devrx_queue_info info = {};
	struct devrx_queue *q = drx_queue_new(if_nametoindex("lo"), 0);

	ASSERT_NE(q, nullptr);
	info.size = sizeof(info);
	EXPECT_EQ(devrx_queue_info(q, &info), 0);
	EXPECT_STREQ(info.ifname, "lo");
	EXPECT_STREQ(info.driver, "loopback");
	EXPECT_EQ(info.ifindex, if_nametoindex("lo"));
	EXPECT_EQ(info.index, 0u);
	EXPECT_EQ(info.data_split, DEVRX_DATA_SPLIT_UNKNOWN);
	EXPECT_EQ(info.hds_thresh, UINT32_MAX);
	EXPECT_EQ(info.xdp, 0u);
	EXPECT_EQ(info.size, sizeof(info));
	EXPECT_EQ(devrx_queue_restore(q), 0);
}

TEST(NicQueue, InfoRespectsTheCallersSize)
{
	struct {
		struct devrx_queue_info info;
		uint64_t newer;
	} big = {};
	struct devrx_queue *q = drx_queue_new(if_nametoindex("lo"), 0);

	ASSERT_NE(q, nullptr);
	big.newer = 99;
	big.info.size = sizeof(big.info) - 1;
	EXPECT_EQ(devrx_queue_info(q, &big.info), -EINVAL);
	EXPECT_EQ(big.info.ifindex, 0u) << "untouched on error";
	big.info.size = sizeof(big);
	EXPECT_EQ(devrx_queue_info(q, &big.info), 0);
	EXPECT_EQ(big.newer, 99u);
	EXPECT_EQ(devrx_queue_info(q, nullptr), -EINVAL);
	EXPECT_EQ(devrx_queue_info(nullptr, &big.info), -EINVAL);
	EXPECT_EQ(devrx_queue_restore(q), 0);
}

TEST(NicQueue, AVanishedNicIsMissing)
{
	struct devrx_queue_info info = {};
	struct devrx_queue *q = drx_queue_new(INT_MAX, 0);
	struct devrx_cause cause = {};

	ASSERT_NE(q, nullptr);
	info.size = sizeof(info);
	EXPECT_EQ(devrx_queue_info(q, &info), -ENODEV);
	EXPECT_EQ(drx_queue_check(q, false, &cause), -ENODEV);
	EXPECT_STREQ(cause.id, "nic-missing");
	EXPECT_EQ(devrx_queue_restore(q), 0);
}

TEST(NicQueue, CheckSaysWhatReserveWouldSay)
{
	struct devrx_queue *q = drx_queue_new(if_nametoindex("lo"), 0);
	struct devrx_cause cause = {};

	ASSERT_NE(q, nullptr);
	EXPECT_EQ(drx_queue_check(q, false, &cause), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "nic-unsupported");
	EXPECT_EQ(drx_queue_check(q, true, &cause), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "nic-not-pci") << "no command mends it";
	EXPECT_EQ(devrx_queue_restore(q), 0);
}

/* A veth pair in a network namespace of its own. */

const int SKIP = 77;

/*
 * Run @body in a child with its own network namespace: its failures are
 * printed there and counted here. It may return a reason to skip.
 */
void in_own_netns(const std::function<std::string()> &body)
{
	int fds[2];
	char why[160] = "";
	int status = 0;

	ASSERT_EQ(pipe(fds), 0);
	pid_t pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		std::string reason = "a network namespace of its own: ";

		alarm(30);
		if (unshare(CLONE_NEWNET) &&
		    unshare(CLONE_NEWUSER | CLONE_NEWNET))
			reason += strerror(errno);
		else
			reason = body();
		if (!reason.empty() &&
		    write(fds[1], reason.c_str(), reason.size()) < 0)
			_exit(1);
		fflush(nullptr);
		if (testing::Test::HasFailure())
			_exit(1);
		_exit(reason.empty() ? 0 : SKIP);
	}
	close(fds[1]);
	if (read(fds[0], why, sizeof(why) - 1) < 0)
		why[0] = '\0';
	close(fds[0]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
	if (WEXITSTATUS(status) == SKIP)
		GTEST_SKIP() << why;
	ASSERT_EQ(WEXITSTATUS(status), 0) << "the failures are printed above";
}

int change_link(const std::function<void(struct nlmsghdr *)> &fill,
		uint16_t type, uint16_t flags, const char *ifname, bool up)
{
	auto nl = std::make_unique<struct drx_nl>();
	int ret = drx_nl_open(nl.get(), NETLINK_ROUTE);

	if (ret)
		return ret;
	struct nlmsghdr *nlh =
		drx_nl_begin(nl.get(), type, flags, sizeof(struct ifinfomsg));
	auto *info =
		static_cast<struct ifinfomsg *>(mnl_nlmsg_get_payload(nlh));
	if (up)
		info->ifi_flags = info->ifi_change = IFF_UP;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, ifname);
	fill(nlh);
	ret = drx_nl_ask(nl.get(), nlh, nullptr, nullptr);
	drx_nl_close(nl.get());
	return ret;
}

/* A pair "vethA", "vethB" with @queues rx queues; "" or why not. */
std::string add_veth(uint32_t queues)
{
	int ret = change_link(
		[queues](struct nlmsghdr *nlh) {
			mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, queues);
			mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, queues);
			struct nlattr *info =
				mnl_attr_nest_start(nlh, IFLA_LINKINFO);
			mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
			struct nlattr *data =
				mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
			struct nlattr *peer =
				mnl_attr_nest_start(nlh, VETH_INFO_PEER);
			(void)mnl_nlmsg_put_extra_header(
				nlh, sizeof(struct ifinfomsg));
			mnl_attr_put_strz(nlh, IFLA_IFNAME, "vethB");
			mnl_attr_nest_end(nlh, peer);
			mnl_attr_nest_end(nlh, data);
			mnl_attr_nest_end(nlh, info);
		},
		RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "vethA", false);

	if (ret)
		return std::string("veth (CONFIG_VETH): ") + strerror(-ret);
	return "";
}

int set_up(const char *ifname)
{
	return change_link([](struct nlmsghdr *) {}, RTM_NEWLINK, 0, ifname,
			   true);
}

TEST(NicVeth, IsNamedAsUnsupported)
{
	in_own_netns([]() -> std::string {
		std::string why = add_veth(4);

		if (!why.empty())
			return why;
		Reserve r("vethA");
		EXPECT_EQ(r(), -EOPNOTSUPP);
		EXPECT_STREQ(r.cause.id, "nic-unsupported");
		EXPECT_NE(strstr(r.cause.text, "driver veth"), nullptr)
			<< r.cause.text;
		EXPECT_NE(strstr(r.cause.text, "vethA"), nullptr);
		EXPECT_EQ(r.q, UNTOUCHED);
		return "";
	});
}

TEST(NicVeth, IsSeenOnlyInItsNamespace)
{
	in_own_netns([]() -> std::string {
		std::string why = add_veth(1);

		if (!why.empty())
			return why;
		if (unshare(CLONE_NEWNET))
			return strerror(errno);
		Reserve r("vethA");
		EXPECT_EQ(r(), -ENODEV);
		EXPECT_STREQ(r.cause.id, "nic-missing");
		return "";
	});
}

TEST(NicVeth, QueuesAreCountedUpAndDown)
{
	in_own_netns([]() -> std::string {
		struct drx_look look = {};
		struct devrx_cause cause = {};
		std::string why = add_veth(4);

		if (!why.empty())
			return why;
		EXPECT_EQ(drx_look_read(&look, "vethA", 0, 1, &cause), 0)
			<< cause.text;
		EXPECT_FALSE(look.up);
		EXPECT_EQ(look.nr_queues, 4u) << "by its channels";
		EXPECT_EQ(look.user, DEVRX_QUEUE_USER_UNKNOWN);
		EXPECT_STREQ(look.driver, "veth");

		EXPECT_EQ(set_up("vethA"), 0);
		EXPECT_EQ(set_up("vethB"), 0);
		EXPECT_EQ(drx_look_read(&look, "vethA", 0, DEVRX_QUEUE_LAST,
					&cause),
			  0)
			<< cause.text;
		EXPECT_TRUE(look.up);
		EXPECT_EQ(look.nr_queues, 4u);
		EXPECT_EQ(look.index, 3u);

		/* The same facts on a NIC that can: out of range or not. */
		look.split_support = DRX_SPLIT_REPORTED;
		look.data_split = DEVRX_DATA_SPLIT_ON;
		EXPECT_EQ(drx_look_judge(&look, &cause), 0);
		EXPECT_EQ(drx_look_read(&look, "vethA", 0, 4, &cause), 0);
		look.split_support = DRX_SPLIT_REPORTED;
		look.data_split = DEVRX_DATA_SPLIT_ON;
		EXPECT_EQ(drx_look_judge(&look, &cause), -ERANGE);
		EXPECT_STREQ(cause.id, "queue-range");
		return "";
	});
}

TEST(NicVeth, IsFoundByItsAlternativeName)
{
	in_own_netns([]() -> std::string {
		const char *alt = "devrx-a-name-of-more-than-fifteen-letters";
		struct devrx_cause cause = {};
		struct drx_look look = {};
		std::string why = add_veth(1);

		if (!why.empty())
			return why;
		int ret = change_link(
			[alt](struct nlmsghdr *nlh) {
				struct nlattr *list = mnl_attr_nest_start(
					nlh, IFLA_PROP_LIST);
				mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, alt);
				mnl_attr_nest_end(nlh, list);
			},
			RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_APPEND, "vethA",
			false);
		EXPECT_EQ(ret, 0) << strerror(-ret);
		EXPECT_EQ(drx_look_read(&look, alt, 0, 0, &cause), 0)
			<< cause.text;
		EXPECT_STREQ(look.ifname, "vethA");
		return "";
	});
}

/* "return XDP_PASS", or a negative errno. */
int load_xdp()
{
	const struct bpf_insn insns[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr attr = {};

	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = reinterpret_cast<uintptr_t>(insns);
	attr.insn_cnt = 2;
	attr.license = reinterpret_cast<uintptr_t>("MIT");
	long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : static_cast<int>(fd);
}

TEST(NicVeth, AnAttachedXdpProgramIsRefused)
{
	in_own_netns([]() -> std::string {
		struct devrx_cause cause = {};
		struct drx_look look = {};
		std::string why = add_veth(1);

		if (!why.empty())
			return why;
		int prog = load_xdp();
		if (prog < 0)
			return std::string("bpf(BPF_PROG_LOAD): ") +
			       strerror(-prog);
		int ret = change_link(
			[prog](struct nlmsghdr *nlh) {
				struct nlattr *xdp =
					mnl_attr_nest_start(nlh, IFLA_XDP);
				mnl_attr_put_u32(nlh, IFLA_XDP_FD,
						 static_cast<uint32_t>(prog));
				mnl_attr_put_u32(nlh, IFLA_XDP_FLAGS,
						 XDP_FLAGS_SKB_MODE);
				mnl_attr_nest_end(nlh, xdp);
			},
			RTM_SETLINK, 0, "vethA", false);
		if (ret)
			return std::string("attaching XDP: ") + strerror(-ret);

		EXPECT_EQ(drx_look_read(&look, "vethA", 0, 0, &cause), 0)
			<< cause.text;
		EXPECT_EQ(look.xdp, XDP_ATTACHED_SKB);
		look.split_support = DRX_SPLIT_REPORTED;
		look.data_split = DEVRX_DATA_SPLIT_ON;
		EXPECT_EQ(drx_look_judge(&look, &cause), -EEXIST);
		EXPECT_STREQ(cause.id, "xdp-attached");
		EXPECT_STREQ(cause.next,
			     "ip link set dev vethA xdpgeneric off");
		return "";
	});
}

} // namespace
