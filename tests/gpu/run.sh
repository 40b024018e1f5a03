#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# On a machine with an NVIDIA GPU, and nothing else that is special: --help
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=devrx-gpu-tests
program='' report='' json='' pack='' bench=1

usage() {
	cat <<'END'
usage: run.sh [--program FILE] [--report FILE] [--json FILE] [--no-bench]
       run.sh --pack FILE.tar.gz

On the first NVIDIA GPU: memory of kind cuda and its dmabuf, each device kernel
against the CPU, the device ring; kernels and ring again under compute-sanitizer
(memcheck, racecheck) where that is installed; the samples on CUDA, which get a
stream through a loopback socket (tier recv); then the benchmark with its limits.
No NIC, no network, no root. It takes a few minutes.

  --program FILE  devrx-gpu-tests; default: the one beside this script, else the
                  tree's, which is built first where it is missing
  --report FILE   the results as docs/gpu-results.md wants them
                  (default: gpu-report.md, in a tree build/gpu-report.md)
  --json FILE     the benchmark's figures (default: gpu-bench.json there)
  --no-bench      leave the benchmark out
  --pack FILE     build, and pack this script, the program and the samples, for a
                  machine that has neither tree nor compiler (glibc 2.36 or newer):
                  tar xf FILE.tar.gz && devrx-gpu/run.sh

Exit code: 0 all right, 1 something is wrong, 2 a wrong call or no program, 3 only
a limit of the benchmark was missed, 77 no GPU (the reason is printed).
END
}

die() {
	echo "run.sh: $*" >&2
	exit 2
}

while (($#)); do
	case $1 in
	--help | -h) usage && exit ;;
	--program | --report | --json | --pack)
		(($# > 1)) || die "$1 needs a file (see --help)"
		declare "${1#--}=$2"
		shift 2
		;;
	--no-bench) bench= && shift ;;
	*) die "unknown argument '$1' (see --help)" ;;
	esac
done

# In a tree this is tests/gpu; unpacked it is a folder with the program in it.
top=
[[ ! -x $here/$name && -e $here/../../include/devrx/devrx.h ]] && top=$(cd "$here/../.." && pwd)
out=${top:+$top/build}
out=${out:-$PWD}

if [[ -n $program ]]; then
	[[ -f $program && -x $program ]] || die "there is no program $program"
elif [[ -x $here/$name ]]; then
	program=$here/$name
elif [[ -n $top ]]; then
	program=$top/build/dev/tests/gpu/$name
	if [[ ! -x $program || -n $pack ]]; then
		"$top/run" build || exit 1
	fi
	[[ -x $program ]] ||
		die "$name was not built, for want of nvcc; --program takes one from elsewhere"
else
	die "$name is not beside this script; --program names it"
fi

samples=$here/samples kernels=$here/samples/devrx_kernels.fatbin
[[ -z $top ]] || samples=$top/build/dev/samples kernels=$top/build/dev/kernel/devrx_kernels.fatbin
sample_names=(cuda_checksum cuda_histogram bring_your_own_tensor cuda_vector_add)

# With libmnl, which the library is linked to and a machine without a NIC may lack.
pack_samples() {
	local name
	mkdir "$tmp/devrx-gpu/samples"
	for name in "${sample_names[@]}"; do
		[[ -x $samples/$name ]] || return
		cp "$samples/$name" "$tmp/devrx-gpu/samples/"
	done
	cp "$kernels" "$samples/cuda_vector_add.fatbin" "$tmp/devrx-gpu/samples/" &&
		cp "$(ldd "$samples/cuda_checksum" | sed -n 's/.*libmnl.so.0 => \(\/[^ ]*\).*/\1/p')" \
			"$tmp/devrx-gpu/samples/libmnl.so.0"
}

if [[ -n $pack ]]; then
	tmp=$(mktemp -d) || exit 1
	trap 'rm -rf "$tmp"' EXIT
	mkdir "$tmp/devrx-gpu" &&
		cp "$here/run.sh" "$tmp/devrx-gpu/" &&
		cp "$program" "$tmp/devrx-gpu/$name" || exit 1
	pack_samples
	strip "$tmp/devrx-gpu/$name" "$tmp"/devrx-gpu/samples/* 2>/dev/null # or all is larger
	tar -C "$tmp" -czf "$pack" devrx-gpu || exit 1
	echo "$pack: tar xf ${pack##*/} && devrx-gpu/run.sh"
	exit
fi

mkdir -p "$out" || exit 1
report=${report:-$out/gpu-report.md}
json=${json:-$out/gpu-bench.json}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
log=$dir/log figures=$dir/figures

# NICs that could receive into the GPU: PCI, with a driver that takes providers.
nics() {
	local dev driver found=
	for dev in /sys/class/net/*/device; do
		driver=$(readlink "$dev/driver")
		[[ $(readlink "$dev/subsystem") == */pci ]] || continue
		case ${driver##*/} in
		mlx5_core | bnxt_en | gve | fbnic)
			found+=" $(basename "${dev%/device}") (${driver##*/})"
			;;
		esac
	done
	echo "nic:${found:- none whose driver takes memory providers (mlx5, bnxt, gve, fbnic)}"
}

machine=$("$program" --machine)
rc=$?
machine+=$'\n'$(nics)
echo "$machine"
((rc == 0)) || exit "$rc"

# worst RC: 1 is worse than 3 is worse than 0; a signal is as bad as 1.
worst=0
worst() {
	case $1 in
	0) ;;
	3) ((worst)) || worst=3 ;;
	*) worst=1 ;;
	esac
}

# The program's own verdict and the tool's; the exit code is 1 where one is bad.
sanitizer=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer)
sanitize() {
	local tool bad=0
	for tool in memcheck racecheck; do
		if [[ -z $sanitizer ]]; then
			echo "skip gpu/$tool: no compute-sanitizer"
			continue
		fi
		"$sanitizer" --tool "$tool" --error-exitcode 9 "$program" --quick kernels ring |
			sed 's/^\(ok\|not ok\|skip\) /# \1 /'
		if ((PIPESTATUS[0])); then
			echo "not ok gpu/$tool"
			bad=1
		else
			echo "ok gpu/$tool"
		fi
	done
	return "$bad"
}

# stream NAME: $dir/stream to a sample on its way through a socket; 1 where it did not
# get as far as listening. A port may be taken: then another one.
stream() {
	local port pid
	local -a images=("$kernels")
	[[ $1 != cuda_vector_add ]] || images+=("$samples/cuda_vector_add.fatbin")
	for _ in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 12000))
		LD_LIBRARY_PATH=$samples:${LD_LIBRARY_PATH:-} timeout 120 \
			"$samples/$1" - "$port" "${images[@]}" >"$dir/out" 2>"$dir/err" &
		pid=$!
		until grep -qx ready "$dir/err"; do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		grep -q 'Address already in use' "$dir/err" || break
	done
	grep -qx ready "$dir/err" || return
	cat "$dir/stream" 2>/dev/null >"/dev/tcp/127.0.0.1/$port"
	wait "$pid"
}

# The samples' results beside the CPU's.
run_samples() {
	local name bad=0
	seq 1 4000000 | head -c 30000001 >"$dir/stream" # neither periodic nor a multiple of anything
	for name in "${sample_names[@]}"; do
		if [[ ! -x $samples/$name ]]; then
			echo "skip gpu/$name: not built"
			continue
		fi
		if stream "$name" && "$program" --cpu "$name" "$dir/stream" | cmp -s - "$dir/out"; then
			echo "ok gpu/$name"
		elif grep -qi io_uring "$dir/err"; then
			echo "skip gpu/$name: $(head -n 1 "$dir/err")"
		else
			sed 's/^/# /' "$dir/err"
			echo "not ok gpu/$name"
			bad=1
		fi
	done
	return "$bad"
}

# A limit is the benchmark's business only.
"$program" | tee -a "$log"
((PIPESTATUS[0])) && worst 1
run_samples | tee -a "$log"
worst "${PIPESTATUS[0]}"
sanitize | tee -a "$log"
worst "${PIPESTATUS[0]}"
if [[ -n $bench ]]; then
	"$program" --bench --json "$json" | tee "$figures"
	worst "${PIPESTATUS[0]}"
fi

{
	echo "## $(date -u +%Y-%m-%d): $(sed -n 's/^gpu: \(.*\) at .*/\1/p' <<<"$machine")"
	echo
	echo "* ${machine//$'\n'/$'\n'* }"
	[[ -r /proc/driver/nvidia/version ]] &&
		sed -n 's/^NVRM version: */* modules: /p' /proc/driver/nvidia/version
	echo "* kernel: $(uname -sr)"
	echo
	echo "\`tests/gpu/run.sh\`: $(grep -c '^ok ' "$log") right, $(grep -c '^not ok ' "$log") wrong, $(grep -c '^skip ' "$log") skipped."
	echo
	sed -n 's/^\(ok\|not ok\|skip\) \(.*\)/* \1: \2/p' "$log"
	echo
	cat "$figures"
} >"$report"
echo "report: $report"
exit "$worst"
