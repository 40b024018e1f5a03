#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build the kernel modules (every kernel/*/Kbuild) for one kernel series, with
# the compiler and the kbuild of its root. A warning of the compiler (W=1) or of
# sparse is a failure.
#
#   module.sh SERIES
#
# Sources are copied: objects come to lie in build/vm/SERIES/obj/NAME, the
# modules in build/vm/SERIES/module/NAME. Without root it needs user namespaces.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # chroot is there, and not on every user's path
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
series=${1:?usage: module.sh SERIES}
dir=$top/build/vm/$series
root=$dir/root
release=$(<"$dir/kernel")

# In a mount namespace of its own, which takes the mounts along when it ends.
in_root() {
	local as_root=()
	[[ $(id -u) == 0 ]] || as_root=(-r)
	ROOT=$root TOP=$top unshare -m "${as_root[@]}" bash -euc '
		mount --rbind /dev "$ROOT/dev"
		mount --rbind /proc "$ROOT/proc"
		mount --bind "$TOP" "$ROOT/devrx"
		mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
		exec env -i PATH=/usr/sbin:/usr/bin HOME=/tmp LC_ALL=C chroot "$ROOT" "$@"' bash "$@"
}

exec 9>"$dir/.module.lock"
flock 9

# Kernel headers say __typeof_unqual__, which sparse knows from 0.6.5 on. kbuild
# would look for a script that the headers' packages do not have. The answer is
# read to its end first: a pipe into grep -q may kill sparse, and pipefail would
# then call it able.
sparse=1
said=$(echo 'static int a; static __typeof_unqual__(a) b;' | in_root sparse - 2>&1) || true
if [[ $said == *error* ]]; then
	echo "no sparse: $(in_root sparse --version) does not know this kernel's C"
	sparse=0
fi
for kbuild in "$top"/kernel/*/Kbuild; do
	[[ -e $kbuild ]] || continue
	src=${kbuild%/Kbuild}
	name=${src##*/}
	obj=$dir/obj/$name
	watch=(.)
	# A module that shares headers with the library is rebuilt when these change.
	! grep -q '/devrx/include' "$kbuild" || watch+=("$top/include")
	want=$({
		cat "$here/module.sh" "$dir/.stamp"
		cd "$src" && find "${watch[@]}" -type f ! -name '.*' -print0 | LC_ALL=C sort -z |
			xargs -0 sha256sum
	} | sha256sum)
	if [[ $(cat "$dir/module/$name/.stamp" 2>/dev/null) == "$want" ]]; then
		echo "$name is up to date"
		continue
	fi
	echo "$name for Linux $release"
	rm -rf "$obj" "$dir/module/$name"
	mkdir -p "$obj" "$dir/module/$name"
	cp -pR "$src/." "$obj/"
	# In the kernel's tree Kconfig would say =m.
	config=CONFIG_DEVRX_${name^^}=m
	in_root make -C "/usr/lib/modules/$release/build" M="/devrx/build/vm/$series/obj/$name" \
		"$config" -j"$(nproc)" W=1 KBUILD_CHECKSRC=$sparse modules 2>&1 | tee "$obj/log"
	if grep -E '[Ww]arning:|WARNING|error:' "$obj/log" | grep -v 'the compiler differs' >"$obj/warnings"; then
		echo "$name: warnings:" >&2
		cat "$obj/warnings" >&2
		exit 1
	fi
	cp "$obj"/*.ko "$dir/module/$name/"
	echo "$want" >"$dir/module/$name/.stamp"
done
