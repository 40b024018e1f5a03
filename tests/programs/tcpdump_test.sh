#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tcpdump on the NIC that receives: of payload in a provider's memory it sees the
# headers and the true lengths and no byte more; of other payload every byte.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

capture() { # FILE PORT
	tcpdump -Z root -i nic0 -B 65536 -s 262144 -U -w "$1" "tcp dst port $2" 2>"$tmp/tcpdump" &
	dump=$!
	wait_for grep -q 'listening on' "$tmp/tcpdump"
}

ended() { tcpdump -Z root -r "$tmp/pcap" 'tcp[tcpflags] & tcp-fin != 0' 2>/dev/null | grep -q .; }

# What the kernel has captured and tcpdump not yet written would go with it.
end_capture() {
	wait_for ended
	kill "$dump"
	wait "$dump" || true
	cat "$tmp/tcpdump"
	grep -q '^0 packets dropped by kernel' "$tmp/tcpdump"
}

head -c 2M /dev/urandom >"$tmp/file"

placed() { # what tcpdump sees of what a provider gets
	hold
	capture "$tmp/pcap" 9000
	release "$tmp/file"
	end_capture
	python3 "$here/pcap.py" headers "$tmp/pcap" "$(stat -c %s "$tmp/file")"
}

ordinary() { # and of everything else
	nc -l -N 9001 >"$tmp/got" &
	local server=$!
	wait_for listens 9001
	capture "$tmp/pcap" 9001
	peer nc -N 10.77.0.2 9001 <"$tmp/file"
	wait "$server"
	end_capture
	python3 "$here/pcap.py" payload "$tmp/pcap" >"$tmp/seen"
	same "$tmp/file" "$tmp/seen"
}

steer
check "tcpdump of placed payload: headers and lengths only" placed
check "tcpdump of other payload: every byte" ordinary
unsteer
exit "$failed"
