#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A zcrx receiver from elsewhere: liburing's example, which checks each byte of
# what socat sends.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

len=$((4 << 20))
python3 -c "import sys; sys.stdout.write(('abcdefghijklmnopqrstuvwxyz' * ($len // 26 + 1))[:$len])" >"$tmp/letters"

listen() { # OPTION...
	stdbuf -oL "$programs/zcrx" -v -p 9000 -i nic0 -q 3 -S $((16 << 20)) -s "$len" "$@" >"$tmp/said" 2>&1 &
	server=$!
	wait_for listens 9000
	# It listens before it has its queue, and has it when it waits for something.
	wait_for grep -q io_cqring "/proc/$server/wchan"
}

said_or_ended() { grep -q terminated "$tmp/said" || ! kill -0 "$server"; }

receive() { # ADDRESS OPTION...
	local before
	before=$(counter rx_q3_placed_bytes)
	listen "${@:2}"
	peer socat -u "OPEN:$tmp/letters" "TCP:$1:9000"
	# It serves for ever, and ends by itself where a byte is wrong.
	wait_for said_or_ended
	cat "$tmp/said"
	grep -q "terminated: received $len," "$tmp/said"
	(($(counter rx_q3_placed_bytes) - before >= len))
	kill "$server"
	wait "$server" || true
	wait_for no_provider_on 3
}

wrong() {
	tr z y <"$tmp/letters" >"$tmp/other"
	listen -A 2
	peer socat -u "OPEN:$tmp/other" TCP:10.77.0.2:9000 || true
	if wait "$server"; then exit 1; fi
	grep 'payload mismatch' "$tmp/said"
	wait_for no_provider_on 3
}

steer
check "zcrx example, host memory" receive 10.77.0.2
check "zcrx example, dmabuf" receive 10.77.0.2 -A 2
check "zcrx example, dmabuf, IPv6" receive '[fd77::2]' -A 2
check "zcrx example, dmabuf, refill ring of the kernel" receive 10.77.0.2 -A 2 -r 1
check "zcrx example, notices a wrong byte" wrong
unsteer
exit "$failed"
