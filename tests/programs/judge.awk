# SPDX-License-Identifier: MIT
# Compare what a selftest of the kernel says ("ok 1 NAME", "not ok 2 NAME",
# "ok 3 NAME # SKIP why") with the table of what is known not to pass, and print
# what tests/results.awk reads. -v table is that table, -v test the selftest's
# name as there, -v rc its exit code.
#
# What the table does not name has to pass. What it names has to do as it says, or
# the table is wrong: a test that passes by now is an error too.

function result(ok, text) {
	print (ok ? "ok " : "not ok ") text
	n++
}

BEGIN {
	while ((getline line < table) > 0) {
		if (line !~ /^(skip|fail) /)
			continue
		split(line, word, /[ \t]+/)
		if (word[2] != test && index(word[2], test ".") != 1)
			continue
		how[word[2]] = word[1]
		sub(/^[a-z]+[ \t]+[^ \t]+[ \t]+/, "", line)
		why[word[2]] = line
	}
}

/^(not )?ok [0-9]+ / {
	kind = $1 == "not" ? "fail" : /# (SKIP|XFAIL)/ ? "skip" : "pass"
	name = $0
	sub(/^(not )?ok [0-9]+ /, "", name)
	said = name
	sub(/ *#.*/, "", name)
	if (!sub(/^[^#]*# */, "", said))
		said = ""
	seen[name] = 1

	if (!(name in how))
		result(kind == "pass", name (kind == "skip" ? " skipped itself: " said : ""))
	else if (how[name] != kind)
		result(0, name " was to " how[name] " and did " kind ": mend tests/programs/kernel.table")
	else
		print "skip " name ": " why[name]
	next
}

{ print /^#/ ? $0 : "# " $0 }

END {
	for (name in how)
		if (!(name in seen) && name != test)
			result(0, name " did not run: mend tests/programs/kernel.table")
	if (!n && !length(seen))
		result(0, test ": printed no result, exit code " rc)
}
