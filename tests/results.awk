# SPDX-License-Identifier: MIT
# Read a test program's output, print one line per test:
#   pass NAME | fail NAME | skip NAME<tab>REASON
# and the output of the failed ones to the file named by -v details.
# Understood: Google Test, and scripts that print "ok NAME", "not ok NAME" or
# "skip NAME: REASON". -v label goes before each name. -v rc is the program's
# exit code (77: everything was skipped): a crash or a failure that no test
# admits to is one, and so is a program that ran nothing.

function one(kind, name, reason) {
	if (kind == "fail") {
		failed++
		printf "---- %s%s\n%s", label, name, text >details
	}
	n++
	print kind " " label name (kind == "skip" ? "\t" reason : "")
	text = ""
	running = ""
	why = ""
}

# A test's name in a result line, without its parameter and its time.
function gtest_name(line) {
	sub(/^\[[^]]*\] /, "", line)
	sub(/ \([0-9]+ ms\)$/, "", line)
	sub(/, where .*/, "", line)
	return line
}

{ sub(/\r$/, "") }
/^\[==========\] Running / { inside = 1; text = ""; next }
/^\[==========\] .* ran\./ { inside = 0; next }
inside && /^\[ RUN      \] / { running = gtest_name($0); text = ""; why = ""; next }
inside && /\[       OK \] / { sub(/.*\[       OK \]/, "[       OK ]"); one("pass", gtest_name($0)); next }
inside && /\[  FAILED  \] / && running != "" { sub(/.*\[  FAILED  \]/, "[  FAILED  ]"); one("fail", gtest_name($0)); next }
inside && /\[  SKIPPED \] / {
	sub(/.*\[  SKIPPED \]/, "[  SKIPPED ]")
	one("skip", gtest_name($0), why == "" ? "no reason given" : why)
	next
}
/: Skipped$/ { take_why = 1; text = text $0 "\n"; next }
take_why { if ($0 != "") why = $0; take_why = 0 }
!inside && /^ok / { one("pass", substr($0, 4)); next }
!inside && /^not ok / { one("fail", substr($0, 8)); next }
!inside && /^skip / {
	name = substr($0, 6)
	reason = name
	sub(/:.*/, "", name)
	if (!sub(/^[^:]*: */, "", reason)) reason = "no reason given"
	one("skip", name, reason)
	next
}
{
	text = text $0 "\n"
	# A test that prints without end must not eat the memory.
	if (length(text) > 200000) text = "[...]\n" substr(text, length(text) - 100000)
}
END {
	if (running != "")
		one("fail", running " (did not end)")
	else if (rc != 0 && rc != 77 && !failed)
		one("fail", program ": exit code " rc)
	else if (!n)
		one("fail", program ": ran no test")
}
