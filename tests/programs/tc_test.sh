#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tc on the softnic: filters and actions on arriving payload that no CPU can read,
# shaping and pacing on what leaves. netem has its test in tests/vm.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

head -c 1M /dev/urandom >"$tmp/file"

hits() { # how many packets the action at preference $1 has seen
	tc -s -j filter show dev nic0 ingress pref "$1" | python3 -c '
import json, sys
print(max(a["stats"]["packets"] for f in json.load(sys.stdin) if "options" in f
          for a in f["options"].get("actions", [])))'
}

has_hits() { (($(hits "$1") > 0)); }

no_filters() { tc filter del dev nic0 ingress 2>/dev/null || true; }

passes() { # FILTER...: sees the provider's packets and harms nothing
	no_filters
	tc filter add dev nic0 ingress pref 1 protocol ip "$@"
	hold
	release "$tmp/file"
	tc -s filter show dev nic0 ingress
	(($(hits 1) > 10))
	no_filters
}

drops() { # what is dropped never arrives, and arrives when it no longer is
	no_filters
	tc filter add dev nic0 ingress pref 1 protocol ip flower ip_proto tcp dst_port 9000 action drop
	hold
	# Not by peer(), whose process would be the shell's.
	$ip netns exec peer nc -N 10.77.0.2 9000 <"$tmp/file" &
	local sender=$!
	wait_for has_hits 1
	kill "$sender" # an error if it has sent all and ended
	wait "$sender" || true
	no_filters
	release "$tmp/file"
}

polices() { # a policer that lets 1 MiB through in small steps loses packets, TCP mends it
	no_filters
	tc filter add dev nic0 ingress pref 1 protocol ip flower ip_proto tcp dst_port 9000 \
		action police rate 20mbit burst 150k conform-exceed drop
	hold
	release "$tmp/file"
	no_filters
}

mirrors() { # a copy goes to a device that cannot take it, the original arrives
	no_filters
	$ip link add sink0 type dummy
	$ip link set sink0 up
	passes flower ip_proto tcp dst_port 9000 action mirred egress mirror dev sink0
	$ip link del sink0
}

# What leaves the NIC for 3 s, in Mbit/s as the receiver counts.
leaves() {
	iperf3 -s -1 -p 5201 >/dev/null 2>&1 &
	wait_for listens 5201
	peer iperf3 -c 10.77.0.2 -p 5201 -t 3 -R -J | python3 -c '
import json, sys
print(int(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6))'
}

# A rate that the NIC exceeds without it, and that the qdisc had to hold it to.
holds() { # WHAT QDISC-COUNTER
	local speed
	speed=$(leaves)
	tc -s qdisc show dev nic0
	echo "$1 at 8 Mbit/s: $speed"
	((speed > 0 && speed <= 9))
	tc -s -j qdisc show dev nic0 | python3 -c "
import json, sys
sys.exit(not any(q.get('$2', 0) for q in json.load(sys.stdin)))"
	tc qdisc del dev nic0 root
	speed=$(leaves)
	echo "without: $speed"
	((speed > 9))
}

shapes() {
	tc qdisc replace dev nic0 root handle 1: htb default 1
	tc class add dev nic0 parent 1: classid 1:1 htb rate 8mbit burst 32k
	holds htb overlimits
}

paces() {
	tc qdisc replace dev nic0 root fq maxrate 8mbit
	holds fq throttled
}

steer
tc qdisc add dev nic0 clsact
check "tc flower passes placed payload" passes flower ip_proto tcp dst_port 9000 action pass
check "tc u32 passes placed payload" passes u32 match ip dport 9000 0xffff action pass
check "tc drops" drops
check "tc polices" polices
check "tc mirrors placed payload away" mirrors
tc qdisc del dev nic0 clsact
check "tc htb shapes" shapes
check "tc fq paces" paces
unsteer
exit "$failed"
