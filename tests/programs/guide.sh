#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: the commands of docs/testing-without-hardware.md do what the page
# says, typed one after the other, with zcrx and ncdevmem in /share. They make a NIC
# of their own, and take the module away with it.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
page=$here/../../docs/testing-without-hardware.md
programs=$here/../../build/programs
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mount -t tmpfs tmpfs /share || exit 1
cp "$programs/zcrx" "$programs/linux/tools/testing/selftests/drivers/net/hw/ncdevmem" /share

# Blocks behind the mark, in order. zcrx binds when it has accepted: what came
# before is not placed.
awk '/^<!-- run by tests\/programs\/guide.sh -->$/ { marked = 1; next }
	/^```sh$/ && marked { inside = 1; next }
	/^```$/ { inside = marked = 0 }
	inside' "$page" >"$tmp/page.sh"

cd "$here/../.." || exit 1
# As an interactive shell would, but for -e.
bash -eu "$tmp/page.sh" >"$tmp/out" 2>&1
rc=$?
mapfile -t placed < <(sed -n 's/^ *rx_q3_placed_bytes: //p' "$tmp/out")

if ((rc == 0)) && grep -q '^TCP data split:.*on' "$tmp/out" &&
	((${#placed[@]} == 2 && placed[0] > 0 && placed[1] >= placed[0] + 1000000)); then
	echo "ok the commands of docs/testing-without-hardware.md"
	exit 0
fi
sed 's/^/# /' "$tmp/out"
echo "# exit code $rc, placed bytes: ${placed[*]}"
echo "not ok the commands of docs/testing-without-hardware.md"
tests/vm/link.sh down
exit 1
