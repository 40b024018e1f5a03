#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# devrx recv without a NIC, fed by devrx send: what it says, and that every byte is
# right. With one it is tests/vm's.
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
	echo "skip recv-cli: the tool is not built"
	exit 0
fi
ready=$("$devrx" recv --listen 127.0.0.1:0 --timeout 1 --quiet 2>&1)
if [[ $ready == *io_uring* ]]; then
	echo "skip recv-cli: no io_uring here"
	exit 0
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# receive ARG...: devrx recv with these, and a sender of what stands in send; its
# output in $tmp/out and $tmp/err, its exit code in rc.
receive() {
	local pid port
	rm -f "$tmp/err"
	mkfifo "$tmp/err.pipe"
	"$devrx" recv --listen 127.0.0.1:0 --timeout 20 "$@" >"$tmp/out" 2>"$tmp/err.pipe" &
	pid=$!
	{
		while IFS= read -r line; do
			echo "$line" >>"$tmp/err"
			if [[ $line =~ ready\ on\ 127\.0\.0\.1:([0-9]+) ]]; then
				port=${BASH_REMATCH[1]}
				"$devrx" send "127.0.0.1:$port" "${send[@]}" >/dev/null
			fi
		done
	} <"$tmp/err.pipe"
	wait "$pid"
	rc=$?
	rm "$tmp/err.pipe"
}

# says FILE PATTERN...: the patterns that no line of it has.
says() {
	local pattern
	for pattern in "${@:2}"; do
		grep -qE -- "$pattern" "$tmp/$1" || echo "no '$pattern' in: $(cat "$tmp/$1")"
	done
}

send=(--pattern 7 --bytes 20M --connections 3)
receive --connections 3 --verify 7 --size 4M
result report "$(
	[[ $rc == 0 ]] || echo "exit code $rc"
	says err '^devrx recv: ready on 127\.0\.0\.1:[0-9]+, tier recv, memory host \(host\), 4 MiB$'
	says out '^landed +60 MiB in .*memory$' '^tier +recv: no queue was given' \
		'^memory +host, 4 MiB in chunks of 64 KiB$' \
		'^zero-copy +0 bytes \(0 %\), copied 62914560 bytes$' '^verified '
)"

send=(--pattern 7 --bytes 3M)
receive --tier recv --chunk 8k --size 1M --verify 7 --json --quiet
result json "$(
	[[ $rc == 0 ]] || echo "exit code $rc"
	says out '"tier": ?"recv"' '"memory": ?"host"' '"chunk": ?8192' '"nic": ?null' '"queue": ?null' \
		'"bytes": ?3145728' '"bytes_zero_copy": ?0' '"bytes_copied": ?3145728' '"verified": ?true'
)"

# A length that the memory is no multiple of, and why it is not had.
send=(--pattern 7 --bytes 100k)
receive --chunk-max 64k --size 40K --verify 7
result chunk-max "$(
	[[ $rc == 0 ]] || echo "exit code $rc"
	says out '^memory +host, 40 KiB in chunks of 8 KiB$' \
		'^chunks +no longer: 65536: chunk-refused: .*; 32768 too; 16384 too$'
)"

head -c 5000001 /dev/urandom >"$tmp/file"
send=(--file "$tmp/file")
receive --out "$tmp/copy" --digest --quiet
result file "$(
	[[ $rc == 0 ]] || echo "exit code $rc"
	cmp "$tmp/file" "$tmp/copy" 2>&1
)"

# By the receiver's ring, and past the page cache where this file system lets it.
head -c 40M /dev/urandom >"$tmp/large"
send=(--file "$tmp/large" --connections 6)
receive --connections 6 --out "$tmp/many" --json --quiet
result files "$(
	[[ $rc == 0 ]] || echo "exit code $rc"
	for i in 0 1 2 3 4 5; do cmp "$tmp/large" "$tmp/many.$i" 2>&1; done
	compgen -G "$tmp/*part-*"
	says out '"bytes_written": ?251658240'
	grep -qE '"bytes_written_ring": ?[1-9]' "$tmp/out" || echo "nothing by the ring"
)"

# One page is a whole one, wherever it is taken apart.
send=(--pattern 7 --bytes 4096)
receive --out "$tmp/page" --json --quiet
if grep -qE '"bytes_written_direct": ?0' "$tmp/out"; then
	echo "skip direct: the file system of $tmp has no O_DIRECT, or does not tell what it wants"
else
	result direct "$(
		[[ $rc == 0 ]] || echo "exit code $rc"
		says out '"bytes_written_ring": ?4096' '"bytes_written_direct": ?4096'
		[[ $(stat -c %s "$tmp/page") == 4096 ]] || echo "another length"
	)"
fi

mkfifo "$tmp/pipe"
cat "$tmp/pipe" >"$tmp/piped" &
cat=$!
send=(--file "$tmp/file")
receive --out "$tmp/pipe" --json --quiet
wait "$cat"
result pipe "$(
	[[ $rc == 0 ]] || echo "exit code $rc"
	cmp "$tmp/file" "$tmp/piped" 2>&1
	says out '"bytes_written": ?5000001' '"bytes_written_ring": ?0'
)"

send=(--file "$tmp/file")
receive --out "$tmp/none" --digest
result output "$(says out '^output +5000001 bytes, [0-9]+ of them by the ring, from where they lie, and [0-9]+ past the page cache$')"

# Prometheus' text format, strictly: HELP and TYPE once before a name's samples, each
# series once, and values that are numbers.
metrics_wrong() {
	awk '
	/^# HELP devrx_[a-z_]+ [A-Z].*\.$/ { help[$3]++; next }
	/^# TYPE devrx_[a-z_]+ (counter|gauge)$/ {
		if (help[$3] != 1 || type[$3] != "") print "TYPE of " $3
		type[$3] = $4
		if (($4 == "counter") != ($3 ~ /_total$/)) print $3 " is a " $4
		next
	}
	{
		name = $0; sub(/{.*/, "", name)
		series = $0; sub(/ [^ ]*$/, "", series)
		if (series !~ /^devrx_[a-z_]+{([a-z_]+="([^"\\]|\\.)*",?)+}$/) print "series: " $0
		if (seen[series]++) print "twice: " series
		if (type[name] == "") print "no TYPE before " $0
		if ($NF !~ /^[0-9]+(\.[0-9]+)?$/) print "value: " $0
	}
	END { for (n in help) if (type[n] == "") print "no TYPE of " n; if (NR < 30) print NR " lines" }
	' "$1"
}

# metric FILE NAME-AND-LABELS: its value
metric() {
	awk -v want="$2" '{ series = $0; sub(/ [^ ]*$/, "", series) } index(series, want) == 1 { print $NF }' "$1"
}

send=(--pattern 7 --bytes 3M --connections 2)
receive --connections 2 --metrics "$tmp/devrx.prom" --quiet
result metrics "$(
	[[ $rc == 0 ]] || echo "exit code $rc"
	metrics_wrong "$tmp/devrx.prom"
	for bytes in received copied; do
		[[ $(metric "$tmp/devrx.prom" "devrx_${bytes}_bytes_total{listen=\"127.0.0.1:") == 6291456 ]] ||
			metric "$tmp/devrx.prom" "devrx_${bytes}_bytes_total"
	done
	[[ $(metric "$tmp/devrx.prom" devrx_connections_total) == 2 ]] || echo connections
	[[ $(metric "$tmp/devrx.prom" 'devrx_connections{') == 0 ]] || echo "connections are open"
	grep -q '^devrx_info{.*tier="recv",memory="host",placement="host",nic="",queue=""} 1$' "$tmp/devrx.prom" || echo info
	[[ $(echo "$tmp"/devrx.prom*) == "$tmp/devrx.prom" ]] || echo "left: $tmp/devrx.prom*"
)"

# refused RC WORDS ARG...
refused() {
	local out rc
	out=$("$devrx" recv --listen 127.0.0.1:0 "${@:3}" 2>&1)
	rc=$?
	[[ $rc == "$1" && $out == *"$2"* ]] || echo "$rc, not $1 with '$2': $out"
}
result misuse "$(
	refused 2 '--tier recv is without --nic' --nic lo --tier recv
	refused 2 '--tier zcrx-copy is without --nic' --nic lo --tier zcrx-copy
	refused 2 '--tier zcrx-device needs --nic' --tier zcrx-device
	refused 2 '--tier zcrx-host needs --nic' --tier zcrx-host
	refused 2 '--queue needs --nic' --queue 1
	refused 2 '--cqe-mixed needs --nic' --cqe-mixed
	refused 2 'best, zcrx-device, zcrx-host, recv or zcrx-copy' --tier copy
)"
result refused "$(
	refused 4 'cannot write the metrics to /no/such/file' --metrics /no/such/file
	out=$("$devrx" recv --listen 127.0.0.1:0 --size 1M --chunk 12k 2>&1)
	[[ $? == 3 && $out == *'a chunk of 12288 bytes was asked for'* ]] || echo "$out"
)"
exit "$failed"
