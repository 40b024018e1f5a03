#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Boot one kernel series in QEMU (no KVM, no root needed) and run a command there.
set -uo pipefail

usage() {
	cat <<'END'
usage: ./run vm [OPTION...] [--] [COMMAND [ARG...]]

Boot a current Linux in QEMU and run COMMAND there; its output and exit code are
handed back. Without COMMAND: an interactive shell, or, when standard input is
not a terminal, bash reading it. The guest sees this project read-only as
/devrx, and a writable directory /out. No KVM and no root are needed.

  --kernel S      kernel series: 7.3 (default; the newest Linux >= 7.3) or 7.2
  --timeout SEC   time limit, boot included (default 120; a shell has none)
  --mem SIZE      memory (default 3G)
  --smp N         CPUs (default 2)
  --icount SEED   count instructions: one CPU on which a nanosecond of any clock
                  of the guest is one instruction; SEED (a number) decides what
                  is random there
  --append ARGS   add to the kernel's command line
  --env VAR=VAL   set a variable for COMMAND (may be repeated)
  --out DIR       the host directory behind /out (default: temporary)
  --share DIR     a host directory to mount read-only as /share
  --log FILE      keep the kernel's log here (default build/log/vm-SERIES.log)
  --no-module     do not build kernel/* first

In the guest, DEVRX_KERNEL_SERIES is the series and DEVRX_MODULES the directory
of this project's modules (not loaded): $DEVRX_MODULES/softnic/devrx_softnic.ko.

Exit code: COMMAND's; or 70 when the kernel's log shows a warning, a BUG or the
like; 71 when the guest died; 124 at the time limit; 125 when it cannot start.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)

die() {
	echo "vm: $*" >&2
	exit 125
}

series=7.3 limit='' mem=3G smp='' icount=0 seed='' append='' out='' share='' log='' module=1
env=()
while (($#)); do
	case $1 in
	--kernel | --timeout | --mem | --smp | --icount | --append | --env | --out | --share | --log)
		(($# > 1)) || die "$1 needs a value"
		case $1 in
		--kernel) series=$2 ;;
		--timeout) limit=$2 ;;
		--mem) mem=$2 ;;
		--smp) smp=$2 ;;
		--icount) icount=1 seed=$2 ;;
		--append) append=$2 ;;
		--env) env+=("$2") ;;
		--out) out=$2 ;;
		--share) share=$2 ;;
		--log) log=$2 ;;
		esac
		shift 2
		;;
	--no-module) module=0 && shift ;;
	-h | --help) usage && exit 0 ;;
	--) shift && break ;;
	-*) die "unknown option $1 (see --help)" ;;
	*) break ;;
	esac
done
[[ -z $limit || $limit =~ ^[0-9]+$ ]] || die "--timeout takes seconds, not '$limit'"
if ((icount)); then
	[[ $seed =~ ^[0-9]{1,9}$ ]] || die "--icount takes a number, not '$seed'"
	[[ ${smp:=1} == 1 ]] || die "--icount counts on one CPU, not $smp"
fi
for var in ${env[@]+"${env[@]}"}; do
	[[ $var =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || die "--env takes VAR=VALUE, not '$var'"
done
command -v qemu-system-x86_64 >/dev/null || die 'qemu-system-x86_64 is missing: run ./run deps'

ctl='' vm='' setup='' cats=() saved_tty=''
cleanup() {
	local pid
	[[ -n $saved_tty ]] && stty "$saved_tty" 2>/dev/null
	if [[ -n $vm ]]; then
		kill -TERM "$vm" 2>/dev/null
		wait "$vm" 2>/dev/null
	fi
	if [[ -n $setup ]]; then
		kill -TERM -- "-$setup" 2>/dev/null
		wait "$setup" 2>/dev/null
	fi
	for pid in ${cats[@]+"${cats[@]}"}; do
		wait "$pid" 2>/dev/null
	done
	[[ -z $ctl ]] || rm -rf "$ctl"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

dir=$top/build/vm/$series
mkdir -p "$top/build/log" || die "cannot write below $top/build"
quiet() { # LOG COMMAND...: output goes to LOG, its end is shown on failure
	local to=$1
	shift
	setsid "$@" >"$to" 2>&1 </dev/null &
	setup=$!
	wait "$setup" && setup='' && return
	setup=''
	tail -n 25 "$to" >&2
	die "$(basename "$1") failed; all of it: $to"
}
quiet "$top/build/log/root-$series.log" "$here/root.sh" "$series"
if ((module)) && compgen -G "$top/kernel/*/Kbuild" >/dev/null; then
	quiet "$top/build/log/module-$series.log" "$here/module.sh" "$series"
fi

mode=run
if (($# == 0)); then
	mode=stdin
	[[ -t 0 && -t 1 ]] && mode=shell
fi
[[ $mode == shell ]] || limit=${limit:-120}

ctl=$(mktemp -d "$top/build/vm/run.XXXXXXXX") || die 'no temporary directory'
console=$ctl/console
: >"$console"
mkdir "$ctl/ctl"
if [[ -z $out ]]; then
	out=$ctl/out
	mkdir "$out"
fi
[[ -d $out && -w $out ]] || die "--out $out: not a writable directory"
: "${log:=$top/build/log/vm-$series.log}"

{
	printf 'export %s=%q\n' DEVRX_KERNEL_SERIES "$series" DEVRX_MODULES "/devrx/build/vm/$series/module"
	for var in ${env[@]+"${env[@]}"}; do
		printf 'export %s=%q\n' "${var%%=*}" "${var#*=}"
	done
} >"$ctl/ctl/env"
case $mode in
run) printf '%s\0' "$@" >"$ctl/ctl/argv" ;;
stdin)
	cat >"$ctl/ctl/stdin"
	printf '%s\0' bash -s >"$ctl/ctl/argv"
	;;
shell)
	: >"$ctl/ctl/argv"
	read -r rows cols < <(stty size)
	printf 'rows=%s cols=%s\nexport TERM=%q\n' "$rows" "$cols" "${TERM:-linux}" >"$ctl/ctl/tty"
	;;
esac

# A comma in a path ends a QEMU option unless it is doubled.
p9() { # TAG PATH [,readonly=on]
	qemu+=(-virtfs "local,path=${2//,/,,},mount_tag=$1,security_model=none,multidevs=remap${3:-}")
}
cpu=(-accel "tcg,thread=${DEVRX_VM_THREADS:-multi}" -cpu max)
# Counting: no clock of the host reaches the guest, addresses are the same in each
# boot, and a copy is made of plain moves, since each byte of a "rep movsb" would
# count as an instruction.
# shellcheck disable=SC2054 # QEMU's own commas
if ((icount)); then
	cpu=(-accel tcg,thread=single -cpu max,-erms,-fsrm -seed "$seed"
		-icount shift=0,sleep=off,align=off -rtc base=2026-01-01T00:00:00,clock=vm)
	append="nokaslr norandmaps $append"
fi
# shellcheck disable=SC2054 # QEMU's own commas
qemu=(qemu-system-x86_64 -name "devrx-$series" -nodefaults -no-user-config -display none
	-no-reboot "${cpu[@]}" -smp "${smp:-2}" -m "$mem"
	-kernel "$dir/vmlinux" -initrd "$dir/initrd.gz"
	-append "console=ttyS0 loglevel=5 panic=-1 tsc=reliable no_timer_check mitigations=off log_buf_len=8M hugepages=192 $append"
	-serial "file:${console//,/,,}")
# Display cards, for the dmabufs of their drivers; nothing loads those unasked. Not
# where instructions are counted: the kernel would count what it sets up for them.
if ((!icount)); then
	for card in virtio-gpu-pci bochs-display qxl; do
		! qemu-system-x86_64 -device "$card,help" >/dev/null 2>&1 || qemu+=(-device "$card")
	done
fi
p9 root "$dir/root" ,readonly=on
p9 devrx "$top" ,readonly=on
p9 out "$out"
p9 ctl "$ctl/ctl"
if [[ -n $share ]]; then
	[[ -d $share ]] || die "--share $share: not a directory"
	: >"$ctl/ctl/share"
	p9 share "$share" ,readonly=on
fi

# Should this script be killed outright, the guest goes with it.
with_us=(setpriv --pdeathsig KILL)
if [[ $mode == shell ]]; then
	saved_tty=$(stty -g)
	stty raw -echo
	"${with_us[@]}" timeout --foreground --kill-after=5 "${limit:-0}" "${with_us[@]}" \
		"${qemu[@]}" -chardev stdio,id=tty,signal=off -serial chardev:tty <&0 &
	vm=$!
	wait "$vm"
	rc=$?
	stty "$saved_tty"
	saved_tty=''
else
	# Pipes, because QEMU wants file descriptors that are open for writing only.
	mkfifo "$ctl/fifo1" "$ctl/fifo2"
	cat "$ctl/fifo1" &
	cats+=($!)
	cat "$ctl/fifo2" >&2 &
	cats+=($!)
	"${with_us[@]}" timeout --kill-after=5 "$limit" "${with_us[@]}" "${qemu[@]}" \
		-add-fd set=1,fd=5 -add-fd set=2,fd=6 -device virtio-serial-pci \
		-chardev file,id=out,path=/dev/fdset/1,append=on -device virtserialport,chardev=out,name=out \
		-chardev file,id=err,path=/dev/fdset/2,append=on -device virtserialport,chardev=err,name=err \
		5>"$ctl/fifo1" 6>"$ctl/fifo2" </dev/null >"$ctl/qemu" 2>&1 &
	vm=$!
	wait "$vm"
	rc=$?
	for pid in "${cats[@]}"; do
		wait "$pid"
	done
	cats=()
fi
vm=''
late=$((rc == 124 || rc == 137))

# The console has what came last when the guest died, dmesg has everything when it did not.
cat "$console" "$ctl/ctl/dmesg" 2>/dev/null | tr -d '\r' >"$ctl/log"
cp -f "$ctl/log" "$log" || log=/dev/null
bad=$("$here/log_check.sh" "$ctl/log")

if ((late)); then
	echo "vm: time limit of $limit s reached; the kernel's last lines ($log):" >&2
	tail -n 5 "$ctl/log" >&2
	rc=124
elif [[ -s $ctl/ctl/rc ]]; then
	rc=$(<"$ctl/ctl/rc")
elif [[ -s $console ]]; then
	echo "vm: the guest died before its command ended; the kernel's last lines ($log):" >&2
	tail -n 20 "$ctl/log" >&2
	rc=71
else
	cat "$ctl/qemu" >&2 2>/dev/null
	die 'QEMU did not start the guest'
fi
if [[ -n $bad ]]; then
	printf 'vm: the kernel complained (%s):\n%s\n' "$log" "$bad" >&2
	((rc == 71 || rc == 124)) || rc=70
fi
exit "$rc"
