# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests here share. In the guest: nic0 is this machine's NIC, eth0 in the
# namespace "peer" is at the other end of its cable (suite.sh makes both).
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck disable=SC2034 # of those who source this
programs=$top/build/programs devrx=$top/build/dev/tools/devrx
ip=/usr/sbin/ip
tmp=$(mktemp -d)
failed=0
trap 'rm -rf "$tmp"' EXIT

peer() { $ip netns exec peer "$@"; }

wait_for() { # COMMAND...: until it succeeds, 120 s at most
	local until=$((SECONDS + 120))
	while ((SECONDS < until)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "waited 120 s in vain for: $*"
	return 1
}

listens() { ss -Hltn "sport = :$1" | grep -q .; }

peer_listens() { peer ss -Hltn "sport = :$1" | grep -q .; }

counter() { ethtool -S nic0 | awk -v name="$1:" '$1 == name { print $2 }'; }

# Queue 3 for TCP to port 9000, as a provider wants it; the rest for everybody.
steer() {
	ethtool -L nic0 combined 4
	ethtool -G nic0 tcp-data-split on
	ethtool -X nic0 equal 3
	ethtool -N nic0 flow-type tcp4 dst-port 9000 action 3
	ethtool -N nic0 flow-type tcp6 dst-port 9000 action 3
}

unsteer() {
	local rule
	for rule in $(ethtool -n nic0 | sed -n 's/^Filter: //p'); do
		ethtool -N nic0 delete "$rule"
	done
	ethtool -X nic0 default
	ethtool -G nic0 tcp-data-split off
}

# A provider on queue 3 until its connection ends; its report comes to $tmp/hold.
hold() {
	"$devrx" recv --nic nic0 --queue 3 --memory udmabuf --size 16M --listen :9000 \
		--digest --json --timeout 600 >"$tmp/hold" 2>"$tmp/hold.err" &
	holder=$!
	wait_for listens 9000 || {
		cat "$tmp/hold.err"
		return 1
	}
}

# Send a file to the provider: what arrived is what was sent, all of it placed.
release() { # FILE
	peer nc -N 10.77.0.2 9000 <"$1" || return
	wait "$holder" || true # another's child, where the test did not start it
	wait_for test -s "$tmp/hold" || {
		cat "$tmp/hold.err"
		return 1
	}
	arrived "$1"
}

arrived() { # FILE
	local sum
	sum=$(sha256sum <"$1")
	cat "$tmp/hold"
	grep -q "\"digest\": \"${sum%% *}\"" "$tmp/hold" &&
		grep -q "\"bytes_zero_copy\": $(stat -c %s "$1")[,}]" "$tmp/hold"
}

same() { [[ $(sha256sum <"$1") == "$(sha256sum <"$2")" ]]; } # FILE FILE

# Run a function as a test, its output shown when it fails.
check() { # NAME FUNCTION [ARG...]
	local rc
	(
		set -e
		trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
		"${@:2}"
	) >"$tmp/out" 2>&1
	rc=$?
	if ((rc)); then
		cat "$tmp/out"
		echo "not ok $1"
		# shellcheck disable=SC2034
		failed=1
	else
		echo "ok $1"
	fi
}

# The kernel's own netlink client: ynl netdev --do queue-get '{...}'
ynl() { # FAMILY OPERATION... JSON
	local linux=$programs/linux
	python3 "$linux/tools/net/ynl/pyynl/cli.py" --no-schema --output-json \
		--spec "$linux/Documentation/netlink/specs/$1.yaml" "${@:2:$#-2}" --json "${@: -1}"
}

nic_index() { cat /sys/class/net/nic0/ifindex; }

provider_on() { # QUEUE
	ynl netdev --do queue-get "{\"ifindex\": $(nic_index), \"type\": \"rx\", \"id\": $1}" |
		grep -qE '"(io-uring|dmabuf)"'
}

no_provider_on() { ! provider_on "$1"; }
