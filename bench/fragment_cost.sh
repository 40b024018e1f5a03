#!/bin/sh
# SPDX-License-Identifier: MIT
# Instructions per fragment of devrx_receiver_wait() and _release() in steady
# state, and of what replaces the latter where a device reads the fragments;
# counted by callgrind, so the same on every machine of one kind.
set -eu

usage() {
	cat <<'USAGE'
usage: bench/fragment_cost.sh [--json] [--help] [PROGRAM]

Count the instructions that one fragment costs in wait and in release, in steady
state on a fake ring; in the device ring's push, in release_after, and in giving
back what a fence has let pass; in framing, each fragment being a message behind its
length; and in recovery, each fragment having come around the queue. PROGRAM is the built fragment_cost, by default
build/dev/bench/fragment_cost. Needs valgrind.

--json   print one JSON object instead of the table
Exit: 0; 1 above a limit in batches of 64: 60 for wait and release together, 25
for push, 330 for framing; 2 usage; 77 where valgrind is missing.
USAGE
}

LIMIT=60
PUSH_LIMIT=25
FRAME_LIMIT=330
JUDGED=64
json=
program=
for arg; do
	case $arg in
	--json) json=1 ;;
	-h | --help) usage; exit 0 ;;
	-*) usage >&2; exit 2 ;;
	*) program=$arg ;;
	esac
done
root=$(cd "$(dirname "$0")/.." && pwd)
program=${program:-$root/build/dev/bench/fragment_cost}
if [ ! -x "$program" ]; then
	echo "fragment_cost.sh: no $program; build it: ./run build" >&2
	exit 2
fi
if ! command -v valgrind >/dev/null; then
	echo "fragment_cost.sh: skipped, valgrind is missing: apt install valgrind" >&2
	exit 77
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

# count FUNCTION BATCH CONNECTIONS ROUNDS [KIND]: instructions within FUNCTION
# and what it calls.
count() {
	fn=$1
	shift
	if ! valgrind --tool=callgrind --collect-atstart=no \
		--toggle-collect="$fn" --callgrind-out-file="$dir/out" \
		"$program" "$@" >"$dir/stdout" 2>"$dir/log"; then
		cat "$dir/log" >&2
		exit 1
	fi
	awk '/^(totals|summary):/ { n = $2 } END { printf "%d\n", n }' "$dir/out"
}

# Two runs of different length: what happens once falls out of the difference.
per_fragment() {
	fn=$1 batch=$2
	shift 2
	few=$((512 / batch + 8))
	many=$((4096 / batch + few))
	a=$(count "$fn" "$batch" "$1" "$few" ${2:+"$2"})
	b=$(count "$fn" "$batch" "$1" "$many" ${2:+"$2"})
	awk "BEGIN { printf \"%.2f\", ($b - $a) / (($many - $few) * $batch) }"
}

worst=0
rows=
[ "$json" ] || printf '%-6s %6s %12s %8s %8s %8s\n' \
	layout batch connections wait release together
for layout in cqe32 mixed; do
	mixed=
	[ $layout = cqe32 ] || mixed=mixed
	for connections in 1 64 10000; do
		for batch in 1 8 64 256; do
			w=$(per_fragment devrx_receiver_wait $batch \
				$connections $mixed)
			r=$(per_fragment devrx_receiver_release $batch \
				$connections $mixed)
			t=$(awk "BEGIN { printf \"%.2f\", $w + $r }")
			if [ $batch = $JUDGED ]; then
				worst=$(awk "BEGIN { print ($t > $worst ? $t : $worst) }")
			fi
			[ "$json" ] || printf '%-6s %6d %12d %8s %8s %8s\n' \
				$layout $batch $connections "$w" "$r" "$t"
			rows="$rows${rows:+, }{\"layout\": \"$layout\", \"batch\": $batch, \"connections\": $connections, \"wait\": $w, \"release\": $r, \"together\": $t}"
		done
	done
done

worst_push=0
device_rows=
[ "$json" ] || printf '\n%-6s %6s %12s %8s %14s %10s\n' \
	device batch connections push release_after give_back
for batch in 1 8 64 256; do
	p=$(per_fragment devrx_device_ring_push $batch 64 device)
	a=$(per_fragment devrx_receiver_release_after $batch 64 device)
	g=$(per_fragment devrx_receiver_poll_fences $batch 64 device)
	[ $batch != $JUDGED ] || worst_push=$p
	[ "$json" ] || printf '%-6s %6d %12d %8s %14s %10s\n' \
		'' $batch 64 "$p" "$a" "$g"
	device_rows="$device_rows${device_rows:+, }{\"batch\": $batch, \"push\": $p, \"release_after\": $a, \"give_back\": $g}"
done

frame=0
frame_rows=
[ "$json" ] || printf '\n%-6s %6s %12s %8s\n' framing batch connections frame
for batch in 1 8 64 256; do
	f=$(per_fragment cycle_frame $batch 1 framing)
	[ $batch != $JUDGED ] || frame=$f
	[ "$json" ] || printf '%-6s %6d %12d %8s\n' '' $batch 1 "$f"
	frame_rows="$frame_rows${frame_rows:+, }{\"batch\": $batch, \"connections\": 1, \"frame\": $f}"
done

recover_rows=
[ "$json" ] || printf '\n%-6s %6s %12s %8s\n' around batch connections recover
for connections in 1 64 10000; do
	r=$(per_fragment cycle_wait 1 $connections recover)
	[ "$json" ] || printf '%-6s %6d %12d %8s\n' '' 1 $connections "$r"
	recover_rows="$recover_rows${recover_rows:+, }{\"batch\": 1, \"connections\": $connections, \"recover\": $r}"
done

over=$(awk "BEGIN { print ($worst > $LIMIT || $worst_push > $PUSH_LIMIT || $frame > $FRAME_LIMIT) }")
if [ "$json" ]; then
	printf '{"unit": "instructions per fragment", "limit": %d, "batch": %d, "worst": %s, "rows": [%s], "push_limit": %d, "device_rows": [%s], "frame_limit": %d, "frame_rows": [%s], "recover_rows": [%s]}\n' \
		$LIMIT $JUDGED "$worst" "$rows" $PUSH_LIMIT "$device_rows" \
		$FRAME_LIMIT "$frame_rows" "$recover_rows"
else
	judge() { # WHAT VALUE LIMIT
		kept=$(awk "BEGIN { print ($2 <= $3 ? \"ok\" : \"not ok\") }")
		printf '%s %s: %s instructions per fragment in batches of %d, at most %d\n' \
			"$kept" "$1" "$2" $JUDGED "$3"
	}
	echo
	judge 'wait and release' "$worst" $LIMIT
	judge push "$worst_push" $PUSH_LIMIT
	judge framing "$frame" $FRAME_LIMIT
fi
[ "$over" = 0 ] || exit 1
