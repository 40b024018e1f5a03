#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Cause identifiers are the same in the library, in docs/causes.md and in the
# public headers: each one raised is documented, each one documented is raised.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
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

mapfile -t sources < <(find provider -name '*.[ch]' | sort)

# "LITERAL FILE" of each string that is one word in kebab case, and with a third
# word "id" where it is taken for an identifier: the third argument of drx_fail(),
# and whatever has a dash (in a table, in another call), but for these.
others='zcrx-device|zcrx-host|zcrx-copy|bochs-drm|rx-ntuple-filter|rx-gro-hw'
# Names of HTTP's headers.
others+='|content-encoding|content-range|last-modified|retry-after'
# Comments are skipped; brackets and strings inside the arguments are understood.
literals=$(for file in "${sources[@]}"; do
	awk -v file="$file" -v others="^($others)\$" '
	function emit(kind) {
		if (str ~ /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
			print str, file, kind
	}
	{ src = src $0 "\n" }
	END {
		n = length(src)
		for (i = 1; i <= n; i++) {
			c = substr(src, i, 1)
			if (c == "/" && substr(src, i + 1, 1) == "*") {
				i += 2
				while (i <= n && substr(src, i, 2) != "*/")
					i++
				i++
			} else if (c == "/" && substr(src, i + 1, 1) == "/") {
				while (i <= n && substr(src, i, 1) != "\n")
					i++
			} else if (c == "\x27") {
				i++
				while (i <= n && substr(src, i, 1) != "\x27")
					i += substr(src, i, 1) == "\\" ? 2 : 1
			} else if (c == "\"") {
				str = ""
				for (i++; i <= n; i++) {
					c = substr(src, i, 1)
					if (c == "\"")
						break
					if (c == "\\")
						str = str substr(src, i++, 1)
					str = str substr(src, i, 1)
				}
				emit(call[depth] && arg[depth] == 3 ||
				     str ~ /-/ && str !~ others ? "id" : "")
				word = ""
			} else if (c == "(" || c == "{" || c == "[") {
				call[++depth] = c == "(" && word == "drx_fail"
				arg[depth] = 1
				word = ""
			} else if (c == ")" || c == "}" || c == "]") {
				depth--
				word = ""
			} else if (c == ",") {
				arg[depth]++
				word = ""
			} else if (c ~ /[A-Za-z0-9_]/) {
				word = word c
			} else if (c !~ /[ \t\n]/) {
				word = ""
			}
			if (c ~ /[ \t\n]/ && word != "drx_fail")
				word = ""
		}
	}' "$file"
done | sort -u)

# shellcheck disable=SC2016 # backquotes of Markdown
documented=$(sed -n 's/^| `\([^`]*\)` .*/\1/p' docs/causes.md)
# Whole words of the headers, a dash being part of a word.
words=$(cat include/devrx/*.h | grep -oE '[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*' | sort -u)
# What a Return: paragraph says in kebab case is an identifier, but for these; so
# is what stands in quotes elsewhere.
english='page-sized|virtio-net'
returned=$({
	grep -ohE '"[a-z][a-z0-9]*(-[a-z0-9]+)+"' include/devrx/*.h
	awk '
	/^ \* Return:/ { inside = 1 }
	/^ \* Since:|^ \*\// { inside = 0 }
	inside { print }' include/devrx/*.h
} | grep -oE '(^|[^A-Za-z0-9_-])[a-z][a-z0-9]*(-[a-z0-9]+)+' |
	grep -oE '[a-z].*' | grep -vxE "$english|$others" | sort -u)

result unique "$(sort <<<"$documented" | uniq -d | sed 's/$/: twice in docs\/causes.md/')"
result form "$(grep -vE '^[a-z][a-z0-9]*(-[a-z0-9]+)*$' <<<"$documented" | sed 's/$/: not in kebab case/'
	awk 'length > 31 { print $0 ": longer than the 31 bytes of struct devrx_cause" }' <<<"$documented")"
result raised-documented "$(awk '$3 == "id" { print $1, $2 }' <<<"$literals" |
	while read -r id file; do
		grep -qxF -- "$id" <<<"$documented" ||
			echo "$id: raised in $file, not in docs/causes.md"
	done)"
result headers-documented "$(while read -r id; do
	grep -qxF -- "$id" <<<"$documented" ||
		echo "$id: in a public header, not in docs/causes.md"
done <<<"$returned")"
result documented-in-headers "$(while read -r id; do
	grep -qxF -- "$id" <<<"$words" ||
		echo "$id: in docs/causes.md, in no public header"
done <<<"$documented")"
raised=$(awk '{ print $1 }' <<<"$literals")
result documented-raised "$(while read -r id; do
	grep -qxF -- "$id" <<<"$raised" ||
		echo "$id: in docs/causes.md, raised nowhere in provider/"
done <<<"$documented")"
exit $failed
