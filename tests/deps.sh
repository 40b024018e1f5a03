#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# liburing >= 2.9: nothing to do where the system has it, else Debian's newest
# source package, verified by apt, is built below build/deps/liburing (static,
# position independent). CMakePresets.json looks there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/.." && pwd)
# shellcheck source=tests/vm/archive.sh
. "$here/vm/archive.sh"

prefix=$top/build/deps/liburing
if pkg-config --atleast-version=2.9 liburing; then
	echo "liburing $(pkg-config --modversion liburing) of the system"
	exit 0
fi
if PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --atleast-version=2.9 liburing; then
	echo "liburing $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --modversion liburing) of build/deps"
	exit 0
fi

mkdir -p "$top/build/deps"
exec 9>"$top/build/deps/.lock"
flock 9
work=$(mktemp -d "$top/build/deps/liburing.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

apt=$top/build/cache/apt/source
mkdir -p "$apt"
archive_open "$apt" deb-src sid
(cd "$work" && archive_apt "$apt" apt-get source --download-only --only-source liburing)
mkdir "$work/src"
rm -f "$work"/*.asc
tar -C "$work/src" --strip-components=1 --no-same-owner -xf "$work"/liburing_*.orig.tar.*
cd "$work/src"
./configure --prefix="$prefix" --libdir="$prefix/lib" --cc="${CC:-gcc}" --cxx="${CXX:-g++}"
make -C src -j"$(nproc)" ENABLE_SHARED=0 CFLAGS='-O2 -g -fPIC' liburing.a
make liburing.pc

# Only what a static link needs; renamed into place when it is whole.
new=$work/liburing
mkdir -p "$new/lib/pkgconfig" "$new/include"
cp src/liburing.a "$new/lib/"
cp -R src/include/. "$new/include/"
cp liburing.pc "$new/lib/pkgconfig/"
cp COPYING LICENSE "$new/" 2>/dev/null || true
rm -rf "$prefix"
mv "$new" "$prefix"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --modversion liburing
