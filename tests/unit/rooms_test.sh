#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Who may include whom: the rooms of provider/ depend on each other one way
# only, and the library needs no header of the CUDA toolkit's. Read from the sources, and, where
# ninja built it, from what the compiler really opened.
# Build directory: $DEVRX_BUILD (default build/dev).
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=${DEVRX_BUILD:-build/dev}
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

# The headers that a room must never see, and what it may include of other
# rooms, as extended regular expressions.
uring='liburing(/.*)?\.h|liburing/.*|linux/io_uring(/.*)?\.h'
cuda='cuda[a-z_]*\.h|.*/cuda[a-z_]*\.h'
never() {
	case $1 in
	util | memory | nic) echo "$uring|$cuda" ;;
	*) echo "$cuda" ;;
	esac
}
may() {
	case $1 in
	util) echo 'util/[a-z0-9_]+\.h' ;;
	memory) echo '(util|memory)/[a-z0-9_]+\.h|kernel/vram/devrx_vram\.h' ;;
	nic) echo '(util|nic)/[a-z0-9_]+\.h' ;;
	zcrx) echo '(util|zcrx)/[a-z0-9_]+\.h|memory/memory\.h|nic/(nic|watch)\.h' ;;
	deliver) echo '(util|deliver)/[a-z0-9_]+\.h' ;;
	*) return 1 ;;
	esac
}

# includes FILE...: "FILE:LINE OPEN NAME" of each #include, OPEN being < or ".
includes() {
	(($#)) || return 0
	grep -HnE '^[[:space:]]*#[[:space:]]*include' "$@" |
		sed -E 's/^([^:]+:[0-9]+):[^<"]*([<"])([^>"]*).*/\1 \2 \3/'
}

# ours OPEN NAME: is it a header of this tree, as it is to be included here?
ours() {
	if [[ $1 == '<' ]]; then
		[[ $2 == devrx/* && -e include/$2 ]]
	else
		[[ -e provider/$2 ]]
	fi
}

files() {
	find "$@" -name '*.[ch]' 2>/dev/null | sort
}

for dir in provider/*/; do
	room=$(basename "$dir")
	mapfile -t sources < <(files "$dir")
	((${#sources[@]})) || continue
	if ! allowed=$(may "$room"); then
		result "includes-$room" "provider/$room has no rule in rooms_test.sh"
		continue
	fi
	result "includes-$room" "$(includes "${sources[@]}" |
		while read -r where open name; do
			[[ $name =~ ^($(never "$room"))$ ]] && ! ours "$open" "$name" &&
				echo "$where: $name is not for $room"
			if [[ $open == '"' ]]; then
				# A bare name is a file of the same room.
				[[ $name != */* && -e $dir$name ]] && continue
				[[ $name =~ ^($allowed)$ ]] ||
					echo "$where: $room may not include \"$name\""
			elif [[ $name != devrx/* && -e provider/$name ]]; then
				echo "$where: a file of ours between <>: $name"
			fi
		done)"
done

mapfile -t sources < <(files include)
result includes-public "$(includes "${sources[@]}" |
	while read -r where open name; do
		[[ $open == '<' && ($name == devrx/* || $name =~ ^std[a-z]+\.h$) ]] ||
			echo "$where: a public header may not include $name"
	done)"

for dir in tools samples; do
	mapfile -t sources < <(files "$dir")
	((${#sources[@]})) || continue
	result "includes-$dir" "$(includes "${sources[@]}" |
		while read -r where open name; do
			if [[ $open == '"' ]]; then
				# A file of the same room, or one that is made there.
				[[ -e $dir/$name || -e $build/$dir/$name ]]
			else
				[[ ! -e provider/$name && ! -e tests/$name ]]
			fi || echo "$where: $dir may include <devrx/*.h> only, not $name"
		done)"
done

# The same from the compiler's own list: nothing comes in by a detour.
if ! command -v ninja >/dev/null; then
	echo "skip opened-files: ninja is not installed"
elif [[ ! -e $build/build.ninja ]]; then
	echo "skip opened-files: $build was not configured for ninja"
else
	opened=$(ninja -C "$build" -t deps 2>/dev/null | awk '
		/^[^ ].*: #deps/ {
			room = ""
			if (match($1, /provider\/CMakeFiles\/devrx_objects\.dir\/[a-z]+\//)) {
				room = substr($1, RSTART, RLENGTH - 1)
				sub(/.*\//, "", room)
			}
		}
		/^ / && room { print room, $1 }' | sort -u)
	if [[ -z $opened ]]; then
		echo "skip opened-files: libdevrx is not built in $build"
	else
		result opened-files "$(while read -r room file; do
			# What stands in this tree is judged by its room below.
			[[ $file =~ (^|/)($(never "$room"))$ ]] &&
				! [[ $file =~ (^|/)(provider/[a-z]+|include/devrx)/[a-z0-9_]+\.h$ &&
					-e ${BASH_REMATCH[0]#/} ]] &&
				echo "$room opens $file"
			[[ $file =~ (^|/)provider/([a-z]+/[a-z0-9_]+\.h)$ ]] &&
				! [[ ${BASH_REMATCH[2]} =~ ^($(may "$room"))$ ]] &&
				echo "$room opens provider/${BASH_REMATCH[2]}"
		done <<<"$opened")"
	fi
fi
exit $failed
