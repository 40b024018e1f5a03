#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The headers, the map and libdevrx.so name the same functions: each declared
# one is exported with the version that its comment gives, and nothing else is.
# Build directory: $DEVRX_BUILD (default build/dev).
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=${DEVRX_BUILD:-build/dev}
so=$build/provider/libdevrx.so
archive=$build/provider/libdevrx.a
map=provider/libdevrx.map
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

# both NAME A-TEXT A B-TEXT B: two sorted lists that must be equal.
both() {
	result "$1" "$(
		comm -23 <(echo "$3") <(echo "$5") | sed "/./s/\$/: $2, not $4/"
		comm -13 <(echo "$3") <(echo "$5") | sed "/./s/\$/: $4, not $2/"
	)"
}

# "NAME VERSION" of each DEVRX_API function; the version from the last Since:.
declared=$(awk '
	/^ *\* Since: / { since = $3 }
	/^#/ { next }
	/^DEVRX_API / { text = ""; inside = 1 }
	inside {
		text = text " " $0
		if (match(text, /devrx_[a-z0-9_]+ *\(/)) {
			name = substr(text, RSTART, RLENGTH)
			sub(/ *\(/, "", name)
			print name, (since ? since : "no-since")
			inside = 0
			since = ""
		}
	}' include/devrx/*.h | sort)

# "NAME VERSION" of each name in the map's global parts.
mapped=$(sed 's|/\*.*\*/||' "$map" | awk '
	/^DEVRX_[0-9.]+ \{/ { version = substr($1, 7) }
	/global:/ { global = 1; next }
	/local:/ { global = 0 }
	global && /^[ \t]*[a-z0-9_]+;/ {
		sub(/;.*/, "")
		print $1, version
	}' | sort)

if [[ $(grep -c . <<<"$declared") != "$(grep -ch '^DEVRX_API' include/devrx/*.h | awk '{ n += $1 } END { print n }')" ]]; then
	result headers-parsed "a DEVRX_API line that this test cannot read"
else
	result headers-parsed ''
fi
both headers-map declared "$declared" "in the map" "$mapped"

if [[ ! -e $so || ! -e $archive ]]; then
	result library-built "$so or $archive is missing: build first"
	exit 1
fi

# nm prints the version nodes themselves too, as absolute symbols.
exported=$(nm -D --defined-only --with-symbol-versions "$so" |
	awk '$2 != "A" { print $3 }' | sed 's/@@*DEVRX_/ /' | sort)
both headers-library declared "$declared" exported "$exported"

# Whoever links the archive gets no name that could be his own.
result archive-names "$(nm -g --defined-only "$archive" 2>/dev/null |
	awk 'NF == 3 && $3 !~ /^(devrx|drx)_/ { print $3 ": global in the archive" }' |
	grep -v '__asan\|__odr_asan\|__tsan\|__ubsan')"

major=$(sed -n 's/^#define DEVRX_VERSION_MAJOR //p' include/devrx/devrx.h)
soname=$(readelf -d "$so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[[ $soname == "libdevrx.so.$major" ]] && wrong='' ||
	wrong="SONAME is '$soname', not libdevrx.so.$major"
result soname "$wrong"
exit $failed
