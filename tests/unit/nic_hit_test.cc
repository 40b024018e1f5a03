// SPDX-License-Identifier: MIT
/* devrx_queue_find(): the queues' NAPIs by messages made by hand, and sockets that
 * have none. That it finds a queue is the VM's to show. */
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <devrx/queue.h>

extern "C" {
#include "nic/hit.h"
#include "nic/netlink.h"
#include "nic/nic.h"
#include "nic/uapi_netdev.h"
}
#include "nic_messages.h"

using namespace nic;

namespace
{

int parse(const Payload &p, size_t n, struct drx_hit *hit)
{
	Exact exact(p.bytes, n);

	return drx_parse_hit(exact.get(), n, hit);
}

Payload queue(uint32_t id, uint32_t type, uint32_t napi, uint32_t ifindex = 7)
{
	return genl(DRX_NETDEV_CMD_QUEUE_GET)
		.u32(DRX_NETDEV_A_QUEUE_ID, id)
		.u32(DRX_NETDEV_A_QUEUE_TYPE, type)
		.u32(DRX_NETDEV_A_QUEUE_NAPI_ID, napi)
		.u32(DRX_NETDEV_A_QUEUE_IFINDEX, ifindex);
}

struct drx_hit asked()
{
	struct drx_hit hit = {};

	hit.ifindex = 7;
	hit.napi_id = 8200;
	return hit;
}

int feed(const Payload &p, struct drx_hit *hit)
{
	return parse(p, p.bytes.size(), hit);
}

TEST(NicHit, IsTheRxQueueOfThatNicWithThatNapi)
{
	struct drx_hit hit = asked();

	EXPECT_EQ(feed(queue(0, DRX_NETDEV_QUEUE_TYPE_RX, 8199), &hit), 0);
	EXPECT_EQ(feed(queue(1, DRX_NETDEV_QUEUE_TYPE_TX, 8200), &hit), 0);
	EXPECT_EQ(feed(queue(2, DRX_NETDEV_QUEUE_TYPE_RX, 8200, 8), &hit), 0);
	EXPECT_EQ(hit.nr, 0u);
	EXPECT_EQ(feed(queue(3, DRX_NETDEV_QUEUE_TYPE_RX, 8200), &hit), 0);
	EXPECT_EQ(feed(queue(4, DRX_NETDEV_QUEUE_TYPE_RX, 8201), &hit), 0);
	EXPECT_EQ(hit.nr, 1u);
	EXPECT_EQ(hit.index, 3u);
}

TEST(NicHit, QueuesThatShareANapiAreCounted)
{
	struct drx_hit hit = asked();
	struct devrx_cause cause = {};

	EXPECT_EQ(drx_hit_judge(&hit, &cause), 0);
	EXPECT_EQ(feed(queue(3, DRX_NETDEV_QUEUE_TYPE_RX, 8200), &hit), 0);
	EXPECT_EQ(drx_hit_judge(&hit, &cause), 0);
	EXPECT_EQ(feed(queue(5, DRX_NETDEV_QUEUE_TYPE_RX, 8200), &hit), 0);
	EXPECT_EQ(hit.nr, 2u);
	EXPECT_EQ(hit.index, 3u);
	EXPECT_STREQ(cause.id, "");
	EXPECT_EQ(drx_hit_judge(&hit, &cause), -EOPNOTSUPP);
	EXPECT_STREQ(cause.id, "napi-shared");
}

TEST(NicHit, AQueueWithoutNapiIsNone)
{
	struct drx_hit hit = asked();

	EXPECT_EQ(feed(genl(0).u32(DRX_NETDEV_A_QUEUE_ID, 3)
			       .u32(DRX_NETDEV_A_QUEUE_TYPE,
				    DRX_NETDEV_QUEUE_TYPE_RX)
			       .u32(DRX_NETDEV_A_QUEUE_IFINDEX, 7),
		       &hit),
		  0);
	EXPECT_EQ(hit.nr, 0u);
}

TEST(NicHit, OnlyWholeMessagesWithAnIdAreTaken)
{
	const Payload p = queue(3, DRX_NETDEV_QUEUE_TYPE_RX, 8200);
	struct drx_hit hit = asked();
	size_t taken = 0;

	for (size_t n = 0; n < p.bytes.size(); n++) {
		const int ret = parse(p, n, &hit);

		EXPECT_TRUE(!ret || ret == -EBADMSG);
		taken += !ret;
	}
	/* After the id, its type and its NAPI: but of which NIC? */
	EXPECT_EQ(taken, 3u);
	EXPECT_EQ(hit.nr, 0u);
	EXPECT_EQ(feed(genl(0).u32(DRX_NETDEV_A_QUEUE_IFINDEX, 7), &hit),
		  -EBADMSG);
	EXPECT_EQ(feed(genl(0).attr(DRX_NETDEV_A_QUEUE_ID, Bytes(3)), &hit),
		  -EBADMSG);
}

/* Sockets of this machine. */

class NicFind : public testing::Test
{
      protected:
	void SetUp() override
	{
		q = drx_queue_new(if_nametoindex("lo"), 0);
		ASSERT_NE(q, nullptr);
	}
	void TearDown() override
	{
		EXPECT_EQ(devrx_queue_restore(q), 0);
	}

	struct devrx_queue *q = nullptr;
	struct devrx_cause cause = {};
};

TEST_F(NicFind, WantsQueues)
{
	struct devrx_queue *const with_null[] = { q, nullptr };

	EXPECT_EQ(devrx_queue_find(nullptr, 1, 0, &cause), -EINVAL);
	EXPECT_STREQ(cause.id, "opts-invalid");
	EXPECT_EQ(devrx_queue_find(&q, 0, 0, nullptr), -EINVAL);
	EXPECT_EQ(devrx_queue_find(with_null, 2, 0, nullptr), -EINVAL);
}

TEST_F(NicFind, SaysWhatIsNoSocket)
{
	EXPECT_EQ(devrx_queue_find(&q, 1, -1, &cause), -EBADF);
	EXPECT_STREQ(cause.id, "os-error");
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	EXPECT_EQ(devrx_queue_find(&q, 1, fds[0], &cause), -ENOTSOCK);
	close(fds[0]);
	close(fds[1]);
}

TEST_F(NicFind, ALocalConnectionComesFromNoNic)
{
	struct sockaddr_in addr = {};
	socklen_t len = sizeof(addr);
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	const int client = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ASSERT_EQ(bind(listener, (struct sockaddr *)&addr, len), 0);
	ASSERT_EQ(listen(listener, 1), 0);
	ASSERT_EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	ASSERT_EQ(connect(client, (struct sockaddr *)&addr, len), 0);
	const int accepted = accept(listener, nullptr, nullptr);

	ASSERT_GE(accepted, 0);
	for (int fd : { listener, client, accepted }) {
		cause = {};
		const int ret = devrx_queue_find(&q, 1, fd, &cause);

		/* Kernels in a sandbox may lack the option. */
		if (ret == -EOPNOTSUPP) {
			EXPECT_STREQ(cause.id, "napi-unsupported");
			continue;
		}
		EXPECT_EQ(ret, -EAGAIN);
		EXPECT_STREQ(cause.id, "napi-unknown");
	}
	close(accepted);
	close(client);
	close(listener);
}

/* getsockopt(SO_INCOMING_NAPI_ID) as of a kernel that was built without. */
bool without_the_option()
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getsockopt, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_INCOMING_NAPI_ID, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

TEST_F(NicFind, AKernelWithoutTheOptionIsNamed)
{
	const int skip = 77;
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	const pid_t pid = fork();
	int status = 0;

	ASSERT_GE(pid, 0);
	if (!pid) {
		if (!without_the_option())
			_exit(skip);
		if (devrx_queue_find(&q, 1, fd, &cause) != -EOPNOTSUPP)
			_exit(1);
		_exit(strcmp(cause.id, "napi-unsupported") ? 2 : 0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	close(fd);
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == skip)
		GTEST_SKIP() << "no seccomp filter may be set here";
	EXPECT_EQ(WEXITSTATUS(status), 0);
}

} // namespace
