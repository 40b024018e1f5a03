#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Received memory is never read through a path that is not coherent: read from
# the sources, and from the PTX that nvcc made of them. And the image has code
# for each architecture. Build directory: $DEVRX_BUILD (default build/dev).
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=${DEVRX_BUILD:-build/dev}
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

# __ldg(), and const __restrict__, of which the compiler makes the same.
result cuda-source "$(grep -nE '__ldg\(|__restrict|ld\.global\.nc|tex1D' kernel/cuda/*)"

# Each block of memory in GLSL is coherent, but for the results.
result glsl-source "$(awk '
	/^layout\(buffer_reference/ { block = 1; next }
	block && !/^coherent readonly buffer / && !/^buffer Result / {
		print FILENAME ":" FNR ": " $0 }
	block { blocks++ }
	{ block = 0 }
	END { if (blocks != 3) print "buffers: " blocks + 0 ", not 3" }' kernel/vulkan/*)"

for arch in 75 100; do
	ptx=$build/kernel/compute_$arch.ptx
	if [[ ! -e $ptx ]]; then
		echo "skip ptx-$arch: the CUDA kernels were not built (no nvcc)"
		continue
	fi
	result "ptx-$arch" "$(
		# Of every load from memory the whole way is stated.
		grep -nE 'ld\.(weak\.|volatile\.|relaxed[.a-z]*\.)?global|[[:space:]]ld\.[usbf][0-9]|\.nc[.[:space:]]' "$ptx" |
			grep -vE 'ld\.global\.cg\.'
		for kernel in gather crc32c sum histogram cast; do
			grep -q "\.entry devrx_$kernel(" "$ptx" || echo "no devrx_$kernel in $ptx"
		done
		(($(grep -c 'ld\.global\.cg\.' "$ptx") > 50)) || echo "hardly a load in $ptx: what was looked at?"
	)"
done

# An entry of a fatbin: u16 kind (1 PTX, 2 code), u32 length of the header at 4,
# u64 length at 8, u32 architecture at 28.
image=$build/kernel/devrx_kernels.fatbin
if [[ ! -e $image ]]; then
	echo 'skip architectures: the CUDA kernels were not built (no nvcc)'
else
	number() { od -An -v -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
	at=16 found='' end=$(stat -c %s "$image")
	while ((at < end)); do
		found+=" $(number "$at" 2):$(number $((at + 28)) 4)"
		((at += $(number $((at + 4)) 4) + $(number $((at + 8)) 8)))
	done
	result architectures "$(for want in 2:75 2:80 2:86 2:89 2:90 2:100 1:100; do
		[[ " $found " == *" $want "* ]] || echo "no $want among$found (2 is code, 1 is PTX)"
	done)"
fi

# The ring's consumers order what they share with the host at system scope.
ptx=$build/tests/gpu/consumer.ptx
if [[ ! -e $ptx ]]; then
	echo 'skip consumers: they were not built (no nvcc)'
else
	result consumers "$(
		(($(grep -c 'ld\.acquire\.sys\.' "$ptx") == 2)) || echo "not two acquires (C, F) in $ptx"
		(($(grep -c 'st\.release\.sys\.' "$ptx") == 1)) || echo "not one release (D) in $ptx"
		grep -nE '\.nc[.[:space:]]' "$ptx"
	)"
fi

# Where there is a GPU, on it; elsewhere it says so.
program=$build/tests/gpu/devrx-gpu-tests
if [[ ! -x $program ]]; then
	echo 'skip gpu-tests: the CUDA kernels were not built (no nvcc)'
else
	said=$("$program" kernels 2>&1)
	case $? in
	77)
		result gpu-tests-say-why "$(grep -q '^skipped: this machine has .*GPU' <<<"$said" || echo "$said")"
		echo "skip gpu-tests: ${said#skipped: }"
		;;
	0) echo 'ok gpu-tests' ;;
	*) result gpu-tests "$said" ;;
	esac
fi
exit $failed
