#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: the tests against the real kernel, on a softnic pair.
set -uo pipefail

usage() {
	cat <<'END'
usage: tests/vm/suite.sh [--gtest_OPTION...]

Load the modules, join the two namespaces (tests/vm/link.sh), run the tests in
the receiver's namespace, take all of it down again. The exit code is the
tests', or 1 where the link cannot be made or taken down.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tests=${DEVRX_VM_TESTS:-$here/../../build/dev/tests/vm/devrx-vm-tests}
ip=/usr/sbin/ip

case ${1:-} in
-h | --help)
	usage
	exit
	;;
esac

"$here/link.sh" up || {
	echo "suite: the link does not come up" >&2
	exit 1
}

# Software device memory; its tests say so when it is missing.
[[ -e /sys/module/devrx_vram ]] || insmod "${DEVRX_MODULES:?}/vram/devrx_vram.ko"

# A second exporter of dmabufs; a test that misses it says so.
modprobe -q vgem 2>/dev/null

# Tests take the NIC down and up again; its IPv6 addresses shall outlive it.
for setting in keep_addr_on_down=1 accept_dad=0; do
	for dev in softnic1 default; do # and remove it
		$ip netns exec rx sysctl -q -w "net.ipv6.conf.$dev.$setting"
	done
done

DEVRX_VM_DIR=$here $ip netns exec rx "$tests" "$@"
rc=$?

"$here/link.sh" down || {
	echo "suite: the link does not go down" >&2
	((rc && rc != 77)) || rc=1
}
[[ ! -e /sys/module/devrx_softnic ]] || {
	echo "suite: devrx_softnic is still loaded" >&2
	((rc && rc != 77)) || rc=1
}
# The kernel frees some packets of a CPU only when that handles its next one, and
# a page pool looks once a second whether it has all of its memory back.
remove_vram() {
	local i cpu

	$ip link set lo up
	for ((i = 0; i < 100; i++)); do
		rmmod devrx_vram 2>/dev/null && return
		for cpu in $(seq 0 $(($(nproc --all) - 1))); do
			taskset -c "$cpu" bash -c 'echo >/dev/udp/127.0.0.1/9'
		done
		sleep 0.1
	done
	rmmod devrx_vram
}

[[ ! -e /sys/module/devrx_vram ]] || remove_vram || {
	echo "suite: devrx_vram cannot be removed" >&2
	((rc && rc != 77)) || rc=1
}
exit "$rc"
