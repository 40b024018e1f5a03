# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2154 # top, log: of ./run
# ./run test: the suites, and the counting of what they print.
# Sourced by ./run, whose steps it uses.

suites=(unit vm loaders faults programs cost soak)
# Of them, for whoever works on one room.
parts=(nic)
describe() {
	case $1 in
	unit) echo 'natively: every room against fakes, plain and under ASAN, UBSAN and TSAN; installing' ;;
	vm) echo 'in the VM on Linux 7.3 and 7.2: the real kernel, a software NIC, real dmabufs' ;;
	loaders) echo "the Python package: natively from nginx and bad servers, torchrun; in the VM on Linux 7.3 a safetensors file by zcrx" ;;
	faults) echo 'in the VM on Linux 7.3: each fault on each tier, every byte compared; connections that come and go for a minute' ;;
	programs) echo "in the VM on Linux 7.3: the kernel's driver selftests, liburing's zcrx, iperf3, tcpdump, tc" ;;
	cost) echo 'in the VM on Linux 7.3: what devrx costs, held against what is recorded, and the software NIC, in instructions' ;;
	nic) echo "of unit and vm what is about making a NIC ready, and back" ;;
	soak) echo 'in the VM on Linux 7.3: 100 lives and ends of NICs, providers, modules (DEVRX_CYCLES=1000: a long one)' ;;
	esac
}
vm_series=(7.3 7.2)
# The suites' time limits are many times what they take on an idle machine with
# two CPUs: they are for what hangs, and only that shall reach them.

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
			run_program "$preset" 1500 "$program"
		done
		((found)) || echo "fail $preset: no test program was built" >>"$results/all"
	done
	# What the README says to install.
	if build_preset release; then
		echo 'pass build of release' >>"$results/all"
	else
		echo 'fail build of release' >>"$results/all"
	fi
	for program in "$top"/tests/unit/*_test.sh; do
		[[ -x $program ]] || continue
		DEVRX_BUILD=$top/build/dev run_program script 1500 "$program"
	done
}

# run_vm SERIES OUTPUT LIMIT COMMAND...: in the VM, with more options for it in vm_options.
vm_options=()
run_vm() {
	start "$top/tests/vm/boot.sh" --kernel "$1" --timeout "${DEVRX_VM_TIMEOUT:-$3}" \
		--no-module "${vm_options[@]}" ${DEVRX_CYCLES:+--env DEVRX_CYCLES="$DEVRX_CYCLES"} \
		${DEVRX_IPERF3_SECONDS:+--env DEVRX_IPERF3_SECONDS="$DEVRX_IPERF3_SECONDS"} -- "${@:4}" \
		>"$2" 2>&1 </dev/null
	join "$started"
}

# emulator_fault SERIES: the kernel changes its own code (static keys) by way of
# int3. QEMU with a thread for each CPU can run the old and the new code mixed,
# which ends in an int3 that nobody put there; it was seen while the kernel booted,
# before any module of ours was loaded. No bug of a driver looks like it.
emulator_fault() { grep -qaE 'Oops: int3|int3: 0000' "$log/vm-$1.log"; }

# in_vm LABEL SERIES LIMIT COMMAND...: run_vm, its tests counted.
in_vm() {
	local label=$1 series=$2 to=$log/test-$1-$2.log from rc ok=1
	shift
	from=$(started_at)
	run_vm "$series" "$to" "${@:2}"
	rc=$?
	if ((rc)) && emulator_fault "$series"; then
		echo '  the emulator mixed old and new code (int3); once more, on one thread' >&2
		DEVRX_VM_THREADS=single run_vm "$series" "$to" "${@:2}"
		rc=$?
	fi
	if ((rc == 70)); then
		echo "fail $label/$series/kernel log" >>"$results/all"
		grep -a -A 40 '^vm: ' "$to" >"$results/details.$label-$series"
		ok=0 rc=0
	fi
	tally "$label/$series/" "VM" "$to" "$rc" || ok=0
	one_line "$label, Linux $(<"$top/build/vm/$series/kernel")" "$from" "$ok"
}

# The dev preset and the VM's setup, for each suite in the VM, once.
vm_is_built=''
build_vm() {
	[[ -z $vm_is_built ]] || return "$vm_is_built"
	build_preset dev && finish_vm_setup
	vm_is_built=$?
	((vm_is_built == 0)) || echo 'fail VM: not built' >>"$results/all"
	return "$vm_is_built"
}

suite_vm() {
	local series
	build_vm || return
	for series in "${vm_series[@]}"; do
		in_vm vm "$series" 1800 /devrx/tests/vm/suite.sh
	done
}

suite_nic() {
	local preset series
	for preset in dev asan tsan; do
		build_preset "$preset" || {
			echo "fail build of $preset" >>"$results/all"
			continue
		}
		run_program "$preset" 1500 "$top/build/$preset/tests/unit/nic_test"
	done
	build_vm || return
	for series in "${vm_series[@]}"; do
		in_vm nic "$series" 1800 /devrx/tests/vm/suite.sh \
			--gtest_filter='Reserve*:Doctor*:Softnic*'
	done
}

suite_loaders() {
	local python=$top/build/loaders/venv/bin/python share=$top/build/loaders/share
	if ! { build_preset release && step 'wheel, its tests' wheel "$top/tests/loaders/build.sh" --tests; }; then
		echo 'fail loaders: not built' >>"$results/all"
		return
	fi
	run_program loaders 1500 "$python" "$top/tests/loaders/run.py"
	build_vm || return
	vm_options=(--share "$share")
	in_vm loaders 7.3 1800 /devrx/tests/loaders/vm.sh
	vm_options=()
}

suite_faults() {
	build_vm || return
	in_vm faults 7.3 1800 /devrx/tests/faults/suite.sh
	# The table is what one wants to see.
	sed -n 's/^faults: /    /p' "$log/test-faults-7.3.log" >&2
}

suite_programs() {
	build_vm || return
	step 'programs from elsewhere' programs "$top/tests/programs/build.sh" || {
		echo 'fail programs: not built' >>"$results/all"
		return
	}
	in_vm programs 7.3 1800 /devrx/tests/programs/suite.sh
}

suite_cost() {
	build_vm || return
	run_program cost "${DEVRX_COST_TIMEOUT:-1800}" "$top/bench/softnic_cost.sh" \
		--streams large --mib 128
	PYTHONPATH=$top/bench run_program cost "${DEVRX_COST_TIMEOUT:-1800}" \
		/usr/bin/python3 -B -m receive --gate
	run_program cost "${DEVRX_COST_TIMEOUT:-1800}" "$top/bench/fragment_cost.sh"
}

suite_soak() {
	build_vm || return
	DEVRX_CYCLES=${DEVRX_CYCLES:-100} in_vm soak 7.3 "${DEVRX_SOAK_LIMIT:-3600}" \
		/devrx/build/dev/tests/soak/devrx-soak
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
	local suite chosen=() setup=() series=()
	while (($#)); do
		case $1 in
		--help | -h)
			echo "usage: ./run test [--list] [SUITE...]

Run the suites named, or all. It ends with the line
\"N passed, N failed, N skipped\", after the skips by reason; the exit code is 0
when nothing failed. Logs are in build/log/test-*.log.
DEVRX_IPERF3_SECONDS is how long each iperf3 of programs runs (3), DEVRX_CYCLES
how often soak does each thing (100). The suites:
"
			suites_main --list
			return
			;;
		--list)
			for suite in "${suites[@]}" "${parts[@]}"; do
				printf '  %-8s %s\n' "$suite" "$(describe "$suite")"
			done
			return
			;;
		-*) bad_call "unknown option $1 of test" ;;
		*)
			[[ " ${suites[*]} ${parts[*]} " == *" $1 "* ]] || bad_call "no suite '$1': there are ${suites[*]} ${parts[*]}"
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
	[[ " ${chosen[*]} " == ' unit ' ]] || series=(7.3)
	[[ " ${chosen[*]} " != *' '@(vm|nic)' '* ]] || series=("${vm_series[@]}")
	# Downloads go on while compilers run.
	if ((${#series[@]})); then
		setup=("${packages_vm[@]}")
		start_vm_setup "${series[@]}"
	fi
	[[ " ${chosen[*]} " != *' cost '* ]] || setup+=("${packages_bench[@]}")
	[[ " ${chosen[*]} " != *' programs '* ]] || setup+=("${packages_programs[@]}")
	[[ " ${chosen[*]} " != *' loaders '* ]] || setup+=("${packages_wheel[@]}" "${packages_loaders[@]}")
	if ! { need "${packages_build[@]}" "${packages_test[@]}" "${setup[@]}" && need_libraries; }; then
		echo '0 passed, 1 failed, 0 skipped'
		return 1
	fi
	for suite in "${chosen[@]}"; do
		"suite_$suite"
	done
	report
}
