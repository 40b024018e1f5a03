#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The receiver that the README shows compiles, without a warning.
set -euo pipefail

top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

{
	printf '#include <errno.h>\n#include <stdio.h>\n#include <stdint.h>\n'
	printf 'void use(uint64_t offset, uint32_t length);\n'
	printf 'int receive(int sockfd);\n'
	# shellcheck disable=SC2016 # the backquotes are Markdown's
	sed -n '/^```c$/,/^```$/{/^```/!p}' "$top/README.md"
} >"$tmp/readme.c"

if grep -q devrx_receiver_open "$tmp/readme.c" &&
	${CC:-cc} -std=gnu17 -Wall -Wextra -Werror -I"$top/include" -c \
		-o "$tmp/readme.o" "$tmp/readme.c"; then
	echo "ok the receiver in README.md compiles"
else
	echo "not ok the receiver in README.md compiles"
	exit 1
fi
