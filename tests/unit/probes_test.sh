#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The static probes that devrx-recv(1) names are in the command, each with as many
# arguments as it says. Build directory: $DEVRX_BUILD (default build/dev).
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
devrx=${DEVRX_BUILD:-build/dev}/tools/devrx

if ! readelf -n "$devrx" 2>/dev/null | grep -q NT_STAPSDT; then
	echo "skip probes: built without <sys/sdt.h>"
	exit 0
fi
# "name number-of-arguments", of the binary and of the page
found=$(readelf -n "$devrx" | awk '
	/^ *Provider:/ { provider = $2 }
	/^ *Name:/ { name = $2 }
	/^ *Arguments:/ { if (provider == "devrx") print name, NF - 1 }' | sort -u)
told=$(sed -n 's/^\.It Li devrx:\([a-z_]*\) *\(.*\)$/\1 \2/p' man/devrx-recv.1 |
	awk '{ print $1, NF - 1 }' | sort -u)
if [[ -n $told && $found == "$told" ]]; then
	echo "ok probes"
else
	diff <(echo "$told") <(echo "$found") | sed 's/^/# /'
	echo "not ok probes"
	exit 1
fi
