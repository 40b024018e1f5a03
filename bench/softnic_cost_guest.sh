#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: the streams of softnic_cost.sh, one line for each on standard
# output: PAIR STREAM MTU MIB NS COPY_NS PLACED_BYTES PAGED_BYTES
#
#   softnic_cost_guest.sh STREAMS MIB...
#
# PAIR: veth, veth-gro, softnic, split (header split, steered), bound (and a
# zcrx area on the queue). STREAM: large (segmentation offload, as it comes) or
# segments (without), the latter at the first size only. STREAMS names them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ip=/usr/sbin/ip
link=$here/../tests/vm/link.sh
devrx=$here/../build/dev/tools/devrx
tmp=$(mktemp -d)
bound=''
streams=$1
shift
# What runs while it counts is read from memory, not over 9p.
cp "$here/../build/dev/bench/softnic_cost" "$tmp/"

finish() {
	[[ -z $bound ]] || kill "$bound" 2>/dev/null || true
	"$link" down
	rm -rf "$tmp"
}
trap finish EXIT

measure() { # PAIR MTU SENDER NIC MIB...: all streams over a pair that is up
	local pair=$1 mtu=$2 sender=$3 nic=$4 mib
	shift 4
	[[ $streams != *large* ]] || for mib; do
		echo "$pair large $mtu $mib $("$tmp/softnic_cost" "$mib" ${nic:+"$nic"})"
	done
	[[ $streams == *segments* ]] || return 0
	$ip netns exec peer ethtool -K "$sender" tso off gso off
	echo "$pair segments $mtu $1 $("$tmp/softnic_cost" "$1" ${nic:+"$nic"})"
}

veth() { # PAIR MTU MIB...
	local pair=$1 mtu=$2
	shift 2
	$ip netns add peer
	$ip netns add rx
	$ip link add veth0 netns peer type veth peer name veth1 netns rx
	[[ $pair == veth ]] || $ip netns exec rx ethtool -K veth1 gro on
	$ip -n peer addr add 10.77.0.1/24 dev veth0
	$ip -n rx addr add 10.77.0.2/24 dev veth1
	$ip -n peer link set veth0 mtu "$mtu" up
	$ip -n rx link set veth1 mtu "$mtu" up
	measure "$pair" "$mtu" veth0 '' "$@"
	$ip netns del rx
	$ip netns del peer
}

bind_area() {
	local i
	$ip netns exec rx "$devrx" recv --nic softnic1 --queue 3 \
		--memory udmabuf --size 32M --listen :9001 --timeout 10000 \
		>"$tmp/out" 2>"$tmp/err" &
	bound=$!
	for ((i = 0; i < 2400; i++)); do
		! grep -q ready "$tmp/err" || return 0
		sleep 0.05
	done
	cat "$tmp/err" >&2
	echo 'softnic_cost: no area could be bound' >&2
	return 1
}

softnic() { # PAIR MTU MIB...
	local pair=$1 mtu=$2 bare=()
	shift 2
	[[ $pair != softnic ]] || bare=(--bare)
	"$link" up --mtu "$mtu" ${bare[@]+"${bare[@]}"}
	[[ $pair != bound ]] || bind_area
	measure "$pair" "$mtu" softnic0 softnic1 "$@"
	if [[ $pair == bound ]]; then
		kill "$bound"
		wait "$bound" || true
		bound=''
	fi
	"$link" down
}

modprobe veth
for mtu in 1500 9000; do
	veth veth "$mtu" "$@"
	veth veth-gro "$mtu" "$@"
	softnic softnic "$mtu" "$@"
	softnic split "$mtu" "$@"
	softnic bound "$mtu" "$@"
done
