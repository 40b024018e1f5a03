#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fetch and build the programs of others that tests/programs runs on the softnic:
# the kernel's driver selftests with their C and BPF programs, and liburing's
# zcrx example. All of it as it comes, from Debian's source packages, and below
# build/programs; nothing of it is in this tree.
#
#   build/programs/linux   the part of Linux's source that the tests need, in
#                          place, as after "make" in tools/testing/selftests
#   build/programs/zcrx    liburing's example
#
# Needs the VM's root (tests/vm/root.sh): its kernel decides which source, and its
# python runs the code generators.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # chroot is there, and not on every user's path
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=tests/vm/archive.sh
. "$top/tests/vm/archive.sh"

vm=$top/build/vm/7.3
dir=$top/build/programs
release=$(<"$vm/kernel") userland=$(<"$vm/userland")
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
want=$(cat "$here/build.sh" "$vm/kernel" "$top/build/deps/liburing/lib/liburing.a" | sha256sum)
if [[ $(cat "$dir/.stamp" 2>/dev/null) == "$want" ]]; then
	echo "up to date"
	exit 0
fi
work=$(mktemp -d "$dir/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# ---- fetch ----

IFS=. read -r major minor _ <<<"$release"
source_package=linux-source-$major.$minor
apt=$top/build/cache/apt/${userland%% *}
# shellcheck disable=SC2086 # suites are words
archive_open "$apt" deb $userland
version=$(archive_apt "$apt" apt-cache policy "$source_package" | sed -n 's/^  Candidate: //p')
[[ -n $version && $version != '(none)' ]] || {
	echo "no $source_package in $userland, where the kernel is from: delete build/vm and try again" >&2
	exit 1
}
echo "$source_package $version"
packages=$apt/cache/archives
(cd "$packages" && archive_apt "$apt" apt-get download "$source_package=$version" "linux-libc-dev=$version")
deb() { compgen -G "$packages/$1_${version//:/%3a}_*.deb"; }

linux=$work/linux
mkdir "$linux" "$work/libc"
selftests=tools/testing/selftests
dpkg-deb --fsys-tarfile "$(deb "$source_package")" |
	tar -xO "./usr/src/$source_package.tar.xz" | xz -dc -T0 |
	tar -C "$linux" --strip-components=1 --no-same-owner -x \
		"$source_package"/{MAINTAINERS,Documentation/netlink,include/uapi,scripts/bpf_doc.py,tools/{include,lib/bpf,net/ynl}} \
		"$source_package/$selftests"/{kselftest.h,kselftest,drivers/net,net/lib,net/forwarding} --wildcards \
		"$source_package/$selftests/net/*.sh"
# The same kernel's headers as user space gets them.
dpkg-deb --fsys-tarfile "$(deb linux-libc-dev)" | tar -C "$work/libc" -x

apt_source=$top/build/cache/apt/source
mkdir -p "$apt_source" "$work/liburing"
archive_open "$apt_source" deb-src sid
(cd "$work" && archive_apt "$apt_source" apt-get source --download-only --only-source liburing)
rm -f "$work"/*.asc
tar -C "$work/liburing" --strip-components=1 --no-same-owner -xf "$work"/liburing_*.orig.tar.*

# ---- build ----

# python, with the yaml that the generators want, is in the VM's root.
in_root() {
	local as_root=()
	[[ $(id -u) == 0 ]] || as_root=(-r)
	ROOT=$vm/root WORK=$work unshare -m "${as_root[@]}" bash -euc '
		mount --bind "$WORK" "$ROOT/mnt"
		exec env -i PATH=/usr/sbin:/usr/bin LC_ALL=C chroot "$ROOT" "$@"' bash "$@"
}
# The generators check the specifications by a module that we have no use for.
mkdir "$work/python"
echo 'def validate(*_): pass' >"$work/python/jsonschema.py"
in_root bash -euc '
	export PYTHONPATH=/mnt/python
	cd /mnt/linux/tools/net/ynl
	generate() { # FAMILY OPTION...
		python3 pyynl/ynl_gen_c.py --mode user --header "${@:2}" --spec ../../../Documentation/netlink/specs/$1.yaml -o generated/$1-user.h
		python3 pyynl/ynl_gen_c.py --mode user --source "${@:2}" --spec ../../../Documentation/netlink/specs/$1.yaml -o generated/$1-user.c
	}
	generate netdev
	generate psp
	generate ethtool --user-header linux/ethtool_netlink.h --exclude-op stats-get
	cd /mnt/linux
	python3 scripts/bpf_doc.py --header --file tools/include/uapi/linux/bpf.h >tools/lib/bpf/bpf_helper_defs.h
	# The VM sees all of this read-only, and compiling anew costs it seconds.
	python3 -m compileall -q tools/net/ynl tools/testing/selftests/net/lib tools/testing/selftests/drivers/net'

ynl=$linux/tools/net/ynl
flags=(-O2 -w -isystem "$work/libc/usr/include" -isystem "$work/libc/usr/include/x86_64-linux-gnu"
	-I"$linux/$selftests" -I"$ynl/lib" -I"$ynl/generated")
# What the VM's root may lack is linked in.
uring=(-I"$top/build/deps/liburing/include" -L"$top/build/deps/liburing/lib")
build() { # FILE.c [WHAT ELSE...]: the program lies next to its source
	gcc "${flags[@]}" -o "${1%.c}" "$@"
}
build_ynl() { build "$@" "$ynl"/lib/*.c; }

cd "$linux/$selftests/drivers/net"
build napi_id_helper.c
build so_txtime.c
build_ynl psp_responder.c "$ynl/generated/psp-user.c"
build_ynl hw/ncdevmem.c "$ynl"/generated/{netdev,ethtool}-user.c
build_ynl hw/toeplitz.c "$ynl"/generated/{netdev,ethtool}-user.c
build hw/iou-zcrx.c "${uring[@]}" -luring
cd "$linux/$selftests/net/lib"
for program in csum gro xdp_helper; do
	build $program.c
done
for program in "$linux/$selftests"/net/lib/*.bpf.c "$linux/$selftests"/drivers/net/hw/*.bpf.c; do
	clang -O2 -g -w --target=bpf -I"$linux/tools/lib" -I"$linux/tools/lib/bpf" \
		-isystem "$work/libc/usr/include" -isystem "$work/libc/usr/include/x86_64-linux-gnu" \
		-c "$program" -o "${program%.c}.o"
done

cd "$work/liburing"
./configure --cc=gcc --cxx=g++ >/dev/null
gcc -O2 -w -D_GNU_SOURCE -I src/include -include config-host.h -o "$work/zcrx" examples/zcrx.c examples/helpers.c \
	-L"$top/build/deps/liburing/lib" -luring

rm -rf "$dir/linux" "$dir/zcrx" "$dir/.stamp"
mv "$linux" "$dir/linux"
mv "$work/zcrx" "$dir/zcrx"
echo "$want" >"$dir/.stamp"
