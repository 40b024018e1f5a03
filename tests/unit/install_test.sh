#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Install devrx somewhere else and use it from there, as a user would: headers
# alone, CMake package and pkg-config file, shared and static, C11 and C++17.
# Build directory: $DEVRX_BUILD (default build/dev), built beforehand.
# shellcheck disable=SC2317 # the functions are called through check()
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
build=${DEVRX_BUILD:-build/dev}
failed=0

if [[ ! -e $build/CMakeCache.txt || ! -e $build/provider/libdevrx.so ]]; then
	echo "# $build is not built"
	echo "not ok install"
	exit 1
fi
build=$(cd "$build" && pwd)

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# check NAME COMMAND...: the command's output is shown only where it fails.
check() {
	local name=$1
	shift
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $name"
	else
		tail -n 40 "$tmp/log" | sed 's/^/# /'
		echo "not ok $name"
		failed=1
		return 1
	fi
}

cached() {
	sed -n "s/^$1:[^=]*=//p" "$build/CMakeCache.txt"
}

cc=$(cached CMAKE_C_COMPILER)
cxx=$(cached CMAKE_CXX_COMPILER)
sanitize=$(cached DEVRX_SANITIZE)
flags=(-Wall -Wextra -Werror -pedantic-errors)
[[ -n $sanitize ]] && flags+=("-fsanitize=$sanitize")
version=$(cached CMAKE_PROJECT_VERSION)
soname=libdevrx.so.${version%%.*}
# liburing as the build found it, which may be one of our own below build/.
uring=$(cached LIBURING_LIBDIR)
export PKG_CONFIG_PATH="$uring/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
own_pkgs=$PKG_CONFIG_PATH
export CC=$cc CXX=$cxx
unset DESTDIR
command -v ninja >/dev/null && export CMAKE_GENERATOR=Ninja

# The consumer: one text that is C11 and C++17.
mkdir "$tmp/consumer"
cat >"$tmp/consumer/consumer.c" <<'C'
#include <stdio.h>
#include <string.h>

#include <devrx/devrx.h>

int main(void)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;
	struct devrx_features features;
	struct devrx_cause cause;
	struct devrx_memory *mem = NULL;
	const char wrote[] = "placed";
	char read[sizeof(wrote)] = "";
	int rc;

	if (strcmp(devrx_version(), WANT_VERSION)) {
		fprintf(stderr, "version %s\n", devrx_version());
		return 1;
	}
	memset(&cause, 0, sizeof(cause));
	opts.kind = "host";
	opts.len = 4096;
	opts.cause = &cause;
	rc = devrx_memory_alloc(&mem, &opts);
	if (rc) {
		fprintf(stderr, "alloc %d: %s\n", rc, cause.text);
		return 1;
	}
	if (devrx_memory_write(mem, 100, wrote, sizeof(wrote)) ||
	    devrx_memory_read(mem, 100, read, sizeof(read)) ||
	    memcmp(wrote, read, sizeof(wrote))) {
		fprintf(stderr, "what was written does not come back\n");
		return 1;
	}
	rc = devrx_memory_free(mem);
	if (rc) {
		fprintf(stderr, "free %d\n", rc);
		return 1;
	}
	/* Where io_uring is forbidden the probe fails, with its cause. */
	memset(&features, 0, sizeof(features));
	features.size = sizeof(features);
	rc = devrx_features_probe(&features, &cause);
	if (rc ? !cause.id[0] : !features.release[0]) {
		fprintf(stderr, "probe %d '%s'\n", rc, cause.id);
		return 1;
	}
	return 0;
}
C
cp "$tmp/consumer/consumer.c" "$tmp/consumer/consumer.cc"
cat >"$tmp/consumer/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.16)
project(consumer LANGUAGES C CXX)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_EXTENSIONS OFF)
find_package(devrx ${WANT_VERSION} REQUIRED ${COMPONENTS})
add_executable(consumer_c consumer.c)
add_executable(consumer_cxx consumer.cc)
foreach(consumer consumer_c consumer_cxx)
  target_compile_definitions(${consumer} PRIVATE
      WANT_VERSION="${WANT_VERSION}")
  target_link_libraries(${consumer} PRIVATE ${TARGET})
endforeach()
CMAKE

# needs BINARY [yes|no]: whether it is linked against the shared library.
needs() {
	local got=no
	# Not by a pipe: grep -q may kill readelf, which pipefail calls "no".
	grep -q "(NEEDED).*\[$soname\]" <<<"$(readelf -d "$1")" && got=yes
	[[ $got == "$2" ]] || {
		echo "$1 needs $soname: $got, not $2"
		return 1
	}
}

# consume DIR [yes|no]: run both consumers; they need the shared library or not.
consume() {
	local one
	for one in consumer_c consumer_cxx; do
		needs "$1/$one" "$2" && LD_LIBRARY_PATH=$lib:$uring "$1/$one" ||
			return 1
	done
}

# with_cmake DIR TARGET SHARED COMPONENTS [OPTION...]
with_cmake() {
	cmake -S "$tmp/consumer" -B "$1" "-DCMAKE_PREFIX_PATH=$prefix" \
		"-DWANT_VERSION=$version" "-DTARGET=$2" "-DCOMPONENTS=$4" \
		"-DCMAKE_C_FLAGS=${flags[*]}" "-DCMAKE_CXX_FLAGS=${flags[*]}" \
		"${@:5}" && cmake --build "$1" && consume "$1" "$3"
}

# with_pkg_config DIR SHARED [--static]
with_pkg_config() {
	local libs cflags
	mkdir -p "$1"
	# Only devrx.pc: it must not ask for another package's.
	read -ra cflags < <(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --cflags devrx)
	read -ra libs < <(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config ${3:+"$3"} --libs devrx)
	((${#cflags[@]} && ${#libs[@]})) || return 1
	# The archive itself: given the choice, ld takes the shared library.
	[[ ${3:-} ]] && libs=("${libs[@]/#-ldevrx/-l:libdevrx.a}")
	echo "cflags: ${cflags[*]}, libs: ${libs[*]}"
	"$cc" -std=c11 "${flags[@]}" "-DWANT_VERSION=\"$version\"" \
		"${cflags[@]}" "$tmp/consumer/consumer.c" \
		-o "$1/consumer_c" "-L$uring" "${libs[@]}" "-Wl,-rpath-link,$uring" &&
		"$cxx" -std=c++17 "${flags[@]}" "-DWANT_VERSION=\"$version\"" \
			"${cflags[@]}" "$tmp/consumer/consumer.cc" \
			-o "$1/consumer_cxx" "-L$uring" "${libs[@]}" "-Wl,-rpath-link,$uring" &&
		consume "$1" "$2"
}

# headers LANGUAGE COMPILER STANDARD: each installed header alone.
headers() {
	local header rc=0
	for header in "$prefix"/include/devrx/*.h; do
		echo "#include <devrx/${header##*/}>" |
			"$2" "-std=$3" -x "$1" "${flags[@]}" -fsyntax-only \
				"-I$prefix/include" - || rc=1
	done
	return "$rc"
}

same_headers() {
	diff -r include/devrx "$prefix/include/devrx"
}

soname_is() {
	local got
	got=$(readelf -d "$lib/libdevrx.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
	echo "SONAME is $got"
	[[ $got == "$soname" && -e $lib/$soname && -L $lib/libdevrx.so ]]
}

pc_version_is() {
	local got
	got=$(pkg-config --modversion devrx)
	echo "devrx.pc says $got, the build $version"
	[[ $got == "$version" ]]
}

# What describes the installed tree does not name the tree it was built in.
no_build_paths() {
	! grep -rIF -e "$PWD/" "$lib" &&
		! readelf -d "$lib/libdevrx.so" | grep -E 'R(UN)?PATH'
}

# The command and the pages, where this build has them; each page that is a
# link to another leads somewhere.
tool_runs() {
	local got
	got=$(LD_LIBRARY_PATH=$lib:$uring "$prefix/bin/devrx" --version)
	echo "devrx --version: $got"
	[[ $got == "devrx $version" ]]
}
pages_installed() {
	local page missing=0
	for page in man/*.[1-9]; do
		find -L "$prefix/share/man" -type f -name "${page##*/}" | grep -q . ||
			{ echo "$page is not installed" && missing=1; }
	done
	find "$prefix/share/man" -xtype l | grep . && missing=1
	((missing == 0))
}

# refuses WHAT COMMAND...: the command must fail, and say WHAT.
refuses() {
	local what=$1
	shift
	if "$@" >"$tmp/refused" 2>&1; then
		echo "was not refused: $*"
		return 1
	fi
	grep -q -- "$what" "$tmp/refused" || {
		cat "$tmp/refused"
		return 1
	}
}

# use PREFIX: the tree that the checks look at.
use() {
	prefix=$1
	lib=$(dirname "$(dirname "$(find "$prefix" -name devrx.pc | head -n 1)")")
	PKG_CONFIG_PATH=$lib/pkgconfig:$own_pkgs
}

check install cmake --install "$build" --prefix "$tmp/prefix" || exit 1
use "$tmp/prefix"
check soname soname_is
check headers-installed same_headers
check headers-c11 headers c "$cc" c11
check headers-cxx17 headers c++ "$cxx" c++17
check no-build-paths no_build_paths
if [[ -x $build/tools/devrx ]]; then
	check tool-installed tool_runs
else
	echo "skip tool-installed: this build has no tool"
fi
if [[ -d $prefix/share/man ]]; then
	check pages-installed pages_installed
else
	echo "skip pages-installed: this build has no pages"
fi
check cmake-shared with_cmake "$tmp/cmake-shared" devrx::devrx yes \
	"COMPONENTS;shared" -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON
check cmake-static with_cmake "$tmp/cmake-static" devrx::devrx-static no \
	"COMPONENTS;static"
check cmake-no-components with_cmake "$tmp/cmake-any" devrx::devrx yes ""
check cmake-static-no-pkg-config refuses PkgConfig with_cmake \
	"$tmp/refused-static" devrx::devrx-static no "COMPONENTS;static" \
	-DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON
check cmake-static-no-liburing refuses "needs liburing" \
	env PKG_CONFIG_PATH= PKG_CONFIG_LIBDIR="$tmp" \
	cmake -S "$tmp/consumer" -B "$tmp/refused-liburing" \
	"-DCMAKE_PREFIX_PATH=$prefix" "-DWANT_VERSION=$version" \
	-DTARGET=devrx::devrx-static "-DCOMPONENTS=COMPONENTS;static"
check cmake-next-minor-refused refuses version cmake -S "$tmp/consumer" \
	-B "$tmp/refused-version" "-DCMAKE_PREFIX_PATH=$prefix" \
	-DWANT_VERSION="${version%%.*}.99.0" -DTARGET=devrx::devrx
check pkg-config-version pc_version_is
check pkg-config-shared with_pkg_config "$tmp/pc-shared" yes
check pkg-config-static with_pkg_config "$tmp/pc-static" no --static

# A staged tree (DESTDIR), and one that is moved after it was installed.
check install-destdir env DESTDIR="$tmp/stage" cmake --install "$build" \
	--prefix /usr && {
	check destdir-only test -e "$tmp/stage/usr/include/devrx/devrx.h"
	mv "$tmp/stage/usr" "$tmp/moved"
	use "$tmp/moved"
	check moved-cmake with_cmake "$tmp/moved-cmake" devrx::devrx yes ""
	check moved-pkg-config with_pkg_config "$tmp/moved-pc" yes
}

# A prefix relative to where the installation is started.
relative() {
	(cd "$tmp" && cmake --install "$build" --prefix relative/prefix)
}
check install-relative relative && {
	use "$tmp/relative/prefix"
	check relative-pkg-config with_pkg_config "$tmp/relative-pc" yes
}
exit $failed
