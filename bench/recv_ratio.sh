#!/bin/sh
# SPDX-License-Identifier: MIT
# Tier recv against a plain recv-and-copy loop, on this machine, in one run.
set -eu

usage() {
	cat <<'USAGE'
usage: bench/recv_ratio.sh [--mib N] [--chunk BYTES] [--goal R] [--help] [PROGRAM]

Receive a stream over TCP on loopback, by tier recv and by recv() of the same
length and a copy, in turn, and print how much faster or slower tier recv is.
PROGRAM is the built recv_ratio, by default build/release's, else build/dev's. A
busy machine moves both figures: compare what one run prints.

--mib N        stream of N MiB (default 1024)
--chunk BYTES  chunk and length of each recv (default 65536)
--goal R       ratio in time that is expected (default 0.9)
Exit: 0; 1 below the goal; 2 usage.
USAGE
}

mib=1024 chunk=65536 goal=0.9 program=
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	--mib | --chunk | --goal)
		[ $# -gt 1 ] || { usage >&2 && exit 2; }
		case $1 in
		--mib) mib=$2 ;;
		--chunk) chunk=$2 ;;
		--goal) goal=$2 ;;
		esac
		shift ;;
	-*) usage >&2 && exit 2 ;;
	*) program=$1 ;;
	esac
	shift
done
root=$(cd "$(dirname "$0")/.." && pwd)
if [ ! "$program" ]; then
	program=$root/build/release/bench/recv_ratio
	[ -x "$program" ] || program=$root/build/dev/bench/recv_ratio
fi
if [ ! -x "$program" ]; then
	echo "recv_ratio.sh: no $program; build it: ./run build" >&2
	exit 2
fi
"$program" "$mib" "$chunk" | awk -v goal="$goal" '
	{ print }
	/^ratio / { ratio = $2 }
	END {
		if (ratio + 0 < goal + 0) {
			printf "below the goal of %s\n", goal
			exit 1
		}
	}'
