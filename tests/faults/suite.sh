#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: the matrix of faults, and the table of what it took.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-} in
-h | --help)
	cat <<'END'
usage: tests/faults/suite.sh [--gtest_OPTION...]

Run each fault on each tier on a softnic pair, then print the table: how long after
the fault's end the next bytes came. The exit code is the tests'.
END
	exit
	;;
esac

table=/tmp/devrx-faults
: >$table
DEVRX_VM_TESTS=$here/../../build/dev/tests/faults/devrx-faults \
	DEVRX_FAULTS_TABLE=$table "$here/../vm/suite.sh" "$@"
rc=$?
awk -f "$here/table.awk" $table
exit "$rc"
