#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What it costs to have a file of a web server in memory of a device, in instructions.
set -uo pipefail

usage() {
	cat <<'END'
usage: bench/http_cost.sh [--mib N] [--seed N] [--kernel S]

Boot the VM so that a nanosecond is an instruction (./run vm --icount) and fetch files
from one nginx in these ways:

  get-zcrx  devrx get --nic, tier zcrx-device, into a udmabuf; gathered by the CPU,
            which stands for a GPU's copy within its memory
  get-recv  the same by tier recv: without a NIC's help
  curl      curl into a file in memory, and a copy of that (cp), which stands for the
            upload to a device
  get-host  devrx get, tier recv, into anonymous memory
  urllib    Python's urllib into bytes, and a copy of those

The first three end in pages of a file in memory, which cost much to allocate; the
other two in anonymous memory, which does not: compare within these groups.

Printed are millions of instructions for each MiB, from the difference of two lengths:
of the whole machine, server and both stacks included; of those the softnic's copy,
which stands for DMA; and those that the receiving programs spent, in user space and in
the system's name. And, once, what a fetch costs them whatever its length. There is one
CPU, so a second is a thousand millions. Build first: ./run build

  --mib N       the longer file's length (64); the other has a quarter of it
  --seed N      what is random in the boot (1)
  --kernel S    kernel series (7.3)

Exit code: 0, 1 where a way failed, 2 wrong call.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mib=64 seed=1 series=7.3
while (($#)); do
	case $1 in
	--mib | --seed | --kernel)
		(($# > 1)) || { usage >&2 && exit 2; }
		case $1 in
		--mib) mib=$2 ;;
		--seed) seed=$2 ;;
		--kernel) series=$2 ;;
		esac
		shift 2
		;;
	-h | --help) usage && exit ;;
	*) usage >&2 && exit 2 ;;
	esac
done
[[ $seed =~ ^[0-9]+$ && $mib =~ ^[0-9]+$ ]] || { usage >&2 && exit 2; }
[[ -x $top/build/dev/tools/devrx ]] || {
	echo "http_cost: no build/dev/tools/devrx; build it: ./run build" >&2
	exit 2
}
runs=$(mktemp) || exit
trap 'rm -f "$runs"' EXIT
"$top/tests/vm/boot.sh" --icount "$seed" --kernel "$series" --timeout 3600 \
	--log "$top/build/log/http-cost.log" -- /devrx/bench/http_cost_guest.sh "$mib" >"$runs" || {
	cat "$runs" >&2
	exit 1
}
awk '
	$1 == way { # the longer one: what each MiB more has cost
		mib = $2 - last[2]
		for (i = 3; i <= 6; i++)
			c[i] = ($i - last[i]) * 1000 / mib
		if (!n++)
			printf "%-9s %12s %12s %12s %12s\n", "way", "machine", "of it copy", "receiver", "once"
		printf "%-9s %11.2fM %11.2fM %11.2fM %11.1fM\n", way, c[3], c[6], c[4] + c[5], \
			($4 + $5) * 1000 - (c[4] + c[5]) * $2
	}
	{ way = $1; split($0, last) }' "$runs"
