#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: the kernel's own driver selftests, unmodified, on nic0.
#
#   kernel.sh [TEST...]      like hw/rss_ctx.py; default: those of kernel.table
#
# kernel.table says which do not pass, and why; judge.awk compares.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tests=$here/../../build/programs/linux/tools/testing/selftests/drivers/net
table=$here/kernel.table
out=$(mktemp)
trap 'rm -f "$out"' EXIT

export NETIF=nic0 LOCAL_V4=10.77.0.2 LOCAL_V6=fd77::2 LOCAL_PREFIX_V6=fd78::/64
export REMOTE_TYPE=netns REMOTE_ARGS=peer REMOTE_V4=10.77.0.1 REMOTE_V6=fd77::1

if ((!$#)); then
	mapfile -t all < <(sed -n 's/^run *//p' "$table")
	set -- "${all[@]}"
fi
run() { # FILE OPTION...
	cd "$tests/$(dirname "$1")" && timeout --foreground -k 5 600 "./${1##*/}" "${@:2}"
}

failed=0
for test; do
	read -ra words <<<"$test"
	(run "${words[@]}") >"$out" 2>&1
	rc=$?
	# Their limits are for real machines: 5 s until a port is open, 20 s for a
	# command. Emulation on a busy host can take longer, so these get a second try.
	if grep -qE 'timed out|TimeoutExpired|TimeoutError' "$out"; then
		echo "# $test: a time limit of its own passed; once more"
		(run "${words[@]}") >"$out" 2>&1
		rc=$?
	fi
	name=${words[0]##*/}
	awk -v table="$table" -v test="${name%.py}" -v rc="$rc" -f "$here/judge.awk" "$out" |
		tee "$out.judged"
	! grep -q '^not ok' "$out.judged" || failed=1
	rm -f "$out.judged"
done
exit "$failed"
