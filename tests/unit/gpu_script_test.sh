#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tests/gpu/run.sh where there is no GPU, no program, or only a part of it works:
# what it says, and its exit code. A script plays the program.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

# result NAME LINES: LINES, if any, are what is wrong.
result() {
	if [[ -z $2 ]]; then
		echo "ok $1"
	else
		while IFS= read -r line; do echo "# $line"; done <<<"$2"
		echo "not ok $1"
		failed=1
	fi
}

# expect RC TEXT COMMAND...: its exit code, and TEXT in what it says.
expect() {
	local want=$1 text=$2 said rc
	shift 2
	said=$("$@" 2>&1)
	rc=$?
	((rc == want)) || echo "exit code $rc, not $want: $said"
	[[ $said == *"$text"* ]] || echo "does not say '$text': $said"
}

# As unpacked from --pack: no tree around it.
mkdir "$tmp/alone" "$tmp/out"
cp tests/gpu/run.sh "$tmp/alone/"
run=$tmp/alone/run.sh
cd "$tmp/out" || exit 1

# program RC-OF-TESTS RC-OF-BENCH RC-OF-MACHINE: one that answers so.
program() {
	cat >"$tmp/alone/devrx-gpu-tests" <<-END
		#!/bin/sh
		case "\$*" in
		--machine) echo "zcrx: Linux 1.2 has none"; echo "gpu: Some GPU at 0000:01:00.0, and so on"; exit ${3:-0} ;;
		--cpu*) echo "\$2" ;;
		--bench*) echo "| memcpy | 1 GB/s | | |"; echo "{}" >"\$3"; exit $2 ;;
		*) echo "ok gpu/one"; echo "skip gpu/two: why"; exit $1 ;;
		esac
	END
	chmod +x "$tmp/alone/devrx-gpu-tests"
}

result help "$(expect 0 'Exit code: 0 all right' "$run" --help)"
result unknown-argument "$(expect 2 "unknown argument '--nope'" "$run" --nope)"
result argument-without-file "$(expect 2 '--json needs a file' "$run" --json)"
result no-program-beside-it "$(expect 2 'devrx-gpu-tests is not beside this script' "$run")"
result no-such-program "$(expect 2 'there is no program /nowhere' "$run" --program /nowhere)"
result program-is-a-folder "$(expect 2 'there is no program /tmp' "$run" --program /tmp)"

program 0 0 77
result no-gpu "$(expect 77 'zcrx: Linux 1.2 has none' "$run")"
program 0 0
result all-right "$(
	expect 0 'ok gpu/one' "$run"
	for line in '^## [0-9-]* *: Some GPU$\|^## [0-9-]*: Some GPU$' '^\* zcrx: Linux 1.2 has none$' \
		'^\* nic:' '^\* kernel: Linux ' '1 right, 0 wrong' '^\* ok: gpu/one$' \
		'^\* skip: gpu/two: why$' '^| memcpy | 1 GB/s'; do
		grep -q "$line" gpu-report.md || echo "the report has no '$line'"
	done
	[[ -s gpu-bench.json ]] || echo "no JSON"
)"
program 1 0
result wrong-result "$(expect 1 'ok gpu/one' "$run")"
program 0 3
result missed-limit "$(expect 3 'memcpy' "$run")"
program 1 3
result wrong-result-outweighs-a-limit "$(expect 1 'memcpy' "$run")"
program 0 139
result crash-of-the-benchmark "$(expect 1 'memcpy' "$run")"
program 0 3
result no-bench "$(expect 0 'report:' "$run" --no-bench)"

# A sample that says this to stderr, prints that, and ends so.
sample() {
	mkdir -p "$tmp/alone/samples"
	printf '#!/bin/sh\necho "%s" >&2\necho %s\nexit %s\n' "$1" "$2" "$3" >"$tmp/alone/samples/cuda_checksum"
	chmod +x "$tmp/alone/samples/cuda_checksum"
}
program 0 0
result sample-not-built "$(expect 0 'skip gpu/cuda_checksum: not built' "$run")"
sample ready cuda_checksum 0
result sample-right "$(expect 0 $'\nok gpu/cuda_checksum' "$run")"
sample ready nonsense 0
result sample-wrong "$(expect 1 'not ok gpu/cuda_checksum' "$run")"
sample ready cuda_checksum 1
result sample-fails "$(expect 1 'not ok gpu/cuda_checksum' "$run")"
sample 'no driver' cuda_checksum 0
result sample-never-ready "$(expect 1 '# no driver' "$run")"
sample 'io_uring is switched off' '' 1
result sample-without-io-uring "$(expect 0 'skip gpu/cuda_checksum: io_uring is switched off' "$run")"
rm -r "$tmp/alone/samples"

program 0 0
result pack "$(
	expect 0 'tar xf p.tar.gz' "$run" --pack "$tmp/p.tar.gz"
	mkdir "$tmp/there" && cd "$tmp/there" && tar xf "$tmp/p.tar.gz" || echo "not unpacked"
	expect 0 'report: ' devrx-gpu/run.sh
)"

# A tool that runs the program and finds nothing, or something.
mkdir "$tmp/bin"
for rc in 0 9; do
	printf '#!/bin/sh\nshift 4\n"$@" || exit\nexit %s\n' "$rc" >"$tmp/bin/compute-sanitizer"
	chmod +x "$tmp/bin/compute-sanitizer"
	program 0 0
	verdict=ok
	((rc)) && verdict="not ok"
	result "sanitizer-says-$rc" "$(
		expect "$((rc != 0))" "$verdict gpu/racecheck" env PATH="$tmp/bin:$PATH" "$run"
		# What the program says under it is not counted twice.
		grep -c 'gpu/one$' gpu-report.md | grep -qx 1 || echo "gpu/one is not once in the report"
	)"
done

exit "$failed"
