#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Make the root file system of one kernel series: kernel, modules, headers, the
# compiler that builds modules for them, and a small userland.
#
#   root.sh SERIES            SERIES: 7.3 (the newest Linux >= 7.3) or 7.2
#
# Result: build/vm/SERIES/{root/,kernel,userland,vmlinux,initrd.gz,packages,.stamp}. Packages are
# unpacked without their maintainer scripts: nothing here needs root.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # chroot is there, and not on every user's path
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=tests/vm/archive.sh
. "$here/archive.sh"

series=${1:?usage: root.sh SERIES}
# Each line is one userland to try, the first that has the kernel wins.
case $series in
7.3) userlands=('trixie trixie-backports' 'sid') floor=7.3 ceiling=99 ;;
7.2) userlands=('sid' 'forky' 'trixie trixie-backports') floor=7.2 ceiling=7.3~ ;;
*) echo "unknown kernel series '$series' (known: 7.3 7.2)" >&2 && exit 2 ;;
esac
packages=(base-files bash bpftool busybox-static coreutils curl dash ethtool findutils gcc grep
	iperf3 iproute2 iputils-ping kmod libdrm2 libmnl0 libssl3t64 libstdc++6 libvulkan1 make
	mawk mesa-vulkan-drivers mount netcat-openbsd nginx procps python3 python3-yaml rhash sed socat
	sparse tcpdump util-linux vulkan-validationlayers zstd)

dir=$top/build/vm/$series
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
# The initramfs: busybox, what mounts a 9p root, and our init.
make_initrd() {
	local ram=$dir/initrd.new root=$dir/root mods mod name
	mods=$root/usr/lib/modules/$(<"$dir/kernel")
	rm -rf "$ram"
	mkdir -p "$ram"/{bin,proc,sys,dev,root}
	cp "$root/usr/bin/busybox" "$ram/bin/busybox"
	cp "$here/init" "$ram/init"
	chmod 755 "$ram/init"
	# modules.dep lists a module's own dependencies, the deepest last.
	awk -F: '/\/(9p|9pnet_virtio)\.ko/ { n = split($2, d, " "); for (i = n; i; i--) print d[i]; print $1 }' \
		"$mods/modules.dep" | awk '!seen[$0]++' >"$ram/modules"
	while read -r mod; do
		name=${mod##*/}
		case $mod in
		*.xz) "$ram/bin/busybox" unxz -c "$mods/$mod" >"$ram/${name%.xz}" ;;
		*.zst) "${as_root[@]}" chroot "$root" zstd -dc <"$mods/$mod" >"$ram/${name%.zst}" ;;
		*) cp "$mods/$mod" "$ram/$name" ;;
		esac
	done <"$ram/modules"
	sed -i -E 's|.*/||; s/\.(xz|zst)$//' "$ram/modules"
	(cd "$ram" && find . | ./bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$dir/initrd.gz.new"
	mv "$dir/initrd.gz.new" "$dir/initrd.gz"
	rm -rf "$ram"
}

as_root=()
[[ $(id -u) == 0 ]] || as_root=(unshare -r)
want=$(cat "$here/root.sh" "$here/archive.sh" | sha256sum)
if [[ $(cat "$dir/.stamp" 2>/dev/null) == "$want" ]]; then
	[[ $here/init -ot $dir/initrd.gz ]] || make_initrd
	exit 0
fi
new=$dir/root.new
rm -rf "$new" "$dir/.stamp" "$dir/initrd.gz"
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM HUP

# The newest kernel release in the opened archive within [floor, ceiling).
newest_release() {
	local release best=''
	while read -r release; do
		dpkg --compare-versions "${release%%[+-]*}" ge "$floor" || continue
		dpkg --compare-versions "${release%%[+-]*}" lt "$ceiling" || continue
		if [[ -z $best ]] || dpkg --compare-versions "$release" gt "$best"; then
			best=$release
		fi
	done < <(archive_apt "$1" apt-cache pkgnames linux-headers- |
		sed -nE 's/^linux-headers-([0-9]+\.[0-9]+\.[0-9]+(\+deb[0-9]+)?(-[0-9]+)?-amd64)$/\1/p')
	printf '%s\n' "$best"
}

# Resolve PACKAGE... in the archive $1, leave their file names in $dir/packages.
resolve() {
	local apt=$1
	shift
	# An empty download directory: what is already there would not be listed.
	mkdir -p "$apt/none/partial"
	archive_apt "$apt" apt-get install --print-uris -qq \
		-o Dir::Cache::archives="$apt/none" "$@" >"$dir/uris" || return
	cut -d' ' -f2 "$dir/uris" >"$dir/packages"
	rm "$dir/uris"
}

release='' apt=''
for userland in "${userlands[@]}"; do
	apt=$top/build/cache/apt/${userland%% *}
	mkdir -p "$apt"
	# shellcheck disable=SC2086 # suites are words
	archive_open "$apt" deb $userland
	release=$(newest_release "$apt")
	[[ -n $release ]] || continue
	names=("${packages[@]}" "linux-headers-$release" "linux-modules-$release" "linux-binary-$release")
	resolve "$apt" "${names[@]}" && break
	echo "Linux $release cannot be installed from $userland at present"
	release=''
done
if [[ -z $release ]]; then
	echo "no Linux $series in the archive (tried: ${userlands[*]})" >&2
	exit 1
fi
echo "Linux $release from $userland"
archive_apt "$apt" apt-get install --download-only "${names[@]}"

# Drivers of hardware that no QEMU has: most of the modules' 100 MB.
export NEW=$new skip=''
for name in sound net/{wireless,mac80211,bluetooth} \
	drivers/{accel,bluetooth,char/ipmi,comedi,edac,hid,hwmon,iio,infiniband,input,isdn,leds,media,memstick,mfd,mmc,mtd,nfc,nvme,pcmcia,platform,power,rtc,scsi,soundwire,spi,staging,thunderbolt,usb,video,watchdog} \
	drivers/net/{can,dsa,ethernet,ieee802154,phy,usb,wan,wireless,wwan} \
	drivers/gpu/drm/{amd,ast,bridge,display,gma500,i915,imagination,mgag200,nouveau,panel,radeon,xe}; do
	skip+=" --exclude=./usr/lib/modules/*/kernel/$name"
done
# Of Mesa's Vulkan only lavapipe, of the layers only Khronos' own: the loader opens
# whatever it finds, and the other drivers are another 100 MB.
for name in 'lib/x86_64-linux-gnu/libvulkan_[!l]*' 'share/vulkan/icd.d/[!l]*' \
	'lib/x86_64-linux-gnu/libVkLayer_[!k]*' 'share/vulkan/explicit_layer.d/VkLayer_[!k]*' \
	share/vulkan/implicit_layer.d; do
	skip+=" --exclude=./usr/$name"
done
mkdir -p "$new"/usr/{bin,sbin,lib,lib64}
for name in bin sbin lib lib64; do
	ln -s "usr/$name" "$new/$name"
done
sed "s|^|$apt/cache/archives/|" "$dir/packages" |
	xargs -d '\n' -P "$(nproc)" -n 1 bash -c 'set -fo pipefail
		dpkg-deb --fsys-tarfile "$1" |
		tar -C "$NEW" --keep-directory-symlink --no-same-owner -x \
			$skip --exclude=./usr/share/{doc,man,info,locale}' bash

# What the maintainer scripts would have done, as far as it is needed here.
mkdir -p "$new"/{devrx,out,share,ctl,dev,proc,sys,run,tmp,var,root,mnt,etc}
[[ -e $new/usr/bin/awk ]] || ln -s mawk "$new/usr/bin/awk"
[[ -e $new/usr/bin/sh ]] || ln -s dash "$new/usr/bin/sh"
[[ -e $new/usr/bin/nc ]] || ln -s nc.openbsd "$new/usr/bin/nc"
echo 'root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/:/usr/sbin/nologin' >"$new/etc/passwd"
echo 'root:x:0:
nogroup:x:65534:' >"$new/etc/group"
printf '127.0.0.1 localhost devrx\n::1 localhost\n' >"$new/etc/hosts"
echo devrx >"$new/etc/hostname"

"${as_root[@]}" chroot "$new" /usr/sbin/depmod "$release"

# QEMU boots an uncompressed kernel too, which saves its unpacking under emulation.
# Where the payload lies is in the boot protocol's header.
mods=$new/usr/lib/modules/$release
word() { od -An -t "u$2" -j "$1" -N "$2" "$mods/vmlinuz" | tr -d ' '; }
at=$((($(word 0x1f1 1) + 1) * 512 + $(word 0x248 4)))
head -c "$((at + $(word 0x24c 4) - 4))" "$mods/vmlinuz" | tail -c "+$((at + 1))" |
	"${as_root[@]}" chroot "$new" /usr/bin/zstd -dc >"$dir/vmlinux" 2>/dev/null &&
	[[ $(head -c 4 "$dir/vmlinux") == $'\x7fELF' ]] || cp "$mods/vmlinuz" "$dir/vmlinux"

# A VM that is running keeps the old one until the next time.
rm -rf "$dir/root.old"
[[ ! -e $dir/root ]] || mv "$dir/root" "$dir/root.old"
mv "$new" "$dir/root"
echo "$release" >"$dir/kernel"
echo "$userland" >"$dir/userland"
make_initrd
echo "$want" >"$dir/.stamp"
