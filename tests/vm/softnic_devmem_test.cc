// SPDX-License-Identifier: MIT
/* devmem TCP sends from a dmabuf through the softnic. */
#include "support_softnic.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include <libmnl/libmnl.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

extern "C" {
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
}

using namespace softnic;

namespace
{

/* Of Linux 7.3's include/uapi/linux/netdev.h and asm-generic/socket.h. */
enum {
	CMD_BIND_TX = 15,
	A_DMABUF_IFINDEX = 1,
	A_DMABUF_FD = 3,
	A_DMABUF_ID = 4,
	CMSG_DEVMEM_DMABUF = 79,
};

int get_id(const void *msg, size_t len, void *arg)
{
	const struct nlattr *tb[8] = {};
	const int err = drx_nl_attrs_after(msg, len, 4, tb, 7);

	return err ? err :
		     drx_nl_get_u32(tb[A_DMABUF_ID],
				    static_cast<uint32_t *>(arg));
}

ssize_t send_from_dmabuf(int fd, uint32_t id, uint64_t offset, size_t len)
{
	struct iovec iov = { reinterpret_cast<void *>(offset), len };
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(id))] = {};
	struct msghdr msg = {};
	struct cmsghdr *cmsg;

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = CMSG_DEVMEM_DMABUF;
	cmsg->cmsg_len = CMSG_LEN(sizeof(id));
	memcpy(CMSG_DATA(cmsg), &id, sizeof(id));
	return TEMP_FAILURE_RETRY(
		sendmsg(fd, &msg, MSG_ZEROCOPY | MSG_NOSIGNAL));
}

using SoftnicDevmem = OnPair;

TEST_F(SoftnicDevmem, SendsADmabufByteForByte)
{
	struct devrx_memory_opts mo = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_memory_info info = {};
	struct devrx_memory *memory = nullptr;
	const size_t len = 2 << 20;
	uint32_t id = 0;
	const int one = 1;

	mo.kind = "udmabuf";
	mo.len = len;
	ASSERT_EQ(devrx_memory_alloc(&memory, &mo), 0);
	info.size = sizeof(info);
	ASSERT_EQ(devrx_memory_info(memory, &info), 0);
	std::vector<unsigned char> bytes(len);
	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern(i);
	ASSERT_EQ(devrx_memory_write(memory, 0, bytes.data(), len), 0);

	Connection c;
	ASSERT_GE(c.receiver, 0);
	ASSERT_EQ(setsockopt(c.sender, SOL_SOCKET, SO_ZEROCOPY, &one,
			     sizeof(one)),
		  0);

	const Inside sna("sna");
	struct drx_nl nl;
	uint16_t family;
	ASSERT_EQ(drx_nl_open(&nl, NETLINK_GENERIC), 0);
	ASSERT_EQ(drx_nl_family(&nl, DRX_NETDEV_FAMILY, &family), 0);
	struct nlmsghdr *req =
		drx_nl_begin_genl(&nl, family, CMD_BIND_TX, 1, 0);
	mnl_attr_put_u32(req, A_DMABUF_IFINDEX, if_nametoindex("sna"));
	mnl_attr_put_u32(req, A_DMABUF_FD,
			 static_cast<uint32_t>(info.dmabuf_fd));
	ASSERT_EQ(drx_nl_ask(&nl, req, get_id, &id), 0) << nl.extack;

	/* Odd sizes, so that pieces begin anywhere in a page. */
	std::string trouble;
	std::thread sender([&] {
		for (size_t at = 0; at < len && trouble.empty();) {
			const size_t n = std::min<size_t>(100003, len - at);
			const ssize_t r = send_from_dmabuf(c.sender, id, at, n);

			if (r <= 0)
				trouble = strerror(errno);
			else
				at += static_cast<size_t>(r);
		}
	});
	size_t at = 0;
	while (at < len) {
		const ssize_t n = TEMP_FAILURE_RETRY(
			recv(c.receiver, bytes.data() + at, len - at, 0));

		if (n <= 0)
			break;
		at += static_cast<size_t>(n);
	}
	if (at < len)
		shutdown(c.sender, SHUT_RDWR);
	sender.join();
	EXPECT_EQ(trouble, "");
	ASSERT_EQ(at, len);
	for (size_t i = 0; i < len; i++)
		ASSERT_EQ(bytes[i], pattern(i)) << i;
	EXPECT_GE(counted("rx_q3_paged_bytes"), len);

	drx_nl_close(&nl);
	EXPECT_EQ(devrx_memory_free(memory), 0);
}

} // namespace
