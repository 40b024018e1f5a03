#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What Debian 12 has not, or has too old.
#
#   liburing >= 2.9, where the system's is older: Debian's newest source package, built below
#     build/deps/liburing (static, position independent). CMakePresets.json looks there.
#   llhttp: the generated C of it that Debian packages as a source to build in, in
#     build/deps/llhttp. CMakeLists.txt looks there. Its names get a prefix, so that a
#     program with another llhttp of its own can link libdevrx.a.
#
# Both verified by apt. With --check: is all of it there?
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/.." && pwd)
# shellcheck source=tests/vm/archive.sh
. "$here/vm/archive.sh"

liburing=$top/build/deps/liburing llhttp=$top/build/deps/llhttp
has_liburing() {
	PKG_CONFIG_PATH=$liburing/lib/pkgconfig pkg-config --atleast-version=2.9 liburing 2>/dev/null
}
# Not the system's library, which the VM has not.
has_llhttp() { grep -qs drx_llhttp_ "$llhttp/src/llhttp.c"; }

if [[ ${1:-} == --check ]]; then
	has_liburing && has_llhttp
	exit
fi

get_liburing() {
	local apt=$top/build/cache/apt/source new
	mkdir -p "$apt"
	archive_open "$apt" deb-src sid
	(cd "$work" && archive_apt "$apt" apt-get source --download-only --only-source liburing)
	mkdir "$work/src"
	rm -f "$work"/*.asc
	tar -C "$work/src" --strip-components=1 --no-same-owner -xf "$work"/liburing_*.orig.tar.*
	cd "$work/src"
	./configure --prefix="$liburing" --libdir="$liburing/lib" --cc="${CC:-gcc}" --cxx="${CXX:-g++}"
	make -C src -j"$(nproc)" ENABLE_SHARED=0 CFLAGS='-O2 -g -fPIC' liburing.a
	make liburing.pc

	# Only what a static link needs; renamed into place when it is whole.
	new=$work/liburing
	mkdir -p "$new/lib/pkgconfig" "$new/include"
	cp src/liburing.a "$new/lib/"
	cp -R src/include/. "$new/include/"
	cp liburing.pc "$new/lib/pkgconfig/"
	cp COPYING LICENSE "$new/" 2>/dev/null || true
	rm -rf "$liburing"
	mv "$new" "$liburing"
}

get_llhttp() {
	local apt=$top/build/cache/apt/llhttp new names name
	mkdir -p "$apt"
	archive_open "$apt" deb sid
	(cd "$work" && archive_apt "$apt" apt-get download libllhttp-source)
	dpkg-deb -x "$work"/libllhttp-source_*.deb "$work/package"
	new=$work/package/usr/src/llhttp
	cp "$work/package/usr/share/doc/libllhttp-source/copyright" "$new/"
	names=$(grep -ohE '\bllhttp_[a-z_]+' "$new/include/llhttp.h" | sort -u)
	sed -i -E 's/\bllhttp_/drx_llhttp_/g' "$new"/include/*.h "$new"/src/*.[ch]
	for name in $names; do
		echo "#define $name drx_$name"
	done >>"$new/include/llhttp.h"
	rm -rf "$llhttp"
	mv "$new" "$llhttp"
}

mkdir -p "$top/build/deps"
exec 9>"$top/build/deps/.lock"
flock 9
work=$(mktemp -d "$top/build/deps/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
has_liburing || get_liburing
has_llhttp || get_llhttp
has_liburing && has_llhttp
