# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2154 # top, log: of ./run
# ./run test: the suites, and the counting of what they print.
# Sourced by ./run, whose steps it uses.

suites=(unit vm)
describe() {
	case $1 in
	unit) echo 'natively: every room against fakes, plain and under ASAN, UBSAN and TSAN; installing' ;;
	vm) echo 'in the VM on Linux 7.3 and 7.2: the real kernel, a software NIC, real dmabufs' ;;
	esac
}
vm_series=(7.3 7.2)

# tally LABEL PROGRAM LOG RC: add a program's results to those of the run; 1 when one failed.
tally() {
	((++tallied))
	awk -v label="$1" -v program="$2" -v rc="$4" \
		-v details="$(printf '%s/details.%03d' "$results" "$tallied")" \
		-f "$top/tests/results.awk" "$3" >"$results/one"
	cat "$results/one" >>"$results/all"
	! grep -q '^fail ' "$results/one"
}

# one_line WHAT START OK
one_line() { printf '%-34s %s%s\n' "  $1" "$(since "$2")" "$( (($3)) || echo '  FAILED')" >&2; }

# run_program LABEL LIMIT PROGRAM...: natively, its output in a log of its own.
run_program() {
	local label=$1 limit=$2 name=${3##*/} from to rc ok=1
	shift 2
	to=$log/test-$label-$name.log
	from=$(started_at)
	start timeout --kill-after=5 "$limit" "$@" >"$to" 2>&1 </dev/null
	join "$started"
	rc=$?
	((rc != 124 && rc != 137)) || echo "time limit of $limit s reached" >>"$to"
	tally "$label/" "$name" "$to" "$rc" || ok=0
	one_line "$label $name" "$from" "$ok"
}

suite_unit() {
	local preset program found
	export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
	export TSAN_OPTIONS=halt_on_error=1
	for preset in dev asan tsan; do
		build_preset "$preset" || {
			echo "fail build of $preset" >>"$results/all"
			continue
		}
		found=0
		for program in "$top/build/$preset"/tests/unit/*_test; do
			[[ -f $program && -x $program ]] || continue
			found=1
			run_program "$preset" 300 "$program"
		done
		((found)) || echo "fail $preset: no test program was built" >>"$results/all"
	done
	for program in "$top"/tests/unit/*_test.sh; do
		[[ -x $program ]] || continue
		DEVRX_BUILD=$top/build/dev run_program script 300 "$program"
	done
}

# run_vm SERIES OUTPUT: the suite in the VM.
run_vm() {
	start "$top/tests/vm/boot.sh" --kernel "$1" --timeout "${DEVRX_VM_TIMEOUT:-360}" \
		--no-module -- /devrx/tests/vm/suite.sh >"$2" 2>&1 </dev/null
	join "$started"
}

# emulator_fault SERIES: the kernel changes its own code (static keys) by way of
# int3. QEMU with a thread for each CPU can run the old and the new code mixed,
# which ends in an int3 that nobody put there; it was seen while the kernel booted,
# before any module of ours was loaded. No bug of a driver looks like it.
emulator_fault() { grep -qaE 'Oops: int3|int3: 0000' "$log/vm-$1.log"; }

suite_vm() {
	local series from to rc ok
	build_preset dev && finish_vm_setup || {
		echo 'fail VM: not built' >>"$results/all"
		return
	}
	for series in "${vm_series[@]}"; do
		to=$log/test-vm-$series.log ok=1
		from=$(started_at)
		run_vm "$series" "$to"
		rc=$?
		if ((rc)) && emulator_fault "$series"; then
			echo '  the emulator mixed old and new code (int3); once more, on one thread' >&2
			DEVRX_VM_THREADS=single run_vm "$series" "$to"
			rc=$?
		fi
		if ((rc == 70)); then
			echo "fail $series/kernel log" >>"$results/all"
			grep -a -A 40 '^vm: ' "$to" >"$results/details.vm-$series"
			ok=0 rc=0
		fi
		tally "$series/" "VM" "$to" "$rc" || ok=0
		one_line "vm, Linux $(<"$top/build/vm/$series/kernel")" "$from" "$ok"
	done
}

report() {
	local passed failed skipped
	passed=$(grep -c '^pass ' "$results/all")
	failed=$(grep -c '^fail ' "$results/all")
	skipped=$(grep -c '^skip ' "$results/all")
	if ((failed)); then
		cat "$results"/details.* 2>/dev/null | cut -c1-300 | awk '
			/^---- / { n = 0 }
			++n <= 60
			n == 61 { print "[...]" }'
		echo
		echo 'failed (logs in build/log):'
		sed -n 's/^fail /  /p' "$results/all"
	fi
	if ((skipped)); then
		echo 'skipped:'
		sed -n 's/^skip [^\t]*\t//p' "$results/all" | sort | uniq -c | sort -rn |
			sed -E 's/^ *([0-9]+) /  \1 x /'
	fi
	((passed + skipped)) || failed=$((failed ? failed : 1))
	echo "$passed passed, $failed failed, $skipped skipped"
	((failed == 0))
}

suites_main() {
	local suite chosen=() setup=()
	while (($#)); do
		case $1 in
		--help | -h)
			echo "usage: ./run test [--list] [SUITE...]

Run the suites named, or all. It ends with the line
\"N passed, N failed, N skipped\", after the skips by reason; the exit code is 0
when nothing failed. Logs are in build/log/test-*.log. The suites:
"
			suites_main --list
			return
			;;
		--list)
			for suite in "${suites[@]}"; do
				printf '  %-8s %s\n' "$suite" "$(describe "$suite")"
			done
			return
			;;
		-*) bad_call "unknown option $1 of test" ;;
		*)
			[[ " ${suites[*]} " == *" $1 "* ]] || bad_call "no suite '$1': there are ${suites[*]}"
			chosen+=("$1")
			;;
		esac
		shift
	done
	((${#chosen[@]})) || chosen=("${suites[@]}")

	mkdir -p "$log"
	tallied=0
	results=$(mktemp -d "$top/build/results.XXXXXX") || return
	trap 'stop_all; rm -rf "$results"' EXIT
	: >"$results/all"
	[[ " ${chosen[*]} " != *' vm '* ]] || setup=("${packages_vm[@]}")
	# Downloads go on while compilers run.
	((${#setup[@]} == 0)) || start_vm_setup "${vm_series[@]}"
	if ! { need "${packages_build[@]}" "${packages_test[@]}" "${setup[@]}" && need_liburing; }; then
		echo '0 passed, 1 failed, 0 skipped'
		return 1
	fi
	for suite in "${chosen[@]}"; do
		"suite_$suite"
	done
	report
}
