#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# devrx info: what it says of this machine is what the machine says.
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
	echo "skip info-cli: the tool is not built"
	exit 0
fi
human=$("$devrx" info 2>&1)
rc=$?
if [[ $rc == 3 && $human == *io_uring* ]]; then
	echo "skip info-cli: no io_uring here"
	exit 0
fi
json=$("$devrx" info --json)

# has TEXT PATTERN...: the patterns that no line of it has.
has() {
	local pattern
	for pattern in "${@:2}"; do
		grep -qE -- "$pattern" <<<"$1" || echo "no '$pattern' in: $1"
	done
}

result kernel "$(has "$human" "^kernel +Linux $(uname -r)" && has "$json" "\"kernel\": ?\"$(uname -r)\"")"

max=$(cat /proc/sys/net/core/skb_defer_max 2>/dev/null)
if [[ -z $max ]]; then
	result pinned "$(has "$json" '"skb_defer_max": ?null')"
elif [[ $max == 0 ]]; then
	result pinned "$(has "$json" '"skb_defer_max": ?0,' &&
		has "$human" '^after exit +memory stays pinned until its sockets close')"
else
	result pinned "$(has "$json" "\"skb_defer_max\": ?$max," &&
		has "$human" "^after exit +memory can stay pinned .* skb_defer_max is $max\$" \
			'^ +next: sysctl net.core.skb_defer_max=0$')"
fi
exit "$failed"
