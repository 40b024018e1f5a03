// SPDX-License-Identifier: MIT
#include "provider.h"

#include <cerrno>
#include <cstring>

#include <libmnl/libmnl.h>
#include <net/if.h>

extern "C" {
#include "nic/netlink.h"
#include "nic/uapi_netdev.h"
}

namespace soak
{

constexpr uint64_t MEMORY_LEN = 4 * vm::MiB;

/* Of Linux 7.3's include/uapi/linux/netdev.h. */
enum {
	CMD_BIND_RX = 13,
	A_DMABUF_IFINDEX = 1,
	A_DMABUF_QUEUES = 2,
	A_DMABUF_FD = 3,
};

static void close_netlink(struct drx_nl *nl)
{
	drx_nl_close(nl);
	delete nl;
}

static vm::Outcome alloc(vm::Memory *ret, const char *kind)
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	devrx_memory *mem = nullptr;
	devrx_cause cause = {};
	int err;

	opts.kind = kind;
	opts.len = MEMORY_LEN;
	opts.cause = &cause;
	err = devrx_memory_alloc(&mem, &opts);
	if (!err)
		ret->reset(mem);
	return vm::outcome(err, cause);
}

Provider::Provider(const Netns &b, By by, const char *memory)
    : devmem_(nullptr, close_netlink)
{
	const Inside inside(b);
	vm::Outcome o = alloc(&memory_, memory);

	if (!o.err && by == By::Devmem) {
		bind_devmem();
		return;
	}
	if (!o.err)
		o = vm::reserve(&queue_, NIC, QUEUE);
	if (!o.err)
		o = vm::open_receiver(&receiver_, memory_, queue_);
	if (o.err)
		error = std::string(o.id) + ": " + o.text;
	else
		view_.reset(new vm::View(memory_));
}

/* For as long as the socket is open. */
void Provider::bind_devmem()
{
	auto *nl = new struct drx_nl;
	struct nlmsghdr *req;
	struct nlattr *queue;
	uint16_t family;
	int err;

	if (drx_nl_open(nl, NETLINK_GENERIC))
		abort();
	devmem_.reset(nl);
	if (drx_nl_family(nl, DRX_NETDEV_FAMILY, &family))
		abort();
	/* The ring that had the queue before ends some time after it is closed.
	 */
	(void)vm::poll_until(vm::patience, [&] {
		req = drx_nl_begin_genl(nl, family, CMD_BIND_RX, 1, 0);
		mnl_attr_put_u32(req, A_DMABUF_IFINDEX, if_nametoindex(NIC));
		mnl_attr_put_u32(req, A_DMABUF_FD,
				 uint32_t(vm::memory_info(memory_).dmabuf_fd));
		queue = mnl_attr_nest_start(req, A_DMABUF_QUEUES);
		mnl_attr_put_u32(req, DRX_NETDEV_A_QUEUE_TYPE,
				 DRX_NETDEV_QUEUE_TYPE_RX);
		mnl_attr_put_u32(req, DRX_NETDEV_A_QUEUE_ID, QUEUE);
		mnl_attr_nest_end(req, queue);
		err = drx_nl_ask(nl, req, nullptr, nullptr);
		return err != -EEXIST;
	});
	if (err)
		error = std::string("bind-rx: ") + strerror(-err) + " " +
			nl->extack;
}

std::string Provider::add(Socket socket)
{
	const int err = devrx_receiver_add(receiver_.get(), socket.get(),
					   sockets_.size());

	sockets_.push_back(std::move(socket));
	positions_.push_back(0);
	return err ? std::string("add: ") + strerror(-err) : "";
}

std::string Provider::check(const devrx_fragment &frag)
{
	const std::string where = "stream " + std::to_string(frag.user) +
				  " at " + std::to_string(frag.position);

	if (frag.flags)
		return where + " ends, error " + std::to_string(frag.error);
	if (frag.position != positions_[frag.user])
		return where + " is not what comes next";
	if (!view_->equal(frag, reinterpret_cast<const char *>(
					pattern_at(frag.position))))
		return where + " has wrong bytes";
	positions_[frag.user] += frag.length;
	return "";
}

std::string Provider::read(uint64_t bytes, double seconds)
{
	const std::vector<uint64_t> from = positions_;
	const double deadline = vm::now() + seconds;
	devrx_fragment frags[64];
	std::string error_here;

	for (;;) {
		bool done = true;

		for (size_t i = 0; i < from.size(); i++)
			done = done && positions_[i] - from[i] >= bytes;
		if (done)
			return "";
		if (vm::now() > deadline)
			return "a stream does not go on";
		const int n = devrx_receiver_wait(receiver_.get(), frags, 64,
						  100000000);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return std::string("wait: ") + strerror(-n);
		for (int i = 0; i < n && error_here.empty(); i++)
			error_here = check(frags[i]);
		if (n)
			(void)devrx_receiver_release(receiver_.get(), frags,
						     unsigned(n));
		if (!error_here.empty())
			return error_here;
	}
}

std::string Provider::ends_quietly()
{
	const double deadline = vm::now() + vm::patience;
	devrx_fragment frags[64];
	std::string trouble;
	int n;

	do {
		n = devrx_receiver_wait(receiver_.get(), frags, 64, 0);
		for (int i = 0; i < n && trouble.empty(); i++)
			if (frags[i].error != -ECONNRESET)
				trouble = check(frags[i]);
		if (n > 0)
			(void)devrx_receiver_release(receiver_.get(), frags,
						     unsigned(n));
		if (vm::now() > deadline)
			return "data still comes";
	} while (n > 0 || n == -EINTR);
	if (n < 0 && n != -ENOTCONN)
		return std::string("wait: ") + strerror(-n);
	return trouble;
}

} /* namespace soak */
