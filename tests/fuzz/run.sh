#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# libFuzzer on the fuzz targets, under AddressSanitizer and UBSan.
set -euo pipefail
export LC_ALL=C

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$top/tests/fuzz
seconds=600 keep='' targets=()
usage() {
	cat <<'END'
usage: tests/fuzz/run.sh [--seconds N] [--keep] [TARGET...]

Build the fuzz targets with clang in build/fuzz and run each for N seconds (600),
from what lies in tests/fuzz/TARGET.corpus: http, journal, netlink, options, receiver, or all. With
--keep the smallest set that reaches the same code replaces the corpus.
Needs clang and its libFuzzer (Debian: clang, libclang-rt-14-dev). The exit code is
0 without a finding; a finding lies in build/fuzz/found and is shown.
END
}
while (($#)); do
	case $1 in
	-h | --help) usage && exit ;;
	--seconds) seconds=${2:?--seconds needs a number} && shift 2 ;;
	--keep) keep=1 && shift ;;
	-*) usage >&2 && exit 2 ;;
	*)
		[[ -e $here/$1.cc ]] || {
			echo "run.sh: no target '$1'" >&2
			exit 2
		}
		targets+=("$1") && shift
		;;
	esac
done
((${#targets[@]})) || targets=(http journal netlink options receiver)

cd "$top"
[[ -e build/fuzz/build.ninja ]] || CC=clang CXX=clang++ cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${targets[@]/#/fuzz_}" >/dev/null

# One line of hexadecimal digits is one input.
unpack() { # CORPUS DIR
	local line
	mkdir -p "$2"
	while read -r line; do
		[[ -z $line || $line == '#'* ]] ||
			perl -e 'print pack "H*", $ARGV[0]' "$line" >"$2/$(sha1sum <<<"$line" | cut -c1-16)"
	done <"$1"
}
pack() { # DIR CORPUS
	{
		sed -n '/^#/p' "$2"
		find "$1" -type f | sort | while read -r file; do
			perl -0777 -ne 'print unpack("H*", $_), "\n"' "$file"
		done | sort
	} >"$2.new"
	mv "$2.new" "$2"
}

rc=0
for target in "${targets[@]}"; do
	dir=build/fuzz/corpus/$target
	rm -rf "$dir"
	mkdir -p build/fuzz/found
	unpack "$here/$target.corpus" "$dir"
	# Leaks are looked for in fuzz_test: here each input would be waited for.
	"build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=512 -timeout=30 \
		-artifact_prefix=build/fuzz/found/ -print_final_stats=1 "$dir" 2>"build/fuzz/$target.log" || {
		rc=1
		tail -n 40 "build/fuzz/$target.log" >&2
	}
	sed -n 's/^stat::number_of_executed_units: */'"$target"': inputs run: /p' "build/fuzz/$target.log"
	if [[ -n $keep && $rc == 0 ]]; then
		rm -rf "$dir.min" && mkdir "$dir.min"
		"build/fuzz/tests/fuzz/fuzz_$target" -merge=1 "$dir.min" "$dir" 2>/dev/null
		pack "$dir.min" "$here/$target.corpus"
	fi
done
exit "$rc"
