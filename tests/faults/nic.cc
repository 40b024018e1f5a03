// SPDX-License-Identifier: MIT
#include "nic.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/sockios.h>

namespace faults
{

static vm::Fd any_socket()
{
	return vm::Fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static bool ethtool(int fd, void *data)
{
	struct ifreq ifr = {};

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", vm::nic);
	ifr.ifr_data = static_cast<char *>(data);
	return !ioctl(fd, SIOCETHTOOL, &ifr);
}

Steering::Steering() : socket_(any_socket())
{
	for (uint32_t location = 0; location < 64; location++) {
		struct ethtool_rxnfc rxnfc = {};

		rxnfc.cmd = ETHTOOL_GRXCLSRULE;
		rxnfc.fs.location = location;
		if (ethtool(socket_.get(), &rxnfc))
			rules_.push_back(rxnfc.fs);
	}
}

Steering::~Steering()
{
	(void)to(vm::queue);
}

bool Steering::to(uint32_t queue) const
{
	bool all = true;

	for (const ethtool_rx_flow_spec &rule : rules_) {
		struct ethtool_rxnfc rxnfc = {};

		rxnfc.cmd = ETHTOOL_SRXCLSRLINS;
		rxnfc.fs = rule;
		rxnfc.fs.ring_cookie = queue;
		all = ethtool(socket_.get(), &rxnfc) && all;
	}
	return all;
}

uint64_t counter(const std::string &name)
{
	constexpr size_t most = 4096;
	const vm::Fd fd = any_socket();
	std::vector<uint64_t> names_room(1 + most * ETH_GSTRING_LEN / 8);
	std::vector<uint64_t> values_room(1 + most);
	auto *names = reinterpret_cast<ethtool_gstrings *>(names_room.data());
	auto *values = reinterpret_cast<ethtool_stats *>(values_room.data());
	struct ethtool_drvinfo info = {};

	info.cmd = ETHTOOL_GDRVINFO;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	values->cmd = ETHTOOL_GSTATS;
	if (!ethtool(fd.get(), &info) || info.n_stats > most)
		return 0;
	names->len = values->n_stats = info.n_stats;
	if (!ethtool(fd.get(), names) || !ethtool(fd.get(), values))
		return 0;
	for (uint32_t i = 0; i < values->n_stats; i++)
		if (!strncmp(reinterpret_cast<char *>(names->data) +
				     i * ETH_GSTRING_LEN,
			     name.c_str(), ETH_GSTRING_LEN))
			return values->data[i];
	return 0;
}

bool fault(const std::string &name, uint32_t value)
{
	/* `ip netns exec` gives a /sys with no debugfs on it. */
	static const char where[] = "/tmp/devrx-debugfs";
	static const bool mounted = (mkdir(where, 0700), true) &&
				    !mount("none", where, "debugfs", 0, "");
	std::ifstream dev_port("/sys/class/net/" + std::string(vm::nic) +
			       "/dev_port");
	std::string port;

	dev_port >> port;
	std::ofstream file(std::string(where) + "/devrx_softnic/" + port + "/" +
			   name);
	file << value << std::flush;
	return mounted && file.good();
}

bool netem(const std::vector<std::string> &model)
{
	std::vector<std::string> argv = { "/usr/sbin/tc", "-n",	     "peer",
					  "qdisc",	  "replace", "dev",
					  "softnic0",	  "root" };

	if (model.empty()) {
		argv[4] = "del";
	} else {
		argv.push_back("netem");
		argv.insert(argv.end(), model.begin(), model.end());
	}
	return !vm::run(argv);
}

bool nic_remove()
{
	return !vm::run({ "/usr/sbin/ip", "link", "del", vm::nic });
}

bool nic_renew()
{
	const char *dir = getenv("DEVRX_VM_DIR");

	return dir && !vm::run({ std::string(dir) + "/link.sh", "renew" });
}

} /* namespace faults */
