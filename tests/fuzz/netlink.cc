// SPDX-License-Identifier: MIT
/*
 * What the kernel says over netlink: datagrams, and the messages in them. The first
 * byte chooses the parser; the rest is what came, in memory of just that size.
 */
#include "target.h"

#include <cerrno>
#include <memory>

extern "C" {
#include "nic/hit.h"
#include "nic/look.h"
#include "nic/netlink.h"
#include "nic/rss.h"
#include "nic/setup.h"
}

void fuzz_netlink(const uint8_t *data, size_t len)
{
	struct drx_look look = {};
	struct drx_rss rss = {};
	struct drx_hit hit = {};
	static struct drx_setup setup; /* a large one */
	const struct {
		drx_nl_fn parse;
		void *arg;
	} parsers[] = { { drx_parse_link, &look },
			{ drx_parse_rings, &look },
			{ drx_parse_channels, &look },
			{ drx_parse_queue, &look },
			{ drx_parse_rss, &rss },
			{ drx_parse_hit, &hit },
			{ drx_parse_setup_channels, &setup },
			{ drx_parse_setup_rings, &setup },
			{ drx_parse_setup_features, &setup },
			{ drx_parse_setup_queue, &setup } };
	Input in(data, len);
	const unsigned which = in.take<uint8_t>();
	/* Some came later: what the corpus has means what it did. */
	const auto &parser = parsers[which < 0xe0 ? which / 2 % 4 :
				     which < 0xf0 ? 4 + which / 2 % 2 :
						    6 + which / 2 % 4];
	const size_t n = in.left();
	/* Of the alignment that a socket's buffer has. */
	const std::unique_ptr<uint64_t, void (*)(void *)> copy(
		static_cast<uint64_t *>(malloc(n ? n : 1)), free);
	int ret;

	memset(&setup, 0, sizeof(setup));
	setup.ifindex = 7;
	MUST(copy);
	memcpy(copy.get(), in.rest(), n);
	if (which % 2) {
		ret = parser.parse(copy.get(), n, parser.arg);
		MUST(ret == 0 || ret == -EBADMSG);
	} else {
		const std::unique_ptr<struct drx_nl> nl(new struct drx_nl);

		nl->portid = 77;
		nl->seq = 5;
		nl->extack[0] = '\0';
		ret = drx_nl_feed(nl.get(), copy.get(), n, parser.parse,
				  parser.arg);
		MUST(ret <= 1);
		MUST(memchr(nl->extack, 0, sizeof(nl->extack)));
	}
	MUST(setup.channels.combined <= DRX_SETUP_QUEUES_MAX);
	MUST(setup.nr_listed <= DRX_SETUP_QUEUES_MAX);
	MUST(rss.key_len <= sizeof(rss.key));
	MUST(rss.nr_indir <= sizeof(rss.indir) / sizeof(rss.indir[0]));
	MUST(memchr(look.ifname, 0, sizeof(look.ifname)));
	MUST(memchr(look.driver, 0, sizeof(look.driver)));
	MUST(memchr(look.bus, 0, sizeof(look.bus)));
}

FUZZ_TARGET(fuzz_netlink)
