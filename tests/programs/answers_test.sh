#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ethtool and netlink describe the softnic truly, whatever provider is on queue 3.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

ncdevmem=$programs/linux/tools/testing/selftests/drivers/net/hw/ncdevmem
head -c 2M /dev/urandom >"$tmp/file"
steer
"$here/answers.py" features driver rings channels table rules no_provider || failed=1

placed=$(counter rx_q3_placed_bytes)
# The receiver ends with its connection, so one that stays open holds the provider.
hold
mkfifo "$tmp/pipe"
peer nc -N 10.77.0.2 9000 <"$tmp/pipe" &
exec 5>"$tmp/pipe"
cat "$tmp/file" >&5
all_placed() { (($(counter rx_q3_placed_bytes) - placed >= 2 << 20)); }
wait_for all_placed || failed=1
"$here/answers.py" provider=io-uring pool_statistics counters || failed=1
exec 5>&-
transfer() {
	wait_for test -s "$tmp/hold"
	arrived "$tmp/file"
}
check "answers, and the transfer" transfer

"$ncdevmem" -l -n -s 10.77.0.2 -p 9000 -f nic0 -t 3 -q 1 >"$tmp/ncdevmem" 2>&1 &
holder=$!
wait_for provider_on 3 || cat "$tmp/ncdevmem"
"$here/answers.py" provider=dmabuf || failed=1
kill "$holder"
wait "$holder" 2>/dev/null
wait_for no_provider_on 3
"$here/answers.py" no_provider || failed=1
unsteer
exit "$failed"
