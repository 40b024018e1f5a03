# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A private apt: indexes and downloads live below build/cache, the machine's own
# apt state is only read. Signatures are checked against Debian's keyring.
# Sourced by root.sh and by tests/deps.sh.

archive_keyring=${DEVRX_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

# Print the Debian mirror: $DEVRX_MIRROR, else what this machine's apt uses.
archive_mirror() {
	local uri
	if [[ -n ${DEVRX_MIRROR:-} ]]; then
		printf '%s\n' "${DEVRX_MIRROR%/}"
		return
	fi
	uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 2>/dev/null |
		sed -n 's/^Debian|Debian|//p' | head -n 1)
	if [[ -z $uri ]]; then
		uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
			/etc/apt/sources.list.d/*.sources 2>/dev/null |
			sed -E '/^[[:space:]]*#/d; s/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?//; s/^URIs:[[:space:]]*//' |
			grep -oE '^(https?|file|ftp):[^[:space:]]*/debian/?([[:space:]]|$)' | head -n 1)
	fi
	uri=${uri%%[[:space:]]*}
	if [[ -z $uri ]]; then
		echo "no Debian mirror found in this machine's apt sources: set DEVRX_MIRROR to the URL of one" >&2
		return 1
	fi
	printf '%s\n' "${uri%/}"
}

# archive_apt DIR COMMAND ARG... : run an apt program on the private state in DIR.
archive_apt() {
	local dir=$1 tool=$2
	shift 2
	"$tool" -q -o Dir::Etc::SourceList="$dir/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::State="$dir/state" \
		-o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" \
		-o APT::Install-Recommends=0 -o APT::Sandbox::User="$(id -un)" \
		-o APT::Get::Assume-Yes=1 -o Acquire::Languages=none -o Acquire::Retries=3 \
		-o Debug::NoLocking=1 "$@"
}

# archive_open DIR TYPE SUITE... : point DIR at suites (TYPE: deb or deb-src), fetch indexes.
archive_open() {
	local dir=$1 type=$2 mirror suite
	shift 2
	[[ -r $archive_keyring ]] || {
		echo "$archive_keyring is missing: install debian-archive-keyring" >&2
		return 1
	}
	mirror=$(archive_mirror) || return 1
	mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
	: >"$dir/status"
	for suite; do
		echo "$type [signed-by=$archive_keyring] $mirror $suite main"
	done >"$dir/sources.list"
	archive_apt "$dir" apt-get -o APT::Update::Error-Mode=any update
}
