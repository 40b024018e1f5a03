// SPDX-License-Identifier: MIT
/* A netkit device leases a queue of the softnic, and a dmabuf bound there gets
 * what the softnic receives.
 */
#include "support_softnic.h"

#include <libmnl/libmnl.h>
#include <net/if.h>

extern "C" {
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
}

using namespace softnic;

namespace
{

/* Of Linux 7.3's include/uapi/linux/netdev.h. */
enum {
	CMD_BIND_RX = 13,
	CMD_QUEUE_CREATE = 16,
	A_DMABUF_IFINDEX = 1,
	A_DMABUF_QUEUES = 2,
	A_DMABUF_FD = 3,
	A_QUEUE_ID = 1,
	A_QUEUE_IFINDEX = 2,
	A_QUEUE_TYPE = 3,
	A_QUEUE_LEASE = 8,
	A_LEASE_IFINDEX = 1,
	A_LEASE_QUEUE = 2,
};

void put_queue(struct nlmsghdr *req, uint16_t attr, uint32_t id)
{
	struct nlattr *nest = mnl_attr_nest_start(req, attr);

	mnl_attr_put_u32(req, A_QUEUE_ID, id);
	mnl_attr_put_u32(req, A_QUEUE_TYPE, 0);
	mnl_attr_nest_end(req, nest);
}

int get_queue(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[A_QUEUE_LEASE + 1] = {};
	const int err = drx_nl_attrs_after(msg, len, 4, tb, A_QUEUE_LEASE);

	return err ? err :
		     drx_nl_get_u32(tb[A_QUEUE_ID],
				    static_cast<uint32_t *>(arg));
}

/* The softnic's queue 3 becomes one of @dev's. Return: 0 or negative errno. */
int lease(struct drx_nl *nl, uint16_t family, const char *dev, uint32_t *id)
{
	struct nlmsghdr *req =
		drx_nl_begin_genl(nl, family, CMD_QUEUE_CREATE, 1, 0);

	mnl_attr_put_u32(req, A_QUEUE_IFINDEX, if_nametoindex(dev));
	mnl_attr_put_u32(req, A_QUEUE_TYPE, 0);
	struct nlattr *nest = mnl_attr_nest_start(req, A_QUEUE_LEASE);
	mnl_attr_put_u32(req, A_LEASE_IFINDEX, if_nametoindex("snb"));
	put_queue(req, A_LEASE_QUEUE, QUEUE);
	mnl_attr_nest_end(req, nest);
	return drx_nl_ask(nl, req, get_queue, id);
}

int bind_rx(struct drx_nl *nl, uint16_t family, const char *dev, uint32_t id,
	    int dmabuf)
{
	struct nlmsghdr *req = drx_nl_begin_genl(nl, family, CMD_BIND_RX, 1, 0);

	mnl_attr_put_u32(req, A_DMABUF_IFINDEX, if_nametoindex(dev));
	mnl_attr_put_u32(req, A_DMABUF_FD, static_cast<uint32_t>(dmabuf));
	put_queue(req, A_DMABUF_QUEUES, id);
	return drx_nl_ask(nl, req, nullptr, nullptr);
}

using SoftnicLease = OnPair;

TEST_F(SoftnicLease, ADmabufBoundThroughNetkitGetsThePayload)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory_info info = {};
	struct devrx_memory *memory = nullptr;
	struct drx_nl nl;
	uint16_t family;
	uint32_t id = 0;

	if (sh("/usr/sbin/ip -n snb link add nk0 type netkit peer "
	       "name nk1 numrxqueues 2"))
		GTEST_SKIP() << "iproute2 or the kernel knows no netkit";
	mo.kind = "udmabuf";
	mo.len = 4 << 20;
	ASSERT_EQ(devrx_memory_alloc(&memory, &mo), 0);
	info.size = sizeof(info);
	ASSERT_EQ(devrx_memory_info(memory, &info), 0);
	{
		const Inside snb("snb");

		ASSERT_EQ(drx_nl_open(&nl, NETLINK_GENERIC), 0);
		ASSERT_EQ(drx_nl_family(&nl, DRX_NETDEV_FAMILY, &family), 0);
		EXPECT_EQ(lease(&nl, family, "nk1", &id), 0) << nl.extack;
		EXPECT_EQ(id, 1u);
		EXPECT_EQ(bind_rx(&nl, family, "nk1", id, info.dmabuf_fd), 0)
			<< nl.extack;
	}
	inject(10, 1000);
	EXPECT_TRUE(comes_to("placed_bytes", 10000));

	drx_nl_close(&nl);
	EXPECT_EQ(sh("/usr/sbin/ip -n snb link del nk0"), 0);
	EXPECT_EQ(devrx_memory_free(memory), 0);
	EXPECT_TRUE(pair->inject(500));
	EXPECT_TRUE(comes_to("paged_bytes", 500)) << "not given back";
}

/* A container: a namespace that has the netkit and not the NIC. What arrives for it at
 * the NIC is routed there, and its payload lies in the container's memory already.
 */
TEST_F(SoftnicLease, TheCommandInAContainer)
{
	const std::string ip = "/usr/sbin/ip ";
	const std::string out = "/tmp/devrx-box";
	struct drx_nl nl;
	uint16_t family;
	uint32_t id = 0;

	if (sh(ip + "-n snb link add nk0 type netkit peer name nk1 "
		    "numrxqueues 2"))
		GTEST_SKIP() << "iproute2 or the kernel knows no netkit";
	{
		const Inside snb("snb");

		ASSERT_EQ(drx_nl_open(&nl, NETLINK_GENERIC), 0);
		ASSERT_EQ(drx_nl_family(&nl, DRX_NETDEV_FAMILY, &family), 0);
		ASSERT_EQ(lease(&nl, family, "nk1", &id), 0) << nl.extack;
		drx_nl_close(&nl);
	}
	ASSERT_EQ(sh(ip + "netns add box && " + ip +
		     "-n snb link set nk1 netns box && " + ip +
		     "-n snb addr add 10.90.0.1/24 dev nk0 && " + ip +
		     "-n snb link set nk0 up && " + ip +
		     "-n box addr add 10.90.0.2/24 dev nk1 && " + ip +
		     "-n box link set nk1 up && " + ip +
		     "-n box link set lo up && " + ip +
		     "-n box route add default via 10.90.0.1 && " + ip +
		     "-n sna route add 10.90.0.0/24 via 10.78.0.2"),
		  0);
	ASSERT_EQ(sh("sysctl -qw net.ipv4.ip_forward=1", "snb"), 0);
	sh("{ " + ip +
	   "netns exec box devrx recv --nic nk1 --queue 1 "
	   "--verify 7 --json >" +
	   out + " 2>&1; echo \"exit $?\" >>" + out + "; } & true");
	EXPECT_TRUE(wait_for([&] {
		return output_of("cat " + out).find("ready on") !=
		       std::string::npos;
	})) << output_of("cat " + out);
	EXPECT_EQ(sh("devrx send 10.90.0.2:9000 --pattern 7 --bytes 4M", "sna"),
		  0);
	EXPECT_TRUE(wait_for([&] {
		return output_of("cat " + out).find("exit ") !=
		       std::string::npos;
	}));
	const std::string said = output_of("cat " + out);
	for (const char *want :
	     { "exit 0", "\"verified\": true", "\"tier\": \"zcrx-device\"",
	       "\"bytes_zero_copy\": 4194304" })
		EXPECT_NE(said.find(want), std::string::npos) << said;
	EXPECT_EQ(sh(ip + "-n sna route del 10.90.0.0/24; " + ip +
		     "-n snb link del nk0; " + ip + "netns del box; rm " + out),
		  0);
}

} // namespace
