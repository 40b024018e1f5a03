#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The samples, as far as no NIC is needed: their length, what they say when called
# wrongly, and that those on CUDA find their kernels and the driver, a fake one, and
# stop where there is no NIC. What they receive is tests/vm's.
# Build directory: $DEVRX_BUILD (default build/dev).
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=${DEVRX_BUILD:-build/dev}
kernels=$build/kernel/devrx_kernels.fatbin
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

# runs WANTED-RC PATTERN PROGRAM [ARG...]: nothing, or what was wrong.
runs() {
	local out rc
	out=$(LD_LIBRARY_PATH=$build/tests/fakes/libcuda timeout 60 "${@:3}" 2>&1)
	rc=$?
	[[ $rc == "$1" && $out =~ $2 ]] || echo "$rc, not $1 with '$2': ${out:0:300}"
}

# epoll_transfer: two connections at once to epoll_receive, then SIGTERM.
epoll_transfer() {
	local out port='' i pid a b
	out=$(mktemp)
	timeout 60 "$build/samples/epoll_receive" 0 >"$out" 2>&1 &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		port=$(sed -n 's/^listening on port \([0-9]*\)$/\1/p' "$out")
		[[ -z $port ]] && kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	if [[ -z $port ]]; then
		grep -q 'io_uring' "$out" || echo "no port: $(<"$out")"
		rm "$out"
		return
	fi
	exec {a}>"/dev/tcp/127.0.0.1/$port" {b}>"/dev/tcp/127.0.0.1/$port"
	head -c 1000000 /dev/zero >&"$a"
	head -c 70000 /dev/zero >&"$b"
	exec {a}>&- {b}>&-
	for ((i = 0; i < 600; i++)); do
		[[ $(grep -c 'end of stream' "$out") != 2 ]] || break
		sleep 0.1
	done
	kill -TERM $pid
	wait $pid || echo "ended with $?"
	[[ $(grep -c ': 1000000 bytes, end of stream\|: 70000 bytes, end of stream' "$out") == 2 ]] ||
		echo "not both: $(<"$out")"
	grep -q '^signal 15: 2 connections, 1070000 bytes$' "$out" || echo "no sum: $(<"$out")"
	rm "$out"
}

result length "$(wc -l samples/*.c samples/*.h samples/*.cu |
	awk '$2 != "total" && $1 > 200 { print $2 ": " $1 " lines" }')"

if [[ ! -x $build/samples/receive ]]; then
	echo "skip samples: not built in $build"
	exit "$failed"
fi
result own_provider "$(runs 0 'read back across a page: "network bytes"' "$build/samples/own_provider")"
result receive "$(runs 2 'usage: receive NIC PORT' "$build/samples/receive")"
# Without a NIC it is tier recv: a whole transfer. A signal in the same loop ends it.
result epoll_receive "$(
	runs 2 'usage: epoll_receive PORT' "$build/samples/epoll_receive"
	runs 1 'no-such-nic|/dev/udmabuf' "$build/samples/epoll_receive" 0 no-such-nic
	epoll_transfer
)"

result threads_receive "$(
	runs 2 'usage: threads_receive PORT' "$build/samples/threads_receive" 0 lo 0 0
	runs 1 'no NIC "no-such-nic"' "$build/samples/threads_receive" 0 no-such-nic 0 2
)"

# The same with the epoll set inside the wait: one connection by recv, one by devrx.
epoll_wait_transfer() {
	local out ports i pid a b
	out=$(mktemp)
	timeout 60 "$build/samples/epoll_wait_receive" 0 0 >"$out" 2>&1 &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		mapfile -t ports < <(sed -n 's/^listening on port \([0-9]*\)$/\1/p' "$out")
		((${#ports[@]} < 2)) && kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	if ((${#ports[@]} < 2)); then
		grep -q 'io_uring\|EPOLL_WAIT' "$out" || echo "no ports: $(<"$out")"
		rm "$out"
		return
	fi
	exec {a}>"/dev/tcp/127.0.0.1/${ports[0]}" {b}>"/dev/tcp/127.0.0.1/${ports[1]}"
	head -c 70000 /dev/zero >&"$a"
	head -c 1000000 /dev/zero >&"$b"
	exec {a}>&- {b}>&-
	for ((i = 0; i < 600; i++)); do
		[[ $(grep -c 'has ended' "$out") != 2 ]] || break
		sleep 0.1
	done
	kill -TERM $pid
	wait $pid || echo "ended with $?"
	grep -q '^70000 bytes by recv, 1000000 by devrx$' "$out" || echo "no sum: $(<"$out")"
	rm "$out"
}
result epoll_wait_receive "$(
	runs 2 'usage: epoll_wait_receive PORT' "$build/samples/epoll_wait_receive"
	epoll_wait_transfer
)"

for sample in cuda_checksum cuda_histogram cuda_vector_add bring_your_own_tensor; do
	program=$build/samples/$sample
	if [[ ! -x $program ]]; then
		echo "skip $sample: the CUDA samples were not built: no CUDA toolkit (cuda.h, nvcc)"
		continue
	fi
	more=()
	[[ $sample != cuda_vector_add ]] || more=("$build/samples/cuda_vector_add.fatbin")
	result "$sample" "$(
		runs 2 "usage: $sample NIC.- PORT devrx_kernels.fatbin" "$program"
		runs 1 'no-such-nic' "$program" no-such-nic 0 "$kernels" "${more[@]}"
		runs 1 'no-such-image: CUDA_ERROR' "$program" no-such-nic 0 no-such-image "${more[@]}"
		DEVRX_FAKE_CUDA='devices=0' runs 1 'cuInit: CUDA_ERROR' "$program" no-such-nic 0 "$kernels" "${more[@]}"
		DEVRX_FAKE_CUDA='cuMemAlloc=2' runs 1 'cuMemAlloc: CUDA_ERROR' "$program" no-such-nic 0 "$kernels" "${more[@]}"
	)"
done
exit "$failed"
