#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# devrx bench over loopback: each way that needs no NIC is measured, the others say why
# not; it ends when it is told to, and when its sender goes. With a NIC it is tests/vm's.
# Build directory: $DEVRX_BUILD (default build/dev).
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
devrx=${DEVRX_BUILD:-build/dev}/tools/devrx
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

if [[ ! -x $devrx ]]; then
	echo "skip bench-cli: the tool is not built"
	exit 0
fi
if [[ $("$devrx" info 2>&1) == *'io_uring_setup'* ]]; then
	echo "skip bench-cli: no io_uring here"
	exit 0
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# is WANT GOT: what is wrong, if they differ.
is() { [[ $1 == "$2" ]] || echo "not '$1' but '$2'"; }
# has TEXT PATTERN...: the patterns that TEXT does not have.
has() {
	local pattern
	for pattern in "${@:2}"; do
		grep -qE -- "$pattern" <<<"$1" || echo "no '$pattern' in: $1"
	done
}

# Names, and what each does; those of a NIC are marked.
list=$("$devrx" bench --list)
result list "$(has "$list" '^floor  ' '^devrx-zcrx-device-4k .*--nic' '^epoll-recv-memcpy-64k ')"

# All that can be measured here, with more connections than one; bytes that do not
# divide by them are made up to do so.
json=$("$devrx" bench --bytes 3M --rounds 2 --connections 1,3 --json 2>"$tmp/err")
rc=$?
result runs "$(is 0 "$rc" && is '' "$(<"$tmp/err")")"
result rows "$(for way in floor devrx-recv recv-mapped recv-memcpy-1m epoll-recv-memcpy-64k \
	multishot-memcpy tcp-zerocopy-receive; do
	for connections in 1 3; do
		is 2 "$(grep -oE "\"name\": ?\"$way\", ?\"connections\": ?$connections, ?\"round\": ?[01], ?\"memory\": ?\"host\", ?\"bytes\": ?3145728, ?\"seconds\": ?[0-9.]*" <<<"$json" | wc -l)"
	done
done)"
result skipped "$(for way in raw-zcrx-4k devrx-zcrx-device-4k devmem-tcp; do
	has "$json" "\"name\": ?\"$way\", ?\"connections\": ?1, ?\"skipped\": ?\"[^\"]*--nic"
done)"

# Events are what they are said to be: 64 KiB at most for each copy.
events=$("$devrx" bench --bytes 8M --rounds 1 --ways epoll-recv-memcpy-64k --json |
	grep -oE '"events_per_mib": ?[0-9.]+' | grep -oE '[0-9.]+$')
result events "$(awk "BEGIN { exit !($events >= 16) }" || echo "$events receives of at most 64 KiB in a MiB")"

table=$("$devrx" bench --bytes 2M --rounds 1 --ways floor,devrx-recv)
result table "$(has "$table" '^way +conns +Gbit/s' '^floor +1 +[0-9.]+ ' '^devrx-recv +1 ' 'others: .*on this machine')"

for args in '--nic x' '--send' '--send :1' '--send h:1 --listen :1' '--ways nobody' '--connections 0' \
	'--connections 65' '--bytes 0' '--rounds 0' '--size 1K' '--queue 1' '--as-is' '--listen :65535' 'extra'; do
	# shellcheck disable=SC2086 # words
	"$devrx" bench $args >"$tmp/out" 2>"$tmp/err"
	rc=$?
	result "wrong call: $args" "$(is 2 "$rc"; is '' "$(<"$tmp/out")"; [[ -s $tmp/err ]] || echo 'nothing said')"
done

# start ARG...: devrx bench with a sender that is another process, in pid and sender.
start() {
	local i line
	"$devrx" bench --listen 127.0.0.1:0 --json "$@" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	line=0
	for ((i = 0; i < 500; i++)); do
		line=$(grep -oE 'bench --send HOST:[0-9]+' "$tmp/err") && break
		sleep 0.02
	done
	"$devrx" bench --send "127.0.0.1:${line##*:}" 2>"$tmp/err.send" &
	sender=$!
}

# Until the sender has had the CPU for some ticks: it is in the middle of it.
until_busy() {
	local i
	for ((i = 0; i < 1500; i++)); do
		[[ $(awk '{ print $14 + $15 }' "/proc/$sender/stat" 2>/dev/null) -gt 1 ]] && return
		sleep 0.02
	done
	echo "# the sender does not send: $(<"$tmp/err.send")"
}

# With another process as the sender, which ends with it.
start --bytes 1M --rounds 1 --ways floor
wait "$pid"
rc=$?
wait "$sender"
sent=$?
result sender "$(is 0 "$rc"; is 0 "$sent"; has "$(<"$tmp/out")" '"sender": ?"127.0.0.1:')"

# The sender goes in between: a sentence, and an exit code.
start --bytes 1T --rounds 1 --ways recv-memcpy-1m
until_busy
kill -KILL "$sender"
disown "$sender" 2>/dev/null
wait "$pid"
rc=$?
result sender-gone "$(is 1 "$rc"; has "$(<"$tmp/err")" '^devrx bench: recv-memcpy-1m: recv: .*(closed|reset)'; has "$(<"$tmp/out")" '"exit": ?1')"

# Told to end, in each way's own wait; nothing of it stays.
for way in floor devrx-recv epoll-recv-memcpy-64k multishot-memcpy tcp-zerocopy-receive; do
	start --bytes 1T --rounds 1 --ways "$way"
	until_busy
	kill -TERM "$pid"
	wait "$pid"
	rc=$?
	wait "$sender"
	result "ended: $way" "$(is 143 "$rc"; has "$(<"$tmp/err")" 'ended by signal 15')"
done
exit "$failed"
