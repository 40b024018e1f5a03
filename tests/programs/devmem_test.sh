#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# devmem TCP from elsewhere: the kernel's ncdevmem receives into a udmabuf and
# sends from one, and the bytes are right. It sets the NIC up by itself.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

ncdevmem=$programs/linux/tools/testing/selftests/drivers/net/hw/ncdevmem
len=$((1 << 20))
# What its -v 7 expects: 1 2 3 4 5 6 and a newline, again and again.
python3 -c "import sys; sys.stdout.buffer.write((b'\1\2\3\4\5\6\n' * ($len // 7 + 1))[:$len])" >"$tmp/bytes"

receive() { # ADDRESS
	local before server
	before=$(counter rx_placed_bytes)
	"$ncdevmem" -l -s "$1" -p 9000 -f nic0 -v 7 -L &
	server=$!
	wait_for listens 9000
	peer nc -N "$1" 9000 <"$tmp/bytes"
	wait "$server"
	(($(counter rx_placed_bytes) - before >= len))
}

# It sends line by line and waits for each to be on its way.
base64 -w 60000 "$tmp/bytes" | head -c $len >"$tmp/lines"

send() { # ADDRESS VERSION
	local server before
	before=$(counter tx_bytes)
	peer socat -u "TCP$2-LISTEN:9001,reuseaddr" "CREATE:$tmp/got" &
	server=$!
	wait_for peer_listens 9001
	"$ncdevmem" -s "$1" -p 9001 -f nic0 <"$tmp/lines"
	wait "$server"
	same "$tmp/lines" "$tmp/got"
	(($(counter tx_bytes) - before >= len))
}

check "ncdevmem receives" receive 10.77.0.2
check "ncdevmem receives, IPv6" receive fd77::2
check "ncdevmem sends" send 10.77.0.1 4
check "ncdevmem sends, IPv6" send fd77::1 6
unsteer
exit "$failed"
