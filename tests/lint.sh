#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ./run lint: everything that needs no build. All checks run, each has one line.
set -uo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

if [[ ${1:-} == --help ]]; then
	cat <<'END'
usage: ./run lint

Check all files that git knows or would add:
  format     clang-format on C, C++ and CUDA but the modules (.clang-format)
  shell      shellcheck on shell scripts
  man        mandoc -T lint on man pages
  spelling   codespell
  licences   an SPDX line in each source file
  headers    each public header compiles alone, as C11 and as C++17
  length     no source file over 800 lines
  blanks     no blanks at the end of a line
END
	exit
fi

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
failed=0

check() { # NAME COMMAND...: its output is shown when it fails
	if "${@:2}" >"$tmp/out" 2>&1; then
		printf '%-10s ok\n' "$1"
	else
		printf '%-10s FAILED\n' "$1"
		head -n 60 "$tmp/out" | sed 's/^/    /'
		failed=1
	fi
}

# Regular text files, links left out; plots are made from figures.
mapfile -d '' -t files < <(
	{ git -c safe.directory='*' ls-files -z --cached --others --exclude-standard 2>/dev/null ||
		find . -path ./build -prune -o -path ./.git -prune -o -type f -printf '%P\0'; } |
		sort -zu | while IFS= read -r -d '' file; do
		[[ -f $file && ! -L $file && $file != *.svg ]] && grep -qI '' "$file" && printf '%s\0' "$file"
	done
)
((${#files[@]})) || { echo 'lint: no files' >&2 && exit 1; }

code=() shell=() man=() source=()
for file in "${files[@]}"; do
	case $file in
	kernel/softnic/* | kernel/vram/*) ;; # the kernel's style is checkpatch's to judge
	*.c | *.h | *.cc | *.cu | *.cuh) code+=("$file") ;;
	*.[1-8]) man+=("$file") ;;
	esac
	case $file in
	LICENSE* | */LICENSE* | *.md | *.json | *.txt | .git*) [[ $file == *CMakeLists.txt ]] && source+=("$file") ;;
	*) source+=("$file") ;;
	esac
	[[ $file != *.sh ]] && ! head -n 1 "$file" | grep -qE '^#!.*\b(ba|da)?sh\b' || shell+=("$file")
done

spdx() {
	local file bad=0
	for file in "${source[@]}"; do
		head -n 5 "$file" | grep -q 'SPDX-License-Identifier: ' && continue
		echo "$file: no SPDX-License-Identifier in its first lines"
		bad=1
	done
	return "$bad"
}

headers() {
	local header bad=0 flags=(-pedantic-errors -Wall -Wextra -Werror -fsyntax-only -Iinclude)
	for header in include/devrx/*.h; do
		echo "#include <devrx/${header##*/}>" >"$tmp/use.c"
		cp "$tmp/use.c" "$tmp/use.cc"
		gcc -std=c11 "${flags[@]}" "$tmp/use.c" && g++ -std=c++17 "${flags[@]}" "$tmp/use.cc" || bad=1
	done
	return "$bad"
}

short() {
	local file lines bad=0
	for file in "${source[@]}"; do
		lines=$(wc -l <"$file")
		((lines <= 800)) || { echo "$file: $lines lines" && bad=1; }
	done
	return "$bad"
}

blanks() { ! grep -nHE '[[:blank:]]+$' "${source[@]}" /dev/null; }

check format clang-format --dry-run -Werror "${code[@]}"
check shell shellcheck -x "${shell[@]}"
((${#man[@]} == 0)) || check man mandoc -T lint -W warning "${man[@]}"
# nd: .Nd in man pages.
check spelling codespell -L nd "${files[@]}"
check licences spdx
check headers headers
check length short
check blanks blanks
exit "$failed"
