#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: two network namespaces joined by a softnic pair.
#
#   netns peer  softnic0  10.77.0.1/24 fd77::1/64   the ordinary sender
#   netns rx    softnic1  10.77.0.2/24 fd77::2/64   the receiver's NIC
#
# softnic1 gets 4 queues; the last is for zero-copy receive: the others share
# the unsteered traffic, and TCP to PORT is steered to it.
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/vm/link.sh up [--bare] [--port N] [--queue N] [--mtu N]
       tests/vm/link.sh renew [--port N] [--queue N] [--mtu N]
       tests/vm/link.sh down

  --bare     leave the NIC as it comes: no header split, no steering
  --port N   TCP port steered to the zero-copy queue (default $PORT or 9000)
  --queue N  the zero-copy queue, 1 to 15 (default $QUEUE or 3); the NIC gets
             N + 1 queues
  --mtu N    of both ends (default $MTU or 1500)

The module comes from $DEVRX_MODULES/softnic unless it is loaded. `renew` makes the
pair again where a test has removed it. `down` undoes
all of it, the module included, and may be called when nothing is up.
END
}

# busybox, should it come first in PATH, has an ip that knows no namespaces.
ip=/usr/sbin/ip
module=devrx_softnic
port=${PORT:-9000} queue=${QUEUE:-3} mtu=${MTU:-1500} bare=''

die() {
	echo "link: $*" >&2
	exit 1
}

# Each end gets a namespace of its own.
make_namespaces() {
	for ns in peer rx; do
		[[ ! -e /run/netns/$ns ]] ||
			die "namespace $ns is here: run \`link.sh down\` first"
		$ip netns add $ns
	done
}

# The other end of a new softnic0 is softnic0p until it gets a name.
make_pair() {
	$ip link add softnic0 netns peer type $module
	$ip -n peer link set softnic0p netns rx name softnic1
}

end_up() {
	local dev=$1 ns=$2 n=$3

	$ip -n "$ns" link set lo up
	$ip -n "$ns" link set "$dev" mtu "$mtu"
	$ip -n "$ns" addr add "10.77.0.$n/24" dev "$dev"
	$ip -n "$ns" addr add "fd77::$n/64" dev "$dev" nodad
}

configure() {
	local nic="$ip netns exec rx ethtool"

	$nic -L softnic1 combined $((queue + 1))
	$nic -G softnic1 tcp-data-split on
	# An ethtool older than 6.15 cannot say it; then it is 0 already.
	# Not by a pipe: grep -q may kill it, which pipefail calls "no".
	[[ $(ethtool --help) != *hds-thresh* ]] || $nic -G softnic1 hds-thresh 0
	$nic -X softnic1 equal "$queue"
	$nic -N softnic1 flow-type tcp4 dst-port "$port" action "$queue" >/dev/null
	$nic -N softnic1 flow-type tcp6 dst-port "$port" action "$queue" >/dev/null
}

# The carrier comes with the second end; wait until addresses can be used.
wait_link() {
	local i

	for ((i = 0; i < 600; i++)); do
		if [[ $($ip netns exec rx cat /sys/class/net/softnic1/operstate) == up &&
			$($ip netns exec peer cat /sys/class/net/softnic0/operstate) == up ]]; then
			return
		fi
		sleep 0.05
	done
	die "the link does not come up"
}

up() {
	[[ -e /sys/module/$module ]] ||
		insmod "${DEVRX_MODULES:?}/softnic/$module.ko"
	make_namespaces
	renew
}

renew() {
	make_pair
	end_up softnic0 peer 1
	end_up softnic1 rx 2
	[[ -n $bare ]] || configure
	$ip -n peer link set softnic0 up
	$ip -n rx link set softnic1 up
	wait_link
}

# Removing the module takes the NICs away wherever they are.
down() {
	[[ ! -e /sys/module/$module ]] || rmmod $module
	for ns in rx peer; do
		[[ ! -e /run/netns/$ns ]] || $ip netns del $ns
	done
}

command=${1:-}
(($# == 0)) || shift
while (($#)); do
	case $1 in
	--bare) bare=1 ;;
	--port | --queue | --mtu)
		(($# > 1)) || die "$1 needs a value"
		declare "${1#--}=$2"
		shift
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done

case $command in
up | renew)
	[[ $queue =~ ^([1-9]|1[0-5])$ ]] || die "no such queue: $queue"
	"$command"
	;;
down) down ;;
-h | --help | help) usage ;;
*)
	usage >&2
	exit 2
	;;
esac
