#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# iperf3 on the softnic: both directions and both at once, IPv4 and IPv6, 16
# streams, while a provider holds another queue and gets its data right.
# $DEVRX_IPERF3_SECONDS: how long each run is (3).
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"
seconds=${DEVRX_IPERF3_SECONDS:-3}

judge='
import json, sys
run = json.load(open(sys.argv[1]))
if "error" in run:
    sys.exit(run["error"])
streams = run["end"]["streams"]
if len(streams) != int(sys.argv[2]):
    sys.exit(f"{len(streams)} streams")
for stream in streams:
    for side in "sender", "receiver":
        if not stream[side]["bytes"]:
            sys.exit(f"stream {stream[side]}: nothing from the {side}")
for name in "sum_received", "sum_received_bidir_reverse":
    if name in run["end"]:
        print(name, round(run["end"][name]["bits_per_second"] / 1e6), "Mbit/s")
'

run() { # ADDRESS STREAMS OPTION...
	iperf3 -s -1 -p 5201 >"$tmp/server" 2>&1 &
	local server=$!
	wait_for listens 5201
	peer timeout $((seconds + 60)) iperf3 -c "$1" -p 5201 -P 16 -t "$seconds" -J "${@:3}" >"$tmp/json" || {
		cat "$tmp/json" "$tmp/server"
		return 1
	}
	wait "$server"
	python3 -c "$judge" "$tmp/json" "$2" | tee "$tmp/speed"
}

head -c 3M /dev/urandom >"$tmp/file"
steer
hold
for address in 10.77.0.2 fd77::2; do
	family=$([[ $address == *:* ]] && echo IPv6 || echo IPv4)
	check "iperf3 $family, to the NIC" run "$address" 16
	cat "$tmp/speed"
	check "iperf3 $family, from the NIC" run "$address" 16 -R
	cat "$tmp/speed"
	# 64 threads on two CPUs leave no time to the one that looks at the clock.
	check "iperf3 $family, both at once" run "$address" 32 --bidir -b 1M
	cat "$tmp/speed"
done
check "a provider beside iperf3" release "$tmp/file"
unsteer
exit "$failed"
