// SPDX-License-Identifier: MIT
/*
 * What the kernel says over netlink: datagrams, and the messages in them. The first
 * byte chooses the parser; the rest is what came, in memory of just that size.
 */
#include "target.h"

#include <cerrno>
#include <memory>

extern "C" {
#include "nic/look.h"
#include "nic/netlink.h"
}

void fuzz_netlink(const uint8_t *data, size_t len)
{
	static drx_nl_fn const parsers[] = { drx_parse_link, drx_parse_rings,
					     drx_parse_channels,
					     drx_parse_queue };
	Input in(data, len);
	const unsigned which = in.take<uint8_t>();
	const size_t n = in.left();
	/* Of the alignment that a socket's buffer has. */
	const std::unique_ptr<uint64_t, void (*)(void *)> copy(
		static_cast<uint64_t *>(malloc(n ? n : 1)), free);
	struct drx_look look = {};
	int ret;

	MUST(copy);
	memcpy(copy.get(), in.rest(), n);
	if (which % 2) {
		ret = parsers[which / 2 % 4](copy.get(), n, &look);
		MUST(ret == 0 || ret == -EBADMSG);
	} else {
		const std::unique_ptr<struct drx_nl> nl(new struct drx_nl);

		nl->portid = 77;
		nl->seq = 5;
		nl->extack[0] = '\0';
		ret = drx_nl_feed(nl.get(), copy.get(), n,
				  parsers[which / 2 % 4], &look);
		MUST(ret <= 1);
		MUST(memchr(nl->extack, 0, sizeof(nl->extack)));
	}
	MUST(memchr(look.ifname, 0, sizeof(look.ifname)));
	MUST(memchr(look.driver, 0, sizeof(look.driver)));
	MUST(memchr(look.bus, 0, sizeof(look.bus)));
}

FUZZ_TARGET(fuzz_netlink)
