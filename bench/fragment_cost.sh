#!/bin/sh
# SPDX-License-Identifier: MIT
# Instructions per fragment of devrx_receiver_wait() and _release() in steady
# state, counted by callgrind, so the same on every machine of one kind.
set -eu

usage() {
	cat <<'USAGE'
usage: bench/fragment_cost.sh [--json] [--help] [PROGRAM]

Count the instructions that one fragment costs in wait and in release, in steady
state on a fake ring. PROGRAM is the built fragment_cost, by default
build/dev/bench/fragment_cost. Needs valgrind.

--json   print one JSON object instead of the table
Exit: 0; 1 above the limit of 60 for both together in batches of 64; 2 usage;
77 where valgrind is missing.
USAGE
}

LIMIT=60
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

# count FUNCTION BATCH CONNECTIONS ROUNDS [mixed]: instructions within FUNCTION
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

over=$(awk "BEGIN { print ($worst > $LIMIT) }")
if [ "$json" ]; then
	printf '{"unit": "instructions per fragment", "limit": %d, "batch": %d, "worst": %s, "rows": [%s]}\n' \
		$LIMIT $JUDGED "$worst" "$rows"
else
	printf 'In batches of %d at most %s instructions per fragment for wait and release together; the limit is %d.\n' \
		$JUDGED "$worst" $LIMIT
fi
[ "$over" = 0 ] || exit 1
