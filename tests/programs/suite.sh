#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: programs from elsewhere, unmodified, on the softnic.
set -uo pipefail

usage() {
	cat <<'END'
usage: tests/programs/suite.sh [NAME...]

Load the module, make a NIC "nic0" (10.77.0.2, fd77::2) whose other end, "eth0" in
the namespace "peer" (10.77.0.1, fd77::1), is somebody else's machine. Then run
those named: iperf3, kernel, hw/rss_ctx.py ... Without a name: guide.sh, which needs
the module gone, every *_test.sh here, and kernel.sh.
From the host: ./run vm --timeout 600 -- tests/programs/suite.sh iperf3
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ip=/usr/sbin/ip
case ${1:-} in
-h | --help) usage && exit ;;
esac

up() {
	insmod "${DEVRX_MODULES:?}/softnic/devrx_softnic.ko" &&
		$ip netns add peer &&
		$ip link add nic0 type devrx_softnic &&
		$ip link set nic0p netns peer name eth0 &&
		# Tests take the NIC down and up again; its IPv6 addresses shall outlive it.
		sysctl -qw net.ipv6.conf.nic0.keep_addr_on_down=1 net.ipv6.conf.nic0.accept_dad=0 &&
		$ip addr add 10.77.0.2/24 dev nic0 &&
		$ip addr add fd77::2/64 dev nic0 nodad &&
		$ip -n peer addr add 10.77.0.1/24 dev eth0 &&
		$ip -n peer addr add fd77::1/64 dev eth0 nodad &&
		$ip -n peer link set lo up &&
		$ip -n peer link set eth0 up &&
		$ip link set nic0 up &&
		# Behind this machine: where the selftests put a netkit.
		$ip -n peer route add fd78::/64 via fd77::2
}

# Each in its own process; a script that failed without a result of its own is one.
one() { # NAME
	local rc
	case $1 in
	*.py) "$here/kernel.sh" "$1" ;;
	kernel) "$here/kernel.sh" ;;
	*) "$here/$1_test.sh" ;;
	esac
	rc=$?
	((rc == 0 || rc == 1)) || echo "not ok $1: exit code $rc"
	return "$rc"
}

rc=0
(($#)) || "$here/guide.sh" || rc=1
up || {
	echo 'not ok the NIC comes up'
	exit 1
}
if (($#)); then
	names=("$@")
else
	names=()
	for test in "$here"/*_test.sh; do
		test=${test##*/}
		names+=("${test%_test.sh}")
	done
	names+=(kernel)
fi
for name in "${names[@]}"; do
	one "$name" || rc=1
done

if rmmod devrx_softnic; then
	echo 'ok the module goes when all is done'
else
	echo 'not ok the module goes when all is done'
	rc=1
fi
exit "$rc"
