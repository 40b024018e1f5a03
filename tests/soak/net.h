/* SPDX-License-Identifier: MIT */
/*
 * The soak's network, made by netlink and ioctl only: forking ip and ethtool
 * would take most of a cycle. End "sna" of a pair sends to end "snb", whose
 * queue 1 is for providers: TCP to port 9000 goes there, all else to queue 0.
 */
#ifndef DEVRX_SOAK_NET_H
#define DEVRX_SOAK_NET_H

#include <cstdint>
#include <string>
#include <vector>

#include "support_net.h"

namespace soak
{

constexpr const char *NIC = "snb";
constexpr unsigned QUEUE = 1;
constexpr uint16_t PLACED_PORT = 9000; /* to the provider's queue */
constexpr uint16_t PLAIN_PORT = 9001;

/* A network namespace without a name: it lives as long as this, and sockets in
 * it.
 */
class Netns
{
      public:
	Netns();
	int fd() const
	{
		return fd_.get();
	}

      private:
	vm::Fd fd_;
};

/* This thread is in a namespace as long as this lives. */
class Inside
{
      public:
	explicit Inside(const Netns &ns);
	~Inside();
	Inside(const Inside &) = delete;
};

/* Both ends, configured and up; "" or what went wrong. */
std::string make_pair(const Netns &a, const Netns &b);

/* Of @name in @ns; 0 or a negative errno. */
int link_set(const Netns &ns, const char *name, bool up);
int link_del(const Netns &ns, const char *name);
bool link_exists(const Netns &ns, const char *name);
/* Up, and so is the other end. */
bool link_runs(const Netns &ns, const char *name);

/* ethtool -S of snb; 0 where it is not there. */
uint64_t counter(const Netns &b, const std::string &name);

/* What page-pool-get says in a namespace, a line for each. */
std::vector<std::string> page_pools(const Netns &ns);

} /* namespace soak */

#endif /* DEVRX_SOAK_NET_H */
