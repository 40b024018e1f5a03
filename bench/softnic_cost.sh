#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the softnic costs, in instructions, next to a veth pair in the same boot.
set -uo pipefail

usage() {
	cat <<'END'
usage: bench/softnic_cost.sh [OPTION...]

Boot the VM so that a nanosecond is an instruction (./run vm --icount), send the
same TCP stream over veth and softnic pairs, and print what the whole machine
executed for each MiB: sender, both stacks, a receiver that discards (MSG_TRUNC).
The softnic's payload copy, which stands for DMA, is timed by the softnic itself
(rx_copy_ns) and shown apart. Build first: ./run build

  --seeds "N..."  one boot for each (default "1 2 3")
  --mib "N..."    stream lengths (default "64 512"); segments use the first
  --streams "S..."
                  which (default "large segments")
  --limit R       most that a large stream may cost outside the copy, in veths
                  (default 1.3); the cheaper veth of the boot is the measure
  --json FILE     write all runs there
  --kernel S      kernel series (default 7.3)

Pairs: softnic, as it comes; split, with header split and a steered queue; bound,
with a zcrx area on that queue besides. Streams: large, with segmentation offload
as all these devices come; segments, with it switched off by the sender.

Exit code: 0, 1 above the limit or where nothing was measured, 2 wrong call.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
seeds='1 2 3' mib='64 512' streams='large segments' limit=1.3 json='' series=7.3
while (($#)); do
	case $1 in
	--seeds | --mib | --streams | --limit | --json | --kernel)
		(($# > 1)) || { usage >&2 && exit 2; }
		case $1 in
		--seeds) seeds=$2 ;;
		--mib) mib=$2 ;;
		--streams) streams=$2 ;;
		--limit) limit=$2 ;;
		--json) json=$2 ;;
		--kernel) series=$2 ;;
		esac
		shift 2
		;;
	-h | --help) usage && exit ;;
	*) usage >&2 && exit 2 ;;
	esac
done
[[ $seeds =~ ^[0-9\ ]+$ && $mib =~ ^[0-9\ ]+$ && $limit =~ ^[0-9.]+$ ]] || {
	usage >&2
	exit 2
}
for program in bench/softnic_cost tools/devrx; do
	[[ -x $top/build/dev/$program ]] || {
		echo "softnic_cost: no build/dev/$program; build it: ./run build" >&2
		exit 2
	}
done

runs=$(mktemp) || exit
vm=''
trap '[[ -z $vm ]] || kill "$vm" 2>/dev/null; rm -f "$runs"' EXIT
trap 'exit 130' INT TERM
for seed in $seeds; do
	# shellcheck disable=SC2086 # sizes are words
	"$top/tests/vm/boot.sh" --icount "$seed" --kernel "$series" --timeout 3600 \
		--log "$top/build/log/cost-$seed.log" \
		-- /devrx/bench/softnic_cost_guest.sh "$streams" $mib >"$runs.one" &
	vm=$!
	wait "$vm"
	rc=$?
	vm=''
	sed "s/^/$seed /" "$runs.one" >>"$runs"
	rm -f "$runs.one"
	((rc == 0)) || {
		echo "softnic_cost: the boot with seed $seed failed ($rc)" >&2
		exit 1
	}
done

awk -v limit="$limit" -v json="$json" -v kernel="$(<"$top/build/vm/$series/kernel")" \
	-v qemu="$(qemu-system-x86_64 --version | sed -nE '1s/.*version ([^ ]+).*/\1/p')" \
	-f "$top/bench/softnic_cost.awk" "$runs"
